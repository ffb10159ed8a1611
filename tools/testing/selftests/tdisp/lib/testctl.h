/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tdisp-testctl: the observer beside the test devices. It tells states, injects
 * faults and keeps the log of events without a message to the devices. Not for
 * two processes at the same time, its registers are behind a selector.
 */
#ifndef SELFTESTS_TDISP_LIB_TESTCTL_H
#define SELFTESTS_TDISP_LIB_TESTCTL_H

#include <linux/types.h>

/**
 * struct testctl_event - An entry of the log
 * @seq: its number
 * @rid: function, or root port, that it is about
 * @type: TDISP_EV_*
 * @arg: depends on the type, see tdisp-testdev.h
 * @time_ns: virtual time of the machine
 */
struct testctl_event {
	u32 seq;
	u16 rid;
	u32 type;
	u32 arg[3];
	u64 time_ns;
};

#define TESTCTL_ANY		0xffffffff

/* 0, -ENODEV without such a device, or another negative errno */
int testctl_open(void);
void testctl_close(void);

/* Registers of a function, TDISP_CTL_RID and following; all ones if unknown */
u32 testctl_get(u16 rid, u32 reg);
void testctl_set(u16 rid, u32 reg, u32 val);
/* State of the TDI, TDISP_STATE_* */
u32 testctl_state(u16 rid);
/* No fault of a function is left */
void testctl_clear_faults(u16 rid);

/* Number of the event that will be next */
u32 testctl_log_end(void);
/* 0, -ENOENT if it is yet to come, -EOVERFLOW if it was overwritten */
int testctl_log_read(u32 seq, struct testctl_event *ev);
/*
 * First event at or after @from with this type, and these arguments unless
 * TESTCTL_ANY. 0, -ENOENT, or -EOVERFLOW if the log does not reach back to @from
 */
int testctl_find(u32 from, u16 rid, u32 type, u32 arg0, u32 arg1,
		 struct testctl_event *ev);
/* How many there are, or a negative errno */
int testctl_count(u32 from, u16 rid, u32 type, u32 arg0, u32 arg1);
/* For people: the events of a function from @from on */
void testctl_log_print(u32 from, u16 rid);

#endif /* SELFTESTS_TDISP_LIB_TESTCTL_H */
