// SPDX-License-Identifier: GPL-2.0-only
/*
 * TEE device interfaces (TDIs) of TDX Connect for the TSM core: bind, requests of
 * the TD, unbind, in the order that the TDX module wants:
 *
 *	bind	create, metadata of MMIO, trusted DMA, LOCK
 *	start	START, which the TD has authorised
 *	unbind	STOP, private MMIO out of the secure EPT, trusted DMA off, metadata
 *		of MMIO back, remove
 *
 * The module does not ask the device whether it is unlocked, but whether STOP was
 * called: so it is, whatever the device says. Where STOP does not work, the stream
 * is blocked, and the module lets go all the same.
 *
 * No public source has the numbers of these calls. This file is part of a model of
 * the TDX module in tools/testing/tdisp, and of no kernel: tdi_none.c is.
 */
#define dev_fmt(fmt) "TDX Connect: " fmt

#include <linux/cleanup.h>
#include <linux/iommu.h>
#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pfn.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm-vm.h>
#include <trace/events/tsm.h>

#include "connect.h"

#define TDX_STOP_TRIES		3
/* How many pages a TDI takes is not found */
#define TDX_TDI_MT_PAGES	1
/* A report has less than 64 KiB */
#define TDX_REPORT_PAGES	16

/* State of a TDI as TDISP has it */
enum tdx_tdisp_state {
	TDX_TDISP_UNLOCKED = 0,
	TDX_TDISP_LOCKED = 1,
	TDX_TDISP_RUN = 2,
	TDX_TDISP_ERROR = 3,
};

/**
 * struct tdx_mmio - Metadata of 2 MiB of MMIO
 * @node: in tdx_tdi::mmio
 * @pa: the MMIO
 * @mt: page with the metadata
 */
struct tdx_mmio {
	struct list_head node;
	u64 pa;
	struct tdx_pages mt;
};

/**
 * struct tdx_tdi - A function that is bound, or could not be unbound
 * @base: what the core knows. Of one that could not be unbound, @base.pdev with
 *	  a reference
 * @node: in tdx_dsm::tdis, or in the list of what is lost
 * @vm: what KVM does for the VM, NULL once that is done
 * @tdr: root page of the TD
 * @mt: pages of the TDI, the module's while @created
 * @created: there is a TDI object
 * @stop: STOP has to be called
 * @dma: the IOMMU has an entry for it
 * @mmio: struct tdx_mmio
 * @report: device interface report, fixed from LOCK on
 * @held: bytes that are accounted for
 */
struct tdx_tdi {
	struct pci_tdi base;
	struct list_head node;
	const struct tsm_vm_provider *vm;
	u64 tdr;
	struct tdx_pages mt;
	bool created;
	bool stop;
	bool dma;
	struct list_head mmio;
	struct tdx_blob report;
	size_t held;
};

/* What the module may own for good: nobody is left who could ask for it */
static DEFINE_MUTEX(tdx_lost_lock);
static LIST_HEAD(tdx_lost);

/* What a machine with the hardware has to confirm first */
void tdx_print_not_found(struct device *dev)
{
	for (const struct tdx_not_found *n = tdx_not_found; n->name; n++)
		dev_info(dev, "number of %s not found, %#x is a placeholder\n",
			 n->name, n->leaf);
}

/* Operands of a call about a TDI, beside the function */
struct tdx_tdi_arg {
	struct tdx_tdi *t;
	u64 pa;
	u64 val;
};

static struct tdx_tdi *to_tdx_tdi(struct pci_tdi *tdi)
{
	return container_of(tdi, struct tdx_tdi, base);
}

static u32 leaf_func_id(const void *arg)
{
	const struct tdx_tdi_arg *a = arg;

	return tdx_func_id(a->t->base.pdev);
}

static u64 leaf_tdi_create(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const struct tdx_tdi_arg *a = arg;

	return tdh_tdi_create(leaf_func_id(arg), a->t->tdr, dsm->stream_id,
			      dsm->spdm_id, a->val);
}

static u64 leaf_tdi_lock(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_tdi_lock(leaf_func_id(arg), __pa(dsm->resp), __pa(dsm->req),
			    out);
}

static u64 leaf_tdi_start(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_tdi_start(leaf_func_id(arg), __pa(dsm->resp),
			     __pa(dsm->req), out);
}

static u64 leaf_tdi_stop(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_tdi_stop(leaf_func_id(arg), __pa(dsm->resp), __pa(dsm->req),
			    out);
}

static u64 leaf_tdi_state(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_tdi_state(leaf_func_id(arg), __pa(dsm->resp),
			     __pa(dsm->req), out);
}

static u64 leaf_tdi_report(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const struct tdx_tdi_arg *a = arg;

	return tdh_tdi_report(leaf_func_id(arg), __pa(dsm->resp),
			      __pa(dsm->req), a->val, out);
}

static u64 leaf_tdi_remove(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const struct tdx_tdi_arg *a = arg;

	return tdh_tdi_remove(leaf_func_id(arg), a->val);
}

static u64 leaf_mt_add(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const struct tdx_tdi_arg *a = arg;

	return tdh_mmio_mt_add(leaf_func_id(arg), a->pa, a->val);
}

static u64 leaf_mt_set(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const struct tdx_tdi_arg *a = arg;

	return tdh_mmio_mt_set(leaf_func_id(arg), a->pa, a->val);
}

static u64 leaf_mt_remove(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const struct tdx_tdi_arg *a = arg;

	return tdh_mmio_mt_remove(leaf_func_id(arg), a->pa, out);
}

static int tdx_tdi_leaf(struct tdx_dsm *dsm, struct tdx_tdi *t,
			const char *name, tdx_leaf_fn leaf, u64 pa, u64 val,
			u64 *out)
{
	struct tdx_tdi_arg arg = { t, pa, val };

	return tdx_leaf(dsm, t->base.pdev, name, leaf, &arg, out);
}

static int tdx_state(struct tdx_dsm *dsm, struct tdx_tdi *t, u64 *state)
{
	int rc;

	rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_STATE", leaf_tdi_state, 0, 0, state);
	if (rc)
		return rc;
	trace_tsm_tdi_state(t->base.pdev, *state);
	if (*state == TDX_TDISP_ERROR)
		pci_tsm_tdi_error(&t->base);
	return 0;
}

/* Does the device say that the TDI is in this state? */
static int tdx_expect_state(struct tdx_dsm *dsm, struct tdx_tdi *t, u64 want)
{
	u64 state;
	int rc;

	rc = tdx_state(dsm, t, &state);
	if (rc)
		return rc;
	return state == want ? 0 : -EIO;
}

static int tdx_create(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	u64 mt, out;
	int rc;

	rc = tdx_pages_alloc(&t->mt, TDX_TDI_MT_PAGES);
	if (rc)
		return rc;
	mt = tdx_pages_give(&t->mt);
	rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_CREATE", leaf_tdi_create, 0, mt,
			  &out);
	if (rc == -EIO)
		tdx_pages_not_given(&t->mt);
	/* Without an end nobody knows, and only the module can tell */
	t->created = rc != -EIO;
	return rc;
}

static struct tdx_mmio *tdx_mmio_find(struct tdx_tdi *t, u64 pa)
{
	struct tdx_mmio *mmio;

	list_for_each_entry(mmio, &t->mmio, node)
		if (mmio->pa == pa)
			return mmio;
	return NULL;
}

/* Metadata for the 2 MiB at @pa, unless there is some */
static int tdx_mmio_add(struct tdx_dsm *dsm, struct tdx_tdi *t, u64 pa)
{
	struct tdx_mmio *mmio;
	u64 mt, out;
	int rc;

	if (tdx_mmio_find(t, pa))
		return 0;
	mmio = kzalloc_obj(*mmio, GFP_KERNEL_ACCOUNT);
	if (!mmio)
		return -ENOMEM;
	rc = tdx_pages_alloc(&mmio->mt, 1);
	if (rc) {
		kfree(mmio);
		return rc;
	}
	mmio->pa = pa;
	mt = tdx_pages_give(&mmio->mt);
	rc = tdx_tdi_leaf(dsm, t, "TDH_MMIO_MT_ADD", leaf_mt_add, pa, mt, &out);
	if (rc == -EIO) {
		tdx_pages_not_given(&mmio->mt);
		tdx_pages_free(&mmio->mt);
		kfree(mmio);
		return rc;
	}
	/* Of an error that says nothing the module may have it */
	list_add(&mmio->node, &t->mmio);
	return rc;
}

static int tdx_mmio_add_range(struct tdx_dsm *dsm, struct tdx_tdi *t,
			      u64 start, u64 end)
{
	u64 out, next;
	int rc;

	for (; start < end; start = next) {
		next = min(end, ALIGN(start + 1, SZ_2M));
		rc = tdx_mmio_add(dsm, t, ALIGN_DOWN(start, SZ_2M));
		rc = rc ?: tdx_tdi_leaf(dsm, t, "TDH_MMIO_MT_SET", leaf_mt_set,
					start, (next - start) >> PAGE_SHIFT,
					&out);
		if (rc)
			return rc;
	}
	return 0;
}

/* A BAR that can have TEE memory: of 64 bit, and without the MSI-X table */
static bool tdx_is_tee_bar(struct pci_dev *pdev, int bar)
{
	u32 table;

	if (!(pci_resource_flags(pdev, bar) & IORESOURCE_MEM_64) ||
	    !pci_resource_len(pdev, bar) ||
	    !PAGE_ALIGNED(pci_resource_start(pdev, bar)) ||
	    !PAGE_ALIGNED(pci_resource_len(pdev, bar)))
		return false;
	if (!pdev->msix_cap)
		return true;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	return (table & PCI_MSIX_TABLE_BIR) != bar;
}

static int tdx_mmio_add_all(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	struct pci_dev *pdev = t->base.pdev;
	int rc;

	for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (!tdx_is_tee_bar(pdev, bar))
			continue;
		rc = tdx_mmio_add_range(dsm, t, pci_resource_start(pdev, bar),
					pci_resource_end(pdev, bar) + 1);
		if (rc)
			return rc;
	}
	return 0;
}

static int tdx_mmio_remove_all(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	struct tdx_mmio *mmio, *next;
	u64 out;
	int rc;

	list_for_each_entry_safe(mmio, next, &t->mmio, node) {
		rc = tdx_tdi_leaf(dsm, t, "TDH_MMIO_MT_REMOVE", leaf_mt_remove,
				  mmio->pa, 0, &out);
		if (rc)
			return rc;
		if (out != page_to_phys(mmio->mt.page[0]))
			return -EBADMSG;
		rc = tdx_pages_take_back(&mmio->mt);
		if (rc)
			return rc;
		list_del(&mmio->node);
		tdx_pages_free(&mmio->mt);
		kfree(mmio);
	}
	return 0;
}

/*
 * The owner has a part in it on some architectures. The entries that let DMA of the
 * TDI through to the TD are in tables of the module's, with the IOMMU's driver.
 */
static int tdx_dma_on(struct tdx_tdi *t)
{
	int rc;

	rc = pci_tsm_trusted_dma(&t->base, true);
	if (rc && rc != -EOPNOTSUPP)
		return rc;
	rc = iommu_tsm_dma(&t->base.pdev->dev, true);
	t->dma = !rc;
	return rc;
}

static int tdx_lock(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	u64 out;
	int rc;

	rc = tdx_create(dsm, t);
	rc = rc ?: tdx_mmio_add_all(dsm, t);
	rc = rc ?: tdx_dma_on(t);
	if (rc)
		return rc;
	t->stop = true;
	rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_LOCK", leaf_tdi_lock, 0, 0, &out);
	return rc ?: tdx_expect_state(dsm, t, TDX_TDISP_LOCKED);
}

/* What else is on the stream does not get through any more, either */
static void tdx_tell_others(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	struct tdx_tdi *other;

	list_for_each_entry(other, &dsm->tdis, node)
		if (other != t && other->base.client)
			pci_tsm_tdi_error(&other->base);
}

/*
 * Have the module note that the TDI is stopped. With the stream blocked it does not
 * insist, nor does anything of the device reach the TD: the way out when the device
 * does not answer, or does not obey.
 */
static int tdx_stop(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	u64 out;
	int rc;

	if (!t->stop)
		return 0;
	for (int i = 0; i < TDX_STOP_TRIES; i++) {
		rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_STOP", leaf_tdi_stop, 0, 0,
				  &out);
		if (!rc) {
			t->stop = false;
			return 0;
		}
		if (!pci_device_is_present(t->base.pdev))
			break;
	}
	pci_warn(t->base.pdev, "not stopped: %d, status %#llx, the stream is blocked\n",
		 rc, dsm->status);
	rc = tdx_stream_block(dsm);
	if (rc)
		return rc;
	t->stop = false;
	tdx_tell_others(dsm, t);
	return 0;
}

/* Everything after MMIO is out of the secure EPT; again, from where it failed */
static int tdx_reclaim(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	u64 out, release;
	int rc;

	if (t->stop)
		return -EBUSY;
	if (t->dma) {
		rc = iommu_tsm_dma(&t->base.pdev->dev, false);
		if (rc)
			return rc;
		t->dma = false;
	}
	rc = tdx_mmio_remove_all(dsm, t);
	if (rc)
		return rc;
	if (t->created) {
		release = tdx_pages_release_list(&t->mt);
		rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_REMOVE", leaf_tdi_remove, 0,
				  release, &out);
		if (rc)
			return rc;
		t->created = false;
	}
	return t->mt.given ? tdx_pages_take_back(&t->mt) : 0;
}

static size_t tdx_tdi_pages(struct tdx_tdi *t)
{
	size_t bytes = t->mt.given ? t->mt.nr * PAGE_SIZE : 0;
	struct tdx_mmio *mmio;

	list_for_each_entry(mmio, &t->mmio, node)
		bytes += mmio->mt.nr * PAGE_SIZE;
	return bytes;
}

static void tdx_tdi_free(struct tdx_tdi *t)
{
	if (t->vm)
		tsm_vm_put(t->vm);
	tdx_blob_clear(&t->report);
	WARN_ON_ONCE(t->created || !list_empty(&t->mmio));
	WARN_ON_ONCE(tdx_pages_free(&t->mt));
	kfree(t);
}

/* The module may own what belongs to the TDI: keep it, until the module lets go */
static void tdx_hold(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	struct pci_dev *pdev = t->base.pdev;

	t->held = tdx_tdi_pages(t);
	pci_warn(pdev, "TDI kept, %s, %zu bytes\n",
		 t->stop ? "not stopped" : "stopped", t->held);
	pci_tsm_hold_memory(pdev, t->held);
	pci_dev_get(pdev);
	t->base.client = NULL;
	t->base.kvm = NULL;
	tsm_vm_put(t->vm);
	t->vm = NULL;
	tdx_blob_clear(&t->report);
	if (list_empty(&t->node))
		list_add(&t->node, &dsm->tdis);
}

static bool tdx_same_fn(struct pci_dev *a, struct pci_dev *b)
{
	return pci_domain_nr(a->bus) == pci_domain_nr(b->bus) &&
	       pci_dev_id(a) == pci_dev_id(b);
}

/*
 * The stream is about to go: the last time that the module can be asked for TDIs
 * that it kept. What it still keeps is lost, and so is a TDI that is not stopped if
 * the stream could not be blocked.
 */
void tdx_held_retry(struct tdx_dsm *dsm)
{
	struct tdx_tdi *t, *next;

	lockdep_assert_held(&dsm->pf0.lock);

	list_for_each_entry_safe(t, next, &dsm->tdis, node) {
		struct pci_dev *pdev = t->base.pdev;
		int rc;

		if (dsm->blocked)
			t->stop = false;
		rc = tdx_reclaim(dsm, t);
		if (rc) {
			pci_err(pdev, "TDI lost: %d, status %#llx\n", rc,
				dsm->status);
			guard(mutex)(&tdx_lost_lock);
			list_move(&t->node, &tdx_lost);
			continue;
		}
		list_del_init(&t->node);
		pci_tsm_hold_memory(pdev, -(long)t->held);
		pci_tsm_quarantine_release(pdev);
		tdx_tdi_free(t);
		pci_dev_put(pdev);
	}
}

/* The device has stayed connected: it is the new function that waits for the TDI */
static void tdx_held_move(struct tdx_dsm *dsm, struct pci_dev *pdev)
{
	struct tdx_tdi *t;

	lockdep_assert_held(&dsm->pf0.lock);

	list_for_each_entry(t, &dsm->tdis, node) {
		struct pci_dev *old = t->base.pdev;

		if (t->vm || old == pdev || !tdx_same_fn(old, pdev))
			continue;
		t->base.pdev = pci_dev_get(pdev);
		pci_tsm_hold_memory(pdev, t->held);
		pci_tsm_hold_memory(old, -(long)t->held);
		pci_tsm_quarantine(pdev);
		pci_dev_put(old);
	}
}

/* A function that was removed with a TDI that was kept comes back as another one */
void tdx_held_adopt(struct pci_tsm *tsm)
{
	struct pci_dev *pdev = tsm->pdev;
	struct tdx_tdi *t;

	if (tsm->dsm_dev != pdev)
		tdx_held_move(to_tdx_dsm(tsm->dsm_dev), pdev);

	guard(mutex)(&tdx_lost_lock);
	list_for_each_entry(t, &tdx_lost, node)
		if (t->base.pdev != pdev && tdx_same_fn(t->base.pdev, pdev))
			pci_tsm_quarantine(pdev);
}

static struct tdx_tdi *tdx_tdi_alloc(struct kvm *kvm)
{
	const struct tsm_vm_provider *vm;
	struct tsm_vm_handle handle;
	struct tdx_tdi *t;
	int rc;

	vm = tsm_vm_get(TSM_VM_TDX, kvm);
	if (IS_ERR(vm))
		return ERR_CAST(vm);
	rc = vm->get_handle(kvm, &handle);
	t = rc ? NULL : kzalloc_obj(*t, GFP_KERNEL_ACCOUNT);
	if (!t) {
		tsm_vm_put(vm);
		return ERR_PTR(rc ?: -ENOMEM);
	}
	t->vm = vm;
	t->tdr = handle.tdx.tdr_paddr;
	INIT_LIST_HEAD(&t->node);
	INIT_LIST_HEAD(&t->mmio);
	return t;
}

/* A bind has failed: as unbind, but that there is no MMIO in the secure EPT yet */
static void tdx_bind_undo(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	int rc;

	rc = tdx_stop(dsm, t);
	pci_tsm_trusted_dma(&t->base, false);
	rc = rc ?: tdx_reclaim(dsm, t);
	if (rc) {
		pci_info(t->base.pdev, "TDI not taken back: %d, status %#llx\n",
			 rc, dsm->status);
		tdx_hold(dsm, t);
		pci_tsm_quarantine(t->base.pdev);
		return;
	}
	tdx_tdi_free(t);
}

/**
 * tdx_bind() - Lock a function for a TD
 * @pdev: function of a device that is connected
 * @client: owner of the binding
 * @kvm: TD
 * @tdi_id: requester ID of the function in the TD. The module does not want it
 *
 * Context: DSM lock held.
 * Return: the binding, -EOPNOTSUPP for a device without a stream, -EIO if the
 * stream was blocked, or another error: then the function is as before, or
 * quarantined.
 */
struct pci_tdi *tdx_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id)
{
	struct tdx_dsm *dsm = to_tdx_dsm(pdev);
	struct tdx_tdi *t;
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	if (!dsm->stream)
		return ERR_PTR(-EOPNOTSUPP);
	if (dsm->blocked) {
		pci_info_ratelimited(pdev, "the stream is blocked: disconnect, and connect again\n");
		return ERR_PTR(-EIO);
	}
	t = tdx_tdi_alloc(kvm);
	if (IS_ERR(t))
		return ERR_CAST(t);
	pci_tsm_tdi_constructor(pdev, &t->base, client, kvm, tdi_id);

	dsm->client = client;
	rc = tdx_lock(dsm, t);
	dsm->client = NULL;
	if (rc) {
		pci_info_ratelimited(pdev, "bind failed: %d, status %#llx\n",
				     rc, dsm->status);
		tdx_bind_undo(dsm, t);
		return ERR_PTR(rc);
	}
	list_add(&t->node, &dsm->tdis);
	return &t->base;
}

/**
 * tdx_unbind() - Take a function back from its TD
 * @base: the binding, is freed
 *
 * The owner's part is done in any case: a TDI that cannot be stopped is the last
 * that should keep its access.
 *
 * Context: DSM lock held.
 * Return: 0, or an error if the module did not let go of it.
 */
int tdx_unbind(struct pci_tdi *base)
{
	struct tdx_tdi *t = to_tdx_tdi(base);
	struct pci_dev *pdev = base->pdev;
	struct tdx_dsm *dsm = to_tdx_dsm(pdev);
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	rc = tdx_stop(dsm, t);
	pci_tsm_revoke_mmio(base);
	/* There is nothing left of this device */
	WARN_ON_ONCE(t->vm->unmap_mmio(base->kvm, 0, PAGE_ALIGN_DOWN(U64_MAX)));
	pci_tsm_trusted_dma(base, false);
	rc = rc ?: tdx_reclaim(dsm, t);
	if (rc) {
		pci_info(pdev, "unbind failed: %d, status %#llx\n", rc,
			 dsm->status);
		tdx_hold(dsm, t);
		return rc;
	}
	list_del(&t->node);
	tdx_tdi_free(t);
	return 0;
}

/* The module refuses it unless the TD has authorised it */
static int tdx_req_set_tdi_state(struct tdx_dsm *dsm, struct tdx_tdi *t,
				 struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_set_tdi_state *arg = req->req;
	u64 out;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->state != IOMMU_TSM_TDI_RUN)
		return -EOPNOTSUPP;
	rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_START", leaf_tdi_start, 0, 0, &out);
	if (rc == -EIO) {
		u64 status = dsm->status;

		/* For the owner to hear of an error; the TD hears of the call */
		tdx_state(dsm, t, &out);
		dsm->status = status;
	}
	return rc ?: tdx_expect_state(dsm, t, TDX_TDISP_RUN);
}

/*
 * A fault of the TD maps MMIO, and the TD accepts it by a call of the module: there
 * is nothing to do, but for a VMM that has got it wrong.
 */
static int tdx_req_validate_mmio(struct tdx_tdi *t, struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_validate_mmio *arg = req->req;
	struct resource range;
	u64 pa, size;

	if (req->req_len != sizeof(*arg) || arg->gpa_base >= arg->gpa_top)
		return -EINVAL;
	size = arg->gpa_top - arg->gpa_base;
	if (t->vm->find_mmio(t->base.kvm, arg->gpa_base, size, &pa))
		return -EINVAL;
	if (arg->pa_base && arg->pa_base != pa)
		return -EINVAL;
	/* It may be of another device of the TD, or of no use to a TD */
	range = DEFINE_RES_MEM(pa, size);
	for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (tdx_is_tee_bar(t->base.pdev, bar) &&
		    resource_contains(pci_resource_n(t->base.pdev, bar),
				      &range))
			return 0;
	return -EINVAL;
}

/* The module asks the device for it if the TD has asked the module */
static int tdx_report(struct tdx_dsm *dsm, struct tdx_tdi *t)
{
	struct tdx_pages pages;
	u64 len;
	int rc;

	rc = tdx_pages_alloc(&pages, TDX_REPORT_PAGES);
	if (rc)
		return rc;
	/* Shared: the module writes to them, and that is all */
	rc = tdx_tdi_leaf(dsm, t, "TDH_TDI_REPORT", leaf_tdi_report, 0,
			  tdx_pages_give(&pages), &len);
	tdx_pages_not_given(&pages);
	if (!rc)
		rc = tdx_blob_read(&t->report, &pages, len);
	tdx_pages_free(&pages);
	return rc;
}

/*
 * How device information is made up of certificates and measurements is not
 * found: it is one object.
 */
static int tdx_get_evidence(struct tdx_dsm *dsm, struct tdx_tdi *t, u32 type,
			    const struct tdx_blob **blob)
{
	switch (type) {
	case IOMMU_TSM_OBJECT_MEAS:
		*blob = &dsm->devinfo;
		return 0;
	case IOMMU_TSM_OBJECT_REPORT:
		*blob = &t->report;
		return t->report.data ? 0 : tdx_report(dsm, t);
	default:
		return -EOPNOTSUPP;
	}
}

static int tdx_req_read_object(struct tdx_dsm *dsm, struct tdx_tdi *t,
			       struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_read_object *arg = req->req;
	const struct tdx_blob *blob;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->__reserved)
		return -EOPNOTSUPP;
	rc = tdx_get_evidence(dsm, t, arg->type, &blob);
	if (rc)
		return rc;
	if (arg->offset > blob->len)
		return -EINVAL;
	req->resp_len = min_t(u64, req->resp_size, blob->len - arg->offset);
	memcpy(req->resp, blob->data + arg->offset, req->resp_len);
	return 0;
}

static int tdx_req_object_info(struct tdx_dsm *dsm, struct tdx_tdi *t,
			       struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_object_info *arg = req->req;
	const struct tdx_blob *blob;
	int rc;

	if (req->req_len != sizeof(*arg) || req->resp_size < sizeof(blob->len))
		return -EINVAL;
	rc = tdx_get_evidence(dsm, t, arg->type, &blob);
	if (rc)
		return rc;
	memcpy(req->resp, &blob->len, sizeof(blob->len));
	req->resp_len = sizeof(blob->len);
	return 0;
}

static int tdx_req(struct tdx_dsm *dsm, struct tdx_tdi *t,
		   struct pci_tsm_req *req)
{
	switch (req->op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		return tdx_req_validate_mmio(t, req);
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		return tdx_req_set_tdi_state(dsm, t, req);
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		return tdx_req_read_object(dsm, t, req);
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		return tdx_req_object_info(dsm, t, req);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * tdx_guest_req() - Do what a TD asks for
 * @base: the binding
 * @req: the request
 *
 * Context: DSM lock held.
 * Return: 0 or an error, with the status of the module in @req.
 */
int tdx_guest_req(struct pci_tdi *base, struct pci_tsm_req *req)
{
	struct tdx_dsm *dsm = to_tdx_dsm(base->pdev);
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	dsm->status = 0;
	dsm->client = base->client;
	rc = tdx_req(dsm, to_tdx_tdi(base), req);
	dsm->client = NULL;
	req->tsm_code = dsm->status;
	return rc;
}
