"""What the tests of deployctl against a scripted server share.

usage: test_client*.py DEPLOYCTL [UNITTEST ARGS...]
"""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from server import Server, TIMEOUT_SEC

DEPLOYCTL = os.path.abspath(sys.argv[1])
ID, OLD = "20261123T101500Z-0002", "20261122T101500Z-0001"
JOB = "00c0ffee00c0ffee"
OUTCOME = {"job": JOB, "app": "hello", "kind": "deploy", "result": "ok", "release": ID,
           "previous": OLD, "restartGapMs": 84, "tookMs": 412,
           "message": "live (restart gap 84 ms)"}
LIVE = f"hello {ID} live (restart gap 84 ms)\n"
STATUS = {"schema": 1, "app": "hello", "unit": "hello.service", "state": "live",
          "reason": None, "release": ID, "previous": OLD, "unitState": "active",
          "unitSubState": "running", "mainPid": 4121,
          "activeSince": "2026-11-23T10:15:01Z", "health": "healthy", "verified": None,
          "restartMethod": "systemctl", "held": False, "job": None,
          "version": "2.0", "revision": "abc123",
          "deployedBy": {"uid": 1001, "user": "deploy"},
          "deployedAt": "2026-11-23T10:15:00Z"}
ENVIRONMENT = {"PATH": os.path.dirname(DEPLOYCTL) + ":" + os.environ["PATH"],
               "TZ": "UTC", "LC_ALL": "C.UTF-8", "TERM": "xterm",
               **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}


def answer(**parameters):
    def handler(server, connection):
        server.receive(connection)
        connection.reply(**parameters)
    return handler


def refuse(name, **parameters):
    def handler(server, connection):
        server.receive(connection)
        connection.error(name, **parameters)
    return handler


def hang_up(server, connection):
    server.receive(connection)


def run_job(server, connection):
    """A whole deploy: progress in every phase, the archive read to its end."""
    server.receive(connection)
    base = {"job": JOB, "app": "hello"}
    connection.progress(**base, phase="preparing", percent=None)
    connection.progress(**base, phase="unpacking", percent=43, bytes=43, totalBytes=100)
    if connection.fds:
        server.archive = connection.archive()
    connection.progress(**base, phase="unpacking", percent=100, bytes=100, totalBytes=100)
    connection.progress(**base, phase="sealing", percent=None)
    connection.reply(outcome=OUTCOME)


def deployctl(server, *arguments, **options):
    """Runs it to its end."""
    options.setdefault("stdin", subprocess.DEVNULL)
    environment = {**ENVIRONMENT, **options.pop("env", {})}
    environment = {k: v for k, v in environment.items() if v is not None}
    path = server.path if isinstance(server, Server) else server
    return subprocess.run([DEPLOYCTL, f"--socket={path}", *arguments], text=True,
                          stdout=options.pop("stdout", subprocess.PIPE),
                          stderr=options.pop("stderr", subprocess.PIPE),
                          timeout=TIMEOUT_SEC, env=environment, check=False, **options)


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        self.file = os.path.join(self.dir, "hello.tar.gz")
        with open(self.file, "wb") as file:
            file.write(b"the archive's bytes")

    def check(self, done, status, out=None, err=None):
        text = f"status {done.returncode}\nstdout: {done.stdout}\nstderr: {done.stderr}"
        self.assertEqual(done.returncode, status, text)
        if out is not None:
            self.assertEqual(done.stdout, out, text)
        if err is not None:
            self.assertIn(err, done.stderr, text)
        return done

    def without_rights(self, path, *arguments):
        """As somebody to whom a mode says something: not root."""
        os.chmod(self.dir, 0o755)
        program = shutil.copy(DEPLOYCTL, self.dir)
        somebody = {"user": 65534, "group": 65534, "extra_groups": []}
        return subprocess.run([program, f"--socket={path}", *arguments], text=True,
                              capture_output=True, timeout=TIMEOUT_SEC, check=False,
                              env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                              **(somebody if os.geteuid() == 0 else {}))


def begin(server, connection, phase="restarting"):
    server.receive(connection)
    connection.progress(job=JOB, app="hello", phase=phase, percent=None)
