/*
 * Devices that are bound to a confidential VM
 *
 * A device with x-tsm has a vIOMMU of type TSM for itself, and a vDEVICE from
 * the first bind on. The guest asks for it to be bound, about it, and for it to
 * be unbound; who takes that out of the VM calls vfio_tsm_call(). Calls last
 * as long as the device takes to answer, so each device has a thread for them.
 * All else happens with the BQL held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "hw/boards.h"
#include "hw/pci/pci_bus.h"
#include "migration/blocker.h"
#include "pci.h"
#include "pci-tsm.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/units.h"
#include "system/confidential-guest-support.h"
#include "system/kvm-dmabuf.h"
#include "system/runstate.h"
#include "trace.h"

#define TSM_EVENTQ_DEPTH 16
/* How long MMIO stays closed that KVM could not map, if nothing happens */
#define TSM_CLOSED_MS 100
/* A guest that converts the same pages back and forth has to end somewhere */
#define TSM_MAX_RANGES 4096

/* Part of a BAR that KVM maps from a dma-buf */
typedef struct VFIOTSMMap {
    KVMDmabuf dmabuf;
    VFIOPCITSM *tsm;
    VFIORegion *region;
    off_t offset;
    QLIST_ENTRY(VFIOTSMMap) next;
} VFIOTSMMap;

typedef struct VFIOTSMRange {
    hwaddr gpa;
    hwaddr size;
} VFIOTSMRange;

typedef enum VFIOTSMWork {
    TSM_WORK_NONE,
    TSM_WORK_QUEUED,
    TSM_WORK_DONE,
    TSM_WORK_STOP,
} VFIOTSMWork;

struct VFIOPCITSM {
    VFIOPCIDevice *vdev;
    QLIST_ENTRY(VFIOPCITSM) next;
    bool exited;

    VFIOTSMState state;
    /* Of a bind that is under way, what came before it: FAILED, LOST */
    VFIOTSMState bind_event;
    uint32_t tvm_arch;
    uint32_t viommu_id;
    uint32_t vdevice_id;
    uint32_t veventq_id;
    int veventq_fd;
    uint64_t virt_id;
    Error *blocker;

    QLIST_HEAD(, VFIOTSMMap) maps;
    GArray *ranges;
    /* Ones for reads, instead of the BARs */
    MemoryRegion *closed[PCI_NUM_REGIONS];
    bool is_closed;
    /* A private page was gone: only unbind opens it again */
    bool torn;
    QEMUTimer *reopen;

    uint32_t nr_events;
    uint32_t last_event;
    uint32_t last_reason;
    int last_err;
    uint64_t last_code;

    /* The call under way, and who carries it out. @work is under @lock */
    VFIOTSMCall *call;
    VFIOTSMState state_before;
    /* The TSM did not let go of the device after a bind that failed */
    bool bind_kept;
    QemuThread thread;
    QemuMutex lock;
    QemuCond cond;
    VFIOTSMWork work;
    QEMUBH *bh;
};

static QLIST_HEAD(, VFIOPCITSM) vfio_tsms = QLIST_HEAD_INITIALIZER(vfio_tsms);
static NotifierList vfio_tsm_notifiers =
    NOTIFIER_LIST_INITIALIZER(vfio_tsm_notifiers);

static const char *tsm_name(VFIOPCITSM *tsm)
{
    return tsm->vdev->vbasedev.name;
}

static IOMMUFDBackend *tsm_be(VFIOPCITSM *tsm)
{
    return tsm->vdev->vbasedev.iommufd;
}

const char *vfio_tsm_state_name(VFIOTSMState state)
{
    static const char * const names[] = {
        [VFIO_TSM_UNBOUND] = "unbound",
        [VFIO_TSM_BINDING] = "binding",
        [VFIO_TSM_BOUND] = "bound",
        [VFIO_TSM_FAILED] = "failed",
        [VFIO_TSM_LOST] = "lost",
        [VFIO_TSM_UNBINDING] = "unbinding",
        [VFIO_TSM_QUARANTINED] = "quarantined",
    };

    return names[state];
}

void vfio_tsm_add_notifier(Notifier *notifier)
{
    notifier_list_add(&vfio_tsm_notifiers, notifier);
}

static void tsm_set_state(VFIOPCITSM *tsm, VFIOTSMState state)
{
    if (state == tsm->state) {
        return;
    }
    trace_vfio_tsm_state(tsm_name(tsm), vfio_tsm_state_name(tsm->state),
                         vfio_tsm_state_name(state));
    tsm->state = state;
    notifier_list_notify(&vfio_tsm_notifiers, tsm);
}

/* What UNBIND has to lead out of */
static bool tsm_is_held(VFIOPCITSM *tsm)
{
    return tsm->state != VFIO_TSM_UNBOUND;
}

/*
 * MMIO
 */

static uint64_t tsm_closed_read(void *opaque, hwaddr addr, unsigned size)
{
    VFIOPCITSM *tsm = opaque;

    trace_vfio_tsm_closed(tsm_name(tsm), addr, size, false);
    return ~0ULL;
}

static void tsm_closed_write(void *opaque, hwaddr addr, uint64_t data,
                             unsigned size)
{
    VFIOPCITSM *tsm = opaque;

    trace_vfio_tsm_closed(tsm_name(tsm), addr, size, true);
}

static const MemoryRegionOps tsm_closed_ops = {
    .read = tsm_closed_read,
    .write = tsm_closed_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.max_access_size = 8,
    .valid.unaligned = true,
    .impl.max_access_size = 8,
    .impl.unaligned = true,
};

/*
 * QEMU has no mapping of the BAR, which could go away while it is used: its own
 * accesses, and those of a guest for which there is no memslot, go to VFIO.
 */
static uint64_t tsm_map_read(void *opaque, hwaddr addr, unsigned size)
{
    VFIOTSMMap *map = opaque;

    return vfio_region_read(map->region, map->offset + addr, size);
}

static void tsm_map_write(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    VFIOTSMMap *map = opaque;

    vfio_region_write(map->region, map->offset + addr, data, size);
}

static const MemoryRegionOps tsm_map_ops = {
    .read = tsm_map_read,
    .write = tsm_map_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid.max_access_size = 8,
    .impl.max_access_size = 8,
};

static void tsm_set_closed(VFIOPCITSM *tsm, bool closed)
{
    if (closed == tsm->is_closed) {
        return;
    }
    tsm->is_closed = closed;
    memory_region_transaction_begin();
    for (int i = 0; i < ARRAY_SIZE(tsm->closed); i++) {
        if (tsm->closed[i]) {
            memory_region_set_enabled(tsm->closed[i], closed);
        }
    }
    memory_region_transaction_commit();
}

/* Nothing of the device is private any more, whatever became of it */
static void tsm_share_all(VFIOPCITSM *tsm)
{
    for (; tsm->ranges->len; g_array_set_size(tsm->ranges,
                                              tsm->ranges->len - 1)) {
        VFIOTSMRange *range = &g_array_index(tsm->ranges, VFIOTSMRange,
                                             tsm->ranges->len - 1);

        trace_vfio_tsm_convert(tsm_name(tsm), range->gpa, range->size, false);
        if (kvm_set_memory_attributes_shared(range->gpa, range->size)) {
            error_report("vfio %s: cannot make MMIO at 0x%" HWADDR_PRIx
                         " shared again", tsm_name(tsm), range->gpa);
            /* The guest would fault on it for ever */
            qemu_system_vmstop_request_prepare();
            qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
        }
    }
}

/* Ranges that are shared again, or were before, are kept: that does no harm */
static bool tsm_convert(KVMDmabuf *dmabuf, hwaddr gpa, hwaddr size,
                        bool to_private)
{
    VFIOPCITSM *tsm = container_of(dmabuf, VFIOTSMMap, dmabuf)->tsm;
    VFIOTSMRange range = { .gpa = gpa, .size = size };

    if (to_private &&
        (tsm->state != VFIO_TSM_BOUND || tsm->torn ||
         tsm->ranges->len == TSM_MAX_RANGES)) {
        return false;
    }
    trace_vfio_tsm_convert(tsm_name(tsm), gpa, size, to_private);
    if (to_private) {
        g_array_append_val(tsm->ranges, range);
    }
    return true;
}

/*
 * KVM cannot map it: the device was taken away from the VM, it is being bound
 * or unbound, or somebody resets it. Ones are what the guest reads from a
 * device that is gone. That includes private pages, which are shared from then
 * on: what the guest believes to be private and writes is dropped here.
 */
static void tsm_fault(KVMDmabuf *dmabuf, hwaddr gpa, bool is_private)
{
    VFIOPCITSM *tsm = container_of(dmabuf, VFIOTSMMap, dmabuf)->tsm;

    trace_vfio_tsm_fault(tsm_name(tsm), gpa, is_private);
    if (is_private) {
        tsm->torn = true;
    }
    tsm_set_closed(tsm, true);
    if (tsm->torn) {
        tsm_share_all(tsm);
    }
    timer_mod(tsm->reopen,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + TSM_CLOSED_MS);
}

/* Once more, if it is not known to be in vain */
static void tsm_reopen(void *opaque)
{
    VFIOPCITSM *tsm = opaque;

    if (tsm->torn) {
        return;
    }
    if (tsm->state == VFIO_TSM_UNBOUND || tsm->state == VFIO_TSM_BOUND ||
        tsm->state == VFIO_TSM_FAILED) {
        tsm_set_closed(tsm, false);
    }
}

static VFIOTSMMap *tsm_find_map(VFIOPCITSM *tsm, hwaddr gpa, hwaddr size)
{
    MemoryRegionSection section;
    VFIOTSMMap *map, *found = NULL;

    section = memory_region_find(get_system_memory(), gpa, size);
    if (!section.mr) {
        return NULL;
    }
    QLIST_FOREACH(map, &tsm->maps, next) {
        if (kvm_dmabuf_of(section.mr) == &map->dmabuf &&
            int128_ge(section.size, int128_make64(size)) &&
            section.offset_within_address_space == gpa) {
            found = map;
        }
    }
    memory_region_unref(section.mr);
    return found;
}

/*
 * Calls
 */

/* Where the bus number of the device is final: the guest has enumerated it */
static uint32_t tsm_guest_id(VFIOPCITSM *tsm)
{
    return pci_get_bdf(&tsm->vdev->pdev);
}

VFIOPCITSM *vfio_tsm_find(uint32_t guest_id)
{
    VFIOPCITSM *tsm;

    QLIST_FOREACH(tsm, &vfio_tsms, next) {
        if (tsm_guest_id(tsm) == guest_id) {
            return tsm;
        }
    }
    return NULL;
}

VFIOPCITSM *vfio_tsm_of(PCIDevice *pdev)
{
    VFIOPCITSM *tsm;

    QLIST_FOREACH(tsm, &vfio_tsms, next) {
        if (&tsm->vdev->pdev == pdev) {
            return tsm;
        }
    }
    return NULL;
}

void vfio_tsm_foreach(void (*fn)(VFIOPCITSM *tsm, void *opaque), void *opaque)
{
    VFIOPCITSM *tsm, *next;

    QLIST_FOREACH_SAFE(tsm, &vfio_tsms, next, next) {
        fn(tsm, opaque);
    }
}

static void tsm_free_vdevice(VFIOPCITSM *tsm)
{
    if (tsm->vdevice_id) {
        iommufd_backend_free_id(tsm_be(tsm), tsm->vdevice_id);
    }
    tsm->vdevice_id = 0;
}

/* The guest may have renumbered its buses since the last bind */
static bool tsm_alloc_vdevice(VFIOPCITSM *tsm, Error **errp)
{
    uint64_t virt_id = tsm_guest_id(tsm);

    if (tsm->vdevice_id && tsm->virt_id == virt_id) {
        return true;
    }
    tsm_free_vdevice(tsm);
    if (!iommufd_backend_alloc_vdevice(tsm_be(tsm),
                                       tsm->vdev->vbasedev.devid,
                                       tsm->viommu_id, virt_id,
                                       &tsm->vdevice_id, errp)) {
        return false;
    }
    tsm->virt_id = virt_id;
    return true;
}

static bool tsm_block_migration(VFIOPCITSM *tsm, Error **errp)
{
    error_setg(&tsm->blocker, "vfio %s: the device is bound to the VM by a "
               "TEE security manager, and stays on this host",
               tsm_name(tsm));
    return !migrate_add_blocker(&tsm->blocker, errp);
}

/* There is nothing that holds the device */
static void tsm_unbound(VFIOPCITSM *tsm)
{
    tsm_share_all(tsm);
    migrate_del_blocker(&tsm->blocker);
    tsm->torn = false;
    tsm_set_closed(tsm, false);
    tsm_set_state(tsm, VFIO_TSM_UNBOUND);
}

static int tsm_start_bind(VFIOPCITSM *tsm)
{
    Error *err = NULL;

    switch (tsm->state) {
    case VFIO_TSM_UNBOUND:
        break;
    case VFIO_TSM_LOST:
        return -ENOTCONN;
    case VFIO_TSM_QUARANTINED:
        return -EUCLEAN;
    default:
        return -EALREADY;
    }
    if (!tsm_alloc_vdevice(tsm, &err)) {
        error_reportf_err(err, VFIO_MSG_PREFIX, tsm_name(tsm));
        return -ENODEV;
    }
    if (!tsm_block_migration(tsm, &err)) {
        error_reportf_err(err, VFIO_MSG_PREFIX, tsm_name(tsm));
        return -EBUSY;
    }
    tsm->bind_event = VFIO_TSM_BINDING;
    tsm_set_state(tsm, VFIO_TSM_BINDING);
    return 0;
}

static int tsm_start_unbind(VFIOPCITSM *tsm)
{
    if (!tsm_is_held(tsm)) {
        return -ENOTCONN;
    }
    tsm_set_state(tsm, VFIO_TSM_UNBINDING);
    return 0;
}

static int tsm_start_request(VFIOPCITSM *tsm, VFIOTSMCall *call)
{
    if (tsm->state != VFIO_TSM_BOUND && tsm->state != VFIO_TSM_FAILED) {
        return -ENOTCONN;
    }
    if (call->type == VFIO_TSM_ACCEPT_MMIO &&
        (!call->size || call->gpa + call->size < call->gpa ||
         !QEMU_IS_ALIGNED(call->gpa | call->size,
                          qemu_real_host_page_size()) ||
         !tsm_find_map(tsm, call->gpa, call->size))) {
        return -EACCES;
    }
    return 0;
}

static int tsm_op(VFIOPCITSM *tsm, uint32_t op)
{
    return iommufd_backend_tsm_op(tsm_be(tsm), tsm->vdevice_id, op);
}

/*
 * What becomes of the device if it fails, the next operation tells, no other.
 * If that is an unbind, the kernel opens what it can, too.
 */
static int tsm_carry_out_bind(VFIOPCITSM *tsm)
{
    int err = tsm_op(tsm, IOMMU_VDEVICE_TSM_OP_BIND);

    tsm->bind_kept = err &&
        tsm_op(tsm, IOMMU_VDEVICE_TSM_OP_UNBIND) == -EUCLEAN;
    return err;
}

/* The device's thread, without BQL */
static void tsm_carry_out(VFIOPCITSM *tsm, VFIOTSMCall *call)
{
    struct iommu_tsm_req_validate_mmio validate = {
        .gpa_base = call->gpa,
        .gpa_top = call->gpa + call->size,
        .pa_base = call->pa,
    };

    switch (call->type) {
    case VFIO_TSM_BIND:
        call->err = tsm_carry_out_bind(tsm);
        return;
    case VFIO_TSM_UNBIND:
        call->err = tsm_op(tsm, IOMMU_VDEVICE_TSM_OP_UNBIND);
        return;
    case VFIO_TSM_ACCEPT_MMIO:
        call->req = (IOMMUFDTSMReq) {
            .op = IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO,
            .req = &validate,
            .req_len = sizeof(validate),
        };
        break;
    case VFIO_TSM_REQUEST:
        break;
    }
    call->req.tvm_arch = tsm->tvm_arch;
    call->err = iommufd_backend_tsm_req(tsm_be(tsm), tsm->vdevice_id,
                                        &call->req);
    call->tsm_code = call->req.tsm_code;
}

static void *tsm_thread(void *opaque)
{
    VFIOPCITSM *tsm = opaque;

    qemu_mutex_lock(&tsm->lock);
    while (tsm->work != TSM_WORK_STOP) {
        if (tsm->work != TSM_WORK_QUEUED) {
            qemu_cond_wait(&tsm->cond, &tsm->lock);
            continue;
        }
        qemu_mutex_unlock(&tsm->lock);
        tsm_carry_out(tsm, tsm->call);
        qemu_mutex_lock(&tsm->lock);
        tsm->work = TSM_WORK_DONE;
        qemu_cond_broadcast(&tsm->cond);
        qemu_bh_schedule(tsm->bh);
    }
    qemu_mutex_unlock(&tsm->lock);
    return NULL;
}

static void tsm_bind_done(VFIOPCITSM *tsm, int err)
{
    if (!err) {
        tsm_set_state(tsm, VFIO_TSM_BOUND);
        if (tsm->bind_event != VFIO_TSM_BINDING) {
            tsm_set_state(tsm, tsm->bind_event);
        }
    } else if (tsm->bind_kept) {
        tsm_set_closed(tsm, true);
        tsm_set_state(tsm, VFIO_TSM_QUARANTINED);
    } else {
        tsm_unbound(tsm);
    }
}

static void tsm_unbind_done(VFIOPCITSM *tsm, int err)
{
    switch (err) {
    case 0:
    case -ENOTCONN:
        tsm_unbound(tsm);
        return;
    case -EUCLEAN:
        tsm_share_all(tsm);
        tsm_set_closed(tsm, true);
        tsm_set_state(tsm, VFIO_TSM_QUARANTINED);
        return;
    default:
        /* The kernel has not tried */
        tsm_set_state(tsm, tsm->state_before);
    }
}

static void tsm_call_done(VFIOPCITSM *tsm)
{
    VFIOTSMCall *call = tsm->call;

    switch (call->type) {
    case VFIO_TSM_BIND:
        tsm_bind_done(tsm, call->err);
        break;
    case VFIO_TSM_UNBIND:
        tsm_unbind_done(tsm, call->err);
        break;
    case VFIO_TSM_ACCEPT_MMIO:
        /* It may have been lost, or the BAR moved, meanwhile */
        if (!call->err) {
            call->err = tsm_start_request(tsm, call) ?:
                        kvm_convert_memory(call->gpa, call->size, true);
        }
        break;
    case VFIO_TSM_REQUEST:
        break;
    }
    if (call->err) {
        tsm->last_err = call->err;
        tsm->last_code = call->tsm_code;
    }
    trace_vfio_tsm_call_done(tsm_name(tsm), call->type, call->err,
                             call->tsm_code);
}

/* If there is a result, tell */
static void tsm_finish(void *opaque)
{
    VFIOPCITSM *tsm = opaque;
    VFIOTSMCall *call = tsm->call;
    bool done;

    WITH_QEMU_LOCK_GUARD(&tsm->lock) {
        done = tsm->work == TSM_WORK_DONE;
        if (done) {
            tsm->work = TSM_WORK_NONE;
        }
    }
    if (!done) {
        return;
    }
    tsm_call_done(tsm);
    tsm->call = NULL;
    call->done(call);
}

static void tsm_wait(VFIOPCITSM *tsm)
{
    if (!tsm->call) {
        return;
    }
    WITH_QEMU_LOCK_GUARD(&tsm->lock) {
        while (tsm->work == TSM_WORK_QUEUED) {
            qemu_cond_wait(&tsm->cond, &tsm->lock);
        }
    }
    tsm_finish(tsm);
}

int vfio_tsm_call(VFIOPCITSM *tsm, VFIOTSMCall *call)
{
    int ret;

    if (tsm->call || tsm->exited) {
        return -EBUSY;
    }
    call->err = 0;
    call->tsm_code = 0;
    tsm->state_before = tsm->state;
    switch (call->type) {
    case VFIO_TSM_BIND:
        ret = tsm_start_bind(tsm);
        break;
    case VFIO_TSM_UNBIND:
        ret = tsm_start_unbind(tsm);
        break;
    default:
        ret = tsm_start_request(tsm, call);
        break;
    }
    trace_vfio_tsm_call(tsm_name(tsm), call->type, ret);
    if (ret) {
        return ret;
    }
    tsm->call = call;
    WITH_QEMU_LOCK_GUARD(&tsm->lock) {
        tsm->work = TSM_WORK_QUEUED;
        qemu_cond_broadcast(&tsm->cond);
    }
    return 0;
}

/* For whoever cannot wait for the guest: reset, unplug */
static bool tsm_unbind_now(VFIOPCITSM *tsm)
{
    VFIOTSMCall call = { .type = VFIO_TSM_UNBIND };

    tsm_wait(tsm);
    if (!tsm_is_held(tsm)) {
        return true;
    }
    tsm->state_before = tsm->state;
    tsm_start_unbind(tsm);
    tsm_carry_out(tsm, &call);
    tsm->call = &call;
    tsm_call_done(tsm);
    tsm->call = NULL;
    if (call.err) {
        error_report("vfio %s: the TEE security manager does not let go of the "
                     "device: %s", tsm_name(tsm), strerror(-call.err));
    }
    return !tsm_is_held(tsm);
}

/*
 * Events
 */

/* @state: FAILED, or LOST, which is the end */
static void tsm_notice(VFIOPCITSM *tsm, VFIOTSMState state)
{
    switch (tsm->state) {
    case VFIO_TSM_BINDING:
        /* The kernel may be through with it already, but nobody knows yet */
        if (tsm->bind_event != VFIO_TSM_LOST) {
            tsm->bind_event = state;
        }
        break;
    case VFIO_TSM_BOUND:
        tsm_set_state(tsm, state);
        return;
    case VFIO_TSM_FAILED:
        if (state == VFIO_TSM_LOST) {
            tsm_set_state(tsm, state);
            return;
        }
        break;
    default:
        break;
    }
    notifier_list_notify(&vfio_tsm_notifiers, tsm);
}

static void tsm_handle_event(VFIOPCITSM *tsm,
                             const struct iommu_vevent_tsm *event)
{
    trace_vfio_tsm_event(tsm_name(tsm), event->virt_id, event->event,
                         event->reason);
    /* Of a vDEVICE that is no more */
    if (event->virt_id != tsm->virt_id || !tsm_is_held(tsm)) {
        return;
    }
    tsm->nr_events++;
    tsm->last_event = event->event;
    tsm->last_reason = event->reason;
    tsm_notice(tsm, event->event == IOMMU_TSM_EVENT_TDI_ERROR ?
                    VFIO_TSM_FAILED : VFIO_TSM_LOST);
}

static void tsm_read_events(void *opaque)
{
    VFIOPCITSM *tsm = opaque;
    QEMU_ALIGNED(8) uint8_t buf[1024];
    struct iommufd_vevent_header head;
    struct iommu_vevent_tsm event;
    ssize_t len, pos;

    len = RETRY_ON_EINTR(read(tsm->veventq_fd, buf, sizeof(buf)));
    for (pos = 0; pos + (ssize_t)sizeof(head) <= len;) {
        memcpy(&head, buf + pos, sizeof(head));
        pos += sizeof(head);
        if (head.flags & IOMMU_VEVENTQ_FLAG_LOST_EVENTS) {
            warn_report("vfio %s: events of the TEE security manager were lost",
                        tsm_name(tsm));
            /* Whatever it was, the guest had better look */
            tsm_notice(tsm, VFIO_TSM_FAILED);
            continue;
        }
        if (pos + (ssize_t)sizeof(event) > len) {
            break;
        }
        memcpy(&event, buf + pos, sizeof(event));
        pos += sizeof(event);
        tsm_handle_event(tsm, &event);
    }
}

void vfio_tsm_info(VFIOPCITSM *tsm, VFIOTSMInfo *info)
{
    uint32_t type;
    uint64_t caps = 0;

    *info = (VFIOTSMInfo) {
        .pdev = &tsm->vdev->pdev,
        .host = tsm_name(tsm),
        .state = tsm->state,
        .virt_id = tsm->virt_id,
        .nr_events = tsm->nr_events,
        .last_event = tsm->last_event,
        .last_reason = tsm->last_reason,
        .last_err = tsm->last_err,
        .last_code = tsm->last_code,
    };
    if (iommufd_backend_get_device_info(tsm_be(tsm),
                                        tsm->vdev->vbasedev.devid, &type, NULL,
                                        0, &caps, NULL)) {
        info->connected = caps & IOMMU_HW_CAP_TSM;
    }
    for (int i = 0; i < tsm->ranges->len; i++) {
        info->private_size += g_array_index(tsm->ranges, VFIOTSMRange, i).size;
    }
}

/*
 * Hooks of vfio-pci
 */

static int tsm_export(VFIOPCITSM *tsm, VFIORegion *region, off_t offset,
                      size_t size)
{
    size_t argsz = sizeof(struct vfio_device_feature) +
                   sizeof(struct vfio_device_feature_dma_buf) +
                   sizeof(struct vfio_region_dma_range);
    g_autofree struct vfio_device_feature *feature = g_malloc0(argsz);
    struct vfio_device_feature_dma_buf *get = (void *)feature->data;
    int fd;

    feature->argsz = argsz;
    feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
    get->region_index = region->nr;
    get->open_flags = O_RDWR | O_CLOEXEC;
    get->nr_ranges = 1;
    get->dma_ranges[0].offset = offset;
    get->dma_ranges[0].length = size;
    fd = ioctl(tsm->vdev->vbasedev.fd, VFIO_DEVICE_FEATURE, feature);
    return fd < 0 ? -errno : fd;
}

static bool tsm_map(VFIOPCITSM *tsm, VFIORegion *region, VFIOMmap *mm,
                    Error **errp)
{
    g_autofree char *name = NULL;
    VFIOTSMMap *map;
    int fd;

    fd = tsm_export(tsm, region, mm->offset, mm->size);
    if (fd < 0) {
        error_setg_errno(errp, -fd, "x-tsm: BAR %d cannot be exported as a "
                         "dma-buf", region->nr);
        return false;
    }
    /* Addresses that nothing else has, in the place of a mapping */
    mm->mmap = mmap(NULL, mm->size, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mm->mmap == MAP_FAILED) {
        mm->mmap = NULL;
        error_setg_errno(errp, errno, "x-tsm: no addresses for BAR %d",
                         region->nr);
        close(fd);
        return false;
    }
    map = g_new0(VFIOTSMMap, 1);
    map->tsm = tsm;
    map->region = region;
    map->offset = mm->offset;
    map->dmabuf.fd = fd;
    map->dmabuf.convert = tsm_convert;
    map->dmabuf.fault = tsm_fault;
    QLIST_INSERT_HEAD(&tsm->maps, map, next);

    name = g_strdup_printf("%s dma-buf at 0x%" PRIx64,
                           memory_region_name(region->mem),
                           (uint64_t)mm->offset);
    memory_region_init_ram_device_ptr(&mm->mem,
                                      memory_region_owner(region->mem), name,
                                      mm->size, mm->mmap);
    mm->mem.ops = &tsm_map_ops;
    mm->mem.opaque = map;
    kvm_dmabuf_set(&mm->mem, &map->dmabuf);
    memory_region_add_subregion(region->mem, mm->offset, &mm->mem);
    trace_vfio_tsm_map(tsm_name(tsm), region->nr, mm->offset, mm->size, fd);
    return true;
}

static bool tsm_map_bar(VFIOPCITSM *tsm, int nr, Error **errp)
{
    VFIORegion *region = &tsm->vdev->bars[nr].region;
    MemoryRegion *closed;

    if (!region->mem || !region->nr_mmaps) {
        return true;
    }
    for (int i = 0; i < region->nr_mmaps; i++) {
        if (!tsm_map(tsm, region, &region->mmaps[i], errp)) {
            return false;
        }
    }
    closed = g_new0(MemoryRegion, 1);
    memory_region_init_io(closed, OBJECT(tsm->vdev), &tsm_closed_ops, tsm,
                          "tsm-closed", region->size);
    memory_region_set_enabled(closed, false);
    memory_region_add_subregion_overlap(region->mem, 0, closed, 1);
    tsm->closed[nr] = closed;
    return true;
}

bool vfio_pci_tsm_map_bars(VFIOPCIDevice *vdev, Error **errp)
{
    for (int i = 0; vdev->tsm && i < PCI_ROM_SLOT; i++) {
        if (tsm_map_bar(vdev->tsm, i, errp)) {
            continue;
        }
        /* As nothing else does before they are registered */
        for (; i >= 0; i--) {
            vfio_region_exit(&vdev->bars[i].region);
        }
        return false;
    }
    return true;
}

static uint32_t tsm_arch_of_vm(void)
{
    MachineState *ms = MACHINE(qdev_get_machine());

    return ms->cgs ? CONFIDENTIAL_GUEST_SUPPORT_GET_CLASS(ms->cgs)->tvm_arch :
                     0;
}

/* Why it cannot work at all, with this VM and kernel */
static bool tsm_is_possible(VFIOPCIDevice *vdev, Error **errp)
{
    MachineState *ms = MACHINE(qdev_get_machine());

    if (!vdev->vbasedev.iommufd) {
        error_setg(errp, "x-tsm wants an iommufd backend, "
                   "-object iommufd and iommufd=");
        return false;
    }
    if (!ms->cgs) {
        error_setg(errp, "x-tsm wants a confidential guest, "
                   "-machine confidential-guest-support=");
        return false;
    }
    if (!tsm_arch_of_vm()) {
        error_setg(errp, "x-tsm: requests about devices of a guest of type %s "
                   "do not reach QEMU, KVM has no exit for them",
                   object_get_typename(OBJECT(ms->cgs)));
        return false;
    }
    if (!iommufd_backend_has_tsm(vdev->vbasedev.iommufd)) {
        error_setg(errp, "x-tsm: the kernel has no IOMMU_VDEVICE_TSM_OP, "
                   "it cannot bind devices to confidential VMs");
        return false;
    }
    if (!kvm_dmabuf_supported()) {
        error_setg(errp, "x-tsm: KVM has no KVM_CAP_MEMORY_DMABUF for a VM of "
                   "this type");
        return false;
    }
    if (!vdev->vbasedev.hwpt) {
        error_setg(errp, "x-tsm wants a device with an IOMMU of its own");
        return false;
    }
    return true;
}

static bool tsm_alloc_objects(VFIOPCITSM *tsm, Error **errp)
{
    VFIODevice *vbasedev = &tsm->vdev->vbasedev;

    if (!iommufd_backend_alloc_viommu(tsm_be(tsm), vbasedev->devid,
                                      IOMMU_VIOMMU_TYPE_TSM,
                                      vbasedev->hwpt->hwpt_id, &tsm->viommu_id,
                                      errp)) {
        return false;
    }
    if (!iommufd_backend_alloc_veventq(tsm_be(tsm), tsm->viommu_id,
                                       IOMMU_VEVENTQ_TYPE_TSM,
                                       TSM_EVENTQ_DEPTH, &tsm->veventq_id,
                                       &tsm->veventq_fd, errp)) {
        return false;
    }
    qemu_set_fd_handler(tsm->veventq_fd, tsm_read_events, NULL, tsm);
    return true;
}

static void tsm_free_objects(VFIOPCITSM *tsm)
{
    tsm_free_vdevice(tsm);
    if (tsm->veventq_fd >= 0) {
        qemu_set_fd_handler(tsm->veventq_fd, NULL, NULL, NULL);
        close(tsm->veventq_fd);
        tsm->veventq_fd = -1;
        iommufd_backend_free_id(tsm_be(tsm), tsm->veventq_id);
    }
    if (tsm->viommu_id) {
        iommufd_backend_free_id(tsm_be(tsm), tsm->viommu_id);
        tsm->viommu_id = 0;
    }
}

bool vfio_pci_tsm_realize(VFIOPCIDevice *vdev, Error **errp)
{
    g_autofree char *name = NULL;
    VFIOPCITSM *tsm;
    Error *err = NULL;

    if (vdev->tsm_mode == ON_OFF_AUTO_OFF) {
        return true;
    }
    if (!tsm_is_possible(vdev, &err)) {
        if (vdev->tsm_mode == ON_OFF_AUTO_AUTO) {
            error_free(err);
            return true;
        }
        error_propagate(errp, err);
        return false;
    }

    tsm = g_new0(VFIOPCITSM, 1);
    tsm->vdev = vdev;
    tsm->veventq_fd = -1;
    tsm->tvm_arch = tsm_arch_of_vm();
    tsm->ranges = g_array_new(false, false, sizeof(VFIOTSMRange));
    tsm->reopen = timer_new_ms(QEMU_CLOCK_REALTIME, tsm_reopen, tsm);
    tsm->bh = qemu_bh_new(tsm_finish, tsm);
    qemu_mutex_init(&tsm->lock);
    qemu_cond_init(&tsm->cond);
    name = g_strdup_printf("tsm %s", tsm_name(tsm));
    qemu_thread_create(&tsm->thread, name, tsm_thread, tsm,
                       QEMU_THREAD_JOINABLE);
    QLIST_INSERT_HEAD(&vfio_tsms, tsm, next);
    vdev->tsm = tsm;
    return tsm_alloc_objects(tsm, errp);
}

void vfio_pci_tsm_exit(VFIOPCIDevice *vdev)
{
    VFIOPCITSM *tsm = vdev->tsm;

    if (!tsm || tsm->exited) {
        return;
    }
    /* If that fails, the kernel tries again when VFIO is closed */
    tsm_unbind_now(tsm);
    tsm->exited = true;
    QLIST_REMOVE(tsm, next);
    WITH_QEMU_LOCK_GUARD(&tsm->lock) {
        tsm->work = TSM_WORK_STOP;
        qemu_cond_broadcast(&tsm->cond);
    }
    qemu_thread_join(&tsm->thread);
    qemu_bh_delete(tsm->bh);
    timer_free(tsm->reopen);
    tsm->reopen = NULL;
    migrate_del_blocker(&tsm->blocker);
    tsm_free_objects(tsm);
    for (int i = 0; i < ARRAY_SIZE(tsm->closed); i++) {
        if (tsm->closed[i]) {
            memory_region_del_subregion(vdev->bars[i].region.mem,
                                        tsm->closed[i]);
        }
    }
}

void vfio_pci_tsm_finalize(VFIOPCIDevice *vdev)
{
    VFIOPCITSM *tsm = vdev->tsm;
    VFIOTSMMap *map;

    if (!tsm) {
        return;
    }
    vfio_pci_tsm_exit(vdev);
    for (int i = 0; i < ARRAY_SIZE(tsm->closed); i++) {
        if (tsm->closed[i]) {
            object_unparent(OBJECT(tsm->closed[i]));
            g_free(tsm->closed[i]);
        }
    }
    while ((map = QLIST_FIRST(&tsm->maps))) {
        QLIST_REMOVE(map, next);
        close(map->dmabuf.fd);
        g_free(map);
    }
    g_array_free(tsm->ranges, true);
    qemu_cond_destroy(&tsm->cond);
    qemu_mutex_destroy(&tsm->lock);
    vdev->tsm = NULL;
    g_free(tsm);
}

bool vfio_pci_tsm_pre_reset(VFIOPCIDevice *vdev)
{
    VFIOPCITSM *tsm = vdev->tsm;

    if (!tsm || tsm->exited) {
        return true;
    }
    trace_vfio_tsm_reset(tsm_name(tsm), vfio_tsm_state_name(tsm->state));
    return tsm_unbind_now(tsm);
}

bool vfio_pci_tsm_blocks_reset(VFIOPCIDevice *vdev)
{
    return vdev->tsm && !vdev->tsm->exited && tsm_is_held(vdev->tsm);
}
