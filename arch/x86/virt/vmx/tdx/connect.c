// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDX Connect: the calls of the TDX module for devices, one function each, which
 * puts the operands into registers and takes the results out of them, and nothing
 * else. When to call which, and what to do about a status, is the business of the
 * tdx-connect driver.
 */
#include <linux/export.h>

#include <asm/tdx.h>
#include <asm/tdx_connect.h>

#include "connect.h"
#include "seamcall_internal.h"
#include "tdx.h"

/* Read a metadata field of the module that does not change */
u64 tdh_connect_sys_rd(u64 field, u64 *val)
{
	struct tdx_module_args args = {
		.rdx = field,
	};
	u64 status;

	status = seamcall_ret(TDH_SYS_RD, &args);
	*val = args.r8;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_connect_sys_rd, "tdx-connect");

/* Write back what the module has left of a page in caches: before it is used */
u64 tdh_connect_page_wbinvd(u64 pa)
{
	struct tdx_module_args args = {
		.rcx = tdx_global_keyed_paddr(pa),
	};

	return seamcall(TDH_PHYMEM_PAGE_WBINVD, &args);
}
EXPORT_SYMBOL_FOR_MODULES(tdh_connect_page_wbinvd, "tdx-connect");

u64 tdh_ext_init(void)
{
	struct tdx_module_args args = {};

	return seamcall(TDH_EXT_INIT, &args);
}
EXPORT_SYMBOL_FOR_MODULES(tdh_ext_init, "tdx-connect");

u64 tdh_ext_mem_add(u64 list)
{
	struct tdx_module_args args = {
		.rcx = list,
	};

	return seamcall(TDH_EXT_MEM_ADD, &args);
}
EXPORT_SYMBOL_FOR_MODULES(tdh_ext_mem_add, "tdx-connect");

u64 tdh_iommu_setup(u64 vtbar, u64 mt, u64 *iommu_id)
{
	struct tdx_module_args args = {
		.rcx = vtbar,
		.rdx = mt,
	};
	u64 status;

	status = seamcall_ret(TDH_IOMMU_SETUP, &args);
	*iommu_id = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_iommu_setup, "tdx-connect");

u64 tdh_iommu_clear(u64 iommu_id)
{
	struct tdx_module_args args = {
		.rcx = iommu_id,
	};

	return seamcall(TDH_IOMMU_CLEAR, &args);
}
EXPORT_SYMBOL_FOR_MODULES(tdh_iommu_clear, "tdx-connect");

u64 tdh_spdm_create(u64 func_id, u64 mt, u64 *spdm_id)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = mt,
	};
	u64 status;

	status = seamcall_ret(TDH_SPDM_CREATE, &args);
	*spdm_id = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_spdm_create, "tdx-connect");

u64 tdh_spdm_delete(u64 spdm_id, u64 release, u64 *released)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = release,
	};
	u64 status;

	status = seamcall_ret(TDH_SPDM_DELETE, &args);
	*released = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_spdm_delete, "tdx-connect");

u64 tdh_spdm_connect(u64 spdm_id, u64 config, u64 resp, u64 req, u64 output,
		     u64 *len)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = config,
		.r8 = resp,
		.r9 = req,
		.r10 = output,
	};
	u64 status;

	status = seamcall_ret(TDH_SPDM_CONNECT, &args);
	*len = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_spdm_connect, "tdx-connect");

u64 tdh_spdm_disconnect(u64 spdm_id, u64 resp, u64 req, u64 *len)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = resp,
		.r8 = req,
	};
	u64 status;

	status = seamcall_ret(TDH_SPDM_DISCONNECT, &args);
	*len = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_spdm_disconnect, "tdx-connect");

u64 tdh_spdm_mng(u64 spdm_id, enum tdx_spdm_mng_op op, u64 param, u64 resp,
		 u64 req, u64 output, u64 *len)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = op,
		.r8 = param,
		.r9 = resp,
		.r10 = req,
		.r11 = output,
	};
	u64 status;

	status = seamcall_ret(TDH_SPDM_MNG, &args);
	*len = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_spdm_mng, "tdx-connect");

/* The only one with operands in registers that a function has to preserve */
u64 tdh_ide_stream_create(const struct tdx_ide_stream *stream, u64 *stream_id,
			  u64 *rp_ide_id)
{
	struct tdx_module_args args = {
		.rcx = stream->rp_info,
		.rdx = stream->spdm_id,
		.r8 = stream->mt,
		.r9 = stream->control,
		.r10 = stream->rid[0],
		.r11 = stream->rid[1],
		.r12 = stream->addr[0],
		.r13 = stream->addr[1],
		.r14 = stream->addr[2],
	};
	u64 status;

	status = seamcall_saved_ret(TDH_IDE_STREAM_CREATE, &args);
	*stream_id = args.rcx;
	*rp_ide_id = args.rdx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_ide_stream_create, "tdx-connect");

u64 tdh_ide_stream_block(u64 spdm_id, u64 stream_id)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = stream_id,
	};

	return seamcall(TDH_IDE_STREAM_BLOCK, &args);
}
EXPORT_SYMBOL_FOR_MODULES(tdh_ide_stream_block, "tdx-connect");

u64 tdh_ide_stream_delete(u64 spdm_id, u64 stream_id, u64 release)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = stream_id,
		.r8 = release,
	};

	return seamcall_ret(TDH_IDE_STREAM_DELETE, &args);
}
EXPORT_SYMBOL_FOR_MODULES(tdh_ide_stream_delete, "tdx-connect");

u64 tdh_ide_stream_km(u64 spdm_id, u64 stream_id, enum tdx_ide_km_op op,
		      u64 resp, u64 req, u64 *len)
{
	struct tdx_module_args args = {
		.rcx = spdm_id,
		.rdx = stream_id,
		.r8 = op,
		.r9 = resp,
		.r10 = req,
	};
	u64 status;

	status = seamcall_ret(TDH_IDE_STREAM_KM, &args);
	*len = args.rcx;
	return status;
}
EXPORT_SYMBOL_FOR_MODULES(tdh_ide_stream_km, "tdx-connect");

#ifdef TDX_CONNECT_MODEL
/* Numbers and registers not found: agreed upon with the model, and nobody else */
const struct tdx_not_found tdx_not_found[] = {
	{ "TDH_TDI_CREATE", TDH_TDI_CREATE },
	{ "TDH_TDI_LOCK", TDH_TDI_LOCK },
	{ "TDH_TDI_START", TDH_TDI_START },
	{ "TDH_TDI_STOP", TDH_TDI_STOP },
	{ "TDH_TDI_REMOVE", TDH_TDI_REMOVE },
	{ "TDH_TDI_STATE", TDH_TDI_STATE },
	{ "TDH_TDI_REPORT", TDH_TDI_REPORT },
	{ "TDH_MMIO_MT_ADD", TDH_MMIO_MT_ADD },
	{ "TDH_MMIO_MT_SET", TDH_MMIO_MT_SET },
	{ "TDH_MMIO_MT_REMOVE", TDH_MMIO_MT_REMOVE },
	{}
};

static u64 tdh_tdi_exchange(u64 leaf, u64 func_id, u64 resp, u64 req,
			    u64 output, u64 *len)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = resp,
		.r8 = req,
		.r9 = output,
	};
	u64 status;

	status = seamcall_ret(leaf, &args);
	*len = args.rcx;
	return status;
}

u64 tdh_tdi_create(u64 func_id, u64 tdr, u64 stream_id, u64 spdm_id, u64 mt)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = tdr,
		.r8 = stream_id,
		.r9 = spdm_id,
		.r10 = mt,
	};

	return seamcall(TDH_TDI_CREATE, &args);
}

u64 tdh_tdi_lock(u64 func_id, u64 resp, u64 req, u64 *len)
{
	return tdh_tdi_exchange(TDH_TDI_LOCK, func_id, resp, req, 0, len);
}

u64 tdh_tdi_start(u64 func_id, u64 resp, u64 req, u64 *len)
{
	return tdh_tdi_exchange(TDH_TDI_START, func_id, resp, req, 0, len);
}

u64 tdh_tdi_stop(u64 func_id, u64 resp, u64 req, u64 *len)
{
	return tdh_tdi_exchange(TDH_TDI_STOP, func_id, resp, req, 0, len);
}

/* *@len is the state of TDISP when it succeeds */
u64 tdh_tdi_state(u64 func_id, u64 resp, u64 req, u64 *len)
{
	return tdh_tdi_exchange(TDH_TDI_STATE, func_id, resp, req, 0, len);
}

u64 tdh_tdi_report(u64 func_id, u64 resp, u64 req, u64 output, u64 *len)
{
	return tdh_tdi_exchange(TDH_TDI_REPORT, func_id, resp, req, output,
				len);
}

u64 tdh_tdi_remove(u64 func_id, u64 release)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = release,
	};

	return seamcall_ret(TDH_TDI_REMOVE, &args);
}

/* Metadata for the 2 MiB of MMIO at @pa go into the page @mt */
u64 tdh_mmio_mt_add(u64 func_id, u64 pa, u64 mt)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = pa,
		.r8 = mt,
	};

	return seamcall(TDH_MMIO_MT_ADD, &args);
}

/* @npages from @pa on, within 2 MiB that have metadata, are the TDI's */
u64 tdh_mmio_mt_set(u64 func_id, u64 pa, u64 npages)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = pa,
		.r8 = npages,
	};

	return seamcall(TDH_MMIO_MT_SET, &args);
}

/* *@mt is the page that is given back */
u64 tdh_mmio_mt_remove(u64 func_id, u64 pa, u64 *mt)
{
	struct tdx_module_args args = {
		.rcx = func_id,
		.rdx = pa,
	};
	u64 status;

	status = seamcall_ret(TDH_MMIO_MT_REMOVE, &args);
	*mt = args.rcx;
	return status;
}
#endif /* TDX_CONNECT_MODEL */
