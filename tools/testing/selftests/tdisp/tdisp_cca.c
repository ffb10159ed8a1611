// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of Arm CCA, above a model of the RMM and not the real one, and below
 * it a device that really locks, starts and stops: life cycle, order, faults.
 * After each test the model must have nothing to complain about, and each granule
 * has to be with whom it belongs to.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/io.h>
#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "lib/rmm.h"
#include "lib/trace.h"
#include "lib/vcpu.h"

#define BAR_GPA		VCPU_DATA_GPA
#define BAR_LEN		VCPU_DATA_LEN
#define BAR_PAGES	(BAR_LEN / SZ_4K)

/* Granules of a VDEV: its own, and those that the model wants besides */
#define VDEV_GRANULES	3

static bool fn_quarantined(const struct tdisp_fn *fn)
{
	char buf[16];

	return !tsm_attr(fn->bdf, "quarantined", buf, sizeof(buf)) &&
	       !strcmp(buf, "1");
}

static unsigned long fn_held(const struct tdisp_fn *fn)
{
	char buf[32];

	if (tsm_attr(fn->bdf, "held_memory", buf, sizeof(buf)))
		return 0;
	return strtoul(buf, NULL, 0);
}

/* Memory that is lost is accounted for as long as the device is there */
static int cca_clear(struct tdisp_device *dev)
{
	bool remove = false;
	int rc;

	rc = setup_disconnect(dev);
	for (int i = 0; i < dev->nr_fns; i++)
		remove |= fn_quarantined(&dev->fn[i]) || fn_held(&dev->fn[i]);
	if (rmm_loaded())
		rc = rc ?: rmm_unload();
	if (remove)
		testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 1);
	return rc ?: setup_clear(dev);
}

static int cca_ready(struct tdisp_device *dev, const char *params)
{
	int rc;

	rc = setup_ready(dev);
	if (rmm_loaded())
		rc = rc ?: rmm_unload();
	return rc ?: rmm_load(params);
}

/* The driver has done nothing wrong, in no order */
#define expect_clean() do {						\
	struct rmm_state __state;					\
									\
	test_cmd(rmm_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	EXPECT_EQ(0, __state.refused);					\
} while (0)

/* All that the RMM had is back; what was refused is the test's own business */
#define expect_all_back() do {						\
	struct rmm_state __state;					\
									\
	test_cmd(rmm_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	EXPECT_EQ(0, __state.delegated);				\
	EXPECT_EQ(0, __state.objects);					\
	EXPECT_EQ(0, __state.mapped);					\
	EXPECT_EQ(0, __state.pdevs);					\
	EXPECT_EQ(0, __state.streams);					\
	EXPECT_EQ(0, __state.vdevs);					\
} while (0)

#define expect_nothing_left() do {					\
	expect_clean();							\
	expect_all_back();						\
} while (0)

/* These lines of the model's log follow each other, from @_log on */
#define expect_line(_log, _line) do {					\
	const char *__at = rmm_log_find(_log, _line);			\
									\
	EXPECT_NE(NULL, __at) {						\
		TH_LOG("no \"%s\"", _line);				\
	}								\
	if (__at)							\
		(_log) = __at + 1;					\
} while (0)

/* For people: the calls, but for those that carry messages */
#define show_log(_log) do {						\
	char *__copy = strdup(_log), *__save, *__line;			\
									\
	for (__line = strtok_r(__copy, "\n", &__save); __line;		\
	     __line = strtok_r(NULL, "\n", &__save))			\
		if (!strstr(__line, "COMMUNICATE") ||			\
		    strstr(__line, "[complete]"))			\
			TH_LOG("%s", __line);				\
	free(__copy);							\
} while (0)

static __attribute__((unused)) void *end_of_stall(void *arg)
{
	/* Within the first exchange, which takes DOE's time limit of a second */
	usleep(900000);
	testctl_set(*(u16 *)arg, TDISP_CTL_STALL_MS, 0);
	return NULL;
}

/* A device that is not connected yet, by an RMM that is told what to do first */
FIXTURE(link)
{
	struct tdisp_device *dev;
	u16 rid;
};

FIXTURE_SETUP(link)
{
	self->dev = setup.dev;
	self->rid = setup.dev->fn[0].rid;
	test_cmd(setup_ready(self->dev));
}

FIXTURE_TEARDOWN_PARENT(link)
{
	test_cmd(cca_clear(setup.dev));
}

TEST_F_TIMEOUT(link, connect, 60)
{
	struct rmm_state state;
	const char *at;
	char *log;
	u32 from;

	test_cmd(rmm_load(""));
	expect_nothing_left();
	for (int i = 0; i < 2; i++) {
		test_cmd(rmm_log_clear());
		from = testctl_log_end();
		test_cmd(rmm_connect(self->dev));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_SESSION,
					   TESTCTL_ANY, 1));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_STREAM,
					   TESTCTL_ANY, 1));
		test_cmd(rmm_get_state(&state));
		EXPECT_EQ(2, state.pdevs);
		EXPECT_EQ(1, state.streams);
		EXPECT_EQ(0, state.vdevs);
		EXPECT_EQ(0, state.delegated);
		expect_clean();

		from = testctl_log_end();
		test_cmd(setup_disconnect(self->dev));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_SESSION,
					   TESTCTL_ANY, 0));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_STREAM,
					   TESTCTL_ANY, 0));
		expect_nothing_left();
	}

	log = rmm_log();
	at = log;
	expect_line(at, "RMI_PDEV_CREATE(pdev0, params0) INCOMPLETE");
	expect_line(at, "RMI_OP_MEM_DONATE(handle0, list0, 2) SUCCESS");
	expect_line(at, "RMI_PDEV_COMMUNICATE(pdev0, data0) SUCCESS RSP_RESET");
	expect_line(at, "RMI_PDEV_COMMUNICATE(pdev0, data0) SUCCESS [complete]");
	expect_line(at, "RMI_PDEV_GET_STATE(pdev0) SUCCESS NEEDS_KEY");
	expect_line(at, "RMI_PDEV_SET_PUBKEY(pdev0, params0) SUCCESS");
	expect_line(at, "RMI_PDEV_GET_STATE(pdev0) SUCCESS READY");
	expect_line(at, "RMI_PDEV_CREATE(pdev1, params0) INCOMPLETE");
	expect_line(at, "RMI_PDEV_GET_STATE(pdev1) SUCCESS READY");
	expect_line(at, "RMI_STREAM_CONNECT(params0) SUCCESS");
	/* Each end waits for the other once */
	expect_line(at, "RMI_PDEV_COMMUNICATE(pdev0, data0) SUCCESS STREAM_WAIT");
	expect_line(at, "RMI_PDEV_COMMUNICATE(pdev1, data0) SUCCESS STREAM_WAIT");
	expect_line(at, "RMI_PDEV_COMMUNICATE(pdev0, data0) SUCCESS [complete]");
	expect_line(at, "RMI_PDEV_COMMUNICATE(pdev1, data0) SUCCESS [complete]");
	expect_line(at, "RMI_STREAM_COMPLETE(pdev0, pdev1, handle");
	expect_line(at, "RMI_STREAM_DISCONNECT(pdev0, pdev1, handle");
	expect_line(at, "RMI_STREAM_COMPLETE(pdev0, pdev1, handle");
	expect_line(at, "RMI_PDEV_STOP(pdev1) SUCCESS");
	expect_line(at, "RMI_PDEV_DESTROY(pdev1) INCOMPLETE");
	expect_line(at, "RMI_PDEV_STOP(pdev0) SUCCESS");
	expect_line(at, "RMI_PDEV_DESTROY(pdev0) INCOMPLETE");
	expect_line(at, "RMI_OP_MEM_RECLAIM(handle");
	expect_line(at, "RMI_GRANULE_RANGE_UNDELEGATE(");
	show_log(log);
	free(log);
}

/* It works with an RMM like this, and all is as before in the end */
#define expect_link(_self, _params) do {				\
	test_cmd(cca_ready((_self)->dev, _params));			\
	test_cmd(rmm_connect((_self)->dev));				\
	test_cmd(setup_disconnect((_self)->dev));			\
	expect_nothing_left();						\
} while (0)

TEST_F_TIMEOUT(link, steps_and_memory, 60)
{
	expect_link(self, "sro_steps=0 donate=0");
	expect_link(self, "sro_steps=300 donate=0");
	expect_link(self, "sro_steps=3 donate=32 reclaim_max=5");
	expect_link(self, "sro_steps=0 donate=32 reclaim_max=0");
}

TEST_F_TIMEOUT(link, styles_of_exchanges, 60)
{
	char params[32];

	for (int i = 1; i < 8; i++) {
		snprintf(params, sizeof(params), "comm_style=%d", i);
		expect_link(self, params);
	}
}

/* One layout differs; the driver does not speak 1.1 at all, nor without devices */
TEST_F_TIMEOUT(link, variants, 60)
{
	expect_link(self, "variant=1");
	test_cmd(rmm_unload());
	test_err(EPROTONOSUPPORT, rmm_load("variant=0"));
	test_err(EOPNOTSUPP, rmm_load("da=0"));
	test_cmd(rmm_load("variant=2"));
}

/* BUSY says that nothing has changed: it is called again */
TEST_F_TIMEOUT(link, busy, 60)
{
	static const u32 cmds[] = {
		RMM_PDEV_CREATE, RMM_PDEV_COMMUNICATE, RMM_PDEV_SET_PUBKEY,
		RMM_STREAM_CONNECT, RMM_STREAM_COMPLETE, RMM_OP_MEM_DONATE,
	};

	test_cmd(rmm_load(""));
	for (int i = 0; i < ARRAY_SIZE(cmds); i++)
		test_cmd(rmm_inject(cmds[i], i % 2 ? RMM_BLOCKED : RMM_BUSY, 0,
				    50));
	test_cmd(rmm_connect(self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

/* But not for ever */
TEST_F_TIMEOUT(link, busy_for_good, 60)
{
	test_cmd(rmm_load(""));
	test_cmd(rmm_inject(RMM_PDEV_SET_PUBKEY, RMM_BUSY, 0, 100000));
	test_err(EIO, rmm_connect(self->dev));
	test_cmd(rmm_inject_none());
	expect_nothing_left();
}

static void *kill_soon(void *arg)
{
	usleep(300000);
	kill(*(pid_t *)arg, SIGKILL);
	return NULL;
}

/* An administrator gives up: between two messages, or two calls */
#define expect_killed(_self) do {					\
	pthread_t __killer;						\
	pid_t __pid = fork();						\
									\
	ASSERT_LE(0, __pid);						\
	if (!__pid) {							\
		rmm_connect((_self)->dev);				\
		_exit(0);						\
	}								\
	ASSERT_EQ(0, pthread_create(&__killer, NULL, kill_soon, &__pid));\
	ASSERT_EQ(__pid, waitpid(__pid, NULL, 0));			\
	pthread_join(__killer, NULL);					\
	expect_attr(&(_self)->dev->fn[0], "connect", "");		\
} while (0)

TEST_F_TIMEOUT(link, killed, 60)
{
	char *log;

	test_cmd(rmm_load(""));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 100);
	expect_killed(self);
	testctl_clear_faults(self->rid);
	log = rmm_log();
	EXPECT_EQ(1, rmm_log_count(log, "RMI_PDEV_ABORT(pdev0) SUCCESS"));
	EXPECT_EQ(0, rmm_log_count(log, "RMI_STREAM_COMPLETE"));
	free(log);
	expect_nothing_left();

	/* In the middle of an operation, which is cancelled */
	test_cmd(rmm_inject(RMM_OP_CONTINUE, RMM_BUSY, 0, 300));
	test_cmd(rmm_log_clear());
	expect_killed(self);
	test_cmd(rmm_inject_none());
	log = rmm_log();
	EXPECT_EQ(1, rmm_log_count(log, "RMI_OP_CANCEL(handle0) SUCCESS"));
	EXPECT_EQ(0, rmm_log_count(log, "RMI_PDEV_COMMUNICATE"));
	free(log);
	expect_nothing_left();

	test_cmd(rmm_connect(self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

/* The device does not answer, at each of its messages */
TEST_F_TIMEOUT(link, no_answer, 300)
{
	test_cmd(rmm_load(""));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, rmm_connect(self->dev));
	testctl_clear_faults(self->rid);
	expect_nothing_left();
	test_cmd(rmm_connect(self->dev));

	/* The last words of a connection are not needed */
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_cmd(setup_disconnect(self->dev));
	testctl_clear_faults(self->rid);
	expect_nothing_left();
	test_cmd(rmm_connect(self->dev));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

static const __attribute__((unused)) u32 statuses[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 16 };
/* A connection takes its time: one of each kind */
static const u32 few_statuses[] = { RMM_INPUT, RMM_INCOMPLETE, RMM_DEVICE };

/* Each call of a connection fails with each status, at each place */
#define inject_connect(_self, _cmd) do {				\
	bool __left = false, __end = false;				\
	struct rmm_state __state;					\
	int __rc, __nr;							\
									\
	for (int __place = 0; !__end && __place < 64; __place++) {	\
		for (int i = 0; i < ARRAY_SIZE(few_statuses); i++) {	\
			u32 __status = few_statuses[i];			\
									\
			/* Only one step more */			\
			if (__status == RMM_INCOMPLETE &&		\
			    (_cmd) == RMM_OP_CONTINUE)			\
				continue;				\
			test_cmd(rmm_inject(_cmd, __status, __place, 1));\
			__rc = rmm_connect((_self)->dev);		\
			test_cmd(rmm_get_state(&__state));		\
			test_cmd(rmm_inject_none());			\
			__end = __state.pending;			\
			if (!__rc)					\
				test_cmd(setup_disconnect((_self)->dev));\
			EXPECT_EQ(__end, !__rc) {			\
				TH_LOG("%#x #%d %u: %s", _cmd, __place,	\
				       statuses[i], errno_name(__rc));	\
			}						\
			test_cmd(rmm_get_state(&__state));		\
			EXPECT_EQ(0, __state.violations);		\
			__left = __state.objects || __state.delegated;	\
			if (__left || fn_held(&(_self)->dev->fn[0])) {	\
				EXPECT_EQ(__left,			\
					  !!fn_held(&(_self)->dev->fn[0]));\
				test_cmd(cca_clear((_self)->dev));	\
				test_cmd(cca_ready((_self)->dev, ""));	\
			}						\
			if (__end)					\
				break;					\
		}							\
		__nr = __place;						\
	}								\
	TH_LOG("%#x: %d places", _cmd, __nr);				\
	EXPECT_LT(0, __nr);						\
} while (0)

TEST_F_TIMEOUT(link, injected, 900)
{
	test_cmd(rmm_load(""));
	inject_connect(self, RMM_PDEV_CREATE);
	inject_connect(self, RMM_OP_CONTINUE);
	inject_connect(self, RMM_OP_MEM_DONATE);
	inject_connect(self, RMM_PDEV_GET_STATE);
	inject_connect(self, RMM_PDEV_SET_PUBKEY);
	inject_connect(self, RMM_GRANULE_RANGE_DELEGATE);
	inject_connect(self, RMM_STREAM_CONNECT);
	inject_connect(self, RMM_STREAM_COMPLETE);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
