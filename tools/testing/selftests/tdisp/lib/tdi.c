// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VMM does with a function: VFIO cdev, iommufd, TSM operations, and DMA
 * with the engine of the test device.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/io.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#include "tdisp_lib.h"

/* Half of it is the source of a round trip, half the destination */
#define DMA_BUF_SIZE	SZ_64K
#define DMA_LEN		(DMA_BUF_SIZE / 2)
#define DMA_BAR_OFF	SZ_4K
#define DMA_VECTOR	1
#define DMA_TIMEOUT_MS	3000

#define EVENTQ_DEPTH	16

u32 tdi_tvm_arch = SOFT_TSM_TVM_ARCH;

int vmm_open(struct vmm *vmm)
{
	memset(vmm, 0, sizeof(*vmm));
	vmm->iommu = iommu_init(MODE_IOMMUFD);
	return vm_create(&vmm->vm);
}

void vmm_close(struct vmm *vmm)
{
	if (!vmm->iommu)
		return;
	iommu_cleanup(vmm->iommu);
	vmm->iommu = NULL;
	vm_close(&vmm->vm);
}

static int vmm_ioctl(struct vmm *vmm, unsigned long cmd, void *arg)
{
	return ioctl(vmm->iommu->iommufd, cmd, arg) ? -errno : 0;
}

int vmm_destroy_id(struct vmm *vmm, u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return vmm_ioctl(vmm, IOMMU_DESTROY, &cmd);
}

static int open_cdev(const char *bdf)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd == -ENOENT && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	closedir(dir);
	return fd;
}

int tdi_open(struct tdi *tdi, struct vmm *vmm, const struct tdisp_fn *fn)
{
	int fd;

	memset(tdi, 0, sizeof(*tdi));
	tdi->vmm = vmm;
	tdi->fn = fn;
	tdi->vfio = vfio_pci_device_alloc(fn->bdf, vmm->iommu);
	tdi->vfio->fd = -1;
	for (int i = 0; i < ARRAY_SIZE(tdi->vfio->msi_eventfds); i++)
		tdi->vfio->msi_eventfds[i] = -1;

	fd = open_cdev(fn->bdf);
	if (fd < 0)
		return fd;
	tdi->vfio->fd = fd;
	return 0;
}

static int tdi_ioctl(struct tdi *tdi, unsigned long cmd, void *arg)
{
	return ioctl(tdi->vfio->fd, cmd, arg) ? -errno : 0;
}

int tdi_associate(struct tdi *tdi)
{
	return vm_add_vfio(&tdi->vmm->vm, tdi->vfio->fd);
}

int tdi_bind_iommufd(struct tdi *tdi)
{
	struct vfio_device_bind_iommufd args = {
		.argsz = sizeof(args),
		.iommufd = tdi->vmm->iommu->iommufd,
	};
	int rc;

	rc = tdi_ioctl(tdi, VFIO_DEVICE_BIND_IOMMUFD, &args);
	if (!rc)
		tdi->dev_id = args.out_devid;
	return rc;
}

int tdi_alloc_hwpt(struct tdi *tdi)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = tdi->dev_id,
		.pt_id = tdi->vmm->iommu->ioas_id,
	};
	int rc;

	rc = vmm_ioctl(tdi->vmm, IOMMU_HWPT_ALLOC, &cmd);
	if (!rc)
		tdi->vmm->hwpt_id = cmd.out_hwpt_id;
	return rc;
}

int tdi_attach(struct tdi *tdi, u32 pt_id)
{
	struct vfio_device_attach_iommufd_pt args = {
		.argsz = sizeof(args),
		.pt_id = pt_id,
	};

	return tdi_ioctl(tdi, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &args);
}

int tdi_detach(struct tdi *tdi)
{
	struct vfio_device_detach_iommufd_pt args = { .argsz = sizeof(args) };

	return tdi_ioctl(tdi, VFIO_DEVICE_DETACH_IOMMUFD_PT, &args);
}

int tdi_alloc_viommu(struct tdi *tdi)
{
	struct iommu_viommu_alloc cmd = {
		.size = sizeof(cmd),
		.type = IOMMU_VIOMMU_TYPE_TSM,
		.dev_id = tdi->dev_id,
		.hwpt_id = tdi->vmm->hwpt_id,
	};
	int rc;

	rc = vmm_ioctl(tdi->vmm, IOMMU_VIOMMU_ALLOC, &cmd);
	if (!rc)
		tdi->vmm->viommu_id = cmd.out_viommu_id;
	return rc;
}

int tdi_alloc_vdevice(struct tdi *tdi, u64 virt_id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = tdi->vmm->viommu_id,
		.dev_id = tdi->dev_id,
		.virt_id = virt_id,
	};
	int rc;

	rc = vmm_ioctl(tdi->vmm, IOMMU_VDEVICE_ALLOC, &cmd);
	if (!rc)
		tdi->vdev_id = cmd.out_vdevice_id;
	return rc;
}

static int region_info(struct tdi *tdi, u32 index,
		       struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return tdi_ioctl(tdi, VFIO_DEVICE_GET_REGION_INFO, info);
}

static int map_bar(struct tdi *tdi, int index)
{
	struct vfio_pci_bar *bar = &tdi->vfio->bars[index];
	void *map;
	int rc;

	rc = region_info(tdi, index, &bar->info);
	if (rc)
		return rc;
	map = mmap(NULL, bar->info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   tdi->vfio->fd, bar->info.offset);
	if (map == MAP_FAILED)
		return -errno;
	bar->vaddr = map;
	return 0;
}

static int map_buf(struct tdi *tdi)
{
	struct iova_allocator *iovas;
	void *map;
	int rc;

	map = mmap(NULL, DMA_BUF_SIZE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	tdi->buf.vaddr = map;
	tdi->buf.size = DMA_BUF_SIZE;

	/*
	 * Each TDI of a VMM takes the same first free range, so keep them apart
	 * by the number of the function
	 */
	iovas = iova_allocator_init(tdi->vmm->iommu);
	for (int i = tdi->fn->rid & 7; i >= 0; i--)
		tdi->buf.iova = iova_allocator_alloc(iovas, DMA_BUF_SIZE);
	iova_allocator_cleanup(iovas);
	rc = __iommu_map(tdi->vmm->iommu, &tdi->buf);
	tdi->mapped = !rc;
	return rc;
}

int tdi_map(struct tdi *tdi)
{
	struct vfio_region_info *config = &tdi->vfio->config_space;
	int rc;

	rc = region_info(tdi, VFIO_PCI_CONFIG_REGION_INDEX, config);
	if (rc)
		return rc;
	rc = map_bar(tdi, TDISP_BAR_REGS);
	if (rc)
		return rc;
	rc = map_buf(tdi);
	if (rc)
		return rc;
	vfio_pci_cmd_set(tdi->vfio, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	vfio_pci_msix_enable(tdi->vfio, 0, TDISP_NR_VECTORS);
	fcntl_set_nonblock(tdi->vfio->msi_eventfds[DMA_VECTOR]);
	return 0;
}

int tdi_setup(struct tdi *tdi, struct vmm *vmm, const struct tdisp_fn *fn)
{
	int rc;

	rc = tdi_open(tdi, vmm, fn);
	rc = rc ?: tdi_associate(tdi);
	rc = rc ?: tdi_bind_iommufd(tdi);
	if (!vmm->hwpt_id)
		rc = rc ?: tdi_alloc_hwpt(tdi);
	rc = rc ?: tdi_attach(tdi, vmm->hwpt_id);
	rc = rc ?: tdi_map(tdi);
	if (!vmm->viommu_id)
		rc = rc ?: tdi_alloc_viommu(tdi);
	return rc ?: tdi_alloc_vdevice(tdi, TDI_VIRT_ID + (fn->rid & 7));
}

int vmm_open_events(struct vmm *vmm)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = vmm->viommu_id,
		.type = IOMMU_VEVENTQ_TYPE_TSM,
		.veventq_depth = EVENTQ_DEPTH,
	};
	int rc;

	rc = vmm_ioctl(vmm, IOMMU_VEVENTQ_ALLOC, &cmd);
	return rc ?: cmd.out_veventq_fd;
}

int vmm_read_event(int fd, int ms, struct iommu_vevent_tsm *event)
{
	struct {
		struct iommufd_vevent_header hdr;
		struct iommu_vevent_tsm tsm;
	} buf;
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	if (poll(&pollfd, 1, ms) != 1)
		return -ETIMEDOUT;
	if (read(fd, &buf, sizeof(buf)) != sizeof(buf))
		return -EIO;
	if (buf.hdr.flags)
		return -EOVERFLOW;
	*event = buf.tsm;
	return 0;
}

int tdi_hw_caps(struct tdi *tdi, u64 *caps)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = tdi->dev_id,
	};
	int rc;

	rc = vmm_ioctl(tdi->vmm, IOMMU_GET_HW_INFO, &cmd);
	*caps = cmd.out_capabilities;
	return rc;
}

/* Of a device that is in whatever state, so nothing in here may fail */
void tdi_close(struct tdi *tdi)
{
	struct vfio_pci_device *vfio = tdi->vfio;

	if (!vfio)
		return;
	for (int i = 0; i < PCI_STD_NUM_BARS; i++)
		if (vfio->bars[i].vaddr)
			munmap(vfio->bars[i].vaddr, vfio->bars[i].info.size);
	for (int i = 0; i < ARRAY_SIZE(vfio->msi_eventfds); i++)
		close_fd(&vfio->msi_eventfds[i]);
	vm_del_vfio(&tdi->vmm->vm, vfio->fd);
	close_fd(&vfio->fd);
	vfio_pci_device_free(vfio);
	tdi->vfio = NULL;

	if (tdi->mapped)
		__iommu_unmap(tdi->vmm->iommu, &tdi->buf, NULL);
	tdi->mapped = false;
	if (tdi->buf.vaddr)
		munmap(tdi->buf.vaddr, tdi->buf.size);
	tdi->buf.vaddr = NULL;
}

int tsm_op(struct vmm *vmm, const struct iommu_vdevice_tsm_op *op)
{
	return vmm_ioctl(vmm, IOMMU_VDEVICE_TSM_OP, (void *)op);
}

static int tdi_op(struct tdi *tdi, u32 type)
{
	struct iommu_vdevice_tsm_op op = {
		.size = sizeof(op),
		.type = type,
		.vdevice_id = tdi->vdev_id,
	};

	return tsm_op(tdi->vmm, &op);
}

int tdi_bind(struct tdi *tdi)
{
	return tdi_op(tdi, IOMMU_VDEVICE_TSM_OP_BIND);
}

int tdi_unbind(struct tdi *tdi)
{
	return tdi_op(tdi, IOMMU_VDEVICE_TSM_OP_UNBIND);
}

struct iommu_vdevice_tsm_req tdi_req(struct tdi *tdi, u32 op, const void *req,
				     u32 req_len, void *resp, u32 resp_len)
{
	return (struct iommu_vdevice_tsm_req) {
		.size = sizeof(struct iommu_vdevice_tsm_req),
		.vdevice_id = tdi->vdev_id,
		.op = op,
		.tvm_arch = tdi_tvm_arch,
		.req_len = req_len,
		.resp_len = resp_len,
		.req_uptr = (uintptr_t)req,
		.resp_uptr = (uintptr_t)resp,
		/* Not what the kernel could mean */
		.tsm_code = ~0ull,
	};
}

int tsm_req(struct vmm *vmm, struct iommu_vdevice_tsm_req *req)
{
	return vmm_ioctl(vmm, IOMMU_VDEVICE_TSM_REQ, req);
}

/* A request with a response of fixed size */
static int tdi_do_req(struct tdi *tdi, u32 op, const void *req, u32 req_len,
		      void *resp, u32 resp_len)
{
	struct iommu_vdevice_tsm_req cmd = tdi_req(tdi, op, req, req_len, resp,
						   resp_len);
	int rc;

	rc = tsm_req(tdi->vmm, &cmd);
	tdi->tsm_code = cmd.tsm_code;
	return rc ?: cmd.resp_len == resp_len ? 0 : -EBADMSG;
}

int tdi_live_state(struct tdi *tdi, u32 *state)
{
	const struct soft_tsm_msg msg = { .type = SOFT_TSM_MSG_GET_TDI_STATE };
	struct soft_tsm_msg_tdi_state resp = { .state = ~0u };
	int rc;

	rc = tdi_do_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &msg, sizeof(msg),
			&resp, sizeof(resp));
	*state = resp.state;
	return rc;
}

int tdi_start(struct tdi *tdi)
{
	const struct iommu_tsm_req_set_tdi_state req = {
		.state = IOMMU_TSM_TDI_RUN,
	};

	return tdi_do_req(tdi, IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE, &req,
			  sizeof(req), NULL, 0);
}

int tdi_object_size(struct tdi *tdi, u32 type, u32 *size)
{
	const struct iommu_tsm_req_object_info req = { .type = type };

	return tdi_do_req(tdi, IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO, &req,
			  sizeof(req), size, sizeof(*size));
}

int tdi_read_object(struct tdi *tdi, u32 type, u32 portion, void **data,
		    u32 *size)
{
	struct iommu_tsm_req_read_object req = { .type = type };
	struct iommu_vdevice_tsm_req cmd;
	u32 got;
	int rc;

	rc = tdi_object_size(tdi, type, size);
	if (rc)
		return rc;
	*data = malloc(*size + portion);
	if (!*data)
		return -ENOMEM;

	/* One more than there is, which has to be empty, ends it */
	do {
		cmd = tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &req,
			      sizeof(req), *data + req.offset, portion);
		rc = tsm_req(tdi->vmm, &cmd);
		tdi->tsm_code = cmd.tsm_code;
		if (rc)
			break;
		got = min(portion, *size - (u32)req.offset);
		if (cmd.resp_len != got) {
			rc = -EBADMSG;
			break;
		}
		req.offset += got;
	} while (got);

	if (rc) {
		free(*data);
		*data = NULL;
	}
	return rc;
}

int tdi_regen_object(struct tdi *tdi, u32 type, const u8 *nonce)
{
	struct iommu_tsm_req_regen_object req = { .type = type };

	memcpy(req.nonce, nonce, sizeof(req.nonce));
	return tdi_do_req(tdi, IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT, &req,
			  sizeof(req), NULL, 0);
}

int tdi_read_portion(struct tdi *tdi, u32 type, u64 offset, void *buf, u32 *len)
{
	const struct iommu_tsm_req_read_object req = {
		.type = type,
		.offset = offset,
	};
	struct iommu_vdevice_tsm_req cmd =
		tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_READ_OBJECT, &req,
			sizeof(req), buf, *len);
	int rc;

	rc = tsm_req(tdi->vmm, &cmd);
	tdi->tsm_code = cmd.tsm_code;
	if (!rc)
		*len = cmd.resp_len;
	return rc;
}

int tdi_validate_mmio(struct tdi *tdi, u64 gpa_base, u64 gpa_top, u64 pa_base)
{
	const struct iommu_tsm_req_validate_mmio req = {
		.gpa_base = gpa_base,
		.gpa_top = gpa_top,
		.pa_base = pa_base,
	};

	return tdi_do_req(tdi, IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO, &req,
			  sizeof(req), NULL, 0);
}

int tdi_enable_dma(struct tdi *tdi)
{
	const struct soft_tsm_msg msg = { .type = SOFT_TSM_MSG_ENABLE_DMA };

	return tdi_do_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, &msg,
			  sizeof(msg), NULL, 0);
}

u32 tdi_reg_read(struct tdi *tdi, u32 reg)
{
	return readl(tdi->vfio->bars[TDISP_BAR_REGS].vaddr + reg);
}

void tdi_reg_write(struct tdi *tdi, u32 reg, u32 val)
{
	writel(val, tdi->vfio->bars[TDISP_BAR_REGS].vaddr + reg);
}

static void tdi_reg_write64(struct tdi *tdi, u32 reg, u64 val)
{
	tdi_reg_write(tdi, reg, val);
	tdi_reg_write(tdi, reg + 4, val >> 32);
}

int tdi_dma(struct tdi *tdi, u32 dir, u64 off, size_t buf_off, u32 len)
{
	bool to_device = (dir & ~TDISP_DMA_TEE) == TDISP_DMA_TO_DEVICE;
	u64 iova = tdi->buf.iova + buf_off;
	struct pollfd irq = {
		.fd = tdi->vfio->msi_eventfds[DMA_VECTOR],
		.events = POLLIN,
	};
	u64 count;

	/* Left over by a transfer that nobody waited for */
	if (read(irq.fd, &count, sizeof(count)) > 0)
		return -EALREADY;

	tdi_reg_write64(tdi, TDISP_REG_DMA_SRC, to_device ? iova : off);
	tdi_reg_write64(tdi, TDISP_REG_DMA_DST, to_device ? off : iova);
	tdi_reg_write(tdi, TDISP_REG_DMA_LEN, len);
	tdi_reg_write(tdi, TDISP_REG_DMA_DIR, dir);
	tdi_reg_write(tdi, TDISP_REG_DMA_VECTOR, DMA_VECTOR);
	tdi_reg_write(tdi, TDISP_REG_DMA_DOORBELL, 1);

	if (poll(&irq, 1, DMA_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	if (read(irq.fd, &count, sizeof(count)) != sizeof(count) || count != 1)
		return -EPROTO;
	return tdi_reg_read(tdi, TDISP_REG_DMA_STATUS);
}

int tdi_dma_round_trip(struct tdi *tdi)
{
	u8 *src = tdi->buf.vaddr, *dst = src + DMA_LEN;
	int rc;

	for (int i = 0; i < DMA_LEN; i++)
		src[i] = random();
	memset(dst, 0, DMA_LEN);

	rc = tdi_dma(tdi, TDISP_DMA_TO_DEVICE, DMA_BAR_OFF, 0, DMA_LEN);
	if (rc != TDISP_DMA_DONE)
		return rc < 0 ? rc : -EIO;
	rc = tdi_dma(tdi, TDISP_DMA_FROM_DEVICE, DMA_BAR_OFF, DMA_LEN, DMA_LEN);
	if (rc != TDISP_DMA_DONE)
		return rc < 0 ? rc : -EIO;
	return memcmp(src, dst, DMA_LEN) ? -EBADMSG : 0;
}
