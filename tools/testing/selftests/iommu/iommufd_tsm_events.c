// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event queues of vIOMMUs of type TSM, and IOMMU_HW_CAP_TSM: what a VMM hears
 * about its devices without asking for something that they would have to do.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "iommufd_tsm_utils.h"
#include "uffd_page.h"

#define VIRT_ID 0x99
#define VIRT_ID2 0x9a

/* Long enough for a work item on a loaded machine, short enough for a test */
#define EVENT_MS 5000
#define NO_EVENT_MS 100

struct event {
	struct iommufd_vevent_header hdr;
	struct iommu_vevent_tsm tsm;
};

static bool wait_event(int fd, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, ms) == 1 && (pollfd.revents & POLLIN);
}

#define expect_event(_fd, _virt_id, _event, _reason)                    \
	({                                                              \
		struct event ev = {};                                   \
		int fd = (_fd);                                         \
									\
		ASSERT_TRUE(wait_event(fd, EVENT_MS));                  \
		ASSERT_EQ(sizeof(ev), read(fd, &ev, sizeof(ev)));       \
		EXPECT_EQ(0, ev.hdr.flags);                             \
		EXPECT_EQ(_virt_id, ev.tsm.virt_id);                    \
		EXPECT_EQ(_event, ev.tsm.event);                        \
		EXPECT_EQ(_reason, ev.tsm.reason);                      \
	})
#define expect_no_event(fd) EXPECT_FALSE(wait_event(fd, NO_EVENT_MS))

FIXTURE(tsm_event)
{
	int fd;
	uint32_t event_fd;
	uint32_t ioas_id;
	uint32_t queue_id;
	struct tsm_dev dev;
	uint32_t device_id;
	uint32_t viommu_id;
	uint32_t vdev_id;
};

FIXTURE_SETUP(tsm_event)
{
	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &self->dev));
	self->device_id = self->dev.device_id;
	self->viommu_id = self->dev.viommu_id;
	self->vdev_id = self->dev.vdev_id;
	test_cmd_veventq_alloc(self->viommu_id, IOMMU_VEVENTQ_TYPE_TSM, 4,
			       &self->queue_id, &self->event_fd);
}

FIXTURE_TEARDOWN(tsm_event)
{
	close(self->event_fd);
	teardown_iommufd(self->fd, _metadata);
}

/* A vIOMMU has the queues that it can fill, and no others */
TEST_F(tsm_event, type)
{
	static const __u32 types[] = {
		IOMMU_VEVENTQ_TYPE_DEFAULT, IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
		IOMMU_VEVENTQ_TYPE_TEGRA241_CMDQV, 3,
		IOMMU_VEVENTQ_TYPE_TSM + 1, IOMMU_VEVENTQ_TYPE_SELFTEST, ~0U,
	};
	__u32 stdev_id, device_id, hwpt_id, viommu_id, queue_id, queue_fd;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(types); i++)
		test_err_veventq_alloc(EOPNOTSUPP, self->viommu_id, types[i], 4,
				       NULL, NULL);
	test_err_veventq_alloc(EEXIST, self->viommu_id, IOMMU_VEVENTQ_TYPE_TSM,
			       4, NULL, NULL);
	test_err_veventq_alloc(EINVAL, self->viommu_id, IOMMU_VEVENTQ_TYPE_TSM,
			       0, NULL, NULL);

	/* The same the other way round */
	test_cmd_mock_domain(self->ioas_id, &stdev_id, NULL, &device_id);
	test_cmd_hwpt_alloc(device_id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt_id);
	test_cmd_viommu_alloc(device_id, hwpt_id, IOMMU_VIOMMU_TYPE_SELFTEST,
			      NULL, 0, &viommu_id);
	test_err_veventq_alloc(EOPNOTSUPP, viommu_id, IOMMU_VEVENTQ_TYPE_TSM, 4,
			       NULL, NULL);
	test_cmd_veventq_alloc(viommu_id, IOMMU_VEVENTQ_TYPE_SELFTEST, 4,
			       &queue_id, &queue_fd);
	close(queue_fd);
}

/* BOUND to LOST, for each reason there is */
TEST_F(tsm_event, lost)
{
	static const struct {
		__u32 lose;
		__u32 event;
		__u32 reason;
	} losses[] = {
		{ 1, IOMMU_TSM_EVENT_UNBOUND, IOMMU_TSM_REASON_DISCONNECT },
		{ 2, IOMMU_TSM_EVENT_UNBOUND, IOMMU_TSM_REASON_TSM_GONE },
		{ 3, IOMMU_TSM_EVENT_LINK_LOST, IOMMU_TSM_REASON_REMOVED },
	};
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(losses); i++) {
		test_cmd_bind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_LOSE,
				 losses[i].lose);
		expect_event(self->event_fd, VIRT_ID, losses[i].event,
			     losses[i].reason);
		test_err_ping(ENOTCONN, self->vdev_id);
		test_err_bind(ENOTCONN, self->vdev_id);
		test_cmd_unbind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	}
	/* Each once */
	expect_no_event(self->event_fd);
	check_unbound(self->device_id);
}

/* It is still bound, and told again */
TEST_F(tsm_event, tdi_error)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	check_bound(self->device_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	test_cmd_unbind(self->vdev_id);
	check_unbound(self->device_id);
}

/* What happened to a binding is not told about the next one */
TEST_F(tsm_event, not_of_the_next)
{
	int i;

	for (i = 0; i != 50; i++) {
		test_cmd_bind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
		test_cmd_unbind(self->vdev_id);
		test_cmd_bind(self->vdev_id);
		expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
			     IOMMU_TSM_REASON_DISCONNECT);
		EXPECT_FALSE(wait_event(self->event_fd, 0));
		test_cmd_unbind(self->vdev_id);
	}
	expect_no_event(self->event_fd);
}

/* Nor is what a BIND that fails has to say, the error is */
TEST_F(tsm_event, not_of_a_failed_bind)
{
	int i;

	for (i = 0; i != 50; i++) {
		test_cmd_tsm_next_bind(self->device_id, EIO);
		test_err_bind(EIO, self->vdev_id);
		test_cmd_bind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
		expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
			     IOMMU_TSM_REASON_DISCONNECT);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
		test_cmd_unbind(self->vdev_id);
	}
	expect_no_event(self->event_fd);
}

/* What the VMM does itself is no news */
TEST_F(tsm_event, own_doing)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_unbind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_bind(self->vdev_id);
	test_ioctl_destroy(self->vdev_id);
	expect_no_event(self->event_fd);
}

/* poll, and a read that finds nothing */
TEST_F(tsm_event, poll)
{
	char buf[sizeof(struct event)];

	EXPECT_EQ(0, read(self->event_fd, buf, sizeof(buf)));
	EXPECT_FALSE(wait_event(self->event_fd, 0));
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	ASSERT_TRUE(wait_event(self->event_fd, EVENT_MS));
	/* Too short for it, so it stays */
	EXPECT_EQ(-1, read(self->event_fd, buf, sizeof(buf) - 1));
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
	EXPECT_FALSE(wait_event(self->event_fd, 0));
}

/* A full queue says that it was */
TEST_F(tsm_event, overflow)
{
	struct iommufd_vevent_header hdr;
	__u32 fd;
	int i;

	close(self->event_fd);
	test_ioctl_destroy(self->queue_id);
	test_cmd_veventq_alloc(self->viommu_id, IOMMU_VEVENTQ_TYPE_TSM, 1,
			       &self->queue_id, &fd);
	self->event_fd = fd;

	for (i = 0; i != 3; i++) {
		test_cmd_bind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
		/* Let the work item run */
		ASSERT_TRUE(wait_event(self->event_fd, EVENT_MS));
		usleep(100000);
		test_cmd_unbind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	}
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
	ASSERT_TRUE(wait_event(self->event_fd, EVENT_MS));
	ASSERT_EQ(sizeof(hdr), read(self->event_fd, &hdr, sizeof(hdr)));
	EXPECT_EQ(IOMMU_VEVENTQ_FLAG_LOST_EVENTS, hdr.flags);
	expect_no_event(self->event_fd);

	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
}

/* One queue for all vDEVICEs of a vIOMMU */
TEST_F(tsm_event, two_vdevices)
{
	__u32 stdev_id, device_id, vdev_id;

	test_cmd_mock_domain(self->ioas_id, &stdev_id, NULL, &device_id);
	test_cmd_vdevice_alloc(self->viommu_id, device_id, VIRT_ID2, &vdev_id);
	ASSERT_EQ(0, _test_cmd_tsm_set_kvm(self->fd, device_id, true));
	test_cmd_tsm_ctl(device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_bind(vdev_id);
	test_cmd_bind(self->vdev_id);

	test_cmd_tsm_ctl(device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	expect_event(self->event_fd, VIRT_ID2, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
	check_bound(device_id);
	test_cmd_unbind(vdev_id);
}

/* Nobody has to listen */
TEST_F(tsm_event, no_queue)
{
	close(self->event_fd);
	test_ioctl_destroy(self->queue_id);
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_unbind(self->vdev_id);
	self->event_fd = open("/dev/null", O_RDONLY);
}

/* What was reported is in the queue, whoever goes away */
TEST_F(tsm_event, outlives_vdevice)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	ASSERT_TRUE(wait_event(self->event_fd, EVENT_MS));
	test_ioctl_destroy(self->vdev_id);
	test_ioctl_destroy(self->dev.stdev_id);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
}

/* Events, and the end of the vDEVICE at the same time */
TEST_F(tsm_event, destroy_race)
{
	int i;

	for (i = 0; i != 200; i++) {
		test_cmd_bind(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
		test_ioctl_destroy(self->vdev_id);
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
		test_cmd_vdevice_alloc(self->viommu_id, self->device_id,
				       VIRT_ID, &self->vdev_id);
	}
	check_unbound(self->device_id);
}

TEST_F(tsm_event, hw_cap)
{
	__u32 caps;

	test_cmd_get_hw_capabilities(self->device_id, caps);
	EXPECT_EQ(IOMMU_HW_CAP_TSM, caps & IOMMU_HW_CAP_TSM);
	/* That it is bound does not change what it can */
	test_cmd_bind(self->vdev_id);
	test_cmd_get_hw_capabilities(self->device_id, caps);
	EXPECT_EQ(IOMMU_HW_CAP_TSM, caps & IOMMU_HW_CAP_TSM);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_get_hw_capabilities(self->device_id, caps);
	EXPECT_EQ(0, caps & IOMMU_HW_CAP_TSM);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CAN_BIND, 0);
	test_cmd_get_hw_capabilities(self->device_id, caps);
	EXPECT_EQ(0, caps & IOMMU_HW_CAP_TSM);
}

/* An ioctl that waits for a page */
struct stuck {
	int fd;
	unsigned long nr;
	void *cmd;
	struct uffd_page uffd;
	pthread_t thread;
	int rc;
};

static void *stuck_thread(void *arg)
{
	struct stuck *stuck = arg;

	stuck->rc = ioctl(stuck->fd, stuck->nr, stuck->cmd);
	return NULL;
}

static void stuck_start(struct __test_metadata *_metadata, struct stuck *stuck)
{
	ASSERT_EQ(0, pthread_create(&stuck->thread, NULL, stuck_thread, stuck));
	ASSERT_TRUE(wait_event(stuck->uffd.uffd, EVENT_MS));
}

static void stuck_end(struct __test_metadata *_metadata, struct stuck *stuck)
{
	ASSERT_EQ(0, uffd_page_release(&stuck->uffd));
	ASSERT_EQ(0, pthread_join(stuck->thread, NULL));
	close(stuck->uffd.uffd);
	munmap(stuck->uffd.page, PAGE_SIZE);
}

/* What has to go on while somebody waits for a page */
static void check_others_go_on(struct __test_metadata *_metadata,
			       FIXTURE_DATA(tsm_event) *self)
{
	unsigned long start = now_ms();
	struct tsm_dev other;

	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &other));
	test_cmd_bind(other.vdev_id);
	test_cmd_ping(other.vdev_id);
	test_ioctl_destroy(other.stdev_id);

	test_cmd_ping(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	/* This one waits for the work item that reports the events */
	test_ioctl_destroy(self->vdev_id);
	test_cmd_vdevice_alloc(self->viommu_id, self->device_id, VIRT_ID,
			       &self->vdev_id);
	EXPECT_GT(5000, now_ms() - start);
}

/* VEVENTQ_ALLOC cannot write its result: events come all the same */
TEST_F(tsm_event, veventq_alloc_waits)
{
	struct iommu_veventq_alloc *cmd;
	struct stuck stuck = {
		.fd = self->fd,
		.nr = IOMMU_VEVENTQ_ALLOC,
	};

	close(self->event_fd);
	test_ioctl_destroy(self->queue_id);
	if (uffd_page_open(&stuck.uffd, true))
		SKIP(return, "no userfaultfd with write protection");
	cmd = stuck.uffd.page;
	*cmd = (struct iommu_veventq_alloc){
		.size = sizeof(*cmd),
		.type = IOMMU_VEVENTQ_TYPE_TSM,
		.veventq_depth = 4,
		.viommu_id = self->viommu_id,
	};
	ASSERT_EQ(0, uffd_page_protect(&stuck.uffd, true));
	stuck.cmd = cmd;
	test_cmd_bind(self->vdev_id);
	stuck_start(_metadata, &stuck);
	check_others_go_on(_metadata, self);
	ASSERT_EQ(0, uffd_page_release(&stuck.uffd));
	ASSERT_EQ(0, pthread_join(stuck.thread, NULL));
	ASSERT_EQ(0, stuck.rc);
	self->event_fd = cmd->out_veventq_fd;
	self->queue_id = cmd->out_veventq_id;
	/* It had to be reported somewhere */
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_UNBOUND,
		     IOMMU_TSM_REASON_DISCONNECT);
}

/* Or can never write it: then there is no queue */
TEST_F(tsm_event, veventq_alloc_fault)
{
	struct iommu_veventq_alloc *cmd;

	close(self->event_fd);
	test_ioctl_destroy(self->queue_id);
	cmd = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, cmd);
	*cmd = (struct iommu_veventq_alloc){
		.size = sizeof(*cmd),
		.type = IOMMU_VEVENTQ_TYPE_TSM,
		.veventq_depth = 4,
		.viommu_id = self->viommu_id,
	};
	ASSERT_EQ(0, mprotect(cmd, PAGE_SIZE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_VEVENTQ_ALLOC, cmd));
	munmap(cmd, PAGE_SIZE);

	/* A vIOMMU has one of each type, and takes this one */
	test_cmd_veventq_alloc(self->viommu_id, IOMMU_VEVENTQ_TYPE_TSM, 4,
			       &self->queue_id, &self->event_fd);
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TDI_ERROR, 0);
	expect_event(self->event_fd, VIRT_ID, IOMMU_TSM_EVENT_TDI_ERROR,
		     IOMMU_TSM_REASON_DEVICE);
}

/*
 * A request that cannot read its payload or write its response holds nothing:
 * its own vDEVICE can be destroyed meanwhile
 */
static void req_waits(struct __test_metadata *_metadata,
		      FIXTURE_DATA(tsm_event) *self, bool resp)
{
	struct iommu_tsm_req_read_object payload = {
		.type = IOMMU_TSM_OBJECT_REPORT,
	};
	__u8 response[256];
	struct iommu_vdevice_tsm_req cmd = {
		.size = sizeof(cmd),
		.vdevice_id = self->vdev_id,
		.op = IOMMU_VDEVICE_TSM_REQ_READ_OBJECT,
		.tvm_arch = ARCH,
		.req_len = sizeof(payload),
		.resp_len = sizeof(response),
		.req_uptr = (uintptr_t)&payload,
		.resp_uptr = (uintptr_t)response,
	};
	struct stuck stuck = {
		.fd = self->fd,
		.nr = IOMMU_VDEVICE_TSM_REQ,
		.cmd = &cmd,
	};

	if (uffd_page_open(&stuck.uffd, false))
		SKIP(return, "no userfaultfd");
	if (resp)
		cmd.resp_uptr = (uintptr_t)stuck.uffd.page;
	else
		cmd.req_uptr = (uintptr_t)stuck.uffd.page;
	test_cmd_bind(self->vdev_id);
	stuck_start(_metadata, &stuck);
	check_others_go_on(_metadata, self);
	stuck_end(_metadata, &stuck);
	if (resp) {
		/* It was carried out before */
		EXPECT_EQ(0, stuck.rc);
		EXPECT_EQ(sizeof(response), cmd.resp_len);
	} else {
		EXPECT_EQ(-1, stuck.rc);
	}
	test_cmd_bind(self->vdev_id);
	test_cmd_ping(self->vdev_id);
}

TEST_F(tsm_event, req_payload_waits)
{
	req_waits(_metadata, self, false);
}

TEST_F(tsm_event, req_response_waits)
{
	req_waits(_metadata, self, true);
}

TEST_HARNESS_MAIN
