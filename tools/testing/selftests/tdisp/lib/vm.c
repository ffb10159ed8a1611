// SPDX-License-Identifier: GPL-2.0-only
/* A VM with private memory, without vCPUs, that devices are associated with */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "tdisp_lib.h"

#ifdef KVM_X86_SW_PROTECTED_VM
#define VM_TYPE		KVM_X86_SW_PROTECTED_VM
#else
#define VM_TYPE		0
#endif

int vm_create_type(struct vm *vm, unsigned long type)
{
	struct kvm_create_device dev = { .type = KVM_DEV_TYPE_VFIO };
	int types = 1, rc;

	vm->vm_fd = -1;
	vm->vfio_fd = -1;
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return -errno;

	/* Type 0 is always there, and not all architectures tell of types */
	if (type)
		types = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION,
			      KVM_CAP_VM_TYPES);
	if (types < 0 || !(types & (1 << type))) {
		rc = -EOPNOTSUPP;
		goto err_close;
	}
	vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, type);
	if (vm->vm_fd < 0 || ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &dev)) {
		rc = -errno;
		goto err_close;
	}
	vm->vfio_fd = dev.fd;
	return 0;

err_close:
	vm_close(vm);
	return rc;
}

int vm_create(struct vm *vm)
{
	return vm_create_type(vm, VM_TYPE);
}

void vm_close(struct vm *vm)
{
	close_fd(&vm->vfio_fd);
	close_fd(&vm->vm_fd);
	close_fd(&vm->kvm_fd);
}

static int vm_vfio_attr(struct vm *vm, u64 attr, s32 device_fd)
{
	struct kvm_device_attr args = {
		.group = KVM_DEV_VFIO_FILE,
		.attr = attr,
		.addr = (uintptr_t)&device_fd,
	};

	return ioctl(vm->vfio_fd, KVM_SET_DEVICE_ATTR, &args) ? -errno : 0;
}

int vm_add_vfio(struct vm *vm, int device_fd)
{
	return vm_vfio_attr(vm, KVM_DEV_VFIO_FILE_ADD, device_fd);
}

int vm_del_vfio(struct vm *vm, int device_fd)
{
	return vm_vfio_attr(vm, KVM_DEV_VFIO_FILE_DEL, device_fd);
}

bool vm_has_dmabuf(struct vm *vm)
{
	return ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MEMORY_DMABUF) > 0;
}

int vm_set_region(struct vm *vm, struct kvm_userspace_memory_region2 *mem)
{
	return ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION2, mem) ? -errno : 0;
}

int vm_set_dmabuf(struct vm *vm, int dmabuf, u64 off, u64 gpa, u64 len)
{
	struct kvm_userspace_memory_region2 mem = {
		.slot = VM_DMABUF_SLOT,
		.flags = KVM_MEM_DMABUF,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.dmabuf_offset = off,
		.dmabuf_fd = dmabuf,
	};

	return vm_set_region(vm, &mem);
}

int vm_set_private(struct vm *vm, u64 gpa, u64 len, bool private)
{
	struct kvm_memory_attributes attr = {
		.address = gpa,
		.size = len,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(vm->vm_fd, KVM_SET_MEMORY_ATTRIBUTES, &attr) ? -errno : 0;
}
