// SPDX-License-Identifier: GPL-2.0
/*
 * Calls the helper on one CPU, and on two at once, each with packets of a connection of its own.
 *
 * Without -icount, so this measures time. A busy host lets one virtual CPU wait while the other runs
 * more often than not. So the two meet again and again, until they find each other there at once a
 * few times, and a burst is short: who begins together then mostly runs together, too.
 */
#include "bench.h"

#include <linux/kthread.h>
#include <linux/math.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/timekeeping.h>

#define THREADS	2
#define CALLS	300

struct work {
	struct kthread_work work;
	struct kthread_worker *thread;
	struct bench *b;	/* a copy with a connection of its own */
	struct nf_conn *ct;
	struct sk_buff *skb;
	int number;
	int party;		/* how many begin together */
	u64 start, ns;
};

/* How often somebody has come to where they meet, and which meeting is the last. */
static atomic_t comings;
static int last;

/* The control: about as much work as a helper's, in the packet and in the connection's own memory. */
static noinline int own_memory(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct,
			       enum ip_conntrack_info info)
{
	u32 sum = 0, i, len = skb_headlen(skb);

	for (i = protoff; i < len; i++)
		sum = sum * 31 + skb->data[i];
	WRITE_ONCE(ct->mark, sum);
	return NF_ACCEPT;
}

static void burst(struct work *w)
{
	unsigned int protoff = bench_protoff(w->b);
	struct tcphdr *th = tcp_hdr(w->skb);
	enum ip_conntrack_info info = skb_get_nfct(w->skb) & NFCT_INFOMASK;
	struct nf_conntrack_helper *helper = w->b->helper;
	typeof(helper->help) help = helper ? rcu_dereference(helper->help) : own_memory;
	int i;

	for (i = 0; i < CALLS; i++) {
		help(w->skb, protoff, w->ct, info);
		/* The next line of the stream. */
		th->seq = htonl(ntohl(th->seq) + w->b->payload_len);
	}
}

#define QUICK_NS	3000
#define QUICK_ENOUGH	10
#define PATIENCE_NS	(30 * NSEC_PER_MSEC)

/* Without cpu_relax(): QEMU leaves its loop on it, for longer than a burst takes. */
static void meet(struct work *w)
{
	u64 now = ktime_get_ns(), end = now + PATIENCE_NS, before;
	int meeting, quick = 0;

	for (meeting = 1; meeting <= READ_ONCE(last); meeting++) {
		before = now;
		now = ktime_get_ns();
		quick = now - before < QUICK_NS ? quick + 1 : 0;
		/* One of them decides. */
		if (w->number == 0 && last == INT_MAX && (quick == QUICK_ENOUGH || now > end))
			WRITE_ONCE(last, meeting);
		atomic_inc_return(&comings);
		while (atomic_read(&comings) < meeting * w->party)
			barrier();
	}
}

static void run(struct kthread_work *work)
{
	struct work *w = container_of(work, struct work, work);

	local_bh_disable();
	rcu_read_lock();
	if (w->party > 1)
		meet(w);
	w->start = ktime_get_ns();
	burst(w);
	w->ns = ktime_get_ns() - w->start;
	rcu_read_unlock();
	local_bh_enable();
}

static void together(struct work *first, int party)
{
	int i;

	atomic_set(&comings, 0);
	last = INT_MAX;
	for (i = 0; i < party; i++) {
		first[i].party = party;
		kthread_queue_work(first[i].thread, &first[i].work);
	}
	for (i = 0; i < party; i++)
		kthread_flush_work(&first[i].work);
}

static int prepare(struct work *w, const struct bench *b, int number)
{
	enum ip_conntrack_info info = IP_CT_ESTABLISHED;

	w->b = kmemdup(b, sizeof(*b), GFP_KERNEL);
	if (!w->b)
		return -ENOMEM;
	be16_add_cpu(&w->b->c.side[IP_CT_DIR_ORIGINAL].sport, number);
	be16_add_cpu(&w->b->c.side[IP_CT_DIR_REPLY].dport, number);
	w->b->seq = 1000;
	w->number = number;
	w->ct = bench_connection(w->b);
	if (IS_ERR(w->ct))
		return PTR_ERR(w->ct);
	if (b->c.dir == IP_CT_DIR_REPLY)
		info += IP_CT_IS_REPLY;
	w->skb = bench_packet(w->b, w->ct, info);
	if (!w->skb)
		return -ENOMEM;
	w->thread = kthread_run_worker_on_cpu(number, 0, "bench/%u");
	if (IS_ERR(w->thread))
		return PTR_ERR(w->thread);
	kthread_init_work(&w->work, run);
	return 0;
}

static void clean_up(struct work *w)
{
	if (!IS_ERR_OR_NULL(w->thread))
		kthread_destroy_worker(w->thread);
	kfree_skb(w->skb);
	if (!IS_ERR_OR_NULL(w->ct))
		nf_ct_put(w->ct);
	kfree(w->b);
}

/*
 * Leaves the number of calls, then of each round: one thread's time, that of each of two, and how
 * much later one of them began.
 */
int bench_threads(struct bench *b)
{
	struct work works[THREADS] = {};
	unsigned long *out = bench_trace->at;
	int i, err = -EINVAL;

	if (num_online_cpus() < THREADS || b->c.l4proto != IPPROTO_TCP || b->c.place != BENCH_LINEAR)
		return err;
	for (i = 0; i < THREADS; i++) {
		err = prepare(&works[i], b, i);
		if (err)
			goto out;
	}
	together(works, THREADS);
	*out++ = CALLS;
	for (i = 0; i < b->c.rounds; i++) {
		struct work *one = &works[i % THREADS];

		together(one, 1);
		*out++ = one->ns;
		together(works, THREADS);
		*out++ = works[0].ns;
		*out++ = works[1].ns;
		*out++ = abs_diff(works[0].start, works[1].start);
	}
	bench_trace->len = out - bench_trace->at;
out:
	for (i = 0; i < THREADS; i++)
		clean_up(&works[i]);
	return err;
}
