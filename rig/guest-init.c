// SPDX-License-Identifier: GPL-2.0-only
/*
 * The only program of the guest that QEMU runs in the rig's machine: load the
 * module, then take commands from the second serial port, a line each, and
 * answer each with a line, "ok COMMAND: TEXT" or "error COMMAND: ERRNO TEXT".
 * tsm_guest has most of them; this one has reboot, crash, off and list.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define DIR_TSM "/sys/kernel/debug/tsm_guest/"

static FILE *port;

static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(port, fmt, args);
	va_end(args);
	fflush(port);
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		err = errno;
	close(fd);
	return err;
}

static void read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : read(fd, text, size - 1);

	text[len > 0 ? len : 0] = 0;
	close(fd);
	text[strcspn(text, "\n")] = 0;
}

/* PCI functions: name, vendor:device */
static void list(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *entry;
	char path[300], vendor[16], device[16];

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor",
			 entry->d_name);
		read_file(path, vendor, sizeof(vendor));
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device",
			 entry->d_name);
		read_file(path, device, sizeof(device));
		say("%s=%s:%s ", entry->d_name, vendor + 2, device + 2);
	}
	if (dir)
		closedir(dir);
}

static void run(char *line)
{
	char said[300];
	int err;

	if (!strcmp(line, "list")) {
		say("ok list: ");
		list();
		say("\n");
		return;
	}
	if (!strcmp(line, "reboot"))
		reboot(RB_AUTOBOOT);
	if (!strcmp(line, "off"))
		reboot(RB_POWER_OFF);
	if (!strcmp(line, "crash"))
		write_file("/proc/sysrq-trigger", "c");
	err = write_file(DIR_TSM "do", line);
	read_file(DIR_TSM "said", said, sizeof(said));
	if (err)
		say("error %s: %s %s\n", line, strerrorname_np(err), said);
	else
		say("ok %s: %s\n", line, said);
}

static int load(const char *file)
{
	int fd = open(file, O_RDONLY);
	int err;

	if (fd < 0)
		return errno;
	err = syscall(__NR_finit_module, fd, "", 0) ? errno : 0;
	close(fd);
	return err;
}

static void open_port(void)
{
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	struct termios tio;

	if (fd < 0 || tcgetattr(fd, &tio))
		exit(1);
	cfmakeraw(&tio);
	tcsetattr(fd, TCSANOW, &tio);
	port = fdopen(fd, "r+");
}

int main(void)
{
	char line[200];
	int err;

	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	open_port();
	err = load("/tsm_guest.ko");
	say("ready %s\n", err ? strerrorname_np(err) : "");
	while (fgets(line, sizeof(line), port)) {
		line[strcspn(line, "\r\n")] = 0;
		if (*line)
			run(line);
	}
	return 1;
}
