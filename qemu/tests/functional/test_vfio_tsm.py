#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Devices that a TEE security manager (TSM) can bind to a confidential guest:
# the test device with a Linux guest, and a device of the host's with one
"""
The guest is Linux with the module tsm_guest, which takes commands from its
second serial port, a line each. It is not to be downloaded anywhere:
QEMU_TEST_TSM_GUEST names a directory with bzImage and initrd. A device of the
host's that can be bound is named by QEMU_TEST_TSM_HOST, like 0000:01:00.0; it
belongs to vfio-pci, and is connected to a TSM.
"""

import os
import select
import socket
import time

from qemu.machine.machine import VMLaunchFailure
from qemu_test import QemuSystemTest

TESTDEV = '1b36:00f0'
RUN = '2'
BOOT_S = 400
COMMAND_S = 120


class VfioTsm(QemuSystemTest):

    def setUp(self):
        super().setUp()
        self.set_machine('q35')
        self.port = None
        self.port_buf = b''

    def tearDown(self):
        if self.port:
            self.port.close()
        super().tearDown()

    #
    # A guest that takes commands
    #

    def guest_files(self):
        path = os.environ.get('QEMU_TEST_TSM_GUEST')
        if not path:
            self.skipTest('no guest, QEMU_TEST_TSM_GUEST is not set')
        for name in ('bzImage', 'initrd'):
            if not os.path.exists(os.path.join(path, name)):
                self.skipTest('no %s in %s' % (name, path))
        return path

    def start_guest(self, accel, *args):
        path = self.guest_files()
        port = os.path.join(self.socket_dir().name, 'port')
        self.vm.add_args('-nodefaults', '-no-user-config', '-accel', accel,
                         '-m', '128M',
                         '-serial', 'file:' + self.log_file('console.txt'),
                         '-chardev', 'socket,id=port,path=%s,server=on,'
                         'wait=off' % port, '-serial', 'chardev:port',
                         '-kernel', os.path.join(path, 'bzImage'),
                         '-initrd', os.path.join(path, 'initrd'),
                         '-append', 'panic=-1 quiet no_timer_check '
                         'tsc=reliable console=ttyS0', *args)
        self.vm.launch()
        self.port = socket.socket(socket.AF_UNIX)
        self.port.connect(port)
        self.wait_ready()

    def read_line(self, seconds):
        end = time.monotonic() + seconds
        while b'\n' not in self.port_buf:
            left = end - time.monotonic()
            self.assertGreater(left, 0, 'the guest says nothing')
            if select.select([self.port], [], [], min(left, 1))[0]:
                data = self.port.recv(65536)
                self.assertTrue(data, 'QEMU has ended')
                self.port_buf += data
        line, _, self.port_buf = self.port_buf.partition(b'\n')
        return line.decode(errors='replace').strip()

    def wait_ready(self):
        line = ''
        while not line.startswith('ready'):
            line = self.read_line(BOOT_S)
        self.assertEqual(line, 'ready')

    def send(self, line):
        self.port.sendall(line.encode() + b'\n')

    def guest(self, line, error=None):
        """A command of the guest; with error, what it has to fail with"""
        self.send(line)
        said = self.read_line(COMMAND_S)
        self.log.info('guest: %s', said)
        want = 'error %s: %s ' % (line, error) if error else 'ok %s:' % line
        self.assertTrue((said + ' ').startswith(want), said)
        return said[len(want):].strip()

    def tdis(self):
        return sorted(f.split('=')[0] for f in self.guest('list').split()
                      if f.endswith('=' + TESTDEV))

    #
    # Without a device of the host's
    #

    def test_property(self):
        """x-tsm is there, and off unless somebody wants it"""
        self.require_device('vfio-pci')
        self.vm.add_args('-nodefaults', '-S', '-accel', 'tcg')
        self.vm.launch()
        props = {p['name']: p for p in
                 self.vm.cmd('device-list-properties', typename='vfio-pci')}
        self.assertIn('x-tsm', props)
        self.assertEqual(props['x-tsm']['type'], 'OnOffAuto')
        self.assertEqual(props['x-tsm'].get('default-value', 'off'), 'off')

    def test_monitor(self):
        """without such a device there is nothing to tell, or to unbind"""
        self.require_device('vfio-pci')
        self.vm.add_args('-nodefaults', '-S', '-accel', 'tcg')
        self.vm.launch()
        names = {e['name'] for e in self.vm.cmd('query-qmp-schema')
                 if e['meta-type'] in ('command', 'event')}
        for name in ('query-vfio-tsm', 'vfio-tsm-unbind', 'VFIO_TSM_STATE'):
            self.assertIn(name, names)
        self.assertEqual(self.vm.cmd('query-vfio-tsm'), [])
        answer = self.vm.qmp('vfio-tsm-unbind', id='nobody')
        self.assertIn('error', answer)
        text = self.vm.cmd('human-monitor-command',
                           command_line='info vfio-tsm')
        self.assertNotIn('unknown command', text)

    def test_not_confidential(self):
        """x-tsm=on of a machine that is no confidential guest"""
        self.require_device('vfio-pci')
        host = self.host_device()
        self.vm.add_args('-nodefaults', '-S', '-accel', 'tcg', '-object',
                         'iommufd,id=iommufd0', '-device',
                         'vfio-pci,x-tsm=on,iommufd=iommufd0,host=' + host)
        with self.assertRaises(VMLaunchFailure) as failed:
            self.vm.launch()
        self.assertIn('wants a confidential guest', str(failed.exception))

    def test_testdev(self):
        """Linux uses the test device, and learns that nobody can bind it"""
        self.require_device('tdisp-testdev')
        self.require_device('x-tsm-testcall')
        self.start_guest('tcg', '-cpu', 'max', '-device', 'x-tsm-testcall',
                         '-device', 'pcie-root-port,id=rp0,chassis=1,slot=1,'
                         'pref64-reserve=128M,mem-reserve=2M',
                         '-device', 'tdisp-testdev,bus=rp0')
        tdi, = self.tdis()
        self.guest('use ' + tdi)
        for call in ('bind', 'attest', 'start', 'unbind'):
            self.guest('%s %s' % (call, tdi), 'EREMOTEIO')
        self.guest('accept ' + tdi, 'ENODATA')
        self.guest('use ' + tdi)
        self.send('reboot')
        self.vm.event_wait('RESET')
        self.wait_ready()
        self.guest('use ' + self.tdis()[0])

    #
    # With one
    #

    def host_device(self):
        host = os.environ.get('QEMU_TEST_TSM_HOST')
        if not host:
            self.skipTest('no device, QEMU_TEST_TSM_HOST is not set')
        for path in ('/dev/iommu', '/dev/vfio/devices'):
            if not os.path.exists(path):
                self.skipTest('no ' + path)
        return host

    def test_bind(self):
        """the guest has a device bound, works with it, and gives it back"""
        self.require_accelerator('kvm')
        self.require_device('vfio-pci')
        host = self.host_device()
        self.vm.add_args('-machine', 'kernel-irqchip=split,smm=off,'
                         'confidential-guest-support=cgs0')
        self.start_guest('kvm', '-cpu', 'host,-xsave', '-object',
                         'x-sw-protected-guest,id=cgs0', '-object',
                         'iommufd,id=iommufd0', '-device', 'x-tsm-testcall',
                         '-device', 'vfio-pci,x-tsm=on,id=dev0,'
                         'iommufd=iommufd0,host=' + host)
        tdi, = self.tdis()
        self.guest('use ' + tdi)
        for command in ('bind', 'attest', 'accept', 'start', 'work'):
            self.guest('%s %s' % (command, tdi))
        dev, = self.vm.cmd('query-vfio-tsm')
        self.assertEqual(dev['state'], 'bound')
        self.assertEqual(self.guest('state ' + tdi), RUN)
        self.guest('unbind ' + tdi)
        self.guest('use ' + tdi)
        dev, = self.vm.cmd('query-vfio-tsm')
        self.assertEqual(dev['state'], 'unbound')
        states = [e['data']['state'] for e in
                  self.vm.get_qmp_events() if e['event'] == 'VFIO_TSM_STATE']
        self.assertEqual([s for s in states if s in ('bound', 'unbound')],
                         ['bound', 'unbound'])


if __name__ == '__main__':
    QemuSystemTest.main()
