// SPDX-License-Identifier: GPL-2.0-only
/* Calls of iommufd that both targets have, and the objects they made */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>

#include "iommufd.h"

#define MAX_OBJECTS	16
#define MAX_QUEUES	8
#define REQ_MAX		(2 * 1024 * 1024)
/* For a struct with more after it than the kernel knows */
#define TAIL		64

int iommufd = -1;
uint32_t tvm_arch;

/* Threads of a program add and look up, too */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	uint32_t id[MAX_OBJECTS];
	unsigned int nr;
} objects[NR_OBJECTS];

static int queues[MAX_QUEUES];
static unsigned int nr_queues;

void objects_clear(void)
{
	memset(objects, 0, sizeof(objects));
}

/* One that is destroyed keeps its place: it is used once more now and then */
void object_add(enum object kind, uint32_t id)
{
	pthread_mutex_lock(&lock);
	objects[kind].id[objects[kind].nr % MAX_OBJECTS] = id;
	objects[kind].nr++;
	pthread_mutex_unlock(&lock);
}

static uint32_t odd_id(uint32_t arg)
{
	static const uint32_t odd[] = { 0, 1, 0x7fffffff, 0x80000000, ~0u };

	return arg & 1 ? arg : odd[(arg >> 1) % ARRAY_LEN(odd)];
}

uint32_t object_ref(enum object kind, uint32_t arg)
{
	unsigned int which = arg & 0xff, nr;
	uint32_t id = 0;

	if (which == 0xff)
		return odd_id(arg >> 8);
	if (which == 0xfe)
		kind = (arg >> 8) % NR_OBJECTS;

	pthread_mutex_lock(&lock);
	nr = objects[kind].nr;
	if (nr > MAX_OBJECTS)
		nr = MAX_OBJECTS;
	/* The first and the last are what a program cares for most */
	if (nr)
		id = objects[kind].id[which & 1 ? nr - 1 : (which >> 1) % nr];
	pthread_mutex_unlock(&lock);
	return id;
}

int iommufd_ioctl(unsigned long cmd, void *arg)
{
	return ioctl(iommufd, cmd, arg) < 0 ? -errno : 0;
}

/* The size that a struct says it has; "size" is its first member always */
static void set_size(void *cmd, uint32_t size, uint32_t odd)
{
	static const int sizes[] = { 0, 4, -4, 8, TAIL, 1 << 20 };
	unsigned int i = odd % (ARRAY_LEN(sizes) + 1);

	if (i == 0 || odd == 0)
		*(uint32_t *)cmd = size;
	else if (sizes[i - 1] < 0)
		*(uint32_t *)cmd = size + sizes[i - 1];
	else if (sizes[i - 1] < 8)
		*(uint32_t *)cmd = sizes[i - 1];
	else
		*(uint32_t *)cmd = size + sizes[i - 1];
	/* What the kernel does not know has to be 0, or is E2BIG */
	if (odd & 0x100)
		((char *)cmd)[size + 1] = 1;
}

/* A command with room after it */
#define CMD(_type, _name)						\
	union {								\
		_type cmd;						\
		char tail[sizeof(_type) + TAIL];			\
	} _name = { .tail = { 0 } }

/* The flag or reserved word that @odd sets, 0 most of the time */
static uint32_t odd_flag(uint32_t odd)
{
	return odd ? 1u << (odd & 31) : 0;
}

/* device, parent, flags, type, reserved, size */
int run_hwpt_alloc(const uint32_t *arg)
{
	CMD(struct iommu_hwpt_alloc, u);
	int rc;

	u.cmd.dev_id = object_ref(OBJ_DEVICE, arg[0]);
	u.cmd.pt_id = object_ref(arg[1] & 0x10 ? OBJ_HWPT : OBJ_IOAS, arg[1]);
	u.cmd.flags = arg[2];
	u.cmd.data_type = arg[3];
	u.cmd.__reserved = odd_flag(arg[4]);
	set_size(&u, sizeof(u.cmd), arg[5]);
	rc = iommufd_ioctl(IOMMU_HWPT_ALLOC, &u);
	if (!rc)
		object_add(OBJ_HWPT, u.cmd.out_hwpt_id);
	return rc;
}

/* device, hwpt, type, flags, data_len, size */
int run_viommu_alloc(const uint32_t *arg)
{
	static char data[256];
	CMD(struct iommu_viommu_alloc, u);
	int rc;

	u.cmd.dev_id = object_ref(OBJ_DEVICE, arg[0]);
	u.cmd.hwpt_id = object_ref(OBJ_HWPT, arg[1]);
	/* 0 to 7 as they are, but 2 of 3 times what all this is about */
	u.cmd.type = arg[2] % 3 ? IOMMU_VIOMMU_TYPE_TSM : arg[2] / 3;
	u.cmd.flags = odd_flag(arg[3]);
	u.cmd.data_len = arg[4];
	if (arg[4])
		u.cmd.data_uptr = (uintptr_t)data;
	set_size(&u, sizeof(u.cmd), arg[5]);
	rc = iommufd_ioctl(IOMMU_VIOMMU_ALLOC, &u);
	if (!rc)
		object_add(OBJ_VIOMMU, u.cmd.out_viommu_id);
	return rc;
}

/* vIOMMU, device, virt_id, its upper half, size */
int run_vdevice_alloc(const uint32_t *arg)
{
	CMD(struct iommu_vdevice_alloc, u);
	int rc;

	u.cmd.viommu_id = object_ref(OBJ_VIOMMU, arg[0]);
	u.cmd.dev_id = object_ref(OBJ_DEVICE, arg[1]);
	u.cmd.virt_id = arg[2] | (uint64_t)arg[3] << 32;
	set_size(&u, sizeof(u.cmd), arg[4]);
	rc = iommufd_ioctl(IOMMU_VDEVICE_ALLOC, &u);
	if (!rc)
		object_add(OBJ_VDEVICE, u.cmd.out_vdevice_id);
	return rc;
}

/* vIOMMU, type, depth, flags, reserved, size */
int run_veventq_alloc(const uint32_t *arg)
{
	CMD(struct iommu_veventq_alloc, u);
	int rc;

	u.cmd.viommu_id = object_ref(OBJ_VIOMMU, arg[0]);
	u.cmd.type = arg[1] % 3 ? IOMMU_VEVENTQ_TYPE_TSM : arg[1] / 3;
	u.cmd.veventq_depth = arg[2];
	u.cmd.flags = odd_flag(arg[3]);
	u.cmd.__reserved = odd_flag(arg[4]);
	set_size(&u, sizeof(u.cmd), arg[5]);
	rc = iommufd_ioctl(IOMMU_VEVENTQ_ALLOC, &u);
	if (rc)
		return rc;
	object_add(OBJ_VEVENTQ, u.cmd.out_veventq_id);
	fcntl(u.cmd.out_veventq_fd, F_SETFL, O_NONBLOCK);
	pthread_mutex_lock(&lock);
	if (nr_queues < MAX_QUEUES)
		queues[nr_queues++] = u.cmd.out_veventq_fd;
	else
		close(u.cmd.out_veventq_fd);
	pthread_mutex_unlock(&lock);
	return 0;
}

/* which, length */
int run_veventq_read(const uint32_t *arg)
{
	char buf[256];
	int fd = -1, n;

	pthread_mutex_lock(&lock);
	if (nr_queues)
		fd = dup(queues[arg[0] % nr_queues]);
	pthread_mutex_unlock(&lock);
	if (fd < 0)
		return OP_NOTHING;
	n = read(fd, buf, arg[1] % 3 ? sizeof(buf) : arg[1] % sizeof(buf));
	n = n < 0 ? -errno : 0;
	close(fd);
	return n;
}

int run_veventq_close(const uint32_t *arg)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	if (!nr_queues) {
		pthread_mutex_unlock(&lock);
		return OP_NOTHING;
	}
	i = arg[0] % nr_queues;
	close(queues[i]);
	queues[i] = queues[--nr_queues];
	pthread_mutex_unlock(&lock);
	return 0;
}

void events_close(void)
{
	while (nr_queues)
		close(queues[--nr_queues]);
}

/* vDEVICE, type, flags, size */
int run_tsm_op(const uint32_t *arg)
{
	CMD(struct iommu_vdevice_tsm_op, u);

	u.cmd.vdevice_id = object_ref(OBJ_VDEVICE, arg[0]);
	/* BIND and UNBIND, and what there is not */
	u.cmd.type = arg[1] < 6 ? 1 + arg[1] % 2 : arg[1];
	u.cmd.flags = odd_flag(arg[2]);
	set_size(&u, sizeof(u.cmd), arg[3]);
	return iommufd_ioctl(IOMMU_VDEVICE_TSM_OP, &u);
}

/* What is asked for, with a field or two that come from @val: its right length */
static uint32_t fill_req(void *buf, uint32_t op, uint32_t val)
{
	struct iommu_tsm_req_validate_mmio *mmio = buf;
	struct iommu_tsm_req_set_tdi_state *state = buf;
	struct iommu_tsm_req_read_object *read = buf;
	struct iommu_tsm_req_regen_object *regen = buf;
	struct iommu_tsm_req_object_info *info = buf;

	switch (op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		mmio->gpa_base = (val & 0xff) << 12;
		mmio->gpa_top = mmio->gpa_base + ((val >> 8) & 0xff) * 0x800ull;
		mmio->pa_base = val & 0x10000 ? mmio->gpa_base +
				((uint64_t)(val >> 16) << 28) : 0;
		if ((val >> 24) == 0xff)
			mmio->gpa_top = ~0ull << (val & 15);
		return sizeof(*mmio);
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		state->state = val % 5 ? IOMMU_TSM_TDI_RUN : val / 5;
		return sizeof(*state);
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		read->type = val & 7;
		read->offset = val & 0x100 ? val >> 9 : val & 0x80 ? ~0ull << (val >> 26) : 0;
		read->__reserved = (val & 0x78) == 0x78;
		return sizeof(*read);
	case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT:
		regen->type = val & 7;
		regen->flags = (val & 0x78) == 0x78;
		memset(regen->nonce, val >> 8, sizeof(regen->nonce));
		return sizeof(*regen);
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		info->type = val & 7;
		return sizeof(*info);
	default:
		memset(buf, val >> 8, 64);
		/* What a guest of the soft TSM may say */
		*(uint32_t *)buf = val & 7;
		*((uint32_t *)buf + 1) = (val & 0x78) == 0x78;
		return 8;
	}
}

/* The end of memory, nothing, what is not mapped, what cannot be written */
static uint64_t odd_pointer(char *good, char *guard, uint32_t len, uint32_t odd)
{
	switch (odd & 7) {
	case 1:
		return 0;
	case 2:
		return 0x10;
	case 3:
		return (uintptr_t)guard - (len ? len - 1 : 0);
	case 4:
		return (uintptr_t)guard - 1;
	case 5:
		return ~0ull - 4;
	case 6:
		return (uintptr_t)run_tsm_req & ~7ull;
	default:
		return (uintptr_t)good;
	}
}

/* vDEVICE, op, architecture, length, room, value, pointers, size */
int run_tsm_req(const uint32_t *arg)
{
	static char *memory;
	CMD(struct iommu_vdevice_tsm_req, u);
	char *req, *resp, *guard;
	uint32_t right;

	if (!memory) {
		memory = mmap(NULL, 3 * REQ_MAX, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory == MAP_FAILED)
			return -ENOMEM;
		munmap(memory + 3 * REQ_MAX - 4096, 4096);
	}
	req = memory;
	resp = memory + REQ_MAX;
	guard = memory + 3 * REQ_MAX - 4096;

	u.cmd.vdevice_id = object_ref(OBJ_VDEVICE, arg[0]);
	u.cmd.op = arg[1];
	u.cmd.tvm_arch = arg[2] ? arg[2] & 7 : tvm_arch;
	right = fill_req(req, u.cmd.op, arg[5]);
	u.cmd.req_len = arg[3] ? arg[3] : right;
	u.cmd.resp_len = arg[4];
	u.cmd.req_uptr = odd_pointer(req, guard, u.cmd.req_len, arg[6]);
	u.cmd.resp_uptr = u.cmd.resp_len || arg[6] & 0x40 ?
		odd_pointer(resp, guard, u.cmd.resp_len, arg[6] >> 3) : 0;
	set_size(&u, sizeof(u.cmd), arg[7]);
	return iommufd_ioctl(IOMMU_VDEVICE_TSM_REQ, &u);
}

/* kind, which */
int run_destroy(const uint32_t *arg)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd) };

	cmd.id = object_ref(arg[0] % NR_OBJECTS, arg[1]);
	return iommufd_ioctl(IOMMU_DESTROY, &cmd);
}

/* device, flags, type, size */
int run_hw_info(const uint32_t *arg)
{
	static char data[256];
	CMD(struct iommu_hw_info, u);

	u.cmd.dev_id = object_ref(OBJ_DEVICE, arg[0]);
	u.cmd.flags = odd_flag(arg[1]);
	u.cmd.data_len = arg[2] % sizeof(data);
	if (u.cmd.data_len)
		u.cmd.data_uptr = (uintptr_t)data;
	set_size(&u, sizeof(u.cmd), arg[3]);
	return iommufd_ioctl(IOMMU_GET_HW_INFO, &u);
}
