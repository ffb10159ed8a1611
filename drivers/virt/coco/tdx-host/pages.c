// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages for the TDX module. From the call that names them on they are the
 * module's, with another key: what the host has of them in its caches goes out
 * before, what the module has goes out after. What may be the module's is never
 * freed.
 */
#include <linux/cacheflush.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "connect.h"

/**
 * tdx_pages_alloc() - Get pages for the module
 * @pages: none so far
 * @nr: what the module says it wants
 *
 * Return: 0, -EINVAL for a number that no list has room for, or -ENOMEM.
 */
int tdx_pages_alloc(struct tdx_pages *pages, unsigned int nr)
{
	if (!nr || nr > TDX_HPA_ARRAY_MAX)
		return -EINVAL;

	*pages = (struct tdx_pages){};
	pages->page = kzalloc_objs(*pages->page, nr, GFP_KERNEL_ACCOUNT);
	if (!pages->page)
		return -ENOMEM;
	pages->list = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!pages->list)
		goto err;
	for (; pages->nr < nr; pages->nr++) {
		struct page *page;

		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!page)
			goto err;
		pages->page[pages->nr] = page;
	}
	return 0;

err:
	tdx_pages_free(pages);
	return -ENOMEM;
}

/* The HPA_ARRAY of pages that the module is about to be told of */
u64 tdx_pages_give(struct tdx_pages *pages)
{
	__le64 *list = page_address(pages->list);

	for (unsigned int i = 0; i < pages->nr; i++) {
		list[i] = cpu_to_le64(page_to_phys(pages->page[i]));
		clflush_cache_range(page_address(pages->page[i]), PAGE_SIZE);
	}
	pages->given = true;
	if (pages->nr == 1)
		return TDX_HPA_ARRAY(page_to_phys(pages->page[0]), 1);
	return TDX_HPA_ARRAY(page_to_phys(pages->list), pages->nr);
}

/* The module has refused the call that named them */
void tdx_pages_not_given(struct tdx_pages *pages)
{
	pages->given = false;
}

/* Where the module is to write which pages it gives back */
u64 tdx_pages_release_list(struct tdx_pages *pages)
{
	clear_page(page_address(pages->list));
	return TDX_HPA_ARRAY(page_to_phys(pages->list), pages->nr);
}

/**
 * tdx_pages_take_back() - The module has said that it is done with them
 * @pages: pages that it had
 *
 * Return: 0, or -EIO if a page was not written back. It may be used by nobody
 * then, and nor are the others.
 */
int tdx_pages_take_back(struct tdx_pages *pages)
{
	for (unsigned int i = 0; i < pages->nr; i++)
		if (tdh_connect_page_wbinvd(page_to_phys(pages->page[i])))
			return -EIO;
	pages->given = false;
	return 0;
}

/* Bytes that are kept, as the module may own them */
size_t tdx_pages_free(struct tdx_pages *pages)
{
	size_t kept = 0;

	for (unsigned int i = 0; i < pages->nr; i++) {
		if (pages->given)
			kept += PAGE_SIZE;
		else
			__free_page(pages->page[i]);
	}
	if (pages->list)
		__free_page(pages->list);
	kfree(pages->page);
	*pages = (struct tdx_pages){};
	return kept;
}
