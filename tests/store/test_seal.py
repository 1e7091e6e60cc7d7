"""What deployd-store does with a staging directory that the unpacker should not have
left like that, with what is mounted where it works, and with full disks.

usage: test_seal.py PROGRAM STOPAT [CASE...]
"""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys

import mounts
from storelib import (APP_GID, BY, SCALE, UNPACK_UID, Failed, Store, require_root,
                      run_cases)

STOPAT = sys.argv.pop(2)


def outside(store):
    """A file of somebody else's on the same file system."""
    path = store.root + "/victim"
    with open(path, "w", encoding="utf-8") as f:
        f.write("precious")
    os.chown(path, UNPACK_UID, UNPACK_UID)
    os.chmod(path, 0o600)
    return path


def hostile(change, text, **fields):
    """A case: change(top, victim) is done to a good staging directory."""
    def case(store):
        live = store.deploy()
        victim = outside(store)
        before = os.lstat(victim)
        release = store.prepare()
        top = store.unpack(release)
        change(top, victim)
        try:
            store.seal(release, **fields)
        except Failed as e:
            assert e.result == "rejected", f"{e.result}: {e}"
            assert text in str(e), f"{e!s} does not say {text!r}"
        else:
            raise AssertionError("sealed")
        after = os.lstat(victim)
        assert (after.st_uid, after.st_gid, after.st_mode) == \
            (before.st_uid, before.st_gid, before.st_mode), "a foreign file was changed"
        assert not os.path.exists(f"{store.releases}/{release}")
        store.call("discard", release=release)
        assert os.listdir(store.staging) == []
        with open(victim, encoding="utf-8") as f:
            assert f.read() == "precious"
        assert store.check() == live
    return case


def owned(function):
    """The change, then all that is new in there is the unpacker's."""
    def change(top, victim):
        function(top, victim)
        for directory, subdirs, files in os.walk(top):
            for name in subdirs + files:
                os.chown(f"{directory}/{name}", UNPACK_UID, UNPACK_UID,
                         follow_symlinks=False)
    return change


def link(target, where="lib/bad"):
    return owned(lambda top, _: os.symlink(target, f"{top}/{where}"))


def deep(top, _victim):
    os.makedirs(top + "/d" * 40)


def make_socket(top, _victim):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(top + "/socket")


test_an_absolute_link = hostile(link("/etc/shadow"), "not below one of link_targets")
test_a_link_out = hostile(link("../../victim"), "leads out of the release")
test_a_link_out_at_the_top = hostile(link("..", "up"), "leads out of the release")
test_a_link_down_and_up = hostile(link("a/../../.."), "leads out of the release")
test_a_fifo = hostile(owned(lambda top, _: os.mkfifo(top + "/fifo")), "neither file")
test_a_socket = hostile(owned(make_socket), "neither file")
test_a_device = hostile(owned(lambda top, _: os.mknod(
    top + "/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))), "neither file")
test_a_hard_link_out = hostile(
    lambda top, victim: os.link(victim, top + "/copy"), "linked from outside")
test_a_foreign_file = hostile(
    lambda top, _: os.chown(top + "/data", 0, 0), "does not belong")
test_a_foreign_directory = hostile(
    lambda top, _: os.chown(top + "/lib", 1, 1), "does not belong")
test_a_foreign_link = hostile(
    lambda top, _: os.chown(top + "/lib/link", 0, 0, follow_symlinks=False),
    "does not belong")
test_a_setuid_file = hostile(
    lambda top, _: os.chmod(top + "/bin/hello", 0o4755), "setuid")
test_a_setgid_directory = hostile(
    lambda top, _: os.chmod(top + "/lib", 0o2755), "setuid")
test_a_sticky_directory = hostile(
    lambda top, _: os.chmod(top + "/lib", 0o1755), "setuid")
test_a_directory_that_changed_hands = hostile(
    lambda top, _: os.chown(top, 0, 0), "changed hands")
test_too_many_entries = hostile(lambda top, _: None, "max_entries", max_entries=3)
test_too_many_bytes = hostile(lambda top, _: None, "max_release_bytes", max_bytes=100)
test_a_hole_counts = hostile(
    lambda top, _: os.truncate(top + "/data", 1 << 40), "max_release_bytes")
test_too_deep = hostile(owned(deep), "max_depth")
test_too_deep_for_any_limit = hostile(
    owned(lambda top, _: os.makedirs(top + "/d" * 140)), "nested too deep",
    max_depth=1000)
test_a_required_file_that_is_not_there = hostile(
    lambda top, _: None, "has no 'bin/other'", require=["bin/hello", "bin/other"])


def test_xattrs(store):
    def capability(top, _victim):
        # cap_net_raw=ep, as setcap writes it
        os.setxattr(top + "/bin/hello", "security.capability",
                    bytes.fromhex("0100000200200000000000000000000000000000"))

    hostile(capability, "extended attributes")(store)


def test_an_acl(store):
    def acl(top, _victim):
        os.setxattr(top + "/lib", "system.posix_acl_default", bytes.fromhex(
            "02000000" "01000700ffffffff" "04000500ffffffff" "20000500ffffffff"))

    hostile(acl, "extended attributes")(store)


def test_something_mounted_in_it(store):
    foreign = store.root + "/foreign"

    def bound(top, _victim):
        os.mkdir(foreign, 0o755)
        with open(foreign + "/file", "w", encoding="utf-8") as f:
            f.write("foreign")
        for path in (foreign, foreign + "/file"):
            os.chown(path, UNPACK_UID, UNPACK_UID)
        os.mkdir(top + "/mnt")
        os.chown(top + "/mnt", UNPACK_UID, UNPACK_UID)
        mounts.bind(foreign, top + "/mnt")

    live = store.deploy()
    release = store.prepare()
    top = store.unpack(release)
    bound(top, None)
    try:
        store.seal(release)
    except Failed as e:
        assert e.result == "rejected" and "another mount" in str(e), e
    else:
        raise AssertionError("sealed")
    for verb, fields in (("discard", {"release": release}), ("recover", {})):
        try:
            reply = store.call(verb, **fields)
            assert verb == "recover", "what is mounted cannot be discarded"
            assert any("could not empty" in t for t in reply["recovered"]), reply
        except Failed as e:
            assert verb == "discard" and "busy" in str(e), e
        assert os.stat(foreign + "/file").st_uid == UNPACK_UID
    assert store.deploy() != live, "an app is not stuck for what is left in staging"
    mounts.unmount(top + "/mnt")
    store.call("recover")
    store.check_recovered()


def test_something_mounted_in_an_old_release(store):
    foreign = store.root + "/foreign"
    os.mkdir(foreign, 0o755)
    with open(foreign + "/file", "w", encoding="utf-8") as f:
        f.write("foreign")
    old, new = store.deploy(), store.deploy()
    for _ in range(3):
        new = store.deploy()
    mounts.bind(foreign, f"{store.releases}/{old}/lib")
    reply = store.finish(new, keep=1)
    assert len(reply["warnings"]) == 1 and "busy" in reply["warnings"][0], reply
    assert len(reply["pruned"]) == 2, reply["pruned"]
    assert os.path.exists(foreign + "/file"), "a foreign file was removed"
    assert store.check() == new
    # The directory around it went on its way out.
    mounts.unmount(f"{store.staging}/trash-{old}/lib")
    store.call("recover")
    store.check_recovered()
    assert not os.path.exists(f"{store.state_dir}/meta/{old}")


def test_links_within_the_release_are_fine(store):
    release = store.prepare()
    top = store.unpack(release)
    os.link(top + "/data", top + "/lib/a/data")
    os.link(top + "/bin/hello", top + "/hello")
    os.symlink("../../data", top + "/lib/a/up")
    os.symlink("./a//b", top + "/lib/same")
    os.symlink("lib/nowhere", top + "/dangling")
    for name in ("lib/a/up", "lib/same", "dangling"):
        os.chown(f"{top}/{name}", UNPACK_UID, UNPACK_UID, follow_symlinks=False)
    store.seal(release, require=["bin/hello", "lib/a"])
    sealed = f"{store.releases}/{release}"
    for directory, subdirs, files in os.walk(sealed):
        for name in [""] + subdirs + files:
            st = os.lstat(f"{directory}/{name}" if name else directory)
            assert (st.st_uid, st.st_gid) == (0, APP_GID), f"{directory}/{name}"
            if stat.S_ISREG(st.st_mode):
                wanted = 0o750 if name == "hello" else 0o640
                assert stat.S_IMODE(st.st_mode) == wanted, f"{directory}/{name}"
    store.switch(release)
    store.check()


def test_a_meta_that_is_too_long(store):
    release = store.prepare()
    store.unpack(release)
    fields = store.seal_fields(release)
    fields["meta"]["message"] = "x" * 40000
    try:
        store.call("seal", **fields)
    except Failed as e:
        assert e.result == "usage" and "too long" in str(e), e
    else:
        raise AssertionError("sealed")
    fields["meta"]["message"] = "x" * 30000
    store.call("seal", **fields)
    assert store.entry(release)["message"] == "x" * 30000


def calls(store, verb, fields, stdout=None):
    listing = store.root + "/list"
    status, reply = store.run(verb, prefix=(STOPAT, "list", listing), stdout=stdout,
                              **fields)
    assert status == 0 and reply["result"] == "ok", reply
    with open(listing, encoding="utf-8") as f:
        return f.read().splitlines()


def assert_order(made, *wanted):
    at = 0
    for name in wanted:
        found = [i for i in range(at, len(made)) if made[i].split()[0] == name]
        assert found, f"no {name} after {made[:at]} in {made}"
        at = found[0] + 1


def test_the_order_of_a_seal(store):
    release = store.prepare()
    store.unpack(release)
    made = calls(store, "seal", store.seal_fields(release))
    # Owned, recorded, data on disk, in place, both directories on disk, told.
    assert_order(made, "fchownat", "write", "fsync", "renameat", "fsync", "syncfs",
                 "renameat2", "fsync", "fsync", "write", "exit_group")


def n_calls(store, n_files):
    """How many system calls a seal of so many files in ten directories makes."""
    release = store.prepare()
    store.unpack(release, {f"d{i % 10}/{i}": "x" for i in range(n_files)})
    log = store.root + "/strace"
    prefix = (shutil.which("strace"), "-f", "-qq", "-o", log)
    status, reply = store.run("seal", prefix=prefix, **store.seal_fields(release))
    assert status == 0 and reply["result"] == "ok", reply
    with open(log, encoding="utf-8") as f:
        return sum(1 for _ in f)


def test_what_a_file_costs(store):
    # statx, listxattr, fchownat, fchmodat; and a listing holds many names.
    few, many = n_calls(store, 100), n_calls(store, 600)
    assert many - few <= 500 * 4.1, f"{(many - few) / 500} calls a file"


def test_the_order_of_a_switch(store):
    made = calls(store, "switch", store.switch_fields(store.stage()))
    # Intent on disk, link, directory on disk, told.
    assert_order(made, "write", "fsync", "renameat", "fsync", "symlinkat", "renameat",
                 "fsync", "write", "exit_group")
    told = [i for i, c in enumerate(made) if c.startswith("write 3")]
    assert len(told) == 1 and told[0] == len(made) - 2, "told before it was done"


def test_the_order_of_an_audit(store):
    """On the disk, a new file's name too, before deployd is told."""
    directory = os.path.dirname(store.state_dir)
    os.makedirs(directory, mode=0o700)
    text = json.dumps({"verb": "audit", "directory": directory, "lines": [{"n": 1}]})
    first = calls(store, "audit", {"text": text})
    assert_order(first, "write", "fsync", "fsync", "write", "exit_group")
    next_one = calls(store, "audit", {"text": text})
    assert_order(next_one, "write", "fsync", "write", "exit_group")
    assert sum(c.startswith("fsync") for c in next_one) == 1, next_one


def test_syncfs_is_asked_of_the_fd_that_was_open_before(store):
    release = store.prepare()
    before = os.open(f"{store.staging}/{release}", os.O_RDONLY)
    store.unpack(release)
    made = calls(store, "seal", store.seal_fields(release), stdout=before)
    assert "syncfs 1" in made, made
    other = store.prepare()
    store.unpack(other)
    # Not one of another directory.
    made = calls(store, "seal", store.seal_fields(other), stdout=before)
    os.close(before)
    assert "syncfs 1" not in made and any(c.startswith("syncfs") for c in made), made


def fill(path, leave_bytes, leave_inodes):
    """Fills the disk up to that; the files it took."""
    names = []
    free = os.statvfs(path)
    for i in range(free.f_favail - leave_inodes):
        names.append(f"{path}/fill-{i}")
        with open(names[-1], "wb"):
            pass
    with open(names[0] if names else f"{path}/fill", "wb", buffering=0) as f:
        chunk = 1 << 20
        while chunk >= 512:
            free = os.statvfs(path)
            try:
                if free.f_bavail * free.f_frsize - chunk < leave_bytes or \
                        f.write(bytes(chunk)) < chunk:
                    chunk //= 2
            except OSError:
                chunk //= 2
        os.fsync(f.fileno())
    return names or [f"{path}/fill"]


def test_rollback_on_a_full_disk(store):
    levels = [(0, 0), (0, 50), (1 << 20, 0), (4096, 1), (8192, 2), (1024, 0)]
    levels += [(1024 * i, i % 3) for i in range(6 * SCALE)]
    with mounts.SmallDisk(store.root, 64, 400) as disk:
        os.chmod(disk, 0o755)
        small = Store(store.program, disk)
        a, b = small.deploy(), small.deploy()
        for leave_bytes, leave_inodes in levels:
            target = a if small.live() == b else b
            left = small.prepare()
            small.unpack(left, {"big": "x" * 100})
            names = fill(disk, leave_bytes, leave_inodes)
            where = f"{leave_bytes} bytes, {leave_inodes} inodes free"
            try:
                small.switch(target, kind="rollback")
                reply = small.finish(target)
            except Failed as e:
                raise AssertionError(f"{where}: {e}") from e
            assert small.check() == target, where
            assert reply["warnings"] == [], f"{where}: {reply['warnings']}"
            small.call("recover")
            assert small.check_recovered() == target
            for name in names:
                os.unlink(name)
            subprocess.run(["sync", "-f", disk], check=True)


def test_a_full_disk_does_not_cost_an_unpacking(store):
    seen = {"ino": 1, "ctime_nsec": 1, "mtime_nsec": 1, "size": 0}
    with mounts.SmallDisk(store.root, 64, 400) as disk:
        os.chmod(disk, 0o755)
        small = Store(store.program, disk)
        small.deploy()
        release = small.prepare()
        top = small.unpack(release)
        before = sorted(os.listdir(top))
        # What may come in the middle of a deploy, and gives up the reserve.
        for verb, fields in (("flag", {"seen": seen}), ("record", {"history": {}}),
                             ("hold", {"reason": "", "until_sec": 0, "by": BY}),
                             ("mark", {"release": small.live(), "mark": "pinned"}),
                             ("seal", small.seal_fields(release))):
            names = fill(disk, 0, 0)
            try:
                small.call(verb, **fields)
            except Failed as e:
                assert e.result == "no-space", f"{verb}: {e.result}: {e}"
            where = top if os.path.isdir(top) else f"{small.releases}/{release}"
            assert sorted(os.listdir(where)) == before, f"{verb} emptied staging"
            for name in names:
                os.unlink(name)
            subprocess.run(["sync", "-f", disk], check=True)


def test_a_deploy_on_a_full_disk(store):
    with mounts.SmallDisk(store.root, 64, 400) as disk:
        os.chmod(disk, 0o755)
        small = Store(store.program, disk)
        live = small.deploy()
        for leave_inodes in range(0, 12, 1 if SCALE > 1 else 3):
            names = fill(disk, 4096 * leave_inodes, leave_inodes)
            try:
                small.deploy({"bin/hello": "x"})
            except Failed as e:
                assert e.result == "no-space" and "No space left" in str(e), \
                    f"{e.result}: {e}"
            except OSError:
                pass  # it was the unpacker, here this test, that had no room
            assert small.check_live_only() in (live, small.live())
            for name in names:
                os.unlink(name)
            subprocess.run(["sync", "-f", disk], check=True)
            small.call("recover")
            live = small.deploy()
            assert small.check_recovered() == live


if __name__ == "__main__":
    require_root()
    run_cases(globals(), sys.argv)
