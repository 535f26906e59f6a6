// SPDX-License-Identifier: GPL-2.0
/* Makes packets as they come to a helper: network header first, after routing. */
#include "bench.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/tcp.h>

unsigned int bench_protoff(const struct bench *b)
{
	return b->c.l3num == NFPROTO_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* With timestamps, as nearly all TCP connections have them. */
#define TCP_LEN (sizeof(struct tcphdr) + TCPOLEN_TSTAMP_ALIGNED)

static void put_tcp(struct bench *b, struct sk_buff *skb, const struct bench_side *side)
{
	struct tcphdr *th = skb_put_zero(skb, TCP_LEN);

	th->source = side->sport;
	th->dest = side->dport;
	th->seq = htonl(b->seq);
	th->ack_seq = htonl(1);
	th->doff = TCP_LEN / 4;
	th->ack = 1;
	th->psh = 1;
	th->window = htons(502);
	*(__be32 *)(th + 1) = htonl((TCPOPT_NOP << 24) | (TCPOPT_NOP << 16) |
				    (TCPOPT_TIMESTAMP << 8) | TCPOLEN_TIMESTAMP);
	skb->csum_offset = offsetof(struct tcphdr, check);
}

static void put_udp(struct bench *b, struct sk_buff *skb, const struct bench_side *side)
{
	struct udphdr *uh = skb_put_zero(skb, sizeof(*uh));

	uh->source = side->sport;
	uh->dest = side->dport;
	uh->len = htons(sizeof(*uh) + b->payload_len);
	/* Not 0: there is a checksum. */
	uh->check = htons(1);
	skb->csum_offset = offsetof(struct udphdr, check);
}

static void put_ip(struct bench *b, struct sk_buff *skb, const struct bench_side *side,
		   unsigned int len)
{
	if (b->c.l3num == NFPROTO_IPV4) {
		struct iphdr *ih = skb_put_zero(skb, sizeof(*ih));

		ih->version = 4;
		ih->ihl = sizeof(*ih) / 4;
		ih->tot_len = htons(sizeof(*ih) + len);
		ih->frag_off = htons(IP_DF);
		ih->ttl = 64;
		ih->protocol = b->c.l4proto;
		ih->saddr = side->src.ip;
		ih->daddr = side->dst.ip;
		ip_send_check(ih);
		skb->protocol = htons(ETH_P_IP);
	} else {
		struct ipv6hdr *ih = skb_put_zero(skb, sizeof(*ih));

		ih->version = 6;
		ih->payload_len = htons(len);
		ih->nexthdr = b->c.l4proto;
		ih->hop_limit = 64;
		ih->saddr = side->src.in6;
		ih->daddr = side->dst.in6;
		skb->protocol = htons(ETH_P_IPV6);
	}
}

/* Fragments with the payload. */
static int add_fragments(struct bench *b, struct sk_buff *skb)
{
	u32 at, len;

	for (at = 0; at < b->payload_len; at += len) {
		struct page *page = alloc_page(GFP_KERNEL);

		if (!page)
			return -ENOMEM;
		len = min_t(u32, b->payload_len - at, PAGE_SIZE);
		memcpy(page_address(page), b->payload + at, len);
		skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page, 0, len, PAGE_SIZE);
	}
	return 0;
}

/* A fragment with the payload. */
static int add_fragment(struct bench *b, struct sk_buff *skb)
{
	struct page *page = b->page;

	if (b->payload_len > PAGE_SIZE)
		return -EINVAL;
	if (b->c.place == BENCH_SHARED) {
		get_page(page);
	} else {
		page = alloc_page(GFP_KERNEL);
		if (!page)
			return -ENOMEM;
		memcpy(page_address(page), b->payload, b->payload_len);
	}
	skb_add_rx_frag(skb, 0, page, 0, b->payload_len, PAGE_SIZE);
	return 0;
}

/*
 * There is room for the payload behind the headers, so that linearising takes no new buffer: the cheapest
 * case for who does that. Where it is in several pages there is none, as in a packet of segmentation offload.
 */
struct sk_buff *bench_packet(struct bench *b, struct nf_conn *ct, enum ip_conntrack_info info)
{
	const struct bench_side *side = &b->c.side[b->c.dir];
	unsigned int header = b->c.l4proto == IPPROTO_TCP ? TCP_LEN : sizeof(struct udphdr);
	unsigned int protoff = bench_protoff(b);
	unsigned int room = b->c.place == BENCH_PAGES ? 0 : b->payload_len;
	struct sk_buff *skb;

	skb = alloc_skb(MAX_TCP_HEADER + protoff + header + room, GFP_KERNEL);
	if (!skb)
		return NULL;
	skb_reserve(skb, MAX_TCP_HEADER);
	skb_reset_network_header(skb);
	put_ip(b, skb, side, header + b->payload_len);
	skb_set_transport_header(skb, protoff);
	if (b->c.l4proto == IPPROTO_TCP)
		put_tcp(b, skb, side);
	else
		put_udp(b, skb, side);
	/* Its sender leaves the checksum to the interface. */
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	if (b->c.place == BENCH_LINEAR) {
		skb_put_data(skb, b->payload, b->payload_len);
	} else if (b->c.place == BENCH_PAGES ? add_fragments(b, skb) : add_fragment(b, skb)) {
		kfree_skb(skb);
		return NULL;
	}
	if (!b->c.is_untracked) {
		nf_conntrack_get(&ct->ct_general);
		nf_ct_set(skb, ct, info);
	}
	return skb;
}
