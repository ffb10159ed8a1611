// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything that can be done with a vIOMMU of type TSM, its vDEVICEs and their
 * devices, at once and at random, by the threads of several processes that share
 * an iommufd. After each round it is quiet, and nothing may be left.
 *
 * TSM_SEED=N repeats the choices of a run, as far as threads can be repeated.
 * TSM_OPS=N is how many operations are carried out at least; those that come at a
 * moment in which they are refused do not count.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "iommufd_tsm_utils.h"

#define NR_OPS_DEFAULT 20000
#define NR_PROCESSES 2
#define NR_THREADS 2
#define NR_DEVS 3
#define ROUND_OPS 1000
#define ROUND_MS 20000
/*
 * IDs are given out from 1 on, and again as soon as they are free. An operation
 * leaves a few objects at most behind when another one comes between.
 */
#define MAX_ID (4 * ROUND_OPS)

enum op {
	OP_BIND,
	OP_UNBIND,
	OP_REQ,
	OP_START,
	OP_VDEVICE,
	OP_VIOMMU,
	OP_DEVICE,
	OP_CLOSE,
	OP_CONNECT,
	OP_DISCONNECT,
	OP_TDI_ERROR,
	OP_HOLD,
	OP_REPLACE,
	OP_QUEUE,
	OP_HW_INFO,
	NR_OPS
};

static const struct {
	const char *name;
	unsigned int weight;
	/* What else than success may come out of it */
	int errnos[10];
} ops[NR_OPS] = {
	/*
	 * IDs are used again at once, so each can be the one of a device that
	 * somebody else is still setting up: without a VM, or another object
	 */
	[OP_BIND] = { "BIND", 6,
		      { ENOENT, EALREADY, ENOTCONN, ENXIO, EUCLEAN, EBUSY,
			ENODEV, EINVAL } },
	[OP_UNBIND] = { "UNBIND", 4, { ENOENT, ENOTCONN, EUCLEAN, EINVAL } },
	[OP_REQ] = { "REQ read", 4, { ENOENT, ENOTCONN, EINVAL } },
	[OP_START] = { "REQ start", 2, { ENOENT, ENOTCONN, EIO, EINVAL } },
	[OP_VDEVICE] = { "vDEVICE", 2, { ENOENT, EBUSY, EEXIST, EINVAL } },
	[OP_VIOMMU] = { "vIOMMU", 1, { ENOENT, EBUSY, EEXIST, EINVAL } },
	[OP_DEVICE] = { "device", 1, { ENOENT, EBUSY, EEXIST, EINVAL } },
	[OP_CLOSE] = { "close", 1, { ENOENT, EINVAL } },
	[OP_CONNECT] = { "connect", 3, { ENOENT, EINVAL } },
	[OP_DISCONNECT] = { "disconnect", 1, { ENOENT, EINVAL } },
	[OP_TDI_ERROR] = { "TDI error", 1, { ENOENT, ENOTCONN, EINVAL } },
	[OP_HOLD] = { "quarantine", 1, { ENOENT, EINVAL } },
	[OP_REPLACE] = { "replace HWPT", 1, { ENOENT, EBUSY, EINVAL } },
	[OP_QUEUE] = { "event queue", 1, { ENOENT, EEXIST, EBUSY, EINVAL } },
	[OP_HW_INFO] = { "GET_HW_INFO", 2, { ENOENT, EINVAL } },
};

/* Shared by the processes, which read it while others change it */
struct shared {
	struct tsm_dev dev[NR_DEVS];
	bool stop;
	__u64 done[NR_OPS];
	__u64 refused[NR_OPS];
	/* The first error of an operation that may not be */
	int bad[NR_OPS];
};

static struct shared *shared;

struct worker {
	pthread_t thread;
	__u64 random;
	int fd;
	__u32 ioas_id;
};

/* xorshift64*, the same everywhere */
static __u64 next_random(__u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static unsigned int pick(__u64 *random, unsigned int nr)
{
	return (next_random(random) >> 32) % nr;
}

static enum op pick_op(__u64 *random)
{
	unsigned int sum = 0, at, i;

	for (i = 0; i != NR_OPS; i++)
		sum += ops[i].weight;
	at = pick(random, sum);
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	return i;
}

static __u64 count(const __u64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void note(enum op op, int rc)
{
	unsigned int i;
	int error = errno;

	if (!rc) {
		__atomic_fetch_add(&shared->done[op], 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_fetch_add(&shared->refused[op], 1, __ATOMIC_RELAXED);
	for (i = 0; i != ARRAY_SIZE(ops[op].errnos); i++)
		if (ops[op].errnos[i] == error)
			return;
	__atomic_store_n(&shared->bad[op], error, __ATOMIC_RELAXED);
}

static int race_vdevice(struct worker *w, struct tsm_dev *dev)
{
	__u32 vdev_id;
	int rc;

	rc = _test_ioctl_destroy(w->fd, dev->vdev_id);
	if (rc)
		return rc;
	rc = _test_cmd_vdevice_alloc(w->fd, dev->viommu_id, dev->device_id,
				     0x99, &vdev_id);
	if (!rc)
		dev->vdev_id = vdev_id;
	return rc;
}

static int race_viommu(struct worker *w, struct tsm_dev *dev)
{
	__u32 viommu_id, vdev_id;
	int rc;

	rc = _test_ioctl_destroy(w->fd, dev->vdev_id);
	if (rc)
		return rc;
	_test_ioctl_destroy(w->fd, dev->viommu_id);
	rc = _test_cmd_viommu_alloc(w->fd, dev->device_id, dev->hwpt_id, 0,
				    IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
	if (rc)
		return rc;
	dev->viommu_id = viommu_id;
	rc = _test_cmd_vdevice_alloc(w->fd, viommu_id, dev->device_id, 0x99,
				     &vdev_id);
	if (!rc)
		dev->vdev_id = vdev_id;
	return rc;
}

/* The device goes away, and another one comes */
static int race_device(struct worker *w, struct tsm_dev *dev)
{
	struct tsm_dev new = {};
	int rc;

	rc = _test_ioctl_destroy(w->fd, dev->stdev_id);
	if (rc)
		return rc;
	_test_ioctl_destroy(w->fd, dev->viommu_id);
	_test_ioctl_destroy(w->fd, dev->hwpt_id);
	rc = tsm_dev_setup(w->fd, w->ioas_id, &new);
	if (!rc)
		*dev = new;
	return rc;
}

static int race_queue(struct worker *w, struct tsm_dev *dev)
{
	__u32 queue_id, queue_fd;
	int rc;

	rc = _test_cmd_veventq_alloc(w->fd, dev->viommu_id,
				     IOMMU_VEVENTQ_TYPE_TSM, 2, &queue_id,
				     &queue_fd);
	if (rc)
		return rc;
	usleep(500);
	close(queue_fd);
	return _test_ioctl_destroy(w->fd, queue_id);
}

static int race_start(struct worker *w, struct tsm_dev *dev)
{
	struct iommu_tsm_req_set_tdi_state req = {
		.state = IOMMU_TSM_TDI_RUN,
	};

	return _test_cmd_vdevice_tsm_req(w->fd, dev->vdev_id,
					 IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE,
					 ARCH, &req, sizeof(req), NULL, NULL,
					 NULL);
}

static int race_ctl(struct worker *w, struct tsm_dev *dev, __u32 what,
		    __u32 value)
{
	return _test_cmd_tsm_ctl(w->fd, dev->device_id, what, value);
}

static int race_op(struct worker *w, struct tsm_dev *dev, enum op op)
{
	__u32 caps;
	int rc;

	switch (op) {
	case OP_BIND:
		return _test_cmd_vdevice_tsm_op(w->fd, dev->vdev_id,
						IOMMU_VDEVICE_TSM_OP_BIND, 0);
	case OP_UNBIND:
		return _test_cmd_vdevice_tsm_op(w->fd, dev->vdev_id,
						IOMMU_VDEVICE_TSM_OP_UNBIND, 0);
	case OP_REQ:
		return _test_cmd_ping(w->fd, dev->vdev_id,
				      IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, ARCH);
	case OP_START:
		return race_start(w, dev);
	case OP_VDEVICE:
		return race_vdevice(w, dev);
	case OP_VIOMMU:
		return race_viommu(w, dev);
	case OP_DEVICE:
		return race_device(w, dev);
	case OP_CLOSE:
		/* There is no way back, so the device is replaced then */
		rc = _test_cmd_tsm_close(w->fd, dev->device_id);
		if (!rc)
			note(OP_DEVICE, race_device(w, dev));
		return rc;
	case OP_CONNECT:
		return race_ctl(w, dev, MOCK_TSM_CTL_CONNECT, 1);
	case OP_DISCONNECT:
		return race_ctl(w, dev, MOCK_TSM_CTL_LOSE,
				1 + pick(&w->random, 3));
	case OP_TDI_ERROR:
		return race_ctl(w, dev, MOCK_TSM_CTL_TDI_ERROR, 0);
	case OP_HOLD:
		rc = race_ctl(w, dev, MOCK_TSM_CTL_HOLD, 1);
		usleep(200);
		return rc ?: race_ctl(w, dev, MOCK_TSM_CTL_HOLD, 0);
	case OP_REPLACE:
		return _test_cmd_mock_domain_replace(w->fd, dev->stdev_id,
						     dev->hwpt_id, NULL);
	case OP_QUEUE:
		return race_queue(w, dev);
	case OP_HW_INFO:
		return _test_cmd_get_hw_info(w->fd, dev->device_id,
					     IOMMU_HW_INFO_TYPE_DEFAULT, NULL,
					     0, &caps, NULL);
	default:
		return 0;
	}
}

static void *worker_thread(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		enum op op = pick_op(&w->random);

		note(op, race_op(w, &shared->dev[pick(&w->random, NR_DEVS)],
				 op));
	}
	return NULL;
}

static void worker_process(__u64 random, int fd, __u32 ioas_id)
{
	struct worker worker[NR_THREADS];
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i != NR_THREADS; i++) {
		worker[i] = (struct worker){
			.random = next_random(&random),
			.fd = fd,
			.ioas_id = ioas_id,
		};
		if (pthread_create(&worker[i].thread, NULL, worker_thread,
				   &worker[i]))
			_exit(1);
	}
	for (i = 0; i != NR_THREADS; i++)
		pthread_join(worker[i].thread, NULL);
	_exit(0);
}

static __u64 nr_ops_so_far(void)
{
	__u64 nr = 0;
	unsigned int i;

	for (i = 0; i != NR_OPS; i++)
		nr += count(&shared->done[i]);
	return nr;
}

FIXTURE(tsm_race)
{
	int fd;
	uint32_t ioas_id;
	__u64 random;
	__u64 nr_ops;
};

static __u64 from_env(const char *name, __u64 otherwise)
{
	const char *val = getenv(name);

	return val ? strtoull(val, NULL, 0) : otherwise;
}

FIXTURE_SETUP(tsm_race)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	self->random = from_env("TSM_SEED", now.tv_sec ^ now.tv_nsec) ?: 1;
	self->nr_ops = from_env("TSM_OPS", NR_OPS_DEFAULT);
	TH_LOG("TSM_SEED=%#llx", (unsigned long long)self->random);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
}

FIXTURE_TEARDOWN(tsm_race)
{
}

/*
 * What a killed process has left: a TSM that does not let go, or is disconnected.
 * The IDs that it was about to write down are lost, and those of what it destroyed
 * may be another device's by now, so ask for all that there can be.
 */
static void calm_devices(FIXTURE_DATA(tsm_race) *self)
{
	__u32 id;

	for (id = 1; id != MAX_ID; id++)
		if (!_test_cmd_tsm_ctl(self->fd, id, MOCK_TSM_CTL_HOLD, 0))
			_test_cmd_tsm_ctl(self->fd, id, MOCK_TSM_CTL_CONNECT, 1);
}

/* It is quiet: what is bound can be unbound by its owner, and works */
static void expect_owned(struct __test_metadata *_metadata,
			 FIXTURE_DATA(tsm_race) *self)
{
	unsigned int i;

	calm_devices(self);
	for (i = 0; i != NR_DEVS; i++) {
		struct tsm_dev *dev = &shared->dev[i];

		/* Those that a process was just replacing are incomplete */
		_test_cmd_vdevice_tsm_op(self->fd, dev->vdev_id,
					 IOMMU_VDEVICE_TSM_OP_UNBIND, 0);
		if (_test_cmd_vdevice_tsm_op(self->fd, dev->vdev_id,
					     IOMMU_VDEVICE_TSM_OP_BIND, 0))
			continue;
		test_cmd_ping(dev->vdev_id);
		test_cmd_unbind(dev->vdev_id);
	}
}

/* All owners are gone. Another iommufd is needed to ask */
static void expect_nothing_bound(struct __test_metadata *_metadata,
				 FIXTURE_DATA(tsm_race) *self)
{
	struct iommu_test_cmd state;
	__u32 device_id;

	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	test_cmd_mock_domain(self->ioas_id, NULL, NULL, &device_id);
	test_cmd_tsm_state(device_id, &state);
	EXPECT_EQ(0, state.tsm_state.out_nr_bound);
	ASSERT_EQ(0, close(self->fd));
}

/* An iommufd with devices, which processes race about until it is closed */
static void run_round(struct __test_metadata *_metadata,
		      FIXTURE_DATA(tsm_race) *self)
{
	__u64 enough = nr_ops_so_far() + ROUND_OPS;
	unsigned long end = now_ms() + ROUND_MS;
	bool kill_them = pick(&self->random, 2);
	pid_t pid[NR_PROCESSES];
	unsigned int i;
	int status;

	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	for (i = 0; i != NR_DEVS; i++)
		ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id,
					   &shared->dev[i]));

	shared->stop = false;
	for (i = 0; i != NR_PROCESSES; i++) {
		pid[i] = fork();
		ASSERT_NE(-1, pid[i]);
		if (!pid[i])
			worker_process(next_random(&self->random) + i, self->fd,
				       self->ioas_id);
		next_random(&self->random);
	}
	while (nr_ops_so_far() < enough && now_ms() < end)
		usleep(1000);
	for (i = 0; kill_them && i != NR_PROCESSES; i++)
		ASSERT_EQ(0, kill(pid[i], SIGKILL));
	__atomic_store_n(&shared->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i != NR_PROCESSES; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		if (!kill_them)
			EXPECT_EQ(0, status);
	}

	expect_owned(_metadata, self);
	/* WARNs about each object that is left */
	ASSERT_EQ(0, close(self->fd));
	expect_nothing_bound(_metadata, self);
}

TEST_F_TIMEOUT(tsm_race, all, 600)
{
	unsigned long start = now_ms();
	unsigned int rounds = 0;
	unsigned int i;

	while (nr_ops_so_far() < self->nr_ops && __test_passed(_metadata)) {
		run_round(_metadata, self);
		rounds++;
	}

	TH_LOG("%llu operations in %u rounds, %lu s",
	       (unsigned long long)nr_ops_so_far(), rounds,
	       (now_ms() - start) / 1000);
	for (i = 0; i != NR_OPS; i++) {
		TH_LOG("%-12s %6llu done, %6llu refused", ops[i].name,
		       (unsigned long long)shared->done[i],
		       (unsigned long long)shared->refused[i]);
		EXPECT_EQ(0, shared->bad[i]) {
			TH_LOG("%s: %s", ops[i].name, strerror(shared->bad[i]));
		}
		/* What never happened shows nothing */
		EXPECT_LT(0, shared->done[i]);
	}
}

TEST_HARNESS_MAIN
