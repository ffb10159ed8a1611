// SPDX-License-Identifier: GPL-2.0-only
/* How the guest finds its function: configuration mechanism #1, bus 0 */
#include <linux/pci_regs.h>

#include "guest.h"

#define CONFIG_ADDRESS		0xcf8
#define CONFIG_DATA		0xcfc
#define CONFIG_ENABLE		0x80000000U

#define MAX_CAPS		48

#define MSI_ADDRESS		0xfee00000U

static void config_select(u32 tdi_id, u8 pos)
{
	port_write32(CONFIG_ADDRESS, CONFIG_ENABLE | tdi_id << 8 | (pos & ~3));
}

static u32 config_read(u32 tdi_id, u8 pos)
{
	config_select(tdi_id, pos);
	return port_read32(CONFIG_DATA);
}

u32 pci_read32(const struct guest_fn *fn, u8 pos)
{
	return config_read(fn->tdi_id, pos);
}

static void pci_write32(const struct guest_fn *fn, u8 pos, u32 val)
{
	config_select(fn->tdi_id, pos);
	port_write32(CONFIG_DATA, val);
}

/* The test function number @fn->nr on the bus */
static bool find_function(struct guest_fn *fn)
{
	const u32 id = TDISP_TESTDEV_DEVICE << 16 | TDISP_TESTDEV_VENDOR;
	u32 left = fn->nr;

	for (u32 devfn = 0; devfn <= 0xff; devfn++) {
		if (config_read(devfn, PCI_VENDOR_ID) != id)
			continue;
		if (!left--) {
			fn->tdi_id = devfn;
			return true;
		}
	}
	return false;
}

static u8 find_cap(const struct guest_fn *fn, u8 id)
{
	u8 pos = pci_read32(fn, PCI_CAPABILITY_LIST) & ~3;

	for (int i = 0; i < MAX_CAPS && pos >= PCI_STD_HEADER_SIZEOF; i++) {
		u32 cap = pci_read32(fn, pos);

		if ((cap & 0xff) == id)
			return pos;
		pos = cap >> 8 & ~3;
	}
	return 0;
}

/* What of a BAR can be written is its address; not mapped meanwhile */
static u32 size_of(const struct guest_fn *fn, u8 pos, u32 *addr)
{
	u32 mask;

	*addr = pci_read32(fn, pos);
	pci_write32(fn, pos, ~0U);
	mask = pci_read32(fn, pos);
	pci_write32(fn, pos, *addr);
	return mask;
}

static bool find_bars(struct guest_fn *fn)
{
	for (int i = 0; i < 6; i++) {
		u8 pos = PCI_BASE_ADDRESS_0 + 4 * i;
		struct guest_bar *bar = &fn->bar[i];
		u32 low, high = 0;
		u64 mask;

		mask = size_of(fn, pos, &low) & PCI_BASE_ADDRESS_MEM_MASK;
		if (!mask)
			continue;
		if (low & PCI_BASE_ADDRESS_SPACE_IO)
			return false;
		mask |= 0xffffffff00000000ULL;
		if (low & PCI_BASE_ADDRESS_MEM_TYPE_64) {
			mask &= (u64)size_of(fn, pos + 4, &high) << 32 |
				0xffffffffULL;
			i++;
		}
		bar->gpa = (u64)high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK);
		bar->size = -mask;
		if (!bar->gpa || (bar->gpa & (bar->size - 1)) ||
		    bar->gpa + bar->size > GUEST_MAPPED)
			return false;
	}
	return true;
}

static bool set_up_msix(struct guest_fn *fn)
{
	u32 table, ctrl, nr;
	u64 entry;

	fn->msix_cap = find_cap(fn, PCI_CAP_ID_MSIX);
	if (!fn->msix_cap)
		return false;
	ctrl = pci_read32(fn, fn->msix_cap);
	nr = ((ctrl >> 16) & PCI_MSIX_FLAGS_QSIZE) + 1;
	table = pci_read32(fn, fn->msix_cap + PCI_MSIX_TABLE);
	fn->msix_bar = table & PCI_MSIX_TABLE_BIR;
	fn->msix_off = table & PCI_MSIX_TABLE_OFFSET;
	if (fn->msix_bar > 5 || fn->msix_off + nr * PCI_MSIX_ENTRY_SIZE >
				fn->bar[fn->msix_bar].size)
		return false;

	/* Vector 0 of the device, fixed, to the only processor */
	entry = fn->bar[fn->msix_bar].gpa + fn->msix_off;
	mmio_write32(entry + PCI_MSIX_ENTRY_LOWER_ADDR, MSI_ADDRESS);
	mmio_write32(entry + PCI_MSIX_ENTRY_UPPER_ADDR, 0);
	mmio_write32(entry + PCI_MSIX_ENTRY_DATA, GUEST_VECTOR + fn->nr);
	mmio_write32(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, 0);
	if (mmio_read32(entry + PCI_MSIX_ENTRY_DATA) != GUEST_VECTOR + fn->nr)
		return false;
	pci_write32(fn, fn->msix_cap, ctrl | PCI_MSIX_FLAGS_ENABLE << 16);
	return pci_read32(fn, fn->msix_cap) & PCI_MSIX_FLAGS_ENABLE << 16;
}

u32 pci_enum(struct guest_fn *fn)
{
	const u32 on = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	u32 cmd;

	if (!find_function(fn))
		return GUEST_NO_FUNCTION;
	/* Status bits are cleared by writing ones */
	cmd = pci_read32(fn, PCI_COMMAND) & 0xffff;
	pci_write32(fn, PCI_COMMAND, cmd & ~on);
	if (!find_bars(fn) || !fn->bar[TDISP_BAR_REGS].size ||
	    !fn->bar[TDISP_BAR_MEM].size || !find_cap(fn, PCI_CAP_ID_EXP))
		return GUEST_BAD_CONFIG;
	pci_write32(fn, PCI_COMMAND, cmd | on);
	if ((pci_read32(fn, PCI_COMMAND) & on) != on)
		return GUEST_BAD_CONFIG;
	return set_up_msix(fn) ? GUEST_OK : GUEST_BAD_CONFIG;
}
