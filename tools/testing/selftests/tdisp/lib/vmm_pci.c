// SPDX-License-Identifier: GPL-2.0-only
/*
 * The functions as the guest sees them. VFIO emulates most of configuration
 * space; ours are the BARs, which are where the VMM has put them, and MSI-X,
 * whose vectors become interrupts of the vCPU.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#include "tdisp_lib.h"
#include "vmm.h"

#define CONFIG_ADDRESS	0xcf8
#define CONFIG_DATA	0xcfc
#define CONFIG_ENABLE	0x80000000U

#define NR_GSIS		(GUEST_MAX_FNS * TDISP_NR_VECTORS)
#define BAR_SPACING	SZ_128M

static u32 config_read(struct tvm_fn *fn, u32 pos, u32 len)
{
	u32 val = 0;

	vfio_pci_config_access(fn->tdi.vfio, false, pos, len, &val);
	return val;
}

static u8 find_cap(struct tvm_fn *fn, u8 id)
{
	u8 pos = config_read(fn, PCI_CAPABILITY_LIST, 1) & ~3;

	for (int left = 48; left && pos >= PCI_STD_HEADER_SIZEOF; left--) {
		if (config_read(fn, pos, 1) == id)
			return pos;
		pos = config_read(fn, pos + PCI_CAP_LIST_NEXT, 1) & ~3;
	}
	return 0;
}

static int region_info(struct tvm_fn *fn, u32 index,
		       struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(fn->tdi.vfio->fd, VFIO_DEVICE_GET_REGION_INFO, info) ?
	       -errno : 0;
}

/* Each has room of its own, so that every size is aligned */
static int place_bars(struct tvm *tvm, struct tvm_fn *fn)
{
	u64 at = (u64)(fn - tvm->fn) * PCI_STD_NUM_BARS * BAR_SPACING;

	for (int i = 0; i < PCI_STD_NUM_BARS; i++, at += BAR_SPACING) {
		struct tvm_bar *bar = &fn->bar[i];
		struct vfio_region_info info;
		int rc;

		rc = region_info(fn, i, &info);
		if (rc)
			return rc;
		if (!info.size)
			continue;
		if (info.size > BAR_SPACING)
			return -E2BIG;
		bar->size = info.size;
		bar->flags = config_read(fn, PCI_BASE_ADDRESS_0 + 4 * i, 4) &
			     ~(u32)PCI_BASE_ADDRESS_MEM_MASK;
		if (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
			bar->gpa = GUEST_MMIO64_GPA + at;
		else
			bar->gpa = GUEST_MMIO32_GPA + at / 8;
	}
	return 0;
}

static int init_msix(struct tvm_fn *fn)
{
	struct tvm_msix *msix = &fn->msix;
	u32 table;

	msix->cap = find_cap(fn, PCI_CAP_ID_MSIX);
	if (!msix->cap)
		return -ENOENT;
	table = config_read(fn, msix->cap + PCI_MSIX_TABLE, 4);
	msix->bar = table & PCI_MSIX_TABLE_BIR;
	msix->off = table & PCI_MSIX_TABLE_OFFSET;
	msix->nr = (config_read(fn, msix->cap + PCI_MSIX_FLAGS, 2) &
		    PCI_MSIX_FLAGS_QSIZE) + 1;
	if (msix->nr > TDISP_NR_VECTORS || msix->bar >= PCI_STD_NUM_BARS)
		return -EINVAL;
	for (int i = 0; i < msix->nr; i++)
		msix->table[i][PCI_MSIX_ENTRY_VECTOR_CTRL / 4] =
			PCI_MSIX_ENTRY_CTRL_MASKBIT;
	return 0;
}

int tvm_pci_init(struct tvm *tvm, struct tvm_fn *fn)
{
	int rc;

	rc = region_info(fn, VFIO_PCI_CONFIG_REGION_INDEX,
			 &fn->tdi.vfio->config_space);
	rc = rc ?: place_bars(tvm, fn);
	return rc ?: init_msix(fn);
}

static int gsi_of(struct tvm *tvm, struct tvm_fn *fn, int vector)
{
	return (fn - tvm->fn) * TDISP_NR_VECTORS + vector;
}

static int set_irqfd(struct tvm *tvm, struct tvm_fn *fn, int vector, u32 flags)
{
	struct kvm_irqfd irqfd = {
		.fd = fn->tdi.vfio->msi_eventfds[vector],
		.gsi = gsi_of(tvm, fn, vector),
		.flags = flags,
	};

	return ioctl(tvm->vmm.vm.vm_fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

/* Vectors that are on and not masked, of all functions. What is masked is lost */
static int set_routes(struct tvm *tvm)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[NR_GSIS];
	} routes = {};

	for (int i = 0; i < tvm->nr_fns; i++) {
		struct tvm_fn *fn = &tvm->fn[i];

		for (int j = 0; fn->msix.enabled && j < fn->msix.nr; j++) {
			const u32 *entry = fn->msix.table[j];

			if (entry[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] &
			    PCI_MSIX_ENTRY_CTRL_MASKBIT)
				continue;
			routes.entry[routes.head.nr++] =
				(struct kvm_irq_routing_entry) {
				.gsi = gsi_of(tvm, fn, j),
				.type = KVM_IRQ_ROUTING_MSI,
				.u.msi.address_lo = entry[0],
				.u.msi.address_hi = entry[1],
				.u.msi.data = entry[2],
			};
		}
	}
	return ioctl(tvm->vmm.vm.vm_fd, KVM_SET_GSI_ROUTING, &routes) ?
	       -errno : 0;
}

static int enable_msix(struct tvm *tvm, struct tvm_fn *fn)
{
	int rc = 0;

	vfio_pci_msix_enable(fn->tdi.vfio, 0, fn->msix.nr);
	fn->msix.enabled = true;
	for (int i = 0; i < fn->msix.nr && !rc; i++)
		rc = set_irqfd(tvm, fn, i, 0);
	return rc ?: set_routes(tvm);
}

/* The eventfds are closed with the device, of which nobody knows the state */
void tvm_pci_exit(struct tvm *tvm, struct tvm_fn *fn)
{
	if (!fn->msix.enabled)
		return;
	for (int i = 0; i < fn->msix.nr; i++)
		set_irqfd(tvm, fn, i, KVM_IRQFD_FLAG_DEASSIGN);
	fn->msix.enabled = false;
}

static struct tvm_fn *config_fn(struct tvm *tvm)
{
	u32 id = tvm->config_address >> 8 & 0xffff;

	if (!(tvm->config_address & CONFIG_ENABLE))
		return NULL;
	for (int i = 0; i < tvm->nr_fns; i++)
		if (tvm->fn[i].devfn == id)
			return &tvm->fn[i];
	return NULL;
}

/* Number of a BAR register, or -1 */
static int bar_of(u32 pos)
{
	if (pos < PCI_BASE_ADDRESS_0 || pos > PCI_BASE_ADDRESS_5)
		return -1;
	return (pos - PCI_BASE_ADDRESS_0) / 4;
}

static u32 bar_read(struct tvm_fn *fn, int nr)
{
	const struct tvm_bar *bar = &fn->bar[nr];
	bool high = nr && !bar->size &&
		    fn->bar[nr - 1].flags & PCI_BASE_ADDRESS_MEM_TYPE_64;
	u64 val;

	if (high)
		bar--;
	if (!bar->size)
		return 0;
	val = fn->sizing & 1 << nr ? -bar->size : bar->gpa;
	return high ? val >> 32 : (u32)val | bar->flags;
}

/* No BAR moves: after the size, it has the address that it had before */
static void bar_write(struct tvm_fn *fn, int nr, u32 val)
{
	if (val == ~0U)
		fn->sizing |= 1 << nr;
	else
		fn->sizing &= ~(1 << nr);
}

static u32 config_space_read(struct tvm_fn *fn, u32 pos, u8 len)
{
	u32 val;

	if (bar_of(pos) >= 0 && len == 4)
		return bar_read(fn, bar_of(pos));
	val = config_read(fn, pos, len);
	if (pos == fn->msix.cap && len == 4 && fn->msix.enabled)
		val |= PCI_MSIX_FLAGS_ENABLE << 16;
	return val;
}

static int config_space_write(struct tvm *tvm, struct tvm_fn *fn, u32 pos,
			      u8 len, u32 val)
{
	if (bar_of(pos) >= 0) {
		bar_write(fn, bar_of(pos), val);
		return 0;
	}
	if (pos == fn->msix.cap && len == 4) {
		if (fn->msix.enabled || !(val & PCI_MSIX_FLAGS_ENABLE << 16))
			return 0;
		return enable_msix(tvm, fn);
	}
	vfio_pci_config_access(fn->tdi.vfio, true, pos, len, &val);
	return 0;
}

u32 tvm_port_read(struct tvm *tvm, u16 port, u8 len)
{
	u32 pos = (tvm->config_address & 0xfc) + port - CONFIG_DATA;
	struct tvm_fn *fn = config_fn(tvm);

	if (port == CONFIG_ADDRESS && len == 4)
		return tvm->config_address;
	if (!fn || port < CONFIG_DATA || port + len > CONFIG_DATA + 4)
		return ~0U;
	return config_space_read(fn, pos, len);
}

int tvm_port_write(struct tvm *tvm, u16 port, u8 len, u32 val)
{
	u32 pos = (tvm->config_address & 0xfc) + port - CONFIG_DATA;
	struct tvm_fn *fn = config_fn(tvm);

	if (port == CONFIG_ADDRESS && len == 4) {
		tvm->config_address = val;
		return 0;
	}
	if (!fn || port < CONFIG_DATA || port + len > CONFIG_DATA + 4)
		return 0;
	return config_space_write(tvm, fn, pos, len, val);
}

/* An access to the MSI-X table, 32 bits, or to nothing at all: ones */
int tvm_mmio(struct tvm *tvm, u64 gpa, void *data, u32 len, bool write)
{
	for (int i = 0; i < tvm->nr_fns; i++) {
		struct tvm_msix *msix = &tvm->fn[i].msix;
		u64 off = gpa - tvm->fn[i].bar[msix->bar].gpa - msix->off;
		u32 *word;

		if (off >= msix->nr * PCI_MSIX_ENTRY_SIZE || off % 4 ||
		    len != 4)
			continue;
		word = &msix->table[off / PCI_MSIX_ENTRY_SIZE]
				   [off % PCI_MSIX_ENTRY_SIZE / 4];
		if (!write) {
			memcpy(data, word, len);
			return 0;
		}
		memcpy(word, data, len);
		return set_routes(tvm);
	}
	if (!write)
		memset(data, 0xff, len);
	return 0;
}
