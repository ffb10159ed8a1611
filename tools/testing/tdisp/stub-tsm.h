/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of the stub TSM, shared by the kernel test module and the selftests */
#ifndef STUB_TSM_H
#define STUB_TSM_H

#define STUB_NR_TSMS		2

/* Bits of "stall" and "fail": operations of a TSM, and one of an owner */
#define STUB_PROBE		0x001	/* of a function that connects */
#define STUB_PROBE_FN		0x002	/* of one that another one manages */
#define STUB_CONNECT		0x004
#define STUB_DISCONNECT		0x008	/* stalls, cannot fail */
#define STUB_BIND		0x010
#define STUB_UNBIND		0x020
#define STUB_REQ		0x040
#define STUB_WRONG_DSM		0x080	/* probe gives a function to itself */
#define STUB_PREPARE		0x100	/* of the owner; fails with EPERM */

/* Operations of a request; every other one does nothing */
#define STUB_OP_DMA_ON		0x101
#define STUB_OP_DMA_OFF		0x102
#define STUB_OP_REVOKE_MMIO	0x103
#define STUB_OP_TDI_ERROR	0x104

#endif /* STUB_TSM_H */
