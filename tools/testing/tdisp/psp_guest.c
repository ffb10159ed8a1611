// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of a guest to the firmware. A real guest encrypts them; here the
 * payload is plain, which the host neither knows nor needs to.
 */
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "psp_model.h"

/* Head of a message */
#define MSG_HDR_VERSION		0x31
#define MSG_HDR_SIZE		0x32
#define MSG_TYPE		0x34
#define MSG_SIZE		0x36
#define MSG_HDR			0x60

#define MSG_TDI_INFO		19
#define MSG_MMIO_VALIDATE	21
#define MSG_MMIO_CONFIG		23
#define MSG_SDTE_WRITE		25

/* Payloads */
#define MMIO_GPA		0x10
#define MMIO_PAGES		0x18
#define MMIO_OFFSET		0x1c
#define MMIO_RANGE_ID		0x22
#define MMIO_OK			0
#define MMIO_NOT_ASSIGNED	3
#define MMIO_NOT_REPORTED	8
#define MMIO_OUT_OF_RANGE	9

#define INFO_SIZE		192
#define VALIDATE_SIZE		48
#define SHORT_SIZE		16
#define SDTE_SIZE		80

static const u8 *psp_range(struct psp_tdi *tdi, u16 id)
{
	const u8 *rec = tdi->report.data + TDISP_REPORT_RANGES_OFF;
	u32 nr = get_unaligned_le32(tdi->report.data + TDISP_REPORT_RANGE_COUNT_OFF);

	for (; nr--; rec += TDISP_REPORT_RANGE_SIZE)
		if (get_unaligned_le16(rec + TDISP_RANGE_ID_OFF) == id &&
		    !(get_unaligned_le16(rec + TDISP_RANGE_ATTR_OFF) &
		      TDISP_RANGE_NON_TEE))
			return rec;
	return NULL;
}

static u16 psp_mmio_validate(struct psp_tdi *tdi, const u8 *req)
{
	const u8 *rec = psp_range(tdi, get_unaligned_le16(req + MMIO_RANGE_ID));
	u64 gpa = get_unaligned_le64(req + MMIO_GPA);
	u32 pages = get_unaligned_le32(req + MMIO_PAGES);
	u32 offset = get_unaligned_le32(req + MMIO_OFFSET);
	u64 pfn;

	if (!rec)
		return MMIO_NOT_REPORTED;
	if ((u64)offset + pages >
	    get_unaligned_le32(rec + TDISP_RANGE_PAGES_OFF))
		return MMIO_OUT_OF_RANGE;
	pfn = get_unaligned_le64(rec + TDISP_RANGE_FIRST_PAGE_OFF) -
	      PSP_MMIO_OFFSET + offset;
	for (u32 i = 0; i < pages; i++)
		if (!psp_rmp_guest(pfn + i, tdi->asid, gpa + PFN_PHYS(i)))
			return MMIO_NOT_ASSIGNED;
	for (u32 i = 0; i < pages; i++)
		psp_rmp_validate(pfn + i);
	return MMIO_OK;
}

/* Bytes of the response, 0 for what is not known */
static u16 psp_answer(struct psp_tdi *tdi, u8 type, const u8 *req, u16 len,
		      u8 *rsp)
{
	/* Identifier and status */
	put_unaligned_le16(tdi->guest_id, rsp);
	if (len < 2 || get_unaligned_le16(req) != tdi->guest_id) {
		put_unaligned_le16(1, rsp + 2);
		return SHORT_SIZE;
	}

	switch (type) {
	case MSG_TDI_INFO:
		put_unaligned_le32(BIT(1), rsp + 0x10);
		return INFO_SIZE;
	case MSG_MMIO_VALIDATE:
		if (len != VALIDATE_SIZE)
			return 0;
		put_unaligned_le16(psp_mmio_validate(tdi, req), rsp + 2);
		return VALIDATE_SIZE;
	case MSG_MMIO_CONFIG:
		return SHORT_SIZE;
	case MSG_SDTE_WRITE:
		if (len != SDTE_SIZE)
			return 0;
		tdi->sdte = true;
		return SHORT_SIZE;
	default:
		return 0;
	}
}

u32 psp_guest_message(struct psp_job *job)
{
	u64 req_pfn = PHYS_PFN(get_unaligned_le64(job->data + 0x40));
	u64 rsp_pfn = PHYS_PFN(get_unaligned_le64(job->data + 0x48));
	const u8 *req = page_address(pfn_to_page(req_pfn));
	u8 rsp[MSG_HDR + INFO_SIZE] = {};
	u16 len;

	if (get_unaligned_le16(req + MSG_HDR_SIZE) != MSG_HDR ||
	    get_unaligned_le16(req + MSG_SIZE) > PAGE_SIZE - MSG_HDR)
		return PSP_INVALID_PARAM;
	len = psp_answer(job->tdi, req[MSG_TYPE], req + MSG_HDR,
			 get_unaligned_le16(req + MSG_SIZE), rsp + MSG_HDR);
	if (!len)
		return PSP_INVALID_PARAM;

	memcpy(rsp, req, MSG_HDR);
	rsp[MSG_TYPE] = req[MSG_TYPE] + 1;
	put_unaligned_le16(len, rsp + MSG_SIZE);
	psp_rmp_fw_write(rsp_pfn, 0, rsp, MSG_HDR + len);
	return PSP_OK;
}
