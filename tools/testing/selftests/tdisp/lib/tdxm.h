/* SPDX-License-Identifier: GPL-2.0-only */
/* The model of the TDX module, a module that brings the driver along */
#ifndef SELFTESTS_TDISP_LIB_TDXM_H
#define SELFTESTS_TDISP_LIB_TDXM_H

#include <stdbool.h>
#include <linux/types.h>

#include "fwmodel.h"
#include "../../../tdisp/tdxm-inject.h"

extern const struct fwmodel tdxm_model;

/* Pages that the module has for itself, before a device is connected */
#define TDXM_OWN_PAGES	600

/**
 * struct tdxm_state - What the model says
 * @violations: the driver has done what it must never do
 * @refused: calls that were not possible in the state of their object
 * @pending: statuses that are still to be injected
 * @owned: pages of the module
 * @dirty: pages that were given back, and not written back
 * @sessions: session objects
 * @streams: stream objects
 * @tds: TDs, that stay as long as the model does
 * @tdis: TDIs
 * @assigned: TDIs that STOP has to be called for
 * @mmio: pages of MMIO that are mapped in a secure EPT
 * @dmar: entries in trusted tables
 * @blocks: pages of metadata of MMIO
 * @unaccepted: pages of MMIO that were mapped so far, and not accepted
 */
struct tdxm_state {
	u32 violations;
	u32 refused;
	u32 pending;
	u32 owned;
	u32 dirty;
	u32 sessions;
	u32 streams;
	u32 tds;
	u32 tdis;
	u32 assigned;
	u32 mmio;
	u32 dmar;
	u32 blocks;
	u32 unaccepted;
};

/* All of these return 0 or a negative errno unless they say something else */

int tdxm_get_state(struct tdxm_state *state);
/* What the TD of a function asks the module for: TDXM_GUEST_* */
int tdxm_guest(u16 rid, u32 op);
/* A call behind the driver's back, about its first objects */
int tdxm_raw(u32 call);

#endif /* SELFTESTS_TDISP_LIB_TDXM_H */
