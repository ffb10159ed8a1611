// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a page, as the PAMT of the TDX module has it. What hardware would
 * answer with a machine check is found out afterwards: of each page of the module
 * there is a copy to compare it with, and a reference, to see that it was freed.
 * A page that was given back is not the host's before it was written back.
 */
#include <linux/bitfield.h>
#include <linux/gfp.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/xarray.h>

#include "tdxm.h"
#include "tdxm_driver.h"

#define ARRAY_PAGE	GENMASK_ULL(51, 12)
#define ARRAY_LAST	GENMASK_ULL(63, 55)
#define ARRAY_RESERVED	(GENMASK_ULL(11, 0) | GENMASK_ULL(54, 52))

/**
 * struct tdxm_page - A page that is not the host's
 * @dirty: given back, and not written back yet
 * @pool: one of the many of the extension, which are for good
 * @copy: what was in it
 */
struct tdxm_page {
	bool dirty;
	bool pool;
	u8 *copy;
};

static DEFINE_XARRAY(tdxm_pamt);

static void tdxm_page_check(u64 pfn, struct tdxm_page *page, const char *when)
{
	struct page *p = pfn_to_page(pfn);

	if (page_count(p) < 2) {
		fw_violation("%s: page %#llx of the module was freed", when,
			     pfn);
		/* Once is enough, and it must not get to anybody else */
		get_page(p);
	}
	if (memcmp(page_address(p), page->copy, PAGE_SIZE)) {
		fw_violation("%s: the host wrote to page %#llx of the module",
			     when, pfn);
		memcpy(page->copy, page_address(p), PAGE_SIZE);
	}
}

/* Those of the pool only if @all, it would take too long for every call */
void tdxm_page_verify(const char *when, bool all)
{
	struct tdxm_page *page;
	unsigned long pfn;

	lockdep_assert_held(&fw_lock);

	xa_for_each(&tdxm_pamt, pfn, page)
		if (all || !page->pool)
			tdxm_page_check(pfn, page, when);
}

bool tdxm_host_page(u64 pa)
{
	return pa && PAGE_ALIGNED(pa) && pfn_valid(PHYS_PFN(pa)) &&
	       !xa_load(&tdxm_pamt, PHYS_PFN(pa));
}

static u64 tdxm_pages_add(struct tdxm_pages *pages, u64 pa)
{
	if (!tdxm_host_page(pa)) {
		fw_violation("page %#llx is not the host's", pa);
		return TDXM_PAGE_METADATA_INCORRECT;
	}
	pages->pfn[pages->nr++] = PHYS_PFN(pa);
	return TDXM_OK;
}

u64 tdxm_pages_get(u64 array, struct tdxm_pages *pages)
{
	u64 pa = array & ARRAY_PAGE;
	u32 nr = FIELD_GET(ARRAY_LAST, array) + 1;
	const __le64 *list;
	u64 status;

	pages->nr = 0;
	pages->list = 0;
	if (array & ARRAY_RESERVED || !tdxm_host_page(pa)) {
		fw_violation("array of pages %#llx", array);
		return TDXM_OPERAND_INVALID;
	}
	if (nr == 1)
		return tdxm_pages_add(pages, pa);
	pages->list = pa;
	list = page_address(pfn_to_page(PHYS_PFN(pa)));
	for (u32 i = 0; i < nr; i++) {
		status = tdxm_pages_add(pages, le64_to_cpu(list[i]));
		if (status)
			return status;
	}
	return TDXM_OK;
}

u64 tdxm_page_take(u64 pfn, bool pool)
{
	struct tdxm_page *page;

	if (!tdxm_host_page(PFN_PHYS(pfn))) {
		fw_violation("page %#llx is taken already", pfn);
		return TDXM_PAGE_METADATA_INCORRECT;
	}
	page = kzalloc_obj(*page);
	if (!page)
		return TDXM_BUSY;
	page->pool = pool;
	page->copy = kmemdup(page_address(pfn_to_page(pfn)), PAGE_SIZE,
			     GFP_KERNEL);
	if (!page->copy || xa_err(xa_store(&tdxm_pamt, pfn, page, GFP_KERNEL))) {
		kfree(page->copy);
		kfree(page);
		return TDXM_BUSY;
	}
	get_page(pfn_to_page(pfn));
	return TDXM_OK;
}

static void tdxm_page_drop(u64 pfn)
{
	struct tdxm_page *page = xa_erase(&tdxm_pamt, pfn);

	put_page(pfn_to_page(pfn));
	kfree(page->copy);
	kfree(page);
}

u64 tdxm_pages_take(const struct tdxm_pages *pages)
{
	for (u32 i = 0; i < pages->nr; i++) {
		u64 status = tdxm_page_take(pages->pfn[i], false);

		if (!status)
			continue;
		while (i--)
			tdxm_page_drop(pages->pfn[i]);
		return status;
	}
	return TDXM_OK;
}

void tdxm_page_release(u64 pfn)
{
	struct tdxm_page *page = xa_load(&tdxm_pamt, pfn);

	page->dirty = true;
}

void tdxm_pages_release(const struct tdxm_pages *pages)
{
	for (u32 i = 0; i < pages->nr; i++)
		tdxm_page_release(pages->pfn[i]);
}

/* With the address goes the key that the page was used with */
u64 tdxm_page_wbinvd(struct tdxm_call *c)
{
	u64 pa = c->args->rcx ^ TDXM_KEYID;
	struct tdxm_page *page = xa_load(&tdxm_pamt, PHYS_PFN(pa));

	if (!page || !PAGE_ALIGNED(pa) || !page->dirty) {
		fw_violation("write back of %#llx, which was not given back",
			     c->args->rcx);
		return TDXM_OPERAND_INVALID;
	}
	tdxm_page_check(PHYS_PFN(pa), page, c->name);
	tdxm_page_drop(PHYS_PFN(pa));
	return TDXM_OK;
}

void tdxm_page_count(u32 *owned, u32 *dirty)
{
	struct tdxm_page *page;
	unsigned long pfn;

	*owned = *dirty = 0;
	xa_for_each(&tdxm_pamt, pfn, page) {
		if (page->dirty)
			(*dirty)++;
		else
			(*owned)++;
	}
}

/* What is left was leaked on purpose, or is a bug that was reported */
void tdxm_page_exit(void)
{
	struct tdxm_page *page;
	unsigned long pfn;

	mutex_lock(&fw_lock);
	tdxm_page_verify("exit", true);
	xa_for_each(&tdxm_pamt, pfn, page)
		tdxm_page_drop(pfn);
	xa_destroy(&tdxm_pamt);
	mutex_unlock(&fw_lock);
}
