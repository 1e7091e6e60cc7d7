#!/usr/bin/env python3
"""Many requests to deployd, as fast as it answers.

usage: requests.py call METHOD PARAMETERS COUNT	over one connection
       requests.py leave METHOD PARAMETERS	and hangs up before the answer
       requests.py junk COUNT	connections, each with something that is no call
       requests.py hold COUNT	connections at once, until each is answered or taken

Prints how many replies there were of each kind as JSON.
"""
import collections
import json
import select
import socket
import sys

PATH = "/run/deployd/io.deployd"
AT_ONCE = 20  # pipelined


def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(PATH)
    return s


def kind(reply):
    return json.loads(reply).get("error") or "ok"


def call(method, parameters, count):
    kinds = collections.Counter()
    request = json.dumps({"method": method, "parameters": json.loads(parameters)})
    s, rest = connect(), b""
    while (left := count - sum(kinds.values())) > 0:
        n = min(left, AT_ONCE)
        s.sendall((request + "\0").encode() * n)
        while n > 0:
            got = s.recv(65536)
            assert got, "deployd has closed the connection"
            *replies, rest = (rest + got).split(b"\0")
            kinds.update(kind(reply) for reply in replies)
            n -= len(replies)
    return kinds


def leave(method, parameters):
    with connect() as s:
        s.sendall(json.dumps({"method": method,
                              "parameters": json.loads(parameters)}).encode() + b"\0")
    return {"sent": 1}


def junk(count):
    for _ in range(count):
        with connect() as s:
            s.sendall(b"no call\0")
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
    return {"sent": count}


def hold(count):
    """The ones that are turned away are told so; the others are left waiting."""
    kinds = collections.Counter()
    waiting = [connect() for _ in range(count)]
    for s in waiting:
        s.sendall(b'{"method":"org.varlink.service.GetInfo"}\0')
    done = []
    while waiting:
        for s in select.select(waiting, [], [], 60)[0]:
            reply = s.recv(65536).split(b"\0")[0]
            kinds[kind(reply) if reply else "closed"] += 1
            waiting.remove(s)
            done.append(s)
    return kinds


def main():
    what, *args = sys.argv[1:]
    if what == "call":
        kinds = call(args[0], args[1], int(args[2]))
    elif what == "leave":
        kinds = leave(args[0], args[1])
    else:
        kinds = {"junk": junk, "hold": hold}[what](int(args[0]))
    print(json.dumps(kinds))


if __name__ == "__main__":
    main()
