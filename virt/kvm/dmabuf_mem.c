// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memslots that map the BAR of an assigned device from VFIO's dma-buf, without
 * a VMA, shared or private (KVM_MEM_DMABUF).
 *
 * References, "A -> B" is "A holds one on B":
 *
 *	kvm-vfio fd	-> KVM			until the fd is released
 *	kvm-vfio	-> VFIO device file	FILE_ADD to FILE_DEL, or until
 *						the fd is released
 *	VFIO device	-> KVM			while the device is open
 *	KVM, vCPU fds	-> KVM
 *	KVM		-> memslot		until deleted, or the VM is
 *						destroyed
 *	memslot		-> dma-buf file
 *	memslot		-> vfio-pci-core	the module, by symbol_get()
 *	dma-buf		-> VFIO device		its registration only, until the
 *						device is closed
 *
 * No reference leads from the dma-buf to the VFIO file, nor from KVM to a file
 * of VFIO, so there is no cycle, and every order of closing ends:
 *
 *  - VFIO first: the close revokes the dma-buf for good.  The slot stays, every
 *    fault in it exits to userspace.
 *  - KVM first: VFIO keeps the VM, with its slots, until the device is closed,
 *    and drops that reference after it has revoked the dma-buf.
 *  - The dma-buf fd first, or the slot while it is revoked: the last of both
 *    releases the dma-buf, whatever became of the device.
 *  - kvm-vfio last: after all other fds are closed it is still what keeps the
 *    VFIO file, that the VM, that the dma-buf.  Nothing but the release of the
 *    kvm-vfio fd (or FILE_DEL) breaks this chain.
 *
 * Locking: the reservation object of the dma-buf comes after slots_lock, and
 * before kvm->srcu (read) and mmu_lock.  It orders faults and revocation: a
 * fault takes a PFN with the lock held, after its snapshot of
 * mmu_invalidate_seq.  Revocation closes the dma-buf, then has KVM zap, all with
 * the lock held.  Either the fault sees the dma-buf closed, or its mapping is
 * zapped, or it is found stale when it takes mmu_lock.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio_pci_kvm.h>

#include <trace/events/kvm.h>

#include "dmabuf_mem.h"
#include "kvm_mm.h"

/* For test modules that have to know what a vCPU reaches as private MMIO */
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_dmabuf_map);
EXPORT_TRACEPOINT_SYMBOL_GPL(kvm_dmabuf_zap);

/*
 * A slot's use of a dma-buf, immutable but for @used.  It names the slot, as
 * VFIO may call back before there is a slot with that id, and while an INVALID
 * copy has taken its place.
 */
struct kvm_dmabuf {
	struct vfio_pci_kvm_importer importer;
	const struct vfio_pci_kvm_ops *ops;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	pgoff_t pgoff;
	u16 as_id;
	short id;
	/* Since it was zapped, with the lock of the reservation object held */
	bool used;
};

/* What of the gfns from @start to @end, exclusive, is in the slot */
static void kvm_dmabuf_zap(struct kvm *kvm, struct kvm_memory_slot *slot,
			   gfn_t start, gfn_t end,
			   enum kvm_gfn_range_filter attr_filter)
{
	struct kvm_gfn_range range = {
		.start = max(start, slot->base_gfn),
		.end = min(end, slot->base_gfn + slot->npages),
		.slot = slot,
		.may_block = true,
		.attr_filter = attr_filter,
	};

	lockdep_assert_held(&kvm->srcu);

	KVM_MMU_LOCK(kvm);
	kvm_mmu_invalidate_start(kvm);
	if (kvm_mmu_unmap_gfn_range(kvm, &range))
		kvm_flush_remote_tlbs(kvm);
	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
}

/*
 * The exporter holds a reference on KVM (see struct vfio_pci_kvm_importer), but
 * no lock that keeps the slots as they are.  A slot that is not there any more,
 * or not yet, has no mappings: it was zapped by its deletion, and faults in a
 * slot that is about to be installed take the lock of the reservation object
 * after this and see the dma-buf closed.
 */
static void kvm_dmabuf_invalidate(struct vfio_pci_kvm_importer *importer)
{
	struct kvm_dmabuf *binding = container_of(importer, struct kvm_dmabuf,
						  importer);
	struct kvm *kvm = importer->kvm;
	struct kvm_memory_slot *slot;
	int idx;

	dma_resv_assert_held(binding->dmabuf->resv);

	/* VFIO calls back when it opens the dma-buf, too */
	if (!binding->used)
		return;
	binding->used = false;

	idx = srcu_read_lock(&kvm->srcu);
	slot = id_to_memslot(__kvm_memslots(kvm, binding->as_id), binding->id);
	if (slot)
		kvm_dmabuf_zap(kvm, slot, slot->base_gfn,
			       slot->base_gfn + slot->npages,
			       KVM_FILTER_SHARED | KVM_FILTER_PRIVATE);
	srcu_read_unlock(&kvm->srcu, idx);
}

/**
 * kvm_dmabuf_bind() - Back a memslot that is not installed yet with a dma-buf
 * @kvm: the VM
 * @slot: new slot, its id, gfns and flags are set
 * @fd: of the dma-buf
 * @offset: of the slot in the dma-buf, page aligned
 * @dev: whom the exporter sees attached
 *
 * The dma-buf may be revoked.  Others may bind the same range.
 *
 * Context: Process context, slots_lock held.  Takes the lock of the reservation
 *	object.
 * Return: 0, or
 *  * -EBADF for no file
 *  * -EINVAL for one that is no dma-buf of a VFIO PCI device, and for a range
 *    that is not inside of it
 *  * -EPERM for a device that does not belong to this VM
 *  * -ENODEV for one that is closed
 *  * -ENOMEM
 */
int kvm_dmabuf_bind(struct kvm *kvm, struct kvm_memory_slot *slot,
		    unsigned int fd, u64 offset, struct device *dev)
{
	u64 size = (u64)slot->npages << PAGE_SHIFT;
	struct kvm_dmabuf *binding;
	int r;

	lockdep_assert_held(&kvm->slots_lock);

	binding = kzalloc_obj(*binding, GFP_KERNEL_ACCOUNT);
	if (!binding)
		return -ENOMEM;

	binding->dmabuf = dma_buf_get(fd);
	if (IS_ERR(binding->dmabuf)) {
		r = PTR_ERR(binding->dmabuf);
		goto err_free;
	}

	/* Without VFIO it is somebody else's dma-buf */
	r = -EINVAL;
	binding->ops = symbol_get(vfio_pci_dma_buf_kvm_ops);
	if (!binding->ops)
		goto err_put_dmabuf;

	if (size > binding->dmabuf->size ||
	    offset > binding->dmabuf->size - size)
		goto err_put_symbol;

	binding->pgoff = offset >> PAGE_SHIFT;
	binding->as_id = slot->as_id;
	binding->id = slot->id;
	binding->importer.kvm = kvm;
	binding->importer.invalidate = kvm_dmabuf_invalidate;

	/* May be called back from here on */
	binding->attach = binding->ops->attach(binding->dmabuf, dev,
					       &binding->importer);
	if (IS_ERR(binding->attach)) {
		r = PTR_ERR(binding->attach);
		goto err_put_symbol;
	}

	slot->dmabuf = binding;
	trace_kvm_dmabuf_bind(kvm, slot, binding->dmabuf, binding->pgoff);
	return 0;

err_put_symbol:
	symbol_put(vfio_pci_dma_buf_kvm_ops);
err_put_dmabuf:
	dma_buf_put(binding->dmabuf);
err_free:
	kfree(binding);
	return r;
}

/*
 * The slot has no mappings any more, or never had any, and no vCPU uses it:
 * either it was never installed, or synchronize_srcu() has seen to that.  With
 * the attachment goes the last one who could call back.
 */
void kvm_dmabuf_unbind(struct kvm_memory_slot *slot)
{
	struct kvm_dmabuf *binding = slot->dmabuf;

	trace_kvm_dmabuf_unbind(binding->importer.kvm, slot, binding->dmabuf,
				binding->pgoff);
	slot->dmabuf = NULL;
	dma_buf_detach(binding->dmabuf, binding->attach);
	dma_buf_put(binding->dmabuf);
	symbol_put(vfio_pci_dma_buf_kvm_ops);
	kfree(binding);
}

/*
 * The largest naturally aligned block of gfns around @gfn that is contiguous in
 * the BAR, aligned there, too, and inside of the slot.
 */
static int kvm_dmabuf_max_order(const struct kvm_memory_slot *slot, gfn_t gfn,
				const struct vfio_pci_kvm_range *range,
				pgoff_t pgoff)
{
	static const int orders[] = { PUD_ORDER, PMD_ORDER };
	pgoff_t index = pgoff - range->pgoff;
	u64 before = min_t(u64, index, gfn - slot->base_gfn);
	u64 after = min_t(u64, range->npages - index,
			  slot->base_gfn + slot->npages - gfn);
	int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		u64 npages = 1ULL << orders[i];
		u64 offset = gfn & (npages - 1);

		if (!((gfn ^ (range->pfn + index)) & (npages - 1)) &&
		    before >= offset && after >= npages - offset)
			return orders[i];
	}
	return 0;
}

/**
 * kvm_dmabuf_get_pfn() - Resolve a fault in a slot that a dma-buf backs
 * @kvm: the VM
 * @slot: the slot, kvm_slot_has_dmabuf()
 * @gfn: what the vCPU accesses
 * @is_private: as a private page?
 * @pfn: result
 * @max_order: order of the largest block around @gfn that can be mapped as one,
 *	0, PMD_ORDER or PUD_ORDER
 *
 * The caller takes its snapshot of mmu_invalidate_seq before and checks it with
 * mmu_lock held before it maps the PFN, which has no struct page to take a
 * reference on.  It maps any page of the slot writable.
 *
 * Context: Process context, kvm->srcu held for read.  Takes the lock of the
 *	reservation object, allocates nothing.
 * Return: 0, -EINTR if a signal came first, or -EFAULT if the vCPU has to exit
 *	to userspace with KVM_EXIT_MEMORY_FAULT: the dma-buf is revoked, or the
 *	access is private and no TSM has bound the device.
 */
int kvm_dmabuf_get_pfn(struct kvm *kvm, struct kvm_memory_slot *slot,
		       gfn_t gfn, bool is_private, kvm_pfn_t *pfn,
		       int *max_order)
{
	struct kvm_dmabuf *binding = slot->dmabuf;
	struct vfio_pci_kvm_range range;
	pgoff_t pgoff;
	int r;

	lockdep_assert_held(&kvm->srcu);

	if (WARN_ON_ONCE(!binding))
		return -EFAULT;

	pgoff = gfn - slot->base_gfn + binding->pgoff;

	/* Others may hold it for as long as it takes them to map the dma-buf */
	r = dma_resv_lock_interruptible(binding->dmabuf->resv, NULL);
	if (r)
		return -EINTR;
	r = binding->ops->get_range(binding->attach, pgoff, is_private, &range);
	if (!r)
		binding->used = true;
	dma_resv_unlock(binding->dmabuf->resv);
	if (r)
		return -EFAULT;

	*pfn = range.pfn + (pgoff - range.pgoff);

	*max_order = kvm_dmabuf_max_order(slot, gfn, &range, pgoff);
	return 0;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_dmabuf_get_pfn);

/*
 * Is the MMIO of this slot closed to the VM? Where it is not, but was never the
 * VM's alone, nothing is mapped as private, and zapping what is shared is in vain.
 */
static bool kvm_dmabuf_is_closed(struct kvm_memory_slot *slot)
{
	struct kvm_dmabuf *binding = slot->dmabuf;
	struct vfio_pci_kvm_range range;
	int r;

	/* The copy of a slot that is being deleted has no binding */
	if (slot->flags & KVM_MEMSLOT_INVALID)
		return true;
	dma_resv_lock(binding->dmabuf->resv, NULL);
	r = binding->ops->get_range(binding->attach, binding->pgoff, true,
				    &range);
	dma_resv_unlock(binding->dmabuf->resv);
	return r == -ENODEV;
}

/**
 * kvm_dmabuf_find_private() - Where is the MMIO that a VM sees at an address?
 * @kvm: the VM
 * @gpa: start of a range of guest physical addresses
 * @size: its size
 * @pa: result, the physical address of @gpa
 *
 * For firmware that has to be told both. Says nothing about what is mapped, and
 * is true until the device is unbound or the slot deleted.
 *
 * Context: Process context. Takes kvm->srcu for read and the lock of the
 *	reservation object of the dma-buf.
 * Return: 0, -EINVAL for what is empty or not page aligned, or -ENOENT if it is
 *	not, all of it, in one slot that the dma-buf of a bound device backs, or
 *	not contiguous there.
 */
int kvm_dmabuf_find_private(struct kvm *kvm, gpa_t gpa, u64 size, u64 *pa)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct vfio_pci_kvm_range range;
	struct kvm_memory_slot *slot;
	struct kvm_dmabuf *binding;
	int idx, r = -ENOENT;
	pgoff_t pgoff;

	if (!size || !PAGE_ALIGNED(gpa) || !PAGE_ALIGNED(size))
		return -EINVAL;

	idx = srcu_read_lock(&kvm->srcu);
	slot = gfn_to_memslot(kvm, gfn);
	/* The copy of a slot that is being deleted has no binding */
	if (!slot || slot->flags & KVM_MEMSLOT_INVALID ||
	    !kvm_slot_has_dmabuf(slot) ||
	    size >> PAGE_SHIFT > slot->base_gfn + slot->npages - gfn)
		goto out_unlock;

	binding = slot->dmabuf;
	pgoff = gfn - slot->base_gfn + binding->pgoff;
	dma_resv_lock(binding->dmabuf->resv, NULL);
	if (!binding->ops->get_range(binding->attach, pgoff, true, &range) &&
	    size >> PAGE_SHIFT <= range.npages - (pgoff - range.pgoff)) {
		*pa = PFN_PHYS(range.pfn + (pgoff - range.pgoff));
		r = 0;
	}
	dma_resv_unlock(binding->dmabuf->resv);

out_unlock:
	srcu_read_unlock(&kvm->srcu, idx);
	return r;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_dmabuf_find_private);

/**
 * kvm_dmabuf_unmap_private() - Remove private mappings of MMIO
 * @kvm: the VM
 * @gpa: start of a range of guest physical addresses
 * @size: its size, limited to what there is
 *
 * Of slots that a dma-buf backs which is closed to the VM, and nothing else: what
 * another device of the VM has there stays.
 *
 * Context: Process context. Takes kvm->srcu for read, the lock of the reservation
 *	object of each dma-buf, and mmu_lock.
 * Return: 0, or -EINVAL for what is empty or not page aligned.
 */
int kvm_dmabuf_unmap_private(struct kvm *kvm, gpa_t gpa, u64 size)
{
	gfn_t start = gpa_to_gfn(gpa);
	gfn_t end = start + gpa_to_gfn(size);
	struct kvm_memslot_iter iter;
	int i, idx;

	if (!size || !PAGE_ALIGNED(gpa) || !PAGE_ALIGNED(size))
		return -EINVAL;

	idx = srcu_read_lock(&kvm->srcu);
	for (i = 0; i < kvm_arch_nr_memslot_as_ids(kvm); i++) {
		kvm_for_each_memslot_in_gfn_range(&iter, __kvm_memslots(kvm, i),
						  start, end) {
			if (kvm_slot_has_dmabuf(iter.slot) &&
			    kvm_dmabuf_is_closed(iter.slot))
				kvm_dmabuf_zap(kvm, iter.slot, start, end,
					       KVM_FILTER_PRIVATE);
		}
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return 0;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_dmabuf_unmap_private);
