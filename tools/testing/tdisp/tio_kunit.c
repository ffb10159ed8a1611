// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver of SEV-TIO hands to the PSP, byte by byte, and what it takes
 * from buffers that firmware has filled. The driver's source is compiled once
 * more, with the lowest call replaced by one that looks at the bytes. Sizes and
 * offsets stand here a second time, from the same public facts, as numbers.
 *
 * A buffer that is looked into stands in an allocation of its own of exactly its
 * length, for KASAN to see the first byte that is read beyond.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/psp-sev.h>
#include <linux/unaligned.h>

#include <asm/sev.h>

#include "../../../drivers/crypto/ccp/sev-dev.h"

#define TIO_MAX_CMD	0x80

/* The last command */
static struct {
	int cmd;
	u8 bytes[TIO_MAX_CMD];
	int nr;
} tio_sent;

static int tio_kunit_cmd(int cmd, void *data, int *psp_ret)
{
	tio_sent.cmd = cmd;
	tio_sent.nr++;
	memset(tio_sent.bytes, 0xee, sizeof(tio_sent.bytes));
	memcpy(tio_sent.bytes, data, sev_tio_cmd_buffer_len(cmd));
	*psp_ret = 0;
	return 0;
}

static int tio_kunit_make_private(u64 pfn, u64 gpa, enum pg_level level,
				  u32 asid, bool immutable)
{
	return 0;
}

static int tio_kunit_reclaim(unsigned long paddr, unsigned int npages,
			     bool locked)
{
	return 0;
}

static void *tio_kunit_alloc_page(gfp_t gfp)
{
	return (void *)get_zeroed_page(gfp);
}

static void tio_kunit_free_page(void *addr)
{
	free_page((unsigned long)addr);
}

#define sev_do_cmd		tio_kunit_cmd
#define __sev_do_cmd_locked	tio_kunit_cmd
#define rmp_make_private	tio_kunit_make_private
#define snp_reclaim_pages	tio_kunit_reclaim
#define snp_alloc_firmware_page	tio_kunit_alloc_page
#define snp_free_firmware_page	tio_kunit_free_page

#include "../../../drivers/crypto/ccp/sev-dev-tdi.c"
#include "../../../drivers/crypto/ccp/sev-dev-tio.c"

/* Nothing is exchanged with a device here */
int sev_tio_spdm_cmd(struct tio_dsm *dsm, int ret)
{
	return ret;
}

/* Any values, each at one place */
#define T_DEV_CTX	0x0001234567890001ULL
#define T_TDI_CTX	0x000abcdef1234000ULL
#define T_REQ		0x0000111111111000ULL
#define T_RESP		0x0000222222222001ULL
#define T_SCRATCH	0x0000333333333001ULL
#define T_OUTPUT	0x0000444444444001ULL
#define T_GCTX		0x0000555555555000ULL
#define T_ASID		0x01020304
#define T_GUEST_ID	0xa5c3
#define T_FUNCTION	0x01020304

/**
 * struct tio_ctx - A device and a TDI that nobody has
 * @dsm: the device
 * @sev: its PSP
 * @status: what that announces
 * @pdev: function 0
 * @tdi: the TDI
 */
struct tio_ctx {
	struct tio_dsm dsm;
	struct sev_device sev;
	struct sev_tio_status status;
	struct pci_dev pdev;
	struct tio_tdi tdi;
};

static int tio_test_init(struct kunit *test)
{
	struct tio_ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	if (!ctx)
		return -ENOMEM;
	test->priv = ctx;
	ctx->sev.tio_status = &ctx->status;
	ctx->dsm.sev = &ctx->sev;
	ctx->dsm.tsm.base_tsm.pdev = &ctx->pdev;
	mutex_init(&ctx->dsm.tsm.lock);
	ctx->dsm.data.dev_ctx.sla = T_DEV_CTX;
	ctx->dsm.data.req.sla = T_REQ;
	ctx->dsm.data.resp.sla = T_RESP;
	ctx->dsm.data.scratch.sla = T_SCRATCH;
	ctx->dsm.data.output.sla = T_OUTPUT;
	ctx->dsm.data.data_pg = (void *)get_zeroed_page(GFP_KERNEL);
	if (!ctx->dsm.data.data_pg)
		return -ENOMEM;
	ctx->tdi.pdev = &ctx->pdev;
	ctx->tdi.ctx.sla = T_TDI_CTX;
	ctx->tdi.gctx_paddr = T_GCTX;
	ctx->tdi.asid = T_ASID;
	tio_sent.nr = 0;
	return 0;
}

static void tio_test_exit(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;

	if (!ctx)
		return;
	free_page((unsigned long)ctx->dsm.data.data_pg);
}

/* A command of @len bytes, all zero but for its length */
static void want_cmd(u8 *want, u32 len)
{
	memset(want, 0, TIO_MAX_CMD);
	put_unaligned_le32(len, want);
}

static void want_spdm(u8 *want)
{
	put_unaligned_le64(T_REQ, want + 0x8);
	put_unaligned_le64(T_RESP, want + 0x10);
	put_unaligned_le64(T_SCRATCH, want + 0x18);
	put_unaligned_le64(T_OUTPUT, want + 0x20);
}

/* It was this command, with these bytes and no others */
static void check_cmd(struct kunit *test, int cmd, const u8 *want)
{
	u32 len = get_unaligned_le32(want);

	KUNIT_EXPECT_EQ(test, tio_sent.nr, 1);
	KUNIT_EXPECT_EQ(test, tio_sent.cmd, cmd);
	KUNIT_EXPECT_EQ(test, sev_tio_cmd_buffer_len(cmd), len);
	KUNIT_EXPECT_MEMEQ(test, tio_sent.bytes, want, len);
	tio_sent.nr = 0;
}

static u64 data_page(struct tio_ctx *ctx)
{
	return __psp_pa(ctx->dsm.data.data_pg);
}

/* Commands about devices */

static void tio_dev_commands(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	struct tsm_dsm_tio *data = &ctx->dsm.data;
	u8 want[TIO_MAX_CMD];

	guard(mutex)(&ctx->dsm.tsm.lock);
	KUNIT_EXPECT_EQ(test, sev_tio_dev_disconnect(data, false), 0);
	want_cmd(want, 0x30);
	want_spdm(want);
	put_unaligned_le64(T_DEV_CTX, want + 0x28);
	check_cmd(test, 0xd5, want);

	KUNIT_EXPECT_EQ(test, sev_tio_dev_disconnect(data, true), 0);
	put_unaligned_le32(1, want + 4);
	check_cmd(test, 0xd5, want);

	memset(data->data_pg, 0, PAGE_SIZE);
	*(u32 *)data->data_pg = 0xa0;
	KUNIT_EXPECT_EQ(test, tio_dev_status(&ctx->dsm,
					     &(struct tio_dev_status){}), 0);
	want_cmd(want, 0x20);
	put_unaligned_le64(T_DEV_CTX, want + 0x8);
	put_unaligned_le64(data_page(ctx), want + 0x10);
	check_cmd(test, 0xd6, want);
}

static void tio_dev_create_connect(struct kunit *test)
{
	static u8 ids[TIO_IDE_MAX_TC] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct tio_ctx *ctx = test->priv;
	struct tsm_dsm_tio *data = &ctx->dsm.data;
	u8 want[TIO_MAX_CMD];
	u64 sla;

	free_page((unsigned long)data->data_pg);
	data->data_pg = NULL;
	ctx->status.devctx_size = SZ_4K;
	KUNIT_ASSERT_EQ(test, sev_tio_dev_create(data, 0x0102, 0x0304, 0x05),
			0);
	sla = data->dev_ctx.sla;
	/* One page is named directly, and is page aligned */
	KUNIT_EXPECT_EQ(test, sla & (SZ_4K - 1), 0);
	want_cmd(want, 0x20);
	put_unaligned_le64(sla, want + 0x8);
	put_unaligned_le16(0x0102, want + 0x10);
	put_unaligned_le16(0x0304, want + 0x12);
	want[0x14] = 0x05;
	check_cmd(test, 0xd2, want);

	ctx->status.spdm_req_size_max = SZ_4K;
	ctx->status.spdm_rsp_size_max = SZ_8K;
	ctx->status.spdm_scratch_size_max = SZ_4K;
	ctx->status.spdm_out_size_max = SZ_16K;
	KUNIT_ASSERT_EQ(test, sev_tio_dev_connect(data, 0x81, ids, 3), 0);
	want_cmd(want, 0x50);
	put_unaligned_le64(data->req.sla, want + 0x8);
	put_unaligned_le64(data->resp.sla, want + 0x10);
	put_unaligned_le64(data->scratch.sla, want + 0x18);
	put_unaligned_le64(data->output.sla, want + 0x20);
	put_unaligned_le64(sla, want + 0x30);
	want[0x38] = 0x81;
	want[0x39] = 3;
	memcpy(want + 0x40, ids, sizeof(ids));
	check_cmd(test, 0xd4, want);
	/* Traffic class 0 is never left out */
	KUNIT_EXPECT_EQ(test, sev_tio_dev_connect(data, 0x80, ids, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, tio_sent.nr, 0);

	KUNIT_EXPECT_EQ(test, sev_tio_dev_reclaim(data), 0);
	want_cmd(want, 0x10);
	put_unaligned_le64(sla, want + 0x8);
	check_cmd(test, 0xd3, want);
}

static void tio_dev_evidence(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	u8 want[TIO_MAX_CMD], nonce[32];

	guard(mutex)(&ctx->dsm.tsm.lock);
	for (int i = 0; i < sizeof(nonce); i++)
		nonce[i] = 0x40 + i;
	KUNIT_EXPECT_EQ(test, tio_dev_measurements(&ctx->dsm, nonce), 0);
	want_cmd(want, 0x50);
	want_spdm(want);
	put_unaligned_le64(T_DEV_CTX, want + 0x28);
	memcpy(want + 0x30, nonce, sizeof(nonce));
	check_cmd(test, 0xd7, want);

	KUNIT_EXPECT_EQ(test, tio_dev_certificates(&ctx->dsm), 0);
	want_cmd(want, 0x30);
	want_spdm(want);
	put_unaligned_le64(T_DEV_CTX, want + 0x28);
	check_cmd(test, 0xd8, want);
}

/* Commands about TDIs */

static void tio_tdi_create_reclaim(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	struct tio_tdi tdi = { .pdev = &ctx->pdev };
	u8 want[TIO_MAX_CMD];
	u64 sla;

	guard(mutex)(&ctx->dsm.tsm.lock);
	ctx->status.tdictx_size = 0x1800;
	KUNIT_ASSERT_EQ(test, tio_tdi_create(&ctx->dsm, &tdi, T_FUNCTION), 0);
	sla = tdi.ctx.sla;
	/* Two pages are a list */
	KUNIT_EXPECT_EQ(test, sla & (SZ_4K - 1), 1);
	want_cmd(want, 0x30);
	put_unaligned_le64(T_DEV_CTX, want + 0x8);
	put_unaligned_le64(sla, want + 0x10);
	put_unaligned_le32(T_FUNCTION, want + 0x18);
	check_cmd(test, 0xda, want);

	KUNIT_EXPECT_EQ(test, tio_tdi_reclaim(&ctx->dsm, &tdi), 0);
	KUNIT_EXPECT_EQ(test, tdi.ctx.sla, 0);
	want_cmd(want, 0x20);
	put_unaligned_le64(T_DEV_CTX, want + 0x8);
	put_unaligned_le64(sla, want + 0x10);
	check_cmd(test, 0xdb, want);

	/* Of a device that is not there nothing is asked */
	ctx->dsm.data.dev_ctx.sla = 0;
	KUNIT_EXPECT_EQ(test, tio_tdi_create(&ctx->dsm, &tdi, 0), -ENXIO);
	KUNIT_EXPECT_EQ(test, tio_sent.nr, 0);
}

static void want_tdi(u8 *want, u32 len)
{
	want_cmd(want, len);
	want_spdm(want);
	put_unaligned_le64(T_DEV_CTX, want + 0x28);
	put_unaligned_le64(T_TDI_CTX, want + 0x30);
	put_unaligned_le64(T_GCTX, want + 0x38);
}

static void tio_tdi_bind_unbind(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	u8 want[TIO_MAX_CMD];

	guard(mutex)(&ctx->dsm.tsm.lock);
	KUNIT_EXPECT_EQ(test, tio_tdi_bind(&ctx->dsm, &ctx->tdi, T_GUEST_ID,
					   false), 0);
	want_tdi(want, 0x50);
	put_unaligned_le16(T_GUEST_ID, want + 0x40);
	check_cmd(test, 0xdc, want);

	KUNIT_EXPECT_EQ(test, tio_tdi_bind(&ctx->dsm, &ctx->tdi, T_GUEST_ID,
					   true), 0);
	put_unaligned_le16(1, want + 0x44);
	check_cmd(test, 0xdc, want);

	KUNIT_EXPECT_EQ(test, tio_tdi_unbind(&ctx->dsm, &ctx->tdi, false), 0);
	want_tdi(want, 0x40);
	check_cmd(test, 0xdd, want);

	KUNIT_EXPECT_EQ(test, tio_tdi_unbind(&ctx->dsm, &ctx->tdi, true), 0);
	put_unaligned_le32(1, want + 4);
	check_cmd(test, 0xdd, want);

	KUNIT_EXPECT_EQ(test, tio_tdi_report(&ctx->dsm, &ctx->tdi), 0);
	want_tdi(want, 0x40);
	check_cmd(test, 0xde, want);
}

static void tio_guest_request_bytes(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	void *req = (void *)get_zeroed_page(GFP_KERNEL);
	u8 want[TIO_MAX_CMD];

	guard(mutex)(&ctx->dsm.tsm.lock);
	KUNIT_ASSERT_NOT_NULL(test, req);
	KUNIT_EXPECT_EQ(test, tio_guest_request(&ctx->dsm, &ctx->tdi, req,
						ctx->dsm.data.data_pg), 0);
	want_tdi(want, 0x50);
	put_unaligned_le64(__psp_pa(req), want + 0x40);
	put_unaligned_le64(data_page(ctx), want + 0x48);
	check_cmd(test, 0xe0, want);
	free_page((unsigned long)req);
}

static void tio_fences(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	u8 want[TIO_MAX_CMD];
	u64 status, dma, mmio;

	guard(mutex)(&ctx->dsm.tsm.lock);
	put_unaligned_le64(0x0e, ctx->dsm.data.data_pg);
	KUNIT_EXPECT_EQ(test, tio_fence_status(&ctx->dsm, T_ASID, &status), 0);
	dma = FIELD_GET(TIO_FENCE_DMA, status);
	mmio = FIELD_GET(TIO_FENCE_MMIO, status);
	KUNIT_EXPECT_EQ(test, dma, 2);
	KUNIT_EXPECT_EQ(test, mmio, 3);
	want_cmd(want, 0x20);
	put_unaligned_le64(T_DEV_CTX, want + 0x8);
	put_unaligned_le32(T_ASID, want + 0x10);
	put_unaligned_le64(data_page(ctx), want + 0x14);
	check_cmd(test, 0xe2, want);

	KUNIT_EXPECT_EQ(test, tio_fence_clear(&ctx->dsm, T_GCTX), 0);
	want_cmd(want, 0x20);
	put_unaligned_le64(T_DEV_CTX, want + 0x8);
	put_unaligned_le64(T_GCTX, want + 0x10);
	check_cmd(test, 0xe1, want);
}

/* What is not known has no length, and so is not sent */
static void tio_unknown_commands(struct kunit *test)
{
	static const u8 known[] = {
		0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xda,
		0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3,
	};

	for (int cmd = 0; cmd < 0x100; cmd++)
		KUNIT_EXPECT_EQ_MSG(test, !!sev_tio_cmd_buffer_len(cmd),
				    !!memchr(known, cmd, sizeof(known)),
				    "command %#x", cmd);
}

/* Pages that the firmware fills */

static void tio_tdi_status_page(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	u8 *page = ctx->dsm.data.data_pg;
	u8 want[TIO_MAX_CMD], state;

	guard(mutex)(&ctx->dsm.tsm.lock);
	for (u32 i = 0; i < 4; i++) {
		put_unaligned_le32(0x10, page);
		page[4] = i;
		KUNIT_EXPECT_EQ(test, tio_tdi_status(&ctx->dsm, &ctx->tdi,
						     &state), 0);
		KUNIT_EXPECT_EQ(test, state, i);
		want_tdi(want, 0x40);
		put_unaligned_le64(data_page(ctx), want + 0x38);
		check_cmd(test, 0xdf, want);
	}

	/* A state that there is not, and one that was not written */
	page[4] = 4;
	KUNIT_EXPECT_EQ(test, tio_tdi_status(&ctx->dsm, &ctx->tdi, &state),
			-EBADMSG);
	page[4] = 1;
	put_unaligned_le32(5, page);
	KUNIT_EXPECT_EQ(test, tio_tdi_status(&ctx->dsm, &ctx->tdi, &state), 0);
	for (u32 len = 0; len < 5; len++) {
		put_unaligned_le32(len, page);
		KUNIT_EXPECT_EQ_MSG(test, tio_tdi_status(&ctx->dsm, &ctx->tdi,
							 &state), -EBADMSG,
				    "length %u", len);
	}
}

static void tio_tdi_info_page(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	u8 *page = ctx->dsm.data.data_pg;
	struct tio_tdi_info info;
	u8 want[TIO_MAX_CMD];
	u32 status;

	guard(mutex)(&ctx->dsm.tsm.lock);
	put_unaligned_le32(0xbc, page);
	put_unaligned_le32(0x0b, page + 0x10);
	put_unaligned_le32(0x11121314, page + 0x14);
	put_unaligned_le64(0x2122232425262728ULL, page + 0x18);
	page[0x20] = 0x31;
	page[0x50] = 0x32;
	page[0x80] = 0x33;
	put_unaligned_le64(0x4142434445464748ULL, page + 0xb0);
	put_unaligned_le32(T_ASID, page + 0xb8);
	KUNIT_EXPECT_EQ(test, tio_tdi_info(&ctx->dsm, &ctx->tdi, &info), 0);
	status = FIELD_GET(TIO_TDI_INFO_STATUS, info.meas_flags);
	KUNIT_EXPECT_EQ(test, status, 2);
	KUNIT_EXPECT_EQ(test, info.lock_flags, 0x11121314);
	KUNIT_EXPECT_EQ(test, info.algos, 0x2122232425262728ULL);
	KUNIT_EXPECT_EQ(test, info.certs_digest[0], 0x31);
	KUNIT_EXPECT_EQ(test, info.meas_digest[0], 0x32);
	KUNIT_EXPECT_EQ(test, info.report_digest[0], 0x33);
	KUNIT_EXPECT_EQ(test, info.report_counter, 0x4142434445464748ULL);
	KUNIT_EXPECT_EQ(test, info.asid, T_ASID);
	want_cmd(want, 0x30);
	put_unaligned_le64(T_DEV_CTX, want + 0x8);
	put_unaligned_le64(T_TDI_CTX, want + 0x10);
	put_unaligned_le64(data_page(ctx), want + 0x18);
	check_cmd(test, 0xe3, want);

	put_unaligned_le32(0xbb, page);
	KUNIT_EXPECT_EQ(test, tio_tdi_info(&ctx->dsm, &ctx->tdi, &info),
			-EBADMSG);
}

static void tio_dev_status_page(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	u8 *page = ctx->dsm.data.data_pg;
	struct tio_dev_status status;

	guard(mutex)(&ctx->dsm.tsm.lock);
	put_unaligned_le32(0xa0, page);
	page[0x04] = 0x51;
	page[0x06] = 0x52;
	page[0x07] = 0x53;
	put_unaligned_le16(0x5455, page + 0x08);
	page[0x0a] = 0x56;
	page[0x0b] = 0x57;
	put_unaligned_le16(0x5859, page + 0x0c);
	page[0x10] = 0x5a;
	put_unaligned_le32(0x5b5c5d5e, page + 0x1c);
	page[0x20] = 0x5f;
	page[0x30] = 0x60;
	page[0x60] = 0x61;
	put_unaligned_le32(0x62636465, page + 0x90);
	put_unaligned_le32(0x66676869, page + 0x94);
	page[0x98] = 0x6a;
	KUNIT_EXPECT_EQ(test, tio_dev_status(&ctx->dsm, &status), 0);
	KUNIT_EXPECT_EQ(test, status.ctx_state, 0x51);
	KUNIT_EXPECT_EQ(test, status.flags, 0x52);
	KUNIT_EXPECT_EQ(test, status.certs_slot, 0x53);
	KUNIT_EXPECT_EQ(test, status.device_id, 0x5455);
	KUNIT_EXPECT_EQ(test, status.segment_id, 0x56);
	KUNIT_EXPECT_EQ(test, status.tc_mask, 0x57);
	KUNIT_EXPECT_EQ(test, status.request_pending_command, 0x5859);
	KUNIT_EXPECT_EQ(test, status.request_pending_interface_id[0], 0x5a);
	KUNIT_EXPECT_EQ(test, status.meas_flags, 0x5b5c5d5e);
	KUNIT_EXPECT_EQ(test, status.ide_stream_id[0], 0x5f);
	KUNIT_EXPECT_EQ(test, status.certs_digest[0], 0x60);
	KUNIT_EXPECT_EQ(test, status.meas_digest[0], 0x61);
	KUNIT_EXPECT_EQ(test, status.tdi_count, 0x62636465);
	KUNIT_EXPECT_EQ(test, status.bound_tdi_count, 0x66676869);
	KUNIT_EXPECT_EQ(test, status.algos[0], 0x6a);

	put_unaligned_le32(0x9f, page);
	KUNIT_EXPECT_EQ(test, tio_dev_status(&ctx->dsm, &status), -EBADMSG);
}

/* The output buffer: head of 0x40 bytes, object with a head of 0x20, data */

#define OUT_HDR		0x40
#define OUT_OBJ		0x20
#define OUT_DATA	0x20
#define OUT_LEN		(OUT_HDR + OUT_OBJ + OUT_DATA)

static void good_output(u8 *out)
{
	memset(out, 0, OUT_LEN);
	put_unaligned_le32(OUT_LEN, out);
	put_unaligned_le32(OUT_OBJ + OUT_DATA, out + 4);
	put_unaligned_le32(6, out + OUT_HDR);
	put_unaligned_le32(OUT_OBJ + 5, out + OUT_HDR + 4);
	out[OUT_HDR + 0x13] = 1;
	out[OUT_HDR + OUT_OBJ] = 0x77;
}

static int parse(struct kunit *test, const u8 *out, u32 len, const void **data,
		 u32 *data_len)
{
	u8 *copy = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, out, len);
	return tio_parse_output((struct sla_buffer_hdr *)copy, len, 6, data,
				data_len);
}

static void check_output(struct kunit *test, u32 off, u32 val, int want)
{
	u8 out[OUT_LEN];
	const void *data;
	u32 len;

	good_output(out);
	put_unaligned_le32(val, out + off);
	KUNIT_EXPECT_EQ_MSG(test, parse(test, out, OUT_LEN, &data, &len), want,
			    "%#x at %#x", val, off);
}

static void tio_output(struct kunit *test)
{
	u8 out[OUT_LEN];
	const void *data;
	u32 len;

	good_output(out);
	KUNIT_EXPECT_EQ(test, parse(test, out, OUT_LEN, &data, &len), 0);
	KUNIT_EXPECT_EQ(test, len, 5);
	KUNIT_EXPECT_EQ(test, *(const u8 *)data, 0x77);

	/* Payload: no room for an object, all there is, more than there is */
	check_output(test, 4, 0, -EBADMSG);
	check_output(test, 4, OUT_OBJ - 1, -EBADMSG);
	check_output(test, 4, OUT_OBJ, -EBADMSG);
	check_output(test, 4, OUT_OBJ + OUT_DATA + 1, -EBADMSG);
	check_output(test, 4, U32_MAX, -EBADMSG);
	/* Encrypted */
	check_output(test, 8, 1, -EBADMSG);
	/* Another object, and lengths of it */
	check_output(test, OUT_HDR, 5, -EBADMSG);
	check_output(test, OUT_HDR + 4, 0, -EBADMSG);
	check_output(test, OUT_HDR + 4, OUT_OBJ - 1, -EBADMSG);
	check_output(test, OUT_HDR + 4, OUT_OBJ, 0);
	check_output(test, OUT_HDR + 4, OUT_OBJ + OUT_DATA, 0);
	check_output(test, OUT_HDR + 4, OUT_OBJ + OUT_DATA + 1, -EBADMSG);
	check_output(test, OUT_HDR + 4, U32_MAX, -EBADMSG);
	/* A format that is not that of SPDM */
	check_output(test, OUT_HDR + 0x10, 0x02000000, -EPROTONOSUPPORT);
}

/* The message that the firmware wants to send: object 1 in the request buffer */
static void tio_request(struct kunit *test)
{
	struct tio_ctx *ctx = test->priv;
	struct tsm_dsm_tio *data = &ctx->dsm.data;
	u8 *buf = kunit_kzalloc(test, SZ_4K, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	ctx->status.spdm_req_size_max = SZ_4K;
	data->reqbuf = (struct sla_buffer_hdr *)buf;
	put_unaligned_le32(1, buf + 0x40);
	put_unaligned_le32(0x11, buf + 0x44);
	for (u32 type = 0; type < 0x100; type++) {
		buf[0x4a] = type;
		KUNIT_EXPECT_EQ_MSG(test, !!sev_tio_request(data),
				    type == 1 || type == 2, "type %u", type);
	}

	buf[0x4a] = 1;
	put_unaligned_le32(SZ_4K - 0x40, buf + 0x44);
	KUNIT_EXPECT_NOT_NULL(test, sev_tio_request(data));
	put_unaligned_le32(SZ_4K - 0x3f, buf + 0x44);
	KUNIT_EXPECT_NULL(test, sev_tio_request(data));
	put_unaligned_le32(U32_MAX, buf + 0x44);
	KUNIT_EXPECT_NULL(test, sev_tio_request(data));
	/* A head, and no message */
	put_unaligned_le32(0x10, buf + 0x44);
	KUNIT_EXPECT_NULL(test, sev_tio_request(data));
	put_unaligned_le32(0, buf + 0x44);
	KUNIT_EXPECT_NULL(test, sev_tio_request(data));
	/* A response where a request should be */
	put_unaligned_le32(0x11, buf + 0x44);
	put_unaligned_le32(2, buf + 0x40);
	KUNIT_EXPECT_NULL(test, sev_tio_request(data));
	data->reqbuf = NULL;
}

/* A list of pages: addresses, and its end; the buffer tells its size */
static void tio_sla(struct kunit *test)
{
	struct sla_addr_t sla = sla_alloc(3 * SZ_4K - 1, false);
	u64 *list;
	u8 *buf;

	KUNIT_ASSERT_NE(test, sla.sla, 0);
	KUNIT_EXPECT_EQ(test, sla.sla & (SZ_4K - 1), 1);
	KUNIT_EXPECT_EQ(test, sla.sla >> 52, 0);
	list = __va(__sme_clr(sla.sla & GENMASK_ULL(51, 12)));
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, list[i] & (SZ_4K - 1), 0);
		KUNIT_EXPECT_NE(test, list[i], 0);
	}
	for (int i = 3; i < SZ_4K / 8; i++)
		KUNIT_ASSERT_EQ(test, list[i], GENMASK_ULL(51, 12));

	buf = (u8 *)sla_buffer_map(sla);
	KUNIT_EXPECT_NOT_NULL(test, buf);
	if (buf) {
		KUNIT_EXPECT_EQ(test, get_unaligned_le32(buf), 3 * SZ_4K);
		sla_buffer_unmap(sla, (struct sla_buffer_hdr *)buf);
	}
	sla_free(sla, false);

	/* None, as many as a list has room for beside its end, and one more */
	KUNIT_EXPECT_EQ(test, sla_alloc(0, false).sla, 0);
	sla = sla_alloc(511 * SZ_4K, false);
	KUNIT_EXPECT_NE(test, sla.sla, 0);
	sla_free(sla, false);
	KUNIT_EXPECT_EQ(test, sla_alloc(512 * SZ_4K, false).sla, 0);
}

static struct kunit_case tio_cases[] = {
	KUNIT_CASE(tio_dev_commands),
	KUNIT_CASE(tio_dev_create_connect),
	KUNIT_CASE(tio_dev_evidence),
	KUNIT_CASE(tio_tdi_create_reclaim),
	KUNIT_CASE(tio_tdi_bind_unbind),
	KUNIT_CASE(tio_guest_request_bytes),
	KUNIT_CASE(tio_fences),
	KUNIT_CASE(tio_unknown_commands),
	KUNIT_CASE(tio_tdi_status_page),
	KUNIT_CASE(tio_tdi_info_page),
	KUNIT_CASE(tio_dev_status_page),
	KUNIT_CASE(tio_output),
	KUNIT_CASE(tio_request),
	KUNIT_CASE(tio_sla),
	{}
};

static struct kunit_suite tio_suite = {
	.name = "sev_tio_codec",
	.init = tio_test_init,
	.exit = tio_test_exit,
	.test_cases = tio_cases,
};

kunit_test_suite(tio_suite);

MODULE_DESCRIPTION("Tests of the buffers of the SEV-TIO driver");
MODULE_LICENSE("GPL");
