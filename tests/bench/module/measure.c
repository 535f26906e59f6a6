// SPDX-License-Identifier: GPL-2.0
/*
 * Calls what is to be measured, as in softirq, many times on fresh packets of one connection.
 *
 * The machine is QEMU with -icount shift=0, where the time stamp counter counts instructions.
 */
#include "bench.h"

#include <asm/tsc.h>
#include <linux/netfilter_bridge.h>
#include <linux/rcupdate.h>
#include <linux/sort.h>
#include <net/net_namespace.h>

#define WARM_UP	8

/* What a round is for. */
enum mode { EMPTY_CALL, MEASURE, TRACE };

typedef int helper_fn(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct,
		      enum ip_conntrack_info info);

static noinline int nothing(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct,
			    enum ip_conntrack_info info)
{
	return NF_ACCEPT;
}

/* The same instructions around whatever is called. */
static noinline u64 timed(helper_fn *call, struct sk_buff *skb, unsigned int protoff,
			  struct nf_conn *ct, enum ip_conntrack_info info, u32 *verdict)
{
	u64 start = rdtsc();

	*verdict = call(skb, protoff, ct, info);
	return rdtsc() - start;
}

static noinline u64 timed_assign(struct nf_conn *ct, struct nf_conn *template)
{
	u64 start = rdtsc();

	__nf_ct_try_assign_helper(ct, template, GFP_ATOMIC);
	return rdtsc() - start;
}

static noinline u64 timed_hooks(struct sk_buff *skb, struct nf_hook_state *state,
				const struct nf_hook_entries *entries, u32 *verdict)
{
	u64 start = rdtsc();

	*verdict = nf_hook_slow(skb, state, entries, 0);
	return rdtsc() - start;
}

/* As br_forward_finish() does it. What it calls behind the hooks, nf_hook() leaves to its caller. */
static noinline u64 timed_bridge(struct sk_buff *skb, u32 *verdict)
{
	u64 start = rdtsc();

	/* 1: go on. */
	*verdict = nf_hook(NFPROTO_BRIDGE, NF_BR_POST_ROUTING, &init_net, NULL, skb, NULL,
			   init_net.loopback_dev, NULL);
	return rdtsc() - start;
}

/* In those of IP there is always one hook, so that those of a helper are the difference. */
static unsigned int hook_nothing(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	return NF_ACCEPT;
}

#define HOOK(family) \
	{ .hook = hook_nothing, .pf = (family), .hooknum = NF_INET_POST_ROUTING, .priority = -1 }
static const struct nf_hook_ops hooks[] = { HOOK(NFPROTO_IPV4), HOOK(NFPROTO_IPV6) };

int bench_hooks_add(void)
{
	return nf_register_net_hooks(&init_net, hooks, ARRAY_SIZE(hooks));
}

void bench_hooks_remove(void)
{
	nf_unregister_net_hooks(&init_net, hooks, ARRAY_SIZE(hooks));
}

static u64 measure_hooks(const struct bench *b, struct sk_buff *skb, u32 *verdict)
{
	struct nf_hook_state state;
	struct nf_hook_entries *entries;

	nf_hook_state_init(&state, NF_INET_POST_ROUTING, b->c.l3num, NULL, init_net.loopback_dev,
			   NULL, &init_net, NULL);
	if (b->c.l3num == NFPROTO_IPV4)
		entries = rcu_dereference(init_net.nf.hooks_ipv4[NF_INET_POST_ROUTING]);
	else
		entries = rcu_dereference(init_net.nf.hooks_ipv6[NF_INET_POST_ROUTING]);
	return timed_hooks(skb, &state, entries, verdict);
}

/* The part of a round that runs as in softirq. */
static u64 call(struct bench *b, enum mode mode, struct sk_buff *skb, struct nf_conn *ct,
		struct nf_conn *template)
{
	enum ip_conntrack_info info = skb_get_nfct(skb) & NFCT_INFOMASK;
	unsigned int protoff = bench_protoff(b);
	u32 *verdict = &b->result.verdict;
	helper_fn *help;

	if (mode == EMPTY_CALL)
		return b->c.what == BENCH_HOOK || b->c.what == BENCH_BRIDGE ?
			0 : timed(nothing, skb, protoff, ct, info, verdict);
	if (b->c.what == BENCH_HOOK)
		return measure_hooks(b, skb, verdict);
	if (b->c.what == BENCH_BRIDGE)
		return timed_bridge(skb, verdict);
	if (b->c.what == BENCH_ASSIGN)
		return timed_assign(ct, template);
	help = rcu_dereference(b->helper->help);
	if (mode == MEASURE)
		return timed(help, skb, protoff, ct, info, verdict);
	bench_trace_start();
	*verdict = help(skb, protoff, ct, info);
	bench_trace_stop();
	return 0;
}

/* The other side says something. */
static int ask(struct bench *b, struct nf_conn *ct, enum ip_conntrack_info info)
{
	struct bench *q = b->question;
	struct sk_buff *skb;

	if (!q->payload_len)
		return 0;
	skb = bench_packet(q, ct, info);
	if (!skb)
		return -ENOMEM;
	local_bh_disable();
	rcu_read_lock();
	rcu_dereference(b->helper->help)(skb, bench_protoff(q), ct, info);
	rcu_read_unlock();
	local_bh_enable();
	kfree_skb(skb);
	q->seq += q->payload_len;
	return 0;
}

static int one_round(struct bench *b, enum mode mode, struct nf_conn *ct, struct nf_conn *template,
		     u64 *count)
{
	enum ip_conntrack_info info = b->c.is_new ? IP_CT_NEW : IP_CT_ESTABLISHED;
	struct sk_buff *skb;

	if (b->c.what == BENCH_HELPER &&
	    ask(b, ct, info + (b->c.dir == IP_CT_DIR_REPLY ? 0 : IP_CT_IS_REPLY)))
		return -ENOMEM;
	if (b->c.dir == IP_CT_DIR_REPLY)
		info += IP_CT_IS_REPLY;
	skb = bench_packet(b, ct, info);
	if (!skb)
		return -ENOMEM;
	local_bh_disable();
	rcu_read_lock();
	*count = call(b, mode, skb, ct, template);
	rcu_read_unlock();
	local_bh_enable();
	/* As if all that is expected had come, and its memory were free again. */
	b->result.expected = bench_expected(ct);
	if (b->result.expected) {
		nf_ct_remove_expectations(ct);
		rcu_barrier();
	}
	b->packet_len = min_t(u32, skb->len, sizeof(b->packet));
	skb_copy_bits(skb, 0, b->packet, b->packet_len);
	kfree_skb(skb);
	cond_resched();
	return 0;
}

/* All rounds on the packets of one established connection, or on the first ones of many. */
static int rounds(struct bench *b, enum mode mode, struct nf_conn *template)
{
	int i, err = 0, n = mode == TRACE ? 1 : b->c.rounds;
	struct nf_conn *ct = NULL;
	u64 count;

	b->seq = 1000;
	b->question->seq = 1000;
	for (i = -WARM_UP; i < n && !err; i++) {
		if (!ct)
			ct = bench_connection(b);
		if (IS_ERR(ct))
			return PTR_ERR(ct);
		err = one_round(b, mode == TRACE && i < 0 ? MEASURE : mode, ct, template, &count);
		b->seq += b->payload_len;
		if (i >= 0)
			b->counts[i] = count;
		if (b->c.is_new) {
			nf_ct_put(ct);
			ct = NULL;
		}
	}
	if (ct)
		nf_ct_put(ct);
	return err;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static int measure(struct bench *b, struct nf_conn *template)
{
	struct bench_result *r = &b->result;
	u32 n = b->c.rounds;
	int err;

	err = rounds(b, EMPTY_CALL, template);
	if (err)
		return err;
	sort(b->counts, n, sizeof(b->counts[0]), compare, NULL);
	r->control = b->counts[n / 2];
	err = rounds(b, MEASURE, template);
	if (err)
		return err;
	sort(b->counts, n, sizeof(b->counts[0]), compare, NULL);
	r->min = b->counts[0] - r->control;
	r->median = b->counts[n / 2] - r->control;
	r->max = b->counts[n - 1] - r->control;
	return b->c.trace && b->c.what == BENCH_HELPER ? rounds(b, TRACE, template) : 0;
}

int bench_measure(struct bench *b)
{
	struct nf_conn *template = NULL;
	int err;

	if (b->c.what == BENCH_THREADS)
		return bench_threads(b);
	if (b->c.what == BENCH_ASSIGN) {
		template = bench_template(b);
		if (IS_ERR(template))
			return PTR_ERR(template);
	}
	err = bench_take(b);
	if (!err)
		err = measure(b, template);
	if (template)
		bench_template_free(template);
	return err;
}
