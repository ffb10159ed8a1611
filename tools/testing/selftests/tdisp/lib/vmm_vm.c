// SPDX-License-Identifier: GPL-2.0-only
/* The VM of the small VMM: all that is there before its vCPU runs */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/bits.h>
#include <linux/elf.h>
#include <linux/kvm.h>
#include <linux/sizes.h>

#include "tdisp_lib.h"
#include "steps.h"
#include "vcpu.h"
#include "vmm.h"

#define RAM_SLOT	0
#define MAX_CPUID	256

void *tvm_mem(struct tvm *tvm, u64 gpa, u64 len)
{
	if (gpa > GUEST_RAM_SIZE || len > GUEST_RAM_SIZE - gpa)
		return NULL;
	return tvm->ram + gpa;
}

static int set_slot(struct tvm *tvm, struct kvm_userspace_memory_region2 *mem)
{
	return ioctl(tvm->vmm.vm.vm_fd, KVM_SET_USER_MEMORY_REGION2, mem) ?
	       -errno : 0;
}

static int make_ram(struct tvm *tvm)
{
	struct kvm_userspace_memory_region2 mem = {
		.slot = RAM_SLOT,
		.memory_size = GUEST_RAM_SIZE,
	};

	tvm->ram = mmap(NULL, GUEST_RAM_SIZE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tvm->ram == MAP_FAILED) {
		tvm->ram = NULL;
		return -errno;
	}
	mem.userspace_addr = (uintptr_t)tvm->ram;
	tvm->next_slot = RAM_SLOT + 1;
	return set_slot(tvm, &mem);
}

/* Put the segments where they are linked to; our own file, but for its sizes */
static int load_guest(struct tvm *tvm, u64 *entry)
{
	const struct elf64_hdr *head = (const void *)guest_image;
	const struct elf64_phdr *seg = (const void *)guest_image + head->e_phoff;

	if (guest_image_end - guest_image < sizeof(*head) ||
	    memcmp(head->e_ident, ELFMAG, SELFMAG) ||
	    head->e_machine != EM_X86_64)
		return -ENOEXEC;
	for (int i = 0; i < head->e_phnum; i++, seg++) {
		void *to = tvm_mem(tvm, seg->p_paddr, seg->p_memsz);

		if (seg->p_type != PT_LOAD)
			continue;
		if (!to || seg->p_filesz > seg->p_memsz ||
		    seg->p_paddr < GUEST_IMAGE_GPA ||
		    seg->p_paddr + seg->p_memsz > GUEST_STACK_GPA - SZ_64K)
			return -ENOEXEC;
		memcpy(to, guest_image + seg->p_offset, seg->p_filesz);
	}
	*entry = head->e_entry;
	return 0;
}

#define TABLE_ENTRIES	512
#define ENTRY_TABLE	3ULL		/* present, writable */
#define ENTRY_2M	0x83ULL		/* and large */

/* All of GUEST_MAPPED one to one, in pages of 2 MiB */
static u64 make_tables(struct tvm *tvm)
{
	u64 (*table)[TABLE_ENTRIES] = tvm->ram + GUEST_TABLES_GPA;
	u64 gpa = GUEST_TABLES_GPA;
	int nr = GUEST_MAPPED / SZ_1G;

	table[0][0] = (gpa + SZ_4K) | ENTRY_TABLE;
	for (int i = 0; i < nr; i++) {
		table[1][i] = (gpa + (2 + i) * SZ_4K) | ENTRY_TABLE;
		for (int j = 0; j < TABLE_ENTRIES; j++)
			table[2 + i][j] = ((u64)i * SZ_1G +
					   (u64)j * SZ_2M) | ENTRY_2M;
	}
	return gpa;
}

#define CR0_PE		BIT_ULL(0)
#define CR0_NE		BIT_ULL(5)
#define CR0_PG		BIT_ULL(31)
#define CR4_PAE		BIT_ULL(5)
#define CR4_MCE		BIT_ULL(6)
#define EFER_LME	BIT_ULL(8)
#define EFER_LMA	BIT_ULL(10)
#define RFLAGS_FIXED	2

static int set_cpuid(struct tvm *tvm)
{
	struct kvm_cpuid2 *cpuid;
	int rc = 0;

	cpuid = calloc(1, sizeof(*cpuid) +
			  MAX_CPUID * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return -ENOMEM;
	cpuid->nent = MAX_CPUID;
	if (ioctl(tvm->vmm.vm.kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) ||
	    ioctl(tvm->vcpu_fd, KVM_SET_CPUID2, cpuid))
		rc = -errno;
	free(cpuid);
	return rc;
}

/* 64-bit mode from the first instruction on */
static int set_registers(struct tvm *tvm, u64 entry)
{
	struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 0x8, .type = 0xb,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.limit = 0xffffffff, .selector = 0x10, .type = 0x3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_regs regs = {
		.rip = entry,
		/* As after a call */
		.rsp = GUEST_STACK_GPA - 8,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	if (ioctl(tvm->vcpu_fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr0 = CR0_PE | CR0_NE | CR0_PG;
	sregs.cr3 = make_tables(tvm);
	sregs.cr4 = CR4_PAE | CR4_MCE;
	sregs.efer = EFER_LME | EFER_LMA;
	if (ioctl(tvm->vcpu_fd, KVM_SET_SREGS, &sregs) ||
	    ioctl(tvm->vcpu_fd, KVM_SET_REGS, &regs))
		return -errno;
	return 0;
}

static int make_vcpu(struct tvm *tvm)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP };
	int size = ioctl(tvm->vmm.vm.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	u64 entry;
	int rc;

	/* A local APIC in the kernel, and nothing else */
	if (size < 0 || ioctl(tvm->vmm.vm.vm_fd, KVM_ENABLE_CAP, &cap))
		return -errno;
	tvm->vcpu_fd = ioctl(tvm->vmm.vm.vm_fd, KVM_CREATE_VCPU, 0);
	if (tvm->vcpu_fd < 0)
		return -errno;
	tvm->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			tvm->vcpu_fd, 0);
	if (tvm->run == MAP_FAILED) {
		tvm->run = NULL;
		return -errno;
	}
	tvm->run_size = size;
	rc = set_cpuid(tvm);
	rc = rc ?: load_guest(tvm, &entry);
	return rc ?: set_registers(tvm, entry);
}

/* Step 2 of the sequence */
static int init_vdev(struct tvm *tvm, struct tvm_fn *fn,
		     const struct tdisp_fn *host)
{
	int rc;

	step("vmm", "vfio", "init-vdev", " fn=%s", host->bdf);
	rc = tdi_open(&fn->tdi, &tvm->vmm, host);
	rc = rc ?: tdi_associate(&fn->tdi);
	return rc ?: tdi_bind_iommufd(&fn->tdi);
}

/* Steps 3 to 6, for a BAR */
static int make_bar_slot(struct tvm *tvm, struct tvm_fn *fn, int nr)
{
	const char *bdf = fn->tdi.fn->bdf;
	struct tvm_bar *bar = &fn->bar[nr];
	struct kvm_userspace_memory_region2 mem = {
		.flags = KVM_MEM_DMABUF,
		.guest_phys_addr = bar->gpa,
		.memory_size = bar->size,
	};
	int rc;

	step("vmm", "vfio", "create-dmabuf", " fn=%s bar=%d", bdf, nr);
	rc = tdi_export_bar(&fn->tdi, nr, 0, bar->size);
	if (rc < 0)
		return rc;
	bar->dmabuf = rc;
	step("vfio", "vmm", "export-dmabuf", " fn=%s bar=%d", bdf, nr);

	step("vmm", "kvm", "create-memslot", " fn=%s bar=%d gpa=%#llx size=%#llx",
	     bdf, nr, (unsigned long long)bar->gpa,
	     (unsigned long long)bar->size);
	mem.slot = tvm->next_slot;
	mem.dmabuf_fd = bar->dmabuf;
	rc = set_slot(tvm, &mem);
	if (!rc)
		bar->slot = tvm->next_slot++;
	return rc;
}

/* Step 7: guest memory is where the guest's addresses say */
static int share_ram(struct tvm *tvm)
{
	step("vmm", "iommufd", "setup-shared-dma", " size=%#x", GUEST_RAM_SIZE);
	tvm->ram_dma.vaddr = tvm->ram;
	tvm->ram_dma.size = GUEST_RAM_SIZE;
	return __iommu_map(tvm->vmm.iommu, &tvm->ram_dma);
}

/* Steps 8, 9, and 15 and 16, which come before the guest runs */
static int attach(struct tvm *tvm, struct tvm_fn *fn)
{
	const char *bdf = fn->tdi.fn->bdf;
	int rc = 0;

	if (!tvm->vmm.hwpt_id) {
		step("vmm", "iommufd", "create-hwpt", " fn=%s", bdf);
		rc = tdi_alloc_hwpt(&fn->tdi);
	}
	if (rc)
		return rc;
	step("vmm", "iommufd", "attach-hwpt", " fn=%s", bdf);
	rc = tdi_attach(&fn->tdi, tvm->vmm.hwpt_id);
	if (!rc && !tvm->vmm.viommu_id) {
		step("vmm", "iommufd", "alloc-viommu", " fn=%s", bdf);
		rc = tdi_alloc_viommu(&fn->tdi);
	}
	if (rc)
		return rc;
	step("vmm", "iommufd", "alloc-vdevice", " fn=%s", bdf);
	return tdi_alloc_vdevice(&fn->tdi, fn->devfn);
}

static int add_function(struct tvm *tvm, const struct tdisp_fn *host)
{
	struct tvm_fn *fn = &tvm->fn[tvm->nr_fns];
	int rc;

	memset(fn, 0, sizeof(*fn));
	fn->devfn = GUEST_DEVFN + tvm->nr_fns;
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		fn->bar[i].dmabuf = -1;
	tvm->nr_fns++;

	rc = init_vdev(tvm, fn, host);
	rc = rc ?: tvm_pci_init(tvm, fn);
	rc = rc ?: make_bar_slot(tvm, fn, TDISP_BAR_REGS);
	rc = rc ?: make_bar_slot(tvm, fn, TDISP_BAR_MEM);
	if (!rc && tvm->nr_fns == 1)
		rc = share_ram(tvm);
	return rc ?: attach(tvm, fn);
}

int tvm_open(struct tvm *tvm, const struct tdisp_fn *fns, int nr_fns)
{
	int rc;

	memset(tvm, 0, sizeof(*tvm));
	tvm->vcpu_fd = -1;
	if (nr_fns > GUEST_MAX_FNS)
		return -EINVAL;
	rc = vmm_open(&tvm->vmm);
	rc = rc ?: make_ram(tvm);
	rc = rc ?: make_vcpu(tvm);
	for (int i = 0; i < nr_fns && !rc; i++)
		rc = add_function(tvm, &fns[i]);
	if (rc)
		tvm_close(tvm);
	return rc;
}

static void remove_function(struct tvm *tvm, struct tvm_fn *fn)
{
	/* It uses what is closed here */
	tvm_end_bind(fn);
	tvm_pci_exit(tvm, fn);
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		close_fd(&fn->bar[i].dmabuf);
	tdi_close(&fn->tdi);
}

/* From wherever it is */
void tvm_close(struct tvm *tvm)
{
	if (!tvm->vmm.iommu)
		return;
	while (tvm->nr_fns)
		remove_function(tvm, &tvm->fn[--tvm->nr_fns]);
	if (tvm->run)
		munmap(tvm->run, tvm->run_size);
	tvm->run = NULL;
	close_fd(&tvm->vcpu_fd);
	vmm_close(&tvm->vmm);
	if (tvm->ram)
		munmap(tvm->ram, GUEST_RAM_SIZE);
	tvm->ram = NULL;
}

/* Does all of it belong to one BAR that is not emulated? */
bool tvm_is_bar(const struct tvm_fn *fn, u64 gpa, u64 size)
{
	for (int i = 0; i < PCI_STD_NUM_BARS; i++) {
		const struct tvm_bar *bar = &fn->bar[i];

		if (bar->slot && gpa >= bar->gpa && size <= bar->size &&
		    gpa - bar->gpa <= bar->size - size)
			return true;
	}
	return false;
}

static int set_private(struct tvm *tvm, struct tvm_fn *fn, u64 gpa, u64 size,
		       bool private)
{
	const char *call = private ? "convert-private" : "convert-shared";
	int rc;

	step("vmm", "kvm", call, " fn=%s gpa=%#llx size=%#llx", fn->tdi.fn->bdf,
	     (unsigned long long)gpa, (unsigned long long)size);
	rc = vm_set_private(&tvm->vmm.vm, gpa, size, private);
	if (rc)
		step_done(call, rc, " fn=%s", fn->tdi.fn->bdf);
	return rc;
}

int tvm_make_private(struct tvm *tvm, struct tvm_fn *fn, u64 gpa, u64 size)
{
	int rc;

	if (!tvm_is_bar(fn, gpa, size))
		return -ERANGE;
	if (fn->nr_private == TVM_MAX_PRIVATE)
		return -ENOSPC;
	rc = set_private(tvm, fn, gpa, size, true);
	if (rc)
		return rc;
	fn->private[fn->nr_private].gpa = gpa;
	fn->private[fn->nr_private].size = size;
	fn->nr_private++;
	return 0;
}

int tvm_share_all(struct tvm *tvm, struct tvm_fn *fn)
{
	int rc = 0;

	for (; fn->nr_private && !rc; fn->nr_private -= !rc)
		rc = set_private(tvm, fn, fn->private[fn->nr_private - 1].gpa,
				 fn->private[fn->nr_private - 1].size, false);
	return rc;
}
