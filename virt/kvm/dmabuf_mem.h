/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_DMABUF_MEM_H__
#define __KVM_DMABUF_MEM_H__

#include <linux/kvm_types.h>

struct device;

#ifdef CONFIG_KVM_DMABUF_MEM
int kvm_dmabuf_bind(struct kvm *kvm, struct kvm_memory_slot *slot,
		    unsigned int fd, u64 offset, struct device *dev);
void kvm_dmabuf_unbind(struct kvm_memory_slot *slot);
#else
static inline int kvm_dmabuf_bind(struct kvm *kvm, struct kvm_memory_slot *slot,
				  unsigned int fd, u64 offset,
				  struct device *dev)
{
	WARN_ON_ONCE(1);
	return -EIO;
}

static inline void kvm_dmabuf_unbind(struct kvm_memory_slot *slot)
{
	WARN_ON_ONCE(1);
}
#endif /* CONFIG_KVM_DMABUF_MEM */

#endif /* __KVM_DMABUF_MEM_H__ */
