// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of TDX Connect, above a model of the TDX module and not the real one,
 * and below it a device that really locks, starts and stops: link, life cycle,
 * order, faults. After each test the model must have nothing to complain about,
 * and each page has to be with whom it belongs to.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "lib/tdxm.h"
#include "lib/trace.h"
#include "lib/vcpu.h"

#define BAR_GPA		VCPU_DATA_GPA
#define BAR_LEN		VCPU_DATA_LEN

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

/*
 * Functions in quarantine stay that, another module or not, and one that did not
 * obey is in its own way: have them come back
 */
static int tdx_clear(struct tdisp_device *dev)
{
	bool remove = false;
	int rc;

	rc = setup_disconnect(dev);
	for (int i = 0; i < dev->nr_fns; i++)
		remove |= fn_quarantined(&dev->fn[i]) || fn_held(&dev->fn[i]) ||
			  testctl_state(dev->fn[i].rid) !=
			  TDISP_STATE_UNLOCKED;
	if (fwmodel_loaded(&tdxm_model))
		rc = rc ?: fwmodel_unload(&tdxm_model);
	if (remove)
		testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 1);
	return rc ?: setup_clear(dev);
}

static int tdx_ready(struct tdisp_device *dev, const char *params)
{
	int rc;

	rc = setup_ready(dev);
	if (fwmodel_loaded(&tdxm_model))
		rc = rc ?: fwmodel_unload(&tdxm_model);
	return rc ?: fwmodel_load(&tdxm_model, params);
}

/* The driver has done nothing wrong, in no order */
#define expect_clean() do {						\
	struct tdxm_state __state;					\
									\
	test_cmd(tdxm_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	EXPECT_EQ(0, __state.refused);					\
	EXPECT_EQ(0, __state.dirty);					\
} while (0)

/* And all that the module had is back; @_tds: root pages of TDs */
#define expect_nothing_left(_tds) do {					\
	u32 __tds = (_tds);						\
	struct tdxm_state __state;					\
									\
	expect_clean();							\
	test_cmd(tdxm_get_state(&__state));				\
	EXPECT_EQ(TDXM_OWN_PAGES + __tds, __state.owned);		\
	EXPECT_EQ(__tds, __state.tds);					\
	EXPECT_EQ(0, __state.sessions);					\
	EXPECT_EQ(0, __state.streams);					\
	EXPECT_EQ(0, __state.tdis);					\
	EXPECT_EQ(0, __state.mmio);					\
	EXPECT_EQ(0, __state.dmar);					\
	EXPECT_EQ(0, __state.blocks);					\
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

/* A device that is not connected yet, by a module that is told what to do first */
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
	test_cmd(tdx_clear(setup.dev));
}

/* Session and stream come and go, in the order that the module wants */
TEST_F_TIMEOUT(link, connect, 60)
{
	struct tdxm_state state;
	const char *at;
	char *log;
	u32 from;

	test_cmd(tdx_ready(self->dev, ""));
	expect_nothing_left(0);
	for (int i = 0; i < 2; i++) {
		test_cmd(fwmodel_log_clear(&tdxm_model));
		from = testctl_log_end();
		test_cmd(fwmodel_connect(&tdxm_model, self->dev));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_SESSION,
					   TESTCTL_ANY, 1));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_STREAM,
					   TESTCTL_ANY, 1));
		for (int fn = 0; fn < self->dev->nr_fns; fn++)
			expect_attr(&self->dev->fn[fn], "dsm",
				    self->dev->fn[0].bdf);
		test_cmd(tdxm_get_state(&state));
		EXPECT_EQ(1, state.sessions);
		EXPECT_EQ(1, state.streams);
		EXPECT_LT(TDXM_OWN_PAGES, state.owned);

		from = testctl_log_end();
		test_cmd(setup_disconnect(self->dev));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_SESSION,
					   TESTCTL_ANY, 0));
		EXPECT_EQ(1, testctl_count(from, self->rid, TDISP_EV_STREAM,
					   TESTCTL_ANY, 0));
		expect_nothing_left(0);

		log = fwmodel_log(&tdxm_model);
		at = log;
		expect_line(at, "SPDM_CREATE ok");
		expect_line(at, "SPDM_CONNECT ok");
		expect_line(at, "IDE_STREAM_CREATE ok");
		expect_line(at, "IDE_STREAM_KM ok");
		expect_line(at, "IDE_STREAM_KM ok");
		expect_line(at, "IDE_STREAM_BLOCK ok");
		expect_line(at, "IDE_STREAM_DELETE ok");
		expect_line(at, "SPDM_DISCONNECT ok");
		expect_line(at, "SPDM_DELETE ok");
		free(log);
	}
}

/* With the module interrupted at random, which never shows */
TEST_F_TIMEOUT(link, interrupted, 120)
{
	char params[64];

	for (int seed = 1; seed <= 3; seed++) {
		snprintf(params, sizeof(params), "interrupts=40 seed=%d", seed);
		test_cmd(tdx_ready(self->dev, params));
		test_cmd(fwmodel_connect(&tdxm_model, self->dev));
		test_cmd(setup_disconnect(self->dev));
		expect_nothing_left(0);
	}
}

/* A module without TDX Connect, or not told to have it: no TSM, and no device */
TEST_F(link, not_reported)
{
	test_err(ENODEV, fwmodel_load(&tdxm_model, "no_connect=1"));
	test_err(ENODEV, fwmodel_load(&tdxm_model, "not_configured=1"));
}

/* One that wants more memory than it can be right: it gets none */
TEST_F(link, too_many_pages)
{
	test_err(ENODEV, fwmodel_load(&tdxm_model, "ext_pages=0xffffffff"));
}

/* What a machine with the hardware has to confirm first: each is in the log */
TEST_F_TIMEOUT(link, not_found, 60)
{
	static const char * const names[] = {
		"TDH_TDI_CREATE", "TDH_TDI_LOCK", "TDH_TDI_START",
		"TDH_TDI_STOP", "TDH_TDI_REMOVE", "TDH_TDI_STATE",
		"TDH_TDI_REPORT", "TDH_MMIO_MT_ADD", "TDH_MMIO_MT_SET",
		"TDH_MMIO_MT_REMOVE",
	};
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	char line[1024], want[128];
	u32 found = 0, total = 0;
	ssize_t n;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, lseek(fd, 0, SEEK_END));
	test_cmd(tdx_ready(self->dev, ""));
	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		if (!strstr(line, " is a placeholder"))
			continue;
		total++;
		for (int i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(want, sizeof(want), "number of %s not found",
				 names[i]);
			if (strstr(line, want))
				found |= 1u << i;
		}
	}
	close(fd);
	EXPECT_EQ(ARRAY_SIZE(names), total);
	EXPECT_EQ((1u << ARRAY_SIZE(names)) - 1, found);
}

/* The module is unloaded with the device connected */
TEST_F(link, unload)
{
	test_cmd(tdx_ready(self->dev, ""));
	test_cmd(fwmodel_connect(&tdxm_model, self->dev));
	test_cmd(fwmodel_unload(&tdxm_model));
	expect_attr(&self->dev->fn[0], "connect", "");
}

/* A device that is gone: the module lets go without it */
TEST_F_TIMEOUT(link, device_gone, 60)
{
	test_cmd(tdx_ready(self->dev, ""));
	test_cmd(fwmodel_connect(&tdxm_model, self->dev));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(0);
}

/* One that does not answer, and one that does again */
TEST_F_TIMEOUT(link, no_answer, 60)
{
	test_cmd(tdx_ready(self->dev, ""));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_err(ETIMEDOUT, fwmodel_connect(&tdxm_model, self->dev));
	testctl_clear_faults(self->rid);
	expect_nothing_left(0);
	test_cmd(fwmodel_connect(&tdxm_model, self->dev));
	testctl_set(self->rid, TDISP_CTL_STALL_MS, 1500);
	test_cmd(setup_disconnect(self->dev));
	testctl_clear_faults(self->rid);
	expect_nothing_left(0);
}

/*
 * Each call of connect and disconnect fails: connect says
 * so and leaves nothing, or keeps what the module may have.
 */
TEST_F_TIMEOUT(link, inject, 600)
{
	static const struct {
		u32 call;
		const char *name;
		/* Of connect */
		int rc;
		/* Pages that stay with the module then */
		u32 kept;
	} calls[] = {
		{ TDXM_SPDM_CREATE, "SPDM_CREATE", -EIO },
		{ TDXM_SPDM_CONNECT, "SPDM_CONNECT", -EIO },
		{ TDXM_STREAM_CREATE, "STREAM_CREATE", -EIO },
		{ TDXM_STREAM_KM, "STREAM_KM", -EIO },
		{ TDXM_STREAM_BLOCK, "STREAM_BLOCK", 0, 4 },
		{ TDXM_STREAM_DELETE, "STREAM_DELETE", 0, 4 },
		{ TDXM_SPDM_DISCONNECT, "SPDM_DISCONNECT", 0, 3 },
		{ TDXM_SPDM_DELETE, "SPDM_DELETE", 0, 3 },
	};
	/* The driver tells none from the other: one that is known, and one not */
	static const u64 statuses[] = {
		TDXM_OPERAND_INVALID, TDXM_SPDM_INVALID_STATE,
	};
	struct tdxm_state state;
	int rc;

	for (int i = 0; i < ARRAY_SIZE(calls); i++) {
		for (int j = 0; j < ARRAY_SIZE(statuses); j++) {
			test_cmd(tdx_ready(self->dev, ""));
			test_cmd(fwmodel_inject(&tdxm_model, calls[i].call,
						statuses[j], 0, 1));
			rc = fwmodel_connect(&tdxm_model, self->dev);
			EXPECT_EQ(calls[i].rc, rc) {
				TH_LOG("%s: %s", calls[i].name, errno_name(rc));
			}
			if (!rc)
				test_cmd(setup_disconnect(self->dev));
			test_cmd(tdxm_get_state(&state));
			EXPECT_EQ(0, state.violations);
			EXPECT_EQ(0, state.pending);
			EXPECT_EQ(0, state.dirty);
			EXPECT_EQ(TDXM_OWN_PAGES + calls[i].kept, state.owned) {
				TH_LOG("%s", calls[i].name);
			}
			EXPECT_EQ(calls[i].kept * SZ_4K,
				  fn_held(&self->dev->fn[0]));
			if (calls[i].kept)
				test_cmd(tdx_clear(self->dev));
		}
	}
}

/* A device that is connected, with a VM that has its functions */
FIXTURE(tdx)
{
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi[2];
	u16 rid;
};

FIXTURE_SETUP(tdx)
{
	self->dev = setup.dev;
	self->rid = setup.dev->fn[0].rid;
	test_cmd(tdx_ready(self->dev, ""));
	test_cmd(fwmodel_connect(&tdxm_model, self->dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi[0], &self->vmm, &self->dev->fn[0]));
}

FIXTURE_TEARDOWN_PARENT(tdx)
{
	test_cmd(tdx_clear(setup.dev));
}

static void close_all(FIXTURE_DATA(tdx) *self)
{
	tdi_close(&self->tdi[1]);
	tdi_close(&self->tdi[0]);
	vmm_close(&self->vmm);
}

/* START after the TD has authorised it, and DMA accepted */
static int tdx_start(struct tdi *tdi)
{
	int rc;

	rc = tdxm_guest(tdi->fn->rid, TDXM_GUEST_ACCEPT_DMA);
	rc = rc ?: tdxm_guest(tdi->fn->rid, TDXM_GUEST_START);
	return rc ?: tdi_start(tdi);
}

TEST_F_TIMEOUT(tdx, bind_start_unbind, 120)
{
	struct tdi *tdi = &self->tdi[0];
	struct tdxm_state state;
	u32 log;

	test_cmd(tdi_dma_round_trip(tdi));
	for (int i = 0; i < 3; i++) {
		log = testctl_log_end();
		test_cmd(tdi_bind(tdi));
		expect_state(self->rid, TDISP_STATE_LOCKED);
		EXPECT_EQ(1, count_tdisp(log, self->rid, TDISP_LOCK_INTERFACE));
		test_cmd(tdxm_get_state(&state));
		EXPECT_EQ(1, state.tdis);
		EXPECT_EQ(1, state.assigned);
		EXPECT_EQ(1, state.dmar);
		EXPECT_LT(0, state.blocks);

		/* Not before the TD says so to the module */
		test_err(EIO, tdi_start(tdi));
		EXPECT_EQ(TDXM_TDISP_INVALID_REQ_STS, tdi->tsm_code);
		EXPECT_EQ(0, count_tdisp(log, self->rid, TDISP_START_INTERFACE));
		test_cmd(tdx_start(tdi));
		expect_state(self->rid, TDISP_STATE_RUN);
		EXPECT_EQ(1, count_tdisp(log, self->rid, TDISP_START_INTERFACE));

		test_cmd(tdi_unbind(tdi));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		EXPECT_EQ(1, count_tdisp(log, self->rid, TDISP_STOP_INTERFACE));
		test_cmd(tdi_dma_round_trip(tdi));
		expect_clean();
	}

	/* Without a start, and by closing the device */
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	test_cmd(tdx_start(tdi));
	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The same with the module interrupted at random */
TEST_F_TIMEOUT(tdx, interrupted, 240)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(fwmodel_set_param(&tdxm_model, "interrupts", "40"));
	for (int i = 0; i < 2; i++) {
		test_cmd(tdi_bind(tdi));
		test_cmd(tdx_start(tdi));
		expect_state(self->rid, TDISP_STATE_RUN);
		test_cmd(tdi_unbind(tdi));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
	}
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The IOMMU lets DMA of the TDI through while the TD has accepted it */
TEST_F_TIMEOUT(tdx, trusted_dma, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct tdxm_state state;

	test_err(ENODEV, tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_DMA));
	for (int i = 0; i < 2; i++) {
		test_cmd(tdi_bind(tdi));
		EXPECT_EQ(0, testctl_get(self->rid, TDISP_CTL_TRUSTED_DMA));
		test_cmd(tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_DMA));
		EXPECT_EQ(1, testctl_get(self->rid, TDISP_CTL_TRUSTED_DMA));
		test_err(EPERM, tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_DMA));
		/* It is the TD's, whatever the host asks for */
		test_err(EOPNOTSUPP, tdi_enable_dma(tdi));
		test_cmd(tdi_unbind(tdi));
		EXPECT_EQ(0, testctl_get(self->rid, TDISP_CTL_TRUSTED_DMA));
		test_cmd(tdxm_get_state(&state));
		EXPECT_EQ(0, state.dmar);
	}
	/* A bind that fails leaves nothing to accept, and nothing accepted */
	testctl_set(self->rid, TDISP_CTL_TRUSTED_DMA, 1);
	testctl_set(self->rid, TDISP_CTL_LOCK_ERROR, TDISP_ERR_INVALID_CONFIG);
	test_err(EIO, tdi_bind(tdi));
	testctl_set(self->rid, TDISP_CTL_LOCK_ERROR, 0);
	test_err(ENODEV, tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_DMA));
	EXPECT_EQ(0, testctl_get(self->rid, TDISP_CTL_TRUSTED_DMA));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The report is the TD's to ask for, device information is the host's */
TEST_F_TIMEOUT(tdx, evidence, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct report report;
	u8 nonce[32] = {};
	u8 *data;
	u32 len;

	test_cmd(tdi_bind(tdi));
	test_err(EIO, tdi_object_size(tdi, IOMMU_TSM_OBJECT_REPORT, &len));
	test_cmd(tdxm_guest(self->rid, TDXM_GUEST_REPORT));
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 4096,
				 (void **)&data, &len));
	test_cmd(report_parse(&report, data, len));
	EXPECT_EQ(4, report.nr_ranges);
	free(data);

	/* It starts with the length of the certificate chain, and so does that */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_MEAS, 1000,
				 (void **)&data, &len));
	ASSERT_LT(8, len);
	EXPECT_EQ(data[0] | data[1] << 8, data[4] | data[5] << 8);
	free(data);

	test_err(EOPNOTSUPP, tdi_object_size(tdi, IOMMU_TSM_OBJECT_VCA, &len));
	test_err(EOPNOTSUPP, tdi_object_size(tdi, IOMMU_TSM_OBJECT_CERT, &len));
	test_err(EOPNOTSUPP, tdi_regen_object(tdi, IOMMU_TSM_OBJECT_MEAS,
					      nonce));
	test_cmd(tdi_unbind(tdi));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/*
 * STOP first, then private MMIO out of the secure EPT, then trusted DMA, then the
 * metadata of MMIO and the interface
 */
TEST_F_TIMEOUT(tdx, order, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct tdxm_state state;
	struct vcpu vcpu;
	const char *at;
	int dmabuf;
	char *log;
	u32 val;

	test_cmd(vcpu_create(&vcpu, &self->vmm.vm));
	dmabuf = tdi_export_bar(tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));
	test_cmd(vm_set_private(&self->vmm.vm, BAR_GPA, BAR_LEN, true));

	test_cmd(fwmodel_log_clear(&tdxm_model));
	test_cmd(tdi_bind(tdi));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN +
					   SZ_4K, 0));
	test_err(EINVAL, tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN,
					   SZ_4K));
	test_cmd(tdi_validate_mmio(tdi, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	/* Nothing is mapped yet */
	test_err(EPERM, tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_MMIO));
	test_cmd(vcpu_read(&vcpu, 8, &val));
	test_cmd(tdxm_get_state(&state));
	EXPECT_LT(0, state.mmio);
	EXPECT_EQ(state.mmio, state.unaccepted);
	test_cmd(tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_MMIO));
	test_err(EPERM, tdxm_guest(self->rid, TDXM_GUEST_ACCEPT_MMIO));
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(0, state.unaccepted);
	test_cmd(tdx_start(tdi));
	test_cmd(vcpu_write(&vcpu, SZ_4K + 8, 0x7ee0));
	test_cmd(vcpu_read(&vcpu, SZ_4K + 8, &val));
	EXPECT_EQ(0x7ee0, val);
	test_cmd(tdi_unbind(tdi));
	test_err(EFAULT, vcpu_read(&vcpu, SZ_4K + 8, &val));

	log = fwmodel_log(&tdxm_model);
	at = log;
	expect_line(at, "TDI_CREATE ok");
	expect_line(at, "MMIO_MT_ADD ok");
	expect_line(at, "MMIO_MT_SET ok");
	expect_line(at, "DMAR_ADD ok");
	expect_line(at, "TDI_LOCK ok");
	expect_line(at, "MMIO_MAP");
	expect_line(at, "TDG accept MMIO");
	expect_line(at, "TDG accept DMA");
	expect_line(at, "TDG start");
	expect_line(at, "TDI_START ok");
	expect_line(at, "TDI_STOP ok");
	expect_line(at, "MMIO_UNMAP");
	expect_line(at, "DMAR_BLOCK ok");
	expect_line(at, "IQINV ok");
	expect_line(at, "DMAR_REMOVE ok");
	expect_line(at, "MMIO_MT_REMOVE ok");
	expect_line(at, "TDI_REMOVE ok");
	EXPECT_EQ(1, fwmodel_log_count(log, "TDI_STOP"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TDI_REMOVE"));
	EXPECT_EQ(0, fwmodel_log_count(log, "IDE_STREAM_BLOCK"));
	free(log);
	expect_clean();

	close_fd(&dmabuf);
	vcpu_destroy(&vcpu);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A device that unlocked itself: STOP is called all the same */
TEST_F_TIMEOUT(tdx, stop_is_called, 60)
{
	struct tdi *tdi = &self->tdi[0];
	char *log;

	test_cmd(tdi_bind(tdi));
	testctl_set(self->rid, TDISP_CTL_FORCE_ERROR, 1);
	expect_state(self->rid, TDISP_STATE_ERROR);
	test_cmd(tdxm_guest(self->rid, TDXM_GUEST_START));
	test_err(EIO, tdi_start(tdi));
	test_cmd(fwmodel_log_clear(&tdxm_model));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	log = fwmodel_log(&tdxm_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "TDI_STOP ok"));
	EXPECT_EQ(0, fwmodel_log_count(log, "IDE_STREAM_BLOCK"));
	free(log);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A device that is dead: the stream is blocked, and the module lets go */
TEST_F_TIMEOUT(tdx, device_gone, 60)
{
	struct tdi *tdi = &self->tdi[0];
	char *log;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdx_start(tdi));
	testctl_set(self->rid, TDISP_CTL_REMOVED, 1);
	test_cmd(fwmodel_log_clear(&tdxm_model));
	test_cmd(tdi_unbind(tdi));
	log = fwmodel_log(&tdxm_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "IDE_STREAM_BLOCK ok"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TDI_REMOVE ok"));
	free(log);
	EXPECT_FALSE(fn_quarantined(tdi->fn));
	EXPECT_EQ(0, fn_held(tdi->fn));
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* One that does not obey, likewise; what else is on the stream hears of it */
TEST_F_TIMEOUT(tdx, stop_refused, 60)
{
	struct tdi *tdi = &self->tdi[0], *other = &self->tdi[1];
	bool has_other = self->dev->nr_fns > 1;
	u16 other_rid = has_other ? self->dev->fn[1].rid : 0;
	char *log;

	if (has_other) {
		test_cmd(tdi_setup(other, &self->vmm, &self->dev->fn[1]));
		test_cmd(tdi_bind(other));
		test_cmd(tdx_start(other));
		EXPECT_EQ(1, testctl_get(other_rid, TDISP_CTL_TRUSTED_DMA));
	}
	test_cmd(tdi_bind(tdi));
	test_cmd(tdx_start(tdi));
	testctl_set(self->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_UNSPECIFIED);
	test_cmd(fwmodel_log_clear(&tdxm_model));
	test_cmd(tdi_unbind(tdi));
	log = fwmodel_log(&tdxm_model);
	EXPECT_EQ(3, fwmodel_log_count(log, "TDI_STOP status"));
	EXPECT_EQ(1, fwmodel_log_count(log, "IDE_STREAM_BLOCK ok"));
	EXPECT_EQ(1, fwmodel_log_count(log, "TDI_REMOVE ok"));
	free(log);
	expect_clean();

	/* With the stream as it is, nothing can be bound, and nothing gets through */
	test_err(EIO, tdi_bind(tdi));
	if (has_other) {
		EXPECT_EQ(0, testctl_get(other_rid, TDISP_CTL_TRUSTED_DMA));
		test_cmd(tdi_unbind(other));
	}
	testctl_clear_faults(self->rid);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* A function is removed with its TDI kept, and comes back while connected */
TEST_F_TIMEOUT(tdx, comes_back, 60)
{
	struct tdisp_fn *fn = &self->dev->fn[1];
	struct tdi *tdi = &self->tdi[1];
	struct tdxm_state state;

	test_cmd(tdi_setup(tdi, &self->vmm, fn));
	test_cmd(tdi_bind(tdi));
	test_cmd(fwmodel_inject(&tdxm_model, TDXM_TDI_STOP,
				TDXM_TDI_INVALID_STATE, 0, 3));
	test_cmd(fwmodel_inject(&tdxm_model, TDXM_STREAM_BLOCK,
				TDXM_STREAM_INVALID_STATE, 0, 1));
	test_err(EUCLEAN, tdi_unbind(tdi));
	close_all(self);

	test_cmd(sysfs_write("1", "/sys/bus/pci/devices/%s/remove", fn->bdf));
	test_cmd(pci_rescan());
	EXPECT_TRUE(fn_quarantined(fn));
	EXPECT_LT(0, fn_held(fn));
	/* It is the new one that is released */
	test_cmd(setup_disconnect(self->dev));
	EXPECT_FALSE(fn_quarantined(fn));
	EXPECT_EQ(0, fn_held(fn));
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(0, state.tdis);
}

/* A TD does not go while it has an interface, and it has none when its VM goes */
TEST_F_TIMEOUT(tdx, td_teardown, 60)
{
	struct tdi *tdi = &self->tdi[0];
	struct tdxm_state state;
	char *log;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdx_start(tdi));
	test_cmd(fwmodel_log_clear(&tdxm_model));
	test_err(EIO, tdxm_raw(TDXM_TD_TEARDOWN));
	log = fwmodel_log(&tdxm_model);
	EXPECT_EQ(1, fwmodel_log_count(log, "  refused: TD has TDIs"));
	free(log);
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(1, state.refused);

	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdxm_raw(TDXM_TD_TEARDOWN));
	test_cmd(setup_disconnect(self->dev));
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(1, state.refused);
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(0, state.tdis);
	EXPECT_EQ(TDXM_OWN_PAGES + 1, state.owned);
}

/* The administrator disconnects, the module goes: both unbind first */
TEST_F_TIMEOUT(tdx, forced, 60)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_bind(tdi));
	test_cmd(tdx_start(tdi));
	test_cmd(setup_disconnect(self->dev));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_nothing_left(1);
	test_err(ENOTCONN, tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	test_cmd(fwmodel_connect(&tdxm_model, self->dev));
	test_cmd(tdi_bind(tdi));
	/* Who provides the VM stays as long as it is in use */
	test_err(EAGAIN, fwmodel_unload(&tdxm_model));
	expect_state(self->rid, TDISP_STATE_LOCKED);
	close_all(self);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	expect_clean();
	test_cmd(fwmodel_unload(&tdxm_model));
	expect_attr(&self->dev->fn[0], "connect", "");
}

/* Two interfaces of a TD on one stream */
TEST_F_TIMEOUT(tdx, two_tdis, 60)
{
	struct tdxm_state state;

	if (self->dev->nr_fns == 1)
		SKIP(close_all(self); return, "a device with one function");
	test_cmd(tdi_setup(&self->tdi[1], &self->vmm, &self->dev->fn[1]));
	for (int i = 0; i < 2; i++) {
		test_cmd(tdi_bind(&self->tdi[i]));
		test_cmd(tdx_start(&self->tdi[i]));
	}
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(2, state.tdis);
	test_cmd(tdi_unbind(&self->tdi[0]));
	expect_state(self->dev->fn[0].rid, TDISP_STATE_UNLOCKED);
	expect_state(self->dev->fn[1].rid, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(&self->tdi[1]));
	expect_state(self->dev->fn[1].rid, TDISP_STATE_UNLOCKED);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* MMIO of another interface of the TD stays where it is */
TEST_F_TIMEOUT(tdx, other_mmio, 60)
{
	struct tdi *other = &self->tdi[1];
	struct tdxm_state before, after;
	struct vcpu vcpu;
	int dmabuf;
	u32 val;

	if (self->dev->nr_fns == 1)
		SKIP(close_all(self); return, "a device with one function");
	test_cmd(tdi_setup(other, &self->vmm, &self->dev->fn[1]));
	test_cmd(vcpu_create(&vcpu, &self->vmm.vm));
	dmabuf = tdi_export_bar(other, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, dmabuf, 0, BAR_GPA, BAR_LEN));
	test_cmd(vm_set_private(&self->vmm.vm, BAR_GPA, BAR_LEN, true));
	for (int i = 0; i < 2; i++)
		test_cmd(tdi_bind(&self->tdi[i]));
	test_cmd(tdi_validate_mmio(other, BAR_GPA, BAR_GPA + BAR_LEN, 0));
	test_cmd(vcpu_read(&vcpu, 8, &val));
	test_cmd(tdxm_get_state(&before));
	EXPECT_LT(0, before.mmio);

	test_cmd(tdi_unbind(&self->tdi[0]));
	test_cmd(tdxm_get_state(&after));
	EXPECT_EQ(before.mmio, after.mmio);
	expect_clean();
	test_cmd(tdi_unbind(other));
	expect_clean();

	close_fd(&dmabuf);
	vcpu_destroy(&vcpu);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	expect_nothing_left(1);
}

/* The model refuses what the driver does not do, and says why */
TEST_F_TIMEOUT(tdx, wrong_order, 60)
{
	static const struct {
		u32 call;
		const char *why;
	} locked[] = {
		{ TDXM_SPDM_CREATE, "exists" },
		{ TDXM_SPDM_CONNECT, "connected already" },
		{ TDXM_SPDM_DISCONNECT, "it has a stream" },
		{ TDXM_SPDM_DELETE, "it has a stream" },
		{ TDXM_STREAM_CREATE, "exists" },
		{ TDXM_STREAM_DELETE, "not blocked" },
		{ TDXM_STREAM_KM, "has keys" },
		{ TDXM_TDI_CREATE, "TDI exists" },
		{ TDXM_TDI_LOCK, "not unlocked" },
		{ TDXM_TDI_REMOVE, "STOP was not called" },
		{ TDXM_MMIO_MT_REMOVE, "STOP was not called" },
		{ TDXM_DMAR_ADD, "state of DMA" },
		{ TDXM_DMAR_BLOCK, "STOP was not called" },
		{ TDXM_IQINV, "state of DMA" },
		{ TDXM_DMAR_REMOVE, "state of DMA" },
		{ TDXM_TD_TEARDOWN, "TD has TDIs" },
	};
	struct tdi *tdi = &self->tdi[0];
	struct tdxm_state state;
	char line[64], *log;

	/* Nothing to do it to, before there is a TDI */
	test_err(ENODEV, tdxm_raw(TDXM_TDI_LOCK));
	test_cmd(tdi_bind(tdi));
	for (int i = 0; i < ARRAY_SIZE(locked); i++) {
		test_cmd(fwmodel_log_clear(&tdxm_model));
		test_err(EIO, tdxm_raw(locked[i].call));
		log = fwmodel_log(&tdxm_model);
		snprintf(line, sizeof(line), "  refused: %s\n", locked[i].why);
		EXPECT_EQ(1, fwmodel_log_count(log, line)) {
			TH_LOG("%#x: not \"%s\"", locked[i].call, locked[i].why);
		}
		free(log);
		expect_state(self->rid, TDISP_STATE_LOCKED);
	}
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(locked), state.refused);
	EXPECT_EQ(0, state.violations);

	/* Nothing of that has come between the driver and its TDI */
	test_cmd(tdx_start(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	close_all(self);
	test_cmd(setup_disconnect(self->dev));
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(ARRAY_SIZE(locked), state.refused);
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(0, state.tdis);
	EXPECT_EQ(0, state.sessions);
}

/*
 * Injection: each call with each status, at each place where a life cycle has it.
 * What becomes of the function has to be one of three things: it can be bound again,
 * or after the device was connected again, or it is in quarantine, with all that the
 * module has of it kept.
 */
static const u64 statuses[] = {
	TDXM_OPERAND_INVALID, TDXM_PAGE_METADATA_INCORRECT, TDXM_SPDM_ERROR,
	TDXM_TDI_INVALID_STATE, TDXM_TDISP_INVALID_STATE,
};

/* There are more of a call for each 2 MiB of MMIO, and all are alike */
#define INJECT_PLACES	3

/* What a life cycle came to */
struct outcome {
	const char *step;
	int rc;
	int unbind_rc;
	bool injected;
	bool quarantined;
};

struct life {
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi;
	bool open;
};

FIXTURE(inject)
{
	struct life life;
};

FIXTURE_SETUP(inject)
{
	self->life.dev = setup.dev;
	test_cmd(setup_ready(setup.dev));
}

FIXTURE_TEARDOWN_PARENT(inject)
{
	test_cmd(tdx_clear(setup.dev));
}

static void life_close(struct life *l)
{
	if (!l->open)
		return;
	tdi_close(&l->tdi);
	vmm_close(&l->vmm);
	l->open = false;
}

/* Connected, with a VM and its device, by a module without a past */
static int life_open(struct life *l)
{
	int rc;

	rc = tdx_ready(l->dev, "");
	rc = rc ?: fwmodel_connect(&tdxm_model, l->dev);
	rc = rc ?: vmm_open(&l->vmm);
	rc = rc ?: tdi_setup(&l->tdi, &l->vmm, &l->dev->fn[0]);
	l->open = !rc;
	return rc;
}

static int life_report(struct life *l)
{
	u32 len;
	int rc;

	rc = tdxm_guest(l->tdi.fn->rid, TDXM_GUEST_REPORT);
	return rc ?: tdi_object_size(&l->tdi, IOMMU_TSM_OBJECT_REPORT, &len);
}

/* As far as it gets, and back */
static void life_cycle(struct life *l, struct outcome *o)
{
	struct tdxm_state state;

	memset(o, 0, sizeof(*o));
	o->step = "bind";
	o->rc = tdi_bind(&l->tdi);
	if (!o->rc) {
		o->step = "report";
		o->rc = life_report(l);
		if (!o->rc) {
			o->step = "start";
			o->rc = tdx_start(&l->tdi);
		}
		if (!o->rc)
			o->step = "-";
		o->unbind_rc = tdi_unbind(&l->tdi);
	}
	o->injected = !tdxm_get_state(&state) && !state.pending;
	fwmodel_inject_none(&tdxm_model);
	o->quarantined = fn_quarantined(&l->dev->fn[0]);
}

/* What the module keeps when it keeps the function: its pages, and no others */
#define expect_defined(_life, _o) do {					\
	struct life *__l = (_life);					\
	struct outcome *__o = (_o), __again;				\
	struct tdxm_state __state;					\
									\
	test_cmd(tdxm_get_state(&__state));				\
	EXPECT_EQ(0, __state.violations);				\
	EXPECT_EQ(0, __state.dirty);					\
	EXPECT_EQ((__state.tdis + __state.blocks) * SZ_4K,		\
		  fn_held(&__l->dev->fn[0]));				\
	if (__o->quarantined) {						\
		EXPECT_LT(0, __state.tdis);				\
		test_err(EUCLEAN, tdi_bind(&__l->tdi));			\
	} else {							\
		EXPECT_EQ(0, __o->unbind_rc);				\
		EXPECT_EQ(0, __state.tdis);				\
		life_cycle(__l, &__again);				\
		EXPECT_EQ(0, __again.rc) {				\
			TH_LOG("%s: %s", __again.step,			\
			       errno_name(__again.rc));			\
		}							\
		EXPECT_EQ(0, __again.unbind_rc);			\
		expect_state(__l->dev->fn[0].rid,			\
			     TDISP_STATE_UNLOCKED);			\
	}								\
} while (0)

static void outcome_text(const struct outcome *o, char *buf, size_t size)
{
	snprintf(buf, size, "%s %s, unbind %s, %s", o->step, errno_name(o->rc),
		 errno_name(o->unbind_rc),
		 o->quarantined ? "quarantine" : "usable");
}

/* A row of the table for each place of the call, and each other outcome */
#define inject_call(_self, _call, _name) do {				\
	struct life *l = &(_self)->life;				\
	struct outcome o = {};						\
	int place, places = 0;						\
									\
	for (place = 0; place < INJECT_PLACES; place++) {				\
		char row[128], last[128] = "";				\
		int i, from = 0;					\
									\
		for (i = 0; i < ARRAY_SIZE(statuses); i++) {		\
			if (!l->open)					\
				test_cmd(life_open(l));			\
			test_cmd(fwmodel_inject(&tdxm_model, _call, statuses[i], \
						place, 1));		\
			life_cycle(l, &o);				\
			if (!o.injected)				\
				break;					\
			expect_defined(l, &o);				\
			outcome_text(&o, row, sizeof(row));		\
			if (i && strcmp(row, last)) {			\
				TH_LOG("%-16s #%d %d..%d: %s", _name,	\
				       place, from, i - 1, last);	\
				from = i;				\
			}						\
			strcpy(last, row);				\
			if (o.quarantined) {				\
				life_close(l);				\
				test_cmd(tdx_clear(l->dev));		\
			}						\
		}							\
		if (!o.injected)					\
			break;						\
		TH_LOG("%-16s #%d %d..%d: %s", _name, place, from,	\
		       i - 1, last);					\
		places++;						\
	}								\
	EXPECT_LT(0, places);						\
	life_close(l);							\
	test_cmd(tdx_clear(l->dev));					\
} while (0)

#define TEST_INJECT(_name, _call)					\
TEST_F_TIMEOUT(inject, _name, 900)					\
{									\
	inject_call(self, _call, #_name);				\
}

TEST_INJECT(tdi_create, TDXM_TDI_CREATE)
TEST_INJECT(mmio_mt_add, TDXM_MMIO_MT_ADD)
TEST_INJECT(mmio_mt_set, TDXM_MMIO_MT_SET)
TEST_INJECT(dmar_add, TDXM_DMAR_ADD)
TEST_INJECT(tdi_lock, TDXM_TDI_LOCK)
TEST_INJECT(tdi_state, TDXM_TDI_STATE)
TEST_INJECT(tdi_report, TDXM_TDI_REPORT)
TEST_INJECT(tdi_start, TDXM_TDI_START)
TEST_INJECT(tdi_stop, TDXM_TDI_STOP)
TEST_INJECT(dmar_block, TDXM_DMAR_BLOCK)
TEST_INJECT(iqinv, TDXM_IQINV)
TEST_INJECT(dmar_remove, TDXM_DMAR_REMOVE)
TEST_INJECT(mmio_mt_remove, TDXM_MMIO_MT_REMOVE)
TEST_INJECT(tdi_remove, TDXM_TDI_REMOVE)

/* Neither STOP nor the stream: nothing is taken from the TDI, and it is kept */
TEST_F_TIMEOUT(inject, no_way_out, 60)
{
	struct life *l = &self->life;
	struct tdxm_state state;

	test_cmd(life_open(l));
	test_cmd(tdi_bind(&l->tdi));
	test_cmd(tdx_start(&l->tdi));
	test_cmd(fwmodel_inject(&tdxm_model, TDXM_TDI_STOP,
				TDXM_TDI_INVALID_STATE, 0, 3));
	test_cmd(fwmodel_inject(&tdxm_model, TDXM_STREAM_BLOCK,
				TDXM_STREAM_INVALID_STATE, 0, 1));
	test_err(EUCLEAN, tdi_unbind(&l->tdi));
	EXPECT_TRUE(fn_quarantined(&l->dev->fn[0]));
	test_cmd(tdxm_get_state(&state));
	EXPECT_EQ(0, state.violations);
	EXPECT_EQ(0, state.refused);
	EXPECT_EQ(1, state.tdis);
	EXPECT_EQ(1, state.dmar);
	EXPECT_EQ((1 + state.blocks) * SZ_4K, fn_held(&l->dev->fn[0]));
	life_close(l);

	/* Disconnect blocks the stream, and that ends the quarantine */
	test_cmd(setup_disconnect(l->dev));
	EXPECT_FALSE(fn_quarantined(&l->dev->fn[0]));
	EXPECT_EQ(0, fn_held(&l->dev->fn[0]));
	expect_nothing_left(1);
}

/*
 * As before, and the stream is not blocked by disconnect either. Nobody can be
 * asked for the TDI any more, so this is for a machine that ends after it, which
 * TDISP_MACHINE_ENDS says.
 */
FIXTURE(lost)
{
	struct life life;
};

FIXTURE_SETUP(lost)
{
	if (!getenv("TDISP_MACHINE_ENDS"))
		SKIP(return, "Leaves a function in quarantine, for good");
	self->life.dev = setup.dev;
	test_cmd(setup_ready(setup.dev));
}

FIXTURE_TEARDOWN_PARENT(lost)
{
}

TEST_F_TIMEOUT(lost, comes_back, 120)
{
	struct life *l = &self->life;
	struct tdisp_fn *fn = &l->dev->fn[0];

	test_cmd(life_open(l));
	test_cmd(tdi_bind(&l->tdi));
	test_cmd(tdx_start(&l->tdi));
	test_cmd(fwmodel_inject(&tdxm_model, TDXM_TDI_STOP,
				TDXM_TDI_INVALID_STATE, 0, 3));
	test_cmd(fwmodel_inject(&tdxm_model, TDXM_STREAM_BLOCK,
				TDXM_STREAM_INVALID_STATE, 0, 2));
	test_err(EUCLEAN, tdi_unbind(&l->tdi));
	life_close(l);
	test_cmd(setup_disconnect(l->dev));
	EXPECT_TRUE(fn_quarantined(fn));
	EXPECT_LT(0, fn_held(fn));

	/* Another one for the kernel, the same for the module */
	test_cmd(sysfs_write("1", "/sys/bus/pci/devices/%s/remove", fn->bdf));
	test_cmd(pci_rescan());
	EXPECT_FALSE(fn_quarantined(fn));
	fwmodel_connect(&tdxm_model, l->dev);
	EXPECT_TRUE(fn_quarantined(fn));
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
