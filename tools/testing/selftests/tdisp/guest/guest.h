/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest of the small VMM: one processor in 64-bit mode, without a kernel.
 * It is started with memory mapped one to one and a stack, the rest is its own
 * doing. Linked without any library.
 */
#ifndef SELFTESTS_TDISP_GUEST_GUEST_H
#define SELFTESTS_TDISP_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/types.h>

#include "../../../tdisp/tdisp-proto.h"
#include "../../../tdisp/tdisp-testdev.h"
#include "../../../tdisp/soft-tsm.h"
#include "../../../tdisp/tdxm-inject.h"
#include "../lib/report.h"

#include "ghci.h"

/* The device's, one per function from here on */
#define GUEST_VECTOR		0x40
#define GUEST_TIMER_VECTOR	0x3f

#define GUEST_MAX_REPORT	4096

/**
 * struct guest_bar - A BAR as the guest sees it
 * @gpa: address, 0 if there is none
 * @size: bytes
 */
struct guest_bar {
	u64 gpa;
	u64 size;
};

/**
 * struct guest_fn - A function
 * @nr: 0 or 1
 * @tdi_id: its requester ID
 * @bar: its BARs
 * @msix_cap: position of the capability
 * @msix_bar: BAR with the MSI-X table
 * @msix_off: where the table is in there
 * @number: what the register says
 * @report_len: bytes of @report_data, 0 if there is no report that was verified
 * @report: in parts
 * @report_data: the device interface report
 */
struct guest_fn {
	u32 nr;
	u32 tdi_id;
	struct guest_bar bar[6];
	u8 msix_cap;
	u8 msix_bar;
	u32 msix_off;
	u32 number;
	u32 report_len;
	struct report report;
	u8 report_data[GUEST_MAX_REPORT];
};

/* cpu.c */
void cpu_init(void);
/* Interrupts of a vector so far */
u32 cpu_interrupts(u8 vector);
/* Sleep until there were @count of them; false if that takes too long */
bool cpu_wait(u8 vector, u32 count);
void cpu_sleep(u32 ms);
u64 cpu_random(void);
/* Addresses that a machine check may come from, which they count then */
u32 mmio_read32(u64 gpa);
void mmio_write32(u64 gpa, u32 val);
extern u32 mmio_checks;

static inline void port_write32(u16 port, u32 val)
{
	asm volatile("outl %0, %1" : : "a" (val), "d" (port) : "memory");
}

static inline u32 port_read32(u16 port)
{
	u32 val;

	asm volatile("inl %1, %0" : "=a" (val) : "d" (port) : "memory");
	return val;
}

/* pci.c */
u32 pci_enum(struct guest_fn *fn);
u32 pci_read32(const struct guest_fn *fn, u8 pos);

/* device.c */
u32 device_use(struct guest_fn *fn, bool tee);
/* TDISP_DMA_DONE or another status, or ~0 without an interrupt */
u32 device_dma(struct guest_fn *fn, u32 dir, u64 off, u64 gpa, u32 len);

/* tsm.c: the part of the guest that stands for its TSM */
u32 tsm_bind(struct guest_fn *fn);
u32 tsm_bind_async(struct guest_fn *fn);
u32 tsm_attest(struct guest_fn *fn);
u32 tsm_accept(struct guest_fn *fn);
u32 tsm_start(struct guest_fn *fn);
u32 tsm_unbind(struct guest_fn *fn);

/* snp.c */
u32 snp_tdi_info(struct guest_fn *fn);
u32 snp_validate(struct guest_fn *fn, u64 gpa, u32 pages, u16 range);

/* td.c */
u32 td_ask(const struct guest_fn *fn, u32 op);
u32 td_accept_mmio(const struct guest_fn *fn, u64 gpa, u64 size);

/* main.c */
extern struct guest_job *const job;
/* Calls the VMM; returns the status */
u32 ghci(struct ghci_call *call);
/* A call about a function, which the job remembers */
u32 ghci_fn(const struct guest_fn *fn, struct ghci_call *call);

#endif /* SELFTESTS_TDISP_GUEST_GUEST_H */
