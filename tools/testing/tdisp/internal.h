/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Layers of the soft TSM, lowest first:
 *
 * codec (codec.h)		bytes: spdm.c, tdisp.c. KUnit runs it
 * transport (transport.c)	one exchange: mailbox, session, errno
 * policy (link.c, tdi.c,	struct pci_tsm_ops: objects, order, undo
 *	request.c, main.c)
 *
 * Beside them bench.c, in place of hardware
 */
#ifndef TDISP_SOFT_INTERNAL_H
#define TDISP_SOFT_INTERNAL_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/pci.h>
#include <linux/pci-ide.h>
#include <linux/pci-tsm.h>
#include <linux/types.h>

#include "codec.h"

/**
 * struct soft_obj - Evidence about a device
 * @data: allocated with kvmalloc(), NULL when there is none
 * @len: bytes of @data
 */
struct soft_obj {
	u8 *data;
	u32 len;
};

struct soft_dsm;

/**
 * struct soft_fn - A function as the debugfs files find it
 * @node: in the list of all, see soft_fns_lock
 * @pdev: the function, which outlives this: the core removes its TSM context
 *	  first
 * @dsm: manager of the function, outlives it too
 */
struct soft_fn {
	struct list_head node;
	struct pci_dev *pdev;
	struct soft_dsm *dsm;
};

/**
 * struct soft_dsm - A device with the session and the stream to it
 * @pf0: what the core knows. Its lock protects everything below
 * @fn: function 0 is a function too
 * @kref: one for as long as the core knows it, and one per debugfs write under
 *	  way
 * @connected: the session is open, @pf0 and its pci_dev can be used. Cleared,
 *	       with the lock, before either goes away
 * @client: owner who can end the exchanges under way, NULL if nobody can
 * @killable: a fatal signal ends the exchanges under way
 * @code: outcome of the last exchange, SOFT_TSM_CODE_* or 0
 * @session_id: of the secured session, 0 when there is none
 * @ide: stream to the device, NULL without
 * @keys: a key may have been programmed for the stream
 * @vca: transcript of version, capabilities and algorithms
 * @cert: certificate chain
 * @meas: nonce and measurements
 * @req: buffer for requests
 * @rsp: buffer for responses
 */
struct soft_dsm {
	struct pci_tsm_pf0 pf0;
	struct soft_fn fn;
	struct kref kref;
	bool connected;
	struct pci_tsm_client *client;
	bool killable;
	u64 code;
	u32 session_id;
	struct pci_ide *ide;
	bool keys;
	struct soft_obj vca;
	struct soft_obj cert;
	struct soft_obj meas;
	u8 req[SOFT_MAX_REQ] __aligned(4);
	u8 rsp[SOFT_MAX_RSP] __aligned(4);
};

/**
 * struct soft_tdi - A bound function
 * @base: what the core knows
 * @locked: the device may have locked the TDI
 * @nonce: of LOCK, for START
 * @report: device interface report, fixed from LOCK on
 * @vm: what KVM does for the VM
 * @page: context page, which belongs to the firmware while @locked
 */
struct soft_tdi {
	struct pci_tdi base;
	const struct tsm_vm_provider *vm;
	bool locked;
	struct page *page;
	u8 nonce[TDISP_NONCE_SIZE];
	struct soft_obj report;
};

/* Where the layers of a request that travels in the session stand */
#define SOFT_APP(dsm)		((dsm)->req + SOFT_SECURED_HDR)
#define SOFT_VDM(dsm)		(SOFT_APP(dsm) + SPDM_VDM_HDR_SIZE)

/* Transport: transport.c */
u64 soft_trace_start(void);
int soft_errno(u64 code);
int soft_outcome(struct soft_dsm *dsm, u64 code);
int soft_spdm(struct soft_dsm *dsm, size_t len, struct tdisp_span *rsp);
int soft_secured(struct soft_dsm *dsm, size_t len, struct tdisp_span *app);
int soft_ide_km(struct soft_dsm *dsm, size_t len, struct tdisp_span *msg);
int soft_tdisp(struct soft_dsm *dsm, struct pci_dev *pdev, size_t len,
	       struct tdisp_span *body);

/* Policy: link.c */
typedef int (*soft_portion_fn)(struct soft_dsm *dsm, struct pci_dev *pdev,
			       struct tdisp_portion *portion,
			       struct tdisp_span *bytes);

void soft_obj_clear(struct soft_obj *obj);
int soft_read_obj(struct soft_dsm *dsm, struct pci_dev *pdev,
		  soft_portion_fn read, struct soft_obj *obj);
int soft_measure(struct soft_dsm *dsm, const u8 *nonce);
int soft_session_restore(struct soft_dsm *dsm);
int soft_connect(struct pci_dev *pdev);
void soft_disconnect(struct pci_dev *pdev);

/* Policy: tdi.c */
extern bool soft_hold;

u32 soft_function_id(struct pci_dev *pdev);
int soft_tdi_state(struct soft_dsm *dsm, struct pci_dev *pdev, u8 *state);
int soft_tdi_confirm(struct soft_dsm *dsm, struct pci_dev *pdev, u8 req_code);
int soft_trusted_dma(struct soft_tdi *tdi, bool on);
int soft_tdi_stop(struct soft_dsm *dsm, struct pci_dev *pdev);
void soft_held_adopt(struct pci_dev *pdev);
void soft_held_free(struct pci_dev *pdev);
void soft_held_leak(void);
struct pci_tdi *soft_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			  struct kvm *kvm, u32 tdi_id);
int soft_unbind(struct pci_tdi *base);

/* Policy: request.c */
int soft_guest_req(struct pci_tdi *base, struct pci_tsm_req *req);

/* In place of hardware: bench.c */
#ifdef CONFIG_KVM_DMABUF_MEM
int soft_bench_init(void);
void soft_bench_exit(void);
void soft_bench_dma(struct pci_dev *pdev, bool on);
#else
static inline int soft_bench_init(void)
{
	return 0;
}

static inline void soft_bench_exit(void)
{
}

static inline void soft_bench_dma(struct pci_dev *pdev, bool on)
{
}
#endif

static inline struct soft_dsm *to_soft_dsm(struct pci_dev *pdev)
{
	struct pci_tsm *tsm = pdev->tsm->dsm_dev->tsm;

	return container_of(tsm, struct soft_dsm, pf0.base_tsm);
}

static inline struct soft_tdi *to_soft_tdi(struct pci_tdi *tdi)
{
	return container_of(tdi, struct soft_tdi, base);
}

#endif /* TDISP_SOFT_INTERNAL_H */
