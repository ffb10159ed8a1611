/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What who injects faults into the model of the TDX module has to know. Shared by
 * the module and the selftests.
 */
#ifndef TDXM_INJECT_H
#define TDXM_INJECT_H

/* Leaves of the connect level: verified, see arch/x86/virt/vmx/tdx/connect.h */
#define TDXM_PHYMEM_PAGE_WBINVD		41
#define TDXM_SYS_RD			34
#define TDXM_EXT_INIT			60
#define TDXM_EXT_MEM_ADD		61
#define TDXM_IOMMU_SETUP		128
#define TDXM_IOMMU_CLEAR		129
#define TDXM_SPDM_CREATE		130
#define TDXM_SPDM_DELETE		131
#define TDXM_STREAM_CREATE		132
#define TDXM_STREAM_BLOCK		133
#define TDXM_STREAM_DELETE		134
#define TDXM_STREAM_KM			135
#define TDXM_SPDM_CONNECT		142
#define TDXM_SPDM_DISCONNECT		143
#define TDXM_SPDM_MNG			144

/* Of the TDI level: not found, placeholders */
#define TDXM_TDI_CREATE			0x7f00
#define TDXM_TDI_LOCK			0x7f01
#define TDXM_TDI_START			0x7f02
#define TDXM_TDI_STOP			0x7f03
#define TDXM_TDI_REMOVE			0x7f04
#define TDXM_TDI_STATE			0x7f05
#define TDXM_TDI_REPORT			0x7f06
#define TDXM_MMIO_MT_ADD		0x7f07
#define TDXM_MMIO_MT_SET		0x7f08
#define TDXM_MMIO_MT_REMOVE		0x7f09
/* And of what is KVM's and the IOMMU driver's business */
#define TDXM_DMAR_ADD			0x7f10
#define TDXM_DMAR_BLOCK			0x7f11
#define TDXM_IQINV			0x7f12
#define TDXM_DMAR_REMOVE		0x7f13
#define TDXM_TD_TEARDOWN		0x7f14

/* Statuses: verified */
#define TDXM_RESUMABLE			0x8000000300000000ULL
#define TDXM_BUSY			0x8000020000000000ULL
#define TDXM_OPERAND_INVALID		0xc000010000000000ULL
#define TDXM_PAGE_METADATA_INCORRECT	0xc000030000000000ULL
#define TDXM_KEY_REFRESH		0xc0000f4500000000ULL
#define TDXM_SPDM_REQUEST		0xc0000f5700000000ULL

/* Names of the older ABI, whose values are not found: placeholders */
#define TDXM_NOT_FOUND(n)		(0xc0007f0000000000ULL | \
					 (unsigned long long)(n) << 32)
#define TDXM_SPDM_ERROR			TDXM_NOT_FOUND(1)
#define TDXM_SPDM_INVALID_STATE		TDXM_NOT_FOUND(2)
#define TDXM_STREAM_INVALID_STATE	TDXM_NOT_FOUND(3)
#define TDXM_TDI_NOT_PRESENT		TDXM_NOT_FOUND(4)
#define TDXM_TDI_INVALID_STATE		TDXM_NOT_FOUND(5)
#define TDXM_TDI_HAS_MAPPED_DMA		TDXM_NOT_FOUND(6)
#define TDXM_TDI_HAS_MAPPED_MMIO	TDXM_NOT_FOUND(7)
#define TDXM_TDISP_INVALID_STATE	TDXM_NOT_FOUND(8)
#define TDXM_TDISP_INVALID_REQ_STS	TDXM_NOT_FOUND(9)
#define TDXM_DMAR_INVALID_STATE		TDXM_NOT_FOUND(10)
#define TDXM_MMIO_OWNER_MISMATCH	TDXM_NOT_FOUND(11)
#define TDXM_TD_ASSOCIATED_TDIS		TDXM_NOT_FOUND(12)

/* What a TD calls the module for, in debugfs: "FUNCTION OP" */
#define TDXM_GUEST_REPORT		1	/* posts a request */
#define TDXM_GUEST_START		2	/* authorises */
#define TDXM_GUEST_ACCEPT_DMA		3
#define TDXM_GUEST_ACCEPT_MMIO		4	/* all that is mapped by now */

#endif /* TDXM_INJECT_H */
