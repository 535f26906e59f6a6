/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of a kernel as mainline's conntrack helpers need to be compiled into a program.
 *
 * build.rs has every header that they ask for lead here. The structures have the fields that they
 * use, by the kernel's names, in whatever order.
 */
#ifndef DIFF_KERNEL_H
#define DIFF_KERNEL_H

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef uint8_t u8, u_int8_t, __u8;
typedef uint16_t u16, u_int16_t, __be16, __u16;
typedef uint32_t u32, u_int32_t, __be32, __u32;

#define htons htobe16
#define ntohs be16toh
#define htonl htobe32
#define ntohl be32toh
#define cpu_to_be32 htobe32

/* Compiler and module. */
#define __init
#define __exit
#define __rcu
#define __read_mostly
#define likely(x) (x)
#define unlikely(x) (x)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define IS_ERR(pointer) (!(pointer))
#define PTR_ERR(pointer) (-ENOMEM)
#define THIS_MODULE NULL
#define KBUILD_MODNAME "diff"
#define MODULE_LICENSE(text)
#define MODULE_AUTHOR(text)
#define MODULE_DESCRIPTION(text)
#define MODULE_ALIAS(text)
#define MODULE_ALIAS_NFCT_HELPER(text)
#define MODULE_PARM_DESC(name, text)
#define EXPORT_SYMBOL(name)
#define EXPORT_SYMBOL_GPL(name)
#define module_param(name, type, mode) _Static_assert(sizeof(name), "")
#define module_init(function) int (*diff_init)(void) = function;
#define module_exit(function) void (*diff_exit)(void) = function;

/* Nothing runs beside it. */
#define DEFINE_SPINLOCK(name) int name
#define spin_lock_bh(lock) ((void)(lock))
#define spin_unlock_bh(lock) ((void)(lock))
#define rcu_dereference(pointer) (pointer)

/* Nobody reads it. */
#define pr_debug(...) ((void)0)
#define pr_err(...) ((void)0)
#define net_warn_ratelimited(...) ((void)0)
#define net_err_ratelimited(...) ((void)0)
#define nf_ct_helper_log(...) ((void)0)
#define nf_ct_dump_tuple(tuple) ((void)0)
#define nf_conntrack_helper_deprecated(name) ((void)0)

#define GFP_KERNEL 0
#define kmalloc(size, flags) malloc(size)
#define kfree free
#define HZ 100

static inline int isdigit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool before(u32 a, u32 b)
{
	return (int32_t)(a - b) < 0;
}

#define after(a, b) before(b, a)

unsigned long simple_strtoul(const char *text, char **end, unsigned int base);
int in6_pton(const char *src, int srclen, u8 *dst, int delim, const char **end);

/* Protocols. */
#define PF_INET 2
#define AF_INET 2
#define PF_INET6 10
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17

struct in_addr {
	__be32 s_addr;
};

struct in6_addr {
	u8 s6_addr[16];
};

struct iphdr {
	__be32 saddr, daddr;
};

struct udphdr {
	__be16 source, dest, len, check;
};

struct tcphdr {
	__be16 source, dest;
	__be32 seq;
	u32 doff;
};

/* A packet: the IP header, which nobody looks at, then that of the protocol. */
struct sk_buff {
	unsigned char *data;
	unsigned int len;
};

#define ip_hdr(skb) ((struct iphdr *)(skb)->data)
#define skb_linearize(skb) 0
#define skb_header_pointer(skb, offset, size, buffer) \
	((size_t)(offset) + (size) <= (skb)->len ? (void *)((skb)->data + (offset)) : NULL)

static inline int skb_copy_bits(const struct sk_buff *skb, unsigned int offset, void *to, unsigned int len)
{
	if (offset > skb->len || len > skb->len - offset)
		return -EFAULT;
	memcpy(to, skb->data + offset, len);
	return 0;
}

struct ts_config {
	const char *pattern;
	unsigned int len;
};

#define TS_AUTOLOAD 0
struct ts_config *textsearch_prepare(const char *algorithm, const void *pattern, unsigned int len, int gfp, int flags);
#define textsearch_destroy free
unsigned int skb_find_text(struct sk_buff *skb, unsigned int from, unsigned int to, struct ts_config *config);

/* Connection tracking. */
#define NF_DROP 0
#define NF_ACCEPT 1
#define NFPROTO_UNSPEC 0
#define IPS_NAT_MASK 0x30

enum ip_conntrack_info { IP_CT_ESTABLISHED, IP_CT_RELATED, IP_CT_NEW, IP_CT_ESTABLISHED_REPLY };
enum ip_conntrack_dir { IP_CT_DIR_ORIGINAL, IP_CT_DIR_REPLY, IP_CT_DIR_MAX };
#define CTINFO2DIR(ctinfo) ((ctinfo) >= IP_CT_ESTABLISHED_REPLY ? IP_CT_DIR_REPLY : IP_CT_DIR_ORIGINAL)

union nf_inet_addr {
	u32 all[4];
	__be32 ip;
	__be32 ip6[4];
	struct in_addr in;
	struct in6_addr in6;
};

struct nf_diff_port {
	__be16 port;
};

union nf_conntrack_man_proto {
	__be16 all;
	struct nf_diff_port tcp, udp;
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
	union nf_conntrack_man_proto u;
	u16 l3num;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
		union nf_conntrack_man_proto u;
		u8 protonum;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[IP_CT_DIR_MAX];
	unsigned long status;
	void *help_data;
};

#define nf_ct_l3num(ct) ((ct)->tuplehash[IP_CT_DIR_ORIGINAL].tuple.src.l3num)
#define nfct_help_data(ct) ((ct)->help_data)
#define nf_ct_refresh(ct, jiffies) ((void)(ct))

struct nf_conntrack_expect {
	union nf_inet_addr daddr;
	u8 family, proto;
	__be16 port;
};

struct nf_conntrack_expect_policy {
	unsigned int max_expected, timeout;
};

#define NF_CT_EXPECT_CLASS_DEFAULT 0
#define NF_CT_EXPECT_MAX_CNT 255
struct nf_conntrack_expect *nf_ct_expect_alloc(struct nf_conn *ct);
void nf_ct_expect_init(struct nf_conntrack_expect *exp, unsigned int class, u8 family, const union nf_inet_addr *saddr,
		       const union nf_inet_addr *daddr, u8 proto, const __be16 *src, const __be16 *dst);
#define nf_ct_expect_put free
/* Not reached: every connection here is one with NAT, so the expectation goes to the NAT half. */
#define nf_ct_expect_related(exp, flags) (abort(), (void)(exp), 0)

struct nlattr;
typedef int nf_diff_help_fn(struct sk_buff *skb, unsigned int protoff, struct nf_conn *ct, enum ip_conntrack_info ctinfo);
typedef int nf_diff_from_nlattr_fn(struct nlattr *attr, struct nf_conn *ct);

struct nf_conntrack_helper {
	nf_diff_help_fn *help;
};

#define NF_CT_HELPER_DATA 32
#define NF_CT_HELPER_BUILD_BUG_ON(size) _Static_assert((size) <= NF_CT_HELPER_DATA, "helper data")
#define nf_ct_helper_init(helper, family, proto, name, policy, class, function, from_nlattr, module) \
	((helper)->help = (function), (void)(from_nlattr), (void)(policy))
#define nf_conntrack_helper_register(helper, registered) (*(registered) = (helper), diff_helper = (helper)->help, 0)
#define nf_conntrack_helpers_register(helpers, count, registered) nf_conntrack_helper_register(helpers, registered)
#define nf_conntrack_helper_unregister(helper) ((void)(helper))
#define nf_conntrack_helpers_unregister(helpers, count) ((void)(helpers))

/* What the program asks of a helper, and what it gets. As in src/mainline.rs. */
struct diff_found {
	u32 offset, len;
	u8 address[16];
	u16 port;
	u8 family, proto;
};

struct diff_call {
	const u8 *payload;
	u32 len, seq;
	/* behind: what lies in memory behind the packet */
	u8 reply, family, loose, behind;
	u8 client[16], server[16];
	u16 client_port;
	u8 data[NF_CT_HELPER_DATA] __attribute__((aligned(8)));
	u32 verdict, count;
	struct diff_found found[8];
};

#define DIFF_PROTOFF sizeof(struct iphdr)
void diff_note(const struct nf_conntrack_expect *exp, unsigned int offset, unsigned int len);
void diff_run(struct diff_call *call, nf_diff_help_fn *help, u8 proto);

#endif
