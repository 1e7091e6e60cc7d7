#!/usr/bin/env python3
"""Helpers of deployd that have been taken over, in the sandbox that each makes itself.

usage: helpers.py BUILD_DIR (as root, in a machine that is thrown away)

Runs every attempt by every helper and prints how each was blocked:
  guarded      the helper's own lock-down
  no landlock  the same on a kernel that has no Landlock
  no filter    without its system call filter: what stands behind it
  open         without any lock-down: what the attempts come to when nothing stops them
Fails when one succeeds in the first two, or when few do in the last: then it is not the
lock-down that stops them.
"""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys

UID, GID = 64001, 64001
SCRATCH = "/opt/deployd-attack"  # the file system of /etc: hard links are possible
TIMEOUT_SEC = 30
ATTEMPTS_MIN = 30  # that make sense without a lock-down, for each helper
FILE_BYTES = 1 << 20


def intake():
    return [f"--uid={UID}", f"--gid={GID}", "--max-bytes=1000000", "--idle-sec=10",
            "--min-rate=0"]


def unpack():
    return [f"--staging={fresh_directory('staging')}", f"--uid={UID}", f"--gid={GID}",
            "--max-bytes=1000000", "--max-entries=10", f"--max-file-bytes={FILE_BYTES}",
            "--max-ratio=10", "--max-depth=10", "--cpu-sec=10"]


def touch():
    return [f"--dir={fresh_directory('flags')}", f"--uid={UID}", f"--gid={GID}"]


def session():
    return []


def proc():
    return ["--releases=/srv/other/releases"]


def preflight():
    return ["--current=/srv/other/current", "--release=/srv/other/releases/1"]


def probe():
    return ["tcp", "--address=127.0.0.1:4999", "--timeout-ms=1000"]


# name: its options. A new helper needs a line here and one in CMakeLists.txt.
HELPERS = {"intake": intake, "preflight": preflight, "probe": probe, "proc": proc, "session": session,
           "touch": touch, "unpack": unpack}
# These are started as their own user, in a unit of their own, with capabilities.
STARTED_AS_USER = {"preflight": [], "probe": [], "proc": ["+sys_ptrace"], "session": []}
# Attempts that succeed because they are the helper's job, or because anybody may do them.
EXPECTED = {"probe": ["connect-tcp"]}
# Apart from their filter, only the settings of their units protect against these.
HELD_BY_FILTER = ["preflight", "probe", "proc"]
VARIANTS = {
    "guarded": ("", {}),
    "no landlock": ("", {"DEPLOYD_ATTACK_NO_LANDLOCK": "1"}),
    "no filter": ("-unfiltered", {}),
    "open": ("-open", {}),
}
# Behind the filter stand the user, the root directory, the limits and Landlock: what they
# are there for they stop alone. (write-own-memory-file and others are the filter's.)
HELD_WITHOUT_FILTER = """
read-shadow read-shadow-above read-shadow-above-own-dir write-passwd write-below-srv
read-other-release write-deployd-state write-policy read-environment-of-parent
write-memory-of-parent open-fd-of-parent write-own-memory-file write-sysctl
follow-own-symlink link-shadow make-device open-by-handle leave-root leave-by-chdir
mount-tmpfs bind-shadow rename-away give-away find-inherited-fds signal-parent signal-init
signal-by-pidfd take-fd-of-parent trace-parent read-memory-of-parent
write-memory-of-parent-vm limit-parent prioritize-parent pin-parent fork
clone-user-namespace unshare-mounts unshare-network enter-namespace become-root
become-group-root join-groups raise-capabilities connect-abstract connect-tcp
make-bpf-map watch-all-files set-hostname get-io-ports write-too-far
""".split()


def fresh_directory(name):
    path = f"{SCRATCH}/{name}"
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    os.chown(path, UID, GID)
    return path


def start(program, options, environment, capabilities):
    """The pid, and the end of the report to read; fds as deployd gives them (a session's are
    3, 4 and 5), and one that it has forgotten to close."""
    ours, theirs = socket.socketpair()
    work = fresh_directory("work")
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    try:
        report = os.dup(theirs.fileno())
        directory = os.open("/etc", os.O_RDONLY)
        null = os.open("/dev/null", os.O_RDWR)
        os.chdir(work)
        report = os.dup2(report, 100)
        for fd in (0, 1, 2, 4, 5):
            os.dup2(null, fd)
        os.dup2(report, 1)
        os.dup2(report, 3)
        os.dup2(directory, 50)
        os.closerange(6, 50)
        os.closerange(51, 200)
        os.set_inheritable(50, True)
        command = [program, *options]
        if capabilities is not None:
            given = ",".join(["-all", *capabilities])
            command = ["/usr/bin/setpriv", f"--reuid={UID}", f"--regid={GID}",
                       "--clear-groups", f"--inh-caps={given}",
                       f"--ambient-caps={given}", *command]
        os.execve(command[0], command, environment)
    finally:
        os._exit(99)


def outcome(helper, program, name, variant):
    suffix, environment = VARIANTS[variant]
    pid, report = start(program + suffix, HELPERS[helper](),
                        {"DEPLOYD_ATTACK": name, **environment},
                        STARTED_AS_USER.get(helper) if variant != "open" else None)
    text = b""
    while True:
        ready, _, _ = select.select([report], [], [], TIMEOUT_SEC)
        chunk = report.recv(65536) if ready else b""
        if not chunk:
            break
        text += chunk
    report.close()
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not ready:
        return "no end"
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    try:
        line = text.decode().strip().splitlines()[-1]
        message = json.loads(line)["message"] if line.startswith("{") else line
    except (ValueError, IndexError, KeyError):
        return f"no report ({text!r}, status {status})"
    said, _, how = message.partition(": ")
    return how if said in (name, "exec") else f"no attempt ({message})"


def run_all(build):
    """{helper: {attempt: {variant: outcome}}}"""
    table = {}
    for helper in HELPERS:
        program = f"{build}/tests/attacks/attack-{helper}"
        names = subprocess.run([program], env={"DEPLOYD_ATTACK": "list"}, check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split()
        table[helper] = {
            name: {variant: outcome(helper, program, name, variant)
                   for variant in VARIANTS}
            for name in names}
    return table


def print_table(table):
    head = "".join(f"{variant:14}" for variant in VARIANTS)
    for helper, attempts in table.items():
        print(f"{helper + ':':30}{head}")
        for name, outcomes in attempts.items():
            row = "".join(f"{outcomes[variant]:14}" for variant in VARIANTS)
            print(f"  {name:28}{row}")


def judge(helper, attempts):
    """What is wrong, in words."""
    wrong = []
    for name, outcomes in attempts.items():
        for variant in ("guarded", "no landlock"):
            how = outcomes[variant]
            if name in EXPECTED.get(helper, []):
                continue
            if how == "succeeded" or how.startswith("no "):
                wrong.append(f"{helper}: {name} ({variant}): {how}")
        if (helper not in HELD_BY_FILTER and name in HELD_WITHOUT_FILTER
                and outcomes["no filter"] == "succeeded"):
            wrong.append(f"{helper}: {name} is stopped by the filter alone")
    count = sum(outcomes["open"] == "succeeded" for outcomes in attempts.values())
    print(f"{helper}: {len(attempts)} attempts; without a lock-down {count} succeed")
    if count < ATTEMPTS_MIN:
        wrong.append(f"{helper}: only {count} attempts succeed without a lock-down")
    return wrong


def main():
    build = os.path.abspath(sys.argv[1])
    os.makedirs(SCRATCH)
    os.chmod(SCRATCH, 0o755)
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0deployd-attack")
    abstract.listen(100)
    tcp = socket.create_server(("127.0.0.1", 4999), backlog=100)
    table = run_all(build)
    print_table(table)
    wrong = [fault for helper, attempts in table.items()
             for fault in judge(helper, attempts)]
    for fault in wrong:
        print(fault)
    abstract.close()
    tcp.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
