// SPDX-License-Identifier: GPL-2.0-only
/* Rounds of the whole sequence, and faults in them, see vmm_round.h */
#include <errno.h>
#include <string.h>

#include "tdisp_lib.h"
#include "vmm_round.h"

/* Longer than the kernel waits for an answer by DOE */
#define STALL_MS	1500

const struct tvm_fault tvm_faults[] = {
	{
		.name = "lock-error",
		.help = "LOCK is answered with an error",
		.reg = TDISP_CTL_LOCK_ERROR,
		.val = TDISP_ERR_INVALID_CONFIG,
		.before = GUEST_BIND,
		.at = GUEST_BIND,
		.verdict = GUEST_CALL_FAILED,
		.err = -EIO,
		.unbind_err = -ENOTCONN,
	}, {
		.name = "over-long",
		.help = "each TDISP answer has a byte too many",
		.reg = TDISP_CTL_LENGTH_DELTA,
		.val = 1,
		.before = GUEST_BIND,
		.at = GUEST_BIND,
		.verdict = GUEST_CALL_FAILED,
		.err = -EBADMSG,
		.unbind_err = -ENOTCONN,
	}, {
		.name = "truncated",
		.help = "each TDISP answer has a byte too few",
		.reg = TDISP_CTL_LENGTH_DELTA,
		.val = -1,
		.before = GUEST_BIND,
		.at = GUEST_BIND,
		.verdict = GUEST_CALL_FAILED,
		.err = -EBADMSG,
		.unbind_err = -ENOTCONN,
	}, {
		.name = "stall",
		.help = "no answer in time to BIND",
		.reg = TDISP_CTL_STALL_MS,
		.val = STALL_MS,
		.before = GUEST_BIND,
		.at = GUEST_BIND,
		.verdict = GUEST_CALL_FAILED,
		.err = -ETIMEDOUT,
		.unbind_err = -ENOTCONN,
	}, {
		.name = "stall-attest",
		.help = "no answer in time to the request for measurements",
		.reg = TDISP_CTL_STALL_MS,
		.val = STALL_MS,
		.before = GUEST_ATTEST,
		.at = GUEST_ATTEST,
		.verdict = GUEST_CALL_FAILED,
		.err = -ETIMEDOUT,
		.code = SOFT_TSM_CODE_NO_ANSWER,
		/* Nor to STOP */
		.unbind_err = -EUCLEAN,
		.state = TDISP_STATE_LOCKED,
	}, {
		.name = "wrong-nonce",
		.help = "LOCK tells another nonce than START wants",
		.reg = TDISP_CTL_WRONG_NONCE,
		.val = 1,
		.before = GUEST_BIND,
		.at = GUEST_START,
		.verdict = GUEST_CALL_FAILED,
		.err = -EIO,
		.code = SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_NONCE,
	}, {
		.name = "error-locked",
		.help = "the TDI drops to ERROR before it is started",
		.reg = TDISP_CTL_FORCE_ERROR,
		.val = 1,
		.before = GUEST_START,
		.at = GUEST_START,
		.verdict = GUEST_CALL_FAILED,
		.err = -EIO,
		.code = SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_STATE,
	}, {
		.name = "error",
		.help = "the TDI drops to ERROR before the workload",
		.reg = TDISP_CTL_FORCE_ERROR,
		.val = 1,
		.before = GUEST_WORKLOAD,
		.at = GUEST_WORKLOAD,
		.verdict = GUEST_GONE,
	}, {
		.name = "stop-error",
		.help = "STOP is refused",
		.reg = TDISP_CTL_STOP_ERROR,
		.val = TDISP_ERR_INVALID_STATE,
		.before = GUEST_UNBIND,
		.at = GUEST_UNBIND,
		.verdict = GUEST_CALL_FAILED,
		.err = -EUCLEAN,
		.unbind_err = -EUCLEAN,
		.state = TDISP_STATE_RUN,
	}, {
		.name = "stall-stop",
		.help = "no answer in time to STOP",
		.reg = TDISP_CTL_STALL_MS,
		.val = STALL_MS,
		.before = GUEST_UNBIND,
		.at = GUEST_UNBIND,
		.verdict = GUEST_CALL_FAILED,
		.err = -EUCLEAN,
		.unbind_err = -EUCLEAN,
		.state = TDISP_STATE_RUN,
	}, {
		.name = "removed-locked",
		.help = "the device is pulled out while it is locked",
		.reg = TDISP_CTL_REMOVED,
		.val = 1,
		.before = GUEST_ATTEST,
		.at = GUEST_ATTEST,
		.verdict = GUEST_CALL_FAILED,
		.err = -ENODEV,
		.code = SOFT_TSM_CODE_GONE,
		/* Its stream went with it */
		.state = TDISP_STATE_ERROR,
		.gone = true,
	}, {
		.name = "removed",
		.help = "the device is pulled out before the workload",
		.reg = TDISP_CTL_REMOVED,
		.val = 1,
		.before = GUEST_WORKLOAD,
		.at = GUEST_WORKLOAD,
		.verdict = GUEST_GONE,
		.state = TDISP_STATE_ERROR,
		.gone = true,
	},
};

const int tvm_nr_faults = ARRAY_SIZE(tvm_faults);

const struct tvm_fault *tvm_find_fault(const char *name)
{
	for (int i = 0; i < tvm_nr_faults; i++)
		if (!strcmp(tvm_faults[i].name, name))
			return &tvm_faults[i];
	return NULL;
}

const char *guest_job_name(u32 job)
{
	static const char * const names[] = {
		[GUEST_ENUM] = "ENUM",
		[GUEST_USE] = "USE",
		[GUEST_USE_AGAIN] = "USE_AGAIN",
		[GUEST_BIND] = "BIND",
		[GUEST_BIND_ASYNC] = "BIND_ASYNC",
		[GUEST_ATTEST] = "ATTEST",
		[GUEST_ACCEPT] = "ACCEPT",
		[GUEST_START] = "START",
		[GUEST_WORKLOAD] = "WORKLOAD",
		[GUEST_UNBIND] = "UNBIND",
		[GUEST_CALL] = "CALL",
		[GUEST_READ] = "READ",
		[GUEST_WRITE] = "WRITE",
		[GUEST_DMA] = "DMA",
	};

	return job < ARRAY_SIZE(names) && names[job] ? names[job] : "?";
}

static int run_job(struct tvm *tvm, u32 nr, u32 fn, struct tvm_stop *stop)
{
	struct guest_job *job = tvm_job(tvm);
	int rc;

	memset(&job->call, 0, sizeof(job->call));
	rc = tvm_run_job(tvm, nr, fn);
	if (rc || job->verdict == GUEST_OK)
		return rc;
	*stop = (struct tvm_stop) {
		.job = nr,
		.fn = fn,
		.verdict = job->verdict,
		.status = job->call.status,
		.err = job->call.err,
		.code = job->call.tsm_code,
	};
	return 0;
}

int tvm_enum(struct tvm *tvm, struct tvm_stop *stop)
{
	int rc = 0;

	memset(stop, 0, sizeof(*stop));
	for (int i = 0; i < tvm->nr_fns && !rc && !stop->job; i++)
		rc = run_job(tvm, GUEST_ENUM, i, stop);
	return rc;
}

int tvm_round(struct tvm *tvm, const struct tvm_fault *fault,
	      struct tvm_stop *stop)
{
	static const u32 jobs[] = {
		GUEST_USE, GUEST_BIND, GUEST_ATTEST, GUEST_ACCEPT, GUEST_START,
		GUEST_WORKLOAD, GUEST_UNBIND, GUEST_USE_AGAIN,
	};
	int rc;

	memset(stop, 0, sizeof(*stop));
	tvm->round++;
	for (int i = 0; i < ARRAY_SIZE(jobs); i++) {
		if (fault && fault->before == jobs[i])
			testctl_set(tvm->fn[0].tdi.fn->rid, fault->reg,
				    fault->val);
		for (int j = 0; j < tvm->nr_fns; j++) {
			rc = run_job(tvm, jobs[i], j, stop);
			if (rc || stop->job)
				return rc;
		}
	}
	return 0;
}

int tvm_give_up(struct tvm *tvm, struct tvm_stop *stop)
{
	memset(stop, 0, sizeof(*stop));
	return run_job(tvm, GUEST_UNBIND, 0, stop);
}
