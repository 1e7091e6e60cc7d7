"""The verbs of deployd-store and what they reply.

usage: test_verbs.py PROGRAM [CASE...]
"""

import fcntl
import json
import os
import stat
import sys

from storelib import (APP_GID, BY, DEPLOY_UID, UNPACK_UID, Failed, Store, require_root,
                      run_cases)


def refused(result, text, function, *args, **kwargs):
    """function must fail like that; its message is returned."""
    try:
        reply = function(*args, **kwargs)
    except Failed as e:
        assert e.result == result, f"{e.result}, not {result}: {e}"
        assert text in str(e), f"{e!s} does not say {text!r}"
        return str(e)
    raise AssertionError(f"not refused with {result}: {reply}")


def facts_of(path):
    st = os.lstat(path)
    return oct(stat.S_IMODE(st.st_mode)), st.st_uid, st.st_gid


# --- a deploy

def test_a_deploy_leaves_what_the_design_says(store):
    release = store.deploy()
    expected = {
        store.app: ("0o750", 0, APP_GID),
        store.app + "/bin": ("0o750", 0, APP_GID),
        store.app + "/etc": ("0o750", 0, APP_GID),
        store.app + "/flags": ("0o755", DEPLOY_UID, APP_GID),
        store.releases: ("0o750", 0, APP_GID),
        store.staging: ("0o700", 0, 0),
        f"{store.releases}/{release}": ("0o750", 0, APP_GID),
        f"{store.releases}/{release}/bin": ("0o750", 0, APP_GID),
        f"{store.releases}/{release}/bin/hello": ("0o750", 0, APP_GID),
        f"{store.releases}/{release}/data": ("0o640", 0, APP_GID),
        f"{store.releases}/{release}/lib/link": ("0o777", 0, APP_GID),
        store.state_dir: ("0o700", 0, 0),
        store.state_dir + "/meta": ("0o700", 0, 0),
        f"{store.state_dir}/meta/{release}": ("0o600", 0, 0),
    }
    for path, wanted in expected.items():
        assert facts_of(path) == wanted, f"{path}: {facts_of(path)}, not {wanted}"
    assert os.readlink(store.current) == f"releases/{release}"
    entry = store.entry(release)
    assert entry["state"] == "good" and entry["files"] == 3 and entry["seq"] == 1
    assert entry["sha256"] == "ab" * 32 and entry["deployed_by"] == BY
    view = store.view()
    assert view["current"] == release and view["activated_by"] == BY
    assert view["previous"] is None and view["degraded"] is None


def test_an_app_that_was_never_deployed_has_a_view(store):
    view = store.call("recover")["view"]
    assert view["current"] is None and view["releases"] == []
    assert not os.path.exists(store.app), "recover made the tree"
    refused("not-found", "no release", store.switch, "20260101T000000Z-0001")


def test_numbers_never_come_back(store):
    first = store.prepare()
    store.call("discard", release=first)
    second = store.stage()
    assert (first[17:], second[17:]) == ("0001", "0002")
    assert os.listdir(store.staging) == []


def test_discard_removes_what_was_sealed_meanwhile(store):
    release = store.stage()
    store.call("discard", release=release)
    assert not os.path.exists(f"{store.releases}/{release}")
    assert not os.path.exists(f"{store.state_dir}/meta/{release}")
    live = store.deploy()
    store.call("discard", release=live)
    assert store.check() == live


def test_discard_keeps_what_a_switch_has_begun(store):
    release = store.stage()
    store.switch(release)
    store.call("discard", release=release)
    assert store.check() == release


# --- requests

def test_requests_that_are_none(store):
    for text in ("", "[]", "{", '{"verb":"inspect","verb":"inspect"}', "x" * 100,
                 "{" + " " * (1 << 20)):
        status, reply = store.run("inspect", text=text)
        assert status == 0 and reply["result"] == "failed", (text[:20], reply)
        assert "JSON" in reply["message"], reply["message"]
    refused("failed", "unknown verb", store.call, "destroy")
    refused("failed", "bad request", store.call, "prepare", need_bytes=0)
    refused("failed", "bad request", store.call, "prepare", need_bytes=0,
            max_entries=0, extra=1)
    refused("failed", "bad request", store.call, "prepare", need_bytes=-1,
            max_entries=0)
    assert not os.path.exists(store.state_dir + "/state")


def test_paths_that_are_none(store):
    for key, value in (("deploy_dir", "/srv/../etc"), ("deploy_dir", "srv"),
                       ("state_dir", "/"), ("base_dir", "/srv//x"),
                       ("releases_dir", "/elsewhere/releases"),
                       ("releases_dir", store.app + "/a/releases"),
                       ("current_dir", store.releases)):
        other = Store(store.program, store.root)
        other.settings[key] = value
        refused("bad-config", "director" if "elsewhere" not in value and
                "/a/" not in value and key != "current_dir" else "_dir",
                other.call, "inspect")
    for key, value in (("unpack_uid", -1), ("app_gid", 1 << 32)):
        other = Store(store.program, store.root)
        other.settings[key] = value
        refused("failed", "bad request", other.call, "inspect")
    other = Store(store.program, store.root)
    other.settings["unpack_uid"] = 0
    refused("bad-config", "must not be root", other.call, "inspect")


def test_only_deployd_starts_it(store):
    status = os.spawnv(os.P_WAIT, "/bin/sh",
                       ["sh", "-c", f"exec {store.program} 3>&- 2>/dev/null </dev/null"])
    assert status == 2, status


# --- the tree

def test_unsafe_owners_are_refused_with_advice(store):
    store.deploy()
    for path in (store.base, store.app, store.releases, store.staging, store.state_dir):
        os.chown(path, DEPLOY_UID, -1)
        message = refused("bad-config", "chown root", store.call, "prepare",
                          need_bytes=0, max_entries=0)
        assert path in message or ".staging" in message, message
        os.chown(path, 0, -1)
        mode = stat.S_IMODE(os.stat(path).st_mode)
        os.chmod(path, mode | 0o020)
        refused("bad-config", "chmod go-w", store.call, "inspect")
        os.chmod(path, mode)
    store.deploy()


def test_a_link_is_no_directory(store):
    live = store.deploy()
    for path in (store.app, store.releases, store.staging, store.state_dir):
        os.rename(path, path + ".away")
        os.symlink(path + ".away", path)
        refused("bad-config", "links are not followed", store.call, "inspect")
        os.unlink(path)
        os.rename(path + ".away", path)
    assert store.check() == live


def test_what_is_there_is_left_as_it_is(store):
    os.makedirs(store.app, 0o755)
    os.chmod(store.base, 0o755)
    os.mkdir(store.app + "/flags", 0o700)
    store.deploy()
    assert facts_of(store.app)[0] == "0o755"
    assert facts_of(store.app + "/flags") == ("0o700", 0, 0)


def test_a_second_one_waits_and_then_says_busy(store):
    live = store.deploy()
    with open(store.state_dir + "/lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused("busy", "at work", store.switch, live)
    store.switch(live)


def test_no_room(store):
    live = store.deploy()
    left = store.prepare()
    refused("no-space", "MiB", store.call, "prepare", need_bytes=1 << 60, max_entries=0)
    assert not os.path.exists(f"{store.staging}/{left}"), "leftovers take up room"
    assert store.check() == live


# --- switch

def test_a_current_that_is_not_ours_is_left_alone(store):
    release = store.stage()
    os.mkdir(store.current)
    refused("bad-config", "move it away", store.switch, release)
    os.rmdir(store.current)
    for target in ("/etc", "../elsewhere", "releases", "releases/../x",
                   "releases/.staging", f"{store.releases}/{release}"):
        os.symlink(target, store.current)
        refused("bad-config", "remove the link", store.switch, release)
        assert os.readlink(store.current) == target
        view = store.view()
        assert view["current"] is None and "remove the link" in view["degraded"]
        store.call("recover")
        os.unlink(store.current)
    store.switch(release)
    assert store.check() == release


def test_targets_that_are_none(store):
    live = store.deploy()
    os.mkdir(store.releases + "/20260101T000000Z-0077")
    os.symlink("/etc", store.releases + "/20260101T000000Z-0078")
    for target in ("20260101T000000Z-0099", "20260101T000000Z-0077",
                   "20260101T000000Z-0078", "../x", "", ".staging", "a\x1b[1m"):
        message = refused("not-found", "there is no release", store.switch, target)
        assert "\x1b" not in message
    assert os.readlink(store.current) == f"releases/{live}"
    os.rmdir(store.releases + "/20260101T000000Z-0077")
    os.unlink(store.releases + "/20260101T000000Z-0078")


def test_if_current(store):
    first, second = store.stage(), store.stage()
    refused("if-current-mismatch", "is none, not", store.switch, first,
            if_current=second)
    store.switch(first, if_current=None)
    store.finish(first)
    refused("if-current-mismatch", f"is {first}, not none", store.switch, second,
            if_current=None)
    assert store.switch(second, if_current=first)["from"] == first


def test_the_reply_of_a_switch_is_what_is(store):
    store.deploy()
    release = store.stage()
    said = store.switch(release, confirm_deadline_sec=99)["view"]
    assert said == store.view()


def test_a_failed_switch_does_not_change_who_activated(store):
    store.deploy()
    first = store.view()
    release = store.stage()
    with open(store.state_dir + "/state", encoding="utf-8") as f:
        before = f.read()
    store.switch(release, by={"uid": 1, "user": "other"})
    with open(store.state_dir + "/state", encoding="utf-8") as f:
        assert f.read() != before
    os.unlink(store.current)
    os.symlink(f"releases/{first['current']}", store.current)
    view = store.call("recover")["view"]
    assert view["activated_by"] == first["activated_by"] == BY


# --- good and bad, back and forth

def test_rollback_goes_back_again_and_again(store):
    a, b, c = (store.deploy() for _ in range(3))
    for current, wanted in ((c, b), (b, a), (a, None)):
        view = store.view()
        assert (view["current"], view["previous"]) == (current, wanted)
        if wanted:
            store.switch(wanted, op="rollback")
            store.finish(wanted)
    # What was gone back from is no place to go back to, unless activated again.
    d = store.deploy()
    assert store.view()["previous"] == a
    store.switch(c, op="activate")
    store.finish(c)
    assert store.view()["previous"] == a
    store.switch(d, op="activate")
    store.finish(d)
    assert store.view()["previous"] == c


def test_previous_is_never_bad(store):
    a, b = store.deploy(), store.deploy()
    sick = store.stage()
    store.switch(sick)
    store.switch(b, op="revert")
    view = store.finish(sick, mark="bad")["view"]
    assert (view["current"], view["previous"]) == (b, a)
    assert store.entry(sick)["state"] == "bad"
    store.call("mark", release=a, mark="bad")
    assert store.view()["previous"] is None
    store.call("mark", release=a, mark="good")
    assert store.view()["previous"] == a
    healthy = store.deploy()
    assert store.view()["previous"] == b
    store.switch(b, op="rollback")
    store.finish(b)
    assert store.view()["previous"] == a, f"not {sick} and not {healthy}"


def test_marks(store):
    a, b = store.deploy(), store.deploy()
    store.call("mark", release=a, mark="pinned")
    assert store.entry(a)["pinned"] is True
    store.call("mark", release=a, mark="unpinned")
    assert store.entry(a)["pinned"] is False
    store.call("mark", release=a, mark="bad", evidence={
        "reason": "it is slow", "unit_result": None, "check_output": None,
        "journal": []})
    assert store.entry(a)["evidence"]["reason"] == "it is slow"
    store.call("mark", release=a, mark="good")
    entry = store.entry(a)
    assert entry["state"] == "good" and entry["evidence"] is None
    refused("not-found", "no release", store.call, "mark",
            release="20260101T000000Z-0099", mark="good")
    refused("not-found", "no release", store.call, "mark", release="../x", mark="good")
    refused("failed", "bad request: mark", store.call, "mark", release=b, mark="best")
    refused("failed", "bad request", store.call, "mark", release=b, mark="bad",
            evidence={"reason": "x"})


def test_evidence_is_bounded_and_the_newest_is_kept(store):
    release = store.stage()
    store.switch(release)
    store.finish(release, mark="bad", evidence={
        "reason": "\u20ac" * 5000, "unit_result": "exit-code",
        "check_output": "start " + "\u20ac\x01" * 5000 + " end",
        "journal": [f"line {i} " + "x" * 100 for i in range(5000)] + ["\u20ac" * 5000]})
    evidence = store.entry(release)["evidence"]
    assert len(json.dumps(evidence, ensure_ascii=False).encode()) <= 16384
    assert evidence["reason"].startswith("\u20ac" * 100)
    assert set(evidence["reason"]) == {"\u20ac"}, "cut inside a character"
    assert evidence["check_output"].endswith(" end")
    assert evidence["journal"][-1].startswith("\u20ac\u20ac")
    assert evidence["journal"][-2].startswith("line 4999 ")
    assert len(evidence["journal"]) > 20
    numbers = [int(line.split()[1]) for line in evidence["journal"][:-1]]
    assert numbers == list(range(numbers[0], 5000))
    assert os.path.getsize(f"{store.state_dir}/meta/{release}") < 65536


def test_finish_without_a_record_still_ends_the_operation(store):
    release = store.stage()
    store.switch(release)
    os.unlink(f"{store.state_dir}/meta/{release}")
    reply = store.finish(release)
    assert "no release" in reply["warnings"][0], reply["warnings"]
    assert store.call("recover")["pending"] is None
    assert "no record" in store.view()["degraded"]


# --- hold, confirm, flag

def test_hold(store):
    hold = store.call("hold", reason="holiday", until_sec=0, by=BY)["view"]["hold"]
    assert (hold["reason"], hold["until_sec"], hold["by"]) == ("holiday", 0, BY)
    assert hold["since_sec"] > 1_700_000_000
    store.deploy()
    assert store.call("recover")["view"]["hold"] == hold
    assert store.call("unhold")["view"]["hold"] is None
    store.call("unhold")
    far = 1 << 40
    assert store.call("hold", reason="", until_sec=far, by=BY)["view"]["hold"][
        "until_sec"] == far
    refused("usage", "over already", store.call, "hold", reason="x", until_sec=1, by=BY)
    refused("usage", "longer than", store.call, "hold", reason="x" * 513, until_sec=0,
            by=BY)
    refused("failed", "bad request", store.call, "hold", reason="x", until_sec=0,
            by={"user": "x" * 9000})


def test_a_hold_that_is_over_is_not_shown(store):
    store.call("hold", reason="x", until_sec=0, by=BY)
    rewrite_state(store, lambda state: state["hold"].update(until_sec=1))
    assert store.view()["hold"] is None


def test_confirm_is_there_from_the_switch_on(store):
    old = store.deploy()
    new = store.stage()
    wanted = {"release": new, "from": old, "deadline_sec": 99, "job": "j1", "by": BY}
    assert store.switch(new, confirm_deadline_sec=99)["view"]["confirm"] == wanted
    recovered = store.call("recover")
    assert recovered["confirm"] == wanted and recovered["pending"]["confirm"] == wanted
    assert store.finish(new)["view"]["confirm"] == wanted
    recovered = store.call("recover")
    assert recovered["confirm"] == wanted and recovered["pending"] is None
    refused("not-found", "does not wait", store.call, "confirm", release=old)
    assert store.call("confirm", release=new)["view"]["confirm"] is None
    refused("not-found", "does not wait", store.call, "confirm", release=new)
    assert store.call("recover")["confirm"] is None


def test_confirm_before_the_end_of_the_deploy(store):
    release = store.stage()
    store.switch(release, confirm_deadline_sec=99)
    assert store.call("confirm", release=release)["view"]["confirm"] is None
    assert store.finish(release)["view"]["confirm"] is None


def test_going_back_ends_the_wait_only_once_it_is_done(store):
    old = store.deploy()
    new = store.stage()
    store.switch(new, confirm_deadline_sec=99)
    store.finish(new)
    assert store.switch(old, op="revert")["view"]["confirm"] is None
    # As after a power cut that came before the link reached the disk.
    os.unlink(store.current)
    os.symlink(f"releases/{new}", store.current)
    recovered = store.call("recover")
    assert recovered["confirm"]["release"] == new
    assert recovered["pending"]["phase"] == "intended"
    store.switch(old, op="revert")
    store.finish(new, mark="bad")
    assert store.view()["confirm"] is None
    store.deploy()
    assert store.view()["confirm"] is None


def test_a_rollback_that_was_not_made_leaves_the_wait(store):
    old = store.deploy()
    new = store.stage()
    store.switch(new, confirm_deadline_sec=99)
    store.finish(new)
    store.switch(old, op="rollback")
    os.unlink(store.current)
    os.symlink(f"releases/{new}", store.current)
    recovered = store.call("recover")
    assert recovered["pending"] is None and recovered["confirm"]["release"] == new
    assert store.call("recover")["confirm"]["release"] == new


def test_same_boot(store):
    release = store.stage()
    store.switch(release, boot_id="a")
    assert store.call("recover", boot_id="a")["pending"]["same_boot"] is True
    assert store.call("recover", boot_id="b")["pending"]["same_boot"] is False
    assert store.call("recover")["pending"]["same_boot"] is True
    rewrite_state(store, lambda state: state["intent"].update(boottime_sec=1 << 40))
    assert store.call("recover")["pending"]["same_boot"] is False


def test_flag(store):
    seen = {"ino": 1, "ctime_nsec": 1 << 60, "mtime_nsec": 2, "size": 0}
    assert store.view()["flag"] is None
    assert store.call("flag", seen=seen)["view"]["flag"] == seen
    store.deploy()
    assert store.call("recover")["view"]["flag"] == seen
    refused("failed", "bad request", store.call, "flag", seen={"ino": 1})
    refused("failed", "bad request", store.call, "flag", seen={**seen, "size": "x"})
    with open(store.state_dir + "/flag", "w", encoding="utf-8") as f:
        f.write("{")
    assert store.view()["flag"] is None
    store.call("flag", seen=seen)


# --- history

def test_history(store):
    for i in range(5):
        store.call("record", history={"id": i})
    entries = store.call("history", limit=3)["entries"]
    assert [e["id"] for e in entries] == [4, 3, 2]
    # Torn by a crash, with zeros where data never arrived.
    with open(store.state_dir + "/history", "ab") as f:
        f.write(b'{"id": 5, "torn\0\0\0')
    store.call("record", history={"id": 6})
    entries = store.call("history", limit=100)["entries"]
    assert [e["id"] for e in entries] == [6, 4, 3, 2, 1, 0]
    refused("failed", "bad request", store.call, "record", history=[])


def test_history_does_not_grow_for_ever(store):
    store.call("record", history={"id": -1})
    line = json.dumps({"id": 1, "message": "x" * 1000}) + "\n"
    with open(store.state_dir + "/history", "a", encoding="utf-8") as f:
        f.write(line * 3000)
    store.call("record", history={"id": 2})
    assert os.path.getsize(store.state_dir + "/history") <= 1 << 20
    entries = store.call("history", limit=1 << 40)["entries"]
    assert entries[0]["id"] == 2 and 100 < len(entries) <= 1000
    store.call("record", history={"id": 3, "message": "x" * 20000})
    assert store.call("history", limit=1)["entries"] == [{"id": 3, "message": None}]


# --- recovery

def rewrite_state(store, change):
    """Changes the state file and its checksum."""
    import zlib
    path = store.state_dir + "/state"
    with open(path, encoding="utf-8") as f:
        state = json.load(f)["state"]
    change(state)
    text = json.dumps(state, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"crc32": f"{zlib.crc32(text.encode()):08x}", "state": state}, f)


def test_a_damaged_state_stops_nothing(store):
    old, new = store.deploy(), store.deploy()
    left = store.prepare()
    path = store.state_dir + "/state"
    with open(path, encoding="utf-8") as f:
        good = f.read()
    for damage in ("", "{", "[]", good[:-10], good.replace('"seq":3', '"seq":9'),
                   "x" * 70000, '{"crc32":"00000000","state":{}}'):
        with open(path, "w", encoding="utf-8") as f:
            f.write(damage)
        current, other = store.live(), old if store.live() == new else new
        store.switch(other, op="activate")
        store.finish(other)
        assert store.check() == other, f"after {current}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(damage)
        reply = store.call("recover")
        assert any("rebuilt" in text for text in reply["recovered"]), reply
        assert not any("rebuilt" in t for t in store.call("recover")["recovered"])
    os.unlink(path)
    os.symlink("/etc/passwd", path)
    store.switch(new, op="activate")
    store.finish(new)
    assert not os.path.islink(path)
    os.unlink(path)
    assert int(store.prepare()[17:]) > int(left[17:]) - 1, "a number came back"
    store.call("recover")
    store.deploy()


def test_a_damaged_record_is_no_loss(store):
    a, b, c = (store.deploy() for _ in range(3))
    for damage in ("", "{}", '{"seq":"x","state":"good"}', "\0" * 10, "x" * 70000):
        for release in (b, c):
            with open(f"{store.state_dir}/meta/{release}", "w", encoding="utf-8") as f:
                f.write(damage)
        view = store.call("recover")["view"]
        assert (view["current"], view["previous"]) == (c, a)
        entry = store.entry(b)
        assert entry["state"] == "bad" and entry["seq"] == 2 and entry["damaged"]
        assert "mark-good" in entry["evidence"]["reason"]
    for _ in range(4):
        store.deploy()
    store.finish(store.live(), keep=1)
    assert store.entry(b), "pruned"
    store.call("mark", release=b, mark="good")
    entry = store.entry(b)
    assert entry["state"] == "good" and not entry.get("damaged")
    assert entry["evidence"] is None
    store.switch(b, op="activate")


def test_records_outlive_a_disk_that_is_not_mounted(store):
    a, b = store.deploy(), store.deploy()
    os.rename(store.app, store.app + ".away")
    assert store.call("recover")["view"]["current"] is None
    os.mkdir(store.app, 0o755)
    os.mkdir(store.releases, 0o755)
    store.call("recover")
    os.rmdir(store.releases)
    os.rmdir(store.app)
    os.rename(store.app + ".away", store.app)
    view = store.call("recover")["view"]
    assert (view["current"], view["previous"]) == (b, a)


def test_recovery_removes_what_a_crash_left(store):
    live = store.deploy()
    for name in ("trash-20260101T000000Z-0009", "20260101T000000Z-0008"):
        os.makedirs(f"{store.staging}/{name}/a")
        os.chmod(f"{store.staging}/{name}/a", 0)
        os.chown(f"{store.staging}/{name}/a", UNPACK_UID, UNPACK_UID)
    os.symlink("releases/x", store.app + "/.current.77")
    os.symlink("x", store.app + "/.current")
    os.mkdir(store.releases + "/.staging.new")
    with open(store.state_dir + "/meta/20260101T000000Z-0007", "w",
              encoding="utf-8"):
        pass
    reply = store.call("recover")
    assert store.check_recovered() == live
    assert not os.path.exists(store.state_dir + "/meta/20260101T000000Z-0007")
    assert os.path.islink(store.app + "/.current"), "that one is not ours"
    assert len(reply["recovered"]) == 3, reply["recovered"]
    assert store.call("recover")["recovered"] == []


def test_recovery_removes_trees_of_any_depth(store):
    release = store.prepare()
    here = os.open(f"{store.staging}/{release}", os.O_RDONLY)
    os.mkdir(".deep-0", dir_fd=here)
    for _ in range(700):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    store.call("recover")
    assert os.listdir(store.staging) == []


# --- retention

def test_retention(store):
    releases = [store.deploy() for _ in range(4)]
    store.call("mark", release=releases[0], mark="pinned")
    bad = []
    for _ in range(4):
        bad.append(store.stage())
        store.switch(bad[-1])
        store.switch(releases[3], op="revert")
        store.finish(bad[-1], mark="bad", keep=9)
    kept = [e["id"] for e in store.view()["releases"]]
    assert [r for r in bad if r in kept] == bad[2:], "the newest bad ones are kept"
    reply = store.finish(releases[3], keep=1, in_use=[releases[1]])
    assert reply["pruned"] == [] and reply["warnings"] == []
    reply = store.finish(releases[3], keep=1)
    assert reply["pruned"] == [releases[1]], reply["pruned"]
    left = {e["id"] for e in store.view()["releases"]}
    assert {releases[0], releases[2], releases[3]} <= left, "pinned, previous, current"
    store.check_recovered()


def test_what_an_unconfirmed_release_came_from_is_kept(store):
    store.deploy()
    old = store.deploy()
    middle = store.stage()
    new = store.stage()
    store.call("mark", release=old, mark="bad")
    for _ in range(2):
        store.call("mark", release=store.stage(), mark="bad")
    store.switch(new, confirm_deadline_sec=99)
    assert old not in store.finish(new, keep=1)["pruned"]
    assert store.entry(old) and store.entry(middle)
    store.call("confirm", release=new)
    assert old in store.finish(new, keep=1)["pruned"]


if __name__ == "__main__":
    require_root()
    run_cases(globals(), sys.argv)
