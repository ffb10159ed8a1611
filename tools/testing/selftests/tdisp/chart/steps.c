// SPDX-License-Identifier: GPL-2.0-only
/* Who takes part in the life of a TDI, and what happens in which order */
#include "chart.h"

const struct actor_desc actors[NR_NAMES] = {
	[GUEST] = { "guest", "Guest" },
	[GUEST_TSM] = { "guest-tsm", "Guest TSM" },
	[VMM] = { "vmm", "VMM" },
	[VFIO] = { "vfio", "VFIO" },
	[IOMMUFD] = { "iommufd", "IOMMUFD" },
	[HOST_TSM] = { "host-tsm", "host TSM" },
	[FIRMWARE] = { "firmware", "firmware" },
	[DEVICE] = { "device", "device" },
	[KVM] = { "kvm", "KVM" },
	[ADMIN] = { "admin", "admin" },
};

const char * const phases[NR_PHASES] = {
	[SETUP] = "set up",
	[SHARED] = "shared device, T=0",
	[BIND] = "bind",
	[ATTEST] = "attest",
	[ACCEPT] = "accept",
	[RUN] = "run, T=1",
	[UNBIND] = "unbind",
};

const struct step_desc steps[NR_STEPS] = {
#define MARKER_OF(_tsm, _step, _number, _phase, _scope, _from, _to,	   \
		  _call, _label, _after)				   \
	[_step] = { .tsm = _tsm, .number = _number, .phase = _phase,	   \
		    .scope = _scope, .from = _from, .to = _to,		   \
		    .source = _call, .label = _label, .after = _after }
#define MARKER(_step, _number, _phase, _scope, _from, _to, _call, _label) \
	MARKER_OF(ANY_TSM, _step, _number, _phase, _scope, _from, _to,	   \
		  _call, _label, NOTHING)
#define EVENT_OF(_tsm, _step, _number, _phase, _scope, _from, _to, _name,  \
		 _key, _value, _label, _after)				   \
	[_step] = { .tsm = _tsm, .number = _number, .phase = _phase,	   \
		    .scope = _scope, .event = true, .from = _from,	   \
		    .to = _to, .source = _name, .key = _key,		   \
		    .value = _value, .label = _label, .after = _after }
#define EVENT(_step, _number, _phase, _scope, _from, _to, _name, _key,	   \
	      _value, _label, _after)					   \
	EVENT_OF(ANY_TSM, _step, _number, _phase, _scope, _from, _to,	   \
		 _name, _key, _value, _label, _after)
/* A call of firmware, for the soft TSM and for SEV-TIO */
#define SOFT_CALL(_step, _number, _phase, _scope, _from, _to, _value,	   \
		  _label, _after)					   \
	EVENT_OF(SOFT_TSM, _step, _number, _phase, _scope, _from, _to,	   \
		 "tsm_fw_call", "name", _value, _label, _after)
#define PSP_CALL(_step, _number, _phase, _scope, _value, _after)	   \
	EVENT_OF(PSP, _step, _number, _phase, _scope, HOST_TSM, FIRMWARE,  \
		 "tsm_fw_call", "name", _value, "{name}", _after)
	MARKER(CONNECT, "1", SETUP, ONCE, ADMIN, HOST_TSM, "connect",
	       "connect"),
	SOFT_CALL(CONNECT_SPDM, "1", SETUP, OPTIONAL, FIRMWARE, DEVICE,
		  "SPDM_*", "session", NOTHING),
	SOFT_CALL(CONNECT_IDE, "1", SETUP, OPTIONAL, FIRMWARE, DEVICE,
		  "IDE_KM_*", "IDE keys", NOTHING),
	PSP_CALL(PSP_DEV_CREATE, "1", SETUP, ONCE, "TIO_DEV_CREATE", NOTHING),
	PSP_CALL(PSP_DEV_CONNECT, "1", SETUP, ONCE, "TIO_DEV_CONNECT",
		 NOTHING),
	MARKER(INIT_VDEV, "2", SETUP, FUNCTION, VMM, VFIO, "init-vdev",
	       "init vdev"),
	MARKER(CREATE_DMABUF, "3", SETUP, FUNCTION, VMM, VFIO,
	       "create-dmabuf", "create dma-buf"),
	MARKER(EXPORT_DMABUF, "4", SETUP, FUNCTION, VFIO, VMM,
	       "export-dmabuf", "export dma-buf"),
	MARKER(CREATE_MEMSLOT, "5", SETUP, FUNCTION, VMM, KVM,
	       "create-memslot", "create memslot"),
	EVENT(IMPORT_DMABUF, "6", SETUP, FUNCTION, KVM, VFIO, "kvm_dmabuf_bind",
	      NULL, NULL, "import dma-buf, gfn {gfn}", NOTHING),
	MARKER(SHARED_DMA, "7", SETUP, ONCE, VMM, IOMMUFD, "setup-shared-dma",
	       "map memory, shared DMA"),
	MARKER(CREATE_HWPT, "8", SETUP, ONCE, VMM, IOMMUFD, "create-hwpt",
	       "create HWPT"),
	MARKER(ATTACH_HWPT, "9", SETUP, FUNCTION, VMM, IOMMUFD, "attach-hwpt",
	       "attach HWPT"),
	MARKER(ALLOC_VIOMMU, "15", SETUP, ONCE, VMM, IOMMUFD, "alloc-viommu",
	       "alloc vIOMMU"),
	MARKER(ALLOC_VDEVICE, "16", SETUP, FUNCTION, VMM, IOMMUFD,
	       "alloc-vdevice", "alloc vDEVICE"),
	MARKER(KVM_RUN, "10", SETUP, ONCE, VMM, KVM, "kvm-run", "KVM_RUN"),
	MARKER(ENUM_SHARED, "11", SHARED, FUNCTION, GUEST, DEVICE,
	       "enum-shared", "enumerate"),
	MARKER(USE_SHARED, "11", SHARED, FUNCTION, GUEST, DEVICE, "use-shared",
	       "use as shared device"),
	MARKER(GUEST_BIND, "12", BIND, ROUND, GUEST, GUEST_TSM,
	       "connect-bind", "connect (bind)"),
	MARKER(GHCI_BIND, "13", BIND, ROUND, GUEST_TSM, VMM, "ghci-bind",
	       "GHCI bind"),
	MARKER(VMM_BIND, "14", BIND, ROUND, VMM, IOMMUFD, "tsm-bind", "BIND"),
	EVENT(TSM_BIND, "18", BIND, ROUND, IOMMUFD, HOST_TSM, "tsm_bind", NULL,
	      NULL, "bind {tdi_id}", NOTHING),
	EVENT(CLOSE_DEVICE, "18", BIND, ROUND, HOST_TSM, VFIO,
	      "vfio_pci_tsm_reasons", "new", "TSM_BOUND", "close to the host",
	      TSM_BIND),
	EVENT(CLOSE_DMABUF, "18", BIND, ROUND, VFIO, KVM,
	      "vfio_pci_dma_buf_reasons", "new", "*TSM_BOUND",
	      "for the VM only", TSM_BIND),
	SOFT_CALL(FW_CREATE, "19", BIND, ROUND, HOST_TSM, FIRMWARE,
		  "TDI_CREATE", "create TDI", TSM_BIND),
	SOFT_CALL(FW_LOCK, "19", BIND, ROUND, FIRMWARE, DEVICE,
		  "TDISP_LOCK_INTERFACE", "LOCK", TSM_BIND),
	SOFT_CALL(FW_REPORT, "19", BIND, ROUND, FIRMWARE, DEVICE,
		  "TDISP_GET_INTERFACE_REPORT", "get report", TSM_BIND),
	PSP_CALL(PSP_CREATE, "19", BIND, ROUND, "TIO_TDI_CREATE", TSM_BIND),
	PSP_CALL(PSP_STATUS, "19", BIND, ROUND, "TIO_TDI_STATUS", PSP_CREATE),
	PSP_CALL(PSP_BIND, "19", BIND, ROUND, "TIO_TDI_BIND", TSM_BIND),
	PSP_CALL(PSP_REPORT, "19", BIND, ROUND, "TIO_TDI_REPORT", TSM_BIND),
	PSP_CALL(PSP_STATUS_BOUND, "19", BIND, ROUND, "TIO_TDI_STATUS",
		 PSP_BIND),
	MARKER(GUEST_ATTEST, "20", ATTEST, ROUND, GUEST, GUEST_TSM, "attest",
	       "attest"),
	MARKER(GHCI_INFO, "21,22", ATTEST, ROUND, GUEST_TSM, VMM,
	       "ghci-get-info", "get CC info"),
	MARKER(VMM_INFO, "23", ATTEST, ROUND, VMM, IOMMUFD, "tsm-req-info",
	       "REQ"),
	EVENT(TSM_INFO, "24", ATTEST, ROUND, IOMMUFD, HOST_TSM,
	      "tsm_guest_req", "op", "READ_OBJECT", "{op}", TSM_BIND),
	EVENT(TSM_OBJECT_INFO, "24", ATTEST, OPTIONAL, IOMMUFD, HOST_TSM,
	      "tsm_guest_req", "op", "OBJECT_INFO", "{op}", TSM_BIND),
	MARKER(GHCI_REGEN, "21,22", ATTEST, OPTIONAL, GUEST_TSM, VMM,
	       "ghci-regen", "measure again"),
	MARKER(VMM_REGEN, "23", ATTEST, OPTIONAL, VMM, IOMMUFD,
	       "tsm-req-regen", "REQ"),
	EVENT(TSM_REGEN, "24", ATTEST, OPTIONAL, IOMMUFD, HOST_TSM,
	      "tsm_guest_req", "op", "REGEN_OBJECT", "{op}", TSM_BIND),
	PSP_CALL(PSP_CERT, "24", ATTEST, OPTIONAL, "TIO_DEV_CERTIFICATES",
		 TSM_BIND),
	PSP_CALL(PSP_MEAS, "24", ATTEST, ROUND, "TIO_DEV_MEASUREMENTS",
		 TSM_BIND),
	MARKER_OF(PSP, GHCI_TDI_INFO, "21,22", ATTEST, ROUND, GUEST_TSM, VMM,
		  "ghci-message", "message: TDI_INFO", NOTHING),
	MARKER_OF(PSP, VMM_TDI_INFO, "23", ATTEST, ROUND, VMM, IOMMUFD,
		  "tsm-req-message", "REQ", NOTHING),
	EVENT_OF(PSP, TSM_TDI_INFO, "24", ATTEST, ROUND, IOMMUFD, HOST_TSM,
		 "tsm_guest_req", "op", "GUEST_MSG", "{op}", TSM_BIND),
	PSP_CALL(PSP_TDI_INFO, "24", ATTEST, ROUND, "TIO_GUEST_REQUEST",
		 TSM_BIND),
	MARKER(GHCI_STATE, "", SAME, OPTIONAL, GUEST_TSM, VMM,
	       "ghci-get-state", "get TDI state"),
	MARKER(VMM_STATE, "", SAME, OPTIONAL, VMM, IOMMUFD, "tsm-req-state",
	       "REQ"),
	MARKER(GUEST_ACCEPT, "25", ACCEPT, ROUND, GUEST, GUEST_TSM, "accept",
	       "accept"),
	MARKER(GHCI_ACCEPT, "26,27", ACCEPT, ROUND, GUEST_TSM, VMM,
	       "ghci-accept", "GHCI accept MMIO"),
	MARKER(VMM_VALIDATE, "28", ACCEPT, ROUND, VMM, IOMMUFD,
	       "tsm-req-validate", "REQ"),
	EVENT(TSM_VALIDATE, "29", ACCEPT, ROUND, IOMMUFD, HOST_TSM,
	      "tsm_guest_req", "op", "VALIDATE_MMIO", "{op}", TSM_BIND),
	PSP_CALL(RMP_PRIVATE, "29", ACCEPT, ROUND, "RMPUPDATE_PRIVATE",
		 TSM_BIND),
	MARKER(CONVERT_PRIVATE, "30", ACCEPT, ROUND, VMM, KVM,
	       "convert-private", "make MMIO private"),
	EVENT(MAP_PRIVATE, "30", SAME, ROUND, KVM, KVM, "kvm_dmabuf_map",
	      "private", "1", "map private MMIO, gfn {gfn}", TSM_BIND),
	MARKER_OF(PSP, GHCI_VALIDATE, "26,27", ACCEPT, ROUND, GUEST_TSM, VMM,
		  "ghci-message", "message: MMIO_VALIDATE", TSM_VALIDATE),
	MARKER_OF(PSP, VMM_VALIDATE_MSG, "28", ACCEPT, ROUND, VMM, IOMMUFD,
		  "tsm-req-message", "REQ", TSM_VALIDATE),
	EVENT_OF(PSP, TSM_VALIDATE_MSG, "29", ACCEPT, ROUND, IOMMUFD, HOST_TSM,
		 "tsm_guest_req", "op", "GUEST_MSG", "{op}", TSM_VALIDATE),
	PSP_CALL(PSP_VALIDATE_MSG, "29", ACCEPT, ROUND, "TIO_GUEST_REQUEST",
		 TSM_VALIDATE),
	/* SEV-TIO has no DMA to private memory yet */
	MARKER_OF(SOFT_TSM, GHCI_DMA, "26,27", ACCEPT, OPTIONAL, GUEST_TSM, VMM,
		  "ghci-enable-dma", "GHCI accept DMA", NOTHING),
	MARKER_OF(SOFT_TSM, VMM_DMA, "28", ACCEPT, ROUND, VMM, IOMMUFD,
		  "tsm-req-enable-dma", "REQ", NOTHING),
	EVENT_OF(SOFT_TSM, TSM_DMA, "29", ACCEPT, OPTIONAL, IOMMUFD, HOST_TSM,
		 "tsm_guest_req", "op", "*ENABLE_DMA", "{op}", VMM_DMA),
	EVENT_OF(SOFT_TSM, TSM_DMA_MSG, "29", ACCEPT, OPTIONAL, IOMMUFD,
		 HOST_TSM, "tsm_guest_req", "op", "GUEST_MSG", "{op}", VMM_DMA),
	EVENT_OF(SOFT_TSM, DMA_ON, "17", ACCEPT, ROUND, HOST_TSM, IOMMUFD,
		 "tsm_trusted_dma", "on", "1", "trusted DMA on", TSM_BIND),
	MARKER(GHCI_START, "31,32", ACCEPT, ROUND, GUEST_TSM, VMM,
	       "ghci-start", "GHCI start TDI"),
	MARKER(VMM_START, "33", ACCEPT, ROUND, VMM, IOMMUFD, "tsm-req-start",
	       "REQ"),
	EVENT(TSM_START, "34", ACCEPT, ROUND, IOMMUFD, HOST_TSM,
	      "tsm_guest_req", "op", "SET_TDI_STATE", "{op}", TSM_BIND),
	SOFT_CALL(FW_START, "34", ACCEPT, ROUND, FIRMWARE, DEVICE,
		  "TDISP_START_INTERFACE", "START", TSM_BIND),
	PSP_CALL(PSP_START, "34", ACCEPT, ROUND, "TIO_TDI_BIND_RUN", TSM_BIND),
	PSP_CALL(PSP_STATUS_RUN, "34", ACCEPT, ROUND, "TIO_TDI_STATUS",
		 PSP_START),
	MARKER(WORKLOAD, "35", RUN, ROUND, GUEST, DEVICE, "workload",
	       "workload: private MMIO, DMA, interrupt"),
	MARKER(GUEST_UNBIND, "36", UNBIND, ROUND, GUEST, GUEST_TSM,
	       "disconnect", "disconnect (unbind)"),
	MARKER(GHCI_UNBIND, "37", UNBIND, ROUND, GUEST_TSM, VMM, "ghci-unbind",
	       "GHCI unbind"),
	MARKER(VMM_UNBIND, "38", UNBIND, ROUND, VMM, IOMMUFD, "tsm-unbind",
	       "UNBIND"),
	EVENT(TSM_UNBIND, "40", UNBIND, ROUND, IOMMUFD, HOST_TSM, "tsm_unbind",
	      NULL, NULL, "unbind", NOTHING),
	SOFT_CALL(FW_STOP, "41", UNBIND, ROUND, FIRMWARE, DEVICE,
		  "TDISP_STOP_INTERFACE", "STOP", TSM_UNBIND),
	PSP_CALL(PSP_UNBIND, "41", UNBIND, ROUND, "TIO_TDI_UNBIND",
		 TSM_UNBIND),
	PSP_CALL(PSP_STATUS_UNBOUND, "41", UNBIND, ROUND, "TIO_TDI_STATUS",
		 PSP_UNBIND),
	EVENT(REVOKE, "42", UNBIND, ROUND, HOST_TSM, IOMMUFD,
	      "tsm_revoke_mmio", NULL, NULL, "revoke MMIO", TSM_UNBIND),
	EVENT(REVOKE_VFIO, "43", UNBIND, ROUND, IOMMUFD, VFIO,
	      "vfio_pci_tsm_reasons", "new", "*TSM_MMIO*", "close to the VM",
	      REVOKE),
	EVENT(REVOKE_DMABUF, "43", UNBIND, ROUND, VFIO, KVM,
	      "vfio_pci_dma_buf_reasons", "new", "*TSM_MMIO*",
	      "revoke dma-buf", REVOKE),
	EVENT(ZAP_PRIVATE, "44", UNBIND, ROUND, KVM, KVM, "kvm_dmabuf_zap",
	      "filter", "*PRIVATE*", "unmap private MMIO, gfn {start}-{end}",
	      REVOKE),
	EVENT(DMA_OFF, "45,46", UNBIND, ROUND, HOST_TSM, IOMMUFD,
	      "tsm_trusted_dma", "on", "0", "trusted DMA off", TSM_UNBIND),
	SOFT_CALL(FW_FREE, "47", UNBIND, ROUND, HOST_TSM, FIRMWARE,
		  "TDI_FREE", "free TDI", TSM_UNBIND),
	PSP_CALL(PSP_RECLAIM, "47", UNBIND, ROUND, "TIO_TDI_RECLAIM",
		 TSM_UNBIND),
	PSP_CALL(PSP_FENCE, "47", UNBIND, ROUND, "TIO_ASID_FENCE_STATUS",
		 TSM_UNBIND),
	PSP_CALL(RMP_SHARED, "44", UNBIND, ROUND, "RMPUPDATE_SHARED",
		 TSM_UNBIND),
	EVENT(OPEN_DEVICE, "48", UNBIND, ROUND, IOMMUFD, VFIO,
	      "vfio_pci_tsm_reasons", "new", "0", "open to the host",
	      TSM_UNBIND),
	EVENT(OPEN_DMABUF, "49", UNBIND, ROUND, VFIO, KVM,
	      "vfio_pci_dma_buf_reasons", "new", "0", "recover dma-buf",
	      TSM_UNBIND),
	EVENT(RESTORE, "48", UNBIND, ROUND, VFIO, IOMMUFD, "tsm_restore", NULL,
	      NULL, "restored", TSM_UNBIND),
	MARKER(CONVERT_SHARED, "50", UNBIND, ROUND, VMM, KVM, "convert-shared",
	       "make MMIO shared"),
	MARKER(SHARED_AGAIN, "50", UNBIND, ROUND, GUEST, DEVICE,
	       "use-shared-again", "use as shared device"),
	MARKER(DISCONNECT, "", UNBIND, OPTIONAL, ADMIN, HOST_TSM, "disconnect",
	       "disconnect"),
	PSP_CALL(PSP_DEV_DISCONNECT, "", UNBIND, ONCE, "TIO_DEV_DISCONNECT",
		 NOTHING),
	PSP_CALL(PSP_DEV_RECLAIM, "", UNBIND, ONCE, "TIO_DEV_RECLAIM", NOTHING),
#undef MARKER_OF
#undef MARKER
#undef EVENT_OF
#undef EVENT
#undef SOFT_CALL
#undef PSP_CALL
};

const char * const teardowns[NR_TEARDOWNS] = {
	[STOP_FIRST] = "stop-first",
	[LATE_REVOKE] = "stop-first-late-revoke",
	[REVOKE_FIRST] = "revoke-first",
	[SEV_TIO] = "sev-tio",
};

const struct order orders[] = {
#define CHAIN(_when, ...)	{ _when, { __VA_ARGS__, NOTHING } }
	CHAIN(ALWAYS, CONNECT, VMM_BIND),
	CHAIN(ALWAYS, INIT_VDEV, CREATE_DMABUF, EXPORT_DMABUF, CREATE_MEMSLOT,
	      USE_SHARED),
	CHAIN(ALWAYS, INIT_VDEV, ATTACH_HWPT, ALLOC_VDEVICE, TSM_BIND),
	CHAIN(ALWAYS, ATTACH_HWPT, KVM_RUN),
	CHAIN(ALWAYS, IMPORT_DMABUF, USE_SHARED),
	CHAIN(BEFORE_RUN, ALLOC_VDEVICE, KVM_RUN),
	/* Who makes slots later may tell so when they are there, too */
	CHAIN(BEFORE_RUN, CREATE_MEMSLOT, IMPORT_DMABUF, KVM_RUN),
	CHAIN(ALWAYS, CREATE_HWPT, ATTACH_HWPT),
	CHAIN(ALWAYS, CREATE_HWPT, ALLOC_VIOMMU, ALLOC_VDEVICE),
	CHAIN(ALWAYS, SHARED_DMA, KVM_RUN, ENUM_SHARED, USE_SHARED, GUEST_BIND),
	CHAIN(ALWAYS, GUEST_BIND, GHCI_BIND, VMM_BIND, TSM_BIND, CLOSE_DEVICE,
	      CLOSE_DMABUF, FW_CREATE, FW_LOCK, FW_REPORT, GUEST_ATTEST),
	CHAIN(ALWAYS, GUEST_ATTEST, GHCI_INFO, VMM_INFO, TSM_INFO, GUEST_ACCEPT),
	CHAIN(ALWAYS, GUEST_ACCEPT, GHCI_ACCEPT, VMM_VALIDATE, TSM_VALIDATE,
	      CONVERT_PRIVATE, GHCI_START),
	CHAIN(ALWAYS, GHCI_ACCEPT, VMM_DMA, DMA_ON, GHCI_START),
	CHAIN(ALWAYS, VMM_DMA, TSM_DMA, DMA_ON),
	CHAIN(ALWAYS, VMM_DMA, TSM_DMA_MSG, DMA_ON),
	CHAIN(ALWAYS, GHCI_START, VMM_START, TSM_START, FW_START, WORKLOAD,
	      GUEST_UNBIND),
	/* A vCPU that touches it maps it, not the acceptance */
	CHAIN(ALWAYS, CONVERT_PRIVATE, MAP_PRIVATE, GUEST_UNBIND),
	CHAIN(ALWAYS, GUEST_UNBIND, GHCI_UNBIND, VMM_UNBIND, TSM_UNBIND),
	CHAIN(ALWAYS, TSM_UNBIND, FW_STOP, FW_FREE),
	CHAIN(ALWAYS, TSM_UNBIND, DMA_OFF, FW_FREE),
	CHAIN(ALWAYS, TSM_UNBIND, REVOKE, REVOKE_VFIO, REVOKE_DMABUF,
	      ZAP_PRIVATE, FW_FREE),
	CHAIN(ALWAYS, FW_FREE, OPEN_DEVICE, OPEN_DMABUF, RESTORE, SHARED_AGAIN),
	CHAIN(ALWAYS, FW_FREE, CONVERT_SHARED, SHARED_AGAIN),
	CHAIN(STOP_FIRST, FW_STOP, REVOKE),
	CHAIN(STOP_FIRST, ZAP_PRIVATE, DMA_OFF),
	CHAIN(LATE_REVOKE, FW_STOP, DMA_OFF, REVOKE),
	CHAIN(REVOKE_FIRST, ZAP_PRIVATE, FW_STOP, DMA_OFF),
	CHAIN(SEV_TIO, CONNECT, PSP_DEV_CREATE, PSP_DEV_CONNECT, VMM_BIND),
	CHAIN(SEV_TIO, CLOSE_DMABUF, PSP_CREATE, PSP_STATUS, PSP_BIND,
	      PSP_REPORT, PSP_STATUS_BOUND, GUEST_ATTEST),
	CHAIN(SEV_TIO, VMM_INFO, PSP_CERT, PSP_MEAS, GHCI_TDI_INFO,
	      VMM_TDI_INFO, TSM_TDI_INFO, PSP_TDI_INFO, GUEST_ACCEPT),
	CHAIN(SEV_TIO, TSM_VALIDATE, RMP_PRIVATE, CONVERT_PRIVATE,
	      GHCI_VALIDATE, VMM_VALIDATE_MSG, TSM_VALIDATE_MSG,
	      PSP_VALIDATE_MSG, GHCI_START),
	CHAIN(SEV_TIO, TSM_START, PSP_START, PSP_STATUS_RUN, WORKLOAD),
	CHAIN(SEV_TIO, TSM_UNBIND, PSP_UNBIND, PSP_STATUS_UNBOUND, DMA_OFF,
	      PSP_RECLAIM, PSP_FENCE, REVOKE, ZAP_PRIVATE, RMP_SHARED,
	      OPEN_DEVICE, CONVERT_SHARED),
	CHAIN(SEV_TIO, SHARED_AGAIN, PSP_DEV_DISCONNECT, PSP_DEV_RECLAIM),
#undef CHAIN
};

bool has_step(enum step step)
{
	switch (steps[step].tsm) {
	case SOFT_TSM:
		return opts.teardown != SEV_TIO;
	case PSP:
		return opts.teardown == SEV_TIO;
	default:
		return true;
	}
}

const size_t nr_orders = ARRAY_SIZE(orders);

const struct event_desc events[] = {
	{ "tsm_connect", { "device", "tsm" }, NOTHING },
	{ "tsm_connect_done", { "device", "tsm", "rc" }, CONNECT },
	{ "tsm_disconnect", { "device", "tsm" }, NOTHING },
	{ "tsm_bind", { "device", "tdi_id" }, NOTHING },
	{ "tsm_bind_done", { "device", "tdi_id", "rc" }, TSM_BIND },
	{ "tsm_unbind", { "device", "tdi_id" }, NOTHING },
	{ "tsm_unbind_done", { "device", "rc" }, TSM_UNBIND },
	{ "tsm_guest_req", { "device", "tdi_id", "op", "tvm_arch", "req_len",
			     "resp_size" }, NOTHING },
	{ "tsm_guest_req_done", { "device", "tdi_id", "op", "resp_len",
				  "tsm_code", "rc" }, TSM_INFO },
	{ "tsm_revoke_mmio", { "device", "tdi_id" }, NOTHING },
	{ "tsm_trusted_dma", { "device", "tdi_id", "on", "rc" }, NOTHING },
	{ "tsm_restore", { "device" }, NOTHING },
	{ "tsm_tdi_error", { "device", "tdi_id" }, NOTHING },
	{ "tsm_lost", { "device", "reason" }, NOTHING },
	{ "tsm_quarantine", { "device" }, NOTHING },
	{ "tsm_quarantine_release", { "device" }, NOTHING },
	{ "tsm_fw_call", { "device", "name", "rc", "status", "duration_ns" },
	  NOTHING },
	{ "tsm_tdi_state", { "device", "state" }, NOTHING },
	{ "vfio_pci_tsm_reasons", { "device", "old", "new" }, NOTHING },
	{ "vfio_pci_dma_buf_reasons", { "device", "ino", "size", "old", "new" },
	  NOTHING },
	{ "kvm_dmabuf_bind", { "vm_pid", "as_id", "slot", "gfn", "npages",
			       "ino", "pgoff" }, NOTHING },
	{ "kvm_dmabuf_unbind", { "vm_pid", "as_id", "slot", "gfn", "npages",
				 "ino", "pgoff" }, NOTHING },
	{ "kvm_dmabuf_map", { "vm_pid", "as_id", "slot", "gfn", "pfn", "order",
			      "private" }, NOTHING },
	{ "kvm_dmabuf_zap", { "vm_pid", "as_id", "slot", "start", "end",
			      "filter" }, NOTHING },
	{}
};
