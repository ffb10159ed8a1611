/*
 * Calls of a guest about devices that are bound to it, for tests
 *
 * It stands for what guests of TDX, SEV-TIO and CCA have for that, where there
 * is no hardware to run them. The guest reaches it as a PCI function; see
 * tsm-testcall.h for how. What a guest hands over is looked at here only as far
 * as lengths and addresses go: the kernel checks the rest, the TSM decides.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/iommufd.h>

#include "hw/misc/tsm-testcall.h"
#include "hw/pci/msi.h"
#include "hw/pci/pci_device.h"
#include "hw/vfio/vfio-tsm.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/log.h"
#include "qemu/module.h"
#include "trace.h"

#define TYPE_TSM_TESTCALL "x-tsm-testcall"
OBJECT_DECLARE_SIMPLE_TYPE(TSMTestCall, TSM_TESTCALL)

#define TSM_CALL_BAR_SIZE 0x1000

/* A call under way. It outlives a reset of the function, or its removal */
typedef struct TSMTestJob {
    VFIOTSMCall call;
    TSMTestCall *dev;
    hwaddr addr;
    uint8_t raw[TSM_CALL_SIZE];
    hwaddr buf;
    uint32_t buf_len;
    uint8_t *req;
    uint8_t *resp;
} TSMTestJob;

struct TSMTestCall {
    PCIDevice parent_obj;

    MemoryRegion regs;
    uint64_t addr;
    uint32_t state;
    uint32_t events;
    TSMTestJob *job;
    Notifier notifier;
};

static uint32_t job_get(TSMTestJob *job, unsigned int off)
{
    return ldl_le_p(job->raw + off);
}

static uint64_t job_arg(TSMTestJob *job, int n)
{
    return ldq_le_p(job->raw + TSM_CALL_ARG(n));
}

static void job_free(TSMTestJob *job)
{
    g_free(job->req);
    g_free(job->resp);
    g_free(job);
}

static void testcall_finish(TSMTestCall *s, uint32_t state)
{
    s->state = state;
    if (msi_enabled(&s->parent_obj)) {
        msi_notify(&s->parent_obj, 0);
    }
}

/* Result and answer go back to where they came from */
static void testcall_result(TSMTestCall *s, TSMTestJob *job, uint32_t status)
{
    MemTxResult res = MEMTX_OK;
    uint32_t len = status == TSM_CALL_OK ? job->call.req.resp_len : 0;

    if (job->resp && len) {
        res = pci_dma_write(&s->parent_obj, job->buf, job->resp, len);
    }
    if (res != MEMTX_OK) {
        status = TSM_CALL_BAD_ADDRESS;
        len = 0;
    }
    trace_tsm_testcall_result(job_get(job, TSM_CALL_NR),
                              job_get(job, TSM_CALL_TDI), status,
                              job->call.err, job->call.tsm_code);
    stl_le_p(job->raw + TSM_CALL_STATUS, status);
    stl_le_p(job->raw + TSM_CALL_ERR, job->call.err);
    stl_le_p(job->raw + TSM_CALL_BUF_LEN, len);
    stq_le_p(job->raw + TSM_CALL_CODE, job->call.tsm_code);
    res = pci_dma_write(&s->parent_obj, job->addr, job->raw, TSM_CALL_SIZE);
    job_free(job);
    testcall_finish(s, res == MEMTX_OK ? TSM_CALL_DONE : TSM_CALL_NO_ADDR);
}

static void testcall_done(VFIOTSMCall *call)
{
    TSMTestJob *job = call->opaque;
    TSMTestCall *s = job->dev;

    /* Nobody waits for it any more */
    if (!s) {
        job_free(job);
        return;
    }
    s->job = NULL;
    testcall_result(s, job, call->err ? TSM_CALL_REFUSED : TSM_CALL_OK);
}

/* What a call is made of */
typedef struct TSMTestKind {
    VFIOTSMCallType type;
    uint32_t op;
    int nr_args;
    uint32_t buf_len;       /* exactly, or TSM_CALL_MAX_BUF: 1 to that */
} TSMTestKind;

static const TSMTestKind kinds[] = {
    [TSM_CALL_BIND] = { VFIO_TSM_BIND },
    [TSM_CALL_UNBIND] = { VFIO_TSM_UNBIND },
    [TSM_CALL_OBJECT_INFO] = {
        VFIO_TSM_REQUEST, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, 1,
        sizeof(uint32_t)
    },
    [TSM_CALL_READ_OBJECT] = {
        VFIO_TSM_REQUEST, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, 2,
        TSM_CALL_MAX_BUF
    },
    [TSM_CALL_REGEN_OBJECT] = {
        VFIO_TSM_REQUEST, IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, 1, 32
    },
    [TSM_CALL_ACCEPT_MMIO] = { VFIO_TSM_ACCEPT_MMIO, 0, 3 },
    [TSM_CALL_START] = {
        VFIO_TSM_REQUEST, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE
    },
    [TSM_CALL_GUEST_MSG] = {
        VFIO_TSM_REQUEST, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, 1,
        TSM_CALL_MAX_BUF
    },
};

static const TSMTestKind *testcall_kind(uint32_t nr)
{
    return nr >= TSM_CALL_BIND && nr < ARRAY_SIZE(kinds) ? &kinds[nr] : NULL;
}

static uint32_t testcall_check(TSMTestJob *job, const TSMTestKind *kind)
{
    if (job_get(job, TSM_CALL_RESERVED)) {
        return TSM_CALL_BAD_VALUE;
    }
    for (int i = kind->nr_args; i < 3; i++) {
        if (job_arg(job, i)) {
            return TSM_CALL_BAD_VALUE;
        }
    }
    /* Types of objects and lengths have 32 bits, from here on */
    if (kind->type == VFIO_TSM_REQUEST && job_arg(job, 0) >> 32) {
        return TSM_CALL_BAD_VALUE;
    }
    if (kind->buf_len == TSM_CALL_MAX_BUF ?
        !job->buf_len || job->buf_len > TSM_CALL_MAX_BUF :
        job->buf_len != kind->buf_len) {
        return TSM_CALL_BAD_LENGTH;
    }
    if (!job->buf != !job->buf_len) {
        return TSM_CALL_BAD_ADDRESS;
    }
    return TSM_CALL_OK;
}

/* What is in the buffer, of which the kernel gets a copy */
static uint8_t *testcall_fetch(TSMTestCall *s, TSMTestJob *job, uint32_t len)
{
    uint8_t *data = g_malloc0(len);

    if (pci_dma_read(&s->parent_obj, job->buf, data, len) != MEMTX_OK) {
        g_free(data);
        return NULL;
    }
    return data;
}

static uint32_t testcall_payload(TSMTestCall *s, TSMTestJob *job)
{
    IOMMUFDTSMReq *req = &job->call.req;
    uint32_t arg = job_arg(job, 0);

    switch (req->op) {
    case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
        req->req_len = sizeof(struct iommu_tsm_req_object_info);
        job->req = g_malloc0(req->req_len);
        ((struct iommu_tsm_req_object_info *)job->req)->type = arg;
        req->resp_len = job->buf_len;
        break;
    case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
        req->req_len = sizeof(struct iommu_tsm_req_read_object);
        job->req = g_malloc0(req->req_len);
        ((struct iommu_tsm_req_read_object *)job->req)->type = arg;
        ((struct iommu_tsm_req_read_object *)job->req)->offset =
            job_arg(job, 1);
        req->resp_len = job->buf_len;
        break;
    case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT: {
        struct iommu_tsm_req_regen_object *regen;
        g_autofree uint8_t *nonce = testcall_fetch(s, job,
                                                   sizeof(regen->nonce));

        if (!nonce) {
            return TSM_CALL_BAD_ADDRESS;
        }
        req->req_len = sizeof(*regen);
        job->req = g_malloc0(req->req_len);
        regen = (struct iommu_tsm_req_regen_object *)job->req;
        regen->type = arg;
        memcpy(regen->nonce, nonce, sizeof(regen->nonce));
        break;
    }
    case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
        req->req_len = sizeof(struct iommu_tsm_req_set_tdi_state);
        job->req = g_malloc0(req->req_len);
        ((struct iommu_tsm_req_set_tdi_state *)job->req)->state =
            IOMMU_TSM_TDI_RUN;
        break;
    case IOMMU_VDEVICE_TSM_REQ_GUEST_MSG:
        if (!arg || arg > job->buf_len) {
            return TSM_CALL_BAD_LENGTH;
        }
        job->req = testcall_fetch(s, job, arg);
        if (!job->req) {
            return TSM_CALL_BAD_ADDRESS;
        }
        req->req_len = arg;
        req->resp_len = job->buf_len - arg;
        break;
    }
    if (req->resp_len) {
        job->resp = g_malloc0(req->resp_len);
    }
    req->req = job->req;
    req->resp = job->resp;
    return TSM_CALL_OK;
}

/* TSM_CALL_OK, and the result comes later; or it is the result */
static uint32_t testcall_start(TSMTestCall *s, TSMTestJob *job)
{
    const TSMTestKind *kind = testcall_kind(job_get(job, TSM_CALL_NR));
    VFIOPCITSM *tsm;
    uint32_t status;
    int err;

    if (!kind) {
        return TSM_CALL_UNKNOWN;
    }
    status = testcall_check(job, kind);
    if (status != TSM_CALL_OK) {
        return status;
    }
    tsm = vfio_tsm_find(job_get(job, TSM_CALL_TDI));
    if (!tsm) {
        return TSM_CALL_NO_DEVICE;
    }
    job->call.type = kind->type;
    job->call.req.op = kind->op;
    job->call.done = testcall_done;
    job->call.opaque = job;
    if (kind->type == VFIO_TSM_ACCEPT_MMIO) {
        job->call.gpa = job_arg(job, 0);
        job->call.size = job_arg(job, 1);
        job->call.pa = job_arg(job, 2);
    }
    if (kind->type == VFIO_TSM_REQUEST) {
        status = testcall_payload(s, job);
        if (status != TSM_CALL_OK) {
            return status;
        }
    }
    /* From here on it is the device's thread's, which may have ended it */
    err = vfio_tsm_call(tsm, &job->call);
    if (err) {
        job->call.err = err;
        return TSM_CALL_REFUSED;
    }
    s->job = job;
    return TSM_CALL_OK;
}

static void testcall_doorbell(TSMTestCall *s)
{
    TSMTestJob *job;
    uint32_t status;

    if (s->state == TSM_CALL_BUSY) {
        qemu_log_mask(LOG_GUEST_ERROR, "tsm-testcall: a call is under way\n");
        return;
    }
    job = g_new0(TSMTestJob, 1);
    job->dev = s;
    job->addr = s->addr;
    s->state = TSM_CALL_BUSY;
    if (pci_dma_read(&s->parent_obj, job->addr, job->raw, TSM_CALL_SIZE) !=
        MEMTX_OK) {
        job_free(job);
        testcall_finish(s, TSM_CALL_NO_ADDR);
        return;
    }
    job->buf = ldq_le_p(job->raw + TSM_CALL_BUF);
    job->buf_len = job_get(job, TSM_CALL_BUF_LEN);
    trace_tsm_testcall(job_get(job, TSM_CALL_NR), job_get(job, TSM_CALL_TDI),
                       job->buf_len);
    status = testcall_start(s, job);
    if (status != TSM_CALL_OK) {
        job->call.req.resp_len = 0;
        testcall_result(s, job, status);
    }
}

static uint64_t testcall_read(void *opaque, hwaddr addr, unsigned size)
{
    TSMTestCall *s = opaque;

    switch (addr) {
    case TSM_CALL_MAGIC:
        return TSM_CALL_MAGIC_VALUE;
    case TSM_CALL_VERSION:
        return 1;
    case TSM_CALL_ADDR:
        return extract64(s->addr, 0, 32);
    case TSM_CALL_ADDR + 4:
        return extract64(s->addr, 32, 32);
    case TSM_CALL_STATE:
        return s->state;
    case TSM_CALL_EVENTS:
        return s->events;
    default:
        return 0;
    }
}

static void testcall_write(void *opaque, hwaddr addr, uint64_t val,
                           unsigned size)
{
    TSMTestCall *s = opaque;

    switch (addr) {
    case TSM_CALL_ADDR:
        s->addr = deposit64(s->addr, 0, 32, val);
        break;
    case TSM_CALL_ADDR + 4:
        s->addr = deposit64(s->addr, 32, 32, val);
        break;
    case TSM_CALL_DOORBELL:
        testcall_doorbell(s);
        break;
    }
}

static const MemoryRegionOps testcall_ops = {
    .read = testcall_read,
    .write = testcall_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.min_access_size = 4,
    .valid.max_access_size = 4,
};

/* Any device's: the guest has to look which one */
static void testcall_changed(Notifier *notifier, void *data)
{
    TSMTestCall *s = container_of(notifier, TSMTestCall, notifier);
    VFIOTSMInfo info;

    vfio_tsm_info(data, &info);
    if (info.state == VFIO_TSM_LOST || info.state == VFIO_TSM_FAILED) {
        s->events++;
        if (msi_enabled(&s->parent_obj)) {
            msi_notify(&s->parent_obj, 0);
        }
    }
}

/* The device that it is about carries the call out nevertheless */
static void testcall_forget(TSMTestCall *s)
{
    if (s->job) {
        s->job->dev = NULL;
        s->job = NULL;
    }
    s->state = TSM_CALL_IDLE;
    s->addr = 0;
    s->events = 0;
}

static void testcall_reset(DeviceState *dev)
{
    testcall_forget(TSM_TESTCALL(dev));
}

static void testcall_realize(PCIDevice *pdev, Error **errp)
{
    TSMTestCall *s = TSM_TESTCALL(pdev);

    if (msi_init(pdev, 0, 1, true, false, errp) < 0) {
        return;
    }
    memory_region_init_io(&s->regs, OBJECT(s), &testcall_ops, s,
                          "tsm-testcall", TSM_CALL_BAR_SIZE);
    pci_register_bar(pdev, 0, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->regs);
    s->notifier.notify = testcall_changed;
    vfio_tsm_add_notifier(&s->notifier);
}

static void testcall_exit(PCIDevice *pdev)
{
    TSMTestCall *s = TSM_TESTCALL(pdev);

    notifier_remove(&s->notifier);
    testcall_forget(s);
    msi_uninit(pdev);
}

static void testcall_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(klass);

    dc->desc = "Calls about devices of a confidential guest, for tests "
               "(EXPERIMENTAL)";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    device_class_set_legacy_reset(dc, testcall_reset);
    pc->realize = testcall_realize;
    pc->exit = testcall_exit;
    pc->vendor_id = TSM_CALL_VENDOR;
    pc->device_id = TSM_CALL_DEVICE;
    pc->class_id = PCI_CLASS_OTHERS;
}

static const TypeInfo testcall_info = {
    .name = TYPE_TSM_TESTCALL,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(TSMTestCall),
    .class_init = testcall_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { }
    },
};

static void testcall_register_types(void)
{
    type_register_static(&testcall_info);
}

type_init(testcall_register_types)
