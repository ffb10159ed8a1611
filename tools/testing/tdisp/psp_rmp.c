// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a page, as the reverse map table of SEV-SNP has it. What hardware
 * would answer with a fault is found out afterwards: of each page of the
 * firmware there is a copy to compare it with, and a reference, to see that it
 * was freed.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>
#include <asm/pgtable_types.h>

#include "psp_model.h"

/**
 * struct psp_page - A page that is not the host's
 * @asid: guest that owns it, 0 for the firmware
 * @gpa: where the guest has it
 * @validated: the guest has accepted it
 * @use: what the firmware has it for
 * @leaked: the host wanted it back in vain
 * @copy: what the firmware has written
 */
struct psp_page {
	u32 asid;
	u64 gpa;
	bool validated;
	enum psp_page_use use;
	bool leaked;
	u8 *copy;
};

static DEFINE_XARRAY(psp_rmp);

static struct psp_page *psp_page(u64 pfn)
{
	return xa_load(&psp_rmp, pfn);
}

bool psp_rmp_host(u64 pfn)
{
	return !psp_page(pfn);
}

bool psp_rmp_firmware(u64 pfn)
{
	struct psp_page *page = psp_page(pfn);

	return page && !page->asid;
}

bool psp_rmp_guest(u64 pfn, u32 asid, u64 gpa)
{
	struct psp_page *page = psp_page(pfn);

	return page && asid && page->asid == asid && page->gpa == gpa;
}

void psp_rmp_validate(u64 pfn)
{
	psp_page(pfn)->validated = true;
}

void psp_rmp_use(u64 pfn, enum psp_page_use use)
{
	psp_page(pfn)->use = use;
}

static void psp_page_check(u64 pfn, struct psp_page *page, const char *when)
{
	struct page *p = pfn_to_page(pfn);

	if (page->asid)
		return;
	if (page_count(p) < 2) {
		fw_violation("%s: page %#llx of the firmware was freed", when,
			     pfn);
		/* Once is enough, and it must not get to anybody else */
		get_page(p);
	}
	if (memcmp(page_address(p), page->copy, PAGE_SIZE)) {
		fw_violation("%s: the host wrote to page %#llx of the firmware",
			     when, pfn);
		memcpy(page->copy, page_address(p), PAGE_SIZE);
	}
}

void psp_rmp_verify(const char *when)
{
	struct psp_page *page;
	unsigned long pfn;

	lockdep_assert_held(&fw_lock);

	xa_for_each(&psp_rmp, pfn, page)
		psp_page_check(pfn, page, when);
}

void psp_rmp_fw_write(u64 pfn, u32 off, const void *data, u32 len)
{
	struct psp_page *page = psp_page(pfn);

	if (WARN_ON(!page || page->asid || off + len > PAGE_SIZE))
		return;
	memcpy(page_address(pfn_to_page(pfn)) + off, data, len);
	memcpy(page->copy + off, data, len);
}

void psp_rmp_count(u32 *firmware, u32 *context, u32 *guest, u32 *leaked)
{
	struct psp_page *page;
	unsigned long pfn;

	*firmware = *context = *guest = *leaked = 0;
	xa_for_each(&psp_rmp, pfn, page) {
		if (page->asid)
			(*guest)++;
		else if (page->use == PSP_PAGE_CONTEXT)
			(*context)++;
		else
			(*firmware)++;
		if (page->leaked)
			(*leaked)++;
	}
}

static int psp_rmp_update(u64 pfn, u64 gpa, enum pg_level level, u32 asid,
			  bool immutable)
{
	struct psp_page *page;
	int rc;

	if (level != PG_LEVEL_4K || !immutable || !PAGE_ALIGNED(gpa)) {
		fw_violation("page %#llx: not immutable, or not of 4 KiB", pfn);
		return -EFAULT;
	}
	if (psp_page(pfn)) {
		fw_violation("page %#llx is taken already", pfn);
		return -EFAULT;
	}
	if (!asid && !pfn_valid(pfn)) {
		fw_violation("page %#llx is no memory", pfn);
		return -EFAULT;
	}
	page = kzalloc_obj(*page);
	if (!page)
		return -ENOMEM;
	page->asid = asid;
	page->gpa = gpa;
	if (!asid) {
		page->copy = kmemdup(page_address(pfn_to_page(pfn)), PAGE_SIZE,
				     GFP_KERNEL);
		if (!page->copy) {
			kfree(page);
			return -ENOMEM;
		}
	}
	rc = xa_err(xa_store(&psp_rmp, pfn, page, GFP_KERNEL));
	if (rc) {
		kfree(page->copy);
		kfree(page);
		return rc;
	}
	if (!asid)
		get_page(pfn_to_page(pfn));
	return 0;
}

int psp_model_make_private(u64 pfn, u64 gpa, enum pg_level level, u32 asid,
			   bool immutable)
{
	int rc;

	guard(mutex)(&fw_lock);
	if (fw_injected(asid ? PSP_RMP_PRIVATE : PSP_RMP_FIRMWARE))
		return -EFAULT;
	rc = psp_rmp_update(pfn, gpa, level, asid, immutable);
	if (!rc && asid)
		fw_log("RMP private asid=%u pfn=%#llx gpa=%#llx", asid, pfn,
		       gpa);
	return rc;
}

static void psp_rmp_drop(u64 pfn)
{
	struct psp_page *page = xa_erase(&psp_rmp, pfn);

	if (!page->asid)
		put_page(pfn_to_page(pfn));
	kfree(page->copy);
	kfree(page);
}

int psp_model_make_shared(u64 pfn, enum pg_level level)
{
	struct psp_page *page;

	guard(mutex)(&fw_lock);
	page = psp_page(pfn);
	if (!page || level != PG_LEVEL_4K) {
		fw_violation("page %#llx is the host's already", pfn);
		return -EFAULT;
	}
	if (fw_injected(PSP_RMP_SHARED))
		return -EFAULT;
	if (!page->asid) {
		fw_violation("page %#llx of the firmware made shared", pfn);
		return -EFAULT;
	}
	if (psp_mmio_bound(pfn, page->asid)) {
		fw_violation("page %#llx of a TDI that is bound made shared",
			     pfn);
		return -EFAULT;
	}
	fw_log("RMP shared pfn=%#llx", pfn);
	psp_rmp_drop(pfn);
	return 0;
}

static int psp_reclaim(u64 pfn)
{
	struct psp_page *page = psp_page(pfn);

	if (!page || page->asid) {
		fw_violation("reclaim of page %#llx that is not the firmware's",
			     pfn);
		return -EIO;
	}
	psp_page_check(pfn, page, "reclaim");
	if (psp_dead || fw_injected(PSP_PAGE_RECLAIM) ||
	    page->use == PSP_PAGE_CONTEXT) {
		fw_log("PAGE_RECLAIM %#llx refused", pfn);
		page->leaked = true;
		return -EIO;
	}
	psp_rmp_drop(pfn);
	return 0;
}

int psp_model_reclaim_pages(unsigned long paddr, unsigned int npages,
			    bool locked)
{
	u64 pfn = PHYS_PFN(paddr);
	int rc = 0;

	guard(mutex)(&fw_lock);
	for (; npages && !rc; npages--)
		rc = psp_reclaim(pfn++);
	return rc;
}

void *psp_model_alloc_page(gfp_t gfp)
{
	struct page *page = alloc_page(gfp);

	if (!page)
		return NULL;
	if (psp_model_make_private(page_to_pfn(page), 0, PG_LEVEL_4K, 0, true)) {
		__free_page(page);
		return NULL;
	}
	return page_address(page);
}

void psp_model_free_page(void *addr)
{
	if (!addr)
		return;
	if (psp_model_reclaim_pages(__pa(addr), 1, false))
		return;
	free_page((unsigned long)addr);
}

/* What is left was leaked on purpose, or is a bug that was reported */
void psp_rmp_exit(void)
{
	struct psp_page *page;
	unsigned long pfn;

	guard(mutex)(&fw_lock);
	psp_rmp_verify("exit");
	xa_for_each(&psp_rmp, pfn, page)
		psp_rmp_drop(pfn);
	xa_destroy(&psp_rmp);
}
