/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What who injects faults into the model of the RMM has to know. Shared by the
 * module and the selftests.
 */
#ifndef RMM_INJECT_H
#define RMM_INJECT_H

/* Calls, without the 0xc4000000 of all of them */
#define RMM_VERSION			0x150
#define RMM_RTT_DEV_VALIDATE		0x163
#define RMM_FEATURES			0x165
#define RMM_PDEV_ABORT			0x174
#define RMM_PDEV_COMMUNICATE		0x175
#define RMM_PDEV_CREATE			0x176
#define RMM_PDEV_DESTROY		0x177
#define RMM_PDEV_GET_STATE		0x178
#define RMM_STREAM_KEY_REFRESH		0x17a
#define RMM_PDEV_SET_PUBKEY		0x17b
#define RMM_PDEV_STOP			0x17c
#define RMM_VDEV_ABORT			0x185
#define RMM_VDEV_COMMUNICATE		0x186
#define RMM_VDEV_CREATE			0x187
#define RMM_VDEV_DESTROY		0x188
#define RMM_VDEV_GET_STATE		0x189
#define RMM_VDEV_UNLOCK			0x18a
#define RMM_VDEV_GET_INTERFACE_REPORT	0x1d0
#define RMM_VDEV_GET_MEASUREMENTS	0x1d1
#define RMM_VDEV_LOCK			0x1d2
#define RMM_VDEV_START			0x1d3
#define RMM_GRANULE_RANGE_DELEGATE	0x1f1
#define RMM_GRANULE_RANGE_UNDELEGATE	0x1f2
#define RMM_RTT_DEV_MAP			0x1f7
#define RMM_RTT_DEV_UNMAP		0x1f8
#define RMM_OP_CONTINUE			0x203
#define RMM_STREAM_CONNECT		0x204
#define RMM_STREAM_DISCONNECT		0x205
#define RMM_STREAM_COMPLETE		0x206
#define RMM_STREAM_KEY_PURGE		0x207
#define RMM_OP_MEM_DONATE		0x208
#define RMM_OP_MEM_RECLAIM		0x209
#define RMM_OP_CANCEL			0x20a
/* For what is injected: KVM does not unmap MMIO */
#define RMM_KVM_UNMAP			1

/* Status of a call */
#define RMM_SUCCESS			0
#define RMM_INPUT			1
#define RMM_REALM			2
#define RMM_REC				3
#define RMM_RTT				4
#define RMM_NOT_SUPPORTED		5
#define RMM_DEVICE			6
#define RMM_BUSY			10
#define RMM_INCOMPLETE			13
#define RMM_BLOCKED			14
#define RMM_GRANULE			16

/* Bits of the parameter comm_style: what exchanges can look like, besides */
#define RMM_STYLE_CACHE_ALONE		1	/* to keep is an exit of its own */
#define RMM_STYLE_WAIT			2	/* RSP_WAIT before each message */
#define RMM_STYLE_MULTI			4	/* MULTI with each message */

#endif /* RMM_INJECT_H */
