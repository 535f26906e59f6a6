// SPDX-License-Identifier: GPL-2.0
/* /dev/helper_bench: a case is written, its result read. */
#include "bench.h"

#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(lock);
static struct bench *bench;

/* Finds the helper and keeps its module, if it has to be there, and measures. */
static int run(struct bench *b)
{
	const char *name = b->c.helper;
	int err;

	b->helper = NULL;
	if (name[0] && b->c.what != BENCH_HOOK && b->c.what != BENCH_BRIDGE) {
		rcu_read_lock();
		b->helper = __nf_conntrack_helper_find(name, b->c.l3num, b->c.l4proto);
		if (b->helper && !try_module_get(b->helper->me))
			b->helper = NULL;
		rcu_read_unlock();
		if (!b->helper)
			return -ENOENT;
	}
	memcpy(page_address(b->page), b->payload, min_t(u32, b->payload_len, PAGE_SIZE));
	err = bench_measure(b);
	if (b->helper)
		module_put(b->helper->me);
	return err;
}

/* Takes what the other side says from the beginning of the payload. */
static int take_question(struct bench *b)
{
	struct bench *q = b->question;
	u32 len = b->c.question_len;

	if (len > b->payload_len)
		return -EINVAL;
	q->c = b->c;
	q->c.dir = !b->c.dir;
	q->c.place = BENCH_LINEAR;
	q->payload_len = len;
	memcpy(q->payload, b->payload, len);
	b->payload_len -= len;
	memmove(b->payload, b->payload + len, b->payload_len);
	return 0;
}

static ssize_t bench_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	int err;

	if (len < sizeof(bench->c) || len > sizeof(bench->c) + BENCH_PAYLOAD_MAX)
		return -EINVAL;
	mutex_lock(&lock);
	err = -EFAULT;
	bench->payload_len = len - sizeof(bench->c);
	if (copy_from_user(&bench->c, from, sizeof(bench->c)) ||
	    copy_from_user(bench->payload, from + sizeof(bench->c), bench->payload_len))
		goto out;
	err = -EINVAL;
	bench->c.helper[NF_CT_HELPER_NAME_LEN - 1] = '\0';
	if (!bench->c.rounds || bench->c.rounds > BENCH_ROUNDS_MAX || bench->c.dir >= IP_CT_DIR_MAX)
		goto out;
	if (take_question(bench))
		goto out;
	memset(&bench->result, 0, sizeof(bench->result));
	bench_trace->len = 0;
	err = run(bench);
out:
	mutex_unlock(&lock);
	return err ? err : len;
}

static ssize_t bench_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	size_t have = sizeof(bench->result);
	ssize_t ret = -EFAULT;

	mutex_lock(&lock);
	/* Behind the result: the trace, one read for all of it. */
	if (*pos)
		ret = simple_read_from_buffer(to, len, &(loff_t){ 0 }, bench_trace->at,
					      bench_trace->len * sizeof(bench_trace->at[0]));
	else if (len < have + bench->packet_len)
		ret = -EINVAL;
	else if (!copy_to_user(to, &bench->result, have) &&
		 !copy_to_user(to + have, bench->packet, bench->packet_len))
		*pos = ret = have + bench->packet_len;
	mutex_unlock(&lock);
	return ret;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.write = bench_write,
	.read = bench_read,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "helper_bench",
	.fops = &operations,
	.mode = 0600,
};

static int __init bench_init(void)
{
	int err = -ENOMEM;

	bench = kvcalloc(2, sizeof(*bench), GFP_KERNEL);
	if (!bench)
		return -ENOMEM;
	bench->question = bench + 1;
	bench->page = alloc_page(GFP_KERNEL);
	if (!bench->page)
		goto no_page;
	err = bench_trace_init();
	if (err)
		goto no_trace;
	err = bench_hooks_add();
	if (err)
		goto no_hooks;
	err = misc_register(&device);
	if (!err)
		return 0;
	bench_hooks_remove();
no_hooks:
	bench_trace_exit();
no_trace:
	__free_page(bench->page);
no_page:
	kvfree(bench);
	return err;
}

static void __exit bench_exit(void)
{
	misc_deregister(&device);
	bench_let_go();
	bench_hooks_remove();
	bench_trace_exit();
	__free_page(bench->page);
	kvfree(bench);
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_DESCRIPTION("Counts the instructions of conntrack helpers");
MODULE_LICENSE("GPL");
