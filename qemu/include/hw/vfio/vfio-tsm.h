/*
 * Devices that are bound to a confidential VM: what a guest can ask for
 *
 * A guest asks by what its architecture has for that. Whoever takes it out of
 * the VM, for KVM an exit of a vCPU, finds the device and makes a call here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_VFIO_TSM_H
#define HW_VFIO_VFIO_TSM_H

#include "exec/hwaddr.h"
#include "hw/pci/pci.h"
#include "qemu/notify.h"
#include "system/iommufd.h"

typedef struct VFIOPCITSM VFIOPCITSM;
typedef struct VFIOTSMCall VFIOTSMCall;

/**
 * enum VFIOTSMState - State of the binding of a device
 * @VFIO_TSM_UNBOUND: the device is shared between host and VM
 * @VFIO_TSM_BINDING: a call to bind it is under way
 * @VFIO_TSM_BOUND: the TSM has locked it for the VM, or the VM has started it
 * @VFIO_TSM_FAILED: bound, but the device is in its error state
 * @VFIO_TSM_LOST: the host has taken it away; closed until it is unbound
 * @VFIO_TSM_UNBINDING: a call to unbind it is under way
 * @VFIO_TSM_QUARANTINED: the TSM did not let go of it
 */
typedef enum VFIOTSMState {
    VFIO_TSM_UNBOUND,
    VFIO_TSM_BINDING,
    VFIO_TSM_BOUND,
    VFIO_TSM_FAILED,
    VFIO_TSM_LOST,
    VFIO_TSM_UNBINDING,
    VFIO_TSM_QUARANTINED,
} VFIOTSMState;

/**
 * struct VFIOTSMInfo - What is known of a device
 * @pdev: the device
 * @host: what VFIO calls it
 * @state: of the binding
 * @connected: to a TSM that can bind it, as the host sees it
 * @virt_id: what the guest calls it, as of the last bind
 * @private_size: bytes of its MMIO that are private
 * @nr_events: how many events the kernel has reported
 * @last_event: enum iommu_tsm_event, 0 if there was none
 * @last_reason: enum iommu_tsm_event_reason
 * @last_err: what the last call failed with, a negative errno, or 0
 * @last_code: what TSM or device said then
 */
typedef struct VFIOTSMInfo {
    PCIDevice *pdev;
    const char *host;
    VFIOTSMState state;
    bool connected;
    uint64_t virt_id;
    uint64_t private_size;
    uint32_t nr_events;
    uint32_t last_event;
    uint32_t last_reason;
    int last_err;
    uint64_t last_code;
} VFIOTSMInfo;

typedef enum VFIOTSMCallType {
    VFIO_TSM_BIND,
    VFIO_TSM_UNBIND,
    VFIO_TSM_ACCEPT_MMIO,
    VFIO_TSM_REQUEST,
} VFIOTSMCallType;

/**
 * struct VFIOTSMCall - A call of a guest about its device
 * @type: bind, unbind, or
 *        VFIO_TSM_ACCEPT_MMIO: have the TSM look at a range of MMIO, and make
 *        it private; VFIO_TSM_REQUEST: pass on a request
 * @req: VFIO_TSM_REQUEST, but for tvm_arch. The buffers are the caller's
 * @gpa: VFIO_TSM_ACCEPT_MMIO, page aligned
 * @size: of the range, page aligned
 * @pa: 0, or what the guest takes for the physical address of @gpa
 * @err: result, a negative errno or 0
 * @tsm_code: what TSM or device said, 0 if nothing
 * @done: called in the main loop, with BQL, when there is a result. The device
 *        may be on its way out: it is not to be called from there
 * @opaque: the caller's
 */
struct VFIOTSMCall {
    VFIOTSMCallType type;
    IOMMUFDTSMReq req;
    hwaddr gpa;
    hwaddr size;
    uint64_t pa;
    int err;
    uint64_t tsm_code;
    void (*done)(VFIOTSMCall *call);
    void *opaque;
};

/* All of these with the BQL held */

/* The device that the guest knows by this segment << 16 | bus << 8 | devfn */
VFIOPCITSM *vfio_tsm_find(uint32_t guest_id);
/* The one that @pdev is, or NULL */
VFIOPCITSM *vfio_tsm_of(PCIDevice *pdev);

/*
 * 0, and call->done() will be called; or a negative errno, and it will not:
 * -EBUSY while there is another call, -EACCES for a range that is no MMIO of
 * the device, and what the state of the binding forbids, as the kernel has it.
 */
int vfio_tsm_call(VFIOPCITSM *tsm, VFIOTSMCall *call);

void vfio_tsm_info(VFIOPCITSM *tsm, VFIOTSMInfo *info);
void vfio_tsm_foreach(void (*fn)(VFIOPCITSM *tsm, void *opaque), void *opaque);
const char *vfio_tsm_state_name(VFIOTSMState state);

/* Called with a VFIOPCITSM after its state has changed, or an event has come */
void vfio_tsm_add_notifier(Notifier *notifier);

#endif
