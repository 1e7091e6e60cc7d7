#!/usr/bin/env python3
"""The completions at work: real shells on a terminal, and the Tab key.

usage: test_tab_key.py DEPLOYCTL [UNITTEST ARGS...]
"""
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

DEPLOYCTL = os.path.abspath(sys.argv[1])
TIMEOUT_SEC = 60
ID, OLD = "20261123T101500Z-0002", "20261122T101500Z-0001"
PROMPT = "ready> "
FAKE = f"""#!/bin/sh
case "$1 $2" in
"list --no-legend") printf '%s\\n' 'hello  live' 'hello_ex  live' 'other  none' ;;
"releases hello") printf '%s\\n' '{ID}  current' '{OLD}  good' ;;
"jobs --no-legend") echo 'c0ffee  hello' ;;
*) echo "ran:$*:" ;;
esac
"""


class Shell:
    """A shell at its prompt, with an empty home."""

    def __init__(self, *command, setup):
        self.main, terminal = pty.openpty()
        self.directory = tempfile.TemporaryDirectory()
        home = self.directory.name
        with open(os.path.join(home, "deployctl"), "w", encoding="ascii") as file:
            file.write(FAKE)
        os.chmod(os.path.join(home, "deployctl"), 0o755)
        shell = os.path.basename(command[0])
        with open(os.path.join(home, "_deployctl"), "wb") as file:
            subprocess.run([DEPLOYCTL, "completion", shell], stdout=file, check=True)
        environment = {"PATH": home + ":" + os.environ["PATH"], "HOME": home,
                       "ZDOTDIR": home, "TERM": "dumb", "LC_ALL": "C.UTF-8", "PS1": PROMPT,
                       "INPUTRC": "/dev/null", "HISTFILE": ""}
        self.process = subprocess.Popen(command, stdin=terminal, stdout=terminal,
                                        stderr=terminal, cwd=home, env=environment,
                                        start_new_session=True)
        os.close(terminal)
        self.text = ""
        self.send(setup + "\n")
        self.send(f"PS1='{PROMPT[:-1]}'' '; echo set''up\n")
        self.wait(r"\nsetup[\s\S]*" + PROMPT)

    def send(self, text):
        os.write(self.main, text.encode())

    def wait(self, pattern):
        """Reads until it has come; what came before is forgotten."""
        end = time.monotonic() + TIMEOUT_SEC
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.main], [], [], left)[0]:
                raise TimeoutError(f"no {pattern!r} in {self.text!r}")
            self.text += os.read(self.main, 65536).decode(errors="replace")
        self.text = self.text[found.end():]
        return found

    def completed(self, line):
        """The command line that Tab makes of this one."""
        self.send(line + "\t\n")
        return self.wait(r"ran:([^\n]*?):\r?\n[\s\S]*?" + PROMPT)[1]

    def close(self):
        os.close(self.main)
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()


class Completion(unittest.TestCase):
    def check_shell(self, *command, setup):
        if not shutil.which(command[0]):
            self.skipTest(f"no {command[0]}")
        shell = Shell(*command, setup=setup)
        self.addCleanup(shell.close)
        for line, wanted in (("deployctl roll", "rollback"),
                             ("deployctl status oth", "status other"),
                             ("deployctl activate oth", "activate other"),
                             ("deployctl activate hello@20261123", f"activate hello@{ID}"),
                             ("deployctl activate hello@20261122", f"activate hello@{OLD}"),
                             ("deployctl activate hello@", "activate hello@2026112"),
                             ("deployctl show hello@20261123", f"show hello@{ID}"),
                             ("deployctl rollback -q hello@20261122",
                              f"rollback -q hello@{OLD}"),
                             ("deployctl rollback --timeout 3 -m x hello@20261122",
                              f"rollback --timeout 3 -m x hello@{OLD}"),
                             ("deployctl attach c", "attach c0ffee"),
                             ("deployctl policy l", "policy list")):
            with self.subTest(line=line):
                self.assertEqual(shell.completed(line), wanted)

    def test_bash(self):
        self.check_shell("bash", "--norc", "-i", setup=". ./_deployctl")

    def test_bash_where_at_breaks_no_word(self):
        self.check_shell("bash", "--norc", "-i", setup=". ./_deployctl; "
                                                       "shopt -u hostcomplete")

    def test_zsh(self):
        self.check_shell("zsh", "-f", "-i", setup="fpath=($PWD $fpath); "
                                                  "autoload -Uz compinit; compinit -u -D")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
