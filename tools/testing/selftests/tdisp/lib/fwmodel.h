/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Models of firmware: modules that bring the driver for it along, and have the same
 * files in debugfs, see tools/testing/tdisp/README. Each has a header of its own
 * for what only it knows.
 */
#ifndef SELFTESTS_TDISP_LIB_FWMODEL_H
#define SELFTESTS_TDISP_LIB_FWMODEL_H

#include <stdbool.h>
#include <linux/types.h>

#include "tdi.h"

/**
 * struct fwmodel - A model of firmware
 * @module: its name
 * @file: environment variable that has the module's file; without, it is modprobe's
 *	  job to know
 * @arch: IOMMU_TVM_ARCH_*, what VMs are for its TSM
 */
struct fwmodel {
	const char *module;
	const char *file;
	u32 arch;
};

/* All of these return 0 or a negative errno unless they say something else */

int fwmodel_load(const struct fwmodel *model, const char *params);
int fwmodel_unload(const struct fwmodel *model);
bool fwmodel_loaded(const struct fwmodel *model);
/* The TSM of the driver gets the device, and VMs are of the right kind from now on */
int fwmodel_connect(const struct fwmodel *model, struct tdisp_device *dev);
int fwmodel_set_param(const struct fwmodel *model, const char *name,
		      const char *val);
/* @size bytes of its debugfs file @name, as a string */
int fwmodel_read(const struct fwmodel *model, const char *name, char *buf,
		 size_t size);
__printf(3, 4) int fwmodel_write(const struct fwmodel *model, const char *name,
				 const char *fmt, ...);
/* @count calls of number @call fail with @status, after @skip that do not */
int fwmodel_inject(const struct fwmodel *model, u32 call, u64 status, u32 skip,
		   u32 count);
int fwmodel_inject_none(const struct fwmodel *model);
int fwmodel_log_clear(const struct fwmodel *model);
/* The log since then, freed by the caller, NULL if that fails */
char *fwmodel_log(const struct fwmodel *model);
/* Where in the log after @from a line starts like this, NULL if none does */
const char *fwmodel_log_find(const char *from, const char *line);
int fwmodel_log_count(const char *log, const char *line);

#endif /* SELFTESTS_TDISP_LIB_FWMODEL_H */
