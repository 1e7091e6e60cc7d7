"""What deployd-store keeps and puts right: history, recovery, retention.

usage: test_keep.py PROGRAM [CASE...]
"""

import json
import os
import shutil
import sys

from storelib import UNPACK_UID, refused, require_root, rewrite_state, run_cases


def put(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


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


def test_history_of_before(store):
    """Before schema 3 the kind of a job was its operation."""
    store.call("record", history={"id": 1, "kind": "deploy"})
    with open(store.state_dir + "/history", "a", encoding="utf-8") as f:
        f.write('{"id":2,"operation":"rollback","from":null}\n')
    store.call("record", history={"id": 3, "kind": "restart"})
    assert store.call("history", limit=3)["entries"] == [
        {"id": 3, "kind": "restart"}, {"id": 2, "kind": "rollback", "from": None},
        {"id": 1, "kind": "deploy"}]


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


def test_a_job_is_found_by_its_key(store):
    none = store.call("lookup", key="k")
    assert none["keyed"] is None and none["latest"] is None
    for i, key in enumerate(("a", "b", "a", None)):
        store.call("record", history={"id": i, **({"key": key} if key else {})})
    with open(store.state_dir + "/history", "ab") as f:
        f.write(b'{"id": 9, "key": "a", "torn\0')
    found = store.call("lookup", key="a")
    assert found["keyed"]["id"] == 2 and found["latest"]["id"] == 3, found
    found = store.call("lookup", key="c")
    assert found["keyed"] is None and found["latest"]["id"] == 3
    found = store.call("lookup", key=None)
    assert found["keyed"] is None and found["latest"]["id"] == 3


def test_the_key_of_an_interrupted_job(store):
    """Written with the intent, so that what a crash left undone still has it."""
    store.deploy()
    new = store.stage()
    store.switch(new, key="k")
    assert store.call("recover")["pending"]["key"] == "k"
    store.finish(new)
    other = store.stage()
    store.switch(other)
    assert store.call("recover")["pending"]["key"] is None


# --- recovery

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
        store.switch(other, kind="activate")
        store.finish(other)
        assert store.check() == other, f"after {current}"
        with open(path, "w", encoding="utf-8") as f:
            f.write(damage)
        reply = store.call("recover")
        assert any("rebuilt" in text for text in reply["recovered"]), reply
        assert not any("rebuilt" in t for t in store.call("recover")["recovered"])
    os.unlink(path)
    os.symlink("/etc/passwd", path)
    store.switch(new, kind="activate")
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
        assert entry["state"] == "unknown" and entry["seq"] == 2
        assert "seen healthy" in entry["evidence"]["reason"]
        assert entry["files"] == 3 and entry["bytes"] > 0
    for _ in range(4):
        store.deploy()
    store.finish(store.live(), keep=2)
    assert store.entry(b), "pruned"
    store.call("mark", release=b, mark="good")
    entry = store.entry(b)
    assert entry["state"] == "good" and not entry.get("damaged")
    assert entry["evidence"] is None
    store.switch(b, kind="activate")


def test_a_lost_state_is_made_again(store):
    a, b, c = (store.deploy() for _ in range(3))
    damages = {
        "deleted": lambda: shutil.rmtree(store.state_dir),
        "no records": lambda: shutil.rmtree(store.state_dir + "/meta"),
        "files for directories": lambda: (shutil.rmtree(store.state_dir + "/meta"),
                                          put(store.state_dir + "/meta", "x")),
    }
    for name, damage in damages.items():
        damage()
        reply = store.call("recover")
        view = reply["view"]
        assert len([t for t in reply["recovered"] if "was lost" in t]) == 3, name
        assert (view["current"], view["previous"], view["degraded"]) == (c, b, None)
        assert [e["state"] for e in view["releases"]] == ["unknown"] * 3, name
        assert store.entry(a)["deployed_at"][:4] == a[:4] and store.entry(a)["files"] == 3
        assert store.call("recover")["recovered"] == [], name
    for file in ("state", "history", "flag", "lock"):
        if os.path.exists(f"{store.state_dir}/{file}"):
            os.unlink(f"{store.state_dir}/{file}")
        os.mkdir(f"{store.state_dir}/{file}")
    store.call("recover")
    store.call("record", history={"id": 1}, failed="it fails")
    assert store.entry(c)["state"] == "unknown"
    store.call("record", history={"id": 2}, failed=None)
    assert store.entry(c)["state"] == "good", "seen healthy"
    assert store.entry(b)["state"] == "unknown"
    d = store.deploy()
    assert store.view()["previous"] == c, "a good one before unknown ones"
    assert int(d[17:]) == int(c[17:]) + 1, "no number comes twice"
    assert {a, b} <= {e["id"] for e in store.view()["releases"]}, "pruned"
    store.finish(d, keep=1)
    assert store.entry(b) and not store.entry(a), "the newest unknown ones are kept"


def test_only_roots_own_directories_are_taken_for_releases(store):
    store.deploy()
    strange = store.releases + "/20260101T000000Z-0099"
    os.mkdir(strange, 0o755)
    for uid, mode in ((UNPACK_UID, 0o755), (0, 0o777)):
        os.chown(strange, uid, 0)
        os.chmod(strange, mode)
        assert any("no safe directory" in t for t in store.call("recover")["recovered"])
        assert not store.entry(strange[-21:])
    os.rmdir(strange)
    os.symlink("/etc", strange)
    store.call("recover")
    assert not store.entry(strange[-21:])


def test_a_state_of_before_is_read_and_one_of_later_refused(store):
    a = store.deploy()
    rewrite_state(store, lambda state: None)  # as written by the first version
    store.call("recover")
    b = store.deploy()
    path = store.state_dir + "/state"
    with open(path, encoding="utf-8") as f:
        state = json.load(f)
    assert state["schema"] == 3
    state.update(schema=4, crc32="of another kind")
    put(path, json.dumps(state))
    for verb in ("recover", "prepare", "inspect"):
        fields = {"need_bytes": 0, "max_entries": 0} if verb == "prepare" else {}
        refused("bad-config", "newer deployd", store.call, verb, **fields)
    with open(path, encoding="utf-8") as f:
        assert json.load(f) == state, "it was touched"
    os.unlink(path)
    assert store.call("recover")["view"]["previous"] == a
    meta = f"{store.state_dir}/meta/{b}"
    with open(meta, encoding="utf-8") as f:
        put(meta, json.dumps({**json.load(f), "schema": 9}))
    refused("bad-config", "newer deployd", store.call, "recover")


def test_the_words_of_schema_2(store):
    a, b = store.deploy(), store.deploy()
    path = store.state_dir + "/state"

    def old_words(state):
        state["schema"] = 1
        state["sick"] = state.pop("failed")
        if state["intent"]:
            state["intent"]["op"] = state["intent"].pop("kind")

    store.call("record", history={}, failed="it fails")
    rewrite_state(store, old_words, schema=2)
    with open(path, encoding="utf-8") as f:
        before = f.read()
    assert store.view()["failed"] == "it fails"
    with open(path, encoding="utf-8") as f:
        assert f.read() == before, "reading upgrades nothing"
    store.switch(a, kind="rollback")
    with open(path, encoding="utf-8") as f:
        written = json.load(f)
    assert written["schema"] == 3
    assert written["state"]["failed"] == {"release": b, "reason": "it fails"}
    assert not {"sick", "schema"} & set(written["state"])
    rewrite_state(store, old_words, schema=2)
    pending = store.call("recover")["pending"]
    assert (pending["kind"], pending["to"], pending["phase"]) == ("rollback", a, "switched")
    store.finish(a)
    assert store.entry(b)["rolled_back"], "finish knows it from the intent"


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
    assert [e["state"] for e in view["releases"]] == ["good"] * 2, "made again, not kept"


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
        store.switch(releases[3], kind="revert")
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


def test_the_same_archive_again(store):
    """Three runs of a pipeline must not cost the release that a rollback goes to."""
    def deploy(sha256, **meta):
        release = store.stage(sha256=sha256, **meta)
        store.switch(release)
        return release, store.finish(release, keep=2)["pruned"]

    first, _ = deploy("aa" * 32)
    runs = [deploy("bb" * 32) for _ in range(4)]
    assert [pruned for _, pruned in runs] == [[], [], [runs[0][0]], [runs[1][0]]], runs
    assert store.view()["previous"] == first
    kept = [e["id"] for e in store.view()["releases"]]
    assert kept == [runs[3][0], runs[2][0], first], kept
    # Unpacked in another way it is another, and a place to go back to.
    other, pruned = deploy("bb" * 32, layout="strip_components=1")
    assert pruned == [runs[2][0], first] and store.view()["previous"] == runs[3][0]
    assert store.entry(other)["layout"] == "strip_components=1"
    assert store.entry(runs[3][0])["layout"] is None


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
