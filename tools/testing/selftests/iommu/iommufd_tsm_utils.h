/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of vIOMMUs of type TSM have in common: a mock device with all
 * that a BIND takes, and short forms of the commands for it.
 */
#ifndef __SELFTEST_IOMMUFD_TSM_UTILS
#define __SELFTEST_IOMMUFD_TSM_UTILS

#include <time.h>

#include "iommufd_utils.h"

#define ARCH IOMMU_TEST_TVM_ARCH
#define TSM_REQ_MAX_SIZE (2 * 1024 * 1024)
/* Not touched by a command that does not get to the TSM */
#define NO_TSM_CODE 0x5a5a5a5a5a5a5a5aULL

static __attribute__((constructor)) void setup_sizes(void)
{
	PAGE_SIZE = sysconf(_SC_PAGE_SIZE);

	BUFFER_SIZE = TSM_REQ_MAX_SIZE + PAGE_SIZE;
	mfd_buffer = memfd_mmap(BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				&mfd);
	assert(mfd_buffer != MAP_FAILED);
	buffer = mfd_buffer;
}

#define test_cmd_bind(vdev_id) \
	test_cmd_vdevice_tsm_op(vdev_id, IOMMU_VDEVICE_TSM_OP_BIND)
#define test_err_bind(_errno, vdev_id) \
	test_err_vdevice_tsm_op(_errno, vdev_id, IOMMU_VDEVICE_TSM_OP_BIND, 0)
#define test_cmd_unbind(vdev_id) \
	test_cmd_vdevice_tsm_op(vdev_id, IOMMU_VDEVICE_TSM_OP_UNBIND)
#define test_err_unbind(_errno, vdev_id) \
	test_err_vdevice_tsm_op(_errno, vdev_id, IOMMU_VDEVICE_TSM_OP_UNBIND, 0)

/* A request that works whenever the vDEVICE is bound */
static int _test_cmd_ping(int fd, __u32 vdev_id, __u32 op, __u32 tvm_arch)
{
	struct iommu_tsm_req_read_object req = {
		.type = IOMMU_TSM_OBJECT_REPORT,
	};
	__u32 resp_len = 4;
	__u32 resp;

	return _test_cmd_vdevice_tsm_req(fd, vdev_id, op, tvm_arch, &req,
					 sizeof(req), &resp, &resp_len, NULL);
}

#define test_cmd_ping(vdev_id)                                                 \
	ASSERT_EQ(0, _test_cmd_ping(self->fd, vdev_id,                         \
				    IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, ARCH))
#define test_err_ping(_errno, vdev_id)                                  \
	EXPECT_ERRNO(_errno,                                            \
		     _test_cmd_ping(self->fd, vdev_id,                  \
				    IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, ARCH))

/* Check what the mock TSM, and the group of the device, know of a binding */
#define check_tsm(device_id, flags, tdi_state)                              \
	({                                                                  \
		struct iommu_test_cmd state_cmd;                            \
									    \
		test_cmd_tsm_state(device_id, &state_cmd);                  \
		EXPECT_EQ(flags, state_cmd.tsm_state.out_flags);            \
		EXPECT_EQ(tdi_state, state_cmd.tsm_state.out_tdi_state);    \
	})
#define check_unbound(device_id) \
	check_tsm(device_id, MOCK_TSM_STATE_CONNECTED, IOMMU_TSM_TDI_UNLOCKED)
#define check_bound(device_id)                                        \
	check_tsm(device_id,                                          \
		  MOCK_TSM_STATE_CONNECTED | MOCK_TSM_STATE_BOUND |   \
			  MOCK_TSM_STATE_PINNED |                     \
			  MOCK_TSM_STATE_PREPARED,                    \
		  IOMMU_TSM_TDI_LOCKED)

static unsigned long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A mock device, attached to its IOAS, with all that a BIND takes */
struct tsm_dev {
	__u32 ioas_id;
	__u32 stdev_id;
	__u32 auto_hwpt_id;
	__u32 device_id;
	__u32 hwpt_id;
	__u32 viommu_id;
	__u32 vdev_id;
};

static int tsm_dev_setup(int fd, __u32 ioas_id, struct tsm_dev *dev)
{
	int rc;

	dev->ioas_id = ioas_id;
	rc = _test_cmd_mock_domain_flags(fd, ioas_id, MOCK_FLAGS_DEVICE_PASID,
					 &dev->stdev_id, &dev->auto_hwpt_id,
					 &dev->device_id);
	if (rc)
		return rc;
	rc = _test_cmd_hwpt_alloc(fd, dev->device_id, ioas_id, 0,
				  IOMMU_HWPT_ALLOC_PASID, &dev->hwpt_id,
				  IOMMU_HWPT_DATA_NONE, NULL, 0);
	if (rc)
		return rc;
	rc = _test_cmd_viommu_alloc(fd, dev->device_id, dev->hwpt_id, 0,
				    IOMMU_VIOMMU_TYPE_TSM, NULL, 0,
				    &dev->viommu_id);
	if (rc)
		return rc;
	rc = _test_cmd_vdevice_alloc(fd, dev->viommu_id, dev->device_id, 0x99,
				     &dev->vdev_id);
	if (rc)
		return rc;
	rc = _test_cmd_tsm_set_kvm(fd, dev->device_id, true);
	if (rc)
		return rc;
	return _test_cmd_tsm_ctl(fd, dev->device_id, MOCK_TSM_CTL_CONNECT, 1);
}

#endif
