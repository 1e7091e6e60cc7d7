#!/usr/bin/env python3
"""Makes archives that must be refused and archives that must be accepted.

usage: make_hostile.py DIR [--bomb-mib N] [--entries N]

Writes DIR/hostile/NAME.tar*, DIR/good/NAME.tar* and DIR/expect.tsv, one line an archive:

    hostile/NAME.tar.gz <TAB> words that the reason must hold
    good/NAME.tar.gz    <TAB> number of regular files (names) in it

The words hold with the limits max_entries 2000, max_ratio 100, max_depth 64,
max_file_bytes 1 GiB and max_release_bytes 4 GiB; nothing else depends on limits. Every
archive that is a tar at all begins with a good bin/hello, so that a refusal is about the
entry it is made for. Nothing but the standard library is used (and zstd(1), when there).
"""

import argparse
import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib

HELLO = b"#!/bin/sh\necho hello\n"
MTIME = 1_700_000_000
END = bytes(1024)

OUT = ""
EXPECT = []


def member(name, kind=tarfile.REGTYPE, mode=0o644, size=0, link="", **attributes):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, size, link
    info.mtime = MTIME
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


class Tar:
    """A tar in memory; what tarfile would not write goes in as raw bytes."""

    def __init__(self, format=tarfile.PAX_FORMAT, hello=True, pax_headers=None):
        self.format = format
        self.blocks = []
        if pax_headers:
            self.raw(tarfile.TarInfo.create_pax_global_header(pax_headers))
        if hello:
            self.file("bin/hello", HELLO, mode=0o755)

    def raw(self, data):
        self.blocks.append(data + bytes(-len(data) % 512))
        return self

    def add(self, info, data=b""):
        return self.raw(
            info.tobuf(self.format, "utf-8", "surrogateescape")
        ).raw(data)

    def file(self, name, data=b"x\n", **attributes):
        return self.add(member(name, size=len(data), **attributes), data)

    def dir(self, name, mode=0o755, **attributes):
        return self.add(member(name, tarfile.DIRTYPE, mode, **attributes))

    def symlink(self, name, target):
        return self.add(member(name, tarfile.SYMTYPE, 0o777, link=target))

    def hardlink(self, name, target, data=b""):
        return self.add(member(name, tarfile.LNKTYPE, link=target, size=len(data)), data)

    def special(self, name, kind):
        return self.add(member(name, kind, devmajor=1, devminor=3))

    def body(self):
        return b"".join(self.blocks)

    def bytes(self):
        data = self.body() + END
        return data + bytes(-len(data) % 10240)


def header(kind, data):
    """A special header that tarfile would not write, and what it holds."""
    info = member("special", kind, size=len(data))
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def pax(*records):
    """A pax header of KEY=VALUE records, byte for byte."""
    data = b""
    for record in records:
        length = len(record) + 3
        while len(b"%d %s\n" % (length, record)) != length:
            length += 1
        data += b"%d %s\n" % (length, record)
    return header(tarfile.XHDTYPE, data)


def gnu_long(name, kind=tarfile.GNUTYPE_LONGNAME):
    return header(kind, name)


def gz(data):
    return gzip.compress(data, 6, mtime=0)


def zstd(data):
    return subprocess.run(
        ["zstd", "-q", "-3", "-c"], input=data, stdout=subprocess.PIPE, check=True
    ).stdout


def write(path, data, expected):
    with open(os.path.join(OUT, path), "wb") as file:
        file.write(data)
    EXPECT.append(f"{path}\t{expected}\n")


def hostile(name, archive, words, pack=gz, suffix=".tar.gz"):
    data = archive.bytes() if isinstance(archive, Tar) else archive
    write(f"hostile/{name}{suffix}", pack(data) if pack else data, words)


def hostile_raw(name, data, words, suffix=".tar"):
    hostile(name, data, words, None, suffix)


def good(name, archive, files=1, pack=gz, suffix=".tar.gz"):
    data = archive.bytes() if isinstance(archive, Tar) else archive
    write(f"good/{name}{suffix}", pack(data) if pack else data, files)


def make_names():
    hostile("absolute", Tar().file("/tmp/moo"), "is absolute")
    hostile("absolute-double", Tar().file("//tmp/moo"), "is absolute")
    hostile("parent", Tar().file("../moo"), "leads out of the release")
    hostile("parent-deep", Tar().file("tmp/../../moo"), "leads out of the release")
    hostile("parent-inside", Tar().file("bin/../moo"), "leads out of the release")
    hostile("parent-trailing", Tar().dir("a/.."), "leads out of the release")
    hostile("name-newline", Tar().file("bin/a\nb"), "control character")
    hostile("name-escape", Tar().file("bin/\x1b[2Jx"), "\\x1b[2Jx' holds a control")
    hostile("name-del", Tar().file("bin/\x7f"), "control character")
    hostile("name-part-long", Tar().file("bin/" + "n" * 300), "more than 255 bytes")
    hostile("name-long", Tar().file("/".join(["d" * 100] * 42)), "longer than 3839")
    hostile("name-deep", Tar().file("/".join(["d"] * 65)), "nested too deep")
    hostile("name-reserved", Tar().file(".deployd-meta"), "is reserved")
    hostile("name-pax-nul", Tar().raw(pax(b"path=bin/a\0b")).file("bin/x"), "holds a NUL byte")
    hostile("name-gnu-nul", Tar().raw(gnu_long(b"bin/a\0b\0")).file("bin/x"),
            "holds a NUL byte")
    hostile("target-pax-nul", Tar().raw(pax(b"linkpath=a\0b")).symlink("l", "a"),
            "'l' holds a NUL byte")
    hostile("name-pax-global", Tar(pax_headers={"path": "bin/other"}).file("bin/x"),
            "a global pax header")
    hostile("name-pax-and-gnu", Tar().raw(gnu_long(b"bin/a\0")).raw(pax(b"path=bin/a"))
            .file("bin/x"), "in two ways")
    hostile("name-pax-twice", Tar().raw(pax(b"path=bin/a")).raw(pax(b"path=bin/b"))
            .file("bin/x"), "damaged")
    hostile("name-pax-latin1-parent", Tar().raw(pax(b"path=\xfc/../../moo")).file("bin/x"),
            "leads out of the release")
    hostile("pax-length", Tar().raw(header(tarfile.XHDTYPE, b"99 path=moo\n")).file("bin/x"),
            "")
    hostile("file-for-root", Tar().file("."), "'.' is not a directory")


def make_symlinks():
    through = "is a symbolic link to '/tmp': the target is absolute"
    hostile("symlink-write-through", Tar().symlink("tmp", "/tmp").file("tmp/moo"), through)
    hostile("symlink-then-file", Tar().symlink("moo", "/tmp/moo").file("moo"), "is absolute")
    hostile("symlink-shadow", Tar().symlink("x", "/etc/shadow"), "the target is absolute")
    hostile("symlink-outside", Tar().symlink("x", "../../etc/shadow"), "the target leads out")
    hostile("symlink-above", Tar().symlink("a/x", "../.."), "the target leads out")
    hostile("symlink-inside-write-through",
            Tar().symlink("link", "bin").file("link/moo"), "'link' is in the archive twice")
    hostile("symlink-inside-then-file",
            Tar().symlink("moo", "bin/hello").file("moo"), "'moo' is in the archive twice")
    hostile("symlink-over-file", Tar().file("moo").symlink("moo", "bin"), "'moo' is in")
    hostile("symlink-twice", Tar().symlink("l", "bin").symlink("l", "bin"), "'l' is in")
    hostile("two-links", Tar().symlink("cur", ".").symlink("par", "cur/..").file("par/moo"),
            "behind what is no directory")
    hostile("two-links-below", Tar().symlink("cur", ".").symlink("cur/par", "..")
            .file("cur/par/moo"), "'cur")
    hostile("two-links-deep", Tar().dir("a/b").symlink("a/b/up", "../..")
            .symlink("esc", "a/b/up/.."), "behind what is no directory")
    hostile("symlink-down-and-out", Tar().dir("a").symlink("x", "a/../../moo"),
            "allow its directory with link_targets")
    hostile("symlink-usr-out", Tar().symlink("x", "/usr/../etc/shadow"),
            "'x' is a symbolic link to '/usr/../etc/shadow': the target is absolute and not "
            "below one of link_targets")
    hostile("symlink-usr-like", Tar().symlink("x", "/usrlocal"), "not below one of link_targets")
    hostile("symlink-usr-write-through", Tar().symlink("usr", "/usr").file("usr/moo"),
            "'usr' is in the archive twice")
    hostile("two-links-allowed", Tar().symlink("u", "/usr").symlink("x", "u/../etc"),
            "behind what is no directory")
    hostile("symlink-control", Tar().symlink("x", "a\x1bb"), "control character")
    hostile("symlink-long", Tar().symlink("x", "/".join(["d" * 100] * 42)), "longer than 3839")
    hostile("symlink-part-long", Tar().symlink("x", "d" * 300), "more than 255 bytes")
    make_realpath_limit()


def make_realpath_limit():
    """CVE-2025-4517: links whose expansion passes PATH_MAX, where realpath() gives up."""
    tar, part, steps, path = Tar(), "d" * 200, "abcdefghijklmnop", ""
    for step in steps:
        tar.dir(path + part)
        tar.symlink(path + step, part)
        path += part + "/"
    chain = "/".join(steps) + "/" + "l" * 250
    tar.symlink(chain, "../" * len(steps))
    tar.symlink("escape", chain + "/../../../../../tmp")
    tar.file("escape/moo")
    hostile("realpath-limit", tar, "entry '")


def make_hardlinks():
    hostile("hardlink-absolute", Tar().hardlink("x", "/etc/passwd"), "the target is absolute")
    hostile("hardlink-parent", Tar().hardlink("x", "../../victim"), "the target leads out")
    hostile("hardlink-missing", Tar().hardlink("x", "bin/none"), "no earlier file")
    hostile("hardlink-forward", Tar().hardlink("x", "y").file("y"), "no earlier file")
    hostile("hardlink-directory", Tar().dir("d").hardlink("x", "d"), "no earlier file")
    hostile("hardlink-symlink", Tar().symlink("l", "bin/hello").hardlink("x", "l"),
            "no earlier file")
    hostile("hardlink-through-symlink", Tar().symlink("l", "bin").hardlink("x", "l/hello"),
            "no earlier file")
    hostile("hardlink-twice", Tar().file("x").hardlink("x", "bin/hello"), "'x' is in")
    data = member("x", tarfile.LNKTYPE, link="bin/hello", size=11,
                  pax_headers={"comment": "pax: the data count"})
    hostile("hardlink-data", Tar().add(data, b"overwritten"), "hard link with data")
    hostile("hardlink-data-ustar", Tar().hardlink("x", "bin/hello", b"overwritten"), "")


def make_types():
    hostile("device-char", Tar().special("null", tarfile.CHRTYPE), "'null' is a character device")
    hostile("device-block", Tar().special("sda", tarfile.BLKTYPE), "'sda' is a block device")
    hostile("fifo", Tar().special("pipe", tarfile.FIFOTYPE), "'pipe' is a FIFO")
    for name, mode in ("setuid", 0o4755), ("setgid", 0o2755), ("sticky", 0o1755):
        hostile(name, Tar().file("bin/su", mode=mode),
                f"'bin/su' has the {name} bit, which nothing in a release may have; "
                "pack it with `tar --mode=ug-s,-t`")
    hostile("setuid-directory", Tar().dir("d", mode=0o4755), "'d' has the setuid")
    hostile("file-twice-linked", Tar().file("a").hardlink("b", "a").file("a"),
            "'a' is in the archive twice, and not as a plain file both times")
    hostile("file-twice-then-link", Tar().file("a").file("a").symlink("a", "bin"),
            "'a' is in the archive twice")
    hostile("file-then-directory", Tar().file("a").dir("a"), "entry 'a'")
    hostile("directory-then-file", Tar().dir("a").file("a"), "'a' is in the archive twice")
    hostile("file-as-directory", Tar().file("a").file("a/b"), "below something that is no")
    hostile("no-file", Tar(hello=False).dir("bin").symlink("l", "bin"), "no regular file")
    hostile("no-entry", Tar(hello=False), "no regular file")


def sparse_header(size):
    """Old GNU sparse: no data at all, the size is a word in the header."""
    info = member("sparse", tarfile.GNUTYPE_SPARSE)
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[483:495] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def bomb(tar, mib, pack):
    """A tar with mib MiB of zeros, made of many members or streams of one MiB each."""
    head = tar.body() + member("zeros", size=mib << 20).tobuf(tarfile.PAX_FORMAT)
    return pack(head) + pack(bytes(1 << 20)) * mib + pack(bytes(10240))


def make_sizes(bomb_mib, entries):
    hostile_raw("bomb-gz", bomb(Tar(), bomb_mib, gz), "max_ratio", ".tar.gz")
    hostile_raw("bomb-bz2", bomb(Tar(), bomb_mib, bz2.compress), "max_ratio", ".tar.bz2")
    hostile_raw("bomb-xz", bomb(Tar(), bomb_mib, lzma.compress), "max_ratio", ".tar.xz")
    dictionary = bytearray(lzma.compress(Tar().bytes()))
    dictionary[16] = 40  # the block header's dictionary size: 4 GiB; then its CRC
    dictionary[20:24] = zlib.crc32(bytes(dictionary[12:20])).to_bytes(4, "little")
    hostile_raw("bomb-xz-dictionary", bytes(dictionary), "more than unpack_memory_bytes", ".tar.xz")
    after_end = gz(Tar().bytes()) + gz(bytes(1 << 20)) * bomb_mib
    hostile_raw("bomb-after-end", after_end, "max_ratio", ".tar.gz")
    tar = Tar()
    for i in range(entries):
        tar.file(f"e/{i}", b"")
    hostile("many-files", tar, "max_entries")
    tar = Tar()
    for i in range(entries):
        tar.dir("same")
    hostile("many-times-one-directory", tar, "max_entries")
    tar = Tar()
    for i in range(entries // 50):
        tar.file(f"{i}/" + "/".join(["d"] * 60) + "/f", b"")
    hostile("many-directories", tar, "max_entries")
    hostile("file-huge", Tar().add(member("huge", size=1 << 40)), "max_file_bytes")
    hostile("sparse-8-eib", Tar().raw(sparse_header((1 << 63) - 1)), "max_file_bytes")
    hostile("sparse-pax-8-eib", Tar().add(member("sparse", pax_headers={
        "GNU.sparse.size": str((1 << 63) - 1), "GNU.sparse.numblocks": "0",
        "GNU.sparse.map": "0,0"})), "max_file_bytes")
    hostile("sparse-ratio", Tar().raw(sparse_header(1 << 30)), "max_ratio")
    negative = bytearray(member("negative").tobuf(tarfile.GNU_FORMAT))
    negative[124:136] = b"\xff" * 12
    negative[148:156] = b" " * 8
    negative[148:156] = b"%06o\0 " % sum(negative)
    hostile("size-negative", Tar().raw(bytes(negative)), "")


def make_streams():
    tar = Tar().file("noise", random.Random(1).randbytes(300_000)).bytes()
    packers = [("gz", gz), ("bz2", bz2.compress), ("xz", lzma.compress)]
    if shutil.which("zstd"):
        packers.append(("zst", zstd))
    for suffix, pack in packers:
        whole = pack(tar)
        hostile_raw(f"truncated-{suffix}", whole[: len(whole) * 2 // 3], "truncated",
                    f".tar.{suffix}")
        hostile_raw(f"truncated-end-{suffix}", whole[:-6], "truncated", f".tar.{suffix}")
        hostile_raw(f"garbage-after-{suffix}", whole + b"garbage " * 99, "",
                    f".tar.{suffix}")
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 0x55
        hostile_raw(f"flipped-{suffix}", bytes(flipped), "", f".tar.{suffix}")
    hostile_raw("truncated-tar", tar[:200_000],
                "truncated or damaged: Truncated tar archive; the last good entry is 'bin/hello'")
    hostile_raw("truncated-at-entry", Tar().body(), "the last good entry is 'bin/hello'")
    hostile_raw("truncated-end-mark", Tar().body() + bytes(512), "truncated")
    hostile("truncated-at-entry-gz", Tar().body(), "truncated")
    hostile_raw("garbage-after-end", Tar().bytes() + b"garbage " * 64, "follows the end")
    hostile("garbage-after-end-gz", Tar().bytes() + b"garbage " * 64, "follows the end")
    hostile_raw("two-archives", Tar().bytes() + Tar().file("b").bytes(), "follows the end")
    hostile_raw("two-archives-gz", gz(Tar().bytes()) + gz(Tar().file("b").bytes()),
                "follows the end", ".tar.gz")
    hostile_raw("gz-in-gz", gz(gz(tar)), "compressed more than once", ".tar.gz")
    hostile_raw("gz-in-xz", lzma.compress(gz(tar)), "compressed more than once", ".tar.xz")
    bad = bytearray(Tar().file("second").bytes())
    bad[1024 + 148] ^= 1
    hostile_raw("bad-checksum", bytes(bad), "the last good entry is 'bin/hello'")
    hostile_raw("empty", b"", "is empty (0 bytes)")
    hostile_raw("empty-gz", gz(b""), "is empty", ".tar.gz")


def make_kinds():
    """What is sent in an archive's place: the refusal says what it is."""
    lz4 = b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(range(256)) * 4
    hostile_raw("kind-lz4", lz4, "it is compressed with lz4; tar, tar.gz", ".tar.lz4")
    hostile_raw("kind-lzip", b"LZIP\x01\x0c" + bytes(range(256)) * 4, "compressed with lzip")
    hostile_raw("kind-lzma", lzma.compress(Tar().bytes(), lzma.FORMAT_ALONE),
                "compressed with lzma")
    page = b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>\n"
    hostile_raw("kind-html", page, "it is an HTML page; a download that needs a login")
    hostile("kind-html-gz", page * 200, "it is an HTML page")
    hostile_raw("kind-json", b'{"message": "Not Found"}\n', "it is JSON; a download that failed")
    hostile_raw("kind-xml", b"<?xml version='1.0'?><Error>NoSuchKey</Error>", "an XML document")
    hostile_raw("kind-7z", b"7z\xbc\xaf\x27\x1c" + bytes(2000), "it is a 7z file")
    hostile_raw("kind-elf", b"\x7fELF\x02\x01\x01" + bytes(5000), "it is a program (ELF)")
    hostile_raw("kind-lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                "it is a pointer of Git LFS")
    if shutil.which("zstd"):
        frame = bytearray(zstd(Tar().bytes()))
        frame[4] &= ~0x20  # no single segment: a window descriptor follows, of 256 MiB
        hostile_raw("zstd-window", bytes(frame[:4]) + bytes([frame[4] & 0x1c, 18 << 3])
                    + bytes(frame[5:]), "pack it with --long=27 or less", ".tar.zst")


def make_foreign():
    hostile_raw("random", random.Random(2).randbytes(50_000), "not a tar")
    hostile_raw("text", b"#!/bin/sh\nrm -rf /\n" * 100, "not a tar: it is a script")
    hostile("text-gz", b"hello\n" * 1000, "not a tar: it is a text file")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("bin/hello", HELLO)
        archive.writestr("../moo", b"x" * 2000)
    hostile_raw("zip", buffer.getvalue(), "not a tar: it is a zip file", ".tar")
    make_kinds()
    cpio = b"0707070000010000011006440000000000000000010000000000000000000000600000000002"
    hostile_raw("cpio", (cpio + b"moo\0x\n").ljust(4096, b"\0"), "it is a cpio archive")
    hostile_raw("ar", b"!<arch>\nmoo/            0           0     0     644     2         `\n"
                + b"x\n" * 400, "it is an ar archive")
    hostile_raw("mtree", b"#mtree\n./x type=file contents=/etc/shadow\n" * 30, "it is an mtree listing")


def make_good_names():
    """Names that a reader may want to mend; test_unpack compares them with GNU tar's."""
    decomposed = "lib/e\u0301.txt"
    good("names-decomposed", Tar().file(decomposed).symlink("lib/l", "e\u0301.txt")
         .hardlink("lib/h", decomposed), 3)
    good("names-latin1", Tar().raw(pax(b"path=lib/\xfc\xdf\xff")).file("lib/x")
         .raw(pax(b"path=lib/l\xfc", b"linkpath=\xfc\xdf\xff")).symlink("lib/y", "x")
         .raw(pax(b"linkpath=lib/\xfc\xdf\xff")).hardlink("lib/h", "lib/x"), 3)
    good("names-hdrcharset", Tar().raw(pax(b"hdrcharset=BINARY", b"path=lib/e\xcc\x81\xff"))
         .file("lib/x"), 2)
    good("names-ustar", Tar(tarfile.USTAR_FORMAT).file("lib/e\u0301").file("lib/\udcfc"), 3)
    good("names-gnu", Tar(tarfile.GNU_FORMAT).file("lib/e\u0301" * 40)
         .file("lib/" + "\udcfc" * 120).symlink("lib/l", "e\u0301" * 50), 3)
    good("names-order", Tar().raw(pax(b"path=lib/a", b"path=lib/b")).file("lib/x"), 2)
    good("names-sparse", Tar().add(member("GNUSparseFile.0/x", pax_headers={
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "lib/e\u0301",
        "GNU.sparse.realsize": "512"}, size=1024), b"1\n0\n512\n".ljust(512, b"\0")
        + bytes(512)), 2)


def make_good():
    plain = Tar().dir("lib").file("lib/data", bytes(range(256)) * 600)
    good("plain", plain, 2, None, ".tar")
    good("gzip", plain, 2)
    good("bzip2", plain, 2, bz2.compress, ".tar.bz2")
    good("xz", plain, 2, lzma.compress, ".tar.xz")
    if shutil.which("zstd"):
        good("zstd", plain, 2, zstd, ".tar.zst")
    good("gzip-members", gz(plain.bytes()[:700]) + gz(plain.bytes()[700:]), 2, None)
    good("gzip-padded", gz(plain.bytes()) + bytes(9999), 2, None)
    good("end-mark-short", plain.body() + END, 2, None, ".tar")
    good("padded", plain.bytes() + bytes(1 << 20), 2, None, ".tar")
    good("ustar", Tar(tarfile.USTAR_FORMAT).file("p" * 90 + "/" + "n" * 90), 2)
    good("gnu-long", Tar(tarfile.GNU_FORMAT).file("d" * 200 + "/" + "n" * 200), 2)
    good("pax-long", Tar().file("d" * 200 + "/" + "n" * 200), 2)
    good("pax-utf8", Tar().file("lib/gr\u00fc\u00dfe-\u65e5\u672c"), 2)
    good("gnu-latin1", Tar(tarfile.GNU_FORMAT).file("lib/gr\udcfc\udcdf"), 2)
    make_good_names()
    good("pax-global", Tar(pax_headers={"comment": "0123456789abcdef"}))
    good("dot-entry", Tar(hello=False).dir(".", mode=0o700).dir("./bin")
         .file("./bin/hello", HELLO, mode=0o755))
    good("dot-slash", Tar(hello=False).dir("./").file("./bin/hello", HELLO, mode=0o755)
         .file("./././lib//x"), 2)
    good("directory-late", Tar().file("a/b").dir("a").dir("a/"), 2)
    good("directory-read-only", Tar().dir("ro", mode=0o555).file("ro/x"), 2)
    good("symlinks", Tar().symlink("current", "bin/hello").symlink("lib/up", "../bin")
         .symlink("self", ".").symlink("a/b/c", "../../bin/./hello/").symlink("dangling", "no"))
    good("symlinks-venv", Tar().symlink("venv/bin/python3", "/usr/bin/python3")
         .symlink("venv/bin/python", "python3").symlink("usr", "/usr")
         .symlink("late", "d/../bin/hello").dir("d/e").symlink("d/e/f", "../../bin/../d"))
    good("hardlinks", Tar().hardlink("lib/hello", "bin/hello").hardlink("h", "./lib/hello")
         .file("lib/x"), 4)
    good("owners", Tar().file("x", uid=12345, gid=54321, uname="root", gname="shadow"), 2)
    good("xattrs", Tar().file("x", pax_headers={
        "SCHILY.xattr.security.capability": "\x01\x00\x00\x02",
        "SCHILY.xattr.user.overlay.opaque": "y"}), 2)
    good("xattrs-acl", Tar().file("x", pax_headers={"SCHILY.acl.access": "user::rw-"})
         .file("bin/y", pax_headers={"LIBARCHIVE.xattr.user.a": "eA"}), 3)
    good("apple-double", Tar().file("._x").file("x").file("bin/._hello").file("a._b")
         .dir("._d").file("._d/y"), 4)
    good("modes", Tar().file("w", mode=0o666).file("none", mode=0).dir("d", mode=0o777), 3)
    good("file-twice", Tar().file("twice", b"the first one is longer\n", mode=0o444)
         .file("twice", b"last\n", mode=0o755), 2)
    good("directory-bits", Tar().dir("bin", mode=0o2755).dir("d", mode=0o3777).file("d/x"), 2)
    good("mtimes", Tar().file("future", mtime=1 << 40).file("past", mtime=-5), 3)
    good("empty-file", Tar().file("empty", b""), 2)
    good("sparse", Tar(tarfile.GNU_FORMAT).raw(sparse_header(3 << 20)), 2)
    good("deep", Tar().file("/".join(["d"] * 64)), 2)


def main():
    global OUT
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dir")
    parser.add_argument("--bomb-mib", type=int, default=128)
    parser.add_argument("--entries", type=int, default=2500)
    arguments = parser.parse_args()
    OUT = arguments.dir
    for sub in "hostile", "good":
        os.makedirs(os.path.join(OUT, sub), exist_ok=True)
    make_names()
    make_symlinks()
    make_hardlinks()
    make_types()
    make_sizes(arguments.bomb_mib, arguments.entries)
    make_streams()
    make_foreign()
    make_good()
    with open(os.path.join(OUT, "expect.tsv"), "w", encoding="utf-8") as file:
        file.writelines(EXPECT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
