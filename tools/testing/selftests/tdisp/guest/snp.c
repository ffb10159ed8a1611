// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of an SNP guest to the PSP about its device: the VMM carries them, and
 * is not told more than their type. They are encrypted in reality; the model of
 * the PSP takes them as they are.
 */
#include "guest.h"

#define PAGE			GHCI_MSG_SIZE

/* Head of a message */
#define MSG_HDR			0x60
#define MSG_ALGO		0x30
#define MSG_HDR_VERSION		0x31
#define MSG_HDR_SIZE		0x32
#define MSG_TYPE		0x34
#define MSG_VERSION		0x35
#define MSG_SIZE		0x36

/* The response is the next number */
#define MSG_TDI_INFO		19
#define MSG_MMIO_VALIDATE	21

/* Payloads start with the ID of the TDI, those of responses have a status */
#define PAYLOAD_STATUS		2
#define TDI_INFO_SIZE		16
#define TDI_INFO_RSP_SIZE	192
#define VALIDATE_SIZE		48
#define VALIDATE_GPA		0x10
#define VALIDATE_PAGES		0x18
#define VALIDATE_FLAGS		0x20
#define VALIDATE_FLAG_VALIDATED	1
#define VALIDATE_RANGE		0x22

static u8 page[PAGE];

static void put_le16(u8 *p, u32 val)
{
	p[0] = val;
	p[1] = val >> 8;
}

static u32 get_le16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

/*
 * Send the message whose payload of @len bytes stands in @page. The response is
 * there then, and @rsp_len bytes of payload in it: anybody may have made it up.
 */
static u32 send_message(struct guest_fn *fn, u8 type, u32 len, u32 rsp_len)
{
	struct ghci_call call = {
		.nr = GHCI_GUEST_MSG,
		.buf = (u64)page,
		.buf_len = PAGE,
	};
	u32 status;

	page[MSG_ALGO] = 1;
	page[MSG_HDR_VERSION] = 1;
	put_le16(page + MSG_HDR_SIZE, MSG_HDR);
	page[MSG_TYPE] = type;
	page[MSG_VERSION] = 1;
	put_le16(page + MSG_SIZE, len);
	put_le16(page + MSG_HDR, fn->tdi_id);

	if (ghci_fn(fn, &call) != GHCI_OK)
		return GUEST_CALL_FAILED;
	if (page[MSG_TYPE] != type + 1 ||
	    get_le16(page + MSG_SIZE) != rsp_len ||
	    get_le16(page + MSG_HDR) != fn->tdi_id)
		return GUEST_BAD_MSG;
	status = get_le16(page + MSG_HDR + PAYLOAD_STATUS);
	job->val[0] = status;
	return status ? GUEST_REFUSED : GUEST_OK;
}

/* Is it the PSP that has bound the TDI to us, and not just the VMM who says so? */
u32 snp_tdi_info(struct guest_fn *fn)
{
	memset(page, 0, PAGE);
	return send_message(fn, MSG_TDI_INFO, TDI_INFO_SIZE, TDI_INFO_RSP_SIZE);
}

/* Have the PSP validate a range of MMIO, which is ours in the RMP by now */
u32 snp_validate(struct guest_fn *fn, u64 gpa, u32 pages, u16 range)
{
	u8 *payload = page + MSG_HDR;

	memset(page, 0, PAGE);
	memcpy(payload + VALIDATE_GPA, &gpa, sizeof(gpa));
	memcpy(payload + VALIDATE_PAGES, &pages, sizeof(pages));
	put_le16(payload + VALIDATE_FLAGS, VALIDATE_FLAG_VALIDATED);
	put_le16(payload + VALIDATE_RANGE, range);
	return send_message(fn, MSG_MMIO_VALIDATE, VALIDATE_SIZE,
			    VALIDATE_SIZE);
}
