// SPDX-License-Identifier: GPL-2.0-only
/* tdisp-testctl: faults, states and events of the test devices */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include <sys/mman.h>

#include <linux/io.h>

#include "tdisp_lib.h"

static void *bar;
static char ctl_bdf[16];

static u32 ctl_read(u32 reg)
{
	return readl(bar + reg);
}

static void ctl_write(u32 reg, u32 val)
{
	writel(val, bar + reg);
}

int testctl_open(void)
{
	char path[PATH_MAX];
	void *map;
	int fd, rc;

	rc = pci_find(ctl_bdf, sizeof(ctl_bdf), TDISP_TESTDEV_VENDOR,
		      TDISP_TESTCTL_DEVICE);
	if (rc)
		return rc;
	rc = sysfs_write("1", "/sys/bus/pci/devices/%s/enable", ctl_bdf);
	if (rc)
		return rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d",
		 ctl_bdf, TDISP_CTL_BAR);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		goto out_disable;
	}
	map = mmap(NULL, TDISP_CTL_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	rc = map == MAP_FAILED ? -errno : 0;
	close(fd);
	if (rc)
		goto out_disable;

	bar = map;
	if (ctl_read(TDISP_CTL_MAGIC) == TDISP_CTL_MAGIC_VALUE &&
	    ctl_read(TDISP_CTL_VERSION) == 1)
		return 0;
	testctl_close();
	return -EPROTO;

out_disable:
	sysfs_write("0", "/sys/bus/pci/devices/%s/enable", ctl_bdf);
	return rc;
}

void testctl_close(void)
{
	if (!bar)
		return;
	munmap(bar, TDISP_CTL_BAR_SIZE);
	bar = NULL;
	sysfs_write("0", "/sys/bus/pci/devices/%s/enable", ctl_bdf);
}

static bool ctl_select(u16 rid)
{
	u32 nr = ctl_read(TDISP_CTL_COUNT);

	for (u32 i = 0; i < nr; i++) {
		ctl_write(TDISP_CTL_SELECT, i);
		if (ctl_read(TDISP_CTL_RID) == rid)
			return true;
	}
	return false;
}

u32 testctl_get(u16 rid, u32 reg)
{
	return ctl_select(rid) ? ctl_read(reg) : ~0u;
}

void testctl_set(u16 rid, u32 reg, u32 val)
{
	if (ctl_select(rid))
		ctl_write(reg, val);
}

u32 testctl_state(u16 rid)
{
	return testctl_get(rid, TDISP_CTL_STATE);
}

void testctl_clear_faults(u16 rid)
{
	static const u32 regs[] = {
		TDISP_CTL_LOCK_ERROR, TDISP_CTL_WRONG_NONCE,
		TDISP_CTL_STALL_MS, TDISP_CTL_LENGTH_DELTA,
		TDISP_CTL_LENGTH_MSG, TDISP_CTL_ERROR_AFTER,
		TDISP_CTL_STOP_ERROR,
	};

	for (int i = 0; i < ARRAY_SIZE(regs); i++)
		testctl_set(rid, regs[i], 0);
	testctl_set(rid, TDISP_CTL_TRUSTED_DMA, 1);
}

u32 testctl_log_end(void)
{
	return ctl_read(TDISP_CTL_LOG_COUNT);
}

int testctl_log_read(u32 seq, struct testctl_event *ev)
{
	u32 at = TDISP_CTL_LOG +
		 seq % TDISP_CTL_LOG_SIZE * TDISP_LOG_ENTRY_SIZE;

	if (seq >= testctl_log_end())
		return -ENOENT;

	ev->rid = ctl_read(at + TDISP_LOG_RID);
	ev->type = ctl_read(at + TDISP_LOG_TYPE);
	ev->arg[0] = ctl_read(at + TDISP_LOG_ARG0);
	ev->arg[1] = ctl_read(at + TDISP_LOG_ARG1);
	ev->arg[2] = ctl_read(at + TDISP_LOG_ARG2);
	ev->time_ns = ctl_read(at + TDISP_LOG_TIME_NS) |
		      (u64)ctl_read(at + TDISP_LOG_TIME_NS + 4) << 32;
	/* Last: a newer event may have come in meanwhile */
	ev->seq = ctl_read(at + TDISP_LOG_SEQ);
	return ev->seq == seq ? 0 : -EOVERFLOW;
}

static bool matches(const struct testctl_event *ev, u16 rid, u32 type,
		    u32 arg0, u32 arg1)
{
	return ev->rid == rid && ev->type == type &&
	       (arg0 == TESTCTL_ANY || ev->arg[0] == arg0) &&
	       (arg1 == TESTCTL_ANY || ev->arg[1] == arg1);
}

int testctl_find(u32 from, u16 rid, u32 type, u32 arg0, u32 arg1,
		 struct testctl_event *ev)
{
	int rc;

	for (u32 seq = from; !(rc = testctl_log_read(seq, ev)); seq++)
		if (matches(ev, rid, type, arg0, arg1))
			return 0;
	return rc;
}

int testctl_count(u32 from, u16 rid, u32 type, u32 arg0, u32 arg1)
{
	struct testctl_event ev = { .seq = from - 1 };
	int rc, n = 0;

	while (!(rc = testctl_find(ev.seq + 1, rid, type, arg0, arg1, &ev)))
		n++;
	return rc == -ENOENT ? n : rc;
}

void testctl_log_print(u32 from, u16 rid)
{
	static const char * const types[] = {
		[TDISP_EV_TDISP] = "TDISP", [TDISP_EV_STATE] = "state",
		[TDISP_EV_FLR] = "FLR", [TDISP_EV_MSE] = "MSE",
		[TDISP_EV_BME] = "BME", [TDISP_EV_RESET] = "reset",
		[TDISP_EV_BAR] = "BAR", [TDISP_EV_SPDM] = "SPDM",
		[TDISP_EV_IDE_KM] = "IDE_KM", [TDISP_EV_STREAM] = "stream",
		[TDISP_EV_DMA] = "DMA", [TDISP_EV_DOE_ABORT] = "DOE abort",
		[TDISP_EV_REMOVED] = "removed", [TDISP_EV_SESSION] = "session",
		[TDISP_EV_POWER] = "power",
	};
	struct testctl_event ev;

	for (u32 seq = from; !testctl_log_read(seq, &ev); seq++)
		if (ev.rid == rid)
			printf("# %5u %10llu us  %-9s %#x %#x %#x\n", ev.seq,
			       (unsigned long long)ev.time_ns / 1000,
			       ev.type < ARRAY_SIZE(types) && types[ev.type] ?
			       types[ev.type] : "?",
			       ev.arg[0], ev.arg[1], ev.arg[2]);
}
