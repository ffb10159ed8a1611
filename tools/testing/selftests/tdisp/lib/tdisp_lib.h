/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the TDISP selftests share. Functions return 0 or a negative errno unless
 * they say something else; the tests wrap them in test_cmd() and test_err(), see
 * tdisp_harness.h.
 */
#ifndef SELFTESTS_TDISP_LIB_TDISP_LIB_H
#define SELFTESTS_TDISP_LIB_TDISP_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/iommufd.h>
#include <linux/kernel.h>
#include <linux/types.h>

#include <libvfio.h>

/* Shared with the kernel module and with QEMU */
#include "../../../tdisp/tdisp-proto.h"
#include "../../../tdisp/tdisp-testdev.h"
#include "../../../tdisp/soft-tsm.h"

#include "machine.h"
#include "mmio.h"
#include "report.h"
#include "setup.h"
#include "sysfs.h"
#include "tdi.h"
#include "testctl.h"
#include "vm.h"

u64 now_ms(void);
/* "EBUSY" of EBUSY or -EBUSY, "0" of 0 */
const char *errno_name(int err);
void close_fd(int *fd);

/* Wait until @_cond is true, at most @_ms milliseconds; returns whether it is */
#define wait_for(_cond, _ms) ({						\
	u64 __end = now_ms() + (_ms);					\
	bool __ok;							\
									\
	while (!(__ok = (_cond)) && now_ms() < __end)			\
		usleep(1000);						\
	__ok;								\
})

#endif /* SELFTESTS_TDISP_LIB_TDISP_LIB_H */
