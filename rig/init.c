// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first program of the rig's machine, alone in its initramfs: make the
 * host's root, read-only over 9p, the root here, with writes going to memory,
 * share the job's directory with the host, and run $RIG_GUEST from there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static void fail(const char *what)
{
	printf("rig: %s: %s\n", what, strerror(errno));
	reboot(RB_AUTOBOOT);
	exit(1);
}

static void mount_at(const char *what, const char *dir, const char *type,
		     unsigned long flags, const char *options)
{
	mkdir(dir, 0755);
	if (mount(what, dir, type, flags, options))
		fail(dir);
}

static const struct {
	const char *what, *dir, *type;
} mounts[] = {
	{ "job",	"/new/.rig",			"9p" },
	{ "proc",	"/new/proc",			"proc" },
	{ "sys",	"/new/sys",			"sysfs" },
	{ "dev",	"/new/dev",			"devtmpfs" },
	{ "shm",	"/new/dev/shm",		"tmpfs" },
	{ "pts",	"/new/dev/pts",		"devpts" },
	{ "huge",	"/new/dev/hugepages",		"hugetlbfs" },
	{ "debug",	"/new/sys/kernel/debug",	"debugfs" },
	{ "trace",	"/new/sys/kernel/tracing",	"tracefs" },
	{ "config",	"/new/sys/kernel/config",	"configfs" },
};

int main(void)
{
	unsigned int i;
	const char *guest = getenv("RIG_GUEST");

	if (!guest)
		fail("RIG_GUEST is not set");
	mount_at("root", "/lower", "9p", MS_RDONLY,
		 "trans=virtio,version=9p2000.L,cache=loose,msize=512000");
	mount_at("upper", "/upper", "tmpfs", 0, NULL);
	if (mkdir("/upper/data", 0755) || mkdir("/upper/work", 0755))
		fail("/upper");
	mount_at("root", "/new", "overlay", 0,
		 "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work");
	for (i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		mount_at(mounts[i].what, mounts[i].dir, mounts[i].type, 0,
			 strcmp(mounts[i].type, "9p") ? NULL :
			 "trans=virtio,version=9p2000.L,msize=512000");
	if (chdir("/new") || chroot(".") || chdir("/.rig"))
		fail("/new");
	execl(guest, guest, NULL);
	fail(guest);
}
