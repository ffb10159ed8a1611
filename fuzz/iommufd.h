/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls of iommufd that both targets have, and the objects they made */
#ifndef FUZZ_IOMMUFD_H
#define FUZZ_IOMMUFD_H

#include <stdint.h>

#include "fuzz.h"

enum object {
	OBJ_DEVICE,
	OBJ_STDEV,
	OBJ_IOAS,
	OBJ_HWPT,
	OBJ_VIOMMU,
	OBJ_VDEVICE,
	OBJ_VEVENTQ,
	NR_OBJECTS
};

/* The iommufd of this program, and the tvm_arch of the TSM there is */
extern int iommufd;
extern uint32_t tvm_arch;

void objects_clear(void);
void object_add(enum object kind, uint32_t id);
/*
 * The ID that an ARG_REF stands for: one of that kind, or sometimes of another
 * one, or of none
 */
uint32_t object_ref(enum object kind, uint32_t arg);

/* The event queues that were not closed */
void events_close(void);

int iommufd_ioctl(unsigned long cmd, void *arg);

int run_hwpt_alloc(const uint32_t *arg);
int run_viommu_alloc(const uint32_t *arg);
int run_vdevice_alloc(const uint32_t *arg);
int run_veventq_alloc(const uint32_t *arg);
int run_veventq_read(const uint32_t *arg);
int run_veventq_close(const uint32_t *arg);
int run_tsm_op(const uint32_t *arg);
int run_tsm_req(const uint32_t *arg);
int run_destroy(const uint32_t *arg);
int run_hw_info(const uint32_t *arg);

/* Last of each: what is wrong with the size of the struct */
#define IOMMUFD_OPS							      \
	{ "hwpt_alloc", 2, { ARG_REF, ARG_REF, ARG_ODD, ARG_ODD, ARG_ODD,     \
			     ARG_ODD }, run_hwpt_alloc },		      \
	{ "viommu_alloc", 4, { ARG_REF, ARG_REF, ARG_SMALL, ARG_ODD, ARG_ODD, \
			       ARG_ODD }, run_viommu_alloc },		      \
	{ "vdevice_alloc", 4, { ARG_REF, ARG_REF, ARG_VALUE, ARG_ODD,	      \
				ARG_ODD }, run_vdevice_alloc },		      \
	{ "veventq_alloc", 3, { ARG_REF, ARG_SMALL, ARG_SMALL, ARG_ODD,	      \
				ARG_ODD, ARG_ODD }, run_veventq_alloc },      \
	{ "veventq_read", 3, { ARG_SMALL, ARG_LEN }, run_veventq_read },      \
	{ "veventq_close", 1, { ARG_SMALL }, run_veventq_close },	      \
	{ "tsm_op", 10, { ARG_REF, ARG_SMALL, ARG_ODD, ARG_ODD }, run_tsm_op },\
	{ "tsm_req", 12, { ARG_REF, ARG_SMALL, ARG_ODD, ARG_ODD, ARG_LEN,     \
			   ARG_VALUE, ARG_ODD, ARG_ODD }, run_tsm_req },      \
	{ "destroy", 4, { ARG_SMALL, ARG_REF }, run_destroy },		      \
	{ "hw_info", 2, { ARG_REF, ARG_ODD, ARG_ODD, ARG_ODD }, run_hw_info }

#endif /* FUZZ_IOMMUFD_H */
