#!/usr/bin/python3
"""In place of deployd-session: says what no session says. /run/hostile has the word."""
import json
import os
import select
import signal
import socket
import sys

WORDS, REPORT = 3, 4
fds = socket.socket(fileno=5)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
how = open("/run/hostile", encoding="ascii").read().strip()


def say(**word):
    os.write(REPORT, json.dumps(word).encode() + b"\0")


def hear(kind):
    """The next word of this type; ends with the pipe."""
    text = b""
    while True:
        data = os.read(WORDS, 1)
        if not data:
            sys.exit(0)
        if data != b"\0":
            text += data
            continue
        word = json.loads(text)
        text = b""
        if word["type"] == kind:
            return word


def request(number, method="io.deployd.List", **more):
    say(type="request", request=number, call={"method": method, **more}, fds=0)


def wait():
    """Until deployd has let go of us."""
    poll = select.poll()
    poll.register(WORDS, select.POLLHUP)
    while not any(event & select.POLLHUP for _, event in poll.poll()):
        os.read(WORDS, 65536)
    sys.exit(0)


if how == "silent":
    wait()
if how == "version":
    say(type="ready", version=99)
    wait()
if how == "early":
    request(1)
    wait()
say(type="ready", version=1)
if how == "idle-request":
    request(1)
    wait()
if how == "twice-ready":
    say(type="ready", version=1)
    wait()
hear("connection")
client, _, _, _ = socket.recv_fds(fds, 1, 1)
if how == "not-taken":
    wait()
say(type="taken")
if how == "garbage":
    os.write(REPORT, b"\xff\xfe{]\0")
elif how == "no-object":
    os.write(REPORT, b"[1]\0")
elif how == "no-type":
    say(request=1)
elif how == "unknown":
    say(type="open sesame")
elif how == "two-requests":
    request(1)
    request(2)
elif how == "number":
    request(7)
elif how == "no-call":
    say(type="request", request=1, call=[], fds=0)
elif how == "many-fds":
    say(type="request", request=1, call={"method": "io.deployd.List"}, fds=4096)
elif how == "fds":
    say(type="request", request=1, fds=-1, call={"method": "io.deployd.Deploy"})
elif how == "archive":
    say(type="archive", state="complete", bytes=1 << 60, total=None)
elif how == "deep":
    os.write(REPORT, b'{"type":"request","request":1,"fds":0,"call":{"method":' + b"[" * 500000 + b"\0")
elif how == "long":
    for _ in range(64):
        os.write(REPORT, b" " * 65536)
elif how == "pongs":
    while True:
        say(type="pong", number=1)
elif how == "gone":
    for _ in range(3):
        say(type="gone")
        say(type="lines-end", request=1)
        say(type="trouble", what="\u202e\x1b[31m")
    request(1)
elif how == "fd-up":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        socket.send_fds(fds, [b"x"], [WORDS])
    except BrokenPipeError:
        os.write(REPORT, b"{]\0")
elif how == "lost-archive":
    # A deploy of its client, whose archive it then says is here, and never sends.
    say(type="request", request=1, fds=1, call={
        "method": "io.deployd.Deploy", "more": True,
        "parameters": {"app": "hello", "archiveFileDescriptor": 0}})
    hear("archive")
    say(type="archive", state="complete", bytes=1000, total=1000)
    hear("pump")
    socket.recv_fds(fds, 1, 1)
    os._exit(0)
wait()
