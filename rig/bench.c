// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an ioctl of iommufd costs, on mock devices.
 *
 * Built against the tree of the kernel it runs on, with HAVE_TSM for the series.
 * Prints "name instructions" per line.
 */
#include "bench.h"
#include "iommufd_utils.h"

#define REQ_LEN	64
#define VIRT_ID	0x99

static int fd;
static __u32 ioas_id, stdev_id, device_id, hwpt_id, nested_id, viommu_id;
static __u32 vdev_id;

static int option_get(void)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_RLIMIT_MODE,
		.op = IOMMU_OPTION_OP_GET,
	};

	return ioctl(fd, IOMMU_OPTION, &cmd);
}

static int get_hw_info(void)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = device_id,
	};

	return ioctl(fd, IOMMU_GET_HW_INFO, &cmd);
}

static int hwpt_invalidate(void)
{
	struct iommu_hwpt_invalidate_selftest req = {
		.flags = IOMMU_TEST_INVALIDATE_FLAG_ALL,
	};
	__u32 nr = 1;

	return _test_cmd_hwpt_invalidate(fd, nested_id, &req,
					 IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
					 sizeof(req), &nr);
}

static int viommu_invalidate(void)
{
	struct iommu_viommu_invalidate_selftest req = {
		.vdev_id = VIRT_ID,
	};
	__u32 nr = 1;

	return _test_cmd_viommu_invalidate(fd, viommu_id, &req,
					   IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
					   sizeof(req), &nr);
}

static int vdevice(void)
{
	__u32 id;
	int rc;

	rc = _test_cmd_vdevice_alloc(fd, viommu_id, device_id, VIRT_ID, &id);
	return rc ?: _test_ioctl_destroy(fd, id);
}

#ifdef HAVE_TSM
static __u32 tsm_viommu_id;

static int tsm_req(void)
{
	static char req[REQ_LEN], resp[REQ_LEN];
	__u32 len = sizeof(resp);

	return _test_cmd_vdevice_tsm_req(fd, vdev_id,
					 IOMMU_VDEVICE_TSM_REQ_GUEST_MSG,
					 IOMMU_TEST_TVM_ARCH, req, sizeof(req),
					 resp, &len, NULL);
}

static int tsm_bind_unbind(void)
{
	int rc;

	rc = _test_cmd_vdevice_tsm_op(fd, vdev_id, IOMMU_VDEVICE_TSM_OP_UNBIND,
				      0);
	return rc ?: _test_cmd_vdevice_tsm_op(fd, vdev_id,
					      IOMMU_VDEVICE_TSM_OP_BIND, 0);
}

static void tsm_setup(void)
{
	need(_test_cmd_viommu_alloc(fd, device_id, hwpt_id, 0,
				    IOMMU_VIOMMU_TYPE_TSM, NULL, 0,
				    &tsm_viommu_id), "vIOMMU of type TSM");
	need(_test_cmd_vdevice_alloc(fd, tsm_viommu_id, device_id, VIRT_ID,
				     &vdev_id), "vDEVICE");
	need(_test_cmd_tsm_set_kvm(fd, device_id, true), "VM");
	need(_test_cmd_tsm_ctl(fd, device_id, MOCK_TSM_CTL_CONNECT, 1),
	     "connect");
	need(_test_cmd_vdevice_tsm_op(fd, vdev_id, IOMMU_VDEVICE_TSM_OP_BIND,
				      0), "bind");
}
#endif

static __attribute__((constructor)) void setup_sizes(void)
{
	PAGE_SIZE = sysconf(_SC_PAGE_SIZE);
}

int main(void)
{
	struct iommu_hwpt_selftest data = {
		.iotlb = IOMMU_TEST_IOTLB_DEFAULT,
	};

	fd = open("/dev/iommu", O_RDWR);
	need(fd < 0, "/dev/iommu");
	need(_test_ioctl_ioas_alloc(fd, &ioas_id), "IOAS");
	need(_test_cmd_mock_domain(fd, ioas_id, &stdev_id, NULL, &device_id),
	     "mock device");
	need(_test_cmd_hwpt_alloc(fd, device_id, ioas_id, 0,
				  IOMMU_HWPT_ALLOC_NEST_PARENT, &hwpt_id,
				  IOMMU_HWPT_DATA_NONE, NULL, 0), "HWPT");
	need(_test_cmd_hwpt_alloc(fd, device_id, hwpt_id, 0, 0, &nested_id,
				  IOMMU_HWPT_DATA_SELFTEST, &data,
				  sizeof(data)), "nested HWPT");
	need(_test_cmd_viommu_alloc(fd, device_id, hwpt_id, 0,
				    IOMMU_VIOMMU_TYPE_SELFTEST, NULL, 0,
				    &viommu_id), "vIOMMU");

	measure("OPTION-get", option_get);
	measure("GET_HW_INFO", get_hw_info);
	measure("HWPT_INVALIDATE", hwpt_invalidate);
	measure("VDEVICE_ALLOC+DESTROY", vdevice);
	need(_test_cmd_vdevice_alloc(fd, viommu_id, device_id, VIRT_ID,
				     &vdev_id), "vDEVICE");
	measure("HWPT_INVALIDATE-vIOMMU", viommu_invalidate);
	need(_test_ioctl_destroy(fd, vdev_id), "destroy");
#ifdef HAVE_TSM
	tsm_setup();
	measure("TSM_REQ-64-bytes", tsm_req);
	measure("TSM_OP-UNBIND+BIND-mock", tsm_bind_unbind);
#endif
	return 0;
}
