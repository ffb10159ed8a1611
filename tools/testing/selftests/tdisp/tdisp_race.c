// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, at random: the threads of a VMM bind, unbind, ask, destroy
 * and replace what they use, the administrator disconnects, resets, removes and
 * unloads it under their hands, and then the VMM is killed or closes its files
 * in some order. After each round it is quiet, and nothing may be left.
 *
 * TDISP_SEED=N repeats the choices of a run, as far as threads can be repeated.
 * TDISP_OPS=N is how many operations are carried out at least; those that come at
 * a moment in which they are refused do not count.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tdisp_harness.h"

#define NR_OPS_DEFAULT	3000
#define NR_THREADS	3
#define NR_TDIS		2
#define DMABUF_IOVA	0x7f0000000000ull
#define DMABUF_LEN	0x10000ull

/* A round, in ms, from when its VMM is ready */
#define ROUND_MIN_MS	50
#define ROUND_MAX_MS	1000
#define READY_MS	20000
/* The last close of a device that was removed or reset under it */
#define QUIET_MS	20000

/* Errors have less than this, and 0 stands for success */
#define NR_ERRNOS	160

enum op {
	OP_BIND, OP_UNBIND, OP_START, OP_STATE, OP_READ, OP_VDEVICE, OP_DETACH,
	OP_HW_INFO, OP_REGION, OP_DMABUF, OP_VFIO_RESET, OP_FILE, OP_CONNECT,
	OP_DISCONNECT, OP_RESET, OP_RELOAD, OP_REMOVE,
	NR_OPS
};

static const struct {
	const char *name;
	/* What else than success may come out of it */
	int errnos[8];
} ops[NR_OPS] = {
	/* ENOENT is the vDEVICE that was just replaced, or whose device closes */
	/* EBUSY is a reset under way */
	[OP_BIND] = { "BIND", { EALREADY, ENOENT, ENOTCONN, ENXIO, ENODEV,
				EIO, ETIMEDOUT, EBUSY } },
	[OP_UNBIND] = { "UNBIND", { ENOTCONN, ENOENT } },
	[OP_START] = { "REQ start", { ENOTCONN, ENOENT, EIO, ENODEV,
				      ETIMEDOUT } },
	[OP_STATE] = { "REQ state", { ENOTCONN, ENOENT, EIO, ENODEV,
				      ETIMEDOUT } },
	[OP_READ] = { "REQ report", { ENOTCONN, ENOENT } },
	[OP_VDEVICE] = { "vDEVICE", { EBUSY, ENOENT, EEXIST } },
	[OP_DETACH] = { "detach", { EBUSY, ENODEV, EINVAL } },
	[OP_HW_INFO] = { "GET_HW_INFO", { ENOENT } },
	[OP_REGION] = { "BAR read", { EBUSY } },
	[OP_DMABUF] = { "dma-buf", { ENODEV } },
	[OP_VFIO_RESET] = { "RESET", { EBUSY, EAGAIN, ENOTTY } },
	[OP_FILE] = { "FILE_DEL, ADD", { ENOENT, EEXIST } },
	[OP_CONNECT] = { "connect", { EBUSY, ENXIO, ENOENT, EIO, ENODEV,
				      ETIMEDOUT } },
	[OP_DISCONNECT] = { "disconnect", { ENXIO, ENOENT, EINVAL } },
	[OP_RESET] = { "reset", { ENOENT, EAGAIN, ENOTTY } },
	[OP_RELOAD] = { "rmmod", { EAGAIN, EBUSY } },
	[OP_REMOVE] = { "remove", { ENOENT } },
};

/* Shared by the processes of a round */
struct shared {
	bool ready;
	bool stop;
	u64 done[NR_OPS];
	u64 refused[NR_OPS];
	/* The first error of an operation that may not be */
	int bad[NR_OPS];
};

static struct shared *shared;

struct worker {
	pthread_t thread;
	u64 random;
	u64 iova;
	struct vmm *vmm;
	struct tdi *tdi;
};

/* xorshift64*, the same everywhere */
static u64 next_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static unsigned int pick(u64 *random, unsigned int nr)
{
	return (next_random(random) >> 32) % nr;
}

static void note(enum op op, int rc)
{
	if (!rc) {
		__atomic_fetch_add(&shared->done[op], 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&shared->refused[op], 1, __ATOMIC_RELAXED);
	for (int i = 0; i < ARRAY_SIZE(ops[op].errnos); i++)
		if (ops[op].errnos[i] == -rc)
			return;
	__atomic_store_n(&shared->bad[op], rc, __ATOMIC_RELAXED);
}

/* Another one in its place; who is using the old one prevents that */
static int replace_vdevice(struct tdi *tdi)
{
	u64 virt_id = TDI_VIRT_ID + (tdi->fn->rid & 7);
	int rc;

	rc = vmm_destroy_id(tdi->vmm, tdi->vdev_id);
	return rc ?: tdi_alloc_vdevice(tdi, virt_id);
}

static int read_report(struct tdi *tdi)
{
	struct iommu_tsm_req_read_object req = {
		.type = IOMMU_TSM_OBJECT_REPORT,
	};
	struct iommu_vdevice_tsm_req cmd;
	u8 resp[32];

	cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &req, sizeof(req),
		      resp, sizeof(resp));
	return tsm_req(tdi->vmm, &cmd);
}

static int detach_and_attach(struct tdi *tdi)
{
	int rc;

	rc = tdi_detach(tdi);
	return rc ?: tdi_attach(tdi, tdi->vmm->hwpt_id);
}

/* Of the thread alone */
static __thread u64 dmabuf_iova;

static int map_dmabuf(struct tdi *tdi)
{
	int fd = tdi_export_bar(tdi, TDISP_BAR_MEM, 0, DMABUF_LEN);
	int rc;

	if (fd < 0)
		return fd;
	rc = vmm_map_dmabuf(tdi->vmm, fd, dmabuf_iova, DMABUF_LEN);
	rc = rc ?: vmm_unmap(tdi->vmm, dmabuf_iova, DMABUF_LEN);
	close(fd);
	return rc;
}

/* VFIO keeps the VM that it has */
static int replace_file(struct tdi *tdi)
{
	int rc;

	rc = vm_del_vfio(&tdi->vmm->vm, tdi->vfio->fd);
	return rc ?: vm_add_vfio(&tdi->vmm->vm, tdi->vfio->fd);
}

static int vmm_op(struct tdi *tdi, enum op op)
{
	u64 caps;
	u32 state, id;

	switch (op) {
	case OP_BIND:
		return tdi_bind(tdi);
	case OP_UNBIND:
		return tdi_unbind(tdi);
	case OP_START:
		return tdi_start(tdi);
	case OP_STATE:
		return tdi_live_state(tdi, &state);
	case OP_READ:
		return read_report(tdi);
	case OP_VDEVICE:
		return replace_vdevice(tdi);
	case OP_DETACH:
		return detach_and_attach(tdi);
	case OP_HW_INFO:
		return tdi_hw_caps(tdi, &caps);
	case OP_REGION:
		return region_read32(tdi, TDISP_BAR_REGS, TDISP_REG_ID, &id);
	case OP_DMABUF:
		return map_dmabuf(tdi);
	case OP_VFIO_RESET:
		return __vfio_pci_device_reset(tdi->vfio) ? -errno : 0;
	case OP_FILE:
		return replace_file(tdi);
	default:
		return -EOPNOTSUPP;
	}
}

/* What a VMM does, most of it about the binding */
static void worker_op(struct worker *w)
{
	static const enum op often[] = {
		OP_BIND, OP_BIND, OP_BIND, OP_UNBIND, OP_UNBIND, OP_START,
		OP_STATE, OP_STATE, OP_READ, OP_VDEVICE, OP_DETACH, OP_HW_INFO,
		OP_REGION, OP_DMABUF, OP_VFIO_RESET, OP_FILE,
	};
	struct tdi *tdi = &w->tdi[pick(&w->random, NR_TDIS)];
	enum op op = often[pick(&w->random, ARRAY_SIZE(often))];

	if (!tdi->vfio)
		return;
	note(op, vmm_op(tdi, op));
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;

	dmabuf_iova = w->iova;
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
		worker_op(w);
	return NULL;
}

/* Close the files of a VMM in some order, threads may still be using them */
static void close_some_way(u64 *random, struct vmm *vmm, struct tdi *tdi)
{
	unsigned int way = pick(random, 4);

	switch (way) {
	case 0:	/* The VM first, which VFIO holds */
		close_fd(&vmm->vm.vfio_fd);
		close_fd(&vmm->vm.vm_fd);
		break;
	case 1:	/* The iommufd first, which VFIO holds as well */
		close(vmm->iommu->iommufd);
		break;
	case 2:	/* FILE_DEL long before the last close */
		for (int i = 0; i < NR_TDIS; i++)
			if (tdi[i].vfio)
				vm_del_vfio(&vmm->vm, tdi[i].vfio->fd);
		break;
	default:
		break;
	}
	for (int i = 0; i < NR_TDIS; i++)
		if (tdi[i].vfio)
			close(tdi[i].vfio->fd);
	/* The kernel closes the rest */
	_exit(0);
}

/* The VMM: sets up, races, and ends in its own way, if it is not killed */
static void vmm_process(u64 random)
{
	struct worker worker[NR_THREADS];
	struct tdi tdi[NR_TDIS] = {};
	struct vmm vmm;
	int nr_tdis = setup.dev->nr_fns < NR_TDIS ? 1 : NR_TDIS;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (vmm_open(&vmm))
		_exit(1);
	for (int i = 0; i < nr_tdis; i++)
		if (tdi_setup(&tdi[i], &vmm, &setup.dev->fn[i]))
			_exit(1);
	__atomic_store_n(&shared->ready, true, __ATOMIC_RELEASE);

	for (int i = 0; i < NR_THREADS; i++) {
		worker[i].random = next_random(&random);
		worker[i].iova = DMABUF_IOVA + i * DMABUF_LEN;
		worker[i].vmm = &vmm;
		worker[i].tdi = tdi;
		if (pthread_create(&worker[i].thread, NULL, worker_thread,
				   &worker[i]))
			_exit(1);
	}
	/* Every other time it stops before it closes */
	if (pick(&random, 2))
		for (int i = 0; i < NR_THREADS; i++)
			pthread_join(worker[i].thread, NULL);
	else
		while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED))
			usleep(1000);
	close_some_way(&random, &vmm, tdi);
}

static int reload_module(void)
{
	int rc;

	rc = soft_tsm_unload();
	return rc ?: soft_tsm_load("");
}

static int reset_fn(const char *bdf)
{
	return sysfs_write("1", "/sys/bus/pci/devices/%s/reset", bdf);
}

/* What an administrator does, while the VMM is running */
static void admin_op(u64 *random, bool *removed)
{
	static const enum op often[] = {
		OP_DISCONNECT, OP_DISCONNECT, OP_DISCONNECT, OP_RESET,
		OP_RESET, OP_RELOAD, OP_REMOVE, OP_CONNECT,
	};
	enum op op = often[pick(random, ARRAY_SIZE(often))];
	int fn = pick(random, setup.dev->nr_fns);

	switch (op) {
	case OP_CONNECT:
		note(op, setup_connect(setup.dev));
		break;
	case OP_DISCONNECT:
		note(op, setup_disconnect(setup.dev));
		break;
	case OP_RESET:
		note(op, reset_fn(setup.dev->fn[fn].bdf));
		break;
	case OP_RELOAD:
		note(op, reload_module());
		break;
	case OP_REMOVE:
		/*
		 * The driver waits for its users: not function 0 or 1, and once
		 * in a round
		 */
		if (*removed || setup.dev->nr_fns <= NR_TDIS || fn < NR_TDIS)
			break;
		note(op, pci_remove(setup.dev->fn[fn].bdf));
		*removed = true;
		break;
	default:
		break;
	}
	/* Otherwise there is not much to race with */
	usleep(pick(random, 20) * 1000);
	if (op == OP_DISCONNECT || op == OP_RELOAD)
		note(OP_CONNECT, setup_connect(setup.dev));
	usleep(pick(random, 100) * 1000);
}

static u64 nr_ops_so_far(void)
{
	u64 nr = 0;

	for (int i = 0; i < NR_OPS; i++)
		nr += __atomic_load_n(&shared->done[i], __ATOMIC_RELAXED);
	return nr;
}

static bool nobody_bound(void)
{
	char bound[16];

	for (int i = 0; i < setup.dev->nr_fns; i++) {
		int rc = tsm_attr(setup.dev->fn[i].bdf, "bound", bound,
				  sizeof(bound));

		/* Without a connection, or TSM, there is no such attribute */
		if (!rc && *bound)
			return false;
	}
	return true;
}

static bool nobody_locked(void)
{
	for (int i = 0; i < setup.dev->nr_fns; i++)
		if (testctl_state(setup.dev->fn[i].rid) != TDISP_STATE_UNLOCKED)
			return false;
	return true;
}

/* No TDI without an owner, and no owner without a VMM */
static void expect_quiet(struct __test_metadata *_metadata)
{
	char quarantined[8];

	EXPECT_TRUE(wait_for(nobody_bound(), QUIET_MS));
	EXPECT_TRUE(wait_for(nobody_locked(), QUIET_MS)) {
		for (int i = 0; i < setup.dev->nr_fns; i++)
			TH_LOG("function %d: %s", i,
			       tdisp_state_name(testctl_state(setup.dev->fn[i].rid)));
	}
	for (int i = 0; i < setup.dev->nr_fns; i++)
		if (!tsm_attr(setup.dev->fn[i].bdf, "quarantined", quarantined,
			      sizeof(quarantined)))
			EXPECT_STREQ("0", quarantined);
}

FIXTURE(race)
{
	u64 random;
	u64 nr_ops;
};

static u64 from_env(const char *name, u64 otherwise)
{
	const char *val = getenv(name);

	return val ? strtoull(val, NULL, 0) : otherwise;
}

FIXTURE_SETUP(race)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	self->random = from_env("TDISP_SEED", now.tv_sec ^ now.tv_nsec) ?: 1;
	self->nr_ops = from_env("TDISP_OPS", NR_OPS_DEFAULT);
	TH_LOG("TDISP_SEED=%#llx", (unsigned long long)self->random);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
}

FIXTURE_TEARDOWN_PARENT(race)
{
	test_cmd(setup_clear(setup.dev));
}

static void run_round(struct __test_metadata *_metadata, u64 *random)
{
	unsigned int ms = ROUND_MIN_MS + pick(random, ROUND_MAX_MS -
						      ROUND_MIN_MS);
	bool kill_it = pick(random, 2);
	bool removed = false;
	int status;
	u64 end;
	pid_t pid;

	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	shared->ready = false;
	shared->stop = false;
	pid = fork();
	if (!pid)
		vmm_process(next_random(random));
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_for(__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) ||
			     waitpid(pid, &status, WNOHANG), READY_MS));
	ASSERT_TRUE(shared->ready);

	for (end = now_ms() + ms; now_ms() < end;)
		admin_op(random, &removed);
	if (kill_it)
		ASSERT_EQ(0, kill(pid, SIGKILL));
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (!kill_it)
		EXPECT_TRUE(WIFEXITED(status) && !WEXITSTATUS(status));
	expect_quiet(_metadata);
}

TEST_F_TIMEOUT(race, vmm_and_administrator, 900)
{
	u64 start = now_ms();
	int rounds = 0;

	while (nr_ops_so_far() < self->nr_ops) {
		run_round(_metadata, &self->random);
		rounds++;
		if (!__test_passed(_metadata))
			break;
	}

	TH_LOG("%llu operations in %d rounds, %llu s",
	       (unsigned long long)nr_ops_so_far(), rounds,
	       (unsigned long long)(now_ms() - start) / 1000);
	for (int i = 0; i < NR_OPS; i++) {
		TH_LOG("%-12s %6llu done, %6llu refused", ops[i].name,
		       (unsigned long long)shared->done[i],
		       (unsigned long long)shared->refused[i]);
		EXPECT_EQ(0, shared->bad[i]) {
			TH_LOG("%s: %s", ops[i].name, errno_name(shared->bad[i]));
		}
	}
	/* A race that never got anywhere shows nothing */
	EXPECT_LT(0, shared->done[OP_BIND]);
	EXPECT_LT(0, shared->done[OP_UNBIND]);
	EXPECT_LT(0, shared->done[OP_STATE]);
	EXPECT_LT(0, shared->done[OP_VDEVICE]);
	EXPECT_LT(0, shared->done[OP_CONNECT]);
	EXPECT_LT(0, shared->done[OP_DISCONNECT]);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
