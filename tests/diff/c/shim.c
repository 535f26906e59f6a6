// SPDX-License-Identifier: GPL-2.0
/* What the helpers call of a kernel, and how they are called. */
#include "shim.h"

static struct diff_call *current_call;

unsigned long simple_strtoul(const char *text, char **end, unsigned int base)
{
	unsigned long long value = 0;

	while (isdigit(*text))
		value = value * base + (*text++ - '0');
	*end = (char *)text;
	return value;
}

int hex_to_bin(unsigned char c)
{
	if (isdigit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct ts_config *textsearch_prepare(const char *algorithm, const void *pattern, unsigned int len, int gfp, int flags)
{
	struct ts_config *config = malloc(sizeof(*config));

	config->pattern = pattern;
	config->len = len;
	return config;
}

unsigned int skb_find_text(struct sk_buff *skb, unsigned int from, unsigned int to, struct ts_config *config)
{
	const unsigned char *found = memmem(skb->data + from, to - from, config->pattern, config->len);

	return found ? found - (skb->data + from) : UINT_MAX;
}

struct nf_conntrack_expect *nf_ct_expect_alloc(struct nf_conn *ct)
{
	return calloc(1, sizeof(struct nf_conntrack_expect));
}

void nf_ct_expect_init(struct nf_conntrack_expect *exp, unsigned int class, u8 family, const union nf_inet_addr *saddr,
		       const union nf_inet_addr *daddr, u8 proto, const __be16 *src, const __be16 *dst)
{
	exp->daddr = *daddr;
	exp->family = family;
	exp->proto = proto;
	exp->port = *dst;
}

void diff_note(const struct nf_conntrack_expect *exp, unsigned int offset, unsigned int len)
{
	struct diff_found *found;

	if (current_call->count == ARRAY_SIZE(current_call->found))
		abort();
	found = &current_call->found[current_call->count++];
	found->offset = offset;
	found->len = len;
	memcpy(found->address, &exp->daddr, exp->family == PF_INET ? 4 : 16);
	found->port = ntohs(exp->port);
	found->family = exp->family;
	found->proto = exp->proto;
}

void diff_run(struct diff_call *call, nf_diff_help_fn *help, u8 proto)
{
	unsigned int header = proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr);
	static u8 packet[DIFF_PROTOFF + sizeof(struct tcphdr) + 0x10000 + 64] __attribute__((aligned(8)));
	struct sk_buff skb = { .data = packet, .len = DIFF_PROTOFF + header + call->len };
	struct tcphdr *th = (struct tcphdr *)(packet + DIFF_PROTOFF);
	struct nf_conn ct = { .status = IPS_NAT_MASK, .help_data = call->data };
	struct nf_conntrack_tuple *out = &ct.tuplehash[IP_CT_DIR_ORIGINAL].tuple;
	struct nf_conntrack_tuple *back = &ct.tuplehash[IP_CT_DIR_REPLY].tuple;

	if (call->len > 0x10000)
		abort();
	memset(packet, 0, DIFF_PROTOFF + header);
	memcpy(packet + DIFF_PROTOFF + header, call->payload, call->len);
	memset(packet + skb.len, call->behind, 64);
	memcpy(&out->src.u3, call->client, 16);
	memcpy(&out->dst.u3, call->server, 16);
	memcpy(&back->src.u3, call->server, 16);
	memcpy(&back->dst.u3, call->client, 16);
	out->src.l3num = back->src.l3num = call->family;
	out->src.u.all = back->dst.u.all = htons(call->client_port);
	if (proto == IPPROTO_TCP) {
		th->seq = htonl(call->seq);
		th->doff = sizeof(*th) / 4;
	}
	current_call = call;
	call->count = 0;
	memset(call->found, 0, sizeof(call->found));
	call->verdict = help(&skb, DIFF_PROTOFF, &ct, call->reply ? IP_CT_ESTABLISHED_REPLY : IP_CT_ESTABLISHED);
}
