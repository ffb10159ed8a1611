// SPDX-License-Identifier: GPL-2.0-only
/* Buffers in pages of the host's, named by scatter list addresses */
#include <linux/bitfield.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "psp_model.h"

#define SLA_SCATTER	BIT_ULL(0)
#define SLA_2M		BIT_ULL(1)
#define SLA_PFN		GENMASK_ULL(51, 12)
#define SLA_RESERVED	(GENMASK_ULL(11, 2) | GENMASK_ULL(63, 52))
#define SLA_END		FIELD_MAX(SLA_PFN)
#define SLA_ENTRIES	(PAGE_SIZE / sizeof(u64))

/* Head of a buffer, and of an object in it */
#define BUF_CAPACITY	0x00
#define BUF_PAYLOAD	0x04
#define BUF_FLAGS	0x08
#define BUF_HDR		0x40
#define OBJ_ID		0x00
#define OBJ_LENGTH	0x04
#define OBJ_MINOR	0x08
#define OBJ_MAJOR	0x09
#define OBJ_DEVICE	0x10
#define OBJ_SEGMENT	0x12
#define OBJ_TYPE	0x13
#define OBJ_EV_HDR	0x20
#define PAYLOAD_ALIGN	32

static u32 psp_buf_add(struct psp_buf *buf, u64 pfn, bool firmware)
{
	if (!pfn_valid(pfn)) {
		fw_violation("address %#llx is no memory", PFN_PHYS(pfn));
		return PSP_INVALID_ADDRESS;
	}
	if (firmware ? !psp_rmp_firmware(pfn) : !psp_rmp_host(pfn)) {
		fw_violation("page %#llx is not the %s's", pfn,
			     firmware ? "firmware" : "host");
		return PSP_INVALID_PAGE_STATE;
	}
	if (buf->npages == PSP_MAX_PAGES)
		return PSP_INVALID_PARAM;
	buf->pfn[buf->npages++] = pfn;
	return PSP_OK;
}

/* Pages of a buffer that has to be the firmware's, or the host's */
u32 psp_buf_get(u64 sla, bool firmware, struct psp_buf *buf)
{
	u64 pfn = FIELD_GET(SLA_PFN, sla);
	const u64 *list;
	u32 status;

	buf->npages = 0;
	if (!pfn || pfn == SLA_END || sla & (SLA_RESERVED | SLA_2M)) {
		fw_violation("scatter list address %#llx", sla);
		return PSP_INVALID_ADDRESS;
	}
	if (!(sla & SLA_SCATTER))
		return psp_buf_add(buf, pfn, firmware);

	if (!pfn_valid(pfn)) {
		fw_violation("scatter list at %#llx", PFN_PHYS(pfn));
		return PSP_INVALID_ADDRESS;
	}
	list = page_address(pfn_to_page(pfn));
	for (u32 i = 0; i < SLA_ENTRIES; i++) {
		u64 entry = FIELD_GET(SLA_PFN, list[i]);

		if (entry == SLA_END)
			return PSP_OK;
		if (!entry || list[i] & (SLA_RESERVED | SLA_2M | SLA_SCATTER)) {
			fw_violation("entry %u of a scatter list is %#llx", i,
				     list[i]);
			return PSP_INVALID_ADDRESS;
		}
		status = psp_buf_add(buf, entry, firmware);
		if (status)
			return status;
	}
	fw_violation("scatter list without end");
	return PSP_INVALID_ADDRESS;
}

void psp_buf_use(const struct psp_buf *buf, enum psp_page_use use)
{
	for (u32 i = 0; i < buf->npages; i++)
		psp_rmp_use(buf->pfn[i], use);
}

void psp_buf_read(const struct psp_buf *buf, u32 off, void *data, u32 len)
{
	while (len) {
		u32 in = offset_in_page(off);
		u32 n = min_t(u32, len, PAGE_SIZE - in);
		u8 *page = page_address(pfn_to_page(buf->pfn[off / PAGE_SIZE]));

		memcpy(data, page + in, n);
		data += n;
		off += n;
		len -= n;
	}
}

void psp_buf_write(const struct psp_buf *buf, u32 off, const void *data,
		   u32 len)
{
	while (len) {
		u32 in = offset_in_page(off);
		u32 n = min_t(u32, len, PAGE_SIZE - in);

		psp_rmp_fw_write(buf->pfn[off / PAGE_SIZE], in, data, n);
		data += n;
		off += n;
		len -= n;
	}
}

/* What the host says of it, no more than it is */
u32 psp_buf_capacity(const struct psp_buf *buf)
{
	u8 hdr[BUF_HDR];
	u32 capacity;

	psp_buf_read(buf, 0, hdr, sizeof(hdr));
	capacity = get_unaligned_le32(hdr + BUF_CAPACITY);
	if (capacity > buf->npages * PAGE_SIZE) {
		fw_violation("capacity %u of %u pages", capacity, buf->npages);
		return 0;
	}
	return capacity;
}

/* Leave an object in the output buffer */
u32 psp_put_object(const struct psp_job *job, u32 id, const void *data, u32 len)
{
	u32 capacity = psp_buf_capacity(&job->output);
	u32 payload = ALIGN(OBJ_EV_HDR + len, PAYLOAD_ALIGN);
	u8 hdr[BUF_HDR + OBJ_EV_HDR] = {};
	u8 *obj = hdr + BUF_HDR;

	if (capacity < BUF_HDR || payload > capacity - BUF_HDR)
		return PSP_INCORRECT_BUFFER_LENGTH;
	put_unaligned_le32(capacity, hdr + BUF_CAPACITY);
	put_unaligned_le32(payload, hdr + BUF_PAYLOAD);
	put_unaligned_le32(id, obj + OBJ_ID);
	put_unaligned_le32(OBJ_EV_HDR + len, obj + OBJ_LENGTH);
	obj[OBJ_MAJOR] = 1;
	put_unaligned_le16(job->dev->device_id, obj + OBJ_DEVICE);
	obj[OBJ_SEGMENT] = job->dev->segment;
	obj[OBJ_TYPE] = 1;
	psp_buf_write(&job->output, 0, hdr, sizeof(hdr));
	psp_buf_write(&job->output, sizeof(hdr), data, len);
	return PSP_OK;
}
