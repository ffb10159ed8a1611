// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the VMM is told about its device without asking: each way in which a
 * binding of a real function is lost or its TDI fails, and nothing else.
 */
#include <errno.h>
#include <string.h>

#include "tdisp_harness.h"

/* A work item on a loaded machine */
#define EVENT_MS	5000
#define NO_EVENT_MS	200

FIXTURE(events)
{
	struct vmm vmm;
	struct tdi tdi;
	int fd;
};

FIXTURE_SETUP(events)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, setup.fn));
	self->fd = vmm_open_events(&self->vmm);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN_PARENT(events)
{
	test_cmd(setup_clear(setup.dev));
}

static u64 virt_id(const struct tdisp_fn *fn)
{
	return TDI_VIRT_ID + (fn->rid & 7);
}

#define expect_event(_fd, _fn, _event, _reason) do {			\
	struct iommu_vevent_tsm __ev = {};				\
									\
	test_cmd(vmm_read_event(_fd, EVENT_MS, &__ev));			\
	EXPECT_EQ(virt_id(_fn), __ev.virt_id);				\
	EXPECT_EQ(_event, __ev.event);					\
	EXPECT_EQ(_reason, __ev.reason);				\
} while (0)

#define expect_no_event(_fd) do {					\
	struct iommu_vevent_tsm __ev;					\
									\
	test_err(ETIMEDOUT, vmm_read_event(_fd, NO_EVENT_MS, &__ev));	\
} while (0)

TEST_F(events, own_doing)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	test_cmd(tdi_bind(tdi));
	tdi_close(tdi);
	expect_no_event(self->fd);
}

TEST_F(events, disconnect)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(setup_disconnect(setup.dev));
	expect_event(self->fd, tdi->fn, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
	test_err(ENOTCONN, tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	test_err(ENXIO, tdi_bind(tdi));
	test_cmd(setup_connect(setup.dev));
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_no_event(self->fd);
}

TEST_F(events, rmmod)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(soft_tsm_unload());
	expect_event(self->fd, tdi->fn, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_TSM_GONE);
	expect_no_event(self->fd);
	test_cmd(tdi_unbind(tdi));
	test_cmd(soft_tsm_load(""));
}

/* The function that manages the security goes away, the bound one stays */
TEST_F(events, remove_dsm)
{
	const struct tdisp_fn *fn = &setup.dev->fn[1];
	struct tdi tdi;

	if (setup.dev->nr_fns < 2)
		SKIP(return, "the device has one function only");
	tdi_close(&self->tdi);
	test_cmd(tdi_setup(&tdi, &self->vmm, fn));
	test_cmd(tdi_bind(&tdi));
	test_cmd(pci_remove(setup.dev->fn[0].bdf));
	expect_event(self->fd, fn, IOMMU_TSM_EVENT_LINK_LOST,
		     IOMMU_TSM_REASON_REMOVED);
	test_err(ENOTCONN, tdi_bind(&tdi));
	test_cmd(tdi_unbind(&tdi));
	expect_no_event(self->fd);
	tdi_close(&tdi);
}

/* The device falls to ERROR, and somebody asks it for its state */
TEST_F(events, tdi_error)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	expect_no_event(self->fd);
	testctl_set(setup.fn->rid, TDISP_CTL_FORCE_ERROR, 1);
	expect_live_state(tdi, TDISP_STATE_ERROR);
	expect_event(self->fd, tdi->fn, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	test_err(EALREADY, tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(setup.fn->rid, TDISP_STATE_UNLOCKED);
}

/* START is answered, and the device is in ERROR all the same */
TEST_F(events, tdi_error_at_start)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	testctl_set(setup.fn->rid, TDISP_CTL_ERROR_AFTER, 1);
	test_err(EIO, tdi_start(tdi));
	expect_event(self->fd, tdi->fn, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	test_cmd(tdi_unbind(tdi));
}

TEST_F(events, hw_cap)
{
	struct tdi *tdi = &self->tdi;
	u64 caps;

	test_cmd(tdi_hw_caps(tdi, &caps));
	EXPECT_TRUE(caps & IOMMU_HW_CAP_TSM);
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(tdi_hw_caps(tdi, &caps));
	EXPECT_FALSE(caps & IOMMU_HW_CAP_TSM);
	test_cmd(setup_connect(setup.dev));
	test_cmd(tdi_hw_caps(tdi, &caps));
	EXPECT_TRUE(caps & IOMMU_HW_CAP_TSM);
	test_cmd(soft_tsm_unload());
	test_cmd(tdi_hw_caps(tdi, &caps));
	EXPECT_FALSE(caps & IOMMU_HW_CAP_TSM);
	test_cmd(soft_tsm_load(""));
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
