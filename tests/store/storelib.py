"""Runs the real deployd-store in a scratch tree, as deployd does.

Needs root. The scratch is below /run: every directory above a store must be root's
alone, which /tmp is not. It is a tmpfs in a mount namespace of the test's own: what is
tried here by the thousand need not reach a disk.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
import traceback
import zlib

import mounts
import protocol

UNPACK_UID = 61236  # nobody's
APP_GID = 61237
DEPLOY_UID = 61238
BY = {"uid": DEPLOY_UID, "user": "deploy"}
REPORT_FD = 3
SCALE = int(os.environ.get("DEPLOYD_TEST_SCALE", "1"))


class Failed(Exception):
    """The program said no: result is the word, str() its message."""

    def __init__(self, result, message):
        super().__init__(message)
        self.result = result


def require_root():
    """Skips unless root, and enters a mount namespace of its own."""
    if os.geteuid() != 0:
        print("needs root: deployd-store changes owners")
        sys.exit(77)
    mounts.own_namespace()


def helper_environment(prefix):
    # The leak checker cannot run under ptrace.
    return {"ASAN_OPTIONS": "detect_leaks=0"} if prefix else {}


class Scratch:
    """A directory in memory that is gone afterwards."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="deployd-test-", dir="/run")
        mounts.mount("tmpfs", self.path, "tmpfs", "mode=755")

    def __enter__(self):
        return self.path

    def __exit__(self, *exc):
        try:
            # Together with what a failed test left mounted in it.
            mounts.unmount(self.path, mounts.MNT_DETACH)
            os.rmdir(self.path)
        except OSError as e:
            print(f"left behind: {self.path}: {e}")


class Store:
    def __init__(self, program, root, state_root=None):
        self.program = program
        self.root = root
        self.base = root + "/srv"
        self.app = self.base + "/hello"
        self.releases = self.app + "/releases"
        self.staging = self.releases + "/.staging"
        self.current = self.app + "/current"
        self.state_dir = (state_root or root + "/state") + "/hello"
        self.archives = {}  # release -> what its files must hold
        self.settings = {
            "name": "hello",
            "base_dir": self.base,
            "deploy_dir": self.app,
            "releases_dir": self.releases,
            "current_dir": self.current,
            "flags_dir": self.app + "/flags",
            "scripts_dir": self.app + "/bin",
            "etc_dir": self.app + "/etc",
            "state_dir": self.state_dir,
            "app_gid": APP_GID,
            "deploy_uid": DEPLOY_UID,
            "unpack_uid": UNPACK_UID,
            "flags_mode": 0o755,
            "link_targets": ["/usr"],
        }

    def request(self, verb, fields):
        app = {} if verb == "audit" else {"app": self.settings}
        return json.dumps({"verb": verb, **app, **fields})

    def run(self, verb, prefix=(), stdout=None, text=None, **fields):
        """(exit status as of wait, result object or None)."""
        request = self.request(verb, fields) if text is None else text
        # An unnamed file cannot fill up or block, whatever the program does to it.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as report:
            given.write(request.encode())
            given.seek(0)
            pid = os.fork()
            if pid == 0:
                self._exec(prefix, given.fileno(), stdout, report.fileno())
            _, status = os.waitpid(pid, 0)
            report.seek(0)
            lines = report.read().decode().splitlines()
        results = [json.loads(line) for line in lines]
        return status, results[-1] if results else None

    def _exec(self, prefix, given, stdout, report):
        try:
            null = os.open("/dev/null", os.O_RDWR)
            kept = [os.dup2(fd, 100 + i) for i, fd in
                    enumerate((given, null if stdout is None else stdout, report))]
            for target, fd in zip((0, 1, REPORT_FD), kept):
                os.dup2(fd, target)
            os.closerange(4, 200)
            argv = [*prefix, self.program]
            os.execve(argv[0], argv, helper_environment(prefix))
        finally:
            os._exit(127)

    def call(self, verb, stdout=None, **fields):
        """The reply; Failed when the program says no, AssertionError when it dies."""
        status, result = self.run(verb, stdout=stdout, **fields)
        assert status == 0 and result, f"{verb}: status {status}, result {result}"
        if result["result"] != "ok":
            raise Failed(result["result"], result["message"])
        protocol.check_reply(verb, result)
        return result

    # --- whole steps

    def prepare(self):
        return self.call("prepare", need_bytes=0, max_entries=0)["release"]

    def unpack(self, release, files=None):
        """What deployd-unpack would leave in staging."""
        files = files or {"bin/hello": f"{release}\n" * 40, "lib/a/b": release,
                          "data": release * 100}
        top = f"{self.staging}/{release}"
        for name, text in files.items():
            directory = os.path.dirname(f"{top}/{name}")
            os.makedirs(directory, exist_ok=True)
            with open(f"{top}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(f"{top}/{name}", 0o755 if name.startswith("bin/") else 0o644)
        os.symlink("../data", f"{top}/lib/link") if "lib/a/b" in files else None
        own(top, UNPACK_UID)
        self.archives[release] = files
        return top

    def seal_fields(self, release, **more):
        fields = {"release": release, "max_bytes": 1 << 30, "max_entries": 1000,
                  "max_depth": 32, "require": [],
                  "meta": {"sha256": sha256_of(release), "version": "1", "revision": None,
                           "message": None, "deployed_by": BY}}
        fields.update(more)
        return fields

    def seal(self, release, **more):
        return self.call("seal", **self.seal_fields(release, **more))

    def stage(self, files=None, **meta):
        """meta: in place of what its meta would have otherwise."""
        release = self.prepare()
        self.unpack(release, files)
        fields = self.seal_fields(release)
        fields["meta"].update(meta)
        self.call("seal", **fields)
        return release

    def switch_fields(self, release, kind="deploy", **more):
        return {"to": release, "kind": kind, "job": "j1", "by": BY, **more}

    def switch(self, release, kind="deploy", **more):
        return self.call("switch", **self.switch_fields(release, kind, **more))

    def finish_fields(self, release, mark="good", **more):
        return {"release": release, "mark": mark, "history": {"id": "j1"}, "keep": 5,
                "in_use": [], "clear_intent": True, **more}

    def finish(self, release, mark="good", **more):
        return self.call("finish", **self.finish_fields(release, mark, **more))

    def deploy(self, files=None, **more):
        release = self.stage(files)
        self.switch(release, **more)
        self.finish(release)
        return release

    def view(self):
        return self.call("inspect")["view"]

    def entry(self, release):
        found = [e for e in self.view()["releases"] if e["id"] == release]
        return found[0] if found else None

    # --- facts

    def live(self):
        """The id that current points to, None when there is none."""
        try:
            target = os.readlink(self.current)
        except FileNotFoundError:
            return None
        assert target.startswith("releases/"), target
        return target[len("releases/"):]

    def complete(self, release):
        """What is wrong with the release; None when every file is as it was packed."""
        for name, text in self.archives[release].items():
            try:
                with open(f"{self.releases}/{release}/{name}", encoding="utf-8") as f:
                    if f.read() != text:
                        return f"{release}/{name} differs"
            except OSError as e:
                return f"{release}/{name}: {e}"
        return None

    def check(self):
        """The invariants that hold at every moment, also between a kill and recovery."""
        live = self.live() if os.path.isdir(self.app) else None
        if live is not None:
            wrong = self.complete(live)
            assert not wrong, f"current is not complete: {wrong}"
        if os.path.isdir(self.releases):
            for name in os.listdir(self.releases):
                if not name.startswith("."):
                    wrong = self.complete(name)
                    assert not wrong, f"in releases/: {wrong}"
                    assert os.path.exists(f"{self.state_dir}/meta/{name}"), \
                        f"{name} has no record"
        return live

    def check_live_only(self):
        live = self.live()
        wrong = self.complete(live) if live else None
        assert not wrong, f"current is not complete: {wrong}"
        return live

    def check_recovered(self):
        """What holds after recover, in addition."""
        live = self.check()
        if os.path.isdir(self.staging):
            left = os.listdir(self.staging)
            assert not left, f"left in staging: {left}"
        for directory in (self.app, self.releases, self.state_dir,
                          self.state_dir + "/meta"):
            if os.path.isdir(directory):
                left = [n for n in os.listdir(directory)
                        if n.endswith((".tmp", ".new")) or n.startswith(".current.")]
                assert not left, f"left in {directory}: {left}"
        return live


def sha256_of(release):
    """Of the archive: a release is of an archive of its own, unless a test says else."""
    return hashlib.sha256(release.encode()).hexdigest()


def own(top, uid):
    os.chown(top, uid, 0)
    for directory, subdirs, files in os.walk(top):
        for name in subdirs + files:
            os.chown(f"{directory}/{name}", uid, uid, follow_symlinks=False)


def refused(result, text, function, *args, **kwargs):
    """function must fail like that; its message is returned."""
    try:
        reply = function(*args, **kwargs)
    except Failed as e:
        assert e.result == result, f"{e.result}, not {result}: {e}"
        assert text in str(e), f"{e!s} does not say {text!r}"
        return str(e)
    raise AssertionError(f"not refused with {result}: {reply}")


def rewrite_state(store, change, **more):
    """Changes the state file and its checksum; more: beside these, as schema=2."""
    path = store.state_dir + "/state"
    with open(path, encoding="utf-8") as f:
        state = json.load(f)["state"]
    change(state)
    text = json.dumps(state, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"crc32": f"{zlib.crc32(text.encode()):08x}", "state": state,
                   **more}, f)


def run_cases(module_globals, argv):
    """Calls every test_* function with a fresh store; prints what fails. Exits."""
    program, wanted = argv[1], argv[2:]
    failed = 0
    for name, function in list(module_globals.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        begun = time.monotonic()
        try:
            with Scratch() as scratch:
                function(Store(program, scratch))
            print(f"ok   {name} ({time.monotonic() - begun:.2f} s)")
        except Exception as e:  # pylint: disable=broad-except
            traceback.print_exc()
            print(f"FAIL {name}: {type(e).__name__} {e}")
            failed += 1
    sys.exit(1 if failed else 0)
