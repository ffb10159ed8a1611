// SPDX-License-Identifier: GPL-2.0-only
/* The guest of the small VMM: does one job after the other, see ghci.h */
#include "guest.h"

struct guest_job *const job = (void *)GUEST_JOB_GPA;

static struct guest_fn fns[GUEST_MAX_FNS];

u32 ghci(struct ghci_call *call)
{
	port_write32(GHCI_PORT, (u64)call);
	return call->status;
}

u32 ghci_fn(const struct guest_fn *fn, struct ghci_call *call)
{
	u32 status;

	call->tdi_id = fn->tdi_id;
	status = ghci(call);
	job->call = *call;
	return status;
}

static void announce(const struct guest_fn *fn, u32 step, bool after,
		     u32 verdict)
{
	struct ghci_call call = {
		.nr = GHCI_STEP,
		.tdi_id = fn->tdi_id,
		.arg = { step, after, verdict },
	};

	ghci(&call);
}

static u32 use_shared(struct guest_fn *fn)
{
	return device_use(fn, false);
}

static u32 use_trusted(struct guest_fn *fn)
{
	return device_use(fn, !(job->flags & (GUEST_SNP | GUEST_REALM)));
}

static u32 make_call(struct guest_fn *fn)
{
	ghci(&job->call);
	return job->call.status == GHCI_OK ? GUEST_OK : GUEST_CALL_FAILED;
}

static u32 read_once(struct guest_fn *fn)
{
	u32 checks = mmio_checks;

	job->val[0] = mmio_read32(job->arg[0]);
	job->val[1] = mmio_checks - checks;
	return GUEST_OK;
}

static u32 write_once(struct guest_fn *fn)
{
	u32 checks = mmio_checks;

	mmio_write32(job->arg[0], job->arg[1]);
	job->val[1] = mmio_checks - checks;
	return GUEST_OK;
}

static u32 do_dma(struct guest_fn *fn)
{
	u64 gpa = GUEST_DMA_GPA + fn->nr * GUEST_DMA_SIZE;

	job->val[0] = device_dma(fn, job->arg[0], job->arg[1], gpa,
				 job->arg[2]);
	return job->val[0] == TDISP_DMA_DONE ? GUEST_OK : GUEST_BAD_DMA;
}

static const struct {
	u32 (*run)(struct guest_fn *fn);
	/* NR_GUEST_STEPS: not a step of the sequence */
	u32 step;
} jobs[] = {
	[GUEST_ENUM] = { pci_enum, GUEST_STEP_ENUM },
	[GUEST_USE] = { use_shared, GUEST_STEP_USE },
	[GUEST_USE_AGAIN] = { use_shared, GUEST_STEP_USE_AGAIN },
	[GUEST_BIND] = { tsm_bind, GUEST_STEP_BIND },
	[GUEST_ATTEST] = { tsm_attest, GUEST_STEP_ATTEST },
	[GUEST_ACCEPT] = { tsm_accept, GUEST_STEP_ACCEPT },
	[GUEST_START] = { tsm_start, NR_GUEST_STEPS },
	[GUEST_WORKLOAD] = { use_trusted, GUEST_STEP_WORKLOAD },
	[GUEST_UNBIND] = { tsm_unbind, GUEST_STEP_UNBIND },
	[GUEST_CALL] = { make_call, NR_GUEST_STEPS },
	[GUEST_READ] = { read_once, NR_GUEST_STEPS },
	[GUEST_WRITE] = { write_once, NR_GUEST_STEPS },
	[GUEST_DMA] = { do_dma, NR_GUEST_STEPS },
	[GUEST_BIND_ASYNC] = { tsm_bind_async, GUEST_STEP_BIND },
};

static u32 run_job(void)
{
	struct guest_fn *fn;
	u32 step, verdict;

	if (job->nr >= ARRAY_SIZE(jobs) || !jobs[job->nr].run ||
	    job->fn >= GUEST_MAX_FNS)
		return GUEST_BAD_JOB;

	fn = &fns[job->fn];
	fn->nr = job->fn;
	step = jobs[job->nr].step;
	if (step != NR_GUEST_STEPS)
		announce(fn, step, false, 0);
	verdict = jobs[job->nr].run(fn);
	if (step != NR_GUEST_STEPS)
		announce(fn, step, true, verdict);
	return verdict;
}

void guest_main(void)
{
	struct ghci_call call = { .nr = GHCI_NEXT_JOB };

	cpu_init();
	for (;;) {
		ghci(&call);
		job->verdict = run_job();
	}
}
