/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the library, which returns errors, and kselftest_harness.h */
#ifndef SELFTESTS_TDISP_TDISP_HARNESS_H
#define SELFTESTS_TDISP_TDISP_HARNESS_H

#include <stdlib.h>
#include <unistd.h>

#include "lib/tdisp_lib.h"
#include "../kselftest_harness.h"

/* @_cmd, which returns 0 or a negative errno, must work */
#define test_cmd(_cmd) do {						\
	int __rc = (_cmd);						\
									\
	ASSERT_EQ(0, __rc) {						\
		TH_LOG("%s: %s", #_cmd, errno_name(__rc));		\
	}								\
} while (0)

/* @_cmd must fail with @_errno and nothing else */
#define test_err(_errno, _cmd) do {					\
	int __want = (_errno);						\
	int __rc = (_cmd);						\
									\
	EXPECT_EQ(-__want, __rc) {					\
		TH_LOG("%s: %s, not %s", #_cmd, errno_name(__rc),	\
		       errno_name(__want));				\
	}								\
} while (0)

/* State of a TDI as the observer beside the device has it */
#define expect_state(_rid, _state) do {					\
	u32 __is = testctl_state(_rid);				\
	u32 __should = (_state);					\
									\
	EXPECT_EQ(__should, __is) {					\
		TH_LOG("observer: %s, not %s", tdisp_state_name(__is),\
		       tdisp_state_name(__should));			\
	}								\
} while (0)

/*
 * State of a TDI that is bound as the device reports it, by a message that is
 * sent for that purpose, and as the observer has it
 */
#define expect_live_state(_tdi, _state) do {				\
	u32 __from = testctl_log_end();					\
	struct tdi *__tdi = (_tdi);					\
	u32 __state = (_state);						\
	u32 __live;							\
									\
	test_cmd(tdi_live_state(__tdi, &__live));			\
	EXPECT_EQ(__state, __live) {					\
		TH_LOG("device: %s, not %s", tdisp_state_name(__live),	\
		       tdisp_state_name(__state));			\
	}								\
	EXPECT_EQ(1, count_tdisp(__from, __tdi->fn->rid,		\
				 TDISP_GET_INTERFACE_STATE));		\
	expect_state(__tdi->fn->rid, __state);				\
} while (0)

/* An attribute in tsm/ of a function */
#define expect_attr(_fn, _attr, _value) do {				\
	char __buf[64];							\
									\
	test_cmd(tsm_attr((_fn)->bdf, _attr, __buf, sizeof(__buf)));	\
	EXPECT_STREQ(_value, __buf);					\
} while (0)

/* Requests of this code that the device carried out since @from */
static inline int count_tdisp(u32 from, u16 rid, u8 code)
{
	return testctl_count(from, rid, TDISP_EV_TDISP, code, TDISP_RSP(code));
}

static inline int tdisp_harness_run(int argc, char **argv)
{
	const char *why = setup_init(&argc, argv);

	if (why)
		ksft_exit_skip("%s\n", why);
	return test_harness_run(argc, argv);
}

#endif /* SELFTESTS_TDISP_TDISP_HARNESS_H */
