/* SPDX-License-Identifier: GPL-2.0 */
/* One of mainline's helpers, whole: DIFF_SOURCE is its file in the kernel's source. */
#include "shim.h"

static nf_diff_help_fn *diff_helper;

/* Each has its own of these. */
#define diff_init diff_init_of(DIFF_HELPER)
#define diff_exit diff_exit_of(DIFF_HELPER)
#define diff_init_of(name) diff_join(diff_init_, name)
#define diff_exit_of(name) diff_join(diff_exit_, name)
#define diff_join(a, b) diff_join2(a, b)
#define diff_join2(a, b) a##b

#include DIFF_SOURCE
