// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structures of the RMI as bytes (DEN0137 B4.6): no state, no calls. All fields
 * are little endian, a structure is a granule.
 */
#include <linux/array_size.h>
#include <linux/bitfield.h>
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "rmi-assumed.h"

#define RESULT_STATUS			GENMASK_ULL(7, 0)
#define RESULT_LEVEL			GENMASK_ULL(15, 8)
#define RESULT_MEM			GENMASK_ULL(9, 8)
#define RESULT_CAN_CANCEL		BIT_ULL(10)

#define DONATE_SIZE			GENMASK_ULL(1, 0)
#define DONATE_COUNT			GENMASK_ULL(15, 2)
#define DONATE_CONTIGUOUS		BIT_ULL(16)
#define DONATE_UNDELEGATED		BIT_ULL(17)

#define RANGE_SIZE			GENMASK_ULL(1, 0)
#define RANGE_COUNT			GENMASK_ULL(11, 2)
#define RANGE_ADDR			GENMASK_ULL(51, 12)
#define RANGE_UNDELEGATED		BIT_ULL(63)

#define PDEV_FLAG_SPDM			BIT_ULL(0)
#define PDEV_FLAG_CATEGORY		GENMASK_ULL(2, 1)

/* struct RmiPublicKeyParams */
#define KEY_DATA			0x000
#define KEY_META			0x400
#define KEY_LEN				0x800
#define KEY_META_LEN			0x808
#define KEY_ALGO			0x810

/* struct RmiStreamParams */
#define STREAM_TYPE			0x08
#define STREAM_PDEV_1			0x10
#define STREAM_PDEV_2			0x18
#define STREAM_IDE_SID			0x20
#define STREAM_NR_RANGES		0x28
#define STREAM_RANGES			0x100

/* struct RmiVdevParams */
#define VDEV_ID				0x08
#define VDEV_TDI_ID			0x10
#define VDEV_NR_RANGES			0x30
#define VDEV_RANGES			0x200

#define MEASURE_NONCE			0x100

/* struct RmiDevCommData */
#define ENTER_STATUS			0x000
#define ENTER_REQ_ADDR			0x008
#define ENTER_RSP_ADDR			0x010
#define ENTER_RSP_LEN			0x018
#define EXIT_FLAGS			0x800
#define EXIT_REQ_CACHE_OFF		0x808
#define EXIT_REQ_CACHE_LEN		0x810
#define EXIT_RSP_CACHE_OFF		0x818
#define EXIT_RSP_CACHE_LEN		0x820
#define EXIT_OBJECT			0x828
#define EXIT_PROTOCOL			0x830
#define EXIT_REQ_DELAY			0x838
#define EXIT_REQ_LEN			0x840
#define EXIT_RSP_TIMEOUT		0x848

#define COMM_FLAGS			GENMASK_ULL(6, 0)
#define COMM_PROTOCOL_SECURED		1

/* What the driver calls; @assumed: the number, or that there is such a call */
static const struct {
	u32 fid;
	const char *name;
	bool assumed;
} rmi_calls[] = {
	{ RMI_VERSION, "RMI_VERSION", true },
	{ RMI_FEATURES, "RMI_FEATURES", true },
	{ RMI_PDEV_ABORT, "RMI_PDEV_ABORT" },
	{ RMI_PDEV_COMMUNICATE, "RMI_PDEV_COMMUNICATE" },
	{ RMI_PDEV_CREATE, "RMI_PDEV_CREATE" },
	{ RMI_PDEV_DESTROY, "RMI_PDEV_DESTROY" },
	{ RMI_PDEV_GET_STATE, "RMI_PDEV_GET_STATE" },
	{ RMI_STREAM_KEY_REFRESH, "RMI_STREAM_KEY_REFRESH" },
	{ RMI_PDEV_SET_PUBKEY, "RMI_PDEV_SET_PUBKEY" },
	{ RMI_PDEV_STOP, "RMI_PDEV_STOP" },
	{ RMI_VDEV_ABORT, "RMI_VDEV_ABORT" },
	{ RMI_VDEV_COMMUNICATE, "RMI_VDEV_COMMUNICATE" },
	{ RMI_VDEV_CREATE, "RMI_VDEV_CREATE" },
	{ RMI_VDEV_DESTROY, "RMI_VDEV_DESTROY" },
	{ RMI_VDEV_GET_STATE, "RMI_VDEV_GET_STATE" },
	{ RMI_VDEV_UNLOCK, "RMI_VDEV_UNLOCK" },
	{ RMI_VDEV_GET_INTERFACE_REPORT, "RMI_VDEV_GET_INTERFACE_REPORT" },
	{ RMI_VDEV_GET_MEASUREMENTS, "RMI_VDEV_GET_MEASUREMENTS" },
	{ RMI_VDEV_LOCK, "RMI_VDEV_LOCK" },
	{ RMI_VDEV_START, "RMI_VDEV_START" },
	{ RMI_GRANULE_RANGE_DELEGATE, "RMI_GRANULE_RANGE_DELEGATE" },
	{ RMI_GRANULE_RANGE_UNDELEGATE, "RMI_GRANULE_RANGE_UNDELEGATE" },
	{ RMI_OP_CONTINUE, "RMI_OP_CONTINUE" },
	{ RMI_STREAM_CONNECT, "RMI_STREAM_CONNECT" },
	{ RMI_STREAM_DISCONNECT, "RMI_STREAM_DISCONNECT" },
	{ RMI_STREAM_COMPLETE, "RMI_STREAM_COMPLETE" },
	{ RMI_STREAM_KEY_PURGE, "RMI_STREAM_KEY_PURGE" },
	{ RMI_OP_MEM_DONATE, "RMI_OP_MEM_DONATE" },
	{ RMI_OP_MEM_RECLAIM, "RMI_OP_MEM_RECLAIM" },
	{ RMI_OP_CANCEL, "RMI_OP_CANCEL" },
};

const char *rmi_name(u32 fid)
{
	for (int i = 0; i < ARRAY_SIZE(rmi_calls); i++)
		if (rmi_calls[i].fid == fid)
			return rmi_calls[i].name;
	return "?";
}

bool rmi_verified(u32 fid)
{
	for (int i = 0; i < ARRAY_SIZE(rmi_calls); i++)
		if (rmi_calls[i].fid == fid)
			return !rmi_calls[i].assumed;
	return false;
}

void rmi_decode_result(u64 word, struct rmi_result *res)
{
	*res = (struct rmi_result) {
		.status = FIELD_GET(RESULT_STATUS, word),
	};

	switch (res->status) {
	case RMI_ERROR_RTT:
	case RMI_ERROR_RTT_AUX:
	case RMI_ERROR_DPT:
	case RMI_ERROR_PSMMU_ST:
		res->level = FIELD_GET(RESULT_LEVEL, word);
		break;
	case RMI_INCOMPLETE:
		res->mem = FIELD_GET(RESULT_MEM, word);
		res->can_cancel = FIELD_GET(RESULT_CAN_CANCEL, word);
		break;
	}
}

void rmi_decode_donate(u64 word, struct rmi_donate *donate)
{
	donate->size = FIELD_GET(DONATE_SIZE, word);
	donate->count = FIELD_GET(DONATE_COUNT, word);
	donate->contiguous = FIELD_GET(DONATE_CONTIGUOUS, word);
	donate->undelegated = FIELD_GET(DONATE_UNDELEGATED, word);
}

u64 rmi_encode_range(const struct rmi_range *range)
{
	return FIELD_PREP(RANGE_SIZE, range->size) |
	       FIELD_PREP(RANGE_COUNT, range->count) |
	       (range->pa & RANGE_ADDR) |
	       FIELD_PREP(RANGE_UNDELEGATED, range->undelegated);
}

void rmi_decode_range(u64 word, struct rmi_range *range)
{
	range->pa = word & RANGE_ADDR;
	range->count = FIELD_GET(RANGE_COUNT, word);
	range->size = FIELD_GET(RANGE_SIZE, word);
	range->undelegated = FIELD_GET(RANGE_UNDELEGATED, word);
}

static void put64(void *page, u32 off, u64 val)
{
	put_unaligned_le64(val, page + off);
}

static u64 get64(const void *page, u32 off)
{
	return get_unaligned_le64(page + off);
}

static u64 pdev_flags(const struct rmi_pdev_params *params)
{
	return FIELD_PREP(PDEV_FLAG_SPDM, params->spdm) |
	       FIELD_PREP(PDEV_FLAG_CATEGORY, params->category);
}

/* TF-RMM: the host bridge comes first, and there is no limit for VDEVs */
static void encode_pdev_params_bet0(void *page,
				    const struct rmi_pdev_params *params)
{
	put64(page, 0x00, pdev_flags(params));
	put64(page, 0x08, params->hb_base);
	put64(page, 0x10, params->pdev_id);
	put64(page, 0x18, params->routing_id);
	put64(page, 0x20, params->id_index);
	put_unaligned_le32(params->rid_base, page + 0x28);
	put_unaligned_le32(params->rid_top, page + 0x30);
	*(u8 *)(page + 0x38) = params->hash;
}

void rmi_encode_pdev_params(void *page, const struct rmi_pdev_params *params,
			    enum rmi_variant variant)
{
	memset(page, 0, RMI_GRANULE_SIZE);
	if (variant == RMI_2_0_BET0) {
		encode_pdev_params_bet0(page, params);
		return;
	}
	put64(page, 0x00, pdev_flags(params));
	put64(page, 0x08, params->pdev_id);
	put64(page, 0x10, params->routing_id);
	put64(page, 0x18, params->id_index);
	put_unaligned_le16(params->rid_base, page + 0x20);
	put_unaligned_le16(params->rid_top, page + 0x28);
	*(u8 *)(page + 0x30) = params->hash;
	put64(page, 0x38, params->max_vdevs_order);
}

static size_t key_size(u8 algo)
{
	switch (algo) {
	case RMI_KEY_RSASSA_3072:
		return 384;
	case RMI_KEY_ECDSA_P256:
		return 65;
	case RMI_KEY_ECDSA_P384:
		return 97;
	default:
		return 0;
	}
}

int rmi_encode_public_key(void *page, const struct rmi_public_key *key)
{
	if (!key->len || key->len != key_size(key->algo) ||
	    key->meta_len > RMI_KEY_MAX)
		return -EINVAL;

	memset(page, 0, RMI_GRANULE_SIZE);
	memcpy(page + KEY_DATA, key->key, key->len);
	if (key->meta_len)
		memcpy(page + KEY_META, key->meta, key->meta_len);
	put64(page, KEY_LEN, key->len);
	put64(page, KEY_META_LEN, key->meta_len);
	*(u8 *)(page + KEY_ALGO) = key->algo;
	return 0;
}

static void put_ranges(void *page, u32 off, const struct rmi_addr_range *ranges,
		       u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		put64(page, off + 16 * i, ranges[i].base);
		put64(page, off + 16 * i + 8, ranges[i].top);
	}
}

int rmi_encode_stream_params(void *page, const struct rmi_stream_params *params)
{
	if (params->nr_ranges > RMI_STREAM_MAX_RANGES)
		return -EINVAL;

	memset(page, 0, RMI_GRANULE_SIZE);
	*(u8 *)(page + STREAM_TYPE) = params->type;
	put64(page, STREAM_PDEV_1, params->pdev_1);
	put64(page, STREAM_PDEV_2, params->pdev_2);
	put64(page, STREAM_IDE_SID, params->ide_sid);
	put64(page, STREAM_NR_RANGES, params->nr_ranges);
	put_ranges(page, STREAM_RANGES, params->ranges, params->nr_ranges);
	return 0;
}

int rmi_encode_vdev_params(void *page, const struct rmi_vdev_params *params)
{
	if (params->nr_ranges > RMI_VDEV_MAX_RANGES)
		return -EINVAL;

	memset(page, 0, RMI_GRANULE_SIZE);
	put64(page, VDEV_ID, params->vdev_id);
	put64(page, VDEV_TDI_ID, params->tdi_id);
	put64(page, VDEV_NR_RANGES, params->nr_ranges);
	put_ranges(page, VDEV_RANGES, params->ranges, params->nr_ranges);
	return 0;
}

void rmi_encode_measure_params(void *page, const u8 *nonce)
{
	memset(page, 0, RMI_GRANULE_SIZE);
	memcpy(page + MEASURE_NONCE, nonce, RMI_MEASURE_NONCE_SIZE);
}

/* The rest of the page is the RMM's to write */
void rmi_encode_comm_enter(void *page, const struct rmi_comm_enter *enter)
{
	put64(page, ENTER_STATUS, enter->status);
	put64(page, ENTER_REQ_ADDR, enter->req_addr);
	put64(page, ENTER_RSP_ADDR, enter->rsp_addr);
	put64(page, ENTER_RSP_LEN, enter->rsp_len);
}

static bool inside_granule(u64 off, u64 len)
{
	return off <= RMI_GRANULE_SIZE && len <= RMI_GRANULE_SIZE - off;
}

/* A9.5 guarantees all of it; what does not keep that is not acted on */
static bool comm_exit_valid(const void *page)
{
	u64 flags = get64(page, EXIT_FLAGS);

	if (flags & ~COMM_FLAGS)
		return false;
	if (flags & RMI_COMM_REQ_SEND && flags & RMI_COMM_RSP_WAIT)
		return false;
	if (flags & RMI_COMM_MULTI && !(flags & RMI_COMM_REQ_SEND))
		return false;
	if (flags & RMI_COMM_REQ_SEND &&
	    (!get64(page, EXIT_REQ_LEN) ||
	     get64(page, EXIT_REQ_LEN) > RMI_GRANULE_SIZE))
		return false;
	if (flags & RMI_COMM_REQ_CACHE &&
	    !inside_granule(get64(page, EXIT_REQ_CACHE_OFF),
			    get64(page, EXIT_REQ_CACHE_LEN)))
		return false;
	if (flags & RMI_COMM_RSP_CACHE &&
	    !inside_granule(get64(page, EXIT_RSP_CACHE_OFF),
			    get64(page, EXIT_RSP_CACHE_LEN)))
		return false;
	return true;
}

/**
 * rmi_decode_comm_exit() - Take apart what COMMUNICATE says
 * @page: struct RmiDevCommData
 * @exit: what it says
 *
 * Return: 0, or -EBADMSG for what the specification rules out.
 */
int rmi_decode_comm_exit(const void *page, struct rmi_comm_exit *exit)
{
	const u8 *bytes = page;

	if (!comm_exit_valid(page))
		return -EBADMSG;

	*exit = (struct rmi_comm_exit) {
		.flags = get64(page, EXIT_FLAGS),
		.object = bytes[EXIT_OBJECT],
		.secured = bytes[EXIT_PROTOCOL] == COMM_PROTOCOL_SECURED,
		.req_delay_us = get64(page, EXIT_REQ_DELAY),
		.rsp_timeout_us = get64(page, EXIT_RSP_TIMEOUT),
	};
	if (exit->flags & RMI_COMM_REQ_SEND)
		exit->req_len = get64(page, EXIT_REQ_LEN);
	if (exit->flags & RMI_COMM_REQ_CACHE) {
		exit->req_cache_off = get64(page, EXIT_REQ_CACHE_OFF);
		exit->req_cache_len = get64(page, EXIT_REQ_CACHE_LEN);
	}
	if (exit->flags & RMI_COMM_RSP_CACHE) {
		exit->rsp_cache_off = get64(page, EXIT_RSP_CACHE_OFF);
		exit->rsp_cache_len = get64(page, EXIT_RSP_CACHE_LEN);
	}
	return 0;
}
