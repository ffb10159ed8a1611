// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that does not behave: every fault that the test device can have, at
 * every message where it makes a difference. Each test ends with a device that
 * has no fault and works.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <sys/wait.h>

#include "tdisp_harness.h"

/* Time limit of a DOE exchange in the kernel, in ms */
#define DOE_LIMIT	1000

/* A function that only waits for BIND */
struct bench {
	struct vmm vmm;
	struct tdi tdi;
	char tsm[16];
	u16 rid;
	u32 log;
};

static void bench_open(struct __test_metadata *_metadata, struct bench *b)
{
	test_cmd(vmm_open(&b->vmm));
	test_cmd(tdi_setup(&b->tdi, &b->vmm, setup.fn));
	b->rid = setup.fn->rid;
	b->log = testctl_log_end();
}

static void bench_close(struct bench *b)
{
	tdi_close(&b->tdi);
	vmm_close(&b->vmm);
}

static void bench_setup(struct __test_metadata *_metadata, struct bench *b)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	test_cmd(tsm_find(b->tsm, sizeof(b->tsm)));
	bench_open(_metadata, b);
}

FIXTURE(faults)
{
	struct bench b;
};

FIXTURE_SETUP(faults)
{
	bench_setup(_metadata, &self->b);
}

FIXTURE_TEARDOWN_PARENT(faults)
{
	test_cmd(setup_clear(setup.dev));
}

static void fault(struct bench *b, u32 reg, u32 val)
{
	testctl_set(b->rid, reg, val);
}

/* The fault is over: the whole life cycle works, and DMA */
static void recovered(struct __test_metadata *_metadata,
		      struct bench *b)
{
	testctl_clear_faults(b->rid);
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_dma_round_trip(&b->tdi));
	test_cmd(tdi_bind(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_start(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(&b->tdi));
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_dma_round_trip(&b->tdi));
}

/* BIND failed, so there is no binding, and no TDI that somebody has to stop */
static void not_bound(struct __test_metadata *_metadata,
		      struct bench *b)
{
	u32 state;

	expect_attr(setup.fn, "bound", "");
	test_err(ENOTCONN, tdi_live_state(&b->tdi, &state));
	test_err(ENOTCONN, tdi_unbind(&b->tdi));
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	/* Not pinned either */
	test_cmd(tdi_detach(&b->tdi));
	test_cmd(tdi_attach(&b->tdi, b->vmm.hwpt_id));
}

TEST_F(faults, lock_refused)
{
	struct bench *b = &self->b;
	static const u32 codes[] = {
		TDISP_ERR_INVALID_CONFIG, TDISP_ERR_INSUFFICIENT_ENTROPY,
		TDISP_ERR_BUSY, TDISP_ERR_UNSPECIFIED,
		TDISP_ERR_VENDOR_SPECIFIC, 0xffffffff,
	};
	struct testctl_event ev;

	for (int i = 0; i < ARRAY_SIZE(codes); i++) {
		b->log = testctl_log_end();
		fault(b, TDISP_CTL_LOCK_ERROR, codes[i]);
		test_err(EIO, tdi_bind(&b->tdi));
		test_cmd(testctl_find(b->log, b->rid, TDISP_EV_TDISP,
				      TDISP_LOCK_INTERFACE, TDISP_ERROR, &ev));
		EXPECT_EQ(codes[i], ev.arg[2]);
		not_bound(_metadata, b);
	}
	recovered(_metadata, b);
}

TEST_F(faults, wrong_nonce)
{
	struct bench *b = &self->b;

	fault(b, TDISP_CTL_WRONG_NONCE, 1);
	test_cmd(tdi_bind(&b->tdi));
	test_err(EIO, tdi_start(&b->tdi));
	EXPECT_EQ(SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_NONCE,
		  b->tdi.tsm_code);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

/* Late, but not too late: nobody notices */
TEST_F_TIMEOUT(faults, slow, 60)
{
	struct bench *b = &self->b;

	fault(b, TDISP_CTL_STALL_MS, 100);
	test_cmd(tdi_bind(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_start(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));
	EXPECT_EQ(0, testctl_count(b->log, b->rid, TDISP_EV_DOE_ABORT,
				   TESTCTL_ANY, TESTCTL_ANY));
	recovered(_metadata, b);
}

/* The mailbox is function 0's */
static int doe_aborts(u32 log)
{
	return testctl_count(log, setup.dev->fn[0].rid, TDISP_EV_DOE_ABORT,
			     TESTCTL_ANY, TESTCTL_ANY);
}

TEST_F_TIMEOUT(faults, no_answer_at_start_of_bind, 60)
{
	struct bench *b = &self->b;

	fault(b, TDISP_CTL_STALL_MS, DOE_LIMIT + 500);
	test_err(ETIMEDOUT, tdi_bind(&b->tdi));
	EXPECT_EQ(1, doe_aborts(b->log));
	EXPECT_EQ(0, count_tdisp(b->log, b->rid, TDISP_LOCK_INTERFACE));
	not_bound(_metadata, b);
	recovered(_metadata, b);
}

/* Run BIND in another process, its result is the exit status */
static pid_t bind_in_child(struct tdi *tdi)
{
	pid_t pid = fork();

	if (!pid)
		_exit(-tdi_bind(tdi));
	return pid;
}

/*
 * LOCK is not answered, and neither is the STOP that undoes it: nobody knows
 * the state, and nobody gets the TDI until the TSM does.
 */
TEST_F_TIMEOUT(faults, no_answer_to_lock, 90)
{
	struct bench *b = &self->b;
	struct testctl_event ev;
	int status;
	pid_t pid;

	/* GET_DEVICE_INTERFACE_STATE stands before LOCK: slow it down... */
	fault(b, TDISP_CTL_STALL_MS, 400);
	pid = bind_in_child(&b->tdi);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_for(count_tdisp(b->log, b->rid,
					 TDISP_GET_CAPABILITIES) == 1, 10000));
	usleep(100000);
	/* ...and have what comes after it not answered */
	fault(b, TDISP_CTL_STALL_MS, DOE_LIMIT + 500);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(ETIMEDOUT, WEXITSTATUS(status));
	EXPECT_EQ(1, count_tdisp(b->log, b->rid,
				 TDISP_GET_INTERFACE_STATE));
	EXPECT_LT(1, doe_aborts(b->log));

	testctl_clear_faults(b->rid);
	expect_attr(setup.fn, "bound", "");
	test_err(EUCLEAN, tdi_bind(&b->tdi));
	/* The device took LOCK, or did not; the TSM gets along with both */
	test_cmd(soft_tsm_release(setup.fn->bdf));
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(&b->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(testctl_find(b->log, b->rid, TDISP_EV_TDISP,
			      TDISP_LOCK_INTERFACE,
			      TDISP_RSP(TDISP_LOCK_INTERFACE), &ev));
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

TEST_F_TIMEOUT(faults, no_answer_to_request, 60)
{
	struct bench *b = &self->b;
	u32 state;

	test_cmd(tdi_bind(&b->tdi));
	fault(b, TDISP_CTL_STALL_MS, DOE_LIMIT + 500);
	test_err(ETIMEDOUT, tdi_live_state(&b->tdi, &state));
	EXPECT_EQ(SOFT_TSM_CODE_NO_ANSWER, b->tdi.tsm_code);
	/* It is still bound */
	expect_attr(setup.fn, "bound", b->tsm);
	testctl_clear_faults(b->rid);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

/* A TDI that cannot be stopped is not handed out again */
TEST_F_TIMEOUT(faults, no_answer_to_stop, 90)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	fault(b, TDISP_CTL_STALL_MS, DOE_LIMIT + 500);
	test_err(EUCLEAN, tdi_unbind(&b->tdi));
	testctl_clear_faults(b->rid);
	test_err(EUCLEAN, tdi_bind(&b->tdi));
	expect_state(b->rid, TDISP_STATE_RUN);
	test_cmd(soft_tsm_release(setup.fn->bdf));
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

TEST_F(faults, stop_refused)
{
	struct bench *b = &self->b;
	u32 state;

	test_cmd(tdi_bind(&b->tdi));
	fault(b, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_err(EUCLEAN, tdi_unbind(&b->tdi));
	expect_state(b->rid, TDISP_STATE_LOCKED);
	test_err(ENOTCONN, tdi_live_state(&b->tdi, &state));
	test_err(EUCLEAN, tdi_bind(&b->tdi));
	/* The TSM is not told that it is over, it tries */
	test_err(EIO, soft_tsm_release(setup.fn->bdf));
	test_err(EUCLEAN, tdi_bind(&b->tdi));

	testctl_clear_faults(b->rid);
	/* A fault that is over ends no quarantine */
	test_err(EUCLEAN, tdi_bind(&b->tdi));
	test_cmd(soft_tsm_release(setup.fn->bdf));
	test_cmd(tdi_unbind(&b->tdi));
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	recovered(_metadata, b);
}

FIXTURE(length)
{
	struct bench b;
};

FIXTURE_VARIANT(length)
{
	int delta;
};

FIXTURE_VARIANT_ADD(length, truncated)
{
	.delta = -1,
};

FIXTURE_VARIANT_ADD(length, over_long)
{
	.delta = 1,
};

FIXTURE_VARIANT_ADD(length, empty)
{
	.delta = -4096,
};

FIXTURE_VARIANT_ADD(length, enormous)
{
	.delta = 4096,
};

FIXTURE_SETUP(length)
{
	bench_setup(_metadata, &self->b);
}

FIXTURE_TEARDOWN_PARENT(length)
{
	test_cmd(setup_clear(setup.dev));
}

static void length_fault(struct bench *b, u8 msg, int delta)
{
	testctl_set(b->rid, TDISP_CTL_LENGTH_MSG, msg);
	testctl_set(b->rid, TDISP_CTL_LENGTH_DELTA, delta);
}

/* Of any message that bind needs: it fails, and what was locked is stopped */
TEST_F_TIMEOUT(length, at_bind, 60)
{
	struct bench *b = &self->b;
	static const u8 msgs[] = {
		TDISP_GET_VERSION, TDISP_GET_CAPABILITIES,
		TDISP_GET_INTERFACE_STATE, TDISP_LOCK_INTERFACE,
		TDISP_GET_INTERFACE_REPORT,
	};

	for (int i = 0; i < ARRAY_SIZE(msgs); i++) {
		u32 log = testctl_log_end();

		length_fault(b, msgs[i], variant->delta);
		test_err(EBADMSG, tdi_bind(&b->tdi));
		EXPECT_EQ(1, count_tdisp(log, b->rid, msgs[i])) {
			TH_LOG("%s", tdisp_request_name(msgs[i]));
		}
		not_bound(_metadata, b);
		/* What the device has locked was taken back by STOP */
		if (count_tdisp(log, b->rid, TDISP_LOCK_INTERFACE))
			EXPECT_EQ(1, count_tdisp(log, b->rid,
						 TDISP_STOP_INTERFACE));
	}
	recovered(_metadata, b);
}

/* Messages without a body have nothing that could be missing */
static bool nothing_to_cut(int delta)
{
	return delta < 0;
}

/* Of a request: it fails, the TDI is still bound and where the device says */
TEST_F(length, while_bound)
{
	struct bench *b = &self->b;
	u32 state;

	test_cmd(tdi_bind(&b->tdi));

	length_fault(b, TDISP_GET_INTERFACE_STATE, variant->delta);
	test_err(EBADMSG, tdi_live_state(&b->tdi, &state));
	EXPECT_EQ(SOFT_TSM_CODE_MALFORMED, b->tdi.tsm_code);
	EXPECT_EQ(~0u, state);
	testctl_clear_faults(b->rid);
	expect_live_state(&b->tdi, TDISP_STATE_LOCKED);

	length_fault(b, TDISP_START_INTERFACE, variant->delta);
	if (nothing_to_cut(variant->delta)) {
		test_cmd(tdi_start(&b->tdi));
	} else {
		test_err(EBADMSG, tdi_start(&b->tdi));
		EXPECT_EQ(SOFT_TSM_CODE_MALFORMED, b->tdi.tsm_code);
	}
	/* The device has done what it was asked for */
	expect_live_state(&b->tdi, TDISP_STATE_RUN);

	/* It is the state that counts, not the answer to STOP */
	length_fault(b, TDISP_STOP_INTERFACE, variant->delta);
	test_cmd(tdi_unbind(&b->tdi));
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	recovered(_metadata, b);
}

/* A TDI whose state cannot be told is not taken for unlocked, not even if so */
TEST_F(length, at_state_of_unbind)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	length_fault(b, TDISP_GET_INTERFACE_STATE, variant->delta);
	test_err(EUCLEAN, tdi_unbind(&b->tdi));
	test_err(EUCLEAN, tdi_bind(&b->tdi));
	test_err(EBADMSG, soft_tsm_release(setup.fn->bdf));

	testctl_clear_faults(b->rid);
	test_cmd(soft_tsm_release(setup.fn->bdf));
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

/*
 * The TDI drops to ERROR with message N: from the first one of bind on, until
 * bind does not notice any more.
 */
TEST_F_TIMEOUT(faults, error_after, 60)
{
	struct bench *b = &self->b;
	const int most = 20;
	u32 n;
	int rc;

	for (n = 1; n < most; n++) {
		b->log = testctl_log_end();
		fault(b, TDISP_CTL_ERROR_AFTER, n);
		rc = tdi_bind(&b->tdi);
		EXPECT_EQ(1, testctl_count(b->log, b->rid, TDISP_EV_STATE,
					   TESTCTL_ANY, TDISP_STATE_ERROR));
		if (!rc)
			break;
		test_err(EIO, rc);
		not_bound(_metadata, b);
		/* It has happened, once */
		EXPECT_EQ(0, testctl_get(b->rid, TDISP_CTL_ERROR_AFTER));
	}
	/* There are at least LOCK, a report and the state after it */
	ASSERT_LT(3, n);
	ASSERT_LT(n, most);

	/* With the last message of bind: the guest finds out */
	expect_live_state(&b->tdi, TDISP_STATE_ERROR);
	test_err(EIO, tdi_start(&b->tdi));
	EXPECT_EQ(SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_STATE,
		  b->tdi.tsm_code);
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

/* START is answered, and the device is not in RUN */
TEST_F(faults, error_with_start)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	fault(b, TDISP_CTL_ERROR_AFTER, 1);
	test_err(EIO, tdi_start(&b->tdi));
	EXPECT_EQ(SOFT_TSM_CODE_WRONG_STATE, b->tdi.tsm_code);
	expect_live_state(&b->tdi, TDISP_STATE_ERROR);
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

TEST_F(faults, error_in_locked)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	fault(b, TDISP_CTL_FORCE_ERROR, 1);
	expect_live_state(&b->tdi, TDISP_STATE_ERROR);
	expect_attr(setup.fn, "bound", b->tsm);
	test_err(EALREADY, tdi_bind(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

TEST_F(faults, error_in_run)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	fault(b, TDISP_CTL_FORCE_ERROR, 1);
	expect_live_state(&b->tdi, TDISP_STATE_ERROR);
	test_cmd(tdi_unbind(&b->tdi));
	recovered(_metadata, b);
}

/* In ERROR to the end: the close of the device is what takes it back */
TEST_F(faults, error_and_close)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	fault(b, TDISP_CTL_FORCE_ERROR, 1);
	bench_close(b);
	expect_state(b->rid, TDISP_STATE_UNLOCKED);
	EXPECT_EQ(1, count_tdisp(b->log, b->rid, TDISP_STOP_INTERFACE));

	bench_open(_metadata, b);
	recovered(_metadata, b);
}

/*
 * Surprise removal: the whole device reads all ones, the slot is empty. The
 * device comes back reset, as a new one to the kernel.
 */
static void removal(struct __test_metadata *_metadata,
		    struct bench *b)
{
	struct tdisp_device *dev = setup.dev;
	u64 start = now_ms();
	u32 state;
	int rc;

	testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 1);
	/*
	 * The hot plug driver may have told the TSM core, or not yet: nothing
	 * that waits for an answer, and no success
	 */
	rc = tdi_live_state(&b->tdi, &state);
	EXPECT_TRUE(rc == -ENODEV || rc == -ENOTCONN) {
		TH_LOG("request to a device that is gone: %s", errno_name(rc));
	}
	if (rc == -ENODEV)
		EXPECT_EQ(SOFT_TSM_CODE_GONE, b->tdi.tsm_code);
	/* Nothing is left that somebody had to let go of */
	test_cmd(tdi_unbind(&b->tdi));
	EXPECT_GT(DOE_LIMIT, now_ms() - start);
	rc = tdi_bind(&b->tdi);
	EXPECT_TRUE(rc == -ENODEV || rc == -ENXIO) {
		TH_LOG("bind of a device that is gone: %s", errno_name(rc));
	}
	bench_close(b);

	/* Plug it in again, connect and use it */
	test_cmd(setup_ready(dev));
	test_cmd(setup_connect(dev));
	bench_open(_metadata, b);
	recovered(_metadata, b);
}

TEST_F_TIMEOUT(faults, surprise_removal_in_locked, 60)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	removal(_metadata, b);
}

TEST_F_TIMEOUT(faults, surprise_removal_in_run, 60)
{
	struct bench *b = &self->b;

	test_cmd(tdi_bind(&b->tdi));
	test_cmd(tdi_start(&b->tdi));
	removal(_metadata, b);
}

/* Connect talks to the device too, in the plain and without any TDI */
FIXTURE(connect)
{
	u16 rid;
};

FIXTURE_SETUP(connect)
{
	test_cmd(setup_ready(setup.dev));
	self->rid = setup.dev->fn[0].rid;
}

FIXTURE_TEARDOWN_PARENT(connect)
{
	test_cmd(setup_clear(setup.dev));
}

TEST_F_TIMEOUT(connect, no_answer, 60)
{
	testctl_set(self->rid, TDISP_CTL_STALL_MS, DOE_LIMIT + 500);
	test_err(ETIMEDOUT, setup_connect(setup.dev));
	expect_attr(&setup.dev->fn[0], "connect", "");
	testctl_clear_faults(self->rid);
	test_cmd(setup_connect(setup.dev));
	test_cmd(setup_disconnect(setup.dev));
}

/* A device that does not answer cannot prevent that it is disconnected */
TEST_F_TIMEOUT(connect, no_answer_to_disconnect, 60)
{
	test_cmd(setup_connect(setup.dev));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, DOE_LIMIT + 500);
	test_cmd(setup_disconnect(setup.dev));
	expect_attr(&setup.dev->fn[0], "connect", "");
	testctl_clear_faults(self->rid);
	test_cmd(setup_connect(setup.dev));
	test_cmd(setup_disconnect(setup.dev));
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
