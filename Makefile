# SPDX-License-Identifier: GPL-2.0-only
# Thin: each target is one tool of rig/, which installs and caches what it needs.

.PHONY: help demo chart check check-gates check-arm64 check-san coverage docs fuzz lint bench old bisect matrix kernel qemu series mail quilt deb port shell clean

help:
	@echo 'make demo     build all there is, boot it, draw the life of a device as it goes'
	@echo 'make chart    the same in each order of teardown, as text and as SVG'
	@echo 'make check    every gate and test; ends with the number of failures'
	@echo 'make check-gates break something for each gate, and see it fail'
	@echo 'make check-arm64 driver and model of Arm CCA on arm64, at EL2 in QEMU'
	@echo 'make check-san coccicheck, statuses of firmware, leaks (kmemleak), random programs (KCOV), data races (KCSAN)'
	@echo 'make fuzz     random programs against the series, five minutes'
	@echo 'make coverage lines and branches of the series that the tests reach'
	@echo 'make lint     the gates that need no kernel build'
	@echo 'make docs     the documents, no message from Sphinx that the base does not give'
	@echo 'make bench    instructions per ioctl and fault, base and series side by side'
	@echo 'make old      the base runs the same QEMU with the same guest, as before'
	@echo 'make bisect   every commit of the series builds, and every patch of QEMU'
	@echo 'make matrix   what the series touches, with options off, =m, for 32 bit, arm64, at random'
	@echo 'make shell    a shell in the booted kernel'
	@echo 'make kernel   build the kernel, the test module and the selftests'
	@echo 'make qemu     build QEMU with the test device'
	@echo 'make series   a kernel tree with the series as commits; prints its path'
	@echo 'make mail     the series as mails, in mail/, and whom to send them to'
	@echo 'make quilt    the series for a Debian source package, in quilt/'
	@echo 'make deb      packages of a kernel with the series, in deb/ (FLAVOUR=, CONFIG=)'
	@echo 'make port     what of the series applies to other Linux 7.x of Debian'
	@echo 'make clean    remove what was built (not what was downloaded)'
	@echo
	@echo 'LINUX=DIR|TARBALL, QEMU=DIR, TDISP_CACHE=DIR: see README.md'

demo:
	@rig/demo

chart:
	@rig/chart

check:
	@rig/check

check-gates:
	@rig/test-gates
	@rig/test-builds
	@rig/test-runs

check-arm64:
	@rig/check-arm64

check-san:
	@rig/check-san

coverage:
	@rig/coverage

docs:
	@rig/docs

fuzz:
	@rig/fuzz

lint:
	@rig/lint

bench:
	@rig/bench

old:
	@rig/bench --old

bisect:
	@rig/bisect

matrix:
	@rig/matrix

kernel:
	@rig/kernel

qemu:
	@rig/qemu

series:
	@rig/tree

mail:
	@rig/mail mail

quilt:
	@rig/quilt quilt

deb:
	@rig/deb deb

port:
	@rig/port

shell:
	@rig/vm --shell

clean:
	@rig/clean
