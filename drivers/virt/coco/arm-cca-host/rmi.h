/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Realm Management Interface (RMI), as far as devices of realms are concerned:
 * Arm DEN0137 version 2.0. Layers, lowest first:
 *
 * rmi-smc.c	the conduit, the only file with an SMC
 * rmi-codec.c	structures as bytes
 * rmi-call.c	calls, stateful operations, granules
 *
 * Documentation/driver-api/pci/arm-cca.rst has the list of what is assumed.
 */
#ifndef __ARM_CCA_HOST_RMI_H
#define __ARM_CCA_HOST_RMI_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct device;
struct page;
struct pci_tsm_client;

#define RMI_GRANULE_SIZE		SZ_4K

#define RMI_FID(x)			(0xc4000000U | (x))

#define RMI_PDEV_ABORT			RMI_FID(0x174)
#define RMI_PDEV_COMMUNICATE		RMI_FID(0x175)
#define RMI_PDEV_CREATE			RMI_FID(0x176)
#define RMI_PDEV_DESTROY		RMI_FID(0x177)
#define RMI_PDEV_GET_STATE		RMI_FID(0x178)
#define RMI_STREAM_KEY_REFRESH		RMI_FID(0x17a)
#define RMI_PDEV_SET_PUBKEY		RMI_FID(0x17b)
#define RMI_PDEV_STOP			RMI_FID(0x17c)
#define RMI_VDEV_ABORT			RMI_FID(0x185)
#define RMI_VDEV_COMMUNICATE		RMI_FID(0x186)
#define RMI_VDEV_CREATE			RMI_FID(0x187)
#define RMI_VDEV_DESTROY		RMI_FID(0x188)
#define RMI_VDEV_GET_STATE		RMI_FID(0x189)
#define RMI_VDEV_UNLOCK			RMI_FID(0x18a)
#define RMI_VDEV_GET_INTERFACE_REPORT	RMI_FID(0x1d0)
#define RMI_VDEV_GET_MEASUREMENTS	RMI_FID(0x1d1)
#define RMI_VDEV_LOCK			RMI_FID(0x1d2)
#define RMI_VDEV_START			RMI_FID(0x1d3)
#define RMI_GRANULE_RANGE_DELEGATE	RMI_FID(0x1f1)
#define RMI_GRANULE_RANGE_UNDELEGATE	RMI_FID(0x1f2)
#define RMI_OP_CONTINUE			RMI_FID(0x203)
#define RMI_STREAM_CONNECT		RMI_FID(0x204)
#define RMI_STREAM_DISCONNECT		RMI_FID(0x205)
#define RMI_STREAM_COMPLETE		RMI_FID(0x206)
#define RMI_STREAM_KEY_PURGE		RMI_FID(0x207)
#define RMI_OP_MEM_DONATE		RMI_FID(0x208)
#define RMI_OP_MEM_RECLAIM		RMI_FID(0x209)
#define RMI_OP_CANCEL			RMI_FID(0x20a)

/* Status, x0 bits 7:0 (B4.6.5) */
enum rmi_status {
	RMI_SUCCESS = 0,
	RMI_ERROR_INPUT = 1,
	RMI_ERROR_REALM = 2,
	RMI_ERROR_REC = 3,
	RMI_ERROR_RTT = 4,
	RMI_ERROR_NOT_SUPPORTED = 5,
	RMI_ERROR_DEVICE = 6,
	RMI_ERROR_RTT_AUX = 7,
	RMI_ERROR_PSMMU_ST = 8,
	RMI_ERROR_DPT = 9,
	RMI_BUSY = 10,
	RMI_ERROR_GLOBAL = 11,
	RMI_ERROR_TRACKING = 12,
	RMI_INCOMPLETE = 13,
	RMI_BLOCKED = 14,
	RMI_ERROR_GPT = 15,
	RMI_ERROR_GRANULE = 16,
};

/* What an operation that is not complete wants, x0 bits 9:8 */
enum rmi_op_mem {
	RMI_OP_MEM_NONE = 0,
	RMI_OP_MEM_WANTED = 1,
	RMI_OP_MEM_BACK = 2,
};

/**
 * enum rmi_variant - Versions that differ in layouts or preconditions
 * @RMI_2_0_BET1: what the driver speaks
 * @RMI_2_0_BET0: TF-RMM in the middle of 2026
 *
 * No call tells them apart. 1.1 has other calls altogether and is not spoken.
 */
enum rmi_variant {
	RMI_2_0_BET1,
	RMI_2_0_BET0,
};

/**
 * struct rmi_regs - Registers of a call, arguments in, results out
 * @x: x0 to x17
 */
struct rmi_regs {
	u64 x[18];
};

/**
 * struct rmi_result - Result word
 * @status: enum rmi_status
 * @level: of the translation table, for RTT, RTT_AUX, DPT and PSMMU_ST
 * @mem: enum rmi_op_mem, for INCOMPLETE
 * @can_cancel: for INCOMPLETE
 */
struct rmi_result {
	u8 status;
	u8 level;
	u8 mem;
	bool can_cancel;
};

/**
 * struct rmi_donate - Memory that an operation wants
 * @size: of a block, 0 is a granule
 * @count: of blocks
 * @contiguous: as one piece
 * @undelegated: still the host's
 */
struct rmi_donate {
	u8 size;
	u32 count;
	bool contiguous;
	bool undelegated;
};

/**
 * struct rmi_range - Memory that changes hands
 * @pa: first block
 * @count: of blocks
 * @size: of a block, 0 is a granule
 * @undelegated: is the host's
 */
struct rmi_range {
	u64 pa;
	u32 count;
	u8 size;
	bool undelegated;
};

/* Category of a physical device */
enum rmi_pdev_category {
	RMI_PDEV_ROOT_PORT = 0,
	RMI_PDEV_ENDPOINT_OFF_CHIP = 1,
	RMI_PDEV_ENDPOINT_ON_CHIP = 2,
};

enum rmi_hash {
	RMI_HASH_SHA_256 = 0,
	RMI_HASH_SHA_512 = 1,
	RMI_HASH_SHA_384 = 2,
};

/**
 * struct rmi_pdev_params - Parameters of PDEV_CREATE
 * @spdm: there is somebody to talk to
 * @category: enum rmi_pdev_category
 * @pdev_id: chosen by the host
 * @routing_id: segment and requester ID
 * @hb_base: host bridge, 2.0-bet0
 * @id_index: slot of the certificate chain
 * @rid_base: first requester ID
 * @rid_top: first that is not
 * @hash: enum rmi_hash
 * @max_vdevs_order: at most 2^order - 1 VDEVs
 */
struct rmi_pdev_params {
	bool spdm;
	u8 category;
	u64 pdev_id;
	u64 routing_id;
	u64 hb_base;
	u64 id_index;
	u16 rid_base;
	u16 rid_top;
	u8 hash;
	u8 max_vdevs_order;
};

/* Memory, @top is exclusive */
struct rmi_addr_range {
	u64 base;
	u64 top;
};

#define RMI_STREAM_MAX_RANGES		16
#define RMI_VDEV_MAX_RANGES		8

enum rmi_stream_type {
	RMI_STREAM_NON_TEE = 0,
	RMI_STREAM_NCOH = 1,
};

/**
 * struct rmi_stream_params - Parameters of STREAM_CONNECT
 * @type: enum rmi_stream_type
 * @pdev_1: endpoint
 * @pdev_2: root port
 * @ide_sid: ID of the IDE stream
 * @nr_ranges: entries of @ranges
 * @ranges: of the endpoint
 */
struct rmi_stream_params {
	u8 type;
	u64 pdev_1;
	u64 pdev_2;
	u64 ide_sid;
	u32 nr_ranges;
	struct rmi_addr_range ranges[RMI_STREAM_MAX_RANGES];
};

/**
 * struct rmi_vdev_params - Parameters of VDEV_CREATE, without a vSMMU
 * @vdev_id: requester ID in the realm
 * @tdi_id: requester ID of the host
 * @nr_ranges: entries of @ranges
 * @ranges: MMIO of the function
 */
struct rmi_vdev_params {
	u64 vdev_id;
	u64 tdi_id;
	u32 nr_ranges;
	struct rmi_addr_range ranges[RMI_VDEV_MAX_RANGES];
};

#define RMI_MEASURE_NONCE_SIZE		32

enum rmi_key_algo {
	RMI_KEY_RSASSA_3072 = 0,
	RMI_KEY_ECDSA_P256 = 1,
	RMI_KEY_ECDSA_P384 = 2,
};

#define RMI_KEY_MAX			1024

/**
 * struct rmi_public_key - Key of a device
 * @algo: enum rmi_key_algo
 * @key: modulus, or uncompressed point
 * @len: bytes of @key
 * @meta: exponent, of RSA
 * @meta_len: bytes of @meta
 */
struct rmi_public_key {
	u8 algo;
	const u8 *key;
	size_t len;
	const u8 *meta;
	size_t meta_len;
};

enum rmi_comm_status {
	RMI_COMM_NONE = 0,
	RMI_COMM_RESPONSE = 1,
	RMI_COMM_ERROR = 2,
};

/* What the RMM wants, flags of struct rmi_comm_exit */
#define RMI_COMM_REQ_CACHE		BIT(0)
#define RMI_COMM_RSP_CACHE		BIT(1)
#define RMI_COMM_REQ_SEND		BIT(2)
#define RMI_COMM_RSP_WAIT		BIT(3)
#define RMI_COMM_RSP_RESET		BIT(4)
#define RMI_COMM_MULTI			BIT(5)
#define RMI_COMM_STREAM_WAIT		BIT(6)
/* With none of these the exchange is complete (A9.5) */
#define RMI_COMM_MORE			(RMI_COMM_REQ_CACHE | \
					 RMI_COMM_RSP_CACHE | \
					 RMI_COMM_REQ_SEND | \
					 RMI_COMM_RSP_WAIT | \
					 RMI_COMM_RSP_RESET | \
					 RMI_COMM_STREAM_WAIT)

enum rmi_object {
	RMI_OBJECT_VCA = 0,
	RMI_OBJECT_CERT = 1,
	RMI_OBJECT_MEAS = 2,
	RMI_OBJECT_REPORT = 3,
};

/**
 * struct rmi_comm_enter - What the host tells COMMUNICATE
 * @status: enum rmi_comm_status
 * @req_addr: a granule for requests
 * @rsp_addr: a granule for responses
 * @rsp_len: bytes of the response there, at most a granule
 */
struct rmi_comm_enter {
	u64 status;
	u64 req_addr;
	u64 rsp_addr;
	u64 rsp_len;
};

/**
 * struct rmi_comm_exit - What COMMUNICATE tells the host
 * @flags: RMI_COMM_*
 * @req_cache_off: what of the request to cache
 * @req_cache_len: how much of it
 * @rsp_cache_off: what of the response to cache
 * @rsp_cache_len: how much of it
 * @object: enum rmi_object, what it is part of
 * @secured: the request is of a secured session, SPDM otherwise
 * @req_delay_us: wait before it is sent
 * @req_len: bytes of the request
 * @rsp_timeout_us: for the response
 */
struct rmi_comm_exit {
	u64 flags;
	u32 req_cache_off;
	u32 req_cache_len;
	u32 rsp_cache_off;
	u32 rsp_cache_len;
	u8 object;
	bool secured;
	u64 req_delay_us;
	u32 req_len;
	u64 rsp_timeout_us;
};

/* Codec: rmi-codec.c. Pages are zeroed by the encoders */
const char *rmi_name(u32 fid);
bool rmi_verified(u32 fid);
void rmi_decode_result(u64 word, struct rmi_result *res);
void rmi_decode_donate(u64 word, struct rmi_donate *donate);
u64 rmi_encode_range(const struct rmi_range *range);
void rmi_decode_range(u64 word, struct rmi_range *range);
void rmi_encode_pdev_params(void *page, const struct rmi_pdev_params *params,
			    enum rmi_variant variant);
int rmi_encode_public_key(void *page, const struct rmi_public_key *key);
int rmi_encode_stream_params(void *page,
			     const struct rmi_stream_params *params);
int rmi_encode_vdev_params(void *page, const struct rmi_vdev_params *params);
void rmi_encode_measure_params(void *page, const u8 *nonce);
void rmi_encode_comm_enter(void *page, const struct rmi_comm_enter *enter);
int rmi_decode_comm_exit(const void *page, struct rmi_comm_exit *exit);

/* Conduit: rmi-smc.c, which a test module replaces as a whole */
void rmi_smc(struct rmi_regs *regs);
bool rmi_may_assume(void);

/**
 * struct rmi_ctx - For whom calls are made
 * @dev: for trace events
 * @variant: of the RMM
 * @status: of the last call that was refused, enum rmi_status
 * @value: what came with it
 * @client: who can end exchanges under way, or NULL
 * @killable: a fatal signal does
 * @lost: granules that the RMM did not give back
 */
struct rmi_ctx {
	struct device *dev;
	enum rmi_variant variant;
	u64 status;
	u64 value;
	struct pci_tsm_client *client;
	bool killable;
	unsigned long lost;
};

/**
 * struct rmi_mem - Granules that an object of the RMM got from the host
 * @pages: linked by their LRU list, private is 1 for delegated ones
 * @nr: of them
 * @stuck: an operation about the object has come to no end: nobody can call it
 *	   any more
 */
struct rmi_mem {
	struct list_head pages;
	unsigned long nr;
	bool stuck;
};

/* Calls: rmi-call.c */
bool rmi_aborted(struct rmi_ctx *ctx);
int rmi_call(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs);
int rmi_call_mem(struct rmi_ctx *ctx, u32 fid, struct rmi_regs *regs,
		 struct rmi_mem *mem);
int rmi_delegate_range(struct rmi_ctx *ctx, u64 base, u64 top);
int rmi_undelegate_range(struct rmi_ctx *ctx, u64 base, u64 top);
struct page *rmi_granule_alloc(struct rmi_ctx *ctx);
void rmi_granule_free(struct rmi_ctx *ctx, struct page *page);
bool rmi_undo_create(struct rmi_ctx *ctx, struct page *page,
		     struct rmi_mem *mem);
void rmi_mem_init(struct rmi_mem *mem);

#endif /* __ARM_CCA_HOST_RMI_H */
