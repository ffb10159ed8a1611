// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life cycle of a TDI on a real PCI function: connect, bind, evidence, start,
 * unbind, and the function as a shared device before and after.
 */
#include <errno.h>
#include <string.h>

#include "tdisp_harness.h"

FIXTURE(lifecycle)
{
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi[TDISP_MAX_FNS];
	char tsm[16];
};

FIXTURE_VARIANT(lifecycle)
{
	bool integrated;
};

/* Below a root port, with an IDE stream to it */
FIXTURE_VARIANT_ADD(lifecycle, endpoint)
{
	.integrated = false,
};

/* On the root bus, without a link and without streams */
FIXTURE_VARIANT_ADD(lifecycle, integrated)
{
	.integrated = true,
};

FIXTURE_SETUP(lifecycle)
{
	self->dev = setup_find(variant->integrated);
	if (!self->dev)
		SKIP(return, "no such device");
	test_cmd(setup_ready(self->dev));
	test_cmd(tsm_find(self->tsm, sizeof(self->tsm)));
	test_cmd(vmm_open(&self->vmm));
}

FIXTURE_TEARDOWN_PARENT(lifecycle)
{
	test_cmd(setup_clear(self->dev));
}

/* Function 0 with all that comes before BIND */
static struct tdi *setup_tdi(struct __test_metadata *_metadata,
			     struct tdisp_device *dev, struct vmm *vmm,
			     struct tdi *tdi)
{
	test_cmd(setup_connect(dev));
	test_cmd(tdi_setup(tdi, vmm, &dev->fn[0]));
	return tdi;
}

static void close_all(struct vmm *vmm, struct tdi *tdi)
{
	for (int i = 0; i < TDISP_MAX_FNS; i++)
		tdi_close(&tdi[i]);
	vmm_close(vmm);
}

TEST_F(lifecycle, shared_without_tsm)
{
	struct tdi *tdi = &self->tdi[0];

	test_cmd(tdi_setup(tdi, &self->vmm, &self->dev->fn[0]));
	EXPECT_EQ(TDISP_REG_ID_VALUE, tdi_reg_read(tdi, TDISP_REG_ID));
	EXPECT_EQ(0, tdi_reg_read(tdi, TDISP_REG_FUNCTION));
	test_cmd(tdi_dma_round_trip(tdi));
	close_all(&self->vmm, self->tdi);
}

TEST_F(lifecycle, connect)
{
	struct tdisp_fn *fn = &self->dev->fn[0];
	u32 log = testctl_log_end();
	int streams;

	expect_attr(fn, "connect", "");
	test_cmd(setup_connect(self->dev));
	expect_attr(fn, "connect", self->tsm);
	expect_attr(fn, "bound", "");
	for (int i = 0; i < self->dev->nr_fns; i++)
		expect_attr(&self->dev->fn[i], "dsm", fn->bdf);
	EXPECT_EQ(1, testctl_count(log, fn->rid, TDISP_EV_SESSION, TESTCTL_ANY,
				   1));
	/* Secure or not, of any stream of this end of the link */
	streams = testctl_count(log, fn->rid, TDISP_EV_STREAM, TESTCTL_ANY, 1);
	EXPECT_EQ(variant->integrated ? 0 : 1, streams);
	test_err(EBUSY, setup_connect(self->dev));

	log = testctl_log_end();
	test_err(EINVAL, tsm_disconnect(fn->bdf, "tsm4711"));
	test_cmd(setup_disconnect(self->dev));
	expect_attr(fn, "connect", "");
	EXPECT_EQ(1, testctl_count(log, fn->rid, TDISP_EV_SESSION, TESTCTL_ANY,
				   0));
	EXPECT_EQ(streams, testctl_count(log, fn->rid, TDISP_EV_STREAM,
					 TESTCTL_ANY, 0));
	test_err(ENXIO, tsm_disconnect(fn->bdf, self->tsm));
	expect_state(fn->rid, TDISP_STATE_UNLOCKED);
}

TEST_F_TIMEOUT(lifecycle, bind_start_unbind, 60)
{
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);
	u16 rid = tdi->fn->rid;
	struct testctl_event ev;
	u32 log;

	test_cmd(tdi_dma_round_trip(tdi));
	expect_state(rid, TDISP_STATE_UNLOCKED);

	for (int i = 0; i < 3; i++) {
		log = testctl_log_end();
		test_cmd(tdi_bind(tdi));
		expect_attr(tdi->fn, "bound", self->tsm);
		EXPECT_EQ(1, count_tdisp(log, rid, TDISP_LOCK_INTERFACE));
		expect_live_state(tdi, TDISP_STATE_LOCKED);

		test_cmd(tdi_start(tdi));
		EXPECT_EQ(0, tdi->tsm_code);
		EXPECT_EQ(1, count_tdisp(log, rid, TDISP_START_INTERFACE));
		expect_attr(tdi->fn, "bound", self->tsm);
		expect_live_state(tdi, TDISP_STATE_RUN);

		test_cmd(tdi_unbind(tdi));
		expect_attr(tdi->fn, "bound", "");
		EXPECT_EQ(1, count_tdisp(log, rid, TDISP_STOP_INTERFACE));
		expect_state(rid, TDISP_STATE_UNLOCKED);
		/* Nothing but messages moved it: LOCK, START, STOP */
		EXPECT_EQ(3, testctl_count(log, rid, TDISP_EV_STATE,
					   TESTCTL_ANY, TESTCTL_ANY));
		EXPECT_EQ(-ENOENT, testctl_find(log, rid, TDISP_EV_STATE,
						TESTCTL_ANY, TDISP_STATE_ERROR,
						&ev));

		test_cmd(tdi_dma_round_trip(tdi));
	}
	close_all(&self->vmm, self->tdi);
}

/* The guest rejected the device, or locks it again with another vDEVICE */
TEST_F(lifecycle, bind_unbind_without_start)
{
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_dma_round_trip(tdi));

	test_cmd(vmm_destroy_id(&self->vmm, tdi->vdev_id));
	test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID + 0x100));
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(tdi));
	close_all(&self->vmm, self->tdi);
}

/* As legal as a device that was never attached */
TEST_F(lifecycle, bind_detached)
{
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);

	test_cmd(tdi_detach(tdi));
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(tdi));
	test_cmd(tdi_attach(tdi, self->vmm.hwpt_id));
	test_cmd(tdi_dma_round_trip(tdi));
	close_all(&self->vmm, self->tdi);
}

/* What the device lets through: T=0 while LOCKED, T=1 in RUN alone */
TEST_F(lifecycle, dma_of_a_tdi)
{
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);

	/* Past VFIO, which closes the BARs: to see what the device does */
	test_cmd(tdi_use_host_window(tdi));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_dma_round_trip(tdi));
	EXPECT_EQ(TDISP_DMA_ERR_STATE,
		  tdi_dma(tdi, TDISP_DMA_FROM_DEVICE | TDISP_DMA_TEE, 0, 0,
			  4096));
	expect_live_state(tdi, TDISP_STATE_LOCKED);

	/* It keeps the host out of TEE memory by itself */
	test_cmd(tdi_start(tdi));
	EXPECT_EQ(~0u, tdi_reg_read(tdi, TDISP_REG_ID));
	tdi_reg_write(tdi, TDISP_REG_SCRATCH0, 0x12345678);
	expect_live_state(tdi, TDISP_STATE_RUN);

	test_cmd(tdi_unbind(tdi));
	EXPECT_EQ(TDISP_REG_ID_VALUE, tdi_reg_read(tdi, TDISP_REG_ID));
	EXPECT_EQ(0, tdi_reg_read(tdi, TDISP_REG_SCRATCH0));
	test_cmd(tdi_dma_round_trip(tdi));
	close_all(&self->vmm, self->tdi);
}

TEST_F(lifecycle, report)
{
	static const struct {
		int bar;
		u16 attr;
	} want[] = {
		{ TDISP_BAR_REGS, 0 },
		{ TDISP_BAR_MEM, 0 },
		{ TDISP_BAR_MSIX, TDISP_RANGE_MSIX_TABLE | TDISP_RANGE_NON_TEE },
		{ TDISP_BAR_MSIX, TDISP_RANGE_MSIX_PBA | TDISP_RANGE_NON_TEE },
	};
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);
	u64 start, size, page, reported[TDISP_BAR_MSIX + 1] = {};
	u32 len, log = testctl_log_end();
	struct report report;
	void *data;

	test_cmd(tdi_bind(tdi));
	/* The device gives it in portions */
	EXPECT_LT(1, count_tdisp(log, tdi->fn->rid,
				 TDISP_GET_INTERFACE_REPORT));

	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 4096, &data,
				 &len));
	test_cmd(report_parse(&report, data, len));
	EXPECT_EQ(TDISP_REPORT_INFO_DMA_NO_PASID,
		  report.info & ~TDISP_REPORT_INFO_NO_UPDATE);
	/* MSI-X is enabled; the size of the table is that minus one */
	EXPECT_EQ(PCI_MSIX_FLAGS_ENABLE | (TDISP_NR_VECTORS - 1),
		  report.msix_ctrl);
	EXPECT_LT(0, report.device_info_len);

	ASSERT_EQ(ARRAY_SIZE(want), report.nr_ranges);
	for (int i = 0; i < ARRAY_SIZE(want); i++) {
		struct report_range *range = &report.range[i];

		EXPECT_EQ(want[i].bar, range->id);
		EXPECT_EQ(want[i].attr, range->attr &
			  ~TDISP_RANGE_ATTR_UPDATABLE);
		test_cmd(pci_bar(tdi->fn->bdf, want[i].bar, &start, &size));
		page = range->first_page - SOFT_TSM_MMIO_OFFSET;
		EXPECT_EQ((start + reported[want[i].bar]) / 4096, page);
		reported[want[i].bar] += range->pages * 4096ull;
	}
	/* The ranges cover the BARs, no more and no less */
	for (int bar = 0; bar < ARRAY_SIZE(reported); bar += 2) {
		test_cmd(pci_bar(tdi->fn->bdf, bar, &start, &size));
		EXPECT_EQ(size, reported[bar]);
	}

	/* It is fixed by LOCK, so RUN changes nothing */
	test_cmd(tdi_start(tdi));
	{
		void *again;
		u32 again_len;

		test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 4096,
					 &again, &again_len));
		ASSERT_EQ(len, again_len);
		EXPECT_EQ(0, memcmp(data, again, len));
		free(again);
	}
	free(data);
	test_cmd(tdi_unbind(tdi));
	close_all(&self->vmm, self->tdi);
}

TEST_F(lifecycle, objects_in_portions)
{
	static const u32 portions[] = { 17, 64, 1000 };
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);
	u32 len, part_len;
	void *data, *part;

	test_cmd(tdi_bind(tdi));
	for (u32 type = IOMMU_TSM_OBJECT_VCA; type <= IOMMU_TSM_OBJECT_REPORT;
	     type++) {
		test_cmd(tdi_read_object(tdi, type, 0x10000, &data, &len));
		EXPECT_LT(0, len);
		for (int i = 0; i < ARRAY_SIZE(portions); i++) {
			test_cmd(tdi_read_object(tdi, type, portions[i], &part,
						 &part_len));
			ASSERT_EQ(len, part_len);
			EXPECT_EQ(0, memcmp(data, part, len));
			free(part);
		}
		free(data);
	}
	test_cmd(tdi_unbind(tdi));
	close_all(&self->vmm, self->tdi);
}

TEST_F(lifecycle, evidence)
{
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);
	const size_t meas = SOFT_TSM_MEAS_NONCE_SIZE;
	u8 nonce[SOFT_TSM_MEAS_NONCE_SIZE];
	u32 len, first_len;
	u8 *data, *first;

	test_cmd(tdi_bind(tdi));

	/* The transcript starts with the request of the first exchange */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_VCA, 4096,
				 (void **)&data, &len));
	ASSERT_LT(SPDM_HDR_SIZE, len);
	EXPECT_EQ(SPDM_VERSION_10, data[0]);
	EXPECT_EQ(SPDM_GET_VERSION, data[1]);
	free(data);

	/* A certificate chain starts with its length */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_CERT, 4096,
				 (void **)&data, &len));
	ASSERT_LT(4, len);
	EXPECT_EQ(len, data[0] | data[1] << 8);
	free(data);

	/* New measurements have the nonce that they were asked for with */
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_MEAS, 4096,
				 (void **)&first, &first_len));
	for (int i = 0; i < sizeof(nonce); i++)
		nonce[i] = first[i] ^ (i + 1);
	test_cmd(tdi_regen_object(tdi, IOMMU_TSM_OBJECT_MEAS, nonce));
	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_MEAS, 4096,
				 (void **)&data, &len));
	ASSERT_EQ(first_len, len);
	ASSERT_LT(meas + SPDM_MEAS_RSP_HDR_SIZE, len);
	EXPECT_EQ(0, memcmp(nonce, data, sizeof(nonce)));
	EXPECT_EQ(SPDM_VERSION_12, data[meas]);
	EXPECT_EQ(SPDM_RSP(SPDM_GET_MEASUREMENTS), data[meas + 1]);
	/* The device's own nonce is behind the record */
	EXPECT_NE(0, memcmp(first + meas, data + meas, len - meas));
	free(first);
	free(data);

	test_cmd(tdi_unbind(tdi));
	close_all(&self->vmm, self->tdi);
}

TEST_F(lifecycle, each_function)
{
	if (self->dev->nr_fns == 1)
		SKIP(return, "a device with one function");
	test_cmd(setup_connect(self->dev));

	for (int i = 0; i < self->dev->nr_fns; i++) {
		struct tdi *tdi = &self->tdi[i];
		struct report report;
		char info[32] = {};
		char want[32];
		void *data;
		u32 len;

		test_cmd(tdi_setup(tdi, &self->vmm, &self->dev->fn[i]));
		EXPECT_EQ(i, tdi_reg_read(tdi, TDISP_REG_FUNCTION));
		test_cmd(tdi_dma_round_trip(tdi));
		test_cmd(tdi_bind(tdi));
		expect_live_state(tdi, TDISP_STATE_LOCKED);
		/* The report is about this function */
		test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 4096,
					 &data, &len));
		test_cmd(report_parse(&report, data, len));
		memcpy(info, report.device_info,
		       min((size_t)report.device_info_len, sizeof(info) - 1));
		snprintf(want, sizeof(want), "tdisp-test fn %d", i);
		EXPECT_STREQ(want, info);
		free(data);
		test_cmd(tdi_start(tdi));
		expect_live_state(tdi, TDISP_STATE_RUN);
		for (int j = 0; j < self->dev->nr_fns; j++) {
			expect_attr(&self->dev->fn[j], "bound",
				    i == j ? self->tsm : "");
			expect_state(self->dev->fn[j].rid, i == j ?
				     TDISP_STATE_RUN : TDISP_STATE_UNLOCKED);
		}
		test_cmd(tdi_unbind(tdi));
		test_cmd(tdi_dma_round_trip(tdi));
	}
	close_all(&self->vmm, self->tdi);
}

/* Functions of a device are bound for one VM at the same time */
TEST_F(lifecycle, all_functions_at_once)
{
	struct tdi *tdi = self->tdi;
	int nr = self->dev->nr_fns;

	if (nr == 1)
		SKIP(return, "a device with one function");
	test_cmd(setup_connect(self->dev));
	for (int i = 0; i < nr; i++) {
		test_cmd(tdi_setup(&tdi[i], &self->vmm, &self->dev->fn[i]));
		test_cmd(tdi_bind(&tdi[i]));
	}
	for (int i = 0; i < nr; i++)
		expect_live_state(&tdi[i], TDISP_STATE_LOCKED);

	/* Each goes its own way */
	test_cmd(tdi_start(&tdi[nr - 1]));
	expect_live_state(&tdi[nr - 1], TDISP_STATE_RUN);
	expect_live_state(&tdi[0], TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&tdi[0]));
	test_cmd(tdi_dma_round_trip(&tdi[0]));
	for (int i = 1; i < nr - 1; i++)
		expect_live_state(&tdi[i], TDISP_STATE_LOCKED);
	expect_live_state(&tdi[nr - 1], TDISP_STATE_RUN);

	/* The last close of one leaves the others alone */
	tdi_close(&tdi[nr - 1]);
	expect_state(self->dev->fn[nr - 1].rid, TDISP_STATE_UNLOCKED);
	for (int i = 1; i < nr - 1; i++)
		expect_live_state(&tdi[i], TDISP_STATE_LOCKED);
	close_all(&self->vmm, self->tdi);
	for (int i = 0; i < nr; i++)
		expect_state(self->dev->fn[i].rid, TDISP_STATE_UNLOCKED);
}

/* Functions of a device are bound for two VMs at the same time */
TEST_F(lifecycle, functions_of_two_vms)
{
	struct tdi *tdi = self->tdi;
	struct vmm other;

	if (self->dev->nr_fns == 1)
		SKIP(return, "a device with one function");
	test_cmd(setup_connect(self->dev));
	test_cmd(vmm_open(&other));
	test_cmd(tdi_setup(&tdi[0], &self->vmm, &self->dev->fn[0]));
	test_cmd(tdi_setup(&tdi[1], &other, &self->dev->fn[1]));
	test_cmd(tdi_bind(&tdi[0]));
	test_cmd(tdi_bind(&tdi[1]));
	test_cmd(tdi_start(&tdi[1]));
	expect_live_state(&tdi[0], TDISP_STATE_LOCKED);
	expect_live_state(&tdi[1], TDISP_STATE_RUN);

	tdi_close(&tdi[1]);
	vmm_close(&other);
	expect_state(self->dev->fn[1].rid, TDISP_STATE_UNLOCKED);
	expect_live_state(&tdi[0], TDISP_STATE_LOCKED);
	close_all(&self->vmm, self->tdi);
}

/* The architectures take a TDI back in different orders */
TEST_F(lifecycle, teardown_orders)
{
	static const char * const orders[] = {
		"stop-first", "stop-first-late-revoke", "revoke-first",
	};
	struct tdi *tdi = setup_tdi(_metadata, self->dev, &self->vmm,
				    self->tdi);
	struct vmm *vmm = &self->vmm;

	test_err(EINVAL, soft_tsm_set_teardown("last-first"));
	for (int i = 0; i < ARRAY_SIZE(orders); i++) {
		test_cmd(soft_tsm_set_teardown(orders[i]));

		test_cmd(tdi_bind(tdi));
		test_cmd(tdi_start(tdi));
		test_cmd(tdi_unbind(tdi));
		expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
		test_cmd(tdi_dma_round_trip(tdi));

		test_cmd(tdi_bind(tdi));
		test_cmd(tdi_start(tdi));
		close_all(&self->vmm, self->tdi);
		expect_state(self->dev->fn[0].rid, TDISP_STATE_UNLOCKED);
		test_cmd(vmm_open(vmm));
		test_cmd(tdi_setup(tdi, vmm, &self->dev->fn[0]));
	}
	close_all(&self->vmm, self->tdi);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
