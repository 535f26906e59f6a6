// SPDX-License-Identifier: GPL-2.0
/* Has others expect connections to all ports that an announcement could be given. */
#include "bench.h"

#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack_core.h>
#include <net/netfilter/nf_conntrack_expect.h>
#include <net/netfilter/nf_conntrack_zones.h>

/* Of one connection without a helper. */
#define EACH	NF_CT_EXPECT_MAX_CNT

static struct nf_conn *masters[U16_MAX / EACH + 1];
static unsigned int count;
/* What is taken: from this port on, at that address. */
static u32 first;
static union nf_inet_addr where;

static struct nf_conn *master(const struct bench *b, u16 number)
{
	const struct bench_side *side = &b->c.side[IP_CT_DIR_ORIGINAL];
	struct nf_conntrack_tuple original = {}, reply = {};
	struct nf_conn *ct;

	original.src.u3 = reply.dst.u3 = side->src;
	original.dst.u3 = reply.src.u3 = side->dst;
	original.src.l3num = reply.src.l3num = b->c.l3num;
	original.dst.protonum = reply.dst.protonum = IPPROTO_TCP;
	original.src.u.all = reply.dst.u.all = htons(number);
	ct = nf_conntrack_alloc(&init_net, &nf_ct_zone_dflt, &original, &reply, GFP_KERNEL);
	if (IS_ERR(ct))
		return ct;
	refcount_set(&ct->ct_general.use, 1);
	if (nf_ct_helper_ext_add(ct, GFP_KERNEL))
		return ct;
	nf_ct_put(ct);
	return ERR_PTR(-ENOMEM);
}

static int expect(const struct bench *b, struct nf_conn *ct, __be16 port)
{
	struct nf_conntrack_expect *exp = nf_ct_expect_alloc(ct);
	int err;

	if (!exp)
		return -ENOMEM;
	nf_ct_expect_init(exp, NF_CT_EXPECT_CLASS_DEFAULT, b->c.l3num, NULL, &where, IPPROTO_TCP, NULL, &port);
	/* It has no helper that says for how long. */
	exp->timeout += 3600 * HZ;
	err = nf_ct_expect_related(exp, 0);
	nf_ct_expect_put(exp);
	return err;
}

int bench_take(const struct bench *b)
{
	/* Where the announcer is seen by who gets the packet. */
	const union nf_inet_addr *at = &b->c.side[!b->c.dir].dst;
	unsigned int port, left = 0;
	int err;

	if (b->c.taken == first && (!first || !memcmp(at, &where, sizeof(where))))
		return 0;
	bench_let_go();
	first = b->c.taken;
	where = *at;
	for (port = first; first && port <= U16_MAX; port++, left--) {
		if (!left) {
			struct nf_conn *ct = master(b, count + 1);

			if (IS_ERR(ct))
				return PTR_ERR(ct);
			masters[count++] = ct;
			left = EACH;
		}
		err = expect(b, masters[count - 1], htons(port));
		if (err)
			return err;
		if (port % 1024 == 0)
			cond_resched();
	}
	return 0;
}

void bench_let_go(void)
{
	while (count) {
		nf_ct_remove_expectations(masters[--count]);
		nf_ct_put(masters[count]);
	}
	first = 0;
	rcu_barrier();
}
