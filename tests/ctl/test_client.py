#!/usr/bin/env python3
"""deployctl against a server that says what the test wants.

usage: test_client.py DEPLOYCTL [UNITTEST ARGS...]
"""
import json
import os
import re
import pty
import signal
import subprocess
import sys
import threading
import unittest

from client import (DEPLOYCTL, ID, OLD, JOB, OUTCOME, LIVE, STATUS, ENVIRONMENT, Case,
                    answer, begin, deployctl, hang_up, refuse, run_job)
from server import Server, TIMEOUT_SEC


class Look(Case):
    def test_status_block(self):
        with Server(answer(status=STATUS)) as server:
            done = self.check(deployctl(server, "status", "hello"), 0)
        self.assertEqual(server.calls, [{"method": "io.deployd.Status",
                                         "parameters": {"app": "hello"}}])
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], "● hello - hello.service")
        self.assertRegex(lines[1], r"^ +State: live since 2026-11-23 10:15:00 UTC; ")
        self.assertIn(f"Release: {ID}  version 2.0  (abc123)", lines[2])
        self.assertIn(f"Previous: {OLD}", lines[3])
        self.assertIn("Unit: active (running), main PID 4121 since", lines[4])
        self.assertIn("Deployed: by deploy (uid 1001), 2026-11-23", done.stdout)
        self.assertNotIn("\033", done.stdout)

    def test_status_degraded(self):
        status = {**STATUS, "state": "degraded", "reason": "the unit has failed",
                  "verified": False, "version": None, "revision": None,
                  "job": {"id": JOB, "kind": "deploy", "phase": "unpacking",
                                "percent": 43}}
        with Server(answer(status=status)) as server:
            done = self.check(deployctl(server, "status", "hello"), 0)
        self.assertIn("State: degraded (the unit has failed)", done.stdout)
        self.assertIn("DRIFT", done.stdout)
        self.assertIn(f"      Job: deploy: unpacking 43% (job {JOB})", done.stdout)

    def test_status_json(self):
        with Server(answer(status=STATUS)) as server:
            done = self.check(deployctl(server, "status", "hello", "--json"), 0)
        self.assertEqual(done.stdout.count("\n"), 1)
        status = json.loads(done.stdout)
        self.assertEqual(list(status)[0], "schema")
        self.assertEqual((status["unit_state"], status["main_pid"], status["verified"]),
                         ("active", 4121, None))
        self.assertEqual(status["deployed_by"], {"uid": 1001, "user": "deploy"})
        with Server(answer(status=STATUS)) as server:
            pretty = self.check(deployctl(server, "status", "hello", "--json=pretty"), 0)
        self.assertGreater(pretty.stdout.count("\n"), 20)
        self.assertEqual(json.loads(pretty.stdout), status)

    def test_empty_lists(self):
        for verb, pick in (("list", "apps"), ("releases", "releases"),
                           ("history", "entries"), ("jobs", "jobs")):
            arguments = [verb] + ["hello"] * (verb in ("releases", "history"))
            with Server(answer(**{pick: []})) as server:
                self.check(deployctl(server, *arguments, "--json"), 0, "[]\n", "")
            with Server(answer(**{pick: []})) as server:
                self.check(deployctl(server, *arguments), 0, "", "No")

    def test_tables(self):
        release = {"id": ID, "state": "current", "sha256": "0" * 64, "version": None,
                   "revision": "abc", "message": "long " * 30, "bytes": 28100000,
                   "files": 3, "deployedBy": {"uid": 1, "user": "deploy"},
                   "deployedAt": "2026-11-23T10:15:00Z", "pinned": True}
        with Server(answer(releases=[release])) as server:
            done = self.check(deployctl(server, "releases", "hello",
                                        env={"COLUMNS": "20"}), 0)
        title, row = done.stdout.splitlines()
        self.assertEqual(title.split(), ["RELEASE", "STATE", "VERSION", "REVISION", "BY",
                                         "DEPLOYED", "SIZE", "FILES", "MESSAGE"])
        self.assertEqual(row.split()[:5], [ID, "current,pinned", "-", "abc", "deploy"])
        self.assertIn("28.1 MB", row)
        self.assertIn("long " * 29 + "long", row, "cut although this is no terminal")
        with Server(answer(releases=[release])) as server:
            done = self.check(deployctl(server, "releases", "hello", "--no-legend"), 0)
        self.assertEqual(len(done.stdout.splitlines()), 1)

    def test_history_limit(self):
        with Server(answer(entries=[])) as server:
            self.check(deployctl(server, "history", "hello", "-n", "3"), 0)
        self.assertEqual(server.calls[0]["parameters"], {"app": "hello", "limit": 3})

    def test_show(self):
        release = {"id": ID, "state": "good", "sha256": "0" * 64, "version": "2",
                   "revision": None, "message": "a\033[31mfix", "bytes": 5, "files": 1,
                   "deployedBy": {"uid": 1, "user": "deploy"},
                   "deployedAt": "2026-11-23T10:15:00Z", "pinned": False}
        with Server(answer(release=release, current=False)) as server:
            done = self.check(deployctl(server, "show", f"hello@{ID}"), 0)
        self.assertEqual(server.calls[0]["parameters"], {"app": "hello", "release": ID})
        self.assertIn("Message: a\\x1b[31mfix\n", done.stdout)
        with Server(answer(release=release, current=False)) as server:
            done = self.check(deployctl(server, "show", "hello", "--json"), 0)
        shown = json.loads(done.stdout)
        self.assertEqual((shown["schema"], shown["current"], shown["id"]), (1, False, ID))
        self.assertNotIn("\033", done.stdout)

    def test_meant(self):
        apps = answer(apps=[{"app": "hello"}, {"app": "pulse"}])
        releases = answer(releases=[{"id": ID}, {"id": OLD}])
        no_app = refuse("Denied", message="no app here")
        for name, meant in (("helo", "hello"), ("pulze", "pulse"), ("ehllo", "hello")):
            with Server(no_app, apps) as server:
                done = self.check(deployctl(server, "status", name, "--json"), 4, None,
                                  f"no app here; did you mean '{meant}'?")
            self.assertIn(f"did you mean '{meant}'?", json.loads(done.stdout)["message"])
            with Server(no_app, apps) as server:
                self.check(deployctl(server, "restart", name), 4, "",
                           f"no app here; did you mean '{meant}'?")
        with Server(no_app, apps) as server:
            done = self.check(deployctl(server, "status", "other"), 4, "", "no app here\n")
        # It exists: so this is about a right.
        with Server(no_app, apps) as server:
            done = self.check(deployctl(server, "status", "hello"), 4, "", "no app here\n")
        no_release = refuse("NotFound", message="no release here")
        for arguments in (["show", "hello@" + ID[:-1] + "3"],
                          ["activate", "hello@" + ID[1:]],
                          ["activate", "hello", ID + "2"]):
            with Server(no_release, apps, releases) as server:
                done = self.check(deployctl(server, *arguments), 5, "",
                                  f"no release here; did you mean '{ID}'?")
            self.assertEqual(server.calls[2]["parameters"], {"app": "hello"})
        # Nobody answers the second question: no hint, and no second error.
        with Server(no_release) as server:
            self.check(deployctl(server, "show", "helo"), 5, "", "no release here\n")

    def test_typos(self):
        for arguments, text in ((["deplyo"], "no verb 'deplyo'; did you mean 'deploy'?"),
                                (["help", "stauts"], "did you mean 'status'?"),
                                (["can", "rollbak", "hello"], "did you mean 'rollback'?"),
                                (["frobnicate"], "no verb 'frobnicate'; `deployctl help`"),
                                (["list", "--jsno"], "--jsno; did you mean --json?"),
                                (["list", "--no-pagr=3"], "did you mean --no-pager?"),
                                (["list", "--xyzzy"], "unknown option --xyzzy; see"),
                                (["list", "--no-pager=3"], "--no-pager takes no value;"),
                                (["deploy", "a", "f", "--message"],
                                 "--message requires a value;")):
            self.check(deployctl("/nowhere", *arguments), 2, "", text)

    def test_no_wire_names(self):
        for parameter, name in (("archiveFileDescriptor", "the archive"),
                                ("ifCurrent", "--if-current"), ("untilSec", "--until"),
                                ("confirmSec", "--confirm")):
            with Server(refuse("org.varlink.service.InvalidParameter",
                               parameter=parameter)) as server:
                done = self.check(deployctl(server, "activate", "hello@" + ID), 2, "", name)
            self.assertNotIn(parameter, done.stderr)

    def test_can_every_verb(self):
        listed = deployctl("/nowhere", "--help").stdout.split("\nOptions:")[0]
        verbs = re.findall(r"^  ([a-z-]+) ", listed, re.M)
        self.assertGreaterEqual(len(verbs), 40)
        rights = {"list": "status", "show": "status", "releases": "status",
                  "jobs": "status", "attach": "status", "unhold": "hold",
                  "disable": "enable", "mark-good": "mark", "mark-bad": "mark",
                  "unpin": "pin"}
        everybody = {"can", "help", "completion"}
        root = {"init", "create-users", "create-dirs", "copy-files", "link-scripts",
                "set-perms", "clean-target", "remove-app", "adopt", "generate",
                "stage-files", "extract-release", "hook", "policy", "doctor"}
        for verb in verbs:
            if verb in everybody | root:
                status = 0 if verb in everybody or os.geteuid() == 0 else 4
                self.check(deployctl("/nowhere", "can", verb, "hello"), status)
                done = self.check(deployctl("/nowhere", "can", verb, "hello", "--json",
                                            "--user=nobody"), 0 if verb in everybody else 4)
                self.assertEqual(json.loads(done.stdout)["allowed"], verb in everybody)
                continue
            with Server(answer(decision={"allowed": True, "reason": "r"})) as server:
                self.check(deployctl(server, "can", verb, "hello"), 0, "yes: r\n")
            self.assertEqual(server.calls[0]["parameters"],
                             {"verb": rights.get(verb, verb), "app": "hello"})
        for right in ("exec", "run:migrate", "pin"):
            with Server(answer(decision={"allowed": False, "reason": "r"})) as server:
                self.check(deployctl(server, "can", right, "hello"), 4, "no: r\n")

    def test_can(self):
        for allowed, status, word in ((True, 0, "yes"), (False, 4, "no")):
            decision = {"allowed": allowed, "reason": "rule 'x' (/etc/x.conf:1)"}
            with Server(answer(decision=decision)) as server:
                self.check(deployctl(server, "can", "restart", "hello", "--user", "bob"),
                           status, f"{word}: rule 'x' (/etc/x.conf:1)\n")
            self.assertEqual(server.calls[0]["parameters"],
                             {"verb": "restart", "app": "hello", "user": "bob"})

    def test_refused(self):
        with Server(refuse("Denied", message="eve may not \033[2J")) as server:
            self.check(deployctl(server, "status", "hello"), 4, "",
                       "deployctl: eve may not \\x1b[2J\n")
        with Server(refuse("NotFound", message="there is no app 'hello'")) as server:
            done = self.check(deployctl(server, "status", "hello", "--json"), 5)
        self.assertEqual(json.loads(done.stdout),
                         {"schema": 1, "type": "result", "result": "not-found",
                          "exit": 5, "message": "there is no app 'hello'"})

    def test_every_error_has_its_status(self):
        for name, status in (("Failed", 1), ("InvalidRequest", 2), ("Denied", 4),
                             ("NotFound", 5), ("BadConfiguration", 6), ("Rejected", 10),
                             ("Busy", 11), ("HookFailed", 12), ("RolledBack", 13),
                             ("RollbackFailed", 14), ("Cancelled", 15), ("TimedOut", 16),
                             ("IfCurrentMismatch", 17), ("NoSpace", 18),
                             ("org.varlink.service.PermissionDenied", 4),
                             ("org.varlink.service.InvalidParameter", 2),
                             ("org.varlink.service.MethodNotFound", 1),
                             ("com.example.Odd", 1)):
            with self.subTest(name):
                with Server(refuse(name, message="why", parameter="app")) as server:
                    self.check(deployctl(server, "status", "hello"), status, "",
                               "deployctl: ")
                with Server(refuse(name, message="why", parameter="app")) as server:
                    self.check(deployctl(server, "restart", "hello"), status, "",
                               "deployctl: ")

    def test_reload(self):
        with Server(answer(messages=["/etc/x:1: warning"])) as server:
            self.check(deployctl(server, "reload"), 0, "configuration reloaded\n",
                       "/etc/x:1: warning\n")
        messages = ["/etc/deployd/apps.d/a.conf:5: bad", "/etc/b:1: worse"]
        with Server(refuse("BadConfiguration", message="errors",
                           messages=messages)) as server:
            done = self.check(deployctl(server, "reload"), 6, "", messages[0] + "\n")
        self.assertIn(messages[1] + "\n", done.stderr)

    def test_a_restart_of_deployd_is_waited_for(self):
        with Server(hang_up, hang_up, answer(status=STATUS)) as server:
            self.check(deployctl(server, "status", "hello"), 0)
        with Server(*[hang_up] * 5) as server:
            self.check(deployctl(server, "status", "hello"), 7, "", "without an answer")

    def test_nonsense(self):
        def nonsense(server, connection):
            server.receive(connection)
            connection.sock.sendall(b"[1]\0")
        with Server(nonsense) as server:
            self.check(deployctl(server, "status", "hello"), 1, "", "cannot talk")
        with Server(nonsense, lambda server, connection: None) as server:
            self.check(deployctl(server, "restart", "hello"), 1, "", "deployd ended")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            with Server(answer(status=STATUS)) as server:
                self.check(deployctl(server, "status", "hello", stdout=full), 1,
                           err="cannot write the output")


class Connect(Case):
    def test_nobody_listens(self):
        missing = os.path.join(self.dir, "missing")
        for verb in (["status", "hello"], ["restart", "hello"], ["logs", "hello"]):
            self.check(deployctl(missing, *verb), 7, "", "deployd is not running")
        with Server() as server:
            server.thread.join(TIMEOUT_SEC)
            self.check(deployctl(server, "status", "hello"), 7, "",
                       "deployd is not running")

    def test_may_not_connect(self):
        with Server() as server:
            os.chmod(server.path, 0o060)
            self.check(self.without_rights(server.path, "status", "hello"), 4, "",
                       "members of the group")

    def test_long_path(self):
        self.check(deployctl("/" + "x" * 200, "list"), 2, "", "longer than")


class Deploy(Case):
    def test_deploy(self):
        with Server(run_job) as server:
            done = self.check(deployctl(server, "deploy", "hello", self.file, "-m", "fix",
                                        "--version", "2", "--sha256", "AB" * 32,
                                        "--if-current", "none", "--revision=abc"), 0, LIVE)
        self.assertEqual(server.archive, b"the archive's bytes")
        self.assertEqual(server.calls[0], {
            "method": "io.deployd.Deploy", "more": True,
            "parameters": {"app": "hello", "archiveFileDescriptor": 0, "version": "2",
                           "sha256": "ab" * 32, "message": "fix", "ifCurrent": "",
                           "revision": "abc"}})
        self.assertEqual([line.split()[:2] for line in done.stderr.splitlines()],
                         [["hello:", "preparing"], ["hello:", "unpacking"],
                          ["hello:", "sealing"]])
        self.assertNotIn("\r", done.stderr)
        self.assertNotIn("\033", done.stderr)

    def test_stdin_from_where_it_is(self):
        with open(self.file, "rb", buffering=0) as file:
            file.read(4)
            with Server(run_job) as server:
                self.check(deployctl(server, "stage", "hello", "-", stdin=file), 0)
        self.assertEqual(server.archive, b"archive's bytes")
        self.assertEqual(server.calls[0]["method"], "io.deployd.Stage")

    def test_quiet(self):
        with Server(run_job) as server:
            done = self.check(deployctl(server, "-q", "deploy", "hello", self.file), 0, "")
        self.assertEqual(done.stderr, "")

    def test_json_stream(self):
        with Server(run_job) as server:
            done = self.check(deployctl(server, "deploy", "hello", self.file, "--json"), 0)
        self.assertEqual(done.stderr, "")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["type"] for line in lines], ["progress"] * 4 + ["result"])
        self.assertTrue(all(line["schema"] == 1 for line in lines))
        self.assertEqual(lines[1]["total_bytes"], 100)
        result = lines[-1]
        self.assertEqual({key: result[key] for key in (
            "result", "release", "exit", "previous", "restart_gap_ms", "job", "app")},
            {"result": "ok", "release": ID, "exit": 0, "previous": OLD,
             "restart_gap_ms": 84, "job": JOB, "app": "hello"})

    def test_failure_with_the_last_words(self):
        def fail(server, connection):
            server.receive(connection)
            connection.error("Failed", message="hello.service failed",
                             outcome={**OUTCOME, "result": "failed"},
                             unitLog=["told to crash\033[1m", "bye"])
        with Server(fail) as server:
            done = self.check(deployctl(server, "deploy", "hello", self.file), 1, "",
                              "deployctl: hello.service failed\n")
        self.assertIn("  told to crash\\x1b[1m\n  bye\n", done.stderr)
        with Server(fail) as server:
            done = self.check(deployctl(server, "deploy", "hello", self.file, "--json"), 1)
        result = json.loads(done.stdout)
        self.assertEqual((result["type"], result["result"], result["exit"],
                          result["message"], result["release"], result["unit_log"][1]),
                         ("result", "failed", 1, "hello.service failed", ID, "bye"))

    def test_archives_that_cannot_be_opened(self):
        missing = os.path.join(self.dir, "missing.tar")
        self.check(deployctl("/nowhere", "deploy", "hello", missing), 1, "",
                   f"cannot open {missing}: No such file or directory")
        self.check(deployctl("/nowhere", "deploy", "hello", self.dir), 1, "",
                   "is a directory")

    def test_unreadable(self):
        os.chmod(self.file, 0)
        self.check(self.without_rights("/nowhere", "deploy", "hello", self.file), 1, "",
                   f"cannot open {self.file}: Permission denied")

    def test_stdin_is_a_terminal(self):
        main, terminal = pty.openpty()
        self.check(deployctl("/nowhere", "deploy", "hello", "-", stdin=terminal), 2, "",
                   "stdin is a terminal")
        os.close(main)
        os.close(terminal)

    def test_other_verbs(self):
        for arguments, method, more in (
                (["rollback", "hello"], "Rollback", {}),
                (["rollback", f"hello@{OLD}"], "Rollback", {"release": OLD}),
                (["activate", "hello", OLD], "Activate", {"release": OLD}),
                (["activate", f"hello@{OLD}", f"--if-current={ID}"], "Activate",
                 {"release": OLD, "ifCurrent": ID}),
                (["restart", "hello"], "Restart", {}), (["start", "hello"], "Start", {}),
                (["stop", "hello"], "Stop", {}), (["enable", "hello"], "Enable", {}),
                (["disable", "hello"], "Disable", {}),
                (["reload", "hello"], "Reload", {})):
            with self.subTest(arguments):
                with Server(run_job) as server:
                    self.check(deployctl(server, *arguments), 0, LIVE)
                self.assertEqual(server.calls, [{
                    "method": "io.deployd." + method, "more": True,
                    "parameters": {"app": "hello", **more}}])
        self.check(deployctl("/nowhere", "activate", "hello"), 2, "", "which release")
        self.check(deployctl("/nowhere", "activate", "hello@a", "b"), 2, "", "two releases")

    def test_no_release(self):
        outcome = {**OUTCOME, "release": None, "message": "restart done"}
        with Server(answer(outcome=outcome)) as server:
            self.check(deployctl(server, "restart", "hello"), 0, "hello: restart done\n")

    def test_no_block(self):
        handler = answer(progress={"job": JOB, "app": "hello", "phase": "queued"})
        with Server(handler) as server:
            self.check(deployctl(server, "restart", "--no-block", "hello"), 0,
                       f"hello: queued as job {JOB}; `deployctl attach {JOB}` follows it\n")
        self.assertEqual(server.calls, [{"method": "io.deployd.Restart",
                                         "parameters": {"app": "hello", "wait": False}}])

    def test_attach(self):
        with Server(run_job) as server:
            self.check(deployctl(server, "attach", JOB), 0, LIVE)
        self.assertEqual(server.calls, [{"method": "io.deployd.Attach", "more": True,
                                         "parameters": {"job": JOB}}])


def begin_and_die(server, connection):
    begin(server, connection)


class Leave(Case):
    def test_timeout(self):
        def linger(server, connection):
            begin(server, connection)
            server.receive(connection)
        with Server(linger) as server:
            self.check(deployctl(server, "restart", "hello", "--timeout=1"), 16, "",
                       f"job {JOB} goes on; `deployctl attach {JOB}` follows it")
        self.assertEqual(server.calls[1], None)

    def interrupted(self, signal_number, ignored, phase, *arguments):
        ready = threading.Event()

        def linger(server, connection):
            begin(server, connection, phase)
            ready.set()
            server.receive(connection)

        def before():
            if ignored:
                signal.signal(signal_number, signal.SIG_IGN)

        with Server(linger) as server:
            with subprocess.Popen([DEPLOYCTL, f"--socket={server.path}", *arguments],
                                  env=ENVIRONMENT, text=True, preexec_fn=before,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE) as client:
                line = client.stderr.readline() # the phase: it waits
                self.assertIn(phase, line)
                client.send_signal(signal_number)
                out, err = client.communicate(timeout=TIMEOUT_SEC)
        self.assertEqual(client.returncode, -signal_number, err)
        self.assertEqual(out, "")
        self.assertEqual(server.calls[1], None, "the client asks for nothing more")
        return err

    def test_interrupt(self):
        for ignored in (False, True):
            err = self.interrupted(signal.SIGINT, ignored, "restarting", "restart", "hello")
            self.assertIn(f"job {JOB} goes on; `deployctl attach {JOB}` follows it", err)
        self.interrupted(signal.SIGTERM, False, "restarting", "restart", "hello")

    def test_interrupted_upload(self):
        err = self.interrupted(signal.SIGINT, False, "unpacking", "deploy", "hello", "-")
        self.assertIn(f"job {JOB} goes on if its archive is complete", err)
        err = self.interrupted(signal.SIGINT, False, "restarting", "deploy", "hello", "-")
        self.assertIn(f"job {JOB} goes on;", err)
        err = self.interrupted(signal.SIGINT, False, "unpacking", "deploy", "hello",
                               self.file)
        self.assertIn(f"job {JOB} goes on;", err)

    def test_deployd_ends(self):
        def vanish(server, connection):
            begin(server, connection)
            server.listener.close()
        with Server(vanish) as server:
            done = self.check(deployctl(server, "deploy", "hello", self.file), 7, "",
                              f"deployd ended before it was done (job {JOB})")
        self.assertIn("deployd does not run now", done.stderr)
        self.assertIn("`deployctl status hello`", done.stderr)
        with Server(begin_and_die, refuse("NotFound", message="no such job")) as server:
            self.check(deployctl(server, "deploy", "hello", self.file), 1, "",
                       "deployd ended before it was done")
        self.assertEqual(server.calls[1]["method"], "io.deployd.Attach")
        with Server(begin_and_die, hang_up) as server:
            self.check(deployctl(server, "deploy", "hello", self.file), 1, "",
                       "deployd ended before it was done")
        # Before anything was heard it cannot be known whether the request was.
        with Server(hang_up, lambda server, connection: None) as server:
            done = self.check(deployctl(server, "deploy", "hello", self.file, "--json"), 1)
        self.assertEqual(json.loads(done.stdout)["result"], "failed")

    def test_reattach(self):
        with Server(begin_and_die, run_job) as server:
            self.check(deployctl(server, "deploy", "hello", self.file), 0, LIVE)
        self.assertEqual(server.calls[1], {"method": "io.deployd.Attach", "more": True,
                                           "parameters": {"job": JOB}})
        with Server(begin_and_die, refuse("Failed", message="it failed",
                                          outcome=OUTCOME)) as server:
            self.check(deployctl(server, "deploy", "hello", self.file), 1, "", "it failed")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[2:])
