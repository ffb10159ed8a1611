// SPDX-License-Identifier: GPL-2.0-only
/* Calls of the guest about its devices, by QEMU's tsm-testcall */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>

#include "guest.h"
#include "tsm-testcall.h"

/* A device that stalls takes a second for each of its messages */
#define CALL_TIMEOUT_MS		60000

#define CALL_DMA_SIZE		(SZ_4K + TSM_CALL_MAX_BUF)

static DEFINE_MUTEX(call_lock);
static struct pci_dev *call_pdev;
static void __iomem *call_regs;
static u8 *call_dma;
static dma_addr_t call_dma_addr;
static DECLARE_COMPLETION(call_done);

static irqreturn_t call_irq(int irq, void *data)
{
	complete(&call_done);
	return IRQ_HANDLED;
}

/* An event sends the same interrupt as a result */
static int call_wait(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(CALL_TIMEOUT_MS);

	while (readl(call_regs + TSM_CALL_STATE) == TSM_CALL_BUSY) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		wait_for_completion_timeout(&call_done, HZ);
	}
	return readl(call_regs + TSM_CALL_STATE) == TSM_CALL_DONE ? 0 : -EIO;
}

static void call_encode(u32 tdi, const struct guest_call *call)
{
	memset(call_dma, 0, TSM_CALL_SIZE);
	put_unaligned_le32(call->nr, call_dma + TSM_CALL_NR);
	put_unaligned_le32(tdi, call_dma + TSM_CALL_TDI);
	for (int i = 0; i < ARRAY_SIZE(call->arg); i++)
		put_unaligned_le64(call->arg[i], call_dma + TSM_CALL_ARG(i));
	if (!call->buf_len)
		return;
	put_unaligned_le64(call_dma_addr + SZ_4K, call_dma + TSM_CALL_BUF);
	put_unaligned_le32(call->buf_len, call_dma + TSM_CALL_BUF_LEN);
	memcpy(call_dma + SZ_4K, call->buf, call->buf_len);
}

static int call_decode(struct guest_call *call)
{
	u32 len = get_unaligned_le32(call_dma + TSM_CALL_BUF_LEN);

	call->status = get_unaligned_le32(call_dma + TSM_CALL_STATUS);
	call->err = (s32)get_unaligned_le32(call_dma + TSM_CALL_ERR);
	call->code = get_unaligned_le64(call_dma + TSM_CALL_CODE);
	if (len > call->buf_len)
		return -EPROTO;
	call->buf_len = len;
	if (len)
		memcpy(call->buf, call_dma + SZ_4K, len);
	return 0;
}

int guest_do_call(struct guest_dev *dev, struct guest_call *call)
{
	int rc;

	if (call->buf_len > TSM_CALL_MAX_BUF)
		return -EINVAL;
	guard(mutex)(&call_lock);
	if (!call_pdev)
		return -ENODEV;
	call_encode(pci_domain_nr(dev->pdev->bus) << 16 | pci_dev_id(dev->pdev),
		    call);
	writel(lower_32_bits(call_dma_addr), call_regs + TSM_CALL_ADDR);
	writel(upper_32_bits(call_dma_addr), call_regs + TSM_CALL_ADDR + 4);
	writel(1, call_regs + TSM_CALL_DOORBELL);
	rc = call_wait();
	return rc ?: call_decode(call);
}

int guest_call(struct guest_dev *dev, struct guest_call *call)
{
	int rc;

	rc = guest_do_call(dev, call);
	if (rc) {
		guest_say("call %u: no result, %d", call->nr, rc);
		return rc;
	}
	if (call->status == TSM_CALL_OK)
		return 0;
	guest_say("call %u: status %u err %d code %#llx", call->nr,
		  call->status, call->err, call->code);
	return -EREMOTEIO;
}

u32 guest_call_events(void)
{
	guard(mutex)(&call_lock);
	return call_pdev ? readl(call_regs + TSM_CALL_EVENTS) : 0;
}

static int call_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	void __iomem *regs;
	int rc;

	rc = pcim_enable_device(pdev);
	if (rc)
		return rc;
	regs = pcim_iomap_region(pdev, 0, KBUILD_MODNAME);
	if (IS_ERR(regs))
		return PTR_ERR(regs);
	if (readl(regs + TSM_CALL_MAGIC) != TSM_CALL_MAGIC_VALUE)
		return -ENODEV;
	pci_set_master(pdev);
	rc = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (rc)
		return rc;

	guard(mutex)(&call_lock);
	if (call_pdev)
		return -EBUSY;
	call_dma = dmam_alloc_coherent(&pdev->dev, CALL_DMA_SIZE,
				       &call_dma_addr, GFP_KERNEL);
	if (!call_dma)
		return -ENOMEM;
	rc = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (rc < 0)
		return rc;
	rc = request_irq(pci_irq_vector(pdev, 0), call_irq, 0, KBUILD_MODNAME,
			 pdev);
	if (rc) {
		pci_free_irq_vectors(pdev);
		return rc;
	}
	call_regs = regs;
	call_pdev = pdev;
	return 0;
}

static void call_remove(struct pci_dev *pdev)
{
	guard(mutex)(&call_lock);
	call_pdev = NULL;
	free_irq(pci_irq_vector(pdev, 0), pdev);
	pci_free_irq_vectors(pdev);
}

static const struct pci_device_id call_ids[] = {
	{ PCI_DEVICE(TSM_CALL_VENDOR, TSM_CALL_DEVICE) },
	{ }
};

static struct pci_driver call_driver = {
	.name = "tsm_guest_call",
	.id_table = call_ids,
	.probe = call_probe,
	.remove = call_remove,
};

int guest_call_init(void)
{
	return pci_register_driver(&call_driver);
}

void guest_call_exit(void)
{
	pci_unregister_driver(&call_driver);
}
