// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of SEV-TIO, above a model of the PSP and not the real one, and below
 * it a device that really locks, starts and stops: life cycle, order, faults.
 * After each test the model must have nothing to complain about, and each page
 * has to be with whom it belongs to.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include <linux/io.h>
#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "lib/psp.h"
#include "lib/trace.h"
#include "lib/vcpu.h"

#define BAR_GPA		VCPU_DATA_GPA
#define BAR_LEN		VCPU_DATA_LEN
#define BAR_PAGES	(BAR_LEN / SZ_4K)
#define PAGE(_n)	((_n) * SZ_4K)
#define GUEST_ID	(TDI_VIRT_ID)

/* Pages that the model itself has, before a device is connected */
#define OWN_PAGES	1

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

/* Functions in quarantine stay that, another PSP or not: have them come back */
static int sev_clear(struct tdisp_device *dev)
{
	bool remove = false;
	int rc;

	rc = setup_disconnect(dev);
	for (int i = 0; i < dev->nr_fns; i++)
		remove |= fn_quarantined(&dev->fn[i]);
	if (fwmodel_loaded(&psp_model))
		rc = rc ?: fwmodel_unload(&psp_model);
	if (remove)
		testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 1);
	return rc ?: setup_clear(dev);
}

static int sev_ready(struct tdisp_device *dev, const char *params)
{
	int rc;

	rc = setup_ready(dev);
	if (fwmodel_loaded(&psp_model))
		rc = rc ?: fwmodel_unload(&psp_model);
	return rc ?: fwmodel_load(&psp_model, params);
}

FIXTURE(sev)
{
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi[2];
	u16 rid;
};

FIXTURE_SETUP(sev)
{
	self->dev = setup.dev;
	self->rid = setup.dev->fn[0].rid;
	test_cmd(sev_ready(self->dev, ""));
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi[0], &self->vmm, &self->dev->fn[0]));
}

FIXTURE_TEARDOWN_PARENT(sev)
{
	test_cmd(sev_clear(setup.dev));
}

static void close_all(FIXTURE_DATA(sev) *self)
{
	tdi_close(&self->tdi[1]);
	tdi_close(&self->tdi[0]);
	vmm_close(&self->vmm);
}

/* The driver has done nothing wrong, in no order */
#define expect_clean() do {						\
	struct psp_state __state;					\
									\
	test_cmd(psp_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	EXPECT_EQ(0, __state.refused);					\
	EXPECT_EQ(0, __state.leaked);					\
} while (0)

/* And all that the PSP had is back; @_guests: context pages of VMs */
#define expect_nothing_left(_guests) do {				\
	u32 __guests = (_guests);					\
	struct psp_state __state;					\
									\
	expect_clean();							\
	test_cmd(psp_get_state(&__state));				\
	EXPECT_EQ(OWN_PAGES, __state.firmware);				\
	EXPECT_EQ(__guests, __state.context);				\
	EXPECT_EQ(0, __state.guest);					\
	EXPECT_EQ(0, __state.devices);					\
	EXPECT_EQ(0, __state.tdis);					\
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

static void *end_of_stall(void *arg)
{
	/* Within the first exchange, which takes DOE's time limit of a second */
	usleep(900000);
	testctl_set(*(u16 *)arg, TDISP_CTL_STALL_MS, 0);
	return NULL;
}

TEST_F(sev, connect)
{
	const struct tdisp_fn *fn = &self->dev->fn[0];
	struct psp_state state;
	u32 log = testctl_log_end();

	test_cmd(psp_get_state(&state));
	EXPECT_EQ(1, state.devices);
	EXPECT_EQ(0, state.tdis);
	for (int i = 0; i < self->dev->nr_fns; i++)
		expect_attr(&self->dev->fn[i], "dsm", fn->bdf);
	close_all(self);

	test_cmd(setup_disconnect(self->dev));
	EXPECT_EQ(1, testctl_count(log, fn->rid, TDISP_EV_SESSION, TESTCTL_ANY,
				   0));
	EXPECT_EQ(1, testctl_count(log, fn->rid, TDISP_EV_STREAM, TESTCTL_ANY,
				   0));
	expect_nothing_left(0);

	log = testctl_log_end();
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	EXPECT_EQ(1, testctl_count(log, fn->rid, TDISP_EV_SESSION, TESTCTL_ANY,
				   1));
	EXPECT_EQ(1, testctl_count(log, fn->rid, TDISP_EV_STREAM, TESTCTL_ANY,
				   1));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(0);
}

TEST_F_TIMEOUT(sev, bind_start_unbind, 60)
{
	struct tdi *tdi = &self->tdi[0];
	u32 log;

	test_cmd(tdi_dma_round_trip(tdi));
	for (int i = 0; i < 3; i++) {
		log = testctl_log_end();
		test_cmd(tdi_bind(tdi));
		expect_state(self->rid, TDISP_STATE_LOCKED);
		EXPECT_EQ(1, count_tdisp(log, self->rid, TDISP_LOCK_INTERFACE));
		EXPECT_EQ(0, count_tdisp(log, self->rid, TDISP_START_INTERFACE));

		/* On the guest's request, and not before */
		test_cmd(tdi_start(tdi));
		expect_state(self->rid, TDISP_STATE_RUN);
		EXPECT_EQ(1, count_tdisp(log, self->rid, TDISP_START_INTERFACE));
		test_err(EIO, tdi_start(tdi));
		expect_state(self->rid, TDISP_STATE_RUN);

		test_cmd(tdi_unbind(tdi));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		EXPECT_EQ(1, count_tdisp(log, self->rid, TDISP_STOP_INTERFACE));
		test_cmd(tdi_dma_round_trip(tdi));
	}

	/* Without a start, and by closing the device */
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

TEST_F_TIMEOUT(sev, evidence, 60)
{
	struct tdi *tdi = &self->tdi[0];
	u8 nonce[32], *data;
	struct report report;
	void *again;
	u32 len, again_len;

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

	/* Measurements are those with the nonce from now on */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_MEAS, 4096,
				 (void **)&data, &len));
	for (int i = 0; i < sizeof(nonce); i++)
		nonce[i] = data[i] ^ (i + 1);
	free(data);
	test_cmd(tdi_regen_object(tdi, IOMMU_TSM_OBJECT_MEAS, nonce));
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_MEAS, 4096, &again,
				 &again_len));
	EXPECT_EQ(len, again_len);
	EXPECT_EQ(0, memcmp(nonce, again, sizeof(nonce)));
	free(again);

	test_err(EOPNOTSUPP, tdi_object_size(tdi, IOMMU_TSM_OBJECT_VCA, &len));
	test_err(EOPNOTSUPP, tdi_regen_object(tdi, IOMMU_TSM_OBJECT_REPORT,
					      nonce));
	test_cmd(tdi_unbind(tdi));

	/* The PSP need not put the report out when it binds */
	test_cmd(fwmodel_set_param(&psp_model, "no_report", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 4096,
				 (void **)&data, &len));
	test_cmd(report_parse(&report, data, len));
	EXPECT_EQ(4, report.nr_ranges);
	free(data);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* MMIO becomes the guest's in the RMP, the PSP validates it, the guest uses it */
TEST_F_TIMEOUT(sev, mmio, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;
	struct vcpu vcpu;
	int dmabuf;
	u16 status;
	u32 val;

	test_cmd(vcpu_create(&vcpu, &self->vmm.vm));
	dmabuf = tdi_export_bar(tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));

	test_cmd(tdi_bind(tdi));
	/* The PSP has nothing to validate yet */
	test_cmd(psp_mmio_validate(tdi, BAR_GPA, BAR_PAGES, TDISP_BAR_MEM,
				   &status));
	EXPECT_EQ(3, status);

	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN +
					   SZ_4K, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN,
					   SZ_4K));
	test_cmd(tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	test_err(EEXIST, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + SZ_4K, 0));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(BAR_PAGES, state.guest);

	test_cmd(psp_mmio_validate(tdi, BAR_GPA, BAR_PAGES, TDISP_BAR_MEM,
				   &status));
	EXPECT_EQ(0, status);
	/* Of another range, and at another address, it is not */
	test_cmd(psp_mmio_validate(tdi, BAR_GPA + SZ_4K, 1, TDISP_BAR_MEM,
				   &status));
	EXPECT_EQ(3, status);
	test_cmd(psp_mmio_validate(tdi, BAR_GPA, 1, TDISP_BAR_MSIX, &status));
	EXPECT_EQ(8, status);

	test_cmd(vm_set_private(&self->vmm.vm, BAR_GPA, BAR_LEN, true));
	test_cmd(tdi_start(tdi));
	test_cmd(vcpu_write(&vcpu, PAGE(1) + 8, 0x7ee0));
	test_cmd(vcpu_read(&vcpu, PAGE(1) + 8, &val));
	EXPECT_EQ(0x7ee0, val);

	test_cmd(tdi_unbind(tdi));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.guest);
	test_err(EFAULT, vcpu_read(&vcpu, PAGE(1) + 8, &val));
	expect_clean();

	/* A device that is closed gives it back, too */
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_validate_mmio(tdi, BAR_GPA + SZ_4K, BAR_GPA + BAR_LEN, 0));
	close_fd(&dmabuf);
	vcpu_destroy(&vcpu);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

TEST_F(sev, guest_messages)
{
	struct tdi *tdi = &self->tdi[0];
	u8 page[PSP_MSG_PAGE], payload[80] = { GUEST_ID };
	struct iommu_vdevice_tsm_req cmd;
	u32 len;

	test_cmd(tdi_bind(tdi));
	psp_msg(page, PSP_MSG_TDI_INFO, payload, 16);
	test_cmd(psp_send_msg(tdi, page, &len));
	EXPECT_EQ(PSP_MSG_HDR + 192, len);
	EXPECT_EQ(PSP_MSG_TDI_INFO + 1, page[0x34]);
	EXPECT_EQ(0, psp_msg_status(page));

	/* Of what has to be done with the host's help, or is for somebody else */
	psp_msg(page, PSP_MSG_SDTE_WRITE, payload, 80);
	test_err(EOPNOTSUPP, psp_send_msg(tdi, page, &len));
	for (int type = 0; type < PSP_MSG_TDI_INFO; type++) {
		psp_msg(page, type, payload, 16);
		test_err(EOPNOTSUPP, psp_send_msg(tdi, page, &len));
	}

	/* Headers that are wrong, one field at a time */
	psp_msg(page, PSP_MSG_TDI_INFO, payload, 16);
	page[0x31] = 2;
	test_err(EINVAL, psp_send_msg(tdi, page, &len));
	psp_msg(page, PSP_MSG_TDI_INFO, payload, 16);
	page[0x32]--;
	test_err(EINVAL, psp_send_msg(tdi, page, &len));
	psp_msg(page, PSP_MSG_TDI_INFO, payload, 16);
	page[0x37] = 0xff;
	test_err(EINVAL, psp_send_msg(tdi, page, &len));

	/* Buffers that are too small, and too large */
	psp_msg(page, PSP_MSG_TDI_INFO, payload, 16);
	cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, page,
		      PSP_MSG_HDR - 1, page, sizeof(page));
	test_err(EINVAL, tsm_req(tdi->vmm, &cmd));
	cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, page, PSP_MSG_HDR,
		      page, sizeof(page));
	test_err(EINVAL, tsm_req(tdi->vmm, &cmd));
	cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, page, sizeof(page),
		      page, sizeof(page) - 1);
	test_err(EINVAL, tsm_req(tdi->vmm, &cmd));
	test_cmd(psp_send_msg(tdi, page, &len));

	/* Trusted DMA needs the driver of the IOMMU */
	cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA, NULL, 0, NULL,
		      0);
	test_err(EOPNOTSUPP, tsm_req(tdi->vmm, &cmd));
	cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA, NULL, 0, NULL,
		      0);
	test_err(EOPNOTSUPP, tsm_req(tdi->vmm, &cmd));

	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

#define expect_call(_trace, _fn, _name)					\
	test_cmd(trace_find(_trace, "tsm_fw_call",			\
			    "device=%s name=" _name " ", (_fn)->bdf))

/* Step by step as the firmware wants it, with what the owner does in between */
TEST_F(sev, order)
{
	struct tdi *tdi = &self->tdi[0];
	struct trace trace;
	char *log;
	const char *at;

	if (!trace_has("tsm/tsm_fw_call"))
		SKIP(close_all(self); return, "no trace events");
	test_cmd(trace_open(&trace));
	test_cmd(trace_enable("tsm", true));
	test_cmd(fwmodel_log_clear(&psp_model));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));

	test_cmd(trace_read(&trace));
	test_cmd(trace_find(&trace, "tsm_bind", "%s", ""));
	expect_call(&trace, tdi->fn, "TIO_TDI_CREATE");
	expect_call(&trace, tdi->fn, "TIO_TDI_STATUS");
	expect_call(&trace, tdi->fn, "TIO_TDI_BIND");
	expect_call(&trace, tdi->fn, "TIO_TDI_STATUS");
	test_cmd(trace_find(&trace, "tsm_bind_done", "%s", ""));
	expect_call(&trace, tdi->fn, "TIO_TDI_STATUS");
	expect_call(&trace, tdi->fn, "TIO_TDI_BIND_RUN");
	test_cmd(trace_find(&trace, "tsm_unbind", "%s", ""));
	expect_call(&trace, tdi->fn, "TIO_TDI_UNBIND");
	expect_call(&trace, tdi->fn, "TIO_TDI_STATUS");
	test_cmd(trace_find(&trace, "tsm_trusted_dma", "%s", ""));
	expect_call(&trace, tdi->fn, "TIO_TDI_RECLAIM");
	/* Function 0 is the DSM */
	expect_call(&trace, &self->dev->fn[0], "TIO_ASID_FENCE_STATUS");
	test_cmd(trace_find(&trace, "tsm_revoke_mmio", "%s", ""));
	test_cmd(trace_find(&trace, "tsm_unbind_done", "%s", ""));
	trace_close(&trace);

	log = fwmodel_log(&psp_model);
	at = log;
	expect_line(at, "TIO_TDI_CREATE ok");
	expect_line(at, "TIO_TDI_STATUS ok");
	expect_line(at, "TIO_TDI_BIND ok");
	expect_line(at, "TIO_TDI_REPORT ok");
	expect_line(at, "TIO_TDI_STATUS ok");
	expect_line(at, "TIO_TDI_STATUS ok");
	expect_line(at, "TIO_TDI_BIND ok");
	expect_line(at, "TIO_TDI_UNBIND ok");
	expect_line(at, "TIO_TDI_STATUS ok");
	expect_line(at, "TIO_TDI_RECLAIM ok");
	expect_line(at, "TIO_ASID_FENCE_STATUS ok");
	free(log);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A fault of one TDI fences the guest: cleared after the last one, and no sooner */
TEST_F_TIMEOUT(sev, two_tdis_and_the_fence, 60)
{
	char *log;

	if (self->dev->nr_fns == 1)
		SKIP(close_all(self); return, "a device with one function");
	test_cmd(tdi_setup(&self->tdi[1], &self->vmm, &self->dev->fn[1]));
	for (int i = 0; i < 2; i++) {
		test_cmd(tdi_bind(&self->tdi[i]));
		test_cmd(tdi_start(&self->tdi[i]));
	}
	expect_state(self->dev->fn[0].rid, TDISP_STATE_RUN);
	expect_state(self->dev->fn[1].rid, TDISP_STATE_RUN);
	test_cmd(psp_fence(0));
	test_cmd(fwmodel_log_clear(&psp_model));

	test_cmd(tdi_unbind(&self->tdi[0]));
	expect_state(self->dev->fn[1].rid, TDISP_STATE_RUN);
	log = fwmodel_log(&psp_model);
	EXPECT_EQ(0, fwmodel_log_count(log, "TIO_ASID_FENCE"));
	free(log);

	test_cmd(tdi_unbind(&self->tdi[1]));
	log = fwmodel_log(&psp_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_ASID_FENCE_STATUS ok"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_ASID_FENCE_CLEAR ok"));
	free(log);

	/* It is gone */
	test_cmd(tdi_bind(&self->tdi[0]));
	test_cmd(tdi_start(&self->tdi[0]));
	test_cmd(fwmodel_log_clear(&psp_model));
	test_cmd(tdi_unbind(&self->tdi[0]));
	log = fwmodel_log(&psp_model);
	EXPECT_EQ(0, fwmodel_log_count(log, "TIO_ASID_FENCE_CLEAR"));
	free(log);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The device keeps the TDI, the PSP has given it up: nobody gets it */
TEST_F_TIMEOUT(sev, stop_refused, 60)
{
	struct tdisp_fn *fn = &self->dev->fn[0];
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;
	char *log;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	testctl_set(self->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_cmd(fwmodel_log_clear(&psp_model));
	test_err(EUCLEAN, tdi_unbind(tdi));
	log = fwmodel_log(&psp_model);
	/* Three times, then by force */
	EXPECT_EQ(3, fwmodel_log_count(log, "TIO_TDI_UNBIND status 0x33"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_TDI_UNBIND ok"));
	EXPECT_EQ(0, fwmodel_log_count(log, "TIO_TDI_RECLAIM"));
	free(log);
	expect_state(self->rid, TDISP_STATE_RUN);
	EXPECT_TRUE(fn_quarantined(fn));
	EXPECT_EQ(2 * SZ_4K, fn_held(fn));
	test_err(EUCLEAN, tdi_bind(tdi));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(1, state.tdis);
	expect_clean();

	/*
	 * The PSP has forgotten it, and stops it no more; a device with a TDI
	 * does not go away
	 */
	testctl_clear_faults(self->rid);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_TRUE(fn_quarantined(fn));
	/* By the loss of its stream */
	expect_state(self->rid, TDISP_STATE_ERROR);
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(1, state.tdis);
	EXPECT_EQ(1, state.devices);
}

/* With force, the PSP need not even ask: the device does not know, nobody gets it */
TEST_F_TIMEOUT(sev, forced_unbind_in_silence, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;
	char *log;
	u32 events;

	test_cmd(fwmodel_set_param(&psp_model, "force_silent", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	/* The PSP does not want to be asked: without silence, force would do */
	test_cmd(fwmodel_inject(&psp_model, PSP_TDI_UNBIND, 0x3b, 0, 1));
	test_cmd(fwmodel_log_clear(&psp_model));
	events = testctl_log_end();
	test_err(EUCLEAN, tdi_unbind(tdi));
	EXPECT_EQ(0, count_tdisp(events, self->rid, TDISP_STOP_INTERFACE));
	log = fwmodel_log(&psp_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_TDI_UNBIND status 0x3b"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_TDI_UNBIND ok"));
	EXPECT_EQ(0, fwmodel_log_count(log, "TIO_TDI_RECLAIM"));
	free(log);
	/* What counts is what the device says */
	expect_state(self->rid, TDISP_STATE_RUN);
	EXPECT_TRUE(fn_quarantined(tdi->fn));
	EXPECT_EQ(2 * SZ_4K, fn_held(tdi->fn));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(1, state.tdis);
	EXPECT_EQ(0, state.bound);
	expect_clean();
	close_all(self);
}

/* The same where nobody is left who could be asked: that will do */
TEST_F_TIMEOUT(sev, forced_unbind_of_nothing_in_silence, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;

	test_cmd(fwmodel_set_param(&psp_model, "force_silent", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(tdi_unbind(tdi));
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.tdis);
	expect_clean();
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The device answers nothing, not even what state it is in, until it is too late */
TEST_F_TIMEOUT(sev, forced_unbind_without_an_answer, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;
	char *log;

	test_cmd(fwmodel_set_param(&psp_model, "force_silent", "1"));
	test_cmd(tdi_bind(tdi));
	test_cmd(fwmodel_log_clear(&psp_model));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(EUCLEAN, tdi_unbind(tdi));
	testctl_clear_faults(self->rid);
	log = fwmodel_log(&psp_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_TDI_UNBIND ok"));
	EXPECT_EQ(0, fwmodel_log_count(log, "TIO_TDI_RECLAIM"));
	free(log);
	EXPECT_TRUE(fn_quarantined(tdi->fn));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(1, state.tdis);
	EXPECT_EQ(0, state.bound);
	expect_clean();
	close_all(self);
}

/* The model refuses what the driver does not do, and says why */
TEST_F(sev, wrong_order)
{
	static const struct {
		u32 cmd;
		u32 flags;
		const char *line;
	} locked[] = {
		{ PSP_DEV_CREATE, 0, "TIO_DEV_CREATE status 0x39" },
		{ PSP_DEV_CONNECT, 0, "TIO_DEV_CONNECT status 0x3b" },
		{ PSP_DEV_DISCONNECT, 0, "TIO_DEV_DISCONNECT status 0x3a" },
		{ PSP_DEV_DISCONNECT, 1, "TIO_DEV_DISCONNECT status 0x3a" },
		{ PSP_DEV_RECLAIM, 0, "TIO_DEV_RECLAIM status 0x3a" },
		{ PSP_TDI_CREATE, 0, "TIO_TDI_CREATE status 0x39" },
		{ PSP_TDI_RECLAIM, 0, "TIO_TDI_RECLAIM status 0x3c" },
		{ PSP_TDI_BIND, 0, "TIO_TDI_BIND status 0x3c" },
		{ PSP_FENCE_CLEAR, 0, "TIO_ASID_FENCE_CLEAR status 0x3a" },
	};
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;
	char *log;

	/* Nothing to do it to, before there is a TDI */
	test_err(ENODEV, psp_raw(PSP_TDI_BIND, 0));
	test_cmd(tdi_bind(tdi));
	for (int i = 0; i < ARRAY_SIZE(locked); i++) {
		test_cmd(fwmodel_log_clear(&psp_model));
		test_err(EIO, psp_raw(locked[i].cmd, locked[i].flags));
		log = fwmodel_log(&psp_model);
		EXPECT_EQ(1, fwmodel_log_count(log, locked[i].line)) {
			TH_LOG("%s", locked[i].line);
		}
		free(log);
		expect_state(self->rid, TDISP_STATE_LOCKED);
	}
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(locked), state.refused);
	EXPECT_EQ(0, state.violations);

	test_cmd(tdi_start(tdi));
	test_err(EIO, psp_raw(PSP_TDI_BIND, 1));
	expect_state(self->rid, TDISP_STATE_RUN);
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(locked) + 1, state.refused);

	/* Nothing of that has come between the driver and its TDI */
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(locked) + 1, state.refused);
	EXPECT_EQ(0, state.devices);
	EXPECT_EQ(0, state.violations);
}

/* STOP is not answered once: it is asked for again */
TEST_F_TIMEOUT(sev, no_answer_to_stop, 60)
{
	struct tdi *tdi = &self->tdi[0];
	pthread_t thread;
	char *log;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(fwmodel_log_clear(&psp_model));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_of_stall, &self->rid));
	test_cmd(tdi_unbind(tdi));
	pthread_join(thread, NULL);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	log = fwmodel_log(&psp_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_TDI_UNBIND status 0x33"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_TDI_UNBIND ok"));
	EXPECT_EQ(0, fwmodel_log_count(log, "  TIO_TDI_UNBIND was left"));
	free(log);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A device that does not answer at all is not bound, and works when it does */
TEST_F_TIMEOUT(sev, no_answer, 60)
{
	struct tdi *tdi = &self->tdi[0];

	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, tdi_bind(tdi));
	testctl_clear_faults(self->rid);
	/* Before the PSP was asked to lock it: whatever it is, it is not bound */
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_clean();
	test_cmd(tdi_bind(tdi));

	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	EXPECT_EQ(0, fn_held(&self->dev->fn[0]));
	expect_nothing_left(1);
}

/* There is nothing left of it: the PSP lets go by force, and that will do */
TEST_F_TIMEOUT(sev, device_gone, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(tdi_unbind(tdi));
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.tdis);
	expect_clean();
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/*
 * Vectors are the host's: what has the MSI-X table, or the pending bits in the
 * page behind it, is never the guest's
 */
TEST_F(sev, vectors_stay)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;
	u64 gpa = BAR_GPA;
	int dmabuf;

	dmabuf = tdi_export_bar(tdi, TDISP_BAR_MSIX, 0, SZ_8K);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, gpa, SZ_8K));
	test_cmd(tdi_bind(tdi));
	test_err(EINVAL, tdi_validate_mmio(tdi, gpa, gpa + SZ_4K, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, gpa + SZ_4K, gpa + SZ_8K, 0));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.guest);
	close_fd(&dmabuf);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A device that does not say that it is unlocked is not bound, and not the PSP's */
TEST_F(sev, not_asked)
{
	struct tdi *tdi = &self->tdi[0];
	struct psp_state state;

	test_cmd(fwmodel_inject(&psp_model, PSP_TDI_STATUS, 0x33, 0, 100));
	test_err(EIO, tdi_bind(tdi));
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.tdis);
	test_cmd(fwmodel_inject_none(&psp_model));
	test_cmd(tdi_bind(tdi));
	expect_clean();
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A function is removed with its TDI kept, and comes back while connected */
TEST_F_TIMEOUT(sev, comes_back, 60)
{
	struct tdisp_fn *fn = &self->dev->fn[1];
	struct tdi *tdi = &self->tdi[1];
	struct psp_state state;

	test_cmd(tdi_setup(tdi, &self->vmm, fn));
	test_cmd(tdi_bind(tdi));
	test_cmd(fwmodel_inject(&psp_model, PSP_TDI_UNBIND, 0x3b, 0, 2));
	test_err(EUCLEAN, tdi_unbind(tdi));
	EXPECT_TRUE(fn_quarantined(fn));
	close_all(self);

	test_cmd(sysfs_write("1", "/sys/bus/pci/devices/%s/remove", fn->bdf));
	test_cmd(pci_rescan());
	EXPECT_TRUE(fn_quarantined(fn));
	EXPECT_EQ(2 * SZ_4K, fn_held(fn));
	/* It is the new one that is released */
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(fn));
	EXPECT_EQ(0, fn_held(fn));
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(0, state.tdis);
	EXPECT_EQ(0, state.violations);
}

/* The TDI fails by itself: unbind leads out */
TEST_F(sev, error)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_bind(tdi));
	testctl_set(self->rid, TDISP_CTL_FORCE_ERROR, 1);
	test_err(EIO, tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The administrator unbinds as well, and the module disconnects */
TEST_F(sev, lost)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(setup_disconnect(self->dev));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_err(ENOTCONN, tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(tdi_bind(tdi));
	/* Who provides the VM stays as long as it is in use */
	test_err(EAGAIN, fwmodel_unload(&psp_model));
	expect_state(self->rid, TDISP_STATE_LOCKED);
	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_clean();
	/* With the device connected */
	test_cmd(fwmodel_unload(&psp_model));
	expect_attr(&self->dev->fn[0], "connect", "");
}

/* A device that is not connected yet, by a PSP that is told what to do first */
FIXTURE(link)
{
	struct tdisp_device *dev;
};

FIXTURE_SETUP(link)
{
	self->dev = setup.dev;
	test_cmd(setup_ready(self->dev));
}

FIXTURE_TEARDOWN_PARENT(link)
{
	test_cmd(sev_clear(setup.dev));
}

/* It works with a PSP like this, and all is as before in the end */
#define expect_link(_self, _params) do {				\
	struct tdisp_device *__dev = (_self)->dev;			\
	struct vmm __vmm;						\
	struct tdi __tdi;						\
									\
	test_cmd(fwmodel_load(&psp_model, _params));			\
	test_cmd(fwmodel_connect(&psp_model, __dev));			\
	test_cmd(vmm_open(&__vmm));					\
	test_cmd(tdi_setup(&__tdi, &__vmm, &__dev->fn[0]));		\
	test_cmd(tdi_bind(&__tdi));					\
	test_cmd(tdi_start(&__tdi));					\
	expect_state(__dev->fn[0].rid, TDISP_STATE_RUN);		\
	test_cmd(tdi_unbind(&__tdi));					\
	tdi_close(&__tdi);						\
	vmm_close(&__vmm);						\
	test_cmd(setup_disconnect(__dev));				\
	expect_nothing_left(1);						\
} while (0)

TEST_F_TIMEOUT(link, expand, 60)
{
	expect_link(self, "expand_to=0x8000");
}

/* More than a list of pages can name */
TEST_F(link, expand_too_far)
{
	test_cmd(fwmodel_load(&psp_model, "expand_to=0x200000"));
	test_err(ENOMEM, fwmodel_connect(&psp_model, self->dev));
	expect_nothing_left(0);
	test_cmd(fwmodel_set_param(&psp_model, "expand_to", "0"));
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(0);
}

/* What is freed is what was allocated */
TEST_F_TIMEOUT(link, odd_sizes, 60)
{
	expect_link(self, "req_max=0x1040 out_max=0x6001");
}

TEST_F_TIMEOUT(link, response_larger_than_request, 60)
{
	expect_link(self, "rsp_min=0x2000 rsp_max=0x3000");
}

/* One page more than a scatter list has entries for, with its end */
TEST_F(link, too_many_pages)
{
	test_cmd(fwmodel_load(&psp_model, "out_max=0x200000"));
	test_err(ENOMEM, fwmodel_connect(&psp_model, self->dev));
	expect_nothing_left(0);
	test_cmd(fwmodel_unload(&psp_model));
	test_cmd(fwmodel_load(&psp_model, "out_max=0x201000"));
	test_err(ENOMEM, fwmodel_connect(&psp_model, self->dev));
	expect_nothing_left(0);
}

/* Any page that does not become the firmware's */
TEST_F_TIMEOUT(link, each_page, 120)
{
	int i, rc;

	test_cmd(fwmodel_load(&psp_model, ""));
	for (i = 0; i < 64; i++) {
		test_cmd(fwmodel_inject(&psp_model, PSP_RMP_FIRMWARE, 1, i, 1));
		rc = fwmodel_connect(&psp_model, self->dev);
		test_cmd(fwmodel_inject_none(&psp_model));
		if (!rc)
			break;
		EXPECT_EQ(-ENOMEM, rc) {
			TH_LOG("page %d: %s", i, errno_name(rc));
		}
		expect_nothing_left(0);
	}
	/* Contexts, buffers: there are some */
	EXPECT_LT(8, i);
	EXPECT_GT(64, i);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(0);
}

/* A device that the PSP does not give back stays, and so does its memory */
TEST_F(link, device_not_reclaimed)
{
	struct psp_state state;

	test_cmd(fwmodel_load(&psp_model, ""));
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(fwmodel_inject(&psp_model, PSP_DEV_RECLAIM, 0x3a, 0, 1));
	test_cmd(setup_disconnect(self->dev));
	expect_clean();
	test_cmd(psp_get_state(&state));
	EXPECT_EQ(1, state.devices);
	EXPECT_EQ(2, state.context);
	EXPECT_EQ(OWN_PAGES, state.firmware);
	test_err(EIO, fwmodel_connect(&psp_model, self->dev));
}

TEST_F(link, device_not_created)
{
	test_cmd(fwmodel_load(&psp_model, ""));
	test_cmd(fwmodel_inject(&psp_model, PSP_DEV_CREATE, 0x39, 0, 1));
	test_err(EIO, fwmodel_connect(&psp_model, self->dev));
	expect_nothing_left(0);
	test_cmd(fwmodel_inject(&psp_model, PSP_DEV_CONNECT, 0x35, 0, 1));
	test_err(EIO, fwmodel_connect(&psp_model, self->dev));
	expect_nothing_left(0);
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(0);
}

/* What the firmware wants to send is no message */
TEST_F(link, no_request)
{
	test_cmd(fwmodel_load(&psp_model, ""));
	test_cmd(fwmodel_inject(&psp_model, PSP_DEV_CONNECT, 0x32, 0, 1));
	test_err(EBADMSG, fwmodel_connect(&psp_model, self->dev));
	expect_nothing_left(0);
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(0);
}

/* The first message is not answered, what comes after that is */
TEST_F_TIMEOUT(link, no_answer_to_disconnect, 60)
{
	u16 rid = self->dev->fn[0].rid;
	pthread_t thread;
	char *log;

	test_cmd(fwmodel_load(&psp_model, ""));
	test_cmd(fwmodel_connect(&psp_model, self->dev));
	test_cmd(fwmodel_log_clear(&psp_model));
	testctl_set(rid, TDISP_CTL_STALL_MS, 1500);
	ASSERT_EQ(0, pthread_create(&thread, NULL, end_of_stall, &rid));
	test_cmd(setup_disconnect(self->dev));
	pthread_join(thread, NULL);

	log = fwmodel_log(&psp_model);
	EXPECT_EQ(0, fwmodel_log_count(log, "  TIO_DEV_DISCONNECT was left"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_DEV_DISCONNECT status 0x33"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_DEV_DISCONNECT ok"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TIO_DEV_RECLAIM ok"));
	free(log);
	expect_nothing_left(0);
}

/*
 * Injection: each command with each status, at each place where a life cycle has
 * it. What fails has to fail as an error that the PSP is to blame for, and what
 * becomes of the function has to be one of two things: it can be bound again, or
 * it is in quarantine, with all that the PSP has of it kept.
 */
static const u32 statuses[] = {
	0x01, 0x02, 0x03, 0x09, 0x16, 0x1a, 0x30, 0x31, 0x32, 0x33, 0x35, 0x36,
	0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
};

/* What a life cycle came to */
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
	struct vcpu vcpu;
	int dmabuf;
	bool open;
	/* That nobody has asked the PSP for yet */
	bool fresh;
	/* VMs that the PSP has heard of */
	u32 guests;
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
	test_cmd(sev_clear(setup.dev));
}

static void life_close(struct life *l)
{
	if (!l->open)
		return;
	close_fd(&l->dmabuf);
	vcpu_destroy(&l->vcpu);
	tdi_close(&l->tdi);
	vmm_close(&l->vmm);
	l->open = false;
}

/* Connect, with a VM that has the device */
static int life_connect(struct life *l)
{
	int rc;

	rc = fwmodel_connect(&psp_model, l->dev);
	rc = rc ?: vmm_open(&l->vmm);
	rc = rc ?: tdi_setup(&l->tdi, &l->vmm, &l->dev->fn[0]);
	rc = rc ?: vcpu_create(&l->vcpu, &l->vmm.vm);
	if (rc)
		return rc;
	l->open = true;
	l->fresh = true;
	l->dmabuf = tdi_export_bar(&l->tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	if (l->dmabuf < 0)
		return l->dmabuf;
	return vm_set_dmabuf(&l->vmm.vm, l->dmabuf, 0, BAR_GPA, BAR_LEN);
}

/* The same, by a PSP without a past */
static int life_open(struct life *l, const char *params)
{
	int rc;

	rc = sev_ready(l->dev, params);
	return rc ?: life_connect(l);
}

static int life_guest_msg(struct life *l)
{
	u8 page[PSP_MSG_PAGE], payload[16] = { GUEST_ID };
	u32 len;

	psp_msg(page, PSP_MSG_TDI_INFO, payload, sizeof(payload));
	return psp_send_msg(&l->tdi, page, &len);
}

static int life_evidence(struct life *l)
{
	u8 nonce[32] = { 1 };
	u32 len;
	int rc;

	rc = tdi_object_size(&l->tdi, IOMMU_TSM_OBJECT_CERT, &len);
	return rc ?: tdi_regen_object(&l->tdi, IOMMU_TSM_OBJECT_MEAS, nonce);
}

/* As far as it gets, and back */
static void life_steps(struct life *l, struct outcome *o)
{
	memset(o, 0, sizeof(*o));
	l->tdi.tsm_code = 0;
	o->step = "bind";
	o->rc = tdi_bind(&l->tdi);
	if (!o->rc) {
		o->step = "evidence";
		o->rc = life_evidence(l);
		if (!o->rc) {
			o->step = "validate";
			o->rc = tdi_validate_mmio(&l->tdi, BAR_GPA,
						  BAR_GPA + BAR_LEN, 0);
		}
		if (!o->rc) {
			o->step = "start";
			o->rc = tdi_start(&l->tdi);
		}
		if (!o->rc) {
			o->step = "message";
			o->rc = life_guest_msg(l);
		}
		if (!o->rc)
			o->step = "-";
		o->code = l->tdi.tsm_code;
		o->unbind_rc = tdi_unbind(&l->tdi);
	}
}

static void life_cycle(struct life *l, struct outcome *o)
{
	struct psp_state state;

	life_steps(l, o);
	o->injected = !psp_get_state(&state) && !state.pending;
	fwmodel_inject_none(&psp_model);
	o->quarantined = fn_quarantined(&l->dev->fn[0]);
}

/* The two things that can become of the function, and nothing else */
#define expect_defined(_life, _o) do {					\
	struct life *__l = (_life);					\
	struct outcome *__o = (_o), __again;				\
	struct psp_state __state;					\
									\
	test_cmd(psp_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	EXPECT_EQ(0, __state.refused);					\
	if (__o->quarantined) {						\
		EXPECT_TRUE(__state.tdis || __state.guest);		\
		EXPECT_EQ(__state.tdis * 2 * SZ_4K,			\
			  fn_held(&__l->dev->fn[0]));			\
		test_err(EUCLEAN, tdi_bind(&__l->tdi));			\
	} else {							\
		EXPECT_EQ(0, __o->unbind_rc);				\
		EXPECT_EQ(0, __state.tdis);				\
		EXPECT_EQ(0, __state.guest);				\
		EXPECT_EQ(0, fn_held(&__l->dev->fn[0]));		\
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

/* A row of the table for each place of the command, and each other outcome */
#define inject_command(_self, _cmd, _name, _params, _nr) do {		\
	struct life *l = &(_self)->life;				\
	struct outcome o = {};						\
	int place, places = 0;						\
									\
	for (place = 0; place < 16; place++) {				\
		char row[128], last[128] = "";				\
		int i, from = 0;					\
									\
		for (i = 0; i < (_nr); i++) {				\
			if (!l->open)					\
				test_cmd(life_open(l, _params));	\
			inject_one(_cmd, statuses[i], place);		\
			if (!o.injected)				\
				break;					\
			expect_defined(l, &o);				\
			outcome_text(&o, row, sizeof(row));		\
			if (i && strcmp(row, last)) {			\
				TH_LOG("%-22s #%d %#x..%#x: %s", _name,	\
				       place, statuses[from],		\
				       statuses[i - 1], last);		\
				from = i;				\
			}						\
			strcpy(last, row);				\
			if (o.quarantined || inject_fresh(_cmd)) {	\
				life_close(l);				\
				test_cmd(sev_clear(l->dev));		\
			}						\
		}							\
		if (!o.injected)					\
			break;						\
		TH_LOG("%-22s #%d %#x..%#x: %s", _name, place,		\
		       statuses[from], statuses[i - 1], last);		\
		places++;						\
	}								\
	EXPECT_LT(0, places);						\
	life_close(l);							\
	test_cmd(sev_clear(l->dev));					\
} while (0)

#define inject_one(_cmd, _status, _place) do {				\
	test_cmd(fwmodel_inject(&psp_model, _cmd, _status, _place, 1));	\
	if ((_cmd) == PSP_FENCE_CLEAR)					\
		test_cmd(psp_fence(0));					\
	life_cycle(l, &o);						\
} while (0)

/* Evidence is asked for once per connection */
static bool inject_fresh(u32 cmd)
{
	return cmd == PSP_DEV_CERTIFICATES;
}

#define TEST_INJECT(_name, _cmd, _params)				\
TEST_F_TIMEOUT(inject, _name, 900)					\
{									\
	inject_command(self, _cmd, #_name, _params,			\
		       ARRAY_SIZE(statuses));				\
}

TEST_INJECT(dev_certificates, PSP_DEV_CERTIFICATES, "")
TEST_INJECT(dev_measurements, PSP_DEV_MEASUREMENTS, "")
TEST_INJECT(tdi_create, PSP_TDI_CREATE, "")
TEST_INJECT(tdi_bind, PSP_TDI_BIND, "")
TEST_INJECT(tdi_report, PSP_TDI_REPORT, "")
TEST_INJECT(tdi_status, PSP_TDI_STATUS, "")
TEST_INJECT(guest_request, PSP_GUEST_REQUEST, "")
TEST_INJECT(tdi_unbind, PSP_TDI_UNBIND, "")
TEST_INJECT(tdi_reclaim, PSP_TDI_RECLAIM, "")
TEST_INJECT(fence_status, PSP_FENCE_STATUS, "")
TEST_INJECT(fence_clear, PSP_FENCE_CLEAR, "")

/* The RMP, for each page of the MMIO */
TEST_F_TIMEOUT(inject, rmp_private, 300)
{
	inject_command(self, PSP_RMP_PRIVATE, "rmp_private", "", 1);
}

TEST_F_TIMEOUT(inject, rmp_shared, 300)
{
	inject_command(self, PSP_RMP_SHARED, "rmp_shared", "", 1);
}

/* The PSP answers no more from some command on: all it may own is kept */
TEST_F_TIMEOUT(inject, no_answer, 300)
{
	static const u32 cmds[] = {
		PSP_TDI_CREATE, PSP_TDI_BIND, PSP_TDI_STATUS, PSP_GUEST_REQUEST,
		PSP_TDI_UNBIND, PSP_TDI_RECLAIM, PSP_FENCE_STATUS,
	};
	struct life *l = &self->life;
	struct psp_state state;
	struct outcome o;
	char row[128];

	for (int i = 0; i < ARRAY_SIZE(cmds); i++) {
		test_cmd(life_open(l, ""));
		test_cmd(fwmodel_inject(&psp_model, cmds[i], PSP_NO_ANSWER, 0, 1));
		life_cycle(l, &o);
		EXPECT_TRUE(o.injected);
		TH_LOG("%#x: %s", cmds[i], outcome_text(&o, row, sizeof(row)));
		test_cmd(psp_get_state(&state));
		EXPECT_EQ(0, state.violations);
		EXPECT_EQ(0, state.refused);
		/* After TDI_RECLAIM there is nothing left to lose */
		EXPECT_EQ(cmds[i] != PSP_TDI_CREATE &&
			  cmds[i] != PSP_FENCE_STATUS, o.quarantined);
		life_close(l);
		test_cmd(setup_disconnect(l->dev));
		test_cmd(psp_get_state(&state));
		EXPECT_EQ(0, state.violations);
		EXPECT_EQ(1, state.devices);
		test_cmd(sev_clear(l->dev));
	}
}

/*
 * Commands about the device, and pages that are taken back: from connect to
 * disconnect. Two things can become of the device: it can be connected again, or
 * the PSP keeps it, and its context is kept for the PSP.
 */
struct link_outcome {
	int connect_rc;
	struct outcome life;
	int disconnect_rc;
	struct psp_state state;
};

FIXTURE(inject_link)
{
	struct life life;
};

FIXTURE_SETUP(inject_link)
{
	self->life.dev = setup.dev;
	self->life.dmabuf = -1;
	test_cmd(setup_ready(setup.dev));
	test_cmd(fwmodel_load(&psp_model, ""));
}

FIXTURE_TEARDOWN_PARENT(inject_link)
{
	test_cmd(sev_clear(setup.dev));
}

static void link_cycle(struct life *l, struct link_outcome *o)
{
	memset(o, 0, sizeof(*o));
	o->connect_rc = life_connect(l);
	if (!o->connect_rc) {
		life_steps(l, &o->life);
		l->guests++;
	}
	life_close(l);
	o->disconnect_rc = setup_disconnect(l->dev);
	psp_get_state(&o->state);
	fwmodel_inject_none(&psp_model);
}

static const char *link_text(const struct link_outcome *o, char *buf,
			     size_t size)
{
	snprintf(buf, size, "connect %s, disconnect %s, %s",
		 errno_name(o->connect_rc), errno_name(o->disconnect_rc),
		 o->state.devices ? "kept by the PSP" : "usable");
	return buf;
}

/* @_refused: commands at the wrong time, if the PSP has not let go before */
#define expect_link_defined(_life, _o, _refused) do {			\
	struct life *__l = (_life);					\
	struct link_outcome *__o = (_o);				\
									\
	EXPECT_EQ(0, __o->state.violations);				\
	EXPECT_EQ(__o->state.devices ? (_refused) : 0,			\
		  __o->state.refused);					\
	EXPECT_EQ(0, __o->disconnect_rc);				\
	EXPECT_EQ(0, __o->state.tdis);					\
	EXPECT_EQ(0, __o->state.guest);					\
	if (__o->state.devices) {					\
		EXPECT_EQ(1, __o->state.devices);			\
		/* Two pages of the device, one of each guest */	\
		EXPECT_EQ(2 + __l->guests, __o->state.context);		\
		test_err(EIO, fwmodel_connect(&psp_model, __l->dev));	\
	} else {							\
		test_cmd(fwmodel_connect(&psp_model, __l->dev));	\
		test_cmd(setup_disconnect(__l->dev));			\
	}								\
} while (0)

/* And what can be connected again can be bound again */
#define expect_link_works(_life) do {					\
	struct link_outcome __o;					\
									\
	link_cycle(_life, &__o);					\
	EXPECT_EQ(0, __o.connect_rc);					\
	EXPECT_EQ(0, __o.life.rc);					\
	EXPECT_EQ(0, __o.life.unbind_rc);				\
	EXPECT_EQ(0, __o.disconnect_rc);				\
	EXPECT_EQ(0, __o.state.devices);				\
} while (0)

/* A row of the table for each other outcome; @_count commands fail in a row */
#define inject_link(_self, _cmd, _name, _count, _refused) do {		\
	struct life *l = &(_self)->life;				\
	char row[128], last[128] = "";					\
	struct link_outcome o;						\
	int i, from = 0;						\
									\
	for (i = 0; i < ARRAY_SIZE(statuses); i++) {			\
		test_cmd(fwmodel_inject(&psp_model, _cmd, statuses[i], 0, _count));	\
		link_cycle(l, &o);					\
		EXPECT_EQ(0, o.state.pending) {				\
			TH_LOG("%#x has no place", statuses[i]);	\
		}							\
		EXPECT_EQ(0, o.state.leaked);				\
		expect_link_defined(l, &o, _refused);			\
		link_text(&o, row, sizeof(row));			\
		if (i && strcmp(row, last)) {				\
			TH_LOG("%-22s #0 %#x..%#x: %s", _name,		\
			       statuses[from], statuses[i - 1], last);	\
			from = i;					\
		}							\
		strcpy(last, row);					\
		if (o.state.devices) {					\
			test_cmd(sev_ready(l->dev, ""));		\
			l->guests = 0;					\
		}							\
	}								\
	TH_LOG("%-22s #0 %#x..%#x: %s", _name, statuses[from],		\
	       statuses[i - 1], last);					\
	expect_link_works(l);						\
} while (0)

TEST_F_TIMEOUT(inject_link, dev_create, 300)
{
	inject_link(self, PSP_DEV_CREATE, "dev_create", 1, 0);
}

TEST_F_TIMEOUT(inject_link, dev_connect, 300)
{
	inject_link(self, PSP_DEV_CONNECT, "dev_connect", 1, 0);
}

/* Done by force then */
TEST_F_TIMEOUT(inject_link, dev_disconnect, 300)
{
	inject_link(self, PSP_DEV_DISCONNECT, "dev_disconnect", 1, 0);
}

/* And if not even that helps, the PSP does not give a connected device back */
TEST_F_TIMEOUT(inject_link, dev_disconnect_twice, 300)
{
	inject_link(self, PSP_DEV_DISCONNECT, "dev_disconnect twice", 2, 1);
}

TEST_F_TIMEOUT(inject_link, dev_reclaim, 300)
{
	inject_link(self, PSP_DEV_RECLAIM, "dev_reclaim", 1, 0);
}

/* What is asked for the log of a TDI that is kept: of no consequence if it fails */
#define inject_info(_self, _cmd, _name) do {				\
	struct life *l = &(_self)->life;				\
	struct psp_state state;						\
	struct outcome o;						\
									\
	test_cmd(life_connect(l));					\
	for (int i = 0; i < ARRAY_SIZE(statuses); i++) {		\
		if (!l->open)						\
			test_cmd(life_connect(l));			\
		/* One that is asked for, and one by force */		\
		test_cmd(fwmodel_inject(&psp_model, PSP_TDI_UNBIND, 0x3b, 0, 2));	\
		test_cmd(fwmodel_inject(&psp_model, _cmd, statuses[i], 0, 1));	\
		life_cycle(l, &o);					\
		EXPECT_TRUE(o.injected);				\
		EXPECT_EQ(0, o.rc);					\
		EXPECT_EQ(-EUCLEAN, o.unbind_rc);			\
		EXPECT_TRUE(o.quarantined);				\
		test_cmd(psp_get_state(&state));			\
		EXPECT_EQ(1, state.tdis);				\
		life_close(l);						\
		/* It lets go when it is asked once more */		\
		test_cmd(setup_disconnect(l->dev));			\
		EXPECT_FALSE(fn_quarantined(&l->dev->fn[0]));		\
		test_cmd(psp_get_state(&state));			\
		EXPECT_EQ(0, state.tdis);				\
		EXPECT_EQ(0, state.devices);				\
		EXPECT_EQ(0, state.guest);				\
		expect_clean();						\
	}								\
	TH_LOG("%-22s #0 %#x..%#x: as without, quarantine until disconnect", \
	       _name, statuses[0], statuses[ARRAY_SIZE(statuses) - 1]);	\
} while (0)

TEST_F_TIMEOUT(inject_link, tdi_info, 300)
{
	inject_info(self, PSP_TDI_INFO, "tdi_info");
}

TEST_F_TIMEOUT(inject_link, dev_status, 300)
{
	inject_info(self, PSP_DEV_STATUS, "dev_status");
}

/* Each page that does not come back is lost with its buffer, and nothing else is */
TEST_F_TIMEOUT(inject_link, page_reclaim, 300)
{
	struct life *l = &self->life;
	struct link_outcome o;
	u32 lost = 0;
	int place;

	for (place = 0; place < 64; place++) {
		test_cmd(fwmodel_inject(&psp_model, PSP_PAGE_RECLAIM, 1, place, 1));
		link_cycle(l, &o);
		EXPECT_EQ(0, o.state.violations);
		EXPECT_EQ(0, o.state.refused);
		EXPECT_EQ(0, o.connect_rc);
		EXPECT_EQ(0, o.life.rc);
		EXPECT_EQ(0, o.life.unbind_rc);
		EXPECT_EQ(0, o.state.devices);
		EXPECT_EQ(0, o.state.tdis);
		if (o.state.pending)
			break;
		lost++;
		EXPECT_EQ(lost, o.state.leaked);
		EXPECT_LE(OWN_PAGES + lost, o.state.firmware);
	}
	TH_LOG("page_reclaim: %d places, pages that are lost %u", place,
	       o.state.firmware - OWN_PAGES);
	/* Contexts, buffers: there are some */
	EXPECT_LT(8, place);
	EXPECT_GT(64, place);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
