// SPDX-License-Identifier: GPL-2.0-only
/* The vCPU of the small VMM runs the guest until that has done a job */
#include <errno.h>
#include <string.h>

#include <sys/ioctl.h>

#include <linux/kvm.h>

#include "tdisp_lib.h"
#include "steps.h"
#include "vmm.h"

#define MACHINE_CHECK	18

static int handle_io(struct tvm *tvm)
{
	struct kvm_run *run = tvm->run;
	void *data = (void *)run + run->io.data_offset;
	u32 val = ~0U;
	int rc;

	if (run->io.count != 1 || run->io.size > sizeof(val))
		return -EPROTO;
	if (run->io.direction == KVM_EXIT_IO_IN) {
		val = tvm_port_read(tvm, run->io.port, run->io.size);
		memcpy(data, &val, run->io.size);
		return 0;
	}
	val = 0;
	memcpy(&val, data, run->io.size);
	if (run->io.port != GHCI_PORT)
		rc = tvm_port_write(tvm, run->io.port, run->io.size, val);
	else
		rc = run->io.size == sizeof(val) ? tvm_ghci(tvm, val) : 0;
	return rc;
}

/*
 * MMIO that is not there: the device was taken away, or the guest lies about
 * what it is. A machine check, as the processor of a real TEE would give it.
 */
static int machine_check(struct tvm *tvm)
{
	struct kvm_vcpu_events events;

	tvm->machine_checks++;
	if (ioctl(tvm->vcpu_fd, KVM_GET_VCPU_EVENTS, &events))
		return -errno;
	events.exception.injected = 1;
	events.exception.nr = MACHINE_CHECK;
	events.exception.has_error_code = 0;
	return ioctl(tvm->vcpu_fd, KVM_SET_VCPU_EVENTS, &events) ? -errno : 0;
}

static int handle_memory_fault(struct tvm *tvm)
{
	u64 gpa = tvm->run->memory_fault.gpa;

	for (int i = 0; i < tvm->nr_fns; i++)
		if (tvm_is_bar(&tvm->fn[i], gpa, 1))
			return machine_check(tvm);
	return -EPROTO;
}

static int handle_exit(struct tvm *tvm)
{
	struct kvm_run *run = tvm->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return handle_io(tvm);
	case KVM_EXIT_MMIO:
		return tvm_mmio(tvm, run->mmio.phys_addr, run->mmio.data,
				run->mmio.len, run->mmio.is_write);
	default:
		return -EPROTO;
	}
}

/* To the end of the job, -EAGAIN, or an error */
static int run_vcpu(struct tvm *tvm)
{
	int rc;

	do {
		if (!tvm->started)
			step("vmm", "kvm", "kvm-run", "%s", "");
		tvm->started = true;
		if (!ioctl(tvm->vcpu_fd, KVM_RUN, 0))
			rc = handle_exit(tvm);
		else if (errno == EFAULT &&
			 tvm->run->exit_reason == KVM_EXIT_MEMORY_FAULT)
			rc = handle_memory_fault(tvm);
		else
			rc = errno == EINTR ? 0 : -errno;
	} while (!rc);
	return rc;
}

static u32 guest_flags(void)
{
	switch (tdi_tvm_arch) {
	case IOMMU_TVM_ARCH_SEV:
		return GUEST_SNP;
	case IOMMU_TVM_ARCH_CCA:
		return GUEST_REALM;
	case IOMMU_TVM_ARCH_TDX:
		return GUEST_TD;
	default:
		return 0;
	}
}

struct guest_job *tvm_job(struct tvm *tvm)
{
	return tvm->ram + GUEST_JOB_GPA;
}

int tvm_run_job(struct tvm *tvm, u32 nr, u32 fn)
{
	struct guest_job *job = tvm_job(tvm);
	int rc;

	/* The guest starts, and asks for its first job */
	if (!tvm->started) {
		rc = run_vcpu(tvm);
		if (rc != -EAGAIN)
			return rc;
	}
	job->nr = nr;
	job->fn = fn;
	job->flags = guest_flags();
	job->verdict = NR_GUEST_VERDICTS;
	rc = run_vcpu(tvm);
	return rc == -EAGAIN ? 0 : rc;
}

int tvm_expect(struct tvm *tvm, u32 nr, u32 fn, u32 verdict)
{
	int rc = tvm_run_job(tvm, nr, fn);

	if (rc)
		return rc;
	return tvm_job(tvm)->verdict == verdict ? 0 : -EREMOTEIO;
}

const char *guest_verdict_name(u32 verdict)
{
	static const char * const names[] = {
		[GUEST_OK] = "OK",
		[GUEST_BAD_JOB] = "BAD_JOB",
		[GUEST_NO_FUNCTION] = "NO_FUNCTION",
		[GUEST_BAD_CONFIG] = "BAD_CONFIG",
		[GUEST_GONE] = "GONE",
		[GUEST_BAD_REG] = "BAD_REG",
		[GUEST_BAD_MEM] = "BAD_MEM",
		[GUEST_BAD_DMA] = "BAD_DMA",
		[GUEST_NO_INTERRUPT] = "NO_INTERRUPT",
		[GUEST_WRONG_DATA] = "WRONG_DATA",
		[GUEST_CALL_FAILED] = "CALL_FAILED",
		[GUEST_BAD_CERT] = "BAD_CERT",
		[GUEST_BAD_MEAS] = "BAD_MEAS",
		[GUEST_BAD_NONCE] = "BAD_NONCE",
		[GUEST_BAD_REPORT] = "BAD_REPORT",
		[GUEST_NOT_ATTESTED] = "NOT_ATTESTED",
		[GUEST_BAD_MSG] = "BAD_MSG",
		[GUEST_REFUSED] = "REFUSED",
		[GUEST_TOO_LATE] = "TOO_LATE",
		[NR_GUEST_VERDICTS] = "none",
	};

	return verdict < ARRAY_SIZE(names) ? names[verdict] : "?";
}

const char *ghci_status_name(u32 status)
{
	static const char * const names[] = {
		[GHCI_OK] = "OK",
		[GHCI_UNKNOWN_CALL] = "UNKNOWN_CALL",
		[GHCI_NO_DEVICE] = "NO_DEVICE",
		[GHCI_BAD_LENGTH] = "BAD_LENGTH",
		[GHCI_BAD_ADDRESS] = "BAD_ADDRESS",
		[GHCI_BAD_VALUE] = "BAD_VALUE",
		[GHCI_BAD_RANGE] = "BAD_RANGE",
		[GHCI_REFUSED] = "REFUSED",
		[GHCI_BUSY] = "BUSY",
		[GHCI_NO_REQUEST] = "NO_REQUEST",
	};

	return status < ARRAY_SIZE(names) ? names[status] : "?";
}
