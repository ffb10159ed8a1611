/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lowest calls of the code under test go to the model of the TDX module.
 * Included before its source: the declarations have to be read before the names
 * are taken. TDX_CONNECT_MODEL lets in what no machine must be asked for.
 */
#ifndef TDISP_TDXM_REDIRECT_H
#define TDISP_TDXM_REDIRECT_H

#define TDX_CONNECT_MODEL

#include <linux/export.h>
#include <linux/init.h>
#include <linux/module.h>

#include <asm/cpu_device_id.h>
#include <asm/tdx.h>

#include "../../../arch/x86/virt/vmx/tdx/seamcall_internal.h"
#include "../../../arch/x86/virt/vmx/tdx/tdx.h"
#include "tdxm_driver.h"

static inline bool tdxm_match_cpu(const struct x86_cpu_id *ids)
{
	return ids;
}

#undef seamcall
#undef seamcall_ret
#undef seamcall_saved_ret
#define seamcall(fn, args)		tdxm_seamcall(fn, args)
#define seamcall_ret(fn, args)		tdxm_seamcall(fn, args)
#define seamcall_saved_ret(fn, args)	tdxm_seamcall(fn, args)
#define tdx_global_keyed_paddr(pa)	((pa) | TDXM_KEYID)
#define iommu_tsm_dma			tdxm_iommu_dma
#define tdx_get_sysinfo			tdxm_sysinfo
#define tdx_connect_configured		tdxm_configured
#define x86_match_cpu			tdxm_match_cpu

/* The calls are this module's own, and it is no driver of a processor */
#undef EXPORT_SYMBOL_FOR_MODULES
#define EXPORT_SYMBOL_FOR_MODULES(symbol, modules)
#undef MODULE_DEVICE_TABLE
#define MODULE_DEVICE_TABLE(type, ids)
#undef MODULE_DESCRIPTION
#define MODULE_DESCRIPTION(text)
#undef module_init
#define module_init(fn)	int __copy(fn) __alias(fn) tdxm_driver_init(void)
#undef module_exit
#define module_exit(fn)	void __copy(fn) __alias(fn) tdxm_driver_exit(void)

#endif /* TDISP_TDXM_REDIRECT_H */
