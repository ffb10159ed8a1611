// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest's TSM does with a device that is bound to it: it reads evidence,
 * of which it believes nothing before it has looked at it, and then accepts
 * MMIO and DMA.
 */
#include <linux/iommufd.h>
#include <linux/pci.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "guest.h"
#include "soft-tsm.h"
#include "tdisp-proto.h"
#include "tsm-testcall.h"

#define CERT_HASH_SIZE		48	/* SHA-384 */
#define CERT_CHAIN_HDR		(4 + CERT_HASH_SIZE)

/* In portions of a page; whoever answers may claim anything */
static int read_object(struct guest_dev *dev, u32 type, u8 *buf, u32 *len)
{
	__le32 total = 0;
	struct guest_call call = {
		.nr = TSM_CALL_OBJECT_INFO,
		.arg = { type },
		.buf = &total,
		.buf_len = sizeof(total),
	};
	int rc;

	rc = guest_call(dev, &call);
	if (rc)
		return rc;
	*len = le32_to_cpu(total);
	if (call.buf_len != sizeof(total) || *len > GUEST_MAX_OBJECT)
		return -EBADMSG;

	for (u32 off = 0; off < *len; off += call.buf_len) {
		u32 left = min_t(u32, *len - off, SZ_4K);

		call = (struct guest_call) {
			.nr = TSM_CALL_READ_OBJECT,
			.arg = { type, off },
			.buf = buf + off,
			.buf_len = left,
		};
		rc = guest_call(dev, &call);
		if (rc)
			return rc;
		if (!call.buf_len)
			return -EBADMSG;
	}
	return 0;
}

/* ASN.1 SEQUENCE: its size with the header, 0 if it is none, or longer */
static u32 der_size(const u8 *p, u32 left)
{
	u32 size;

	if (left < 4 || p[0] != 0x30 || p[1] != 0x82)
		return 0;
	size = 4 + get_unaligned_be16(p + 2);
	return size <= left ? size : 0;
}

/*
 * The form of the chain: lengths, and certificates that fill it. The root is a
 * test device's, there is nothing to compare it with.
 */
static int verify_cert(const u8 *chain, u32 len)
{
	u32 off = CERT_CHAIN_HDR;

	if (len <= CERT_CHAIN_HDR || get_unaligned_le16(chain) != len)
		return -EBADMSG;
	while (off < len) {
		u32 size = der_size(chain + off, len - off);

		if (!size)
			return -EBADMSG;
		off += size;
	}
	return 0;
}

/* Measurements that are older than the nonce cannot have it */
static int attest_meas(struct guest_dev *dev, u8 *buf)
{
	u8 nonce[SOFT_TSM_MEAS_NONCE_SIZE], sent[SOFT_TSM_MEAS_NONCE_SIZE];
	struct guest_call call = {
		.nr = TSM_CALL_REGEN_OBJECT,
		.arg = { IOMMU_TSM_OBJECT_MEAS },
		.buf = sent,
		.buf_len = sizeof(sent),
	};
	u32 len;
	int rc;

	get_random_bytes(nonce, sizeof(nonce));
	memcpy(sent, nonce, sizeof(sent));
	rc = guest_call(dev, &call);
	rc = rc ?: read_object(dev, IOMMU_TSM_OBJECT_MEAS, buf, &len);
	if (rc)
		return rc;
	if (len <= sizeof(nonce) || memcmp(buf, nonce, sizeof(nonce))) {
		guest_say("measurements are not fresh");
		return -EBADMSG;
	}
	return 0;
}

/*
 * Where a range is in its BAR. Addresses in the report are obscured by an offset,
 * the same for all: the first range of a BAR stands at its start.
 */
static u64 range_offset(const struct guest_dev *dev, u32 nr)
{
	u64 first = dev->range[nr].first_page;

	for (u32 i = 0; i < dev->nr_ranges; i++)
		if (dev->range[i].bar == dev->range[nr].bar)
			first = min(first, dev->range[i].first_page);
	return (dev->range[nr].first_page - first) * SZ_4K;
}

static int parse_report(struct guest_dev *dev, const u8 *report, u32 len)
{
	u32 nr;

	if (len < TDISP_REPORT_RANGES_OFF)
		return -EBADMSG;
	nr = get_unaligned_le32(report + TDISP_REPORT_RANGE_COUNT_OFF);
	if (!nr || nr > GUEST_MAX_RANGES ||
	    len < TDISP_REPORT_RANGES_OFF + nr * TDISP_REPORT_RANGE_SIZE)
		return -EBADMSG;
	for (u32 i = 0; i < nr; i++) {
		const u8 *rec = report + TDISP_REPORT_RANGES_OFF +
				i * TDISP_REPORT_RANGE_SIZE;
		struct guest_range *range = &dev->range[i];

		range->first_page =
			get_unaligned_le64(rec + TDISP_RANGE_FIRST_PAGE_OFF);
		range->nr_pages =
			get_unaligned_le32(rec + TDISP_RANGE_PAGES_OFF);
		range->attr = get_unaligned_le16(rec + TDISP_RANGE_ATTR_OFF);
		range->bar = get_unaligned_le16(rec + TDISP_RANGE_ID_OFF);
	}
	dev->nr_ranges = nr;
	return 0;
}

/* Each range is inside of a BAR, and together they fill the memory BARs */
static int verify_ranges(struct guest_dev *dev)
{
	u64 filled[PCI_STD_NUM_BARS] = {};

	for (u32 i = 0; i < dev->nr_ranges; i++) {
		struct guest_range *range = &dev->range[i];
		u64 size;

		if (range->bar >= PCI_STD_NUM_BARS || !range->nr_pages)
			return -EBADMSG;
		range->offset = range_offset(dev, i);
		size = (u64)range->nr_pages * SZ_4K;
		if (range->offset != filled[range->bar])
			return -EBADMSG;
		filled[range->bar] += size;
		if (filled[range->bar] >
		    pci_resource_len(dev->pdev, range->bar))
			return -EBADMSG;
	}
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		if (filled[i] != pci_resource_len(dev->pdev, i))
			return -EBADMSG;
	return 0;
}

int guest_attest(struct guest_dev *dev)
{
	u8 *buf __free(kfree) = kzalloc(GUEST_MAX_OBJECT, GFP_KERNEL);
	u32 len;
	int rc;

	if (!buf)
		return -ENOMEM;
	dev->nr_ranges = 0;
	rc = read_object(dev, IOMMU_TSM_OBJECT_CERT, buf, &len);
	if (rc)
		return rc;
	rc = verify_cert(buf, len);
	if (rc) {
		guest_say("certificates do not verify");
		return rc;
	}
	rc = attest_meas(dev, buf);
	rc = rc ?: read_object(dev, IOMMU_TSM_OBJECT_REPORT, buf, &len);
	if (rc)
		return rc;
	rc = parse_report(dev, buf, len);
	rc = rc ?: verify_ranges(dev);
	if (rc) {
		guest_say("the report does not fit the device");
		dev->nr_ranges = 0;
	}
	return rc;
}

static int enable_dma(struct guest_dev *dev)
{
	struct soft_tsm_msg msg = { .type = SOFT_TSM_MSG_ENABLE_DMA };
	struct guest_call call = {
		.nr = TSM_CALL_GUEST_MSG,
		.arg = { sizeof(msg) },
		.buf = &msg,
		.buf_len = sizeof(msg),
	};

	return guest_call(dev, &call);
}

int guest_accept(struct guest_dev *dev)
{
	int rc;

	if (!dev->nr_ranges) {
		guest_say("there is no report to accept ranges of");
		return -ENODATA;
	}
	for (u32 i = 0; i < dev->nr_ranges; i++) {
		const struct guest_range *range = &dev->range[i];
		struct guest_call call = {
			.nr = TSM_CALL_ACCEPT_MMIO,
			.arg = {
				pci_resource_start(dev->pdev, range->bar) +
				range->offset,
				(u64)range->nr_pages * SZ_4K,
				range->first_page * SZ_4K,
			},
		};

		if (range->attr & TDISP_RANGE_NON_TEE)
			continue;
		rc = guest_call(dev, &call);
		if (rc)
			return rc;
	}
	return enable_dma(dev);
}

int guest_tdi_state(struct guest_dev *dev, u32 *state)
{
	struct {
		struct soft_tsm_msg msg;
		struct soft_tsm_msg_tdi_state resp;
	} buf = { .msg.type = SOFT_TSM_MSG_GET_TDI_STATE };
	struct guest_call call = {
		.nr = TSM_CALL_GUEST_MSG,
		.arg = { sizeof(buf.msg) },
		.buf = &buf,
		.buf_len = sizeof(buf),
	};
	int rc;

	rc = guest_call(dev, &call);
	if (rc)
		return rc;
	if (call.buf_len != sizeof(buf.resp))
		return -EBADMSG;
	/* The answer is where the message was */
	memcpy(state, &buf, sizeof(*state));
	return 0;
}
