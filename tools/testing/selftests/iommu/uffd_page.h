/* SPDX-License-Identifier: GPL-2.0-only */
/* A page that makes who accesses it wait, for tests of user copies */
#ifndef SELFTEST_IOMMU_UFFD_PAGE_H
#define SELFTEST_IOMMU_UFFD_PAGE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/userfaultfd.h>

/*
 * User memory under the control of another process, as one that is backed by
 * FUSE would be: a missing page makes who reads or writes it wait until it is
 * filled, a write protected one only who writes it.
 */
struct uffd_page {
	int uffd;
	void *page;
	bool wp;
};

static inline int uffd_page_open(struct uffd_page *uffd, bool wp)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = wp ? UFFD_FEATURE_PAGEFAULT_FLAG_WP : 0,
	};
	struct uffdio_register reg = {
		.range.len = getpagesize(),
		.mode = wp ? UFFDIO_REGISTER_MODE_WP :
			     UFFDIO_REGISTER_MODE_MISSING,
	};

	uffd->wp = wp;
	/* poll() wants it not to block */
	uffd->uffd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd->uffd < 0 || ioctl(uffd->uffd, UFFDIO_API, &api))
		return -1;
	uffd->page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (uffd->page == MAP_FAILED)
		return -1;
	if (wp)
		memset(uffd->page, 0, getpagesize());
	reg.range.start = (uintptr_t)uffd->page;
	return ioctl(uffd->uffd, UFFDIO_REGISTER, &reg);
}

/* From here on writes wait, if that is what it is for */
static inline int uffd_page_protect(struct uffd_page *uffd, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range.start = (uintptr_t)uffd->page,
		.range.len = getpagesize(),
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd->uffd, UFFDIO_WRITEPROTECT, &wp);
}

/* Let those go on who wait */
static inline int uffd_page_release(struct uffd_page *uffd)
{
	struct uffdio_zeropage zero = {
		.range.start = (uintptr_t)uffd->page,
		.range.len = getpagesize(),
	};

	if (uffd->wp)
		return uffd_page_protect(uffd, false);
	return ioctl(uffd->uffd, UFFDIO_ZEROPAGE, &zero);
}

#endif /* SELFTEST_IOMMU_UFFD_PAGE_H */
