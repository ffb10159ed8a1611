// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mock devices of iommufd's selftest, and the mock TSM for them: all that the
 * uAPI allows is tried without any device, some hundred programs a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/iommufd.h>

/* The kernel's own, shared with the selftests */
#define __EXPORTED_HEADERS__
#include "iommufd_test.h"

#include "iommufd.h"

static int test_cmd(uint32_t op, uint32_t id, struct iommu_test_cmd *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->op = op;
	cmd->id = id;
	return iommufd_ioctl(_IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32), cmd);
}

static int mock_domain(uint32_t ioas, uint32_t flags)
{
	struct iommu_test_cmd cmd = { .mock_domain_flags.dev_flags = flags };
	int rc;

	rc = test_cmd(IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS, ioas, &cmd);
	if (rc)
		return rc;
	object_add(OBJ_STDEV, cmd.mock_domain_flags.out_stdev_id);
	object_add(OBJ_HWPT, cmd.mock_domain_flags.out_hwpt_id);
	object_add(OBJ_DEVICE, cmd.mock_domain_flags.out_idev_id);
	return 0;
}

static int ctl(uint32_t dev, uint32_t what, uint32_t value, uint32_t error)
{
	struct iommu_test_cmd cmd = {
		.tsm_ctl = {
			.what = what, .value = value, .error = error,
			.resp_len = value & 0xffff, .tsm_code = value,
		},
	};

	return test_cmd(IOMMU_TEST_OP_TSM_CTL, dev, &cmd);
}

static int set_kvm(uint32_t dev, bool present)
{
	struct iommu_test_cmd cmd = { .tsm_set_kvm.present = present };

	return test_cmd(IOMMU_TEST_OP_TSM_SET_KVM, dev, &cmd);
}

static int run_mock_domain(const uint32_t *arg)
{
	return mock_domain(object_ref(OBJ_IOAS, arg[0]), arg[1]);
}

static int run_ioas_alloc(const uint32_t *arg)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd), .flags = arg[0] };
	int rc;

	rc = iommufd_ioctl(IOMMU_IOAS_ALLOC, &cmd);
	if (!rc)
		object_add(OBJ_IOAS, cmd.out_ioas_id);
	return rc;
}

/* Delays are for tests that wait: short ones will do here */
static int run_ctl(const uint32_t *arg)
{
	uint32_t value = arg[1] == MOCK_TSM_CTL_DELAY ? arg[2] % 3 : arg[2];

	return ctl(object_ref(OBJ_DEVICE, arg[0]), arg[1], value, arg[3] % 150);
}

static int run_set_kvm(const uint32_t *arg)
{
	return set_kvm(object_ref(OBJ_DEVICE, arg[0]), arg[1] & 3);
}

static int run_tsm_close(const uint32_t *arg)
{
	struct iommu_test_cmd cmd = {};

	return test_cmd(IOMMU_TEST_OP_TSM_CLOSE, object_ref(OBJ_DEVICE, arg[0]), &cmd);
}

static int run_replace(const uint32_t *arg)
{
	struct iommu_test_cmd cmd = {
		.mock_domain_replace.pt_id = object_ref(arg[1] & 0x10 ? OBJ_IOAS : OBJ_HWPT, arg[1]),
	};

	return test_cmd(IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, object_ref(OBJ_STDEV, arg[0]), &cmd);
}

static int run_state(const uint32_t *arg)
{
	struct iommu_test_cmd cmd = {};

	return test_cmd(IOMMU_TEST_OP_TSM_STATE, object_ref(OBJ_DEVICE, arg[0]), &cmd);
}

/* All that a BIND takes, in one call, as no program would find that out */
static int run_ready(const uint32_t *arg)
{
	static const uint32_t last[NR_ARGS] = { 1, 1, 1 };
	uint32_t dev;
	int rc;

	rc = mock_domain(object_ref(OBJ_IOAS, 0), MOCK_FLAGS_DEVICE_PASID);
	if (rc)
		return rc;
	dev = object_ref(OBJ_DEVICE, 1);
	rc = run_hwpt_alloc((const uint32_t[NR_ARGS]){ 1, 0 });
	rc = rc ?: run_viommu_alloc(last);
	rc = rc ?: run_vdevice_alloc((const uint32_t[NR_ARGS]){ 1, 1, 0x10 + (arg[0] & 7) });
	rc = rc ?: set_kvm(dev, true);
	return rc ?: ctl(dev, MOCK_TSM_CTL_CONNECT, 1, 0);
}

static const struct op ops[] = {
	{ "ready", 4, { ARG_SMALL }, run_ready },
	{ "mock_domain", 2, { ARG_REF, ARG_ODD }, run_mock_domain },
	{ "ioas_alloc", 1, { ARG_ODD }, run_ioas_alloc },
	{ "ctl", 8, { ARG_REF, ARG_SMALL, ARG_SMALL, ARG_SMALL }, run_ctl },
	{ "set_kvm", 2, { ARG_REF, ARG_SMALL }, run_set_kvm },
	{ "tsm_close", 1, { ARG_REF }, run_tsm_close },
	{ "replace", 2, { ARG_REF, ARG_REF }, run_replace },
	{ "state", 1, { ARG_REF }, run_state },
	IOMMUFD_OPS,
};

static const char *mock_start(int argc, char **argv)
{
	int fd = open("/dev/iommu", O_RDWR);
	struct iommu_test_cmd cmd = {};
	int rc;

	if (fd < 0)
		return "no /dev/iommu";
	iommufd = fd;
	rc = test_cmd(IOMMU_TEST_OP_TSM_STATE, 0, &cmd);
	close(fd);
	tvm_arch = IOMMU_TEST_TVM_ARCH;
	return rc == -ENOENT ? NULL : "a kernel without CONFIG_IOMMUFD_TEST";
}

static void mock_stop(void)
{
}

static int mock_begin(void)
{
	iommufd = open("/dev/iommu", O_RDWR);
	if (iommufd < 0)
		return -errno;
	return run_ioas_alloc((const uint32_t[NR_ARGS]){ 0 });
}

static void mock_end(void)
{
	events_close();
	close(iommufd);
	iommufd = -1;
	objects_clear();
}

const struct target target = {
	.name = "mock",
	.ops = ops,
	.nr_ops = ARRAY_LEN(ops),
	.start = mock_start,
	.stop = mock_stop,
	.begin = mock_begin,
	.end = mock_end,
};
