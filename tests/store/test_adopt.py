"""adopt: an installation of mix_deploy becomes a release store, or is left as it is.

usage: test_adopt.py PROGRAM STOPAT [TEST...]
"""

import os
import shutil
import stat
import subprocess
import sys
import time

from storelib import (APP_GID, DEPLOY_UID, SCALE, Failed, Scratch, Store, refused,
                      run_cases, require_root)

STOPAT = sys.argv[2]
OLD = ["20181114072116", "20181115T080000", "20181116090000"]
STRANGER = 61239


def release(path, name, files=None):
    files = files or {"bin/hello": name, "lib/a/b.beam": name * 3, "etc/hello.conf": "x"}
    for file, text in files.items():
        os.makedirs(os.path.dirname(f"{path}/{file}"), exist_ok=True)
        with open(f"{path}/{file}", "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(f"{path}/{file}", 0o755 if file.startswith("bin/") else 0o644)


def give(path, uid=DEPLOY_UID, gid=APP_GID):
    os.chown(path, uid, gid)
    for directory, subdirs, files in os.walk(path):
        for name in subdirs + files:
            os.chown(f"{directory}/{name}", uid, gid, follow_symlinks=False)


def installation(store, names=(), current=None):
    """As mix_deploy leaves it: all of it the deploy user's, an absolute link."""
    for name in ("releases", "bin", "etc", "flags"):
        os.makedirs(f"{store.app}/{name}", exist_ok=True)
    for name in names:
        release(f"{store.releases}/{name}", name)
    for script in ("deploy-start", "deploy-rollback"):
        with open(f"{store.app}/bin/{script}", "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n")
    with open(f"{store.app}/etc/environment", "w", encoding="utf-8") as f:
        f.write("A=1\n")
    if current:
        os.symlink(f"{store.releases}/{current}", store.current)
    give(store.app)
    os.makedirs(os.path.dirname(store.state_dir), exist_ok=True)
    os.chmod(store.app, 0o750)


def fields(dry_run=False):
    return {"dry_run": dry_run, "executable": "bin/hello", "require": [],
            "deploy_user": "deploy", "app_group": "hello",
            "history": {"id": "a1", "kind": "adopt", "from": None, "to": None}}


def adopt(store, dry_run=False):
    return store.call("adopt", **fields(dry_run))


def adopted(store):
    reply = adopt(store)
    assert reply["problems"] == [], reply["problems"]
    return reply


def facts(top):
    """Everything that adopt could change."""
    found = {}
    for directory, subdirs, files in os.walk(top):
        for name in [""] + subdirs + files:
            path = f"{directory}/{name}"
            st = os.lstat(path)
            link = os.readlink(path) if stat.S_ISLNK(st.st_mode) else None
            found[path] = (st.st_uid, st.st_gid, st.st_mode, st.st_ino, link,
                           st.st_ctime_ns)
    return found


def must_be_sealed(top):
    for directory, subdirs, files in os.walk(top):
        for name in [""] + subdirs + files:
            st = os.lstat(f"{directory}/{name}")
            assert (st.st_uid, st.st_gid) == (0, APP_GID), f"{directory}/{name}"
            if not stat.S_ISLNK(st.st_mode):
                assert st.st_mode & 0o7027 == 0, f"{directory}/{name} {st.st_mode:o}"
    assert os.stat(f"{top}/bin/hello").st_mode & 0o7777 == 0o750


def seqs(store):
    view = store.call("inspect")["view"]
    return [r["id"] for r in reversed(view["releases"])], view


def test_an_installation(store):
    installation(store, OLD, OLD[1])
    before = facts(store.app)
    reply = adopt(store, dry_run=True)
    assert reply["problems"] == [], reply["problems"]
    assert facts(store.app) == before, "a dry run changed something"
    planned = reply["changes"]
    assert adopted(store)["changes"] == planned
    assert os.readlink(store.current) == f"releases/{OLD[1]}"
    ids, view = seqs(store)
    assert ids == OLD, ids
    assert view["current"] == OLD[1] and view["previous"] == OLD[0], view
    assert view["degraded"] is None, view["degraded"]
    for entry in view["releases"]:
        assert entry["state"] == "good" and entry["sha256"] is None, entry
        # The third is newer than the current one: somebody went back from it.
        assert entry["rolled_back"] == (entry["id"] == OLD[2]), entry
        must_be_sealed(f"{store.releases}/{entry['id']}")
    for path, uid, mode in ((store.app, 0, 0o750), (store.releases, 0, 0o750),
                            (store.app + "/bin", 0, 0o750),
                            (store.app + "/bin/deploy-start", 0, 0o750),
                            (store.app + "/etc/environment", 0, 0o640),
                            (store.app + "/flags", DEPLOY_UID, 0o755)):
        st = os.lstat(path)
        assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (uid, APP_GID, mode), path
    assert adopted(store)["changes"] == [], "a second time there is nothing to change"
    history = store.call("history", limit=5)["entries"]
    assert [h["kind"] for h in history] == ["adopt"] and history[0]["to"] == OLD[1]
    new = store.deploy()
    assert int(new[17:]) == 4, new
    assert store.call("inspect")["view"]["previous"] == OLD[1]


def test_what_a_failed_deploy_left(store):
    installation(store, OLD, OLD[1])
    os.unlink(f"{store.releases}/{OLD[2]}/bin/hello")
    os.mkdir(f"{store.releases}/20181117000000")  # killed by SIGPIPE, still root's
    os.mkdir(f"{store.releases}/mine")
    reply = adopted(store)
    assert any("mine is no release" in n for n in reply["notes"]), reply["notes"]
    states = {r["id"]: r for r in store.call("inspect")["view"]["releases"]}
    assert [states[i]["state"] for i in OLD] == ["good", "good", "bad"], states
    assert "bin/hello" in states[OLD[2]]["evidence"]["reason"]
    assert states["20181117000000"]["state"] == "bad"
    assert "mine" not in states


def test_an_erlang_release_says_its_version(store):
    installation(store)
    whole = {"bin/hello": "x", "releases/start_erl.data": "13.1 0.7.2\n",
             "releases/0.7.2/sys.config": "[]."}
    cut = {"bin/hello": "x", "releases/start_erl.data": "13.1 0.7.3\n"}
    release(f"{store.releases}/{OLD[0]}", "", whole)
    release(f"{store.releases}/{OLD[1]}", "", cut)
    give(store.app)
    adopted(store)
    one, two = reversed(store.call("inspect")["view"]["releases"])
    assert (one["state"], one["version"]) == ("good", "0.7.2"), one
    assert two["state"] == "bad" and "start_erl.data" in two["evidence"]["reason"], two


def test_a_single_version(store):
    installation(store)
    release(store.current, "one")
    give(store.current)
    inode = os.stat(store.current).st_ino
    os.utime(store.current, (0, 1542180076))
    adopted(store)
    name = "20181114T072116Z-0001"
    assert os.readlink(store.current) == f"releases/{name}"
    assert os.stat(store.current).st_ino == inode, "it was copied"
    view = store.call("inspect")["view"]
    assert view["current"] == name and view["degraded"] is None, view
    must_be_sealed(f"{store.releases}/{name}")
    assert adopted(store)["changes"] == []
    store.deploy()
    assert store.call("inspect")["view"]["previous"] == name


def test_a_single_version_without_releases(store):
    installation(store)
    os.rmdir(store.releases)
    os.rmdir(store.app + "/flags")
    release(store.current, "one")
    give(store.current)
    adopted(store)
    assert os.stat(store.current + "/bin/hello")
    assert os.stat(store.app + "/flags").st_uid == DEPLOY_UID


def refuse(store, text):
    """The whole tree stays as it is."""
    before = facts(store.app)
    problems = adopt(store)["problems"]
    assert any(text in p for p in problems), f"no {text!r} in {problems}"
    assert facts(store.app) == before, f"refused with {text!r}, and yet changed"
    return problems


def hostile(make, text):
    def test(store):
        installation(store, OLD, OLD[1])
        make(store, f"{store.releases}/{OLD[0]}")
        refuse(store, text)
    return test


def link(target):
    def make(_store, top):
        os.symlink(target, f"{top}/lib/out")
        os.lchown(f"{top}/lib/out", DEPLOY_UID, APP_GID)
    return make


def node(kind):
    def make(_store, top):
        os.mknod(f"{top}/lib/node", 0o600 | kind, os.makedev(1, 3))
        os.chown(f"{top}/lib/node", DEPLOY_UID, APP_GID)
    return make


def suid(_store, top):
    os.chmod(f"{top}/bin/hello", 0o4755)


def foreign(_store, top):
    os.chown(f"{top}/lib/a", STRANGER, APP_GID)


def linked_from_outside(store, top):
    os.link(f"{top}/bin/hello", f"{store.root}/outside")


def capabilities(_store, top):
    os.setxattr(f"{top}/bin/hello", "security.capability",
                b"\1\0\0\2" + b"\0\4\0\0" + b"\0" * 12)


def foreign_script(store, _top):
    os.chown(f"{store.app}/bin/deploy-start", STRANGER, APP_GID)


def mount(_store, top):
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", f"{top}/lib/a"], check=True)


test_a_link_out = hostile(link("../../../etc"), "leads out of the release")
test_an_absolute_link = hostile(link("/etc/shadow"), "not below one of link_targets")
test_a_device = hostile(node(stat.S_IFCHR), "neither file, directory nor link")
test_a_fifo = hostile(node(stat.S_IFIFO), "neither file, directory nor link")
test_a_setuid_file = hostile(suid, "setuid")
test_a_foreign_owner = hostile(foreign, f"belongs to uid {STRANGER}")
test_a_hard_link_outside = hostile(linked_from_outside, "linked from outside")
test_xattrs = hostile(capabilities, "extended attributes")
test_a_foreign_script = hostile(foreign_script, "neither root nor deploy_user")


def test_a_mount(store):
    installation(store, OLD, OLD[1])
    top = f"{store.releases}/{OLD[0]}"
    mount(store, top)
    try:
        refuse(store, "mount")
    finally:
        subprocess.run(["umount", f"{top}/lib/a"], check=True)


def test_a_mounted_release(store):
    installation(store, OLD, OLD[1])
    top = f"{store.releases}/{OLD[0]}"
    subprocess.run(["mount", "--bind", f"{store.releases}/{OLD[2]}", top], check=True)
    try:
        refuse(store, "mounted")
    finally:
        subprocess.run(["umount", top], check=True)


def test_hard_links_within(store):
    installation(store, OLD, OLD[1])
    for name in OLD[:2]:
        os.unlink(f"{store.releases}/{name}/lib/a/b.beam")
        os.link(f"{store.releases}/{OLD[2]}/lib/a/b.beam",
                f"{store.releases}/{name}/lib/a/b.beam")
    adopted(store)
    assert len(store.call("inspect")["view"]["releases"]) == 3


def test_a_setgid_directory(store):
    installation(store, OLD, OLD[1])
    os.chmod(f"{store.releases}/{OLD[0]}", 0o2755)
    os.chmod(f"{store.releases}/{OLD[0]}/lib", 0o2755)
    adopted(store)
    must_be_sealed(f"{store.releases}/{OLD[0]}")


def test_links_among_the_scripts(store):
    installation(store, OLD, OLD[1])
    os.symlink("/usr/bin/deployctl", f"{store.app}/bin/deploy-restart")
    adopted(store)
    os.chown(f"{store.app}/bin", DEPLOY_UID, APP_GID)
    os.lchown(f"{store.app}/bin/deploy-restart", DEPLOY_UID, APP_GID)
    refuse(store, "not below one of link_targets")


def test_current_leads_elsewhere(store):
    installation(store, OLD)
    for target, text in ((f"{store.releases}/releases", "no release"),
                         ("/etc", "no release"), (store.app + "/bin", "no release")):
        os.symlink(target, store.current)
        refuse(store, text)
        os.unlink(store.current)
    with open(store.current, "w", encoding="utf-8"):
        pass
    refuse(store, "neither a link nor a directory")


def test_other_ways_to_write_the_link(store):
    installation(store, OLD)
    for target in (f"releases/{OLD[1]}/", f"{store.app}//releases/./{OLD[1]}",
                   f"./releases/{OLD[1]}"):
        if os.path.lexists(store.current):
            os.unlink(store.current)
        os.symlink(target, store.current)
        adopted(store)
        assert os.readlink(store.current) == f"releases/{OLD[1]}", target


def test_no_release_is_complete(store):
    installation(store, OLD, OLD[1])
    for name in OLD:
        os.unlink(f"{store.releases}/{name}/bin/hello")
    refuse(store, "release_name")


def test_an_unsafe_parent(store):
    installation(store, OLD, OLD[1])
    os.chmod(store.base, 0o777)
    before = facts(store.app)
    refused("bad-config", "unsafe path", adopt, store)
    assert facts(store.app) == before


def test_nothing_there(store):
    refused("not-found", "nothing to adopt", adopt, store)


def test_a_file_that_is_still_open(store):
    installation(store, OLD, OLD[1])
    with open(f"{store.releases}/{OLD[2]}/lib/a/b.beam", "a", encoding="utf-8"):
        refused("rejected", "open for writing", adopt, store)
        states = store.call("inspect")["view"]["releases"]
        assert states == [], "recorded, although somebody can write to it"
    adopted(store)
    assert len(store.call("inspect")["view"]["releases"]) == 3


def test_one_more_that_an_old_script_made(store):
    installation(store, OLD[:2], OLD[1])
    adopted(store)
    new = store.deploy()
    release(f"{store.releases}/{OLD[2]}", OLD[2])
    adopted(store)
    ids, view = seqs(store)
    assert ids == [OLD[0], OLD[1], new, OLD[2]], ids
    assert view["current"] == new and view["previous"] == OLD[1], view


def killed_everywhere(build, check):
    """Killed at every change it makes: what is live stays, and a second run ends it."""
    program = sys.argv[1]
    with Scratch() as scratch:
        store = Store(program, scratch + "/root")
        os.mkdir(store.root, 0o755)
        build(store)
        shutil.rmtree(scratch + "/before", ignore_errors=True)
        subprocess.run(["cp", "-a", store.root, scratch + "/before"], check=True)
        listing = scratch + "/list"
        status, _ = store.run("adopt", prefix=(STOPAT, "list", listing), **fields())
        assert status == 0, status
        with open(listing, encoding="utf-8") as f:
            calls = f.read().splitlines()
        assert len(calls) > 20, calls
        for n in range(1, len(calls) + 1, max(1, 3 // SCALE)):
            shutil.rmtree(store.root)
            subprocess.run(["cp", "-a", scratch + "/before", store.root], check=True)
            status, _ = store.run("adopt", prefix=(STOPAT, "kill", str(n)), **fields())
            where = f"killed at {n}, {calls[n - 1]}"
            assert os.waitstatus_to_exitcode(status) == 137, f"{where}: {status}"
            with open(store.current + "/bin/hello", encoding="utf-8") as f:
                assert f.read() == "live", where
            try:
                # deployd may be the first to come by.
                store.run("recover")
                adopted(store)
                check(store)
                assert adopted(store)["changes"] == [], where
            except (AssertionError, Failed) as e:
                raise AssertionError(f"{where}: {e}") from e


def test_killed_at_every_call(_store):
    def build(store):
        installation(store, OLD, OLD[1])
        with open(store.current + "/bin/hello", "w", encoding="utf-8") as f:
            f.write("live")

    def check(store):
        ids, view = seqs(store)
        assert ids == OLD and view["previous"] == OLD[0], view
        assert [r["seq"] for r in view["releases"]] == [3, 2, 1], view
        for name in OLD:
            must_be_sealed(f"{store.releases}/{name}")

    killed_everywhere(build, check)


def test_a_single_version_killed_at_every_call(_store):
    def build(store):
        installation(store, OLD[:1])
        release(store.current, "live", {"bin/hello": "live", "lib/x": "x"})
        give(store.current)

    def check(store):
        ids, view = seqs(store)
        assert len(ids) == 2 and ids[0] == OLD[0] and view["previous"] == OLD[0], view
        must_be_sealed(f"{store.releases}/{ids[1]}")
        names = set(os.listdir(store.releases)) - {".staging"}
        assert names == set(ids), f"{names} is left"
        assert set(os.listdir(store.state_dir + "/meta")) == set(ids)

    killed_everywhere(build, check)


def test_the_deploy_user_changes_it_meanwhile(store):
    """He replaces files by links and hard links as fast as he can: all that can come of
    it is a refusal, or a release that is whole."""
    secret = store.root + "/secret"
    with open(secret, "w", encoding="utf-8") as f:
        f.write("root's")
    os.chmod(secret, 0o600)
    before = os.stat(secret)
    end = time.monotonic() + 2 * SCALE
    n_taken = 0
    while time.monotonic() < end:
        shutil.rmtree(store.app, ignore_errors=True)
        shutil.rmtree(store.state_dir, ignore_errors=True)
        installation(store, OLD, OLD[1])
        pid = os.fork()
        if pid == 0:
            try:
                os.setresgid(APP_GID, APP_GID, APP_GID)
                os.setresuid(DEPLOY_UID, DEPLOY_UID, DEPLOY_UID)
                os.chdir(f"{store.releases}/{OLD[0]}/lib/a")
                for i in range(100000):
                    os.symlink(secret, "new")
                    os.rename("new", "b.beam")
                    with open("new", "w", encoding="utf-8") as f:
                        f.write(str(i))
                    os.chmod("new", 0o4755)
                    os.rename("new", "b.beam")
            finally:
                os._exit(0)
        try:
            n_taken += not adopt(store)["problems"]
        except Failed:
            pass
        os.waitpid(pid, 0)
        now = os.stat(secret)
        assert (now.st_uid, now.st_gid, now.st_mode) == \
            (before.st_uid, before.st_gid, before.st_mode), "the secret was handed over"
        for entry in store.call("inspect")["view"]["releases"] if n_taken else ():
            must_be_sealed(f"{store.releases}/{entry['id']}")


if __name__ == "__main__":
    require_root()
    run_cases(globals(), [sys.argv[0], sys.argv[1], *sys.argv[3:]])
