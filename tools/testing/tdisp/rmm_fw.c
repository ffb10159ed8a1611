// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the RMM says to the device: runs in a work item, while the host carries
 * the messages from one COMMUNICATE to the next (DEN0137 A9.5).
 */
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "rmm_model.h"

/* struct RmiDevCommData */
#define ENTER_STATUS	0x000
#define ENTER_REQ	0x008
#define ENTER_RSP	0x010
#define ENTER_RSP_LEN	0x018
#define EXIT_FLAGS	0x800
#define EXIT_REQ_CACHE	0x808
#define EXIT_RSP_CACHE	0x818
#define EXIT_OBJECT	0x828
#define EXIT_PROTOCOL	0x830
#define EXIT_REQ_DELAY	0x838
#define EXIT_REQ_LEN	0x840
#define EXIT_TIMEOUT	0x848

#define ENTER_NONE	0
#define ENTER_RESPONSE	1
#define ENTER_ERROR	2

#define REQ_CACHE	BIT(0)
#define RSP_CACHE	BIT(1)
#define REQ_SEND	BIT(2)
#define RSP_WAIT	BIT(3)
#define RSP_RESET	BIT(4)
#define MULTI		BIT(5)
#define STREAM_WAIT	BIT(6)

#define RMM_PORTION	1024
#define RMM_WAIT_US	100
#define RMM_SESSION_ID	3

/* The host answers with the next COMMUNICATE */
static void rmm_yield(struct rmm_job *job)
{
	if (!job->cancelled) {
		complete(&job->to_host);
		wait_for_completion(&job->to_rmm);
	}
	job->flags = 0;
}

/* What is kept first takes the place of what the host has kept before */
static u64 rmm_reset(struct rmm_job *job, u8 object)
{
	bool first = !job->started[object];

	job->started[object] = true;
	job->object = object;
	return first ? RSP_RESET : 0;
}

static struct rmm_job *to_job(struct requester *r)
{
	return container_of(r, struct rmm_pdev, req)->job;
}

static void rmm_sent(struct requester *r, enum requester_part part, size_t len)
{
	struct rmm_job *job = to_job(r);

	job->flags |= REQ_CACHE | rmm_reset(job, part);
	job->req_cache[0] = 0;
	job->req_cache[1] = len;
}

/* More of the object than any host keeps, until it gives up */
static void rmm_got_more(struct rmm_job *job)
{
	while (!job->cancelled) {
		rmm_yield(job);
		job->flags = RSP_CACHE;
		job->rsp_cache[0] = 0;
		job->rsp_cache[1] = sizeof(job->rsp);
	}
	job->flags = 0;
}

static void rmm_got(struct requester *r, enum requester_part part,
		    struct tdisp_span bytes)
{
	struct rmm_job *job = to_job(r);
	struct rmm_pdev *pdev = job->pdev;

	job->flags |= RSP_CACHE | rmm_reset(job, part);
	job->rsp_cache[0] = bytes.data - job->rsp;
	job->rsp_cache[1] = bytes.len;
	if (rmm_endless == (int)part)
		rmm_got_more(job);
	if (part == REQUESTER_CERT &&
	    bytes.len <= sizeof(pdev->cert) - pdev->cert_len) {
		memcpy(pdev->cert + pdev->cert_len, bytes.data, bytes.len);
		pdev->cert_len += bytes.len;
	}
}

static u64 rmm_exchange(struct requester *r, u8 type, size_t len,
			struct tdisp_span *rsp)
{
	struct rmm_job *job = to_job(r);
	u64 with_req;

	if (job->cancelled)
		return SOFT_TSM_CODE_NO_ANSWER;
	/* What concerns the last response can go ahead of the request */
	with_req = job->flags & RSP_CACHE ? job->flags & REQ_CACHE : job->flags;
	job->flags &= ~with_req;

	if (rmm_comm_style & RMM_STYLE_CACHE_ALONE && job->flags & RSP_CACHE)
		rmm_yield(job);
	if (rmm_comm_style & RMM_STYLE_WAIT) {
		job->flags |= RSP_WAIT;
		rmm_yield(job);
	}

	job->flags |= with_req | REQ_SEND;
	if (rmm_comm_style & RMM_STYLE_MULTI)
		job->flags |= MULTI;
	job->type = type;
	job->len = len;
	job->expects = true;
	rmm_yield(job);
	job->expects = false;
	if (job->cancelled || job->enter != ENTER_RESPONSE)
		return SOFT_TSM_CODE_NO_ANSWER;
	rsp->data = job->rsp;
	rsp->len = job->rsp_len;
	return 0;
}

void rmm_fw_init(struct rmm_pdev *pdev)
{
	pdev->req = (struct requester) {
		.exchange = rmm_exchange,
		.sent = rmm_sent,
		.got = rmm_got,
		.req_session_id = RMM_SESSION_ID,
		.portion = RMM_PORTION,
	};
}

static void rmm_job_work(struct work_struct *work)
{
	struct rmm_job *job = container_of(work, struct rmm_job, work);

	job->code = job->run(job);
	/* The last response may be one to keep */
	if (job->flags)
		rmm_yield(job);
	job->done = true;
	complete(&job->to_host);
}

static struct rmm_job *rmm_job_start(struct rmm_pdev *pdev,
				     struct rmm_vdev *vdev,
				     u64 (*run)(struct rmm_job *job))
{
	struct rmm_job *job = kzalloc_obj(*job);

	if (!job)
		return NULL;
	job->pdev = pdev;
	job->vdev = vdev;
	job->run = run;
	pdev->job = job;
	pdev->req.msg = job->msg;
	INIT_WORK(&job->work, rmm_job_work);
	init_completion(&job->to_host);
	init_completion(&job->to_rmm);
	queue_work(system_dfl_wq, &job->work);
	return job;
}

static void rmm_job_end(struct rmm_pdev *pdev)
{
	flush_work(&pdev->job->work);
	kfree(pdev->job);
	pdev->job = NULL;
	pdev->req.msg = NULL;
}

/* The exchange is given up */
void rmm_job_cancel(struct rmm_pdev *pdev)
{
	struct rmm_job *job = pdev->job;

	if (!job)
		return;
	job->cancelled = true;
	complete(&job->to_rmm);
	while (!job->done)
		wait_for_completion(&job->to_host);
	rmm_job_end(pdev);
}

static void rmm_exit(struct rmm_job *job, u8 *data, u8 *req)
{
	u64 flags = job->done ? 0 : job->flags;

	memset(data + EXIT_FLAGS, 0, 0x50);
	put_unaligned_le64(flags, data + EXIT_FLAGS);
	if (flags & (REQ_SEND | REQ_CACHE))
		memcpy(req, job->msg, sizeof(job->msg));
	if (flags & REQ_CACHE) {
		put_unaligned_le64(job->req_cache[0], data + EXIT_REQ_CACHE);
		put_unaligned_le64(job->req_cache[1],
				   data + EXIT_REQ_CACHE + 8);
	}
	if (flags & RSP_CACHE) {
		put_unaligned_le64(job->rsp_cache[0], data + EXIT_RSP_CACHE);
		put_unaligned_le64(job->rsp_cache[1],
				   data + EXIT_RSP_CACHE + 8);
	}
	data[EXIT_OBJECT] = job->object;
	if (flags & REQ_SEND) {
		data[EXIT_PROTOCOL] = job->type == TDISP_DOE_SECURED_CMA;
		put_unaligned_le64(job->len, data + EXIT_REQ_LEN);
	}
	if (flags & RSP_WAIT)
		put_unaligned_le64(RMM_WAIT_US, data + EXIT_TIMEOUT);
}

/* What the host says about the message under way */
static u64 rmm_enter(struct rmm_job *job, const u8 *data, const u8 *rsp)
{
	u64 status = get_unaligned_le64(data + ENTER_STATUS);
	bool is_response = status != ENTER_NONE;

	if (job->expects != is_response)
		return rmm_refuse(RMM_INPUT, "response, or none, at the wrong time");
	job->enter = status;
	job->rsp_len = get_unaligned_le64(data + ENTER_RSP_LEN);
	if (status == ENTER_RESPONSE)
		memcpy(job->rsp, rsp, job->rsp_len);
	complete(&job->to_rmm);
	return RMM_SUCCESS;
}

/* @done: it is complete, with this outcome */
u64 rmm_communicate(struct rmm_pdev *pdev, struct rmm_vdev *vdev, u64 data_pa,
		    u64 (*run)(struct rmm_job *job), bool *done, u64 *code)
{
	u8 *data = rmm_host_page(data_pa), *req, *rsp;
	struct rmm_job *job = pdev->job;
	u64 status;

	*done = false;
	if (!data)
		return rmm_refuse(RMM_INPUT, "communication data");
	req = rmm_host_page(get_unaligned_le64(data + ENTER_REQ));
	rsp = rmm_host_page(get_unaligned_le64(data + ENTER_RSP));
	status = get_unaligned_le64(data + ENTER_STATUS);
	if (!req || !rsp || req == rsp || req == data || rsp == data ||
	    status > ENTER_ERROR ||
	    get_unaligned_le64(data + ENTER_RSP_LEN) > PAGE_SIZE)
		return rmm_refuse(RMM_INPUT, "communication buffers");
	/* One exchange at a time with a device */
	if (job && job->vdev != vdev)
		return RMM_BUSY;

	if (job) {
		status = rmm_enter(job, data, rsp);
		if (status)
			return status;
	} else {
		if (status != ENTER_NONE)
			return rmm_refuse(RMM_INPUT, "response to nothing");
		job = rmm_job_start(pdev, vdev, run);
		if (!job)
			return RMM_BUSY;
	}

	wait_for_completion(&job->to_host);
	rmm_exit(job, data, req);
	if (job->done) {
		*done = true;
		*code = job->code;
		rmm_job_end(pdev);
	}
	return RMM_SUCCESS;
}

const char *rmm_exit_text(u64 data_pa, char *buf, size_t size)
{
	static const char * const objects[] = { "VCA", "CERT", "MEAS", "REPORT" };
	const u8 *data = rmm_host_page(data_pa);
	u64 flags;
	int n = 0;

	buf[0] = '\0';
	if (!data)
		return buf;
	flags = get_unaligned_le64(data + EXIT_FLAGS);
	if (!flags)
		return " [complete]";
	if (flags & RSP_RESET)
		n += scnprintf(buf + n, size - n, " RSP_RESET");
	if (flags & RSP_CACHE)
		n += scnprintf(buf + n, size - n, " RSP_CACHE %s %llu",
			       objects[data[EXIT_OBJECT] & 3],
			       get_unaligned_le64(data + EXIT_RSP_CACHE + 8));
	if (flags & REQ_CACHE)
		n += scnprintf(buf + n, size - n, " REQ_CACHE %s %llu",
			       objects[data[EXIT_OBJECT] & 3],
			       get_unaligned_le64(data + EXIT_REQ_CACHE + 8));
	if (flags & REQ_SEND)
		n += scnprintf(buf + n, size - n, " REQ_SEND %s %llu",
			       data[EXIT_PROTOCOL] ? "secured" : "SPDM",
			       get_unaligned_le64(data + EXIT_REQ_LEN));
	if (flags & MULTI)
		n += scnprintf(buf + n, size - n, " MULTI");
	if (flags & RSP_WAIT)
		n += scnprintf(buf + n, size - n, " RSP_WAIT");
	if (flags & STREAM_WAIT)
		n += scnprintf(buf + n, size - n, " STREAM_WAIT");
	return buf;
}

/* The other end of the stream has to be called for that */
static u64 rmm_wait_for(struct rmm_job *job, const bool *what)
{
	while (!*what) {
		if (job->cancelled)
			return SOFT_TSM_CODE_NO_ANSWER;
		job->flags |= STREAM_WAIT;
		rmm_yield(job);
	}
	return 0;
}

/* Keys of both ends are programmed before one of them uses its own */
static u64 rmm_connect_ep(struct rmm_job *job)
{
	struct rmm_pdev *ep = job->pdev;
	u64 code;

	ep->key_set = 0;
	code = requester_keys(&ep->req, IDE_KM_KEY_PROG, 0);
	if (code)
		return code;
	ep->keyed = true;
	code = rmm_wait_for(job, &ep->stream->rp->keyed);
	code = code ?: requester_keys(&ep->req, IDE_KM_K_SET_GO, 0);
	ep->going = !code;
	return code;
}

static u64 rmm_connect_rp(struct rmm_job *job)
{
	struct rmm_pdev *rp = job->pdev;
	u64 code;

	rp->keyed = true;
	code = rmm_wait_for(job, &rp->stream->ep->going);
	rp->going = !code;
	return code;
}

static u64 rmm_disconnect(struct rmm_job *job)
{
	struct rmm_pdev *pdev = job->pdev;
	u64 code = 0;

	if (pdev->spdm)
		code = requester_keys(&pdev->req, IDE_KM_K_SET_STOP,
				      pdev->key_set);
	if (code)
		return code;
	pdev->keyed = false;
	pdev->going = false;
	return 0;
}

static u64 rmm_key_refresh(struct rmm_job *job)
{
	struct rmm_pdev *pdev = job->pdev;
	u8 next = pdev->key_set ^ IDE_KM_SUB_KEY_SET;
	u64 code;

	if (!pdev->spdm)
		return 0;
	code = requester_keys(&pdev->req, IDE_KM_KEY_PROG, next);
	code = code ?: requester_keys(&pdev->req, IDE_KM_K_SET_GO, next);
	if (!code)
		pdev->key_set = next;
	return code;
}

static u64 rmm_identify(struct rmm_job *job)
{
	struct rmm_pdev *pdev = job->pdev;
	u64 code;

	if (!pdev->spdm)
		return 0;
	pdev->cert_len = 0;
	code = requester_negotiate(&pdev->req);
	return code ?: requester_certificates(&pdev->req);
}

u64 rmm_run_pdev(struct rmm_job *job)
{
	struct rmm_pdev *pdev = job->pdev;

	switch (pdev->op) {
	case POP_CONNECT:
		return pdev->spdm ? rmm_connect_ep(job) : rmm_connect_rp(job);
	case POP_DISCONNECT:
		return rmm_disconnect(job);
	case POP_KEY_REFRESH:
		return rmm_key_refresh(job);
	case POP_STOP:
		return requester_close(&pdev->req);
	default:
		break;
	}
	switch (pdev->state) {
	case P_NEW:
		return rmm_identify(job);
	case P_HAS_KEY:
		return requester_open(&pdev->req);
	default:
		return 0;
	}
}

/* What counts is the state that the device reports */
static u64 rmm_unlock(struct rmm_job *job)
{
	struct requester *r = &job->pdev->req;
	u32 id = job->vdev->tdi_id;
	u64 code, stop;
	u8 state;

	code = requester_tdi_state(r, id, &state);
	if (code || state == TDISP_STATE_UNLOCKED)
		return code;
	stop = requester_tdi_stop(r, id);
	code = requester_tdi_state(r, id, &state);
	if (code)
		return code;
	return state == TDISP_STATE_UNLOCKED ? 0 :
					       stop ?: SOFT_TSM_CODE_WRONG_STATE;
}

static u64 rmm_lock_tdi(struct rmm_job *job)
{
	struct rmm_vdev *vdev = job->vdev;

	return requester_tdi_lock(&job->pdev->req, vdev->tdi_id,
				  TDISP_LOCK_NO_FW_UPDATE, RMM_MMIO_OFFSET,
				  vdev->nonce);
}

u64 rmm_run_vdev(struct rmm_job *job)
{
	struct requester *r = &job->pdev->req;
	struct rmm_vdev *vdev = job->vdev;
	u64 code;

	switch (vdev->op) {
	case VOP_UNLOCK:
		/* The keys first, which the host asks for meanwhile */
		if (vdev->state == V_KEY_REFRESH ||
		    (vdev->state == V_STARTED && rmm_krou))
			return 0;
		if (vdev->state == V_NEW) {
			code = requester_tdi_version(r, vdev->tdi_id);
			if (code)
				return code;
		}
		return rmm_unlock(job);
	case VOP_LOCK:
		return rmm_lock_tdi(job);
	case VOP_START:
		return requester_tdi_start(r, vdev->tdi_id, vdev->nonce);
	case VOP_MEAS:
		return requester_measurements(r);
	case VOP_REPORT:
		return requester_tdi_report(r, vdev->tdi_id);
	default:
		return 0;
	}
}
