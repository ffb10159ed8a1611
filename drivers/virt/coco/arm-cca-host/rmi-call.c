// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the RMM: retries, operations in steps that want memory, granules.
 *
 * A granule that was delegated is the RMM's: the host must not touch it, not
 * even by giving it to somebody else. One that does not come back is lost.
 */
#define dev_fmt(fmt) "CCA: " fmt

#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/errno.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci-tsm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/unaligned.h>
#include <trace/events/tsm.h>

#include "rmi.h"

/* About a second until somebody has to be told that the RMM is busy */
#define RMI_BUSY_TRIES		1000
#define RMI_BUSY_WAIT_US	1000

/* Steps of one operation, far more than memory for any object takes */
#define RMI_MAX_STEPS		65536

/* Entries of a list of ranges in a granule */
#define RMI_LIST_ENTRIES	(RMI_GRANULE_SIZE / sizeof(u64))

/* Is what goes on to be given up, between two calls? */
bool rmi_aborted(struct rmi_ctx *ctx)
{
	if (ctx->client)
		return pci_tsm_client_aborted(ctx->client);
	return ctx->killable && fatal_signal_pending(current);
}

static bool rmi_again(const struct rmi_result *res)
{
	return res->status == RMI_BUSY || res->status == RMI_BLOCKED;
}

static void rmi_call_once(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs,
			  struct rmi_result *res)
{
	u64 start = trace_tsm_fw_call_enabled() ? ktime_get_ns() : 0;

	regs->x[0] = fid;
	rmi_smc(regs);
	rmi_decode_result(regs->x[0], res);
	trace_tsm_fw_call(ctx->dev, rmi_name(fid),
			  res->status == RMI_SUCCESS ||
			  res->status == RMI_INCOMPLETE ? 0 : -EIO,
			  res->status, start);
}

/*
 * BUSY and BLOCKED say that nothing has changed (B4.6.92): try again, for about
 * a second, unless @may_abort and somebody gives up.
 */
static int rmi_call_retry(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs,
			  struct rmi_result *res, bool may_abort)
{
	const struct rmi_regs args = *regs;

	if (!rmi_verified(fid) && !rmi_may_assume())
		return -EOPNOTSUPP;

	for (int i = 0; i < RMI_BUSY_TRIES; i++) {
		*regs = args;
		rmi_call_once(ctx, fid, regs, res);
		if (!rmi_again(res))
			return 0;
		if (may_abort && rmi_aborted(ctx))
			return -EINTR;
		usleep_range(RMI_BUSY_WAIT_US, 2 * RMI_BUSY_WAIT_US);
	}
	return 0;
}

static int rmi_refused(struct rmi_ctx *ctx, u32 fid,
		       const struct rmi_result *res, u64 value)
{
	ctx->status = res->status;
	ctx->value = value;
	dev_dbg(ctx->dev, "%s: status %u, %#llx\n", rmi_name(fid), res->status,
		value);
	return res->status == RMI_ERROR_NOT_SUPPORTED ? -EOPNOTSUPP : -EIO;
}

/**
 * rmi_call() - Make a call that is done when it returns
 * @ctx: for whom
 * @fid: RMI_*
 * @regs: arguments from x1 on, results afterwards
 *
 * Context: Process context, sleeps while the RMM is busy.
 * Return: 0, -EIO with the RMM's status in @ctx, -EOPNOTSUPP for what it does not
 * have or is not to be asked for, -EINTR if @ctx gives up: nothing has changed.
 */
int rmi_call(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs)
{
	struct rmi_result res;
	int rc;

	rc = rmi_call_retry(ctx, fid, regs, &res, true);
	if (rc)
		return rc;
	return res.status ? rmi_refused(ctx, fid, &res, regs->x[1]) : 0;
}

void rmi_mem_init(struct rmi_mem *mem)
{
	INIT_LIST_HEAD(&mem->pages);
	mem->nr = 0;
	mem->stuck = false;
}

/* As far as it says, which need not be as far as it was asked (TF-RMM) */
static int rmi_range(struct rmi_ctx *ctx, u32 fid, u64 *base, u64 top)
{
	struct rmi_result res;
	int rc;

	while (*base < top) {
		struct rmi_regs regs = { .x = { 0, *base, top } };

		rc = rmi_call_retry(ctx, fid, &regs, &res, false);
		if (rc)
			return rc;
		if (res.status)
			return rmi_refused(ctx, fid, &res, regs.x[1]);
		if (regs.x[1] <= *base || regs.x[1] > top ||
		    !IS_ALIGNED(regs.x[1], RMI_GRANULE_SIZE)) {
			dev_err(ctx->dev, "%s(%#llx, %#llx) got to %#llx\n",
				rmi_name(fid), *base, top, regs.x[1]);
			return -EBADMSG;
		}
		*base = regs.x[1];
		cond_resched();
	}
	return 0;
}

/**
 * rmi_undelegate_range() - Take memory back from the RMM
 * @ctx: for whom
 * @base: first granule
 * @top: end, exclusive
 *
 * Context: Process context.
 * Return: 0, or an error: then part of it may still be the RMM's.
 */
int rmi_undelegate_range(struct rmi_ctx *ctx, u64 base, u64 top)
{
	return rmi_range(ctx, RMI_GRANULE_RANGE_UNDELEGATE, &base, top);
}

/**
 * rmi_delegate_range() - Give memory to the RMM
 * @ctx: for whom
 * @base: first granule, never what user space says (a memslot knows)
 * @top: end, exclusive
 *
 * Context: Process context.
 * Return: 0, or an error: then none of it is the RMM's, unless it does not give
 * back what it got, which is -EUCLEAN.
 */
int rmi_delegate_range(struct rmi_ctx *ctx, u64 base, u64 top)
{
	u64 at = base, status, value;
	int rc;

	rc = rmi_range(ctx, RMI_GRANULE_RANGE_DELEGATE, &at, top);
	if (!rc || at == base)
		return rc;

	status = ctx->status;
	value = ctx->value;
	if (rmi_undelegate_range(ctx, base, at))
		return -EUCLEAN;
	ctx->status = status;
	ctx->value = value;
	return rc;
}

static int rmi_page_delegate(struct rmi_ctx *ctx, struct page *page)
{
	u64 pa = page_to_phys(page);

	return rmi_delegate_range(ctx, pa, pa + RMI_GRANULE_SIZE);
}

/**
 * rmi_granule_alloc() - Memory for an object of the RMM
 * @ctx: for whom
 *
 * Context: Process context.
 * Return: a granule that was delegated, or an error pointer.
 */
struct page *rmi_granule_alloc(struct rmi_ctx *ctx)
{
	struct page *page;
	int rc;

	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return ERR_PTR(-ENOMEM);
	rc = rmi_page_delegate(ctx, page);
	if (rc == -EUCLEAN)
		ctx->lost++;
	else if (rc)
		__free_page(page);
	return rc ? ERR_PTR(rc) : page;
}

/**
 * rmi_granule_free() - Free a granule that no object is in any more
 * @ctx: for whom
 * @page: from rmi_granule_alloc(), or NULL
 *
 * What the RMM does not give back is never freed, and counted in @ctx.
 *
 * Context: Process context.
 */
void rmi_granule_free(struct rmi_ctx *ctx, struct page *page)
{
	u64 pa;

	if (!page)
		return;
	pa = page_to_phys(page);
	if (rmi_undelegate_range(ctx, pa, pa + RMI_GRANULE_SIZE)) {
		dev_err(ctx->dev, "granule %#llx lost, status %llu\n", pa,
			ctx->status);
		ctx->lost++;
		return;
	}
	__free_page(page);
}

static void rmi_mem_add(struct rmi_mem *mem, struct page *page)
{
	list_add(&page->lru, &mem->pages);
	mem->nr++;
}

static void rmi_mem_del(struct rmi_mem *mem, struct page *page)
{
	list_del(&page->lru);
	mem->nr--;
}

static struct page *rmi_mem_find(struct rmi_mem *mem, u64 pa)
{
	struct page *page;

	list_for_each_entry(page, &mem->pages, lru)
		if (page_to_phys(page) == pa)
			return page;
	return NULL;
}

static void rmi_page_put(struct rmi_ctx *ctx, struct page *page)
{
	bool delegated = page_private(page);

	set_page_private(page, 0);
	if (delegated)
		rmi_granule_free(ctx, page);
	else
		__free_page(page);
}

static void rmi_mem_free(struct rmi_ctx *ctx, struct rmi_mem *mem)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &mem->pages, lru) {
		rmi_mem_del(mem, page);
		rmi_page_put(ctx, page);
	}
}

static int rmi_donate_page(struct rmi_ctx *ctx, struct rmi_mem *mem,
			   bool delegate, gfp_t gfp)
{
	struct page *page;
	int rc = 0;

	page = alloc_page(gfp);
	if (!page)
		return -ENOMEM;
	if (delegate)
		rc = rmi_page_delegate(ctx, page);
	if (rc == -EUCLEAN)
		ctx->lost++;
	else if (rc)
		__free_page(page);
	if (rc)
		return rc;
	set_page_private(page, delegate);
	rmi_mem_add(mem, page);
	return 0;
}

/* What an operation wants, as entries in a list; one granule each */
static int rmi_donate_prepare(struct rmi_ctx *ctx,
			      const struct rmi_donate *donate, bool must,
			      struct rmi_mem *mem, u64 *list)
{
	u32 nr = min_t(u32, donate->count, RMI_LIST_ENTRIES);
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO;
	struct page *page;
	u32 i = 0;
	int rc;

	/* Nobody has asked for that; it would need memory of a higher order */
	if (!nr || donate->size || (donate->contiguous && nr > 1))
		return -EOPNOTSUPP;
	/* Without it the object stays where nobody can call it any more */
	if (must)
		gfp |= __GFP_NOFAIL;

	while (mem->nr < nr) {
		rc = rmi_donate_page(ctx, mem, !donate->undelegated, gfp);
		if (rc)
			return rc;
	}
	list_for_each_entry(page, &mem->pages, lru) {
		struct rmi_range range = {
			.pa = page_to_phys(page),
			.count = 1,
			.undelegated = donate->undelegated,
		};

		put_unaligned_le64(rmi_encode_range(&range), list + i++);
	}
	return 0;
}

/* Give an operation memory, which is in @mem when the RMM has taken it */
static int rmi_op_donate(struct rmi_ctx *ctx, struct rmi_regs *regs,
			 struct rmi_result *res, struct rmi_mem *mem, u64 *list)
{
	u64 handle = regs->x[1];
	struct rmi_donate donate;
	struct rmi_mem offer;
	int rc;

	rmi_mem_init(&offer);
	rmi_decode_donate(regs->x[2], &donate);
	rc = rmi_donate_prepare(ctx, &donate, !res->can_cancel, &offer, list);
	if (rc) {
		rmi_mem_free(ctx, &offer);
		return rc;
	}

	*regs = (struct rmi_regs) {
		.x = { 0, handle, virt_to_phys(list), offer.nr },
	};
	rc = rmi_call_retry(ctx, RMI_OP_MEM_DONATE, regs, res, false);
	if (rc || (res->status && res->status != RMI_INCOMPLETE)) {
		rmi_mem_free(ctx, &offer);
		return rc ?: rmi_refused(ctx, RMI_OP_MEM_DONATE, res,
					 regs->x[1]);
	}
	list_splice(&offer.pages, &mem->pages);
	mem->nr += offer.nr;
	return 0;
}

/* Only what was donated is taken, whatever the list says */
static int rmi_take_back(struct rmi_ctx *ctx, struct rmi_mem *mem,
			 const struct rmi_range *range)
{
	if (range->size || !range->count)
		return -EBADMSG;

	for (u32 i = 0; i < range->count; i++) {
		u64 pa = range->pa + (u64)i * RMI_GRANULE_SIZE;
		struct page *page = rmi_mem_find(mem, pa);

		if (!page) {
			dev_err(ctx->dev, "granule %#llx was not donated\n",
				pa);
			return -EBADMSG;
		}
		rmi_mem_del(mem, page);
		set_page_private(page, !range->undelegated);
		rmi_page_put(ctx, page);
	}
	return 0;
}

static int rmi_op_reclaim(struct rmi_ctx *ctx, struct rmi_regs *regs,
			  struct rmi_result *res, struct rmi_mem *mem,
			  u64 *list)
{
	u64 nr;
	int rc;

	*regs = (struct rmi_regs) {
		.x = { 0, regs->x[1], virt_to_phys(list), RMI_LIST_ENTRIES },
	};
	rc = rmi_call_retry(ctx, RMI_OP_MEM_RECLAIM, regs, res, false);
	if (rc)
		return rc;
	if (res->status && res->status != RMI_INCOMPLETE)
		return rmi_refused(ctx, RMI_OP_MEM_RECLAIM, res, regs->x[1]);

	nr = regs->x[2];
	if (nr > RMI_LIST_ENTRIES)
		return -EBADMSG;
	for (u64 i = 0; i < nr; i++) {
		struct rmi_range range;

		rmi_decode_range(get_unaligned_le64(list + i), &range);
		rc = rmi_take_back(ctx, mem, &range);
		if (rc)
			return rc;
	}
	return 0;
}

static int rmi_op_plain(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs,
			struct rmi_result *res)
{
	int rc;

	*regs = (struct rmi_regs) { .x = { 0, regs->x[1] } };
	rc = rmi_call_retry(ctx, fid, regs, res, false);
	if (rc)
		return rc;
	if (res->status == RMI_SUCCESS || res->status == RMI_INCOMPLETE)
		return 0;
	return rmi_refused(ctx, fid, res, regs->x[1]);
}

static int rmi_op_step(struct rmi_ctx *ctx, struct rmi_regs *regs,
		       struct rmi_result *res, struct rmi_mem *mem, u64 *list)
{
	switch (res->mem) {
	case RMI_OP_MEM_NONE:
		return rmi_op_plain(ctx, RMI_OP_CONTINUE, regs, res);
	case RMI_OP_MEM_WANTED:
		return rmi_op_donate(ctx, regs, res, mem, list);
	case RMI_OP_MEM_BACK:
		return rmi_op_reclaim(ctx, regs, res, mem, list);
	default:
		return -EBADMSG;
	}
}

/*
 * An object that is not finished can be the target of no call, so there are only
 * two ways out: to the end, or to cancel, which may give memory back first.
 */
static int rmi_finish(struct rmi_ctx *ctx, struct rmi_regs *regs,
		      struct rmi_result *res, struct rmi_mem *mem, u64 *list)
{
	int why = 0;

	for (int i = 0; res->status == RMI_INCOMPLETE; i++) {
		struct rmi_regs last = *regs;
		struct rmi_result last_res = *res;
		int rc;

		if (i == RMI_MAX_STEPS) {
			mem->stuck = true;
			return -EBADMSG;
		}
		if (!why && res->can_cancel && rmi_aborted(ctx)) {
			why = -EINTR;
			rc = rmi_op_plain(ctx, RMI_OP_CANCEL, regs, res);
		} else {
			rc = rmi_op_step(ctx, regs, res, mem, list);
			if (rc && !why && last_res.can_cancel) {
				why = rc;
				*regs = last;
				rc = rmi_op_plain(ctx, RMI_OP_CANCEL, regs,
						  res);
			}
		}
		if (rc) {
			mem->stuck = true;
			return why ?: rc;
		}
		cond_resched();
	}
	return why;
}

/**
 * rmi_call_mem() - Make a call that may be an operation in steps
 * @ctx: for whom
 * @fid: RMI_*, of the stateful operations (B4.6.92)
 * @regs: arguments from x1 on, results afterwards
 * @mem: memory of the object; a call that destroys it leaves none
 *
 * Context: Process context.
 * Return: 0, or an error as from rmi_call(). If @mem is not empty after an error,
 * or stuck, the RMM may not have let go of the object.
 */
int rmi_call_mem(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs,
		 struct rmi_mem *mem)
{
	struct rmi_result res;
	u64 *list;
	int rc;

	rc = rmi_call_retry(ctx, fid, regs, &res, true);
	if (rc)
		return rc;
	if (res.status == RMI_SUCCESS)
		return 0;
	if (res.status != RMI_INCOMPLETE)
		return rmi_refused(ctx, fid, &res, regs->x[1]);

	/* Too late for an error */
	list = (u64 *)get_zeroed_page(GFP_KERNEL | __GFP_NOFAIL);
	rc = rmi_finish(ctx, regs, &res, mem, list);
	free_page((unsigned long)list);
	return rc;
}

/**
 * rmi_undo_create() - Take back what was given for an object that is none
 * @ctx: for whom
 * @page: the granule that should have become the object
 * @mem: more memory of it, from rmi_call_mem()
 *
 * An operation that was not cancelled may have ended with an error, or not at all.
 * Who knows is the RMM, which gives no granule back that is in an object.
 *
 * Context: Process context.
 * Return: true if nothing of it is left, false if all of it is to be kept.
 */
bool rmi_undo_create(struct rmi_ctx *ctx, struct page *page, struct rmi_mem *mem)
{
	u64 pa = page_to_phys(page), status = ctx->status;
	int rc;

	if (!mem->nr && !mem->stuck) {
		rmi_granule_free(ctx, page);
		return true;
	}
	rc = rmi_undelegate_range(ctx, pa, pa + RMI_GRANULE_SIZE);
	ctx->status = status;
	if (rc)
		return false;
	__free_page(page);
	rmi_mem_free(ctx, mem);
	mem->stuck = false;
	return true;
}
