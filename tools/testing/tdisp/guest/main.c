// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands for the guest of the rig, by debugfs: "COMMAND FUNCTION" is written to
 * tsm_guest/do, which fails as the command does; tsm_guest/said tells more.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "guest.h"
#include "tdisp-proto.h"
#include "tsm-testcall.h"

static DEFINE_MUTEX(guest_mutex);
static char guest_said[256];
static struct dentry *guest_dir;

void guest_lock(void)
{
	mutex_lock(&guest_mutex);
}

void guest_unlock(void)
{
	mutex_unlock(&guest_mutex);
}

void guest_say(const char *fmt, ...)
{
	va_list args;

	lockdep_assert_held(&guest_mutex);
	va_start(args, fmt);
	vscnprintf(guest_said, sizeof(guest_said), fmt, args);
	va_end(args);
}

static int do_simple(struct guest_dev *dev, u32 nr)
{
	struct guest_call call = { .nr = nr };

	return guest_call(dev, &call);
}

static int do_bind(struct guest_dev *dev)
{
	dev->nr_ranges = 0;
	return do_simple(dev, TSM_CALL_BIND);
}

static int do_unbind(struct guest_dev *dev)
{
	dev->nr_ranges = 0;
	return do_simple(dev, TSM_CALL_UNBIND);
}

static int do_start(struct guest_dev *dev)
{
	return do_simple(dev, TSM_CALL_START);
}

static int do_use(struct guest_dev *dev)
{
	return guest_use(dev, false);
}

static int do_work(struct guest_dev *dev)
{
	return guest_use(dev, true);
}

static int do_state(struct guest_dev *dev)
{
	u32 state;
	int rc;

	rc = guest_tdi_state(dev, &state);
	if (!rc)
		guest_say("%u", state);
	return rc;
}

static int do_events(struct guest_dev *dev)
{
	guest_say("%u", guest_call_events());
	return 0;
}

/* What no guest should ask, one after the other, and what it is told */
static int do_lies(struct guest_dev *dev)
{
	static const struct {
		struct guest_call call;
		u32 status;
		int err;
	} lies[] = {
		{ { .nr = 0 }, TSM_CALL_UNKNOWN },
		{ { .nr = 99 }, TSM_CALL_UNKNOWN },
		{ { .nr = TSM_CALL_BIND, .arg = { 1 } }, TSM_CALL_BAD_VALUE },
		{ { .nr = TSM_CALL_OBJECT_INFO }, TSM_CALL_BAD_LENGTH },
		{ { .nr = TSM_CALL_ACCEPT_MMIO, .arg = { 0x100000, SZ_4K } },
		  TSM_CALL_REFUSED, -EACCES },
		{ { .nr = TSM_CALL_ACCEPT_MMIO, .arg = { ~0ULL - 4095, SZ_8K } },
		  TSM_CALL_REFUSED, -EACCES },
		{ { .nr = TSM_CALL_ACCEPT_MMIO, .arg = { 0, 0 } },
		  TSM_CALL_REFUSED, -EACCES },
		{ { .nr = TSM_CALL_BIND }, TSM_CALL_REFUSED, -EALREADY },
	};

	for (int i = 0; i < ARRAY_SIZE(lies); i++) {
		struct guest_call call = lies[i].call;
		int rc;

		rc = guest_do_call(dev, &call);
		if (rc)
			return rc;
		if (call.status != lies[i].status || call.err != lies[i].err) {
			guest_say("lie %d: status %u err %d", i, call.status,
				  call.err);
			return -EPROTO;
		}
	}
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct guest_dev *dev);
} commands[] = {
	{ "use", do_use },
	{ "bind", do_bind },
	{ "attest", guest_attest },
	{ "accept", guest_accept },
	{ "start", do_start },
	{ "work", do_work },
	{ "state", do_state },
	{ "unbind", do_unbind },
	{ "gone", guest_gone },
	{ "events", do_events },
	{ "lies", do_lies },
};

static int run_command(char *line)
{
	char *name = strsep(&line, " ");
	struct guest_dev *dev = NULL;

	if (line)
		dev = guest_find(line);
	if (!dev) {
		guest_say("no such device");
		return -ENODEV;
	}
	for (int i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run(dev);
	guest_say("no such command");
	return -EINVAL;
}

static ssize_t do_write(struct file *file, const char __user *ubuf,
			size_t count, loff_t *pos)
{
	char line[64];
	int rc;

	if (count >= sizeof(line))
		return -E2BIG;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;
	line[count] = 0;

	guard(mutex)(&guest_mutex);
	guest_said[0] = 0;
	rc = run_command(strim(line));
	return rc ?: count;
}

static const struct file_operations do_fops = {
	.owner = THIS_MODULE,
	.write = do_write,
};

static ssize_t said_read(struct file *file, char __user *ubuf, size_t count,
			 loff_t *pos)
{
	guard(mutex)(&guest_mutex);
	return simple_read_from_buffer(ubuf, count, pos, guest_said,
				       strlen(guest_said));
}

static const struct file_operations said_fops = {
	.owner = THIS_MODULE,
	.read = said_read,
};

static int __init guest_init(void)
{
	int rc;

	pr_notice("for tests only: nothing that is exchanged is protected\n");
	add_taint(TAINT_TEST, LOCKDEP_STILL_OK);
	rc = guest_call_init();
	if (rc)
		return rc;
	rc = guest_device_init();
	if (rc) {
		guest_call_exit();
		return rc;
	}
	guest_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("do", 0200, guest_dir, NULL, &do_fops);
	debugfs_create_file("said", 0400, guest_dir, NULL, &said_fops);
	return 0;
}

static void __exit guest_exit(void)
{
	debugfs_remove(guest_dir);
	guest_device_exit();
	guest_call_exit();
}

module_init(guest_init);
module_exit(guest_exit);
MODULE_DESCRIPTION("Guest of QEMU that has TDISP test devices bound to it");
MODULE_LICENSE("GPL");
