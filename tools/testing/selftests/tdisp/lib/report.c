// SPDX-License-Identifier: GPL-2.0-only
/* TDISP device interface report, and names of numbers of TDISP */
#include <errno.h>
#include <string.h>

#include "tdisp_lib.h"

static u64 get_le(const u8 *p, int bytes)
{
	u64 val = 0;

	while (bytes--)
		val = val << 8 | p[bytes];
	return val;
}

int report_parse(struct report *report, const void *data, size_t len)
{
	const u8 *p = data;
	size_t info_off;

	memset(report, 0, sizeof(*report));
	if (len < TDISP_REPORT_RANGES_OFF)
		return -EBADMSG;
	report->info = get_le(p + TDISP_REPORT_INFO_OFF, 2);
	report->msix_ctrl = get_le(p + TDISP_REPORT_MSIX_CTRL_OFF, 2);
	report->nr_ranges = get_le(p + TDISP_REPORT_RANGE_COUNT_OFF, 4);
	if (report->nr_ranges > REPORT_MAX_RANGES)
		return -EBADMSG;

	info_off = TDISP_REPORT_RANGES_OFF +
		   report->nr_ranges * TDISP_REPORT_RANGE_SIZE;
	if (len < info_off + 4)
		return -EBADMSG;
	for (u32 i = 0; i < report->nr_ranges; i++) {
		struct report_range *range = &report->range[i];
		const u8 *rec = p + TDISP_REPORT_RANGES_OFF +
				i * TDISP_REPORT_RANGE_SIZE;

		range->first_page = get_le(rec + TDISP_RANGE_FIRST_PAGE_OFF, 8);
		range->pages = get_le(rec + TDISP_RANGE_PAGES_OFF, 4);
		range->attr = get_le(rec + TDISP_RANGE_ATTR_OFF, 2);
		range->id = get_le(rec + TDISP_RANGE_ID_OFF, 2);
	}
	report->device_info_len = get_le(p + info_off, 4);
	report->device_info = p + info_off + 4;
	return len - info_off - 4 == report->device_info_len ? 0 : -EBADMSG;
}

const char *tdisp_state_name(u32 state)
{
	static const char * const names[] = {
		[TDISP_STATE_UNLOCKED] = "CONFIG_UNLOCKED",
		[TDISP_STATE_LOCKED] = "CONFIG_LOCKED",
		[TDISP_STATE_RUN] = "RUN",
		[TDISP_STATE_ERROR] = "ERROR",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "?";
}

const char *tdisp_error_name(u32 code)
{
	switch (code) {
	case TDISP_ERR_INVALID_REQUEST: return "INVALID_REQUEST";
	case TDISP_ERR_BUSY: return "BUSY";
	case TDISP_ERR_INVALID_STATE: return "INVALID_INTERFACE_STATE";
	case TDISP_ERR_UNSPECIFIED: return "UNSPECIFIED";
	case TDISP_ERR_UNSUPPORTED_REQUEST: return "UNSUPPORTED_REQUEST";
	case TDISP_ERR_VERSION_MISMATCH: return "VERSION_MISMATCH";
	case TDISP_ERR_VENDOR_SPECIFIC: return "VENDOR_SPECIFIC_ERROR";
	case TDISP_ERR_INVALID_INTERFACE: return "INVALID_INTERFACE";
	case TDISP_ERR_INVALID_NONCE: return "INVALID_NONCE";
	case TDISP_ERR_INSUFFICIENT_ENTROPY: return "INSUFFICIENT_ENTROPY";
	case TDISP_ERR_INVALID_CONFIG: return "INVALID_DEVICE_CONFIGURATION";
	default: return "?";
	}
}

const char *tdisp_request_name(u8 code)
{
	switch (code) {
	case TDISP_GET_VERSION: return "GET_TDISP_VERSION";
	case TDISP_GET_CAPABILITIES: return "GET_TDISP_CAPABILITIES";
	case TDISP_LOCK_INTERFACE: return "LOCK_INTERFACE_REQUEST";
	case TDISP_GET_INTERFACE_REPORT: return "GET_DEVICE_INTERFACE_REPORT";
	case TDISP_GET_INTERFACE_STATE: return "GET_DEVICE_INTERFACE_STATE";
	case TDISP_START_INTERFACE: return "START_INTERFACE_REQUEST";
	case TDISP_STOP_INTERFACE: return "STOP_INTERFACE_REQUEST";
	case TDISP_BIND_P2P_STREAM: return "BIND_P2P_STREAM_REQUEST";
	case TDISP_UNBIND_P2P_STREAM: return "UNBIND_P2P_STREAM_REQUEST";
	case TDISP_SET_MMIO_ATTRIBUTE: return "SET_MMIO_ATTRIBUTE_REQUEST";
	case TDISP_VDM: return "VDM_REQUEST";
	default: return "?";
	}
}
