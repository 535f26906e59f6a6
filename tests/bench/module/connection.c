// SPDX-License-Identifier: GPL-2.0
/* Makes connections as conntrack would have them, without sending packets. */
#include "bench.h"

#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_seqadj.h>
#include <net/netfilter/nf_conntrack_zones.h>

static struct nf_conntrack_tuple tuple(const struct bench_case *c, enum ip_conntrack_dir dir)
{
	const struct bench_side *side = &c->side[dir];
	struct nf_conntrack_tuple t = {};

	t.src.u3 = side->src;
	t.src.u.all = side->sport;
	t.src.l3num = c->l3num;
	t.dst.u3 = side->dst;
	t.dst.u.all = side->dport;
	t.dst.protonum = c->l4proto;
	t.dst.dir = dir;
	return t;
}

static int attach(struct nf_conn *ct, struct nf_conntrack_helper *helper)
{
	struct nf_conn_help *help = nf_ct_helper_ext_add(ct, GFP_KERNEL);

	if (!help)
		return -ENOMEM;
	/*
	 * As ctnetlink does it for a connection that it injects, before it has the helper: of one that seems
	 * to be seen in its middle ours would not believe all. No helper that has this looks at the attribute.
	 */
	if (helper->from_nlattr) {
		rcu_read_lock();
		helper->from_nlattr(NULL, ct);
		rcu_read_unlock();
	}
	refcount_inc(&helper->ct_refcnt);
	rcu_assign_pointer(help->helper, helper);
	return 0;
}

/*
 * With a helper if b has one that the packet is to be given to. A connection that is not new looks
 * confirmed, but is in no table: nobody but us knows it.
 */
struct nf_conn *bench_connection(const struct bench *b)
{
	struct nf_conntrack_tuple original = tuple(&b->c, IP_CT_DIR_ORIGINAL);
	struct nf_conntrack_tuple reply = tuple(&b->c, IP_CT_DIR_REPLY);
	struct nf_conn *ct;

	ct = nf_conntrack_alloc(&init_net, &nf_ct_zone_dflt, &original, &reply, GFP_KERNEL);
	if (IS_ERR(ct))
		return ct;
	refcount_set(&ct->ct_general.use, 1);
	/* Not IPS_*_NAT_DONE: nf_nat does not know this connection. */
	ct->status |= b->c.status;
	/* The extensions in the order in which the kernel adds them. */
	if (b->helper && b->c.what != BENCH_ASSIGN &&
	    (attach(ct, b->helper) || ((ct->status & IPS_NAT_MASK) && !nfct_seqadj_ext_add(ct)))) {
		nf_ct_put(ct);
		return ERR_PTR(-ENOMEM);
	}
	if (!b->c.is_new)
		ct->status |= IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
	else if (b->c.l4proto == IPPROTO_TCP)
		ct->proto.tcp.state = TCP_CONNTRACK_SYN_SENT;
	return ct;
}

/* What a CT rule holds. */
struct nf_conn *bench_template(const struct bench *b)
{
	struct nf_conn *ct = nf_ct_tmpl_alloc(&init_net, &nf_ct_zone_dflt, GFP_KERNEL);

	if (!ct)
		return ERR_PTR(-ENOMEM);
	if (attach(ct, b->helper)) {
		nf_ct_tmpl_free(ct);
		return ERR_PTR(-ENOMEM);
	}
	return ct;
}

void bench_template_free(struct nf_conn *ct)
{
	nf_ct_help_put(ct);
	nf_ct_put(ct);
}

u32 bench_expected(const struct nf_conn *ct)
{
	const struct nf_conn_help *help = nfct_help(ct);

	return help ? help->expecting[NF_CT_EXPECT_CLASS_DEFAULT] : 0;
}
