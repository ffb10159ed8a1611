/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls of the TDX module for devices, for the tdx-connect driver. All return
 * the status of the module, TDX_SUCCESS or one with TDX_ERROR. Addresses are
 * physical, @mt and @output are of type HPA_ARRAY: TDX_HPA_ARRAY().
 */
#ifndef _ASM_X86_TDX_CONNECT_H
#define _ASM_X86_TDX_CONNECT_H

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/types.h>

#include <asm/tdx.h>

/* Bits of the TDX_FEATURES0 metadata field: verified */
#define TDX_FEATURES0_TDXCONNECT	BIT_ULL(6)
#define TDX_FEATURES0_EXT		BIT_ULL(39)

/* Metadata fields of the module: verified */
#define TDX_MD_EXT_POOL_PAGES		0x3100000100000000ULL
#define TDX_MD_EXT_REQUIRED		0x3100000100000001ULL
#define TDX_MD_IDE_MT_PAGES		0x3000000100000001ULL
#define TDX_MD_SPDM_MT_PAGES		0x3000000100000002ULL
#define TDX_MD_IOMMU_MT_PAGES		0x3000000100000003ULL
#define TDX_MD_DEVINFO_PAGES		0x3000000100000007ULL

/* Statuses: verified */
#define TDX_SPDM_REQUEST		0xC0000F5700000000ULL
#define TDX_SPDM_KEY_REFRESH		0xC0000F4500000000ULL

/* HPA_ARRAY_T: a page, or a page that lists up to 512 of them: verified */
#define TDX_HPA_ARRAY_PAGE		GENMASK_ULL(51, 12)
#define TDX_HPA_ARRAY_LAST		GENMASK_ULL(63, 55)
#define TDX_HPA_ARRAY_MAX		512U
#define TDX_HPA_ARRAY(pa, nr)		((pa) | FIELD_PREP(TDX_HPA_ARRAY_LAST, \
							   (nr) - 1))

/* HPA_LIST_INFO: entries of a page that lists pages: verified */
#define TDX_HPA_LIST_FIRST		GENMASK_ULL(11, 3)
#define TDX_HPA_LIST_PAGE		GENMASK_ULL(51, 12)
#define TDX_HPA_LIST_LAST		GENMASK_ULL(63, 55)

/* func_id: requester ID, and segment: verified */
#define TDX_FUNC_ID_RID			GENMASK(15, 0)
#define TDX_FUNC_ID_SEGMENT		GENMASK(23, 16)
#define TDX_FUNC_ID_SEGMENT_VALID	BIT(24)

/* Operations of TDH.IDE.STREAM.KM: verified */
enum tdx_ide_km_op {
	TDX_IDE_KM_SETUP = 0,
	TDX_IDE_KM_REFRESH = 1,
	TDX_IDE_KM_STOP = 2,
};

/* Operations of TDH.SPDM.MNG: verified */
enum tdx_spdm_mng_op {
	TDX_SPDM_HEARTBEAT = 0,
	TDX_SPDM_KEY_UPDATE = 1,
	TDX_SPDM_RECOLLECT = 2,
};

/**
 * struct tdx_spdm_config - What TDH.SPDM.CONNECT is to negotiate: verified
 * @vmm_spdm_cap: TDX_SPDM_CAP_*, what the host takes care of
 * @policy: of the session
 * @cert_slot_mask: slots of the device that have a certificate to use
 * @raw: device information is not digested
 */
struct tdx_spdm_config {
	__le32 vmm_spdm_cap;
	u8 policy;
	u8 cert_slot_mask;
	u8 raw;
} __packed;

#define TDX_SPDM_CAP_HBEAT		BIT(13)
#define TDX_SPDM_CAP_KEY_UPD		BIT(14)

/* Root port of a stream, @rp_info of struct tdx_ide_stream: verified */
#define TDX_IDE_RP_DEVFN		GENMASK(7, 0)
#define TDX_IDE_RP_SELECTIVE		BIT(8)

/**
 * struct tdx_ide_stream - What TDH.IDE.STREAM.CREATE is told
 * @rp_info: root port, TDX_IDE_RP_*
 * @spdm_id: session with the device
 * @mt: pages for the module
 * @control: as the control register of a selective stream of the root port
 * @rid: RID association registers of the root port
 * @addr: and those of one address association
 */
struct tdx_ide_stream {
	u64 rp_info;
	u64 spdm_id;
	u64 mt;
	u64 control;
	u64 rid[2];
	u64 addr[3];
};

bool tdx_connect_configured(void);
u64 tdh_connect_sys_rd(u64 field, u64 *val);
u64 tdh_connect_page_wbinvd(u64 pa);
u64 tdh_ext_init(void);
u64 tdh_ext_mem_add(u64 list);
u64 tdh_iommu_setup(u64 vtbar, u64 mt, u64 *iommu_id);
u64 tdh_iommu_clear(u64 iommu_id);
u64 tdh_spdm_create(u64 func_id, u64 mt, u64 *spdm_id);
u64 tdh_spdm_delete(u64 spdm_id, u64 release, u64 *released);
u64 tdh_spdm_connect(u64 spdm_id, u64 config, u64 resp, u64 req, u64 output,
		     u64 *len);
u64 tdh_spdm_disconnect(u64 spdm_id, u64 resp, u64 req, u64 *len);
u64 tdh_spdm_mng(u64 spdm_id, enum tdx_spdm_mng_op op, u64 param, u64 resp,
		 u64 req, u64 output, u64 *len);
u64 tdh_ide_stream_create(const struct tdx_ide_stream *stream, u64 *stream_id,
			  u64 *rp_ide_id);
u64 tdh_ide_stream_block(u64 spdm_id, u64 stream_id);
u64 tdh_ide_stream_delete(u64 spdm_id, u64 stream_id, u64 release);
u64 tdh_ide_stream_km(u64 spdm_id, u64 stream_id, enum tdx_ide_km_op op,
		      u64 resp, u64 req, u64 *len);

#ifdef TDX_CONNECT_MODEL
/* What is only asked of a model, see arch/x86/virt/vmx/tdx/connect.h */
struct tdx_not_found {
	const char *name;
	u16 leaf;
};

extern const struct tdx_not_found tdx_not_found[];

u64 tdh_tdi_create(u64 func_id, u64 tdr, u64 stream_id, u64 spdm_id, u64 mt);
u64 tdh_tdi_lock(u64 func_id, u64 resp, u64 req, u64 *len);
u64 tdh_tdi_start(u64 func_id, u64 resp, u64 req, u64 *len);
u64 tdh_tdi_stop(u64 func_id, u64 resp, u64 req, u64 *len);
u64 tdh_tdi_state(u64 func_id, u64 resp, u64 req, u64 *len);
u64 tdh_tdi_report(u64 func_id, u64 resp, u64 req, u64 output, u64 *len);
u64 tdh_tdi_remove(u64 func_id, u64 release);
u64 tdh_mmio_mt_add(u64 func_id, u64 pa, u64 mt);
u64 tdh_mmio_mt_set(u64 func_id, u64 pa, u64 npages);
u64 tdh_mmio_mt_remove(u64 func_id, u64 pa, u64 *mt);
#endif

#endif /* _ASM_X86_TDX_CONNECT_H */
