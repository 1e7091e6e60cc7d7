#!/usr/bin/env python3
"""deployctl on a terminal, over -H, and with output of its own, against a scripted server.

usage: test_client_output.py DEPLOYCTL [UNITTEST ARGS...]
"""
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import unittest

from client import (DEPLOYCTL, ID, JOB, LIVE, OLD, STATUS, ENVIRONMENT, Case, answer, begin,
                    deployctl, refuse, run_job)
from server import Server, TIMEOUT_SEC


def entry(kind="deploy", result="ok", took=412, gap=84, message=None, job=None):
    return {"time": "2026-11-23T10:15:00Z", "kind": kind, "from": OLD, "to": ID,
            "result": result, "by": {"uid": 1001, "user": "deploy"}, "tookMs": took,
            "restartGapMs": gap, "id": JOB if job is None else f"{job:016x}",
            "message": message}


class Terminal(Case):
    def on_terminal(self, server, *arguments, stream="stderr", size=(24, 80),
                    **environment):
        """What the terminal got, with the other stream beside it."""
        main, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, size)
        text = []

        def read():
            try:
                while data := os.read(main, 65536):
                    text.append(data)
            except OSError:  # EIO: all of it was read
                pass
        reader = threading.Thread(target=read)
        reader.start()
        done = deployctl(server, *arguments, env=environment, **{stream: terminal})
        os.close(terminal)
        reader.join(TIMEOUT_SEC)
        os.close(main)
        return done, b"".join(text).decode()

    def test_bar(self):
        with Server(run_job) as server:
            done, text = self.on_terminal(server, "deploy", "hello", self.file)
        self.assertEqual((done.returncode, done.stdout), (0, LIVE))
        self.assertIn("\r\033[Khello: unpacking  [############", text)
        self.assertIn("43%", text)
        self.assertIn("\033]9;4;1;43\033\\", text)
        self.assertTrue(text.endswith("\r\033[K\033]9;4;0\033\\"), repr(text[-40:]))
        self.assertNotIn("\n", text)

    def test_dumb(self):
        with Server(run_job) as server:
            _, text = self.on_terminal(server, "deploy", "hello", self.file, TERM="dumb")
        self.assertNotIn("\033", text)
        self.assertIn("hello: unpacking", text)

    def test_no_bar_with_json_or_quiet(self):
        for option in ("--json", "--quiet"):
            with Server(run_job) as server:
                _, text = self.on_terminal(server, option, "deploy", "hello", self.file)
            self.assertEqual(text, "")

    def test_bar_is_gone_before_an_error(self):
        def fail(server, connection):
            begin(server, connection)
            connection.error("Failed", message="it failed")
        with Server(fail) as server:
            done, text = self.on_terminal(server, "deploy", "hello", self.file)
        self.assertEqual(done.returncode, 1)
        self.assertIn("\033]9;4;0\033\\deployctl: it failed", text)

    def test_color(self):
        for environment, colored in (({}, True), ({"NO_COLOR": "1"}, False),
                                     ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False),
                                     ({"NO_COLOR": "1", "DEPLOYCTL_COLORS": "1"}, True),
                                     ({"DEPLOYCTL_COLORS": "0"}, False)):
            with Server(answer(status=STATUS)) as server:
                _, text = self.on_terminal(server, "--no-pager", "status", "hello",
                                           stream="stdout", **environment)
            self.assertEqual("\033[1;32mlive\033[0m" in text, colored, environment)
            self.assertIn("live", text)

    def test_pager(self):
        pager = os.path.join(self.dir, "less")
        with open(pager, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\necho "paged $LESS"\nexec cat\n')
        os.chmod(pager, 0o755)
        environment = {"PATH": self.dir + ":" + ENVIRONMENT["PATH"]}

        def history(*arguments, size=(24, 80), **more):
            with Server(answer(entries=[entry(job=i) for i in range(20)])) as server:
                _, text = self.on_terminal(server, *arguments, "history", "hello",
                                           stream="stdout", size=size,
                                           **environment, **more)
            self.assertEqual(text.count("2026-11-23 10:15:00"), 20, text)
            return "paged" in text

        # A title, 20 rows and the prompt's: 22.
        self.assertFalse(history(size=(22, 80)))
        self.assertTrue(history(size=(21, 80)))
        self.assertFalse(history(LINES="22", size=(0, 0)))
        self.assertTrue(history(LINES="21", size=(0, 0)))
        self.assertFalse(history("--no-pager", size=(5, 80)))
        for more in ({"PAGER": "cat"}, {"SYSTEMD_PAGER": ""}, {"TERM": "dumb"},
                     {"TERM": ""}, {"TERM": None}):
            self.assertFalse(history(size=(5, 80), **more), more)
        environment = {"PATH": "/nowhere"}
        self.assertFalse(history(size=(5, 80)), "without any pager")

    def test_pager_gets_options(self):
        pager = os.path.join(self.dir, "less")
        with open(pager, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\necho "paged $LESS"\nexec cat\n')
        os.chmod(pager, 0o755)
        with Server(answer(entries=[entry(job=i) for i in range(30)])) as server:
            _, text = self.on_terminal(server, "history", "hello", stream="stdout",
                                       PATH=self.dir + ":" + ENVIRONMENT["PATH"])
        self.assertIn("paged FRSXMK", text)

    def test_pager_left_early(self):
        pager = os.path.join(self.dir, "less")
        with open(pager, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 0\n")
        os.chmod(pager, 0o755)
        with Server(answer(entries=[entry(job=i) for i in range(400)])) as server:
            done, _ = self.on_terminal(server, "history", "hello", stream="stdout",
                                       PATH=self.dir + ":" + ENVIRONMENT["PATH"])
        self.check(done, 0)
        self.assertEqual(done.stderr, "")

    def test_status_is_cut(self):
        status = {**STATUS, "reason": "the check has failed " * 5, "state": "degraded"}
        for width in (40, 80, 200):
            with Server(answer(status=status)) as server:
                _, text = self.on_terminal(server, "status", "hello", stream="stdout",
                                           size=(40, width), NO_COLOR="1")
            lines = text.replace("\r", "").splitlines()
            self.assertEqual(max(len(line) for line in lines) <= width, True, text)
            state = next(line for line in lines if "State:" in line)
            self.assertEqual(state.endswith("…"), width < 200, state)
        with Server(answer(status=status)) as server:
            done = deployctl(server, "status", "hello")
        self.assertIn("the check has failed " * 5, done.stdout)
        with Server(answer(status=status)) as server:
            _, text = self.on_terminal(server, "status", "hello", stream="stdout",
                                       size=(40, 40), LC_ALL="C", NO_COLOR="1")
        self.assertIn("...\r\n", text)

    def test_history(self):
        rows = [entry(message="a fix"),
                entry(kind="rollback", result="rolled-back", took=173000, gap=None,
                      message="hello.service could not start: it exited with status 1, "
                              "which is more than a line says")]
        with Server(answer(entries=rows)) as server:
            _, text = self.on_terminal(server, "history", "hello", stream="stdout")
        self.assertEqual(text.replace("\r", ""), """\
TIME                 KIND      RELEASE                RESULT       BY
2026-11-23 10:15:00  deploy    20261123T101500Z-0002  ok           deploy
    a fix
2026-11-23 10:15:00  rollback  20261123T101500Z-0002  rolled-back  deploy
    hello.service could not start: it exited with status 1, which is more than a line says
""")
        with Server(answer(entries=rows)) as server:
            done = deployctl(server, "history", "hello")
        first = done.stdout.splitlines()[1].split()
        self.assertEqual(first[6:], ["412", "ms", "84", "ms", OLD, JOB])
        self.assertIn("  2min 53s      -  ", done.stdout)


class Host(Case):
    """-H, with a program in ssh's place that runs the command here."""

    def setUp(self):
        super().setUp()
        self.ssh = os.path.join(self.dir, "ssh")
        with open(self.ssh, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\n[ "$1 $2 $3 $#" = "-xT -- u@web1 4" ] || exit 99\n'
                       'exec sh -c "$4"\n')
        os.chmod(self.ssh, 0o755)

    def there(self, server, *arguments, **options):
        options["env"] = {"DEPLOYCTL_SSH": self.ssh, **options.get("env", {})}
        return deployctl(server, "-H", "u@web1", *arguments, **options)

    def test_deploy(self):
        message = "it's $(touch x) \"q\"\n* \\ ü"
        with Server(run_job) as server:
            done = self.check(self.there(server, "deploy", "hello", self.file, "-m",
                                         message), 0, LIVE, "hello: unpacking")
        self.assertEqual(server.archive, b"the archive's bytes")
        self.assertEqual(server.calls[0]["parameters"]["message"], message)
        self.assertNotIn("{", done.stderr)
        with Server(run_job) as server:
            with open(self.file, "rb") as file:
                done = self.check(self.there(server, "deploy", "hello", "-", "--json",
                                             stdin=file), 0)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1])["release"], ID)

    def test_look_is_the_same(self):
        questions = ((["status", "hello"], {"status": STATUS}), (["list"], {"apps": []}),
                     (["history", "hello"], {"entries": []}),
                     (["can", "stop", "hello"],
                      {"decision": {"allowed": False, "reason": "no rule"}}),
                     (["show", "hello"], {"release": {"id": ID, "state": "good"},
                                          "current": True}))
        for arguments, parameters in questions:
            for option in ("--json=off", "--json"):
                with Server(answer(**parameters)) as server:
                    here = deployctl(server, *arguments, option)
                with Server(answer(**parameters)) as server:
                    there = self.there(server, *arguments, option)
                self.assertEqual((there.returncode, there.stdout),
                                 (here.returncode, here.stdout), arguments)

    def test_failures(self):
        with Server(refuse("Denied", message="eve may not")) as server:
            done = self.check(self.there(server, "status", "hello"), 4, "", "eve may not")
        self.assertEqual(done.stderr.count("eve may not"), 1)
        with Server(refuse("Busy", message="too many")) as server:
            done = self.check(self.there(server, "restart", "hello"), 11, "", "too many")
        self.assertEqual(done.stderr.count("too many"), 1)
        with Server(refuse("Busy", message="too many")) as server:
            done = self.check(self.there(server, "restart", "hello", "--json"), 11)
        self.assertEqual(json.loads(done.stdout)["exit"], 11)

    def test_ssh_fails(self):
        def is_told(script, text):
            with open(self.ssh, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\n" + script)
            for verb in ("list", "restart hello", "logs hello", "can restart hello"):
                self.check(self.there("/nowhere", *verb.split()), 7, "", err=text)
                if verb == "logs hello":
                    continue
                done = self.check(self.there("/nowhere", "--json", *verb.split()), 7)
                result = json.loads(done.stdout)
                self.assertEqual((result["type"], result["result"], result["exit"]),
                                 ("result", "no-daemon", 7))
                self.assertIn(text, result["message"])
                self.assertEqual(done.stderr.count(text), 1)
        is_told("exit 255\n", "cannot reach u@web1 with ssh")
        is_told("exit 127\n", "has no deployctl")
        is_told("exit 126\n", "deployctl did not run on u@web1")
        os.unlink(self.ssh)
        self.check(self.there("/nowhere", "list"), 7, "", "cannot run")

    def test_ssh_breaks(self):
        with open(self.ssh, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\necho '" + json.dumps(
                {"schema": 1, "type": "progress", "job": JOB, "app": "hello",
                 "phase": "restarting"}) + "'\nexit 255\n")
        done = self.check(self.there("/nowhere", "restart", "hello", "--json"), 7, None,
                          "the connection to u@web1 was lost")
        result = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((result["exit"], result["job"]), (7, JOB))
        self.assertIn(f"job {JOB} goes on; `deployctl -H u@web1 attach {JOB}`",
                      result["message"])

    def test_not_json(self):
        with open(self.ssh, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nprintf 'welcome \\033[2J\\n'\n")
        self.check(self.there("/nowhere", "list"), 1, "", "does not answer in JSON")
        done = self.check(self.there("/nowhere", "restart", "hello"), 1, "",
                          "u@web1 says: welcome \\x1b[2J")
        self.assertIn("gave no result", done.stderr)


class Others(Case):
    def test_logs(self):
        def journal(server, connection):
            server.receive(connection)
            connection.send(continues=True, parameters={"lines": ["a line", "", "b\\\t\033c"]})
            connection.send(continues=True, parameters={"lines": ["d"]})
            connection.reply(lines=[])
        with Server(journal) as server:
            self.check(deployctl(server, "logs", "hello", "-n", "5"), 0,
                       "a line\n\nb\\\t\033c\nd\n", "")
        self.assertEqual(server.calls[0], {
            "method": "io.deployd.Logs", "more": True,
            "parameters": {"app": "hello", "follow": False, "lines": 5}})
        with Server(refuse("Denied", message="no")) as server:
            self.check(deployctl(server, "logs", "hello"), 4, "", "deployctl: no")

    def test_logs_end_early(self):
        def journal(server, connection):
            server.receive(connection)
            connection.send(continues=True, parameters={"lines": ["one"]})
        with Server(journal) as server:
            self.check(deployctl(server, "logs", "hello"), 1, "one\n",
                       "before the end of the log")

    def test_logs_follow(self):
        """Each line is there when it comes; ^C ends it without a word."""
        was_read = threading.Semaphore(0)

        def journal(server, connection):
            server.receive(connection)
            for line in ("one", "two"):
                connection.send(continues=True, parameters={"lines": [line]})
                was_read.acquire(timeout=TIMEOUT_SEC)
            self.assertIsNone(connection.receive())
        with Server(journal) as server:
            client = subprocess.Popen(
                [DEPLOYCTL, f"--socket={server.path}", "logs", "-f", "hello"], text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT)
            for line in ("one\n", "two\n"):
                self.assertEqual(client.stdout.readline(), line)
                was_read.release()
            client.send_signal(signal.SIGINT)
            self.assertEqual(client.communicate(timeout=TIMEOUT_SEC), ("", ""))
        self.assertEqual(client.returncode, -signal.SIGINT)

    def test_logs_on_a_terminal(self):
        ours, theirs = pty.openpty()
        with Server(answer(lines=["a\tb\\n \033[2J"])) as server:
            self.check(deployctl(server, "--no-pager", "logs", "hello", stdout=theirs), 0)
        os.close(theirs)
        self.assertEqual(os.read(ours, 100), b"a\tb\\n \\x1b[2J\r\n")
        os.close(ours)

    def test_daemon_status(self):
        sessions = [{"user": "deploy", "uid": 1001, "pid": 12, "state": "connected",
                     "since": "2026-11-23T10:15:00Z"},
                    {"user": "eve", "uid": 1002, "pid": 13, "state": "hung",
                     "since": "2026-11-23T10:15:00Z"},
                    {"user": None, "uid": None, "pid": None, "state": "idle",
                     "since": "2026-11-23T10:15:00Z"}]
        reply = {"pid": 4, "version": "1.2", "sessions": sessions}
        with Server(answer(**reply)) as server:
            done = self.check(deployctl(server, "status", "--daemon"), 0)
        self.assertEqual(server.calls, [{"method": "io.deployd.DaemonStatus"}])
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:2], ["deployd 1.2, PID 4",
                                     "Sessions: 1 connected, 1 idle, 1 hung"])
        self.assertIn("holds up nothing\nelse", done.stdout)
        self.assertRegex(lines[-3], r"^deploy +1001 +12 +connected +2026-11-23 10:15:00 UTC$")
        self.assertRegex(lines[-1], r"^- +- +- +idle +2026")
        with Server(answer(**reply)) as server:
            done = self.check(deployctl(server, "status", "--daemon", "--json"), 0)
        self.assertEqual(json.loads(done.stdout), {"schema": 1, **reply})
        with Server(answer(pid=4, version="1.2", sessions=[])) as server:
            self.check(deployctl(server, "status", "--daemon"), 0,
                       "deployd 1.2, PID 4\nSessions: none\n")
        with Server(refuse("Denied", message="only root")) as server:
            self.check(deployctl(server, "status", "--daemon"), 4, "", "only root")
        for words in (["status"], ["status", "hello", "--daemon"]):
            self.check(deployctl("/nowhere", *words), 2, "", "or deployctl status --daemon")

    def test_stdio_bridge(self):
        def echo(server, connection):
            connection.reply(**server.receive(connection))
            self.assertIsNone(connection.receive())
        with Server(echo) as server:
            done = deployctl(server, "stdio-bridge", stdin=None, input='{"method":"a.B"}\0')
            self.check(done, 0, '{"parameters": {"method": "a.B"}}\0')

    def test_policy_list(self):
        with Server(answer(rules=["a", "b"], stale=True)) as server:
            self.check(deployctl(server, "policy", "list"), 0, "a\nb\n", "errors now")
        with Server(answer(rules=["a", "b"], stale=False)) as server:
            done = self.check(deployctl(server, "policy", "list", "--json"), 0)
        self.assertEqual(json.loads(done.stdout),
                         {"schema": 1, "rules": ["a", "b"], "stale": False})
        self.check(deployctl("/nowhere", "policy", "explain"), 2, "", "check and list")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[2:])
