/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of the RMM for devices of realms, layers lowest first:
 *
 * rmm_gran.c	who owns a granule
 * rmm_log.c	calls, a line each
 * rmm_fw.c	what the RMM says to the device, and when (requester.c)
 * rmm_op.c	operations in steps, and the memory that they take
 * rmm_cmd.c	calls: layouts, objects, states
 * rmm_main.c	module, realms, faults, debugfs
 *
 * Nothing in here is taken from the driver under test, neither types nor
 * numbers: what both have to agree on stands here a second time, from the same
 * public facts.
 */
#ifndef TDISP_RMM_MODEL_H
#define TDISP_RMM_MODEL_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "requester.h"
#include "rmm-inject.h"

#define RMM_FID(x)		(0xc4000000U | (x))
#define RMM_NR_ARGS		8
#define RMM_MAX_MEM		32

/* Versions that differ */
enum rmm_variant { RMM_1_1, RMM_2_0_BET0, RMM_2_0_BET1 };

/* The variables of a physical and of a virtual device, as A9 has them */
enum rmm_comm { COMM_IDLE, COMM_PENDING, COMM_ACTIVE, COMM_ERROR };

enum rmm_pstate {
	P_NEW, P_NEEDS_KEY, P_HAS_KEY, P_READY, P_STOPPED, P_ERROR,
};

enum rmm_pop {
	POP_NONE, POP_CONNECT, POP_DISCONNECT, POP_KEY_REFRESH, POP_KEY_PURGE,
	POP_STREAM_COMPLETE, POP_STOP,
};

enum rmm_vstate {
	V_NEW, V_UNLOCKED, V_LOCKED, V_STARTED, V_ERROR, V_KEY_REFRESH,
	V_KEY_PURGE,
};

enum rmm_vop { VOP_NONE, VOP_UNLOCK, VOP_LOCK, VOP_START, VOP_MEAS, VOP_REPORT };

enum rmm_sstate {
	S_CONNECTING, S_CONNECTED, S_DISCONNECTING, S_REFRESHING, S_PURGING,
};

struct rmm_pdev;
struct rmm_vdev;

/* Granules that an object has got, by their physical address */
struct rmm_mem {
	u32 nr;
	u64 pa[RMM_MAX_MEM];
};

/**
 * struct rmm_job - An exchange with the device
 * @work: the RMM's side of it
 * @to_host: the RMM has something to say
 * @to_rmm: the host has called again
 * @run: what the RMM does, an outcome of the codec
 * @pdev: whose exchange it is, or whose VDEV's
 * @vdev: NULL if it is the PDEV's
 * @flags: of the exit
 * @object: that flags are about
 * @req_cache: offset and length of what is to be kept of the request
 * @rsp_cache: the same of the response
 * @type: of the message under way
 * @len: of the message under way
 * @msg: the message
 * @rsp: last response
 * @rsp_len: bytes of it
 * @enter: what the host says about it
 * @expects: a response, or an error
 * @started: an object: what the host has of it is from before
 * @code: outcome
 * @done: the RMM is through
 * @cancelled: by an abort
 */
struct rmm_job {
	struct work_struct work;
	struct completion to_host, to_rmm;
	u64 (*run)(struct rmm_job *job);
	struct rmm_pdev *pdev;
	struct rmm_vdev *vdev;
	u64 flags;
	u8 object;
	u32 req_cache[2];
	u32 rsp_cache[2];
	u8 type;
	u32 len;
	u8 msg[SOFT_MAX_REQ];
	u8 rsp[4096];
	u32 rsp_len;
	u64 enter;
	bool expects;
	bool started[4];
	u64 code;
	bool done;
	bool cancelled;
};

/**
 * struct rmm_stream - IDE stream between two PDEVs
 * @node: in rmm_streams
 * @handle: how the host names it
 * @ep: endpoint
 * @rp: root port
 * @sid: ID of the stream
 * @state: its state
 * @refreshed: keys are new, for who waits for that
 * @purged: and the old ones are gone
 */
struct rmm_stream {
	struct list_head node;
	u64 handle;
	struct rmm_pdev *ep, *rp;
	u8 sid;
	enum rmm_sstate state;
	bool refreshed, purged;
};

/**
 * struct rmm_pdev - Physical device
 * @node: in rmm_pdevs
 * @pa: its granule
 * @mem: more memory
 * @held: an operation in steps is about it, nobody else can call it
 * @spdm: there is somebody to talk to
 * @category: 0 root port, 1 endpoint off chip, 2 on chip
 * @pdev_id: chosen by the host
 * @routing_id: segment and requester ID
 * @rid_base: first requester ID
 * @rid_top: first that is not
 * @max_vdevs: limit
 * @nr_vdevs: virtual devices
 * @state: its state
 * @op: operation
 * @comm: exchange
 * @req: session
 * @job: exchange under way, its own or a VDEV's
 * @stream: its stream
 * @keyed: keys are programmed, of this end
 * @going: and in use
 * @key_set: that is in use
 * @cert: certificate chain
 * @cert_len: bytes of it
 */
struct rmm_pdev {
	struct list_head node;
	u64 pa;
	struct rmm_mem mem;
	bool held;
	bool spdm;
	u8 category;
	u64 pdev_id, routing_id;
	u32 rid_base, rid_top;
	u32 max_vdevs, nr_vdevs;
	enum rmm_pstate state;
	enum rmm_pop op;
	enum rmm_comm comm;
	struct requester req;
	struct rmm_job *job;
	struct rmm_stream *stream;
	bool keyed, going;
	u8 key_set;
	u8 cert[8192];
	u32 cert_len;
};

/**
 * struct rmm_vdev - Virtual device
 * @node: in rmm_vdevs
 * @pa: its granule
 * @mem: more memory
 * @held: an operation in steps is about it
 * @rd: realm
 * @pdev: the device
 * @vdev_id: requester ID in the realm
 * @tdi_id: of the host
 * @nr_ranges: entries of @ranges
 * @ranges: base and top of MMIO
 * @state: its state
 * @op: operation
 * @comm: exchange
 * @nonce: of LOCK
 * @lock_nonce: counts locks
 * @nr_mapped: granules that are mapped
 */
struct rmm_vdev {
	struct list_head node;
	u64 pa;
	struct rmm_mem mem;
	bool held;
	u64 rd;
	struct rmm_pdev *pdev;
	u64 vdev_id, tdi_id;
	u32 nr_ranges;
	u64 ranges[8][2];
	enum rmm_vstate state;
	enum rmm_vop op;
	enum rmm_comm comm;
	u8 nonce[TDISP_NONCE_SIZE];
	u64 lock_nonce;
	u32 nr_mapped;
};

/* rmm_main.c */
extern struct mutex rmm_lock;
extern uint rmm_variant;
extern uint rmm_sro_steps, rmm_donate, rmm_reclaim_max, rmm_range_max;
extern uint rmm_comm_style;
extern int rmm_endless;
extern bool rmm_krou, rmm_da, rmm_no_st;
__printf(1, 2) void rmm_violation(const char *fmt, ...);
u64 rmm_refuse(u64 status, const char *why);
bool rmm_is_realm(u64 rd);
u64 rmm_injected(u32 cmd);

/* rmm_gran.c */
enum rmm_gstate {
	G_HOST,
	G_DELEGATED,
	G_PDEV,
	G_VDEV,
	G_OBJECT,	/* more memory of an object */
	G_RD,
	G_DEV,		/* MMIO that is mapped */
};

/**
 * struct rmm_gran - A granule that is not the host's
 * @pa: its address
 * @state: what it is
 * @vdev: of MMIO that is mapped
 * @ipa: where
 * @next: another one there, of another realm
 * @copy: what it was when it was delegated, NULL for MMIO
 */
struct rmm_gran {
	u64 pa;
	enum rmm_gstate state;
	struct rmm_vdev *vdev;
	u64 ipa;
	struct rmm_gran *next;
	u8 *copy;
};

enum rmm_gstate rmm_gran_state(u64 pa);
struct rmm_gran *rmm_gran(u64 pa);
void rmm_gran_set(u64 pa, enum rmm_gstate state);
int rmm_gran_add(u64 pa, enum rmm_gstate state);
void rmm_gran_del(u64 pa);
void *rmm_host_page(u64 pa);
void rmm_gran_verify(const char *when);
u32 rmm_gran_count(enum rmm_gstate state);
u64 rmm_mapped(struct rmm_vdev *vdev);
u64 rmm_find_ipa(u64 rd, u64 ipa);
int rmm_gran_map(u64 pa, struct rmm_vdev *vdev, u64 ipa);
void rmm_gran_unmap(u64 pa);
void rmm_gran_exit(void);

/* rmm_log.c */
int rmm_log_init(void);
void rmm_log_exit(void);
__printf(1, 2) void rmm_log(const char *fmt, ...);
void rmm_log_call(const char *name, const char *spec, const u64 *args,
		  u64 result, const char *more);
void rmm_log_clear(void);
struct seq_file;
void rmm_log_show(struct seq_file *s);
const char *rmm_status_name(u64 status);

/* rmm_fw.c */
void rmm_fw_init(struct rmm_pdev *pdev);
u64 rmm_communicate(struct rmm_pdev *pdev, struct rmm_vdev *vdev, u64 data,
		    u64 (*run)(struct rmm_job *job), bool *done, u64 *code);
void rmm_job_cancel(struct rmm_pdev *pdev);
u64 rmm_run_pdev(struct rmm_job *job);
u64 rmm_run_vdev(struct rmm_job *job);
const char *rmm_exit_text(u64 data, char *buf, size_t size);

/* rmm_op.c */
/* Start an operation for an object: INCOMPLETE, or what @finish says */
u64 rmm_op_start(u64 *x, struct rmm_mem *mem, bool *held, bool destroy,
		 u64 (*finish)(void *obj), void (*undo)(void *obj), void *obj);
u64 rmm_op_continue(u64 *x);
u64 rmm_op_donate(u64 *x);
u64 rmm_op_reclaim(u64 *x);
u64 rmm_op_cancel(u64 *x);
void rmm_op_exit(void);

/* rmm_cmd.c */
extern struct list_head rmm_pdevs, rmm_vdevs, rmm_streams;
void rmm_call(u64 *x);
int rmm_raw(u32 cmd, u64 arg, u64 page);
void rmm_cmd_exit(void);

/* What LOCK has the device add to its addresses */
#define RMM_MMIO_OFFSET		0x2020000000ULL

#endif /* TDISP_RMM_MODEL_H */
