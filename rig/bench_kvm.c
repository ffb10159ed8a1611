// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a BAR in a VM costs: memslots of VFIO's dma-buf, which only the series
 * has, and memslots of its mmap, on a device whose BAR is memory (QEMU's
 * ivshmem-plain with 1 GiB).
 *
 * Built against the tree of the kernel it runs on, with HAVE_TSM for the series.
 * Prints "name number" per line. The numbers are as measured, with the vCPU's
 * entry and exit, and the guest's own instructions:
 *
 *	KVM-LAYOUT-faults	to touch every 4 KiB, nothing being mapped
 *	KVM-LAYOUT-leaves	that are mapped then, of the size in the name
 *	KVM-LAYOUT-total	instructions to touch every 4 KiB
 *	KVM-LAYOUT-per-fault	instructions to touch every leaf once, by faults
 *	KVM-LAYOUT-revoke	instructions to clear and set Memory Space Enable
 *	KVM-LAYOUT-restore	those of it to set Memory Space Enable
 */
#include <stdint.h>

#include <sys/mman.h>

#include <linux/kvm.h>
#include <linux/pci_regs.h>

#include "bench_dev.h"

#define IVSHMEM_ID	"0x1af4 0x1110"
#define BAR_INDEX	VFIO_PCI_BAR2_REGION_INDEX

#define SZ_4K		0x1000ull
#define SZ_2M		0x200000ull
#define SZ_64M		0x4000000ull
#define SZ_1G		0x40000000ull

/* Memory of the guest: code, and page tables for all that is said to be there */
#define RAM_SLOT	0
#define RAM_GPA		SZ_4K
#define RAM_SIZE	(3 * SZ_4K)
#define CODE_GPA	RAM_GPA
#define PML4_GPA	(RAM_GPA + SZ_4K)
#define PDPT_GPA	(RAM_GPA + 2 * SZ_4K)
#define NR_1G		16

#define BAR_SLOT	1
#define BAR_GPA		(4 * SZ_1G)

#define PTE_FLAGS	0x63ull		/* present, writable, accessed, dirty */
#define PTE_1G		0x80ull

#define CR0_PE		0x1ull
#define CR0_NE		0x20ull
#define CR0_PG		0x80000000ull
#define CR4_PAE		0x20ull
#define EFER_LME	0x100ull
#define EFER_LMA	0x400ull

#define MAX_CPUID	256

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* A byte in every @rdx from @rdi to @rsi, then out by a port that nobody has */
asm(".pushsection .rodata\n"
    "guest_code:\n"
    "1:	cmp	%rsi, %rdi\n"
    "	jae	2f\n"
    "	mov	(%rdi), %al\n"
    "	add	%rdx, %rdi\n"
    "	jmp	1b\n"
    "2:	out	%al, $0x10\n"
    "guest_code_end:\n"
    ".popsection\n");
extern const char guest_code[], guest_code_end[];

/* @leaf is what size of mappings comes of it */
struct layout {
	const char *name;
	const char *stat;
	__u64 len;
	__u64 leaf;
	__u64 gpa_off;
	__u64 hva_off;
	int rounds;
};

static const struct layout layouts[] = {
	{ "64M-2M", "pages_2m", SZ_64M, SZ_2M, .rounds = 20 },
	{ "64M-4K", "pages_4k", SZ_64M, SZ_4K, .gpa_off = SZ_4K, .rounds = 3 },
	{ "1G-1G", "pages_1g", SZ_1G, SZ_1G, .rounds = 5 },
	{ "1G-2M", "pages_2m", SZ_1G, SZ_2M, .gpa_off = SZ_2M, .rounds = 5 },
};

/* In small pages in the VMM, too: what it gets that does not align its mmap */
static const struct layout unaligned_vma = {
	"64M-4Khva", "pages_4k", SZ_64M, SZ_4K, .gpa_off = SZ_4K,
	.hva_off = SZ_4K, .rounds = 3,
};

/* Where there is nothing to revoke */
static const struct layout unused = {
	"unused", "pages_2m", SZ_1G, SZ_2M, .rounds = 20,
};

struct cost {
	__u64 faults;
	__u64 leaves;
	__u64 touch;
	__u64 revoke;
	__u64 restore;
};

static int kvm, vm, kvm_vfio, vcpu, vm_stats, vcpu_stats, fd, dmabuf = -1;
static struct kvm_run *run;
static void *ram;
static __u64 bar, bar_size, config;
static struct kvm_userspace_memory_region2 slot;
/* Where a mapping of the BAR may be, @bar_va as aligned as the BAR */
static char *bar_va;

static void set_slot(struct kvm_userspace_memory_region2 *mem, const char *what)
{
	need(ioctl(vm, KVM_SET_USER_MEMORY_REGION2, mem), what);
}

static void create_ram(void)
{
	struct kvm_userspace_memory_region2 mem = {
		.slot = RAM_SLOT,
		.guest_phys_addr = RAM_GPA,
		.memory_size = RAM_SIZE,
	};
	__u64 *pml4, *pdpt;
	int i;

	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(ram == MAP_FAILED, "memory");
	memcpy(ram, guest_code, guest_code_end - guest_code);
	pml4 = ram + PML4_GPA - RAM_GPA;
	pml4[0] = PDPT_GPA | PTE_FLAGS;
	pdpt = ram + PDPT_GPA - RAM_GPA;
	for (i = 0; i != NR_1G; i++)
		pdpt[i] = i * SZ_1G | PTE_1G | PTE_FLAGS;

	mem.userspace_addr = (uintptr_t)ram;
	set_slot(&mem, "slot of memory");
}

static void set_cpuid(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[MAX_CPUID];
	} cpuid = { .head.nent = MAX_CPUID };

	need(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid), "supported CPUID");
	need(ioctl(vcpu, KVM_SET_CPUID2, &cpuid), "CPUID");
}

static void set_long_mode(void)
{
	struct kvm_segment data = {
		.limit = ~0u,
		.selector = 0x10,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	struct kvm_sregs sregs;

	need(ioctl(vcpu, KVM_GET_SREGS, &sregs), "sregs");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cs = data;
	sregs.cs.selector = 0x8;
	sregs.cs.type = 11;
	sregs.cs.db = 0;
	sregs.cs.l = 1;
	sregs.cr3 = PML4_GPA;
	sregs.cr4 = CR4_PAE;
	sregs.cr0 |= CR0_PE | CR0_NE | CR0_PG;
	sregs.efer |= EFER_LME | EFER_LMA;
	need(ioctl(vcpu, KVM_SET_SREGS, &sregs), "long mode");
}

static void create_vm(void)
{
	struct kvm_create_device vfio = { .type = KVM_DEV_TYPE_VFIO };
	int size;

	kvm = open("/dev/kvm", O_RDWR);
	need(kvm < 0, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	need(vm < 0, "VM");
	need(ioctl(vm, KVM_CREATE_DEVICE, &vfio), "kvm-vfio");
	kvm_vfio = vfio.fd;
	create_ram();

	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	need(vcpu < 0, "vCPU");
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	need(run == MAP_FAILED, "kvm_run");
	set_cpuid();
	set_long_mode();

	vm_stats = ioctl(vm, KVM_GET_STATS_FD, NULL);
	vcpu_stats = ioctl(vcpu, KVM_GET_STATS_FD, NULL);
	need(vm_stats < 0 || vcpu_stats < 0, "statistics");
}

/* The VM has to be known when the device is opened, which the bind does */
static void open_device(void)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = KVM_DEV_VFIO_FILE_ADD,
		.addr = (uintptr_t)&fd,
	};
	struct vfio_region_info info;

	fd = open_cdev(IVSHMEM_ID);
	need(ioctl(kvm_vfio, KVM_SET_DEVICE_ATTR, &attr), "file of VFIO");
	bind_iommufd(fd);
	get_region(fd, BAR_INDEX, &info);
	bar = info.offset;
	bar_size = info.size;
	need(bar_size < SZ_1G, "BAR of 1 GiB");
	get_region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	config = info.offset;
}

static void reserve_va(void)
{
	char *va = mmap(NULL, 3 * SZ_1G, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(va == MAP_FAILED, "address space");
	bar_va = (char *)(((uintptr_t)va + SZ_1G - 1) & ~(SZ_1G - 1));
}

static __u64 read_stat(int stats, const char *name)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	__u64 val = 0;
	size_t size;
	__u32 i;

	need(pread(stats, &head, sizeof(head), 0) != sizeof(head), name);
	size = sizeof(*desc) + head.name_size;
	desc = malloc(size);
	for (i = 0; i != head.num_desc; i++) {
		need(pread(stats, desc, size, head.desc_offset + i * size) !=
		     (ssize_t)size, name);
		if (!strcmp((char *)desc + sizeof(*desc), name))
			break;
	}
	need(i == head.num_desc, name);
	need(pread(stats, &val, sizeof(val), head.data_offset + desc->offset) !=
	     sizeof(val), name);
	free(desc);
	return val;
}

static void set_memory_enable(__u16 cmd)
{
	need(pwrite(fd, &cmd, sizeof(cmd), config + PCI_COMMAND) !=
	     sizeof(cmd), "command register");
}

static void revoke_restore(struct cost *cost)
{
	__u64 start = now(), revoked, restored;

	set_memory_enable(0);
	revoked = now();
	set_memory_enable(PCI_COMMAND_MEMORY);
	restored = now();
	cost->revoke = restored - start;
	cost->restore = restored - revoked;
}

/* Instructions to touch a byte in every @step of @len in the slot */
static __u64 touch(__u64 len, __u64 step)
{
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rflags = 2,
		.rdi = slot.guest_phys_addr,
		.rsi = slot.guest_phys_addr + len,
		.rdx = step,
	};
	__u64 start, took;

	/* An exit for output that was not completed yet would move on */
	run->immediate_exit = 1;
	ioctl(vcpu, KVM_RUN, 0);
	run->immediate_exit = 0;
	need(ioctl(vcpu, KVM_SET_REGS, &regs), "registers");

	start = now();
	need(ioctl(vcpu, KVM_RUN, 0), "guest");
	took = now() - start;
	/* One of MMIO would mean that the slot does not work */
	if (run->exit_reason != KVM_EXIT_IO) {
		fprintf(stderr, "guest: exit %u\n", run->exit_reason);
		exit(1);
	}
	return took;
}

/* Slots of the mmap get a new one each time, nothing of it is in page tables */
static void map_bar(const struct layout *l)
{
	char *va = bar_va + l->hva_off;

	slot = (struct kvm_userspace_memory_region2) {
		.slot = BAR_SLOT,
		.guest_phys_addr = BAR_GPA + l->gpa_off,
		.memory_size = l->len,
	};
#ifdef HAVE_TSM
	if (dmabuf >= 0) {
		slot.flags = KVM_MEM_DMABUF;
		slot.dmabuf_fd = dmabuf;
		return;
	}
#endif
	need(mmap(va, l->len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		  fd, bar) == MAP_FAILED, "mmap");
	slot.userspace_addr = (uintptr_t)va;
}

static void unmap_bar(void)
{
	void *va = (void *)(uintptr_t)slot.userspace_addr;

	if (va)
		need(mmap(va, slot.memory_size, PROT_NONE, MAP_PRIVATE |
			  MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
		     MAP_FAILED, "munmap");
}

static void delete_slot(void)
{
	struct kvm_userspace_memory_region2 mem = { .slot = BAR_SLOT };

	set_slot(&mem, "deletion of the slot");
}

static __u64 least(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

/* Nothing of a slot is mapped at first, but the guest's code is */
static struct cost measure_round(const struct layout *l, __u64 len, __u64 step)
{
	struct cost cost;

	map_bar(l);
	set_slot(&slot, l->name);
	touch(0, step);
	cost.faults = read_stat(vcpu_stats, "pf_taken");
	cost.leaves = read_stat(vm_stats, l->stat);
	cost.touch = touch(len, step);
	cost.faults = read_stat(vcpu_stats, "pf_taken") - cost.faults;
	cost.leaves = read_stat(vm_stats, l->stat) - cost.leaves;
	revoke_restore(&cost);
	delete_slot();
	unmap_bar();
	return cost;
}

static struct cost measure_layout(const struct layout *l, __u64 len, __u64 step)
{
	struct cost min, cost;
	int i;

	memset(&min, 0xff, sizeof(min));
	for (i = 0; i != l->rounds; i++) {
		cost = measure_round(l, len, step);
		min.faults = least(min.faults, cost.faults);
		min.leaves = least(min.leaves, cost.leaves);
		min.touch = least(min.touch, cost.touch);
		min.revoke = least(min.revoke, cost.revoke);
		min.restore = least(min.restore, cost.restore);
	}
	return min;
}

static const char *kind(void)
{
	return dmabuf >= 0 ? "dmabuf" : "mmap";
}

static void print(const char *what, const char *of, __u64 val)
{
	char name[64];

	snprintf(name, sizeof(name), "KVM-%s-%s-%s", what, of, kind());
	printf("%-28s %llu\n", name, val);
}

static void measure_touch(const struct layout *l)
{
	struct cost all = measure_layout(l, l->len, SZ_4K);
	struct cost leaves = all;

	if (l->leaf != SZ_4K)
		leaves = measure_layout(l, l->len, l->leaf);
	print(l->name, "faults", all.faults);
	print(l->name, "leaves", all.leaves);
	print(l->name, "total", all.touch);
	if (leaves.faults)
		print(l->name, "per-fault", leaves.touch / leaves.faults);
	print(l->name, "revoke", all.revoke);
	print(l->name, "restore", all.restore);
}

static int create_delete(void)
{
	set_slot(&slot, "slot");
	delete_slot();
	return 0;
}

static void measure_slot(const char *size, const struct layout *l)
{
	char name[64];

	map_bar(l);
	snprintf(name, sizeof(name), "KVM-%s-create+delete-%s", size, kind());
	measure(name, create_delete);
	unmap_bar();
}

static void measure_kind(void)
{
	struct cost none;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(layouts); i++)
		measure_touch(&layouts[i]);
	if (dmabuf < 0)
		measure_touch(&unaligned_vma);
	none = measure_layout(&unused, 0, SZ_4K);
	print(unused.name, "revoke", none.revoke);
	print(unused.name, "restore", none.restore);
	measure_slot("64M", &layouts[0]);
	measure_slot("1G", &unused);
}

int main(void)
{
	/* What takes long is to be seen */
	setvbuf(stdout, NULL, _IOLBF, 0);
	create_vm();
	open_device();
	reserve_va();
	set_memory_enable(PCI_COMMAND_MEMORY);
	measure_kind();
#ifdef HAVE_TSM
	/* Only now, as a dma-buf makes it dearer to revoke an mmap */
	dmabuf = export_bar(fd, BAR_INDEX, bar_size);
	need(dmabuf < 0, "dma-buf");
	measure_kind();
#endif
	return 0;
}
