"""What the kill and fault tests do to a store: scenarios, snapshots, counting."""

import os
import shutil
import subprocess

from storelib import BY, Store


class Scenario:
    """setup() makes the store, step() names the request that is disturbed."""

    def __init__(self, name, setup, step):
        self.name, self.setup, self.step = name, setup, step


def _nothing(_store, _facts):
    pass


def _unpacked(store, facts):
    facts["old"] = store.deploy()
    facts["new"] = store.prepare()
    store.unpack(facts["new"])


def _staged(store, facts):
    _unpacked(store, facts)
    store.seal(facts["new"])


def _switched(store, facts):
    _staged(store, facts)
    store.switch(facts["new"])


def _two(store, facts):
    facts["new"] = store.deploy()
    facts["old"] = store.deploy()
    facts["kind"] = "rollback"


def _sick(store, facts):
    # "old" is what is live now.
    facts["new"] = store.deploy()
    facts["old"] = store.stage()
    store.switch(facts["old"])
    facts["kind"] = "revert"


def _many(store, facts):
    for _ in range(3):
        store.deploy()
    facts["old"] = facts["new"] = store.deploy()


def _crashed(store, facts):
    _staged(store, facts)
    left = store.prepare()
    store.unpack(left)
    store.switch(facts["new"])
    os.symlink("releases/x", store.app + "/.current.1")
    with open(store.state_dir + "/.state.tmp", "w", encoding="utf-8") as f:
        f.write("{")
    with open(f"{store.state_dir}/meta/20260101T000000Z-0099", "w",
              encoding="utf-8") as f:
        f.write("{}")


SCENARIOS = [
    Scenario("first-prepare", _nothing,
             lambda s, f: ("prepare", {"need_bytes": 0, "max_entries": 0})),
    Scenario("prepare", lambda s, f: f.update(old=s.deploy()),
             lambda s, f: ("prepare", {"need_bytes": 0, "max_entries": 0})),
    Scenario("seal", _unpacked, lambda s, f: ("seal", s.seal_fields(f["new"]))),
    Scenario("discard", _unpacked, lambda s, f: ("discard", {"release": f["new"]})),
    Scenario("switch", _staged, lambda s, f: (
        "switch", s.switch_fields(f["new"], confirm_deadline_sec=99))),
    Scenario("finish", _switched, lambda s, f: ("finish", s.finish_fields(f["new"]))),
    Scenario("rollback", _two, lambda s, f: (
        "switch", s.switch_fields(f["new"], "rollback"))),
    Scenario("revert", _sick, lambda s, f: (
        "switch", s.switch_fields(
            f["new"], "revert",
            way_back={"release": f["old"], "live": f["new"], "tried": [],
                      "reason": "it exited", "failure": "ran", "step": 0, "errnum": 0,
                      "stop_failed": False},
            evidence={"reason": "it exited", "unit_result": None,
                      "check_output": None, "journal": []}))),
    Scenario("prune", _many, lambda s, f: (
        "finish", s.finish_fields(f["new"], keep=1))),
    Scenario("hold", _many, lambda s, f: (
        "hold", {"reason": "holiday", "until_sec": 0, "by": BY})),
    Scenario("recover", _crashed, lambda s, f: ("recover", {})),
]


class Lab:
    """One scenario's store with a snapshot to go back to."""

    def __init__(self, program, stopat, scratch, scenario):
        self.stopat, self.scratch, self.scenario = stopat, scratch, scenario
        self.root = scratch + "/root"
        os.mkdir(self.root, 0o755)
        self.store = Store(program, self.root)
        self.facts = {}
        scenario.setup(self.store, self.facts)
        # A hold must outlive everything that is done to the store here.
        self.store.call("hold", reason="kept", until_sec=0, by=BY)
        self.verb, self.fields = scenario.step(self.store, self.facts)
        self.before = self.store.live() if os.path.isdir(self.store.app) else None
        self.save("before")

    def save(self, name):
        shutil.rmtree(f"{self.scratch}/{name}", ignore_errors=True)
        subprocess.run(["cp", "-a", self.root, f"{self.scratch}/{name}"], check=True)

    def restore(self, name="before"):
        shutil.rmtree(self.root)
        subprocess.run(["cp", "-a", f"{self.scratch}/{name}", self.root], check=True)

    def calls(self, mode, verb, fields):
        """The calls that stopat would count."""
        listing = self.scratch + "/list"
        status, _ = self.store.run(verb, prefix=(self.stopat, mode, listing), **fields)
        assert status == 0, f"{verb} under stopat: {status}"
        with open(listing, encoding="utf-8") as f:
            return f.read().splitlines()

    def killed(self, n, verb, fields):
        """Runs the verb and kills it at its n-th change; the reply if there was one."""
        status, result = self.store.run(
            verb, prefix=(self.stopat, "kill", str(n)), **fields)
        assert os.waitstatus_to_exitcode(status) == 137, f"not killed: {status}"
        return result

    def failed(self, n, error, verb, fields):
        return self.store.run(
            verb, prefix=(self.stopat, "fail", str(n), str(error)), **fields)
