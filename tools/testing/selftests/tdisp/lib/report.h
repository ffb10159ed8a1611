/* SPDX-License-Identifier: GPL-2.0-only */
/* TDISP device interface report, and names of numbers of TDISP */
#ifndef SELFTESTS_TDISP_LIB_REPORT_H
#define SELFTESTS_TDISP_LIB_REPORT_H

#include <stddef.h>
#include <linux/types.h>

#define REPORT_MAX_RANGES	16

struct report_range {
	u64 first_page;
	u32 pages;
	u16 attr;
	u16 id;
};

struct report {
	u16 info;
	u16 msix_ctrl;
	u32 nr_ranges;
	struct report_range range[REPORT_MAX_RANGES];
	const void *device_info;
	u32 device_info_len;
};

/* 0, or -EBADMSG if the lengths do not add up */
int report_parse(struct report *report, const void *data, size_t len);

const char *tdisp_state_name(u32 state);
const char *tdisp_error_name(u32 code);
const char *tdisp_request_name(u8 code);

#endif /* SELFTESTS_TDISP_LIB_REPORT_H */
