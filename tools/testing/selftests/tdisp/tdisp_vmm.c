// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole sequence, by a small VMM and its guest: the device is there before
 * the VM runs, the guest uses it, has it bound, verifies what it gets, works with
 * it as a trusted device, and gives it back, again and again. Then all that a
 * guest and a device can do wrong, and the end of a VMM in the middle of it.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/io.h>
#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "lib/steps.h"
#include "lib/tdxm.h"
#include "lib/vcpu.h"
#include "lib/vmm_round.h"

#define UNLOCK_MS	10000
/* Each answer takes that long, which is not too long for the kernel */
#define SLOW_MS		300
/* Too long for it */
#define STALL_MS	1500

/* The guest does a job, with this verdict */
#define guest_does(_tvm, _nr, _fn, _verdict) do {			\
	struct tvm *__tvm = (_tvm);					\
	u32 __nr = (_nr);						\
									\
	test_cmd(tvm_run_job(__tvm, __nr, _fn));			\
	EXPECT_EQ(_verdict, tvm_job(__tvm)->verdict) {			\
		TH_LOG("%s: %s", guest_job_name(__nr),			\
		       guest_verdict_name(tvm_job(__tvm)->verdict));	\
	}								\
} while (0)

/* All the guest's functions go through a round without a fault */
#define round_passes(_tvm) do {						\
	struct tvm_stop __stop;						\
									\
	test_cmd(tvm_round(_tvm, NULL, &__stop));			\
	ASSERT_EQ(0, __stop.job) {					\
		TH_LOG("%s of function %u: %s, %s, %s, code %#llx",	\
		       guest_job_name(__stop.job), __stop.fn,		\
		       guest_verdict_name(__stop.verdict),		\
		       ghci_status_name(__stop.status),			\
		       errno_name(__stop.err),				\
		       (unsigned long long)__stop.code);		\
	}								\
} while (0)

static void open_vm(struct __test_metadata *_metadata, struct tvm *tvm,
		    struct tdisp_device *dev, int nr_fns)
{
	struct tvm_stop stop;

	test_cmd(tvm_open(tvm, dev->fn, nr_fns));
	test_cmd(tvm_enum(tvm, &stop));
	ASSERT_EQ(0, stop.job) {
		TH_LOG("%s", guest_verdict_name(stop.verdict));
	}
}

/* From a shared device to a job that expects the TDI to be in some state */
static void bind_to(struct __test_metadata *_metadata, struct tvm *tvm,
		    u32 last)
{
	static const u32 jobs[] = {
		GUEST_BIND, GUEST_ATTEST, GUEST_ACCEPT, GUEST_START,
	};

	for (int i = 0; i < ARRAY_SIZE(jobs); i++) {
		guest_does(tvm, jobs[i], 0, GUEST_OK);
		if (jobs[i] == last)
			return;
	}
}

FIXTURE(vmm_order)
{
	struct tvm tvm;
	u16 rid;
};

FIXTURE_VARIANT(vmm_order)
{
	const char *teardown;
};

FIXTURE_VARIANT_ADD(vmm_order, stop_first)
{
	.teardown = "stop-first",
};

FIXTURE_VARIANT_ADD(vmm_order, late_revoke)
{
	.teardown = "stop-first-late-revoke",
};

FIXTURE_VARIANT_ADD(vmm_order, revoke_first)
{
	.teardown = "revoke-first",
};

FIXTURE_SETUP(vmm_order)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(soft_tsm_set_teardown(variant->teardown));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.dev->fn[0].rid;
}

FIXTURE_TEARDOWN_PARENT(vmm_order)
{
	test_cmd(setup_clear(setup.dev));
	test_cmd(soft_tsm_set_teardown("stop-first"));
}

/* Each step leaves the TDI where it should */
TEST_F_TIMEOUT(vmm_order, states, 60)
{
	struct tvm *tvm = &self->tvm;
	struct tvm_fn *fn = &tvm->fn[0];

	open_vm(_metadata, tvm, setup.dev, 1);
	guest_does(tvm, GUEST_USE, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	guest_does(tvm, GUEST_BIND, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	guest_does(tvm, GUEST_ATTEST, 0, GUEST_OK);
	EXPECT_EQ(0, fn->nr_private);
	guest_does(tvm, GUEST_ACCEPT, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	/* What the report has for a TEE, and nothing else */
	ASSERT_EQ(2, fn->nr_private);
	EXPECT_EQ(fn->bar[TDISP_BAR_REGS].gpa, fn->private[0].gpa);
	EXPECT_EQ(fn->bar[TDISP_BAR_REGS].size, fn->private[0].size);
	EXPECT_EQ(fn->bar[TDISP_BAR_MEM].gpa, fn->private[1].gpa);
	EXPECT_EQ(fn->bar[TDISP_BAR_MEM].size, fn->private[1].size);
	guest_does(tvm, GUEST_START, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_RUN);
	guest_does(tvm, GUEST_WORKLOAD, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_RUN);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	EXPECT_EQ(0, fn->nr_private);
	guest_does(tvm, GUEST_USE_AGAIN, 0, GUEST_OK);
	EXPECT_EQ(0, tvm->machine_checks);
	tvm_close(tvm);
}

TEST_F_TIMEOUT(vmm_order, rounds, 90)
{
	open_vm(_metadata, &self->tvm, setup.dev, 1);
	for (int i = 0; i < 3; i++)
		round_passes(&self->tvm);
	EXPECT_EQ(0, self->tvm.machine_checks);
	tvm_close(&self->tvm);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
}

TEST_F_TIMEOUT(vmm_order, two_functions, 90)
{
	struct tvm *tvm = &self->tvm;

	if (setup.dev->nr_fns < 2)
		SKIP(return, "the device has one function");
	open_vm(_metadata, tvm, setup.dev, 2);
	round_passes(tvm);
	round_passes(tvm);

	/* One of them goes, the other one stays what it is */
	for (int i = 0; i < 2; i++) {
		guest_does(tvm, GUEST_BIND, i, GUEST_OK);
		guest_does(tvm, GUEST_ATTEST, i, GUEST_OK);
		guest_does(tvm, GUEST_ACCEPT, i, GUEST_OK);
		guest_does(tvm, GUEST_START, i, GUEST_OK);
	}
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	expect_state(setup.dev->fn[0].rid, TDISP_STATE_UNLOCKED);
	expect_state(setup.dev->fn[1].rid, TDISP_STATE_RUN);
	guest_does(tvm, GUEST_USE_AGAIN, 0, GUEST_OK);
	guest_does(tvm, GUEST_WORKLOAD, 1, GUEST_OK);
	guest_does(tvm, GUEST_UNBIND, 1, GUEST_OK);
	expect_state(setup.dev->fn[1].rid, TDISP_STATE_UNLOCKED);
	EXPECT_EQ(0, tvm->machine_checks);
	tvm_close(tvm);
}

FIXTURE(vmm)
{
	struct tvm tvm;
	u16 rid;
};

FIXTURE_SETUP(vmm)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.dev->fn[0].rid;
	open_vm(_metadata, &self->tvm, setup.dev, 1);
}

FIXTURE_TEARDOWN_PARENT(vmm)
{
	test_cmd(setup_clear(setup.dev));
}

/* On the root bus, without a stream */
TEST_F_TIMEOUT(vmm, integrated, 60)
{
	struct tdisp_device *dev = setup_find(true);

	tvm_close(&self->tvm);
	if (!dev)
		SKIP(return, "no such device");
	test_cmd(setup_ready(dev));
	test_cmd(setup_connect(dev));
	open_vm(_metadata, &self->tvm, dev, 1);
	round_passes(&self->tvm);
	tvm_close(&self->tvm);
	test_cmd(setup_clear(dev));
}

/* A call as the guest makes it, and what it gets */
static struct ghci_call make_call(struct tvm *tvm, struct ghci_call call)
{
	struct guest_job *job = tvm_job(tvm);

	job->call = call;
	if (tvm_run_job(tvm, GUEST_CALL, 0))
		job->call.status = ~0u;
	return job->call;
}

#define expect_call(_tvm, _status, ...) do {				\
	struct ghci_call __res = make_call(_tvm, (struct ghci_call)	\
					   { __VA_ARGS__ });		\
									\
	EXPECT_EQ(_status, __res.status) {				\
		TH_LOG("%s, %s", ghci_status_name(__res.status),	\
		       errno_name(__res.err));				\
	}								\
	EXPECT_EQ(0, __res.err);					\
} while (0)

#define expect_refused(_tvm, _errno, ...) do {				\
	struct ghci_call __res = make_call(_tvm, (struct ghci_call)	\
					   { __VA_ARGS__ });		\
									\
	EXPECT_EQ(GHCI_REFUSED, __res.status) {				\
		TH_LOG("%s", ghci_status_name(__res.status));		\
	}								\
	EXPECT_EQ(-(_errno), __res.err) {				\
		TH_LOG("%s", errno_name(__res.err));			\
	}								\
} while (0)

#define BUF	GUEST_DMA_GPA

/* What the VMM does not even pass on */
TEST_F_TIMEOUT(vmm, wrong_calls, 60)
{
	struct tvm *tvm = &self->tvm;

	bind_to(_metadata, tvm, GUEST_BIND);
	expect_call(tvm, GHCI_UNKNOWN_CALL, .nr = 0, .tdi_id = GUEST_DEVFN);
	expect_call(tvm, GHCI_UNKNOWN_CALL, .nr = GHCI_BIND - 1,
		    .tdi_id = GUEST_DEVFN);
	expect_call(tvm, GHCI_UNKNOWN_CALL, .nr = GHCI_TDCALL + 1,
		    .tdi_id = GUEST_DEVFN);
	expect_call(tvm, GHCI_UNKNOWN_CALL, .nr = ~0u, .tdi_id = GUEST_DEVFN);
	expect_call(tvm, GHCI_NO_DEVICE, .nr = GHCI_BIND);
	expect_call(tvm, GHCI_NO_DEVICE, .nr = GHCI_BIND,
		    .tdi_id = GUEST_DEVFN + 1);
	expect_call(tvm, GHCI_BAD_VALUE, .nr = GHCI_START,
		    .tdi_id = GUEST_DEVFN, .__reserved = 1);
	expect_call(tvm, GHCI_BAD_VALUE, .nr = GHCI_START,
		    .tdi_id = GUEST_DEVFN, .arg = { 1 });
	expect_call(tvm, GHCI_BAD_VALUE, .nr = GHCI_OBJECT_INFO,
		    .tdi_id = GUEST_DEVFN, .arg = { 1ull << 32 }, .buf = BUF,
		    .buf_len = 4);
	/* Of a TD only, and there is no TDX module here */
	expect_refused(tvm, EINVAL, .nr = GHCI_TDCALL, .tdi_id = GUEST_DEVFN);
	expect_refused(tvm, EINVAL, .nr = GHCI_TDCALL, .tdi_id = GUEST_DEVFN,
		       .arg = { TDXM_GUEST_ACCEPT_MMIO + 1 });
	expect_refused(tvm, ENOENT, .nr = GHCI_TDCALL, .tdi_id = GUEST_DEVFN,
		       .arg = { TDXM_GUEST_START });
	expect_state(self->rid, TDISP_STATE_LOCKED);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	round_passes(tvm);
	tvm_close(tvm);
}

TEST_F_TIMEOUT(vmm, wrong_lengths, 60)
{
	struct tvm *tvm = &self->tvm;
	const u32 id = GUEST_DEVFN;

	bind_to(_metadata, tvm, GUEST_BIND);
	/* None where there has to be one, and one where there must not */
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_OBJECT_INFO, .tdi_id = id);
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_START, .tdi_id = id,
		    .buf = BUF, .buf_len = 4);
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_OBJECT_INFO, .tdi_id = id,
		    .buf = BUF, .buf_len = 3);
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_OBJECT_INFO, .tdi_id = id,
		    .buf = BUF, .buf_len = 8);
	for (u32 len = 31; len <= 33; len += 2)
		expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_REGEN_OBJECT,
			    .tdi_id = id, .arg = { IOMMU_TSM_OBJECT_MEAS },
			    .buf = BUF, .buf_len = len);
	/* An object longer than the VMM has patience for */
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT }, .buf = BUF,
		    .buf_len = GHCI_MAX_BUF + 1);
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT }, .buf = BUF,
		    .buf_len = ~0u);
	expect_call(tvm, GHCI_BAD_LENGTH, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT }, .buf = BUF);
	/* A buffer that is nowhere, not all of it in memory, or in MMIO */
	expect_call(tvm, GHCI_BAD_ADDRESS, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT }, .buf_len = 16);
	expect_call(tvm, GHCI_BAD_ADDRESS, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT },
		    .buf = GUEST_RAM_SIZE - 15, .buf_len = 16);
	expect_call(tvm, GHCI_BAD_ADDRESS, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT }, .buf = -8ull,
		    .buf_len = 16);
	expect_call(tvm, GHCI_BAD_ADDRESS, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT },
		    .buf = tvm->fn[0].bar[TDISP_BAR_MEM].gpa, .buf_len = 16);
	/* The last bytes of memory will do */
	expect_call(tvm, GHCI_OK, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		    .arg = { IOMMU_TSM_OBJECT_CERT },
		    .buf = GUEST_RAM_SIZE - 16, .buf_len = 16);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	round_passes(tvm);
	tvm_close(tvm);
}

/* What kernel and TSM refuse, with an error number that comes back to the guest */
TEST_F_TIMEOUT(vmm, refused_calls, 60)
{
	struct tvm *tvm = &self->tvm;
	const u32 id = GUEST_DEVFN;

	/* Not bound */
	expect_refused(tvm, ENOTCONN, .nr = GHCI_UNBIND, .tdi_id = id);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_START, .tdi_id = id);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_ENABLE_DMA, .tdi_id = id);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_TDI_STATE, .tdi_id = id,
		       .buf = BUF, .buf_len = 4);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		       .buf = BUF, .buf_len = 4);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_ACCEPT_MMIO, .tdi_id = id,
		       .arg = { tvm->fn[0].bar[TDISP_BAR_REGS].gpa, SZ_4K });
	guest_does(tvm, GUEST_ACCEPT, 0, GUEST_NOT_ATTESTED);

	bind_to(_metadata, tvm, GUEST_BIND);
	expect_refused(tvm, EALREADY, .nr = GHCI_BIND, .tdi_id = id);
	expect_refused(tvm, EOPNOTSUPP, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		       .arg = { 4711 }, .buf = BUF, .buf_len = 4);
	expect_refused(tvm, EINVAL, .nr = GHCI_READ_OBJECT, .tdi_id = id,
		       .arg = { IOMMU_TSM_OBJECT_CERT, 1 << 20 }, .buf = BUF,
		       .buf_len = 4);
	expect_refused(tvm, EOPNOTSUPP, .nr = GHCI_REGEN_OBJECT, .tdi_id = id,
		       .arg = { IOMMU_TSM_OBJECT_CERT }, .buf = BUF,
		       .buf_len = 32);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	round_passes(tvm);
	tvm_close(tvm);
}

#define ASYNC	.nr = GHCI_BIND_ASYNC, .tdi_id = GUEST_DEVFN
#define POLL	.nr = GHCI_BIND_STATUS, .tdi_id = GUEST_DEVFN

/* What the guest gets when it is over, asking again and again */
static struct ghci_call bind_result(struct tvm *tvm)
{
	struct ghci_call res;

	for (int ms = 0; ms < UNLOCK_MS; ms += 10) {
		res = make_call(tvm, (struct ghci_call) { POLL });
		if (res.status != GHCI_BUSY)
			break;
		usleep(10000);
	}
	return res;
}

/* The guest asks for its device, and goes on until it is there */
TEST_F_TIMEOUT(vmm, async_bind, 60)
{
	struct tvm *tvm = &self->tvm;

	/* Long enough for it to be seen under way */
	testctl_set(self->rid, TDISP_CTL_STALL_MS, SLOW_MS);
	tvm_job(tvm)->arg[0] = 0;
	guest_does(tvm, GUEST_BIND_ASYNC, 0, GUEST_OK);
	EXPECT_LT(1, tvm_job(tvm)->val[0]);
	testctl_clear_faults(self->rid);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	expect_call(tvm, GHCI_NO_REQUEST, POLL);
	guest_does(tvm, GUEST_ATTEST, 0, GUEST_OK);
	guest_does(tvm, GUEST_ACCEPT, 0, GUEST_OK);
	guest_does(tvm, GUEST_START, 0, GUEST_OK);
	guest_does(tvm, GUEST_WORKLOAD, 0, GUEST_OK);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	tvm_close(tvm);
}

/* What the kernel says arrives by the poll, not by the request */
TEST_F_TIMEOUT(vmm, async_stall, 60)
{
	struct tvm *tvm = &self->tvm;

	testctl_set(self->rid, TDISP_CTL_STALL_MS, STALL_MS);
	tvm_job(tvm)->arg[0] = 0;
	guest_does(tvm, GUEST_BIND_ASYNC, 0, GUEST_CALL_FAILED);
	EXPECT_EQ(GHCI_BIND_STATUS, tvm_job(tvm)->call.nr);
	EXPECT_EQ(GHCI_REFUSED, tvm_job(tvm)->call.status);
	EXPECT_EQ(-ETIMEDOUT, tvm_job(tvm)->call.err);
	testctl_clear_faults(self->rid);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_UNBIND, .tdi_id = GUEST_DEVFN);
	tvm_close(tvm);
}

TEST_F_TIMEOUT(vmm, async_twice, 60)
{
	struct tvm *tvm = &self->tvm;
	struct ghci_call res;

	expect_call(tvm, GHCI_NO_REQUEST, POLL);
	testctl_set(self->rid, TDISP_CTL_STALL_MS, SLOW_MS);
	expect_call(tvm, GHCI_OK, ASYNC);
	expect_call(tvm, GHCI_BUSY, ASYNC);
	expect_call(tvm, GHCI_BUSY, .nr = GHCI_BIND, .tdi_id = GUEST_DEVFN);
	expect_call(tvm, GHCI_BUSY, .nr = GHCI_START, .tdi_id = GUEST_DEVFN);
	expect_call(tvm, GHCI_BUSY, POLL);
	res = bind_result(tvm);
	EXPECT_EQ(GHCI_OK, res.status);
	EXPECT_EQ(0, res.err);
	testctl_clear_faults(self->rid);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	expect_call(tvm, GHCI_NO_REQUEST, POLL);

	/* One more is no error of the guest, but of what it asks for */
	expect_call(tvm, GHCI_OK, ASYNC);
	res = bind_result(tvm);
	EXPECT_EQ(GHCI_REFUSED, res.status);
	EXPECT_EQ(-EALREADY, res.err);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	tvm_close(tvm);
}

/* The guest loses patience, and UNBIND takes back what was under way */
TEST_F_TIMEOUT(vmm, async_limit, 60)
{
	struct tvm *tvm = &self->tvm;

	testctl_set(self->rid, TDISP_CTL_STALL_MS, SLOW_MS);
	tvm_job(tvm)->arg[0] = 5 * GUEST_POLL_MS;
	guest_does(tvm, GUEST_BIND_ASYNC, 0, GUEST_TOO_LATE);
	EXPECT_EQ(6, tvm_job(tvm)->val[0]);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	testctl_clear_faults(self->rid);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_call(tvm, GHCI_NO_REQUEST, POLL);
	tvm_close(tvm);
}

TEST_F_TIMEOUT(vmm, async_close, 60)
{
	testctl_set(self->rid, TDISP_CTL_STALL_MS, SLOW_MS);
	expect_call(&self->tvm, GHCI_OK, ASYNC);
	tvm_close(&self->tvm);
	/* There is no thread left that uses it */
	EXPECT_FALSE(self->tvm.fn[0].bind.asked);
	EXPECT_TRUE(atomic_load(&self->tvm.fn[0].bind.over));
	testctl_clear_faults(self->rid);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
}

/* First page of a range, as the report has it, in bytes */
static u64 reported(struct __test_metadata *_metadata, struct tvm *tvm, int bar)
{
	struct report report;
	void *data;
	u64 pa = 0;
	u32 len;

	test_cmd(tdi_read_object(&tvm->fn[0].tdi, IOMMU_TSM_OBJECT_REPORT, SZ_4K,
				 &data, &len));
	test_cmd(report_parse(&report, data, len));
	for (u32 i = 0; i < report.nr_ranges && !pa; i++)
		if (report.range[i].id == bar)
			pa = report.range[i].first_page * SZ_4K;
	free(data);
	EXPECT_NE(0, pa);
	return pa;
}

#define ACCEPT(_gpa, _size, _pa)					\
	.nr = GHCI_ACCEPT_MMIO, .tdi_id = GUEST_DEVFN,			\
	.arg = { _gpa, _size, _pa }

/* A guest, or a VMM in its place, that does not tell the truth about MMIO */
TEST_F_TIMEOUT(vmm, lies_about_mmio, 60)
{
	struct tvm *tvm = &self->tvm;
	struct tvm_fn *fn = &tvm->fn[0];
	const struct tvm_bar *regs = &fn->bar[TDISP_BAR_REGS];
	const struct tvm_bar *mem = &fn->bar[TDISP_BAR_MEM];
	const struct tvm_bar *msix = &fn->bar[TDISP_BAR_MSIX];
	u64 regs_pa, mem_pa, msix_pa;

	bind_to(_metadata, tvm, GUEST_ATTEST);
	regs_pa = reported(_metadata, tvm, TDISP_BAR_REGS);
	mem_pa = reported(_metadata, tvm, TDISP_BAR_MEM);
	msix_pa = reported(_metadata, tvm, TDISP_BAR_MSIX);

	/* No MMIO, more than there is, nothing, the table, or not by pages */
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(BUF, SZ_4K, regs_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(regs->gpa, regs->size + SZ_4K,
						regs_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(mem->gpa + mem->size - SZ_4K,
						SZ_8K, mem_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(mem->gpa, -(u64)SZ_4K, mem_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(mem->gpa, 0, mem_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(msix->gpa, SZ_4K, msix_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(mem->gpa + 1, SZ_4K, mem_pa));
	expect_call(tvm, GHCI_BAD_RANGE, ACCEPT(mem->gpa, SZ_4K - 1, mem_pa));

	/* MMIO of the device, but not where the guest says */
	expect_refused(tvm, EINVAL, ACCEPT(regs->gpa, SZ_4K, mem_pa));
	expect_refused(tvm, EINVAL, ACCEPT(mem->gpa, mem->size, regs_pa));
	expect_refused(tvm, EINVAL, ACCEPT(regs->gpa, SZ_4K, msix_pa));
	expect_refused(tvm, EINVAL, ACCEPT(mem->gpa + SZ_4K, SZ_4K, mem_pa));
	expect_refused(tvm, EINVAL, ACCEPT(regs->gpa, SZ_4K, regs_pa + 1));
	expect_refused(tvm, EINVAL, ACCEPT(regs->gpa, SZ_4K, 0x1000));
	EXPECT_EQ(0, fn->nr_private);

	/* The same without lies; no address is nothing to compare */
	expect_call(tvm, GHCI_OK, ACCEPT(mem->gpa + SZ_4K, SZ_4K,
					 mem_pa + SZ_4K));
	expect_call(tvm, GHCI_OK, ACCEPT(regs->gpa, SZ_4K, 0));
	EXPECT_EQ(2, fn->nr_private);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	round_passes(tvm);
	tvm_close(tvm);
}

/* A VMM that asks for what no guest has asked for */
TEST_F_TIMEOUT(vmm, lies_of_the_vmm, 60)
{
	struct tvm *tvm = &self->tvm;
	const struct tvm_bar *regs = &tvm->fn[0].bar[TDISP_BAR_REGS];
	const struct tvm_bar *mem = &tvm->fn[0].bar[TDISP_BAR_MEM];
	struct tdi *tdi = &tvm->fn[0].tdi;

	bind_to(_metadata, tvm, GUEST_ATTEST);
	/* Straight to the TSM: memory, nothing, and more than a slot has */
	test_err(EINVAL, tdi_validate_mmio(tdi, BUF, BUF + SZ_4K, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, 0x80000000, 0x80001000, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, regs->gpa,
					   regs->gpa + regs->size + SZ_4K, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, regs->gpa, regs->gpa, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, regs->gpa + SZ_4K, regs->gpa,
					   0));
	test_err(EINVAL, tdi_validate_mmio(tdi, regs->gpa + 1,
					   regs->gpa + SZ_4K + 1, 0));
	test_cmd(tdi_validate_mmio(tdi, mem->gpa, mem->gpa + mem->size, 0));
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	round_passes(tvm);
	tvm_close(tvm);
}

/* The owner takes the device away, or the TSM does: the guest is not asked */
TEST_F_TIMEOUT(vmm, taken_away, 60)
{
	struct tvm *tvm = &self->tvm;

	bind_to(_metadata, tvm, GUEST_START);
	test_cmd(tdi_unbind(&tvm->fn[0].tdi));
	guest_does(tvm, GUEST_WORKLOAD, 0, GUEST_GONE);
	EXPECT_NE(0, tvm->machine_checks);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_CALL_FAILED);
	EXPECT_EQ(-ENOTCONN, tvm_job(tvm)->call.err);
	round_passes(tvm);
	tvm_close(tvm);
}

TEST_F_TIMEOUT(vmm, disconnected, 60)
{
	struct tvm *tvm = &self->tvm;

	bind_to(_metadata, tvm, GUEST_START);
	test_cmd(setup_disconnect(setup.dev));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	guest_does(tvm, GUEST_WORKLOAD, 0, GUEST_GONE);
	EXPECT_NE(0, tvm->machine_checks);
	expect_refused(tvm, ENOTCONN, .nr = GHCI_TDI_STATE,
		       .tdi_id = GUEST_DEVFN, .buf = BUF, .buf_len = 4);
	/* To acknowledge is enough */
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	guest_does(tvm, GUEST_USE_AGAIN, 0, GUEST_OK);
	guest_does(tvm, GUEST_BIND, 0, GUEST_CALL_FAILED);
	EXPECT_EQ(-ENXIO, tvm_job(tvm)->call.err);
	test_cmd(setup_connect(setup.dev));
	round_passes(tvm);
	tvm_close(tvm);
}

/* One access of the guest */
static u32 guest_read(struct tvm *tvm, u64 gpa)
{
	struct guest_job *job = tvm_job(tvm);

	job->arg[0] = gpa;
	job->val[1] = 0;
	if (tvm_run_job(tvm, GUEST_READ, 0) || job->val[1])
		return 0xbad;
	return job->val[0];
}

static void guest_write(struct tvm *tvm, u64 gpa, u32 val)
{
	struct guest_job *job = tvm_job(tvm);

	job->arg[0] = gpa;
	job->arg[1] = val;
	tvm_run_job(tvm, GUEST_WRITE, 0);
}

/* The same word, as the guest and as the host see it */
struct word {
	u64 gpa;
	u32 *host;
};

static struct word find_word(struct tvm *tvm, int bar, u32 off)
{
	const struct tvm_fn *fn = &tvm->fn[0];
	void *map = host_map_bar(fn->tdi.fn->bdf, bar, fn->bar[bar].size);

	return (struct word) { fn->bar[bar].gpa + off, map + off };
}

/* The guest has it, as what it is; the host does not, and cannot change it */
#define expect_guests(_tvm, _word) do {					\
	u32 __val = random() & 0x7fffffff;				\
	struct word __w = (_word);					\
	struct tvm *__tvm = (_tvm);					\
									\
	guest_write(__tvm, __w.gpa, __val);				\
	EXPECT_EQ(~0u, readl(__w.host));				\
	writel(~__val, __w.host);					\
	EXPECT_EQ(__val, guest_read(__tvm, __w.gpa));			\
} while (0)

/* The guest cannot read it, nor change it */
#define expect_not_guests(_tvm, _word) do {				\
	struct word __w = (_word);					\
	struct tvm *__tvm = (_tvm);					\
									\
	EXPECT_EQ(~0u, guest_read(__tvm, __w.gpa));			\
	guest_write(__tvm, __w.gpa, 0xdead);				\
	EXPECT_EQ(~0u, guest_read(__tvm, __w.gpa));			\
} while (0)

#define expect_both(_tvm, _word) do {					\
	u32 __val = random() & 0x7fffffff;				\
	struct word __w = (_word);					\
	struct tvm *__tvm = (_tvm);					\
									\
	guest_write(__tvm, __w.gpa, __val);				\
	EXPECT_EQ(__val, readl(__w.host));				\
	writel(~__val, __w.host);					\
	EXPECT_EQ(~__val, guest_read(__tvm, __w.gpa));			\
} while (0)

/*
 * T=1 and T=0: the guest's accesses to private pages of a device that runs get
 * through, and no others, neither the host's nor those of the same guest to the
 * same register as a shared one.
 */
TEST_F_TIMEOUT(vmm, trusted_mmio, 60)
{
	struct tvm *tvm = &self->tvm;
	const struct tvm_fn *fn = &tvm->fn[0];
	struct vm *vm = &tvm->vmm.vm;
	struct word words[] = {
		find_word(tvm, TDISP_BAR_REGS, TDISP_REG_SCRATCH0),
		find_word(tvm, TDISP_BAR_MEM, 0),
		find_word(tvm, TDISP_BAR_MEM, fn->bar[TDISP_BAR_MEM].size - 4),
	};

	EXPECT_EQ(0, testctl_get(self->rid, TDISP_CTL_TEE_PAGES));
	for (int i = 0; i < ARRAY_SIZE(words); i++)
		expect_both(tvm, words[i]);
	bind_to(_metadata, tvm, GUEST_BIND);
	for (int i = 0; i < ARRAY_SIZE(words); i++)
		expect_both(tvm, words[i]);
	guest_does(tvm, GUEST_ATTEST, 0, GUEST_OK);
	guest_does(tvm, GUEST_ACCEPT, 0, GUEST_OK);
	for (int i = 0; i < ARRAY_SIZE(words); i++)
		expect_not_guests(tvm, words[i]);
	EXPECT_LT(2, testctl_get(self->rid, TDISP_CTL_TEE_PAGES));
	/* The host's are still T=0 */
	for (int i = 0; i < ARRAY_SIZE(words); i++) {
		writel(0x7357, words[i].host);
		EXPECT_EQ(0x7357, readl(words[i].host));
	}

	guest_does(tvm, GUEST_START, 0, GUEST_OK);
	for (int i = 0; i < ARRAY_SIZE(words); i++)
		expect_guests(tvm, words[i]);
	for (int i = 0; i < ARRAY_SIZE(words); i++) {
		u32 val = guest_read(tvm, words[i].gpa);
		u64 page = words[i].gpa & ~(SZ_4K - 1ull);

		/* The same guest, the same page, but shared */
		test_cmd(vm_set_private(vm, page, SZ_4K, false));
		expect_not_guests(tvm, words[i]);
		EXPECT_EQ(~0u, readl(words[i].host));
		/* Its neighbours are what they were */
		expect_guests(tvm, words[(i + 1) % ARRAY_SIZE(words)]);
		test_cmd(vm_set_private(vm, page, SZ_4K, true));
		EXPECT_EQ(val, guest_read(tvm, words[i].gpa));
	}
	expect_state(self->rid, TDISP_STATE_RUN);

	testctl_set(self->rid, TDISP_CTL_FORCE_ERROR, 1);
	for (int i = 0; i < ARRAY_SIZE(words); i++) {
		expect_not_guests(tvm, words[i]);
		EXPECT_EQ(~0u, readl(words[i].host));
	}
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	EXPECT_EQ(0, testctl_get(self->rid, TDISP_CTL_TEE_PAGES));
	/* Nothing is left of what the guest wrote */
	for (int i = 0; i < ARRAY_SIZE(words); i++) {
		EXPECT_EQ(0, readl(words[i].host));
		expect_both(tvm, words[i]);
	}
	EXPECT_EQ(0, tvm->machine_checks);
	tvm_close(tvm);
}

static u32 guest_dma(struct tvm *tvm, u32 dir)
{
	struct guest_job *job = tvm_job(tvm);

	job->arg[0] = dir;
	job->arg[1] = 0;
	job->arg[2] = SZ_4K;
	return tvm_run_job(tvm, GUEST_DMA, 0) ? ~0u : job->val[0];
}

/* T=1 DMA gets through when the TDI runs and the guest has said that it may */
TEST_F_TIMEOUT(vmm, trusted_dma, 60)
{
	struct tvm *tvm = &self->tvm;
	const u32 dir = TDISP_DMA_FROM_DEVICE, tee = dir | TDISP_DMA_TEE;
	const struct tvm_fn *fn = &tvm->fn[0];

	for (int round = 0; round < 2; round++) {
		EXPECT_EQ(TDISP_DMA_ERR_STATE, guest_dma(tvm, tee));
		bind_to(_metadata, tvm, GUEST_ATTEST);
		EXPECT_EQ(TDISP_DMA_ERR_STATE, guest_dma(tvm, tee));
		EXPECT_EQ(TDISP_DMA_DONE, guest_dma(tvm, dir));
		/* All of MMIO, but not DMA */
		expect_call(tvm, GHCI_OK,
			    ACCEPT(fn->bar[TDISP_BAR_REGS].gpa,
				   fn->bar[TDISP_BAR_REGS].size, 0));
		guest_does(tvm, GUEST_START, 0, GUEST_OK);
		EXPECT_EQ(TDISP_DMA_ERR_BUS, guest_dma(tvm, tee));
		EXPECT_EQ(TDISP_DMA_DONE, guest_dma(tvm, dir));
		expect_call(tvm, GHCI_OK, .nr = GHCI_ENABLE_DMA,
			    .tdi_id = GUEST_DEVFN);
		EXPECT_EQ(TDISP_DMA_DONE, guest_dma(tvm, tee));
		EXPECT_EQ(1, testctl_get(self->rid, TDISP_CTL_TRUSTED_DMA));
		guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
		EXPECT_EQ(0, testctl_get(self->rid, TDISP_CTL_TRUSTED_DMA));
	}
	tvm_close(tvm);
}

struct worker {
	struct tvm *tvm;
	pthread_t thread;
	u32 job;
	u32 verdict;
	atomic_ulong done;
	atomic_int error;
};

/* Until something is wrong */
static void *work(void *data)
{
	struct worker *w = data;

	while (!w->error && tvm_job(w->tvm)->verdict == w->verdict) {
		w->error = tvm_run_job(w->tvm, w->job, 0);
		w->done++;
	}
	return NULL;
}

/* The device fails while the guest works with it */
TEST_F_TIMEOUT(vmm, error_in_workload, 90)
{
	struct tvm *tvm = &self->tvm;

	for (int i = 0; i < 3; i++) {
		struct worker w = {
			.tvm = tvm,
			.job = GUEST_WORKLOAD,
			.verdict = GUEST_OK,
		};

		bind_to(_metadata, tvm, GUEST_START);
		ASSERT_EQ(0, pthread_create(&w.thread, NULL, work, &w));
		EXPECT_TRUE(wait_for(w.done > 2, 20000));
		testctl_set(self->rid, TDISP_CTL_FORCE_ERROR, 1);
		pthread_join(w.thread, NULL);
		EXPECT_EQ(0, w.error);
		EXPECT_EQ(GUEST_GONE, tvm_job(tvm)->verdict) {
			TH_LOG("%s", guest_verdict_name(tvm_job(tvm)->verdict));
		}
		expect_state(self->rid, TDISP_STATE_ERROR);
		expect_call(tvm, GHCI_OK, .nr = GHCI_TDI_STATE,
			    .tdi_id = GUEST_DEVFN, .buf = BUF, .buf_len = 4);
		EXPECT_EQ(TDISP_STATE_ERROR, *(u32 *)tvm_mem(tvm, BUF, 4));
		guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		guest_does(tvm, GUEST_USE_AGAIN, 0, GUEST_OK);
	}
	round_passes(tvm);
	tvm_close(tvm);
}

/* And is taken away while the guest works with it */
TEST_F_TIMEOUT(vmm, unbind_in_workload, 90)
{
	struct tvm *tvm = &self->tvm;
	struct worker w = {
		.tvm = tvm,
		.job = GUEST_WORKLOAD,
		.verdict = GUEST_OK,
	};

	bind_to(_metadata, tvm, GUEST_START);
	ASSERT_EQ(0, pthread_create(&w.thread, NULL, work, &w));
	EXPECT_TRUE(wait_for(w.done > 2, 20000));
	test_cmd(tdi_unbind(&tvm->fn[0].tdi));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(0, w.error);
	EXPECT_EQ(GUEST_GONE, tvm_job(tvm)->verdict);
	guest_does(tvm, GUEST_UNBIND, 0, GUEST_CALL_FAILED);
	round_passes(tvm);
	tvm_close(tvm);
}

FIXTURE(vmm_fault)
{
	struct tvm tvm;
	u16 rid;
};

FIXTURE_VARIANT(vmm_fault)
{
	const char *name;
};

FIXTURE_VARIANT_ADD(vmm_fault, lock_error)
{
	.name = "lock-error",
};

FIXTURE_VARIANT_ADD(vmm_fault, over_long)
{
	.name = "over-long",
};

FIXTURE_VARIANT_ADD(vmm_fault, truncated)
{
	.name = "truncated",
};

FIXTURE_VARIANT_ADD(vmm_fault, stall)
{
	.name = "stall",
};

FIXTURE_VARIANT_ADD(vmm_fault, stall_attest)
{
	.name = "stall-attest",
};

FIXTURE_VARIANT_ADD(vmm_fault, wrong_nonce)
{
	.name = "wrong-nonce",
};

FIXTURE_VARIANT_ADD(vmm_fault, error_locked)
{
	.name = "error-locked",
};

FIXTURE_VARIANT_ADD(vmm_fault, error)
{
	.name = "error",
};

FIXTURE_VARIANT_ADD(vmm_fault, stop_error)
{
	.name = "stop-error",
};

FIXTURE_VARIANT_ADD(vmm_fault, stall_stop)
{
	.name = "stall-stop",
};

FIXTURE_VARIANT_ADD(vmm_fault, removed_locked)
{
	.name = "removed-locked",
};

FIXTURE_VARIANT_ADD(vmm_fault, removed)
{
	.name = "removed",
};

FIXTURE_SETUP(vmm_fault)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.dev->fn[0].rid;
	open_vm(_metadata, &self->tvm, setup.dev, 1);
}

FIXTURE_TEARDOWN_PARENT(vmm_fault)
{
	test_cmd(setup_clear(setup.dev));
}

TEST_F_TIMEOUT(vmm_fault, round, 120)
{
	const struct tvm_fault *fault = tvm_find_fault(variant->name);
	struct tvm *tvm = &self->tvm;
	struct tvm_stop stop;

	ASSERT_NE(NULL, fault);
	test_cmd(tvm_round(tvm, fault, &stop));
	EXPECT_EQ(fault->at, stop.job) {
		TH_LOG("%s, not %s", guest_job_name(stop.job),
		       guest_job_name(fault->at));
	}
	EXPECT_EQ(fault->verdict, stop.verdict) {
		TH_LOG("%s", guest_verdict_name(stop.verdict));
	}
	EXPECT_EQ(fault->err, stop.err) {
		TH_LOG("%s", errno_name(stop.err));
	}
	EXPECT_EQ(fault->code, stop.code);

	test_cmd(tvm_give_up(tvm, &stop));
	EXPECT_EQ(fault->unbind_err, stop.err) {
		TH_LOG("%s", errno_name(stop.err));
	}
	expect_state(self->rid, fault->state);
	testctl_clear_faults(self->rid);
	if (fault->gone) {
		tvm_close(tvm);
		test_cmd(setup_ready(setup.dev));
		test_cmd(setup_connect(setup.dev));
		open_vm(_metadata, tvm, setup.dev, 1);
	} else if (fault->unbind_err == -EUCLEAN) {
		/* It stays closed until the TSM confirms that it let go */
		guest_does(tvm, GUEST_USE_AGAIN, 0, GUEST_GONE);
		guest_does(tvm, GUEST_BIND, 0, GUEST_CALL_FAILED);
		EXPECT_EQ(-EUCLEAN, tvm_job(tvm)->call.err);
		test_cmd(soft_tsm_release(setup.dev->fn[0].bdf));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		guest_does(tvm, GUEST_UNBIND, 0, GUEST_OK);
	}
	for (int i = 0; i < 2; i++)
		round_passes(tvm);
	tvm_close(tvm);
}

FIXTURE(vmm_killed)
{
	struct tvm tvm;
	u16 rid;
};

/* The step before which it happens */
FIXTURE_VARIANT(vmm_killed)
{
	const char *call;
};

FIXTURE_VARIANT_ADD(vmm_killed, init_vdev)
{
	.call = "init-vdev",
};

FIXTURE_VARIANT_ADD(vmm_killed, create_memslot)
{
	.call = "create-memslot",
};

FIXTURE_VARIANT_ADD(vmm_killed, alloc_vdevice)
{
	.call = "alloc-vdevice",
};

FIXTURE_VARIANT_ADD(vmm_killed, kvm_run)
{
	.call = "kvm-run",
};

FIXTURE_VARIANT_ADD(vmm_killed, bind)
{
	.call = "tsm-bind",
};

FIXTURE_VARIANT_ADD(vmm_killed, attest)
{
	.call = "tsm-req-info",
};

FIXTURE_VARIANT_ADD(vmm_killed, accept)
{
	.call = "convert-private",
};

FIXTURE_VARIANT_ADD(vmm_killed, start)
{
	.call = "tsm-req-start",
};

FIXTURE_VARIANT_ADD(vmm_killed, workload)
{
	.call = "workload",
};

FIXTURE_VARIANT_ADD(vmm_killed, unbind)
{
	.call = "tsm-unbind",
};

FIXTURE_VARIANT_ADD(vmm_killed, convert_shared)
{
	.call = "convert-shared",
};

FIXTURE_SETUP(vmm_killed)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.dev->fn[0].rid;
}

FIXTURE_TEARDOWN_PARENT(vmm_killed)
{
	test_cmd(setup_clear(setup.dev));
}

static const char *kill_at;
static int kill_pipe[2];

static void wait_to_be_killed(const char *call)
{
	if (strcmp(call, kill_at))
		return;
	if (write(kill_pipe[1], "", 1) == 1)
		pause();
	_exit(1);
}

TEST_F_TIMEOUT(vmm_killed, round, 60)
{
	struct tvm_stop stop;
	int status;
	char byte;
	pid_t pid;

	kill_at = variant->call;
	ASSERT_EQ(0, pipe(kill_pipe));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		steps_hook = wait_to_be_killed;
		if (tvm_open(&self->tvm, setup.dev->fn, 1) ||
		    tvm_enum(&self->tvm, &stop) ||
		    tvm_round(&self->tvm, NULL, &stop))
			_exit(2);
		/* It went all the way, and the step was not there */
		_exit(3);
	}
	close(kill_pipe[1]);
	ASSERT_EQ(1, read(kill_pipe[0], &byte, 1));
	close(kill_pipe[0]);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_TRUE(wait_for(testctl_state(self->rid) == TDISP_STATE_UNLOCKED,
			     UNLOCK_MS));

	open_vm(_metadata, &self->tvm, setup.dev, 1);
	round_passes(&self->tvm);
	tvm_close(&self->tvm);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
