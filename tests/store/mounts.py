"""Mounts of a test, in a mount namespace of its own: gone when it ends."""

import ctypes
import os
import subprocess

_libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
MNT_DETACH = 2


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def own_namespace():
    _check(_libc.unshare(CLONE_NEWNS), "unshare")
    _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "make private")


def bind(source, target):
    _check(_libc.mount(source.encode(), target.encode(), None, MS_BIND, None), "bind")


def mount(device, target, kind, options=""):
    _check(_libc.mount(device.encode(), target.encode(), kind.encode(), 0,
                       options.encode()), f"mount {kind}")


def unmount(target, flags=0):
    _check(_libc.umount2(target.encode(), flags), "unmount")


class SmallDisk:
    """An ext4 of its own on a loop device, with few inodes and no reserved blocks."""

    def __init__(self, scratch, mebibytes, inodes):
        self.image, self.path = scratch + "/disk.img", scratch + "/disk"
        with open(self.image, "wb") as f:
            f.truncate(mebibytes << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(inodes),
                        self.image], check=True)
        self.loop = subprocess.run(["losetup", "-f", "--show", self.image], check=True,
                                   capture_output=True, text=True).stdout.strip()
        os.mkdir(self.path, 0o755)
        mount(self.loop, self.path, "ext4")

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        unmount(self.path)
        subprocess.run(["losetup", "-d", self.loop], check=True)
