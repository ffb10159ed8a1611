/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programming interface of QEMU's tsm-testcall, a PCI function by which a guest
 * asks for its devices: in place of what TDX, SEV-TIO and CCA guests have for
 * that, for tests. Only macros, no types and no includes: QEMU and the guest's
 * module share this file.
 *
 * A call is a structure in guest memory, with a buffer where it has one; both
 * are reached by DMA of the function. The guest writes the address of the
 * structure to TSM_CALL_ADDR, both halves, then to TSM_CALL_DOORBELL. The
 * result is there when TSM_CALL_STATE is not TSM_CALL_BUSY any more; the
 * function sends its only MSI then. There is one call at a time.
 *
 * Values are little endian. Nothing is protected: whoever emulates the function
 * sees all of it.
 */
#ifndef TSM_TESTCALL_H
#define TSM_TESTCALL_H

/* PCI ids; unregistered numbers, for test machines only */
#define TSM_CALL_VENDOR			0x1b36
#define TSM_CALL_DEVICE			0x00f3

/* BAR 0, of 4 KiB: registers of 32 bits */
#define TSM_CALL_MAGIC			0x00
#define TSM_CALL_MAGIC_VALUE		0x434d5354	/* "TSMC" */
#define TSM_CALL_VERSION		0x04	/* 1 */
#define TSM_CALL_ADDR			0x08	/* u64, in halves */
#define TSM_CALL_DOORBELL		0x10
#define TSM_CALL_STATE			0x14
#define TSM_CALL_IDLE			0
#define TSM_CALL_BUSY			1
#define TSM_CALL_DONE			2
#define TSM_CALL_NO_ADDR		3	/* there is no memory to be reached */
#define TSM_CALL_EVENTS			0x18	/* changes the guest did not ask for */

/* The structure */
#define TSM_CALL_SIZE			64
#define TSM_CALL_NR			0x00	/* u32 */
#define TSM_CALL_TDI			0x04	/* u32: segment, bus, devfn in the guest */
#define TSM_CALL_ARG(n)			(0x08 + 8 * (n))	/* u64, 3 of them */
#define TSM_CALL_BUF			0x20	/* u64: address, 0 without a length */
#define TSM_CALL_BUF_LEN		0x28	/* u32: of the buffer, then of what is in it */
#define TSM_CALL_STATUS			0x2c	/* u32: result */
#define TSM_CALL_ERR			0x30	/* s32: error number of Linux, negative */
#define TSM_CALL_RESERVED		0x34	/* u32: 0 */
#define TSM_CALL_CODE			0x38	/* u64: what TSM or device said */

#define TSM_CALL_MAX_BUF		0x10000

/* Calls. Arguments and buffers that are not named are 0 */
#define TSM_CALL_BIND			1
#define TSM_CALL_UNBIND			2
#define TSM_CALL_OBJECT_INFO		3	/* object; buffer: u32 */
#define TSM_CALL_READ_OBJECT		4	/* object, offset; buffer: what is read */
#define TSM_CALL_REGEN_OBJECT		5	/* object; buffer: 32 bytes of nonce */
#define TSM_CALL_ACCEPT_MMIO		6	/* GPA, bytes, address in the report */
#define TSM_CALL_START			7
/* Message of the TSM's own; buffer: the message, then the answer */
#define TSM_CALL_GUEST_MSG		8	/* bytes of the message */

/* Results */
#define TSM_CALL_OK			0
#define TSM_CALL_UNKNOWN		1
#define TSM_CALL_NO_DEVICE		2
#define TSM_CALL_BAD_LENGTH		3
#define TSM_CALL_BAD_ADDRESS		4
#define TSM_CALL_BAD_VALUE		5
#define TSM_CALL_REFUSED		6	/* see TSM_CALL_ERR */

#endif /* TSM_TESTCALL_H */
