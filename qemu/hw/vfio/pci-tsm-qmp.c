/*
 * Devices that are bound to a confidential VM: what the monitor tells
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/iommufd.h>

#include "hw/pci/pci_device.h"
#include "hw/qdev-core.h"
#include "hw/sysbus.h"
#include "hw/vfio/vfio-tsm.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vfio.h"
#include "qapi/qapi-events-vfio.h"
#include "qapi/type-helpers.h"

static VfioTsmState tsm_qapi_state(VFIOTSMState state)
{
    static const VfioTsmState states[] = {
        [VFIO_TSM_UNBOUND] = VFIO_TSM_STATE_UNBOUND,
        [VFIO_TSM_BINDING] = VFIO_TSM_STATE_BINDING,
        [VFIO_TSM_BOUND] = VFIO_TSM_STATE_BOUND,
        [VFIO_TSM_FAILED] = VFIO_TSM_STATE_FAILED,
        [VFIO_TSM_LOST] = VFIO_TSM_STATE_LOST,
        [VFIO_TSM_UNBINDING] = VFIO_TSM_STATE_UNBINDING,
        [VFIO_TSM_QUARANTINED] = VFIO_TSM_STATE_QUARANTINED,
    };

    return states[state];
}

/* Of the last event, if that is why the device is in this state */
static bool tsm_qapi_reason(const VFIOTSMInfo *info, VfioTsmReason *reason)
{
    static const VfioTsmReason reasons[] = {
        [IOMMU_TSM_REASON_DISCONNECT] = VFIO_TSM_REASON_DISCONNECTED,
        [IOMMU_TSM_REASON_TSM_GONE] = VFIO_TSM_REASON_TSM_GONE,
        [IOMMU_TSM_REASON_REMOVED] = VFIO_TSM_REASON_REMOVED,
        [IOMMU_TSM_REASON_DEVICE] = VFIO_TSM_REASON_DEVICE,
        [IOMMU_TSM_REASON_RESET] = VFIO_TSM_REASON_RESET,
        [IOMMU_TSM_REASON_AER] = VFIO_TSM_REASON_AER,
    };

    if (info->state != VFIO_TSM_LOST && info->state != VFIO_TSM_FAILED) {
        return false;
    }
    if (!info->last_reason) {
        return false;
    }
    *reason = info->last_reason < ARRAY_SIZE(reasons) ?
              reasons[info->last_reason] : VFIO_TSM_REASON_UNKNOWN;
    return true;
}

static void tsm_add_info(VFIOPCITSM *tsm, void *opaque)
{
    VfioTsmInfoList **list = opaque;
    VfioTsmInfo *out = g_new0(VfioTsmInfo, 1);
    VFIOTSMInfo info;

    vfio_tsm_info(tsm, &info);
    out->device_id = g_strdup(DEVICE(info.pdev)->id);
    out->qom_path = object_get_canonical_path(OBJECT(info.pdev));
    out->host = g_strdup(info.host);
    out->state = tsm_qapi_state(info.state);
    out->has_reason = tsm_qapi_reason(&info, &out->reason);
    out->connected = info.connected;
    out->guest_id = info.virt_id;
    out->private_size = info.private_size;
    out->events = info.nr_events;
    out->last_errno = -info.last_err;
    out->last_code = info.last_code;
    QAPI_LIST_PREPEND(*list, out);
}

VfioTsmInfoList *qmp_query_vfio_tsm(Error **errp)
{
    VfioTsmInfoList *list = NULL;

    vfio_tsm_foreach(tsm_add_info, &list);
    return list;
}

/* The event of the state tells the rest */
static void tsm_unbind_done(VFIOTSMCall *call)
{
    g_free(call);
}

void qmp_vfio_tsm_unbind(const char *id, Error **errp)
{
    DeviceState *dev = qdev_find_recursive(sysbus_get_default(), id);
    PCIDevice *pdev;
    VFIOPCITSM *tsm;
    VFIOTSMCall *call;
    int ret;

    if (!dev) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found",
                  id);
        return;
    }
    pdev = (PCIDevice *)object_dynamic_cast(OBJECT(dev), TYPE_PCI_DEVICE);
    tsm = pdev ? vfio_tsm_of(pdev) : NULL;
    if (!tsm) {
        error_setg(errp, "Device '%s' has no x-tsm", id);
        return;
    }
    call = g_new0(VFIOTSMCall, 1);
    call->type = VFIO_TSM_UNBIND;
    call->done = tsm_unbind_done;
    ret = vfio_tsm_call(tsm, call);
    if (ret) {
        error_setg_errno(errp, -ret, "Device '%s' cannot be unbound", id);
        g_free(call);
    }
}

static void tsm_print(VFIOPCITSM *tsm, void *opaque)
{
    VfioTsmReason reason;
    VFIOTSMInfo info;
    GString *buf = opaque;
    DeviceState *dev;

    vfio_tsm_info(tsm, &info);
    dev = DEVICE(info.pdev);
    g_string_append_printf(buf, "%s (%s): %s", dev->id ?: "device", info.host,
                           vfio_tsm_state_name(info.state));
    if (tsm_qapi_reason(&info, &reason)) {
        g_string_append_printf(buf, " (%s)", VfioTsmReason_str(reason));
    }
    g_string_append_printf(buf, ", %s\n", info.connected ?
                           "connected" : "not connected to a TSM");
    g_string_append_printf(buf, "  guest's ID %04x:%02x:%02x.%x, "
                           "%" PRIu64 " KiB of MMIO private, %u events\n",
                           (unsigned)(info.virt_id >> 16),
                           (unsigned)PCI_BUS_NUM(info.virt_id),
                           (unsigned)PCI_SLOT(info.virt_id),
                           (unsigned)PCI_FUNC(info.virt_id),
                           info.private_size / 1024, info.nr_events);
    if (info.last_err) {
        g_string_append_printf(buf, "  last failure: %s, code 0x%" PRIx64 "\n",
                               strerror(-info.last_err), info.last_code);
    }
}

HumanReadableText *qmp_x_query_vfio_tsm(Error **errp)
{
    g_autoptr(GString) buf = g_string_new("");

    vfio_tsm_foreach(tsm_print, buf);
    return human_readable_text_from_str(buf);
}

static void tsm_emit(Notifier *notifier, void *data)
{
    g_autofree char *path = NULL;
    VfioTsmReason reason = 0;
    VFIOTSMInfo info;
    DeviceState *dev;
    bool has_reason;

    vfio_tsm_info(data, &info);
    dev = DEVICE(info.pdev);
    path = object_get_canonical_path(OBJECT(dev));
    has_reason = tsm_qapi_reason(&info, &reason);
    qapi_event_send_vfio_tsm_state(dev->id, path, tsm_qapi_state(info.state),
                                   has_reason, reason);
}

static Notifier tsm_notifier = { .notify = tsm_emit };

static void tsm_register_notifier(void)
{
    vfio_tsm_add_notifier(&tsm_notifier);
}

type_init(tsm_register_notifier)
