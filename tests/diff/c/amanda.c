// SPDX-License-Identifier: GPL-2.0
#include "helper.h"

static unsigned int note(struct sk_buff *skb, struct nf_conn *ct, enum ip_conntrack_info ctinfo, unsigned int protoff,
			 unsigned int offset, unsigned int len, struct nf_conntrack_expect *exp)
{
	diff_note(exp, offset, len);
	return NF_ACCEPT;
}

void diff_amanda(struct diff_call *call)
{
	if (!nf_nat_amanda_hook) {
		diff_init();
		nf_nat_amanda_hook = note;
	}
	diff_run(call, diff_helper, IPPROTO_UDP);
}
