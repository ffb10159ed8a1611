// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the hardware around a bound function does: somebody presses the button of
 * its slot, or the link reports an error. The VMM is told, and what it does then
 * is still in the right order. Needs a monitor, see lib/machine.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tdisp_harness.h"

/* With hot plug by the port itself the button blinks for five seconds first */
#define UNPLUG_MS	20000
#define EVENT_MS	5000

FIXTURE(unplug)
{
	struct vmm vmm;
	struct tdi tdi;
	struct tdisp_device *dev;
	int slot;
	int events;
	u32 log;
};

FIXTURE_SETUP(unplug)
{
	/* One that has a slot of its own, and no other functions */
	for (int i = 0; i < setup.nr_devs; i++)
		if (!setup.devs[i].integrated && setup.devs[i].nr_fns == 1)
			self->dev = &setup.devs[i];
	if (!self->dev || !machine_has_monitor())
		SKIP(return, "no device that can be unplugged");
	self->slot = pci_slot(self->dev->fn[0].bdf);
	if (self->slot < 0)
		SKIP(return, "no slot that can be unplugged");

	test_cmd(setup_ready(self->dev));
	test_cmd(setup_connect(self->dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, &self->dev->fn[0]));
	self->events = vmm_open_events(&self->vmm);
	ASSERT_LE(0, self->events);
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	self->log = testctl_log_end();
}

FIXTURE_TEARDOWN_PARENT(unplug)
{
	if (self->dev && self->slot >= 0 &&
	    sysfs_exists("/sys/bus/pci/devices/%s", self->dev->fn[0].bdf))
		test_cmd(setup_clear(self->dev));
}

static void expect_event(struct __test_metadata *_metadata, int fd, int ms,
			 u32 type, u32 reason)
{
	struct iommu_vevent_tsm event = {};

	test_cmd(vmm_read_event(fd, ms, &event));
	EXPECT_EQ(type, event.event);
	EXPECT_EQ(reason, event.reason);
}

/* An error that takes the link down, and the function with it */
TEST_F_TIMEOUT(unplug, aer, 60)
{
	const struct tdisp_fn *fn = self->tdi.fn;
	u32 val;

	test_cmd(machine_ask("pcie_aer_inject_error rp%d MALF_TLP",
			     self->slot - 1));
	expect_event(_metadata, self->events, EVENT_MS,
		     IOMMU_TSM_EVENT_TDI_ERROR, IOMMU_TSM_REASON_AER);
	test_err(EBUSY, region_read32(&self->tdi, TDISP_BAR_REGS, TDISP_REG_ID,
				      &val));
	test_cmd(tdi_unbind(&self->tdi));
	expect_state(fn->rid, TDISP_STATE_UNLOCKED);
	/* The port reset the device, so VFIO has to restore it once it may */
	vfio_pci_cmd_set(self->tdi.vfio, PCI_COMMAND_MEMORY);
	test_cmd(region_read32(&self->tdi, TDISP_BAR_REGS, TDISP_REG_ID, &val));
	EXPECT_EQ(TDISP_REG_ID_VALUE, val);
}

/*
 * The button is pressed: nothing happens to the device before the VMM agrees. The
 * last test, as the device does not come back.
 */
TEST_F_TIMEOUT(unplug, button, 90)
{
	const struct tdisp_fn *fn = self->tdi.fn;
	struct testctl_event stop, bme;

	test_cmd(machine_ask("device_del slot%d", self->slot));
	expect_event(_metadata, self->events, UNPLUG_MS,
		     IOMMU_TSM_EVENT_LINK_LOST, IOMMU_TSM_REASON_REMOVED);
	expect_live_state(&self->tdi, TDISP_STATE_RUN);
	EXPECT_TRUE(sysfs_exists("/sys/bus/pci/devices/%s", fn->bdf));

	/* A VMM that knows no better than to close */
	tdi_close(&self->tdi);
	ASSERT_TRUE(wait_for(!sysfs_exists("/sys/bus/pci/devices/%s", fn->bdf),
			     UNPLUG_MS));
	test_cmd(testctl_find(self->log, fn->rid, TDISP_EV_TDISP,
			      TDISP_STOP_INTERFACE,
			      TDISP_RSP(TDISP_STOP_INTERFACE), &stop));
	test_cmd(testctl_find(self->log, fn->rid, TDISP_EV_BME, 0, TESTCTL_ANY,
			      &bme));
	EXPECT_LT(stop.seq, bme.seq);
	EXPECT_EQ(0, testctl_count(self->log, fn->rid, TDISP_EV_STATE,
				   TESTCTL_ANY, TDISP_STATE_ERROR));
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
