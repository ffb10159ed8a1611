// SPDX-License-Identifier: GPL-2.0-only
/* The model of AMD's PSP, and messages of SNP guests */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tdisp_lib.h"
#include "psp.h"

/* Head of a message */
#define MSG_ALGO	0x30
#define MSG_HDR_VERSION	0x31
#define MSG_HDR_SIZE	0x32
#define MSG_TYPE	0x34
#define MSG_VERSION	0x35
#define MSG_SIZE	0x36

#define MMIO_SIZE	48

const struct fwmodel psp_model = {
	.module = "psp_model",
	.file = "TDISP_PSP_MODEL_KO",
	.arch = IOMMU_TVM_ARCH_SEV,
};

int psp_get_state(struct psp_state *state)
{
	char buf[512];
	int rc;

	rc = fwmodel_read(&psp_model, "state", buf, sizeof(buf));
	if (rc)
		return rc;
	return sscanf(buf,
		      "violations %u refused %u pending %u firmware %u context %u guest %u leaked %u devices %u tdis %u bound %u",
		      &state->violations, &state->refused, &state->pending,
		      &state->firmware, &state->context, &state->guest,
		      &state->leaked, &state->devices, &state->tdis,
		      &state->bound) == 10 ? 0 : -EBADMSG;
}

int psp_raw(u32 cmd, u32 flags)
{
	return fwmodel_write(&psp_model, "raw", "%#x %#x", cmd, flags);
}

int psp_fence(u32 guest)
{
	return fwmodel_write(&psp_model, "fence", "%u", guest);
}

static void put_le16(u8 *buf, u16 val)
{
	buf[0] = val;
	buf[1] = val >> 8;
}

static u16 get_le16(const u8 *buf)
{
	return buf[0] | buf[1] << 8;
}

void psp_msg(u8 *page, u8 type, const void *payload, u16 len)
{
	memset(page, 0, PSP_MSG_PAGE);
	page[MSG_ALGO] = 1;
	page[MSG_HDR_VERSION] = 1;
	put_le16(page + MSG_HDR_SIZE, PSP_MSG_HDR);
	page[MSG_TYPE] = type;
	page[MSG_VERSION] = 1;
	put_le16(page + MSG_SIZE, len);
	memcpy(page + PSP_MSG_HDR, payload, len);
}

int psp_send_msg(struct tdi *tdi, u8 *page, u32 *len)
{
	u8 resp[PSP_MSG_PAGE] = {};
	struct iommu_vdevice_tsm_req cmd =
		tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, page,
			PSP_MSG_PAGE, resp, sizeof(resp));
	int rc;

	rc = tsm_req(tdi->vmm, &cmd);
	tdi->tsm_code = cmd.tsm_code;
	if (rc)
		return rc;
	*len = cmd.resp_len;
	memcpy(page, resp, sizeof(resp));
	return 0;
}

u16 psp_msg_status(const u8 *page)
{
	return get_le16(page + PSP_MSG_HDR + 2);
}

int psp_mmio_validate(struct tdi *tdi, u64 gpa, u32 pages, u16 id, u16 *status)
{
	u8 page[PSP_MSG_PAGE], payload[MMIO_SIZE] = {};
	u32 len;
	int rc;

	put_le16(payload, TDI_VIRT_ID + (tdi->fn->rid & 7));
	memcpy(payload + 0x10, &gpa, sizeof(gpa));
	memcpy(payload + 0x18, &pages, sizeof(pages));
	put_le16(payload + 0x20, 1);
	put_le16(payload + 0x22, id);
	psp_msg(page, PSP_MSG_MMIO_VALIDATE, payload, sizeof(payload));
	rc = psp_send_msg(tdi, page, &len);
	if (!rc)
		*status = psp_msg_status(page);
	return rc ?: len == PSP_MSG_HDR + MMIO_SIZE ? 0 : -EBADMSG;
}
