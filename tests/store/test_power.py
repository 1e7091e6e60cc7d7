"""Cuts the power at every point of some deploys, rollbacks and a prune: what
deployd-store had acknowledged by then is there after a reboot, and nothing is broken.

The releases and the state are on two ext4 of one logged device: what one of them makes
durable must not be owed to the other.

usage: test_power.py PROGRAM [--seconds N] [--first]	(--first: one bad state is enough)
"""

import os
import random
import shutil
import subprocess
import sys
import time

import mounts
from powerlog import MARK_BYTES, LoggedDisk, Loop, Marker, crash_states
from storelib import BY, SCALE, Failed, Scratch, Store, require_root

APP_BYTES, STATE_BYTES = 16 << 20, 8 << 20
MARK_AT = APP_BYTES + STATE_BYTES
WORKERS = 2
SUBSETS = 4 * SCALE  # of the writes that were not flushed, at each point


def require_tools():
    for tool in ("qemu-storage-daemon", "mkfs.ext4"):
        if not shutil.which(tool):
            print(f"needs {tool}")
            sys.exit(77)
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.access(device, os.R_OK | os.W_OK):
            print(f"needs {device}")
            sys.exit(77)


def make_base(scratch):
    base = b""
    for name, size in (("app", APP_BYTES), ("state", STATE_BYTES)):
        image = f"{scratch}/{name}.img"
        with open(image, "wb") as f:
            f.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0",
                        "-O", "^resize_inode", image], check=True)
        with open(image, "rb") as f:
            base += f.read()
        os.unlink(image)
    return base + bytes(MARK_BYTES)


class Disk:
    """Both file systems of an image, mounted where the store expects them."""

    def __init__(self, scratch):
        self.app, self.state = scratch + "/root", scratch + "/state"
        for path in (self.app, self.state):
            os.makedirs(path, 0o755, exist_ok=True)

    def mount(self, app_device, state_device):
        mounts.mount(app_device, self.app, "ext4")
        try:
            mounts.mount(state_device, self.state, "ext4")
        except OSError:
            mounts.unmount(self.app)
            raise

    def unmount(self):
        mounts.unmount(self.state)
        mounts.unmount(self.app)


class Workload:
    """What is done to the store, and at each moment what must be there."""

    def __init__(self, store, marker):
        self.store, self.marker = store, marker
        self.facts = {"live": None, "next": None, "kind": None, "sealed": [],
                      "hold": None, "unsure": [], "confirm": None}

    def tell(self, **facts):
        self.facts.update(facts)
        self.marker.mark(self.facts)

    def stage(self, text):
        release = self.store.prepare()
        self.store.unpack(release, {"bin/hello": release * 300, "data": text * 4000,
                                    "lib/a/b": release})
        self.store.seal(release)
        self.tell(sealed=self.facts["sealed"] + [release])
        return release

    def switch(self, release, kind="deploy", **more):
        self.tell(next=release, kind=kind)
        self.store.switch(release, kind, **more)
        self.tell(live=release, confirm=more.get("confirm_deadline_sec"))
        # The intent may be gone from here on: nothing need be pending.
        self.tell(kind=None)
        return release

    def finish(self, release, mark="good", keep=9):
        sealed = self.facts["sealed"]
        if keep < len(sealed):
            self.tell(unsure=sealed[:-keep])
        gone = self.store.finish(release, mark, keep=keep)["pruned"]
        self.tell(next=None, unsure=[],
                  sealed=[r for r in self.facts["sealed"] if r not in gone])

    def run(self):
        self.tell()
        a = self.stage("a")
        self.switch(a)
        self.finish(a)
        self.store.call("hold", reason="power", until_sec=0, by=BY)
        self.tell(hold="power")
        b = self.stage("b")
        self.switch(b, confirm_deadline_sec=99)
        self.finish(b)
        self.switch(a, "rollback")
        self.finish(a)
        c = self.stage("c")
        self.switch(c)
        self.switch(a, "revert")
        self.finish(c, "bad")
        d = self.stage("d")
        self.switch(d)
        self.finish(d, keep=1)


def record(program, scratch):
    """Runs the workload; the base image, the log's entries, the archives."""
    base = make_base(scratch)
    logged = LoggedDisk(scratch, base)
    loops = [Loop(logged.export, 0, APP_BYTES),
             Loop(logged.export, APP_BYTES, STATE_BYTES),
             Loop(logged.export, MARK_AT, MARK_BYTES)]
    disk = Disk(scratch)
    try:
        disk.mount(loops[0].path, loops[1].path)
        # The root of a fresh ext4 is 0755 and root's, as a store wants it.
        store = Store(program, disk.app, disk.state)
        marker = Marker(loops[2].path)
        Workload(store, marker).run()
        marker.close()
        disk.unmount()
    finally:
        for loop in loops:
            loop.close()
        logged.stop()
    return base, logged.entries(), store.archives


def check(store, facts):
    """What is wrong after this power cut; None when nothing is."""
    reply = store.call("recover")
    live = store.check_recovered()
    if live != facts["live"] and live != facts["next"]:
        return f"LOST: acknowledged {facts['live']}, current is {live}"
    if facts["kind"] and live != facts["live"] and live == facts["next"]:
        if not reply["pending"] or reply["pending"]["to"] != live:
            return f"UNTOLD: switched to {live}, pending is {reply['pending']}"
    listed = [entry["id"] for entry in reply["view"]["releases"]]
    for release in facts["sealed"]:
        if release not in listed and release not in facts["unsure"]:
            return f"LOST: {release} was sealed"
    hold = reply["view"]["hold"]
    if facts["hold"] and (not hold or hold["reason"] != facts["hold"]):
        return f"LOST: the hold is {hold}"
    if facts["confirm"] and live == facts["live"] and not facts["next"] and \
            not reply["confirm"]:
        return "LOST: a release waits to be confirmed"
    if reply["view"]["degraded"]:
        return f"BROKEN: {reply['view']['degraded']}"
    return None


class Replay:
    """A worker: mounts crash states one after the other and looks at them."""

    def __init__(self, program, scratch, archives):
        self.disk = Disk(scratch)
        self.images = [scratch + "/crash-app", scratch + "/crash-state"]
        for path, size in zip(self.images, (APP_BYTES, STATE_BYTES)):
            with open(path, "wb") as f:
                f.truncate(size)
        self.loops = [Loop(path) for path in self.images]
        self.store = Store(program, self.disk.app, self.disk.state)
        self.archives = archives

    def look(self, image, facts, deploy):
        parts = (image[:APP_BYTES], image[APP_BYTES:MARK_AT])
        for loop, path, part in zip(self.loops, self.images, parts):
            loop.forget()
            with open(path, "r+b") as f:
                f.write(part)
        try:
            self.disk.mount(*(loop.path for loop in self.loops))
        except OSError as e:
            return f"UNMOUNTABLE: {e}"
        # A deploy here may get the id of one that was recorded.
        self.store.archives = dict(self.archives)
        try:
            wrong = check(self.store, facts)
            if not wrong and deploy:
                self.store.deploy()
                self.store.check()
            return wrong
        except (AssertionError, Failed) as e:
            return f"BROKEN: {e}"
        finally:
            self.disk.unmount()

    def close(self):
        for loop in self.loops:
            loop.close()


def replay(program, recording, number, deadline, seed, first):
    """Looks at every WORKERS-th state, and at fewer when time runs short."""
    base, entries, archives = recording
    chance = random.Random(seed)

    def states():
        return crash_states(base, entries, MARK_AT, random.Random(seed), SUBSETS)

    left = sum(1 for _ in states()) // WORKERS
    bad = taken = 0
    begun = time.monotonic()
    with Scratch() as scratch:
        worker = Replay(program, scratch, archives)
        for i, (name, facts, build) in enumerate(states()):
            if i % WORKERS != number:
                continue
            now = time.monotonic()
            each = (now - begun) / taken if taken > 10 else 0
            chosen = chance.random() * each * left <= deadline - now
            left -= 1
            if not chosen:
                continue
            wrong = worker.look(build(), facts, taken % 20 == 0)
            taken += 1
            if wrong:
                bad += 1
                if bad <= 5:
                    print(f"{name}, seed {seed}: {wrong}", flush=True)
                if first:
                    break
        worker.close()
    print(f"{taken} crash states, {bad} bad", flush=True)
    return 0 if taken and not bad else 1


def main():
    program, args, seconds = sys.argv[1], sys.argv[2:], 60
    if args[:1] == ["--seconds"]:
        seconds, args = int(args[1]), args[2:]
    require_root()
    require_tools()
    seed = int(os.environ.get("DEPLOYD_TEST_SEED") or time.time())
    with Scratch() as scratch:
        recording = record(program, scratch)
    print(f"seed {seed}, {len(recording[1])} writes and flushes", flush=True)
    deadline = time.monotonic() + seconds * SCALE
    workers = []
    for number in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                status = replay(program, recording, number, deadline, seed + number,
                                args == ["--first"])
            finally:
                os._exit(status)
        workers.append(pid)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]
    sys.exit(1 if any(statuses) else 0)


main()
