/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the small VMM and its guest know of each other: where things are, how
 * the guest calls ("GHCI-like": the calls stand for those that TDX, SEV-TIO and
 * CCA guests make about their devices), and what a test has the guest do.
 *
 * A call: the guest fills in struct ghci_call, and writes its guest physical
 * address to the I/O port GHCI_PORT, 32 bits wide. Address and buffers are in
 * guest memory, which is shared with the VMM. When the instruction is over, the
 * result is there. The VMM believes nothing of it: addresses and lengths are
 * checked, so are unused fields, which have to be 0.
 *
 * The kernel checks the rest, and TSM and device decide: GHCI_REFUSED is theirs,
 * with an error number of Linux and the code of the TSM.
 */
#ifndef SELFTESTS_TDISP_GUEST_GHCI_H
#define SELFTESTS_TDISP_GUEST_GHCI_H

#include <linux/types.h>

/* Guest memory: one memslot, the whole of it in the IOAS, IOVA is GPA */
#define GUEST_RAM_SIZE		0x800000
#define GUEST_TABLES_GPA	0x10000		/* of pages, made by the VMM */
#define GUEST_TABLES_SIZE	0x20000
#define GUEST_JOB_GPA		0x40000		/* struct guest_job */
#define GUEST_IMAGE_GPA		0x100000	/* where the image is linked to */
#define GUEST_STACK_GPA		0x300000	/* its top */
#define GUEST_DMA_GPA		0x400000	/* GUEST_DMA_SIZE per function */
#define GUEST_DMA_SIZE		0x100000
/* All that the tables map, one to one */
#define GUEST_MAPPED		0x200000000ULL
/* Addresses of BARs, by size one after the other */
#define GUEST_MMIO32_GPA	0xc0000000ULL
#define GUEST_MMIO64_GPA	0x100000000ULL

#define GUEST_MAX_FNS		2
/* The first function, and what its vDEVICE is called: 00:02.0 */
#define GUEST_DEVFN		0x10

/* How long a guest waits for GHCI_BIND_ASYNC, and from one poll to the next */
#define GUEST_BIND_MS		10000
#define GUEST_POLL_MS		10

#define GHCI_PORT		0x600
#define GHCI_MAX_BUF		0x10000
#define GHCI_MSG_SIZE		0x1000

/**
 * struct ghci_call - A call of the guest
 * @nr: GHCI_*
 * @tdi_id: requester ID of the function as the guest knows it, 0 where the call
 *	    is not about one
 * @arg: depends on @nr
 * @buf: GPA of a buffer, 0 exactly if @buf_len is 0
 * @buf_len: its length; on return of a call that reads, how much there is in it
 * @status: result, GHCI_OK or another status
 * @err: with GHCI_REFUSED: error number of Linux, negative
 * @__reserved: 0
 * @tsm_code: with GHCI_REFUSED: what TSM or device said, 0 if neither was asked
 */
struct ghci_call {
	__u32 nr;
	__u32 tdi_id;
	__u64 arg[3];
	__u64 buf;
	__u32 buf_len;
	__u32 status;
	__s32 err;
	__u32 __reserved;
	__u64 tsm_code;
};

enum ghci_nr {
	/* The job is done, and the next one is there on return */
	GHCI_NEXT_JOB = 1,
	/* arg: enum guest_step, 0 as it is taken or 1 after it, status of it */
	GHCI_STEP,
	/* arg: vector, rip, error code; does not return */
	GHCI_PANIC,

	/* Lock the TDI for this VM, and take it back */
	GHCI_BIND = 0x10,
	GHCI_UNBIND,
	/* arg: enum iommu_tsm_object. buf: a __u32, its size */
	GHCI_OBJECT_INFO,
	/* arg: enum iommu_tsm_object, offset. buf: what is read */
	GHCI_READ_OBJECT,
	/* arg: enum iommu_tsm_object. buf: 32 bytes of nonce */
	GHCI_REGEN_OBJECT,
	/*
	 * Make a range of MMIO private. arg: GPA, bytes, and the address that
	 * the report gives for it
	 */
	GHCI_ACCEPT_MMIO,
	/* Let the device reach private memory of the VM */
	GHCI_ENABLE_DMA,
	GHCI_START,
	/* buf: a __u32, TDISP_STATE_*, the device is asked for it now */
	GHCI_TDI_STATE,
	/* buf: a page with a message for the firmware, its response on return */
	GHCI_GUEST_MSG,
	/*
	 * As GHCI_BIND, but GHCI_OK only says that it is under way. Until it is
	 * over, other calls about the function are GHCI_BUSY; GHCI_UNBIND waits
	 */
	GHCI_BIND_ASYNC,
	/* GHCI_BUSY, or, once, the result of the last GHCI_BIND_ASYNC */
	GHCI_BIND_STATUS,
	/*
	 * arg: TDXM_GUEST_*. No call of the VMM: what a TD asks the TDX module for
	 * by TDCALL. Here the VMM is the way to the model of it, and has no say
	 */
	GHCI_TDCALL,
};

enum ghci_status {
	GHCI_OK,
	GHCI_UNKNOWN_CALL,
	GHCI_NO_DEVICE,		/* @tdi_id */
	GHCI_BAD_LENGTH,	/* of a buffer */
	GHCI_BAD_ADDRESS,	/* of a buffer, not in guest memory */
	GHCI_BAD_VALUE,		/* in an argument, or in a reserved field */
	GHCI_BAD_RANGE,		/* no MMIO of the function */
	GHCI_REFUSED,		/* by kernel, TSM or device, see @err */
	GHCI_BUSY,		/* a GHCI_BIND_ASYNC is under way */
	GHCI_NO_REQUEST,	/* there is no result to fetch */
};

/* Steps that the guest announces, see lib/steps.h for the names */
enum guest_step {
	GUEST_STEP_ENUM,
	GUEST_STEP_USE,
	GUEST_STEP_BIND,
	GUEST_STEP_ATTEST,
	GUEST_STEP_ACCEPT,
	GUEST_STEP_WORKLOAD,
	GUEST_STEP_UNBIND,
	GUEST_STEP_USE_AGAIN,
	NR_GUEST_STEPS
};

/**
 * struct guest_job - What a test has the guest do, and how it went
 * @nr: GUEST_*
 * @fn: which function, 0 or 1
 * @arg: depends on @nr
 * @verdict: enum guest_verdict
 * @flags: GUEST_SNP, GUEST_REALM, GUEST_TD
 * @call: the last call about a function, or one to make
 * @val: whatever @nr or @verdict give besides
 */
struct guest_job {
	__u32 nr;
	__u32 fn;
	__u64 arg[4];
	__u32 verdict;
	__u32 flags;
	struct ghci_call call;
	__u64 val[4];
};

/*
 * It is an SNP guest: its firmware wants messages of it. There is no DMA to its
 * private memory, so the device is used with memory that is shared
 */
#define GUEST_SNP		1
/*
 * It is a realm: measurements come with the request that they answer. It would
 * ask the RMM itself for DMA, whom it does not reach here, so memory is shared, too
 */
#define GUEST_REALM		2
/*
 * It is a TD: it binds without waiting, gets certificates and measurements as one
 * object, and has the TDX module accept MMIO and DMA, and start the device
 */
#define GUEST_TD		4

enum guest_job_nr {
	/* Find the function, size its BARs, turn it on, set up its MSI-X */
	GUEST_ENUM = 1,
	/* Registers, memory, DMA and interrupt, as an ordinary device */
	GUEST_USE,
	GUEST_USE_AGAIN,
	/* A TD does it as with GUEST_BIND_ASYNC, for GUEST_BIND_MS at most */
	GUEST_BIND,
	/*
	 * Certificates, measurements, report: read and verify. Measurements are
	 * fresh, but those of a TD
	 */
	GUEST_ATTEST,
	/* All TEE ranges of the report that was verified, and DMA */
	GUEST_ACCEPT,
	GUEST_START,
	/* Registers, memory, DMA and interrupt, as a trusted device */
	GUEST_WORKLOAD,
	GUEST_UNBIND,
	/* @call as it is; a buffer of it has to be in guest memory, too */
	GUEST_CALL,
	/* arg: GPA, value. val: value, 1 if it took a machine check */
	GUEST_READ,
	GUEST_WRITE,
	/* arg: TDISP_DMA_*, offset in BAR 2, length. val: status of the engine */
	GUEST_DMA,
	/*
	 * As GUEST_BIND, by GHCI_BIND_ASYNC. arg: how long to wait, in ms, 0 for
	 * GUEST_BIND_MS. val: how often it was told that it is under way
	 */
	GUEST_BIND_ASYNC,
};

enum guest_verdict {
	GUEST_OK,
	GUEST_BAD_JOB,
	GUEST_NO_FUNCTION,	/* nobody answers, or somebody else does */
	GUEST_BAD_CONFIG,	/* capabilities or BARs do not fit each other */
	GUEST_GONE,		/* MMIO reads ones, or there is none */
	GUEST_BAD_REG,		/* a register has the wrong value */
	GUEST_BAD_MEM,		/* the memory BAR has */
	GUEST_BAD_DMA,		/* val: status of the engine */
	GUEST_NO_INTERRUPT,
	GUEST_WRONG_DATA,	/* that came by DMA */
	GUEST_CALL_FAILED,	/* see call */
	GUEST_BAD_CERT,
	GUEST_BAD_MEAS,
	GUEST_BAD_NONCE,	/* the measurements are not fresh */
	GUEST_BAD_REPORT,
	GUEST_NOT_ATTESTED,	/* there is no report to accept ranges of */
	GUEST_BAD_MSG,		/* the response of the firmware is none */
	GUEST_REFUSED,		/* by the firmware. val: its status */
	GUEST_TOO_LATE,		/* it is still under way, after all this time */
	NR_GUEST_VERDICTS
};

#endif /* SELFTESTS_TDISP_GUEST_GHCI_H */
