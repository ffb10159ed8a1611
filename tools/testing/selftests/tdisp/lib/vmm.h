/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small VMM: a VM with private memory and one vCPU, with functions of a test
 * device on its PCI bus, that runs the guest in ../guest. What the guest asks for
 * about a function it passes on to the TSM, see ../guest/ghci.h.
 *
 * vmm_vm.c	the VM: memory, vCPU, devices, all that comes before it runs
 * vmm_run.c	exits of the vCPU, and jobs for the guest
 * vmm_pci.c	configuration space and MSI-X table of a function
 * vmm_ghci.c	calls of the guest
 */
#ifndef SELFTESTS_TDISP_LIB_VMM_H
#define SELFTESTS_TDISP_LIB_VMM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/pci_regs.h>

#include "../guest/ghci.h"

#include "tdi.h"

struct kvm_run;

/* The guest, an ELF file, see ../guest/image.S */
extern const u8 guest_image[], guest_image_end[];

#define TVM_MAX_PRIVATE		8

/**
 * struct tvm_bar - A BAR in the guest's address space
 * @gpa: where it is, for good; 0 if there is none
 * @size: bytes
 * @flags: low bits of the register
 * @slot: memslot, 0 for a BAR that is emulated
 * @dmabuf: of the BAR
 */
struct tvm_bar {
	u64 gpa;
	u64 size;
	u32 flags;
	int slot;
	int dmabuf;
};

/**
 * struct tvm_msix - MSI-X as the guest sees it
 * @cap: position of the capability
 * @bar: BAR with the table
 * @off: where in there
 * @nr: vectors
 * @enabled: by the guest
 * @table: as the guest wrote it
 */
struct tvm_msix {
	u8 cap;
	u8 bar;
	u32 off;
	u32 nr;
	bool enabled;
	u32 table[TDISP_NR_VECTORS][PCI_MSIX_ENTRY_SIZE / sizeof(u32)];
};

/**
 * struct tvm_bind - A bind that the vCPU does not wait for
 * @asked: there is a thread to join, and a result that the guest did not fetch
 * @over: the thread has done it, and written @rc
 * @thread: does it
 * @round: of the VM when the guest asked
 * @rc: result
 */
struct tvm_bind {
	bool asked;
	atomic_bool over;
	pthread_t thread;
	u32 round;
	int rc;
};

/**
 * struct tvm_fn - A function that the VM has
 * @tdi: the host's side of it
 * @devfn: the guest's side
 * @bar: BARs
 * @sizing: bit per BAR register that reads as its size
 * @msix: MSI-X
 * @bind: GHCI_BIND_ASYNC
 * @nr_private: entries of @private
 * @private: ranges that are private, for the guest accepted them
 */
struct tvm_fn {
	struct tdi tdi;
	u32 devfn;
	struct tvm_bar bar[PCI_STD_NUM_BARS];
	u32 sizing;
	struct tvm_msix msix;
	struct tvm_bind bind;
	u32 nr_private;
	struct {
		u64 gpa;
		u64 size;
	} private[TVM_MAX_PRIVATE];
};

/**
 * struct tvm - A confidential VM
 * @vmm: VM and iommufd
 * @ram: guest memory
 * @ram_dma: the same in the IOAS
 * @vcpu_fd: the vCPU
 * @run: what it shares with KVM
 * @run_size: size of that
 * @started: KVM_RUN was called
 * @config_address: register of configuration mechanism #1
 * @next_slot: memslot that is not in use yet
 * @round: for the trace
 * @machine_checks: accesses to MMIO that was not there
 * @panic: vector and address, when the guest has given up
 * @nr_fns: entries of @fn
 * @fn: functions
 */
struct tvm {
	struct vmm vmm;
	void *ram;
	struct dma_region ram_dma;
	int vcpu_fd;
	struct kvm_run *run;
	size_t run_size;
	bool started;
	u32 config_address;
	int next_slot;
	u32 round;
	u32 machine_checks;
	u64 panic[2];
	int nr_fns;
	struct tvm_fn fn[GUEST_MAX_FNS];
};

/* All of these return 0 or a negative errno unless they say something else */

/* A VM with these functions, ready to run: nothing is added to it later */
int tvm_open(struct tvm *tvm, const struct tdisp_fn *fns, int nr_fns);
void tvm_close(struct tvm *tvm);
/* Memory at @gpa, or NULL if not all of it is guest memory */
void *tvm_mem(struct tvm *tvm, u64 gpa, u64 len);
/* What is private of a function becomes shared */
int tvm_share_all(struct tvm *tvm, struct tvm_fn *fn);
/* A range of a BAR that has a memslot becomes private: -ERANGE if it is none */
int tvm_make_private(struct tvm *tvm, struct tvm_fn *fn, u64 gpa, u64 size);
bool tvm_is_bar(const struct tvm_fn *fn, u64 gpa, u64 size);

/*
 * The guest does a job. -EPROTO if the vCPU does what it should not, -ESHUTDOWN
 * if the guest panics, or what KVM_RUN says. How the job went stands in
 * tvm_job()->verdict.
 */
int tvm_run_job(struct tvm *tvm, u32 nr, u32 fn);
/* What it is to do besides: fill in arg, call */
struct guest_job *tvm_job(struct tvm *tvm);
/* -EREMOTEIO for a verdict that is not @verdict */
int tvm_expect(struct tvm *tvm, u32 nr, u32 fn, u32 verdict);
const char *guest_verdict_name(u32 verdict);
const char *ghci_status_name(u32 status);

/* vmm_pci.c */
int tvm_pci_init(struct tvm *tvm, struct tvm_fn *fn);
void tvm_pci_exit(struct tvm *tvm, struct tvm_fn *fn);
u32 tvm_port_read(struct tvm *tvm, u16 port, u8 len);
int tvm_port_write(struct tvm *tvm, u16 port, u8 len, u32 val);
int tvm_mmio(struct tvm *tvm, u64 gpa, void *data, u32 len, bool write);

/* vmm_ghci.c: -EAGAIN when the job is done */
int tvm_ghci(struct tvm *tvm, u64 gpa);
/* Wait for a bind that is under way; its result is lost */
void tvm_end_bind(struct tvm_fn *fn);

#endif /* SELFTESTS_TDISP_LIB_VMM_H */
