/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens to devices of confidential VMs, see
 * Documentation/trace/events-tsm.rst. User space depends on the names and the
 * fields.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tsm

#if !defined(_TRACE_TSM_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_TSM_H

#include <linux/iommufd.h>
#include <linux/pci.h>
#include <linux/pci-tsm.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <linux/tsm.h>

#define TSM_REQ_OPS							\
	EM(IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO,	"VALIDATE_MMIO")	\
	EM(IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE,	"SET_TDI_STATE")	\
	EM(IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA, "SEV_ENABLE_DMA")	\
	EM(IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA, "SEV_DISABLE_DMA")	\
	EM(IOMMU_VDEVICE_TSM_REQ_READ_OBJECT,	"READ_OBJECT")		\
	EM(IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT,	"REGEN_OBJECT")		\
	EM(IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO,	"OBJECT_INFO")		\
	EMe(IOMMU_VDEVICE_TSM_REQ_GUEST_MSG,	"GUEST_MSG")

#define TSM_LOST_REASONS						\
	EM(PCI_TSM_LOST_DISCONNECT,	"DISCONNECT")			\
	EM(PCI_TSM_LOST_TSM_GONE,	"TSM_GONE")			\
	EMe(PCI_TSM_LOST_REMOVED,	"REMOVED")

/* Enums require being exported to userspace, for user tool parsing */
#undef EM
#undef EMe
#define EM(a, b)	TRACE_DEFINE_ENUM(a);
#define EMe(a, b)	TRACE_DEFINE_ENUM(a);

TSM_REQ_OPS
TSM_LOST_REASONS

/*
 * Now redefine the EM() and EMe() macros to map the enums to the strings
 * that will be printed in the output.
 */
#undef EM
#undef EMe
#define EM(a, b)	{a, b},
#define EMe(a, b)	{a, b}

/* The states of a TDI that TDISP numbers, PCIe r7.0 section 11.3.13 */
#define TSM_TDI_STATES							\
	{ 0, "CONFIG_UNLOCKED" },					\
	{ 1, "CONFIG_LOCKED" },						\
	{ 2, "RUN" },							\
	{ 3, "ERROR" }

DECLARE_EVENT_CLASS(tsm_device,

	TP_PROTO(struct device *dev),

	TP_ARGS(dev),

	TP_STRUCT__entry(
		__string(device, dev_name(dev))
	),

	TP_fast_assign(
		__assign_str(device);
	),

	TP_printk("device=%s", __get_str(device))
);

DECLARE_EVENT_CLASS(tsm_link,

	TP_PROTO(struct pci_dev *pdev, struct tsm_dev *tsm_dev),

	TP_ARGS(pdev, tsm_dev),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__string(tsm, dev_name(&tsm_dev->dev))
	),

	TP_fast_assign(
		__assign_str(device);
		__assign_str(tsm);
	),

	TP_printk("device=%s tsm=%s", __get_str(device), __get_str(tsm))
);

DECLARE_EVENT_CLASS(tsm_tdi,

	TP_PROTO(struct pci_tdi *tdi),

	TP_ARGS(tdi),

	TP_STRUCT__entry(
		__string(device, pci_name(tdi->pdev))
		__field(u32, tdi_id)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->tdi_id = tdi->tdi_id;
	),

	TP_printk("device=%s tdi_id=%#x", __get_str(device), __entry->tdi_id)
);

/* The administrator connects a device */
DEFINE_EVENT(tsm_link, tsm_connect,
	TP_PROTO(struct pci_dev *pdev, struct tsm_dev *tsm_dev),
	TP_ARGS(pdev, tsm_dev)
);

TRACE_EVENT(tsm_connect_done,

	TP_PROTO(struct pci_dev *pdev, struct tsm_dev *tsm_dev, int rc),

	TP_ARGS(pdev, tsm_dev, rc),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__string(tsm, dev_name(&tsm_dev->dev))
		__field(int, rc)
	),

	TP_fast_assign(
		__assign_str(device);
		__assign_str(tsm);
		__entry->rc = rc;
	),

	TP_printk("device=%s tsm=%s rc=%d", __get_str(device), __get_str(tsm),
		  __entry->rc)
);

/* The TSM is about to be asked to let go of a device that was connected */
DEFINE_EVENT(tsm_link, tsm_disconnect,
	TP_PROTO(struct pci_dev *pdev, struct tsm_dev *tsm_dev),
	TP_ARGS(pdev, tsm_dev)
);

/* The owner is about to prepare for a binding, the TSM follows */
TRACE_EVENT(tsm_bind,

	TP_PROTO(struct pci_dev *pdev, u32 tdi_id),

	TP_ARGS(pdev, tdi_id),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__field(u32, tdi_id)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->tdi_id = tdi_id;
	),

	TP_printk("device=%s tdi_id=%#x", __get_str(device), __entry->tdi_id)
);

TRACE_EVENT(tsm_bind_done,

	TP_PROTO(struct pci_dev *pdev, u32 tdi_id, int rc),

	TP_ARGS(pdev, tdi_id, rc),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__field(u32, tdi_id)
		__field(int, rc)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->tdi_id = tdi_id;
		__entry->rc = rc;
	),

	TP_printk("device=%s tdi_id=%#x rc=%d", __get_str(device),
		  __entry->tdi_id, __entry->rc)
);

/* The TSM is about to unbind, for the owner, or because the binding is lost */
DEFINE_EVENT(tsm_tdi, tsm_unbind,
	TP_PROTO(struct pci_tdi *tdi),
	TP_ARGS(tdi)
);

TRACE_EVENT(tsm_unbind_done,

	TP_PROTO(struct pci_dev *pdev, int rc),

	TP_ARGS(pdev, rc),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__field(int, rc)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->rc = rc;
	),

	TP_printk("device=%s rc=%d", __get_str(device), __entry->rc)
);

/* A request of the VM goes to the TSM */
TRACE_EVENT(tsm_guest_req,

	TP_PROTO(struct pci_tdi *tdi, const struct pci_tsm_req *req),

	TP_ARGS(tdi, req),

	TP_STRUCT__entry(
		__string(device, pci_name(tdi->pdev))
		__field(u32, tdi_id)
		__field(u32, op)
		__field(u32, tvm_arch)
		__field(u64, req_len)
		__field(u64, resp_size)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->tdi_id = tdi->tdi_id;
		__entry->op = req->op;
		__entry->tvm_arch = req->tvm_arch;
		__entry->req_len = req->req_len;
		__entry->resp_size = req->resp_size;
	),

	TP_printk("device=%s tdi_id=%#x op=%s tvm_arch=%#x req_len=%llu resp_size=%llu",
		  __get_str(device), __entry->tdi_id,
		  __print_symbolic(__entry->op, TSM_REQ_OPS),
		  __entry->tvm_arch, __entry->req_len, __entry->resp_size)
);

TRACE_EVENT(tsm_guest_req_done,

	TP_PROTO(struct pci_tdi *tdi, const struct pci_tsm_req *req, int rc),

	TP_ARGS(tdi, req, rc),

	TP_STRUCT__entry(
		__string(device, pci_name(tdi->pdev))
		__field(u32, tdi_id)
		__field(u32, op)
		__field(u64, resp_len)
		__field(u64, tsm_code)
		__field(int, rc)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->tdi_id = tdi->tdi_id;
		__entry->op = req->op;
		__entry->resp_len = req->resp_len;
		__entry->tsm_code = req->tsm_code;
		__entry->rc = rc;
	),

	TP_printk("device=%s tdi_id=%#x op=%s resp_len=%llu tsm_code=%#llx rc=%d",
		  __get_str(device), __entry->tdi_id,
		  __print_symbolic(__entry->op, TSM_REQ_OPS),
		  __entry->resp_len, __entry->tsm_code, __entry->rc)
);

/* The TSM has the owner unmap private MMIO */
DEFINE_EVENT(tsm_tdi, tsm_revoke_mmio,
	TP_PROTO(struct pci_tdi *tdi),
	TP_ARGS(tdi)
);

/* The TSM has had the owner switch the DMA to private memory */
TRACE_EVENT(tsm_trusted_dma,

	TP_PROTO(struct pci_tdi *tdi, bool on, int rc),

	TP_ARGS(tdi, on, rc),

	TP_STRUCT__entry(
		__string(device, pci_name(tdi->pdev))
		__field(u32, tdi_id)
		__field(bool, on)
		__field(int, rc)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->tdi_id = tdi->tdi_id;
		__entry->on = on;
		__entry->rc = rc;
	),

	TP_printk("device=%s tdi_id=%#x on=%d rc=%d", __get_str(device),
		  __entry->tdi_id, __entry->on, __entry->rc)
);

/* The host gets the device back, as the owner decides after an unbind */
DEFINE_EVENT(tsm_device, tsm_restore,
	TP_PROTO(struct device *dev),
	TP_ARGS(dev)
);

/* The TSM heard from the device that the TDI is in the ERROR state */
DEFINE_EVENT(tsm_tdi, tsm_tdi_error,
	TP_PROTO(struct pci_tdi *tdi),
	TP_ARGS(tdi)
);

/* The TDI was unbound, and its owner did not ask for it */
TRACE_EVENT(tsm_lost,

	TP_PROTO(struct pci_dev *pdev, enum pci_tsm_lost_reason reason),

	TP_ARGS(pdev, reason),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__field(u32, reason)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->reason = reason;
	),

	TP_printk("device=%s reason=%s", __get_str(device),
		  __print_symbolic(__entry->reason, TSM_LOST_REASONS))
);

DEFINE_EVENT(tsm_device, tsm_quarantine,
	TP_PROTO(struct device *dev),
	TP_ARGS(dev)
);

DEFINE_EVENT(tsm_device, tsm_quarantine_release,
	TP_PROTO(struct device *dev),
	TP_ARGS(dev)
);

/*
 * For TSM drivers: a call of firmware about a device, or about the TSM itself,
 * has returned. @status is what firmware said, @rc what the driver makes of it.
 * @start is ktime_get_ns() before the call, only taken while the event is
 * enabled; 0 means not taken, and so does a duration of 0.
 */
TRACE_EVENT(tsm_fw_call,

	TP_PROTO(struct device *dev, const char *name, int rc, u64 status,
		 u64 start),

	TP_ARGS(dev, name, rc, status, start),

	TP_STRUCT__entry(
		__string(device, dev_name(dev))
		__string(name, name)
		__field(int, rc)
		__field(u64, status)
		__field(u64, duration_ns)
	),

	TP_fast_assign(
		__assign_str(device);
		__assign_str(name);
		__entry->rc = rc;
		__entry->status = status;
		__entry->duration_ns = start ? ktime_get_ns() - start : 0;
	),

	TP_printk("device=%s name=%s rc=%d status=%#llx duration_ns=%llu",
		  __get_str(device), __get_str(name), __entry->rc,
		  __entry->status, __entry->duration_ns)
);

/* For TSM drivers: the device told the state of a TDI */
TRACE_EVENT(tsm_tdi_state,

	TP_PROTO(struct pci_dev *pdev, u32 state),

	TP_ARGS(pdev, state),

	TP_STRUCT__entry(
		__string(device, pci_name(pdev))
		__field(u32, state)
	),

	TP_fast_assign(
		__assign_str(device);
		__entry->state = state;
	),

	TP_printk("device=%s state=%s", __get_str(device),
		  __print_symbolic(__entry->state, TSM_TDI_STATES))
);

#endif /* _TRACE_TSM_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
