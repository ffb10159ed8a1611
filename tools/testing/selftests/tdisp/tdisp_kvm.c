// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MMIO of a function as a VM has it, by a memslot that the dma-buf of the
 * BAR backs: shared at any time, private while the function is bound, and not at
 * all from when the TSM takes it away until the owner has it back. What a guest
 * does is seen on the device, past VFIO; in RUN, when the device keeps the host
 * out, the guest has to see it itself.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>
#include <sys/wait.h>

#include <linux/io.h>
#include <linux/kvm.h>
#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "lib/vcpu.h"

#define BAR_GPA		VCPU_DATA_GPA
#define BAR_LEN		VCPU_DATA_LEN
#define PAGE(_n)	((_n) * SZ_4K)

FIXTURE(kvm)
{
	struct vmm vmm;
	struct tdi tdi;
	struct vcpu vcpu;
	/* The BAR past VFIO, and its dma-buf */
	void *host;
	int dmabuf;
	u16 rid;
};

static void start_vm(struct __test_metadata *_metadata, FIXTURE_DATA(kvm) *self)
{
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, setup.fn));
	test_cmd(vcpu_create(&self->vcpu, &self->vmm.vm));
	self->dmabuf = tdi_export_bar(&self->tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, self->dmabuf);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, self->dmabuf, 0, BAR_GPA,
			       BAR_LEN));
	self->host = host_map_bar(setup.fn->bdf, TDISP_BAR_MEM, BAR_LEN);
	ASSERT_NE(NULL, self->host);
}

static void stop_vm(FIXTURE_DATA(kvm) *self)
{
	munmap(self->host, BAR_LEN);
	close_fd(&self->dmabuf);
	vcpu_destroy(&self->vcpu);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
}

FIXTURE_SETUP(kvm)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(setup_connect(setup.dev));
	self->rid = setup.fn->rid;
	start_vm(_metadata, self);
}

FIXTURE_TEARDOWN_PARENT(kvm)
{
	test_cmd(setup_clear(setup.dev));
}

static int convert(FIXTURE_DATA(kvm) *self, bool private)
{
	return vm_set_private(&self->vmm.vm, BAR_GPA, BAR_LEN, private);
}

/* The guest reaches the device, with what @_n makes different from before */
#define expect_reaches(_self, _n) do {					\
	FIXTURE_DATA(kvm) *__s = (_self);				\
	u32 __n = (_n);							\
	u32 __off = PAGE(__n % 4) + 4 * __n;				\
	u32 __val;							\
									\
	writel(0xa110 + __n, __s->host + __off);			\
	test_cmd(vcpu_read(&__s->vcpu, __off, &__val));			\
	EXPECT_EQ(0xa110 + __n, __val);					\
	test_cmd(vcpu_write(&__s->vcpu, __off, ~__val));		\
	EXPECT_EQ(~__val, readl(__s->host + __off));			\
} while (0)

/* It does not, and exits to the VMM for a fault of this kind */
#define expect_faults(_self, _private) do {				\
	FIXTURE_DATA(kvm) *__s = (_self);				\
	u32 __val;							\
									\
	writel(0xdead, __s->host + PAGE(1));				\
	test_err(EFAULT, vcpu_read(&__s->vcpu, PAGE(1), &__val));	\
	EXPECT_EQ(BAR_GPA + PAGE(1), __s->vcpu.run->memory_fault.gpa);	\
	EXPECT_EQ((_private) ? KVM_MEMORY_EXIT_FLAG_PRIVATE : 0,	\
		  __s->vcpu.run->memory_fault.flags);			\
	test_err(EFAULT, vcpu_write(&__s->vcpu, PAGE(1), 0));		\
	EXPECT_EQ(0xdead, readl(__s->host + PAGE(1)));			\
} while (0)

/*
 * The guest has a mapping of the page, but the device does not answer: to what
 * is private before it runs, and to what is shared when it does
 */
#define expect_mapped(_self, _page) do {				\
	FIXTURE_DATA(kvm) *__s = (_self);				\
	u32 __off = PAGE(_page);					\
	u32 __val;							\
									\
	test_cmd(vcpu_read(&__s->vcpu, __off, &__val));			\
	EXPECT_EQ(~0u, __val);						\
	test_cmd(vcpu_write(&__s->vcpu, __off, 0));			\
	test_cmd(vcpu_read(&__s->vcpu, __off, &__val));			\
	EXPECT_EQ(~0u, __val);						\
} while (0)

/*
 * In RUN the guest, and nobody else, reaches what is private, at the same place
 * for the same number, with what the number makes different
 */
#define expect_trusted(_self, _n) do {					\
	FIXTURE_DATA(kvm) *__s = (_self);				\
	u32 __n = (_n);							\
	u32 __off = PAGE(__n % 4) + 4 * __n;				\
	u32 __val;							\
									\
	test_cmd(vcpu_write(&__s->vcpu, __off, 0x7ee0 + __n));		\
	writel(0xdead, __s->host + __off);				\
	EXPECT_EQ(~0u, readl(__s->host + __off));			\
	test_cmd(vcpu_read(&__s->vcpu, __off, &__val));			\
	EXPECT_EQ(0x7ee0 + __n, __val);					\
} while (0)

TEST_F(kvm, shared)
{
	expect_reaches(self, 0);
	/* The bind is no end for the VM, only for the host */
	test_cmd(tdi_bind(&self->tdi));
	expect_reaches(self, 1);
	test_cmd(tdi_start(&self->tdi));
	expect_mapped(self, 0);
	test_cmd(tdi_unbind(&self->tdi));
	expect_reaches(self, 2);
	stop_vm(self);
}

TEST_F(kvm, private)
{
	struct vfio_pci_bar *bar = &self->tdi.vfio->bars[TDISP_BAR_REGS];
	u32 val;

	expect_reaches(self, 0);
	test_cmd(convert(self, true));
	expect_faults(self, true);

	test_cmd(tdi_bind(&self->tdi));
	test_err(EFAULT, mmio_read32(bar->vaddr, &val));
	expect_mapped(self, 1);

	/* There and back again */
	test_cmd(convert(self, false));
	expect_reaches(self, 2);
	test_cmd(convert(self, true));
	expect_mapped(self, 1);
	test_cmd(tdi_start(&self->tdi));
	expect_trusted(self, 3);
	test_cmd(convert(self, false));
	expect_mapped(self, 3);
	test_cmd(convert(self, true));
	test_cmd(vcpu_read(&self->vcpu, PAGE(3) + 12, &val));
	EXPECT_EQ(0x7ee3, val);

	test_cmd(tdi_unbind(&self->tdi));
	expect_faults(self, true);
	test_cmd(mmio_read32(bar->vaddr, &val));
	test_cmd(convert(self, false));
	expect_reaches(self, 4);
	stop_vm(self);
}

/* A guest that was restarted locks its device again */
TEST_F_TIMEOUT(kvm, again, 60)
{
	test_cmd(convert(self, true));
	for (int i = 0; i < 3; i++) {
		expect_faults(self, true);
		test_cmd(tdi_bind(&self->tdi));
		test_cmd(tdi_start(&self->tdi));
		expect_trusted(self, i);
		test_cmd(tdi_unbind(&self->tdi));
	}
	stop_vm(self);
}

/* Pages of both kinds in one slot */
TEST_F(kvm, mixed)
{
	struct vm *vm = &self->vmm.vm;
	u32 val;

	test_cmd(vm_set_private(vm, BAR_GPA + PAGE(1), PAGE(1), true));
	test_cmd(vcpu_read(&self->vcpu, PAGE(0), &val));
	expect_faults(self, true);
	test_cmd(tdi_bind(&self->tdi));
	expect_reaches(self, 0);
	expect_mapped(self, 1);
	expect_reaches(self, 2);
	test_cmd(tdi_start(&self->tdi));
	expect_mapped(self, 0);
	expect_trusted(self, 1);
	expect_mapped(self, 2);
	test_cmd(tdi_unbind(&self->tdi));
	expect_faults(self, true);
	test_cmd(vcpu_read(&self->vcpu, PAGE(2), &val));
	stop_vm(self);
}

/* A slot that comes while the function is bound, and one that goes */
TEST_F(kvm, slot_while_bound)
{
	struct vm *vm = &self->vmm.vm;

	test_cmd(convert(self, true));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	expect_trusted(self, 0);
	test_cmd(vm_set_dmabuf(vm, self->dmabuf, 0, BAR_GPA, 0));
	close_fd(&self->dmabuf);
	self->dmabuf = tdi_export_bar(&self->tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, self->dmabuf);
	test_cmd(vm_set_dmabuf(vm, self->dmabuf, 0, BAR_GPA, BAR_LEN));
	expect_trusted(self, 1);
	test_cmd(tdi_unbind(&self->tdi));
	expect_faults(self, true);
	stop_vm(self);
}

/* The soft TSM is for one type of VM, as every TSM is */
TEST_F(kvm, other_type)
{
	u32 val;

	stop_vm(self);
	test_cmd(vmm_open(&self->vmm));
	vm_close(&self->vmm.vm);
	test_cmd(vm_create_type(&self->vmm.vm, KVM_X86_DEFAULT_VM));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, setup.fn));
	test_cmd(vcpu_create(&self->vcpu, &self->vmm.vm));
	self->dmabuf = tdi_export_bar(&self->tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	test_cmd(vm_set_dmabuf(&self->vmm.vm, self->dmabuf, 0, BAR_GPA,
			       BAR_LEN));
	self->host = host_map_bar(setup.fn->bdf, TDISP_BAR_MEM, BAR_LEN);
	ASSERT_NE(NULL, self->host);

	expect_reaches(self, 0);
	test_err(EINVAL, tdi_bind(&self->tdi));
	expect_state(self->rid, TDISP_STATE_UNLOCKED);
	test_cmd(mmio_read32(self->tdi.vfio->bars[TDISP_BAR_REGS].vaddr, &val));
	expect_reaches(self, 1);
	stop_vm(self);
}

/* Lost: the TSM takes the MMIO away, and nobody has it until UNBIND */
TEST_F(kvm, lost)
{
	test_cmd(convert(self, true));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	expect_trusted(self, 0);
	test_cmd(setup_disconnect(setup.dev));
	expect_faults(self, true);
	test_cmd(convert(self, false));
	expect_faults(self, false);
	test_cmd(tdi_unbind(&self->tdi));
	expect_reaches(self, 1);
	test_cmd(convert(self, true));
	expect_faults(self, true);
	stop_vm(self);
}

FIXTURE(kvm_order)
{
	FIXTURE_DATA(kvm) kvm;
};

FIXTURE_VARIANT(kvm_order)
{
	const char *teardown;
};

FIXTURE_VARIANT_ADD(kvm_order, stop_first)
{
	.teardown = "stop-first",
};

FIXTURE_VARIANT_ADD(kvm_order, late_revoke)
{
	.teardown = "stop-first-late-revoke",
};

FIXTURE_VARIANT_ADD(kvm_order, revoke_first)
{
	.teardown = "revoke-first",
};

FIXTURE_SETUP(kvm_order)
{
	test_cmd(setup_ready(setup.dev));
	test_cmd(soft_tsm_set_teardown(variant->teardown));
	test_cmd(setup_connect(setup.dev));
	self->kvm.rid = setup.fn->rid;
	start_vm(_metadata, &self->kvm);
}

FIXTURE_TEARDOWN_PARENT(kvm_order)
{
	test_cmd(setup_clear(setup.dev));
}

TEST_F(kvm_order, unbind)
{
	test_cmd(convert(&self->kvm, true));
	test_cmd(tdi_bind(&self->kvm.tdi));
	test_cmd(tdi_start(&self->kvm.tdi));
	expect_trusted(&self->kvm, 0);
	test_cmd(tdi_unbind(&self->kvm.tdi));
	expect_faults(&self->kvm, true);
	test_cmd(convert(&self->kvm, false));
	expect_reaches(&self->kvm, 1);
	stop_vm(&self->kvm);
}

struct hammer {
	struct vcpu *vcpu;
	pthread_t thread;
	atomic_bool stop;
	/* What it did since somebody last set it to 0 */
	atomic_ulong reached;
	atomic_ulong faulted;
	atomic_int error;
};

static void *hammer_main(void *data)
{
	struct hammer *h = data;
	u32 val;
	int rc;

	while (!h->stop) {
		rc = vcpu_read(h->vcpu, 0, &val);
		if (!rc)
			h->reached++;
		else if (rc == -EFAULT)
			h->faulted++;
		else
			h->error = rc;
	}
	return NULL;
}

/* A guest that touches its MMIO all the time, through binds and unbinds */
TEST_F_TIMEOUT(kvm, hammer, 120)
{
	struct hammer h = { .vcpu = &self->vcpu };

	test_cmd(convert(self, true));
	pthread_create(&h.thread, NULL, hammer_main, &h);
	for (int i = 0; i < 5; i++) {
		test_cmd(tdi_bind(&self->tdi));
		h.reached = 0;
		EXPECT_TRUE(wait_for(h.reached, 10000));
		test_cmd(tdi_unbind(&self->tdi));
		/* One that is under way may still count */
		h.faulted = 0;
		ASSERT_TRUE(wait_for(h.faulted, 10000));
		h.reached = 0;
		h.faulted = 0;
		ASSERT_TRUE(wait_for(h.faulted > 10, 10000));
		EXPECT_EQ(0, h.reached);
	}
	h.stop = true;
	pthread_join(h.thread, NULL);
	EXPECT_EQ(0, h.error);
	stop_vm(self);
}

/* No private mapping stays behind from a bind that the device refuses */
TEST_F_TIMEOUT(kvm, failed_bind, 120)
{
	struct hammer h = { .vcpu = &self->vcpu };

	test_cmd(convert(self, true));
	pthread_create(&h.thread, NULL, hammer_main, &h);
	testctl_set(self->rid, TDISP_CTL_LOCK_ERROR, TDISP_ERR_INVALID_CONFIG);
	for (int i = 0; i < 10; i++) {
		test_err(EIO, tdi_bind(&self->tdi));
		h.faulted = 0;
		ASSERT_TRUE(wait_for(h.faulted, 10000));
		h.reached = 0;
		h.faulted = 0;
		ASSERT_TRUE(wait_for(h.faulted > 10, 10000));
		EXPECT_EQ(0, h.reached);
	}
	testctl_clear_faults(self->rid);
	h.stop = true;
	pthread_join(h.thread, NULL);
	EXPECT_EQ(0, h.error);
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	expect_trusted(self, 0);
	stop_vm(self);
}

/* After a bind that the TSM cannot undo the VM has the device in no way */
TEST_F_TIMEOUT(kvm, kept_after_bind, 60)
{
	/* Neither the report is one, nor does it stop */
	testctl_set(self->rid, TDISP_CTL_LENGTH_MSG,
		    TDISP_GET_INTERFACE_REPORT);
	testctl_set(self->rid, TDISP_CTL_LENGTH_DELTA, -1);
	testctl_set(self->rid, TDISP_CTL_STOP_ERROR, TDISP_ERR_INVALID_STATE);
	test_err(EBADMSG, tdi_bind(&self->tdi));
	test_err(EUCLEAN, tdi_bind(&self->tdi));
	expect_faults(self, false);
	test_cmd(convert(self, true));
	expect_faults(self, true);

	testctl_clear_faults(self->rid);
	test_cmd(soft_tsm_release(setup.fn->bdf));
	/* And the next binding has it, without an unbind between */
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	expect_trusted(self, 0);
	stop_vm(self);
}

struct slot_toggle {
	pthread_t thread;
	struct vm *vm;
	int dmabuf;
	atomic_bool stop;
	int error;
};

static void *slot_toggle_main(void *data)
{
	struct slot_toggle *t = data;

	while (!t->stop && !t->error) {
		t->error = vm_set_dmabuf(t->vm, -1, 0, BAR_GPA, 0);
		if (!t->error)
			t->error = vm_set_dmabuf(t->vm, t->dmabuf, 0, BAR_GPA,
						 BAR_LEN);
	}
	return NULL;
}

/* What looks MMIO up in a slot may find it in the middle of being deleted */
TEST_F_TIMEOUT(kvm, lookup_while_deleted, 120)
{
	struct slot_toggle t = {
		.vm = &self->vmm.vm,
		.dmabuf = self->dmabuf,
	};
	int found = 0, gone = 0;

	test_cmd(tdi_bind(&self->tdi));
	ASSERT_EQ(0, pthread_create(&t.thread, NULL, slot_toggle_main, &t));
	for (int i = 0; i < 20000 && (found < 50 || gone < 50); i++) {
		int rc = tdi_validate_mmio(&self->tdi, BAR_GPA,
					   BAR_GPA + SZ_4K, 0);

		if (!rc)
			found++;
		else if (rc == -EINVAL)
			gone++;
		else
			ASSERT_EQ(0, rc);
	}
	t.stop = true;
	pthread_join(t.thread, NULL);
	EXPECT_EQ(0, t.error);
	EXPECT_LE(50, found);
	EXPECT_LE(50, gone);
	stop_vm(self);
}

struct removal {
	pthread_t thread;
	const char *driver_attr;
	atomic_bool done;
};

static void *removal_main(void *data)
{
	struct removal *r = data;

	if (r->driver_attr)
		sysfs_write(setup.fn->bdf, "/sys/bus/pci/drivers/vfio-pci/%s",
			    r->driver_attr);
	else
		sysfs_write("1", "/sys/bus/pci/devices/%s/remove",
			    setup.fn->bdf);
	r->done = true;
	return NULL;
}

/*
 * The function leaves the host's driver, or the bus, while a slot has private
 * mappings of it. That waits for the VMM, and the guest goes on meanwhile. After
 * the VMM has closed it there is a slot, but nothing behind it.
 */
static void remove_under_slot(struct __test_metadata *_metadata,
			      FIXTURE_DATA(kvm) *self, const char *driver_attr)
{
	struct removal r = { .driver_attr = driver_attr };
	struct iommu_vevent_tsm event;
	int events;
	u32 val;

	events = vmm_open_events(&self->vmm);
	ASSERT_LE(0, events);
	test_cmd(convert(self, true));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_start(&self->tdi));
	expect_trusted(self, 0);

	ASSERT_EQ(0, pthread_create(&r.thread, NULL, removal_main, &r));
	test_cmd(vmm_read_event(events, 5000, &event));
	EXPECT_EQ(IOMMU_TSM_EVENT_LINK_LOST, event.event);
	expect_trusted(self, 1);
	EXPECT_FALSE(r.done);

	close(events);
	munmap(self->host, BAR_LEN);
	tdi_close(&self->tdi);
	ASSERT_TRUE(wait_for(r.done, 20000));
	ASSERT_EQ(0, pthread_join(r.thread, NULL));
	for (int private = 1; private >= 0; private--) {
		test_cmd(convert(self, private));
		test_err(EFAULT, vcpu_read(&self->vcpu, PAGE(1), &val));
		test_err(EFAULT, vcpu_write(&self->vcpu, PAGE(1), 0));
	}
	test_cmd(vm_set_dmabuf(&self->vmm.vm, -1, 0, BAR_GPA, 0));
	close_fd(&self->dmabuf);
	vcpu_destroy(&self->vcpu);
	vmm_close(&self->vmm);
}

TEST_F_TIMEOUT(kvm, driver_unbind, 60)
{
	remove_under_slot(_metadata, self, "unbind");
}

TEST_F_TIMEOUT(kvm, sysfs_remove, 60)
{
	remove_under_slot(_metadata, self, NULL);
}

#define NR_FILES 4

/* As exit does it, which knows no order */
static void close_in_order(FIXTURE_DATA(kvm) *self, int n)
{
	struct vfio_pci_device *vfio = self->tdi.vfio;
	int *files[NR_FILES] = {
		&self->vmm.vm.vm_fd, &self->vmm.vm.vfio_fd, &vfio->fd,
		&self->dmabuf,
	};

	munmap(self->host, BAR_LEN);
	/* Mappings are references to the file of the device and the vCPU */
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		if (vfio->bars[i].vaddr)
			munmap(vfio->bars[i].vaddr, vfio->bars[i].info.size);
	munmap(self->vcpu.run, self->vcpu.run_size);
	self->vcpu.run = MAP_FAILED;
	if (n & 1)
		vcpu_destroy(&self->vcpu);
	/* Permutation number n */
	for (int left = NR_FILES; left; left--) {
		int pick = n % left;

		n /= left;
		close_fd(files[pick]);
		files[pick] = files[left - 1];
	}
	vcpu_destroy(&self->vcpu);
	close_fd(&self->vmm.vm.kvm_fd);
	iommu_cleanup(self->vmm.iommu);
	vfio_pci_device_free(vfio);
	self->vmm.iommu = NULL;
	self->tdi.vfio = NULL;
}

/* The files of a VMM that has a private mapping, in all orders */
TEST_F_TIMEOUT(kvm, close_orders, 300)
{
	stop_vm(self);
	for (int n = 0; n < 24; n++) {
		start_vm(_metadata, self);
		test_cmd(convert(self, true));
		test_cmd(tdi_bind(&self->tdi));
		test_cmd(tdi_start(&self->tdi));
		expect_trusted(self, n);
		close_in_order(self, n);
		ASSERT_TRUE(wait_for(testctl_state(self->rid) ==
				     TDISP_STATE_UNLOCKED, 10000)) {
			TH_LOG("order %d", n);
		}
	}
	start_vm(_metadata, self);
	expect_reaches(self, 0);
	stop_vm(self);
}

/* In the middle of an access */
TEST_F_TIMEOUT(kvm, killed, 120)
{
	stop_vm(self);
	for (int i = 0; i < 3; i++) {
		int ready[2], status;
		char byte;
		pid_t pid;

		ASSERT_EQ(0, pipe(ready));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			struct hammer h = { .vcpu = &self->vcpu };

			memset(&self->vmm, 0, sizeof(self->vmm));
			start_vm(_metadata, self);
			test_cmd(convert(self, true));
			test_cmd(tdi_bind(&self->tdi));
			test_cmd(tdi_start(&self->tdi));
			expect_trusted(self, 0);
			ASSERT_EQ(1, write(ready[1], "", 1));
			hammer_main(&h);
			_exit(1);
		}
		close(ready[1]);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		close(ready[0]);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_TRUE(wait_for(testctl_state(self->rid) ==
				     TDISP_STATE_UNLOCKED, 10000));
	}
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
