// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who owns a granule, as the granule protection table and the RMM have it. What
 * hardware would answer with a fault is found out afterwards: of each granule of
 * the RMM there is a copy to compare it with, and a reference, to see that it was
 * freed.
 */
#include <linux/gfp.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "rmm_model.h"

static DEFINE_XARRAY(rmm_grans);
/* By their IPA, in a chain if more than one realm has it */
static DEFINE_XARRAY(rmm_ipas);

struct rmm_gran *rmm_gran(u64 pa)
{
	return PAGE_ALIGNED(pa) ? xa_load(&rmm_grans, PHYS_PFN(pa)) : NULL;
}

enum rmm_gstate rmm_gran_state(u64 pa)
{
	struct rmm_gran *gran = rmm_gran(pa);

	return gran ? gran->state : G_HOST;
}

void rmm_gran_set(u64 pa, enum rmm_gstate state)
{
	rmm_gran(pa)->state = state;
}

/* A granule of the host's that the RMM reads or writes: NULL if it is not one */
void *rmm_host_page(u64 pa)
{
	if (!PAGE_ALIGNED(pa) || !pfn_valid(PHYS_PFN(pa)) || rmm_gran(pa))
		return NULL;
	return page_address(pfn_to_page(PHYS_PFN(pa)));
}

/* 0, or a negative errno: then it is still the host's */
int rmm_gran_add(u64 pa, enum rmm_gstate state)
{
	unsigned long pfn = PHYS_PFN(pa);
	struct rmm_gran *gran;
	int rc;

	gran = kzalloc_obj(*gran);
	if (!gran)
		return -ENOMEM;
	gran->pa = pa;
	gran->state = state;
	if (pfn_valid(pfn)) {
		gran->copy = kmemdup(page_address(pfn_to_page(pfn)), PAGE_SIZE,
				     GFP_KERNEL);
		if (!gran->copy) {
			kfree(gran);
			return -ENOMEM;
		}
	}
	rc = xa_err(xa_store(&rmm_grans, pfn, gran, GFP_KERNEL));
	if (rc) {
		kfree(gran->copy);
		kfree(gran);
		return rc;
	}
	if (gran->copy)
		get_page(pfn_to_page(pfn));
	return 0;
}

static void rmm_gran_check(unsigned long pfn, struct rmm_gran *gran,
			   const char *when)
{
	struct page *page;

	if (!gran->copy)
		return;
	page = pfn_to_page(pfn);
	if (page_count(page) < 2) {
		fw_violation("%s: a granule of the RMM was freed", when);
		/* Once is enough, and it must not get to anybody else */
		get_page(page);
	}
	if (memcmp(page_address(page), gran->copy, PAGE_SIZE)) {
		fw_violation("%s: the host wrote to a granule of the RMM",
			     when);
		memcpy(gran->copy, page_address(page), PAGE_SIZE);
	}
}

void rmm_gran_verify(const char *when)
{
	struct rmm_gran *gran;
	unsigned long pfn;

	lockdep_assert_held(&fw_lock);

	xa_for_each(&rmm_grans, pfn, gran)
		rmm_gran_check(pfn, gran, when);
}

void rmm_gran_del(u64 pa)
{
	struct rmm_gran *gran = xa_erase(&rmm_grans, PHYS_PFN(pa));

	if (gran->copy)
		put_page(pfn_to_page(PHYS_PFN(pa)));
	kfree(gran->copy);
	kfree(gran);
}

u32 rmm_gran_count(enum rmm_gstate state)
{
	struct rmm_gran *gran;
	unsigned long pfn;
	u32 nr = 0;

	xa_for_each(&rmm_grans, pfn, gran)
		nr += gran->state == state;
	return nr;
}

/* A granule of the VDEV that is mapped, 0 if none is */
u64 rmm_mapped(struct rmm_vdev *vdev)
{
	struct rmm_gran *gran;
	unsigned long pfn;

	xa_for_each(&rmm_grans, pfn, gran)
		if (gran->state == G_DEV && gran->vdev == vdev)
			return PFN_PHYS(pfn);
	return 0;
}

/* What a realm has there, 0 if nothing */
u64 rmm_find_ipa(u64 rd, u64 ipa)
{
	struct rmm_gran *gran;

	for (gran = xa_load(&rmm_ipas, PHYS_PFN(ipa)); gran; gran = gran->next)
		if (gran->vdev->rd == rd)
			return gran->pa;
	return 0;
}

/* A granule that is delegated becomes MMIO of a realm: 0, or a negative errno */
int rmm_gran_map(u64 pa, struct rmm_vdev *vdev, u64 ipa)
{
	struct rmm_gran *gran = rmm_gran(pa), *next;
	int rc;

	next = xa_load(&rmm_ipas, PHYS_PFN(ipa));
	rc = xa_err(xa_store(&rmm_ipas, PHYS_PFN(ipa), gran, GFP_KERNEL));
	if (rc)
		return rc;
	gran->state = G_DEV;
	gran->vdev = vdev;
	gran->ipa = ipa;
	gran->next = next;
	return 0;
}

/* And back */
void rmm_gran_unmap(u64 pa)
{
	struct rmm_gran *gran = rmm_gran(pa), *at;
	unsigned long index = PHYS_PFN(gran->ipa);

	at = xa_load(&rmm_ipas, index);
	if (at == gran) {
		/* Room for it is there */
		if (gran->next)
			xa_store(&rmm_ipas, index, gran->next, GFP_KERNEL);
		else
			xa_erase(&rmm_ipas, index);
	} else {
		while (at->next != gran)
			at = at->next;
		at->next = gran->next;
	}
	gran->state = G_DELEGATED;
	gran->vdev = NULL;
	gran->next = NULL;
}

/* What is left was leaked on purpose, or is a bug that was reported */
void rmm_gran_exit(void)
{
	struct rmm_gran *gran;
	unsigned long pfn;

	guard(mutex)(&fw_lock);
	rmm_gran_verify("exit");
	xa_for_each(&rmm_grans, pfn, gran)
		rmm_gran_del(PFN_PHYS(pfn));
	xa_destroy(&rmm_grans);
	xa_destroy(&rmm_ipas);
}
