/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What who injects faults into the model of the PSP has to know. Shared by the
 * module and the selftests.
 */
#ifndef PSP_INJECT_H
#define PSP_INJECT_H

/* Commands */
#define PSP_TIO_STATUS			0xd0
#define PSP_TIO_INIT			0xd1
#define PSP_DEV_CREATE			0xd2
#define PSP_DEV_RECLAIM			0xd3
#define PSP_DEV_CONNECT			0xd4
#define PSP_DEV_DISCONNECT		0xd5
#define PSP_DEV_STATUS			0xd6
#define PSP_DEV_MEASUREMENTS		0xd7
#define PSP_DEV_CERTIFICATES		0xd8
#define PSP_TDI_CREATE			0xda
#define PSP_TDI_RECLAIM			0xdb
#define PSP_TDI_BIND			0xdc
#define PSP_TDI_UNBIND			0xdd
#define PSP_TDI_REPORT			0xde
#define PSP_TDI_STATUS			0xdf
#define PSP_GUEST_REQUEST		0xe0
#define PSP_FENCE_CLEAR			0xe1
#define PSP_FENCE_STATUS		0xe2
#define PSP_TDI_INFO			0xe3
/* For what is injected: pages that change hands */
#define PSP_PAGE_RECLAIM		0xc7
#define PSP_RMP_PRIVATE			1	/* to a guest */
#define PSP_RMP_SHARED			2	/* back to the host */
#define PSP_RMP_FIRMWARE		3	/* to the firmware */

/* Inject this and the PSP is dead from then on */
#define PSP_NO_ANSWER			0x10000

#endif /* PSP_INJECT_H */
