/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user of the soft TSM has to know: the architecture number of its
 * requests, its result codes, the messages of a guest, and what it puts into
 * the objects. Shared by the kernel test module and the selftests.
 */
#ifndef SOFT_TSM_H
#define SOFT_TSM_H

#include <linux/types.h>

/* tvm_arch of IOMMU_VDEVICE_TSM_REQ, far outside of enum iommu_tvm_arch */
#define SOFT_TSM_TVM_ARCH		0x74657374	/* "test" */

/*
 * tsm_code of IOMMU_VDEVICE_TSM_REQ: who said it in the upper half, what it
 * said in the lower half. A TDISP error code stands for itself. All of them
 * come with EIO unless noted.
 */
#define SOFT_TSM_CODE_TDISP		0x000000000ULL	/* TDISP_ERR_* */
#define SOFT_TSM_CODE_SPDM		0x100000000ULL	/* SPDM_ERR_* */
#define SOFT_TSM_CODE_IDE_KM		0x200000000ULL	/* status of an ACK */
#define SOFT_TSM_CODE_SELF		0x300000000ULL	/* see below */
#define SOFT_TSM_CODE_WHO(code)		((code) & 0xffffffff00000000ULL)
#define SOFT_TSM_CODE_WHAT(code)	((code) & 0x00000000ffffffffULL)

/* EBADMSG: length, type, interface id or session of a response is wrong */
#define SOFT_TSM_CODE_MALFORMED		(SOFT_TSM_CODE_SELF | 1)
/* ETIMEDOUT: the exchange failed, in most cases by the time limit of DOE */
#define SOFT_TSM_CODE_NO_ANSWER		(SOFT_TSM_CODE_SELF | 2)
/* ENODEV: configuration space reads all ones */
#define SOFT_TSM_CODE_GONE		(SOFT_TSM_CODE_SELF | 3)
/* EPROTONOSUPPORT: the device lacks a version or capability */
#define SOFT_TSM_CODE_UNSUPPORTED	(SOFT_TSM_CODE_SELF | 4)
/* The device accepted a request but is not in the state that follows it */
#define SOFT_TSM_CODE_WRONG_STATE	(SOFT_TSM_CODE_SELF | 5)

/*
 * IOMMU_VDEVICE_TSM_REQ_GUEST_MSG: what a guest of a real architecture would
 * send encrypted is plain here.
 */
struct soft_tsm_msg {
	__u32 type;
	__u32 __reserved;		/* must be 0 */
};

/* Ask the device for the state of the TDI, it is not taken from memory */
#define SOFT_TSM_MSG_GET_TDI_STATE	1
/* The guest accepts DMA to its private memory; no response */
#define SOFT_TSM_MSG_ENABLE_DMA		2

struct soft_tsm_msg_tdi_state {
	__u32 state;			/* TDISP_STATE_* */
};

/*
 * IOMMU_TSM_OBJECT_MEAS is this nonce, followed by the SPDM MEASUREMENTS
 * response. The nonce is what IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT gave, random
 * after connect; it does not travel to the device, since only a signed
 * measurement takes one. The response has the device's own nonce.
 */
#define SOFT_TSM_MEAS_NONCE_SIZE	32

/*
 * MMIO_REPORTING_OFFSET of every LOCK: what the device adds to the number of
 * the first 4 KiB page of a range in the report. Any other number than 0 would
 * do, it has to be seen that the report is not taken for addresses.
 */
#define SOFT_TSM_MMIO_OFFSET		0x5050000000ULL

#endif /* SOFT_TSM_H */
