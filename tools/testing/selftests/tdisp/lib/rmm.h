/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of Arm's RMM, a module that brings the driver for CCA along.
 */
#ifndef SELFTESTS_TDISP_LIB_RMM_H
#define SELFTESTS_TDISP_LIB_RMM_H

#include <stdbool.h>
#include <linux/types.h>

#include "tdi.h"
#include "../../../tdisp/rmm-inject.h"

#define RMM_MODEL_MODULE	"rmm_model"

/**
 * struct rmm_state - What the model says
 * @violations: the driver has done what it must never do
 * @refused: calls that were not possible in the state of their object
 * @delegated: granules that are in no object
 * @objects: granules of objects
 * @mapped: granules of MMIO that a realm has
 * @realms: realms
 * @pdevs: physical devices
 * @streams: IDE streams
 * @vdevs: virtual devices
 * @pending: statuses that are still to be injected
 */
struct rmm_state {
	u32 violations;
	u32 refused;
	u32 delegated;
	u32 objects;
	u32 mapped;
	u32 realms;
	u32 pdevs;
	u32 streams;
	u32 vdevs;
	u32 pending;
};

/* All of these return 0 or a negative errno unless they say something else */

/* The module's file is $TDISP_RMM_MODEL_KO, or it is modprobe's job to know */
int rmm_load(const char *params);
int rmm_unload(void);
bool rmm_loaded(void);
int rmm_connect(struct tdisp_device *dev);
int rmm_set_param(const char *name, const char *val);
int rmm_get_state(struct rmm_state *state);
/* "CMD STATUS SKIP COUNT", see rmm-inject.h */
int rmm_inject(u32 cmd, u32 status, u32 skip, u32 count);
int rmm_inject_none(void);
/* A call behind the driver's back, about its first device and VDEV */
int rmm_raw(u32 cmd, u32 arg);
int rmm_log_clear(void);
/* The log since then, freed by the caller, NULL if that fails */
char *rmm_log(void);
/* Where in the log after @from a line starts like this, NULL if none does */
const char *rmm_log_find(const char *from, const char *line);
int rmm_log_count(const char *log, const char *line);

#endif /* SELFTESTS_TDISP_LIB_RMM_H */
