// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_VIOMMU_TYPE_TSM and what its vDEVICEs can do, IOMMU_VDEVICE_TSM_OP and
 * IOMMU_VDEVICE_TSM_REQ, on mock devices and their mock TSM.
 *
 * A negative test changes one thing of a command that works, names the errno,
 * and then shows that the command works without it.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "iommufd_tsm_utils.h"

FIXTURE(viommu_tsm)
{
	int fd;
	uint32_t ioas_id;
	uint32_t stdev_id;
	uint32_t auto_hwpt_id;
	uint32_t device_id;
	uint32_t hwpt_id;
};

FIXTURE_SETUP(viommu_tsm)
{
	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	test_cmd_mock_domain(self->ioas_id, &self->stdev_id,
			     &self->auto_hwpt_id, &self->device_id);
	test_cmd_hwpt_alloc(self->device_id, self->ioas_id, 0, &self->hwpt_id);
}

FIXTURE_TEARDOWN(viommu_tsm)
{
	teardown_iommufd(self->fd, _metadata);
}

TEST_F(viommu_tsm, auto_destroy)
{
	uint32_t viommu_id;

	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
}

TEST_F(viommu_tsm, hwpt)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	uint32_t nested_hwpt_id;
	uint32_t parent_hwpt_id;
	uint32_t viommu_id;

	/* A domain that the kernel destroys when it likes */
	test_err_viommu_alloc(EINVAL, self->device_id, self->auto_hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, NULL);
	/* No paging HWPT */
	test_err_viommu_alloc(ENOENT, self->device_id, 0, IOMMU_VIOMMU_TYPE_TSM,
			      NULL, 0, NULL);
	test_err_viommu_alloc(ENOENT, self->device_id, self->ioas_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, NULL);

	/* Need not be a nesting parent, for the other types it has to be */
	test_err_viommu_alloc(EINVAL, self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_SELFTEST, NULL, 0, NULL);
	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
	EXPECT_ERRNO(EBUSY, _test_ioctl_destroy(self->fd, self->hwpt_id));
	test_ioctl_destroy(viommu_id);
	test_ioctl_destroy(self->hwpt_id);

	/* But can be one */
	test_cmd_hwpt_alloc(self->device_id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &parent_hwpt_id);
	test_cmd_hwpt_alloc_nested(self->device_id, parent_hwpt_id, 0,
				   &nested_hwpt_id, IOMMU_HWPT_DATA_SELFTEST,
				   &data, sizeof(data));
	test_err_viommu_alloc(ENOENT, self->device_id, nested_hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, NULL);
	test_cmd_viommu_alloc(self->device_id, parent_hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
}

/* A driver that refuses its own type leaves nothing behind either */
TEST_F(viommu_tsm, other_type_refused)
{
	struct iommu_viommu_selftest data = {};
	uint32_t parent_hwpt_id;
	uint32_t viommu_id;

	test_cmd_hwpt_alloc(self->device_id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &parent_hwpt_id);
	test_err_viommu_alloc(EINVAL, self->device_id, parent_hwpt_id,
			      IOMMU_VIOMMU_TYPE_SELFTEST, &data, 1, NULL);
	test_cmd_viommu_alloc(self->device_id, parent_hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
	test_ioctl_destroy(viommu_id);
	test_ioctl_destroy(parent_hwpt_id);
}

TEST_F(viommu_tsm, device)
{
	uint32_t viommu_id;

	test_err_viommu_alloc(ENOENT, 0, self->hwpt_id, IOMMU_VIOMMU_TYPE_TSM,
			      NULL, 0, NULL);
	test_err_viommu_alloc(ENOENT, self->stdev_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, NULL);
	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
}

TEST_F(viommu_tsm, no_data)
{
	struct iommu_viommu_selftest data = {};
	uint32_t viommu_id;

	test_err_viommu_alloc(EOPNOTSUPP, self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, &data, sizeof(data), NULL);
	test_err_viommu_alloc(EOPNOTSUPP, self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 1, NULL);
	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
}

TEST_F(viommu_tsm, flags)
{
	uint32_t viommu_id;

	EXPECT_ERRNO(EOPNOTSUPP,
		     _test_cmd_viommu_alloc(self->fd, self->device_id,
					    self->hwpt_id, 1,
					    IOMMU_VIOMMU_TYPE_TSM, NULL, 0,
					    &viommu_id));
	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
}

/* The numbers around it belong to others, which the mock IOMMU has not */
TEST_F(viommu_tsm, number)
{
	uint32_t viommu_id;
	uint32_t type;

	for (type = 0; type != 8; type++) {
		if (type == 4)
			continue;
		test_err_viommu_alloc(EOPNOTSUPP, self->device_id,
				      self->hwpt_id, type, NULL, 0, NULL);
	}
	test_cmd_viommu_alloc(self->device_id, self->hwpt_id, 4, NULL, 0,
			      &viommu_id);
}

/* There is no hardware behind it */
TEST_F(viommu_tsm, no_hardware)
{
	struct iommu_viommu_invalidate_selftest inv = {};
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};
	uint32_t viommu_id;
	uint32_t nreqs = 1;
	uint32_t vdev_id;

	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
	test_err_hwpt_alloc_nested(EOPNOTSUPP, self->device_id, viommu_id, 0,
				   &vdev_id, IOMMU_HWPT_DATA_SELFTEST, &data,
				   sizeof(data));
	test_err_viommu_invalidate(EOPNOTSUPP, viommu_id, &inv,
				   IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
				   sizeof(inv), &nreqs);
	test_err_hw_queue_alloc(EOPNOTSUPP, viommu_id,
				IOMMU_HW_QUEUE_TYPE_SELFTEST, 0, 0, PAGE_SIZE,
				NULL);
	/* vDEVICEs it does have */
	test_cmd_vdevice_alloc(viommu_id, self->device_id, 0x99, &vdev_id);
}

TEST_F(viommu_tsm, vdevice)
{
	uint32_t viommu_id2;
	uint32_t viommu_id;
	uint32_t device_id;
	uint32_t vdev_id;

	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
	test_cmd_viommu_alloc(self->device_id, self->hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id2);
	test_cmd_mock_domain(self->ioas_id, NULL, NULL, &device_id);

	/* One vDEVICE per device, one device per virtual ID */
	test_cmd_vdevice_alloc(viommu_id, self->device_id, 0x99, &vdev_id);
	test_err_vdevice_alloc(EEXIST, viommu_id, self->device_id, 0x98, NULL);
	test_err_vdevice_alloc(EEXIST, viommu_id2, self->device_id, 0x99, NULL);
	test_err_vdevice_alloc(EEXIST, viommu_id, device_id, 0x99, NULL);
	EXPECT_ERRNO(EBUSY, _test_ioctl_destroy(self->fd, viommu_id));
	test_ioctl_destroy(viommu_id2);
	test_ioctl_destroy(vdev_id);
	test_cmd_vdevice_alloc(viommu_id, device_id, 0x99, &vdev_id);
	test_ioctl_destroy(vdev_id);
	test_ioctl_destroy(viommu_id);
}

FIXTURE(vdevice_tsm)
{
	int fd;
	uint32_t ioas_id;
	struct tsm_dev dev;
	uint32_t stdev_id;
	uint32_t device_id;
	uint32_t vdev_id;
	/* For the state of the mock TSM when the device is gone */
	uint32_t other_device_id;
};

FIXTURE_SETUP(vdevice_tsm)
{
	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &self->dev));
	self->stdev_id = self->dev.stdev_id;
	self->device_id = self->dev.device_id;
	self->vdev_id = self->dev.vdev_id;
	test_cmd_mock_domain(self->ioas_id, NULL, NULL, &self->other_device_id);
}

FIXTURE_TEARDOWN(vdevice_tsm)
{
	teardown_iommufd(self->fd, _metadata);
}

/* How many TDIs are bound on the whole machine */
#define check_nr_bound(nr)                                             \
	({                                                             \
		struct iommu_test_cmd state_cmd;                       \
								       \
		test_cmd_tsm_state(self->other_device_id, &state_cmd); \
		EXPECT_EQ(nr, state_cmd.tsm_state.out_nr_bound);       \
	})

TEST_F(vdevice_tsm, bind)
{
	struct iommu_test_cmd state;

	check_unbound(self->device_id);
	test_cmd_bind(self->vdev_id);
	check_bound(self->device_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(0x99, state.tsm_state.out_tdi_id);
	test_cmd_unbind(self->vdev_id);
	check_unbound(self->device_id);
}

TEST_F(vdevice_tsm, bind_repeat)
{
	struct iommu_test_cmd state;
	unsigned int i;

	for (i = 0; i != 200; i++) {
		test_cmd_bind(self->vdev_id);
		test_cmd_ping(self->vdev_id);
		test_cmd_unbind(self->vdev_id);
	}
	check_unbound(self->device_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(200, state.tsm_state.out_nr_binds);
	EXPECT_EQ(200, state.tsm_state.out_nr_unbinds);
	EXPECT_EQ(200, state.tsm_state.out_nr_reqs);
}

TEST_F(vdevice_tsm, op_flags)
{
	unsigned int bit;

	for (bit = 0; bit != 32; bit++)
		test_err_vdevice_tsm_op(EOPNOTSUPP, self->vdev_id,
					IOMMU_VDEVICE_TSM_OP_BIND, 1U << bit);
	check_unbound(self->device_id);
	test_cmd_bind(self->vdev_id);

	test_err_vdevice_tsm_op(EOPNOTSUPP, self->vdev_id,
				IOMMU_VDEVICE_TSM_OP_UNBIND, 1);
	check_bound(self->device_id);
	test_cmd_unbind(self->vdev_id);
}

TEST_F(vdevice_tsm, op_type)
{
	test_err_vdevice_tsm_op(EOPNOTSUPP, self->vdev_id, 0, 0);
	test_err_vdevice_tsm_op(EOPNOTSUPP, self->vdev_id, 3, 0);
	test_err_vdevice_tsm_op(EOPNOTSUPP, self->vdev_id, UINT32_MAX, 0);
	check_unbound(self->device_id);
	test_cmd_bind(self->vdev_id);
	test_err_vdevice_tsm_op(EOPNOTSUPP, self->vdev_id, 3, 0);
	check_bound(self->device_id);
}

TEST_F(vdevice_tsm, op_vdevice_id)
{
	test_err_bind(ENOENT, 0);
	test_err_bind(ENOENT, UINT32_MAX);
	/* Objects that are no vDEVICE */
	test_err_bind(ENOENT, self->device_id);
	test_err_bind(ENOENT, self->dev.viommu_id);
	test_cmd_bind(self->vdev_id);
	test_err_unbind(ENOENT, 0);
	test_err_unbind(ENOENT, self->device_id);
	test_cmd_unbind(self->vdev_id);
}

TEST_F(vdevice_tsm, op_size)
{
	struct {
		struct iommu_vdevice_tsm_op cmd;
		__u32 future;
	} cmd = {
		.cmd = {
			.size = sizeof(cmd),
			.type = IOMMU_VDEVICE_TSM_OP_BIND,
			.vdevice_id = self->vdev_id,
		},
		.future = 1,
	};

	/* Something that the kernel does not know */
	EXPECT_ERRNO(E2BIG, ioctl(self->fd, IOMMU_VDEVICE_TSM_OP, &cmd));
	/* Too short for an ID */
	cmd.future = 0;
	cmd.cmd.size = offsetof(struct iommu_vdevice_tsm_op, vdevice_id);
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_VDEVICE_TSM_OP, &cmd));
	check_unbound(self->device_id);
	/* Longer, but nothing in it */
	cmd.cmd.size = sizeof(cmd);
	ASSERT_EQ(0, ioctl(self->fd, IOMMU_VDEVICE_TSM_OP, &cmd));
	check_bound(self->device_id);
}

/* The mock IOMMU has a type of its own, whose vDEVICEs are for other things */
TEST_F(vdevice_tsm, other_viommu_type)
{
	uint32_t parent_hwpt_id;
	uint32_t viommu_id;
	uint32_t vdev_id;

	test_ioctl_destroy(self->vdev_id);
	test_cmd_hwpt_alloc(self->device_id, self->ioas_id,
			    IOMMU_HWPT_ALLOC_NEST_PARENT, &parent_hwpt_id);
	test_cmd_viommu_alloc(self->device_id, parent_hwpt_id,
			      IOMMU_VIOMMU_TYPE_SELFTEST, NULL, 0, &viommu_id);
	test_cmd_vdevice_alloc(viommu_id, self->device_id, 0x99, &vdev_id);
	test_err_bind(EOPNOTSUPP, vdev_id);
	test_err_unbind(EOPNOTSUPP, vdev_id);
	test_err_ping(ENOTCONN, vdev_id);
	check_unbound(self->device_id);

	/* The same device, HWPT and virtual ID, but the right type */
	test_ioctl_destroy(vdev_id);
	test_ioctl_destroy(viommu_id);
	test_cmd_viommu_alloc(self->device_id, parent_hwpt_id,
			      IOMMU_VIOMMU_TYPE_TSM, NULL, 0, &viommu_id);
	test_cmd_vdevice_alloc(viommu_id, self->device_id, 0x99, &vdev_id);
	test_cmd_bind(vdev_id);
}

TEST_F(vdevice_tsm, bind_no_vm)
{
	test_cmd_tsm_set_kvm(self->device_id, false);
	test_err_bind(ENODEV, self->vdev_id);
	check_unbound(self->device_id);
	test_cmd_tsm_set_kvm(self->device_id, true);
	test_cmd_bind(self->vdev_id);
}

TEST_F(vdevice_tsm, bind_virt_id)
{
	struct iommu_test_cmd state;
	uint32_t vdev_id;

	if (sizeof(long) == 4)
		SKIP(return, "a vDEVICE cannot have such a virtual ID");

	test_ioctl_destroy(self->vdev_id);
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id,
			       1ULL << 32, &vdev_id);
	test_err_bind(ERANGE, vdev_id);
	check_unbound(self->device_id);
	test_ioctl_destroy(vdev_id);

	/* The largest one */
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id,
			       UINT32_MAX, &vdev_id);
	test_cmd_bind(vdev_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(UINT32_MAX, state.tsm_state.out_tdi_id);
}

/* Not connected any more; what the driver has closed stays closed */
#define LOST                                              \
	(MOCK_TSM_STATE_PINNED | MOCK_TSM_STATE_PREPARED | \
	 MOCK_TSM_STATE_REVOKED)
#define QUARANTINE                                               \
	(MOCK_TSM_STATE_CONNECTED | MOCK_TSM_STATE_QUARANTINED | \
	 MOCK_TSM_STATE_PREPARED | MOCK_TSM_STATE_REVOKED)

TEST_F(vdevice_tsm, bind_not_connected)
{
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_err_bind(ENXIO, self->vdev_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	check_tsm(self->device_id, 0, IOMMU_TSM_TDI_UNLOCKED);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_bind(self->vdev_id);
}

TEST_F(vdevice_tsm, bind_unsupported)
{
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CAN_BIND, 0);
	test_err_bind(EOPNOTSUPP, self->vdev_id);
	check_unbound(self->device_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CAN_BIND, 1);
	test_cmd_bind(self->vdev_id);
}

/* The driver of the device is asked last, and not for nothing */
TEST_F(vdevice_tsm, bind_unfit)
{
	struct iommu_test_cmd state;

	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_UNFIT, 1);
	test_err_bind(EBUSY, self->vdev_id);
	check_unbound(self->device_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(0, state.tsm_state.out_nr_binds);

	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_err_bind(ENXIO, self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_UNFIT, 0);
	test_err_bind(ENXIO, self->vdev_id);
	check_tsm(self->device_id, 0, IOMMU_TSM_TDI_UNLOCKED);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_bind(self->vdev_id);
	check_bound(self->device_id);
}

/*
 * Each edge of tsm_transitions[] in drivers/iommu/iommufd/tsm.c, and what is no
 * edge. The kernel warns of a transition that is not in there.
 */
enum edge {
	EDGE_BIND,
	EDGE_BIND_FAILS,
	EDGE_UNBIND,
	EDGE_LOSS,
	EDGE_DESTROY,
	EDGE_CLOSE,
};

enum state {
	STATE_UNBOUND,
	STATE_BOUND,
	STATE_LOST,
};

static const struct {
	enum state from;
	enum edge edge;
	int error;
	enum state to;
} transitions[] = {
	{ STATE_UNBOUND, EDGE_BIND, 0, STATE_BOUND },
	{ STATE_UNBOUND, EDGE_BIND_FAILS, EIO, STATE_UNBOUND },
	{ STATE_UNBOUND, EDGE_UNBIND, ENOTCONN, STATE_UNBOUND },
	{ STATE_UNBOUND, EDGE_LOSS, 0, STATE_UNBOUND },
	{ STATE_UNBOUND, EDGE_DESTROY, 0, STATE_UNBOUND },
	{ STATE_UNBOUND, EDGE_CLOSE, 0, STATE_UNBOUND },
	{ STATE_BOUND, EDGE_BIND, EALREADY, STATE_BOUND },
	{ STATE_BOUND, EDGE_UNBIND, 0, STATE_UNBOUND },
	{ STATE_BOUND, EDGE_LOSS, 0, STATE_LOST },
	{ STATE_BOUND, EDGE_DESTROY, 0, STATE_UNBOUND },
	{ STATE_BOUND, EDGE_CLOSE, 0, STATE_UNBOUND },
	{ STATE_LOST, EDGE_BIND, ENOTCONN, STATE_LOST },
	{ STATE_LOST, EDGE_UNBIND, 0, STATE_UNBOUND },
	{ STATE_LOST, EDGE_LOSS, 0, STATE_LOST },
	{ STATE_LOST, EDGE_DESTROY, 0, STATE_UNBOUND },
	{ STATE_LOST, EDGE_CLOSE, 0, STATE_UNBOUND },
};

TEST_F(vdevice_tsm, transitions)
{
	const __u32 connected = MOCK_TSM_STATE_CONNECTED;
	const __u32 flags[] = {
		[STATE_UNBOUND] = connected,
		[STATE_BOUND] = connected | MOCK_TSM_STATE_BOUND |
				MOCK_TSM_STATE_PINNED | MOCK_TSM_STATE_PREPARED,
		[STATE_LOST] = connected | LOST,
	};
	struct iommu_test_cmd state;
	struct tsm_dev dev;
	int i, rc;
	__u32 op;

	for (i = 0; i != ARRAY_SIZE(transitions); i++) {
		enum edge edge = transitions[i].edge;

		ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &dev));
		if (transitions[i].from != STATE_UNBOUND)
			test_cmd_bind(dev.vdev_id);
		if (transitions[i].from == STATE_LOST)
			test_cmd_tsm_ctl(dev.device_id, MOCK_TSM_CTL_CONNECT,
					 0);
		test_cmd_tsm_ctl(dev.device_id, MOCK_TSM_CTL_CONNECT, 1);

		if (edge == EDGE_BIND_FAILS)
			test_cmd_tsm_next_bind(dev.device_id, EIO);
		op = edge == EDGE_UNBIND ? IOMMU_VDEVICE_TSM_OP_UNBIND :
					   IOMMU_VDEVICE_TSM_OP_BIND;
		rc = 0;
		switch (edge) {
		case EDGE_BIND:
		case EDGE_BIND_FAILS:
		case EDGE_UNBIND:
			rc = _test_cmd_vdevice_tsm_op(self->fd, dev.vdev_id, op,
						      0);
			break;
		case EDGE_LOSS:
			test_cmd_tsm_ctl(dev.device_id, MOCK_TSM_CTL_CONNECT,
					 0);
			test_cmd_tsm_ctl(dev.device_id, MOCK_TSM_CTL_CONNECT,
					 1);
			break;
		case EDGE_DESTROY:
			test_ioctl_destroy(dev.vdev_id);
			break;
		case EDGE_CLOSE:
			test_cmd_tsm_close(dev.device_id);
			break;
		}
		EXPECT_EQ(transitions[i].error, rc ? errno : 0) {
			TH_LOG("transition %d", i);
		}
		test_cmd_tsm_state(dev.device_id, &state);
		EXPECT_EQ(flags[transitions[i].to],
			  state.tsm_state.out_flags) {
			TH_LOG("transition %d", i);
		}
		test_ioctl_destroy(dev.stdev_id);
	}
}

TEST_F(vdevice_tsm, bind_twice)
{
	struct iommu_test_cmd state;

	test_cmd_bind(self->vdev_id);
	test_err_bind(EALREADY, self->vdev_id);
	test_err_bind(EALREADY, self->vdev_id);
	check_bound(self->device_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(1, state.tsm_state.out_nr_binds);
	test_cmd_ping(self->vdev_id);
	/* One UNBIND is enough */
	test_cmd_unbind(self->vdev_id);
	check_unbound(self->device_id);
}

TEST_F(vdevice_tsm, bind_other_owner)
{
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_OCCUPY, 1);
	test_err_bind(EBUSY, self->vdev_id);
	/* It is not the vDEVICE's to unbind, or to send requests to */
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_err_ping(ENOTCONN, self->vdev_id);
	check_tsm(self->device_id,
		  MOCK_TSM_STATE_CONNECTED | MOCK_TSM_STATE_BOUND,
		  IOMMU_TSM_TDI_LOCKED);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_OCCUPY, 0);
	test_cmd_bind(self->vdev_id);
	/* The other way around */
	test_err_tsm_ctl(EBUSY, self->device_id, MOCK_TSM_CTL_OCCUPY, 1);
	check_bound(self->device_id);
}

TEST_F(vdevice_tsm, bind_refused)
{
	test_cmd_tsm_next_bind(self->device_id, EIO);
	test_err_bind(EIO, self->vdev_id);
	check_unbound(self->device_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_err_ping(ENOTCONN, self->vdev_id);
	test_cmd_tsm_next_bind(self->device_id, ETIMEDOUT);
	test_err_bind(ETIMEDOUT, self->vdev_id);
	check_unbound(self->device_id);
	test_cmd_bind(self->vdev_id);
	check_bound(self->device_id);
}

TEST_F(vdevice_tsm, unbind_unbound)
{
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_cmd_bind(self->vdev_id);
	test_cmd_unbind(self->vdev_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	check_unbound(self->device_id);
}

TEST_F(vdevice_tsm, lost)
{
	struct iommu_test_cmd state;

	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);

	/* Unbound, but the attachment stays until it is acknowledged */
	check_tsm(self->device_id, LOST, IOMMU_TSM_TDI_UNLOCKED);
	test_err_bind(ENOTCONN, self->vdev_id);
	test_err_ping(ENOTCONN, self->vdev_id);

	/* That it could be bound again does not change that */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_err_bind(ENOTCONN, self->vdev_id);
	test_err_ping(ENOTCONN, self->vdev_id);
	test_cmd_unbind(self->vdev_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	check_unbound(self->device_id);

	test_cmd_bind(self->vdev_id);
	test_cmd_ping(self->vdev_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(2, state.tsm_state.out_nr_binds);
	EXPECT_EQ(1, state.tsm_state.out_nr_unbinds);
}

TEST_F(vdevice_tsm, lost_not_connected)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_unbind(self->vdev_id);
	check_tsm(self->device_id, 0, IOMMU_TSM_TDI_UNLOCKED);
	test_err_bind(ENXIO, self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_bind(self->vdev_id);
}

/* Who lost a binding cannot touch the next one of the device */
TEST_F(vdevice_tsm, lost_other_owner)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_OCCUPY, 1);

	test_err_ping(ENOTCONN, self->vdev_id);
	test_cmd_unbind(self->vdev_id);
	check_tsm(self->device_id,
		  MOCK_TSM_STATE_CONNECTED | MOCK_TSM_STATE_BOUND,
		  IOMMU_TSM_TDI_LOCKED);
	test_err_bind(EBUSY, self->vdev_id);
	test_ioctl_destroy(self->vdev_id);
	check_tsm(self->device_id,
		  MOCK_TSM_STATE_CONNECTED | MOCK_TSM_STATE_BOUND,
		  IOMMU_TSM_TDI_LOCKED);
}

TEST_F(vdevice_tsm, quarantine)
{
	uint32_t vdev_id;

	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_err_unbind(EUCLEAN, self->vdev_id);

	/* Not bound, nobody can */
	check_tsm(self->device_id, QUARANTINE, IOMMU_TSM_TDI_LOCKED);
	check_nr_bound(0);
	test_err_bind(EUCLEAN, self->vdev_id);
	test_err_unbind(EUCLEAN, self->vdev_id);
	test_err_ping(ENOTCONN, self->vdev_id);
	test_err_tsm_ctl(EUCLEAN, self->device_id, MOCK_TSM_CTL_OCCUPY, 1);

	/* It belongs to the device, neither to the connection nor the vDEVICE */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_err_bind(EUCLEAN, self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_err_bind(EUCLEAN, self->vdev_id);
	test_ioctl_destroy(self->vdev_id);
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id, 0x98,
			       &vdev_id);
	test_err_bind(EUCLEAN, vdev_id);
	check_tsm(self->device_id, QUARANTINE, IOMMU_TSM_TDI_LOCKED);

	/* Until the TSM confirms that it has let go */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 0);
	check_tsm(self->device_id, QUARANTINE & ~MOCK_TSM_STATE_QUARANTINED,
		  IOMMU_TSM_TDI_UNLOCKED);
	/* And the VMM has seen it */
	test_cmd_unbind(vdev_id);
	check_unbound(self->device_id);
	test_err_unbind(ENOTCONN, vdev_id);
	test_cmd_bind(vdev_id);
	test_cmd_unbind(vdev_id);
	check_unbound(self->device_id);
}

TEST_F(vdevice_tsm, quarantine_lost)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	check_tsm(self->device_id,
		  MOCK_TSM_STATE_QUARANTINED | LOST, IOMMU_TSM_TDI_LOCKED);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	test_err_bind(ENOTCONN, self->vdev_id);
	/* Acknowledges the loss, and there is bad news */
	test_err_unbind(EUCLEAN, self->vdev_id);
	check_tsm(self->device_id, QUARANTINE, IOMMU_TSM_TDI_LOCKED);
	test_err_bind(EUCLEAN, self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 0);
	/* What the binding before had closed is open for this one */
	test_cmd_bind(self->vdev_id);
	check_bound(self->device_id);
}

TEST_F(vdevice_tsm, quarantine_bind)
{
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_cmd_tsm_next_bind(self->device_id, EIO);
	test_err_bind(EIO, self->vdev_id);
	/* Closed for the VM, too, which was never told that it has it */
	check_tsm(self->device_id, QUARANTINE, IOMMU_TSM_TDI_UNLOCKED);
	test_err_bind(EUCLEAN, self->vdev_id);
	test_err_unbind(EUCLEAN, self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 0);
	test_cmd_unbind(self->vdev_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_cmd_bind(self->vdev_id);
}

/* To destroy a vDEVICE whose BIND came too early opens the device, too */
TEST_F(vdevice_tsm, quarantine_destroy_refused)
{
	uint32_t vdev_id;

	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_ioctl_destroy(self->vdev_id);
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id, 0x99,
			       &vdev_id);
	test_err_bind(EUCLEAN, vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 0);
	test_ioctl_destroy(vdev_id);
	check_unbound(self->device_id);
}

/* Somebody else's BIND that fails is nobody's news here */
TEST_F(vdevice_tsm, bind_refused_other_owner)
{
	test_cmd_tsm_next_bind(self->device_id, EIO);
	test_err_tsm_ctl(EIO, self->device_id, MOCK_TSM_CTL_OCCUPY, 1);
	test_cmd_bind(self->vdev_id);
	check_bound(self->device_id);
}

/* Who has closed the device is not called when the TSM lets go after that */
TEST_F(vdevice_tsm, quarantine_close)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_cmd_tsm_close(self->device_id);
	check_tsm(self->device_id, QUARANTINE, IOMMU_TSM_TDI_LOCKED);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 0);
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_err_bind(ENOENT, self->vdev_id);
	test_ioctl_destroy(self->vdev_id);
	check_tsm(self->device_id, QUARANTINE & ~MOCK_TSM_STATE_QUARANTINED,
		  IOMMU_TSM_TDI_UNLOCKED);
}

TEST_F(vdevice_tsm, quarantine_destroy)
{
	uint32_t vdev_id;

	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_ioctl_destroy(self->vdev_id);
	check_tsm(self->device_id, QUARANTINE, IOMMU_TSM_TDI_LOCKED);
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id, 0x99,
			       &vdev_id);
	test_err_bind(EUCLEAN, vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 0);
	test_cmd_bind(vdev_id);
	check_bound(self->device_id);
	/* The device goes, and with it what the TSM held */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_HOLD, 1);
	test_ioctl_destroy(self->stdev_id);
	check_nr_bound(0);
}

/* The DMA translation of a device that a VM verified does not change */
TEST_F(vdevice_tsm, attach)
{
	uint32_t stdev_id = self->stdev_id;
	uint32_t hwpt_id = self->dev.hwpt_id;
	uint32_t other_stdev_id;
	uint32_t pasid = 200;

	test_cmd_mock_domain(self->ioas_id, &other_stdev_id, NULL, NULL);
	test_cmd_mock_domain_replace(stdev_id, hwpt_id);
	test_cmd_pasid_attach(pasid, hwpt_id);
	test_cmd_bind(self->vdev_id);

	test_err_mock_domain_replace(EBUSY, stdev_id, self->ioas_id);
	EXPECT_ERRNO(EBUSY, _test_cmd_pasid_replace(self->fd, stdev_id, pasid,
						    self->ioas_id));
	EXPECT_ERRNO(EBUSY, _test_cmd_pasid_attach(self->fd, stdev_id,
						   pasid + 1, hwpt_id));
	/* Not even to what it is attached to already */
	test_err_mock_domain_replace(EBUSY, stdev_id, hwpt_id);
	EXPECT_EQ(0, test_cmd_pasid_check_hwpt(self->fd, stdev_id, pasid,
					       hwpt_id));
	/* Nobody else is concerned */
	test_cmd_mock_domain_replace(other_stdev_id, hwpt_id);
	test_cmd_mock_domain_replace(other_stdev_id, self->ioas_id);

	/* Nor is it when the binding was lost */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_err_mock_domain_replace(EBUSY, stdev_id, self->ioas_id);

	test_cmd_unbind(self->vdev_id);
	test_cmd_pasid_replace(pasid, hwpt_id);
	test_cmd_pasid_detach(pasid);
	test_cmd_mock_domain_replace(stdev_id, self->ioas_id);
	test_cmd_mock_domain_replace(stdev_id, hwpt_id);

	/* A bind that failed leaves nothing behind */
	test_err_bind(ENXIO, self->vdev_id);
	test_cmd_mock_domain_replace(stdev_id, self->ioas_id);
}

TEST_F(vdevice_tsm, two_devices)
{
	struct tsm_dev dev2;

	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &dev2));
	test_cmd_bind(self->vdev_id);
	check_unbound(dev2.device_id);
	test_err_ping(ENOTCONN, dev2.vdev_id);
	test_cmd_bind(dev2.vdev_id);
	check_nr_bound(2);
	test_cmd_unbind(self->vdev_id);
	check_bound(dev2.device_id);
	test_cmd_ping(dev2.vdev_id);
	test_ioctl_destroy(self->stdev_id);
	check_bound(dev2.device_id);
	check_nr_bound(1);
}

TEST_F(vdevice_tsm, destroy_vdevice)
{
	uint32_t vdev_id = self->vdev_id;

	/* Bound */
	test_cmd_bind(vdev_id);
	EXPECT_ERRNO(EBUSY,
		     _test_ioctl_destroy(self->fd, self->dev.viommu_id));
	test_ioctl_destroy(vdev_id);
	check_unbound(self->device_id);
	test_err_bind(ENOENT, vdev_id);
	test_err_unbind(ENOENT, vdev_id);
	test_err_ping(ENOENT, vdev_id);

	/* Lost */
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id, 0x99,
			       &vdev_id);
	test_err_unbind(ENOTCONN, vdev_id);
	test_cmd_bind(vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_ioctl_destroy(vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 1);
	check_unbound(self->device_id);

	/* The next one starts from the beginning, with an ID of its own */
	test_cmd_vdevice_alloc(self->dev.viommu_id, self->device_id, 0x98,
			       &vdev_id);
	test_cmd_bind(vdev_id);
	check_bound(self->device_id);
	test_cmd_unbind(vdev_id);
	test_ioctl_destroy(vdev_id);
	test_ioctl_destroy(self->dev.viommu_id);
}

/* The vDEVICE becomes a tombstone */
TEST_F(vdevice_tsm, destroy_device)
{
	test_cmd_bind(self->vdev_id);
	check_nr_bound(1);
	test_ioctl_destroy(self->stdev_id);
	check_nr_bound(0);
	test_err_bind(ENOENT, self->vdev_id);
	test_err_unbind(ENOENT, self->vdev_id);
	test_err_ping(ENOENT, self->vdev_id);
	EXPECT_ERRNO(ENOENT, _test_ioctl_destroy(self->fd, self->vdev_id));
	test_ioctl_destroy(self->dev.viommu_id);
}

TEST_F(vdevice_tsm, destroy_device_lost)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_ioctl_destroy(self->stdev_id);
	check_nr_bound(0);
}

/* What VFIO does: it unbinds before it closes the device */
TEST_F(vdevice_tsm, close_device)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_close(self->device_id);
	check_unbound(self->device_id);
	/* The vDEVICE is still there, but cannot be bound any more */
	test_err_bind(ENOENT, self->vdev_id);
	test_err_unbind(ENOTCONN, self->vdev_id);
	test_err_ping(ENOENT, self->vdev_id);
	check_unbound(self->device_id);
	test_cmd_mock_domain_replace(self->stdev_id, self->dev.hwpt_id);
	test_ioctl_destroy(self->stdev_id);
}

TEST_F(vdevice_tsm, close_device_unbound)
{
	test_cmd_tsm_close(self->device_id);
	test_cmd_tsm_close(self->device_id);
	test_err_bind(ENOENT, self->vdev_id);
	test_ioctl_destroy(self->vdev_id);
	/* A device without vDEVICE */
	test_cmd_tsm_close(self->other_device_id);
}

TEST_F(vdevice_tsm, close_device_lost)
{
	test_cmd_bind(self->vdev_id);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	test_cmd_tsm_close(self->device_id);
	check_tsm(self->device_id, 0, IOMMU_TSM_TDI_UNLOCKED);
	test_err_unbind(ENOTCONN, self->vdev_id);
}

TEST_F(vdevice_tsm, close_iommufd)
{
	struct tsm_dev dev2, dev3;
	__u32 ioas_id;
	int fd;

	fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, fd);
	ASSERT_EQ(0, _test_ioctl_ioas_alloc(fd, &ioas_id));
	ASSERT_EQ(0, tsm_dev_setup(fd, ioas_id, &dev2));
	ASSERT_EQ(0, tsm_dev_setup(fd, ioas_id, &dev3));
	ASSERT_EQ(0, _test_cmd_vdevice_tsm_op(fd, dev2.vdev_id,
					      IOMMU_VDEVICE_TSM_OP_BIND, 0));
	ASSERT_EQ(0, _test_cmd_vdevice_tsm_op(fd, dev3.vdev_id,
					      IOMMU_VDEVICE_TSM_OP_BIND, 0));
	ASSERT_EQ(0, _test_cmd_tsm_ctl(fd, dev3.device_id,
				       MOCK_TSM_CTL_CONNECT, 0));
	check_nr_bound(1);
	ASSERT_EQ(0, close(fd));
	check_nr_bound(0);
}

FIXTURE(vdevice_tsm_req)
{
	int fd;
	uint32_t ioas_id;
	struct tsm_dev dev;
	uint32_t device_id;
	uint32_t vdev_id;
};

FIXTURE_SETUP(vdevice_tsm_req)
{
	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &self->dev));
	self->device_id = self->dev.device_id;
	self->vdev_id = self->dev.vdev_id;
	test_cmd_bind(self->vdev_id);
}

FIXTURE_TEARDOWN(vdevice_tsm_req)
{
	teardown_iommufd(self->fd, _metadata);
}

/* How many requests the mock TSM was reached by */
#define check_nr_reqs(nr)                                        \
	({                                                       \
		struct iommu_test_cmd state_cmd;                 \
								 \
		test_cmd_tsm_state(self->device_id, &state_cmd); \
		EXPECT_EQ(nr, state_cmd.tsm_state.out_nr_reqs);  \
	})

TEST_F(vdevice_tsm_req, unbound)
{
	test_cmd_unbind(self->vdev_id);
	test_err_ping(ENOTCONN, self->vdev_id);
	/* Looked at before operation, architecture and length of the payload */
	EXPECT_ERRNO(ENOTCONN, _test_cmd_ping(self->fd, self->vdev_id, 0,
					      ARCH));
	EXPECT_ERRNO(ENOTCONN,
		     _test_cmd_ping(self->fd, self->vdev_id,
				    IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, 0));
	EXPECT_ERRNO(ENOTCONN,
		     _test_cmd_ping(self->fd, self->vdev_id,
				    IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, ARCH));
	check_nr_reqs(0);
	test_cmd_bind(self->vdev_id);
	test_cmd_ping(self->vdev_id);
	check_nr_reqs(1);
}

TEST_F(vdevice_tsm_req, vdevice_id)
{
	test_err_ping(ENOENT, 0);
	test_err_ping(ENOENT, UINT32_MAX);
	test_err_ping(ENOENT, self->device_id);
	test_err_ping(ENOENT, self->dev.viommu_id);
	check_nr_reqs(0);
	test_cmd_ping(self->vdev_id);
}

/* The output is left alone when the TSM was not reached */
#define test_err_not_reached(_errno, op, tvm_arch, req, req_len, resp,       \
			     in_resp_len)                                    \
	({                                                                   \
		__u64 tsm_code = NO_TSM_CODE;                                \
		const __u32 in_len = in_resp_len;                            \
		__u32 resp_len = in_len;                                     \
									     \
		test_err_vdevice_tsm_req(_errno, self->vdev_id, op,          \
					 tvm_arch, req, req_len, resp,       \
					 &resp_len, &tsm_code);              \
		EXPECT_EQ(NO_TSM_CODE, tsm_code);                            \
		EXPECT_EQ(in_len, resp_len);                                 \
		check_nr_reqs(0);                                            \
	})

TEST_F(vdevice_tsm_req, op)
{
	struct iommu_tsm_req_object_info info = {};
	__u32 size;

	test_err_not_reached(EOPNOTSUPP, 0, ARCH, &info, sizeof(info), &size,
			     sizeof(size));
	test_err_not_reached(EOPNOTSUPP, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG + 1,
			     ARCH, &info, sizeof(info), &size, sizeof(size));
	test_err_not_reached(EOPNOTSUPP, UINT32_MAX, ARCH, &info, sizeof(info),
			     &size, sizeof(size));
	test_cmd_ping(self->vdev_id);
}

TEST_F(vdevice_tsm_req, tvm_arch)
{
	struct iommu_tsm_req_object_info info = {};
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO;
	__u32 resp_len;
	__u32 size;

	/* Those that exist, but not here */
	test_err_not_reached(EINVAL, op, IOMMU_TVM_ARCH_CCA, &info,
			     sizeof(info), &size, sizeof(size));
	test_err_not_reached(EINVAL, op, IOMMU_TVM_ARCH_SEV, &info,
			     sizeof(info), &size, sizeof(size));
	test_err_not_reached(EINVAL, op, IOMMU_TVM_ARCH_TDX, &info,
			     sizeof(info), &size, sizeof(size));
	/* Those that nobody has heard of */
	test_err_not_reached(EOPNOTSUPP, op, 0, &info, sizeof(info), &size,
			     sizeof(size));
	test_err_not_reached(EOPNOTSUPP, op, 4, &info, sizeof(info), &size,
			     sizeof(size));
	test_err_not_reached(EOPNOTSUPP, op, UINT32_MAX, &info, sizeof(info),
			     &size, sizeof(size));
	resp_len = sizeof(size);
	test_cmd_vdevice_tsm_req(self->vdev_id, op, &info, sizeof(info), &size,
				 &resp_len, NULL);

	/* The same on a TSM of an architecture that exists */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TVM_ARCH,
			 IOMMU_TVM_ARCH_CCA);
	resp_len = sizeof(size);
	ASSERT_EQ(0, _test_cmd_vdevice_tsm_req(self->fd, self->vdev_id, op,
					       IOMMU_TVM_ARCH_CCA, &info,
					       sizeof(info), &size, &resp_len,
					       NULL));
	test_err_vdevice_tsm_req(EINVAL, self->vdev_id, op, IOMMU_TVM_ARCH_TDX,
				 &info, sizeof(info), &size, &resp_len, NULL);
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &info,
				 sizeof(info), &size, &resp_len, NULL);
}

/* Two operations exist for one architecture only */
TEST_F(vdevice_tsm_req, sev)
{
	const __u32 ops[] = { IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA,
			      IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA };
	__u32 payload = 0;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(ops); i++) {
		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TVM_ARCH, ARCH);
		/* Its architecture is not that of the operation */
		test_err_vdevice_tsm_req(EINVAL, self->vdev_id, ops[i], ARCH,
					 NULL, 0, NULL, NULL, NULL);
		test_err_vdevice_tsm_req(EINVAL, self->vdev_id, ops[i],
					 IOMMU_TVM_ARCH_TDX, NULL, 0, NULL,
					 NULL, NULL);
		/* Its architecture is not that of the TSM */
		test_err_vdevice_tsm_req(EINVAL, self->vdev_id, ops[i],
					 IOMMU_TVM_ARCH_SEV, NULL, 0, NULL,
					 NULL, NULL);
		check_nr_reqs(i);

		test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_TVM_ARCH,
				 IOMMU_TVM_ARCH_SEV);
		/* No payload */
		test_err_vdevice_tsm_req(EINVAL, self->vdev_id, ops[i],
					 IOMMU_TVM_ARCH_SEV, &payload,
					 sizeof(payload), NULL, NULL, NULL);
		check_nr_reqs(i);
		/* All is right, but the mock TSM does not do it */
		test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, ops[i],
					 IOMMU_TVM_ARCH_SEV, NULL, 0, NULL,
					 NULL, NULL);
		check_nr_reqs(i + 1);
	}
}

TEST_F(vdevice_tsm_req, unsupported)
{
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CAN_REQ, 0);
	test_err_ping(EOPNOTSUPP, self->vdev_id);
	check_nr_reqs(0);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CAN_REQ, 1);
	test_cmd_ping(self->vdev_id);
}

TEST_F(vdevice_tsm_req, length_limit)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_GUEST_MSG;
	__u32 resp_len = TSM_REQ_MAX_SIZE;
	char *big = buffer;

	test_err_not_reached(EINVAL, op, ARCH, big, TSM_REQ_MAX_SIZE + 1, big,
			     TSM_REQ_MAX_SIZE);
	test_err_not_reached(EINVAL, op, ARCH, big, TSM_REQ_MAX_SIZE, big,
			     TSM_REQ_MAX_SIZE + 1);
	test_err_not_reached(EINVAL, op, ARCH, big, UINT32_MAX, big,
			     TSM_REQ_MAX_SIZE);
	test_err_not_reached(EINVAL, op, ARCH, big, TSM_REQ_MAX_SIZE, big,
			     UINT32_MAX);

	big[0] = 1;
	big[TSM_REQ_MAX_SIZE - 1] = 2;
	big[TSM_REQ_MAX_SIZE] = 3;
	test_cmd_vdevice_tsm_req(self->vdev_id, op, big, TSM_REQ_MAX_SIZE, big,
				 &resp_len, NULL);
	EXPECT_EQ(TSM_REQ_MAX_SIZE, resp_len);
	EXPECT_EQ(1, big[0]);
	EXPECT_EQ(2, big[TSM_REQ_MAX_SIZE - 1]);
	EXPECT_EQ(3, big[TSM_REQ_MAX_SIZE]);
}

TEST_F(vdevice_tsm_req, pointer_without_length)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_GUEST_MSG;
	__u32 resp_len = 16;
	char msg[16] = {};

	test_err_not_reached(EINVAL, op, ARCH, msg, 0, msg, sizeof(msg));
	test_err_not_reached(EINVAL, op, ARCH, NULL, sizeof(msg), msg,
			     sizeof(msg));
	test_err_not_reached(EINVAL, op, ARCH, msg, sizeof(msg), msg, 0);
	test_err_not_reached(EINVAL, op, ARCH, msg, sizeof(msg), NULL,
			     sizeof(msg));
	/* A message has at least one byte */
	test_err_not_reached(EINVAL, op, ARCH, NULL, 0, msg, sizeof(msg));
	test_cmd_vdevice_tsm_req(self->vdev_id, op, msg, sizeof(msg), msg,
				 &resp_len, NULL);
	EXPECT_EQ(16, resp_len);
}

TEST_F(vdevice_tsm_req, payload_length)
{
	struct iommu_tsm_req_validate_mmio mmio = {
		.gpa_base = PAGE_SIZE,
		.gpa_top = PAGE_SIZE * 2,
	};
	struct iommu_tsm_req_set_tdi_state run = {
		.state = IOMMU_TSM_TDI_RUN,
	};
	struct iommu_tsm_req_read_object read = {};
	struct iommu_tsm_req_regen_object regen = {
		.type = IOMMU_TSM_OBJECT_MEAS,
	};
	struct iommu_tsm_req_object_info info = {};
	const struct {
		__u32 op;
		__u32 len;
		const void *payload;
	} reqs[] = {
		{ IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, 24, &mmio },
		{ IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, 4, &run },
		{ IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, 16, &read },
		{ IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, 40, &regen },
		{ IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, 4, &info },
	};
	char payload[128] = {};
	__u32 resp_len;
	unsigned int i;
	char resp[16];

	for (i = 0; i != ARRAY_SIZE(reqs); i++) {
		memcpy(payload, reqs[i].payload, reqs[i].len);
		test_err_not_reached(EINVAL, reqs[i].op, ARCH, payload,
				     reqs[i].len - 1, resp, sizeof(resp));
		test_err_not_reached(EINVAL, reqs[i].op, ARCH, payload,
				     reqs[i].len + 1, resp, sizeof(resp));
		test_err_not_reached(EINVAL, reqs[i].op, ARCH, payload,
				     sizeof(payload), resp, sizeof(resp));
		test_err_not_reached(EINVAL, reqs[i].op, ARCH, NULL, 0, resp,
				     sizeof(resp));
	}
	for (i = 0; i != ARRAY_SIZE(reqs); i++) {
		memcpy(payload, reqs[i].payload, reqs[i].len);
		resp_len = sizeof(resp);
		test_cmd_vdevice_tsm_req(self->vdev_id, reqs[i].op, payload,
					 reqs[i].len, resp, &resp_len, NULL);
	}
	check_nr_reqs(ARRAY_SIZE(reqs));
}

TEST_F(vdevice_tsm_req, struct_size)
{
	struct iommu_tsm_req_object_info info = {
		.type = IOMMU_TSM_OBJECT_CERT,
	};
	__u32 size = 0;
	struct {
		struct iommu_vdevice_tsm_req cmd;
		__u64 future;
	} cmd = {
		.cmd = {
			.size = sizeof(cmd),
			.vdevice_id = self->vdev_id,
			.op = IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO,
			.tvm_arch = ARCH,
			.req_len = sizeof(info),
			.resp_len = sizeof(size),
			.req_uptr = (uintptr_t)&info,
			.resp_uptr = (uintptr_t)&size,
			.tsm_code = NO_TSM_CODE,
		},
		.future = 1,
	};

	EXPECT_ERRNO(E2BIG, ioctl(self->fd, IOMMU_VDEVICE_TSM_REQ, &cmd));
	/* There has to be room for the result code */
	cmd.future = 0;
	cmd.cmd.size = offsetof(struct iommu_vdevice_tsm_req, tsm_code);
	EXPECT_ERRNO(EINVAL, ioctl(self->fd, IOMMU_VDEVICE_TSM_REQ, &cmd));
	EXPECT_EQ(NO_TSM_CODE, cmd.cmd.tsm_code);
	check_nr_reqs(0);
	cmd.cmd.size = sizeof(cmd);
	ASSERT_EQ(0, ioctl(self->fd, IOMMU_VDEVICE_TSM_REQ, &cmd));
	EXPECT_EQ(MOCK_TSM_CERT_SIZE, size);
	EXPECT_EQ(0, cmd.cmd.tsm_code);
	EXPECT_EQ(sizeof(cmd), cmd.cmd.size);
}

TEST_F(vdevice_tsm_req, payload_fault)
{
	struct iommu_tsm_req_regen_object *regen;
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT;
	char *pages;

	/* Two pages of which the second one is not there */
	pages = mmap(NULL, PAGE_SIZE * 2, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(pages + PAGE_SIZE, PAGE_SIZE));

	test_err_not_reached(EFAULT, op, ARCH, pages + PAGE_SIZE,
			     sizeof(*regen), NULL, 0);
	test_err_not_reached(EFAULT, op, ARCH, pages + PAGE_SIZE - 1,
			     sizeof(*regen), NULL, 0);
	/* One that needs an allocation */
	test_err_not_reached(EFAULT, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, ARCH,
			     pages, PAGE_SIZE + 1, buffer,
			     TSM_REQ_MAX_SIZE);

	regen = (void *)(pages + PAGE_SIZE - sizeof(*regen));
	regen->type = IOMMU_TSM_OBJECT_MEAS;
	test_cmd_vdevice_tsm_req(self->vdev_id, op, regen, sizeof(*regen),
				 NULL, NULL, NULL);
	munmap(pages, PAGE_SIZE);
}

/* The request is carried out, and that is told as far as possible */
TEST_F(vdevice_tsm_req, response_fault)
{
	struct iommu_tsm_req_read_object read = {
		.type = IOMMU_TSM_OBJECT_CERT,
	};
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_READ_OBJECT;
	struct iommu_vdevice_tsm_req *cmd;
	__u64 tsm_code = NO_TSM_CODE;
	__u32 resp_len;
	char *pages;

	pages = mmap(NULL, PAGE_SIZE * 2, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, mprotect(pages + PAGE_SIZE, PAGE_SIZE, PROT_READ));

	resp_len = 16;
	test_err_vdevice_tsm_req(EFAULT, self->vdev_id, op, ARCH, &read,
				 sizeof(read), pages + PAGE_SIZE - 8, &resp_len,
				 &tsm_code);
	check_nr_reqs(1);
	EXPECT_EQ(16, resp_len);
	EXPECT_EQ(0, tsm_code);

	/* The errno of the TSM gives way, its code does not */
	test_cmd_tsm_next_req(self->device_id, EIO, 0x123456789abcULL, 8);
	resp_len = 16;
	test_err_vdevice_tsm_req(EFAULT, self->vdev_id, op, ARCH, &read,
				 sizeof(read), pages + PAGE_SIZE, &resp_len,
				 &tsm_code);
	check_nr_reqs(2);
	EXPECT_EQ(8, resp_len);
	EXPECT_EQ(0x123456789abcULL, tsm_code);

	/* Nothing to be written there */
	test_cmd_tsm_next_req(self->device_id, EIO, 1, 0);
	resp_len = 16;
	test_err_vdevice_tsm_req(EIO, self->vdev_id, op, ARCH, &read,
				 sizeof(read), pages + PAGE_SIZE, &resp_len,
				 &tsm_code);
	EXPECT_EQ(0, resp_len);
	EXPECT_EQ(1, tsm_code);

	/* The command itself cannot be written */
	cmd = (void *)pages;
	*cmd = (struct iommu_vdevice_tsm_req){
		.size = sizeof(*cmd),
		.vdevice_id = self->vdev_id,
		.op = op,
		.tvm_arch = ARCH,
		.req_len = sizeof(read),
		.resp_len = 8,
		.req_uptr = (uintptr_t)&read,
		.resp_uptr = (uintptr_t)&tsm_code,
	};
	ASSERT_EQ(0, mprotect(pages, PAGE_SIZE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->fd, IOMMU_VDEVICE_TSM_REQ, cmd));
	check_nr_reqs(4);
	EXPECT_NE(1, tsm_code);
	ASSERT_EQ(0, mprotect(pages, PAGE_SIZE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, ioctl(self->fd, IOMMU_VDEVICE_TSM_REQ, cmd));
	munmap(pages, PAGE_SIZE * 2);
}

/* Errno, length of the response and code of the TSM are independent */
TEST_F(vdevice_tsm_req, result)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_GUEST_MSG;
	const struct {
		__u32 error;
		__u64 tsm_code;
		__u32 resp_len;
	} results[] = {
		{ EIO, 0x8000000000000001ULL, 0 },
		{ EIO, 7, 5 },
		{ EIO, 0, 0 },
		{ ETIMEDOUT, 0, 0 },
		{ EINVAL, 3, 0 },
		{ EOPNOTSUPP, 0, 0 },
		{ EACCES, 9, 16 },
		{ 0, 0xffffffffULL, 0 },
		{ 0, 1, 16 },
		/* More than there is room for */
		{ 0, 0, 17 },
		{ EIO, 1, 4096 },
	};
	char msg[16] = { 1, 2, 3, 4 };
	unsigned int i, j;
	__u64 tsm_code;
	__u32 resp_len;
	__u32 want_len;
	char resp[32];
	int rc;

	for (i = 0; i != ARRAY_SIZE(results); i++) {
		test_cmd_tsm_next_req(self->device_id, results[i].error,
				      results[i].tsm_code, results[i].resp_len);
		memset(resp, 0, sizeof(resp));
		tsm_code = NO_TSM_CODE;
		resp_len = 16;
		rc = _test_cmd_vdevice_tsm_req(self->fd, self->vdev_id, op,
					       ARCH, msg, sizeof(msg), resp,
					       &resp_len, &tsm_code);
		if (results[i].error) {
			EXPECT_EQ(-1, rc);
			EXPECT_EQ(results[i].error, errno);
		} else {
			EXPECT_EQ(0, rc);
		}
		want_len = results[i].resp_len < 16 ? results[i].resp_len : 16;
		EXPECT_EQ(want_len, resp_len);
		EXPECT_EQ(results[i].tsm_code, tsm_code);
		for (j = 0; j != sizeof(resp); j++)
			EXPECT_EQ(j < want_len ? MOCK_TSM_RESP_BYTE : 0,
				  (__u8)resp[j]);
	}

	/* It is bound as before, and the next one is carried out */
	tsm_code = NO_TSM_CODE;
	resp_len = 16;
	test_cmd_vdevice_tsm_req(self->vdev_id, op, msg, sizeof(msg), resp,
				 &resp_len, &tsm_code);
	EXPECT_EQ(0, tsm_code);
	EXPECT_EQ(0, memcmp(msg, resp, sizeof(msg)));
}

TEST_F(vdevice_tsm_req, object_info)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO;
	const __u32 sizes[] = {
		[IOMMU_TSM_OBJECT_VCA] = MOCK_TSM_VCA_SIZE,
		[IOMMU_TSM_OBJECT_CERT] = MOCK_TSM_CERT_SIZE,
		[IOMMU_TSM_OBJECT_MEAS] = MOCK_TSM_MEAS_SIZE,
		[IOMMU_TSM_OBJECT_REPORT] = MOCK_TSM_REPORT_SIZE,
	};
	struct iommu_tsm_req_object_info info = {};
	__u32 resp_len;
	__u32 resp[32];

	/* The response has a fixed size */
	test_err_not_reached(EINVAL, op, ARCH, &info, sizeof(info), NULL, 0);
	test_err_not_reached(EINVAL, op, ARCH, &info, sizeof(info), resp, 3);
	for (info.type = 0; info.type != ARRAY_SIZE(sizes); info.type++) {
		resp[0] = 0;
		resp[1] = 1;
		resp_len = sizeof(resp[0]);
		test_cmd_vdevice_tsm_req(self->vdev_id, op, &info,
					 sizeof(info), resp, &resp_len, NULL);
		EXPECT_EQ(sizes[info.type], resp[0]);
		EXPECT_EQ(1, resp[1]);
		EXPECT_EQ(sizeof(resp[0]), resp_len);

		/* More room than needed, with and without an allocation */
		resp_len = 64;
		test_cmd_vdevice_tsm_req(self->vdev_id, op, &info,
					 sizeof(info), resp, &resp_len, NULL);
		EXPECT_EQ(sizeof(resp[0]), resp_len);
		resp_len = sizeof(resp);
		test_cmd_vdevice_tsm_req(self->vdev_id, op, &info,
					 sizeof(info), resp, &resp_len, NULL);
		EXPECT_EQ(sizes[info.type], resp[0]);
		EXPECT_EQ(sizeof(resp[0]), resp_len);
	}
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &info,
				 sizeof(info), resp, &resp_len, NULL);
}

/* Put an object together from pieces of some size */
static void read_object(struct __test_metadata *_metadata, int fd,
			__u32 vdev_id, __u32 type, __u32 size, __u32 piece)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_READ_OBJECT;
	struct iommu_tsm_req_read_object read = { .type = type };
	__u8 object[MOCK_TSM_CERT_SIZE];
	__u8 resp[MOCK_TSM_CERT_SIZE];
	__u64 tsm_code = 1;
	__u32 resp_len;
	__u32 i;

	ASSERT_LE(size, sizeof(object));
	ASSERT_LE(piece, sizeof(resp));
	do {
		resp_len = piece;
		memset(resp, MOCK_TSM_RESP_BYTE, sizeof(resp));
		ASSERT_EQ(0, _test_cmd_vdevice_tsm_req(fd, vdev_id, op, ARCH,
						       &read, sizeof(read),
						       resp, &resp_len,
						       &tsm_code));
		ASSERT_EQ(0, tsm_code);
		ASSERT_LE(resp_len, piece);
		ASSERT_LE(read.offset + resp_len, size);
		memcpy(object + read.offset, resp, resp_len);
		/* Nothing was written behind the response */
		for (i = resp_len; i != sizeof(resp); i++)
			ASSERT_EQ(MOCK_TSM_RESP_BYTE, resp[i]);
		read.offset += resp_len;
	} while (resp_len);

	ASSERT_EQ(size, read.offset);
	i = type == IOMMU_TSM_OBJECT_MEAS ? MOCK_TSM_NONCE_SIZE : 0;
	for (; i != size; i++)
		ASSERT_EQ(mock_tsm_object_byte(type, i), object[i]);
}

TEST_F(vdevice_tsm_req, read_object)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_READ_OBJECT;
	const __u32 pieces[] = { 7, 63, 64, 65, 300, 4096, MOCK_TSM_CERT_SIZE };
	struct iommu_tsm_req_read_object read = {};
	__u32 resp_len;
	unsigned int i;
	char resp[64];

	read_object(_metadata, self->fd, self->vdev_id, IOMMU_TSM_OBJECT_VCA,
		    MOCK_TSM_VCA_SIZE, 1);
	for (i = 0; i != ARRAY_SIZE(pieces); i++) {
		read_object(_metadata, self->fd, self->vdev_id,
			    IOMMU_TSM_OBJECT_VCA, MOCK_TSM_VCA_SIZE, pieces[i]);
		read_object(_metadata, self->fd, self->vdev_id,
			    IOMMU_TSM_OBJECT_CERT, MOCK_TSM_CERT_SIZE,
			    pieces[i]);
		read_object(_metadata, self->fd, self->vdev_id,
			    IOMMU_TSM_OBJECT_MEAS, MOCK_TSM_MEAS_SIZE,
			    pieces[i]);
		read_object(_metadata, self->fd, self->vdev_id,
			    IOMMU_TSM_OBJECT_REPORT, MOCK_TSM_REPORT_SIZE,
			    pieces[i]);
	}

	/* No room is no error, nothing is read at the end of the object */
	test_cmd_vdevice_tsm_req(self->vdev_id, op, &read, sizeof(read), NULL,
				 NULL, NULL);
	read.offset = MOCK_TSM_VCA_SIZE;
	resp_len = sizeof(resp);
	test_cmd_vdevice_tsm_req(self->vdev_id, op, &read, sizeof(read), resp,
				 &resp_len, NULL);
	EXPECT_EQ(0, resp_len);

	/* Beyond its end */
	resp_len = sizeof(resp);
	read.offset = MOCK_TSM_VCA_SIZE + 1;
	test_err_vdevice_tsm_req(EINVAL, self->vdev_id, op, ARCH, &read,
				 sizeof(read), resp, &resp_len, NULL);
	resp_len = sizeof(resp);
	read.offset = UINT64_MAX;
	test_err_vdevice_tsm_req(EINVAL, self->vdev_id, op, ARCH, &read,
				 sizeof(read), resp, &resp_len, NULL);
	resp_len = sizeof(resp);
	read.offset = 0;
	read.type = IOMMU_TSM_OBJECT_REPORT + 1;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &read,
				 sizeof(read), resp, &resp_len, NULL);
	resp_len = sizeof(resp);
	read.type = IOMMU_TSM_OBJECT_REPORT;
	read.__reserved = 1;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &read,
				 sizeof(read), resp, &resp_len, NULL);
}

TEST_F(vdevice_tsm_req, regen_object)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT;
	struct iommu_tsm_req_regen_object regen = {
		.type = IOMMU_TSM_OBJECT_MEAS,
	};
	struct iommu_tsm_req_read_object read = {
		.type = IOMMU_TSM_OBJECT_MEAS,
	};
	const __u8 zero[MOCK_TSM_NONCE_SIZE] = {};
	__u8 resp[MOCK_TSM_NONCE_SIZE];
	__u32 resp_len = sizeof(resp);

	memset(regen.nonce, 0x42, sizeof(regen.nonce));
	test_cmd_vdevice_tsm_req(self->vdev_id, op, &regen, sizeof(regen),
				 NULL, NULL, NULL);
	test_cmd_vdevice_tsm_req(self->vdev_id,
				 IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read,
				 sizeof(read), resp, &resp_len, NULL);
	EXPECT_EQ(0, memcmp(regen.nonce, resp, sizeof(resp)));

	regen.flags = 1;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &regen,
				 sizeof(regen), NULL, NULL, NULL);
	regen.flags = 0;
	/* Those do not change as long as the device is bound */
	regen.type = IOMMU_TSM_OBJECT_REPORT;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &regen,
				 sizeof(regen), NULL, NULL, NULL);
	regen.type = IOMMU_TSM_OBJECT_REPORT + 1;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &regen,
				 sizeof(regen), NULL, NULL, NULL);

	/* Belongs to the binding */
	test_cmd_unbind(self->vdev_id);
	test_cmd_bind(self->vdev_id);
	test_cmd_vdevice_tsm_req(self->vdev_id,
				 IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read,
				 sizeof(read), resp, &resp_len, NULL);
	EXPECT_EQ(0, memcmp(zero, resp, sizeof(resp)));
}

TEST_F(vdevice_tsm_req, set_tdi_state)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE;
	const __u32 flags = MOCK_TSM_STATE_CONNECTED | MOCK_TSM_STATE_BOUND |
			    MOCK_TSM_STATE_PINNED | MOCK_TSM_STATE_PREPARED;
	struct iommu_tsm_req_set_tdi_state set;
	__u64 tsm_code = NO_TSM_CODE;

	/* By BIND and UNBIND only */
	set.state = IOMMU_TSM_TDI_UNLOCKED;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &set,
				 sizeof(set), NULL, NULL, NULL);
	set.state = IOMMU_TSM_TDI_LOCKED;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &set,
				 sizeof(set), NULL, NULL, NULL);
	set.state = IOMMU_TSM_TDI_RUN + 1;
	test_err_vdevice_tsm_req(EOPNOTSUPP, self->vdev_id, op, ARCH, &set,
				 sizeof(set), NULL, NULL, NULL);
	check_tsm(self->device_id, flags, IOMMU_TSM_TDI_LOCKED);

	set.state = IOMMU_TSM_TDI_RUN;
	test_cmd_vdevice_tsm_req(self->vdev_id, op, &set, sizeof(set), NULL,
				 NULL, &tsm_code);
	EXPECT_EQ(0, tsm_code);
	check_tsm(self->device_id, flags, IOMMU_TSM_TDI_RUN);

	/* It runs already: the device refuses */
	test_err_vdevice_tsm_req(EIO, self->vdev_id, op, ARCH, &set,
				 sizeof(set), NULL, NULL, &tsm_code);
	EXPECT_EQ(MOCK_TSM_CODE_INVALID_STATE, tsm_code);
	check_tsm(self->device_id, flags, IOMMU_TSM_TDI_RUN);

	test_cmd_unbind(self->vdev_id);
	check_unbound(self->device_id);
	test_cmd_bind(self->vdev_id);
	check_bound(self->device_id);
}

TEST_F(vdevice_tsm_req, validate_mmio)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO;
	struct iommu_tsm_req_validate_mmio mmio = {
		.gpa_base = PAGE_SIZE * 16,
		.gpa_top = PAGE_SIZE * 32,
	};

	test_cmd_vdevice_tsm_req(self->vdev_id, op, &mmio, sizeof(mmio), NULL,
				 NULL, NULL);
	/* A physical address is compared, not believed */
	mmio.pa_base = PAGE_SIZE;
	test_err_vdevice_tsm_req(EINVAL, self->vdev_id, op, ARCH, &mmio,
				 sizeof(mmio), NULL, NULL, NULL);
	mmio.pa_base = mmio.gpa_base + MOCK_TSM_MMIO_OFFSET;
	test_cmd_vdevice_tsm_req(self->vdev_id, op, &mmio, sizeof(mmio), NULL,
				 NULL, NULL);
	mmio.pa_base = 0;
	mmio.gpa_base++;
	test_err_vdevice_tsm_req(EINVAL, self->vdev_id, op, ARCH, &mmio,
				 sizeof(mmio), NULL, NULL, NULL);
	mmio.gpa_base--;
	mmio.gpa_top = mmio.gpa_base;
	test_err_vdevice_tsm_req(EINVAL, self->vdev_id, op, ARCH, &mmio,
				 sizeof(mmio), NULL, NULL, NULL);
}

TEST_F(vdevice_tsm_req, guest_msg)
{
	const __u32 op = IOMMU_VDEVICE_TSM_REQ_GUEST_MSG;
	const __u32 sizes[] = { 1, 63, 64, 65, 4096, 100000, TSM_REQ_MAX_SIZE };
	__u32 resp_len;
	unsigned int i;
	__u8 *resp;
	__u8 *msg;

	msg = malloc(TSM_REQ_MAX_SIZE);
	resp = malloc(TSM_REQ_MAX_SIZE);
	ASSERT_NE(NULL, msg);
	ASSERT_NE(NULL, resp);
	for (i = 0; i != TSM_REQ_MAX_SIZE; i++)
		msg[i] = i * 13 + (i >> 8);

	for (i = 0; i != ARRAY_SIZE(sizes); i++) {
		memset(resp, 0, TSM_REQ_MAX_SIZE);
		resp_len = sizes[i];
		test_cmd_vdevice_tsm_req(self->vdev_id, op, msg, sizes[i],
					 resp, &resp_len, NULL);
		EXPECT_EQ(sizes[i], resp_len);
		EXPECT_EQ(0, memcmp(msg, resp, sizes[i]));

		/* Room for more */
		resp_len = TSM_REQ_MAX_SIZE;
		test_cmd_vdevice_tsm_req(self->vdev_id, op, msg, sizes[i],
					 resp, &resp_len, NULL);
		EXPECT_EQ(sizes[i], resp_len);
		EXPECT_EQ(0, memcmp(msg, resp, sizes[i]));
		if (sizes[i] != TSM_REQ_MAX_SIZE)
			EXPECT_EQ(0, resp[sizes[i]]);

		/* Not enough of it, which the TSM says */
		resp_len = sizes[i] - 1;
		test_err_vdevice_tsm_req(ENOSPC, self->vdev_id, op, ARCH, msg,
					 sizes[i], resp_len ? resp : NULL,
					 &resp_len, NULL);
		EXPECT_EQ(0, resp_len);
	}
	free(resp);
	free(msg);
}

/* Long enough to do something else meanwhile, and to notice if it is over */
#define SLOW_MS 200
#define SLOW_TOTAL_MS (SLOW_MS * MOCK_TSM_NR_EXCHANGES)

struct slow_op {
	int fd;
	__u32 vdev_id;
	bool req;
	pthread_t thread;
	int rc;
	int error;
};

static int slow_op_do(struct slow_op *op)
{
	struct iommu_tsm_req_regen_object regen = {
		.type = IOMMU_TSM_OBJECT_MEAS,
	};

	if (!op->req)
		return _test_cmd_vdevice_tsm_op(op->fd, op->vdev_id,
						IOMMU_VDEVICE_TSM_OP_BIND, 0);
	return _test_cmd_vdevice_tsm_req(op->fd, op->vdev_id,
					 IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT,
					 ARCH, &regen, sizeof(regen), NULL,
					 NULL, NULL);
}

static void *slow_op_thread(void *arg)
{
	struct slow_op *op = arg;

	op->rc = slow_op_do(op);
	op->error = errno;
	return NULL;
}

static __u32 nr_exchanges(int fd, __u32 device_id)
{
	struct iommu_test_cmd state;

	if (_test_cmd_tsm_state(fd, device_id, &state))
		return UINT32_MAX;
	return state.tsm_state.out_nr_exchanges;
}

/* Wait until an operation is in the middle of its exchanges */
static bool wait_for_exchange(int fd, __u32 device_id, __u32 since)
{
	unsigned long end = now_ms() + 5000;

	while (nr_exchanges(fd, device_id) == since) {
		if (now_ms() > end)
			return false;
		usleep(1000);
	}
	return true;
}

/* Start a BIND, or a request that takes as long, in another thread */
static void slow_op_start(struct __test_metadata *_metadata, struct slow_op *op,
			  int fd, struct tsm_dev *dev, bool req)
{
	__u32 since = nr_exchanges(fd, dev->device_id);

	*op = (struct slow_op){
		.fd = fd,
		.vdev_id = dev->vdev_id,
		.req = req,
	};
	ASSERT_EQ(0, _test_cmd_tsm_ctl(fd, dev->device_id, MOCK_TSM_CTL_DELAY,
				       SLOW_MS));
	ASSERT_EQ(0, pthread_create(&op->thread, NULL, slow_op_thread, op));
	ASSERT_TRUE(wait_for_exchange(fd, dev->device_id, since));
}

FIXTURE(vdevice_tsm_slow)
{
	int fd;
	uint32_t ioas_id;
	struct tsm_dev dev;
	uint32_t device_id;
	uint32_t vdev_id;
	uint32_t other_device_id;
};

FIXTURE_VARIANT(vdevice_tsm_slow)
{
	bool req;
};

FIXTURE_VARIANT_ADD(vdevice_tsm_slow, bind)
{
	.req = false,
};

FIXTURE_VARIANT_ADD(vdevice_tsm_slow, req)
{
	.req = true,
};

FIXTURE_SETUP(vdevice_tsm_slow)
{
	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &self->dev));
	self->device_id = self->dev.device_id;
	self->vdev_id = self->dev.vdev_id;
	test_cmd_mock_domain(self->ioas_id, NULL, NULL, &self->other_device_id);
	if (variant->req)
		test_cmd_bind(self->vdev_id);
}

FIXTURE_TEARDOWN(vdevice_tsm_slow)
{
	teardown_iommufd(self->fd, _metadata);
}

/* Killed between two exchanges, and nothing is left of a bind */
TEST_F(vdevice_tsm_slow, kill)
{
	__u32 since = nr_exchanges(self->fd, self->device_id);
	unsigned long start;
	pid_t child;
	int status;

	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_DELAY, SLOW_MS);
	start = now_ms();
	child = fork();
	if (!child) {
		struct slow_op op = {
			.fd = self->fd,
			.vdev_id = self->vdev_id,
			.req = variant->req,
		};

		slow_op_do(&op);
		/* Was to be killed in there */
		_exit(1);
	}
	ASSERT_NE(-1, child);
	ASSERT_TRUE(wait_for_exchange(self->fd, self->device_id, since));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(now_ms() - start, SLOW_TOTAL_MS);

	/* That was the caller's problem, not the device's */
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_DELAY, 0);
	if (variant->req) {
		check_bound(self->device_id);
		test_cmd_ping(self->vdev_id);
		test_cmd_unbind(self->vdev_id);
	}
	check_unbound(self->device_id);
	test_cmd_bind(self->vdev_id);
}

/* In an uninterruptible sleep, which a wait for a mutex is, killable or not */
static bool wait_for_sleep(pid_t pid)
{
	unsigned long end = now_ms() + 5000;
	char name[32], state = 0;
	FILE *file;

	snprintf(name, sizeof(name), "/proc/%d/stat", pid);
	while (now_ms() < end) {
		file = fopen(name, "r");
		if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		if (file)
			fclose(file);
		if (state == 'D')
			return true;
		usleep(1000);
	}
	return false;
}

/* Nor does who only waits for his turn, which changes nothing for the other */
TEST_F(vdevice_tsm_slow, kill_waiter)
{
	unsigned long start = now_ms();
	struct slow_op op;
	pid_t child;
	int status;

	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	child = fork();
	if (!child) {
		slow_op_do(&op);
		_exit(1);
	}
	ASSERT_NE(-1, child);
	ASSERT_TRUE(wait_for_sleep(child));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(now_ms() - start, SLOW_TOTAL_MS);

	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(0, op.rc);
	check_bound(self->device_id);
	test_cmd_unbind(self->vdev_id);
	check_unbound(self->device_id);
}

/* A device that goes away does not wait for all of it */
TEST_F(vdevice_tsm_slow, destroy_device)
{
	unsigned long start = now_ms();
	struct slow_op op;

	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	test_ioctl_destroy(self->dev.stdev_id);
	EXPECT_LT(now_ms() - start, SLOW_TOTAL_MS);
	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(-1, op.rc);
	EXPECT_EQ(ENOENT, op.error);
	check_nr_bound(0);
}

/* Nobody is left in there, waiting for his turn, when a close returns */
TEST_F(vdevice_tsm_slow, close_device_waiters)
{
	struct slow_op op, waiter[4];
	unsigned long start = now_ms();
	struct iommu_test_cmd state;
	unsigned int i;

	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_LINGER, SLOW_MS);
	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	for (i = 0; i != ARRAY_SIZE(waiter); i++) {
		waiter[i] = op;
		ASSERT_EQ(0, pthread_create(&waiter[i].thread, NULL,
					    slow_op_thread, &waiter[i]));
	}
	/* Wait for the mutex, all of them, or see that it is too late */
	usleep(SLOW_MS * 1000);
	test_cmd_tsm_close(self->device_id);
	test_cmd_tsm_state(self->device_id, &state);
	EXPECT_EQ(0, state.tsm_state.out_nr_callers);
	EXPECT_EQ(0, state.tsm_state.out_nr_bound);
	EXPECT_LT(now_ms() - start, SLOW_TOTAL_MS);

	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(-1, op.rc);
	EXPECT_EQ(ENOENT, op.error);
	for (i = 0; i != ARRAY_SIZE(waiter); i++) {
		ASSERT_EQ(0, pthread_join(waiter[i].thread, NULL));
		EXPECT_EQ(-1, waiter[i].rc);
		EXPECT_EQ(ENOENT, waiter[i].error);
	}
	/* Before, the ioctls may still hold the vDEVICE, which is EBUSY */
	test_ioctl_destroy(self->vdev_id);
	EXPECT_EQ(state.tsm_state.out_nr_exchanges,
		  nr_exchanges(self->fd, self->device_id));
	check_unbound(self->device_id);
}

TEST_F(vdevice_tsm_slow, close_device)
{
	unsigned long start = now_ms();
	struct slow_op op;

	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	test_cmd_tsm_close(self->device_id);
	EXPECT_LT(now_ms() - start, SLOW_TOTAL_MS);
	check_nr_bound(0);
	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(-1, op.rc);
	EXPECT_EQ(ENOENT, op.error);
	test_err_bind(ENOENT, self->vdev_id);
	check_unbound(self->device_id);
}

/* The vDEVICE alone is in use, and nothing happens to it */
TEST_F(vdevice_tsm_slow, destroy_vdevice)
{
	struct slow_op op;

	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	EXPECT_ERRNO(EBUSY, _test_ioctl_destroy(self->fd, self->vdev_id));
	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(0, op.rc);
	check_bound(self->device_id);
	test_cmd_ping(self->vdev_id);
	test_ioctl_destroy(self->vdev_id);
	check_unbound(self->device_id);
}

/* Those who have to wait do, and see what became of it */
TEST_F(vdevice_tsm_slow, unbind)
{
	struct slow_op op;

	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	test_cmd_unbind(self->vdev_id);
	check_unbound(self->device_id);
	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(0, op.rc);
}

TEST_F(vdevice_tsm_slow, disconnect)
{
	struct slow_op op;

	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	test_cmd_tsm_ctl(self->device_id, MOCK_TSM_CTL_CONNECT, 0);
	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(0, op.rc);
	check_tsm(self->device_id, LOST, IOMMU_TSM_TDI_UNLOCKED);
	test_err_bind(ENOTCONN, self->vdev_id);
	test_cmd_unbind(self->vdev_id);
}

/* All others do not wait for it, not those who use the same device either */
TEST_F(vdevice_tsm_slow, others)
{
	struct iommu_test_hw_info info;
	unsigned long start = now_ms();
	struct tsm_dev dev2;
	struct slow_op op;
	__u32 hwpt_id;

	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &dev2));
	slow_op_start(_metadata, &op, self->fd, &self->dev, variant->req);
	test_cmd_get_hw_info(self->device_id, IOMMU_HW_INFO_TYPE_DEFAULT, &info,
			     sizeof(info));
	test_err_mock_domain_replace(EBUSY, self->dev.stdev_id,
				     self->dev.hwpt_id);
	test_cmd_hwpt_alloc(self->device_id, self->ioas_id, 0, &hwpt_id);
	test_err_vdevice_alloc(EEXIST, self->dev.viommu_id, self->device_id,
			       0x98, NULL);
	test_cmd_bind(dev2.vdev_id);
	test_cmd_ping(dev2.vdev_id);
	test_cmd_unbind(dev2.vdev_id);
	test_ioctl_destroy(dev2.stdev_id);
	EXPECT_LT(now_ms() - start, SLOW_TOTAL_MS);
	ASSERT_EQ(0, pthread_join(op.thread, NULL));
	EXPECT_EQ(0, op.rc);
	check_bound(self->device_id);
}

#define RACE_MS 2000
#define RACE_NR_ERRNOS 6

struct race;

struct racer {
	struct race *race;
	int (*op)(struct race *race);
	/* What may come out of it, besides success */
	int errnos[RACE_NR_ERRNOS];
	pthread_t thread;
	unsigned long nr_ok;
	unsigned long nr_err;
	/* The first one that may not */
	int bad_errno;
};

struct race {
	int fd;
	struct tsm_dev *dev;
	/* Changes when the vDEVICE is destroyed and allocated */
	__u32 vdev_id;
	bool stop;
};

static __u32 race_vdev(struct race *race)
{
	return __atomic_load_n(&race->vdev_id, __ATOMIC_RELAXED);
}

static int race_bind(struct race *race)
{
	return _test_cmd_vdevice_tsm_op(race->fd, race_vdev(race),
					IOMMU_VDEVICE_TSM_OP_BIND, 0);
}

static int race_unbind(struct race *race)
{
	return _test_cmd_vdevice_tsm_op(race->fd, race_vdev(race),
					IOMMU_VDEVICE_TSM_OP_UNBIND, 0);
}

static int race_req(struct race *race)
{
	return _test_cmd_ping(race->fd, race_vdev(race),
			      IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, ARCH);
}

static int race_vdevice(struct race *race)
{
	__u32 vdev_id;
	int rc;

	rc = _test_ioctl_destroy(race->fd, race_vdev(race));
	if (rc)
		return rc;
	rc = _test_cmd_vdevice_alloc(race->fd, race->dev->viommu_id,
				     race->dev->device_id, 0x99, &vdev_id);
	if (!rc)
		__atomic_store_n(&race->vdev_id, vdev_id, __ATOMIC_RELAXED);
	return rc;
}

static int race_connect(struct race *race)
{
	if (_test_cmd_tsm_ctl(race->fd, race->dev->device_id,
			      MOCK_TSM_CTL_CONNECT, 0))
		return -1;
	if (_test_cmd_tsm_ctl(race->fd, race->dev->device_id,
			      MOCK_TSM_CTL_CONNECT, 1))
		return -1;
	usleep(5000);
	return 0;
}

static int race_replace(struct race *race)
{
	if (_test_cmd_mock_domain_replace(race->fd, race->dev->stdev_id,
					  race->dev->hwpt_id, NULL))
		return -1;
	return _test_cmd_mock_domain_replace(race->fd, race->dev->stdev_id,
					     race->dev->ioas_id, NULL);
}

static void *racer_thread(void *arg)
{
	struct racer *racer = arg;
	unsigned int i;

	while (!__atomic_load_n(&racer->race->stop, __ATOMIC_RELAXED)) {
		if (!racer->op(racer->race)) {
			racer->nr_ok++;
			continue;
		}
		racer->nr_err++;
		for (i = 0; i != RACE_NR_ERRNOS; i++)
			if (racer->errnos[i] == errno)
				break;
		if (i == RACE_NR_ERRNOS && !racer->bad_errno)
			racer->bad_errno = errno;
	}
	return NULL;
}

static void run_race(struct __test_metadata *_metadata, struct race *race,
		     struct racer *racers, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i != nr; i++) {
		racers[i].race = race;
		ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL,
					    racer_thread, &racers[i]));
	}
	usleep(RACE_MS * 1000);
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i != nr; i++) {
		ASSERT_EQ(0, pthread_join(racers[i].thread, NULL));
		TH_LOG("racer %u: %lu done, %lu refused", i, racers[i].nr_ok,
		       racers[i].nr_err);
		EXPECT_EQ(0, racers[i].bad_errno);
	}
}

FIXTURE(vdevice_tsm_race)
{
	int fd;
	uint32_t ioas_id;
	uint32_t other_device_id;
};

FIXTURE_SETUP(vdevice_tsm_race)
{
	self->fd = open("/dev/iommu", O_RDWR);
	ASSERT_NE(-1, self->fd);
	test_ioctl_ioas_alloc(&self->ioas_id);
	test_cmd_mock_domain(self->ioas_id, NULL, NULL, &self->other_device_id);
}

FIXTURE_TEARDOWN(vdevice_tsm_race)
{
	teardown_iommufd(self->fd, _metadata);
}

/* One device, all at once */
TEST_F(vdevice_tsm_race, vdevice)
{
	struct racer racers[] = {
		{ .op = race_bind,
		  .errnos = { ENOENT, EALREADY, ENOTCONN, ENXIO } },
		{ .op = race_unbind, .errnos = { ENOENT, ENOTCONN } },
		{ .op = race_req, .errnos = { ENOENT, ENOTCONN } },
		{ .op = race_vdevice, .errnos = { ENOENT, EBUSY } },
		{ .op = race_connect },
		{ .op = race_replace, .errnos = { EBUSY } },
	};
	struct iommu_test_cmd state;
	struct tsm_dev dev;
	struct race race = { .fd = self->fd, .dev = &dev };

	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &dev));
	race.vdev_id = dev.vdev_id;
	run_race(_metadata, &race, racers, ARRAY_SIZE(racers));

	/* All is as it was before */
	_test_cmd_vdevice_tsm_op(self->fd, race.vdev_id,
				 IOMMU_VDEVICE_TSM_OP_UNBIND, 0);
	check_unbound(dev.device_id);
	test_cmd_tsm_state(dev.device_id, &state);
	EXPECT_EQ(state.tsm_state.out_nr_binds,
		  state.tsm_state.out_nr_unbinds);
	test_cmd_bind(race.vdev_id);
	test_cmd_ping(race.vdev_id);
	check_bound(dev.device_id);
	test_cmd_unbind(race.vdev_id);
	test_cmd_mock_domain_replace(dev.stdev_id, dev.hwpt_id);
}

/*
 * The vDEVICE is destroyed in the very moment in which others let go of it.
 * The device stays, and the next vDEVICE can be bound.
 */
TEST_F(vdevice_tsm_race, destroy_vdevice)
{
	struct racer racers[] = {
		{ .op = race_unbind, .errnos = { ENOENT, ENOTCONN } },
		{ .op = race_unbind, .errnos = { ENOENT, ENOTCONN } },
		{ .op = race_vdevice, .errnos = { EBUSY } },
	};
	struct tsm_dev dev;
	struct race race = { .fd = self->fd, .dev = &dev };

	ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &dev));
	race.vdev_id = dev.vdev_id;
	run_race(_metadata, &race, racers, ARRAY_SIZE(racers));
	test_cmd_bind(race.vdev_id);
	check_bound(dev.device_id);
}

/* Devices that go away while somebody uses them */
TEST_F(vdevice_tsm_race, device)
{
	unsigned long end = now_ms() + RACE_MS;
	unsigned int nr = 0;
	unsigned int i;

	do {
		struct racer racers[] = {
			{ .op = race_bind,
			  .errnos = { ENOENT, EALREADY } },
			{ .op = race_req,
			  .errnos = { ENOENT, ENOTCONN } },
		};
		struct race race = { .fd = self->fd };
		struct tsm_dev dev;

		ASSERT_EQ(0, tsm_dev_setup(self->fd, self->ioas_id, &dev));
		race.dev = &dev;
		race.vdev_id = dev.vdev_id;
		for (i = 0; i != ARRAY_SIZE(racers); i++) {
			racers[i].race = &race;
			ASSERT_EQ(0, pthread_create(&racers[i].thread, NULL,
						    racer_thread, &racers[i]));
		}
		usleep(nr % 8 * 250);
		/* Every other one like VFIO does */
		if (nr % 2)
			test_cmd_tsm_close(dev.device_id);
		test_ioctl_destroy(dev.stdev_id);
		race.stop = true;
		for (i = 0; i != ARRAY_SIZE(racers); i++) {
			ASSERT_EQ(0, pthread_join(racers[i].thread, NULL));
			ASSERT_EQ(0, racers[i].bad_errno);
		}
		check_nr_bound(0);
		test_ioctl_destroy(dev.viommu_id);
		test_ioctl_destroy(dev.hwpt_id);
		nr++;
	} while (now_ms() < end);
	TH_LOG("%u devices", nr);
}

TEST_HARNESS_MAIN
