// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions and streams. Their numbers, operands and order are known from public
 * postings; which status is the answer to what is not, and picked by its name.
 */
#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pci_regs.h>
#include <linux/pfn.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "tdxm.h"

#define FUNC_RID		GENMASK(15, 0)
#define FUNC_RESERVED		GENMASK_ULL(63, 25)

#define TDXM_FIRST_SPDM		0x40
#define TDXM_REQ_SESSION_ID	3
/* Bytes of an object in a response, which has a page with all around it */
#define TDXM_PORTION		(PAGE_SIZE - 128)

/* Configuration of a session */
#define CONFIG_CAPS		0
#define CONFIG_SLOTS		5
#define CONFIG_SIZE		7

#define KM_SETUP		0
#define KM_REFRESH		1
#define KM_STOP			2

#define MNG_HEARTBEAT		0
#define MNG_KEY_UPDATE		1
#define MNG_RECOLLECT		2

LIST_HEAD(tdxm_spdms);
LIST_HEAD(tdxm_streams);
static u64 tdxm_next_spdm = TDXM_FIRST_SPDM;

struct tdxm_spdm *tdxm_find_spdm(u64 id)
{
	struct tdxm_spdm *spdm;

	list_for_each_entry(spdm, &tdxm_spdms, node)
		if (spdm->id == id)
			return spdm;
	return NULL;
}

struct tdxm_stream *tdxm_find_stream(u64 id)
{
	struct tdxm_stream *stream;

	list_for_each_entry(stream, &tdxm_streams, node)
		if (stream->id == id)
			return stream;
	return NULL;
}

static struct tdxm_stream *tdxm_stream_of(const struct tdxm_spdm *spdm)
{
	struct tdxm_stream *stream;

	list_for_each_entry(stream, &tdxm_streams, node)
		if (stream->spdm == spdm)
			return stream;
	return NULL;
}

u64 tdxm_spdm_create(struct tdxm_call *c)
{
	u64 func_id = c->args->rcx;
	struct tdxm_spdm *spdm;
	u64 status;

	if (func_id & FUNC_RESERVED) {
		fw_violation("function %#llx", func_id);
		return TDXM_OPERAND_INVALID;
	}
	list_for_each_entry(spdm, &tdxm_spdms, node)
		if (spdm->func_id == func_id)
			return fw_refuse(TDXM_SPDM_INVALID_STATE, "exists");
	spdm = kzalloc_obj(*spdm);
	if (!spdm)
		return TDXM_BUSY;
	status = tdxm_pages_get(c->args->rdx, &spdm->mt);
	status = status ?: tdxm_pages_take(&spdm->mt);
	if (status) {
		kfree(spdm);
		return status;
	}
	spdm->id = tdxm_next_spdm++;
	spdm->func_id = func_id;
	spdm->requester.exchange = tdxm_exchange;
	spdm->requester.req_session_id = TDXM_REQ_SESSION_ID;
	spdm->requester.portion = TDXM_PORTION;
	list_add(&spdm->node, &tdxm_spdms);
	c->args->rcx = spdm->id;
	return TDXM_OK;
}

/* The pages, as an array of their addresses where the host wants it */
static u64 tdxm_give_back(struct tdxm_call *c, u64 array,
			  const struct tdxm_pages *pages)
{
	u64 pa = array & GENMASK_ULL(51, 12);
	__le64 *list;

	if (!tdxm_host_page(pa) || array >> 55 != pages->nr - 1 ||
	    array & (GENMASK_ULL(11, 0) | GENMASK_ULL(54, 52))) {
		fw_violation("%s: array %#llx for %u pages", c->name, array,
			     pages->nr);
		return TDXM_OPERAND_INVALID;
	}
	list = page_address(pfn_to_page(PHYS_PFN(pa)));
	for (u32 i = 0; i < pages->nr; i++)
		list[i] = cpu_to_le64(PFN_PHYS(pages->pfn[i]));
	if (pages->nr == 1)
		pa = PFN_PHYS(pages->pfn[0]);
	tdxm_pages_release(pages);
	c->args->rcx = pa | (u64)(pages->nr - 1) << 55;
	return TDXM_OK;
}

static void tdxm_spdm_free(struct tdxm_spdm *spdm)
{
	tdxm_job_cancel(spdm);
	list_del(&spdm->node);
	kvfree(spdm->cert.data);
	kfree(spdm);
}

u64 tdxm_spdm_delete(struct tdxm_call *c)
{
	struct tdxm_spdm *spdm = tdxm_find_spdm(c->args->rcx);
	u64 status;

	if (!spdm)
		return fw_refuse(TDXM_OPERAND_INVALID, "session");
	if (tdxm_stream_of(spdm))
		return fw_refuse(TDXM_SPDM_INVALID_STATE, "it has a stream");
	if (spdm->connected)
		return fw_refuse(TDXM_SPDM_INVALID_STATE, "it is connected");
	status = tdxm_give_back(c, c->args->rdx, &spdm->mt);
	if (status)
		return status;
	tdxm_spdm_free(spdm);
	return TDXM_OK;
}

/* Length and bytes of the certificate chain, then measurements */
static u64 tdxm_run_devinfo(struct tdxm_job *job)
{
	const struct requester_object *cert = &job->spdm->cert;
	struct tdisp_span meas;
	__le32 len;
	u64 code;

	code = requester_measurements(&job->spdm->requester, &meas);
	if (code)
		return code;
	len = cpu_to_le32(cert->len);
	code = tdxm_job_output(job, 0, &len, sizeof(len));
	code = code ?: tdxm_job_output(job, sizeof(len), cert->data, cert->len);
	code = code ?: tdxm_job_output(job, sizeof(len) + cert->len, meas.data,
				       meas.len);
	job->out = sizeof(len) + cert->len + meas.len;
	return code;
}

static u64 tdxm_run_connect(struct tdxm_job *job)
{
	struct requester *r = &job->spdm->requester;
	u64 code, len;

	code = requester_negotiate(r);
	code = code ?: requester_certificates(r, &job->spdm->cert);
	code = code ?: tdxm_run_devinfo(job);
	if (code)
		return code;
	len = job->out;
	code = requester_open(r);
	if (code)
		return code;
	job->out = len;
	job->spdm->connected = true;
	return 0;
}

u64 tdxm_spdm_connect(struct tdxm_call *c)
{
	struct tdxm_spdm *spdm = tdxm_find_spdm(c->args->rcx);
	const u8 *config;

	if (!spdm)
		return fw_refuse(TDXM_OPERAND_INVALID, "session");
	if (spdm->connected)
		return fw_refuse(TDXM_SPDM_INVALID_STATE, "connected already");
	if (!tdxm_host_page(c->args->rdx)) {
		fw_violation("configuration at %#llx", c->args->rdx);
		return TDXM_OPERAND_INVALID;
	}
	config = page_address(pfn_to_page(PHYS_PFN(c->args->rdx)));
	if (get_unaligned_le32(config + CONFIG_CAPS) &
	    ~(u32)(BIT(13) | BIT(14)) || !config[CONFIG_SLOTS] ||
	    memchr_inv(config + CONFIG_SIZE, 0, PAGE_SIZE - CONFIG_SIZE)) {
		fw_violation("configuration of a session");
		return TDXM_OPERAND_INVALID;
	}
	return tdxm_job_start(c, spdm, NULL, c->args->r8, c->args->r9,
			      c->args->r10, tdxm_run_connect);
}

static u64 tdxm_run_disconnect(struct tdxm_job *job)
{
	/* That it was called is what counts */
	job->spdm->connected = false;
	return requester_close(&job->spdm->requester);
}

u64 tdxm_spdm_disconnect(struct tdxm_call *c)
{
	struct tdxm_spdm *spdm = tdxm_find_spdm(c->args->rcx);

	if (!spdm)
		return fw_refuse(TDXM_OPERAND_INVALID, "session");
	if (tdxm_stream_of(spdm))
		return fw_refuse(TDXM_SPDM_INVALID_STATE, "it has a stream");
	return tdxm_job_start(c, spdm, NULL, c->args->rdx, c->args->r8, 0,
			      tdxm_run_disconnect);
}

/* There is no cipher, and so no message that would bring a key */
static u64 tdxm_run_key_update(struct tdxm_job *job)
{
	job->spdm->refresh = false;
	job->spdm->fresh = true;
	return 0;
}

u64 tdxm_spdm_mng(struct tdxm_call *c)
{
	struct tdxm_spdm *spdm = tdxm_find_spdm(c->args->rcx);

	if (!spdm)
		return fw_refuse(TDXM_OPERAND_INVALID, "session");
	switch (c->args->rdx) {
	case MNG_KEY_UPDATE:
		return tdxm_job_start(c, spdm, NULL, c->args->r9, c->args->r10,
				      0, tdxm_run_key_update);
	case MNG_RECOLLECT:
		if (!spdm->connected)
			return fw_refuse(TDXM_SPDM_INVALID_STATE,
					 "not connected");
		return tdxm_job_start(c, spdm, NULL, c->args->r9, c->args->r10,
				      c->args->r11, tdxm_run_devinfo);
	case MNG_HEARTBEAT:
	default:
		fw_violation("operation %llu of SPDM_MNG", c->args->rdx);
		return TDXM_OPERAND_INVALID;
	}
}

u64 tdxm_stream_create(struct tdxm_call *c)
{
	struct tdxm_spdm *spdm = tdxm_find_spdm(c->args->rdx);
	u64 id = FIELD_GET(PCI_IDE_SEL_CTL_ID, c->args->r9);
	struct tdxm_stream *stream;
	u64 status;

	if (!spdm)
		return fw_refuse(TDXM_OPERAND_INVALID, "session");
	if (!spdm->connected)
		return fw_refuse(TDXM_SPDM_INVALID_STATE, "not connected");
	if (tdxm_stream_of(spdm) || tdxm_find_stream(id))
		return fw_refuse(TDXM_STREAM_INVALID_STATE, "exists");
	/* Selective, with a range of requester IDs and of addresses */
	if ((c->args->rcx & ~0xffULL) != BIT(8) ||
	    !(c->args->r11 & PCI_IDE_SEL_RID_2_VALID) ||
	    c->args->r9 & ~(u64)PCI_IDE_SEL_CTL_ID ||
	    !(c->args->r12 & PCI_IDE_SEL_ADDR_1_VALID)) {
		fw_violation("stream %#llx %#llx %#llx %#llx", c->args->rcx,
			     c->args->r9, c->args->r11, c->args->r12);
		return TDXM_OPERAND_INVALID;
	}
	stream = kzalloc_obj(*stream);
	if (!stream)
		return TDXM_BUSY;
	status = tdxm_pages_get(c->args->r8, &stream->mt);
	status = status ?: tdxm_pages_take(&stream->mt);
	if (status) {
		kfree(stream);
		return status;
	}
	stream->id = id;
	stream->spdm = spdm;
	stream->rid_limit = FIELD_GET(PCI_IDE_SEL_RID_1_LIMIT, c->args->r10);
	stream->rid_base = FIELD_GET(PCI_IDE_SEL_RID_2_BASE, c->args->r11);
	spdm->requester.stream_id = id;
	list_add(&stream->node, &tdxm_streams);
	c->args->rcx = id;
	c->args->rdx = 0;
	return TDXM_OK;
}

static struct tdxm_stream *tdxm_stream_operand(struct tdxm_call *c)
{
	struct tdxm_stream *stream = tdxm_find_stream(c->args->rdx);

	return stream && stream->spdm->id == c->args->rcx ? stream : NULL;
}

u64 tdxm_stream_block(struct tdxm_call *c)
{
	struct tdxm_stream *stream = tdxm_stream_operand(c);

	if (!stream)
		return fw_refuse(TDXM_OPERAND_INVALID, "stream");
	if (stream->blocked)
		return fw_refuse(TDXM_STREAM_INVALID_STATE, "blocked already");
	stream->blocked = true;
	tdxm_stream_dma(stream);
	return TDXM_OK;
}

static void tdxm_stream_free(struct tdxm_stream *stream)
{
	list_del(&stream->node);
	kfree(stream);
}

u64 tdxm_stream_delete(struct tdxm_call *c)
{
	struct tdxm_stream *stream = tdxm_stream_operand(c);
	u64 status;

	if (!stream)
		return fw_refuse(TDXM_OPERAND_INVALID, "stream");
	if (!stream->blocked)
		return fw_refuse(TDXM_STREAM_INVALID_STATE, "not blocked");
	if (tdxm_stream_in_use(stream))
		return fw_refuse(TDXM_STREAM_INVALID_STATE, "it has TDIs");
	status = tdxm_give_back(c, c->args->r8, &stream->mt);
	if (status)
		return status;
	tdxm_stream_free(stream);
	return TDXM_OK;
}

static u64 tdxm_run_km_setup(struct tdxm_job *job)
{
	struct requester *r = &job->spdm->requester;
	u64 code;

	code = requester_keys(r, IDE_KM_KEY_PROG, 0);
	code = code ?: requester_keys(r, IDE_KM_K_SET_GO, 0);
	if (!code)
		tdxm_stream_of(job->spdm)->keys = true;
	return code;
}

static u64 tdxm_run_km_stop(struct tdxm_job *job)
{
	u64 code;

	code = requester_keys(&job->spdm->requester, IDE_KM_K_SET_STOP, 0);
	if (!code)
		tdxm_stream_of(job->spdm)->keys = false;
	return code;
}

u64 tdxm_stream_km(struct tdxm_call *c)
{
	struct tdxm_stream *stream = tdxm_stream_operand(c);
	u64 (*run)(struct tdxm_job *job);

	if (!stream)
		return fw_refuse(TDXM_OPERAND_INVALID, "stream");
	if (stream->blocked)
		return fw_refuse(TDXM_STREAM_INVALID_STATE, "blocked");
	switch (c->args->r8) {
	case KM_SETUP:
		if (stream->keys)
			return fw_refuse(TDXM_STREAM_INVALID_STATE, "has keys");
		run = tdxm_run_km_setup;
		break;
	case KM_STOP:
		run = tdxm_run_km_stop;
		break;
	case KM_REFRESH:
	default:
		fw_violation("operation %llu of IDE_STREAM_KM", c->args->r8);
		return TDXM_OPERAND_INVALID;
	}
	return tdxm_job_start(c, stream->spdm, NULL, c->args->r9, c->args->r10,
			      0, run);
}

/* A new module, which knows nothing */
void tdxm_link_exit(void)
{
	struct tdxm_stream *stream, *next_stream;
	struct tdxm_spdm *spdm, *next;

	guard(mutex)(&fw_lock);
	list_for_each_entry_safe(stream, next_stream, &tdxm_streams, node)
		tdxm_stream_free(stream);
	list_for_each_entry_safe(spdm, next, &tdxm_spdms, node)
		tdxm_spdm_free(spdm);
}
