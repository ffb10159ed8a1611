/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a model of firmware has for tests: a log, a count of what the driver must
 * not do, and statuses that are injected. One of each per module, in debugfs.
 */
#ifndef TDISP_FW_LOG_H
#define TDISP_FW_LOG_H

#include <linux/types.h>

struct dentry;
struct mutex;
struct seq_file;

/* Protects the model, and all of this; the model's */
extern struct mutex fw_lock;

/* In any context that may not be interrupted */
__printf(1, 2) void fw_log(const char *fmt, ...);
/* The driver has done what it must not do, ever */
__printf(1, 2) void fw_violation(const char *fmt, ...);
/* The driver wants what is not possible in this state; returns @status */
u64 fw_refuse(u64 status, const char *why);
/* Status that is injected for a call with this number, or 0 */
u64 fw_injected(u32 call);
void fw_inject_none(void);

/* Counters, one per line */
void fw_log_counters(struct seq_file *s);

/* @emptied: when the log is, with fw_lock held; may be NULL */
int fw_log_init(struct dentry *dir, void (*emptied)(void));
void fw_log_exit(void);

#endif /* TDISP_FW_LOG_H */
