// SPDX-License-Identifier: GPL-2.0
/*
 * Records which instructions a call executes, by single-stepping it: each raises a debug exception.
 *
 * Interrupt handlers are left out: the processor clears the trap flag for them.
 */
#include "bench.h"

#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <linux/kdebug.h>
#include <linux/vmalloc.h>

struct bench_trace *bench_trace;
static bool tracing;

static int on_step(struct notifier_block *nb, unsigned long event, void *data)
{
	struct die_args *args = data;
	unsigned long *dr6;

	if (event != DIE_DEBUG || !tracing)
		return NOTIFY_DONE;
	dr6 = ERR_PTR(args->err);
	if (!(*dr6 & DR_STEP))
		return NOTIFY_DONE;
	*dr6 &= ~DR_STEP;
	/* Where it goes on: the instruction that comes next. */
	if (bench_trace->len < BENCH_TRACE_MAX)
		bench_trace->at[bench_trace->len++] = args->regs->ip;
	return NOTIFY_STOP;
}

static struct notifier_block notifier = { .notifier_call = on_step, .priority = INT_MAX };

int bench_trace_init(void)
{
	int err;

	bench_trace = vzalloc(sizeof(*bench_trace));
	if (!bench_trace)
		return -ENOMEM;
	err = register_die_notifier(&notifier);
	if (err)
		vfree(bench_trace);
	return err;
}

void bench_trace_exit(void)
{
	unregister_die_notifier(&notifier);
	vfree(bench_trace);
}

static __always_inline void set_trap_flag(bool on)
{
	unsigned long flags;

	asm volatile("pushf\n\tpop %0" : "=r" (flags));
	flags = on ? flags | X86_EFLAGS_TF : flags & ~X86_EFLAGS_TF;
	asm volatile("push %0\n\tpopf" : : "r" (flags) : "cc", "memory");
}

void bench_trace_start(void)
{
	tracing = true;
	set_trap_flag(true);
}

void bench_trace_stop(void)
{
	set_trap_flag(false);
	tracing = false;
}
