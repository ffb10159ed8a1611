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
	if (fwmodel_loaded(&rmm_model))
		rc = rc ?: fwmodel_unload(&rmm_model);
	if (remove)
		testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 1);
	return rc ?: setup_clear(dev);
}

static int cca_ready(struct tdisp_device *dev, const char *params)
{
	int rc;

	rc = setup_ready(dev);
	if (fwmodel_loaded(&rmm_model))
		rc = rc ?: fwmodel_unload(&rmm_model);
	return rc ?: fwmodel_load(&rmm_model, params);
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
	const char *__at = fwmodel_log_find(_log, _line);		\
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

static void *end_of_stall(void *arg)
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

	test_cmd(fwmodel_load(&rmm_model, ""));
	expect_nothing_left();
	for (int i = 0; i < 2; i++) {
		test_cmd(fwmodel_log_clear(&rmm_model));
		from = testctl_log_end();
		test_cmd(fwmodel_connect(&rmm_model, self->dev));
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

	log = fwmodel_log(&rmm_model);
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
	test_cmd(fwmodel_connect(&rmm_model, (_self)->dev));		\
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
	test_cmd(fwmodel_unload(&rmm_model));
	test_err(EPROTONOSUPPORT, fwmodel_load(&rmm_model, "variant=0"));
	test_err(EOPNOTSUPP, fwmodel_load(&rmm_model, "da=0"));
	test_cmd(fwmodel_load(&rmm_model, "variant=2"));
}

/* BUSY says that nothing has changed: it is called again */
TEST_F_TIMEOUT(link, busy, 60)
{
	static const u32 cmds[] = {
		RMM_PDEV_CREATE, RMM_PDEV_COMMUNICATE, RMM_PDEV_SET_PUBKEY,
		RMM_STREAM_CONNECT, RMM_STREAM_COMPLETE, RMM_OP_MEM_DONATE,
	};

	test_cmd(fwmodel_load(&rmm_model, ""));
	for (int i = 0; i < ARRAY_SIZE(cmds); i++)
		test_cmd(fwmodel_inject(&rmm_model, cmds[i],
					i % 2 ? RMM_BLOCKED : RMM_BUSY, 0, 50));
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

/* But not for ever */
TEST_F_TIMEOUT(link, busy_for_good, 60)
{
	test_cmd(fwmodel_load(&rmm_model, ""));
	test_cmd(fwmodel_inject(&rmm_model, RMM_PDEV_SET_PUBKEY, RMM_BUSY, 0,
				100000));
	test_err(EIO, fwmodel_connect(&rmm_model, self->dev));
	test_cmd(fwmodel_inject_none(&rmm_model));
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
		fwmodel_connect(&rmm_model, (_self)->dev);		\
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

	test_cmd(fwmodel_load(&rmm_model, ""));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 100);
	expect_killed(self);
	testctl_clear_faults(self->rid);
	log = fwmodel_log(&rmm_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "RMI_PDEV_ABORT(pdev0) SUCCESS"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_STREAM_COMPLETE"));
	free(log);
	expect_nothing_left();

	/* In the middle of an operation, which is cancelled */
	test_cmd(fwmodel_inject(&rmm_model, RMM_OP_CONTINUE, RMM_BUSY, 0, 300));
	test_cmd(fwmodel_log_clear(&rmm_model));
	expect_killed(self);
	test_cmd(fwmodel_inject_none(&rmm_model));
	log = fwmodel_log(&rmm_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "RMI_OP_CANCEL(handle0) SUCCESS"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_PDEV_COMMUNICATE"));
	free(log);
	expect_nothing_left();

	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

/*
 * A VMM is killed while the RMM and the device exchange messages for its bind: it
 * ends between two of them, and its files are closed. @_delay: after the bind began
 */
#define expect_bind_killed(_self, _delay) do {				\
	int __pipe[2];							\
	char __byte;							\
	pid_t __pid;							\
									\
	ASSERT_EQ(0, pipe(__pipe));					\
	__pid = fork();							\
	ASSERT_LE(0, __pid);						\
	if (!__pid) {							\
		struct vmm __vmm;					\
		struct tdi __tdi;					\
									\
		if (vmm_open(&__vmm) ||					\
		    tdi_setup(&__tdi, &__vmm, &(_self)->dev->fn[0]))	\
			_exit(1);					\
		testctl_set((_self)->rid, TDISP_CTL_STALL_MS, 200);	\
		if (write(__pipe[1], "", 1) != 1)			\
			_exit(1);					\
		tdi_bind(&__tdi);					\
		pause();						\
		_exit(0);						\
	}								\
	close(__pipe[1]);						\
	EXPECT_EQ(1, read(__pipe[0], &__byte, 1));			\
	close(__pipe[0]);						\
	usleep((_delay) * 1000);					\
	kill(__pid, SIGKILL);						\
	ASSERT_EQ(__pid, waitpid(__pid, NULL, 0));			\
	testctl_clear_faults((_self)->rid);				\
} while (0)

TEST_F_TIMEOUT(link, bind_killed, 120)
{
	struct rmm_state state;
	int aborted = 0;
	char *log;

	test_cmd(fwmodel_load(&rmm_model, ""));
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	for (int delay = 100; delay <= 1300; delay += 400) {
		test_cmd(fwmodel_log_clear(&rmm_model));
		expect_bind_killed(self, delay);
		log = fwmodel_log(&rmm_model);
		/* Only the first of them: what ends it is not given up */
		EXPECT_GE(1, fwmodel_log_count(log, "RMI_VDEV_ABORT"));
		aborted += fwmodel_log_count(log, "RMI_VDEV_ABORT(rd0, pdev0, vdev0) SUCCESS");
		EXPECT_EQ(1, fwmodel_log_count(log, "RMI_VDEV_DESTROY"));
		free(log);
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
		EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
		test_cmd(rmm_get_state(&state));
		EXPECT_EQ(0, state.vdevs);
		EXPECT_EQ(0, state.delegated);
		expect_clean();
	}
	EXPECT_LE(2, aborted);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

/* It gave up when it had 2 MiB, in granules, and not later; and kept @_others */
#define expect_kept(_line, _others) do {				\
	char *__log = fwmodel_log(&rmm_model);				\
									\
	EXPECT_EQ(SZ_2M / SZ_4K + (_others),				\
		  fwmodel_log_count(__log, _line));			\
	free(__log);							\
} while (0)

/* Evidence without an end is refused, and what there was of it is freed */
TEST_F_TIMEOUT(link, too_large, 120)
{
	static const char * const params[] = { "endless=0", "endless=1" };
	/* The first response of VCA, then all three of them */
	static const int others[] = { 1, 3 };

	for (int i = 0; i < ARRAY_SIZE(params); i++) {
		test_cmd(cca_ready(self->dev, params[i]));
		test_err(EFBIG, fwmodel_connect(&rmm_model, self->dev));
		expect_kept("RMI_PDEV_COMMUNICATE(pdev0, data0) SUCCESS RSP_CACHE", others[i]);
		expect_attr(&self->dev->fn[0], "connect", "");
		expect_nothing_left();
		/* With an end it is as good as any */
		test_cmd(fwmodel_set_param(&rmm_model, "endless", "-1"));
		test_cmd(fwmodel_connect(&rmm_model, self->dev));
		test_cmd(setup_disconnect(self->dev));
		expect_nothing_left();
	}
}

/* The device does not answer, at each of its messages */
TEST_F_TIMEOUT(link, no_answer, 300)
{
	test_cmd(fwmodel_load(&rmm_model, ""));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, fwmodel_connect(&rmm_model, self->dev));
	testctl_clear_faults(self->rid);
	expect_nothing_left();
	test_cmd(fwmodel_connect(&rmm_model, self->dev));

	/* The last words of a connection are not needed */
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_cmd(setup_disconnect(self->dev));
	testctl_clear_faults(self->rid);
	expect_nothing_left();
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left();
}

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
			test_cmd(fwmodel_inject(&rmm_model, _cmd, __status, \
						__place, 1));		\
			__rc = fwmodel_connect(&rmm_model, (_self)->dev);	\
			test_cmd(rmm_get_state(&__state));		\
			test_cmd(fwmodel_inject_none(&rmm_model));	\
			__end = __state.pending;			\
			if (!__rc)					\
				test_cmd(setup_disconnect((_self)->dev));\
			EXPECT_EQ(__end, !__rc) {			\
				TH_LOG("%#x #%d %u: %s", _cmd, __place,	\
				       __status, errno_name(__rc));	\
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
	test_cmd(fwmodel_load(&rmm_model, ""));
	inject_connect(self, RMM_PDEV_CREATE);
	inject_connect(self, RMM_OP_CONTINUE);
	inject_connect(self, RMM_OP_MEM_DONATE);
	inject_connect(self, RMM_PDEV_GET_STATE);
	inject_connect(self, RMM_PDEV_SET_PUBKEY);
	inject_connect(self, RMM_GRANULE_RANGE_DELEGATE);
	inject_connect(self, RMM_STREAM_CONNECT);
	inject_connect(self, RMM_STREAM_COMPLETE);
}

FIXTURE(cca)
{
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi[2];
	u16 rid;
};

FIXTURE_SETUP(cca)
{
	self->dev = setup.dev;
	self->rid = setup.dev->fn[0].rid;
	test_cmd(cca_ready(self->dev, ""));
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi[0], &self->vmm, &self->dev->fn[0]));
}

FIXTURE_TEARDOWN_PARENT(cca)
{
	test_cmd(cca_clear(setup.dev));
}

static void close_all(FIXTURE_DATA(cca) *self)
{
	tdi_close(&self->tdi[1]);
	tdi_close(&self->tdi[0]);
	vmm_close(&self->vmm);
}

/* Close, disconnect, and all is as before */
#define expect_end(_self) do {						\
	close_all(_self);						\
	test_cmd(setup_disconnect((_self)->dev));			\
	expect_nothing_left();						\
} while (0)

TEST_F_TIMEOUT(cca, bind_start_unbind, 120)
{
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;
	u32 from;

	test_cmd(tdi_dma_round_trip(tdi));
	for (int i = 0; i < 3; i++) {
		from = testctl_log_end();
		test_cmd(tdi_bind(tdi));
		expect_state(self->rid, TDISP_STATE_LOCKED);
		EXPECT_EQ(1, count_tdisp(from, self->rid, TDISP_LOCK_INTERFACE));
		EXPECT_EQ(0, count_tdisp(from, self->rid,
					 TDISP_START_INTERFACE));
		test_cmd(rmm_get_state(&state));
		EXPECT_EQ(1, state.vdevs);

		/* On the realm's request, and not before */
		test_cmd(tdi_start(tdi));
		expect_state(self->rid, TDISP_STATE_RUN);
		EXPECT_EQ(1, count_tdisp(from, self->rid,
					 TDISP_START_INTERFACE));

		test_cmd(tdi_unbind(tdi));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		EXPECT_EQ(1, count_tdisp(from, self->rid, TDISP_STOP_INTERFACE));
		test_cmd(rmm_get_state(&state));
		EXPECT_EQ(0, state.vdevs);
		EXPECT_EQ(0, state.delegated);
		test_cmd(tdi_dma_round_trip(tdi));
	}

	/* Without a start, and by closing the device */
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	expect_clean();
	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_end(self);
}

/* What is locked is started once; the RMM says so */
TEST_F(cca, start_twice)
{
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_err(EIO, tdi_start(tdi));
	EXPECT_EQ(RMM_DEVICE, tdi->tsm_code);
	expect_state(self->rid, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(tdi));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(1, state.refused);
	expect_all_back();
}

#define expect_call(_trace, _fn, _name)					\
	test_cmd(trace_find(_trace, "tsm_fw_call",			\
			    "device=%s name=" _name " ", (_fn)->bdf))

/* Unmap first, then unlock: with what the owner and KVM do in between */
TEST_F_TIMEOUT(cca, order, 60)
{
	struct tdi *tdi = &self->tdi[0];
	const struct tdisp_fn *dsm = &self->dev->fn[0];
	struct trace trace;
	const char *at;
	int dmabuf;
	char *log;

	if (!vm_has_dmabuf(&self->vmm.vm))
		SKIP(return, "KVM has no memslots on a dma-buf");
	dmabuf = tdi_export_bar(tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));
	test_cmd(trace_open(&trace));
	test_cmd(trace_enable("tsm", true));
	test_cmd(fwmodel_log_clear(&rmm_model));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	test_cmd(tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));

	test_cmd(trace_read(&trace));
	test_cmd(trace_find(&trace, "tsm_bind", "%s", ""));
	expect_call(&trace, dsm, "RMI_VDEV_CREATE");
	expect_call(&trace, dsm, "RMI_VDEV_COMMUNICATE");
	expect_call(&trace, dsm, "RMI_VDEV_LOCK");
	expect_call(&trace, dsm, "RMI_VDEV_GET_INTERFACE_REPORT");
	test_cmd(trace_find(&trace, "tsm_bind_done", "%s", ""));
	expect_call(&trace, dsm, "RMI_VDEV_START");
	test_cmd(trace_find(&trace, "tsm_unbind", "%s", ""));
	test_cmd(trace_find(&trace, "tsm_revoke_mmio", "%s", ""));
	expect_call(&trace, dsm, "RMI_VDEV_UNLOCK");
	expect_call(&trace, dsm, "RMI_VDEV_DESTROY");
	test_cmd(trace_find(&trace, "tsm_trusted_dma", "%s", ""));
	test_cmd(trace_find(&trace, "tsm_unbind_done", "%s", ""));
	trace_close(&trace);

	log = fwmodel_log(&rmm_model);
	at = log;
	expect_line(at, "RMI_GRANULE_RANGE_DELEGATE(granule0, +1) SUCCESS");
	expect_line(at, "RMI_VDEV_CREATE(rd0, pdev0, vdev0, params0) INCOMPLETE");
	expect_line(at, "RMI_OP_MEM_DONATE(");
	expect_line(at, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS REQ_SEND secured");
	expect_line(at, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS [complete]");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS UNLOCKED");
	expect_line(at, "RMI_VDEV_LOCK(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS LOCKED");
	expect_line(at, "RMI_VDEV_GET_INTERFACE_REPORT(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS RSP_RESET RSP_CACHE REPORT");
	/* As far as it says, and not as far as it was asked */
	expect_line(at, "RMI_GRANULE_RANGE_DELEGATE(");
	expect_line(at, "RMI_GRANULE_RANGE_DELEGATE(");
	expect_line(at, "RMI_RTT_DEV_MAP(rd0, vdev0, ");
	expect_line(at, "RMI_RTT_DEV_MAP(rd0, vdev0, ");
	expect_line(at, "RMI_VDEV_START(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS STARTED");
	expect_line(at, "RMI_RTT_DEV_UNMAP(rd0, ");
	expect_line(at, "RMI_GRANULE_RANGE_UNDELEGATE(");
	expect_line(at, "RMI_VDEV_UNLOCK(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS UNLOCKED");
	expect_line(at, "RMI_VDEV_DESTROY(rd0, pdev0, vdev0) INCOMPLETE");
	expect_line(at, "RMI_OP_MEM_RECLAIM(");
	expect_line(at, "RMI_GRANULE_RANGE_UNDELEGATE(");
	show_log(log);
	free(log);
	close_fd(&dmabuf);
	expect_end(self);
}

TEST_F_TIMEOUT(cca, evidence, 60)
{
	struct tdi *tdi = &self->tdi[0];
	u8 nonce[32] = { 1 }, *data;
	struct report report;
	u32 len, from;
	void *again;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 4096,
				 (void **)&data, &len));
	test_cmd(report_parse(&report, data, len));
	EXPECT_EQ(4, report.nr_ranges);
	free(data);

	/* A certificate chain starts with its length */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_CERT, 1000,
				 (void **)&data, &len));
	ASSERT_LT(4, len);
	EXPECT_EQ(len, data[0] | data[1] << 8);
	free(data);

	/* The six messages, which begin with GET_VERSION */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_VCA, 4096,
				 (void **)&data, &len));
	EXPECT_EQ(SPDM_GET_VERSION, data[1]);
	EXPECT_EQ(SPDM_RSP(SPDM_GET_VERSION), data[SPDM_HDR_SIZE + 1]);
	EXPECT_EQ(SPDM_RSP(SPDM_NEGOTIATE_ALGORITHMS),
		  data[len - SPDM_ALGORITHMS_SIZE + 1]);
	free(data);

	/* Measurements with their request; taken anew when asked for */
	from = testctl_log_end();
	for (int i = 0; i < 2; i++) {
		test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_MEAS, 4096,
					 &again, &len));
		data = again;
		EXPECT_EQ(SPDM_GET_MEASUREMENTS, data[1]);
		EXPECT_EQ(SPDM_RSP(SPDM_GET_MEASUREMENTS),
			  data[SPDM_HDR_SIZE + 1]);
		free(again);
	}
	EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_SPDM,
				   SPDM_GET_MEASUREMENTS, TESTCTL_ANY));
	test_cmd(tdi_regen_object(tdi, IOMMU_TSM_OBJECT_MEAS, nonce));
	EXPECT_EQ(2, testctl_count(from, self->rid, TDISP_EV_SPDM,
				   SPDM_GET_MEASUREMENTS, TESTCTL_ANY));
	test_err(EOPNOTSUPP, tdi_regen_object(tdi, IOMMU_TSM_OBJECT_REPORT,
					      nonce));
	test_err(EOPNOTSUPP, tdi_object_size(tdi, 17, &len));
	expect_end(self);
}

#ifdef __x86_64__
/* MMIO is delegated and mapped on request, by the address that KVM has */
TEST_F_TIMEOUT(cca, mmio, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;
	struct vcpu vcpu;
	int dmabuf;
	char *log;
	u32 val;

	test_cmd(vcpu_create(&vcpu, &self->vmm.vm));
	dmabuf = tdi_export_bar(tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));
	test_cmd(tdi_bind(tdi));

	/* No address of user space is ever delegated */
	test_cmd(fwmodel_log_clear(&rmm_model));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN +
					   SZ_4K, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN,
					   SZ_4K));
	log = fwmodel_log(&rmm_model);
	EXPECT_STREQ("", log);
	free(log);

	test_cmd(tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	test_err(EEXIST, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + SZ_4K, 0));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(BAR_PAGES, state.mapped);
	EXPECT_EQ(0, state.delegated);

	test_cmd(vm_set_private(&self->vmm.vm, BAR_GPA, BAR_LEN, true));
	test_cmd(tdi_start(tdi));
	test_cmd(vcpu_write(&vcpu, SZ_4K + 8, 0x7ee0));
	test_cmd(vcpu_read(&vcpu, SZ_4K + 8, &val));
	EXPECT_EQ(0x7ee0, val);

	test_cmd(tdi_unbind(tdi));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(0, state.mapped);
	EXPECT_EQ(0, state.delegated);
	test_err(EFAULT, vcpu_read(&vcpu, SZ_4K + 8, &val));
	expect_clean();

	/* A device that is closed gives it back, too */
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_validate_mmio(tdi, BAR_GPA + SZ_4K, BAR_GPA + BAR_LEN, 0));
	close_fd(&dmabuf);
	vcpu_destroy(&vcpu);
	expect_end(self);
}
#endif

/*
 * Trap: as long as a granule is mapped, UNLOCK says GRANULE, and where. KVM does
 * not unmap: the function is quarantined, for good, and nothing is freed.
 */
TEST_F_TIMEOUT(cca, mapped_granule, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;
	int dmabuf;
	char *log;

	if (!vm_has_dmabuf(&self->vmm.vm))
		SKIP(return, "KVM has no memslots on a dma-buf");
	dmabuf = tdi_export_bar(tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_log_clear(&rmm_model));
	test_cmd(fwmodel_inject(&rmm_model, RMM_KVM_UNMAP, 1, 0, 1));
	test_err(EUCLEAN, tdi_unbind(tdi));

	log = fwmodel_log(&rmm_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "RMI_VDEV_UNLOCK(rd0, pdev0, vdev0) GRANULE"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_VDEV_DESTROY"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_GRANULE_RANGE_UNDELEGATE"));
	free(log);
	expect_state(self->rid, TDISP_STATE_RUN);
	EXPECT_TRUE(fn_quarantined(tdi->fn));
	EXPECT_EQ(VDEV_GRANULES * SZ_4K, fn_held(tdi->fn));
	test_err(EUCLEAN, tdi_bind(tdi));

	close_fd(&dmabuf);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_TRUE(fn_quarantined(&self->dev->fn[0]));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(1, state.vdevs);
	EXPECT_EQ(BAR_PAGES, state.mapped);
	/* A device with a VDEV is not stopped, nor its stream disconnected */
	EXPECT_EQ(1, state.streams);
	EXPECT_LE(1, state.pdevs);
}

/*
 * Trap: STOP is not answered, COMMUNICATE succeeds, with the VDEV in ERROR, and only
 * ABORT leads on: UNLOCK, COMMUNICATE, DESTROY
 */
TEST_F_TIMEOUT(cca, no_answer_to_stop, 60)
{
	struct tdi *tdi = &self->tdi[0];
	pthread_t thread;
	const char *at;
	char *log;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_log_clear(&rmm_model));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_of_stall, &self->rid));
	test_cmd(tdi_unbind(tdi));
	pthread_join(thread, NULL);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);

	log = fwmodel_log(&rmm_model);
	at = log;
	expect_line(at, "RMI_VDEV_UNLOCK(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS REQ_SEND");
	expect_line(at, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS [complete]");
	expect_line(at, "RMI_VDEV_ABORT(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS ERROR");
	expect_line(at, "RMI_VDEV_UNLOCK(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS [complete]");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS UNLOCKED");
	expect_line(at, "RMI_VDEV_DESTROY(rd0, pdev0, vdev0) INCOMPLETE");
	free(log);
	expect_end(self);
}

/* The same trap from inside: nothing else than ABORT is possible in that state */
TEST_F_TIMEOUT(cca, error_state, 60)
{
	static const u32 refused[] = {
		RMM_VDEV_UNLOCK, RMM_VDEV_DESTROY, RMM_VDEV_COMMUNICATE,
		RMM_VDEV_LOCK, RMM_VDEV_START, RMM_VDEV_GET_INTERFACE_REPORT,
		RMM_VDEV_GET_MEASUREMENTS,
	};
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;

	test_cmd(tdi_bind(tdi));
	/* Which the driver would do at once */
	test_cmd(fwmodel_inject(&rmm_model, RMM_VDEV_ABORT, RMM_INPUT, 0, 1));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, tdi_start(tdi));
	testctl_clear_faults(self->rid);
	expect_clean();
	for (int i = 0; i < ARRAY_SIZE(refused); i++)
		test_err(EIO, rmm_raw(refused[i], 0));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(refused), state.refused);

	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(refused), state.refused);
	expect_all_back();
}

/* The model refuses what the driver does not do */
TEST_F(cca, wrong_order)
{
	static const u32 locked[] = {
		/* Trap: no stop as long as there is a VDEV, or a stream */
		RMM_PDEV_STOP, RMM_STREAM_DISCONNECT, RMM_PDEV_DESTROY,
		RMM_PDEV_SET_PUBKEY, RMM_PDEV_COMMUNICATE, RMM_PDEV_ABORT,
		RMM_STREAM_CONNECT, RMM_STREAM_COMPLETE, RMM_VDEV_CREATE,
		RMM_VDEV_LOCK, RMM_VDEV_COMMUNICATE, RMM_VDEV_ABORT,
		RMM_VDEV_DESTROY, RMM_GRANULE_RANGE_UNDELEGATE,
		RMM_GRANULE_RANGE_DELEGATE, RMM_OP_CONTINUE, RMM_OP_CANCEL,
		RMM_OP_MEM_DONATE, RMM_OP_MEM_RECLAIM, RMM_RTT_DEV_MAP,
		RMM_RTT_DEV_UNMAP,
	};
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;

	/* Nothing to do it to, before there is a VDEV */
	test_err(ENODEV, rmm_raw(RMM_VDEV_LOCK, 0));
	test_cmd(tdi_bind(tdi));
	for (int i = 0; i < ARRAY_SIZE(locked); i++) {
		test_err(EIO, rmm_raw(locked[i], 0));
		expect_state(self->rid, TDISP_STATE_LOCKED);
		test_cmd(rmm_get_state(&state));
		EXPECT_EQ(i + 1, state.refused) {
			TH_LOG("%#x", locked[i]);
		}
	}
	EXPECT_EQ(0, state.violations);
	test_cmd(tdi_start(tdi));
	test_err(EIO, rmm_raw(RMM_VDEV_START, 0));
	test_err(EIO, rmm_raw(RMM_VDEV_LOCK, 0));
	expect_state(self->rid, TDISP_STATE_RUN);

	/* Nothing of that has come between the driver and its VDEV */
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(locked) + 2, state.refused);
	expect_all_back();
}

/* The device keeps the TDI: quarantine, until it lets go */
TEST_F_TIMEOUT(cca, stop_refused, 60)
{
	struct tdi *tdi = &self->tdi[0];
	char *log;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	testctl_set(self->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_cmd(fwmodel_log_clear(&rmm_model));
	test_err(EUCLEAN, tdi_unbind(tdi));
	log = fwmodel_log(&rmm_model);
	/* Each time out of ERROR, by an abort */
	EXPECT_EQ(3, fwmodel_log_count(log, "RMI_VDEV_UNLOCK(rd0, pdev0, vdev0) SUCCESS"));
	EXPECT_EQ(2, fwmodel_log_count(log, "RMI_VDEV_ABORT(rd0, pdev0, vdev0) SUCCESS"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_VDEV_DESTROY"));
	free(log);
	expect_state(self->rid, TDISP_STATE_RUN);
	EXPECT_TRUE(fn_quarantined(tdi->fn));
	EXPECT_EQ(VDEV_GRANULES * SZ_4K, fn_held(tdi->fn));
	test_err(EUCLEAN, tdi_bind(tdi));

	testctl_clear_faults(self->rid);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
	EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_all_back();
}

/* A VDEV in ERROR can be destroyed in 2.0-bet1, the last time it is tried */
TEST_F_TIMEOUT(cca, stop_refused_for_good, 60)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	testctl_set(self->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_err(EUCLEAN, tdi_unbind(tdi));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
	EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
	expect_all_back();

	/* Left in ERROR, by the loss of its session; the next bind unlocks it */
	testctl_clear_faults(self->rid);
	expect_state(self->rid, TDISP_STATE_ERROR);
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(tdi, &self->vmm, &self->dev->fn[0]));
	test_cmd(tdi_bind(tdi));
	expect_state(self->rid, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_all_back();
}

/* A function is removed with its VDEV kept, and comes back while connected */
TEST_F_TIMEOUT(cca, comes_back, 60)
{
	struct tdisp_fn *fn = &self->dev->fn[1];
	struct tdi *tdi = &self->tdi[1];

	test_cmd(tdi_setup(tdi, &self->vmm, fn));
	test_cmd(tdi_bind(tdi));
	testctl_set(fn->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_err(EUCLEAN, tdi_unbind(tdi));
	close_all(self);
	testctl_clear_faults(fn->rid);

	test_cmd(sysfs_write("1", "/sys/bus/pci/devices/%s/remove", fn->bdf));
	test_cmd(pci_rescan());
	EXPECT_TRUE(fn_quarantined(fn));
	EXPECT_EQ(VDEV_GRANULES * SZ_4K, fn_held(fn));
	/* It is the new one that is released */
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(fn));
	EXPECT_EQ(0, fn_held(fn));
	expect_all_back();
}

/* There is nothing left of it */
TEST_F_TIMEOUT(cca, device_gone, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct rmm_state state;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(tdi_unbind(tdi));
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(0, state.vdevs);
	expect_end(self);
}

/* The TDI fails by itself: unbind leads out */
TEST_F_TIMEOUT(cca, error, 60)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_bind(tdi));
	testctl_set(self->rid, TDISP_CTL_FORCE_ERROR, 1);
	test_err(EIO, tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	expect_end(self);
}

/* A device that does not answer to LOCK is not bound, and works when it does */
TEST_F_TIMEOUT(cca, no_answer_to_lock, 60)
{
	struct tdi *tdi = &self->tdi[0];

	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, tdi_bind(tdi));
	testctl_clear_faults(self->rid);
	/* Nobody has heard of the state of the TDI, so nobody gets it */
	EXPECT_TRUE(fn_quarantined(tdi->fn));
	expect_clean();

	/* That is found out when it is disconnected */
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
	EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
	expect_nothing_left();
}

/* The administrator unbinds as well */
TEST_F_TIMEOUT(cca, lost, 60)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(setup_disconnect(self->dev));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_nothing_left();
	test_err(ENOTCONN, tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	test_cmd(tdi_bind(tdi));
	/* Who provides the VM stays as long as it is in use */
	test_err(EAGAIN, fwmodel_unload(&rmm_model));
	expect_state(self->rid, TDISP_STATE_LOCKED);
	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_clean();
	/* With the device connected */
	test_cmd(fwmodel_unload(&rmm_model));
	expect_attr(&self->dev->fn[0], "connect", "");
}

/* Trap: what ran is unlocked only after the keys of the stream were changed */
TEST_F_TIMEOUT(cca, keys_of_the_stream, 60)
{
	struct tdi *tdi = &self->tdi[0];
	const char *at;
	char *log;
	u32 from;

	test_cmd(fwmodel_set_param(&rmm_model, "krou", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	log = fwmodel_log(&rmm_model);
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_STREAM_KEY_REFRESH"));
	free(log);

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_log_clear(&rmm_model));
	from = testctl_log_end();
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	EXPECT_EQ(6, testctl_count(from, self->rid, TDISP_EV_IDE_KM,
				   IDE_KM_KEY_PROG, TESTCTL_ANY));
	EXPECT_EQ(6, testctl_count(from, self->rid, TDISP_EV_IDE_KM,
				   IDE_KM_K_SET_GO, TESTCTL_ANY));
	/* The link is never without */
	EXPECT_EQ(0, testctl_count(from, self->rid, TDISP_EV_STREAM,
				   TESTCTL_ANY, 0));

	log = fwmodel_log(&rmm_model);
	at = log;
	expect_line(at, "RMI_VDEV_UNLOCK(rd0, pdev0, vdev0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS KEY_REFRESH");
	expect_line(at, "RMI_STREAM_KEY_REFRESH(pdev0, pdev1, handle0) SUCCESS");
	expect_line(at, "RMI_STREAM_COMPLETE(pdev0, pdev1, handle0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS KEY_PURGE");
	expect_line(at, "RMI_STREAM_KEY_PURGE(pdev0, pdev1, handle0) SUCCESS");
	expect_line(at, "RMI_STREAM_COMPLETE(pdev0, pdev1, handle0) SUCCESS");
	expect_line(at, "RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS UNLOCKED");
	expect_line(at, "RMI_VDEV_DESTROY(");
	show_log(log);
	free(log);
	expect_end(self);
}

/* New keys are not answered for: nothing more is said in that session */
TEST_F_TIMEOUT(cca, keys_not_answered, 120)
{
	struct tdi *tdi = &self->tdi[0];
	char *log;

	test_cmd(fwmodel_set_param(&rmm_model, "krou", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_log_clear(&rmm_model));
	/* The first message of the unlock is one about keys */
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(EUCLEAN, tdi_unbind(tdi));
	testctl_clear_faults(self->rid);
	EXPECT_TRUE(fn_quarantined(tdi->fn));
	EXPECT_EQ(VDEV_GRANULES * SZ_4K, fn_held(tdi->fn));
	log = fwmodel_log(&rmm_model);
	EXPECT_EQ(1, fwmodel_log_count(log,
				       "RMI_STREAM_KEY_REFRESH(pdev0, pdev1, handle0) SUCCESS"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_STREAM_KEY_PURGE"));
	EXPECT_EQ(0, fwmodel_log_count(log, "RMI_VDEV_DESTROY"));
	free(log);

	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
	EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
	expect_all_back();
}

#define VDEV_STATE	"RMI_VDEV_GET_STATE(rd0, pdev0, vdev0) SUCCESS "

/* Forced: the administrator disconnects. The VMM's unbind has nothing to do then */
#define expect_forced(_self, _last) do {				\
	test_cmd(fwmodel_log_clear(&rmm_model));			\
	test_cmd(setup_disconnect((_self)->dev));			\
	expect_state((_self)->rid, TDISP_STATE_UNLOCKED);		\
	EXPECT_FALSE(fn_quarantined(&(_self)->dev->fn[0]));		\
	EXPECT_EQ(0, fn_held(&(_self)->dev->fn[0]));			\
	expect_nothing_left();						\
	log = fwmodel_log(&rmm_model);					\
	/* What it was in when it was asked for the first time */	\
	EXPECT_NE(NULL, fwmodel_log_find(log, VDEV_STATE _last)) {	\
		TH_LOG("not in " _last);				\
	}								\
	free(log);							\
	test_cmd(tdi_unbind(&(_self)->tdi[0]));				\
	test_cmd(fwmodel_connect(&rmm_model, (_self)->dev));		\
} while (0)

TEST_F_TIMEOUT(cca, forced, 240)
{
	static const u32 keys[] = {
		RMM_STREAM_KEY_REFRESH, RMM_STREAM_KEY_PURGE,
	};
	struct tdi *tdi = &self->tdi[0];
	char *log;

	test_cmd(tdi_bind(tdi));
	expect_forced(self, "LOCKED");
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	expect_forced(self, "STARTED");

	/* In ERROR, by an exchange that the RMM ends, and by the device */
	test_cmd(tdi_bind(tdi));
	test_cmd(fwmodel_inject(&rmm_model, RMM_VDEV_COMMUNICATE, RMM_INPUT, 0,
				1));
	test_err(EIO, tdi_start(tdi));
	expect_forced(self, "ERROR");
	test_cmd(tdi_bind(tdi));
	testctl_set(self->rid, TDISP_CTL_FORCE_ERROR, 1);
	test_err(EIO, tdi_start(tdi));
	expect_forced(self, "ERROR");

	/* While it waits for the keys of the stream, which do not come */
	test_cmd(fwmodel_set_param(&rmm_model, "krou", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	expect_forced(self, "KEY_REFRESH");
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_inject(&rmm_model, keys[0], RMM_INPUT, 0, 1));
	expect_forced(self, "KEY_REFRESH");
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_inject(&rmm_model, keys[1], RMM_INPUT, 0, 1));
	expect_forced(self, "KEY_PURGE");
	expect_end(self);
}

struct binder {
	struct tdi *tdi;
	int rc;
};

static void *bind_thread(void *arg)
{
	struct binder *b = arg;

	b->rc = tdi_bind(b->tdi);
	return NULL;
}

/* The same while the bind is on its way: the RMM is busy where it is to be caught */
TEST_F_TIMEOUT(cca, forced_while_binding, 120)
{
	static const struct {
		u32 cmd;
		const char *line;
		const char *state;
	} places[] = {
		{ RMM_VDEV_COMMUNICATE, "RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) BUSY" },
		{ RMM_VDEV_LOCK, "RMI_VDEV_LOCK(rd0, pdev0, vdev0) BUSY",
		  VDEV_STATE "UNLOCKED" },
		{ RMM_VDEV_GET_INTERFACE_REPORT,
		  "RMI_VDEV_GET_INTERFACE_REPORT(rd0, pdev0, vdev0) BUSY",
		  VDEV_STATE "LOCKED" },
	};
	struct binder binder = { .tdi = &self->tdi[0] };
	pthread_t thread;
	char *log;

	for (int i = 0; i < ARRAY_SIZE(places); i++) {
		int tries = 200;

		test_cmd(fwmodel_log_clear(&rmm_model));
		test_cmd(fwmodel_inject(&rmm_model, places[i].cmd, RMM_BUSY, 0,
					400));
		ASSERT_EQ(0, pthread_create(&thread, NULL, bind_thread,
					    &binder));
		do {
			usleep(10000);
			log = fwmodel_log(&rmm_model);
			if (fwmodel_log_find(log, places[i].line))
				break;
			free(log);
		} while (--tries);
		ASSERT_LT(0, tries);
		if (places[i].state)
			EXPECT_NE(NULL, fwmodel_log_find(log, places[i].state));
		free(log);

		test_cmd(setup_disconnect(self->dev));
		pthread_join(thread, NULL);
		/* Not bound, and not connected any more */
		EXPECT_EQ(-ENXIO, binder.rc) {
			TH_LOG("%s: %s", places[i].line,
			       errno_name(binder.rc));
		}
		test_cmd(fwmodel_inject_none(&rmm_model));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
		EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
		expect_nothing_left();
		test_cmd(fwmodel_connect(&rmm_model, self->dev));
	}
	test_cmd(tdi_bind(&self->tdi[0]));
	test_cmd(tdi_unbind(&self->tdi[0]));
	expect_end(self);
}

/* A report, or measurements, without an end */
TEST_F_TIMEOUT(cca, too_large, 120)
{
	static const u8 nonce[32] = { 1 };
	struct tdi *tdi = &self->tdi[0];
	u32 len;

	test_cmd(fwmodel_set_param(&rmm_model, "endless", "3"));
	test_cmd(fwmodel_set_param(&rmm_model, "endless", "3"));
	test_cmd(fwmodel_log_clear(&rmm_model));
	test_err(EFBIG, tdi_bind(tdi));
	expect_kept("RMI_VDEV_COMMUNICATE(rd0, pdev0, vdev0, data0) SUCCESS RSP_CACHE", 0);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	EXPECT_EQ(0, fn_held(tdi->fn));
	expect_clean();

	test_cmd(fwmodel_set_param(&rmm_model, "endless", "2"));
	test_cmd(tdi_bind(tdi));
	test_err(EFBIG, tdi_regen_object(tdi, IOMMU_TSM_OBJECT_MEAS, nonce));
	/* The exchange was given up, so the VDEV is in ERROR */
	test_err(EIO, tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);

	test_cmd(fwmodel_set_param(&rmm_model, "endless", "-1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_regen_object(tdi, IOMMU_TSM_OBJECT_MEAS, nonce));
	test_cmd(tdi_object_size(tdi, IOMMU_TSM_OBJECT_MEAS, &len));
	EXPECT_GT(SZ_4K, len);
	test_cmd(tdi_start(tdi));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_all_back();
}

/* Two functions have one session, and one exchange at a time */
TEST_F_TIMEOUT(cca, two_functions, 60)
{
	struct tdi *tdi = self->tdi;
	u16 rid1;

	if (self->dev->nr_fns == 1)
		SKIP(close_all(self); return, "a device with one function");
	rid1 = self->dev->fn[1].rid;
	test_cmd(tdi_setup(&tdi[1], &self->vmm, &self->dev->fn[1]));
	test_cmd(fwmodel_set_param(&rmm_model, "krou", "1"));
	for (int i = 0; i < 2; i++) {
		test_cmd(tdi_bind(&tdi[i]));
		test_cmd(tdi_start(&tdi[i]));
	}
	/* New keys are for both, and nothing else is */
	test_cmd(tdi_unbind(&tdi[0]));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_state(rid1, TDISP_STATE_RUN);

	/* An exchange that has failed does not keep the other from its own */
	test_cmd(tdi_bind(&tdi[0]));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, tdi_start(&tdi[0]));
	testctl_clear_faults(self->rid);
	test_cmd(tdi_unbind(&tdi[1]));
	expect_state(rid1, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_unbind(&tdi[0]));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_end(self);
}

/* MMIO of another VDEV of the realm stays where it is */
TEST_F_TIMEOUT(cca, other_mmio, 60)
{
	struct tdi *other = &self->tdi[1];
	struct rmm_state state;
	int dmabuf;

	if (self->dev->nr_fns == 1)
		SKIP(close_all(self); return, "a device with one function");
	if (!vm_has_dmabuf(&self->vmm.vm))
		SKIP(return, "KVM has no memslots on a dma-buf");
	test_cmd(tdi_setup(other, &self->vmm, &self->dev->fn[1]));
	dmabuf = tdi_export_bar(other, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));
	for (int i = 0; i < 2; i++)
		test_cmd(tdi_bind(&self->tdi[i]));
	test_cmd(tdi_validate_mmio(other, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	test_cmd(tdi_unbind(&self->tdi[0]));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(BAR_PAGES, state.mapped);
	expect_clean();
	test_cmd(tdi_unbind(other));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(0, state.mapped);
	close_fd(&dmabuf);
	expect_end(self);
}

/* Without a stream table of the SMMU for the device there is no VDEV */
TEST_F(cca, no_stream_table)
{
	test_cmd(fwmodel_set_param(&rmm_model, "no_st", "1"));
	test_err(EIO, tdi_bind(&self->tdi[0]));
	EXPECT_FALSE(fn_quarantined(&self->dev->fn[0]));
	test_cmd(fwmodel_set_param(&rmm_model, "no_st", "0"));
	test_cmd(tdi_bind(&self->tdi[0]));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_all_back();
}

/* 2.0-bet0: a VDEV in ERROR is not destroyed, so it is lost */
TEST_F_TIMEOUT(link, stop_refused_in_bet0, 60)
{
	struct rmm_state state;
	struct vmm vmm;
	struct tdi tdi;

	test_cmd(cca_ready(self->dev, "variant=1"));
	test_cmd(fwmodel_connect(&rmm_model, self->dev));
	test_cmd(vmm_open(&vmm));
	test_cmd(tdi_setup(&tdi, &vmm, &self->dev->fn[0]));
	test_cmd(tdi_bind(&tdi));
	test_cmd(tdi_start(&tdi));
	test_cmd(tdi_unbind(&tdi));
	expect_clean();

	test_cmd(tdi_bind(&tdi));
	testctl_set(self->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_err(EUCLEAN, tdi_unbind(&tdi));
	tdi_close(&tdi);
	vmm_close(&vmm);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_TRUE(fn_quarantined(&self->dev->fn[0]));
	test_cmd(rmm_get_state(&state));
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(1, state.vdevs);
}

/*
 * Injection: each call with each kind of status, at each place where a life cycle
 * has it. What becomes of the function has to be one of two things: it can be
 * bound again, or it is in quarantine, with all that the RMM has of it kept.
 */
static const u32 statuses[] = {
	RMM_INPUT, RMM_NOT_SUPPORTED, RMM_INCOMPLETE, RMM_REALM, RMM_RTT,
	RMM_DEVICE, RMM_GRANULE,
};

/* A call that comes again gets one of each kind there, the first of them */
#define NR_KINDS	3

struct outcome {
	const char *step;
	int rc;
	u64 code;
	int unbind_rc;
	bool injected;
	bool quarantined;
};

struct life {
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi;
	int dmabuf;
	bool open;
};

FIXTURE(inject)
{
	struct life life;
};

FIXTURE_SETUP(inject)
{
	self->life.dev = setup.dev;
	self->life.dmabuf = -1;
	test_cmd(setup_ready(setup.dev));
}

FIXTURE_TEARDOWN_PARENT(inject)
{
	test_cmd(cca_clear(setup.dev));
}

static void life_close(struct life *l)
{
	if (!l->open)
		return;
	close_fd(&l->dmabuf);
	tdi_close(&l->tdi);
	vmm_close(&l->vmm);
	l->open = false;
}

/*
 * Connected, with a VM and its device, by an RMM without a past. Where KVM has no
 * memslot for MMIO, the life has no such step.
 */
static int life_open(struct life *l)
{
	int rc;

	rc = cca_ready(l->dev, "");
	rc = rc ?: fwmodel_connect(&rmm_model, l->dev);
	rc = rc ?: vmm_open(&l->vmm);
	rc = rc ?: tdi_setup(&l->tdi, &l->vmm, &l->dev->fn[0]);
	if (rc)
		return rc;
	l->open = true;
	if (!vm_has_dmabuf(&l->vmm.vm))
		return 0;
	l->dmabuf = tdi_export_bar(&l->tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	if (l->dmabuf < 0)
		return l->dmabuf;
	return vm_set_dmabuf(&l->vmm.vm, l->dmabuf, 0, BAR_GPA, BAR_LEN);
}

/* As far as it gets, and back */
static void life_cycle(struct life *l, struct outcome *o)
{
	static const u8 nonce[32] = { 1 };
	struct rmm_state state;

	memset(o, 0, sizeof(*o));
	l->tdi.tsm_code = 0;
	o->step = "bind";
	o->rc = tdi_bind(&l->tdi);
	if (!o->rc) {
		o->step = "measure";
		o->rc = tdi_regen_object(&l->tdi, IOMMU_TSM_OBJECT_MEAS, nonce);
		if (!o->rc && l->dmabuf >= 0) {
			o->step = "validate";
			o->rc = tdi_validate_mmio(&l->tdi, BAR_GPA,
						  BAR_GPA + 4 * SZ_4K, 0);
		}
		if (!o->rc) {
			o->step = "start";
			o->rc = tdi_start(&l->tdi);
		}
		if (!o->rc)
			o->step = "-";
		o->code = l->tdi.tsm_code;
		o->unbind_rc = tdi_unbind(&l->tdi);
	}
	o->injected = !rmm_get_state(&state) && !state.pending;
	fwmodel_inject_none(&rmm_model);
	o->quarantined = fn_quarantined(&l->dev->fn[0]);
}

/* The two things that can become of the function, and nothing else */
#define expect_defined(_life, _o, _conn) do {				\
	struct life *__l = (_life);					\
	struct outcome *__o = (_o), __again;				\
	unsigned long __held = fn_held(&__l->dev->fn[0]);		\
	u32 __conn = (_conn);						\
	struct rmm_state __state;					\
									\
	test_cmd(rmm_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	if (__o->quarantined) {						\
		EXPECT_TRUE(__held || __state.mapped ||			\
			    __state.delegated);				\
		test_err(EUCLEAN, tdi_bind(&__l->tdi));			\
	} else {							\
		EXPECT_EQ(0, __o->unbind_rc);				\
		EXPECT_EQ(0, __state.vdevs);				\
		EXPECT_EQ(0, __state.mapped);				\
		/* All that is not the connection's is accounted for */	\
		EXPECT_EQ(__held / SZ_4K, __state.delegated +		\
					  __state.objects - __conn);	\
		expect_state(__l->dev->fn[0].rid,			\
			     TDISP_STATE_UNLOCKED);			\
		life_cycle(__l, &__again);				\
		EXPECT_EQ(0, __again.rc) {				\
			TH_LOG("%s: %s", __again.step,			\
			       errno_name(__again.rc));			\
		}							\
		EXPECT_EQ(0, __again.unbind_rc);			\
	}								\
} while (0)

static const char *outcome_text(const struct outcome *o, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s, unbind %s, %s", o->step, errno_name(o->rc),
		 errno_name(o->unbind_rc),
		 o->quarantined ? "quarantine" : "usable");
	return buf;
}

/* And what became of it when the device was disconnected */
static void end_text(const struct life *l, char *row, size_t size)
{
	size_t len = strlen(row);

	snprintf(row + len, size - len, ", disconnected: %s, %lu KiB lost",
		 fn_quarantined(&l->dev->fn[0]) ? "quarantine" : "usable",
		 fn_held(&l->dev->fn[0]) / 1024);
}

/* A row of the table for each place of the call, and each other outcome */
#define inject_call(_self, _cmd, _name, _max) do {			\
	struct life *l = &(_self)->life;				\
	struct rmm_state state;						\
	struct outcome o = {};						\
	int place, places = 0;						\
	u32 conn = 0;							\
									\
	for (place = 0; place < (_max); place++) {			\
		int i, nr = place ? NR_KINDS : ARRAY_SIZE(statuses);	\
		char row[128], last[128] = "";				\
									\
		for (i = 0; i < nr; i++) {				\
			if (!l->open) {					\
				test_cmd(life_open(l));			\
				test_cmd(rmm_get_state(&state));	\
				conn = state.objects;			\
			}						\
			test_cmd(fwmodel_inject(&rmm_model, _cmd, statuses[i], \
						place, 1));		\
			life_cycle(l, &o);				\
			if (!o.injected)				\
				break;					\
			expect_defined(l, &o, conn);			\
			outcome_text(&o, row, sizeof(row));		\
			if (o.quarantined ||				\
			    fn_held(&l->dev->fn[0])) {			\
				life_close(l);				\
				/* Asked for once more, and not forbidden */\
				test_cmd(setup_disconnect(l->dev));	\
				test_cmd(rmm_get_state(&state));	\
				EXPECT_EQ(0, state.violations);		\
				end_text(l, row, sizeof(row));		\
				test_cmd(cca_clear(l->dev));		\
			}						\
			if (strcmp(row, last))				\
				TH_LOG("%-14s #%-2d %2u: %s", _name,	\
				       place, statuses[i], row);	\
			strcpy(last, row);				\
		}							\
		if (!o.injected)					\
			break;						\
		places++;						\
	}								\
	EXPECT_LT(0, places);						\
	life_close(l);							\
	test_cmd(cca_clear(l->dev));					\
} while (0)

#define TEST_INJECT(_name, _cmd, _max)					\
TEST_F_TIMEOUT(inject, _name, 900)					\
{									\
	inject_call(self, _cmd, #_name, _max);				\
}

TEST_INJECT(delegate, RMM_GRANULE_RANGE_DELEGATE, 16)
TEST_INJECT(undelegate, RMM_GRANULE_RANGE_UNDELEGATE, 16)
TEST_INJECT(create, RMM_VDEV_CREATE, 16)
TEST_INJECT(donate, RMM_OP_MEM_DONATE, 16)
TEST_INJECT(reclaim, RMM_OP_MEM_RECLAIM, 16)
TEST_INJECT(communicate, RMM_VDEV_COMMUNICATE, 40)
TEST_INJECT(get_state, RMM_VDEV_GET_STATE, 16)
TEST_INJECT(lock, RMM_VDEV_LOCK, 16)
TEST_INJECT(report, RMM_VDEV_GET_INTERFACE_REPORT, 16)
TEST_INJECT(measurements, RMM_VDEV_GET_MEASUREMENTS, 16)
TEST_INJECT(dev_map, RMM_RTT_DEV_MAP, 16)
TEST_INJECT(start, RMM_VDEV_START, 16)
TEST_INJECT(kvm_unmap, RMM_KVM_UNMAP, 16)
TEST_INJECT(dev_unmap, RMM_RTT_DEV_UNMAP, 16)
TEST_INJECT(unlock, RMM_VDEV_UNLOCK, 16)
TEST_INJECT(destroy, RMM_VDEV_DESTROY, 16)

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
