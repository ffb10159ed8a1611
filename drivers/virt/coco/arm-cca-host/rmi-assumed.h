/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What no public source that was read confirms: numbers of calls that nothing
 * works without, and of states. Until somebody has checked them against the
 * specification, rmi_may_assume() keeps them, and with them the whole driver,
 * from real hardware; only a test module with a model below says yes.
 */
#ifndef __ARM_CCA_HOST_RMI_ASSUMED_H
#define __ARM_CCA_HOST_RMI_ASSUMED_H

#include "rmi.h"

/* (version wanted), x1 lower, x2 higher version; (index), x1 register */
#define RMI_VERSION			RMI_FID(0x150)
#define RMI_FEATURES			RMI_FID(0x165)

#define RMI_ABI_2_0			(2 << 16)

/* Feature register 2; the bits are verified, how to read it is not */
#define RMI_FEATURES_DA			2
#define RMI_FEATURE_DA			BIT_ULL(0)
#define RMI_FEATURE_MAX_VDEVS_ORDER	GENMASK_ULL(7, 4)
#define RMI_FEATURE_VDEV_KROU		BIT_ULL(8)

/*
 * (pdev), x1 is one of these
 */
enum rmi_pdev_state {
	RMI_PDEV_NEW = 0,
	RMI_PDEV_NEEDS_KEY = 1,
	RMI_PDEV_HAS_KEY = 2,
	RMI_PDEV_READY = 3,
	RMI_PDEV_STOPPED = 4,
	RMI_PDEV_ERROR = 5,
};

/* (rd, pdev, vdev), x1 is one of these */
enum rmi_vdev_state {
	RMI_VDEV_NEW = 0,
	RMI_VDEV_UNLOCKED = 1,
	RMI_VDEV_LOCKED = 2,
	RMI_VDEV_STARTED = 3,
	RMI_VDEV_ERROR = 4,
	RMI_VDEV_KEY_REFRESH = 5,
	RMI_VDEV_KEY_PURGE = 6,
};

#endif /* __ARM_CCA_HOST_RMI_ASSUMED_H */
