// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the RMM by their pre- and postconditions (DEN0137 B4): first what it
 * can do at all, then alignment, bounds and granules, then states of objects.
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "rmm_model.h"

#define FEATURE_DA		BIT_ULL(0)
#define FEATURE_ORDER_SHIFT	4
#define FEATURE_KROU		BIT_ULL(8)
#define MAX_VDEVS_ORDER		4

#define CATEGORY_RP		0
#define CATEGORY_OFF_CHIP	1
#define CATEGORY_ON_CHIP	2

LIST_HEAD(rmm_pdevs);
LIST_HEAD(rmm_vdevs);
LIST_HEAD(rmm_streams);
static u64 rmm_next_stream = 0x57;

/**
 * struct rmm_desc - A call
 * @cmd: its number
 * @name: for people
 * @spec: what its arguments are, see rmm_kind()
 * @run: does it, results from x[1] on
 */
struct rmm_desc {
	u32 cmd;
	const char *name;
	const char *spec;
	u64 (*run)(u64 *x);
};

static u64 get_pdev(u64 pa, struct rmm_pdev **found)
{
	struct rmm_pdev *pdev;

	list_for_each_entry(pdev, &rmm_pdevs, node) {
		if (pdev->pa != pa)
			continue;
		if (pdev->held) {
			fw_violation("call of a PDEV that is not finished");
			return RMM_INPUT;
		}
		*found = pdev;
		return RMM_SUCCESS;
	}
	return fw_refuse(RMM_INPUT, "no such PDEV");
}

/* (rd, pdev, vdev): the realm has to match first, then the device */
static u64 get_vdev(const u64 *x, u64 other_realm, struct rmm_vdev **found)
{
	struct rmm_vdev *vdev;

	list_for_each_entry(vdev, &rmm_vdevs, node) {
		if (vdev->pa != x[3])
			continue;
		if (vdev->held) {
			fw_violation("call of a VDEV that is not finished");
			return RMM_INPUT;
		}
		if (vdev->rd != x[1])
			return fw_refuse(other_realm, "another realm");
		if (vdev->pdev->pa != x[2])
			return fw_refuse(RMM_DEVICE, "another device");
		*found = vdev;
		return RMM_SUCCESS;
	}
	return fw_refuse(RMM_INPUT, "no such VDEV");
}

static u64 cmd_version(u64 *x)
{
	u64 have = rmm_variant == RMM_1_1 ? 1 << 16 | 1 : 2 << 16;

	x[2] = have;
	if (x[1] != have) {
		x[1] = have;
		return RMM_INPUT;
	}
	return RMM_SUCCESS;
}

static u64 cmd_features(u64 *x)
{
	if (x[1] != 2) {
		x[1] = 0;
		return RMM_SUCCESS;
	}
	x[1] = rmm_da ? FEATURE_DA | MAX_VDEVS_ORDER << FEATURE_ORDER_SHIFT : 0;
	if (rmm_krou)
		x[1] |= FEATURE_KROU;
	return RMM_SUCCESS;
}

static u64 range_end(const u64 *x)
{
	u64 top = x[2];

	if (rmm_range_max)
		top = min(top, x[1] + (u64)rmm_range_max * PAGE_SIZE);
	return top;
}

static bool range_valid(u64 base, u64 top)
{
	return PAGE_ALIGNED(base) && PAGE_ALIGNED(top) && base < top;
}

static u64 cmd_delegate(u64 *x)
{
	u64 top, at;

	if (!range_valid(x[1], x[2]))
		return fw_refuse(RMM_INPUT, "range");
	top = range_end(x);
	for (at = x[1]; at < top; at += PAGE_SIZE)
		if (rmm_gran_state(at) != G_HOST ||
		    rmm_gran_add(at, G_DELEGATED))
			break;
	if (at == x[1])
		return fw_refuse(RMM_INPUT, "not the host's");
	x[1] = at;
	return RMM_SUCCESS;
}

static u64 cmd_undelegate(u64 *x)
{
	u64 top, at;

	if (!range_valid(x[1], x[2]))
		return fw_refuse(RMM_INPUT, "range");
	top = range_end(x);
	for (at = x[1]; at < top; at += PAGE_SIZE) {
		if (rmm_gran_state(at) != G_DELEGATED)
			break;
		rmm_gran_del(at);
	}
	if (at == x[1])
		return fw_refuse(RMM_INPUT, "not delegated, or in use");
	x[1] = at;
	return RMM_SUCCESS;
}

static void pdev_free(struct rmm_pdev *pdev)
{
	rmm_gran_set(pdev->pa, G_DELEGATED);
	list_del(&pdev->node);
	kvfree(pdev);
}

static u64 pdev_created(void *obj)
{
	struct rmm_pdev *pdev = obj;

	pdev->state = P_NEW;
	pdev->comm = COMM_PENDING;
	return RMM_SUCCESS;
}

static void pdev_undo(void *obj)
{
	pdev_free(obj);
}

static u64 pdev_destroyed(void *obj)
{
	pdev_free(obj);
	return RMM_SUCCESS;
}

/* Two layouts; 2.0-bet0 has a host bridge, and no limit of VDEVs */
static u64 pdev_params(const u8 *p, struct rmm_pdev *pdev)
{
	u64 flags = get_unaligned_le64(p), order = MAX_VDEVS_ORDER;
	u8 hash;

	if (rmm_variant == RMM_2_0_BET0) {
		pdev->pdev_id = get_unaligned_le64(p + 0x10);
		pdev->routing_id = get_unaligned_le64(p + 0x18);
		pdev->rid_base = get_unaligned_le32(p + 0x28);
		pdev->rid_top = get_unaligned_le32(p + 0x30);
		hash = p[0x38];
	} else {
		pdev->pdev_id = get_unaligned_le64(p + 0x08);
		pdev->routing_id = get_unaligned_le64(p + 0x10);
		pdev->rid_base = get_unaligned_le16(p + 0x20);
		pdev->rid_top = get_unaligned_le16(p + 0x28);
		hash = p[0x30];
		order = get_unaligned_le64(p + 0x38);
	}
	pdev->spdm = flags & BIT(0);
	pdev->category = flags >> 1 & 3;
	if (flags & ~7ULL || pdev->category > CATEGORY_ON_CHIP || hash > 2 ||
	    order > MAX_VDEVS_ORDER || pdev->rid_base >= pdev->rid_top)
		return fw_refuse(RMM_INPUT, "parameters");
	pdev->max_vdevs = (1 << order) - 1;
	return RMM_SUCCESS;
}

static u64 cmd_pdev_create(u64 *x)
{
	const u8 *params = rmm_host_page(x[2]);
	struct rmm_pdev *pdev, *other;
	u64 status;

	if (rmm_gran_state(x[1]) != G_DELEGATED || !params)
		return fw_refuse(RMM_INPUT, "granule");
	pdev = kvzalloc_obj(*pdev);
	if (!pdev)
		return RMM_BUSY;
	status = pdev_params(params, pdev);
	list_for_each_entry(other, &rmm_pdevs, node)
		if (!status && other->routing_id == pdev->routing_id)
			status = fw_refuse(RMM_INPUT, "routing ID is taken");
	if (status) {
		kvfree(pdev);
		return status;
	}
	pdev->pa = x[1];
	rmm_fw_init(pdev);
	rmm_gran_set(pdev->pa, G_PDEV);
	list_add_tail(&pdev->node, &rmm_pdevs);
	return rmm_op_start(x, &pdev->mem, &pdev->held, false, pdev_created,
			    pdev_undo, pdev);
}

static u64 cmd_pdev_get_state(u64 *x)
{
	struct rmm_pdev *pdev;
	u64 status = get_pdev(x[1], &pdev);

	if (!status)
		x[1] = pdev->state;
	return status;
}

static void pdev_complete(struct rmm_pdev *pdev, u64 code)
{
	if (code) {
		fw_log("  device: code %#llx", code);
		pdev->state = P_ERROR;
		pdev->comm = COMM_ERROR;
		return;
	}
	pdev->comm = COMM_IDLE;
	switch (pdev->op) {
	case POP_STOP:
		pdev->state = P_STOPPED;
		pdev->op = POP_NONE;
		return;
	case POP_NONE:
		break;
	default:
		pdev->op = POP_STREAM_COMPLETE;
		return;
	}
	if (pdev->state == P_NEW)
		pdev->state = pdev->spdm ? P_NEEDS_KEY : P_READY;
	else if (pdev->state == P_HAS_KEY)
		pdev->state = P_READY;
}

static u64 cmd_pdev_communicate(u64 *x)
{
	struct rmm_pdev *pdev;
	u64 status, code;
	bool done;

	if (!rmm_host_page(x[2]))
		return fw_refuse(RMM_INPUT, "communication data");
	status = get_pdev(x[1], &pdev);
	if (status)
		return status;
	if (pdev->comm == COMM_IDLE || pdev->comm == COMM_ERROR)
		return fw_refuse(RMM_DEVICE, "nothing to say");
	status = rmm_communicate(pdev, NULL, x[2], rmm_run_pdev, &done, &code);
	if (status)
		return status;
	pdev->comm = COMM_ACTIVE;
	if (done)
		pdev_complete(pdev, code);
	return RMM_SUCCESS;
}

static bool cert_has(const struct rmm_pdev *pdev, const u8 *key, u32 len)
{
	for (u32 i = 0; i + len <= pdev->cert_len; i++)
		if (!memcmp(pdev->cert + i, key, len))
			return true;
	return false;
}

static u64 cmd_pdev_set_pubkey(u64 *x)
{
	static const u32 sizes[] = { 384, 65, 97 };
	const u8 *params = rmm_host_page(x[2]);
	struct rmm_pdev *pdev;
	u64 status, len;
	u8 algo;

	if (!params)
		return fw_refuse(RMM_INPUT, "parameters");
	algo = params[0x810];
	len = get_unaligned_le64(params + 0x800);
	if (algo >= ARRAY_SIZE(sizes) || len != sizes[algo])
		return fw_refuse(RMM_INPUT, "key");
	status = get_pdev(x[1], &pdev);
	if (status)
		return status;
	if (pdev->state != P_NEEDS_KEY)
		return fw_refuse(RMM_DEVICE, "no key wanted");
	if (!cert_has(pdev, params, len))
		fw_violation("a key that is not in the device's certificates");
	pdev->state = P_HAS_KEY;
	pdev->comm = COMM_PENDING;
	return RMM_SUCCESS;
}

static u64 cmd_pdev_stop(u64 *x)
{
	struct rmm_pdev *pdev;
	u64 status = get_pdev(x[1], &pdev);

	if (status)
		return status;
	if (pdev->comm != COMM_IDLE || pdev->nr_vdevs || pdev->stream)
		return fw_refuse(RMM_DEVICE, "exchange, VDEV or stream");
	pdev->op = POP_STOP;
	pdev->comm = COMM_PENDING;
	return RMM_SUCCESS;
}

static void stream_free(struct rmm_stream *stream)
{
	stream->ep->stream = NULL;
	stream->rp->stream = NULL;
	list_del(&stream->node);
	kfree(stream);
}

/* The session is not used any more, and a stream in the making is none */
static u64 cmd_pdev_abort(u64 *x)
{
	struct rmm_pdev *pdev;
	u64 status = get_pdev(x[1], &pdev);

	if (status)
		return status;
	if (pdev->comm == COMM_IDLE)
		return fw_refuse(RMM_DEVICE, "nothing to abort");
	if (pdev->job && !pdev->job->vdev)
		rmm_job_cancel(pdev);
	if (pdev->stream)
		stream_free(pdev->stream);
	pdev->req.session_id = 0;
	pdev->state = P_ERROR;
	pdev->op = POP_NONE;
	pdev->comm = COMM_IDLE;
	return RMM_SUCCESS;
}

static u64 cmd_pdev_destroy(u64 *x)
{
	struct rmm_pdev *pdev;
	u64 status = get_pdev(x[1], &pdev);

	if (status)
		return status;
	if (pdev->state != P_STOPPED)
		return fw_refuse(RMM_DEVICE, "not stopped");
	return rmm_op_start(x, &pdev->mem, &pdev->held, true, pdev_destroyed,
			    pdev_undo, pdev);
}

static void stream_start(struct rmm_stream *stream, enum rmm_sstate state,
			 enum rmm_pop op)
{
	stream->state = state;
	stream->ep->op = op;
	stream->rp->op = op;
	stream->ep->comm = COMM_PENDING;
	stream->rp->comm = COMM_PENDING;
}

static bool end_free(const struct rmm_pdev *pdev)
{
	return pdev->state == P_READY && pdev->op == POP_NONE &&
	       pdev->comm == COMM_IDLE;
}

static u64 cmd_stream_connect(u64 *x)
{
	const u8 *params = rmm_host_page(x[1]);
	struct rmm_pdev *ep, *rp;
	struct rmm_stream *stream;
	u64 status;

	if (!params || get_unaligned_le64(params) || params[8] != 1 ||
	    get_unaligned_le64(params + 0x28) > 16)
		return fw_refuse(RMM_INPUT, "parameters");
	status = get_pdev(get_unaligned_le64(params + 0x10), &ep);
	status = status ?: get_pdev(get_unaligned_le64(params + 0x18), &rp);
	if (status)
		return status;
	if (ep->category != CATEGORY_OFF_CHIP || rp->category != CATEGORY_RP ||
	    !end_free(ep) || !end_free(rp) || ep->stream || rp->stream)
		return fw_refuse(RMM_INPUT, "ends of the stream");

	stream = kzalloc_obj(*stream);
	if (!stream)
		return RMM_BUSY;
	stream->handle = rmm_next_stream++;
	stream->ep = ep;
	stream->rp = rp;
	stream->sid = params[0x20];
	ep->stream = stream;
	rp->stream = stream;
	ep->req.stream_id = stream->sid;
	list_add(&stream->node, &rmm_streams);
	stream_start(stream, S_CONNECTING, POP_CONNECT);
	x[1] = stream->handle;
	return RMM_SUCCESS;
}

/* (endpoint, root port, handle) */
static u64 get_stream(const u64 *x, struct rmm_stream **found)
{
	struct rmm_stream *stream;
	struct rmm_pdev *pdev;
	u64 status;

	status = get_pdev(x[1], &pdev);
	status = status ?: get_pdev(x[2], &pdev);
	if (status)
		return status;
	list_for_each_entry(stream, &rmm_streams, node) {
		if (stream->handle != x[3])
			continue;
		if (stream->ep->pa != x[1] || stream->rp->pa != x[2])
			return fw_refuse(RMM_INPUT, "ends of the stream");
		*found = stream;
		return RMM_SUCCESS;
	}
	return fw_refuse(RMM_INPUT, "no such stream");
}

static u64 cmd_stream_complete(u64 *x)
{
	struct rmm_stream *stream;
	u64 status = get_stream(x, &stream);

	if (status)
		return status;
	if (stream->state == S_CONNECTED ||
	    stream->ep->op != POP_STREAM_COMPLETE ||
	    stream->rp->op != POP_STREAM_COMPLETE)
		return fw_refuse(RMM_DEVICE, "nothing to complete");
	if (stream->ep->state != P_READY || stream->rp->state != P_READY ||
	    stream->ep->comm != COMM_IDLE || stream->rp->comm != COMM_IDLE)
		return fw_refuse(RMM_INPUT, "not ready");
	stream->ep->op = POP_NONE;
	stream->rp->op = POP_NONE;
	stream->refreshed |= stream->state == S_REFRESHING;
	stream->purged |= stream->state == S_PURGING;
	if (stream->state == S_DISCONNECTING)
		stream_free(stream);
	else
		stream->state = S_CONNECTED;
	return RMM_SUCCESS;
}

static u64 stream_change(const u64 *x, enum rmm_sstate state, enum rmm_pop op)
{
	struct rmm_stream *stream;
	u64 status = get_stream(x, &stream);

	if (status)
		return status;
	if (stream->state != S_CONNECTED || !end_free(stream->ep) ||
	    !end_free(stream->rp))
		return fw_refuse(RMM_DEVICE, "stream is not free");
	if (state == S_DISCONNECTING && stream->ep->nr_vdevs)
		return fw_refuse(RMM_DEVICE, "endpoint has VDEVs");
	stream_start(stream, state, op);
	return RMM_SUCCESS;
}

static u64 cmd_stream_disconnect(u64 *x)
{
	return stream_change(x, S_DISCONNECTING, POP_DISCONNECT);
}

static u64 cmd_stream_key_refresh(u64 *x)
{
	return stream_change(x, S_REFRESHING, POP_KEY_REFRESH);
}

static u64 cmd_stream_key_purge(u64 *x)
{
	return stream_change(x, S_PURGING, POP_KEY_PURGE);
}

static void vdev_free(struct rmm_vdev *vdev)
{
	rmm_gran_set(vdev->pa, G_DELEGATED);
	list_del(&vdev->node);
	vdev->pdev->nr_vdevs--;
	kfree(vdev);
}

static u64 vdev_created(void *obj)
{
	struct rmm_vdev *vdev = obj;

	vdev->state = V_NEW;
	vdev->op = VOP_UNLOCK;
	vdev->comm = COMM_PENDING;
	return RMM_SUCCESS;
}

static void vdev_undo(void *obj)
{
	vdev_free(obj);
}

static u64 vdev_destroyed(void *obj)
{
	vdev_free(obj);
	return RMM_SUCCESS;
}

static u64 vdev_params(const u8 *p, struct rmm_vdev *vdev)
{
	vdev->vdev_id = get_unaligned_le64(p + 0x08);
	vdev->tdi_id = get_unaligned_le64(p + 0x10);
	if (get_unaligned_le64(p) || get_unaligned_le64(p + 0x30) > 8)
		return fw_refuse(RMM_INPUT, "parameters");
	vdev->nr_ranges = get_unaligned_le64(p + 0x30);
	for (u32 i = 0; i < vdev->nr_ranges; i++) {
		vdev->ranges[i][0] = get_unaligned_le64(p + 0x200 + 16 * i);
		vdev->ranges[i][1] = get_unaligned_le64(p + 0x208 + 16 * i);
		if (!range_valid(vdev->ranges[i][0], vdev->ranges[i][1]))
			return fw_refuse(RMM_INPUT, "address ranges");
	}
	return RMM_SUCCESS;
}

static u64 vdev_check(const struct rmm_vdev *vdev, const struct rmm_pdev *pdev)
{
	const struct rmm_vdev *other;

	if (pdev->state != P_READY || pdev->category == CATEGORY_RP ||
	    pdev->nr_vdevs >= pdev->max_vdevs)
		return fw_refuse(RMM_DEVICE, "PDEV takes no VDEV");
	if (!rmm_da)
		return fw_refuse(RMM_REALM, "realm without devices");
	list_for_each_entry(other, &rmm_vdevs, node)
		if (other->tdi_id == vdev->tdi_id ||
		    (other->rd == vdev->rd && other->vdev_id == vdev->vdev_id))
			return fw_refuse(RMM_INPUT, "IDs are taken");
	if (vdev->tdi_id < pdev->rid_base || vdev->tdi_id >= pdev->rid_top)
		return fw_refuse(RMM_INPUT, "not of this device");
	if (pdev->category == CATEGORY_OFF_CHIP &&
	    (!pdev->stream || pdev->stream->state != S_CONNECTED))
		return fw_refuse(RMM_INPUT, "no stream");
	if (rmm_no_st)
		return fw_refuse(RMM_INPUT, "no stream table");
	return RMM_SUCCESS;
}

static u64 cmd_vdev_create(u64 *x)
{
	const u8 *params = rmm_host_page(x[4]);
	struct rmm_pdev *pdev;
	struct rmm_vdev *vdev;
	u64 status;

	if (!rmm_is_realm(x[1]) || rmm_gran_state(x[3]) != G_DELEGATED ||
	    !params)
		return fw_refuse(RMM_INPUT, "granules");
	status = get_pdev(x[2], &pdev);
	if (status)
		return status;
	vdev = kzalloc_obj(*vdev);
	if (!vdev)
		return RMM_BUSY;
	status = vdev_params(params, vdev);
	vdev->rd = x[1];
	status = status ?: vdev_check(vdev, pdev);
	if (status) {
		kfree(vdev);
		return status;
	}
	vdev->pa = x[3];
	vdev->pdev = pdev;
	pdev->nr_vdevs++;
	rmm_gran_set(vdev->pa, G_VDEV);
	list_add_tail(&vdev->node, &rmm_vdevs);
	return rmm_op_start(x, &vdev->mem, &vdev->held, false, vdev_created,
			    vdev_undo, vdev);
}

static u64 cmd_vdev_get_state(u64 *x)
{
	struct rmm_vdev *vdev;
	u64 status = get_vdev(x, RMM_INPUT, &vdev);

	if (!status)
		x[1] = vdev->state;
	return status;
}

/* The unlock of a TDI that ran: keys are refreshed, then purged, then it is asked */
static bool vdev_key_step(struct rmm_vdev *vdev)
{
	if (vdev->op != VOP_UNLOCK || !vdev->pdev->stream)
		return false;
	if (vdev->state == V_STARTED && rmm_krou) {
		vdev->state = V_KEY_REFRESH;
		vdev->pdev->stream->refreshed = false;
	} else if (vdev->state == V_KEY_REFRESH) {
		vdev->state = V_KEY_PURGE;
		vdev->pdev->stream->purged = false;
	} else {
		return false;
	}
	vdev->comm = COMM_PENDING;
	return true;
}

static void vdev_complete(struct rmm_vdev *vdev, u64 code)
{
	if (code) {
		fw_log("  device: code %#llx", code);
		vdev->state = V_ERROR;
		vdev->comm = COMM_ERROR;
		vdev->op = VOP_NONE;
		return;
	}
	if (vdev_key_step(vdev))
		return;
	switch (vdev->op) {
	case VOP_UNLOCK:
		vdev->state = V_UNLOCKED;
		break;
	case VOP_LOCK:
		vdev->state = V_LOCKED;
		vdev->lock_nonce++;
		break;
	case VOP_START:
		vdev->state = V_STARTED;
		break;
	default:
		break;
	}
	vdev->op = VOP_NONE;
	vdev->comm = COMM_IDLE;
}

static u64 cmd_vdev_communicate(u64 *x)
{
	struct rmm_stream *stream;
	struct rmm_vdev *vdev;
	u64 status, code;
	bool done;

	if (!rmm_host_page(x[4]))
		return fw_refuse(RMM_INPUT, "communication data");
	status = get_vdev(x, RMM_INPUT, &vdev);
	if (status)
		return status;
	/* TF-RMM has ERROR here, too, and nothing else makes sense */
	if (vdev->comm == COMM_IDLE || vdev->comm == COMM_ERROR)
		return fw_refuse(RMM_DEVICE, "nothing to say");
	stream = vdev->pdev->stream;
	if (stream && ((vdev->state == V_KEY_REFRESH && !stream->refreshed) ||
		       (vdev->state == V_KEY_PURGE && !stream->purged)))
		return fw_refuse(RMM_DEVICE, "keys of the stream");
	status = rmm_communicate(vdev->pdev, vdev, x[4], rmm_run_vdev, &done,
				 &code);
	if (status)
		return status;
	vdev->comm = COMM_ACTIVE;
	if (done)
		vdev_complete(vdev, code);
	return RMM_SUCCESS;
}

static u64 vdev_start(u64 *x, u32 states, enum rmm_vop op)
{
	struct rmm_vdev *vdev;
	u64 status = get_vdev(x, RMM_INPUT, &vdev);

	if (status)
		return status;
	if (!(states & BIT(vdev->state)) || vdev->comm != COMM_IDLE)
		return fw_refuse(RMM_DEVICE, "state of the VDEV");
	vdev->op = op;
	vdev->comm = COMM_PENDING;
	return RMM_SUCCESS;
}

static u64 cmd_vdev_lock(u64 *x)
{
	return vdev_start(x, BIT(V_UNLOCKED), VOP_LOCK);
}

static u64 cmd_vdev_start(u64 *x)
{
	return vdev_start(x, BIT(V_LOCKED), VOP_START);
}

static u64 cmd_vdev_report(u64 *x)
{
	return vdev_start(x, BIT(V_LOCKED) | BIT(V_STARTED), VOP_REPORT);
}

static u64 cmd_vdev_measurements(u64 *x)
{
	const u8 *params = rmm_host_page(x[4]);

	if (!params || get_unaligned_le64(params))
		return fw_refuse(RMM_INPUT, "parameters");
	return vdev_start(x, ~0U, VOP_MEAS);
}

static u64 cmd_vdev_unlock(u64 *x)
{
	u32 states = BIT(V_LOCKED) | BIT(V_STARTED) | BIT(V_ERROR);
	struct rmm_vdev *vdev;
	u64 status = get_vdev(x, RMM_INPUT, &vdev);
	u64 mapped;

	if (status)
		return status;
	if (!(states & BIT(vdev->state)) || vdev->comm != COMM_IDLE)
		return fw_refuse(RMM_DEVICE, "state of the VDEV");
	mapped = rmm_mapped(vdev);
	if (mapped) {
		x[1] = mapped;
		return fw_refuse(RMM_GRANULE, "MMIO is mapped");
	}
	return vdev_start(x, states, VOP_UNLOCK);
}

static u64 cmd_vdev_abort(u64 *x)
{
	struct rmm_vdev *vdev;
	u64 status = get_vdev(x, RMM_INPUT, &vdev);

	if (status)
		return status;
	if (vdev->comm == COMM_IDLE)
		return fw_refuse(RMM_DEVICE, "nothing to abort");
	if (vdev->pdev->job && vdev->pdev->job->vdev == vdev)
		rmm_job_cancel(vdev->pdev);
	vdev->state = V_ERROR;
	vdev->op = VOP_NONE;
	vdev->comm = COMM_IDLE;
	return RMM_SUCCESS;
}

static u64 cmd_vdev_destroy(u64 *x)
{
	u32 states = BIT(V_NEW) | BIT(V_UNLOCKED);
	struct rmm_vdev *vdev;
	u64 status = get_vdev(x, RMM_DEVICE, &vdev);

	if (status)
		return status;
	if (rmm_variant == RMM_2_0_BET1)
		states |= BIT(V_ERROR);
	if (!(states & BIT(vdev->state)) || vdev->comm == COMM_ACTIVE ||
	    vdev->comm == COMM_ERROR || rmm_mapped(vdev))
		return fw_refuse(RMM_DEVICE, "state of the VDEV");
	return rmm_op_start(x, &vdev->mem, &vdev->held, true, vdev_destroyed,
			    vdev_undo, vdev);
}

static bool vdev_has(const struct rmm_vdev *vdev, u64 pa)
{
	for (u32 i = 0; i < vdev->nr_ranges; i++)
		if (pa >= vdev->ranges[i][0] && pa < vdev->ranges[i][1])
			return true;
	return false;
}

/* (rd, vdev, base, top, flags, pa), x1 is how far it got */
static u64 cmd_rtt_dev_map(u64 *x)
{
	struct rmm_vdev *vdev = NULL, *v;
	u64 base = x[3], top = x[4], pa = x[6];

	list_for_each_entry(v, &rmm_vdevs, node)
		if (v->pa == x[2] && v->rd == x[1])
			vdev = v;
	if (!vdev || !range_valid(base, top) || !PAGE_ALIGNED(pa))
		return fw_refuse(RMM_INPUT, "VDEV, or range");
	if (rmm_range_max)
		top = min(top, base + (u64)rmm_range_max * PAGE_SIZE);
	for (; base < top; base += PAGE_SIZE, pa += PAGE_SIZE) {
		struct rmm_gran *gran = rmm_gran(pa);

		if (rmm_find_ipa(x[1], base) || !gran ||
		    gran->state != G_DELEGATED || !vdev_has(vdev, pa) ||
		    rmm_gran_map(pa, vdev, base))
			break;
	}
	if (base != x[3]) {
		x[1] = base;
		return RMM_SUCCESS;
	}
	if (rmm_find_ipa(x[1], base))
		return fw_refuse(RMM_RTT | 3 << 8, "IPA is in use");
	return fw_refuse(RMM_INPUT, "granule");
}

/* (rd, base, top, flags, list), x1 is how far it got */
static u64 cmd_rtt_dev_unmap(u64 *x)
{
	u64 base = x[2], top = x[3];

	if (!rmm_is_realm(x[1]) || !range_valid(base, top))
		return fw_refuse(RMM_INPUT, "realm, or range");
	if (rmm_range_max)
		top = min(top, base + (u64)rmm_range_max * PAGE_SIZE);
	for (; base < top; base += PAGE_SIZE) {
		u64 pa = rmm_find_ipa(x[1], base);

		if (!pa)
			break;
		rmm_gran_unmap(pa);
	}
	if (base == x[2])
		return fw_refuse(RMM_RTT | 3 << 8, "nothing is mapped");
	x[1] = base;
	return RMM_SUCCESS;
}

static const struct rmm_desc rmm_descs[] = {
	{ RMM_VERSION, "RMI_VERSION", "x", cmd_version },
	{ RMM_FEATURES, "RMI_FEATURES", "n", cmd_features },
	{ RMM_GRANULE_RANGE_DELEGATE, "RMI_GRANULE_RANGE_DELEGATE", "gt",
	  cmd_delegate },
	{ RMM_GRANULE_RANGE_UNDELEGATE, "RMI_GRANULE_RANGE_UNDELEGATE", "gt",
	  cmd_undelegate },
	{ RMM_OP_CONTINUE, "RMI_OP_CONTINUE", "hn", rmm_op_continue },
	{ RMM_OP_MEM_DONATE, "RMI_OP_MEM_DONATE", "hln", rmm_op_donate },
	{ RMM_OP_MEM_RECLAIM, "RMI_OP_MEM_RECLAIM", "hln", rmm_op_reclaim },
	{ RMM_OP_CANCEL, "RMI_OP_CANCEL", "h", rmm_op_cancel },
	{ RMM_PDEV_CREATE, "RMI_PDEV_CREATE", "pa", cmd_pdev_create },
	{ RMM_PDEV_GET_STATE, "RMI_PDEV_GET_STATE", "p", cmd_pdev_get_state },
	{ RMM_PDEV_COMMUNICATE, "RMI_PDEV_COMMUNICATE", "pc",
	  cmd_pdev_communicate },
	{ RMM_PDEV_SET_PUBKEY, "RMI_PDEV_SET_PUBKEY", "pa",
	  cmd_pdev_set_pubkey },
	{ RMM_PDEV_STOP, "RMI_PDEV_STOP", "p", cmd_pdev_stop },
	{ RMM_PDEV_ABORT, "RMI_PDEV_ABORT", "p", cmd_pdev_abort },
	{ RMM_PDEV_DESTROY, "RMI_PDEV_DESTROY", "p", cmd_pdev_destroy },
	{ RMM_STREAM_CONNECT, "RMI_STREAM_CONNECT", "a", cmd_stream_connect },
	{ RMM_STREAM_COMPLETE, "RMI_STREAM_COMPLETE", "pph",
	  cmd_stream_complete },
	{ RMM_STREAM_DISCONNECT, "RMI_STREAM_DISCONNECT", "pph",
	  cmd_stream_disconnect },
	{ RMM_STREAM_KEY_REFRESH, "RMI_STREAM_KEY_REFRESH", "pph",
	  cmd_stream_key_refresh },
	{ RMM_STREAM_KEY_PURGE, "RMI_STREAM_KEY_PURGE", "pph",
	  cmd_stream_key_purge },
	{ RMM_VDEV_CREATE, "RMI_VDEV_CREATE", "rpva", cmd_vdev_create },
	{ RMM_VDEV_GET_STATE, "RMI_VDEV_GET_STATE", "rpv", cmd_vdev_get_state },
	{ RMM_VDEV_COMMUNICATE, "RMI_VDEV_COMMUNICATE", "rpvc",
	  cmd_vdev_communicate },
	{ RMM_VDEV_LOCK, "RMI_VDEV_LOCK", "rpv", cmd_vdev_lock },
	{ RMM_VDEV_START, "RMI_VDEV_START", "rpv", cmd_vdev_start },
	{ RMM_VDEV_GET_INTERFACE_REPORT, "RMI_VDEV_GET_INTERFACE_REPORT",
	  "rpv", cmd_vdev_report },
	{ RMM_VDEV_GET_MEASUREMENTS, "RMI_VDEV_GET_MEASUREMENTS", "rpva",
	  cmd_vdev_measurements },
	{ RMM_VDEV_UNLOCK, "RMI_VDEV_UNLOCK", "rpv", cmd_vdev_unlock },
	{ RMM_VDEV_ABORT, "RMI_VDEV_ABORT", "rpv", cmd_vdev_abort },
	{ RMM_VDEV_DESTROY, "RMI_VDEV_DESTROY", "rpv", cmd_vdev_destroy },
	{ RMM_RTT_DEV_MAP, "RMI_RTT_DEV_MAP", "rvxtng", cmd_rtt_dev_map },
	{ RMM_RTT_DEV_UNMAP, "RMI_RTT_DEV_UNMAP", "rxtnn", cmd_rtt_dev_unmap },
};

static const struct rmm_desc *rmm_desc(u32 cmd)
{
	for (int i = 0; i < ARRAY_SIZE(rmm_descs); i++)
		if (rmm_descs[i].cmd == cmd)
			return &rmm_descs[i];
	return NULL;
}

/* Is there such a call? Two of them, and nothing else that is modelled, in 1.1 */
static bool rmm_supported(u32 cmd)
{
	return rmm_variant != RMM_1_1 || cmd == RMM_VERSION ||
	       cmd == RMM_FEATURES;
}

static const char *rmm_more(const struct rmm_desc *desc, const u64 *args,
			    const u64 *x, char *buf, size_t size)
{
	static const char * const pstates[] = {
		" NEW", " NEEDS_KEY", " HAS_KEY", " READY", " STOPPED", " ERROR",
	};
	static const char * const vstates[] = {
		" NEW", " UNLOCKED", " LOCKED", " STARTED", " ERROR",
		" KEY_REFRESH", " KEY_PURGE",
	};
	static const char * const mem[] = { "", " donate", " reclaim", " ?" };

	if ((x[0] & 0xff) == RMM_INCOMPLETE)
		return mem[x[0] >> 8 & 3];
	if (x[0])
		return "";
	switch (desc->cmd) {
	case RMM_PDEV_COMMUNICATE:
		return rmm_exit_text(args[1], buf, size);
	case RMM_VDEV_COMMUNICATE:
		return rmm_exit_text(args[3], buf, size);
	case RMM_PDEV_GET_STATE:
		return pstates[x[1]];
	case RMM_VDEV_GET_STATE:
		return vstates[x[1]];
	default:
		return "";
	}
}

/* @x: x0 is the number, and the result */
void rmm_call(u64 *x)
{
	const struct rmm_desc *desc;
	u64 args[RMM_NR_ARGS];
	char buf[96];
	u64 status;

	guard(mutex)(&fw_lock);
	memcpy(args, x + 1, sizeof(args));
	desc = (x[0] & ~0xffffULL) == RMM_FID(0) ? rmm_desc(x[0] & 0xffff) :
						   NULL;
	if (!desc) {
		fw_violation("call %#llx is unknown", x[0]);
		x[0] = RMM_NOT_SUPPORTED;
		return;
	}
	rmm_gran_verify(desc->name);
	for (int i = strlen(desc->spec); i < RMM_NR_ARGS; i++)
		if (args[i])
			fw_violation("%s: argument %d is %#llx", desc->name,
				     i + 1, args[i]);

	status = fw_injected(desc->cmd);
	if (status) {
		rmm_log_call(desc->name, desc->spec, args, status, " injected");
		x[0] = status;
		return;
	}
	x[0] = rmm_supported(desc->cmd) ? desc->run(x) : RMM_NOT_SUPPORTED;
	rmm_log_call(desc->name, desc->spec, args, x[0],
		     rmm_more(desc, args, x, buf, sizeof(buf)));
}

static u64 rmm_raw_arg(char kind, int nth, u64 arg, u64 page)
{
	struct rmm_pdev *pdev;
	struct rmm_vdev *vdev;
	struct rmm_stream *stream;

	vdev = list_first_entry_or_null(&rmm_vdevs, struct rmm_vdev, node);
	stream = list_first_entry_or_null(&rmm_streams, struct rmm_stream,
					  node);
	switch (kind) {
	case 'p':
		/* The second is the root port */
		list_for_each_entry(pdev, &rmm_pdevs, node) {
			int place = pdev->category == CATEGORY_RP;

			if (place == nth)
				return pdev->pa;
		}
		return 0;
	case 'v':
		return vdev ? vdev->pa : 0;
	case 'r':
		return vdev ? vdev->rd : 0;
	case 'g':
		return vdev ? vdev->pa : 0;
	case 't':
		return (vdev ? vdev->pa : 0) + PAGE_SIZE;
	case 'h':
		return stream ? stream->handle : 0;
	case 'a':
	case 'c':
	case 'l':
		return page;
	default:
		return arg;
	}
}

/*
 * What the driver does not do: a call about the first device, and its first VDEV,
 * at the wrong time. @page: of the host. Returns the status.
 */
int rmm_raw(u32 cmd, u64 arg, u64 page)
{
	const struct rmm_desc *desc = rmm_desc(cmd);
	u64 x[18] = {};
	int nth = 0;

	if (!desc)
		return -ENODEV;
	scoped_guard(mutex, &fw_lock) {
		if (list_empty(&rmm_pdevs) || list_empty(&rmm_vdevs))
			return -ENODEV;
		for (int i = 0; desc->spec[i]; i++) {
			x[i + 1] = rmm_raw_arg(desc->spec[i], nth, arg, page);
			nth += desc->spec[i] == 'p';
		}
	}
	x[0] = RMM_FID(cmd);
	rmm_call(x);
	return x[0] & 0xff;
}

/* A new RMM, which knows nothing */
void rmm_cmd_exit(void)
{
	struct rmm_stream *stream, *next_stream;
	struct rmm_pdev *pdev, *next_pdev;
	struct rmm_vdev *vdev, *next_vdev;

	guard(mutex)(&fw_lock);
	list_for_each_entry(pdev, &rmm_pdevs, node)
		rmm_job_cancel(pdev);
	list_for_each_entry_safe(stream, next_stream, &rmm_streams, node)
		stream_free(stream);
	list_for_each_entry_safe(vdev, next_vdev, &rmm_vdevs, node)
		vdev_free(vdev);
	list_for_each_entry_safe(pdev, next_pdev, &rmm_pdevs, node)
		pdev_free(pdev);
	rmm_op_exit();
}
