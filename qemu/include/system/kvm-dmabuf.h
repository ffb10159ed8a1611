/*
 * MMIO of devices that KVM maps by itself, from a dma-buf of VFIO
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_KVM_DMABUF_H
#define SYSTEM_KVM_DMABUF_H

#include "exec/memory.h"
#include "exec/ramblock.h"

typedef struct KVMDmabuf KVMDmabuf;

/**
 * struct KVMDmabuf - A dma-buf that is the memory of a RAM device region
 * @fd: of the dma-buf, whose size is that of the region
 * @convert: the guest wants pages to be private or shared: false to refuse.
 *           BQL held
 * @fault: the guest accessed a page that KVM cannot map now. To be called
 *         again if that has not changed when the guest resumes. BQL held
 */
struct KVMDmabuf {
    int fd;
    bool (*convert)(KVMDmabuf *dmabuf, hwaddr gpa, hwaddr size,
                    bool to_private);
    void (*fault)(KVMDmabuf *dmabuf, hwaddr gpa, bool is_private);
};

/* Whether KVM has memslots that a dma-buf backs, for private MMIO of this VM */
bool kvm_dmabuf_supported(void);

/*
 * Let KVM map @mr, a RAM device region that is nowhere visible yet, from
 * @dmabuf. What the region has in QEMU's address space does not matter to KVM.
 */
void kvm_dmabuf_set(MemoryRegion *mr, KVMDmabuf *dmabuf);

static inline KVMDmabuf *kvm_dmabuf_of(const MemoryRegion *mr)
{
    return mr->ram_block ? mr->ram_block->kvm_dmabuf : NULL;
}

#endif
