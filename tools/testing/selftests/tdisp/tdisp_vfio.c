// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO lets its user do with a function in each state of a binding: all
 * while nothing is bound, and while a VM owns the function nothing that reaches
 * its MMIO or changes its state. The device itself, and the log beside it, say
 * whether anything got through.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/io.h>
#include <linux/pci_regs.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#include "../../tdisp/dmabuf-importer.h"
#include "../iommu/uffd_page.h"
#include "tdisp_harness.h"

/* Far away from what libvfio hands out */
#define P2P_IOVA	0x7f0000000000ull
#define P2P_LEN		SZ_64K
#define EVENT_MS	5000
#define SCRATCH_VALUE	0x5ca1ab1e
/* In PCI_PM_CTRL_STATE_MASK */
#define D3HOT		3

/* The function under test, and another one of the same device for P2P */
struct bench {
	struct vmm vmm;
	struct tdi tdi;
	struct tdi peer;
	bool has_peer;
	int dmabuf;
	u8 exp_cap;
	u8 pm_cap;
	u8 af_cap;
};

/* Result of a row that does not apply to this device */
#define NOT_HERE	(-ENOENT)

/* Where a configuration write ended: in the device, or before */
static int result_of(u32 from, u16 rid, u32 type)
{
	struct testctl_event ev;

	return testctl_find(from, rid, type, TESTCTL_ANY, TESTCTL_ANY, &ev) ?
		       -EBUSY : 0;
}

static u16 command(struct bench *b)
{
	return vfio_pci_config_readw(b->tdi.vfio, PCI_COMMAND);
}

static int row_mmap_before(struct bench *b)
{
	u32 val;
	int rc;

	rc = mmio_read32(b->tdi.vfio->bars[TDISP_BAR_REGS].vaddr, &val);
	return rc ?: val == TDISP_REG_ID_VALUE ? 0 : -EBADMSG;
}

static int row_mmap_new(struct bench *b)
{
	struct vfio_pci_bar *bar = &b->tdi.vfio->bars[TDISP_BAR_REGS];
	void *map;
	u32 val;
	int rc;

	map = mmap(NULL, bar->info.size, PROT_READ, MAP_SHARED,
		   b->tdi.vfio->fd, bar->info.offset);
	if (map == MAP_FAILED)
		return -errno;
	rc = mmio_read32(map, &val);
	munmap(map, bar->info.size);
	return rc ?: val == TDISP_REG_ID_VALUE ? 0 : -EBADMSG;
}

static int row_region_read(struct bench *b)
{
	u32 val;
	int rc;

	rc = region_read32(&b->tdi, TDISP_BAR_REGS, TDISP_REG_ID, &val);
	return rc ?: val == TDISP_REG_ID_VALUE ? 0 : -EBADMSG;
}

static int row_region_write(struct bench *b)
{
	return region_write32(&b->tdi, TDISP_BAR_MEM, 0, SCRATCH_VALUE);
}

static int row_region_msix(struct bench *b)
{
	u32 val;

	/* Behind the table, which VFIO never shows */
	return region_read32(&b->tdi, TDISP_BAR_MSIX, SZ_4K, &val);
}

/* Which enables its BAR in the device for as long as it takes */
static int row_rom(struct bench *b)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_ROM_REGION_INDEX,
	};
	u8 sig[2];

	if (ioctl(b->tdi.vfio->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	if (!info.size)
		return NOT_HERE;
	if (pread(b->tdi.vfio->fd, sig, sizeof(sig), info.offset) !=
	    sizeof(sig))
		return -errno;
	return sig[0] == 0x55 && sig[1] == 0xaa ? 0 : -EBADMSG;
}

/* A signal of an eventfd that becomes a write to the BAR */
static int row_ioeventfd(struct bench *b)
{
	struct vfio_device_ioeventfd args = {
		.argsz = sizeof(args),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = b->tdi.vfio->bars[TDISP_BAR_REGS].info.offset +
			  TDISP_REG_SCRATCH1,
		.data = SCRATCH_VALUE,
	};
	int fd = eventfd(0, EFD_CLOEXEC);
	u64 one = 1;
	bool there;
	int rc = 0;

	args.fd = fd;
	if (ioctl(b->tdi.vfio->fd, VFIO_DEVICE_IOEVENTFD, &args))
		rc = -errno;
	else if (write(fd, &one, sizeof(one)) != sizeof(one))
		rc = -EIO;
	if (!rc) {
		there = wait_for(host_reg_read(b->tdi.fn, TDISP_REG_SCRATCH1) ==
				 SCRATCH_VALUE, 200);
		rc = there ? 0 : -EBUSY;
		args.fd = -1;
		if (ioctl(b->tdi.vfio->fd, VFIO_DEVICE_IOEVENTFD, &args))
			rc = -errno;
	}
	close(fd);
	return rc;
}

/* Vectors are the host's, also while the device is the VM's */
static int row_msix(struct bench *b)
{
	vfio_pci_msix_disable(b->tdi.vfio);
	vfio_pci_msix_enable(b->tdi.vfio, 0, TDISP_NR_VECTORS);
	fcntl_set_nonblock(b->tdi.vfio->msi_eventfds[1]);
	return 0;
}

static int clear_command(struct bench *b, u16 bit, u32 event)
{
	u32 log = testctl_log_end();
	u16 before = command(b), after;
	int rc;

	vfio_pci_cmd_clear(b->tdi.vfio, bit);
	after = command(b);
	rc = result_of(log, b->tdi.fn->rid, event);
	/* The user is shown what the device has */
	if (after != (rc ? before : (before & ~bit)))
		rc = -EBADMSG;
	vfio_pci_config_writew(b->tdi.vfio, PCI_COMMAND, before);
	return rc;
}

static int row_clear_mse(struct bench *b)
{
	return clear_command(b, PCI_COMMAND_MEMORY, TDISP_EV_MSE);
}

static int row_clear_bme(struct bench *b)
{
	return clear_command(b, PCI_COMMAND_MASTER, TDISP_EV_BME);
}

/* A single byte, and a word beside it, in one access */
static int row_clear_mse_dword(struct bench *b)
{
	u32 log = testctl_log_end();
	u32 before = vfio_pci_config_readl(b->tdi.vfio, PCI_COMMAND);
	int rc;

	vfio_pci_config_writeb(b->tdi.vfio, PCI_COMMAND, 0);
	vfio_pci_config_writel(b->tdi.vfio, PCI_COMMAND, 0);
	rc = result_of(log, b->tdi.fn->rid, TDISP_EV_MSE);
	vfio_pci_config_writel(b->tdi.vfio, PCI_COMMAND, before & 0xffff);
	return rc;
}

static int row_write_bar(struct bench *b)
{
	u32 log = testctl_log_end();
	u32 bar = vfio_pci_config_readl(b->tdi.vfio, PCI_BASE_ADDRESS_0);
	int rc;

	vfio_pci_config_writel(b->tdi.vfio, PCI_BASE_ADDRESS_0, 0xfff00000);
	rc = result_of(log, b->tdi.fn->rid, TDISP_EV_BAR);
	vfio_pci_config_writel(b->tdi.vfio, PCI_BASE_ADDRESS_0, bar);
	return rc;
}

static int row_pcie_flr(struct bench *b)
{
	u32 log = testctl_log_end();
	u32 pos = b->exp_cap + PCI_EXP_DEVCTL;
	u16 ctl;

	if (!b->exp_cap)
		return NOT_HERE;
	ctl = vfio_pci_config_readw(b->tdi.vfio, pos);
	vfio_pci_config_writew(b->tdi.vfio, pos,
			       ctl | PCI_EXP_DEVCTL_BCR_FLR);
	return result_of(log, b->tdi.fn->rid, TDISP_EV_FLR);
}

static int row_af_flr(struct bench *b)
{
	u32 log = testctl_log_end();

	if (!b->af_cap)
		return NOT_HERE;
	vfio_pci_config_writeb(b->tdi.vfio, b->af_cap + PCI_AF_CTRL,
			       PCI_AF_CTRL_FLR);
	return result_of(log, b->tdi.fn->rid, TDISP_EV_FLR);
}

static int row_d3(struct bench *b)
{
	u32 log = testctl_log_end();
	u32 pos = b->pm_cap + PCI_PM_CTRL;
	u16 ctl;
	int rc;

	if (!b->pm_cap)
		return NOT_HERE;
	ctl = vfio_pci_config_readw(b->tdi.vfio, pos);
	vfio_pci_config_writew(b->tdi.vfio, pos, ctl | D3HOT);
	rc = result_of(log, b->tdi.fn->rid, TDISP_EV_POWER);
	vfio_pci_config_writew(b->tdi.vfio, pos, ctl);
	return rc;
}

static int row_reset(struct bench *b)
{
	return __vfio_pci_device_reset(b->tdi.vfio) ? -errno : 0;
}

static int feature_set(struct bench *b, u32 feature)
{
	struct vfio_device_feature args = {
		.argsz = sizeof(args),
		.flags = VFIO_DEVICE_FEATURE_SET | feature,
	};

	return ioctl(b->tdi.vfio->fd, VFIO_DEVICE_FEATURE, &args) ? -errno : 0;
}

static int row_low_power(struct bench *b)
{
	int rc;

	rc = feature_set(b, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY);
	return rc ?: feature_set(b, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

static int row_low_power_wakeup(struct bench *b)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} args = {
		.head.argsz = sizeof(args),
		.head.flags = VFIO_DEVICE_FEATURE_SET |
			VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
	};
	int rc = 0;

	args.entry.wakeup_eventfd = eventfd(0, EFD_CLOEXEC);
	if (ioctl(b->tdi.vfio->fd, VFIO_DEVICE_FEATURE, &args))
		rc = -errno;
	close(args.entry.wakeup_eventfd);
	return rc ?: feature_set(b, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

static int row_low_power_exit(struct bench *b)
{
	return feature_set(b, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT);
}

static int row_dmabuf_get(struct bench *b)
{
	int fd = tdi_export_bar(&b->tdi, TDISP_BAR_MEM, 0, P2P_LEN);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int map_and_unmap(struct bench *b, int fd)
{
	u64 iova = P2P_IOVA + SZ_1G;
	int rc;

	rc = vmm_map_dmabuf(&b->vmm, fd, iova, P2P_LEN);
	return rc ?: vmm_unmap(&b->vmm, iova, P2P_LEN);
}

static int row_dmabuf_map_old(struct bench *b)
{
	return map_and_unmap(b, b->dmabuf);
}

static int row_dmabuf_map_new(struct bench *b)
{
	int fd = tdi_export_bar(&b->tdi, TDISP_BAR_MEM, 0, P2P_LEN);
	int rc;

	if (fd < 0)
		return fd;
	rc = map_and_unmap(b, fd);
	close(fd);
	return rc;
}

/* Does a device that iommufd has given a mapping of the BAR reach it? */
static int peer_reaches(struct bench *b)
{
	struct tdi peer = b->peer;
	int rc;

	if (!b->has_peer)
		return NOT_HERE;
	/* tdi_dma() adds an offset to the address of the buffer */
	peer.buf.iova = P2P_IOVA;
	rc = tdi_dma(&peer, TDISP_DMA_FROM_DEVICE, 0, 0, SZ_4K);
	if (rc < 0)
		return rc;
	return rc == TDISP_DMA_DONE ? 0 : -EBUSY;
}

static int hot_reset(struct tdi *tdi)
{
	struct vfio_pci_hot_reset args = { .argsz = sizeof(args) };

	return ioctl(tdi->vfio->fd, VFIO_DEVICE_PCI_HOT_RESET, &args) ? -errno :
									0;
}

static int row_hot_reset(struct bench *b)
{
	return hot_reset(&b->tdi);
}

static int row_hot_reset_peer(struct bench *b)
{
	return b->has_peer ? hot_reset(&b->peer) : NOT_HERE;
}

/* Each row of the table, and what it gives while VFIO keeps the device closed */
static const struct {
	const char *name;
	int (*fn)(struct bench *b);
	int closed;
	/* While the device is open, if not 0 */
	int open;
	/* The same, if not 0, of function 0, which its siblings depend on */
	int open_dsm;
	/* Ends the session of the device, so not tried while it is open */
	bool closed_only;
} rows[] = {
	/* -EFAULT is SIGBUS */
	{ "mmap made before", row_mmap_before, -EFAULT },
	{ "mmap made now", row_mmap_new, -EFAULT },
	{ "region read", row_region_read, -EBUSY },
	{ "region write", row_region_write, -EBUSY },
	{ "region read, MSI-X BAR", row_region_msix, -EBUSY },
	{ "ROM read", row_rom, -EBUSY },
	{ "ioeventfd", row_ioeventfd, -EBUSY },
	{ "MSI-X set-up", row_msix, 0 },
	{ "clear MSE", row_clear_mse, -EBUSY },
	{ "clear MSE, other widths", row_clear_mse_dword, -EBUSY },
	{ "clear BME", row_clear_bme, -EBUSY },
	{ "write BAR", row_write_bar, -EBUSY, -EBUSY },
	{ "PCIe FLR", row_pcie_flr, -EBUSY },
	{ "AF FLR", row_af_flr, -EBUSY },
	{ "D3hot", row_d3, -EBUSY, .open_dsm = -EBUSY },
	{ "RESET", row_reset, -EBUSY },
	{ "hot reset", row_hot_reset, -EBUSY, .closed_only = true },
	{ "hot reset, other function", row_hot_reset_peer, -EBUSY,
	  .closed_only = true },
	{ "low power entry", row_low_power, -EBUSY },
	{ "low power entry, wakeup", row_low_power_wakeup, -EBUSY },
	{ "low power exit", row_low_power_exit, 0 },
	{ "dma-buf get", row_dmabuf_get, 0 },
	{ "dma-buf map, old one", row_dmabuf_map_old, -ENODEV },
	{ "dma-buf map, new one", row_dmabuf_map_new, -ENODEV },
};

/* What no row may cause in a device that is closed */
static const u32 device_events[] = {
	TDISP_EV_FLR, TDISP_EV_MSE, TDISP_EV_BME, TDISP_EV_RESET, TDISP_EV_BAR,
	TDISP_EV_POWER, TDISP_EV_STATE,
};

static void run_rows(struct __test_metadata *_metadata, struct bench *b,
		     const char *state, bool closed)
{
	u16 rid = b->tdi.fn->rid;

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		int want = closed ? rows[i].closed : rows[i].open;
		u32 log = testctl_log_end();
		int rc;

		if (!closed && b->tdi.fn == &setup.dev->fn[0] &&
		    rows[i].open_dsm)
			want = rows[i].open_dsm;
		if (!closed && rows[i].closed_only)
			continue;
		rc = rows[i].fn(b);
		if (rc == NOT_HERE)
			continue;
		printf("# %-12s %-28s %s\n", state, rows[i].name,
		       rc == -EFAULT ? "SIGBUS" : errno_name(rc));
		EXPECT_EQ(want, rc) {
			TH_LOG("%s, %s: %s, not %s", state, rows[i].name,
			       errno_name(rc), errno_name(want));
		}
		for (int j = 0; closed && j < ARRAY_SIZE(device_events); j++)
			EXPECT_EQ(0, testctl_count(log, rid, device_events[j],
						   TESTCTL_ANY, TESTCTL_ANY)) {
				TH_LOG("%s, %s: got through to the device",
				       state, rows[i].name);
				testctl_log_print(log, rid);
			}
	}
}

FIXTURE(vfio)
{
	struct bench b;
	int events;
	u16 rid;
};

FIXTURE_SETUP(vfio)
{
	struct bench *b = &self->b;

	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.fn->rid;
	test_cmd(vmm_open(&b->vmm));
	test_cmd(tdi_setup(&b->tdi, &b->vmm, setup.fn));
	for (int i = 0; i < setup.dev->nr_fns && !b->has_peer; i++) {
		if (&setup.dev->fn[i] == setup.fn)
			continue;
		test_cmd(tdi_setup(&b->peer, &b->vmm, &setup.dev->fn[i]));
		b->has_peer = true;
	}
	b->exp_cap = host_find_cap(setup.fn->bdf, PCI_CAP_ID_EXP);
	b->pm_cap = host_find_cap(setup.fn->bdf, PCI_CAP_ID_PM);
	b->af_cap = host_find_cap(setup.fn->bdf, PCI_CAP_ID_AF);
	b->dmabuf = tdi_export_bar(&b->tdi, TDISP_BAR_MEM, 0, P2P_LEN);
	ASSERT_LE(0, b->dmabuf);
	self->events = vmm_open_events(&b->vmm);
	ASSERT_LE(0, self->events);
	/* For the mapping to be there, not only the range of addresses */
	test_cmd(row_mmap_before(b));
}

FIXTURE_TEARDOWN_PARENT(vfio)
{
	test_cmd(setup_clear(setup.dev));
}

/* As the VMM and the guest use a device that nobody owns */
static void expect_usable(struct __test_metadata *_metadata, struct bench *b)
{
	expect_state(b->tdi.fn->rid, TDISP_STATE_UNLOCKED);
	test_cmd(row_mmap_before(b));
	test_cmd(row_region_read(b));
	test_cmd(tdi_dma_round_trip(&b->tdi));
}

static void expect_event(struct __test_metadata *_metadata, int fd, u32 type,
			 u32 reason)
{
	struct iommu_vevent_tsm event = {};

	test_cmd(vmm_read_event(fd, EVENT_MS, &event));
	EXPECT_EQ(type, event.event);
	EXPECT_EQ(reason, event.reason);
}

TEST_F_TIMEOUT(vfio, unbound, 120)
{
	struct bench *b = &self->b;

	run_rows(_metadata, b, "UNBOUND", false);
	expect_usable(_metadata, b);
	/* All that has not spoilt it for a VM */
	test_cmd(tdi_bind(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
}

TEST_F_TIMEOUT(vfio, locked, 120)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	run_rows(_metadata, b, "LOCKED", true);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
}

TEST_F_TIMEOUT(vfio, run, 120)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	run_rows(_metadata, b, "RUN", true);
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
	run_rows(_metadata, b, "after UNBIND", false);
	expect_usable(_metadata, b);
}

TEST_F_TIMEOUT(vfio, lost, 120)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	test_cmd(setup_disconnect(setup.dev));
	expect_event(_metadata, self->events, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
	run_rows(_metadata, b, "LOST", true);
	/* Until the VMM has seen it */
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
}

TEST_F_TIMEOUT(vfio, quarantined, 120)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(soft_tsm_hold(true));
	test_err(EUCLEAN, tdi_unbind(&b->tdi));
	test_cmd(soft_tsm_hold(false));
	run_rows(_metadata, b, "quarantined", true);
	test_err(EUCLEAN, tdi_unbind(&b->tdi));
	test_cmd(soft_tsm_release(setup.fn->bdf));
	run_rows(_metadata, b, "released", true);
	/* It could not end before: now it can */
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
	test_err(ENOTCONN, tdi_unbind(&b->tdi));
}

/* A device that cannot be locked is not asked to */
TEST_F(vfio, unfit)
{
	struct bench *b = &self->b;
	/* Which sleeps without function 0 to stop it */
	struct tdi *sleeper = b->tdi.fn != &setup.dev->fn[0] ? &b->tdi :
			      b->has_peer ? &b->peer : NULL;
	u32 log = testctl_log_end();
	u32 pm;
	u16 ctl;

	vfio_pci_cmd_clear(b->tdi.vfio, PCI_COMMAND_MEMORY);
	test_err(EBUSY, tdi_bind(&b->tdi));
	vfio_pci_cmd_set(b->tdi.vfio, PCI_COMMAND_MEMORY);

	if (sleeper) {
		pm = host_find_cap(sleeper->fn->bdf, PCI_CAP_ID_PM) +
		     PCI_PM_CTRL;
		ctl = vfio_pci_config_readw(sleeper->vfio, pm);
		vfio_pci_config_writew(sleeper->vfio, pm, ctl | D3HOT);
		test_err(EBUSY, tdi_bind(sleeper));
		vfio_pci_config_writew(sleeper->vfio, pm, ctl);
	}

	test_cmd(feature_set(b, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY));
	test_err(EBUSY, tdi_bind(&b->tdi));
	test_cmd(feature_set(b, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT));

	/* Nobody has asked the device */
	EXPECT_EQ(0, count_tdisp(log, self->rid, TDISP_LOCK_INTERFACE));
	EXPECT_EQ(0, testctl_count(log, self->rid, TDISP_EV_TDISP, TESTCTL_ANY,
				   TESTCTL_ANY));
	expect_usable(_metadata, b);
	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));
}

/* To master the bus, or not, is up to the VM; to stop it is not */
TEST_F(vfio, bus_master_later)
{
	struct bench *b = &self->b;
	u32 log;
	u16 cmd;

	vfio_pci_cmd_clear(b->tdi.vfio, PCI_COMMAND_MASTER);
	test_cmd(tdi_bind(&b->tdi));
	log = testctl_log_end();
	vfio_pci_cmd_set(b->tdi.vfio, PCI_COMMAND_MASTER);
	EXPECT_EQ(0, result_of(log, self->rid, TDISP_EV_BME));
	test_cmd(host_config_readw(setup.fn->bdf, PCI_COMMAND, &cmd));
	EXPECT_TRUE(cmd & PCI_COMMAND_MASTER);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	vfio_pci_cmd_clear(b->tdi.vfio, PCI_COMMAND_MASTER);
	test_cmd(host_config_readw(setup.fn->bdf, PCI_COMMAND, &cmd));
	EXPECT_TRUE(cmd & PCI_COMMAND_MASTER);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
}

/* Other bits of the command register are not TDISP's business */
TEST_F(vfio, command_passes)
{
	struct bench *b = &self->b;
	u16 cmd;

	test_cmd(tdi_bind(&b->tdi));
	vfio_pci_config_writew(b->tdi.vfio, PCI_COMMAND, PCI_COMMAND_SERR);
	test_cmd(host_config_readw(setup.fn->bdf, PCI_COMMAND, &cmd));
	EXPECT_TRUE(cmd & PCI_COMMAND_SERR);
	EXPECT_TRUE(cmd & PCI_COMMAND_MEMORY);
	EXPECT_TRUE(cmd & PCI_COMMAND_MASTER);
	EXPECT_EQ(cmd & ~PCI_COMMAND_INTX_DISABLE,
		  command(b) & ~PCI_COMMAND_INTX_DISABLE);
	vfio_pci_cmd_clear(b->tdi.vfio, PCI_COMMAND_SERR);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
}

/* Where the first selective IDE stream of a function is controlled, or 0 */
static u16 find_sel_ctl(const char *bdf)
{
	u16 pos = host_find_ext_cap(bdf, PCI_EXT_CAP_ID_IDE);
	u16 lo, hi;
	u32 cap;

	if (!pos || host_config_readw(bdf, pos + PCI_IDE_CAP, &lo) ||
	    host_config_readw(bdf, pos + PCI_IDE_CAP + 2, &hi))
		return 0;
	cap = lo | hi << 16;
	pos += PCI_IDE_LINK_STREAM_0;
	if (cap & PCI_IDE_CAP_LINK)
		pos += PCI_IDE_LINK_BLOCK_SIZE * (1 + (cap >> 13 & 7));
	return pos + PCI_IDE_SEL_CTL;
}

/*
 * All functions depend on the mailbox and the streams of function 0: while it is
 * connected, its user writes to both in vain, bound or not
 */
TEST_F(vfio, link_registers)
{
	const char *bdf = setup.dev->fn[0].bdf;
	u16 ctl = find_sel_ctl(bdf), lo, hi, val;
	struct bench *b = &self->b;
	u16 doe;

	if (setup.fn != &setup.dev->fn[0] || !ctl)
		SKIP(return, "function 0 with IDE only");
	doe = host_find_ext_cap(bdf, PCI_EXT_CAP_ID_DOE);
	ASSERT_NE(0, doe);

	/* The stream is enabled, and has an ID */
	test_cmd(host_config_readw(bdf, ctl, &lo));
	test_cmd(host_config_readw(bdf, ctl + 2, &hi));
	EXPECT_TRUE(lo & PCI_IDE_SEL_CTL_EN);
	vfio_pci_config_writel(b->tdi.vfio, ctl, 0);
	vfio_pci_config_writeb(b->tdi.vfio, ctl + 3, ~hi >> 8);
	test_cmd(host_config_readw(bdf, ctl, &val));
	EXPECT_EQ(lo, val);
	test_cmd(host_config_readw(bdf, ctl + 2, &val));
	EXPECT_EQ(hi, val);

	/* A message of one word without a header would end in an error */
	vfio_pci_config_writel(b->tdi.vfio, doe + PCI_DOE_WRITE, ~0U);
	vfio_pci_config_writel(b->tdi.vfio, doe + PCI_DOE_CTRL, PCI_DOE_CTRL_GO);
	test_cmd(host_config_readw(bdf, doe + PCI_DOE_STATUS, &val));
	EXPECT_FALSE(val & (PCI_DOE_STATUS_BUSY | PCI_DOE_STATUS_ERROR));
	test_cmd(tdi_bind(&b->tdi));
	vfio_pci_config_writel(b->tdi.vfio, doe + PCI_DOE_CTRL,
			       PCI_DOE_CTRL_ABORT);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));

	/* Nobody else needs them after that, and they are passed on as ever */
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(host_config_readw(bdf, ctl + 2, &hi));
	vfio_pci_config_writeb(b->tdi.vfio, ctl + 3, (hi >> 8) ^ 1);
	test_cmd(host_config_readw(bdf, ctl + 2, &val));
	EXPECT_EQ(hi ^ 0x100, val);
	vfio_pci_config_writeb(b->tdi.vfio, ctl + 3, hi >> 8);
}

/* Suspended at once, or after what is under way */
static bool wait_runtime_status(const char *bdf, const char *want)
{
	char status[16] = "";

	for (int i = 0; i < 100; i++) {
		if (sysfs_read(status, sizeof(status),
			       "/sys/bus/pci/devices/%s/power/runtime_status",
			       bdf))
			return false;
		if (!strcmp(status, want))
			return true;
		usleep(20000);
	}
	return false;
}

/* VFIO has function 0, and nobody uses it but those who use the others */
TEST(dsm_awake)
{
	const char *bdf = setup.dev->fn[0].bdf;

	test_cmd(setup_ready(setup.dev));
	EXPECT_TRUE(wait_runtime_status(bdf, "suspended"));
	test_cmd(setup_connect(setup.dev));
	/* Not just for as long as connect took */
	usleep(100000);
	EXPECT_TRUE(wait_runtime_status(bdf, "active"));
	EXPECT_FALSE(wait_runtime_status(bdf, "suspended"));
	test_cmd(setup_disconnect(setup.dev));
	EXPECT_TRUE(wait_runtime_status(bdf, "suspended"));
	test_cmd(setup_clear(setup.dev));
}

/* A write to the configuration space that waits for what is to be written */
struct late_write {
	struct bench *b;
	struct uffd_page uffd;
	u64 pos;
	ssize_t rc;
};

static void *late_write(void *arg)
{
	struct late_write *w = arg;
	struct vfio_pci_device *vfio = w->b->tdi.vfio;

	w->rc = pwrite(vfio->fd, w->uffd.page, sizeof(u32),
		       vfio->config_space.offset + w->pos);
	return NULL;
}

/* Who has begun to write before the connect does not get there after it */
TEST_F(vfio, link_registers_late)
{
	u16 ctl = find_sel_ctl(setup.dev->fn[0].bdf), lo, hi, val;
	const char *bdf = setup.dev->fn[0].bdf;
	struct bench *b = &self->b;
	struct late_write w = { .b = b, .pos = ctl };
	struct pollfd pollfd = { .events = POLLIN };
	pthread_t thread;

	if (setup.fn != &setup.dev->fn[0] || !ctl)
		SKIP(return, "function 0 with IDE only");
	test_cmd(setup_disconnect(setup.dev));
	ASSERT_EQ(0, uffd_page_open(&w.uffd, false));
	ASSERT_EQ(0, pthread_create(&thread, NULL, late_write, &w));
	pollfd.fd = w.uffd.uffd;
	ASSERT_EQ(1, poll(&pollfd, 1, EVENT_MS));

	test_cmd(setup_connect(setup.dev));
	test_cmd(host_config_readw(bdf, ctl, &lo));
	test_cmd(host_config_readw(bdf, ctl + 2, &hi));
	EXPECT_TRUE(lo & PCI_IDE_SEL_CTL_EN);
	/* Zeroes, which would disable the stream */
	ASSERT_EQ(0, uffd_page_release(&w.uffd));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(sizeof(u32), w.rc);
	test_cmd(host_config_readw(bdf, ctl, &val));
	EXPECT_EQ(lo, val);
	test_cmd(host_config_readw(bdf, ctl + 2, &val));
	EXPECT_EQ(hi, val);
	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));
	close(w.uffd.uffd);
	munmap(w.uffd.page, getpagesize());
}

/* A DSM that sleeps answers nobody: it is not put to sleep, nor woken up */
TEST_F(vfio, dsm_power)
{
	struct bench *b = &self->b;
	u32 pm = b->pm_cap + PCI_PM_CTRL, log = testctl_log_end();
	u16 ctl = vfio_pci_config_readw(b->tdi.vfio, pm);

	if (setup.fn != &setup.dev->fn[0])
		SKIP(return, "function 0 only");
	vfio_pci_config_writew(b->tdi.vfio, pm, ctl | D3HOT);
	EXPECT_EQ(-EBUSY, result_of(log, self->rid, TDISP_EV_POWER));
	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));

	test_cmd(setup_disconnect(setup.dev));
	vfio_pci_config_writew(b->tdi.vfio, pm, ctl | D3HOT);
	EXPECT_EQ(0, result_of(log, self->rid, TDISP_EV_POWER));
	test_err(EBUSY, setup_connect(setup.dev));
	vfio_pci_config_writew(b->tdi.vfio, pm, ctl);
	test_cmd(setup_connect(setup.dev));
	expect_usable(_metadata, b);
}

/* A reply that cannot be written undoes the attach, and nothing but that */
TEST_F(vfio, attach_fault)
{
	struct vfio_device_attach_iommufd_pt *args;
	struct bench *b = &self->b;

	args = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, args);
	*args = (struct vfio_device_attach_iommufd_pt){
		.argsz = sizeof(*args),
		.pt_id = UINT32_MAX,
	};
	/* No reason not to bind, either */
	ASSERT_EQ(-1, ioctl(b->tdi.vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
			    args));
	EXPECT_EQ(ENOENT, errno);
	args->pt_id = b->vmm.hwpt_id;
	ASSERT_EQ(0, mprotect(args, SZ_4K, PROT_READ));
	ASSERT_EQ(-1, ioctl(b->tdi.vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
			    args));
	EXPECT_EQ(EFAULT, errno);
	/* Detached, which is no reason not to bind; and to stay so until then */
	test_cmd(tdi_bind(&b->tdi));
	ASSERT_EQ(0, mprotect(args, SZ_4K, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, ioctl(b->tdi.vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
			    args));
	EXPECT_EQ(EBUSY, errno);
	test_cmd(tdi_unbind(&b->tdi));
	EXPECT_EQ(0, ioctl(b->tdi.vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
			   args));
	munmap(args, SZ_4K);
	expect_usable(_metadata, b);
}

/*
 * The mapping in an IOAS dies with the bind and stays dead until the VMM maps
 * it again; a bind that fails before the device is asked leaves it alone
 */
TEST_F(vfio, p2p)
{
	struct bench *b = &self->b;

	if (!b->has_peer)
		SKIP(return, "the device has one function only");
	test_cmd(vmm_map_dmabuf(&b->vmm, b->dmabuf, P2P_IOVA, P2P_LEN));
	test_cmd(peer_reaches(b));

	test_cmd(setup_disconnect(setup.dev));
	test_err(ENXIO, tdi_bind(&b->tdi));
	test_cmd(peer_reaches(b));
	test_cmd(setup_connect(setup.dev));

	test_cmd(tdi_bind(&b->tdi));
	test_err(EBUSY, peer_reaches(b));
	test_cmd(tdi_unbind(&b->tdi));
	test_err(EBUSY, peer_reaches(b));

	test_cmd(vmm_unmap(&b->vmm, P2P_IOVA, P2P_LEN));
	test_cmd(vmm_map_dmabuf(&b->vmm, b->dmabuf, P2P_IOVA, P2P_LEN));
	test_cmd(peer_reaches(b));
	test_cmd(vmm_unmap(&b->vmm, P2P_IOVA, P2P_LEN));
}

/* Another driver that has attached to the dma-buf, and may stay so */
struct importer {
	int fd;
};

static int importer_open(struct importer *imp, int dmabuf)
{
	struct tdisp_importer_attach attach = { .fd = dmabuf };
	unsigned int bus, slot, func;
	char bdf[16];

	imp->fd = open(TDISP_IMPORTER_DEV, O_RDWR | O_CLOEXEC);
	if (imp->fd < 0)
		return -errno;
	/* A function that nobody has given away */
	if (pci_find(bdf, sizeof(bdf), TDISP_TESTDEV_VENDOR,
		     TDISP_TESTCTL_DEVICE) ||
	    sscanf(bdf, "%*x:%x:%x.%x", &bus, &slot, &func) != 3)
		return -ENODEV;
	attach.rid = bus << 8 | slot << 3 | func;
	return ioctl(imp->fd, TDISP_IMPORTER_ATTACH, &attach) ? -errno : 0;
}

static int importer_map(struct importer *imp)
{
	return ioctl(imp->fd, TDISP_IMPORTER_MAP) ? -errno : 0;
}

static struct tdisp_importer_status importer_status(struct importer *imp)
{
	struct tdisp_importer_status status = { .mapped = ~0u };

	ioctl(imp->fd, TDISP_IMPORTER_STATUS, &status);
	return status;
}

TEST_F(vfio, importer)
{
	struct bench *b = &self->b;
	struct importer imp, closed, late;
	u32 invalidations;
	int rc;

	rc = importer_open(&imp, b->dmabuf);
	if (rc == -ENOENT)
		SKIP(return, "tdisp_importer.ko is not loaded");
	test_cmd(rc);
	rc = importer_map(&imp);
	if (rc == -EINVAL)
		SKIP(return, "no DMA from one device to another here");
	test_cmd(rc);
	test_cmd(importer_open(&closed, b->dmabuf));
	test_cmd(importer_map(&closed));
	EXPECT_EQ(1, importer_status(&imp).mapped);
	EXPECT_EQ(0, importer_status(&imp).invalidations);

	test_cmd(tdi_bind(&b->tdi));
	EXPECT_EQ(0, importer_status(&imp).mapped);
	EXPECT_EQ(1, importer_status(&imp).invalidations);
	test_err(ENODEV, importer_map(&imp));
	/* A user of the buffer that goes, or comes, in the middle */
	close(closed.fd);
	test_err(ENODEV, importer_open(&late, b->dmabuf));
	close(late.fd);
	/* Not even when memory is disabled, and enabled again */
	vfio_pci_cmd_clear(b->tdi.vfio, PCI_COMMAND_MEMORY);
	vfio_pci_cmd_set(b->tdi.vfio, PCI_COMMAND_MEMORY);
	test_err(ENODEV, importer_map(&imp));

	test_cmd(tdi_unbind(&b->tdi));
	test_cmd(importer_map(&imp));
	/* As before the series: memory that is off, and a reset */
	invalidations = importer_status(&imp).invalidations;
	vfio_pci_cmd_clear(b->tdi.vfio, PCI_COMMAND_MEMORY);
	EXPECT_EQ(0, importer_status(&imp).mapped);
	EXPECT_LT(invalidations, importer_status(&imp).invalidations);
	test_err(ENODEV, importer_map(&imp));
	vfio_pci_cmd_set(b->tdi.vfio, PCI_COMMAND_MEMORY);
	test_cmd(importer_map(&imp));
	test_cmd(row_reset(b));
	EXPECT_EQ(0, importer_status(&imp).mapped);
	test_cmd(importer_map(&imp));
	close(imp.fd);
}

/* A bind that the device refuses gives all back */
TEST_F(vfio, failed_bind)
{
	struct bench *b = &self->b;

	testctl_set(self->rid, TDISP_CTL_LOCK_ERROR, TDISP_ERR_INVALID_CONFIG);
	test_err(EIO, tdi_bind(&b->tdi));
	testctl_set(self->rid, TDISP_CTL_LOCK_ERROR, 0);
	expect_usable(_metadata, b);
	test_cmd(row_dmabuf_map_old(b));
}

/* Each of several buffers, whenever made and closed */
TEST_F(vfio, many_dmabufs)
{
	struct bench *b = &self->b;
	int fd[8];

	for (int i = 0; i < ARRAY_SIZE(fd); i++) {
		fd[i] = tdi_export_bar(&b->tdi, i & 1 ? TDISP_BAR_REGS :
					TDISP_BAR_MEM, i & 1 ? 0 : i * P2P_LEN,
				       SZ_4K);
		ASSERT_LE(0, fd[i]);
		test_cmd(vmm_map_dmabuf(&b->vmm, fd[i], P2P_IOVA + i * P2P_LEN,
					SZ_4K));
	}
	test_cmd(tdi_bind(&b->tdi));
	close(fd[0]);
	test_cmd(vmm_unmap(&b->vmm, P2P_IOVA + P2P_LEN, SZ_4K));
	for (int i = 1; i < ARRAY_SIZE(fd); i++)
		test_err(ENODEV, vmm_map_dmabuf(&b->vmm, fd[i],
						P2P_IOVA + SZ_1G, SZ_4K));
	test_cmd(tdi_unbind(&b->tdi));
	for (int i = 1; i < ARRAY_SIZE(fd); i++) {
		test_cmd(vmm_map_dmabuf(&b->vmm, fd[i], P2P_IOVA + SZ_1G,
					SZ_4K));
		test_cmd(vmm_unmap(&b->vmm, P2P_IOVA + SZ_1G, SZ_4K));
		close(fd[i]);
	}
}

/* The reset of one device of a set is the reset of all */
TEST_F(vfio, hot_reset)
{
	struct bench *b = &self->b;
	struct tdi others[TDISP_MAX_FNS] = {};
	u32 log = testctl_log_end();

	if (!b->has_peer)
		SKIP(return, "the device has one function only");
	/* The user has to own all of them */
	for (int i = 0; i < setup.dev->nr_fns; i++) {
		const struct tdisp_fn *fn = &setup.dev->fn[i];

		if (fn != b->tdi.fn && fn != b->peer.fn)
			test_cmd(tdi_setup(&others[i], &b->vmm, fn));
	}

	test_cmd(tdi_bind(&b->tdi));
	test_err(EBUSY, hot_reset(&b->peer));
	test_err(EBUSY, hot_reset(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));
	EXPECT_EQ(0, testctl_count(log, self->rid, TDISP_EV_RESET, TESTCTL_ANY,
				   TESTCTL_ANY));
	/* What was refused has left the others as they were */
	test_cmd(tdi_dma_round_trip(&b->peer));
	expect_usable(_metadata, b);

	test_cmd(hot_reset(&b->peer));
	EXPECT_EQ(1, testctl_count(log, self->rid, TDISP_EV_RESET, TESTCTL_ANY,
				   TESTCTL_ANY));
	/* The session went with it */
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(setup_connect(setup.dev));
	expect_usable(_metadata, b);
	test_cmd(tdi_bind(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
	for (int i = 0; i < ARRAY_SIZE(others); i++)
		tdi_close(&others[i]);
}

struct churn {
	pthread_t thread;
	struct bench *b;
	u64 iova;
	bool stop;
	unsigned long mapped;
	unsigned long refused;
	int rc;
};

/* A VMM that exports, maps, unmaps and closes all the time */
static void *churn_dmabufs(void *arg)
{
	struct churn *c = arg;
	int fd, rc;

	while (!c->rc && !__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		fd = tdi_export_bar(&c->b->tdi, TDISP_BAR_MEM, 0, P2P_LEN);
		if (fd < 0) {
			c->rc = fd;
			break;
		}
		rc = vmm_map_dmabuf(&c->b->vmm, fd, c->iova, P2P_LEN);
		if (!rc) {
			c->mapped++;
			c->rc = vmm_unmap(&c->b->vmm, c->iova, P2P_LEN);
		} else if (rc == -ENODEV) {
			c->refused++;
		} else {
			c->rc = rc;
		}
		close(fd);
	}
	return NULL;
}

/* Exports, maps and closes of dma-bufs in the middle of BIND and UNBIND */
TEST_F_TIMEOUT(vfio, dmabuf_race, 120)
{
	struct bench *b = &self->b;
	struct churn churn[2] = {};
	u32 val;

	for (int i = 0; i < ARRAY_SIZE(churn); i++) {
		churn[i].b = b;
		churn[i].iova = P2P_IOVA + i * P2P_LEN;
		ASSERT_EQ(0, pthread_create(&churn[i].thread, NULL,
					    churn_dmabufs, &churn[i]));
	}
	for (int i = 0; i < 40; i++) {
		test_cmd(tdi_bind(&b->tdi));
		test_err(EBUSY, region_read32(&b->tdi, TDISP_BAR_REGS,
					      TDISP_REG_ID, &val));
		if (i & 1)
			test_cmd(setup_disconnect(setup.dev));
		test_cmd(tdi_unbind(&b->tdi));
		if (i & 1)
			test_cmd(setup_connect(setup.dev));
	}
	for (int i = 0; i < ARRAY_SIZE(churn); i++)
		__atomic_store_n(&churn[i].stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < ARRAY_SIZE(churn); i++) {
		ASSERT_EQ(0, pthread_join(churn[i].thread, NULL));
		EXPECT_EQ(0, churn[i].rc);
		printf("# dma-bufs: %lu mapped, %lu refused\n",
		       churn[i].mapped, churn[i].refused);
		EXPECT_LT(0, churn[i].mapped);
		EXPECT_LT(0, churn[i].refused);
	}
	expect_usable(_metadata, b);
}

/* A reset, or nothing at all, of a device that is about to be bound */
static void *reset_again_and_again(void *arg)
{
	struct churn *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED))
		sysfs_write("1", "/sys/bus/pci/devices/%s/reset",
			    setup.fn->bdf);
	return NULL;
}

TEST_F_TIMEOUT(vfio, reset_in_flight, 120)
{
	struct bench *b = &self->b;
	struct churn churn = { .b = b };
	int busy = 0;

	ASSERT_EQ(0, pthread_create(&churn.thread, NULL, reset_again_and_again,
				    &churn));
	for (int i = 0; i < 400 && !busy; i++) {
		int rc = tdi_bind(&b->tdi);

		/* Locked in between, or told by the device that it cannot be */
		busy = rc == -EBUSY;
		if (!rc)
			test_cmd(tdi_unbind(&b->tdi));
	}
	__atomic_store_n(&churn.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(churn.thread, NULL));
	EXPECT_EQ(1, busy);
	expect_usable(_metadata, b);
}

/* What the administrator does cannot be refused, so the VMM is told */
TEST_F(vfio, sysfs_reset)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	test_cmd(sysfs_write("1", "/sys/bus/pci/devices/%s/reset",
			     setup.fn->bdf));
	expect_event(_metadata, self->events, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_RESET);
	expect_live_state(&b->tdi, TDISP_STATE_ERROR);
	/* Nothing comes back before UNBIND */
	test_err(EBUSY, row_region_read(b));
	test_err(EFAULT, row_mmap_before(b));
	test_err(EBUSY, row_reset(b));
	test_cmd(tdi_unbind(&b->tdi));
	expect_usable(_metadata, b);
	test_cmd(tdi_bind(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
}

/* VFIO repairs BARs that somebody has broken, but not those of a VM */
TEST_F(vfio, bar_restore)
{
	struct bench *b = &self->b;
	u64 start, size;
	u32 log;

	test_cmd(pci_bar(setup.fn->bdf, TDISP_BAR_REGS, &start, &size));
	test_cmd(tdi_bind(&b->tdi));
	test_cmd(host_config_writel(setup.fn->bdf, PCI_BASE_ADDRESS_0,
				    start + SZ_64K));
	expect_state(self->rid, TDISP_STATE_ERROR);
	log = testctl_log_end();
	vfio_pci_cmd_set(b->tdi.vfio, PCI_COMMAND_MASTER);
	EXPECT_EQ(0, testctl_count(log, self->rid, TDISP_EV_BAR, TESTCTL_ANY,
				   TESTCTL_ANY));
	test_cmd(tdi_unbind(&b->tdi));
	vfio_pci_cmd_set(b->tdi.vfio, PCI_COMMAND_MASTER);
	EXPECT_LT(0, testctl_count(log, self->rid, TDISP_EV_BAR, TESTCTL_ANY,
				   TESTCTL_ANY));
	expect_usable(_metadata, b);
}

struct removal {
	pthread_t thread;
	const char *path;
	bool done;
};

static void *remove_driver(void *arg)
{
	struct removal *r = arg;

	sysfs_write(r->path[0] == 'u' ? setup.fn->bdf : "1",
		    r->path[0] == 'u' ? "/sys/bus/pci/drivers/vfio-pci/%s" :
					"/sys/bus/pci/devices/%2$s/%1$s",
		    r->path, setup.fn->bdf);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* The driver waits for the VMM, who learns why */
static void removal(struct __test_metadata *_metadata, struct bench *b,
		    int events, const char *path)
{
	struct removal r = { .path = path };
	u32 log = testctl_log_end();

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, remove_driver, &r));
	expect_event(_metadata, events, IOMMU_TSM_EVENT_LINK_LOST,
		     IOMMU_TSM_REASON_REMOVED);
	/* Not a bit of the device has changed, it is still the VM's */
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	test_err(EBUSY, row_region_read(b));
	EXPECT_FALSE(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE));
	test_cmd(tdi_unbind(&b->tdi));
	EXPECT_EQ(1, count_tdisp(log, b->tdi.fn->rid, TDISP_STOP_INTERFACE));
	EXPECT_EQ(0, testctl_count(log, b->tdi.fn->rid, TDISP_EV_STATE,
				   TESTCTL_ANY, TDISP_STATE_ERROR));
	close(b->dmabuf);
	tdi_close(&b->tdi);
	ASSERT_TRUE(wait_for(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE),
			     20000));
	ASSERT_EQ(0, pthread_join(r.thread, NULL));
}

TEST_F(vfio, driver_unbind)
{
	removal(_metadata, &self->b, self->events, "unbind");
}

TEST_F(vfio, sysfs_remove)
{
	removal(_metadata, &self->b, self->events, "remove");
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
