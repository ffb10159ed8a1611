// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace events of a TDI and of its memslot: which ones there are, what is in
 * them, and in which order they come. Their names and fields are an interface.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include <linux/kvm.h>
#include <linux/sizes.h>

#include "tdisp_harness.h"
#include "lib/trace.h"
#include "lib/vcpu.h"

#define BAR_GPA		VCPU_DATA_GPA
#define BAR_LEN		VCPU_DATA_LEN
#define PAGES		(BAR_LEN / SZ_4K)

static const struct {
	const char *event;
	const char *fields;
} golden[] = {
	{ "kvm/kvm_dmabuf_bind",
	  "pid_t vm_pid; u16 as_id; short slot; u64 gfn; u64 npages; ino_t ino; u64 pgoff;" },
	{ "kvm/kvm_dmabuf_map",
	  "pid_t vm_pid; u16 as_id; short slot; u64 gfn; u64 pfn; u32 order; bool private;" },
	{ "kvm/kvm_dmabuf_unbind",
	  "pid_t vm_pid; u16 as_id; short slot; u64 gfn; u64 npages; ino_t ino; u64 pgoff;" },
	{ "kvm/kvm_dmabuf_zap",
	  "pid_t vm_pid; u16 as_id; short slot; u64 start; u64 end; u32 filter;" },
	{ "tsm/tsm_bind", "__data_loc char[] device; u32 tdi_id;" },
	{ "tsm/tsm_bind_done",
	  "__data_loc char[] device; u32 tdi_id; int rc;" },
	{ "tsm/tsm_connect", "__data_loc char[] device; __data_loc char[] tsm;" },
	{ "tsm/tsm_connect_done",
	  "__data_loc char[] device; __data_loc char[] tsm; int rc;" },
	{ "tsm/tsm_disconnect",
	  "__data_loc char[] device; __data_loc char[] tsm;" },
	{ "tsm/tsm_fw_call",
	  "__data_loc char[] device; __data_loc char[] name; int rc; "
	  "u64 status; u64 duration_ns;" },
	{ "tsm/tsm_guest_req",
	  "__data_loc char[] device; u32 tdi_id; u32 op; u32 tvm_arch; "
	  "u64 req_len; u64 resp_size;" },
	{ "tsm/tsm_guest_req_done",
	  "__data_loc char[] device; u32 tdi_id; u32 op; u64 resp_len; u64 tsm_code; int rc;" },
	{ "tsm/tsm_lost", "__data_loc char[] device; u32 reason;" },
	{ "tsm/tsm_quarantine", "__data_loc char[] device;" },
	{ "tsm/tsm_quarantine_release", "__data_loc char[] device;" },
	{ "tsm/tsm_restore", "__data_loc char[] device;" },
	{ "tsm/tsm_revoke_mmio", "__data_loc char[] device; u32 tdi_id;" },
	{ "tsm/tsm_tdi_error", "__data_loc char[] device; u32 tdi_id;" },
	{ "tsm/tsm_tdi_state", "__data_loc char[] device; u32 state;" },
	{ "tsm/tsm_trusted_dma",
	  "__data_loc char[] device; u32 tdi_id; bool on; int rc;" },
	{ "tsm/tsm_unbind", "__data_loc char[] device; u32 tdi_id;" },
	{ "tsm/tsm_unbind_done", "__data_loc char[] device; int rc;" },
	{ "vfio_pci/vfio_pci_dma_buf_reasons",
	  "__data_loc char[] device; ino_t ino; size_t size; u8 old; u8 new;" },
	{ "vfio_pci/vfio_pci_tsm_reasons",
	  "__data_loc char[] device; u8 old; u8 new;" },
};

TEST(fields)
{
	char fields[512];

	for (int i = 0; i < ARRAY_SIZE(golden); i++) {
		test_cmd(trace_fields(golden[i].event, fields, sizeof(fields)));
		EXPECT_STREQ(golden[i].fields, fields) {
			TH_LOG("%s", golden[i].event);
		}
	}
}

/* An event that nobody wrote down here is not there */
TEST(no_others)
{
	int nr = 0, want = 0;
	struct dirent *entry;
	DIR *dir;

	for (int i = 0; i < ARRAY_SIZE(golden); i++)
		want += !strncmp(golden[i].event, "tsm/", 4);
	dir = opendir("/sys/kernel/tracing/events/tsm");
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir)))
		nr += !strncmp(entry->d_name, "tsm_", 4);
	closedir(dir);
	EXPECT_EQ(want, nr);
}

FIXTURE(trace)
{
	struct trace trace;
	struct vmm vmm;
	struct tdi tdi;
	struct vcpu vcpu;
	int dmabuf;
	unsigned long ino;
	char tsm[16];
	const char *bdf;
};

/* The next event is one whose text starts like this, others may be before it */
#define expect_event(_self, _event, ...) do {				\
	struct trace *__trace = &(_self)->trace;			\
	const char *__event = (_event);					\
	char *__at = __trace->at;					\
									\
	EXPECT_EQ(0, trace_find(__trace, __event, __VA_ARGS__)) {	\
		TH_LOG("no %s:", __event);				\
		TH_LOG(__VA_ARGS__);					\
		TH_LOG("but:\n%.2000s", __at);				\
	}								\
} while (0)

#define expect_fw_call(_self, _name, _rc, _status) do {			\
	__typeof__(_self) __self = (_self);				\
									\
	expect_event(__self, "tsm_fw_call",				\
		     "device=%s name=%s rc=%d status=0x%x duration_ns=",	\
		     __self->bdf, _name, _rc, _status);			\
} while (0)

/* A VM with the device, and a memslot for its memory, traced from here on */
static void start(struct __test_metadata *_metadata, FIXTURE_DATA(trace) *self)
{
	struct stat st;

	self->bdf = setup.fn->bdf;
	test_cmd(setup_ready(setup.dev));
	test_cmd(tsm_find(self->tsm, sizeof(self->tsm)));
	test_cmd(trace_open(&self->trace));
	test_cmd(trace_enable("tsm", true));
	test_cmd(trace_enable("vfio_pci", true));
	test_cmd(trace_enable("kvm/kvm_dmabuf_bind", true));
	test_cmd(trace_enable("kvm/kvm_dmabuf_unbind", true));
	test_cmd(trace_enable("kvm/kvm_dmabuf_map", true));
	test_cmd(trace_enable("kvm/kvm_dmabuf_zap", true));

	test_cmd(setup_connect(setup.dev));
	test_cmd(vmm_open(&self->vmm));
	test_cmd(tdi_setup(&self->tdi, &self->vmm, setup.fn));
	test_cmd(vcpu_create(&self->vcpu, &self->vmm.vm));
	self->dmabuf = tdi_export_bar(&self->tdi, TDISP_BAR_MEM, 0, BAR_LEN);
	ASSERT_LE(0, self->dmabuf);
	ASSERT_EQ(0, fstat(self->dmabuf, &st));
	self->ino = st.st_ino;
	test_cmd(vm_set_dmabuf(&self->vmm.vm, self->dmabuf, 0, BAR_GPA,
			       BAR_LEN));
	test_cmd(trace_read(&self->trace));
}

static void finish(FIXTURE_DATA(trace) *self)
{
	trace_close(&self->trace);
	close_fd(&self->dmabuf);
	vcpu_destroy(&self->vcpu);
	tdi_close(&self->tdi);
	vmm_close(&self->vmm);
}

FIXTURE_SETUP(trace)
{
	if (!trace_has("tsm"))
		SKIP(return, "no trace events, or tracefs is not mounted");
	start(_metadata, self);
}

FIXTURE_TEARDOWN(trace)
{
	finish(self);
	test_cmd(setup_clear(setup.dev));
}

static int convert(FIXTURE_DATA(trace) *self, bool private)
{
	return vm_set_private(&self->vmm.vm, BAR_GPA, BAR_LEN, private);
}

/* What was recorded before the test began */
TEST_F(trace, connect)
{
	expect_event(self, "tsm_connect", "device=%s tsm=%s\n", self->bdf,
		     self->tsm);
	expect_fw_call(self, "SPDM_GET_VERSION", 0, 0);
	expect_fw_call(self, "SPDM_GET_CERTIFICATE", 0, 0);
	expect_fw_call(self, "SPDM_PSK_FINISH", 0, 0);
	if (!setup.dev->integrated) {
		expect_fw_call(self, "IDE_KM_KEY_PROG", 0, 0);
		expect_fw_call(self, "IDE_KM_K_SET_GO", 0, 0);
	}
	expect_event(self, "tsm_connect_done", "device=%s tsm=%s rc=0\n",
		     self->bdf, self->tsm);
	expect_event(self, "kvm_dmabuf_bind",
		     "vm_pid=%d as_id=0 slot=%d gfn=%#x npages=%#x ino=%lu pgoff=0x0\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K, PAGES,
		     self->ino);
	EXPECT_EQ(1, trace_count(&self->trace, "tsm_connect"));
	EXPECT_EQ(1, trace_count(&self->trace, "kvm_dmabuf_bind"));
	EXPECT_EQ(0, trace_count(&self->trace, "tsm_bind"));

	test_cmd(setup_disconnect(setup.dev));
	test_cmd(trace_read(&self->trace));
	expect_event(self, "tsm_disconnect", "device=%s tsm=%s\n", self->bdf,
		     self->tsm);
	expect_fw_call(self, "SPDM_END_SESSION", 0, 0);
	EXPECT_EQ(0, trace_count(&self->trace, "tsm_lost"));
}

TEST_F(trace, bind)
{
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(trace_read(&self->trace));

	expect_event(self, "tsm_bind", "device=%s tdi_id=%#x\n", self->bdf,
		     TDI_VIRT_ID);
	expect_event(self, "vfio_pci_tsm_reasons",
		     "device=%s old=0 new=TSM_BOUND\n", self->bdf);
	expect_event(self, "vfio_pci_dma_buf_reasons",
		     "device=%s ino=%lu size=%u old=0 new=TSM_BOUND\n",
		     self->bdf, self->ino, BAR_LEN);
	expect_fw_call(self, "TDI_CREATE", 0, 0);
	expect_fw_call(self, "TDISP_LOCK_INTERFACE", 0, 0);
	expect_fw_call(self, "TDISP_GET_INTERFACE_REPORT", 0, 0);
	expect_event(self, "tsm_tdi_state", "device=%s state=CONFIG_LOCKED\n",
		     self->bdf);
	expect_event(self, "tsm_bind_done", "device=%s tdi_id=%#x rc=0\n",
		     self->bdf, TDI_VIRT_ID);
	EXPECT_EQ(1, trace_count(&self->trace, "tsm_bind"));
	EXPECT_EQ(1, trace_count(&self->trace, "tsm_bind_done"));

	/* Nothing starts, where nothing is done */
	test_err(EALREADY, tdi_bind(&self->tdi));
	test_cmd(trace_read(&self->trace));
	EXPECT_EQ(0, trace_count(&self->trace, "tsm_bind"));
}

TEST_F(trace, duration)
{
	unsigned long long ns = 0;
	char *text;

	test_cmd(tdi_bind(&self->tdi));
	testctl_set(setup.fn->rid, TDISP_CTL_STALL_MS, 100);
	test_cmd(tdi_start(&self->tdi));
	testctl_clear_faults(setup.fn->rid);
	test_cmd(trace_read(&self->trace));
	expect_fw_call(self, "TDISP_START_INTERFACE", 0, 0);
	text = strstr(self->trace.at, "duration_ns=");
	ASSERT_NE(NULL, text);
	ns = strtoull(text + strlen("duration_ns="), NULL, 10);
	EXPECT_LE(100 * 1000000, ns);
	EXPECT_GT(10ull * 1000000000, ns);
}

TEST_F(trace, requests)
{
	u32 size;

	test_cmd(tdi_bind(&self->tdi));
	test_cmd(trace_clear());
	test_cmd(tdi_object_size(&self->tdi, IOMMU_TSM_OBJECT_REPORT, &size));
	test_cmd(tdi_start(&self->tdi));
	test_err(EIO, tdi_start(&self->tdi));
	test_err(EOPNOTSUPP, tdi_object_size(&self->tdi, 77, &size));
	test_cmd(trace_read(&self->trace));

	expect_event(self, "tsm_guest_req",
		     "device=%s tdi_id=%#x op=OBJECT_INFO tvm_arch=%#x req_len=%zu resp_size=4\n",
		     self->bdf, TDI_VIRT_ID, SOFT_TSM_TVM_ARCH,
		     sizeof(struct iommu_tsm_req_object_info));
	expect_event(self, "tsm_guest_req_done",
		     "device=%s tdi_id=%#x op=OBJECT_INFO resp_len=4 tsm_code=0x0 rc=0\n",
		     self->bdf, TDI_VIRT_ID);
	expect_event(self, "tsm_guest_req",
		     "device=%s tdi_id=%#x op=SET_TDI_STATE tvm_arch=%#x req_len=4 resp_size=0\n",
		     self->bdf, TDI_VIRT_ID, SOFT_TSM_TVM_ARCH);
	expect_fw_call(self, "TDISP_START_INTERFACE", 0, 0);
	expect_event(self, "tsm_tdi_state", "device=%s state=RUN\n",
		     self->bdf);
	expect_event(self, "tsm_guest_req_done",
		     "device=%s tdi_id=%#x op=SET_TDI_STATE resp_len=0 tsm_code=0x0 rc=0\n",
		     self->bdf, TDI_VIRT_ID);
	expect_fw_call(self, "TDISP_START_INTERFACE", -EIO,
		       TDISP_ERR_INVALID_STATE);
	expect_event(self, "tsm_guest_req_done",
		     "device=%s tdi_id=%#x op=SET_TDI_STATE resp_len=0 tsm_code=%#x rc=%d\n",
		     self->bdf, TDI_VIRT_ID, TDISP_ERR_INVALID_STATE, -EIO);
	expect_event(self, "tsm_guest_req_done",
		     "device=%s tdi_id=%#x op=OBJECT_INFO resp_len=0 tsm_code=0x0 rc=%d\n",
		     self->bdf, TDI_VIRT_ID, -EOPNOTSUPP);
}

TEST_F(trace, slot)
{
	unsigned long long pfn;
	u64 start, size;
	u32 val;

	test_cmd(pci_bar(self->bdf, TDISP_BAR_MEM, &start, &size));
	pfn = start / SZ_4K;
	test_cmd(vcpu_read(&self->vcpu, SZ_4K, &val));
	test_cmd(convert(self, true));
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(vcpu_read(&self->vcpu, 2 * SZ_4K, &val));
	/* It has that page already */
	test_cmd(vcpu_read(&self->vcpu, 2 * SZ_4K, &val));
	test_cmd(tdi_unbind(&self->tdi));
	test_cmd(vm_set_dmabuf(&self->vmm.vm, self->dmabuf, 0, BAR_GPA, 0));
	test_cmd(trace_read(&self->trace));

	expect_event(self, "kvm_dmabuf_map",
		     "vm_pid=%d as_id=0 slot=%d gfn=%#x pfn=%#llx order=0 private=0\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K + 1,
		     pfn + 1);
	expect_event(self, "kvm_dmabuf_zap",
		     "vm_pid=%d as_id=0 slot=%d start=%#x end=%#x filter=SHARED\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K,
		     BAR_GPA / SZ_4K + PAGES);
	expect_event(self, "kvm_dmabuf_map",
		     "vm_pid=%d as_id=0 slot=%d gfn=%#x pfn=%#llx order=0 private=1\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K + 2,
		     pfn + 2);
	expect_event(self, "tsm_revoke_mmio", "device=%s tdi_id=%#x\n",
		     self->bdf, TDI_VIRT_ID);
	expect_event(self, "kvm_dmabuf_zap",
		     "vm_pid=%d as_id=0 slot=%d start=%#x end=%#x filter=SHARED|PRIVATE\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K,
		     BAR_GPA / SZ_4K + PAGES);
	/* What the TSM asks of the VM, once VFIO has closed the device */
	expect_event(self, "kvm_dmabuf_zap",
		     "vm_pid=%d as_id=0 slot=%d start=%#x end=%#x filter=PRIVATE\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K,
		     BAR_GPA / SZ_4K + PAGES);
	expect_event(self, "kvm_dmabuf_unbind",
		     "vm_pid=%d as_id=0 slot=%d gfn=%#x npages=%#x ino=%lu pgoff=0x0\n",
		     getpid(), VM_DMABUF_SLOT, BAR_GPA / SZ_4K, PAGES,
		     self->ino);
	EXPECT_EQ(2, trace_count(&self->trace, "kvm_dmabuf_map"));
}

/* Memory that no dma-buf backs is none of these events' */
TEST_F(trace, other_slots)
{
	u32 val;

	/* The code of the vCPU is in an ordinary slot */
	test_cmd(vm_set_dmabuf(&self->vmm.vm, self->dmabuf, 0, BAR_GPA, 0));
	test_cmd(trace_clear());
	vcpu_read(&self->vcpu, 0, &val);
	test_cmd(trace_read(&self->trace));
	EXPECT_EQ(0, trace_count(&self->trace, "kvm_dmabuf_map"));
	EXPECT_EQ(0, trace_count(&self->trace, "kvm_dmabuf_zap"));
}

TEST_F(trace, lost)
{
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(trace_clear());
	test_cmd(setup_disconnect(setup.dev));
	test_cmd(tdi_unbind(&self->tdi));
	test_cmd(trace_read(&self->trace));

	expect_event(self, "tsm_unbind", "device=%s tdi_id=%#x\n", self->bdf,
		     TDI_VIRT_ID);
	expect_fw_call(self, "TDISP_STOP_INTERFACE", 0, 0);
	expect_event(self, "tsm_unbind_done", "device=%s rc=0\n", self->bdf);
	expect_event(self, "tsm_lost", "device=%s reason=DISCONNECT\n",
		     self->bdf);
	expect_event(self, "tsm_disconnect", "device=%s tsm=%s\n", self->bdf,
		     self->tsm);
	expect_event(self, "tsm_restore", "device=%s\n", self->bdf);
	EXPECT_EQ(1, trace_count(&self->trace, "tsm_unbind"));
}

TEST_F(trace, failed_bind)
{
	testctl_set(setup.fn->rid, TDISP_CTL_LOCK_ERROR,
		    TDISP_ERR_INVALID_CONFIG);
	test_err(EIO, tdi_bind(&self->tdi));
	testctl_clear_faults(setup.fn->rid);
	test_cmd(trace_read(&self->trace));

	expect_fw_call(self, "TDISP_LOCK_INTERFACE", -EIO,
		       TDISP_ERR_INVALID_CONFIG);
	expect_fw_call(self, "TDI_FREE", 0, 0);
	expect_event(self, "tsm_bind_done", "device=%s tdi_id=%#x rc=%d\n",
		     self->bdf, TDI_VIRT_ID, -EIO);
	expect_event(self, "vfio_pci_tsm_reasons",
		     "device=%s old=TSM_BOUND new=0\n", self->bdf);
	expect_event(self, "tsm_restore", "device=%s\n", self->bdf);
}

TEST_F(trace, error_state)
{
	u32 state;

	test_cmd(tdi_bind(&self->tdi));
	testctl_set(setup.fn->rid, TDISP_CTL_ERROR_AFTER, 1);
	/* The message that drives it into ERROR may be refused, or not */
	tdi_live_state(&self->tdi, &state);
	testctl_clear_faults(setup.fn->rid);
	test_cmd(tdi_live_state(&self->tdi, &state));
	ASSERT_EQ(TDISP_STATE_ERROR, state);
	test_cmd(trace_read(&self->trace));
	expect_event(self, "tsm_tdi_state", "device=%s state=ERROR\n",
		     self->bdf);
	expect_event(self, "tsm_tdi_error", "device=%s tdi_id=%#x\n",
		     self->bdf, TDI_VIRT_ID);
}

TEST_F(trace, quarantine)
{
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(soft_tsm_hold(true));
	test_err(EUCLEAN, tdi_unbind(&self->tdi));
	test_cmd(soft_tsm_hold(false));
	test_cmd(soft_tsm_release(self->bdf));
	test_cmd(tdi_unbind(&self->tdi));
	test_cmd(trace_read(&self->trace));

	expect_event(self, "tsm_unbind_done", "device=%s rc=%d\n", self->bdf,
		     -EBUSY);
	expect_event(self, "tsm_quarantine", "device=%s\n", self->bdf);
	expect_event(self, "tsm_quarantine_release", "device=%s\n",
		     self->bdf);
	expect_event(self, "tsm_restore", "device=%s\n", self->bdf);
	EXPECT_EQ(1, trace_count(&self->trace, "tsm_restore"));
}

/* Nothing is recorded of an event that is off */
TEST_F(trace, off)
{
	test_cmd(trace_enable("tsm/tsm_fw_call", false));
	test_cmd(trace_enable("vfio_pci", false));
	test_cmd(trace_enable("kvm", false));
	test_cmd(trace_clear());
	test_cmd(tdi_bind(&self->tdi));
	test_cmd(tdi_unbind(&self->tdi));
	test_cmd(trace_read(&self->trace));
	EXPECT_EQ(1, trace_count(&self->trace, "tsm_bind"));
	EXPECT_EQ(0, trace_count(&self->trace, "tsm_fw_call"));
	EXPECT_EQ(0, trace_count(&self->trace, "vfio_pci_tsm_reasons"));
	EXPECT_EQ(0, trace_count(&self->trace, "vfio_pci_dma_buf_reasons"));
	EXPECT_EQ(0, trace_count(&self->trace, "kvm_dmabuf_zap"));
}

FIXTURE(trace_order)
{
	FIXTURE_DATA(trace) trace;
};

FIXTURE_VARIANT(trace_order)
{
	const char *teardown;
	/* Where STOP, revoke and DMA off stand */
	int stop;
	int revoke;
	int dma_off;
};

FIXTURE_VARIANT_ADD(trace_order, stop_first)
{
	.teardown = "stop-first", .stop = 0, .revoke = 1, .dma_off = 2,
};

FIXTURE_VARIANT_ADD(trace_order, late_revoke)
{
	.teardown = "stop-first-late-revoke", .stop = 0, .dma_off = 1,
	.revoke = 2,
};

FIXTURE_VARIANT_ADD(trace_order, revoke_first)
{
	.teardown = "revoke-first", .revoke = 0, .stop = 1, .dma_off = 2,
};

FIXTURE_SETUP(trace_order)
{
	if (!trace_has("tsm"))
		SKIP(return, "no trace events, or tracefs is not mounted");
	start(_metadata, &self->trace);
	test_cmd(soft_tsm_set_teardown(variant->teardown));
}

FIXTURE_TEARDOWN(trace_order)
{
	finish(&self->trace);
	test_cmd(setup_clear(setup.dev));
}

TEST_F(trace_order, unbind)
{
	FIXTURE_DATA(trace) *t = &self->trace;

	test_cmd(tdi_bind(&t->tdi));
	test_cmd(trace_clear());
	test_cmd(tdi_unbind(&t->tdi));
	test_cmd(trace_read(&t->trace));

	expect_event(t, "tsm_unbind", "device=%s tdi_id=%#x\n", t->bdf,
		     TDI_VIRT_ID);
	for (int i = 0; i < 3; i++) {
		if (i == variant->stop) {
			expect_fw_call(t, "TDISP_STOP_INTERFACE", 0, 0);
			expect_event(t, "tsm_tdi_state",
				     "device=%s state=CONFIG_UNLOCKED\n",
				     t->bdf);
		} else if (i == variant->revoke) {
			expect_event(t, "tsm_revoke_mmio",
				     "device=%s tdi_id=%#x\n", t->bdf,
				     TDI_VIRT_ID);
			expect_event(t, "vfio_pci_tsm_reasons",
				     "device=%s old=TSM_BOUND new=TSM_BOUND|TSM_MMIO\n",
				     t->bdf);
			expect_event(t, "vfio_pci_dma_buf_reasons",
				     "device=%s ino=%lu size=%u old=TSM_BOUND new=TSM_BOUND|TSM_MMIO\n",
				     t->bdf, t->ino, BAR_LEN);
		} else {
			expect_event(t, "tsm_trusted_dma",
				     "device=%s tdi_id=%#x on=0 rc=0\n",
				     t->bdf, TDI_VIRT_ID);
		}
	}
	expect_fw_call(t, "TDI_FREE", 0, 0);
	expect_event(t, "tsm_unbind_done", "device=%s rc=0\n", t->bdf);
	expect_event(t, "vfio_pci_tsm_reasons",
		     "device=%s old=TSM_BOUND|TSM_MMIO new=0\n", t->bdf);
	expect_event(t, "vfio_pci_dma_buf_reasons",
		     "device=%s ino=%lu size=%u old=TSM_BOUND|TSM_MMIO new=0\n",
		     t->bdf, t->ino, BAR_LEN);
	expect_event(t, "tsm_restore", "device=%s\n", t->bdf);
}

int main(int argc, char **argv)
{
	return tdisp_harness_run(argc, argv);
}
