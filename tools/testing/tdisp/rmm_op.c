// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stateful operations (DEN0137 B4.6.92): calls that end with INCOMPLETE and go on
 * with others, which may want memory or give it back.
 */
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "rmm_model.h"

#define X0_MEM_WANTED	BIT(8)
#define X0_MEM_BACK	(2 << 8)
#define X0_CAN_CANCEL	BIT(10)

#define DONATE_COUNT	2	/* shift; 4 KiB, in pieces, delegated */
#define RANGE_COUNT	2
#define RANGE_ADDR	GENMASK_ULL(51, 12)
#define RANGE_MAX	512

/**
 * struct rmm_op - An operation that is not complete
 * @node: in rmm_ops
 * @handle: how the host names it
 * @mem: memory of the object
 * @held: where the object says that it cannot be called
 * @asked: what it wants, in terms of x0
 * @steps: that do nothing
 * @want: granules
 * @destroy: gives memory back in the end
 * @cancelled: the same, and nothing else
 * @finish: its effect
 * @undo: that it was cancelled
 * @obj: for these
 */
struct rmm_op {
	struct list_head node;
	u64 handle;
	struct rmm_mem *mem;
	bool *held;
	u64 asked;
	u32 steps;
	u32 want;
	bool destroy;
	bool cancelled;
	u64 (*finish)(void *obj);
	void (*undo)(void *obj);
	void *obj;
};

static LIST_HEAD(rmm_ops);
static u64 rmm_next_op = 0x5200;

static void rmm_op_free(struct rmm_op *op)
{
	list_del(&op->node);
	kfree(op);
}

/* What it wants next, or its end. The object may be gone after that */
static u64 rmm_op_next(struct rmm_op *op, u64 *x)
{
	u64 status;

	x[1] = op->handle;
	if (op->steps) {
		op->steps--;
		op->asked = 0;
		return RMM_INCOMPLETE | (op->destroy ? 0 : X0_CAN_CANCEL);
	}
	if (op->want) {
		x[2] = op->want << DONATE_COUNT;
		op->asked = X0_MEM_WANTED;
		return RMM_INCOMPLETE | X0_MEM_WANTED | X0_CAN_CANCEL;
	}
	if ((op->destroy || op->cancelled) && op->mem->nr) {
		op->asked = X0_MEM_BACK;
		return RMM_INCOMPLETE | X0_MEM_BACK;
	}

	*op->held = false;
	if (op->cancelled) {
		op->undo(op->obj);
		status = RMM_SUCCESS;
	} else {
		status = op->finish(op->obj);
	}
	rmm_op_free(op);
	x[1] = 0;
	return status;
}

u64 rmm_op_start(u64 *x, struct rmm_mem *mem, bool *held, bool destroy,
		 u64 (*finish)(void *obj), void (*undo)(void *obj), void *obj)
{
	struct rmm_op *op = kzalloc_obj(*op);

	if (!op)
		return RMM_BUSY;
	op->handle = rmm_next_op++;
	op->mem = mem;
	op->held = held;
	op->steps = rmm_sro_steps;
	op->destroy = destroy;
	op->want = destroy ? 0 : min_t(u32, rmm_donate, RMM_MAX_MEM);
	op->finish = finish;
	op->undo = undo;
	op->obj = obj;
	*held = true;
	list_add(&op->node, &rmm_ops);
	return rmm_op_next(op, x);
}

static struct rmm_op *rmm_op_find(u64 handle)
{
	struct rmm_op *op;

	lockdep_assert_held(&fw_lock);

	list_for_each_entry(op, &rmm_ops, node)
		if (op->handle == handle)
			return op;
	return NULL;
}

u64 rmm_op_continue(u64 *x)
{
	struct rmm_op *op = rmm_op_find(x[1]);

	if (!op)
		return fw_refuse(RMM_INPUT, "no such operation");
	if (x[2])
		return fw_refuse(RMM_INPUT, "flags");
	if (op->asked)
		return fw_refuse(RMM_INPUT, "it is about memory");
	return rmm_op_next(op, x);
}

/* (handle, list, entries): all of the list, or nothing */
u64 rmm_op_donate(u64 *x)
{
	struct rmm_op *op = rmm_op_find(x[1]);
	const u8 *list = rmm_host_page(x[2]);

	if (!op || !list || !x[3] || x[3] > RANGE_MAX)
		return fw_refuse(RMM_INPUT, "donation");
	if (op->asked != X0_MEM_WANTED || x[3] > op->want)
		return fw_refuse(RMM_INPUT, "nothing, or less, is wanted");
	for (u32 i = 0; i < x[3]; i++) {
		u64 range = get_unaligned_le64(list + 8 * i);

		if ((range & ~RANGE_ADDR) != 1 << RANGE_COUNT ||
		    rmm_gran_state(range & RANGE_ADDR) != G_DELEGATED)
			return fw_refuse(RMM_INPUT, "range");
	}
	for (u32 i = 0; i < x[3]; i++) {
		u64 pa = get_unaligned_le64(list + 8 * i) & RANGE_ADDR;

		rmm_gran_set(pa, G_OBJECT);
		op->mem->pa[op->mem->nr++] = pa;
		op->want--;
	}
	return rmm_op_next(op, x);
}

/* (handle, list, room): x2 is the number of entries */
u64 rmm_op_reclaim(u64 *x)
{
	struct rmm_op *op = rmm_op_find(x[1]);
	u8 *list = rmm_host_page(x[2]);
	u64 status;
	u32 nr;

	if (!op || !list || !x[3] || x[3] > RANGE_MAX)
		return fw_refuse(RMM_INPUT, "reclaim");
	if (op->asked != X0_MEM_BACK)
		return fw_refuse(RMM_INPUT, "there is nothing to have back");
	nr = min_t(u64, x[3], op->mem->nr);
	if (rmm_reclaim_max)
		nr = min(nr, rmm_reclaim_max);
	for (u32 i = 0; i < nr; i++) {
		u64 pa = op->mem->pa[--op->mem->nr];

		rmm_gran_set(pa, G_DELEGATED);
		put_unaligned_le64(pa | 1 << RANGE_COUNT, list + 8 * i);
	}
	status = rmm_op_next(op, x);
	x[2] = nr;
	return status;
}

u64 rmm_op_cancel(u64 *x)
{
	struct rmm_op *op = rmm_op_find(x[1]);

	if (!op)
		return fw_refuse(RMM_INPUT, "no such operation");
	if (op->destroy || op->cancelled)
		return fw_refuse(RMM_INPUT, "it cannot be cancelled");
	op->cancelled = true;
	op->steps = 0;
	op->want = 0;
	return rmm_op_next(op, x);
}

void rmm_op_exit(void)
{
	struct rmm_op *op, *next;

	list_for_each_entry_safe(op, next, &rmm_ops, node)
		rmm_op_free(op);
}
