#!/usr/bin/env python3
"""Asks deployd without a pause while its policy flips between allow and deny.

usage: reload-race.py RELOADS CLIENTS

As root. Configuration N is one rule "allow N" in one file and, when N is even, "deny N" in
another: a decision by half a configuration would allow what an even N denies. User deploy's
clients ask for Status of hello; every answer must be that of one whole configuration, and
what is asked once a reload is answered is decided by the new one. Prints how often each
answer came: "ALLOWED DENIED".
"""
import json
import os
import pwd
import re
import socket
import sys
import threading

SOCKET = "/run/deployd/io.deployd"
POLICY = "/etc/deployd/policy.d"
DENIED = re.compile(r"denied by rule 'deny (\d+)'")
DEPLOY = pwd.getpwnam("deploy")


class Client:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(SOCKET)
        self.rest = b""

    def call(self, method, **parameters):
        self.socket.sendall(json.dumps({"method": "io.deployd." + method,
                                        "parameters": parameters}).encode() + b"\0")
        while b"\0" not in self.rest:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError
            self.rest += data
        reply, self.rest = self.rest.split(b"\0", 1)
        return json.loads(reply)


def ask(client):
    """The N that denied it; None: allowed."""
    reply = client.call("Status", app="hello")
    if "error" not in reply:
        return None
    match = DENIED.search(reply["parameters"].get("message", ""))
    if not match:
        sys.exit(f"neither allowed nor denied by a rule of ours: {reply}")
    return int(match[1])


def child(writing, asking):
    """A process of deploy's with one connection; says how its questions ended."""
    os.initgroups("deploy", DEPLOY.pw_gid)
    os.setresgid(DEPLOY.pw_gid, DEPLOY.pw_gid, DEPLOY.pw_gid)
    os.setresuid(DEPLOY.pw_uid, DEPLOY.pw_uid, DEPLOY.pw_uid)
    client = Client()
    counts, last = [0, 0], 0
    over = threading.Event()
    threading.Thread(target=lambda: (os.read(asking, 1), over.set()), daemon=True).start()
    while not over.is_set():
        n = ask(client)
        counts[n is not None] += 1
        if n is not None and (n % 2 or n < last):
            sys.exit(f"denied by rule {n}, after {last}")
        last = max(last, n or 0)
    os.write(writing, f"{counts[0]} {counts[1]}\n".encode())


def put(name, text):
    """At once, as an editor does it: deployd never sees half of it."""
    with open("/etc/deployd/new", "w") as file:
        file.write(text)
    os.rename("/etc/deployd/new", f"{POLICY}/{name}")


def flip(root, n):
    put("a.conf", f"[rule allow {n}]\nallow = status\nuser = deploy\napp = hello\n")
    put("z.conf", f"[rule deny {n}]\ndeny = status\nuser = deploy\napp = hello\n"
        if n % 2 == 0 else "# nothing\n")
    reply = root.call("ReloadConfiguration")
    if "error" in reply:
        sys.exit(f"reload {n}: {reply}")


def probe(pipe):
    """Another of deploy's, which asks when it is told to."""
    os.initgroups("deploy", DEPLOY.pw_gid)
    os.setresgid(DEPLOY.pw_gid, DEPLOY.pw_gid, DEPLOY.pw_gid)
    os.setresuid(DEPLOY.pw_uid, DEPLOY.pw_uid, DEPLOY.pw_uid)
    counts = [0, 0]
    with pipe:
        for line in pipe.makefile("r"):
            wanted = int(line)
            n = ask(Client())
            counts[n is not None] += 1
            if n != (wanted if wanted % 2 == 0 else None):
                pipe.sendall(b"x")
                sys.exit(f"configuration {wanted} is in force, and {n} answered")
            pipe.sendall(b".")
    return counts


def main():
    reloads, clients = int(sys.argv[1]), int(sys.argv[2])
    root = Client()
    flip(root, 1)
    reading, writing = os.pipe()
    asking, tell = os.pipe()
    here, there = socket.socketpair()
    pids = []
    for _ in range(clients):
        pids.append(os.fork())
        if pids[-1] == 0:
            os.close(tell)
            here.close()
            child(writing, asking)
            sys.exit(0)
    pids.append(os.fork())
    if pids[-1] == 0:
        os.close(tell)
        here.close()
        counts = probe(there)
        os.write(writing, f"{counts[0]} {counts[1]}\n".encode())
        sys.exit(0)
    there.close()
    os.close(writing)
    for n in range(1, reloads + 1):
        if n > 1:
            flip(root, n)
        here.sendall(f"{n}\n".encode())
        if here.recv(1) != b".":
            sys.exit(1)
    here.close()
    os.close(tell)
    if any(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids):
        sys.exit(1)
    counts = [list(map(int, line.split())) for line in os.fdopen(reading).read().splitlines()]
    print(sum(c[0] for c in counts), sum(c[1] for c in counts))


main()
