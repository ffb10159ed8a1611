/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of TDX Connect, each with its mark:
 *
 *	verified	Intel's posting "PCI/TSM: TDX Connect: SPDM Session and IDE
 *			Establishment", v1, 2025-11-17, and the replies to it
 *	not found	no public source gives it. The value is a placeholder that
 *			no module answers to, and that nothing but a model of the
 *			module is asked with: see TDX_CONNECT_MODEL
 *
 * There is an older ABI of TDX-IO, with DEVIF objects, whose numbers from 128 on
 * overlap with these and mean something else. None of them is in here.
 */
#ifndef _X86_VIRT_TDX_CONNECT_H
#define _X86_VIRT_TDX_CONNECT_H

#include <linux/bits.h>

/* Connect level: verified */
#define TDH_EXT_INIT			60
#define TDH_EXT_MEM_ADD			61
#define TDH_IOMMU_SETUP			128
#define TDH_IOMMU_CLEAR			129
#define TDH_SPDM_CREATE			130
#define TDH_SPDM_DELETE			131
#define TDH_IDE_STREAM_CREATE		132
#define TDH_IDE_STREAM_BLOCK		133
#define TDH_IDE_STREAM_DELETE		134
#define TDH_IDE_STREAM_KM		135
#define TDH_SPDM_CONNECT		142
#define TDH_SPDM_DISCONNECT		143
#define TDH_SPDM_MNG			144

/*
 * TDI level: not found, neither numbers nor registers. Some of the names are in
 * the comments of public guests, the others are like those of the older ABI.
 * Test builds only: tools/testing/tdisp defines TDX_CONNECT_MODEL, together with
 * a seamcall() that does not leave the kernel. No Kconfig option does.
 */
#ifdef TDX_CONNECT_MODEL
#define TDX_LEAF_NOT_FOUND(n)		(0x7f00 + (n))
#define TDH_TDI_CREATE			TDX_LEAF_NOT_FOUND(0)
#define TDH_TDI_LOCK			TDX_LEAF_NOT_FOUND(1)
#define TDH_TDI_START			TDX_LEAF_NOT_FOUND(2)
#define TDH_TDI_STOP			TDX_LEAF_NOT_FOUND(3)
#define TDH_TDI_REMOVE			TDX_LEAF_NOT_FOUND(4)
#define TDH_TDI_STATE			TDX_LEAF_NOT_FOUND(5)
#define TDH_TDI_REPORT			TDX_LEAF_NOT_FOUND(6)
#define TDH_MMIO_MT_ADD			TDX_LEAF_NOT_FOUND(7)
#define TDH_MMIO_MT_SET			TDX_LEAF_NOT_FOUND(8)
#define TDH_MMIO_MT_REMOVE		TDX_LEAF_NOT_FOUND(9)
#endif

#endif /* _X86_VIRT_TDX_CONNECT_H */
