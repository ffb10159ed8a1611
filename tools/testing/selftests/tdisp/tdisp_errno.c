// SPDX-License-Identifier: GPL-2.0-only
/*
 * What IOMMU_VDEVICE_TSM_OP and IOMMU_VDEVICE_TSM_REQ refuse on a real PCI
 * function, by errno. Each test changes one thing about a command that works,
 * and sees that it works without.
 */
#include <errno.h>
#include <string.h>

#include <sys/mman.h>

#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "../../../../drivers/iommu/iommufd/iommufd_test.h"

FIXTURE(tsm)
{
	struct vmm vmm;
	struct tdi tdi;
	char tsm[16];
};

/* A vDEVICE that only waits for BIND */
FIXTURE_SETUP(tsm)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(tsm_find(self->tsm, sizeof(self->tsm)));
	test_cmd(setup_connect(setup.dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, setup.fn));
}

FIXTURE_TEARDOWN_PARENT(tsm)
{
	test_cmd(setup_clear(setup.dev));
}

static struct iommu_vdevice_tsm_op bind_op(struct tdi *tdi)
{
	return (struct iommu_vdevice_tsm_op) {
		.size = sizeof(struct iommu_vdevice_tsm_op),
		.type = IOMMU_VDEVICE_TSM_OP_BIND,
		.vdevice_id = tdi->vdev_id,
	};
}

/* The device is usable, bind and unbind work and leave nothing behind */
static void works(struct __test_metadata *_metadata, struct tdi *tdi)
{
	test_cmd(tdi_bind(tdi));
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(tdi));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_dma_round_trip(tdi));
}

TEST_F(tsm, op_unknown_type)
{
	static const u32 types[] = {
		0, IOMMU_VDEVICE_TSM_OP_UNBIND + 1, ~0u,
	};
	u32 log = testctl_log_end();

	for (int i = 0; i < ARRAY_SIZE(types); i++) {
		struct iommu_vdevice_tsm_op op = bind_op(&self->tdi);

		op.type = types[i];
		test_err(EOPNOTSUPP, tsm_op(&self->vmm, &op));
	}
	EXPECT_EQ(log, testctl_log_end());
	works(_metadata, &self->tdi);
}

TEST_F(tsm, op_flags)
{
	for (int bit = 0; bit < 32; bit += 31) {
		struct iommu_vdevice_tsm_op op = bind_op(&self->tdi);

		op.flags = 1u << bit;
		test_err(EOPNOTSUPP, tsm_op(&self->vmm, &op));
	}
	works(_metadata, &self->tdi);
}

TEST_F(tsm, op_size)
{
	struct {
		struct iommu_vdevice_tsm_op op;
		u32 more;
	} big = { .op = bind_op(&self->tdi) };

	big.op.size = sizeof(big.op) - 1;
	test_err(EINVAL, tsm_op(&self->vmm, &big.op));
	big.op.size = sizeof(big);
	big.more = 1;
	test_err(E2BIG, tsm_op(&self->vmm, &big.op));
	/* Longer than known, and nothing in what is not known */
	big.more = 0;
	test_cmd(tsm_op(&self->vmm, &big.op));
	test_cmd(tdi_unbind(&self->tdi));
}

/* An ID that nobody has, and one of an object that is none */
TEST_F(tsm, no_such_vdevice)
{
	u32 ids[] = { 0, 0x7fffffff, self->vmm.hwpt_id, self->vmm.viommu_id };
	struct soft_tsm_msg msg = { .type = SOFT_TSM_MSG_GET_TDI_STATE };
	struct soft_tsm_msg_tdi_state state;

	for (int i = 0; i < ARRAY_SIZE(ids); i++) {
		struct iommu_vdevice_tsm_op op = bind_op(&self->tdi);
		struct iommu_vdevice_tsm_req req =
			tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG,
				&msg, sizeof(msg), &state, sizeof(state));

		op.vdevice_id = ids[i];
		test_err(ENOENT, tsm_op(&self->vmm, &op));
		req.vdevice_id = ids[i];
		test_err(ENOENT, tsm_req(&self->vmm, &req));
	}
	works(_metadata, &self->tdi);
}

TEST_F(tsm, bind_twice)
{
	test_cmd(tdi_bind(&self->tdi));
	test_err(EALREADY, tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	test_err(EALREADY, tdi_bind(&self->tdi));
	expect_live_state(&self->tdi, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(&self->tdi));
	works(_metadata, &self->tdi);
}

TEST_F(tsm, unbind_not_bound)
{
	test_err(ENOTCONN, tdi_unbind(&self->tdi));
	works(_metadata, &self->tdi);
	test_err(ENOTCONN, tdi_unbind(&self->tdi));
}

TEST_F(tsm, bind_without_vm)
{
	struct tdi *tdi = &self->tdi;

	tdi_close(tdi);
	test_cmd(tdi_open(tdi, &self->vmm, setup.fn));
	test_cmd(tdi_bind_iommufd(tdi));
	/* Too late: the association is made by VFIO_DEVICE_BIND_IOMMUFD */
	test_cmd(tdi_associate(tdi));
	test_cmd(tdi_attach(tdi, self->vmm.hwpt_id));
	test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID));
	test_err(ENODEV, tdi_bind(tdi));
	test_err(ENOTCONN, tdi_unbind(tdi));
	expect_attr(setup.fn, "bound", "");

	/* The vIOMMU and the HWPT are as good as they were */
	tdi_close(tdi);
	test_cmd(tdi_setup(tdi, &self->vmm, setup.fn));
	works(_metadata, tdi);
}

/* A VM that was told to forget the device is not the VM of the device */
TEST_F(tsm, bind_after_file_del)
{
	struct tdi *tdi = &self->tdi;

	tdi_close(tdi);
	test_cmd(tdi_open(tdi, &self->vmm, setup.fn));
	test_cmd(tdi_associate(tdi));
	test_cmd(vm_del_vfio(&self->vmm.vm, tdi->vfio->fd));
	test_cmd(tdi_bind_iommufd(tdi));
	test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID));
	test_err(ENODEV, tdi_bind(tdi));
}

/* Once bound, it is not FILE_DEL that ends the life of the VM */
TEST_F(tsm, file_del_while_bound)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(vm_del_vfio(&self->vmm.vm, tdi->vfio->fd));
	vm_close(&self->vmm.vm);
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_start(tdi));
	test_cmd(tdi_unbind(tdi));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	works(_metadata, tdi);
}

TEST_F(tsm, bind_virt_id_too_large)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(vmm_destroy_id(&self->vmm, tdi->vdev_id));
	test_cmd(tdi_alloc_vdevice(tdi, 1ull << 32));
	test_err(ERANGE, tdi_bind(tdi));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);

	test_cmd(vmm_destroy_id(&self->vmm, tdi->vdev_id));
	test_cmd(tdi_alloc_vdevice(tdi, (1ull << 32) - 1));
	works(_metadata, tdi);
}

TEST_F(tsm, bind_not_connected)
{
	test_cmd(setup_disconnect(setup.dev));
	test_err(ENXIO, tdi_bind(&self->tdi));
	test_err(ENOTCONN, tdi_unbind(&self->tdi));
	test_cmd(setup_connect(setup.dev));
	works(_metadata, &self->tdi);
}

TEST_F(tsm, bind_without_tsm)
{
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(soft_tsm_unload());
	test_err(ENXIO, tdi_bind(&self->tdi));
	test_cmd(soft_tsm_load(""));
	test_err(ENXIO, tdi_bind(&self->tdi));
	test_cmd(setup_connect(setup.dev));
	works(_metadata, &self->tdi);
}

TEST_F(tsm, attach_while_bound)
{
	struct tdi *tdi = &self->tdi;
	u32 hwpt_id = self->vmm.hwpt_id;
	u32 other;

	test_cmd(tdi_alloc_hwpt(tdi));
	other = self->vmm.hwpt_id;

	test_cmd(tdi_use_host_window(tdi));
	test_cmd(tdi_bind(tdi));
	test_err(EBUSY, tdi_attach(tdi, other));
	test_err(EBUSY, tdi_attach(tdi, self->vmm.iommu->ioas_id));
	test_err(EBUSY, tdi_detach(tdi));
	/* Whoever translates its DMA cannot go */
	test_err(EBUSY, vmm_destroy_id(&self->vmm, hwpt_id));
	test_err(EBUSY, vmm_destroy_id(&self->vmm, self->vmm.viommu_id));
	test_cmd(tdi_dma_round_trip(tdi));
	test_cmd(tdi_start(tdi));
	test_err(EBUSY, tdi_detach(tdi));
	expect_live_state(tdi, TDISP_STATE_RUN);
	test_cmd(tdi_unbind(tdi));

	test_cmd(tdi_attach(tdi, other));
	test_cmd(tdi_detach(tdi));
	test_cmd(tdi_attach(tdi, hwpt_id));
	works(_metadata, tdi);
}

/* Also while its loss is not acknowledged */
TEST_F(tsm, attach_while_lost)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(setup_disconnect(setup.dev));
	test_err(EBUSY, tdi_detach(tdi));
	test_err(EBUSY, tdi_attach(tdi, self->vmm.iommu->ioas_id));
	test_cmd(tdi_unbind(tdi));
	test_cmd(tdi_detach(tdi));
	test_cmd(tdi_attach(tdi, self->vmm.hwpt_id));
	test_cmd(tdi_dma_round_trip(tdi));
}

/* A second opener does not get at the device, hence not at its binding */
TEST_F(tsm, second_opener)
{
	struct tdi *tdi = &self->tdi;
	struct vmm vmm;
	struct tdi other;

	test_cmd(tdi_bind(tdi));
	test_cmd(vmm_open(&vmm));
	test_cmd(tdi_open(&other, &vmm, setup.fn));
	test_cmd(tdi_associate(&other));
	test_err(EINVAL, tdi_bind_iommufd(&other));
	tdi_close(&other);
	vmm_close(&vmm);
	expect_live_state(tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_unbind(tdi));
	works(_metadata, tdi);
}

static void expect_quarantine(struct __test_metadata *_metadata, bool is)
{
	expect_attr(setup.fn, "quarantined", is ? "1" : "0");
	/* A context page, which the firmware that is played may still own */
	expect_attr(setup.fn, "held_memory", is ? "4096" : "0");
}

/* The TSM does not let go, from UNBIND to the end of the quarantine */
TEST_F(tsm, quarantine)
{
	struct tdi *tdi = &self->tdi;
	struct vmm *vmm = &self->vmm;
	u16 rid = tdi->fn->rid;
	u32 state;

	expect_quarantine(_metadata, false);
	test_cmd(tdi_bind(tdi));
	test_cmd(tdi_start(tdi));
	test_cmd(soft_tsm_hold(true));
	expect_quarantine(_metadata, false);
	test_err(EUCLEAN, tdi_unbind(tdi));
	expect_quarantine(_metadata, true);
	expect_state(rid, TDISP_STATE_RUN);
	/* It is not bound any more */
	expect_attr(tdi->fn, "bound", "");
	test_err(ENOTCONN, tdi_live_state(tdi, &state));
	test_err(EUCLEAN, tdi_bind(tdi));
	test_err(EUCLEAN, tdi_unbind(tdi));
	/* It is the function's, so a willing TSM alone changes nothing... */
	test_cmd(soft_tsm_hold(false));
	test_err(EUCLEAN, tdi_bind(tdi));
	/* ...nor does another vDEVICE */
	test_cmd(vmm_destroy_id(vmm, tdi->vdev_id));
	test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID));
	test_err(EUCLEAN, tdi_bind(tdi));
	test_err(EUCLEAN, tdi_unbind(tdi));

	test_cmd(soft_tsm_release(tdi->fn->bdf));
	expect_quarantine(_metadata, false);
	expect_state(rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_unbind(tdi));
	test_err(ENOTCONN, tdi_unbind(tdi));
	test_err(EINVAL, soft_tsm_release(tdi->fn->bdf));
	works(_metadata, tdi);
}

/* The other functions of the device are none the worse for it */
TEST_F(tsm, quarantine_is_of_a_function)
{
	struct tdi other;

	if (setup.dev->nr_fns < 2)
		SKIP(return, "the device has one function only");
	test_cmd(tdi_setup(&other, &self->vmm, &setup.dev->fn[1]));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(soft_tsm_hold(true));
	test_err(EUCLEAN, tdi_unbind(&self->tdi));
	test_cmd(soft_tsm_hold(false));
	expect_attr(other.fn, "quarantined", "0");
	works(_metadata, &other);
	test_cmd(soft_tsm_release(setup.fn->bdf));
	works(_metadata, &self->tdi);

	/* The other way round; what is not function 0 keeps its attributes */
	test_cmd(tdi_bind(&other));
	test_cmd(soft_tsm_hold(true));
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(soft_tsm_hold(false));
	expect_attr(other.fn, "quarantined", "1");
	expect_attr(other.fn, "held_memory", "4096");
	test_err(EUCLEAN, tdi_unbind(&other));
	test_cmd(setup_connect(setup.dev));
	works(_metadata, &self->tdi);
	test_err(EUCLEAN, tdi_bind(&other));
	test_cmd(soft_tsm_release(other.fn->bdf));
	works(_metadata, &other);
	tdi_close(&other);
}

/* It outlives the owner, his VM, the reset of a close, and the connection */
TEST_F(tsm, quarantine_outlives_owner)
{
	struct tdi *tdi = &self->tdi;
	struct vmm *vmm = &self->vmm;
	u32 log;

	test_cmd(tdi_bind(tdi));
	test_cmd(soft_tsm_hold(true));
	tdi_close(tdi);
	vmm_close(vmm);
	expect_quarantine(_metadata, true);

	/* Nobody gets it: not the next VMM... */
	test_cmd(vmm_open(vmm));
	test_err(EUCLEAN, tdi_setup(tdi, vmm, setup.fn));
	tdi_close(tdi);
	/* ...and no driver, this one included */
	test_cmd(pci_driver_set(setup.fn->bdf, "vfio-pci", ""));
	test_err(EUCLEAN, pci_driver_set(setup.fn->bdf, "vfio-pci",
					 "vfio-pci"));

	test_cmd(setup_disconnect(setup.dev));
	expect_quarantine(_metadata, true);
	test_err(ENXIO, soft_tsm_release(setup.fn->bdf));
	test_cmd(setup_connect(setup.dev));
	expect_quarantine(_metadata, true);

	/* What holds is not what releases */
	test_cmd(soft_tsm_release(setup.fn->bdf));
	expect_quarantine(_metadata, false);
	expect_state(setup.fn->rid, TDISP_STATE_UNLOCKED);
	test_cmd(soft_tsm_hold(false));

	/* The next driver gets it as after a reset, which nobody did until now */
	log = testctl_log_end();
	test_cmd(pci_driver_set(setup.fn->bdf, "vfio-pci", "vfio-pci"));
	EXPECT_EQ(1, testctl_count(log, setup.fn->rid, TDISP_EV_FLR, 0, 0));
	test_cmd(pci_driver_set(setup.fn->bdf, "vfio-pci", ""));
	test_cmd(pci_driver_set(setup.fn->bdf, "vfio-pci", "vfio-pci"));
	EXPECT_EQ(1, testctl_count(log, setup.fn->rid, TDISP_EV_FLR, 0, 0));
	vmm_close(vmm);
	test_cmd(vmm_open(vmm));
	test_cmd(tdi_setup(tdi, vmm, setup.fn));
	works(_metadata, tdi);
}

TEST_F(tsm, lost)
{
	struct tdi *tdi = &self->tdi;
	u32 state;

	test_cmd(tdi_bind(tdi));
	test_cmd(setup_disconnect(setup.dev));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	test_err(ENOTCONN, tdi_live_state(tdi, &state));
	test_err(ENOTCONN, tdi_start(tdi));
	test_err(ENOTCONN, tdi_bind(tdi));
	/* A new connection does not bring the binding back */
	test_cmd(setup_connect(setup.dev));
	test_err(ENOTCONN, tdi_bind(tdi));
	test_err(ENOTCONN, tdi_live_state(tdi, &state));
	expect_state(tdi->fn->rid, TDISP_STATE_UNLOCKED);
	test_cmd(tdi_unbind(tdi));
	test_err(ENOTCONN, tdi_unbind(tdi));
	works(_metadata, tdi);
}

/* A loss needs no acknowledgment when the vDEVICE goes */
TEST_F(tsm, lost_vdevice_destroyed)
{
	struct tdi *tdi = &self->tdi;

	test_cmd(tdi_bind(tdi));
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(vmm_destroy_id(&self->vmm, tdi->vdev_id));
	test_cmd(setup_connect(setup.dev));
	test_cmd(tdi_alloc_vdevice(tdi, TDI_VIRT_ID));
	works(_metadata, tdi);
}

TEST_F(tsm, viommu)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_TSM,
		.dev_id = self->tdi.dev_id,
		.hwpt_id = self->vmm.hwpt_id,
	};
	struct iommu_viommu_alloc bad;
	int fd = self->vmm.iommu->iommufd;
	u64 data = 0;

#define test_err_viommu(_errno) \
	test_err(_errno, ioctl(fd, IOMMU_VIOMMU_ALLOC, &bad) ? -errno : 0)

	bad = cmd;
	bad.flags = 1;
	test_err_viommu(EOPNOTSUPP);
	bad = cmd;
	bad.type = IOMMU_VIOMMU_TYPE_DEFAULT;
	test_err_viommu(EOPNOTSUPP);
	/* Left to somebody else */
	bad = cmd;
	bad.type = 3;
	test_err_viommu(EOPNOTSUPP);
	bad = cmd;
	bad.data_len = sizeof(data);
	bad.data_uptr = (uintptr_t)&data;
	test_err_viommu(EOPNOTSUPP);
	bad = cmd;
	bad.hwpt_id = self->vmm.iommu->ioas_id;
	test_err_viommu(ENOENT);
	bad = cmd;
	bad.dev_id = 0x7fffffff;
	test_err_viommu(ENOENT);

	test_cmd(ioctl(fd, IOMMU_VIOMMU_ALLOC, &cmd) ? -errno : 0);
	test_cmd(vmm_destroy_id(&self->vmm, cmd.out_viommu_id));
	works(_metadata, &self->tdi);
}

/* The HWPT that the kernel makes on attach to an IOAS is none for a vIOMMU */
TEST_F(tsm, viommu_on_auto_domain)
{
	struct tdi *tdi = &self->tdi;
	struct vfio_device_attach_iommufd_pt args = {
		.argsz = sizeof(args),
		.pt_id = self->vmm.iommu->ioas_id,
	};

	test_cmd(ioctl(tdi->vfio->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &args) ?
		 -errno : 0);
	/* Tells which one it is */
	ASSERT_NE(self->vmm.iommu->ioas_id, args.pt_id);
	ASSERT_NE(self->vmm.hwpt_id, args.pt_id);
	self->vmm.hwpt_id = args.pt_id;
	test_err(EINVAL, tdi_alloc_viommu(tdi));
	/* The vIOMMU that exists is on the other one, and works */
	works(_metadata, tdi);
}

/* Nor is one whose domain another IOMMU driver made, the mock one */
TEST_F(tsm, viommu_on_other_iommu)
{
	struct tdi *tdi = &self->tdi;
	int fd = self->vmm.iommu->iommufd;
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct iommu_test_cmd mock = {
		.size = sizeof(mock),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
	};
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt) };

	test_cmd(ioctl(fd, IOMMU_IOAS_ALLOC, &ioas) ? -errno : 0);
	mock.id = ioas.out_ioas_id;
	if (ioctl(fd, IOMMU_TEST_CMD, &mock))
		SKIP(return, "no CONFIG_IOMMUFD_TEST");
	hwpt.dev_id = mock.mock_domain.out_idev_id;
	hwpt.pt_id = ioas.out_ioas_id;
	test_cmd(ioctl(fd, IOMMU_HWPT_ALLOC, &hwpt) ? -errno : 0);

	self->vmm.hwpt_id = hwpt.out_hwpt_id;
	test_err(EINVAL, tdi_alloc_viommu(tdi));
	works(_metadata, tdi);
}

/* Requests */

FIXTURE(req)
{
	struct vmm vmm;
	struct tdi tdi;
};

FIXTURE_SETUP(req)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, setup.fn));
	test_cmd(tdi_bind(&self->tdi));
}

FIXTURE_TEARDOWN_PARENT(req)
{
	test_cmd(setup_clear(setup.dev));
}

static const struct soft_tsm_msg get_state = {
	.type = SOFT_TSM_MSG_GET_TDI_STATE,
};

static const struct iommu_tsm_req_read_object read_report = {
	.type = IOMMU_TSM_OBJECT_REPORT,
};

static struct iommu_vdevice_tsm_req
state_req(struct tdi *tdi, struct soft_tsm_msg_tdi_state *state)
{
	return tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &get_state,
		       sizeof(get_state), state, sizeof(*state));
}

/* No errno was right by chance: the same request works when it is right */
static void req_works(struct __test_metadata *_metadata, struct tdi *tdi)
{
	struct soft_tsm_msg_tdi_state state = { .state = ~0u };
	struct iommu_vdevice_tsm_req req = state_req(tdi, &state);

	test_cmd(tsm_req(tdi->vmm, &req));
	EXPECT_EQ(sizeof(state), req.resp_len);
	EXPECT_EQ(0, req.tsm_code);
	EXPECT_EQ(testctl_state(tdi->fn->rid), state.state);
}

/* @_change makes a request for the state wrong; the TSM is not reached */
#define test_err_req(_errno, _change) do {				\
	struct soft_tsm_msg_tdi_state __state = { .state = ~0u };	\
	struct iommu_vdevice_tsm_req req = state_req(&self->tdi,	\
						     &__state);		\
	u32 __log = testctl_log_end();					\
									\
	_change;							\
	test_err(_errno, tsm_req(&self->vmm, &req));			\
	/* Nothing was written, nothing was sent */			\
	EXPECT_EQ(~0u, __state.state);					\
	EXPECT_EQ(~0ull, req.tsm_code);					\
	EXPECT_EQ(__log, testctl_log_end());				\
} while (0)

TEST_F(req, unknown_op)
{
	test_err_req(EOPNOTSUPP, req.op = 0);
	test_err_req(EOPNOTSUPP, req.op = IOMMU_VDEVICE_TSM_REQ_GUEST_MSG + 1);
	test_err_req(EOPNOTSUPP, req.op = ~0u);
	req_works(_metadata, &self->tdi);
}

/* An architecture that exists is wrong, another one may come some day */
TEST_F(req, tvm_arch)
{
	test_err_req(EINVAL, req.tvm_arch = IOMMU_TVM_ARCH_CCA);
	test_err_req(EINVAL, req.tvm_arch = IOMMU_TVM_ARCH_SEV);
	test_err_req(EINVAL, req.tvm_arch = IOMMU_TVM_ARCH_TDX);
	test_err_req(EOPNOTSUPP, req.tvm_arch = 0);
	test_err_req(EOPNOTSUPP, req.tvm_arch = IOMMU_TVM_ARCH_TDX + 1);
	test_err_req(EOPNOTSUPP, req.tvm_arch = SOFT_TSM_TVM_ARCH + 1);
	req_works(_metadata, &self->tdi);
}

TEST_F(req, lengths)
{
	size_t max = SZ_2M;
	void *big = mmap(NULL, 2 * max, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iommu_vdevice_tsm_req req;

	ASSERT_NE(MAP_FAILED, big);
	/* Pointers to as much as the length says, so it is the length */
	test_err_req(EINVAL, (req.req_uptr = (uintptr_t)big,
			      req.req_len = max + 1));
	test_err_req(EINVAL, (req.resp_uptr = (uintptr_t)big,
			      req.resp_len = max + 1));
	test_err_req(EINVAL, req.req_uptr = 0);
	test_err_req(EINVAL, req.req_len = 0);
	test_err_req(EINVAL, req.resp_uptr = 0);
	test_err_req(EINVAL, req.resp_len = 0);
	test_err_req(EINVAL, (req.req_uptr = 0, req.req_len = 0));

	/* The largest buffer is none too large */
	req = tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT,
		      &read_report, sizeof(read_report), big, max);
	test_cmd(tsm_req(&self->vmm, &req));
	EXPECT_LT(0, req.resp_len);
	EXPECT_GT(max, req.resp_len);
	munmap(big, 2 * max);
	req_works(_metadata, &self->tdi);
}

TEST_F(req, size_of_struct)
{
	struct soft_tsm_msg_tdi_state state;
	struct {
		struct iommu_vdevice_tsm_req req;
		u64 more;
	} big = { .req = state_req(&self->tdi, &state) };

	big.req.size = sizeof(big.req) - 8;
	test_err(EINVAL, tsm_req(&self->vmm, &big.req));
	big.req.size = sizeof(big);
	big.more = 1;
	test_err(E2BIG, tsm_req(&self->vmm, &big.req));
	big.more = 0;
	test_cmd(tsm_req(&self->vmm, &big.req));
	EXPECT_EQ(TDISP_STATE_LOCKED, state.state);
}

/* A payload of fixed size has that size, with each operation that has one */
TEST_F(req, payload_sizes)
{
	static const struct {
		u32 op;
		u32 len;
	} ops[] = {
		{ IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO,
		  sizeof(struct iommu_tsm_req_validate_mmio) },
		{ IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE,
		  sizeof(struct iommu_tsm_req_set_tdi_state) },
		{ IOMMU_VDEVICE_TSM_REQ_READ_OBJECT,
		  sizeof(struct iommu_tsm_req_read_object) },
		{ IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT,
		  sizeof(struct iommu_tsm_req_regen_object) },
		{ IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO,
		  sizeof(struct iommu_tsm_req_object_info) },
	};
	u8 payload[64] = {};

	for (int i = 0; i < ARRAY_SIZE(ops); i++) {
		test_err_req(EINVAL, (req.op = ops[i].op,
				      req.req_uptr = (uintptr_t)payload,
				      req.req_len = ops[i].len - 1));
		test_err_req(EINVAL, (req.op = ops[i].op,
				      req.req_uptr = (uintptr_t)payload,
				      req.req_len = ops[i].len + 1));
		test_err_req(EINVAL, (req.op = ops[i].op,
				      req.req_uptr = 0,
				      req.req_len = 0));
	}
	expect_live_state(&self->tdi, TDISP_STATE_LOCKED);

	/* Room for a response of fixed size, the byte beyond it is untouched */
	{
		struct iommu_tsm_req_object_info info = {
			.type = IOMMU_TSM_OBJECT_REPORT,
		};
		u8 resp[5] = { [4] = 0xa5 };
		struct iommu_vdevice_tsm_req req =
			tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO,
				&info, sizeof(info), resp, 3);

		test_err(EINVAL, tsm_req(&self->vmm, &req));
		req.resp_len = 5;
		test_cmd(tsm_req(&self->vmm, &req));
		EXPECT_EQ(4, req.resp_len);
		EXPECT_NE(0, resp[0]);
		EXPECT_EQ(0xa5, resp[4]);
	}
}

/* Operations of one architecture are wrong on another */
TEST_F(req, other_architectures)
{
	test_err_req(EINVAL, (req.op = IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA,
			      req.req_uptr = 0,
			      req.req_len = 0));
	test_err_req(EINVAL, (req.op = IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA,
			      req.req_uptr = 0,
			      req.req_len = 0));
	req_works(_metadata, &self->tdi);
}

/* A request that gets to the TSM, which says no without asking the device */
static void test_err_tsm(struct __test_metadata *_metadata, struct tdi *tdi,
			 int err, u32 op, const void *payload, u32 len)
{
	u8 resp[64];
	struct iommu_vdevice_tsm_req req = tdi_req(tdi, op, payload, len, resp,
						   sizeof(resp));
	u32 log = testctl_log_end();

	test_err(err, tsm_req(tdi->vmm, &req));
	/* Told that there is nothing to tell */
	EXPECT_EQ(0, req.resp_len);
	EXPECT_EQ(0, req.tsm_code);
	EXPECT_EQ(log, testctl_log_end());
}

TEST_F(req, set_tdi_state)
{
	static const u32 states[] = {
		IOMMU_TSM_TDI_UNLOCKED, IOMMU_TSM_TDI_LOCKED,
		IOMMU_TSM_TDI_RUN + 1, ~0u,
	};

	for (int i = 0; i < ARRAY_SIZE(states); i++)
		test_err_tsm(_metadata, &self->tdi, EOPNOTSUPP,
			     IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &states[i],
			     sizeof(states[i]));
	expect_live_state(&self->tdi, TDISP_STATE_LOCKED);
	test_cmd(tdi_start(&self->tdi));
	expect_live_state(&self->tdi, TDISP_STATE_RUN);
}

/* The device refuses, and the guest gets to know its code */
TEST_F(req, start_twice)
{
	test_cmd(tdi_start(&self->tdi));
	EXPECT_EQ(0, self->tdi.tsm_code);
	test_err(EIO, tdi_start(&self->tdi));
	EXPECT_EQ(SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_STATE,
		  self->tdi.tsm_code);
	expect_live_state(&self->tdi, TDISP_STATE_RUN);
	req_works(_metadata, &self->tdi);
}

TEST_F(req, objects)
{
	struct iommu_tsm_req_read_object read = read_report;
	struct iommu_tsm_req_regen_object regen = {
		.type = IOMMU_TSM_OBJECT_MEAS,
	};
	struct iommu_tsm_req_object_info info = {};
	struct iommu_vdevice_tsm_req req;
	u32 size, last = IOMMU_TSM_OBJECT_REPORT;
	u8 byte;

	test_cmd(tdi_object_size(&self->tdi, read.type, &size));

#define test_err_object(_errno, _OP, _payload)				\
	test_err_tsm(_metadata, &self->tdi, _errno,			\
		     IOMMU_VDEVICE_TSM_REQ_##_OP, &(_payload),		\
		     sizeof(_payload))

	read.type = last + 1;
	test_err_object(EOPNOTSUPP, READ_OBJECT, read);
	read = read_report;
	read.__reserved = 1;
	test_err_object(EOPNOTSUPP, READ_OBJECT, read);
	read = read_report;
	read.offset = size + 1;
	test_err_object(EINVAL, READ_OBJECT, read);
	read.offset = ~0ull;
	test_err_object(EINVAL, READ_OBJECT, read);
	/* Would be inside of the object if 32 bits were all that counts */
	read.offset = 1ull << 32;
	test_err_object(EINVAL, READ_OBJECT, read);

	info.type = last + 1;
	test_err_object(EOPNOTSUPP, OBJECT_INFO, info);

	regen.type = last + 1;
	test_err_object(EOPNOTSUPP, REGEN_OBJECT, regen);
	regen.type = IOMMU_TSM_OBJECT_REPORT;
	test_err_object(EOPNOTSUPP, REGEN_OBJECT, regen);
	regen.type = IOMMU_TSM_OBJECT_MEAS;
	regen.flags = 1;
	test_err_object(EOPNOTSUPP, REGEN_OBJECT, regen);

	/* The last byte there is, and the end */
	read.offset = size - 1;
	req = tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read,
		      sizeof(read), &byte, 1);
	test_cmd(tsm_req(&self->vmm, &req));
	EXPECT_EQ(1, req.resp_len);
	read.offset = size;
	req = tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read,
		      sizeof(read), &byte, 1);
	test_cmd(tsm_req(&self->vmm, &req));
	EXPECT_EQ(0, req.resp_len);
	/* No room at all is no error either */
	read.offset = 0;
	req = tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &read,
		      sizeof(read), NULL, 0);
	test_cmd(tsm_req(&self->vmm, &req));
	EXPECT_EQ(0, req.resp_len);
}

TEST_F(req, not_of_this_tsm)
{
	struct iommu_tsm_req_validate_mmio mmio = { .gpa_top = SZ_4K };
	struct soft_tsm_msg msg = get_state;

	/* No MMIO of the VM */
	test_err_tsm(_metadata, &self->tdi, EINVAL,
		     IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, &mmio, sizeof(mmio));
	msg.type = SOFT_TSM_MSG_ENABLE_DMA + 1;
	test_err_tsm(_metadata, &self->tdi, EOPNOTSUPP,
		     IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &msg, sizeof(msg));
	msg = get_state;
	msg.__reserved = 1;
	test_err_tsm(_metadata, &self->tdi, EOPNOTSUPP,
		     IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &msg, sizeof(msg));
	test_err_tsm(_metadata, &self->tdi, EINVAL,
		     IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &msg, 1);
	req_works(_metadata, &self->tdi);
}

TEST_F(req, fault)
{
	void *hole = mmap(NULL, SZ_4K, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct iommu_vdevice_tsm_req req;
	u32 log;

	ASSERT_NE(MAP_FAILED, hole);
	/* A payload that cannot be read: nothing has happened */
	test_err_req(EFAULT, req.req_uptr = (uintptr_t)hole);

	/* A response that cannot be written: it has, and that is told */
	log = testctl_log_end();
	req = tdi_req(&self->tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &get_state,
		      sizeof(get_state), hole,
		      sizeof(struct soft_tsm_msg_tdi_state));
	test_err(EFAULT, tsm_req(&self->vmm, &req));
	EXPECT_EQ(sizeof(struct soft_tsm_msg_tdi_state), req.resp_len);
	EXPECT_EQ(0, req.tsm_code);
	EXPECT_EQ(1, count_tdisp(log, self->tdi.fn->rid,
				 TDISP_GET_INTERFACE_STATE));
	munmap(hole, SZ_4K);
	req_works(_metadata, &self->tdi);
}

/* Whether it is bound is the first that is looked at */
TEST_F(req, not_bound)
{
	test_cmd(tdi_unbind(&self->tdi));
	test_err_req(ENOTCONN, (void)0);
	test_err_req(ENOTCONN, req.op = ~0u);
	test_err_req(ENOTCONN, req.tvm_arch = ~0u);
	test_err_req(ENOTCONN, req.req_len = 1);
	test_cmd(tdi_bind(&self->tdi));
	req_works(_metadata, &self->tdi);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
