// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the TDX module on registers: which number, which operand in which
 * register and nothing in the others, which result from where.
 */
#include <kunit/test.h>

#include "tdxm_redirect.h"
#include "../../../arch/x86/virt/vmx/tdx/connect.c"
#undef dev_fmt
#include "../../../drivers/virt/coco/tdx-host/tdi_none.c"

#undef MODULE_DESCRIPTION
#define MODULE_DESCRIPTION(text) MODULE_INFO(description, text)

#define TEST_STATUS	0x1234567800000000ULL

/* The last call, and what the module returns */
static u64 test_leaf;
static struct tdx_module_args test_args;

u64 tdxm_seamcall(u64 fn, struct tdx_module_args *args)
{
	test_leaf = fn;
	test_args = *args;
	args->rcx = 0xc0;
	args->rdx = 0xd0;
	args->r8 = 0x80;
	return TEST_STATUS;
}

/* What was called, with these registers from RCX to R14, and no others */
#define expect_call(test, leaf, ...) do {				\
	const u64 __regs[] = { __VA_ARGS__ };				\
	struct tdx_module_args __args = {};				\
									\
	memcpy(&__args, __regs, sizeof(__regs));			\
	KUNIT_EXPECT_EQ(test, leaf, test_leaf);				\
	KUNIT_EXPECT_MEMEQ(test, &__args, &test_args, sizeof(__args));	\
} while (0)

static void sys(struct kunit *test)
{
	u64 out;

	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_connect_sys_rd(7, &out));
	expect_call(test, 34, 0, 7);
	KUNIT_EXPECT_EQ(test, 0x80, out);
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_connect_page_wbinvd(0x5000));
	expect_call(test, 41, 0x5000 | TDXM_KEYID);
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_ext_init());
	expect_call(test, 60, 0);
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_ext_mem_add(1));
	expect_call(test, 61, 1);
}

static void iommu(struct kunit *test)
{
	u64 out;

	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_iommu_setup(1, 2, &out));
	expect_call(test, 128, 1, 2);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_iommu_clear(1));
	expect_call(test, 129, 1);
}

static void spdm(struct kunit *test)
{
	u64 out;

	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_spdm_create(1, 2, &out));
	expect_call(test, 130, 1, 2);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	out = 0;
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_spdm_delete(1, 2, &out));
	expect_call(test, 131, 1, 2);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	out = 0;
	KUNIT_EXPECT_EQ(test, TEST_STATUS,
			tdh_spdm_connect(1, 2, 3, 4, 5, &out));
	expect_call(test, 142, 1, 2, 3, 4, 5);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	out = 0;
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_spdm_disconnect(1, 2, 3, &out));
	expect_call(test, 143, 1, 2, 3);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	out = 0;
	KUNIT_EXPECT_EQ(test, TEST_STATUS,
			tdh_spdm_mng(1, TDX_SPDM_RECOLLECT, 3, 4, 5, 6, &out));
	expect_call(test, 144, 1, 2, 3, 4, 5, 6);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	KUNIT_EXPECT_EQ(test, 0, TDX_SPDM_HEARTBEAT);
	KUNIT_EXPECT_EQ(test, 1, TDX_SPDM_KEY_UPDATE);
}

static void stream(struct kunit *test)
{
	const struct tdx_ide_stream stream = {
		1, 2, 3, 4, { 5, 6 }, { 7, 8, 9 },
	};
	u64 id, rp_id;

	KUNIT_EXPECT_EQ(test, TEST_STATUS,
			tdh_ide_stream_create(&stream, &id, &rp_id));
	expect_call(test, 132, 1, 2, 3, 4, 5, 6, 7, 8, 9);
	KUNIT_EXPECT_EQ(test, 0xc0, id);
	KUNIT_EXPECT_EQ(test, 0xd0, rp_id);
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_ide_stream_block(1, 2));
	expect_call(test, 133, 1, 2);
	KUNIT_EXPECT_EQ(test, TEST_STATUS, tdh_ide_stream_delete(1, 2, 3));
	expect_call(test, 134, 1, 2, 3);
	id = 0;
	KUNIT_EXPECT_EQ(test, TEST_STATUS,
			tdh_ide_stream_km(1, 2, TDX_IDE_KM_STOP, 4, 5, &id));
	expect_call(test, 135, 1, 2, 2, 4, 5);
	KUNIT_EXPECT_EQ(test, 0xc0, id);
	KUNIT_EXPECT_EQ(test, 0, TDX_IDE_KM_SETUP);
	KUNIT_EXPECT_EQ(test, 1, TDX_IDE_KM_REFRESH);
}

/* Placeholders: that they are none of a module's, and the model's registers */
static void tdi(struct kunit *test)
{
	u64 out = 0;

	tdh_tdi_create(1, 2, 3, 4, 5);
	expect_call(test, TDX_LEAF_NOT_FOUND(0), 1, 2, 3, 4, 5);
	tdh_tdi_lock(1, 2, 3, &out);
	expect_call(test, TDX_LEAF_NOT_FOUND(1), 1, 2, 3);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	tdh_tdi_start(1, 2, 3, &out);
	expect_call(test, TDX_LEAF_NOT_FOUND(2), 1, 2, 3);
	tdh_tdi_stop(1, 2, 3, &out);
	expect_call(test, TDX_LEAF_NOT_FOUND(3), 1, 2, 3);
	tdh_tdi_remove(1, 2);
	expect_call(test, TDX_LEAF_NOT_FOUND(4), 1, 2);
	tdh_tdi_state(1, 2, 3, &out);
	expect_call(test, TDX_LEAF_NOT_FOUND(5), 1, 2, 3);
	tdh_tdi_report(1, 2, 3, 4, &out);
	expect_call(test, TDX_LEAF_NOT_FOUND(6), 1, 2, 3, 4);
	tdh_mmio_mt_add(1, 2, 3);
	expect_call(test, TDX_LEAF_NOT_FOUND(7), 1, 2, 3);
	tdh_mmio_mt_set(1, 2, 3);
	expect_call(test, TDX_LEAF_NOT_FOUND(8), 1, 2, 3);
	out = 0;
	tdh_mmio_mt_remove(1, 2, &out);
	expect_call(test, TDX_LEAF_NOT_FOUND(9), 1, 2);
	KUNIT_EXPECT_EQ(test, 0xc0, out);
	/* Numbers of modules have three digits at most */
	KUNIT_EXPECT_LT(test, 999, TDX_LEAF_NOT_FOUND(0));
}

static void operands(struct kunit *test)
{
	u64 one = TDX_HPA_ARRAY(0x1000ULL, 1);
	u64 most = TDX_HPA_ARRAY(0x1000ULL, 512);

	KUNIT_EXPECT_EQ(test, 0x1000ULL, one);
	KUNIT_EXPECT_EQ(test, 0x1000ULL | 511ULL << 55, most);
	KUNIT_EXPECT_EQ(test, 0xff80000000000000ULL, TDX_HPA_LIST_LAST);
	KUNIT_EXPECT_EQ(test, 0xff8ULL, TDX_HPA_LIST_FIRST);
	KUNIT_EXPECT_EQ(test, 7, sizeof(struct tdx_spdm_config));
	KUNIT_EXPECT_EQ(test, 4, offsetof(struct tdx_spdm_config, policy));
	KUNIT_EXPECT_EQ(test, 5,
			offsetof(struct tdx_spdm_config, cert_slot_mask));
	KUNIT_EXPECT_EQ(test, 0x01ffffff, TDX_FUNC_ID_RID |
			TDX_FUNC_ID_SEGMENT | TDX_FUNC_ID_SEGMENT_VALID);
}

/* What a kernel has in place of the calls that no public source has numbers for */
static void no_tdi(struct kunit *test)
{
	struct pci_dev *pdev = kunit_kzalloc(test, sizeof(*pdev), GFP_KERNEL);
	struct pci_tsm_req req = {};
	struct pci_tdi tdi = {};

	KUNIT_ASSERT_NOT_NULL(test, pdev);
	pdev->dev.init_name = "tdx-none";
	test_leaf = 0;
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EOPNOTSUPP),
			    tdx_bind(pdev, NULL, NULL, 0));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, tdx_guest_req(&tdi, &req));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, tdx_unbind(&tdi));
	KUNIT_EXPECT_EQ(test, 0, test_leaf);
}

static struct kunit_case tdx_cases[] = {
	KUNIT_CASE(sys),
	KUNIT_CASE(iommu),
	KUNIT_CASE(spdm),
	KUNIT_CASE(stream),
	KUNIT_CASE(tdi),
	KUNIT_CASE(operands),
	KUNIT_CASE(no_tdi),
	{}
};

static struct kunit_suite tdx_suite = {
	.name = "tdx_connect_calls",
	.test_cases = tdx_cases,
};

kunit_test_suite(tdx_suite);

MODULE_DESCRIPTION("Tests of the calls of the TDX module for devices");
MODULE_LICENSE("GPL");
