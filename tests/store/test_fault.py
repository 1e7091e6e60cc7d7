"""Makes each system call of deployd-store fail in turn: no space, a broken disk, a
read-only one, no more files. Whatever it was, the old release is live or the switch is
complete, the message says what went wrong, and the next deploy works.

usage: test_fault.py PROGRAM STOPAT [--sanitized] [--stride N] [--call NAME] [SCENARIO...]
"""

import errno
import os
import sys
import time

from crash import SCENARIOS, Lab
from storelib import SCALE, Failed, Scratch, require_root

WRITE_ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE)
NOT_FAILED = set()
# Verbs all of whose effects are durable once they say ok.
DURABLE = ("prepare", "seal", "switch", "hold", "recover")
# The first fsyncs of a way back keep the evidence against the release that is left: a disk
# that cannot is no reason to stay with that release.
BEST_EFFORT = {"revert": 2}
# What such a call can fail with; a write error of these would be none.
READ_ERRORS = {
    "openat": (errno.EMFILE, errno.EIO, errno.ENOMEM),
    "open": (errno.EMFILE, errno.EIO),
    "read": (errno.EIO,),
    "pread64": (errno.EIO,),
    "mmap": (errno.ENOMEM,),
}

def errors_for(call):
    if call in READ_ERRORS:
        return READ_ERRORS[call]
    if call in ("getdents64", "newfstatat", "fstat", "statx", "fstatfs", "readlink",
                "readlinkat", "listxattr", "flock"):
        return (errno.EIO,)
    return WRITE_ERRORS


def check_message(result, error):
    message = result["message"]
    known = (os.strerror(error), "ReadWritePaths=", "changed hands", "bad request",
             "extended attributes", "not there", "is a link with an unusable target",
             "may be replaced", "Not enough space", "Cannot allocate memory")
    assert message and "(null)" not in message, f"message: {message!r}"
    assert any(text in message for text in known), \
        f"{os.strerror(error)} is told as {message!r}"
    if error == errno.ENOSPC and os.strerror(error) in message:
        assert result["result"] == "no-space", result["result"]


def run_one(lab, n, call, error, may_be_lost):
    """True when the program said no."""
    lab.restore()
    status, result = lab.failed(n, error, lab.verb, lab.fields)
    code = os.waitstatus_to_exitcode(status)
    if call == "write 3":
        assert code == 1 and result is None, f"exit status {code}, result {result}"
        result = {"result": "unknown"}
    assert code == 0 or call == "write 3", f"exit status {code}"
    assert result, "no result"
    live = lab.store.check()
    said_no = result["result"] != "ok"
    # A full disk is another matter: the file is written again, where there is room.
    if call in ("fsync", "syncfs") and lab.verb in DURABLE and not may_be_lost \
            and error != errno.ENOSPC:
        assert said_no, "what did not reach the disk was acknowledged"
    new = lab.facts.get("new")
    if said_no and call != "write 3":
        check_message(result, error)
    if lab.verb != "switch":
        assert live == lab.before, f"current went from {lab.before} to {live}"
    elif call != "write 3":
        # Not in between: what is said is what is.
        expected = lab.before if said_no else new
        assert live == expected, f"{result['result']}, but current is {live}"
    if said_no and lab.verb == "seal":
        lab.store.call("discard", release=new)
        assert not os.path.exists(f"{lab.store.releases}/{new}")
        assert not os.path.exists(f"{lab.store.state_dir}/meta/{new}")
    release = lab.store.deploy()
    assert lab.store.check() == release
    lab.store.call("recover")
    assert lab.store.check_recovered() == release
    return said_no


def run_scenario(lab, stride, only):
    calls = lab.calls("list-all", lab.verb, lab.fields)
    faults = refused = turn = bad = fsyncs = 0
    for n, line in enumerate(calls, 1):
        call, fd = line.split()
        fsyncs += call == "fsync"
        may_be_lost = call == "fsync" and fsyncs <= BEST_EFFORT.get(lab.scenario.name, 0)
        if call in NOT_FAILED or (only and call != only):
            continue
        for error in errors_for(call):
            turn += 1
            if turn % stride:
                continue
            name = f"write {fd}" if call == "write" else call
            where = f"{lab.scenario.name}: {name}, call {n}: {os.strerror(error)}"
            try:
                refused += run_one(lab, n, name, error, may_be_lost)
                faults += 1
            except (AssertionError, Failed) as e:
                print(f"FAIL {where}: {e}")
                bad += 1
    return faults, refused, len(calls), bad


def main():
    require_root()
    args = sys.argv[3:]
    # A sanitizer gives up without memory; the program itself does not.
    if args[:1] == ["--sanitized"]:
        del READ_ERRORS["mmap"], args[0]
        NOT_FAILED.add("mmap")
    stride = 1
    if args[:1] == ["--stride"]:
        stride, args = int(args[1]), args[2:]
    only = None
    if args[:1] == ["--call"]:
        only, args = args[1], args[2:]
    failed = total = 0
    begun = time.monotonic()
    for scenario in SCENARIOS:
        if args and scenario.name not in args:
            continue
        with Scratch() as scratch:
            try:
                lab = Lab(sys.argv[1], sys.argv[2], scratch, scenario)
                faults, refused, calls, bad = run_scenario(
                    lab, max(1, stride // SCALE), only)
                print(f"{'FAIL' if bad else 'ok  '} {scenario.name}: {calls} calls, {faults} faults, "
                      f"{refused} told")
                assert refused > 0, "no fault was ever told: stopat injects nothing"
                total += faults
                failed += bad > 0
            except AssertionError as e:
                print(f"FAIL {e}")
                failed += 1
    print(f"{total} faults in {time.monotonic() - begun:.0f} s, "
          f"{failed} scenarios failed")
    sys.exit(1 if failed or not total else 0)


main()
