"""linked_dirs and linked_files: what deployd-store makes in shared/ and in a release.

usage: test_linked.py PROGRAM [CASE...]
"""

import os
import stat
import sys

from storelib import APP_GID, UNPACK_UID, refused, require_root, run_cases

APP_UID = 61239  # nobody's
FILES = {"bin/hello": "#!/bin/sh\n"}


def seal(store, files=None, change=None, **fields):
    """A release of these files, change(top) is done before it is sealed."""
    release = store.prepare()
    top = store.unpack(release, dict(files or FILES))
    if change:
        change(top)
    store.seal(release, app_uid=APP_UID, **fields)
    return f"{store.releases}/{release}"


def facts(path):
    st = os.lstat(path)
    return oct(stat.S_IMODE(st.st_mode)), st.st_uid, st.st_gid


def make(path, uid=0, gid=APP_GID, mode=0o750):
    os.mkdir(path)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def directory(top, name, *files):
    os.makedirs(f"{top}/{name}")
    for file in files:
        with open(f"{top}/{name}/{file}", "w", encoding="utf-8"):
            pass
    for where, dirs, names in os.walk(top):
        for name in dirs + names:
            os.chown(f"{where}/{name}", UNPACK_UID, UNPACK_UID, follow_symlinks=False)


def test_only_the_leaves_are_the_apps(store):
    top = seal(store, linked_dirs=["log", "tmp/a/pids"])
    shared = store.app + "/shared"
    for path, wanted in {"": ("0o750", 0, APP_GID), "/log": ("0o750", APP_UID, APP_GID),
                         "/tmp": ("0o750", 0, APP_GID), "/tmp/a": ("0o750", 0, APP_GID),
                         "/tmp/a/pids": ("0o750", APP_UID, APP_GID)}.items():
        assert facts(shared + path) == wanted, (path, facts(shared + path))
    assert os.readlink(top + "/log") == "../../shared/log"
    assert os.readlink(top + "/tmp/a/pids") == "../../../../shared/tmp/a/pids"
    for path in ("log", "tmp/a/pids"):
        assert os.path.realpath(f"{top}/{path}") == f"{shared}/{path}"
        assert facts(f"{top}/{path}")[1:] == (0, APP_GID)
    for path in ("tmp", "tmp/a"):
        assert facts(f"{top}/{path}") == ("0o750", 0, APP_GID)


def test_what_is_there_keeps_its_owner(store):
    store.deploy()
    shared = store.app + "/shared"
    make(shared, gid=0, mode=0o755)
    make(shared + "/log", uid=61250, gid=61251, mode=0o2770)
    with open(shared + "/log/old", "w", encoding="utf-8"):
        pass
    seal(store, linked_dirs=["log"])
    assert facts(shared) == ("0o755", 0, 0)
    assert facts(shared + "/log") == ("0o2770", 61250, 61251)
    assert os.listdir(shared + "/log") == ["old"]


def test_an_empty_directory_gives_way(store):
    for n, placeholders in enumerate(((), (".keep",), (".gitkeep",))):
        top = seal(store, change=lambda top, p=placeholders: directory(top, "log", *p),
                   linked_dirs=["log"])
        assert os.path.islink(top + "/log"), n


def test_content_of_the_archive_is_refused(store):
    def link(top):
        os.symlink("bin", top + "/log")
        os.chown(top + "/log", UNPACK_UID, UNPACK_UID, follow_symlinks=False)

    for change, path, text in (
            (lambda top: directory(top, "log", "x"), "log", "has something in it"),
            (lambda top: directory(top, "log/.keep"), "log", "has something in it"),
            (lambda top: directory(top, "log", ".keep", "x"), "log", "something in it"),
            (lambda top: None, "bin/hello", "it is no directory"),
            (lambda top: None, "bin/hello/x", "below what is no directory"),
            (link, "log", "it is no directory"),
            (link, "log/x", "below what is no directory")):
        refused("rejected", text, seal, store, change=change, linked_dirs=[path])
        left = os.listdir(store.releases)
        assert left == [".staging"], left
        assert not os.path.exists(store.app + "/shared")


def test_a_linked_file_must_exist(store):
    refused("bad-config", "config/key' does not exist", seal, store,
            linked_files=["config/key"])
    # What is above it has been made: the file is all that is missing.
    key = store.app + "/shared/config/key"
    with open(key, "w", encoding="utf-8") as f:
        f.write("secret")
    os.chown(key, 0, APP_GID)
    os.chmod(key, 0o640)
    top = seal(store, linked_files=["config/key"])
    assert os.readlink(top + "/config/key") == "../../../shared/config/key"
    assert facts(key) == ("0o640", 0, APP_GID)
    top = seal(store, {**FILES, "config/key": ""}, linked_files=["config/key"])
    assert os.path.islink(top + "/config/key")
    refused("rejected", "the archive has it, too", seal, store,
            {**FILES, "config/key": "x"}, linked_files=["config/key"])


def test_no_link_in_shared_is_followed(store):
    store.deploy()
    shared, victim = store.app + "/shared", store.root + "/victim"
    make(victim, uid=61250, gid=61250, mode=0o700)
    os.symlink(victim, shared)
    refused("bad-config", "is not a directory (links are not followed)", seal, store,
            linked_dirs=["log"])
    os.unlink(shared)
    make(shared)
    os.symlink(victim, shared + "/log")
    for path in ("log", "log/web"):
        refused("bad-config", "is not a directory (links are not followed)", seal,
                store, linked_dirs=[path])
    os.symlink("/etc/shadow", shared + "/key")
    refused("bad-config", "is not a file (links are not followed)", seal, store,
            linked_files=["key"])
    assert facts(victim) == ("0o700", 61250, 61250) and os.listdir(victim) == []


def test_nobody_else_decides_what_is_on_the_way(store):
    store.deploy()
    shared = store.app + "/shared"
    make(shared)
    make(shared + "/tmp", uid=APP_UID)
    refused("bad-config", "/shared/tmp'", seal, store, linked_dirs=["tmp/pids"])
    assert facts(shared + "/tmp") == ("0o750", APP_UID, APP_GID)


def test_paths_are_not_believed(store):
    for path in ("", "/etc", "../x", "a/../b", "a//b", ".", "a/", "x" * 300,
                 "/".join(["a" * 200] * 6)):
        for option in ("linked_dirs", "linked_files"):
            refused("failed", f"bad request: {option}", seal, store, **{option: [path]})
    for uid in (0, -1, 1 << 32):
        release = store.prepare()
        store.unpack(release, dict(FILES))
        refused("failed", "bad request: app_uid", store.seal, release, app_uid=uid,
                linked_dirs=["log"])


def test_a_release_goes_without_what_is_shared(store):
    top = seal(store, linked_dirs=["log"])
    kept = store.app + "/shared/log/kept"
    with open(kept, "w", encoding="utf-8"):
        pass
    store.call("discard", release=os.path.basename(top))
    assert not os.path.exists(top) and os.path.exists(kept)


if __name__ == "__main__":
    require_root()
    run_cases(globals(), sys.argv)
