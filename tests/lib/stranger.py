#!/usr/bin/python3
"""Speaks to deployd as a uid that is not a user.

usage: stranger.py call USER UID METHOD [JSON]
       stranger.py hold USER UID COUNT EACH

The process has USER's groups. With "call" it becomes UID in a user namespace that USER has
made, into which root maps UID as newuidmap would, and prints the reply. With "hold" that
happens COUNT times, for UID and those after it, with EACH connections; prints a line for
each connection, "in" or what deployd says, then "held", and keeps them until its standard
input ends.
"""
import ctypes
import json
import os
import pwd
import socket
import sys

SOCKET = "/run/deployd/io.deployd"
CLONE_NEWUSER = 0x10000000


def become(user, uid):
    """In the child: a process of uid with the groups of user, in a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    who = pwd.getpwnam(user)
    ready, mapped = os.pipe(), os.pipe()
    child = os.fork()
    if child:
        os.read(ready[0], 1)
        with open(f"/proc/{child}/uid_map", "w", encoding="ascii") as file:
            file.write(f"0 {uid} 1")
        os.write(mapped[1], b".")
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os.initgroups(user, who.pw_gid)
    os.setgid(who.pw_gid)
    os.setuid(who.pw_uid)
    if libc.unshare(CLONE_NEWUSER) < 0:
        sys.exit(f"unshare: {os.strerror(ctypes.get_errno())}")
    # The process may be looked at again only once it is dumpable.
    libc.prctl(4, 1, 0, 0, 0)
    os.write(ready[1], b".")
    os.read(mapped[0], 1)
    os.setuid(0)


def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(SOCKET)
    return connection


def call(connection, method, parameters):
    try:
        connection.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
    except BrokenPipeError:
        pass  # turned away already, and the reply says why
    text = b""
    while not text.endswith(b"\0"):
        part = connection.recv(65536)
        if not part:
            return {"error": "hung up"}
        text += part
    return json.loads(text[:-1])


def hold(user, uid, count, each):
    end = os.pipe()
    for i in range(count):
        if os.fork() == 0:
            os.close(end[1])
            become(user, uid + i)
            connections = [connect() for _ in range(each)]
            for connection in connections:
                reply = call(connection, "org.varlink.service.GetInfo", {})
                print(reply.get("parameters", reply).get("message", "in")
                      if "error" in reply else "in", flush=True)
            print("done", flush=True)
            os.read(end[0], 1)
            os._exit(0)
    sys.stdin.read()


def main():
    if sys.argv[1] == "hold":
        hold(sys.argv[2], *map(int, sys.argv[3:6]))
        return
    become(sys.argv[2], int(sys.argv[3]))
    print(json.dumps(call(connect(), sys.argv[4],
                          json.loads(sys.argv[5]) if len(sys.argv) > 5 else {})))


main()
