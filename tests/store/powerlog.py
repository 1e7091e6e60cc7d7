"""A block device whose every write and flush is logged in order, and what the disk may
hold after the power went at any point of that log.

qemu-storage-daemon exports an image through FUSE and logs with its blklogwrites driver,
in the format of the kernel's dm-log-writes. A write reaches the disk for certain with
the next flush; before that, any subset of the writes may be there.
"""

import ctypes
import fcntl
import json
import mmap
import os
import struct
import subprocess
import time

MAGIC = 0x6A736677736872
FLAG_FLUSH, FLAG_FUA, FLAG_DISCARD, FLAG_MARK = 1, 2, 4, 8
LOOP_SET_FD, LOOP_CLR_FD, LOOP_SET_STATUS64 = 0x4C00, 0x4C01, 0x4C04
LOOP_CTL_GET_FREE = 0x4C82
BLKFLSBUF = 0x1261
MARK_BYTES = 4096
MARK_HEAD = b"MARK"
START_SECONDS = 20


class Loop:
    """A loop device on part of a file."""

    def __init__(self, path, offset=0, size=0):
        control = os.open("/dev/loop-control", os.O_RDWR)
        backing = os.open(path, os.O_RDWR)
        try:
            self.fd = self._attach(control, backing)
        finally:
            os.close(backing)
            os.close(control)
        # struct loop_info64: offset and sizelimit are the 4th and 5th of its fields.
        info = bytearray(232)
        struct.pack_into("<QQ", info, 24, offset, size)
        fcntl.ioctl(self.fd, LOOP_SET_STATUS64, info)

    def _attach(self, control, backing):
        # Others take free ones, too.
        for _ in range(100):
            self.path = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
            fd = os.open(self.path, os.O_RDWR)
            try:
                fcntl.ioctl(fd, LOOP_SET_FD, backing)
                return fd
            except OSError:
                os.close(fd)
        raise OSError("no free loop device")

    def forget(self):
        """What the kernel has cached of the device: the file below is about to change."""
        fcntl.ioctl(self.fd, BLKFLSBUF)

    def close(self):
        fcntl.ioctl(self.fd, LOOP_CLR_FD)
        os.close(self.fd)


class LoggedDisk:
    """The image base at path export, everything that is written to it in log."""

    def __init__(self, directory, base):
        self.directory = directory
        self.base, self.disk, self.log, self.export = (
            f"{directory}/{name}" for name in ("base", "disk", "log", "export"))
        with open(self.base, "wb") as f:
            f.write(base)
        subprocess.run(["cp", self.base, self.disk], check=True)
        with open(self.log, "wb") as f:
            f.truncate(4 << 30)
        with open(self.export, "wb"):
            pass
        self.daemon = subprocess.Popen(
            ["qemu-storage-daemon",
             "--blockdev", f"driver=file,node-name=f0,filename={self.disk}",
             "--blockdev", f"driver=file,node-name=l0,filename={self.log}",
             "--blockdev", "driver=blklogwrites,node-name=w0,file=f0,log=l0",
             "--export", "type=fuse,id=e0,node-name=w0,"
             f"mountpoint={self.export},writable=on,growable=off",
             "--pidfile", f"{directory}/pid"])
        # It writes its pid once the export stands.
        until = time.monotonic() + START_SECONDS
        while not os.path.exists(f"{directory}/pid"):
            if self.daemon.poll() is not None or time.monotonic() > until:
                raise OSError("qemu-storage-daemon did not start")
            os.sched_yield()

    def stop(self):
        """After this the log is complete."""
        self.daemon.terminate()
        self.daemon.wait()
        libc = ctypes.CDLL(None)
        libc.umount2(self.export.encode(), 0)

    def entries(self):
        """[(offset, length, flags, data or None)] in bytes."""
        with open(self.log, "rb") as f:
            magic, _version, n, sector = struct.unpack("<QQQI", f.read(28))
            assert magic == MAGIC, "not a log"
            at, found = sector, []
            for _ in range(n):
                f.seek(at)
                start, sectors, flags, _ = struct.unpack("<QQQQ", f.read(32))
                at += sector
                data = None
                if not flags & FLAG_DISCARD and sectors:
                    f.seek(at)
                    data = f.read(sectors * sector)
                    at += len(data)
                found.append((start * sector, sectors * sector, flags, data))
        return found


class Marker:
    """Writes facts into the log, through a device of their own at its end."""

    def __init__(self, device):
        self.fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
        self.page = mmap.mmap(-1, MARK_BYTES)

    def mark(self, facts):
        text = MARK_HEAD + json.dumps(facts).encode()
        assert len(text) <= MARK_BYTES, "too many facts"
        self.page[:] = text.ljust(MARK_BYTES, b"\0")
        # Not flushed: that would make durable what the program left open.
        os.pwrite(self.fd, self.page, 0)

    def close(self):
        os.close(self.fd)


def mark_of(entry, where):
    offset, _, _, data = entry
    if offset != where or not data or not data.startswith(MARK_HEAD):
        return None
    return json.loads(data[len(MARK_HEAD):].rstrip(b"\0"))


def apply(image, entry):
    offset, length, flags, data = entry
    if flags & FLAG_DISCARD:
        image[offset:offset + length] = bytes(length)
    elif data is not None:
        image[offset:offset + len(data)] = data


def crash_states(base, entries, where, random, subsets):
    """Yields (name, facts, build) for every point of the log: all that was written so
    far, then random subsets of what was not flushed. build() makes the image, and must
    be called before the next is asked for."""
    durable, pending, facts = bytearray(base), [], None

    def builder(chosen):
        def build():
            image = bytearray(durable)
            for write in chosen:
                apply(image, write)
            return image
        return build

    for i, entry in enumerate(entries):
        mark = mark_of(entry, where)
        if mark is not None:
            facts = mark
        if entry[2] & FLAG_FLUSH:
            for earlier in pending:
                apply(durable, earlier)
            pending = []
        if entry[1]:
            if entry[2] & FLAG_FUA:
                apply(durable, entry)
            else:
                pending.append(entry)
        if facts is None:
            continue
        yield f"prefix {i}", facts, builder(pending)
        for n in range(subsets if len(pending) > 1 else 0):
            yield f"subset {i}.{n}", facts, builder(
                [write for write in pending if random.random() < 0.5])
