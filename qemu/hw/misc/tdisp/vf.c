/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: virtual functions of function 0 (PCIe r6.0 chapter 9).
 *
 * QEMU makes all VFs together with their PF and hides those that are not
 * enabled. Each one is a TDI, managed by the DSM of function 0 like the others.
 * Whether a VF exists, decodes memory, and where, stands in the SR-IOV
 * capability of the PF, so that is watched like configuration of the VF.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qemu/range.h"
#include "qapi/error.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_sriov.h"
#include "internal.h"

/* Beyond the functions of a device, and reached by ARI alone */
#define VF_OFFSET   TDISP_MAX_FN
#define VF_STRIDE   1

static uint16_t sriov_control(TdispFn *pf)
{
    PCIDevice *dev = &pf->parent_obj;

    return pci_get_word(dev->config + dev->exp.sriov_cap + PCI_SRIOV_CTRL);
}

/* Place of a function among all TDIs of its DSM */
unsigned tdisp_index(PCIDevice *dev)
{
    return pci_is_vf(dev) ? TDISP_MAX_FN + pcie_sriov_vf_number(dev) :
                            PCI_FUNC(dev->devfn);
}

/*
 * With VFs in other slots the functions of the device are found by ARI, so
 * that has to name all of them.
 */
void tdisp_ari_init(TdispFn *fn, uint16_t offset)
{
    PCIDevice *dev = &fn->parent_obj;
    TdispFn *fn0 = fn->dsm->fn[0];
    unsigned next = PCI_FUNC(dev->devfn) + 1;

    if (!fn0->vfs) {
        return;
    }
    pcie_ari_init(dev, offset);
    if (!pci_is_vf(dev) && next < fn0->functions) {
        pci_set_word(dev->config + offset + PCI_ARI_CAP, next << 8);
    }
}

/* After the functions above 0, so that the VFs are the last of the device */
bool tdisp_vf_init(TdispFn *pf, Error **errp)
{
    PCIDevice *dev = &pf->parent_obj;

    if (!pf->vfs) {
        return true;
    }
    if (!pcie_sriov_pf_init(dev, TDISP_SRIOV_OFFSET, TYPE_TDISP_TESTDEV_VF,
                            TDISP_TESTVF_DEVICE, pf->vfs, pf->vfs, VF_OFFSET,
                            VF_STRIDE, errp)) {
        return false;
    }
    pf->has_sriov = true;
    pcie_sriov_pf_init_vf_bar(dev, TDISP_BAR_REGS, tdisp_regs_type(pf),
                              memory_region_size(&pf->regs));
    pcie_sriov_pf_init_vf_bar(dev, TDISP_BAR_MEM,
                              PCI_BASE_ADDRESS_SPACE_MEMORY |
                              PCI_BASE_ADDRESS_MEM_TYPE_64 |
                              PCI_BASE_ADDRESS_MEM_PREFETCH,
                              memory_region_size(&pf->bar_mem));
    pcie_sriov_pf_init_vf_bar(dev, TDISP_BAR_MSIX,
                              PCI_BASE_ADDRESS_SPACE_MEMORY,
                              memory_region_size(&pf->bar_msix));
    return true;
}

void tdisp_vf_exit(TdispFn *pf)
{
    if (pf->has_sriov) {
        pf->has_sriov = false;
        pcie_sriov_pf_exit(&pf->parent_obj);
    }
}

/*
 * The PCI core decodes memory by the bit in the command register. That of a VF
 * is not there for software and stands for VF MSE here. Off and on, so that the
 * core looks at the BARs again.
 */
static void set_decode(TdispFn *vf, bool on)
{
    PCIDevice *dev = &vf->parent_obj;
    uint16_t cmd = pci_get_word(dev->config + PCI_COMMAND);

    pci_word_test_and_set_mask(dev->wmask + PCI_COMMAND, PCI_COMMAND_MEMORY);
    pci_default_write_config(dev, PCI_COMMAND, cmd & ~PCI_COMMAND_MEMORY, 2);
    if (on) {
        pci_default_write_config(dev, PCI_COMMAND, cmd | PCI_COMMAND_MEMORY,
                                 2);
    }
    pci_word_test_and_clear_mask(dev->wmask + PCI_COMMAND, PCI_COMMAND_MEMORY);
}

static void log_vf_bars(TdispFn *pf, TdispFn *vf, uint32_t addr, int len)
{
    static const uint8_t bars[] = {
        TDISP_BAR_REGS, TDISP_BAR_MEM, TDISP_BAR_MSIX
    };
    PCIDevice *dev = &pf->parent_obj;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(bars); i++) {
        unsigned reg = dev->exp.sriov_cap + PCI_SRIOV_BAR + bars[i] * 4;

        if (ranges_overlap(addr, len, reg, tdisp_bar_bytes(pf, bars[i]))) {
            tdisp_log(&vf->parent_obj, TDISP_EV_BAR, bars[i],
                      pci_get_long(dev->config + reg), 0);
            tdi_violation(vf, TDISP_WHY_BAR);
        }
    }
}

/* The PCI core has carried the write to the PF's configuration space out */
void tdisp_vf_config_write(TdispFn *pf, uint32_t addr, int len)
{
    PCIDevice *dev = &pf->parent_obj;
    bool mse;
    int i;

    if (!pf->has_sriov ||
        !ranges_overlap(addr, len, dev->exp.sriov_cap,
                        PCI_EXT_CAP_SRIOV_SIZEOF)) {
        return;
    }
    mse = sriov_control(pf) & PCI_SRIOV_CTRL_MSE;
    for (i = 0; i < pcie_sriov_num_vfs(dev); i++) {
        TdispFn *vf = TDISP_TESTDEV(pcie_sriov_get_vf_at_index(dev, i));

        log_vf_bars(pf, vf, addr, len);
        set_decode(vf, mse);
        tdisp_log_command(vf);
    }
}

/* What software reads from a VF: there is no memory enable bit in it */
uint32_t tdisp_vf_config_read(uint32_t addr, int len, uint32_t val)
{
    if (range_covers_byte(addr, len, PCI_COMMAND)) {
        val &= ~(PCI_COMMAND_MEMORY << ((PCI_COMMAND - addr) * 8));
    }
    return val;
}

/*
 * The PCI core resets a VF when it comes and when it goes, and together with
 * everything else while it is not there. Returns whether this is such a reset;
 * what was locked has failed then, and its secrets are gone. Only STOP, or a
 * reset of the whole device, leads out of that, after the VF came back.
 */
bool tdisp_vf_presence(TdispFn *fn)
{
    PCIDevice *dev = &fn->parent_obj;

    if (!pci_is_vf(dev)) {
        return false;
    }
    if (fn->vf_present == dev->enabled) {
        return !dev->enabled;
    }
    fn->vf_present = dev->enabled;
    tdisp_log(dev, TDISP_EV_VF, fn->vf_present, 0, 0);
    if (!fn->vf_present) {
        tdi_violation(fn, TDISP_WHY_VF);
        pci_word_test_and_clear_mask(dev->config + PCI_COMMAND,
                                     PCI_COMMAND_MEMORY);
    }
    return true;
}

static void vf_realize(PCIDevice *dev, Error **errp)
{
    TdispFn *fn = TDISP_TESTDEV(dev);

    tdisp_inherit(fn, TDISP_TESTDEV(pcie_sriov_get_pf(dev)));
    tdisp_realize(dev, errp);
    pci_word_test_and_clear_mask(dev->wmask + PCI_COMMAND,
                                 PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
}

static void vf_class_init(ObjectClass *klass, TdispClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    PCI_DEVICE_CLASS(klass)->realize = vf_realize;
    dc->desc = "TDISP test device, virtual function";
    dc->user_creatable = false;
}

static const TypeInfo vf_types[] = {
    {
        .name = TYPE_TDISP_TESTDEV_VF,
        .parent = TYPE_TDISP_TESTDEV,
        .class_init = vf_class_init,
    },
};

DEFINE_TYPES(vf_types)
