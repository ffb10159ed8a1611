// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual functions (VFs), TDIs of the DSM in their physical function 0, which
 * pci-pf-stub drives: bound for several VMs at a time, found by the TSM whether
 * enabled before the connection or after it, and taken away, with their PF or
 * alone, while they are bound. The device's log tells in which order.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "tdisp_harness.h"

#define NR_VMS		2
#define NR_VFS		3

#define EVENT_MS	5000
#define NO_EVENT_MS	200
/* Disabling VFs takes a second, and the last close of each one a reset */
#define DISABLE_MS	20000
#define CLOSE_MS	10000
#define NOT_TOLD_MS	3000
#define RACE_ROUNDS	6

/* A VMM with one VF */
struct vm_vf {
	struct vmm vmm;
	struct tdi tdi;
	int events;
};

FIXTURE(sriov)
{
	struct tdisp_device *dev;
	const char *pf0;
	struct vm_vf vm[NR_VMS];
	char tsm[16];
	u32 log;
};

static struct tdisp_device *find_device(void)
{
	for (int i = 0; i < setup.nr_devs; i++)
		if (setup.devs[i].nr_vfs >= NR_VFS)
			return &setup.devs[i];
	return NULL;
}

FIXTURE_SETUP(sriov)
{
	self->dev = find_device();
	if (!self->dev)
		SKIP(return, "no device with enough VFs");
	if (!sysfs_exists("/sys/bus/pci/drivers/pci-pf-stub"))
		SKIP(return, "no driver pci-pf-stub");
	test_cmd(setup_ready(self->dev));
	test_cmd(tsm_find(self->tsm, sizeof(self->tsm)));
	self->pf0 = self->dev->fn[0].bdf;
	self->log = testctl_log_end();
}

FIXTURE_TEARDOWN_PARENT(sriov)
{
	/* Not set in the parent */
	struct tdisp_device *dev = find_device();

	if (dev)
		test_cmd(setup_clear(dev));
}

static void open_vf(struct __test_metadata *_metadata, struct vm_vf *vm,
		    const struct tdisp_fn *vf)
{
	test_cmd(vmm_open(&vm->vmm));
	test_cmd(tdi_setup(&vm->tdi, &vm->vmm, vf));
	vm->events = vmm_open_events(&vm->vmm);
	ASSERT_LE(0, vm->events);
}

static void close_vf(struct vm_vf *vm)
{
	close_fd(&vm->events);
	tdi_close(&vm->tdi);
	vmm_close(&vm->vmm);
}

static void bind_and_start(struct __test_metadata *_metadata, struct vm_vf *vm)
{
	test_cmd(tdi_bind(&vm->tdi));
	test_cmd(tdi_start(&vm->tdi));
	expect_live_state(&vm->tdi, TDISP_STATE_RUN);
}

/* Connected, with VFs, and the first two of them run in two VMs */
static void run_two(struct __test_metadata *_metadata,
		    struct tdisp_device *dev, struct vm_vf *vm)
{
	test_cmd(setup_enable_vfs(dev, NR_VFS));
	test_cmd(setup_connect(dev));
	for (int i = 0; i < NR_VMS; i++) {
		open_vf(_metadata, &vm[i], &dev->vf[i]);
		bind_and_start(_metadata, &vm[i]);
	}
}

static void expect_event(struct __test_metadata *_metadata, struct vm_vf *vm,
			 u32 type, u32 reason)
{
	struct iommu_vevent_tsm ev = {};

	test_cmd(vmm_read_event(vm->events, EVENT_MS, &ev));
	EXPECT_EQ(TDI_VIRT_ID + (vm->tdi.fn->rid & 7), ev.virt_id);
	EXPECT_EQ(type, ev.event);
	EXPECT_EQ(reason, ev.reason);
}

static void expect_no_event(struct __test_metadata *_metadata,
			    struct vm_vf *vm)
{
	struct iommu_vevent_tsm ev;

	test_err(ETIMEDOUT, vmm_read_event(vm->events, NO_EVENT_MS, &ev));
}

/* A whole life in a VM that has nothing to do with the last one */
static void expect_usable(struct __test_metadata *_metadata,
			  const struct tdisp_fn *vf)
{
	struct vm_vf vm;

	open_vf(_metadata, &vm, vf);
	test_cmd(tdi_dma_round_trip(&vm.tdi));
	bind_and_start(_metadata, &vm);
	test_cmd(tdi_unbind(&vm.tdi));
	expect_state(vf->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_dma_round_trip(&vm.tdi));
	expect_no_event(_metadata, &vm);
	close_vf(&vm);
}

/*
 * Since @from the TDI was stopped by one STOP, before anything of this kind
 * happened to it, and was never in ERROR
 */
static void expect_stop_before(struct __test_metadata *_metadata, u32 from,
			       u16 rid, u32 type, u32 arg0)
{
	struct testctl_event stop, ev;

	ASSERT_TRUE(wait_for(!testctl_find(from, rid, type, arg0, TESTCTL_ANY,
					   &ev), CLOSE_MS)) {
		testctl_log_print(from, rid);
	}
	test_cmd(testctl_find(from, rid, TDISP_EV_TDISP, TDISP_STOP_INTERFACE,
			      TDISP_RSP(TDISP_STOP_INTERFACE), &stop));
	EXPECT_LT(stop.seq, ev.seq) {
		testctl_log_print(from, rid);
	}
	EXPECT_EQ(1, count_tdisp(from, rid, TDISP_STOP_INTERFACE));
	EXPECT_EQ(0, testctl_count(from, rid, TDISP_EV_STATE, TESTCTL_ANY,
				   TDISP_STATE_ERROR));
	expect_state(rid, TDISP_STATE_UNLOCKED);
}

/* The administrator enables or disables VFs, which may wait for their users */
struct admin {
	pthread_t thread;
	const char *pf0;
	int nr;
	int rc;
	bool done;
};

static void *set_vfs(void *arg)
{
	struct admin *a = arg;

	a->rc = pci_enable_vfs(a->pf0, a->nr);
	__atomic_store_n(&a->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void start_set_vfs(struct __test_metadata *_metadata, struct admin *a,
			  const char *pf0, int nr)
{
	*a = (struct admin) { .pf0 = pf0, .nr = nr };
	ASSERT_EQ(0, pthread_create(&a->thread, NULL, set_vfs, a));
}

static bool is_done(struct admin *a)
{
	return __atomic_load_n(&a->done, __ATOMIC_ACQUIRE);
}

static void end_set_vfs(struct __test_metadata *_metadata, struct admin *a)
{
	ASSERT_TRUE(wait_for(is_done(a), DISABLE_MS));
	ASSERT_EQ(0, pthread_join(a->thread, NULL));
	test_cmd(a->rc);
}

static void expect_no_vfs(struct __test_metadata *_metadata,
			  struct tdisp_device *dev)
{
	int nr = -1;

	test_cmd(pci_num_vfs(dev->fn[0].bdf, &nr));
	EXPECT_EQ(0, nr);
	for (int i = 0; i < dev->nr_vfs; i++) {
		EXPECT_FALSE(pci_exists(dev->vf[i].bdf));
		EXPECT_EQ(0, testctl_get(dev->vf[i].rid, TDISP_CTL_PRESENT));
	}
}

/* Which of the two is first does not matter */

FIXTURE(order)
{
	struct tdisp_device *dev;
	struct vm_vf vm;
	char tsm[16];
};

FIXTURE_VARIANT(order)
{
	bool connect_first;
};

FIXTURE_VARIANT_ADD(order, connect_then_enable)
{
	.connect_first = true,
};

FIXTURE_VARIANT_ADD(order, enable_then_connect)
{
	.connect_first = false,
};

FIXTURE_SETUP(order)
{
	char buf[16];

	self->dev = find_device();
	if (!self->dev)
		SKIP(return, "no device with enough VFs");
	test_cmd(setup_ready(self->dev));
	test_cmd(tsm_find(self->tsm, sizeof(self->tsm)));
	if (variant->connect_first)
		test_cmd(setup_connect(self->dev));
	test_cmd(setup_enable_vfs(self->dev, NR_VFS));
	if (variant->connect_first)
		return;
	/* No TSM knows them yet */
	for (int i = 0; i < NR_VFS; i++)
		test_err(ENOENT, tsm_attr(self->dev->vf[i].bdf, "dsm", buf,
					  sizeof(buf)));
	open_vf(_metadata, &self->vm, &self->dev->vf[0]);
	test_err(ENXIO, tdi_bind(&self->vm.tdi));
	close_vf(&self->vm);
	test_cmd(setup_connect(self->dev));
}

FIXTURE_TEARDOWN_PARENT(order)
{
	struct tdisp_device *dev = find_device();

	if (dev)
		test_cmd(setup_clear(dev));
}

TEST_F(order, attributes)
{
	const char *pf0 = self->dev->fn[0].bdf;
	char buf[64];

	for (int i = 0; i < NR_VFS; i++) {
		const struct tdisp_fn *vf = &self->dev->vf[i];

		expect_attr(vf, "dsm", pf0);
		expect_attr(vf, "bound", "");
		expect_attr(vf, "quarantined", "0");
		/* That is done to the DSM */
		test_err(ENOENT, tsm_attr(vf->bdf, "connect", buf, sizeof(buf)));
		test_err(ENOENT, tsm_disconnect(vf->bdf, self->tsm));
	}
	test_cmd(setup_disconnect(self->dev));
	for (int i = 0; i < NR_VFS; i++)
		test_err(ENOENT, tsm_attr(self->dev->vf[i].bdf, "dsm", buf,
					  sizeof(buf)));
}

/* The report is about the VF: its BARs are parts of those of function 0 */
static void expect_own_report(struct __test_metadata *_metadata,
			      struct tdi *tdi)
{
	static const int bars[] = {
		TDISP_BAR_REGS, TDISP_BAR_MEM, TDISP_BAR_MSIX
	};
	struct report report;
	u64 start, size;
	void *data;
	u32 len;

	test_cmd(tdi_read_object(tdi, IOMMU_TSM_OBJECT_REPORT, 64, &data,
				 &len));
	test_cmd(report_parse(&report, data, len));
	ASSERT_LE(ARRAY_SIZE(bars), report.nr_ranges);
	for (int i = 0; i < ARRAY_SIZE(bars); i++) {
		test_cmd(pci_bar(tdi->fn->bdf, bars[i], &start, &size));
		EXPECT_EQ(bars[i], report.range[i].id);
		EXPECT_EQ((start >> 12) + SOFT_TSM_MMIO_OFFSET,
			  report.range[i].first_page);
	}
	free(data);
}

TEST_F(order, life_cycle)
{
	struct tdi *tdi = &self->vm.tdi;
	char driver[32];
	u32 state;

	open_vf(_metadata, &self->vm, &self->dev->vf[1]);
	test_cmd(tdi_dma_round_trip(tdi));
	test_err(ENOTCONN, tdi_live_state(tdi, &state));
	test_cmd(tdi_bind(tdi));
	test_err(EALREADY, tdi_bind(tdi));
	expect_attr(tdi->fn, "bound", self->tsm);
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	expect_own_report(_metadata, tdi);
	test_cmd(tdi_start(tdi));
	expect_live_state(tdi, TDISP_STATE_RUN);

	/* It, and nobody else */
	for (int i = 0; i < NR_VFS; i++) {
		const struct tdisp_fn *vf = &self->dev->vf[i];

		if (vf == tdi->fn)
			continue;
		expect_attr(vf, "bound", "");
		expect_state(vf->rid, TDISP_STATE_UNLOCKED);
	}
	expect_attr(&self->dev->fn[0], "bound", "");
	expect_state(self->dev->fn[0].rid, TDISP_STATE_UNLOCKED);
	test_cmd(pci_driver(self->dev->fn[0].bdf, driver, sizeof(driver)));
	EXPECT_STREQ("pci-pf-stub", driver);

	test_cmd(tdi_unbind(tdi));
	test_err(ENOTCONN, tdi_unbind(tdi));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	expect_attr(tdi->fn, "bound", "");
	test_cmd(tdi_dma_round_trip(tdi));
	expect_no_event(_metadata, &self->vm);
}

/*
 * VFs come one after the other, and are only counted when all are there. Those
 * that came before there was a DSM have to be found by the connection.
 */
TEST_F(sriov, connect_while_enabling)
{
	struct tdisp_device *dev = self->dev;
	struct admin admin;

	test_cmd(pci_driver_set(self->pf0, "pci-pf-stub", "pci-pf-stub"));
	for (int i = 0; i < 4; i++) {
		start_set_vfs(_metadata, &admin, self->pf0, dev->nr_vfs);
		while (!pci_exists(dev->vf[0].bdf) && !is_done(&admin))
			;
		test_cmd(setup_connect(dev));
		end_set_vfs(_metadata, &admin);
		for (int j = 0; j < dev->nr_vfs; j++)
			expect_attr(&dev->vf[j], "dsm", self->pf0);
		test_cmd(setup_disconnect(dev));
		test_cmd(pci_enable_vfs(self->pf0, 0));
	}
}

/* Function 0 stays the host's, and two VMs do not disturb each other */
TEST_F(sriov, two_vms)
{
	struct vm_vf *a = &self->vm[0], *b = &self->vm[1];
	struct vm_vf other;
	u32 state;

	run_two(_metadata, self->dev, self->vm);
	self->log = testctl_log_end();
	expect_attr(a->tdi.fn, "bound", self->tsm);
	expect_attr(b->tdi.fn, "bound", self->tsm);

	/* VFIO does not have function 0, and each VF is one VM's */
	test_cmd(vmm_open(&other.vmm));
	test_err(ENOENT, tdi_open(&other.tdi, &other.vmm, &self->dev->fn[0]));
	tdi_close(&other.tdi);
	test_cmd(tdi_open(&other.tdi, &other.vmm, a->tdi.fn));
	test_cmd(tdi_associate(&other.tdi));
	test_err(EINVAL, tdi_bind_iommufd(&other.tdi));
	tdi_close(&other.tdi);
	vmm_close(&other.vmm);

	test_cmd(tdi_unbind(&a->tdi));
	test_cmd(tdi_dma_round_trip(&a->tdi));
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	test_err(ENOTCONN, tdi_live_state(&a->tdi, &state));
	test_cmd(tdi_bind(&a->tdi));
	close_vf(b);
	expect_stop_before(_metadata, self->log, self->dev->vf[1].rid,
			   TDISP_EV_FLR, TESTCTL_ANY);
	expect_live_state(&a->tdi, TDISP_STATE_LOCKED);
	expect_no_event(_metadata, a);
	expect_usable(_metadata, &self->dev->vf[1]);
	expect_live_state(&a->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&a->tdi));
}

/*
 * VFs are disabled while VMs have them: the driver is released first, and waits
 * for its user, who is told so and is the one who unbinds.
 */
TEST_F_TIMEOUT(sriov, disable, 90)
{
	struct vm_vf *a = &self->vm[0], *b = &self->vm[1];
	struct admin admin;

	run_two(_metadata, self->dev, self->vm);
	self->log = testctl_log_end();
	start_set_vfs(_metadata, &admin, self->pf0, 0);
	expect_event(_metadata, a, IOMMU_TSM_EVENT_LINK_LOST,
		     IOMMU_TSM_REASON_REMOVED);
	/* VFs go one after the other: nothing has happened to the device yet */
	expect_no_event(_metadata, b);
	expect_live_state(&a->tdi, TDISP_STATE_RUN);
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	EXPECT_FALSE(is_done(&admin));
	test_cmd(tdi_unbind(&a->tdi));
	test_err(ENOTCONN, tdi_unbind(&a->tdi));
	close_vf(a);

	/* One that does not unbind, but closes */
	expect_event(_metadata, b, IOMMU_TSM_EVENT_LINK_LOST,
		     IOMMU_TSM_REASON_REMOVED);
	EXPECT_FALSE(pci_exists(self->dev->vf[0].bdf));
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	EXPECT_FALSE(is_done(&admin));
	close_vf(b);
	end_set_vfs(_metadata, &admin);
	expect_no_vfs(_metadata, self->dev);
	for (int i = 0; i < NR_VMS; i++)
		expect_stop_before(_metadata, self->log,
				   self->dev->vf[i].rid, TDISP_EV_VF, 0);

	/* They come back as new ones, of the DSM that is still connected */
	test_cmd(setup_enable_vfs(self->dev, NR_VFS));
	for (int i = 0; i < NR_VFS; i++) {
		expect_attr(&self->dev->vf[i], "dsm", self->pf0);
		expect_usable(_metadata, &self->dev->vf[i]);
	}
}

/* A VMM in a process of its own with this VF in RUN */
static pid_t spawn_vmm(struct __test_metadata *_metadata,
		       const struct tdisp_fn *vf)
{
	int ready[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vm_vf vm;
		int rc;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		rc = vmm_open(&vm.vmm);
		rc = rc ?: tdi_setup(&vm.tdi, &vm.vmm, vf);
		rc = rc ?: tdi_bind(&vm.tdi);
		rc = rc ?: tdi_start(&vm.tdi);
		if (rc)
			_exit(-rc);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	return pid;
}

static void kill_vmm(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGKILL, WTERMSIG(status));
}

TEST_F_TIMEOUT(sriov, kill, 90)
{
	struct tdisp_device *dev = self->dev;
	struct vm_vf *a = &self->vm[0];
	struct admin admin;
	pid_t pid;

	test_cmd(setup_enable_vfs(dev, NR_VFS));
	test_cmd(setup_connect(dev));
	open_vf(_metadata, a, &dev->vf[0]);
	bind_and_start(_metadata, a);

	pid = spawn_vmm(_metadata, &dev->vf[1]);
	expect_state(dev->vf[1].rid, TDISP_STATE_RUN);
	self->log = testctl_log_end();
	kill_vmm(_metadata, pid);
	expect_stop_before(_metadata, self->log, dev->vf[1].rid, TDISP_EV_FLR,
			   TESTCTL_ANY);
	expect_usable(_metadata, &dev->vf[1]);
	expect_live_state(&a->tdi, TDISP_STATE_RUN);
	expect_no_event(_metadata, a);
	close_vf(a);

	/* One that did not hear that its VF is about to be disabled */
	pid = spawn_vmm(_metadata, &dev->vf[1]);
	self->log = testctl_log_end();
	start_set_vfs(_metadata, &admin, self->pf0, 0);
	ASSERT_TRUE(wait_for(!pci_exists(dev->vf[0].bdf), DISABLE_MS));
	/* It waits, or will: there is nothing to see of that */
	usleep(300000);
	EXPECT_FALSE(is_done(&admin));
	expect_state(dev->vf[1].rid, TDISP_STATE_RUN);
	kill_vmm(_metadata, pid);
	end_set_vfs(_metadata, &admin);
	expect_stop_before(_metadata, self->log, dev->vf[1].rid, TDISP_EV_VF,
			   0);
	expect_no_vfs(_metadata, dev);
}

/* What takes the DSM takes the VFs of all VMs */

FIXTURE(lost)
{
	struct tdisp_device *dev;
	struct vm_vf vm[NR_VMS];
	u32 log;
};

FIXTURE_VARIANT(lost)
{
	u32 event;
	u32 reason;
};

FIXTURE_VARIANT_ADD(lost, disconnect)
{
	.event = IOMMU_TSM_EVENT_UNBOUND,
	.reason = IOMMU_TSM_REASON_DISCONNECT,
};

FIXTURE_VARIANT_ADD(lost, rmmod)
{
	.event = IOMMU_TSM_EVENT_UNBOUND,
	.reason = IOMMU_TSM_REASON_TSM_GONE,
};

FIXTURE_VARIANT_ADD(lost, remove_pf0)
{
	.event = IOMMU_TSM_EVENT_LINK_LOST,
	.reason = IOMMU_TSM_REASON_REMOVED,
};

FIXTURE_SETUP(lost)
{
	self->dev = find_device();
	if (!self->dev)
		SKIP(return, "no device with enough VFs");
	test_cmd(setup_ready(self->dev));
	run_two(_metadata, self->dev, self->vm);
	/* In LOCKED as well as in RUN */
	test_cmd(tdi_unbind(&self->vm[1].tdi));
	test_cmd(tdi_bind(&self->vm[1].tdi));
	self->log = testctl_log_end();
}

FIXTURE_TEARDOWN_PARENT(lost)
{
	struct tdisp_device *dev = find_device();

	if (dev)
		test_cmd(setup_clear(dev));
}

TEST_F_TIMEOUT(lost, two_vms, 90)
{
	struct tdisp_device *dev = self->dev;
	u32 state;

	switch (variant->reason) {
	case IOMMU_TSM_REASON_DISCONNECT:
		test_cmd(setup_disconnect(dev));
		break;
	case IOMMU_TSM_REASON_TSM_GONE:
		test_cmd(soft_tsm_unload());
		break;
	default:
		test_cmd(pci_remove(dev->fn[0].bdf));
		break;
	}
	for (int i = 0; i < NR_VMS; i++) {
		struct vm_vf *vm = &self->vm[i];
		u16 rid = vm->tdi.fn->rid;

		expect_event(_metadata, vm, variant->event, variant->reason);
		expect_state(rid, TDISP_STATE_UNLOCKED);
		EXPECT_EQ(1, count_tdisp(self->log, rid,
					 TDISP_STOP_INTERFACE));
		EXPECT_EQ(0, testctl_count(self->log, rid, TDISP_EV_STATE,
					   TESTCTL_ANY, TDISP_STATE_ERROR));
		test_err(ENOTCONN, tdi_live_state(&vm->tdi, &state));
		test_err(ENOTCONN, tdi_start(&vm->tdi));
		test_err(ENOTCONN, tdi_bind(&vm->tdi));
		test_cmd(tdi_unbind(&vm->tdi));
		test_err(ENOTCONN, tdi_unbind(&vm->tdi));
		test_err(ENXIO, tdi_bind(&vm->tdi));
		test_cmd(tdi_dma_round_trip(&vm->tdi));
		expect_no_event(_metadata, vm);
	}

	if (variant->reason == IOMMU_TSM_REASON_REMOVED) {
		/* The port has to go, too, to get rid of the VFs */
		for (int i = 0; i < NR_VMS; i++)
			close_vf(&self->vm[i]);
		test_cmd(setup_ready(dev));
		test_cmd(setup_enable_vfs(dev, NR_VFS));
		test_cmd(setup_connect(dev));
		for (int i = 0; i < NR_VFS; i++)
			expect_usable(_metadata, &dev->vf[i]);
		return;
	}
	if (variant->reason == IOMMU_TSM_REASON_TSM_GONE)
		test_cmd(soft_tsm_load(""));
	test_cmd(setup_connect(dev));
	for (int i = 0; i < NR_VMS; i++) {
		bind_and_start(_metadata, &self->vm[i]);
		test_cmd(tdi_unbind(&self->vm[i].tdi));
	}
}

static int reset_fn(const struct tdisp_fn *fn)
{
	return sysfs_write("1", "/sys/bus/pci/devices/%s/reset", fn->bdf);
}

/* Of a VF in use by another VM, of one that nobody uses, and of a function */
TEST_F(sriov, reset_of_sibling)
{
	struct vm_vf *a = &self->vm[0], *b = &self->vm[1];

	run_two(_metadata, self->dev, self->vm);
	self->log = testctl_log_end();
	test_cmd(reset_fn(b->tdi.fn));
	expect_event(_metadata, b, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_RESET);
	expect_live_state(&b->tdi, TDISP_STATE_ERROR);
	/* The TSM has seen it, too */
	expect_event(_metadata, b, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	expect_live_state(&a->tdi, TDISP_STATE_RUN);
	test_err(EALREADY, tdi_bind(&b->tdi));
	test_cmd(tdi_unbind(&b->tdi));
	expect_state(b->tdi.fn->rid, TDISP_STATE_UNLOCKED);
	bind_and_start(_metadata, b);

	test_cmd(reset_fn(&self->dev->vf[2]));
	for (int i = 1; i < self->dev->nr_fns; i++)
		test_cmd(reset_fn(&self->dev->fn[i]));
	for (int i = 0; i < NR_VMS; i++) {
		expect_live_state(&self->vm[i].tdi, TDISP_STATE_RUN);
		expect_no_event(_metadata, &self->vm[i]);
	}
	EXPECT_EQ(0, testctl_count(self->log, a->tdi.fn->rid, TDISP_EV_FLR,
				   TESTCTL_ANY, TESTCTL_ANY));
}

/*
 * A reset of function 0 takes the VFs with it: the device fails their TDIs. PCI
 * enables them again and tells no driver, so the VMM learns of it from the
 * device, with the next request of the VM.
 */
TEST_F(sriov, reset_of_pf0)
{
	run_two(_metadata, self->dev, self->vm);
	self->log = testctl_log_end();
	test_cmd(reset_fn(&self->dev->fn[0]));
	for (int i = 0; i < NR_VMS; i++) {
		struct vm_vf *vm = &self->vm[i];
		struct testctl_event ev;
		u16 rid = vm->tdi.fn->rid;

		test_cmd(testctl_find(self->log, rid, TDISP_EV_STATE,
				      TDISP_STATE_RUN, TDISP_STATE_ERROR,
				      &ev));
		EXPECT_EQ(TDISP_WHY_VF, ev.arg[2]);
		EXPECT_EQ(1, testctl_get(rid, TDISP_CTL_PRESENT));
		expect_state(rid, TDISP_STATE_ERROR);
		expect_no_event(_metadata, vm);
		expect_live_state(&vm->tdi, TDISP_STATE_ERROR);
		expect_event(_metadata, vm, IOMMU_TSM_EVENT_TDI_ERROR,
			     IOMMU_TSM_REASON_DEVICE);
		test_err(EIO, tdi_start(&vm->tdi));
		test_cmd(tdi_unbind(&vm->tdi));
		expect_state(rid, TDISP_STATE_UNLOCKED);
		/* The session was not affected, nor the other one */
		test_cmd(tdi_bind(&vm->tdi));
		expect_live_state(&vm->tdi, TDISP_STATE_LOCKED);
	}
	for (int i = 0; i < NR_VMS; i++)
		close_vf(&self->vm[i]);
	for (int i = 0; i < NR_VFS; i++)
		expect_usable(_metadata, &self->dev->vf[i]);
}

/* A VF that the TSM does not let go of is kept, even if it ends as a device */
TEST_F_TIMEOUT(sriov, quarantine, 90)
{
	const struct tdisp_fn *vf = &self->dev->vf[0];
	struct vm_vf *a = &self->vm[0], *b = &self->vm[1];

	run_two(_metadata, self->dev, self->vm);
	self->log = testctl_log_end();
	test_cmd(soft_tsm_hold(true));
	test_err(EUCLEAN, tdi_unbind(&a->tdi));
	expect_attr(vf, "quarantined", "1");
	expect_attr(vf, "held_memory", "4096");
	test_err(EUCLEAN, tdi_bind(&a->tdi));
	test_cmd(soft_tsm_hold(false));
	/* It is one VF */
	expect_live_state(&b->tdi, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(&b->tdi));
	expect_attr(b->tdi.fn, "quarantined", "0");
	expect_state(vf->rid, TDISP_STATE_RUN);
	for (int i = 0; i < NR_VMS; i++)
		close_vf(&self->vm[i]);

	/* The device fails what was not stopped, and wants STOP nonetheless */
	test_cmd(pci_enable_vfs(self->pf0, 0));
	expect_state(vf->rid, TDISP_STATE_ERROR);
	test_cmd(pci_enable_vfs(self->pf0, NR_VFS));
	expect_attr(vf, "quarantined", "1");
	expect_attr(vf, "held_memory", "4096");
	expect_state(vf->rid, TDISP_STATE_ERROR);
	test_err(EUCLEAN, pci_driver_set(vf->bdf, "vfio-pci", "vfio-pci"));
	expect_attr(&self->dev->vf[1], "quarantined", "0");

	test_cmd(soft_tsm_release(vf->bdf));
	expect_attr(vf, "quarantined", "0");
	expect_attr(vf, "held_memory", "0");
	expect_state(vf->rid, TDISP_STATE_UNLOCKED);
	test_cmd(pci_driver_set(vf->bdf, "vfio-pci", "vfio-pci"));
	expect_usable(_metadata, vf);
}

/* Binds and unbinds until it is told that the VF goes, and closes in time */
static void race_vmm(const struct tdisp_fn *vf)
{
	struct iommu_vevent_tsm event;
	struct vm_vf vm;
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rc = vmm_open(&vm.vmm);
	rc = rc ?: tdi_setup(&vm.tdi, &vm.vmm, vf);
	if (rc)
		_exit(-rc);
	vm.events = vmm_open_events(&vm.vmm);
	if (vm.events < 0)
		_exit(-vm.events);
	while (1) {
		rc = tdi_bind(&vm.tdi);
		if (!rc)
			rc = tdi_start(&vm.tdi);
		/* Disconnected in between, or not connected */
		if (rc && rc != -ENOTCONN && rc != -ENXIO)
			_exit(-rc);
		rc = tdi_unbind(&vm.tdi);
		if (rc && rc != -ENOTCONN)
			_exit(-rc);
		while (!vmm_read_event(vm.events, 0, &event))
			if (event.event == IOMMU_TSM_EVENT_LINK_LOST &&
			    event.reason == IOMMU_TSM_REASON_REMOVED)
				_exit(0);
	}
}

/*
 * The end of a VMM. One that was between UNBIND and BIND when its VF was about to
 * go has got no event, but VFIO's request, which it does not listen to.
 */
static int end_race_vmm(pid_t pid)
{
	int status;

	if (wait_for(waitpid(pid, &status, WNOHANG) == pid, NOT_TOLD_MS))
		return status;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return status;
}

/* VFs come and go under VMMs that bind them all the time, some are killed */
TEST_F_TIMEOUT(sriov, race, 300)
{
	struct tdisp_device *dev = self->dev;
	struct admin admin;
	pid_t pid[NR_VFS];
	int status;
	u32 from;

	test_cmd(setup_connect(dev));
	for (int round = 0; round < RACE_ROUNDS; round++) {
		from = testctl_log_end();
		test_cmd(setup_enable_vfs(dev, NR_VFS));
		for (int i = 0; i < NR_VFS; i++) {
			pid[i] = fork();
			ASSERT_LE(0, pid[i]);
			if (!pid[i])
				race_vmm(&dev->vf[i]);
		}
		/* Set up, or in the middle of it */
		usleep(random() % 1500000);
		if (round % 3 == 1)
			test_cmd(setup_disconnect(dev));
		start_set_vfs(_metadata, &admin, self->pf0, 0);
		if (round % 3 == 2)
			ASSERT_EQ(0, kill(pid[round % NR_VFS], SIGKILL));
		if (round % 3 == 1)
			test_cmd(setup_connect(dev));
		for (int i = 0; i < NR_VFS; i++) {
			status = end_race_vmm(pid[i]);
			if (WIFSIGNALED(status)) {
				EXPECT_EQ(SIGKILL, WTERMSIG(status));
				continue;
			}
			/* Too late to open it, or to get events from it */
			EXPECT_TRUE(!WEXITSTATUS(status) ||
				    WEXITSTATUS(status) == ENOENT ||
				    WEXITSTATUS(status) == ENODEV) {
				TH_LOG("VMM %d: %s", i,
				       errno_name(WEXITSTATUS(status)));
			}
		}
		end_set_vfs(_metadata, &admin);
		expect_no_vfs(_metadata, dev);
		/* As far back as the log reaches */
		if (testctl_log_end() - from > TDISP_CTL_LOG_SIZE)
			from = testctl_log_end() - TDISP_CTL_LOG_SIZE;
		for (int i = 0; i < NR_VFS; i++) {
			expect_state(dev->vf[i].rid, TDISP_STATE_UNLOCKED);
			EXPECT_EQ(0, testctl_count(from, dev->vf[i].rid,
						   TDISP_EV_STATE, TESTCTL_ANY,
						   TDISP_STATE_ERROR));
		}
	}
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
