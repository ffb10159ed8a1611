// SPDX-License-Identifier: GPL-2.0-only
/* Log, violations and injected statuses of a model of firmware, see fw_log.h */
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/stdarg.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "fw_log.h"

#define FW_MAX_LOG	8192
#define FW_LINE		160
#define FW_MAX_INJECT	8

/**
 * struct fw_inject - Statuses that are injected
 * @call: for calls with this number
 * @status: the status
 * @skip: calls that pass before that
 * @count: how many, 0 ends it
 */
struct fw_inject {
	u32 call;
	u64 status;
	u32 skip;
	u32 count;
};

/* Protects the model, and what is injected */
DEFINE_MUTEX(fw_lock);
/* The log and the counters: there are callers who cannot sleep */
static DEFINE_SPINLOCK(fw_log_lock);
static struct fw_inject fw_injects[FW_MAX_INJECT];
static char (*fw_lines)[FW_LINE];
static u32 fw_nr_lines;
static void (*fw_log_emptied)(void);
static atomic_t fw_violations;
static u32 fw_refused;

void fw_log(const char *fmt, ...)
{
	va_list args;

	guard(spinlock)(&fw_log_lock);
	if (fw_nr_lines == FW_MAX_LOG)
		return;
	va_start(args, fmt);
	vscnprintf(fw_lines[fw_nr_lines++], FW_LINE, fmt, args);
	va_end(args);
}

void fw_violation(const char *fmt, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, fmt);
	vaf.fmt = fmt;
	vaf.va = &args;
	pr_err(KBUILD_MODNAME ": violation: %pV\n", &vaf);
	fw_log("VIOLATION %pV", &vaf);
	va_end(args);
	atomic_inc(&fw_violations);
}

u64 fw_refuse(u64 status, const char *why)
{
	fw_log("  refused: %s", why);
	fw_refused++;
	return status;
}

u64 fw_injected(u32 call)
{
	lockdep_assert_held(&fw_lock);

	for (int i = 0; i < FW_MAX_INJECT; i++) {
		struct fw_inject *inject = &fw_injects[i];

		if (inject->call != call || !inject->count)
			continue;
		if (inject->skip) {
			inject->skip--;
			continue;
		}
		inject->count--;
		return inject->status;
	}
	return 0;
}

void fw_inject_none(void)
{
	guard(mutex)(&fw_lock);
	memset(fw_injects, 0, sizeof(fw_injects));
}

void fw_log_counters(struct seq_file *s)
{
	u32 pending = 0;

	lockdep_assert_held(&fw_lock);

	for (int i = 0; i < FW_MAX_INJECT; i++)
		pending += fw_injects[i].count;
	seq_printf(s, "violations %u\nrefused %u\npending %u\n",
		   atomic_read(&fw_violations), fw_refused, pending);
}

static int fw_log_show(struct seq_file *s, void *unused)
{
	u32 nr;

	/* Lines that are there do not change before a write empties the log */
	guard(mutex)(&fw_lock);
	scoped_guard(spinlock, &fw_log_lock)
		nr = fw_nr_lines;
	for (u32 i = 0; i < nr; i++)
		seq_printf(s, "%s\n", fw_lines[i]);
	return 0;
}

static int fw_log_open(struct inode *inode, struct file *file)
{
	return single_open(file, fw_log_show, NULL);
}

/* Any write empties it */
static ssize_t fw_log_write(struct file *file, const char __user *ubuf,
			    size_t count, loff_t *ppos)
{
	guard(mutex)(&fw_lock);
	scoped_guard(spinlock, &fw_log_lock)
		fw_nr_lines = 0;
	if (fw_log_emptied)
		fw_log_emptied();
	return count;
}

static const struct file_operations fw_log_fops = {
	.owner = THIS_MODULE,
	.open = fw_log_open,
	.read = seq_read,
	.write = fw_log_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int fw_inject_add(const struct fw_inject *inject)
{
	guard(mutex)(&fw_lock);
	for (int i = 0; i < FW_MAX_INJECT; i++) {
		if (fw_injects[i].count)
			continue;
		fw_injects[i] = *inject;
		return 0;
	}
	return -ENOSPC;
}

/* "CALL STATUS SKIP COUNT", numbers; or nothing, to end all that is injected */
static ssize_t fw_inject_write(struct file *file, const char __user *ubuf,
			       size_t count, loff_t *ppos)
{
	struct fw_inject inject;
	char line[64] = {};
	int rc;

	if (*ppos || count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;
	if (!*strim(line)) {
		fw_inject_none();
		return count;
	}
	if (sscanf(line, "%i %lli %u %u", &inject.call, &inject.status,
		   &inject.skip, &inject.count) != 4)
		return -EINVAL;
	rc = fw_inject_add(&inject);
	return rc ?: count;
}

static const struct file_operations fw_inject_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = fw_inject_write,
};

int fw_log_init(struct dentry *dir, void (*emptied)(void))
{
	fw_log_emptied = emptied;
	fw_lines = kvcalloc(FW_MAX_LOG, FW_LINE, GFP_KERNEL);
	if (!fw_lines)
		return -ENOMEM;

	debugfs_create_file("log", 0600, dir, NULL, &fw_log_fops);
	debugfs_create_file("inject", 0200, dir, NULL, &fw_inject_fops);
	return 0;
}

/* After the directory is gone */
void fw_log_exit(void)
{
	kvfree(fw_lines);
	fw_lines = NULL;
}
