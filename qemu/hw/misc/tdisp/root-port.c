/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: a PCIe root port with an IDE extended capability, the
 * other end of the streams. Otherwise it is QEMU's pcie-root-port. All state
 * it adds is in configuration space.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/pcie_port.h"
#include "migration/vmstate.h"
#include "internal.h"

typedef struct TdispRootPortClass {
    PCIERootPortClass parent_class;

    DeviceRealize parent_realize;
    PCIConfigWriteFunc *parent_config_write;
    ResettablePhases parent_phases;
} TdispRootPortClass;

DECLARE_CLASS_CHECKERS(TdispRootPortClass, TDISP_ROOT_PORT,
                       TYPE_TDISP_ROOT_PORT)

static void root_port_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                                   int len)
{
    TDISP_ROOT_PORT_GET_CLASS(dev)->parent_config_write(dev, addr, val, len);
    tdisp_ide_update_port(dev);
}

static void root_port_reset_hold(Object *obj, ResetType type)
{
    TdispRootPortClass *rpc = TDISP_ROOT_PORT_GET_CLASS(obj);
    PCIDevice *dev = PCI_DEVICE(obj);
    TdispIde ide = tdisp_ide_of_port(dev);

    if (rpc->parent_phases.hold) {
        rpc->parent_phases.hold(obj, type);
    }
    tdisp_ide_reset(&ide);
}

static void root_port_realize(DeviceState *qdev, Error **errp)
{
    TdispRootPortClass *rpc = TDISP_ROOT_PORT_GET_CLASS(qdev);
    TdispIde ide;
    ERRP_GUARD();

    rpc->parent_realize(qdev, errp);
    if (*errp) {
        return;
    }
    pcie_cap_slot_link_event_init(PCI_DEVICE(qdev));
    tdisp_ide_init(&ide, PCI_DEVICE(qdev), TDISP_RP_STREAMS);
}

static const VMStateDescription vmstate_root_port = {
    .name = TYPE_TDISP_ROOT_PORT,
    .unmigratable = 1,
};

static void root_port_class_init(ObjectClass *klass, TdispClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);
    TdispRootPortClass *rpc = TDISP_ROOT_PORT_CLASS(klass);

    rpc->parent_config_write = k->config_write;
    k->config_write = root_port_config_write;
    device_class_set_parent_realize(dc, root_port_realize,
                                    &rpc->parent_realize);
    resettable_class_set_parent_phases(rc, NULL, root_port_reset_hold, NULL,
                                       &rpc->parent_phases);
    dc->desc = "PCI Express Root Port with IDE, for tdisp-testdev";
    dc->vmsd = &vmstate_root_port;
}

static const TypeInfo root_port_types[] = {
    {
        .name = TYPE_TDISP_ROOT_PORT,
        .parent = "pcie-root-port",
        .class_size = sizeof(TdispRootPortClass),
        .class_init = root_port_class_init,
    },
};

DEFINE_TYPES(root_port_types)
