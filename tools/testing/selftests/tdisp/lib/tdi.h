/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a VMM does with a function: VFIO cdev, iommufd, TSM operations, and DMA
 * with the engine of the test device.
 */
#ifndef SELFTESTS_TDISP_LIB_TDI_H
#define SELFTESTS_TDISP_LIB_TDI_H

#include <linux/iommufd.h>
#include <linux/types.h>

#include <libvfio.h>

#include "sysfs.h"
#include "vm.h"

/* As the guest knows its first device: 0000:00:02.0 */
#define TDI_VIRT_ID		0x10

/* Architecture of requests, of the TSM that the device is connected to */
extern u32 tdi_tvm_arch;

/**
 * struct vmm - What a VMM has once
 * @vm: the VM
 * @iommu: the iommufd, with an IOAS
 * @hwpt_id: user-allocated paging HWPT on the IOAS, 0 before
 * @viommu_id: of type IOMMU_VIOMMU_TYPE_TSM, 0 before
 */
struct vmm {
	struct vm vm;
	struct iommu *iommu;
	u32 hwpt_id;
	u32 viommu_id;
};

/**
 * struct tdi - A function in use by a VMM
 * @vmm: who uses it
 * @fn: the function
 * @vfio: the VFIO device, NULL if not open
 * @dev_id: in the iommufd, 0 before
 * @vdev_id: the vDEVICE, 0 before
 * @buf: memory for DMA
 * @mapped: @buf is in the IOAS
 * @tsm_code: of the last request
 */
struct tdi {
	struct vmm *vmm;
	const struct tdisp_fn *fn;
	struct vfio_pci_device *vfio;
	u32 dev_id;
	u32 vdev_id;
	struct dma_region buf;
	bool mapped;
	u64 tsm_code;
};

int vmm_open(struct vmm *vmm);
void vmm_close(struct vmm *vmm);

/* Steps from a function to a vDEVICE, and all of them */
int tdi_open(struct tdi *tdi, struct vmm *vmm, const struct tdisp_fn *fn);
int tdi_associate(struct tdi *tdi);
int tdi_bind_iommufd(struct tdi *tdi);
int tdi_alloc_hwpt(struct tdi *tdi);
int tdi_attach(struct tdi *tdi, u32 pt_id);
int tdi_detach(struct tdi *tdi);
int tdi_alloc_viommu(struct tdi *tdi);
int tdi_alloc_vdevice(struct tdi *tdi, u64 virt_id);
/* BAR 0, an MSI-X vector, memory for DMA; the device may master the bus then */
int tdi_map(struct tdi *tdi);
/* @virt_id is TDI_VIRT_ID plus the number of the function */
int tdi_setup(struct tdi *tdi, struct vmm *vmm, const struct tdisp_fn *fn);
void tdi_close(struct tdi *tdi);
int vmm_destroy_id(struct vmm *vmm, u32 id);

/* IOMMU_VDEVICE_TSM_OP */
int tsm_op(struct vmm *vmm, const struct iommu_vdevice_tsm_op *op);
int tdi_bind(struct tdi *tdi);
int tdi_unbind(struct tdi *tdi);

/* IOMMU_VDEVICE_TSM_REQ */
struct iommu_vdevice_tsm_req tdi_req(struct tdi *tdi, u32 op, const void *req,
				     u32 req_len, void *resp, u32 resp_len);
int tsm_req(struct vmm *vmm, struct iommu_vdevice_tsm_req *req);
/* State of the TDI, the device is asked for it now */
int tdi_live_state(struct tdi *tdi, u32 *state);
int tdi_start(struct tdi *tdi);
int tdi_object_size(struct tdi *tdi, u32 type, u32 *size);
/* At most @portion bytes at a time; @size is what there is, freed by caller */
int tdi_read_object(struct tdi *tdi, u32 type, u32 portion, void **data,
		    u32 *size);
int tdi_regen_object(struct tdi *tdi, u32 type, const u8 *nonce);
/* What there is from @offset on; @len: at most that much, and how much it was */
int tdi_read_portion(struct tdi *tdi, u32 type, u64 offset, void *buf,
		     u32 *len);
/* @pa_base may be 0, see struct iommu_tsm_req_validate_mmio */
int tdi_validate_mmio(struct tdi *tdi, u64 gpa_base, u64 gpa_top, u64 pa_base);
/* A message of the soft TSM's own: other TSMs have other ways */
int tdi_enable_dma(struct tdi *tdi);

/*
 * Queue of events of the vIOMMU of a VMM: a descriptor, or a negative errno. The
 * next event within @ms milliseconds: 0, -ETIMEDOUT, or another negative errno
 */
int vmm_open_events(struct vmm *vmm);
int vmm_read_event(int fd, int ms, struct iommu_vevent_tsm *event);

/* IOMMU_HW_CAP_* of a function in use */
int tdi_hw_caps(struct tdi *tdi, u64 *caps);

/* Registers of BAR 0 */
u32 tdi_reg_read(struct tdi *tdi, u32 reg);
void tdi_reg_write(struct tdi *tdi, u32 reg, u32 val);
/*
 * A transfer that ends with an interrupt. @dir is TDISP_DMA_*, @iova and @off
 * are source and destination in the order that @dir wants. TDISP_DMA_DONE or
 * another status of the engine, or a negative errno
 */
int tdi_dma(struct tdi *tdi, u32 dir, u64 off, size_t buf_off, u32 len);
/* Memory, device, memory: 0, -EBADMSG if the bytes differ, -EIO, -ETIMEDOUT */
int tdi_dma_round_trip(struct tdi *tdi);

#endif /* SELFTESTS_TDISP_LIB_TDI_H */
