// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots that the dma-buf of a VFIO device's BAR backs (KVM_MEM_DMABUF).
 *
 * Runs on any device with a BAR that can be mapped: the last argument, or
 * $VFIO_SELFTESTS_BDF.  It has to survive reads of the first word of that BAR.
 * If the BAR is prefetchable and keeps what is written there, it is taken for
 * memory, otherwise tests that write to it, or want several pages, are skipped.
 * The larger it is, the more is tested, e.g. ivshmem-plain of QEMU with 1 GiB.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/sizes.h>
#include <linux/udmabuf.h>
#include <linux/vfio.h>

#include "kvm_util.h"
#include "processor.h"
#include "smm.h"
#include "test_util.h"
#include "ucall_common.h"
#include "kselftest_harness.h"

#include <libvfio.h>

#define SLOT		10
#define OTHER_SLOT	11
/* Of the address space of system management mode */
#define SMM_SLOT	((1 << 16) | SLOT)
/* Aligned for the largest pages, clear of the memory of the VM */
#define GPA		(4ull * SZ_1G)
#define GVA		(64ull * SZ_1G)
/* As much of the BAR as the page tables of the guest reach, in small pages */
#define MAX_MAPPED	SZ_4M

/* What 32 bits reach: memory of SMM, and the BAR there */
#define SMRAM_GPA	(2ull * SZ_1G)
#define SMM_GPA		(3ull * SZ_1G)
#define SMM_PORT	0x10

#define NR_VCPUS	4
#define LOAD_CYCLES	50

static const char *device_bdf;

/* A VFIO device that belongs to a VM */
struct dev {
	struct iommu *iommu;
	int kvm_vfio;
	struct vfio_pci_device *pci;
};

/* What the host does with a BAR, by its region */
struct bar {
	int index;
	u64 offset;
	u64 size;
	bool memory;
};

static u32 bar_read(struct dev *dev, struct bar *bar, u64 off)
{
	u32 val;

	TEST_ASSERT_EQ(pread(dev->pci->fd, &val, sizeof(val),
			     bar->offset + off), sizeof(val));
	return val;
}

static void bar_write(struct dev *dev, struct bar *bar, u64 off, u32 val)
{
	TEST_ASSERT_EQ(pwrite(dev->pci->fd, &val, sizeof(val),
			      bar->offset + off), sizeof(val));
}

static void region_info(int fd, int index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) {
		.argsz = sizeof(*info),
		.index = index,
	};
	TEST_ASSERT(!ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info),
		    "VFIO_DEVICE_GET_REGION_INFO of region %d", index);
}

/* The largest one */
static void find_bar(struct dev *dev, struct bar *bar)
{
	struct vfio_region_info info;
	u32 val, config;
	int i;

	memset(bar, 0, sizeof(*bar));
	for (i = 0; i < PCI_STD_NUM_BARS; i++) {
		region_info(dev->pci->fd, i, &info);
		if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) ||
		    info.size <= bar->size)
			continue;
		bar->index = i;
		bar->offset = info.offset;
		bar->size = info.size;
	}
	if (!bar->size)
		return;

	config = vfio_pci_config_readl(dev->pci,
				       PCI_BASE_ADDRESS_0 + 4 * bar->index);
	if (config & PCI_BASE_ADDRESS_MEM_PREFETCH) {
		val = bar_read(dev, bar, 0);
		bar_write(dev, bar, 0, ~val);
		bar->memory = bar_read(dev, bar, 0) == ~val;
		bar_write(dev, bar, 0, val);
	}
}

static int open_cdev(void)
{
	const char *path = vfio_pci_get_cdev_path(device_bdf);
	int fd;

	/* Somebody else may be closing it */
	for (int i = 0; i < 500; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			break;
		usleep(10000);
	}
	free((void *)path);
	TEST_ASSERT(fd >= 0, "Opening the VFIO device: errno %d", errno);
	return fd;
}

static int __bind_iommufd(int fd, int iommufd)
{
	struct vfio_device_bind_iommufd args = {
		.argsz = sizeof(args),
		.iommufd = iommufd,
	};

	return ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &args);
}

static void set_memory_enable(struct dev *dev, bool on)
{
	if (on)
		vfio_pci_cmd_set(dev->pci, PCI_COMMAND_MEMORY);
	else
		vfio_pci_cmd_clear(dev->pci, PCI_COMMAND_MEMORY);
}

static int kvm_vfio_file(int kvm_vfio, u64 attr, int fd)
{
	s32 arg = fd;

	return __kvm_device_attr_set(kvm_vfio, KVM_DEV_VFIO_FILE, attr, &arg);
}

/* @vm_fd is the VM it belongs to, -1 for none */
static void dev_open(struct dev *dev, int vm_fd)
{
	struct kvm_create_device create = { .type = KVM_DEV_TYPE_VFIO };
	int r;

	dev->iommu = iommu_init(MODE_IOMMUFD);
	dev->pci = vfio_pci_device_alloc(device_bdf, dev->iommu);
	dev->pci->fd = open_cdev();
	dev->kvm_vfio = -1;
	if (vm_fd >= 0) {
		TEST_ASSERT(!ioctl(vm_fd, KVM_CREATE_DEVICE, &create),
			    "Creating the kvm-vfio device: errno %d", errno);
		dev->kvm_vfio = create.fd;
		r = kvm_vfio_file(dev->kvm_vfio, KVM_DEV_VFIO_FILE_ADD,
				  dev->pci->fd);
		TEST_ASSERT(!r, "KVM_DEV_VFIO_FILE_ADD: errno %d", errno);
	}

	/* The last one who had the device open may not be done yet */
	for (int i = 0; i < 500; i++) {
		r = __bind_iommufd(dev->pci->fd, dev->iommu->iommufd);
		if (!r || errno != EINVAL)
			break;
		usleep(10000);
	}
	TEST_ASSERT(!r, "VFIO_DEVICE_BIND_IOMMUFD: errno %d", errno);

	region_info(dev->pci->fd, VFIO_PCI_CONFIG_REGION_INDEX,
		    &dev->pci->config_space);
	set_memory_enable(dev, true);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void dev_close(struct dev *dev)
{
	close_fd(&dev->kvm_vfio);
	close_fd(&dev->pci->fd);
	iommu_cleanup(dev->iommu);
	vfio_pci_device_free(dev->pci);
	dev->pci = NULL;
}

static int __dev_export(struct dev *dev, struct bar *bar, int nr_ranges,
			const struct vfio_region_dma_range *ranges)
{
	size_t size = sizeof(struct vfio_device_feature) +
		      sizeof(struct vfio_device_feature_dma_buf) +
		      nr_ranges * sizeof(*ranges);
	struct vfio_device_feature *feature = calloc(1, size);
	struct vfio_device_feature_dma_buf *buf = (void *)feature->data;
	int fd;

	feature->argsz = size;
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	buf->region_index = bar->index;
	buf->open_flags = O_RDWR | O_CLOEXEC;
	buf->nr_ranges = nr_ranges;
	memcpy(buf->dma_ranges, ranges, nr_ranges * sizeof(*ranges));
	fd = ioctl(dev->pci->fd, VFIO_DEVICE_FEATURE, feature);
	free(feature);
	return fd;
}

static int dev_export(struct dev *dev, struct bar *bar)
{
	struct vfio_region_dma_range range = { .length = bar->size };
	int fd = __dev_export(dev, bar, 1, &range);

	TEST_ASSERT(fd >= 0, "Exporting the BAR: errno %d", errno);
	return fd;
}

static int set_region(int vm_fd, const struct kvm_userspace_memory_region2 *mem)
{
	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION2, mem) ? -errno : 0;
}

static struct kvm_userspace_memory_region2 region(int dmabuf, u64 gpa, u64 size)
{
	return (struct kvm_userspace_memory_region2) {
		.slot = SLOT,
		.flags = KVM_MEM_DMABUF,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.dmabuf_fd = dmabuf,
	};
}

/* What the vCPU of the same number is to do */
static struct guest_op {
	u64 offset;
	u64 count;
	u32 value;
	u32 write;
} guest_ops[NR_VCPUS];

static void guest_code(u64 nr)
{
	for (;;) {
		struct guest_op *op = &guest_ops[nr];
		u32 *mmio = (u32 *)(GVA + READ_ONCE(op->offset));

		if (READ_ONCE(op->write))
			WRITE_ONCE(*mmio, READ_ONCE(op->value));
		else
			WRITE_ONCE(op->value, READ_ONCE(*mmio));
		GUEST_SYNC(READ_ONCE(op->value));
	}
}

static void guest_load(u64 nr)
{
	struct guest_op *op = &guest_ops[nr];
	u32 *mmio = (u32 *)(GVA + READ_ONCE(op->offset));

	for (;;) {
		WRITE_ONCE(op->value, READ_ONCE(*mmio));
		WRITE_ONCE(op->count, op->count + 1);
	}
}

/*
 * The instruction that exited before is executed again.  0, or a negative errno
 * of KVM_RUN, which must come with KVM_EXIT_MEMORY_FAULT.
 */
static int guest_resume(struct kvm_vcpu *vcpu, u32 *value)
{
	struct ucall uc;

	if (_vcpu_run(vcpu)) {
		int err = errno;

		TEST_ASSERT_EQ(err, EFAULT);
		TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT);
		TEST_ASSERT_EQ(vcpu->run->memory_fault.size, SZ_4K);
		return -err;
	}
	if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
		return -ENXIO;
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	if (value)
		*value = uc.args[1];
	return 0;
}

static int guest_access(struct kvm_vcpu *vcpu, u64 offset, bool write,
			u32 *value)
{
	struct guest_op *op = &guest_ops[vcpu->id];

	op->offset = offset;
	op->write = write;
	op->value = *value;
	sync_global_to_guest(vcpu->vm, guest_ops);
	return guest_resume(vcpu, value);
}

static int guest_read(struct kvm_vcpu *vcpu, u64 offset, u32 *value)
{
	*value = 0;
	return guest_access(vcpu, offset, false, value);
}

static int guest_write(struct kvm_vcpu *vcpu, u64 offset, u32 value)
{
	return guest_access(vcpu, offset, true, &value);
}

FIXTURE(dmabuf)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	struct dev dev;
	struct bar bar;
	int dmabuf;
	/* Of the BAR, what is mapped in the guest's page tables */
	u64 mapped;
};

FIXTURE_VARIANT(dmabuf)
{
	unsigned long type;
};

FIXTURE_VARIANT_ADD(dmabuf, default_vm)
{
	.type = KVM_X86_DEFAULT_VM,
};

FIXTURE_VARIANT_ADD(dmabuf, protected_vm)
{
	.type = KVM_X86_SW_PROTECTED_VM,
};

FIXTURE_SETUP(dmabuf)
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = variant->type,
	};
	int i;

	self->dmabuf = -1;
	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(variant->type)))
		SKIP(return, "No VMs of type %lu", variant->type);

	self->vm = __vm_create_with_vcpus(shape, NR_VCPUS, 64, guest_code,
					  self->vcpu);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_args_set(self->vcpu[i], 1, i);

	dev_open(&self->dev, self->vm->fd);
	find_bar(&self->dev, &self->bar);
	if (!self->bar.size)
		SKIP(return, "The device has no BAR that can be mapped");
	self->dmabuf = dev_export(&self->dev, &self->bar);

	self->mapped = min_t(u64, self->bar.size, MAX_MAPPED);
	virt_map(self->vm, GVA, GPA, self->mapped / SZ_4K);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close_fd(&self->dmabuf);
	if (self->dev.pci)
		dev_close(&self->dev);
	if (self->vm)
		kvm_vm_free(self->vm);
}

static bool has_memory(FIXTURE_DATA(dmabuf) *self, u64 size)
{
	return self->bar.memory && self->bar.size >= size;
}

#define test_region(_errno, ...) do {					\
	struct kvm_userspace_memory_region2 __mem = __VA_ARGS__;	\
									\
	EXPECT_EQ(-(_errno), set_region(self->vm->fd, &__mem)) {	\
		TH_LOG("flags %x gpa %llx size %llx offset %llx",	\
		       __mem.flags, __mem.guest_phys_addr,		\
		       __mem.memory_size, __mem.dmabuf_offset);		\
	}								\
} while (0)

#define expect_fault(_vcpu, _flags) do {				\
	struct kvm_vcpu *__vcpu = (_vcpu);				\
	u32 __val;							\
									\
	EXPECT_EQ(-EFAULT, guest_read(__vcpu, 0, &__val));		\
	EXPECT_EQ(GPA, __vcpu->run->memory_fault.gpa);			\
	EXPECT_EQ((_flags), __vcpu->run->memory_fault.flags);		\
} while (0)

#define expect_works(_self, _vcpu) do {					\
	FIXTURE_DATA(dmabuf) *__self = (_self);				\
	u32 __val;							\
									\
	EXPECT_EQ(0, guest_read(_vcpu, 0, &__val));			\
	EXPECT_EQ(bar_read(&__self->dev, &__self->bar, 0), __val);	\
} while (0)

TEST_F(dmabuf, capability)
{
	EXPECT_EQ(1, kvm_check_cap(KVM_CAP_MEMORY_DMABUF));
	EXPECT_EQ(1, vm_check_cap(self->vm, KVM_CAP_MEMORY_DMABUF));
}

/* Guest and host see the same device */
TEST_F(dmabuf, access)
{
	u32 val;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);

	if (!self->bar.memory)
		return;
	for (u64 off = 0; off < self->mapped; off += self->mapped / 4) {
		bar_write(&self->dev, &self->bar, off, 0x600d0000 + off);
		ASSERT_EQ(0, guest_read(self->vcpu[0], off, &val));
		EXPECT_EQ(0x600d0000 + off, val);
		ASSERT_EQ(0, guest_write(self->vcpu[1], off, ~val));
		EXPECT_EQ(~val, bar_read(&self->dev, &self->bar, off));
	}
}

/* A part of the BAR, at an address that does not match it */
TEST_F(dmabuf, offset)
{
	struct kvm_userspace_memory_region2 mem;
	u32 val;

	if (!has_memory(self, 4 * SZ_4K))
		SKIP(return, "Needs a BAR that is memory, and larger");
	for (int i = 0; i < 4; i++)
		bar_write(&self->dev, &self->bar, i * SZ_4K, 0xba5e + i);

	mem = region(self->dmabuf, GPA + SZ_4K, 2 * SZ_4K);
	mem.dmabuf_offset = 2 * SZ_4K;
	test_region(0, mem);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, guest_read(self->vcpu[0], (i + 1) * SZ_4K, &val));
		EXPECT_EQ(0xba5e + i + 2, val);
	}
	/* Not the rest of the large page around it */
	EXPECT_EQ(-ENXIO, guest_read(self->vcpu[0], 0, &val));
	EXPECT_EQ(-ENXIO, guest_read(self->vcpu[1], 3 * SZ_4K, &val));
}

/* The dma-buf has the ranges of the BAR in an order of its own */
TEST_F(dmabuf, ranges)
{
	struct vfio_region_dma_range ranges[] = {
		{ .offset = 3 * SZ_4K, .length = SZ_4K },
		{ .offset = 0, .length = 2 * SZ_4K },
		{ .offset = 3 * SZ_4K, .length = SZ_4K },
	};
	static const int expected[] = { 3, 0, 1, 3 };
	u32 val;
	int fd;

	if (!has_memory(self, 4 * SZ_4K))
		SKIP(return, "Needs a BAR that is memory, and larger");
	for (int i = 0; i < 4; i++)
		bar_write(&self->dev, &self->bar, i * SZ_4K, 0x4a90e + i);

	fd = __dev_export(&self->dev, &self->bar, ARRAY_SIZE(ranges), ranges);
	ASSERT_LE(0, fd);
	test_region(EINVAL, region(fd, GPA, 5 * SZ_4K));
	test_region(0, region(fd, GPA, 4 * SZ_4K));
	close(fd);
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(0, guest_read(self->vcpu[0], i * SZ_4K, &val));
		EXPECT_EQ(0x4a90e + expected[i], val);
	}
}

/* Memory of another mapping level beside each other, and one for all */
TEST_F_TIMEOUT(dmabuf, levels, 60)
{
	struct kvm_pre_fault_memory range;
	u64 size = self->bar.size;
	u64 huge = size < SZ_1G ? SZ_2M : SZ_1G;
	struct kvm_userspace_memory_region2 mem;
	u64 nr_huge;
	u32 val;

	if (!has_memory(self, SZ_2M))
		SKIP(return, "Needs a BAR that is memory, and larger");
	if (!kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY))
		SKIP(return, "KVM does not prefault here");
	ASSERT_EQ(0, self->bar.size % huge);
	if (huge == SZ_1G && !this_cpu_has(X86_FEATURE_GBPAGES))
		huge = SZ_2M;

	/* All of it */
	test_region(0, region(self->dmabuf, GPA, size));
	range = (struct kvm_pre_fault_memory) { .gpa = GPA, .size = size };
	vcpu_ioctl(self->vcpu[0], KVM_PRE_FAULT_MEMORY, &range);
	EXPECT_EQ(0, range.size);
	nr_huge = huge == SZ_1G ? vm_get_stat(self->vm, pages_1g) :
				  vm_get_stat(self->vm, pages_2m);
	EXPECT_EQ(size / huge, nr_huge);
	expect_works(self, self->vcpu[0]);

	set_memory_enable(&self->dev, false);
	EXPECT_EQ(0, vm_get_stat(self->vm, pages_1g));
	EXPECT_EQ(0, vm_get_stat(self->vm, pages_2m));
	set_memory_enable(&self->dev, true);
	test_region(0, region(self->dmabuf, GPA, 0));

	/* PFN and gfn do not agree: small pages */
	test_region(0, region(self->dmabuf, GPA + SZ_4K, SZ_2M));
	range = (struct kvm_pre_fault_memory) {
		.gpa = GPA + SZ_4K,
		.size = SZ_2M,
	};
	while (range.size)
		vcpu_ioctl(self->vcpu[0], KVM_PRE_FAULT_MEMORY, &range);
	EXPECT_EQ(0, vm_get_stat(self->vm, pages_2m));
	EXPECT_LE(SZ_2M / SZ_4K, vm_get_stat(self->vm, pages_4k));
	test_region(0, region(self->dmabuf, GPA, 0));

	/* They do, but the slot starts and ends within a large page */
	if (size < SZ_4M)
		return;
	mem = region(self->dmabuf, GPA + SZ_4K, SZ_4M - SZ_4K);
	mem.dmabuf_offset = SZ_4K;
	test_region(0, mem);
	range = (struct kvm_pre_fault_memory) {
		.gpa = GPA + SZ_4K,
		.size = SZ_4M - SZ_4K,
	};
	while (range.size)
		vcpu_ioctl(self->vcpu[0], KVM_PRE_FAULT_MEMORY, &range);
	EXPECT_EQ(1, vm_get_stat(self->vm, pages_2m));
	for (u64 off = SZ_4K; off < SZ_4M; off += SZ_2M - SZ_4K) {
		bar_write(&self->dev, &self->bar, off, 0x1e7e1 + off);
		EXPECT_EQ(0, guest_read(self->vcpu[0], off, &val));
		EXPECT_EQ(0x1e7e1 + off, val);
	}
}

TEST_F(dmabuf, prefault)
{
	struct kvm_pre_fault_memory range = { .gpa = GPA, .size = SZ_4K };

	if (!kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY))
		SKIP(return, "KVM does not prefault here");
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	vcpu_ioctl(self->vcpu[0], KVM_PRE_FAULT_MEMORY, &range);
	EXPECT_EQ(0, range.size);

	range.gpa = GPA;
	range.size = SZ_4K;
	set_memory_enable(&self->dev, false);
	EXPECT_EQ(-1, __vcpu_ioctl(self->vcpu[0], KVM_PRE_FAULT_MEMORY,
				   &range));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(SZ_4K, range.size);

	set_memory_enable(&self->dev, true);
	vcpu_ioctl(self->vcpu[0], KVM_PRE_FAULT_MEMORY, &range);
	EXPECT_EQ(0, range.size);
}

TEST_F(dmabuf, bad_flags)
{
	static const u32 flags[] = {
		KVM_MEM_LOG_DIRTY_PAGES,
		KVM_MEM_READONLY,
		KVM_MEM_GUEST_MEMFD,
		BIT(4),
		BIT(16),
		BIT(17),
		BIT(31),
	};
	struct kvm_userspace_memory_region2 good, mem;

	good = region(self->dmabuf, GPA, self->bar.size);
	for (int i = 0; i < ARRAY_SIZE(flags); i++) {
		mem = good;
		mem.flags |= flags[i];
		test_region(EINVAL, mem);
	}

	mem = good;
	mem.userspace_addr = (uintptr_t)&mem & ~(SZ_4K - 1);
	test_region(EINVAL, mem);

	/* The old ioctl does not have the members */
	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_SET_USER_MEMORY_REGION, &good));
	EXPECT_EQ(EINVAL, errno);

	test_region(0, good);
	expect_works(self, self->vcpu[0]);
}

TEST_F(dmabuf, bad_range)
{
	struct kvm_userspace_memory_region2 good, mem;
	u64 size = self->bar.size;

	good = region(self->dmabuf, GPA, size);

	mem = good;
	mem.dmabuf_offset = SZ_4K;
	test_region(EINVAL, mem);
	mem = good;
	mem.dmabuf_offset = size;
	test_region(EINVAL, mem);
	mem = good;
	mem.dmabuf_offset = 1;
	test_region(EINVAL, mem);
	mem = good;
	mem.dmabuf_offset = -SZ_4K;
	test_region(EINVAL, mem);
	mem = good;
	mem.dmabuf_offset = -size;
	test_region(EINVAL, mem);
	mem = good;
	mem.memory_size = size + SZ_4K;
	test_region(EINVAL, mem);
	mem = good;
	mem.memory_size = size - 1;
	test_region(EINVAL, mem);
	mem = good;
	mem.memory_size = 1ull << 43;
	test_region(EINVAL, mem);
	mem = good;
	mem.guest_phys_addr = GPA + 1;
	test_region(EINVAL, mem);
	mem = good;
	mem.guest_phys_addr = -size;
	test_region(EINVAL, mem);
	mem = good;
	mem.slot = 0xffff;
	test_region(EINVAL, mem);
	/* Does not exist, so cannot be deleted */
	mem = good;
	mem.memory_size = 0;
	test_region(EINVAL, mem);
	/* Memory of the VM is there */
	mem = good;
	mem.guest_phys_addr = 0;
	test_region(EEXIST, mem);

	test_region(0, good);
	mem = good;
	mem.slot = OTHER_SLOT;
	test_region(EEXIST, mem);
	expect_works(self, self->vcpu[0]);
}

/* All that can be done to a slot is to delete it */
TEST_F(dmabuf, immutable)
{
	struct kvm_userspace_memory_region2 good, mem;
	u32 val;

	good = region(self->dmabuf, GPA, self->bar.size);
	test_region(0, good);

	test_region(EINVAL, good);
	mem = good;
	mem.guest_phys_addr += SZ_1G;
	test_region(EINVAL, mem);
	mem = good;
	mem.flags = 0;
	test_region(EINVAL, mem);
	mem = good;
	mem.flags = KVM_MEM_LOG_DIRTY_PAGES;
	test_region(EINVAL, mem);
	mem = good;
	mem.flags = KVM_MEM_READONLY;
	test_region(EINVAL, mem);
	mem.guest_phys_addr += SZ_1G;
	mem.flags = 0;
	test_region(EINVAL, mem);
	expect_works(self, self->vcpu[0]);

	mem = good;
	mem.memory_size = 0;
	test_region(0, mem);
	EXPECT_EQ(-ENXIO, guest_read(self->vcpu[0], 0, &val));
	test_region(EINVAL, mem);
	mem = good;
	mem.guest_phys_addr = GPA;
	test_region(0, mem);
	expect_works(self, self->vcpu[1]);
}

TEST_F(dmabuf, bad_fd)
{
	struct udmabuf_create create = { .size = SZ_2M };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	u64 size = min_t(u64, self->bar.size, SZ_2M);
	int fd;

	test_region(EBADF, region(-1, GPA, size));
	test_region(EINVAL, region(null, GPA, size));
	test_region(EINVAL, region(self->vm->fd, GPA, size));
	test_region(EINVAL, region(self->dev.pci->fd, GPA, size));
	close(null);
	test_region(EBADF, region(null, GPA, size));

	create.memfd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ASSERT_LE(0, create.memfd);
	ASSERT_EQ(0, ftruncate(create.memfd, SZ_2M));
	ASSERT_EQ(0, fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	test_region(EINVAL, region(create.memfd, GPA, size));
	if (udmabuf < 0)
		SKIP(goto out, "No udmabuf for the dma-buf of another exporter");
	fd = ioctl(udmabuf, UDMABUF_CREATE, &create);
	ASSERT_LE(0, fd);
	test_region(EINVAL, region(fd, GPA, size));
	close(fd);
	close(udmabuf);
out:
	close(create.memfd);
}

TEST_F(dmabuf, bad_vm)
{
	struct kvm_vm *other = vm_create_barebones();
	struct kvm_userspace_memory_region2 mem;
	struct dev dev;
	int fd;

	mem = region(self->dmabuf, GPA, self->bar.size);
	EXPECT_EQ(-EPERM, set_region(other->fd, &mem));
	/* Revoked or not */
	set_memory_enable(&self->dev, false);
	EXPECT_EQ(-EPERM, set_region(other->fd, &mem));
	set_memory_enable(&self->dev, true);
	test_region(0, mem);
	expect_works(self, self->vcpu[0]);

	/* No VM at all */
	dev_close(&self->dev);
	dev_open(&dev, -1);
	fd = dev_export(&dev, &self->bar);
	mem.slot = OTHER_SLOT;
	mem.guest_phys_addr += self->bar.size;
	mem.dmabuf_fd = fd;
	test_region(EPERM, mem);
	EXPECT_EQ(-EPERM, set_region(other->fd, &mem));

	/* Closed, and open again for somebody */
	dev_close(&dev);
	dev_open(&self->dev, other->fd);
	test_region(ENODEV, mem);
	mem.dmabuf_fd = self->dmabuf;
	EXPECT_EQ(-ENODEV, set_region(other->fd, &mem));
	close(fd);
	expect_fault(self->vcpu[0], 0);

	fd = dev_export(&self->dev, &self->bar);
	mem.dmabuf_fd = fd;
	test_region(EPERM, mem);
	EXPECT_EQ(0, set_region(other->fd, &mem));
	close(fd);
	kvm_vm_free(other);
}

TEST_F(dmabuf, revoke)
{
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	for (int i = 0; i < 3; i++) {
		expect_works(self, self->vcpu[0]);
		set_memory_enable(&self->dev, false);
		expect_fault(self->vcpu[0], 0);
		expect_fault(self->vcpu[1], 0);
		EXPECT_EQ(-EFAULT, guest_resume(self->vcpu[0], NULL));
		set_memory_enable(&self->dev, true);
		EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
		EXPECT_EQ(0, guest_resume(self->vcpu[1], NULL));
	}
}

TEST_F(dmabuf, create_revoked)
{
	int fd;

	set_memory_enable(&self->dev, false);
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_fault(self->vcpu[0], 0);
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
	expect_works(self, self->vcpu[0]);

	set_memory_enable(&self->dev, false);
	test_region(0, region(self->dmabuf, GPA, 0));
	set_memory_enable(&self->dev, true);

	/* Revoked from the beginning */
	set_memory_enable(&self->dev, false);
	fd = dev_export(&self->dev, &self->bar);
	test_region(0, region(fd, GPA, self->bar.size));
	expect_fault(self->vcpu[1], 0);
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(0, guest_resume(self->vcpu[1], NULL));
	close(fd);
}

TEST_F(dmabuf, reset)
{
	int r;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);
	r = __vfio_pci_device_reset(self->dev.pci);
	if (r == -EINVAL || r == -ENOTTY)
		SKIP(return, "The device has no reset");
	ASSERT_EQ(0, r);
	set_memory_enable(&self->dev, true);
	expect_works(self, self->vcpu[0]);
}

static int feature_set(struct dev *dev, u32 which, const void *data,
		       size_t size)
{
	char buf[sizeof(struct vfio_device_feature) + 16] = {};
	struct vfio_device_feature *feature = (void *)buf;

	feature->argsz = sizeof(*feature) + size;
	feature->flags = VFIO_DEVICE_FEATURE_SET | which;
	if (size)
		memcpy(feature->data, data, size);
	return ioctl(dev->pci->fd, VFIO_DEVICE_FEATURE, feature) ? -errno : 0;
}

/*
 * In low power the device is awake for as long as somebody works with it, which
 * is not what a vCPU that accesses the slot does
 */
TEST_F(dmabuf, low_power)
{
	int fd, r;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);
	r = feature_set(&self->dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0);
	if (r == -ENOTTY)
		SKIP(return, "No low power state");
	ASSERT_EQ(0, r);
	expect_fault(self->vcpu[0], 0);

	/* These wake it up and find its memory enabled */
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(-EFAULT, guest_resume(self->vcpu[0], NULL));
	r = __vfio_pci_device_reset(self->dev.pci);
	if (!r)
		set_memory_enable(&self->dev, true);
	EXPECT_EQ(-EFAULT, guest_resume(self->vcpu[0], NULL));
	fd = dev_export(&self->dev, &self->bar);
	test_region(0, region(self->dmabuf, GPA, 0));
	test_region(0, region(fd, GPA, self->bar.size));
	EXPECT_EQ(-EFAULT, guest_resume(self->vcpu[0], NULL));

	ASSERT_EQ(0, feature_set(&self->dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
				 NULL, 0));
	EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
	expect_works(self, self->vcpu[1]);
	close(fd);
}

/* Whoever wakes it up ends the state, nobody has to ask for that */
TEST_F(dmabuf, low_power_wakeup)
{
	struct vfio_device_low_power_entry_with_wakeup entry = {};
	u64 signaled = 0;
	int r;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);
	entry.wakeup_eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, entry.wakeup_eventfd);
	r = feature_set(&self->dev,
			VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
			&entry, sizeof(entry));
	if (r == -ENOTTY)
		SKIP(return, "No low power state");
	ASSERT_EQ(0, r);
	expect_fault(self->vcpu[0], 0);

	/* It is suspended some time after the ioctl */
	for (int i = 0; i < 500 && !signaled; i++) {
		usleep(10000);
		vfio_pci_config_readw(self->dev.pci, PCI_VENDOR_ID);
		if (read(entry.wakeup_eventfd, &signaled, sizeof(signaled)) < 0)
			ASSERT_EQ(EAGAIN, errno);
	}
	EXPECT_EQ(1, signaled);
	EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
	expect_works(self, self->vcpu[1]);
	close(entry.wakeup_eventfd);
}

/* The same range, several times */
TEST_F(dmabuf, twice)
{
	struct kvm_userspace_memory_region2 mem;
	u64 gva = GVA + 2 * MAX_MAPPED;
	u32 val;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	mem = region(self->dmabuf, GPA + self->bar.size, self->bar.size);
	mem.slot = OTHER_SLOT;
	test_region(0, mem);
	virt_map(self->vm, gva, GPA + self->bar.size, 1);

	expect_works(self, self->vcpu[0]);
	EXPECT_EQ(0, guest_read(self->vcpu[1], gva - GVA, &val));
	set_memory_enable(&self->dev, false);
	expect_fault(self->vcpu[0], 0);
	EXPECT_EQ(-EFAULT, guest_read(self->vcpu[1], gva - GVA, &val));
	EXPECT_EQ(GPA + self->bar.size, self->vcpu[1]->run->memory_fault.gpa);
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
	EXPECT_EQ(0, guest_resume(self->vcpu[1], NULL));

	mem.memory_size = 0;
	test_region(0, mem);
	expect_works(self, self->vcpu[0]);
}

/* In real mode with 32-bit addresses: the first word of the BAR, to a port */
static const u8 smi_handler[] = {
	0x66, 0x67, 0xa1, 0x00, 0x00, 0x00, SMM_GPA >> 24, /* mov SMM_GPA, %eax */
	0x66, 0xe7, SMM_PORT,			/* out %eax, $SMM_PORT */
	0x0f, 0xaa,				/* rsm */
};

/* Until the handler has its word: 0, or a negative errno of KVM_RUN */
static int smm_resume(struct kvm_vcpu *vcpu, u32 *value)
{
	struct kvm_run *run = vcpu->run;

	if (_vcpu_run(vcpu)) {
		int err = errno;

		TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
		TEST_ASSERT_EQ(run->memory_fault.gpa, SMM_GPA);
		return -err;
	}
	if (run->exit_reason == KVM_EXIT_MMIO)
		return -ENXIO;
	TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_IO);
	TEST_ASSERT_EQ(run->io.port, SMM_PORT);
	TEST_ASSERT_EQ(run->io.size, sizeof(*value));
	memcpy(value, (void *)run + run->io.data_offset, sizeof(*value));
	return 0;
}

static int smm_read(struct kvm_vcpu *vcpu, u32 *value)
{
	inject_smi(vcpu);
	return smm_resume(vcpu, value);
}

/* SMM has slots of its own, which are revoked like any */
TEST_F(dmabuf, smm)
{
	struct kvm_vcpu *vcpu = self->vcpu[0];
	struct kvm_userspace_memory_region2 mem;
	u32 val;

	if (!kvm_has_cap(KVM_CAP_X86_SMM) ||
	    vm_check_cap(self->vm, KVM_CAP_MULTI_ADDRESS_SPACE) < 2)
		SKIP(return, "No system management mode");
	if (self->bar.size > SZ_256M)
		SKIP(return, "The BAR is too large for 32 bits");

	setup_smram(self->vm, vcpu, SMRAM_GPA, smi_handler,
		    sizeof(smi_handler));
	mem = region(self->dmabuf, SMM_GPA, self->bar.size);
	mem.slot = SMM_SLOT;
	test_region(0, mem);
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, vcpu);

	EXPECT_EQ(0, smm_read(vcpu, &val));
	EXPECT_EQ(bar_read(&self->dev, &self->bar, 0), val);
	expect_works(self, vcpu);

	/* Revoked while the handler of an SMI is in the middle of its access */
	set_memory_enable(&self->dev, false);
	EXPECT_EQ(-EFAULT, smm_read(vcpu, &val));
	EXPECT_EQ(-EFAULT, smm_resume(vcpu, &val));
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(0, smm_resume(vcpu, &val));
	EXPECT_EQ(bar_read(&self->dev, &self->bar, 0), val);
	expect_works(self, vcpu);

	/* One of the slots goes, the other one stays */
	mem.memory_size = 0;
	test_region(0, mem);
	EXPECT_EQ(-ENXIO, smm_read(vcpu, &val));
	vcpu_run_complete_io(vcpu);
	EXPECT_EQ(0, smm_resume(vcpu, &val));
	expect_works(self, vcpu);
}

struct load {
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong faults;
};

static void *load_main(void *data)
{
	struct load *load = data;
	struct kvm_run *run = load->vcpu->run;

	while (!load->stop) {
		if (!__vcpu_run(load->vcpu)) {
			TEST_FAIL("Unexpected exit %u", run->exit_reason);
		} else if (errno == EFAULT) {
			TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MEMORY_FAULT);
			load->faults++;
		} else {
			TEST_ASSERT_EQ(errno, EINTR);
		}
	}
	return NULL;
}

static void on_signal(int sig)
{
}

/* Mapping and revocation race on several vCPUs */
TEST_F_TIMEOUT(dmabuf, load, 120)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct load load[NR_VCPUS] = {};
	unsigned long faults = 0;
	u64 before;

	sigaction(SIGUSR1, &act, NULL);
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	for (int i = 0; i < NR_VCPUS; i++) {
		if (self->bar.memory)
			guest_ops[i].offset = i * self->mapped / NR_VCPUS;
		vcpu_arch_set_entry_point(self->vcpu[i], guest_load);
		load[i].vcpu = self->vcpu[i];
	}
	sync_global_to_guest(self->vm, guest_ops);
	for (int i = 0; i < NR_VCPUS; i++)
		pthread_create(&load[i].thread, NULL, load_main, &load[i]);

	for (int n = 0; n < LOAD_CYCLES; n++) {
		usleep(n % 5 * 2000);
		set_memory_enable(&self->dev, false);
		/*
		 * Nobody reads the device now.  A vCPU that still did would
		 * have no fault here.
		 */
		for (int i = 0; i < NR_VCPUS; i++) {
			unsigned long seen = load[i].faults;

			for (int ms = 0; load[i].faults == seen; ms++) {
				ASSERT_GT(10000, ms) {
					TH_LOG("vCPU %d does not fault", i);
				}
				usleep(1000);
			}
		}
		sync_global_from_guest(self->vm, guest_ops);
		before = guest_ops[n % NR_VCPUS].count;
		usleep(1000);
		sync_global_from_guest(self->vm, guest_ops);
		EXPECT_EQ(before, guest_ops[n % NR_VCPUS].count);

		set_memory_enable(&self->dev, true);
		for (int ms = 0; ; ms++) {
			sync_global_from_guest(self->vm, guest_ops);
			if (guest_ops[n % NR_VCPUS].count != before)
				break;
			ASSERT_GT(10000, ms) {
				TH_LOG("vCPU %d does not go on", n % NR_VCPUS);
			}
			usleep(1000);
		}
	}

	for (int i = 0; i < NR_VCPUS; i++)
		load[i].stop = true;
	for (int i = 0; i < NR_VCPUS; i++) {
		load[i].vcpu->run->immediate_exit = 1;
		pthread_kill(load[i].thread, SIGUSR1);
		pthread_join(load[i].thread, NULL);
		faults += load[i].faults;
	}
	TH_LOG("%d revocations, %lu faults", LOAD_CYCLES, faults);
}

static void *revoke_main(void *data)
{
	struct dev *dev = data;

	for (int i = 0; i < 2 * LOAD_CYCLES; i++)
		set_memory_enable(dev, i & 1);
	return NULL;
}

/* Slots come and go under a vCPU that uses them, and under revocation */
TEST_F_TIMEOUT(dmabuf, slot_load, 60)
{
	struct kvm_userspace_memory_region2 mem;
	pthread_t thread;
	u32 val;
	int r;

	mem = region(self->dmabuf, GPA, self->bar.size);
	pthread_create(&thread, NULL, revoke_main, &self->dev);
	for (int i = 0; i < LOAD_CYCLES; i++) {
		mem.memory_size = self->bar.size;
		test_region(0, mem);
		r = guest_read(self->vcpu[0], 0, &val);
		EXPECT_TRUE(!r || r == -EFAULT);
		mem.memory_size = 0;
		test_region(0, mem);
	}
	pthread_join(thread, NULL);
	mem.memory_size = self->bar.size;
	test_region(0, mem);
	expect_works(self, self->vcpu[0]);
}

/* Private accesses without a TSM that has bound the device */
TEST_F(dmabuf, private)
{
	u64 size = min_t(u64, self->bar.size, SZ_2M);

	if (variant->type == KVM_X86_DEFAULT_VM)
		SKIP(return, "This VM has no private memory");
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);
	vm_mem_set_private(self->vm, GPA, size);
	expect_fault(self->vcpu[0], KVM_MEMORY_EXIT_FLAG_PRIVATE);
	set_memory_enable(&self->dev, false);
	EXPECT_EQ(-EFAULT, guest_resume(self->vcpu[0], NULL));
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(-EFAULT, guest_resume(self->vcpu[0], NULL));
	vm_mem_set_shared(self->vm, GPA, size);
	EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
	expect_works(self, self->vcpu[0]);
}

static int set_msr(struct kvm_vcpu *vcpu, u32 msr, u64 value)
{
	return _vcpu_set_msr(vcpu, msr, value);
}

/* Whoever wants an hva gets none */
TEST_F(dmabuf, no_hva)
{
	struct kvm_vapic_addr vapic = { .vapic_addr = GPA };
	struct kvm_vcpu *vcpu = self->vcpu[0];
	u64 ram = vm_phy_page_alloc(self->vm, 0x10000, 0);
	struct kvm_clock_data clock;
	u32 old[16];

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	for (int i = 0; self->bar.memory && i < ARRAY_SIZE(old); i++) {
		bar_write(&self->dev, &self->bar, 4 * i, 0x1234567 * i);
		old[i] = 0x1234567 * i;
	}

	/* Refused at once; what is as good in memory works */
	EXPECT_EQ(0, set_msr(vcpu, MSR_KVM_ASYNC_PF_EN,
			     GPA | KVM_ASYNC_PF_ENABLED |
			     KVM_ASYNC_PF_DELIVERY_AS_INT));
	EXPECT_EQ(1, set_msr(vcpu, MSR_KVM_ASYNC_PF_EN,
			     ram | KVM_ASYNC_PF_ENABLED |
			     KVM_ASYNC_PF_DELIVERY_AS_INT));
	EXPECT_EQ(0, set_msr(vcpu, MSR_KVM_PV_EOI_EN, GPA | 1));
	EXPECT_EQ(1, set_msr(vcpu, MSR_KVM_PV_EOI_EN, (ram + 256) | 1));
	EXPECT_EQ(-1, __vcpu_ioctl(vcpu, KVM_SET_VAPIC_ADDR, &vapic));
	EXPECT_EQ(EINVAL, errno);

	/* Taken, and never written */
	EXPECT_EQ(1, set_msr(vcpu, MSR_KVM_SYSTEM_TIME_NEW, GPA | 1));
	EXPECT_EQ(1, set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, GPA));
	EXPECT_EQ(1, set_msr(vcpu, MSR_KVM_STEAL_TIME, GPA | 1));
	vm_ioctl(self->vm, KVM_GET_CLOCK, &clock);
	clock.flags = 0;
	vm_ioctl(self->vm, KVM_SET_CLOCK, &clock);
	expect_works(self, vcpu);
	set_memory_enable(&self->dev, false);
	expect_fault(vcpu, 0);
	set_memory_enable(&self->dev, true);
	expect_works(self, vcpu);

	for (int i = 0; self->bar.memory && i < ARRAY_SIZE(old); i++)
		EXPECT_EQ(old[i], bar_read(&self->dev, &self->bar, 4 * i));
}

/* A data structure of the guest that KVM reads: its page tables */
TEST_F(dmabuf, no_page_table)
{
	struct kvm_translation tr = { .linear_address = GVA };
	struct kvm_sregs sregs;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	vcpu_ioctl(self->vcpu[0], KVM_TRANSLATE, &tr);
	EXPECT_TRUE(tr.valid);
	EXPECT_EQ(GPA, tr.physical_address);

	vcpu_sregs_get(self->vcpu[0], &sregs);
	sregs.cr3 = GPA;
	vcpu_sregs_set(self->vcpu[0], &sregs);
	tr.linear_address = GVA;
	vcpu_ioctl(self->vcpu[0], KVM_TRANSLATE, &tr);
	EXPECT_FALSE(tr.valid);
}

TEST_F(dmabuf, delete_revoked)
{
	u32 val;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);
	close_fd(&self->dmabuf);
	expect_works(self, self->vcpu[0]);
	set_memory_enable(&self->dev, false);
	test_region(0, region(-1, GPA, 0));
	EXPECT_EQ(-ENXIO, guest_read(self->vcpu[0], 0, &val));
	set_memory_enable(&self->dev, true);
	EXPECT_EQ(-ENXIO, guest_read(self->vcpu[1], 0, &val));
	self->dmabuf = dev_export(&self->dev, &self->bar);
	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[2]);
}

/* The device is gone for the guest, and the slot waits to be deleted */
TEST_F(dmabuf, vfio_first)
{
	int fd;

	test_region(0, region(self->dmabuf, GPA, self->bar.size));
	expect_works(self, self->vcpu[0]);
	dev_close(&self->dev);
	expect_fault(self->vcpu[0], 0);

	/* And stays that, when it is open again */
	dev_open(&self->dev, self->vm->fd);
	expect_fault(self->vcpu[0], 0);
	set_memory_enable(&self->dev, false);
	set_memory_enable(&self->dev, true);
	expect_fault(self->vcpu[0], 0);
	test_region(0, region(-1, GPA, 0));

	fd = dev_export(&self->dev, &self->bar);
	test_region(0, region(fd, GPA, self->bar.size));
	close(fd);
	EXPECT_EQ(0, guest_resume(self->vcpu[0], NULL));
	expect_works(self, self->vcpu[0]);
}

/* Number of entries of a directory that start with this, or -1 */
static int count_entries(const char *path, const char *prefix)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int n = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		n += !strncmp(entry->d_name, prefix, strlen(prefix));
	closedir(dir);
	return n;
}

/* Total in debugfs, or -1 */
static int count_dmabufs(void)
{
	FILE *file = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256];
	int n = -1;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		sscanf(line, "Total %d objects", &n);
	fclose(file);
	return n;
}

static int module_refs(void)
{
	FILE *file = fopen("/sys/module/vfio_pci_core/refcnt", "r");
	int n = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &n) != 1)
		n = -1;
	fclose(file);
	return n;
}

/* What is left of VMs and dma-bufs goes away, maybe a bit later */
struct leftovers {
	char vm[32];
	int vms;
	int dmabufs;
	int refs;
};

static void leftovers_before(struct leftovers *left, pid_t pid)
{
	snprintf(left->vm, sizeof(left->vm), "%d-", pid);
	left->vms = count_entries("/sys/kernel/debug/kvm", left->vm);
	left->dmabufs = count_dmabufs();
	left->refs = module_refs();
}

static bool leftovers_gone(const struct leftovers *left)
{
	for (int ms = 0; ms < 10000; ms += 5) {
		if (count_entries("/sys/kernel/debug/kvm", left->vm) <=
		    left->vms &&
		    count_dmabufs() <= left->dmabufs &&
		    module_refs() <= left->refs)
			return true;
		usleep(5000);
	}
	return false;
}

enum {
	CLOSE_VM,
	CLOSE_KVM_VFIO,
	CLOSE_VFIO,
	CLOSE_DMABUF,
	CLOSE_IOMMUFD,
	NR_CLOSE,
};

static const char *const close_names[] = {
	"KVM", "kvm-vfio", "VFIO", "dma-buf", "iommufd",
};

/* Files of a VM without vCPUs, with a slot */
static void close_in_order(struct __test_metadata *_metadata, const int *order,
			   struct bar *bar, int kvm_fd)
{
	struct kvm_userspace_memory_region2 mem;
	struct leftovers left;
	int fds[NR_CLOSE];
	struct dev dev;

	leftovers_before(&left, getpid());
	fds[CLOSE_VM] = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	ASSERT_LE(0, fds[CLOSE_VM]);
	dev_open(&dev, fds[CLOSE_VM]);
	fds[CLOSE_KVM_VFIO] = dev.kvm_vfio;
	fds[CLOSE_VFIO] = dev.pci->fd;
	fds[CLOSE_IOMMUFD] = dev.iommu->iommufd;
	fds[CLOSE_DMABUF] = dev_export(&dev, bar);
	mem = region(fds[CLOSE_DMABUF], GPA, bar->size);
	ASSERT_EQ(0, set_region(fds[CLOSE_VM], &mem));

	for (int i = 0; i < NR_CLOSE; i++)
		close(fds[order[i]]);
	vfio_pci_device_free(dev.pci);
	free(dev.iommu);
	EXPECT_TRUE(leftovers_gone(&left)) {
		TH_LOG("Left after closing %s, %s, %s, %s, %s",
		       close_names[order[0]], close_names[order[1]],
		       close_names[order[2]], close_names[order[3]],
		       close_names[order[4]]);
	}
}

FIXTURE(files)
{
	struct bar bar;
};

FIXTURE_SETUP(files)
{
	struct dev dev;

	dev_open(&dev, -1);
	find_bar(&dev, &self->bar);
	dev_close(&dev);
	if (!self->bar.size)
		SKIP(return, "The device has no BAR that can be mapped");
}

FIXTURE_TEARDOWN(files)
{
}

TEST_F_TIMEOUT(files, close_order, 120)
{
	int kvm_fd = open_kvm_dev_path_or_exit();

	if (count_dmabufs() < 0 || count_entries("/sys/kernel/debug/kvm", "") < 0)
		SKIP(return, "Needs debugfs");
	/* All orders of the others, the iommufd, which holds none, in between */
	for (int n = 0; n < 24; n++) {
		int files[] = { CLOSE_VM, CLOSE_KVM_VFIO, CLOSE_VFIO,
				CLOSE_DMABUF };
		int order[NR_CLOSE], rest = n;

		for (int i = 0, left = 4; i < NR_CLOSE; i++) {
			int pick;

			if (i == n % NR_CLOSE) {
				order[i] = CLOSE_IOMMUFD;
				continue;
			}
			pick = rest % left;
			rest /= left--;
			order[i] = files[pick];
			files[pick] = files[left];
		}
		close_in_order(_metadata, order, &self->bar, kvm_fd);
	}
	close(kvm_fd);
}

static void run_until_killed(int ready)
{
	struct kvm_userspace_memory_region2 mem;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct dev dev;
	struct bar bar;

	vm = vm_create_with_one_vcpu(&vcpu, guest_load);
	vcpu_args_set(vcpu, 1, 0);
	dev_open(&dev, vm->fd);
	find_bar(&dev, &bar);
	virt_map(vm, GVA, GPA, 1);
	mem = region(dev_export(&dev, &bar), GPA, bar.size);
	TEST_ASSERT(!set_region(vm->fd, &mem), "Creating the slot");
	TEST_ASSERT_EQ(write(ready, "", 1), 1);
	vcpu_run(vcpu);
	TEST_FAIL("Unexpected exit %u", vcpu->run->exit_reason);
}

TEST_F_TIMEOUT(files, killed, 60)
{
	struct leftovers left;
	struct dev dev;
	int ready[2];
	char byte;

	for (int i = 0; i < 5; i++) {
		pid_t pid;
		int status;

		ASSERT_EQ(0, pipe(ready));
		leftovers_before(&left, 0);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			run_until_killed(ready[1]);
			_exit(1);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		close(ready[0]);
		usleep(i * 20000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));

		snprintf(left.vm, sizeof(left.vm), "%d-", pid);
		left.vms = left.vms < 0 ? left.vms : 0;
		EXPECT_TRUE(leftovers_gone(&left));
		/* For somebody else */
		dev_open(&dev, -1);
		dev_close(&dev);
	}
}

int main(int argc, char **argv)
{
	/* -d BDF, as other tests of KVM have it */
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-d"))
			continue;
		device_bdf = argv[i + 1];
		memmove(&argv[i], &argv[i + 2], (argc - i - 1) * sizeof(*argv));
		argc -= 2;
		break;
	}
	if (!device_bdf)
		device_bdf = vfio_selftests_get_bdf(&argc, argv);

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_MEMORY_DMABUF));
	TEST_REQUIRE(!access("/dev/iommu", R_OK | W_OK));
	return test_harness_run(argc, argv);
}
