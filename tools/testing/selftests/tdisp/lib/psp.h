/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of AMD's PSP, a module that brings the driver for SEV-TIO along, and
 * what only that TSM knows: messages of an SNP guest.
 */
#ifndef SELFTESTS_TDISP_LIB_PSP_H
#define SELFTESTS_TDISP_LIB_PSP_H

#include <stdbool.h>
#include <linux/types.h>

#include "fwmodel.h"
#include "../../../tdisp/psp-inject.h"

extern const struct fwmodel psp_model;

/**
 * struct psp_state - What the model says
 * @violations: the driver has done what it must never do
 * @refused: commands that were not possible in the state of their object
 * @pending: statuses that are still to be injected
 * @firmware: pages of the firmware
 * @context: and those that are an object of it
 * @guest: pages of MMIO that are a guest's
 * @leaked: pages that the driver wanted back in vain
 * @devices: device contexts
 * @tdis: TDI contexts
 * @bound: TDIs that are bound
 */
struct psp_state {
	u32 violations;
	u32 refused;
	u32 pending;
	u32 firmware;
	u32 context;
	u32 guest;
	u32 leaked;
	u32 devices;
	u32 tdis;
	u32 bound;
};

/* All of these return 0 or a negative errno unless they say something else */

int psp_get_state(struct psp_state *state);
int psp_fence(u32 guest);
/* A command behind the driver's back, about its first device and TDI */
int psp_raw(u32 cmd, u32 flags);

/* Messages of a guest: what their payload starts with is the ID of the TDI */
#define PSP_MSG_TDI_INFO	19
#define PSP_MSG_MMIO_VALIDATE	21
#define PSP_MSG_MMIO_CONFIG	23
#define PSP_MSG_SDTE_WRITE	25

#define PSP_MSG_PAGE		4096
#define PSP_MSG_HDR		0x60

/* A message with a payload of @len bytes into @page */
void psp_msg(u8 *page, u8 type, const void *payload, u16 len);
/* @page is the message, and the response afterwards, of @len bytes */
int psp_send_msg(struct tdi *tdi, u8 *page, u32 *len);
/* Status of the PSP for the guest in a response */
u16 psp_msg_status(const u8 *page);
/* Have the PSP validate @pages of range @id for the guest, from @gpa on */
int psp_mmio_validate(struct tdi *tdi, u64 gpa, u32 pages, u16 id, u16 *status);

#endif /* SELFTESTS_TDISP_LIB_PSP_H */
