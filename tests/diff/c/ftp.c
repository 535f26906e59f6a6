// SPDX-License-Identifier: GPL-2.0
#include "helper.h"

static unsigned int note(struct sk_buff *skb, struct nf_conn *ct, enum ip_conntrack_info ctinfo, enum nf_ct_ftp_type type,
			 unsigned int protoff, unsigned int offset, unsigned int len, struct nf_conntrack_expect *exp)
{
	diff_note(exp, offset, len);
	return NF_ACCEPT;
}

void diff_ftp(struct diff_call *call)
{
	if (!nf_nat_ftp_hook) {
		diff_init();
		nf_nat_ftp_hook = note;
	}
	loose = call->loose;
	diff_run(call, diff_helper, IPPROTO_TCP);
}
