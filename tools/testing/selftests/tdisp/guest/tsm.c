// SPDX-License-Identifier: GPL-2.0-only
/*
 * The part of the guest that would be its TSM, or the firmware it asks: it has
 * the VMM forward requests about the device, and believes none of the answers
 * before it has looked at them.
 */
#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "guest.h"

#define PAGE			4096

/* Evidence, certificates and measurements one after the other */
static u8 object[GHCI_MAX_BUF];

static u32 get_le16(const u8 *p)
{
	return p[0] | p[1] << 8;
}

/* A call that has no buffer and no arguments */
static u32 simple_call(const struct guest_fn *fn, u32 nr)
{
	struct ghci_call call = { .nr = nr };

	return ghci_fn(fn, &call) == GHCI_OK ? GUEST_OK : GUEST_CALL_FAILED;
}

/*
 * As the guest of a TD does it: the VMM may take its time, and nobody promises
 * an end of it. The pauses are what counts, calls come on top.
 */
static u32 bind_async(struct guest_fn *fn, u64 limit)
{
	struct ghci_call call;

	fn->report_len = 0;
	job->val[0] = 0;
	if (simple_call(fn, GHCI_BIND_ASYNC) != GUEST_OK)
		return GUEST_CALL_FAILED;
	for (u64 ms = 0; ; ms += GUEST_POLL_MS) {
		call = (struct ghci_call) { .nr = GHCI_BIND_STATUS };
		if (ghci_fn(fn, &call) != GHCI_BUSY)
			break;
		job->val[0]++;
		if (ms >= limit)
			return GUEST_TOO_LATE;
		cpu_sleep(GUEST_POLL_MS);
	}
	return call.status == GHCI_OK ? GUEST_OK : GUEST_CALL_FAILED;
}

u32 tsm_bind_async(struct guest_fn *fn)
{
	return bind_async(fn, job->arg[0] ?: GUEST_BIND_MS);
}

u32 tsm_bind(struct guest_fn *fn)
{
	if (job->flags & GUEST_TD)
		return bind_async(fn, GUEST_BIND_MS);
	fn->report_len = 0;
	return simple_call(fn, GHCI_BIND);
}

/* Of a TD the module lets nobody start it before the TD has said so */
u32 tsm_start(struct guest_fn *fn)
{
	u32 verdict = GUEST_OK;

	if (job->flags & GUEST_TD)
		verdict = td_ask(fn, TDXM_GUEST_START);
	return verdict == GUEST_OK ? simple_call(fn, GHCI_START) : verdict;
}

u32 tsm_unbind(struct guest_fn *fn)
{
	fn->report_len = 0;
	return simple_call(fn, GHCI_UNBIND);
}

/*
 * Read an object in portions of a page, as a buffer shared with the host would
 * have. The VMM, or the TSM, may claim anything.
 */
static bool read_object(struct guest_fn *fn, u32 type, u8 *buf, u32 size,
			u32 *len)
{
	u32 total = 0;
	struct ghci_call call = {
		.nr = GHCI_OBJECT_INFO,
		.arg = { type },
		.buf = (u64)&total,
		.buf_len = sizeof(total),
	};

	if (ghci_fn(fn, &call) != GHCI_OK || call.buf_len != sizeof(total))
		return false;
	/* Once, and no more than there is room for */
	*len = READ_ONCE(total);
	if (*len > size)
		return false;

	for (u32 off = 0; off < *len; off += call.buf_len) {
		u32 left = min_t(u32, *len - off, PAGE);

		call = (struct ghci_call) {
			.nr = GHCI_READ_OBJECT,
			.arg = { type, off },
			.buf = (u64)buf + off,
			.buf_len = left,
		};
		if (ghci_fn(fn, &call) != GHCI_OK || !call.buf_len ||
		    call.buf_len > left)
			return false;
	}
	return true;
}

/* ASN.1 SEQUENCE: its size with the header, 0 if it is none, or longer */
static u32 der_size(const u8 *p, u32 left)
{
	u32 size;

	if (left < 4 || p[0] != 0x30 || p[1] != 0x82)
		return 0;
	size = 4 + (p[2] << 8 | p[3]);
	return size <= left ? size : 0;
}

#define CERT_HASH_SIZE		48	/* SHA-384 */
#define CERT_CHAIN_HDR		(4 + CERT_HASH_SIZE)

/*
 * The form of the chain: lengths, and certificates that fill it. Whether the
 * root is one to trust is known to nobody here, it is a test device's.
 */
static bool verify_cert(const u8 *chain, u32 len)
{
	u32 off = CERT_CHAIN_HDR;

	if (len <= CERT_CHAIN_HDR || get_le16(chain) != len)
		return false;
	while (off < len) {
		u32 size = der_size(chain + off, len - off);

		if (!size)
			return false;
		off += size;
	}
	return true;
}

/* A MEASUREMENTS response, whose lengths add up */
static bool verify_meas(const u8 *rsp, u32 len)
{
	u32 blocks, record, off = SPDM_MEAS_RSP_HDR_SIZE;

	if (len < SPDM_MEAS_RSP_HDR_SIZE + SPDM_MEAS_NONCE_SIZE + 2 ||
	    rsp[0] != SPDM_VERSION_12 ||
	    rsp[1] != SPDM_RSP(SPDM_GET_MEASUREMENTS))
		return false;
	blocks = rsp[4];
	record = get_le16(rsp + 5) | rsp[7] << 16;
	if (!blocks || record > len - off - SPDM_MEAS_NONCE_SIZE - 2)
		return false;

	/* Block: u8 index, u8 specification, u16 size, measurement */
	len = off + record;
	while (blocks--) {
		u32 size;

		if (len - off < 4)
			return false;
		size = get_le16(rsp + off + 2);
		if (!size || size > len - off - 4)
			return false;
		off += 4 + size;
	}
	return off == len;
}

/*
 * What stands before the response. Usually the nonce: measurements that are older
 * cannot have it. The RMM has the request there, and would compare the nonce in a
 * signed one itself; the test's device signs nothing.
 */
static u32 verify_meas_head(const u64 *nonce, size_t size, u32 len, u32 *head)
{
	if (!(job->flags & GUEST_REALM)) {
		*head = size;
		if (len < size)
			return GUEST_BAD_MEAS;
		return memcmp(object, nonce, size) ? GUEST_BAD_NONCE : GUEST_OK;
	}
	*head = SPDM_HDR_SIZE;
	return len >= SPDM_HDR_SIZE && object[0] == SPDM_VERSION_12 &&
	       object[1] == SPDM_GET_MEASUREMENTS &&
	       object[3] == SPDM_MEAS_ALL ? GUEST_OK : GUEST_BAD_MEAS;
}

static u32 attest_measurements(struct guest_fn *fn)
{
	u64 nonce[SOFT_TSM_MEAS_NONCE_SIZE / sizeof(u64)];
	struct ghci_call call = {
		.nr = GHCI_REGEN_OBJECT,
		.arg = { IOMMU_TSM_OBJECT_MEAS },
		.buf = (u64)nonce,
		.buf_len = sizeof(nonce),
	};
	u32 verdict, head, len;

	for (int i = 0; i < ARRAY_SIZE(nonce); i++)
		nonce[i] = cpu_random();
	if (ghci_fn(fn, &call) != GHCI_OK ||
	    !read_object(fn, IOMMU_TSM_OBJECT_MEAS, object, sizeof(object),
			 &len))
		return GUEST_CALL_FAILED;
	verdict = verify_meas_head(nonce, sizeof(nonce), len, &head);
	if (verdict != GUEST_OK)
		return verdict;
	return verify_meas(object + head, len - head) ? GUEST_OK :
						       GUEST_BAD_MEAS;
}

static u64 range_size(const struct report_range *range)
{
	return (u64)range->pages * PAGE;
}

static bool is_tee(const struct report_range *range)
{
	return !(range->attr & TDISP_RANGE_NON_TEE);
}

/*
 * Where a range is in its BAR. Addresses in the report are obscured by an offset,
 * the same for all: the first range of a BAR stands at its start.
 */
static u64 range_offset(const struct report *report, u32 i)
{
	const struct report_range *range = &report->range[i];
	u64 first = range->first_page;

	for (u32 j = 0; j < report->nr_ranges; j++)
		if (report->range[j].id == range->id &&
		    report->range[j].first_page < first)
			first = report->range[j].first_page;
	return (range->first_page - first) * PAGE;
}

static bool is_msix_bar(const struct guest_fn *fn,
			const struct report_range *range)
{
	return range->id == fn->msix_bar;
}

static bool covers(const struct guest_fn *fn, const struct report_range *range,
		   u64 offset, u8 bar, u64 pos)
{
	return range->id == bar && pos >= offset &&
	       pos < offset + range_size(range);
}

/*
 * The ranges of a BAR fill it without holes. All of it is for trusted access,
 * but for the MSI-X table and what is on its pages: those are the host's.
 */
static bool verify_ranges(const struct guest_fn *fn)
{
	const struct report *report = &fn->report;
	u64 filled[6] = {};
	bool table = false;

	for (u32 i = 0; i < report->nr_ranges; i++) {
		const struct report_range *range = &report->range[i];
		u64 offset = range_offset(report, i);

		if (range->id > 5 || !range->pages ||
		    offset != filled[range->id] ||
		    range_size(range) > fn->bar[range->id].size - offset)
			return false;
		filled[range->id] += range_size(range);
		if (is_tee(range) == is_msix_bar(fn, range))
			return false;
		if (covers(fn, range, offset, fn->msix_bar, fn->msix_off))
			table = range->attr & TDISP_RANGE_MSIX_TABLE;
		else if (range->attr & TDISP_RANGE_MSIX_TABLE)
			return false;
	}
	for (int i = 0; i < 6; i++)
		if (filled[i] != fn->bar[i].size)
			return false;
	return table;
}

/* The device gives its number in the part that is its own */
static bool verify_number(const struct guest_fn *fn)
{
	static const char text[] = "tdisp-test fn ";
	const char *info = fn->report.device_info;

	return fn->report.device_info_len > sizeof(text) &&
	       !memcmp(info, text, sizeof(text) - 1) &&
	       info[sizeof(text) - 1] == '0' + fn->number;
}

static bool verify_report(struct guest_fn *fn, u32 len)
{
	u32 ctrl = pci_read32(fn, fn->msix_cap) >> 16;

	if (report_parse(&fn->report, fn->report_data, len))
		return false;
	/* It has to be able to do DMA, and to have the vectors that we see */
	return (fn->report.info & TDISP_REPORT_INFO_DMA_NO_PASID) &&
	       !((fn->report.msix_ctrl ^ ctrl) & PCI_MSIX_FLAGS_QSIZE) &&
	       verify_number(fn) && verify_ranges(fn);
}

/*
 * Certificates and measurements as the TDX module puts them out, where the model
 * has the length of the former before both. They are of the time of connect: where
 * a nonce would go is not known.
 */
static u32 attest_device_info(struct guest_fn *fn)
{
	u32 len, cert;

	if (!read_object(fn, IOMMU_TSM_OBJECT_MEAS, object, sizeof(object),
			 &len))
		return GUEST_CALL_FAILED;
	if (len < sizeof(cert))
		return GUEST_BAD_CERT;
	memcpy(&cert, object, sizeof(cert));
	len -= sizeof(cert);
	if (cert > len || !verify_cert(object + sizeof(cert), cert))
		return GUEST_BAD_CERT;
	return verify_meas(object + sizeof(cert) + cert, len - cert) ?
	       GUEST_OK : GUEST_BAD_MEAS;
}

static u32 attest_objects(struct guest_fn *fn)
{
	u32 len, verdict;

	if (!read_object(fn, IOMMU_TSM_OBJECT_CERT, object, sizeof(object),
			 &len))
		return GUEST_CALL_FAILED;
	if (!verify_cert(object, len))
		return GUEST_BAD_CERT;
	verdict = attest_measurements(fn);
	if (verdict == GUEST_OK && (job->flags & GUEST_SNP))
		verdict = snp_tdi_info(fn);
	return verdict;
}

u32 tsm_attest(struct guest_fn *fn)
{
	u32 len, verdict;

	fn->report_len = 0;
	verdict = job->flags & GUEST_TD ? attest_device_info(fn) :
					  attest_objects(fn);
	/* Who has asked for a report gets one, and nobody else */
	if (verdict == GUEST_OK && (job->flags & GUEST_TD))
		verdict = td_ask(fn, TDXM_GUEST_REPORT);
	if (verdict != GUEST_OK)
		return verdict;
	if (!read_object(fn, IOMMU_TSM_OBJECT_REPORT, fn->report_data,
			 sizeof(fn->report_data), &len))
		return GUEST_CALL_FAILED;
	if (!verify_report(fn, len))
		return GUEST_BAD_REPORT;
	fn->report_len = len;
	return GUEST_OK;
}

static u32 accept_range(struct guest_fn *fn, u32 i)
{
	const struct report_range *range = &fn->report.range[i];
	u64 gpa = fn->bar[range->id].gpa + range_offset(&fn->report, i);
	struct ghci_call call = {
		.nr = GHCI_ACCEPT_MMIO,
		.arg = { gpa, range_size(range), range->first_page * PAGE },
	};

	if (ghci_fn(fn, &call) != GHCI_OK)
		return GUEST_CALL_FAILED;
	if (job->flags & GUEST_TD)
		return td_accept_mmio(fn, gpa, range_size(range));
	return job->flags & GUEST_SNP ?
	       snp_validate(fn, gpa, range->pages, range->id) : GUEST_OK;
}

u32 tsm_accept(struct guest_fn *fn)
{
	u32 verdict = GUEST_OK;

	if (!fn->report_len)
		return GUEST_NOT_ATTESTED;
	for (u32 i = 0; i < fn->report.nr_ranges; i++) {
		if (is_tee(&fn->report.range[i]))
			verdict = accept_range(fn, i);
		if (verdict != GUEST_OK)
			return verdict;
	}
	if (job->flags & GUEST_TD)
		return td_ask(fn, TDXM_GUEST_ACCEPT_DMA);
	return job->flags & (GUEST_SNP | GUEST_REALM) ?
	       GUEST_OK : simple_call(fn, GHCI_ENABLE_DMA);
}
