/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that has a TDISP test device bound to it, by QEMU's tsm-testcall in
 * place of what a confidential VM would have for that.
 */
#ifndef TDISP_GUEST_H
#define TDISP_GUEST_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/types.h>

#define GUEST_MAX_RANGES	16
#define GUEST_MAX_OBJECT	SZ_16K

/**
 * struct guest_range - Range of MMIO from the report
 * @first_page: its address, as the report obscures it
 * @nr_pages: of 4 KiB
 * @attr: TDISP_RANGE_*
 * @bar: number of the BAR that it is in
 * @offset: in that BAR
 */
struct guest_range {
	u64 first_page;
	u32 nr_pages;
	u16 attr;
	u16 bar;
	u64 offset;
};

/**
 * struct guest_dev - A test device
 * @node: in the list of all
 * @pdev: the PCI function
 * @regs: BAR 0
 * @mem: BAR 2
 * @dma: buffer that both see
 * @dma_addr: its address for the device
 * @irq_done: a transfer has ended
 * @nr_ranges: of the report that was verified, 0 before
 * @range: the ranges
 */
struct guest_dev {
	struct list_head node;
	struct pci_dev *pdev;
	void __iomem *regs;
	void __iomem *mem;
	void *dma;
	dma_addr_t dma_addr;
	struct completion irq_done;
	u32 nr_ranges;
	struct guest_range range[GUEST_MAX_RANGES];
};

/**
 * struct guest_call - A call, see tsm-testcall.h
 * @nr: TSM_CALL_*
 * @arg: arguments
 * @buf: goes to the host and comes back, NULL if there is none
 * @buf_len: its length; after the call, how much came back
 * @status: TSM_CALL_OK, or why not
 * @err: with TSM_CALL_REFUSED, error number of the host's kernel
 * @code: what TSM or device said
 */
struct guest_call {
	u32 nr;
	u64 arg[3];
	void *buf;
	u32 buf_len;
	u32 status;
	int err;
	u64 code;
};

/* Commands, and devices that come and go */
void guest_lock(void);
void guest_unlock(void);
/* What went wrong, for who reads it */
__printf(1, 2) void guest_say(const char *fmt, ...);

/* -ENODEV without the function, -ETIMEDOUT, or 0 for whatever status */
int guest_do_call(struct guest_dev *dev, struct guest_call *call);
/* The same, and everything but TSM_CALL_OK is -EREMOTEIO */
int guest_call(struct guest_dev *dev, struct guest_call *call);
u32 guest_call_events(void);
int guest_call_init(void);
void guest_call_exit(void);

/* Read and verify evidence, keep the ranges of the report */
int guest_attest(struct guest_dev *dev);
/* Have all ranges for trusted access be private, and DMA let through */
int guest_accept(struct guest_dev *dev);
/* TDISP_STATE_* */
int guest_tdi_state(struct guest_dev *dev, u32 *state);

/* Registers, memory, DMA and interrupt; DMA with T=1 if @tee */
int guest_use(struct guest_dev *dev, bool tee);
/* The device is there for the bus, and its MMIO reads ones */
int guest_gone(struct guest_dev *dev);
struct guest_dev *guest_find(const char *bdf);
int guest_device_init(void);
void guest_device_exit(void);

#endif /* TDISP_GUEST_H */
