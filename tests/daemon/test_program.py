#!/usr/bin/env python3
"""deployd as a program: arguments, --check, and how it starts and stops without a bus.

usage: test_program.py DEPLOYD

Runs in mounts of its own: an /etc over which it may write, and an empty /run.
"""

import os
import re
import signal
import socket
import subprocess
import sys

DEPLOYD = sys.argv[1]
CONFIG = "/etc/deployd/deployd.conf"
SOCKET = "/run/deployd/io.deployd"
STARTS_SEC = 30


def make_mounts():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    for name in ("upper", "work"):
        os.mkdir(f"/run/{name}")
    options = "lowerdir=/etc,upperdir=/run/upper,workdir=/run/work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "none", "/etc"], check=True)
    os.makedirs("/etc/deployd", exist_ok=True)
    os.mkdir("/run/deployd")
    for uid, name in enumerate(("intake", "unpack", "probe", "proc", "session", "users"), 64100):
        for file, line in (("passwd", f"deployd-{name}:x:{uid}:{uid}::/:/bin/false"),
                           ("group", f"deployd-{name}:x:{uid}:")):
            with open(f"/etc/{file}", "r+", encoding="utf-8") as f:
                if f"deployd-{name}:" not in f.read():
                    f.write(line + "\n")
    with open("/etc/group", "r+", encoding="utf-8") as f:
        if "\ndeployd:" not in f.read():
            f.write("deployd:x:64099:\n")


def configure(text):
    with open(CONFIG, "w", encoding="utf-8") as f:
        f.write(text)


def run(*args, env=None, **options):
    done = subprocess.run([DEPLOYD, *args], capture_output=True, text=True, check=False,
                          env=env or {}, timeout=STARTS_SEC, **options)
    return done.returncode, done.stdout, done.stderr


def expect(wanted, got):
    """An exit status, and what stdout and stderr hold, as regular expressions."""
    assert got[0] == wanted[0], got
    for pattern, text in zip(wanted[1:], got[1:]):
        assert re.fullmatch(pattern, text, re.S), f"{text!r} is not {pattern!r}"


def arguments_are_answered():
    expect((0, r"deployd \d+\.\d+\.\d+\n", ""), run("--version"))
    status, text, errors = run("--help")
    assert (status, errors) == (0, "")
    assert all(option in text for option in ("--check", "--help", "--version")), text
    expect((0, re.escape(text), ""), run("-h"))
    expect((2, "", ".*--nonsense.*"), run("--nonsense"))
    expect((2, "", "deployd: unexpected argument 'start'; see --help\n"), run("start"))


def check_tells_every_error_and_where():
    configure("")
    expect((0, "configuration ok: 0 apps\n", ""), run("--check"))
    configure("[deployd]\nnonsense = 1\nrubbish = 2\n")
    expect((6, "", f"{CONFIG}:2: [^\n]*'nonsense'[^\n]*\n{CONFIG}:3: [^\n]*'rubbish'[^\n]*\n"),
           run("--check"))


def bad_configuration_does_not_start():
    configure("[deployd]\nnonsense = 1\n")
    expect((78, "", f"{CONFIG}:2: .*deployd: the configuration has errors, not starting; "
            "`deployd --check` shows them\n"), run())
    assert not os.path.exists(SOCKET)


def passed_fd(fd, count):
    """Starts deployd with this fd as systemd would pass it."""
    command = f'exec 3<&{fd} 4<&{fd}; LISTEN_PID=$$ LISTEN_FDS={count} exec "$0"'
    return subprocess.run(["bash", "-c", command, DEPLOYD], pass_fds=[fd], check=False,
                          capture_output=True, text=True, timeout=STARTS_SEC, env={})


def only_a_listening_socket_is_taken():
    configure("")
    refused = f"deployd: cannot listen on {SOCKET}: Invalid argument\n"
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    with open("/dev/null", "rb") as null, stream, datagram:
        for fd in (null.fileno(), stream.fileno(), datagram.fileno()):
            done = passed_fd(fd, 1)
            assert (done.returncode, done.stderr) == (1, refused), done
        stream.bind("\0test_program")
        stream.listen()
        done = passed_fd(stream.fileno(), 2)
        assert (done.returncode, done.stderr) == (1, refused), done


def without_a_directory_it_says_so():
    configure("")
    os.rmdir("/run/deployd")
    try:
        expect((1, "", f"deployd: cannot listen on {SOCKET}: No such file or directory\n"), run())
    finally:
        os.mkdir("/run/deployd")


def it_waits_for_a_bus_and_stops_when_told():
    configure("")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.settimeout(STARTS_SEC)
    notify.bind("/run/notify")
    with notify, subprocess.Popen([DEPLOYD], env={"NOTIFY_SOCKET": "/run/notify"},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as daemon:
        assert notify.recv(4096).startswith(b"EXTEND_TIMEOUT_USEC="), "not starting"
        assert os.path.exists(SOCKET), "no socket"
        daemon.send_signal(signal.SIGTERM)
        output = daemon.communicate(timeout=STARTS_SEC)
        assert daemon.returncode == 0, (daemon.returncode, output)
        told = notify.recv(4096)
        while b"STOPPING=1" not in told:
            told = notify.recv(4096)


def until(notify, *wanted):
    """Reads what the service manager is told, until it holds all of this."""
    told = b""
    while not all(text in told for text in wanted):
        told = notify.recv(4096)


def a_reload_swaps_the_configuration_or_keeps_it():
    configure("")
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.settimeout(STARTS_SEC)
    notify.bind("/run/notify-reload")
    with notify, subprocess.Popen([DEPLOYD], env={"NOTIFY_SOCKET": "/run/notify-reload"},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as daemon:
        until(notify, b"READY=1")
        until(notify, b"STATUS=0 apps")
        configure("[deployd]\njobs_max = 5\n")
        daemon.send_signal(signal.SIGHUP)
        until(notify, b"RELOADING=1", b"MONOTONIC_USEC=")
        until(notify, b"READY=1", b"reloaded")
        until(notify, b"STATUS=0 apps")
        configure("[deployd]\nnonsense = 1\n")
        daemon.send_signal(signal.SIGHUP)
        until(notify, b"RELOADING=1")
        until(notify, b"STATUS=0 apps; the configuration has errors")
        configure("")
        daemon.send_signal(signal.SIGHUP)
        until(notify, b"RELOADING=1")
        until(notify, b"READY=1")
        daemon.send_signal(signal.SIGINT)
        until(notify, b"STOPPING=1")
        output = daemon.communicate(timeout=STARTS_SEC)
        assert daemon.returncode == 0, (daemon.returncode, output)


def main():
    if os.geteuid() != 0:
        print("needs root: mounts")
        return 77
    if not os.environ.get("OWN_MOUNTS"):
        os.environ["OWN_MOUNTS"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              "-B", *sys.argv])
    make_mounts()
    for test in (arguments_are_answered, check_tells_every_error_and_where,
                 bad_configuration_does_not_start, only_a_listening_socket_is_taken,
                 without_a_directory_it_says_so, it_waits_for_a_bus_and_stops_when_told,
                 a_reload_swaps_the_configuration_or_keeps_it):
        test()
        print("ok  ", test.__name__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
