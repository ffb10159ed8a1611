// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtual devices (VDEV) of the RMM (DEN0137 A9.4) for the TSM core: bind and
 * unbind.
 *
 * The rule of it all: the RMM lets go of a function only after nothing of its MMIO
 * is mapped in the realm. So the owner and KVM take the mappings away first, then
 * the RMM stops DMA, and the device, and then the VDEV can be destroyed. Where it
 * is not, the function is quarantined, and all that the RMM may own is kept.
 */
#define dev_fmt(fmt) "CCA: " fmt

#include <linux/cleanup.h>
#include <linux/io.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <trace/events/tsm.h>

#include "cca.h"

/* Tries to have a device unlocked that does not answer */
#define CCA_UNLOCK_TRIES	3

/* What the RMM may own for good: nobody is left who could ask for it */
static DEFINE_MUTEX(cca_lost_lock);
static LIST_HEAD(cca_lost);

/* A call about a VDEV, all have the same arguments */
int cca_vdev_call(struct cca_dsm *dsm, struct cca_vdev *v, u32 fid, u64 arg)
{
	struct rmi_regs regs = { .x = { 0, v->rd, cca_pdev_pa(&dsm->ep),
					page_to_phys(v->granule), arg } };

	return rmi_call(&dsm->rmi, fid, &regs);
}

/* A call that starts an exchange with the device, and that */
int cca_vdev_run(struct cca_dsm *dsm, struct cca_vdev *v, u32 fid, u64 arg)
{
	int rc;

	rc = cca_vdev_call(dsm, v, fid, arg);
	if (rc)
		return rc;
	v->busy = true;
	return cca_comm_vdev(dsm, v);
}

static void cca_trace_state(struct cca_vdev *v, u64 state)
{
	switch (state) {
	case RMI_VDEV_UNLOCKED:
		trace_tsm_tdi_state(v->base.pdev, 0);
		break;
	case RMI_VDEV_LOCKED:
		trace_tsm_tdi_state(v->base.pdev, 1);
		break;
	case RMI_VDEV_STARTED:
		trace_tsm_tdi_state(v->base.pdev, 2);
		break;
	case RMI_VDEV_ERROR:
		trace_tsm_tdi_state(v->base.pdev, 3);
		break;
	}
}

/* The RMM's idea of it, which is the device's as of the last exchange */
int cca_vdev_state(struct cca_dsm *dsm, struct cca_vdev *v, u64 *state)
{
	struct rmi_regs regs = { .x = { 0, v->rd, cca_pdev_pa(&dsm->ep),
					page_to_phys(v->granule) } };
	int rc;

	rc = rmi_call(&dsm->rmi, RMI_VDEV_GET_STATE, &regs);
	if (rc)
		return rc;
	*state = regs.x[1];
	cca_trace_state(v, *state);
	return 0;
}

int cca_vdev_expect(struct cca_dsm *dsm, struct cca_vdev *v, u64 want)
{
	u64 state;
	int rc;

	rc = cca_vdev_state(dsm, v, &state);
	if (rc)
		return rc;
	if (state == want)
		return 0;
	pci_info(v->base.pdev, "VDEV in state %llu, not %llu\n", state, want);
	return -EIO;
}

/* Out of an exchange that is not complete: the VDEV is in ERROR after that */
int cca_vdev_abort(struct cca_dsm *dsm, struct cca_vdev *v)
{
	int rc;

	if (!v->busy)
		return 0;
	rc = cca_vdev_call(dsm, v, RMI_VDEV_ABORT, 0);
	/* It was complete, and nobody could say so */
	if (rc == -EIO && dsm->rmi.status == RMI_ERROR_DEVICE)
		rc = 0;
	if (!rc)
		v->busy = false;
	return rc;
}

/* With KROU the keys of the stream change before the device is asked */
static int cca_vdev_unlock_keys(struct cca_dsm *dsm, struct cca_vdev *v)
{
	static const struct {
		u64 state;
		u32 fid;
	} steps[] = {
		{ RMI_VDEV_KEY_REFRESH, RMI_STREAM_KEY_REFRESH },
		{ RMI_VDEV_KEY_PURGE, RMI_STREAM_KEY_PURGE },
	};
	u64 state;
	int rc;

	for (int i = 0; i < ARRAY_SIZE(steps); i++) {
		rc = cca_vdev_state(dsm, v, &state);
		if (rc)
			return rc;
		if (state != steps[i].state)
			continue;
		v->busy = true;
		rc = cca_key_refresh(dsm, steps[i].fid);
		rc = rc ?: cca_comm_vdev(dsm, v);
		if (rc)
			return rc;
	}
	return 0;
}

static int cca_vdev_unlock(struct cca_dsm *dsm, struct cca_vdev *v)
{
	int rc;

	rc = cca_vdev_run(dsm, v, RMI_VDEV_UNLOCK, 0);
	if (rc == -EIO && !v->busy && dsm->rmi.status == RMI_ERROR_GRANULE)
		pci_err(v->base.pdev, "MMIO at %#llx is still mapped\n",
			dsm->rmi.value);
	rc = rc ?: cca_vdev_unlock_keys(dsm, v);
	return rc ?: cca_vdev_expect(dsm, v, RMI_VDEV_UNLOCKED);
}

static int cca_vdev_stop_once(struct cca_dsm *dsm, struct cca_vdev *v)
{
	u64 state;
	int rc;

	rc = cca_vdev_abort(dsm, v);
	rc = rc ?: cca_vdev_state(dsm, v, &state);
	if (rc || state == RMI_VDEV_NEW || state == RMI_VDEV_UNLOCKED)
		return rc;
	return cca_vdev_unlock(dsm, v);
}

/*
 * Have the device unlocked. A refusal of the RMM is final, an exchange that failed
 * is aborted and tried again, in the mailbox that pci_doe() has aborted.
 */
static int cca_vdev_stop(struct cca_dsm *dsm, struct cca_vdev *v)
{
	int rc;

	for (int i = 0; i < CCA_UNLOCK_TRIES; i++) {
		rc = cca_vdev_stop_once(dsm, v);
		if (!rc || !v->busy || !pci_device_is_present(v->base.pdev))
			break;
	}
	return rc;
}

static int cca_vdev_destroy(struct cca_dsm *dsm, struct cca_vdev *v)
{
	struct rmi_regs regs = { .x = { 0, v->rd, cca_pdev_pa(&dsm->ep),
					page_to_phys(v->granule) } };
	int rc;

	rc = rmi_call_mem(&dsm->rmi, RMI_VDEV_DESTROY, &regs, &v->mem);
	if (rc)
		return rc;
	v->created = false;
	rmi_granule_free(&dsm->rmi, v->granule);
	v->granule = NULL;
	return 0;
}

/*
 * What counts is that the RMM destroys the VDEV. A device that is gone, or about
 * to lose its session (@last), need not be unlocked for that: a VDEV in ERROR can
 * be destroyed in 2.0-bet1.
 */
static int cca_vdev_take_back(struct cca_dsm *dsm, struct cca_vdev *v, bool last)
{
	int rc, abort_rc;

	if (!v->created)
		return 0;
	/* In the middle of an operation: no call may be about it */
	if (v->mem.stuck)
		return -EIO;
	rc = cca_vdev_stop(dsm, v);
	if (rc && !last && pci_device_is_present(v->base.pdev))
		return rc;
	abort_rc = cca_vdev_abort(dsm, v);
	if (abort_rc)
		return rc ?: abort_rc;
	return cca_vdev_destroy(dsm, v);
}

static void cca_vdev_free(struct cca_vdev *v)
{
	if (v->vm)
		tsm_vm_put(v->vm);
	cca_object_clear(&v->meas);
	cca_object_clear(&v->report);
	WARN_ON_ONCE(v->created);
	kfree(v);
}

static long cca_vdev_size(struct cca_vdev *v)
{
	return (!!v->granule + v->mem.nr) * RMI_GRANULE_SIZE;
}

/* The RMM may own what belongs to the VDEV: keep it, until the RMM lets go */
static void cca_hold(struct cca_dsm *dsm, struct cca_vdev *v)
{
	struct pci_dev *pdev = v->base.pdev;

	pci_warn(pdev, "VDEV kept, %ld bytes%s\n", cca_vdev_size(v),
		 v->mmio_kept ? ", and its MMIO" : "");
	pci_tsm_hold_memory(pdev, cca_vdev_size(v));
	pci_dev_get(pdev);
	v->base.client = NULL;
	v->base.kvm = NULL;
	tsm_vm_put(v->vm);
	v->vm = NULL;
	cca_object_clear(&v->meas);
	cca_object_clear(&v->report);
	if (list_empty(&v->node))
		list_add(&v->node, &dsm->vdevs);
}

static bool cca_same_fn(struct pci_dev *a, struct pci_dev *b)
{
	return pci_domain_nr(a->bus) == pci_domain_nr(b->bus) &&
	       pci_dev_id(a) == pci_dev_id(b);
}

/**
 * cca_held_retry() - Ask for VDEVs that the RMM has kept
 * @dsm: device that is about to be disconnected
 *
 * The last time that this is possible. What the RMM still keeps is lost.
 *
 * Context: DSM lock held.
 */
void cca_held_retry(struct cca_dsm *dsm)
{
	struct cca_vdev *v, *next;

	lockdep_assert_held(&dsm->tsm.lock);

	list_for_each_entry_safe(v, next, &dsm->vdevs, node) {
		struct pci_dev *pdev = v->base.pdev;
		long size = cca_vdev_size(v);
		int rc;

		rc = cca_vdev_take_back(dsm, v, true);
		/* Nobody is left who could unmap it */
		if (!rc && v->mmio_kept)
			rc = -EIO;
		if (rc) {
			pci_err(pdev, "VDEV lost: %d, status %llu\n", rc,
				dsm->rmi.status);
			guard(mutex)(&cca_lost_lock);
			list_move(&v->node, &cca_lost);
			continue;
		}
		pci_tsm_hold_memory(pdev, -size);
		list_del_init(&v->node);
		pci_tsm_quarantine_release(pdev);
		cca_vdev_free(v);
		pci_dev_put(pdev);
	}
}

/* A function that was removed with a VDEV that is lost comes back as another one */
void cca_held_adopt(struct pci_dev *pdev)
{
	struct cca_vdev *v;

	guard(mutex)(&cca_lost_lock);
	list_for_each_entry(v, &cca_lost, node)
		if (v->base.pdev != pdev && cca_same_fn(v->base.pdev, pdev))
			pci_tsm_quarantine(pdev);
}

/* BARs in whole granules */
static void cca_vdev_ranges(struct pci_dev *pdev, struct rmi_vdev_params *params)
{
	for (int i = 0; i < PCI_STD_NUM_BARS; i++) {
		u64 base = pci_resource_start(pdev, i);
		u64 size = pci_resource_len(pdev, i);

		if (!(pci_resource_flags(pdev, i) & IORESOURCE_MEM) || !size ||
		    !IS_ALIGNED(base | size, RMI_GRANULE_SIZE))
			continue;
		params->ranges[params->nr_ranges].base = base;
		params->ranges[params->nr_ranges++].top = base + size;
	}
}

static int cca_vdev_create(struct cca_dsm *dsm, struct cca_vdev *v)
{
	struct rmi_vdev_params params = {
		.vdev_id = v->base.tdi_id,
		.tdi_id = pci_dev_id(v->base.pdev),
	};
	struct rmi_regs regs = {};
	struct page *granule;
	int rc;

	cca_vdev_ranges(v->base.pdev, &params);
	granule = rmi_granule_alloc(&dsm->rmi);
	if (IS_ERR(granule))
		return PTR_ERR(granule);
	v->granule = granule;

	rc = rmi_encode_vdev_params(dsm->comm.req, &params);
	if (!rc) {
		regs.x[1] = v->rd;
		regs.x[2] = cca_pdev_pa(&dsm->ep);
		regs.x[3] = page_to_phys(granule);
		regs.x[4] = virt_to_phys(dsm->comm.req);
		rc = rmi_call_mem(&dsm->rmi, RMI_VDEV_CREATE, &regs, &v->mem);
	}
	if (rc && rmi_undo_create(&dsm->rmi, granule, &v->mem)) {
		v->granule = NULL;
		return rc;
	}
	/* Or the RMM has not let go of what it did not create */
	v->created = true;
	v->busy = true;
	return rc;
}

static int cca_lock(struct cca_dsm *dsm, struct cca_vdev *v)
{
	int rc;

	rc = cca_vdev_create(dsm, v);
	/* The device is asked whether it is unlocked, and unlocked if not */
	rc = rc ?: cca_comm_vdev(dsm, v);
	rc = rc ?: cca_vdev_expect(dsm, v, RMI_VDEV_UNLOCKED);
	rc = rc ?: cca_vdev_run(dsm, v, RMI_VDEV_LOCK, 0);
	rc = rc ?: cca_vdev_expect(dsm, v, RMI_VDEV_LOCKED);
	return rc ?: cca_vdev_run(dsm, v, RMI_VDEV_GET_INTERFACE_REPORT, 0);
}

static struct cca_vdev *cca_vdev_alloc(struct kvm *kvm)
{
	const struct tsm_vm_provider *vm;
	struct tsm_vm_handle handle;
	struct cca_vdev *v;
	int rc;

	vm = tsm_vm_get(TSM_VM_CCA, kvm);
	if (IS_ERR(vm))
		return ERR_CAST(vm);
	rc = vm->get_handle(kvm, &handle);
	if (rc)
		goto err_put_vm;

	v = kzalloc_obj(*v, GFP_KERNEL_ACCOUNT);
	if (!v) {
		rc = -ENOMEM;
		goto err_put_vm;
	}
	v->vm = vm;
	v->rd = handle.cca.rd_paddr;
	INIT_LIST_HEAD(&v->node);
	rmi_mem_init(&v->mem);
	return v;

err_put_vm:
	tsm_vm_put(vm);
	return ERR_PTR(rc);
}

/**
 * cca_bind() - Lock a function for a realm
 * @pdev: function of a device that is connected
 * @client: owner of the binding
 * @kvm: the realm
 * @tdi_id: requester ID of the function in the realm
 *
 * Context: DSM lock held.
 * Return: the binding, or an error: then the function is as before, or
 * quarantined.
 */
struct pci_tdi *cca_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id)
{
	struct cca_dsm *dsm = to_cca_dsm(pdev);
	struct cca_vdev *v;
	int rc, undo;

	lockdep_assert_held(&dsm->tsm.lock);

	if (tdi_id > U16_MAX)
		return ERR_PTR(-ERANGE);
	v = cca_vdev_alloc(kvm);
	if (IS_ERR(v))
		return ERR_CAST(v);
	pci_tsm_tdi_constructor(pdev, &v->base, client, kvm, tdi_id);

	dsm->rmi.status = RMI_SUCCESS;
	dsm->rmi.client = client;
	rc = cca_lock(dsm, v);
	dsm->rmi.client = NULL;
	if (!rc) {
		list_add(&v->node, &dsm->vdevs);
		return &v->base;
	}

	pci_info_ratelimited(pdev, "bind failed: %d, status %llu\n", rc,
			     dsm->rmi.status);
	undo = cca_vdev_take_back(dsm, v, false);
	cca_account(dsm);
	if (undo) {
		pci_info(pdev, "VDEV not taken back: %d, status %llu\n", undo,
			 dsm->rmi.status);
		cca_hold(dsm, v);
		pci_tsm_quarantine(pdev);
	} else {
		cca_vdev_free(v);
	}
	return ERR_PTR(rc);
}

/**
 * cca_unbind() - Take a function back from its realm
 * @base: the binding, is freed
 *
 * The owner's part is done in any case. MMIO that KVM does not unmap has the RMM
 * refuse the rest.
 *
 * Context: DSM lock held.
 * Return: 0, or an error if the RMM did not let go of it.
 */
int cca_unbind(struct pci_tdi *base)
{
	struct cca_vdev *v = to_cca_vdev(base);
	struct pci_dev *pdev = base->pdev;
	struct cca_dsm *dsm = to_cca_dsm(pdev);
	int rc, unmap_rc;

	lockdep_assert_held(&dsm->tsm.lock);

	dsm->rmi.status = RMI_SUCCESS;
	pci_tsm_revoke_mmio(base);
	/* There is nothing left of this device, but in the realm's tables */
	unmap_rc = v->vm->unmap_mmio(base->kvm, 0, PAGE_ALIGN_DOWN(U64_MAX));
	if (unmap_rc)
		pci_err(pdev, "MMIO not unmapped: %d\n", unmap_rc);

	rc = cca_vdev_take_back(dsm, v, false);
	/* The RMM has done that when it unlocked it */
	pci_tsm_trusted_dma(base, false);
	cca_account(dsm);
	/* What is not mapped any more may still be the RMM's */
	v->mmio_kept = unmap_rc;
	rc = rc ?: unmap_rc;
	if (rc) {
		pci_info(pdev, "unbind failed: %d, status %llu\n", rc,
			 dsm->rmi.status);
		cca_hold(dsm, v);
		return rc;
	}
	list_del_init(&v->node);
	cca_vdev_free(v);
	return 0;
}
