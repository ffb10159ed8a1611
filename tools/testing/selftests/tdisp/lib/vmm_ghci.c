// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the guest, see ../guest/ghci.h. The VMM looks at lengths, addresses
 * and MMIO ranges, and passes on what is left: it decides nothing about a
 * device.
 */
#include <errno.h>
#include <string.h>

#include <linux/sizes.h>

#include "tdisp_lib.h"
#include "psp.h"
#include "steps.h"
#include "tdxm.h"
#include "vmm.h"

/**
 * struct ghci - A call under way
 * @call: copy of it: the guest can change its own at any time
 * @fn: function it is about
 * @buf: its buffer
 */
struct ghci {
	struct ghci_call call;
	struct tvm_fn *fn;
	void *buf;
};

/* Lines of the trace are about the function, and the round */
#define call_step(_tvm, _ghci, _from, _to, _call)			\
	step(_from, _to, _call, " fn=%s round=%u",			\
	     (_ghci)->fn->tdi.fn->bdf, (_tvm)->round)

/* Steps to the kernel that failed, with the code of TSM or device */
static int call_done(struct tvm *tvm, struct ghci *ghci, const char *call,
		     int rc)
{
	struct tdi *tdi = &ghci->fn->tdi;

	if (rc)
		step_done(call, rc, " fn=%s round=%u code=%#llx", tdi->fn->bdf,
			  tvm->round, (unsigned long long)tdi->tsm_code);
	return rc;
}

static int do_bind(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-bind");
	return call_done(tvm, ghci, "tsm-bind", tdi_bind(&ghci->fn->tdi));
}

/* There is no other call of the function meanwhile, so its TDI is ours */
static void *bind_thread(void *arg)
{
	struct tvm_fn *fn = arg;

	fn->bind.rc = tdi_bind(&fn->tdi);
	if (fn->bind.rc)
		step_done("tsm-bind", fn->bind.rc, " fn=%s round=%u code=%#llx",
			  fn->tdi.fn->bdf, fn->bind.round,
			  (unsigned long long)fn->tdi.tsm_code);
	atomic_store(&fn->bind.over, true);
	return NULL;
}

void tvm_end_bind(struct tvm_fn *fn)
{
	if (fn->bind.asked)
		pthread_join(fn->bind.thread, NULL);
	fn->bind.asked = false;
}

static bool bind_under_way(struct tvm_fn *fn)
{
	return fn->bind.asked && !atomic_load(&fn->bind.over);
}

/* The step is taken here, for it to stand before whatever the guest does next */
static int do_bind_async(struct tvm *tvm, struct ghci *ghci)
{
	struct tvm_bind *bind = &ghci->fn->bind;
	int rc;

	/* A result that the guest did not wait for is of no use any more */
	tvm_end_bind(ghci->fn);
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-bind");
	bind->round = tvm->round;
	atomic_store(&bind->over, false);
	rc = pthread_create(&bind->thread, NULL, bind_thread, ghci->fn);
	bind->asked = !rc;
	return call_done(tvm, ghci, "tsm-bind", -rc);
}

static int do_bind_status(struct tvm *tvm, struct ghci *ghci)
{
	tvm_end_bind(ghci->fn);
	return ghci->fn->bind.rc;
}

/* The ranges are shared from now on, whatever became of the device */
static int do_unbind(struct tvm *tvm, struct ghci *ghci)
{
	int rc, share_rc;

	tvm_end_bind(ghci->fn);
	/* What the bind left there is no result of this call */
	ghci->fn->tdi.tsm_code = 0;
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-unbind");
	rc = call_done(tvm, ghci, "tsm-unbind", tdi_unbind(&ghci->fn->tdi));
	share_rc = tvm_share_all(tvm, ghci->fn);
	return rc ?: share_rc;
}

static int do_object_info(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-info");
	return call_done(tvm, ghci, "tsm-req-info",
			 tdi_object_size(&ghci->fn->tdi, ghci->call.arg[0],
					 ghci->buf));
}

static int do_read_object(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-info");
	return call_done(tvm, ghci, "tsm-req-info",
			 tdi_read_portion(&ghci->fn->tdi, ghci->call.arg[0],
					  ghci->call.arg[1], ghci->buf,
					  &ghci->call.buf_len));
}

static int do_regen_object(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-regen");
	return call_done(tvm, ghci, "tsm-req-regen",
			 tdi_regen_object(&ghci->fn->tdi, ghci->call.arg[0],
					  ghci->buf));
}

/*
 * First the TSM, which knows the report, then what the guest gets to see. The
 * PSP keeps the report's addresses to itself and the guest, so those are for
 * other TSMs to compare.
 */
static int do_accept_mmio(struct tvm *tvm, struct ghci *ghci)
{
	/* Nor is it one that the drivers of CCA and TDX Connect know */
	bool obscured = tdi_tvm_arch == IOMMU_TVM_ARCH_SEV ||
			tdi_tvm_arch == IOMMU_TVM_ARCH_CCA ||
			tdi_tvm_arch == IOMMU_TVM_ARCH_TDX;
	u64 gpa = ghci->call.arg[0], size = ghci->call.arg[1];
	int rc;

	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-validate");
	rc = tdi_validate_mmio(&ghci->fn->tdi, gpa, gpa + size,
			       obscured ? 0 : ghci->call.arg[2]);
	if (call_done(tvm, ghci, "tsm-req-validate", rc))
		return rc;
	return tvm_make_private(tvm, ghci->fn, gpa, size);
}

static int do_enable_dma(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-enable-dma");
	return call_done(tvm, ghci, "tsm-req-enable-dma",
			 tdi_enable_dma(&ghci->fn->tdi));
}

static int do_start(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-start");
	return call_done(tvm, ghci, "tsm-req-start", tdi_start(&ghci->fn->tdi));
}

static int do_tdi_state(struct tvm *tvm, struct ghci *ghci)
{
	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-state");
	return call_done(tvm, ghci, "tsm-req-state",
			 tdi_live_state(&ghci->fn->tdi, ghci->buf));
}

/* Not for the VMM to understand: it hands the page on, and the response back */
static int do_guest_msg(struct tvm *tvm, struct ghci *ghci)
{
	u32 len;

	call_step(tvm, ghci, "vmm", "iommufd", "tsm-req-message");
	return call_done(tvm, ghci, "tsm-req-message",
			 psp_send_msg(&ghci->fn->tdi, ghci->buf, &len));
}

/* Past the VMM in reality: nothing of it is looked at */
static int do_tdcall(struct tvm *tvm, struct ghci *ghci)
{
	static const char * const names[] = {
		[TDXM_GUEST_REPORT] = "tdg-report",
		[TDXM_GUEST_START] = "tdg-start",
		[TDXM_GUEST_ACCEPT_DMA] = "tdg-accept-dma",
		[TDXM_GUEST_ACCEPT_MMIO] = "tdg-accept-mmio",
	};
	u64 op = ghci->call.arg[0];

	if (op >= ARRAY_SIZE(names) || !names[op])
		return -EINVAL;
	call_step(tvm, ghci, "guest-tsm", "firmware", names[op]);
	return call_done(tvm, ghci, names[op],
			 tdxm_guest(ghci->fn->tdi.fn->rid, op));
}

/* What a call is made of */
static const struct {
	const char *name;
	int (*run)(struct tvm *tvm, struct ghci *ghci);
	u32 nr_args;
	/* Of the buffer: exact, or at most that */
	u32 buf_len;
	u32 max_buf_len;
} calls[] = {
	[GHCI_BIND] = { "ghci-bind", do_bind },
	[GHCI_UNBIND] = { "ghci-unbind", do_unbind },
	[GHCI_OBJECT_INFO] = {
		"ghci-get-info", do_object_info, 1, sizeof(u32)
	},
	[GHCI_READ_OBJECT] = {
		"ghci-get-info", do_read_object, 2, 0, GHCI_MAX_BUF
	},
	[GHCI_REGEN_OBJECT] = {
		"ghci-regen", do_regen_object, 1, SOFT_TSM_MEAS_NONCE_SIZE
	},
	[GHCI_ACCEPT_MMIO] = { "ghci-accept", do_accept_mmio, 3 },
	[GHCI_ENABLE_DMA] = { "ghci-enable-dma", do_enable_dma },
	[GHCI_START] = { "ghci-start", do_start },
	[GHCI_TDI_STATE] = {
		"ghci-get-state", do_tdi_state, 0, sizeof(u32)
	},
	[GHCI_GUEST_MSG] = {
		"ghci-message", do_guest_msg, 0, GHCI_MSG_SIZE
	},
	[GHCI_BIND_ASYNC] = { "ghci-bind", do_bind_async },
	/* No step: how often a guest asks is a matter of time */
	[GHCI_BIND_STATUS] = { NULL, do_bind_status },
	[GHCI_TDCALL] = { NULL, do_tdcall, 1 },
};

static struct tvm_fn *find_fn(struct tvm *tvm, u32 tdi_id)
{
	for (int i = 0; i < tvm->nr_fns; i++)
		if (tvm->fn[i].devfn == tdi_id)
			return &tvm->fn[i];
	return NULL;
}

static bool range_ok(const struct tvm_fn *fn, u64 gpa, u64 size)
{
	return size && !((gpa | size) % SZ_4K) && tvm_is_bar(fn, gpa, size);
}

/* Whatever the guest may have got wrong */
static u32 check_call(struct tvm *tvm, struct ghci *ghci)
{
	const struct ghci_call *call = &ghci->call;

	if (call->nr >= ARRAY_SIZE(calls) || !calls[call->nr].run)
		return GHCI_UNKNOWN_CALL;
	ghci->fn = find_fn(tvm, call->tdi_id);
	if (!ghci->fn)
		return GHCI_NO_DEVICE;
	if (call->__reserved)
		return GHCI_BAD_VALUE;
	for (int i = calls[call->nr].nr_args; i < ARRAY_SIZE(call->arg); i++)
		if (call->arg[i])
			return GHCI_BAD_VALUE;
	/* Types of objects have 32 bits, from here on */
	if (calls[call->nr].nr_args && calls[call->nr].nr_args < 3 &&
	    call->arg[0] >> 32)
		return GHCI_BAD_VALUE;
	if (calls[call->nr].max_buf_len ?
	    !call->buf_len || call->buf_len > calls[call->nr].max_buf_len :
	    call->buf_len != calls[call->nr].buf_len)
		return GHCI_BAD_LENGTH;
	if (!call->buf != !call->buf_len)
		return GHCI_BAD_ADDRESS;
	ghci->buf = tvm_mem(tvm, call->buf, call->buf_len);
	if (!ghci->buf)
		return GHCI_BAD_ADDRESS;
	if (call->nr == GHCI_ACCEPT_MMIO &&
	    !range_ok(ghci->fn, call->arg[0], call->arg[1]))
		return GHCI_BAD_RANGE;
	if (call->nr != GHCI_UNBIND && bind_under_way(ghci->fn))
		return GHCI_BUSY;
	if (call->nr == GHCI_BIND_STATUS && !ghci->fn->bind.asked)
		return GHCI_NO_REQUEST;
	return GHCI_OK;
}

static void do_call(struct tvm *tvm, struct ghci *ghci)
{
	struct ghci_call *call = &ghci->call;

	call->err = 0;
	call->tsm_code = 0;
	call->status = check_call(tvm, ghci);
	if (call->status != GHCI_OK)
		return;

	if (calls[call->nr].name)
		call_step(tvm, ghci, "guest-tsm", "vmm", calls[call->nr].name);
	/* The thread's, until it is over; its code is part of the result */
	if (call->nr != GHCI_BIND_STATUS && !bind_under_way(ghci->fn))
		ghci->fn->tdi.tsm_code = 0;
	call->err = calls[call->nr].run(tvm, ghci);
	if (call->err) {
		call->status = GHCI_REFUSED;
		call->tsm_code = ghci->fn->tdi.tsm_code;
		/* As it was when nobody was asked */
		if (call->tsm_code == ~0ull)
			call->tsm_code = 0;
	}
}

static const struct {
	const char *to;
	const char *call;
} guest_steps[] = {
	[GUEST_STEP_ENUM] = { "device", "enum-shared" },
	[GUEST_STEP_USE] = { "device", "use-shared" },
	[GUEST_STEP_BIND] = { "guest-tsm", "connect-bind" },
	[GUEST_STEP_ATTEST] = { "guest-tsm", "attest" },
	[GUEST_STEP_ACCEPT] = { "guest-tsm", "accept" },
	[GUEST_STEP_WORKLOAD] = { "device", "workload" },
	[GUEST_STEP_UNBIND] = { "guest-tsm", "disconnect" },
	[GUEST_STEP_USE_AGAIN] = { "device", "use-shared-again" },
};

/* Enumeration starts before the guest can know the function's ID */
static u32 do_step(struct tvm *tvm, const struct ghci_call *call)
{
	u32 fn = tvm_job(tvm)->fn;
	const char *bdf;

	if (call->arg[0] >= ARRAY_SIZE(guest_steps) || fn >= tvm->nr_fns)
		return GHCI_BAD_VALUE;
	bdf = tvm->fn[fn].tdi.fn->bdf;
	if (!call->arg[1])
		step("guest", guest_steps[call->arg[0]].to,
		     guest_steps[call->arg[0]].call, " fn=%s round=%u", bdf,
		     tvm->round);
	else if (call->arg[2])
		step_done(guest_steps[call->arg[0]].call, -EREMOTEIO,
			  " fn=%s round=%u verdict=%s", bdf, tvm->round,
			  guest_verdict_name(call->arg[2]));
	return GHCI_OK;
}

int tvm_ghci(struct tvm *tvm, u64 gpa)
{
	struct ghci_call *there = tvm_mem(tvm, gpa, sizeof(*there));
	struct ghci ghci = {};

	/* There is not even a place to say so */
	if (!there || gpa % sizeof(u64))
		return -EPROTO;
	ghci.call = *there;
	switch (ghci.call.nr) {
	case GHCI_NEXT_JOB:
		return -EAGAIN;
	case GHCI_PANIC:
		tvm->panic[0] = ghci.call.arg[0];
		tvm->panic[1] = ghci.call.arg[1];
		return -ESHUTDOWN;
	case GHCI_STEP:
		ghci.call.status = do_step(tvm, &ghci.call);
		break;
	default:
		do_call(tvm, &ghci);
		break;
	}
	*there = ghci.call;
	return 0;
}
