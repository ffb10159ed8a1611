/* SPDX-License-Identifier: GPL-2.0-only */
/* What the driver under test meets in place of the machine, and the way round */
#ifndef TDISP_TDXM_DRIVER_H
#define TDISP_TDXM_DRIVER_H

#include <linux/types.h>

struct device;
struct tdx_module_args;
struct tdx_sys_info;

/* The module's own key in a physical address, as the host has to say it */
#define TDXM_KEYID	(0x21ULL << 46)

u64 tdxm_seamcall(u64 fn, struct tdx_module_args *args);
const struct tdx_sys_info *tdxm_sysinfo(void);
bool tdxm_configured(void);
int tdxm_iommu_dma(struct device *dev, bool on);

/* module_init() and module_exit() of the driver */
int tdxm_driver_init(void);
void tdxm_driver_exit(void);

#endif /* TDISP_TDXM_DRIVER_H */
