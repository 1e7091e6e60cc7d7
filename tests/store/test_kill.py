"""Kills deployd-store at every call that changes something, then kills the recovery at
every such call, too: what security wants of it must hold each time.

usage: test_kill.py PROGRAM STOPAT [--stride N] [SCENARIO...]
"""

import os
import sys
import time

from crash import SCENARIOS, Lab
from storelib import APP_GID, SCALE, Scratch, require_root


def check_link(lab, live, done):
    new = lab.facts.get("new")
    if lab.verb != "switch":
        assert live == lab.before, f"current went from {lab.before} to {live}"
        return
    assert live in (lab.before, new), f"current is {live}"
    if done:
        assert live == new, f"an acknowledged switch was lost: current is {live}"


def check_pending(lab, live, reply):
    """The intent tells deployd what is left to do."""
    if lab.verb != "switch":
        return
    pending = reply["pending"]
    new, kind = lab.facts["new"], lab.facts.get("kind", "deploy")
    confirm = lab.fields.get("confirm_deadline_sec")
    if live == new:
        assert pending, "the switch was made and nobody was told"
        assert (pending["kind"], pending["from"], pending["to"], pending["phase"]) == \
            (kind, lab.before, new, "switched"), pending
        assert pending["job"] == "j1" and pending["by"], pending
        assert pending["same_boot"] is True, pending
        if confirm:
            assert pending["confirm"]["deadline_sec"] == confirm, pending
            assert reply["confirm"]["release"] == new, reply["confirm"]
    elif kind == "revert" and pending and pending["kind"] == "revert":
        assert pending["phase"] == "intended", pending
    elif kind == "revert":
        # Killed before the intent: the deploy that is to be reverted is still told.
        assert pending["kind"] == "deploy" and pending["to"] == lab.before, pending
    else:
        assert pending is None, f"nothing was switched, yet pending is {pending}"
        assert reply["confirm"] is None, reply["confirm"]


def check_after_recovery(lab, done):
    reply = lab.store.call("recover")
    live = lab.store.check_recovered()
    check_link(lab, live, done)
    check_pending(lab, live, reply)
    view = reply["view"]
    assert view["degraded"] is None, view["degraded"]
    assert view["current"] == live
    assert view["hold"] and view["hold"]["reason"] in ("kept", "holiday"), view["hold"]
    return view


def check_still_works(lab):
    """The next deploy is an ordinary one, and its number was never used."""
    used = {n for d in (lab.store.releases, lab.store.state_dir + "/meta")
            if os.path.isdir(d) for n in os.listdir(d)}
    release = lab.store.deploy()
    for path, mode in ((lab.store.app, 0o750), (lab.store.releases, 0o750),
                       (lab.store.app + "/flags", 0o755)):
        st = os.stat(path)
        assert (st.st_mode & 0o7777, st.st_gid) == (mode, APP_GID), \
            f"{path} was left half-made: {st.st_mode:o}, group {st.st_gid}"
    assert release not in used, f"{release} was used before"
    assert all(int(release[17:]) > int(n[17:]) for n in used if n[0] == "2"), used
    assert lab.store.check_recovered() == release


def run_scenario(lab, stride):
    changes = lab.calls("list", lab.verb, lab.fields)
    kills = 0
    for n in range(1, len(changes) + 1):
        where = f"{lab.scenario.name}: killed at {n}, {changes[n - 1]}"
        try:
            lab.restore()
            reply = lab.killed(n, lab.verb, lab.fields)
            kills += 1
            lab.store.check()
            lab.save("killed")
            check_after_recovery(lab, reply is not None)
            check_still_works(lab)
            if n % stride:
                continue
            lab.restore("killed")
            again = lab.calls("list", "recover", {})
            for m in range(1, len(again) + 1):
                where = (f"{lab.scenario.name}: killed at {n}, {changes[n - 1]}; "
                         f"recovery killed at {m}, {again[m - 1]}")
                lab.restore("killed")
                lab.killed(m, "recover", {})
                kills += 1
                lab.store.check()
                check_after_recovery(lab, reply is not None)
        except Exception as e:
            raise AssertionError(f"{where}: {type(e).__name__}: {e}") from e
    return kills, len(changes)


def main():
    require_root()
    args = sys.argv[3:]
    stride = 1
    if args[:1] == ["--stride"]:
        stride, args = int(args[1]), args[2:]
    failed = total = 0
    begun = time.monotonic()
    for scenario in SCENARIOS:
        if args and scenario.name not in args:
            continue
        with Scratch() as scratch:
            try:
                lab = Lab(sys.argv[1], sys.argv[2], scratch, scenario)
                kills, changes = run_scenario(lab, max(1, stride // SCALE))
                total += kills
                print(f"ok   {scenario.name}: {changes} changes, {kills} kills")
                assert changes > 1, "stopat sees no changes"
            except AssertionError as e:
                print(f"FAIL {e}")
                failed += 1
    print(f"{total} kills in {time.monotonic() - begun:.0f} s, {failed} scenarios failed")
    sys.exit(1 if failed or not total else 0)


main()
