"""The verbs of deployd-store and what they reply.

usage: test_verbs.py PROGRAM [CASE...]
"""

import fcntl
import json
import os
import stat
import sys

from storelib import (APP_GID, BY, DEPLOY_UID, Store, refused, require_root,
                      rewrite_state, run_cases, sha256_of)


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
    assert entry["sha256"] == sha256_of(release) and entry["deployed_by"] == BY
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
        message = refused("not-found", "no release", store.switch, target)
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
            store.switch(wanted, kind="rollback")
            store.finish(wanted)
    # What was gone back from is no place to go back to, unless activated again.
    d = store.deploy()
    assert store.view()["previous"] == a
    store.switch(c, kind="activate")
    store.finish(c)
    assert store.view()["previous"] == a
    store.switch(d, kind="activate")
    store.finish(d)
    assert store.view()["previous"] == c


def test_previous_is_never_bad(store):
    a, b = store.deploy(), store.deploy()
    sick = store.stage()
    store.switch(sick)
    store.switch(b, kind="revert")
    view = store.finish(sick, mark="bad")["view"]
    assert (view["current"], view["previous"]) == (b, a)
    assert store.entry(sick)["state"] == "bad"
    store.call("mark", release=a, mark="bad")
    assert store.view()["previous"] is None
    store.call("mark", release=a, mark="good")
    assert store.view()["previous"] == a
    healthy = store.deploy()
    assert store.view()["previous"] == b
    store.switch(b, kind="rollback")
    store.finish(b)
    assert store.view()["previous"] == a, f"not {sick} and not {healthy}"


def test_a_way_back_leaves_its_reason(store):
    old, new = store.deploy(), store.stage()
    evidence = {"reason": "it exited", "unit_result": None, "check_output": None,
                "journal": ["a line"]}
    way_back = {"release": new, "live": old, "tried": [], "reason": "it exited",
                "failure": "ran", "step": 0, "errnum": 0, "stop_failed": False}
    store.switch(new)
    assert store.call("recover")["pending"]["way_back"] is None
    store.switch(old, kind="revert", way_back=way_back, evidence=evidence)
    recovered = store.call("recover")
    assert recovered["pending"]["way_back"] == way_back
    assert store.entry(new)["evidence"] == evidence
    # That of a release that is gone is no reason to stay with it.
    gone = {**way_back, "release": "20260101T000000Z-0099"}
    store.switch(old, kind="revert", way_back=gone, evidence=evidence)
    # What the disk has is more than the one that goes on knows.
    store.finish(new, mark="bad")
    assert store.entry(new)["evidence"] == evidence


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
    assert store.entry(release)["state"] == "unknown" and not store.view()["degraded"]


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
    assert store.switch(old, kind="revert")["view"]["confirm"] is None
    # As after a power cut that came before the link reached the disk.
    os.unlink(store.current)
    os.symlink(f"releases/{new}", store.current)
    recovered = store.call("recover")
    assert recovered["confirm"]["release"] == new
    assert recovered["pending"]["phase"] == "intended"
    store.switch(old, kind="revert")
    store.finish(new, mark="bad")
    assert store.view()["confirm"] is None
    store.deploy()
    assert store.view()["confirm"] is None


def test_a_rollback_that_was_not_made_leaves_the_wait(store):
    old = store.deploy()
    new = store.stage()
    store.switch(new, confirm_deadline_sec=99)
    store.finish(new)
    store.switch(old, kind="rollback")
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


# --- audit

def audit(store, *lines, **more):
    directory = os.path.dirname(store.state_dir)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    store.call("audit", **{"directory": directory, "lines": lines, **more})
    return directory + "/audit.log"


def lines_of(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def test_audit_appends(store):
    path = audit(store, {"n": 1}, {"n": 2, "text": "a\nb"})
    audit(store, {"n": 3})
    assert lines_of(path) == [{"n": 1}, {"n": 2, "text": "a\nb"}, {"n": 3}]
    assert facts_of(path) == ("0o600", 0, 0)


def test_a_torn_line_of_the_audit_joins_no_other(store):
    path = audit(store, {"n": 1})
    with open(path, "a", encoding="utf-8") as f:
        f.write('{"n": ')
    audit(store, {"n": 2})
    with open(path, encoding="utf-8") as f:
        assert f.read().splitlines() == ['{"n":1}', '{"n": ', '{"n":2}']


def test_the_audit_is_bounded(store):
    path = audit(store, {"n": 0})
    with open(path, "a", encoding="utf-8") as f:
        f.write(" " * (4 << 20) + "\n")
    audit(store, {"n": 1})
    assert lines_of(path) == [{"n": 1}]
    assert os.path.getsize(path + ".1") > 4 << 20
    with open(path, "a", encoding="utf-8") as f:
        f.write(" " * (4 << 20) + "\n")
    audit(store, {"n": 2})
    assert lines_of(path) == [{"n": 2}]
    with open(path + ".1", encoding="utf-8") as f:
        assert f.readline() == '{"n":1}\n'
    assert sorted(os.listdir(os.path.dirname(path))) == ["audit.log", "audit.log.1"]


def test_audits_that_are_none(store):
    refused("failed", "bad request", audit, store, {"text": "x" * 5000})
    refused("failed", "bad request", audit, store, "text")
    refused("failed", "bad request", audit, store, *[{}] * 1001)
    refused("failed", "bad request", audit, store, {}, extra=1)
    refused("failed", "cannot open", audit, store, {}, directory=store.root + "/none")
    path = audit(store, {"n": 1})
    os.chmod(os.path.dirname(path), 0o770)
    refused("bad-config", "chmod go-w", audit, store, {"n": 2})
    os.chmod(os.path.dirname(path), 0o700)
    os.rename(path, path + ".away")
    os.symlink(path + ".away", path)
    refused("failed", "cannot open", audit, store, {"n": 2})
    os.unlink(path)
    os.mkfifo(path)
    refused("failed", "cannot open", audit, store, {"n": 2})
    assert lines_of(path + ".away") == [{"n": 1}]


def test_two_audits_at_once(store):
    path = audit(store, {"n": 1})
    fd = os.open(os.path.dirname(path), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    refused("failed", "cannot lock", audit, store, {"n": 2})
    os.close(fd)
    audit(store, {"n": 3})
    assert lines_of(path) == [{"n": 1}, {"n": 3}]


if __name__ == "__main__":
    require_root()
    run_cases(globals(), sys.argv)
