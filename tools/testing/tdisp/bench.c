// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the hardware of a platform would do, and an emulated machine does not
 * know how to: tell the device which accesses come from a TEE, and let its DMA to
 * private memory through the IOMMU, or not. The observer beside the test device
 * stands for both: it is told what KVM maps as private MMIO, and what the TSM
 * programs into the IOMMU. Without an observer nobody is told.
 *
 * KVM's events come with its mmu_lock held, after a mapping is there, and before
 * the vCPU goes on. Another vCPU that is faster than the event makes an access
 * that is none of a TEE's: fine for a test device, whose VMs have one.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include <trace/events/kvm.h>

#include "internal.h"
#include "observer.h"
#include "tdisp-testdev.h"

/**
 * struct soft_private - A block of private MMIO that a VM has mapped
 * @node: in the list of all
 * @kvm: only compared
 * @gfn: first page in the VM
 * @pfn: first page in the host
 * @npages: size
 */
struct soft_private {
	struct list_head node;
	struct kvm *kvm;
	gfn_t gfn;
	u64 pfn;
	u64 npages;
};

/* The registers, a mark is three writes, and the list */
static DEFINE_SPINLOCK(soft_bench_lock);
static LIST_HEAD(soft_privates);
static struct observer soft_bench;

static void soft_bench_mark(u64 pfn, u64 npages, bool private)
{
	lockdep_assert_held(&soft_bench_lock);

	writel(pfn, soft_bench.regs + TDISP_CTL_TEE_PAGE);
	writel(npages, soft_bench.regs + TDISP_CTL_TEE_COUNT);
	writel(private, soft_bench.regs + TDISP_CTL_TEE_MARK);
}

static void soft_private_drop(struct soft_private *block)
{
	soft_bench_mark(block->pfn, block->npages, false);
	list_del(&block->node);
	kfree(block);
}

static bool soft_overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Whoever had these pages private, has not any more */
static void soft_private_forget(u64 pfn, u64 npages)
{
	struct soft_private *block, *next;

	lockdep_assert_held(&soft_bench_lock);

	list_for_each_entry_safe(block, next, &soft_privates, node)
		if (soft_overlap(block->pfn, block->npages, pfn, npages))
			soft_private_drop(block);
}

static void soft_on_map(void *data, struct kvm *kvm,
			const struct kvm_memory_slot *slot, gfn_t gfn,
			kvm_pfn_t pfn, unsigned int order, bool private)
{
	u64 npages = 1ULL << order;
	struct soft_private *block;

	guard(spinlock)(&soft_bench_lock);
	soft_private_forget(ALIGN_DOWN(pfn, npages), npages);
	if (!private)
		return;

	block = kmalloc_obj(*block, GFP_ATOMIC);
	/* The guest will find its device closed, and tests that it does */
	if (!block) {
		pr_warn_ratelimited("no memory to note a private mapping\n");
		return;
	}
	block->kvm = kvm;
	block->gfn = ALIGN_DOWN(gfn, npages);
	block->pfn = ALIGN_DOWN(pfn, npages);
	block->npages = npages;
	list_add(&block->node, &soft_privates);
	soft_bench_mark(block->pfn, npages, true);
}

/* A block goes as a whole, whatever part of it is zapped */
static void soft_on_zap(void *data, struct kvm *kvm,
			const struct kvm_gfn_range *range)
{
	struct soft_private *block, *next;

	guard(spinlock)(&soft_bench_lock);
	list_for_each_entry_safe(block, next, &soft_privates, node)
		if (block->kvm == kvm &&
		    soft_overlap(block->gfn, block->npages, range->start,
				 range->end - range->start))
			soft_private_drop(block);
}

void soft_bench_dma(struct pci_dev *pdev, bool on)
{
	observer_dma(&soft_bench, pci_dev_id(pdev), on);
}

int soft_bench_init(void)
{
	int rc;

	rc = observer_map(&soft_bench);
	if (rc || !soft_bench.regs)
		return rc;
	rc = register_trace_kvm_dmabuf_map(soft_on_map, NULL);
	if (rc)
		goto err_unmap;
	rc = register_trace_kvm_dmabuf_zap(soft_on_zap, NULL);
	if (rc)
		goto err_unregister_map;
	return 0;

err_unregister_map:
	unregister_trace_kvm_dmabuf_map(soft_on_map, NULL);
	tracepoint_synchronize_unregister();
err_unmap:
	observer_unmap(&soft_bench);
	return rc;
}

void soft_bench_exit(void)
{
	if (!soft_bench.regs)
		return;
	unregister_trace_kvm_dmabuf_zap(soft_on_zap, NULL);
	unregister_trace_kvm_dmabuf_map(soft_on_map, NULL);
	tracepoint_synchronize_unregister();

	scoped_guard(spinlock, &soft_bench_lock)
		soft_private_forget(0, U64_MAX);
	observer_unmap(&soft_bench);
}
