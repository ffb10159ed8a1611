/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programming interface of QEMU's tdisp-testdev, a PCIe endpoint that speaks
 * TDISP, and of tdisp-testctl, the out-of-band observer beside it that injects
 * faults and keeps the event log. Only macros, no types and no includes: the
 * kernel tests, the selftests and QEMU share this file.
 *
 * Registers are 32 bits wide and little endian unless marked u64. Offsets and
 * lengths are in bytes.
 */
#ifndef TDISP_TESTDEV_H
#define TDISP_TESTDEV_H

/* PCI ids; unregistered numbers, for test machines only */
#define TDISP_TESTDEV_VENDOR		0x1b36
#define TDISP_TESTDEV_DEVICE		0x00f0
#define TDISP_TESTCTL_DEVICE		0x00f1
#define TDISP_TESTVF_DEVICE		0x00f2	/* of VFs */

/* BARs of tdisp-testdev */
#define TDISP_BAR_REGS			0	/* 16 KiB */
#define TDISP_BAR_MEM			2	/* 64-bit prefetchable, 64 MiB by default */
#define TDISP_BAR_MSIX			4	/* MSI-X table and PBA, non-TEE */
#define TDISP_NR_VECTORS		4

/*
 * BAR 0, page 0. TEE memory: in RUN a T=0 access reads all ones and writes
 * nothing, in ERROR any access does, in other states a T=1 access.
 */
#define TDISP_REG_ID			0x00
#define TDISP_REG_ID_VALUE		0x49445054	/* "TPDI" */
#define TDISP_REG_VERSION		0x04	/* 1 */
#define TDISP_REG_FUNCTION		0x08	/* number of the function, or VF */
#define TDISP_REG_MEM_SIZE		0x0c	/* of BAR 2 */
#define TDISP_REG_SCRATCH0		0x10
#define TDISP_REG_SCRATCH1		0x14
#define TDISP_REG_DMA_SRC		0x20	/* u64 */
#define TDISP_REG_DMA_DST		0x28	/* u64 */
#define TDISP_REG_DMA_LEN		0x30	/* at most the size of BAR 2 */
#define TDISP_REG_DMA_DIR		0x34
#define TDISP_DMA_TO_DEVICE		0	/* src = IOVA, dst = BAR 2 offset */
#define TDISP_DMA_FROM_DEVICE		1	/* src = BAR 2 offset, dst = IOVA */
#define TDISP_DMA_MEM_TO_MEM		2	/* src, dst = IOVA */
#define TDISP_DMA_TEE			0x100	/* do it with T=1 */
#define TDISP_REG_DMA_DOORBELL		0x38	/* write starts the transfer */
#define TDISP_REG_DMA_STATUS		0x3c
#define TDISP_DMA_IDLE			0
#define TDISP_DMA_BUSY			1
#define TDISP_DMA_DONE			2
#define TDISP_DMA_ERR_RANGE		3	/* BAR 2 range or length */
#define TDISP_DMA_ERR_BUS		4	/* refused by the IOMMU or bus */
#define TDISP_DMA_ERR_STATE		5	/* T=1 outside RUN, any in ERROR */
#define TDISP_DMA_ERR_BME		6	/* bus mastering is off */
#define TDISP_REG_DMA_VECTOR		0x40	/* MSI-X vector, or none */
#define TDISP_DMA_NO_VECTOR		0xffffffff
#define TDISP_REG_DMA_COUNT		0x44	/* transfers done since reset */

/*
 * tdisp-testctl, BAR 0 of 256 KiB. The registers from TDISP_CTL_RID on belong
 * to the test function chosen by TDISP_CTL_SELECT; all are readable and, where
 * marked RW, writable at any time. The names in quotes are the properties of
 * -device tdisp-testdev that set the value at start.
 */
#define TDISP_CTL_BAR			0
#define TDISP_CTL_BAR_SIZE		0x40000
#define TDISP_CTL_MAGIC			0x00
#define TDISP_CTL_MAGIC_VALUE		0x4c544354	/* "TCTL" */
#define TDISP_CTL_VERSION		0x04	/* 1 */
#define TDISP_CTL_COUNT			0x08	/* test functions, all VFs too */
#define TDISP_CTL_SELECT		0x0c	/* RW, index */
#define TDISP_CTL_RID			0x10	/* bus << 8 | devfn */
#define TDISP_CTL_STATE			0x14	/* TDISP_STATE_* */
#define TDISP_CTL_PRESENT		0x18	/* 0: removed, or VF not enabled */
#define TDISP_CTL_LOCK_ERROR		0x20	/* RW "x-lock-error": TDISP error code */
#define TDISP_CTL_WRONG_NONCE		0x24	/* RW "x-wrong-nonce": LOCK lies */
#define TDISP_CTL_STALL_MS		0x28	/* RW "x-stall-ms": each response */
#define TDISP_CTL_LENGTH_DELTA		0x2c	/* RW "x-length-delta": s32, bodies */
#define TDISP_CTL_LENGTH_MSG		0x30	/* RW "x-length-msg": code, 0 = all */
#define TDISP_CTL_ERROR_AFTER		0x34	/* RW "x-error-after": messages or 0 */
#define TDISP_CTL_REMOVED		0x38	/* RW: config reads ones, link down */
#define TDISP_CTL_STOP_ERROR		0x3c	/* RW "x-stop-error": TDISP error code */
#define TDISP_CTL_FORCE_ERROR		0x40	/* RW: 1 = LOCKED, RUN drop to ERROR */
#define TDISP_CTL_TRUSTED_DMA		0x44	/* RW: T=1 DMA let through, 1 at start */
#define TDISP_CTL_TEE_PAGES		0x48	/* pages that are marked, see below */

/*
 * Not behind the selector, for the kernel, which knows what CPUs do for a TEE:
 * pages of 4 KiB of the machine's memory that are mapped as private MMIO of a
 * VM. An access to them by a processor that runs a guest is T=1. A write of
 * TEE_MARK takes TEE_COUNT pages from number TEE_PAGE on. All write-only.
 */
#define TDISP_CTL_TEE_PAGE		0x60
#define TDISP_CTL_TEE_COUNT		0x64
#define TDISP_CTL_TEE_MARK		0x68	/* 1 = are private, 0 = are not */
/* Sets TDISP_CTL_TRUSTED_DMA of a function, likewise */
#define TDISP_CTL_DMA_SWITCH		0x6c
#define TDISP_CTL_DMA_RID		0xffff
#define TDISP_CTL_DMA_ON		0x10000

#define TDISP_CTL_LOG_COUNT		0x80	/* entries written since start or reset */
#define TDISP_CTL_LOG_RESET		0x84	/* write empties the log */
#define TDISP_CTL_LOG			0x1000	/* entry n stands at n % SIZE */
#define TDISP_CTL_LOG_SIZE		4096	/* entries */

/* A log entry */
#define TDISP_LOG_ENTRY_SIZE		32
#define TDISP_LOG_SEQ			0x00	/* n */
#define TDISP_LOG_RID			0x04
#define TDISP_LOG_TYPE			0x08
#define TDISP_LOG_ARG0			0x0c
#define TDISP_LOG_ARG1			0x10
#define TDISP_LOG_ARG2			0x14
#define TDISP_LOG_TIME_NS		0x18	/* u64, virtual clock */

/* Event types and their arguments */
#define TDISP_EV_TDISP			1	/* request code, response code, error code */
#define TDISP_EV_STATE			2	/* old, new, TDISP_WHY_* */
#define TDISP_EV_FLR			3	/* - */
#define TDISP_EV_MSE			4	/* new value */
#define TDISP_EV_BME			5	/* new value */
#define TDISP_EV_RESET			6	/* conventional */
#define TDISP_EV_BAR			7	/* BAR number, new low dword */
#define TDISP_EV_SPDM			8	/* request code, response code, error code */
#define TDISP_EV_IDE_KM			9	/* object id, answer's object id, status */
#define TDISP_EV_STREAM			10	/* stream id, 1 = Secure or 0 = Insecure */
#define TDISP_EV_DMA			11	/* direction, length, status */
#define TDISP_EV_DOE_ABORT		12	/* - */
#define TDISP_EV_REMOVED		13	/* new value */
#define TDISP_EV_SESSION		14	/* session id, 1 = opened or 0 = ended */
#define TDISP_EV_POWER			15	/* new D-state */
#define TDISP_EV_VF			16	/* 1 = enabled or 0 = disabled */

/* Reasons of a state change */
#define TDISP_WHY_MESSAGE		0	/* LOCK, START, STOP */
#define TDISP_WHY_MSE			1
#define TDISP_WHY_BME			2
#define TDISP_WHY_BAR			3
#define TDISP_WHY_FLR			4
#define TDISP_WHY_RESET			5	/* conventional */
#define TDISP_WHY_FAULT			6	/* x-error-after, FORCE_ERROR */
#define TDISP_WHY_STREAM		7	/* IDE stream became insecure */
#define TDISP_WHY_SESSION		8	/* SPDM session lost */
#define TDISP_WHY_POWER			9	/* left D0 */
#define TDISP_WHY_MSIX			10	/* MSI-X changed under LOCK_MSIX */
#define TDISP_WHY_VF			11	/* VF disabled */

#endif /* TDISP_TESTDEV_H */
