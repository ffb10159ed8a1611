// SPDX-License-Identifier: GPL-2.0-only
/*
 * All ways in which a binding ends without UNBIND: the VMM is killed or closes
 * its files in any order, objects are destroyed, the device is disconnected or
 * removed, the TSM goes away. The TDI is unlocked then, by STOP and not by the
 * resets that follow: the event log tells.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include "tdisp_harness.h"

/* The last close resets the function, which ends what a close has to do */
#define CLOSE_MS	10000
/* Slow enough to be killed between two messages */
#define STALL_MS	200
#define RACE_MS		1000

FIXTURE(teardown)
{
	struct vmm vmm;
	struct tdi tdi[TDISP_MAX_FNS];
	char tsm[16];
	u16 rid;
	u32 log;
};

FIXTURE_SETUP(teardown)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	test_cmd(tsm_find(self->tsm, sizeof(self->tsm)));
	self->rid = setup.fn->rid;
	self->log = testctl_log_end();
}

FIXTURE_TEARDOWN_PARENT(teardown)
{
	test_cmd(setup_clear(setup.dev));
}

/* A VMM with one function that waits for BIND */
static struct tdi *open_tdi(struct __test_metadata *_metadata, struct vmm *vmm,
			    struct tdi *tdi)
{
	test_cmd(vmm_open(vmm));
	test_cmd(tdi_setup(tdi, vmm, setup.fn));
	return tdi;
}

/* The function can be used by a VMM that has nothing to do with the last one */
static void works_again(struct __test_metadata *_metadata)
{
	struct vmm vmm;
	struct tdi tdi;

	test_cmd(vmm_open(&vmm));
	test_cmd(tdi_setup(&tdi, &vmm, setup.fn));
	test_cmd(tdi_dma_round_trip(&tdi));
	test_cmd(tdi_bind(&tdi));
	expect_live_state(&tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_start(&tdi));
	expect_live_state(&tdi, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(&tdi));
	test_cmd(tdi_dma_round_trip(&tdi));
	tdi_close(&tdi);
	vmm_close(&vmm);
}

/* The last time that the device was locked since @from, or -1 */
static long last_lock(u32 from, u16 rid)
{
	struct testctl_event ev = { .seq = from - 1 };
	long seq = -1;

	while (!testctl_find(ev.seq + 1, rid, TDISP_EV_TDISP,
			     TDISP_LOCK_INTERFACE,
			     TDISP_RSP(TDISP_LOCK_INTERFACE), &ev))
		seq = ev.seq;
	return seq;
}

/*
 * After the last LOCK since @from the device was stopped, by a STOP that it
 * carried out, before anything happened to it that drives a TDI into ERROR.
 * Its close, with all that does, is awaited.
 */
static void expect_stopped_first(struct __test_metadata *_metadata, u32 from,
				 u16 rid)
{
	static const struct {
		const char *name;
		u32 type;
		u32 arg0;
	} closes[] = {
		{ "FLR", TDISP_EV_FLR, TESTCTL_ANY },
		{ "Bus Master Enable cleared", TDISP_EV_BME, 0 },
		{ "Memory Space Enable cleared", TDISP_EV_MSE, 0 },
	};
	struct testctl_event stop, ev;
	long lock = last_lock(from, rid);

	ASSERT_LE(0, lock);
	for (int i = 0; i < ARRAY_SIZE(closes); i++) {
		ASSERT_TRUE(wait_for(!testctl_find(lock, rid, closes[i].type,
						   closes[i].arg0, TESTCTL_ANY,
						   &ev), CLOSE_MS)) {
			TH_LOG("no %s", closes[i].name);
			testctl_log_print(lock, rid);
		}
	}

	test_cmd(testctl_find(lock, rid, TDISP_EV_TDISP, TDISP_STOP_INTERFACE,
			      TDISP_RSP(TDISP_STOP_INTERFACE), &stop));
	for (int i = 0; i < ARRAY_SIZE(closes); i++) {
		test_cmd(testctl_find(lock, rid, closes[i].type, closes[i].arg0,
				      TESTCTL_ANY, &ev));
		ASSERT_LT(stop.seq, ev.seq) {
			TH_LOG("%s before STOP", closes[i].name);
			testctl_log_print(lock, rid);
		}
	}
	EXPECT_EQ(0, testctl_count(lock, rid, TDISP_EV_STATE, TESTCTL_ANY,
				   TDISP_STATE_ERROR));
	expect_state(rid, TDISP_STATE_UNLOCKED);
	/* Without a TSM the function has no such attribute */
	if (soft_tsm_loaded())
		expect_attr(setup.fn, "bound", "");
}

/* How far a child gets before it waits, or is killed */
enum goal {
	GOAL_BIND,	/* calls BIND, exits with its errno */
	GOAL_BOUND,
	GOAL_RUN,
};

/* A VMM in a process of its own; returns when it has got there */
static pid_t spawn_vmm(struct __test_metadata *_metadata, enum goal goal)
{
	int ready[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct vmm vmm;
		struct tdi tdi;
		int rc;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		rc = vmm_open(&vmm);
		rc = rc ?: tdi_setup(&tdi, &vmm, setup.fn);
		if (goal != GOAL_BIND)
			rc = rc ?: tdi_bind(&tdi);
		if (goal == GOAL_RUN)
			rc = rc ?: tdi_start(&tdi);
		if (rc)
			_exit(-rc);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		if (goal == GOAL_BIND)
			_exit(-tdi_bind(&tdi));
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
	/* It did not end by itself before */
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(SIGKILL, WTERMSIG(status));
}

TEST_F(teardown, kill_in_bound)
{
	pid_t pid = spawn_vmm(_metadata, GOAL_BOUND);

	expect_state(self->rid, TDISP_STATE_LOCKED);
	kill_vmm(_metadata, pid);
	expect_stopped_first(_metadata, self->log, self->rid);
	works_again(_metadata);
}

TEST_F(teardown, kill_in_run)
{
	pid_t pid = spawn_vmm(_metadata, GOAL_RUN);

	expect_state(self->rid, TDISP_STATE_RUN);
	kill_vmm(_metadata, pid);
	expect_stopped_first(_metadata, self->log, self->rid);
	works_again(_metadata);
}

/* The same process image comes back at once, as a restarted VMM would */
TEST_F_TIMEOUT(teardown, kill_again_and_again, 60)
{
	for (int i = 0; i < 4; i++) {
		u32 log = testctl_log_end();

		kill_vmm(_metadata, spawn_vmm(_metadata, i & 1 ? GOAL_RUN :
							 GOAL_BOUND));
		expect_stopped_first(_metadata, log, self->rid);
	}
}

FIXTURE(kill_in_bind)
{
	u16 rid;
	u32 log;
};

FIXTURE_VARIANT(kill_in_bind)
{
	u8 after;
	bool locked;
};

/* With the next message under way when the signal comes */
FIXTURE_VARIANT_ADD(kill_in_bind, version)
{
	.after = TDISP_GET_VERSION,
	.locked = false,
};

FIXTURE_VARIANT_ADD(kill_in_bind, lock)
{
	.after = TDISP_LOCK_INTERFACE,
	.locked = true,
};

FIXTURE_VARIANT_ADD(kill_in_bind, report)
{
	.after = TDISP_GET_INTERFACE_REPORT,
	.locked = true,
};

FIXTURE_SETUP(kill_in_bind)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.fn->rid;
	self->log = testctl_log_end();
}

FIXTURE_TEARDOWN_PARENT(kill_in_bind)
{
	test_cmd(setup_clear(setup.dev));
}

TEST_F_TIMEOUT(kill_in_bind, slow_bind, 60)
{
	struct testctl_event ev;
	pid_t pid;

	testctl_set(self->rid, TDISP_CTL_STALL_MS, STALL_MS);
	pid = spawn_vmm(_metadata, GOAL_BIND);
	ASSERT_TRUE(wait_for(count_tdisp(self->log, self->rid, variant->after),
			     10000));
	kill_vmm(_metadata, pid);

	if (variant->locked) {
		expect_stopped_first(_metadata, self->log, self->rid);
	} else {
		ASSERT_TRUE(wait_for(!testctl_find(self->log, self->rid,
						   TDISP_EV_BME, 0, TESTCTL_ANY,
						   &ev), CLOSE_MS));
		/* One message at most was still on its way */
		EXPECT_EQ(0, count_tdisp(self->log, self->rid,
					 TDISP_LOCK_INTERFACE));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
	}
	testctl_clear_faults(self->rid);
	works_again(_metadata);
}

enum vmm_file {
	FILE_DEVICE,
	FILE_IOMMUFD,
	FILE_VM,
	FILE_KVM_VFIO,
	NR_FILES
};

static int *vmm_file(struct tdi *tdi, enum vmm_file file)
{
	switch (file) {
	case FILE_DEVICE:
		return &tdi->vfio->fd;
	case FILE_IOMMUFD:
		return &tdi->vmm->iommu->iommufd;
	case FILE_VM:
		return &tdi->vmm->vm.vm_fd;
	default:
		return &tdi->vmm->vm.vfio_fd;
	}
}

/* As exit does it, which knows no order either; without KVM_DEV_VFIO_FILE_DEL */
static void close_in_order(struct tdi *tdi, const int *order)
{
	struct vfio_pci_device *vfio = tdi->vfio;

	/* A mapping is a reference to the device file */
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		if (vfio->bars[i].vaddr)
			munmap(vfio->bars[i].vaddr, vfio->bars[i].info.size);
	for (int i = 0; i < NR_FILES; i++)
		close_fd(vmm_file(tdi, order[i]));
	close_fd(&tdi->vmm->vm.kvm_fd);
	tdi->vmm->iommu = NULL;
	tdi->vfio = NULL;
}

TEST_F_TIMEOUT(teardown, close_orders, 120)
{
	int order[NR_FILES];

	for (int n = 0; n < 24; n++) {
		u32 log = testctl_log_end();
		int left = 0xf, div = 6, rest = n;
		struct tdi *tdi;

		/* Permutation number n */
		for (int i = 0; i < NR_FILES; i++) {
			int skip = rest / div, file = 0;

			rest %= div;
			div /= max(1, NR_FILES - 1 - i);
			while (!(left & 1 << file) || skip--)
				file++;
			left &= ~(1 << file);
			order[i] = file;
		}

		tdi = open_tdi(_metadata, &self->vmm, self->tdi);
		test_cmd(tdi_bind(tdi));
		if (n & 1)
			test_cmd(tdi_start(tdi));
		close_in_order(tdi, order);
		expect_stopped_first(_metadata, log, self->rid);
	}
	works_again(_metadata);
}

/* A mapping of a BAR keeps the device open, and bound, until it goes */
TEST_F(teardown, mapping_is_last)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	struct vfio_pci_bar bar = tdi->vfio->bars[TDISP_BAR_REGS];

	test_cmd(tdi_bind(tdi));
	tdi->vfio->bars[TDISP_BAR_REGS].vaddr = NULL;
	tdi_close(tdi);
	vmm_close(&self->vmm);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	munmap(bar.vaddr, bar.info.size);
	expect_stopped_first(_metadata, self->log, self->rid);
	works_again(_metadata);
}

/* Files of a VMM that is gone may still be open in another process */
TEST_F(teardown, files_in_another_process)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	pid_t pid;

	test_cmd(tdi_bind(tdi));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	tdi_close(tdi);
	vmm_close(&self->vmm);
	expect_state(self->rid, TDISP_STATE_LOCKED);
	expect_attr(setup.fn, "bound", self->tsm);
	kill_vmm(_metadata, pid);
	expect_stopped_first(_metadata, self->log, self->rid);
	works_again(_metadata);
}

TEST_F(teardown, destroy_vdevice)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	struct vmm *vmm = &self->vmm;

	for (int run = 0; run < 2; run++) {
		u32 log = testctl_log_end();

		test_cmd(tdi_bind(tdi));
		if (run)
			test_cmd(tdi_start(tdi));
		test_cmd(vmm_destroy_id(vmm, tdi->vdev_id));
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		EXPECT_EQ(1, count_tdisp(log, self->rid,
					 TDISP_STOP_INTERFACE));
		expect_attr(setup.fn, "bound", "");
		test_err(ENOENT, tdi_unbind(tdi));
		test_cmd(tdi_dma_round_trip(tdi));
		/* Nobody is pinned by it any more */
		test_cmd(tdi_detach(tdi));
		test_cmd(tdi_attach(tdi, vmm->hwpt_id));
		test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID));
	}
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
}

/* Lost: unbound by STOP, and that has to be acknowledged */
static void expect_lost(struct __test_metadata *_metadata, struct tdi *tdi,
			u32 log)
{
	u32 state;

	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	EXPECT_EQ(1, count_tdisp(log, tdi->fn->rid, TDISP_STOP_INTERFACE));
	EXPECT_EQ(0, testctl_count(log, tdi->fn->rid, TDISP_EV_STATE,
				   TESTCTL_ANY, TDISP_STATE_ERROR));
	test_err(ENOTCONN, tdi_live_state(tdi, &state));
	test_err(ENOTCONN, tdi_bind(tdi));
	test_cmd(tdi_unbind(tdi));
	test_err(ENOTCONN, tdi_unbind(tdi));
	test_cmd(tdi_dma_round_trip(tdi));
}

TEST_F(teardown, disconnect)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);

	for (int run = 0; run < 2; run++) {
		u32 log = testctl_log_end();

		test_cmd(tdi_bind(tdi));
		if (run)
			test_cmd(tdi_start(tdi));
		test_cmd(setup_disconnect(setup.dev));
		expect_lost(_metadata, tdi, log);
		test_err(ENXIO, tdi_bind(tdi));
		test_cmd(setup_connect(setup.dev));
	}
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
}

TEST_F(teardown, rmmod)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);

	for (int run = 0; run < 2; run++) {
		u32 log = testctl_log_end();

		test_cmd(tdi_bind(tdi));
		if (run)
			test_cmd(tdi_start(tdi));
		test_cmd(soft_tsm_unload());
		expect_lost(_metadata, tdi, log);
		test_err(ENXIO, tdi_bind(tdi));
		test_cmd(soft_tsm_load(""));
		test_err(ENXIO, tdi_bind(tdi));
		test_cmd(setup_connect(setup.dev));
	}
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
}

/* Lost, and the VMM does not care: it is killed */
TEST_F(teardown, rmmod_then_close)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);

	test_cmd(tdi_bind(tdi));
	test_cmd(soft_tsm_unload());
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	tdi_close(tdi);
	vmm_close(&self->vmm);
	test_cmd(soft_tsm_load(""));
	test_cmd(setup_connect(setup.dev));
	expect_stopped_first(_metadata, self->log, self->rid);
	works_again(_metadata);
}

/* All functions of a DSM lose their bindings with it */
TEST_F(teardown, disconnect_all_functions)
{
	int nr = setup.dev->nr_fns;

	if (nr == 1)
		SKIP(return, "a device with one function");
	test_cmd(vmm_open(&self->vmm));
	for (int i = 0; i < nr; i++) {
		test_cmd(tdi_setup(&self->tdi[i], &self->vmm,
				   &setup.dev->fn[i]));
		test_cmd(tdi_bind(&self->tdi[i]));
		if (i & 1)
			test_cmd(tdi_start(&self->tdi[i]));
	}
	test_cmd(setup_disconnect(setup.dev));
	for (int i = 0; i < nr; i++)
		expect_lost(_metadata, &self->tdi[i], self->log);
	test_cmd(setup_connect(setup.dev));
	for (int i = 0; i < nr; i++)
		test_cmd(tdi_bind(&self->tdi[i]));
}

/* Function 0, whose DSM the others depend on, is removed */
TEST_F(teardown, remove_dsm)
{
	struct tdi *tdi = &self->tdi[1];

	if (setup.dev->nr_fns == 1)
		SKIP(return, "a device with one function");
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(tdi, &self->vmm, &setup.dev->fn[1]));
	test_cmd(tdi_bind(tdi));
	test_cmd(pci_remove(setup.dev->fn[0].bdf));
	expect_lost(_metadata, tdi, self->log);
	test_err(ENXIO, tdi_bind(tdi));

	/* Without closing anything */
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(tdi));
}

static void *remove_thread(void *arg)
{
	const char *bdf = arg;

	return (void *)(long)pci_remove(bdf);
}

/* The function itself is removed: that waits for its user */
TEST_F(teardown, remove_function)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	struct testctl_event ev;
	pthread_t thread;
	void *rc;

	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	ASSERT_EQ(0, pthread_create(&thread, NULL, remove_thread,
				    setup.fn->bdf));
	/* Nothing to wait for: it is at work, or will be when it is closed */
	usleep(300000);
	expect_state(self->rid, TDISP_STATE_RUN);
	tdi_close(tdi);
	vmm_close(&self->vmm);
	ASSERT_EQ(0, pthread_join(thread, &rc));
	EXPECT_EQ(0, (long)rc);

	EXPECT_FALSE(sysfs_exists("/sys/bus/pci/devices/%s", setup.fn->bdf));
	EXPECT_EQ(1, count_tdisp(self->log, self->rid, TDISP_STOP_INTERFACE));
	EXPECT_EQ(-ENOENT, testctl_find(self->log, self->rid, TDISP_EV_STATE,
					TESTCTL_ANY, TDISP_STATE_ERROR, &ev));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	works_again(_metadata);
}

/* Races: whoever is first wins, and the loser is told so */

struct racer {
	struct tdi *tdi;
	bool stop;
	/* Bit map of the errors that its commands returned */
	u64 bind[3];
	u64 unbind[3];
};

static void note(u64 *map, int rc)
{
	if (-rc < 192)
		map[-rc / 64] |= 1ull << (-rc % 64);
}

/* Forget those that are fine; what is left was not to be */
static int not_noted(u64 *map, const int *fine, int nr)
{
	for (int i = 0; i < nr; i++)
		map[fine[i] / 64] &= ~(1ull << (fine[i] % 64));
	for (int err = 0; err < 192; err++)
		if (map[err / 64] & 1ull << (err % 64))
			return err ?: -1;
	return 0;
}

#define expect_only(_map, ...) do {					\
	const int __fine[] = { __VA_ARGS__ };				\
	int __err = not_noted(_map, __fine, ARRAY_SIZE(__fine));	\
									\
	EXPECT_EQ(0, __err) {						\
		TH_LOG("%s: %s", #_map, errno_name(__err));		\
	}								\
} while (0)

static void *race_thread(void *arg)
{
	struct racer *r = arg;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		note(r->bind, tdi_bind(r->tdi));
		note(r->unbind, tdi_unbind(r->tdi));
	}
	return NULL;
}

static bool noted(u64 *map, int err)
{
	return map[err / 64] & 1ull << (err % 64);
}

TEST_F_TIMEOUT(teardown, race_of_two_threads, 60)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	struct racer r[2] = { { .tdi = tdi }, { .tdi = tdi } };
	pthread_t thread[2];

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, race_thread,
					    &r[i]));
	usleep(RACE_MS * 1000);
	for (int i = 0; i < 2; i++)
		__atomic_store_n(&r[i].stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		EXPECT_TRUE(noted(r[i].bind, 0));
		EXPECT_TRUE(noted(r[i].unbind, 0));
		expect_only(r[i].bind, 0, EALREADY);
		expect_only(r[i].unbind, 0, ENOTCONN);
	}
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_err(ENOTCONN, tdi_unbind(tdi));
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
}

TEST_F_TIMEOUT(teardown, race_with_disconnect, 60)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	struct racer r = { .tdi = tdi };
	u64 end = now_ms() + RACE_MS;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, race_thread, &r));
	while (now_ms() < end) {
		test_cmd(setup_disconnect(setup.dev));
		test_cmd(setup_connect(setup.dev));
	}
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(noted(r.bind, 0));
	/* Not connected at that moment */
	expect_only(r.bind, 0, ENXIO);
	expect_only(r.unbind, 0, ENOTCONN);
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
}

/* The vDEVICE that a thread binds and unbinds is destroyed under its hands */
TEST_F_TIMEOUT(teardown, race_with_destroy, 60)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	u64 end = now_ms() + RACE_MS;
	int destroyed = 0;

	while (now_ms() < end) {
		struct racer r = { .tdi = tdi };
		pthread_t thread;

		ASSERT_EQ(0, pthread_create(&thread, NULL, race_thread, &r));
		ASSERT_TRUE(wait_for(!vmm_destroy_id(&self->vmm, tdi->vdev_id),
				     5000));
		destroyed++;
		__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		expect_only(r.bind, 0, ENOENT);
		expect_only(r.unbind, 0, ENOENT, ENOTCONN);
		expect_state(self->rid, TDISP_STATE_UNLOCKED);
		test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID));
	}
	EXPECT_LT(0, destroyed);
	/* The next vDEVICE of the device has nothing of that */
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
}

/* The device is closed while another thread of the VMM is in BIND */
TEST_F_TIMEOUT(teardown, close_in_slow_bind, 60)
{
	struct tdi *tdi = open_tdi(_metadata, &self->vmm, self->tdi);
	struct racer r = { .tdi = tdi };
	pthread_t thread;

	testctl_set(self->rid, TDISP_CTL_STALL_MS, STALL_MS);
	ASSERT_EQ(0, pthread_create(&thread, NULL, race_thread, &r));
	ASSERT_TRUE(wait_for(count_tdisp(self->log, self->rid,
					 TDISP_LOCK_INTERFACE), 10000));
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	tdi_close(tdi);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	/* Ended between two messages, and what it had locked was unlocked */
	expect_only(r.bind, ENOENT);
	expect_only(r.unbind, ENOENT, ENOTCONN);
	vmm_close(&self->vmm);
	expect_stopped_first(_metadata, self->log, self->rid);
	testctl_clear_faults(self->rid);
	works_again(_metadata);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
