// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TSM core between TSM drivers and owners of bindings of any kind: what it
 * refuses, what it survives, and who wins where two of them race. Both are in
 * the hands of the stub TSM, stub_tsm.ko, so each race is decided on purpose.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tdisp_harness.h"
#include "../../tdisp/stub-tsm.h"

#define STUB_MODULE	"stub_tsm"
#define STUB_DEBUGFS	"/sys/kernel/debug/" STUB_MODULE "/"
#define PCI_DEVICES	"/sys/bus/pci/devices/"
#define WAIT_MS		10000
/* Who makes no progress for so long, sampled, waits for a lock */
#define SLEEP_SAMPLES	20

static int stub_module(bool load)
{
	const char *soft = getenv("TDISP_SOFT_TSM_KO") ?: SOFT_TSM_MODULE ".ko";
	const char *slash = strrchr(soft, '/');
	char path[PATH_MAX];
	int fd, rc;

	if (!load)
		return syscall(__NR_delete_module, STUB_MODULE, O_NONBLOCK) ?
		       -errno : 0;
	snprintf(path, sizeof(path), "%.*s" STUB_MODULE ".ko",
		 slash ? (int)(slash + 1 - soft) : 0, soft);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = syscall(__NR_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return rc;
}

/* A command of the stub TSM */
static __printf(1, 2) int stub(const char *fmt, ...)
{
	char cmd[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, args);
	va_end(args);
	return sysfs_write(cmd, STUB_DEBUGFS "command");
}

static int stub_set(const char *name, unsigned int val)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "%u", val);
	return sysfs_write(buf, STUB_DEBUGFS "%s", name);
}

static int stub_get(const char *name)
{
	char buf[16];

	if (sysfs_read(buf, sizeof(buf), STUB_DEBUGFS "%s", name))
		return -1;
	return atoi(buf);
}

static int bind_fn(const struct tdisp_fn *fn, int client)
{
	return stub("bind %s %d", fn->bdf, client);
}

static int stub_name(int slot, char *name, size_t size)
{
	char parent[32];

	snprintf(parent, sizeof(parent), "/%s%d/", STUB_MODULE, slot);
	return tsm_find_of(parent, name, size);
}

static int stub_connect(const struct tdisp_fn *fn, int slot)
{
	char name[16];

	return stub_name(slot, name, sizeof(name)) ?:
	       tsm_connect(fn->bdf, name);
}

static int stub_disconnect(const struct tdisp_fn *fn)
{
	char name[16];

	return tsm_attr(fn->bdf, "connect", name, sizeof(name)) ?:
	       tsm_disconnect(fn->bdf, name);
}

/*
 * Somebody else who does one thing: a process, since it may be killed. Its exit
 * status is the errno.
 */
#define start(_what) ({							\
	pid_t __pid = fork();						\
									\
	ASSERT_LE(0, __pid);						\
	if (!__pid) {							\
		prctl(PR_SET_PDEATHSIG, SIGKILL);			\
		_exit(-(_what));					\
	}								\
	__pid;								\
})

/* The one waits for a lock, or for another one, and not for its stall */
#define expect_waits(_pid)						\
	EXPECT_TRUE(wait_for(sleeps(_pid), WAIT_MS))

#define start_waiting(_what) ({						\
	pid_t __waiting = start(_what);					\
									\
	expect_waits(__waiting);					\
	__waiting;							\
})

/* The one has got to an operation of the stub TSM that stalls */
#define start_stalled(_what) ({						\
	int __was = stub_get("stalled");				\
	pid_t __stalled = start(_what);					\
									\
	EXPECT_TRUE(wait_for(stub_get("stalled") == __was + 1, WAIT_MS)); \
	__stalled;							\
})

static bool sleeps(pid_t pid)
{
	char buf[512], *state;

	for (int i = 0; i < SLEEP_SAMPLES; i++) {
		if (sysfs_read(buf, sizeof(buf), "/proc/%d/stat", pid))
			return false;
		state = strrchr(buf, ')');
		if (!state || !strchr("DS", state[2]))
			return false;
		usleep(5000);
	}
	return true;
}

static int finish(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* Killed while it waits, it does not wait any longer */
#define kill_waiting(_pid) do {						\
	pid_t __killed = (_pid);					\
	int __status = 0;						\
									\
	ASSERT_EQ(0, kill(__killed, SIGKILL));				\
	ASSERT_TRUE(wait_for(waitpid(__killed, &__status, WNOHANG) ==	\
			     __killed, WAIT_MS));			\
	EXPECT_TRUE(WIFSIGNALED(__status));				\
} while (0)

static bool fn_exists(const struct tdisp_fn *fn)
{
	return sysfs_exists(PCI_DEVICES "%s", fn->bdf);
}

/* Has a DSM a context for it? */
static bool is_managed(const struct tdisp_fn *fn)
{
	return sysfs_exists(PCI_DEVICES "%s/tsm/dsm", fn->bdf);
}

FIXTURE(core)
{
	struct vmm vmm;
	struct tdi tdi;
	struct tdisp_fn *fn;
	char tsm[16];
};

/* A TSM that can do all, not connected */
FIXTURE_SETUP(core)
{
	if (setup.dev->nr_fns < 3)
		SKIP(return, "needs a device with three functions");
	self->fn = setup.dev->fn;
	test_cmd(setup_ready(setup.dev));
	test_cmd(stub_module(true));
	test_cmd(stub("register 0 link"));
	test_cmd(stub_name(0, self->tsm, sizeof(self->tsm)));
}

FIXTURE_TEARDOWN_PARENT(core)
{
	if (setup.dev->nr_fns < 3)
		return;
	/* Whoever is left gets on now */
	stub_set("stall", 0);
	stub_set("fail", 0);
	stub("unbind 0");
	stub("unbind 1");
	stub("tee %s 1", setup.dev->fn[0].bdf);
	test_cmd(setup_disconnect(setup.dev));
	ASSERT_TRUE(wait_for(!stub_module(false), WAIT_MS));
	test_cmd(setup_clear(setup.dev));
}

/* The DSM and its functions can be used, and are left not connected */
static void works(struct __test_metadata *_metadata, struct tdisp_fn *fn)
{
	test_cmd(stub_connect(&fn[0], 0));
	for (int i = 0; i < 2; i++) {
		test_cmd(bind_fn(&fn[i], i));
		test_cmd(stub("req %d 0", i));
		test_cmd(stub("unbind %d", i));
	}
	test_cmd(stub_disconnect(&fn[0]));
}

/* Someone keeps the DSM lock from now on, in a request about function 0 */
static pid_t hold_lock(struct __test_metadata *_metadata, struct tdisp_fn *fn)
{
	test_cmd(stub_connect(&fn[0], 0));
	test_cmd(bind_fn(&fn[0], 0));
	test_cmd(stub_set("stall", STUB_REQ));
	return start_stalled(stub("req 0 0"));
}

/* Ops that do not go together */
TEST_F(core, register_refused)
{
	test_err(EINVAL, stub("register 1 none"));
	test_err(EINVAL, stub("register 1 both"));
	test_err(EINVAL, stub("register 1 no-unbind"));
	test_err(EINVAL, stub("register 1 no-such"));
	test_cmd(stub("register 1 link"));
	test_cmd(stub("unregister 1"));
	works(_metadata, self->fn);
}

/* One TSM comes and goes while a device is bound by another one */
TEST_F(core, second_tsm)
{
	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(bind_fn(&self->fn[1], 0));
	test_cmd(stub("register 1 no-req"));
	test_err(EBUSY, stub_connect(&self->fn[0], 1));
	test_cmd(stub("unregister 1"));
	expect_attr(&self->fn[0], "connect", self->tsm);
	expect_attr(&self->fn[1], "bound", self->tsm);
	test_cmd(stub("req 0 0"));
	EXPECT_EQ(0, stub_get("lost"));

	/* Its own TSM is another matter */
	test_cmd(stub("unregister 0"));
	EXPECT_EQ(1, stub_get("lost"));
	test_err(ENOTCONN, stub("req 0 0"));
	expect_attr(&self->fn[0], "connect", "");
}

/* Devices of one TSM have nothing to do with each other */
TEST_F(core, second_device)
{
	struct tdisp_device *other = NULL;

	for (int i = 0; i < setup.nr_devs; i++)
		if (&setup.devs[i] != setup.dev)
			other = &setup.devs[i];
	if (!other)
		SKIP(return, "a machine with one device");
	test_cmd(setup_ready(other));
	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(stub_connect(&other->fn[0], 0));
	test_cmd(bind_fn(&self->fn[1], 0));
	test_cmd(bind_fn(&other->fn[0], 1));
	test_cmd(stub_disconnect(&other->fn[0]));
	EXPECT_EQ(1, stub_get("lost"));
	test_cmd(stub("req 0 0"));
	test_err(ENOTCONN, stub("req 1 0"));
	/* The rest goes with the TSM */
	test_cmd(stub_connect(&other->fn[0], 0));
	test_cmd(stub("unregister 0"));
	EXPECT_EQ(2, stub_get("lost"));
	expect_attr(&self->fn[0], "connect", "");
	expect_attr(&other->fn[0], "connect", "");
}

/* Nothing connects to what is no link TSM, or no TSM */
TEST_F(core, no_link_tsm)
{
	static const char * const kinds[] = { "devsec", "bare" };

	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		test_cmd(stub("register 1 %s", kinds[i]));
		test_err(ENXIO, stub_connect(&self->fn[0], 1));
		test_cmd(stub("unregister 0"));
		test_cmd(stub("unregister 1"));
		/* The one that contexts are constructed for */
		test_cmd(stub("register 0 %s", kinds[i]));
		test_err(EINVAL, stub("construct %s", self->fn[0].bdf));
		test_cmd(stub("unregister 0"));
		test_cmd(stub("register 0 link"));
	}
	test_err(ENXIO, tsm_connect(self->fn[0].bdf, "tsm99"));
	test_err(EINVAL, tsm_connect(self->fn[0].bdf, "nonsense"));
	works(_metadata, self->fn);
}

TEST_F(core, construct)
{
	test_cmd(stub("construct %s", self->fn[0].bdf));
	/* Nobody manages it yet */
	test_err(ENXIO, stub("construct %s", self->fn[1].bdf));
	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(stub("construct %s", self->fn[1].bdf));
	test_cmd(pci_remove(self->fn[0].bdf));
	test_err(ENXIO, stub("construct %s", self->fn[1].bdf));
	test_cmd(stub("unregister 0"));
	test_err(EINVAL, stub("construct %s", self->fn[1].bdf));
}

TEST_F(core, probe_fails)
{
	test_cmd(stub_set("fail", STUB_PROBE));
	test_err(ENXIO, stub_connect(&self->fn[0], 0));
	expect_attr(&self->fn[0], "connect", "");
	expect_attr(&self->fn[0], "bound", "");
	expect_attr(&self->fn[0], "dsm", "");
	test_cmd(stub_set("fail", 0));
	works(_metadata, self->fn);
}

/* A function without a context is no reason not to connect the others */
TEST_F(core, probe_of_function_fails)
{
	static const unsigned int ways[] = { STUB_PROBE_FN, STUB_WRONG_DSM };

	for (int i = 0; i < ARRAY_SIZE(ways); i++) {
		test_cmd(stub_set("fail", ways[i]));
		test_cmd(stub_connect(&self->fn[0], 0));
		EXPECT_FALSE(is_managed(&self->fn[1]));
		test_err(ENXIO, bind_fn(&self->fn[1], 0));
		test_cmd(bind_fn(&self->fn[0], 0));
		test_cmd(stub("unbind 0"));
		test_cmd(stub_disconnect(&self->fn[0]));
		test_cmd(stub_set("fail", 0));
		works(_metadata, self->fn);
	}
}

TEST_F(core, connect_fails)
{
	test_cmd(stub_set("fail", STUB_CONNECT));
	test_err(EIO, stub_connect(&self->fn[0], 0));
	expect_attr(&self->fn[0], "connect", "");
	EXPECT_FALSE(is_managed(&self->fn[1]));
	test_cmd(stub_set("fail", 0));
	works(_metadata, self->fn);
}

/* IDE alone: connected, and nothing to bind */
TEST_F(core, connect_without_tee)
{
	u64 caps;

	test_cmd(stub("tee %s 0", self->fn[0].bdf));
	test_cmd(stub_connect(&self->fn[0], 0));
	EXPECT_FALSE(is_managed(&self->fn[1]));
	test_err(ENXIO, bind_fn(&self->fn[1], 0));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, &self->fn[0]));
	test_cmd(tdi_hw_caps(&self->tdi, &caps));
	EXPECT_FALSE(caps & IOMMU_HW_CAP_TSM);

	test_cmd(stub_disconnect(&self->fn[0]));
	test_cmd(stub("tee %s 1", self->fn[0].bdf));
	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(tdi_hw_caps(&self->tdi, &caps));
	EXPECT_TRUE(caps & IOMMU_HW_CAP_TSM);
}

TEST_F(core, bind_refused)
{
	struct tdisp_fn *fn = self->fn;

	test_err(ENXIO, bind_fn(&fn[0], 0));
	test_cmd(stub_connect(&fn[0], 0));
	test_err(EINVAL, stub("bind-no-vm %s 0", fn[0].bdf));
	test_cmd(stub_set("fail", STUB_PREPARE));
	test_err(EPERM, bind_fn(&fn[0], 0));
	test_cmd(stub_set("fail", STUB_BIND));
	test_err(EIO, bind_fn(&fn[0], 0));
	expect_attr(&fn[0], "bound", "");
	test_cmd(stub_set("fail", 0));

	test_cmd(bind_fn(&fn[0], 0));
	test_err(EALREADY, bind_fn(&fn[0], 0));
	test_err(EBUSY, bind_fn(&fn[0], 1));
	/* The refusal of the other one is not the end of the first one */
	test_cmd(stub("req 0 0"));
	test_err(ENOTCONN, stub("req 1 0"));
	test_cmd(stub("unbind 0"));
	/* To have nothing to unbind is no error */
	test_cmd(stub("unbind 0"));
	test_cmd(stub("unbind 1"));
	test_err(ENOTCONN, stub("req 0 0"));
}

TEST_F(core, owner_with_optional_ops)
{
	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(bind_fn(&self->fn[0], 0));
	test_cmd(bind_fn(&self->fn[1], 1));

	/* The owner's error, or what is said for one that cannot */
	test_err(EACCES, stub("req 0 %d", STUB_OP_DMA_ON));
	test_err(EOPNOTSUPP, stub("req 1 %d", STUB_OP_DMA_ON));
	for (int i = 0; i < 2; i++) {
		test_cmd(stub("req %d %d", i, STUB_OP_DMA_OFF));
		test_cmd(stub("req %d %d", i, STUB_OP_REVOKE_MMIO));
		test_cmd(stub("req %d %d", i, STUB_OP_TDI_ERROR));
	}
	EXPECT_EQ(1, stub_get("errors"));
	test_cmd(stub_disconnect(&self->fn[0]));
	EXPECT_EQ(2, stub_get("lost"));
}

static int guest_msg(struct tdi *tdi)
{
	u32 state;

	return tdi_live_state(tdi, &state);
}

/* A TSM that leaves optional operations out, as a VMM sees it */
TEST_F(core, tsm_without_bind)
{
	test_cmd(stub("register 1 no-bind"));
	test_cmd(stub_connect(&self->fn[0], 1));
	test_err(EOPNOTSUPP, bind_fn(&self->fn[0], 0));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, &self->fn[0]));
	test_err(EOPNOTSUPP, tdi_bind(&self->tdi));
	test_err(ENOTCONN, tdi_unbind(&self->tdi));
	test_cmd(tdi_dma_round_trip(&self->tdi));
}

TEST_F(core, tsm_without_requests)
{
	test_cmd(stub("register 1 no-req"));
	test_cmd(stub_connect(&self->fn[0], 1));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, &self->fn[0]));
	test_cmd(tdi_bind(&self->tdi));
	test_err(EOPNOTSUPP, guest_msg(&self->tdi));
	test_cmd(tdi_unbind(&self->tdi));
}

/* Who waits for the DSM lock can be killed, with the lock still held */
TEST_F_TIMEOUT(core, kill_waiters, 60)
{
	struct tdisp_fn *fn = self->fn;
	pid_t holder, pid[4];

	test_cmd(stub_connect(&fn[0], 0));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, &fn[1]));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(bind_fn(&fn[0], 0));
	test_cmd(stub_set("stall", STUB_REQ));
	holder = start_stalled(stub("req 0 0"));

	pid[0] = start_waiting(guest_msg(&self->tdi));
	pid[1] = start_waiting(stub("req 0 0"));
	pid[2] = start_waiting(bind_fn(&fn[2], 1));
	/* Not the end of an unbind, which is on its way for good */
	pid[3] = start_waiting(tdi_unbind(&self->tdi));
	for (int i = 0; i < 3; i++)
		kill_waiting(pid[i]);
	EXPECT_EQ(1, stub_get("stalled"));
	ASSERT_EQ(0, kill(pid[3], SIGKILL));
	expect_waits(pid[3]);

	test_cmd(stub_set("stall", 0));
	test_cmd(finish(holder));
	finish(pid[3]);
	expect_attr(&fn[0], "bound", self->tsm);
	expect_attr(&fn[1], "bound", "");
	expect_attr(&fn[2], "bound", "");
	test_cmd(bind_fn(&fn[2], 1));
}

TEST_F_TIMEOUT(core, kill_bind_ioctl, 60)
{
	pid_t holder, pid;

	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, &self->fn[1]));
	holder = hold_lock(_metadata, self->fn);
	pid = start_waiting(tdi_bind(&self->tdi));
	kill_waiting(pid);
	EXPECT_EQ(1, stub_get("stalled"));
	/* Who is killed with the lock gets on, and says so to nobody */
	ASSERT_EQ(0, kill(holder, SIGKILL));
	test_cmd(stub_set("stall", 0));
	test_err(EINTR, finish(holder));
	expect_attr(&self->fn[0], "bound", self->tsm);
	test_err(ENOTCONN, tdi_unbind(&self->tdi));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_unbind(&self->tdi));
}

/* The DSM goes down while a request is under way and a bind waits */
TEST_F_TIMEOUT(core, disconnect_with_waiters, 60)
{
	pid_t holder = hold_lock(_metadata, self->fn);
	pid_t bind = start_waiting(bind_fn(&self->fn[1], 1));
	pid_t req = start_waiting(stub("req 0 0"));
	pid_t disconnect = start_waiting(stub_disconnect(&self->fn[0]));

	/* From now on nobody even waits */
	test_err(ENXIO, bind_fn(&self->fn[2], 1));
	test_err(ENXIO, stub_disconnect(&self->fn[0]));
	test_cmd(stub_set("stall", 0));
	/* As if the binding had been lost before it began */
	test_err(ENOTCONN, finish(holder));
	test_err(ENOTCONN, finish(req));
	test_err(ENXIO, finish(bind));
	test_cmd(finish(disconnect));
	EXPECT_EQ(1, stub_get("lost"));
	works(_metadata, self->fn);
}

/* The same for a bind that is under way */
TEST_F_TIMEOUT(core, disconnect_in_bind, 60)
{
	pid_t bind, disconnect;

	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(stub_set("stall", STUB_BIND));
	bind = start_stalled(bind_fn(&self->fn[1], 0));
	disconnect = start_waiting(stub_disconnect(&self->fn[0]));
	test_cmd(stub_set("stall", 0));
	test_err(ENXIO, finish(bind));
	test_cmd(finish(disconnect));
	EXPECT_EQ(0, stub_get("lost"));
	works(_metadata, self->fn);
}

/* Killed, and the DSM goes down: it ends once, and the disconnect with it */
TEST_F_TIMEOUT(core, disconnect_and_kill, 60)
{
	pid_t holder = hold_lock(_metadata, self->fn);
	pid_t disconnect = start_waiting(stub_disconnect(&self->fn[0]));

	ASSERT_EQ(0, kill(holder, SIGKILL));
	expect_waits(holder);
	test_cmd(stub_set("stall", 0));
	test_err(EINTR, finish(holder));
	test_cmd(finish(disconnect));
	EXPECT_EQ(1, stub_get("lost"));
	works(_metadata, self->fn);
}

/* Whoever does not get the DSM does not take it down a second time */
TEST_F_TIMEOUT(core, disconnect_once, 60)
{
	pid_t disconnect, remove, unregister;

	test_cmd(stub_connect(&self->fn[0], 0));
	test_cmd(bind_fn(&self->fn[1], 0));
	test_cmd(stub_set("stall", STUB_DISCONNECT));
	disconnect = start_stalled(stub_disconnect(&self->fn[0]));
	test_err(ENXIO, stub_disconnect(&self->fn[0]));
	test_err(ENXIO, bind_fn(&self->fn[0], 1));
	test_err(EBUSY, stub_connect(&self->fn[0], 0));
	/* Lost already, there is nothing to wait for */
	test_cmd(stub("unbind 0"));
	remove = start_waiting(pci_remove(self->fn[0].bdf));
	unregister = start_waiting(stub("unregister 0"));
	EXPECT_EQ(1, stub_get("stalled"));

	test_cmd(stub_set("stall", 0));
	test_cmd(finish(disconnect));
	test_cmd(finish(remove));
	test_cmd(finish(unregister));
	EXPECT_FALSE(fn_exists(&self->fn[0]));
	EXPECT_EQ(1, stub_get("lost"));
}

/* Two connect at the same time: one does */
TEST_F_TIMEOUT(core, connect_twice, 60)
{
	int rc[2], i;
	pid_t pid[2];

	test_cmd(stub("register 1 link"));
	test_cmd(stub_set("stall", STUB_PROBE));
	for (i = 0; i < 2; i++)
		pid[i] = start_stalled(stub_connect(&self->fn[0], i));
	test_cmd(stub_set("stall", 0));
	for (i = 0; i < 2; i++)
		rc[i] = finish(pid[i]);
	EXPECT_EQ(-EBUSY, min(rc[0], rc[1]));
	EXPECT_EQ(0, max(rc[0], rc[1]));
	test_cmd(bind_fn(&self->fn[1], 0));
}

/* The TSM goes while a device is about to connect to it */
TEST_F_TIMEOUT(core, connect_and_unregister, 60)
{
	pid_t connect, unregister;

	test_cmd(stub_set("stall", STUB_PROBE));
	connect = start_stalled(stub_connect(&self->fn[0], 0));
	unregister = start_waiting(stub("unregister 0"));
	/* Others hear of it at once */
	test_err(ENXIO, tsm_connect(self->fn[0].bdf, self->tsm));
	test_cmd(stub_set("stall", 0));
	test_err(ENXIO, finish(connect));
	test_cmd(finish(unregister));
	test_cmd(stub("register 0 link"));
	works(_metadata, self->fn);
}

/* The function goes while it is about to connect */
TEST_F_TIMEOUT(core, connect_and_remove, 60)
{
	pid_t connect, remove;

	test_cmd(stub_set("stall", STUB_PROBE));
	connect = start_stalled(stub_connect(&self->fn[0], 0));
	remove = start_waiting(pci_remove(self->fn[0].bdf));
	test_cmd(stub_set("stall", 0));
	test_err(ENXIO, finish(connect));
	test_cmd(finish(remove));
	EXPECT_FALSE(fn_exists(&self->fn[0]));
	test_cmd(setup_ready(setup.dev));
	works(_metadata, self->fn);
}

/* A connect that fails leaves the rest to whoever takes the DSM down */
TEST_F_TIMEOUT(core, connect_fails_and_remove, 60)
{
	pid_t connect, bind, remove;

	test_cmd(stub_set("fail", STUB_CONNECT));
	test_cmd(stub_set("stall", STUB_CONNECT));
	connect = start_stalled(stub_connect(&self->fn[0], 0));
	expect_attr(&self->fn[0], "connect", "");
	bind = start_waiting(bind_fn(&self->fn[0], 0));
	remove = start_waiting(pci_remove(self->fn[0].bdf));
	test_cmd(stub_set("stall", 0));
	test_err(EIO, finish(connect));
	test_err(ENXIO, finish(bind));
	test_cmd(finish(remove));
	test_cmd(stub_set("fail", 0));
	test_cmd(setup_ready(setup.dev));
	works(_metadata, self->fn);
}

/* There is no context for a function that goes while it gets one */
TEST_F_TIMEOUT(core, remove_in_probe, 60)
{
	pid_t connect;

	test_cmd(stub_set("stall", STUB_PROBE_FN));
	connect = start_stalled(stub_connect(&self->fn[0], 0));
	test_cmd(pci_remove(self->fn[1].bdf));
	test_cmd(stub_set("stall", 0));
	test_cmd(finish(connect));
	EXPECT_FALSE(fn_exists(&self->fn[1]));
	EXPECT_TRUE(is_managed(&self->fn[2]));
	test_cmd(pci_rescan());
	EXPECT_TRUE(is_managed(&self->fn[1]));
	test_cmd(bind_fn(&self->fn[1], 0));
}

/* A function is removed that somebody is about to bind */
TEST_F_TIMEOUT(core, remove_then_bind, 60)
{
	pid_t holder = hold_lock(_metadata, self->fn);
	pid_t remove = start_waiting(pci_remove(self->fn[1].bdf));
	pid_t bind = start_waiting(bind_fn(&self->fn[1], 1));

	test_cmd(stub_set("stall", 0));
	test_cmd(finish(holder));
	test_cmd(finish(remove));
	test_err(ENXIO, finish(bind));
	EXPECT_FALSE(fn_exists(&self->fn[1]));
	test_cmd(stub("req 0 0"));
}

/* Both its DSM and the function itself go: who is first takes its context */
TEST_F_TIMEOUT(core, disconnect_then_remove, 60)
{
	pid_t holder = hold_lock(_metadata, self->fn);
	pid_t disconnect = start_waiting(stub_disconnect(&self->fn[0]));
	pid_t remove = start_waiting(pci_remove(self->fn[1].bdf));

	test_cmd(stub_set("stall", 0));
	test_err(ENOTCONN, finish(holder));
	test_cmd(finish(disconnect));
	test_cmd(finish(remove));
	EXPECT_FALSE(fn_exists(&self->fn[1]));
	expect_attr(&self->fn[0], "connect", "");
}

/* A function that appears while its DSM comes or goes */
TEST_F_TIMEOUT(core, rescan, 90)
{
	struct tdisp_fn *fn = self->fn;
	pid_t pid, scan;

	/* It is found by the connect, and by itself: one context */
	test_cmd(pci_remove(fn[2].bdf));
	test_cmd(stub_set("stall", STUB_PROBE_FN));
	pid = start_stalled(stub_connect(&fn[0], 0));
	scan = start_waiting(pci_rescan());
	test_cmd(stub_set("stall", 0));
	test_cmd(finish(pid));
	test_cmd(finish(scan));
	EXPECT_TRUE(is_managed(&fn[2]));
	test_cmd(bind_fn(&fn[2], 0));
	test_cmd(stub("unbind 0"));

	/* It is too late for one */
	test_cmd(pci_remove(fn[2].bdf));
	test_cmd(stub_set("stall", STUB_DISCONNECT));
	pid = start_stalled(stub_disconnect(&fn[0]));
	test_cmd(pci_rescan());
	EXPECT_TRUE(fn_exists(&fn[2]));
	EXPECT_FALSE(is_managed(&fn[2]));
	test_cmd(stub_set("stall", 0));
	test_cmd(finish(pid));

	/* The connect that it waits for fails */
	test_cmd(pci_remove(fn[2].bdf));
	test_cmd(stub_set("fail", STUB_CONNECT));
	test_cmd(stub_set("stall", STUB_CONNECT));
	pid = start_stalled(stub_connect(&fn[0], 0));
	scan = start_waiting(pci_rescan());
	test_cmd(stub_set("stall", 0));
	test_err(EIO, finish(pid));
	test_cmd(finish(scan));
	EXPECT_FALSE(is_managed(&fn[2]));

	test_cmd(stub_set("fail", 0));
	test_cmd(setup_ready(setup.dev));
	works(_metadata, fn);
}

/* Who waits while an unbind fails does not get the function */
TEST_F_TIMEOUT(core, quarantine_with_waiter, 60)
{
	struct tdisp_fn *fn = self->fn;
	pid_t unbind, bind;

	test_cmd(stub_connect(&fn[0], 0));
	test_cmd(bind_fn(&fn[1], 0));
	test_cmd(stub_set("fail", STUB_UNBIND));
	test_cmd(stub_set("stall", STUB_UNBIND));
	unbind = start_stalled(stub("unbind 0"));
	bind = start_waiting(bind_fn(&fn[1], 1));
	test_cmd(stub_set("stall", 0));
	test_err(EBUSY, finish(unbind));
	test_err(EUCLEAN, finish(bind));
	test_err(EUCLEAN, bind_fn(&fn[1], 1));
	expect_attr(&fn[1], "quarantined", "1");
	expect_attr(&fn[1], "bound", "");
	/* No other function is meant */
	test_cmd(stub_set("fail", 0));
	test_cmd(bind_fn(&fn[2], 1));

	test_cmd(stub("release %s", fn[1].bdf));
	expect_attr(&fn[1], "quarantined", "0");
	test_cmd(bind_fn(&fn[1], 0));
}

/* What is held is to be seen without a quarantine, and without any TSM */
TEST_F(core, held_memory)
{
	struct tdisp_fn *fn = &self->fn[0];

	test_cmd(stub("unregister 0"));
	test_cmd(soft_tsm_unload());
	EXPECT_FALSE(sysfs_exists(PCI_DEVICES "%s/tsm", fn->bdf));
	test_cmd(soft_tsm_load(""));

	test_cmd(stub("hold %s 8192", fn->bdf));
	test_cmd(soft_tsm_unload());
	expect_attr(fn, "held_memory", "8192");
	expect_attr(fn, "quarantined", "0");
	EXPECT_FALSE(sysfs_exists(PCI_DEVICES "%s/tsm/connect", fn->bdf));

	test_cmd(stub("hold %s -8192", fn->bdf));
	test_cmd(soft_tsm_load(""));
	expect_attr(fn, "held_memory", "0");
	test_cmd(soft_tsm_unload());
	EXPECT_FALSE(sysfs_exists(PCI_DEVICES "%s/tsm", fn->bdf));
	test_cmd(soft_tsm_load(""));
}

/* The next function after @bdf that is of no use for the machine */
static bool next_useless(char *bdf, size_t size)
{
	static const char * const ids[] = {
		"pci:v00001234d000011E8",	/* edu */
		"pci:v00001B36d00000005",	/* pci-testdev */
	};
	struct dirent **list;
	char modalias[128];
	bool found = false;
	int n;

	n = scandir(PCI_DEVICES, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		for (int j = 0; j < ARRAY_SIZE(ids); j++) {
			if (found || strcmp(name, bdf) <= 0 ||
			    sysfs_read(modalias, sizeof(modalias),
				       PCI_DEVICES "%s/modalias", name) ||
			    strncmp(modalias, ids[j], strlen(ids[j])))
				continue;
			snprintf(bdf, size, "%s", name);
			found = true;
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return found;
}

/*
 * Functions on the root bus and below all kinds of bridges, none of them a DSM:
 * nobody manages them, and nobody trips over what is above them.
 */
TEST_F_TIMEOUT(core, below_bridges, 60)
{
	char bdf[NAME_MAX + 1] = "";
	int nr = 0;

	test_cmd(stub_connect(&self->fn[0], 0));
	while (next_useless(bdf, sizeof(bdf))) {
		test_cmd(pci_remove(bdf));
		test_cmd(pci_rescan());
		EXPECT_TRUE(sysfs_exists(PCI_DEVICES "%s", bdf));
		EXPECT_FALSE(sysfs_exists(PCI_DEVICES "%s/tsm", bdf));
		nr++;
	}
	if (!nr)
		SKIP(return, "a machine without edu or pci-testdev");
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
