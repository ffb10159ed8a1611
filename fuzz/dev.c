// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function of the test device behind VFIO, a soft TSM, and a VM: BIND with exchanges
 * over DOE, memslots that a dma-buf of a BAR backs, a vCPU that touches them, and
 * what an administrator and the device do meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

#include <linux/kvm.h>

#include "lib/tdisp_lib.h"
#include "lib/vcpu.h"

#include "iommufd.h"

#define MAX_DMABUFS	6
#define SLOT		8
#define BAR_LEN		VCPU_DATA_LEN

static struct vmm vmm;
static struct tdi tdi;
static struct vcpu vcpu;
static int dmabufs[MAX_DMABUFS];
static unsigned int nr_dmabufs;
static char tsm[64];

static int run_export(const uint32_t *arg)
{
	int fd;

	/* BAR 2 has 64 MiB, of which the first pages will do most of the time */
	fd = tdi_export_bar(&tdi, arg[0] % 3 ? TDISP_BAR_MEM : arg[0] / 3, arg[1],
			    arg[2] ? (u64)arg[2] << 12 : BAR_LEN);
	if (fd < 0)
		return fd;
	if (nr_dmabufs == MAX_DMABUFS) {
		close(dmabufs[0]);
		dmabufs[0] = fd;
		return 0;
	}
	dmabufs[nr_dmabufs++] = fd;
	return 0;
}

static int run_dmabuf_close(const uint32_t *arg)
{
	unsigned int i;

	if (!nr_dmabufs)
		return OP_NOTHING;
	i = arg[0] % nr_dmabufs;
	close(dmabufs[i]);
	dmabufs[i] = dmabufs[--nr_dmabufs];
	return 0;
}

/* Which descriptor a memslot is to be made of */
static int odd_fd(uint32_t arg)
{
	switch (arg & 15) {
	case 12:
		return tdi.vfio->fd;
	case 13:
		return vmm.vm.vm_fd;
	case 14:
		return iommufd;
	case 15:
		return arg >> 4;
	default:
		return nr_dmabufs ? dmabufs[arg % nr_dmabufs] : -1;
	}
}

/* slot, flags, address, length, offset, descriptor, user address, pad */
static int run_memslot(const uint32_t *arg)
{
	static char *memory;
	struct kvm_userspace_memory_region2 mem = {
		/* The first slots are the vCPU's */
		.slot = arg[0] % 3 ? SLOT + arg[0] % 3 : arg[0],
		.flags = KVM_MEM_DMABUF ^ arg[1],
		.guest_phys_addr = arg[2] % 3 ? VCPU_DATA_GPA + ((u64)(arg[2] & 7) << 12) :
						(u64)arg[2] << 12,
		/* 0 deletes */
		.memory_size = arg[3] % 4 == 3 ? 0 : arg[3] % 4 ? (u64)arg[3] << 12 : BAR_LEN,
		.dmabuf_offset = arg[4] & 1 ? arg[4] : (u64)arg[4] << 12,
		.dmabuf_fd = odd_fd(arg[5]),
		.pad1 = arg[7] == 1,
	};

	if (!memory)
		memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arg[6])
		mem.userspace_addr = arg[6] & 1 ? arg[6] : (uintptr_t)memory;
	if (arg[7] > 1)
		mem.pad2[arg[7] % 14] = arg[7];
	return ioctl(vmm.vm.vm_fd, KVM_SET_USER_MEMORY_REGION2, &mem) ? -errno : 0;
}

static int run_private(const uint32_t *arg)
{
	return vm_set_private(&vmm.vm, VCPU_DATA_GPA + ((u64)(arg[0] & 15) << 12),
			      (u64)(1 + (arg[1] & 15)) << 12, arg[2] & 1);
}

/* A guest that got lost runs until the alarm */
static int run_vcpu(const uint32_t *arg)
{
	struct itimerval on = { .it_value.tv_sec = 1 }, off = {};
	u32 val;
	int rc;

	setitimer(ITIMER_REAL, &on, NULL);
	if (arg[0] & 1)
		rc = vcpu_write(&vcpu, arg[1], arg[2]);
	else
		rc = vcpu_read(&vcpu, arg[1], &val);
	setitimer(ITIMER_REAL, &off, NULL);
	return rc;
}

static int run_reset(const uint32_t *arg)
{
	return ioctl(tdi.vfio->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int run_region(const uint32_t *arg)
{
	u32 val;

	/* The registers of a DMA engine that nobody has set up, and memory */
	if (arg[2] & 1)
		return region_write32(&tdi, arg[0] % 9, arg[1] & ~3u, arg[3]);
	return region_read32(&tdi, arg[0] % 9, arg[1] & ~3u, &val);
}

static int run_config(const uint32_t *arg)
{
	u32 pos = arg[0] % 4 ? PCI_COMMAND : arg[0] & 0xffc, val = arg[1];

	return region_write32(&tdi, VFIO_PCI_CONFIG_REGION_INDEX, pos, val);
}

static int run_map(const uint32_t *arg)
{
	if (!nr_dmabufs)
		return OP_NOTHING;
	return vmm_map_dmabuf(&vmm, dmabufs[arg[0] % nr_dmabufs],
			      0x7f0000000000ull + ((u64)(arg[1] & 3) << 20), BAR_LEN);
}

static int run_unmap(const uint32_t *arg)
{
	return vmm_unmap(&vmm, 0x7f0000000000ull + ((u64)(arg[0] & 3) << 20), BAR_LEN);
}

static int run_attach(const uint32_t *arg)
{
	return tdi_attach(&tdi, object_ref(OBJ_HWPT, arg[0]));
}

static int run_detach(const uint32_t *arg)
{
	return tdi_detach(&tdi);
}

static int run_file(const uint32_t *arg)
{
	return arg[0] & 1 ? vm_add_vfio(&vmm.vm, tdi.vfio->fd) :
			    vm_del_vfio(&vmm.vm, tdi.vfio->fd);
}

static int run_connect(const uint32_t *arg)
{
	const char *bdf = setup.dev->fn[0].bdf;

	return arg[0] % 3 ? tsm_connect(bdf, tsm) : tsm_disconnect(bdf, tsm);
}

static int run_hold(const uint32_t *arg)
{
	return soft_tsm_hold(arg[0] & 1);
}

static int run_release(const uint32_t *arg)
{
	return soft_tsm_release(setup.fn->bdf);
}

static int run_host_reset(const uint32_t *arg)
{
	return sysfs_write("1", "/sys/bus/pci/devices/%s/reset", setup.fn->bdf);
}

/* A fault of the device: which one, and how */
static int run_fault(const uint32_t *arg)
{
	static const u32 regs[] = {
		TDISP_CTL_LOCK_ERROR, TDISP_CTL_WRONG_NONCE, TDISP_CTL_LENGTH_DELTA,
		TDISP_CTL_STOP_ERROR, TDISP_CTL_ERROR_AFTER,
		TDISP_CTL_FORCE_ERROR,
	};

	testctl_set(setup.fn->rid, regs[arg[0] % ARRAY_LEN(regs)], arg[1]);
	return 0;
}

static const struct op ops[] = {
	{ "export", 3, { ARG_SMALL, ARG_ODD, ARG_ODD }, run_export, true },
	{ "dmabuf_close", 1, { ARG_SMALL }, run_dmabuf_close, true },
	{ "memslot", 10, { ARG_SMALL, ARG_ODD, ARG_SMALL, ARG_SMALL, ARG_ODD, ARG_SMALL, ARG_ODD,
			   ARG_ODD }, run_memslot },
	{ "private", 4, { ARG_SMALL, ARG_SMALL, ARG_SMALL }, run_private },
	{ "vcpu", 6, { ARG_SMALL, ARG_LEN, ARG_VALUE }, run_vcpu, true },
	{ "reset", 1, { ARG_NONE }, run_reset },
	{ "region", 2, { ARG_SMALL, ARG_LEN, ARG_SMALL, ARG_VALUE }, run_region },
	{ "config", 2, { ARG_VALUE, ARG_VALUE }, run_config },
	{ "map", 2, { ARG_SMALL, ARG_SMALL }, run_map },
	{ "unmap", 1, { ARG_SMALL }, run_unmap },
	{ "attach", 1, { ARG_REF }, run_attach },
	{ "detach", 1, { ARG_NONE }, run_detach },
	{ "file", 1, { ARG_SMALL }, run_file },
	{ "connect", 2, { ARG_SMALL }, run_connect },
	{ "hold", 1, { ARG_SMALL }, run_hold },
	{ "release", 1, { ARG_NONE }, run_release },
	{ "host_reset", 1, { ARG_NONE }, run_host_reset },
	{ "fault", 2, { ARG_SMALL, ARG_SMALL }, run_fault },
	IOMMUFD_OPS,
};

static void on_alarm(int sig)
{
}

static const char *dev_start(int argc, char **argv)
{
	/* Interrupts KVM_RUN */
	struct sigaction action = { .sa_handler = on_alarm };
	const char *why = setup_init(&argc, argv);

	if (why)
		return why;
	sigaction(SIGALRM, &action, NULL);
	tvm_arch = SOFT_TSM_TVM_ARCH;
	return NULL;
}

static void dev_stop(void)
{
	setup_restore();
}

/* As the program before left it, or all the way from the beginning */
static int ready(bool anew)
{
	char state[64];
	int rc;

	if (!anew && !tsm_attr(setup.dev->fn[0].bdf, "connect", state, sizeof(state)) && state[0])
		return tsm_find(tsm, sizeof(tsm));
	rc = setup_ready(setup.dev);
	rc = rc ?: setup_connect(setup.dev);
	return rc ?: tsm_find(tsm, sizeof(tsm));
}

static void close_all(void)
{
	vcpu_destroy(&vcpu);
	tdi_close(&tdi);
	vmm_close(&vmm);
	memset(&tdi, 0, sizeof(tdi));
	memset(&vmm, 0, sizeof(vmm));
}

static int open_all(bool anew)
{
	int rc = ready(anew);

	rc = rc ?: vmm_open(&vmm);
	rc = rc ?: tdi_setup(&tdi, &vmm, setup.fn);
	return rc ?: vcpu_create(&vcpu, &vmm.vm);
}

static int dev_begin(void)
{
	int rc = open_all(false);

	/* The last program may have left the device in no state for that */
	if (rc) {
		close_all();
		rc = open_all(true);
	}
	if (rc)
		return rc;
	iommufd = vmm.iommu->iommufd;
	object_add(OBJ_DEVICE, tdi.dev_id);
	object_add(OBJ_IOAS, vmm.iommu->ioas_id);
	object_add(OBJ_HWPT, vmm.hwpt_id);
	object_add(OBJ_VIOMMU, vmm.viommu_id);
	object_add(OBJ_VDEVICE, tdi.vdev_id);
	return 0;
}

static void dev_end(void)
{
	while (nr_dmabufs)
		close(dmabufs[--nr_dmabufs]);
	events_close();
	close_all();
	iommufd = -1;
	objects_clear();

	/* What a program has done to the device and to the TSM ends with it */
	soft_tsm_hold(false);
	soft_tsm_release(setup.fn->bdf);
	testctl_clear_faults(setup.fn->rid);
}

const struct target target = {
	.name = "dev",
	.ops = ops,
	.nr_ops = ARRAY_LEN(ops),
	.start = dev_start,
	.stop = dev_stop,
	.begin = dev_begin,
	.end = dev_end,
};
