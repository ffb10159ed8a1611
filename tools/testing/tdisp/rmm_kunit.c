// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver of CCA hands to the RMM, byte by byte, and what it takes from
 * words and pages that the RMM has filled. The driver's source is compiled once
 * more. Sizes, offsets and numbers stand here a second time, from the same public
 * facts, as numbers.
 *
 * A page stands in an allocation of its own of exactly a granule, for KASAN to see
 * the first byte beyond.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/unaligned.h>

#include "../../../drivers/virt/coco/arm-cca-host/rmi-codec.c"
#include "rmm-inject.h"

#define T_PAGE		4096

/* Any values, each at one place */
#define T_A		0x0102030405060708ULL
#define T_B		0x1112131415161718ULL
#define T_C		0x2122232425262728ULL
#define T_D		0x3132333435363738ULL

/**
 * struct rmi_pages - What the test works with
 * @page: of the codec, with something in each byte
 * @want: what it should be, zeroed
 */
struct rmi_pages {
	u8 *page;
	u8 *want;
};

static int rmi_test_init(struct kunit *test)
{
	struct rmi_pages *p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	p->page = kunit_kmalloc(test, T_PAGE, GFP_KERNEL);
	p->want = kunit_kzalloc(test, T_PAGE, GFP_KERNEL);
	if (!p->page || !p->want)
		return -ENOMEM;
	memset(p->page, 0xee, T_PAGE);
	test->priv = p;
	return 0;
}

static void want64(struct rmi_pages *p, u32 off, u64 val)
{
	put_unaligned_le64(val, p->want + off);
}

static void expect_page(struct kunit *test, struct rmi_pages *p)
{
	KUNIT_EXPECT_MEMEQ(test, p->want, p->page, T_PAGE);
}

/* Refused: not a byte was written */
static void expect_untouched(struct kunit *test, struct rmi_pages *p)
{
	memset(p->want, 0xee, T_PAGE);
	expect_page(test, p);
}

static void rmi_numbers(struct kunit *test)
{
	static const struct {
		u32 x;
		u32 fid;
		u32 model;
		const char *name;
		bool assumed;
	} rows[] = {
#define ROW(_x, _name)	{ _x, RMI_##_name, RMM_##_name, "RMI_" #_name }
		{ 0x150, RMI_VERSION, RMM_VERSION, "RMI_VERSION", true },
		{ 0x165, RMI_FEATURES, RMM_FEATURES, "RMI_FEATURES", true },
		ROW(0x174, PDEV_ABORT),
		ROW(0x175, PDEV_COMMUNICATE),
		ROW(0x176, PDEV_CREATE),
		ROW(0x177, PDEV_DESTROY),
		ROW(0x178, PDEV_GET_STATE),
		ROW(0x17a, STREAM_KEY_REFRESH),
		ROW(0x17b, PDEV_SET_PUBKEY),
		ROW(0x17c, PDEV_STOP),
		ROW(0x185, VDEV_ABORT),
		ROW(0x186, VDEV_COMMUNICATE),
		ROW(0x187, VDEV_CREATE),
		ROW(0x188, VDEV_DESTROY),
		ROW(0x189, VDEV_GET_STATE),
		ROW(0x18a, VDEV_UNLOCK),
		ROW(0x1d0, VDEV_GET_INTERFACE_REPORT),
		ROW(0x1d1, VDEV_GET_MEASUREMENTS),
		ROW(0x1d2, VDEV_LOCK),
		ROW(0x1d3, VDEV_START),
		ROW(0x1f1, GRANULE_RANGE_DELEGATE),
		ROW(0x1f2, GRANULE_RANGE_UNDELEGATE),
		ROW(0x203, OP_CONTINUE),
		ROW(0x204, STREAM_CONNECT),
		ROW(0x205, STREAM_DISCONNECT),
		ROW(0x206, STREAM_COMPLETE),
		ROW(0x207, STREAM_KEY_PURGE),
		ROW(0x208, OP_MEM_DONATE),
		ROW(0x209, OP_MEM_RECLAIM),
		ROW(0x20a, OP_CANCEL),
#undef ROW
	};

	KUNIT_EXPECT_EQ(test, ARRAY_SIZE(rows), ARRAY_SIZE(rmi_calls));
	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		KUNIT_EXPECT_EQ(test, 0xc4000000U | rows[i].x, rows[i].fid);
		KUNIT_EXPECT_EQ(test, rows[i].x, rows[i].model);
		KUNIT_EXPECT_STREQ(test, rows[i].name, rmi_name(rows[i].fid));
		KUNIT_EXPECT_EQ(test, !rows[i].assumed,
				rmi_verified(rows[i].fid));
	}
	/* KVM's, which only the model makes */
	KUNIT_EXPECT_EQ(test, 0x1f7, RMM_RTT_DEV_MAP);
	KUNIT_EXPECT_EQ(test, 0x1f8, RMM_RTT_DEV_UNMAP);

	/* What is not known is never called, and has no name */
	KUNIT_EXPECT_FALSE(test, rmi_verified(0xc4000163));
	KUNIT_EXPECT_STREQ(test, "?", rmi_name(0xc4000163));
	KUNIT_EXPECT_FALSE(test, rmi_verified(0x187));
}

static void rmi_enumerations(struct kunit *test)
{
	static const u32 numbers[][2] = {
		{ 0, RMI_SUCCESS }, { 1, RMI_ERROR_INPUT },
		{ 2, RMI_ERROR_REALM }, { 3, RMI_ERROR_REC },
		{ 4, RMI_ERROR_RTT }, { 5, RMI_ERROR_NOT_SUPPORTED },
		{ 6, RMI_ERROR_DEVICE }, { 7, RMI_ERROR_RTT_AUX },
		{ 8, RMI_ERROR_PSMMU_ST }, { 9, RMI_ERROR_DPT },
		{ 10, RMI_BUSY }, { 11, RMI_ERROR_GLOBAL },
		{ 12, RMI_ERROR_TRACKING }, { 13, RMI_INCOMPLETE },
		{ 14, RMI_BLOCKED }, { 15, RMI_ERROR_GPT },
		{ 16, RMI_ERROR_GRANULE },
		/* struct RmiDevCommData */
		{ 0, RMI_COMM_NONE }, { 1, RMI_COMM_RESPONSE },
		{ 2, RMI_COMM_ERROR },
		{ 0x01, RMI_COMM_REQ_CACHE }, { 0x02, RMI_COMM_RSP_CACHE },
		{ 0x04, RMI_COMM_REQ_SEND }, { 0x08, RMI_COMM_RSP_WAIT },
		{ 0x10, RMI_COMM_RSP_RESET }, { 0x20, RMI_COMM_MULTI },
		{ 0x40, RMI_COMM_STREAM_WAIT },
		/* All but MULTI: not complete */
		{ 0x5f, RMI_COMM_MORE },
		{ 0, RMI_OBJECT_VCA }, { 1, RMI_OBJECT_CERT },
		{ 2, RMI_OBJECT_MEAS }, { 3, RMI_OBJECT_REPORT },
		/* Devices */
		{ 0, RMI_PDEV_ROOT_PORT }, { 1, RMI_PDEV_ENDPOINT_OFF_CHIP },
		{ 2, RMI_PDEV_ENDPOINT_ON_CHIP },
		{ 0, RMI_HASH_SHA_256 }, { 1, RMI_HASH_SHA_512 },
		{ 2, RMI_HASH_SHA_384 },
		{ 0, RMI_KEY_RSASSA_3072 }, { 1, RMI_KEY_ECDSA_P256 },
		{ 2, RMI_KEY_ECDSA_P384 },
		{ 0, RMI_STREAM_NON_TEE }, { 1, RMI_STREAM_NCOH },
		/* Feature register 2 */
		{ 0x001, RMI_FEATURE_DA }, { 0x0f0, RMI_FEATURE_MAX_VDEVS_ORDER },
		{ 0x100, RMI_FEATURE_VDEV_KROU },
	};

	for (int i = 0; i < ARRAY_SIZE(numbers); i++)
		KUNIT_EXPECT_EQ_MSG(test, numbers[i][0], numbers[i][1],
				    "row %d", i);
	KUNIT_EXPECT_EQ(test, T_PAGE, RMI_GRANULE_SIZE);
}

static void expect_result(struct kunit *test, u64 word, u8 status, u8 level,
			  u8 mem, bool can_cancel)
{
	struct rmi_result res;

	memset(&res, 0xee, sizeof(res));
	rmi_decode_result(word, &res);
	KUNIT_EXPECT_EQ(test, status, res.status);
	KUNIT_EXPECT_EQ(test, level, res.level);
	KUNIT_EXPECT_EQ(test, mem, res.mem);
	KUNIT_EXPECT_EQ(test, can_cancel, res.can_cancel);
}

static void rmi_result_word(struct kunit *test)
{
	static const u8 with_level[] = { 4, 7, 8, 9 };

	expect_result(test, 0, 0, 0, 0, false);
	for (int i = 0; i < ARRAY_SIZE(with_level); i++) {
		expect_result(test, with_level[i] | 0x300, with_level[i], 3, 0,
			      false);
		expect_result(test, with_level[i] | 0xff00, with_level[i], 0xff,
			      0, false);
	}
	/* The same bits of an operation that is not complete */
	expect_result(test, 13, 13, 0, 0, false);
	expect_result(test, 13 | 0x100, 13, 0, 1, false);
	expect_result(test, 13 | 0x200, 13, 0, 2, false);
	expect_result(test, 13 | 0x400, 13, 0, 0, true);
	expect_result(test, 13 | 0x600, 13, 0, 2, true);
	/* And of all others they mean nothing */
	for (u8 status = 0; status <= 16; status++)
		if (status != 4 && status != 13 &&
		    !(status >= 7 && status <= 9))
			expect_result(test, status | ~0xffULL, status, 0, 0,
				      false);
}

static void rmi_donate_word(struct kunit *test)
{
	static const struct {
		u64 word;
		struct rmi_donate want;
	} rows[] = {
		{ 0x00000, {} },
		{ 0x00003, { .size = 3 } },
		{ 0x00004, { .count = 1 } },
		{ 0x0fffc, { .count = 0x3fff } },
		{ 0x10000, { .contiguous = true } },
		{ 0x20000, { .undelegated = true } },
		/* Nobody says what is above */
		{ 0xfffffffffffc0000ULL, {} },
	};

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rmi_donate donate;

		rmi_decode_donate(rows[i].word, &donate);
		KUNIT_EXPECT_EQ(test, rows[i].want.size, donate.size);
		KUNIT_EXPECT_EQ(test, rows[i].want.count, donate.count);
		KUNIT_EXPECT_EQ(test, rows[i].want.contiguous,
				donate.contiguous);
		KUNIT_EXPECT_EQ(test, rows[i].want.undelegated,
				donate.undelegated);
	}
}

static void rmi_range_word(struct kunit *test)
{
	static const struct {
		u64 word;
		struct rmi_range range;
	} rows[] = {
		{ 0x0000000012345004ULL, { .pa = 0x12345000, .count = 1 } },
		{ 0x000ffffffffff000ULL, { .pa = 0xffffffffff000 } },
		{ 0x0000000000000ffcULL, { .count = 0x3ff } },
		{ 0x0000000000000002ULL, { .size = 2 } },
		{ 0x8000000000000000ULL, { .undelegated = true } },
	};

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rmi_range range;

		KUNIT_EXPECT_EQ(test, rows[i].word,
				rmi_encode_range(&rows[i].range));
		rmi_decode_range(rows[i].word, &range);
		KUNIT_EXPECT_EQ(test, rows[i].range.pa, range.pa);
		KUNIT_EXPECT_EQ(test, rows[i].range.count, range.count);
		KUNIT_EXPECT_EQ(test, rows[i].range.size, range.size);
		KUNIT_EXPECT_EQ(test, rows[i].range.undelegated,
				range.undelegated);
	}
}

static const struct rmi_pdev_params test_pdev = {
	.spdm = true,
	.category = 2,
	.pdev_id = T_A,
	.routing_id = T_B,
	.hb_base = T_C,
	.id_index = T_D,
	.rid_base = 0x4142,
	.rid_top = 0x5152,
	.hash = 0x61,
	.max_vdevs_order = 0x71,
};

static void rmi_pdev_params_bet1(struct kunit *test)
{
	struct rmi_pages *p = test->priv;

	rmi_encode_pdev_params(p->page, &test_pdev, RMI_2_0_BET1);
	want64(p, 0x00, 0x5);
	want64(p, 0x08, T_A);
	want64(p, 0x10, T_B);
	want64(p, 0x18, T_D);
	put_unaligned_le16(0x4142, p->want + 0x20);
	put_unaligned_le16(0x5152, p->want + 0x28);
	p->want[0x30] = 0x61;
	want64(p, 0x38, 0x71);
	expect_page(test, p);
}

static void rmi_pdev_params_bet0(struct kunit *test)
{
	struct rmi_pages *p = test->priv;

	rmi_encode_pdev_params(p->page, &test_pdev, RMI_2_0_BET0);
	want64(p, 0x00, 0x5);
	want64(p, 0x08, T_C);
	want64(p, 0x10, T_A);
	want64(p, 0x18, T_B);
	want64(p, 0x20, T_D);
	put_unaligned_le32(0x4142, p->want + 0x28);
	put_unaligned_le32(0x5152, p->want + 0x30);
	p->want[0x38] = 0x61;
	expect_page(test, p);
}

static void rmi_pdev_flags(struct kunit *test)
{
	struct rmi_pages *p = test->priv;

	for (u8 i = 0; i < 8; i++) {
		struct rmi_pdev_params params = {
			.spdm = i & 1,
			.category = i >> 1,
		};

		rmi_encode_pdev_params(p->page, &params, RMI_2_0_BET1);
		want64(p, 0x00, i);
		expect_page(test, p);
	}
}

static void rmi_public_key_page(struct kunit *test)
{
	static const u16 sizes[] = { 384, 65, 97 };
	struct rmi_pages *p = test->priv;
	u8 *data = kunit_kmalloc(test, 1024, GFP_KERNEL);
	u8 *meta = kunit_kmalloc(test, 1024, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_ASSERT_NOT_NULL(test, meta);
	memset(data, 0x5a, 1024);
	memset(meta, 0xa5, 1024);
	for (u8 algo = 0; algo < ARRAY_SIZE(sizes); algo++) {
		struct rmi_public_key key = {
			.algo = algo,
			.key = data,
			.len = sizes[algo],
			.meta = meta,
			.meta_len = algo ? 0 : 1024,
		};

		memset(p->page, 0xee, T_PAGE);
		memset(p->want, 0, T_PAGE);
		KUNIT_EXPECT_EQ(test, 0, rmi_encode_public_key(p->page, &key));
		memset(p->want, 0x5a, sizes[algo]);
		memset(p->want + 0x400, 0xa5, key.meta_len);
		want64(p, 0x800, sizes[algo]);
		want64(p, 0x808, key.meta_len);
		p->want[0x810] = algo;
		expect_page(test, p);

		/* No other length than the algorithm's */
		memset(p->page, 0xee, T_PAGE);
		key.len = sizes[algo] - 1;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				rmi_encode_public_key(p->page, &key));
		key.len = sizes[algo] + 1;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				rmi_encode_public_key(p->page, &key));
		key.len = sizes[algo];
		key.meta_len = 1025;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				rmi_encode_public_key(p->page, &key));
		key.meta_len = 0;
		key.algo = 3;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				rmi_encode_public_key(p->page, &key));
		key.len = 0;
		KUNIT_EXPECT_EQ(test, -EINVAL,
				rmi_encode_public_key(p->page, &key));
		expect_untouched(test, p);
	}
}

static void want_ranges(struct rmi_pages *p, u32 off,
			struct rmi_addr_range *ranges, u32 nr)
{
	for (u32 i = 0; i < nr; i++) {
		ranges[i].base = T_A + i;
		ranges[i].top = T_B + i;
		want64(p, off + 16 * i, T_A + i);
		want64(p, off + 16 * i + 8, T_B + i);
	}
}

static void rmi_stream_params_page(struct kunit *test)
{
	struct rmi_stream_params params = {
		.type = 0x21,
		.pdev_1 = T_A,
		.pdev_2 = T_B,
		.ide_sid = T_C,
		.nr_ranges = 16,
	};
	struct rmi_pages *p = test->priv;

	p->want[0x08] = 0x21;
	want64(p, 0x10, T_A);
	want64(p, 0x18, T_B);
	want64(p, 0x20, T_C);
	want64(p, 0x28, 16);
	want_ranges(p, 0x100, params.ranges, 16);
	KUNIT_EXPECT_EQ(test, 0, rmi_encode_stream_params(p->page, &params));
	expect_page(test, p);

	/* No more than it says */
	params.nr_ranges = 1;
	want64(p, 0x28, 1);
	memset(p->want + 0x110, 0, 15 * 16);
	KUNIT_EXPECT_EQ(test, 0, rmi_encode_stream_params(p->page, &params));
	expect_page(test, p);

	params.nr_ranges = 17;
	memset(p->page, 0xee, T_PAGE);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			rmi_encode_stream_params(p->page, &params));
	expect_untouched(test, p);
}

static void rmi_vdev_params_page(struct kunit *test)
{
	struct rmi_vdev_params params = {
		.vdev_id = T_C,
		.tdi_id = T_D,
		.nr_ranges = 8,
	};
	struct rmi_pages *p = test->priv;

	want64(p, 0x08, T_C);
	want64(p, 0x10, T_D);
	want64(p, 0x30, 8);
	want_ranges(p, 0x200, params.ranges, 8);
	KUNIT_EXPECT_EQ(test, 0, rmi_encode_vdev_params(p->page, &params));
	expect_page(test, p);

	params.nr_ranges = 0;
	want64(p, 0x30, 0);
	memset(p->want + 0x200, 0, 8 * 16);
	KUNIT_EXPECT_EQ(test, 0, rmi_encode_vdev_params(p->page, &params));
	expect_page(test, p);

	params.nr_ranges = 9;
	memset(p->page, 0xee, T_PAGE);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			rmi_encode_vdev_params(p->page, &params));
	expect_untouched(test, p);
}

static void rmi_measure_params_page(struct kunit *test)
{
	struct rmi_pages *p = test->priv;
	u8 *nonce = kunit_kmalloc(test, 32, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, nonce);
	memset(nonce, 0x77, 32);
	rmi_encode_measure_params(p->page, nonce);
	memset(p->want + 0x100, 0x77, 32);
	expect_page(test, p);
}

static void rmi_comm_enter_page(struct kunit *test)
{
	const struct rmi_comm_enter enter = {
		.status = T_A,
		.req_addr = T_B,
		.rsp_addr = T_C,
		.rsp_len = T_D,
	};
	struct rmi_pages *p = test->priv;

	/* The rest is the RMM's */
	memset(p->want, 0xee, T_PAGE);
	want64(p, 0x000, T_A);
	want64(p, 0x008, T_B);
	want64(p, 0x010, T_C);
	want64(p, 0x018, T_D);
	rmi_encode_comm_enter(p->page, &enter);
	expect_page(test, p);
}

static void put_exit(struct rmi_pages *p, u32 off, u64 val)
{
	put_unaligned_le64(val, p->page + off);
}

/* Everything is there; flags tell what of it counts */
static void fill_exit(struct rmi_pages *p, u64 flags)
{
	memset(p->page, 0, T_PAGE);
	put_exit(p, 0x800, flags);
	put_exit(p, 0x808, 0x11);
	put_exit(p, 0x810, 0x22);
	put_exit(p, 0x818, 0x33);
	put_exit(p, 0x820, 0x44);
	p->page[0x828] = 2;
	p->page[0x830] = 1;
	put_exit(p, 0x838, T_A);
	put_exit(p, 0x840, 0x55);
	put_exit(p, 0x848, T_B);
}

static void rmi_comm_exit_page(struct kunit *test)
{
	struct rmi_pages *p = test->priv;
	struct rmi_comm_exit exit;

	fill_exit(p, 0x37);
	KUNIT_EXPECT_EQ(test, 0, rmi_decode_comm_exit(p->page, &exit));
	KUNIT_EXPECT_EQ(test, 0x37, exit.flags);
	KUNIT_EXPECT_EQ(test, 0x11, exit.req_cache_off);
	KUNIT_EXPECT_EQ(test, 0x22, exit.req_cache_len);
	KUNIT_EXPECT_EQ(test, 0x33, exit.rsp_cache_off);
	KUNIT_EXPECT_EQ(test, 0x44, exit.rsp_cache_len);
	KUNIT_EXPECT_EQ(test, 2, exit.object);
	KUNIT_EXPECT_TRUE(test, exit.secured);
	KUNIT_EXPECT_EQ(test, T_A, exit.req_delay_us);
	KUNIT_EXPECT_EQ(test, 0x55, exit.req_len);
	KUNIT_EXPECT_EQ(test, T_B, exit.rsp_timeout_us);
	p->page[0x830] = 0;
	KUNIT_EXPECT_EQ(test, 0, rmi_decode_comm_exit(p->page, &exit));
	KUNIT_EXPECT_FALSE(test, exit.secured);

	/* Lengths that no flag speaks of are not taken */
	fill_exit(p, 0x40);
	KUNIT_EXPECT_EQ(test, 0, rmi_decode_comm_exit(p->page, &exit));
	KUNIT_EXPECT_EQ(test, 0, exit.req_cache_off | exit.req_cache_len |
				 exit.rsp_cache_off | exit.rsp_cache_len |
				 exit.req_len);
}

static void rmi_comm_exit_rules(struct kunit *test)
{
	static const struct {
		u64 flags;
		u32 off;
		u64 val;
		int rc;
	} rows[] = {
		{ 0x00, 0x840, 0, 0 },
		/* Each flag alone */
		{ 0x01, 0x840, 0, 0 }, { 0x02, 0x840, 0, 0 },
		{ 0x04, 0x840, 1, 0 }, { 0x08, 0x840, 0, 0 },
		{ 0x10, 0x840, 0, 0 }, { 0x40, 0x840, 0, 0 },
		/* MULTI only with REQ_SEND, and that not with RSP_WAIT */
		{ 0x20, 0x840, 1, -EBADMSG }, { 0x24, 0x840, 1, 0 },
		{ 0x0c, 0x840, 1, -EBADMSG },
		/* There are no others */
		{ 0x80, 0x840, 0, -EBADMSG },
		{ 1ULL << 63, 0x840, 0, -EBADMSG },
		/* A request has a byte at least, and fits a granule */
		{ 0x04, 0x840, 0, -EBADMSG }, { 0x04, 0x840, 4096, 0 },
		{ 0x04, 0x840, 4097, -EBADMSG },
		{ 0x04, 0x840, 1ULL << 32 | 1, -EBADMSG },
		/* Offset + length <= granule: 0x22 and 0x44 of it are there */
		{ 0x01, 0x808, 4096 - 0x22, 0 },
		{ 0x01, 0x808, 4096 - 0x22 + 1, -EBADMSG },
		{ 0x01, 0x808, ~0ULL, -EBADMSG },
		{ 0x01, 0x808, 1ULL << 32, -EBADMSG },
		{ 0x01, 0x810, 4096 - 0x11, 0 },
		{ 0x01, 0x810, 4096 - 0x11 + 1, -EBADMSG },
		{ 0x01, 0x810, ~0ULL, -EBADMSG },
		{ 0x02, 0x818, 4096 - 0x44, 0 },
		{ 0x02, 0x818, 4096 - 0x44 + 1, -EBADMSG },
		{ 0x02, 0x818, ~0ULL, -EBADMSG },
		{ 0x02, 0x820, 4096 - 0x33, 0 },
		{ 0x02, 0x820, 4096 - 0x33 + 1, -EBADMSG },
		{ 0x02, 0x820, ~0ULL, -EBADMSG },
		/* Of what nobody asks for, anything */
		{ 0x10, 0x808, ~0ULL, 0 }, { 0x10, 0x820, ~0ULL, 0 },
	};
	struct rmi_pages *p = test->priv;

	for (int i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rmi_comm_exit exit;

		fill_exit(p, rows[i].flags);
		put_exit(p, rows[i].off, rows[i].val);
		KUNIT_EXPECT_EQ_MSG(test, rows[i].rc,
				    rmi_decode_comm_exit(p->page, &exit),
				    "row %d", i);
	}
}

static struct kunit_case rmi_cases[] = {
	KUNIT_CASE(rmi_numbers),
	KUNIT_CASE(rmi_enumerations),
	KUNIT_CASE(rmi_result_word),
	KUNIT_CASE(rmi_donate_word),
	KUNIT_CASE(rmi_range_word),
	KUNIT_CASE(rmi_pdev_params_bet1),
	KUNIT_CASE(rmi_pdev_params_bet0),
	KUNIT_CASE(rmi_pdev_flags),
	KUNIT_CASE(rmi_public_key_page),
	KUNIT_CASE(rmi_stream_params_page),
	KUNIT_CASE(rmi_vdev_params_page),
	KUNIT_CASE(rmi_measure_params_page),
	KUNIT_CASE(rmi_comm_enter_page),
	KUNIT_CASE(rmi_comm_exit_page),
	KUNIT_CASE(rmi_comm_exit_rules),
	{}
};

static struct kunit_suite rmi_suite = {
	.name = "cca_rmi_codec",
	.init = rmi_test_init,
	.test_cases = rmi_cases,
};

kunit_test_suite(rmi_suite);

MODULE_DESCRIPTION("Tests of what the CCA driver tells the RMM, on bytes");
MODULE_LICENSE("GPL");
