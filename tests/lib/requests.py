#!/usr/bin/env python3
"""Many requests to deployd, as fast as it answers.

usage: requests.py call METHOD PARAMETERS COUNT	over one connection
       requests.py leave METHOD PARAMETERS	and hangs up before the answer
       requests.py junk COUNT	connections, each with something that is no call
       requests.py hold COUNT	connections at once, until each is answered or taken
       requests.py keep COUNT	connections one after the other, until standard input ends

Prints how many replies there were of each kind as JSON; with keep a line for each
connection as it is answered, "ok" or why it was refused.
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


def keep(count):
    kept = []
    for _ in range(count):
        s = connect()
        try:
            s.sendall(b'{"method":"org.varlink.service.GetInfo"}\0')
        except BrokenPipeError:
            pass  # refused already, and the reply says why
        text = b""
        while not text.endswith(b"\0"):
            part = s.recv(65536)
            assert part, "deployd has closed the connection without a word"
            text += part
        reply = json.loads(text[:-1])
        print(reply["parameters"]["message"] if "error" in reply else "ok", flush=True)
        kept.append(s)
    sys.stdin.read()


def main():
    what, *args = sys.argv[1:]
    if what == "keep":
        keep(int(args[0]))
        return
    if what == "call":
        kinds = call(args[0], args[1], int(args[2]))
    elif what == "leave":
        kinds = leave(args[0], args[1])
    else:
        kinds = {"junk": junk, "hold": hold}[what](int(args[0]))
    print(json.dumps(kinds))


if __name__ == "__main__":
    main()
