/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of Arm's RMM, a module that brings the driver for CCA along.
 */
#ifndef SELFTESTS_TDISP_LIB_RMM_H
#define SELFTESTS_TDISP_LIB_RMM_H

#include <stdbool.h>
#include <linux/types.h>

#include "fwmodel.h"
#include "../../../tdisp/rmm-inject.h"

extern const struct fwmodel rmm_model;

/**
 * struct rmm_state - What the model says
 * @violations: the driver has done what it must never do
 * @refused: calls that were not possible in the state of their object
 * @pending: statuses that are still to be injected
 * @delegated: granules that are in no object
 * @objects: granules of objects
 * @mapped: granules of MMIO that a realm has
 * @realms: realms
 * @pdevs: physical devices
 * @streams: IDE streams
 * @vdevs: virtual devices
 */
struct rmm_state {
	u32 violations;
	u32 refused;
	u32 pending;
	u32 delegated;
	u32 objects;
	u32 mapped;
	u32 realms;
	u32 pdevs;
	u32 streams;
	u32 vdevs;
};

/* All of these return 0 or a negative errno unless they say something else */

int rmm_get_state(struct rmm_state *state);
/* A call behind the driver's back */
int rmm_raw(u32 cmd, u32 arg);

#endif /* SELFTESTS_TDISP_LIB_RMM_H */
