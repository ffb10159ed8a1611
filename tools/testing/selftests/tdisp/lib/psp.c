// SPDX-License-Identifier: GPL-2.0-only
/* The model of AMD's PSP, and messages of SNP guests */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "tdisp_lib.h"
#include "psp.h"

#define PSP_DEBUGFS	"/sys/kernel/debug/" PSP_MODEL_MODULE
#define PSP_LOG_SIZE	(1024 * 1024)

/* Head of a message */
#define MSG_ALGO	0x30
#define MSG_HDR_VERSION	0x31
#define MSG_HDR_SIZE	0x32
#define MSG_TYPE	0x34
#define MSG_VERSION	0x35
#define MSG_SIZE	0x36

#define MMIO_SIZE	48

bool psp_loaded(void)
{
	return sysfs_exists("/sys/module/" PSP_MODEL_MODULE "/initstate");
}

int psp_load(const char *params)
{
	const char *file = getenv("TDISP_PSP_MODEL_KO");
	char cmd[256];
	int fd, rc;

	if (!file) {
		snprintf(cmd, sizeof(cmd), "modprobe -q %s %s",
			 PSP_MODEL_MODULE, params);
		return system(cmd) ? -ENOENT : 0;
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = syscall(__NR_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return rc;
}

int psp_unload(void)
{
	return syscall(__NR_delete_module, PSP_MODEL_MODULE, O_NONBLOCK) ?
	       -errno : 0;
}

int psp_connect(struct tdisp_device *dev)
{
	char tsm[16];
	int rc;

	tdi_tvm_arch = IOMMU_TVM_ARCH_SEV;
	rc = tsm_find_of(PSP_MODEL_MODULE, tsm, sizeof(tsm));
	return rc ?: tsm_connect(dev->fn[0].bdf, tsm);
}

int psp_set_param(const char *name, const char *val)
{
	return sysfs_write(val, "/sys/module/" PSP_MODEL_MODULE
			   "/parameters/%s", name);
}

int psp_get_state(struct psp_state *state)
{
	char buf[512];
	int rc;

	rc = sysfs_read(buf, sizeof(buf), PSP_DEBUGFS "/state");
	if (rc)
		return rc;
	return sscanf(buf,
		      "violations %u refused %u firmware %u context %u guest %u leaked %u devices %u tdis %u bound %u pending %u",
		      &state->violations, &state->refused, &state->firmware,
		      &state->context, &state->guest, &state->leaked,
		      &state->devices, &state->tdis, &state->bound,
		      &state->pending) == 10 ? 0 : -EBADMSG;
}

int psp_inject(u32 cmd, u32 status, u32 skip, u32 count)
{
	char line[64];

	snprintf(line, sizeof(line), "%#x %#x %u %u", cmd, status, skip, count);
	return sysfs_write(line, PSP_DEBUGFS "/inject");
}

int psp_inject_none(void)
{
	return sysfs_write("\n", PSP_DEBUGFS "/inject");
}

int psp_raw(u32 cmd, u32 flags)
{
	char line[32];

	snprintf(line, sizeof(line), "%#x %#x", cmd, flags);
	return sysfs_write(line, PSP_DEBUGFS "/raw");
}

int psp_fence(u32 guest)
{
	char line[16];

	snprintf(line, sizeof(line), "%u", guest);
	return sysfs_write(line, PSP_DEBUGFS "/fence");
}

int psp_log_clear(void)
{
	return sysfs_write("\n", PSP_DEBUGFS "/log");
}

char *psp_log(void)
{
	char *log = calloc(1, PSP_LOG_SIZE);
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(PSP_DEBUGFS "/log", O_RDONLY);
	if (fd < 0 || !log) {
		free(log);
		return NULL;
	}
	while ((n = read(fd, log + len, PSP_LOG_SIZE - 1 - len)) > 0)
		len += n;
	close(fd);
	return log;
}

const char *psp_log_find(const char *from, const char *line)
{
	size_t len = strlen(line);

	while (from && *from) {
		if (!strncmp(from, line, len))
			return from;
		from = strchr(from, '\n');
		if (from)
			from++;
	}
	return NULL;
}

int psp_log_count(const char *log, const char *line)
{
	int nr = 0;

	while ((log = psp_log_find(log, line))) {
		nr++;
		log++;
	}
	return nr;
}

static void put_le16(u8 *buf, u16 val)
{
	buf[0] = val;
	buf[1] = val >> 8;
}

static u16 get_le16(const u8 *buf)
{
	return buf[0] | buf[1] << 8;
}

void psp_msg(u8 *page, u8 type, const void *payload, u16 len)
{
	memset(page, 0, PSP_MSG_PAGE);
	page[MSG_ALGO] = 1;
	page[MSG_HDR_VERSION] = 1;
	put_le16(page + MSG_HDR_SIZE, PSP_MSG_HDR);
	page[MSG_TYPE] = type;
	page[MSG_VERSION] = 1;
	put_le16(page + MSG_SIZE, len);
	memcpy(page + PSP_MSG_HDR, payload, len);
}

int psp_send_msg(struct tdi *tdi, u8 *page, u32 *len)
{
	u8 resp[PSP_MSG_PAGE] = {};
	struct iommu_vdevice_tsm_req cmd =
		tdi_req(tdi, IOMMU_VDEVICE_TSM_REQ_GUEST_MSG, page,
			PSP_MSG_PAGE, resp, sizeof(resp));
	int rc;

	rc = tsm_req(tdi->vmm, &cmd);
	tdi->tsm_code = cmd.tsm_code;
	if (rc)
		return rc;
	*len = cmd.resp_len;
	memcpy(page, resp, sizeof(resp));
	return 0;
}

u16 psp_msg_status(const u8 *page)
{
	return get_le16(page + PSP_MSG_HDR + 2);
}

int psp_mmio_validate(struct tdi *tdi, u64 gpa, u32 pages, u16 id, u16 *status)
{
	u8 page[PSP_MSG_PAGE], payload[MMIO_SIZE] = {};
	u32 len;
	int rc;

	put_le16(payload, TDI_VIRT_ID + (tdi->fn->rid & 7));
	memcpy(payload + 0x10, &gpa, sizeof(gpa));
	memcpy(payload + 0x18, &pages, sizeof(pages));
	put_le16(payload + 0x20, 1);
	put_le16(payload + 0x22, id);
	psp_msg(page, PSP_MSG_MMIO_VALIDATE, payload, sizeof(payload));
	rc = psp_send_msg(tdi, page, &len);
	if (!rc)
		*status = psp_msg_status(page);
	return rc ?: len == PSP_MSG_HDR + MMIO_SIZE ? 0 : -EBADMSG;
}
