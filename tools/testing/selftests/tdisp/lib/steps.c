// SPDX-License-Identifier: GPL-2.0-only
/* Steps of VMM and guest in the kernel's trace, see steps.h */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tdisp_lib.h"
#include "steps.h"

#define LINE_SIZE	256

void (*steps_hook)(const char *call);

static bool show;
static u64 show_start;

static const struct {
	const char *call;
	const char *text;
} texts[] = {
	{ "connect", "connect to the TSM: SPDM session, IDE stream" },
	{ "disconnect", "disconnect from the TSM" },
	{ "init-vdev", "open the device, associate it with the VM" },
	{ "create-dmabuf", "ask for a dma-buf of a BAR" },
	{ "export-dmabuf", "the dma-buf, revocable" },
	{ "create-memslot", "memslot on the dma-buf" },
	{ "setup-shared-dma", "map guest memory in the IOAS" },
	{ "create-hwpt", "allocate a HWPT on the IOAS" },
	{ "attach-hwpt", "attach the device" },
	{ "alloc-viommu", "allocate the vIOMMU, type TSM" },
	{ "alloc-vdevice", "allocate the vDEVICE" },
	{ "kvm-run", "the guest runs" },
	{ "enum-shared", "find the function, its BARs and MSI-X" },
	{ "use-shared", "registers, memory, DMA, interrupt: T=0" },
	{ "connect-bind", "ask for the device" },
	{ "ghci-bind", "hypercall: BIND" },
	{ "tsm-bind", "BIND: the TSM locks the TDI for the VM" },
	{ "attest", "look at the evidence about the device" },
	{ "ghci-get-info", "hypercall: read evidence" },
	{ "ghci-regen", "hypercall: measure again, with my nonce" },
	{ "tsm-req-info", "request: evidence" },
	{ "tsm-req-regen", "request: measurements with a nonce" },
	{ "accept", "accept MMIO and DMA" },
	{ "ghci-accept", "hypercall: this MMIO range is mine" },
	{ "tsm-req-validate", "request: validate the range" },
	{ "convert-private", "convert the range to private" },
	{ "ghci-enable-dma", "hypercall: it may do DMA" },
	{ "tsm-req-enable-dma", "request: trusted DMA on" },
	{ "ghci-start", "hypercall: start" },
	{ "tsm-req-start", "request: START" },
	{ "ghci-get-state", "hypercall: state of the TDI" },
	{ "tsm-req-state", "request: state of the TDI" },
	{ "workload", "registers, memory, DMA, interrupt: T=1" },
	{ "disconnect-tdi", "give the device back" },
	{ "ghci-unbind", "hypercall: UNBIND" },
	{ "tsm-unbind", "UNBIND: the TSM takes the TDI back" },
	{ "convert-shared", "convert the range to shared" },
	{ "use-shared-again", "registers, memory, DMA, interrupt: T=0" },
};

static const char *text_of(const char *from, const char *call)
{
	/* What the administrator and the guest do have the same name */
	if (!strcmp(from, "guest") && !strcmp(call, "disconnect"))
		call = "disconnect-tdi";
	for (int i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strcmp(texts[i].call, call))
			return texts[i].text;
	return call;
}

static u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

void steps_show(bool on)
{
	show = on;
	show_start = now_us();
}

static void mark(const char *line)
{
	static int fd = -2;

	if (fd == -2)
		fd = open("/sys/kernel/tracing/trace_marker",
			  O_WRONLY | O_CLOEXEC);
	/* Best effort: who traces has seen to it that there is a trace */
	if (fd >= 0 && write(fd, line, strlen(line)) < 0)
		return;
}

static double show_ms(void)
{
	return (now_us() - show_start) / 1000.0;
}

void step(const char *from, const char *to, const char *call, const char *fmt,
	  ...)
{
	char line[LINE_SIZE], keys[LINE_SIZE / 2];
	va_list args;

	if (steps_hook)
		steps_hook(call);
	va_start(args, fmt);
	vsnprintf(keys, sizeof(keys), fmt, args);
	va_end(args);
	snprintf(line, sizeof(line), "tdisp_step: %s > %s %s%s", from, to, call,
		 keys);
	mark(line);
	if (show)
		printf("%9.1f ms  %-9s > %-9s %-46s%s\n", show_ms(), from, to,
		       text_of(from, call), keys);
}

void step_done(const char *call, int rc, const char *fmt, ...)
{
	char line[LINE_SIZE], keys[LINE_SIZE / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(keys, sizeof(keys), fmt, args);
	va_end(args);
	snprintf(line, sizeof(line), "tdisp_done: %s rc=%d%s", call, rc, keys);
	mark(line);
	if (show)
		printf("%9.1f ms  %s: %s%s\n", show_ms(), call,
		       rc ? errno_name(rc) : "done", keys);
}
