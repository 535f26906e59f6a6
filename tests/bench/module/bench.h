/* SPDX-License-Identifier: GPL-2.0 */
/* What user space asks for and gets, and what the pieces of the module share. */
#ifndef BENCH_H
#define BENCH_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/netfilter/nf_conntrack_helper.h>

/* What is measured. */
enum bench_what {
	BENCH_HELPER,	/* a call of the helper */
	BENCH_ASSIGN,	/* attaching the helper from a rule's template to a new connection */
	BENCH_HOOK,	/* the hooks of POST_ROUTING */
	BENCH_BRIDGE,	/* the same of a bridge, with looking whether there are any */
	BENCH_THREADS,	/* the helper on two CPUs at once; without a helper a function of our own */
};

/* Where the payload lies. */
enum bench_place {
	BENCH_LINEAR,	/* behind the headers */
	BENCH_FRAGMENT,	/* in a fragment that is a page of its own */
	BENCH_SHARED,	/* in a fragment of a page that is in use elsewhere, too */
	BENCH_PAGES,	/* in as many pages as it takes, as a sender's TCP has it for segmentation offload */
};

struct bench_side {
	union nf_inet_addr src, dst;
	__be16 sport, dport;
};

/* Written to the device; that line and the payload follow. tests/bench/device.py has the same layout. */
struct bench_case {
	char helper[NF_CT_HELPER_NAME_LEN];
	u8 what;
	u8 l3num;		/* NFPROTO_IPV4 or NFPROTO_IPV6 */
	u8 l4proto;		/* IPPROTO_TCP or IPPROTO_UDP */
	u8 dir;			/* enum ip_conntrack_dir */
	u8 place;		/* enum bench_place */
	u8 is_new;		/* the packet is the first of its connection */
	u8 is_untracked;	/* the packet is of no connection */
	u8 trace;		/* record which instructions the last call executes */
	u8 question_len;	/* of a line that the other side says before each call */
	u32 status;		/* IPS_SRC_NAT, IPS_DST_NAT */
	u32 taken;		/* from this port on others expect something where it would be expected; 0: none */
	u32 rounds;
	struct bench_side side[IP_CT_DIR_MAX];
};

#define BENCH_ROUNDS_MAX	256
#define BENCH_PAYLOAD_MAX	65000

/* Read from the device after that; the packet as the last call left it follows. */
struct bench_result {
	u64 control;		/* instructions of the empty call, subtracted already */
	u64 min, median, max;
	u32 verdict;
	u32 expected;		/* expectations that the last call made */
};

/* A case being measured. */
struct bench {
	struct bench *question;	/* what the other side says before each call */
	struct bench_case c;
	u32 payload_len;
	u8 payload[BENCH_PAYLOAD_MAX];
	struct page *page;	/* that of BENCH_SHARED */
	u32 seq;
	struct nf_conntrack_helper *helper;
	u64 counts[BENCH_ROUNDS_MAX];
	struct bench_result result;
	u32 packet_len;
	u8 packet[BENCH_PAYLOAD_MAX + 256];
};

/* connection.c; a connection is given up with nf_ct_put() */
struct nf_conn *bench_connection(const struct bench *b);
struct nf_conn *bench_template(const struct bench *b);
void bench_template_free(struct nf_conn *ct);
u32 bench_expected(const struct nf_conn *ct);

/* taken.c; has others expect what b asks for and nothing else, until they are let go */
int bench_take(const struct bench *b);
void bench_let_go(void);

/* packet.c */
struct sk_buff *bench_packet(struct bench *b, struct nf_conn *ct, enum ip_conntrack_info info);
unsigned int bench_protoff(const struct bench *b);

/* trace.c; the addresses of the instructions executed between start and stop */
#define BENCH_TRACE_MAX	32768
struct bench_trace {
	unsigned int len;
	unsigned long at[BENCH_TRACE_MAX];
};
extern struct bench_trace *bench_trace;
int bench_trace_init(void);
void bench_trace_exit(void);
void bench_trace_start(void);
void bench_trace_stop(void);

/* threads.c; what it measured is left in bench_trace */
int bench_threads(struct bench *b);

/* measure.c */
int bench_measure(struct bench *b);
int bench_hooks_add(void);
void bench_hooks_remove(void);

#endif
