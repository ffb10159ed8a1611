// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy of the soft TSM for a function: bind locks it, unbind takes it back.
 * Nothing is believed of its state but what the device reports.
 */
#define dev_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/tsm-vm.h>
#include <trace/events/tsm.h>

#include "internal.h"

/* Each try is two exchanges, which may run into the time limit of DOE */
#define SOFT_STOP_TRIES		3

#define SOFT_FUNCTION_SEGMENT		GENMASK(23, 16)
#define SOFT_FUNCTION_SEGMENT_VALID	BIT(24)

enum soft_step {
	SOFT_STEP_STOP,
	SOFT_STEP_REVOKE,
	SOFT_STEP_DMA_OFF,
};

#define SOFT_NR_STEPS	(SOFT_STEP_DMA_OFF + 1)

/* The architectures disagree on the order in which a TDI is taken back */
static const struct soft_teardown {
	const char *name;
	enum soft_step steps[SOFT_NR_STEPS];
} soft_teardowns[] = {
	{ /* TDX Connect */
		"stop-first",
		{ SOFT_STEP_STOP, SOFT_STEP_REVOKE, SOFT_STEP_DMA_OFF },
	},
	{ /* SEV-TIO */
		"stop-first-late-revoke",
		{ SOFT_STEP_STOP, SOFT_STEP_DMA_OFF, SOFT_STEP_REVOKE },
	},
	{ /* CCA */
		"revoke-first",
		{ SOFT_STEP_REVOKE, SOFT_STEP_STOP, SOFT_STEP_DMA_OFF },
	},
};

static const struct soft_teardown *soft_teardown = &soft_teardowns[0];

static int soft_teardown_set(const char *val, const struct kernel_param *kp)
{
	for (int i = 0; i < ARRAY_SIZE(soft_teardowns); i++) {
		if (sysfs_streq(val, soft_teardowns[i].name)) {
			WRITE_ONCE(soft_teardown, &soft_teardowns[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static int soft_teardown_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", READ_ONCE(soft_teardown)->name);
}

static const struct kernel_param_ops soft_teardown_ops = {
	.set = soft_teardown_set,
	.get = soft_teardown_get,
};
module_param_cb(teardown, &soft_teardown_ops, NULL, 0644);
MODULE_PARM_DESC(teardown,
		 "Order of unbind: stop-first (TDX), stop-first-late-revoke (SEV) or revoke-first (CCA)");

/* Play the firmware that will not let go: every unbind fails */
bool soft_hold;

/* Interface id: the requester id, with the segment in flit mode */
u32 soft_function_id(struct pci_dev *pdev)
{
	u32 id = pci_dev_id(pdev);

	if (pdev->fm_enabled)
		id |= SOFT_FUNCTION_SEGMENT_VALID |
		      FIELD_PREP(SOFT_FUNCTION_SEGMENT,
				 pci_domain_nr(pdev->bus));
	return id;
}

static int soft_tdi_version(struct soft_dsm *dsm, struct pci_dev *pdev)
{
	size_t len = tdisp_req_simple(SOFT_VDM(dsm), TDISP_GET_VERSION,
				      soft_function_id(pdev));
	struct tdisp_span body;
	int rc;

	rc = soft_tdisp(dsm, pdev, len, &body);
	if (rc)
		return rc;
	return soft_outcome(dsm, tdisp_rsp_version(body));
}

static int soft_tdi_caps(struct soft_dsm *dsm, struct pci_dev *pdev,
			 struct tdisp_caps *caps)
{
	size_t len = tdisp_req_capabilities(SOFT_VDM(dsm),
					    soft_function_id(pdev));
	struct tdisp_span body;
	int rc;

	rc = soft_tdisp(dsm, pdev, len, &body);
	if (rc)
		return rc;
	return soft_outcome(dsm, tdisp_rsp_capabilities(body, caps));
}

int soft_tdi_state(struct soft_dsm *dsm, struct pci_dev *pdev, u8 *state)
{
	size_t len = tdisp_req_simple(SOFT_VDM(dsm), TDISP_GET_INTERFACE_STATE,
				      soft_function_id(pdev));
	struct tdisp_span body;
	int rc;

	rc = soft_tdisp(dsm, pdev, len, &body);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, tdisp_rsp_state(body, state));
	if (!rc)
		trace_tsm_tdi_state(pdev, *state);
	return rc;
}

/* Is the TDI, as the device says, where @req_code leads to? */
int soft_tdi_confirm(struct soft_dsm *dsm, struct pci_dev *pdev, u8 req_code)
{
	u8 state;
	int rc;

	rc = soft_tdi_state(dsm, pdev, &state);
	if (rc)
		return rc;
	if (state != tdisp_next_state(req_code))
		return soft_outcome(dsm, SOFT_TSM_CODE_WRONG_STATE);
	return 0;
}

static int soft_read_report(struct soft_dsm *dsm, struct pci_dev *pdev,
			    struct tdisp_portion *portion,
			    struct tdisp_span *bytes)
{
	size_t len = tdisp_req_report(SOFT_VDM(dsm), soft_function_id(pdev),
				      portion->offset, portion->asked);
	struct tdisp_span body;
	int rc;

	rc = soft_tdisp(dsm, pdev, len, &body);
	if (rc)
		return rc;
	return soft_outcome(dsm, tdisp_rsp_report(body, portion, bytes));
}

/* Did the device say no, other than for now? */
static bool soft_refused(u64 code)
{
	return code && code != (SOFT_TSM_CODE_TDISP | TDISP_ERR_BUSY) &&
	       SOFT_TSM_CODE_WHO(code) != SOFT_TSM_CODE_SELF;
}

static int soft_tdi_stop_once(struct soft_dsm *dsm, struct pci_dev *pdev)
{
	size_t len = tdisp_req_simple(SOFT_VDM(dsm), TDISP_STOP_INTERFACE,
				      soft_function_id(pdev));
	struct tdisp_span body;
	int rc;

	rc = soft_tdisp(dsm, pdev, len, &body);
	if (rc)
		return rc;
	return soft_outcome(dsm, tdisp_rsp_empty(body));
}

/*
 * Take a TDI back. What counts is the state that the device reports: STOP may
 * be refused by a TDI that is unlocked already, and one that was not answered
 * may have been carried out. A device that is gone has nothing left to stop. A
 * clear refusal is final, everything else is tried again, in the mailbox that
 * pci_doe() has aborted. Ends with -EINTR only where the owner may give up.
 */
int soft_tdi_stop(struct soft_dsm *dsm, struct pci_dev *pdev)
{
	u64 stop_code, state_code;
	int rc;

	for (int i = 0; i < SOFT_STOP_TRIES; i++) {
		rc = soft_tdi_stop_once(dsm, pdev);
		if (rc == -EINTR)
			return rc;
		stop_code = dsm->code;

		rc = soft_tdi_confirm(dsm, pdev, TDISP_STOP_INTERFACE);
		if (!rc || rc == -EINTR)
			return rc;
		state_code = dsm->code;

		if (!pci_device_is_present(pdev))
			return soft_outcome(dsm, 0);
		/* The device was reset, ask for the state in a new session */
		if (state_code == (SOFT_TSM_CODE_SPDM |
				   SPDM_ERR_INVALID_SESSION)) {
			rc = soft_session_restore(dsm);
			if (rc)
				return rc;
		}
		if (state_code == SOFT_TSM_CODE_WRONG_STATE &&
		    soft_refused(stop_code))
			return soft_outcome(dsm, stop_code);
	}
	return soft_outcome(dsm, state_code);
}

/* Exchanges of bind up to the point where the TDI is known to be LOCKED */
static int soft_tdi_lock(struct soft_dsm *dsm, struct soft_tdi *tdi)
{
	static const u8 needed[] = {
		TDISP_LOCK_INTERFACE, TDISP_GET_INTERFACE_REPORT,
		TDISP_GET_INTERFACE_STATE, TDISP_START_INTERFACE,
		TDISP_STOP_INTERFACE,
	};
	struct pci_dev *pdev = tdi->base.pdev;
	struct tdisp_span body, report;
	struct tdisp_caps caps;
	size_t len;
	u8 state;
	int rc;

	rc = soft_tdi_version(dsm, pdev);
	if (rc)
		return rc;
	rc = soft_tdi_caps(dsm, pdev, &caps);
	if (rc)
		return rc;
	for (int i = 0; i < ARRAY_SIZE(needed); i++)
		if (!tdisp_caps_have(&caps, needed[i]))
			return soft_outcome(dsm, SOFT_TSM_CODE_UNSUPPORTED);

	/* Left over by a bind that could not be undone, or by a reset */
	rc = soft_tdi_state(dsm, pdev, &state);
	if (rc)
		return rc;
	if (!tdisp_may(TDISP_LOCK_INTERFACE, state)) {
		pci_info(pdev, "TDI in state %u before LOCK, stop it\n", state);
		rc = soft_tdi_stop(dsm, pdev);
		if (rc)
			return rc;
	}

	/*
	 * The MSI-X table stays the host's. Without a stream, as in an
	 * integrated endpoint, the stream id has no meaning.
	 */
	len = tdisp_req_lock(SOFT_VDM(dsm), soft_function_id(pdev),
			     caps.lock_flags & TDISP_LOCK_NO_FW_UPDATE,
			     dsm->ide ? dsm->ide->stream_id : 0,
			     SOFT_TSM_MMIO_OFFSET);
	rc = soft_tdisp(dsm, pdev, len, &body);
	/* Not if it was refused or not sent */
	tdi->locked = rc != -EIO && rc != -EINTR;
	if (rc)
		return rc;
	rc = soft_outcome(dsm, tdisp_rsp_lock(body, tdi->nonce));
	if (rc)
		return rc;

	rc = soft_read_obj(dsm, pdev, soft_read_report, &tdi->report);
	if (rc)
		return rc;
	report.data = tdi->report.data;
	report.len = tdi->report.len;
	rc = soft_outcome(dsm, tdisp_report_check(report));
	if (rc)
		return rc;

	return soft_tdi_confirm(dsm, pdev, TDISP_LOCK_INTERFACE);
}

/* Context pages of TDIs that were not released, linked by their own LRU list */
static DEFINE_MUTEX(soft_held_lock);
static LIST_HEAD(soft_held);

/* The firmware may own the page of a TDI that could not be stopped */
static void soft_hold_page(struct soft_tdi *tdi)
{
	struct pci_dev *pdev = tdi->base.pdev;

	pci_info(pdev, "context page kept\n");
	pci_tsm_hold_memory(pdev, PAGE_SIZE);

	guard(mutex)(&soft_held_lock);
	set_page_private(tdi->page, (unsigned long)pci_dev_get(pdev));
	list_add_tail(&tdi->page->lru, &soft_held);
	tdi->page = NULL;
}

/* Firmware knows functions by their routing ID */
static bool soft_same_fn(struct pci_dev *a, struct pci_dev *b)
{
	return pci_domain_nr(a->bus) == pci_domain_nr(b->bus) &&
	       pci_dev_id(a) == pci_dev_id(b);
}

/*
 * A function that was removed with a TDI that was not released comes back as
 * another device: it takes over the pages, and the quarantine.
 */
void soft_held_adopt(struct pci_dev *pdev)
{
	struct page *page;

	guard(mutex)(&soft_held_lock);
	list_for_each_entry(page, &soft_held, lru) {
		struct pci_dev *old = (struct pci_dev *)page_private(page);

		if (old == pdev || !soft_same_fn(old, pdev))
			continue;
		set_page_private(page, (unsigned long)pci_dev_get(pdev));
		pci_tsm_hold_memory(pdev, PAGE_SIZE);
		pci_tsm_quarantine(pdev);
		pci_tsm_hold_memory(old, -(long)PAGE_SIZE);
		pci_dev_put(old);
	}
}

/* The TDI is released, so are its pages */
void soft_held_free(struct pci_dev *pdev)
{
	struct page *page, *next;

	guard(mutex)(&soft_held_lock);
	list_for_each_entry_safe(page, next, &soft_held, lru) {
		if (page_private(page) != (unsigned long)pdev)
			continue;
		list_del(&page->lru);
		set_page_private(page, 0);
		__free_page(page);
		pci_tsm_hold_memory(pdev, -(long)PAGE_SIZE);
		pci_dev_put(pdev);
	}
}

/* Nobody is left who could tell when they are released */
void soft_held_leak(void)
{
	struct page *page, *next;

	guard(mutex)(&soft_held_lock);
	list_for_each_entry_safe(page, next, &soft_held, lru) {
		struct pci_dev *pdev = (struct pci_dev *)page_private(page);

		pci_warn(pdev, "context page leaked\n");
		list_del(&page->lru);
		pci_dev_put(pdev);
	}
}

static void soft_tdi_free(struct soft_tdi *tdi)
{
	if (!tdi)
		return;
	if (tdi->vm)
		tsm_vm_put(tdi->vm);
	if (tdi->page) {
		u64 start = soft_trace_start();

		__free_page(tdi->page);
		trace_tsm_fw_call(&tdi->base.pdev->dev, "TDI_FREE", 0, 0,
				  start);
	}
	soft_obj_clear(&tdi->report);
	memzero_explicit(tdi->nonce, sizeof(tdi->nonce));
	kfree(tdi);
}

DEFINE_FREE(soft_tdi, struct soft_tdi *, soft_tdi_free(_T))

/*
 * A bind that fails leaves an unlocked TDI. Should the device not even let it
 * be stopped, nobody knows what it does next, and nobody gets it.
 */
struct pci_tdi *soft_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			  struct kvm *kvm, u32 tdi_id)
{
	struct soft_dsm *dsm = to_soft_dsm(pdev);
	const struct tsm_vm_provider *vm;
	struct tsm_vm_handle handle;
	u64 start;
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	struct soft_tdi *tdi __free(soft_tdi) =
		kzalloc_obj(*tdi, GFP_KERNEL_ACCOUNT);
	if (!tdi)
		return ERR_PTR(-ENOMEM);

	vm = tsm_vm_get(TSM_VM_SW_PROTECTED, kvm);
	if (IS_ERR(vm))
		return ERR_CAST(vm);
	tdi->vm = vm;
	/* What firmware would be told */
	rc = vm->get_handle(kvm, &handle);
	if (rc)
		return ERR_PTR(rc);

	start = soft_trace_start();
	tdi->page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!tdi->page)
		return ERR_PTR(-ENOMEM);
	pci_tsm_tdi_constructor(pdev, &tdi->base, client, kvm, tdi_id);
	trace_tsm_fw_call(&pdev->dev, "TDI_CREATE", 0, 0, start);

	/* Until the guest accepts it */
	soft_bench_dma(pdev, false);
	dsm->code = 0;
	dsm->client = client;
	rc = soft_tdi_lock(dsm, tdi);
	dsm->client = NULL;
	if (!rc)
		return &no_free_ptr(tdi)->base;

	pci_info_ratelimited(pdev, "bind failed: %d, code %#llx\n", rc,
			     dsm->code);
	if (tdi->locked) {
		int stop_rc = soft_tdi_stop(dsm, pdev);

		if (stop_rc) {
			pci_info(pdev, "TDI not stopped: %d, code %#llx\n",
				 stop_rc, dsm->code);
			soft_hold_page(tdi);
			pci_tsm_quarantine(pdev);
		}
	}
	return ERR_PTR(rc);
}

/*
 * The owner has a part in it on some architectures. Where it has none, switching
 * on is the firmware's business alone.
 */
int soft_trusted_dma(struct soft_tdi *tdi, bool on)
{
	int rc = pci_tsm_trusted_dma(&tdi->base, on);

	if (rc && rc != -EOPNOTSUPP)
		return rc;
	soft_bench_dma(tdi->base.pdev, on);
	return 0;
}

static int soft_tdi_release(struct soft_dsm *dsm, struct pci_dev *pdev)
{
	if (!pci_device_is_present(pdev))
		return 0;
	if (READ_ONCE(soft_hold))
		return -EBUSY;
	return soft_tdi_stop(dsm, pdev);
}

/*
 * The owner's part is done in any case: a TDI that cannot be stopped is the
 * last that should keep its access. The firmware knows nothing of @base, which
 * is freed even if the TDI is not released, but for the page.
 */
int soft_unbind(struct pci_tdi *base)
{
	const struct soft_teardown *teardown = READ_ONCE(soft_teardown);
	struct pci_dev *pdev = base->pdev;
	struct soft_dsm *dsm = to_soft_dsm(pdev);
	int rc = 0;

	lockdep_assert_held(&dsm->pf0.lock);

	struct soft_tdi *tdi __free(soft_tdi) = to_soft_tdi(base);

	dsm->code = 0;
	for (int i = 0; i < ARRAY_SIZE(teardown->steps); i++) {
		switch (teardown->steps[i]) {
		case SOFT_STEP_STOP:
			rc = soft_tdi_release(dsm, pdev);
			break;
		case SOFT_STEP_REVOKE:
			pci_tsm_revoke_mmio(&tdi->base);
			/* There is nothing left of this device */
			WARN_ON_ONCE(tdi->vm->unmap_mmio(base->kvm, 0,
							 PAGE_ALIGN_DOWN(U64_MAX)));
			break;
		case SOFT_STEP_DMA_OFF:
			soft_trusted_dma(tdi, false);
			break;
		}
	}
	if (rc) {
		pci_info(pdev, "unbind failed: %d, code %#llx\n", rc,
			 dsm->code);
		soft_hold_page(tdi);
	}
	return rc;
}
