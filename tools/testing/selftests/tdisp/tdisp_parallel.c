// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device does is the business of its users only: devices are bound at the
 * same time, and a device that takes its time delays nobody else, neither those
 * who use another one nor those who only want to know or remove something.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tdisp_harness.h"

/* Of each exchange. A bind has at least six of them */
#define STALL_MS	300
#define SLOW_MS		800
#define BIND_EXCHANGES	6
/*
 * By which the others may take longer than on an idle machine, at the best of
 * some tries: the host may have something else to do at any time
 */
#define MARGIN_MS	100
#define TRIES		3

/* A device with a VMM of its own */
struct user {
	struct tdisp_device *dev;
	struct vmm vmm;
	struct tdi tdi;
	pthread_t thread;
	u64 start;
	u64 end;
	int rc;
};

FIXTURE(parallel)
{
	struct user user[TDISP_MAX_DEVICES];
	int nr;
	u32 log;
};

FIXTURE_SETUP(parallel)
{
	if (setup.nr_devs < 2)
		SKIP(return, "there is one device only");
	for (int i = 0; i < setup.nr_devs; i++) {
		struct user *user = &self->user[i];

		user->dev = &setup.devs[i];
		test_cmd(setup_ready(user->dev));
		test_cmd(setup_connect(user->dev));
		test_cmd(vmm_open(&user->vmm));
		test_cmd(tdi_setup(&user->tdi, &user->vmm, &user->dev->fn[0]));
	}
	self->nr = setup.nr_devs;
	self->log = testctl_log_end();
}

FIXTURE_TEARDOWN_PARENT(parallel)
{
	for (int i = 0; i < setup.nr_devs; i++)
		test_cmd(setup_clear(&setup.devs[i]));
}

static void *bind_thread(void *arg)
{
	struct user *user = arg;

	user->start = now_ms();
	user->rc = tdi_bind(&user->tdi);
	user->end = now_ms();
	return NULL;
}

static void stall(struct user *user, u32 ms)
{
	for (int i = 0; i < user->dev->nr_fns; i++)
		testctl_set(user->dev->fn[i].rid, TDISP_CTL_STALL_MS, ms);
}

static void start_bind(struct __test_metadata *_metadata, struct user *user)
{
	ASSERT_EQ(0, pthread_create(&user->thread, NULL, bind_thread, user));
}

static void join_bind(struct __test_metadata *_metadata, struct user *user)
{
	ASSERT_EQ(0, pthread_join(user->thread, NULL));
}

/* Bind @nr devices at the same time: the time that it takes, in ms */
static u64 bind_all(struct __test_metadata *_metadata, struct user *user, int nr)
{
	u64 start = now_ms();

	for (int i = 0; i < nr; i++) {
		stall(&user[i], STALL_MS);
		start_bind(_metadata, &user[i]);
	}
	for (int i = 0; i < nr; i++) {
		join_bind(_metadata, &user[i]);
		test_cmd(user[i].rc);
	}
	start = now_ms() - start;
	for (int i = 0; i < nr; i++) {
		stall(&user[i], 0);
		expect_live_state(&user[i].tdi, TDISP_STATE_LOCKED);
		test_cmd(tdi_unbind(&user[i].tdi));
	}
	return start;
}

/* How often the device that answers changed in the log of messages */
static int changes_of_device(u32 from)
{
	struct testctl_event ev;
	int changes = 0;
	u16 last = 0;

	for (u32 seq = from; !testctl_log_read(seq, &ev); seq++) {
		if (ev.type != TDISP_EV_TDISP)
			continue;
		changes += last && ev.rid != last;
		last = ev.rid;
	}
	return changes;
}

/* Devices with a DSM each are bound in the time that one takes */
TEST_F_TIMEOUT(parallel, bind, 120)
{
	u64 one, all;
	int changes;

	one = bind_all(_metadata, self->user, 1);
	EXPECT_LE(STALL_MS * BIND_EXCHANGES, one);
	self->log = testctl_log_end();
	all = bind_all(_metadata, self->user, self->nr);
	changes = changes_of_device(self->log);
	TH_LOG("%u ms per exchange: bind of 1 device %llu ms", STALL_MS,
	       (unsigned long long)one);
	TH_LOG("of %d devices with a DSM each %llu ms, they alternate %d times",
	       self->nr, (unsigned long long)all, changes);
	EXPECT_LT(all, 2 * one);
	EXPECT_LT(self->nr, changes);
}

#define timed(_ms, _cmd) do {						\
	u64 __start = now_ms(), *__least = &(_ms);			\
									\
	test_cmd(_cmd);							\
	__start = now_ms() - __start;					\
	if (__start < *__least)						\
		*__least = __start;					\
} while (0)

/* What the others do, and how long it takes in ms */
enum { CONNECT, DISCONNECT, BIND, UNBIND, HW_INFO, ATTR, REMOVE, NR_OPS };

static const char * const op_names[NR_OPS] = {
	"connect", "disconnect", "BIND", "UNBIND", "GET_HW_INFO",
	"tsm/bound of the slow device", "remove of an unrelated function",
};

/* The function that is removed: of no test device, and nobody needs it */
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

static void do_others(struct __test_metadata *_metadata, struct user *slow,
		      struct user *other, u64 *ms)
{
	char edu[16], attr[64];
	u64 caps;

	for (int i = 0; i < NR_OPS; i++)
		ms[i] = ~0ull;
	for (int i = 0; i < TRIES; i++) {
		timed(ms[DISCONNECT], setup_disconnect(other->dev));
		timed(ms[CONNECT], setup_connect(other->dev));
		timed(ms[BIND], tdi_bind(&other->tdi));
		timed(ms[UNBIND], tdi_unbind(&other->tdi));
		/* Of the slow one itself */
		timed(ms[HW_INFO], tdi_hw_caps(&slow->tdi, &caps));
		EXPECT_TRUE(caps & IOMMU_HW_CAP_TSM);
		timed(ms[ATTR], tsm_attr(slow->dev->fn[0].bdf, "bound", attr,
					 sizeof(attr)));
	}
	if (pci_find(edu, sizeof(edu), EDU_VENDOR, EDU_DEVICE))
		ms[REMOVE] = 0;
	else
		timed(ms[REMOVE], pci_remove(edu));
}

/* While a bind takes seconds */
TEST_F_TIMEOUT(parallel, slow_device_delays_nobody, 120)
{
	struct user *slow = &self->user[0], *other = &self->user[1];
	u64 idle[NR_OPS], busy[NR_OPS];

	do_others(_metadata, slow, other, idle);
	test_cmd(pci_rescan());

	stall(slow, SLOW_MS);
	start_bind(_metadata, slow);
	ASSERT_TRUE(wait_for(testctl_count(self->log, slow->dev->fn[0].rid,
					   TDISP_EV_TDISP, TESTCTL_ANY,
					   TESTCTL_ANY) > 0, 10000));
	do_others(_metadata, slow, other, busy);
	/* It was in the middle of it all the time */
	EXPECT_EQ(0, count_tdisp(self->log, slow->dev->fn[0].rid,
				 TDISP_GET_INTERFACE_REPORT));
	join_bind(_metadata, slow);
	test_cmd(slow->rc);
	EXPECT_LE(SLOW_MS * BIND_EXCHANGES, slow->end - slow->start);
	stall(slow, 0);

	TH_LOG("the slow device is bound in %llu ms",
	       (unsigned long long)(slow->end - slow->start));
	for (int i = 0; i < NR_OPS; i++) {
		TH_LOG("%-32s %4llu ms idle, %4llu ms meanwhile", op_names[i],
		       (unsigned long long)idle[i],
		       (unsigned long long)busy[i]);
		EXPECT_GE(idle[i] + MARGIN_MS, busy[i]);
	}
	test_cmd(pci_rescan());
}

static void *close_thread(void *arg)
{
	struct user *user = arg;

	tdi_close(&user->tdi);
	__atomic_store_n(&user->end, now_ms(), __ATOMIC_RELEASE);
	return NULL;
}

/* What takes a lock of all functions of the device: the longest that it takes */
static u64 attach_until_closed(struct __test_metadata *_metadata,
			       struct tdi *tdi, struct user *closing)
{
	u64 start, longest = 0;
	int rc;

	do {
		start = now_ms();
		rc = tdi_attach(tdi, tdi->vmm->hwpt_id);
		/* The group may be one, and is pinned then until the unbind */
		if (rc)
			test_err(EBUSY, rc);
		longest = max(longest, now_ms() - start);
	} while (!__atomic_load_n(&closing->end, __ATOMIC_ACQUIRE));
	return longest;
}

/*
 * Functions of a device share a lock of VFIO, which is held while one is closed,
 * but not while the device is asked to let go of its VM
 */
TEST_F_TIMEOUT(parallel, slow_close_delays_nobody, 120)
{
	u64 longest, least = ~0ull;
	struct user slow = {};
	struct tdi *sibling;

	for (int i = 0; i < self->nr && !slow.dev; i++) {
		if (self->user[i].dev->nr_fns < 2)
			continue;
		slow.dev = self->user[i].dev;
		sibling = &self->user[i].tdi;
	}
	if (!slow.dev)
		SKIP(return, "all devices have one function only");
	for (int i = 0; i < TRIES; i++) {
		test_cmd(tdi_setup(&slow.tdi, sibling->vmm, &slow.dev->fn[1]));
		test_cmd(tdi_bind(&slow.tdi));
		slow.end = 0;
		stall(&slow, SLOW_MS);
		slow.start = now_ms();
		ASSERT_EQ(0, pthread_create(&slow.thread, NULL, close_thread,
					    &slow));
		longest = attach_until_closed(_metadata, sibling, &slow);
		ASSERT_EQ(0, pthread_join(slow.thread, NULL));
		stall(&slow, 0);
		EXPECT_LE(SLOW_MS, slow.end - slow.start);
		least = min(least, longest);
	}
	TH_LOG("at most %llu ms of the %llu ms of a close",
	       (unsigned long long)least,
	       (unsigned long long)(slow.end - slow.start));
	EXPECT_GT(SLOW_MS, least);
}

/* Who takes the device down does not wait for all that was to come */
TEST_F_TIMEOUT(parallel, disconnect_ends_bind, 60)
{
	struct user *slow = &self->user[0];
	u16 rid = slow->dev->fn[0].rid;

	stall(slow, STALL_MS);
	start_bind(_metadata, slow);
	ASSERT_TRUE(wait_for(count_tdisp(self->log, rid,
					 TDISP_LOCK_INTERFACE), 20000));
	test_cmd(setup_disconnect(slow->dev));
	join_bind(_metadata, slow);
	/* Or it had just done it, and lost it again */
	if (slow->rc)
		test_err(ENXIO, slow->rc);
	stall(slow, 0);
	expect_state(rid, TDISP_STATE_UNLOCKED);
	EXPECT_EQ(1, count_tdisp(self->log, rid, TDISP_STOP_INTERFACE));
	if (!slow->rc)
		test_cmd(tdi_unbind(&slow->tdi));
	test_cmd(setup_connect(slow->dev));
	test_cmd(tdi_bind(&slow->tdi));
	expect_live_state(&slow->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(&slow->tdi));
}

struct reader {
	const char *bdf;
	const char *attr;
	pthread_t thread;
	bool stop;
	int reads;
};

static void *reader_thread(void *arg)
{
	struct reader *reader = arg;
	char buf[64];

	/* It may not be there at all */
	while (!__atomic_load_n(&reader->stop, __ATOMIC_RELAXED)) {
		tsm_attr(reader->bdf, reader->attr, buf, sizeof(buf));
		reader->reads++;
	}
	return NULL;
}

/*
 * Attributes come and go with the TSM and the connection, while somebody reads
 * them. Who takes them away waits for the readers.
 */
TEST_F_TIMEOUT(parallel, attributes_come_and_go, 60)
{
	struct tdisp_device *dev = setup.dev;
	struct reader reader[] = {
		{ .bdf = dev->fn[0].bdf, .attr = "connect" },
		{ .bdf = dev->fn[0].bdf, .attr = "bound" },
		{ .bdf = dev->fn[dev->nr_fns - 1].bdf, .attr = "bound" },
		{ .bdf = dev->fn[dev->nr_fns - 1].bdf, .attr = "dsm" },
	};

	for (int i = 0; i < ARRAY_SIZE(reader); i++)
		ASSERT_EQ(0, pthread_create(&reader[i].thread, NULL,
					    reader_thread, &reader[i]));
	for (int i = 0; i < 20; i++) {
		test_cmd(setup_disconnect(dev));
		test_cmd(setup_connect(dev));
		test_cmd(soft_tsm_unload());
		test_cmd(soft_tsm_load(""));
		test_cmd(setup_connect(dev));
	}
	for (int i = 0; i < ARRAY_SIZE(reader); i++) {
		__atomic_store_n(&reader[i].stop, true, __ATOMIC_RELAXED);
		ASSERT_EQ(0, pthread_join(reader[i].thread, NULL));
		EXPECT_LT(0, reader[i].reads);
	}
	for (int i = 0; i < self->nr; i++) {
		if (self->user[i].dev != dev)
			continue;
		test_cmd(tdi_bind(&self->user[i].tdi));
		test_cmd(tdi_unbind(&self->user[i].tdi));
	}
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
