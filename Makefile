# SPDX-License-Identifier: GPL-2.0-only
# Thin: each target is one tool of rig/, which installs and caches what it needs.

.PHONY: help demo check check-san lint bench bisect kernel qemu series mail shell clean

help:
	@echo 'make demo     build all there is, boot it, take a device through its life'
	@echo 'make check    every gate and test; ends with the number of failures'
	@echo 'make check-san kmemleak after life cycles, faults and races'
	@echo 'make lint     the gates that need no kernel build'
	@echo 'make bench    instructions per ioctl, base and series side by side'
	@echo 'make bisect   every commit of the series builds'
	@echo 'make shell    a shell in the booted kernel'
	@echo 'make kernel   build the kernel, the test module and the selftests'
	@echo 'make qemu     build QEMU with the test device'
	@echo 'make series   a kernel tree with the series as commits; prints its path'
	@echo 'make mail     the series as mails, in mail/'
	@echo 'make clean    remove what was built (not what was downloaded)'
	@echo
	@echo 'LINUX=DIR|TARBALL, QEMU=DIR, TDISP_CACHE=DIR: see README.md'

demo:
	@rig/demo

check:
	@rig/check

check-san:
	@rig/check-san

lint:
	@rig/lint

bench:
	@rig/bench

bisect:
	@rig/bisect

kernel:
	@rig/kernel

qemu:
	@rig/qemu

series:
	@rig/tree

mail:
	@rig/mail mail

shell:
	@rig/vm --shell

clean:
	@rig/clean
