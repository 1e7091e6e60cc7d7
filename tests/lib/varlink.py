#!/usr/bin/env python3
"""A Varlink client that can do what no library lets one do: push fds, send halves, end the
writing, not read. Also a program, for scripts.

usage: varlink.py [--more] [--fd PATH]... [--times N] [--shut] METHOD [PARAMETERS]
Sends the call N times at once, ends the writing with --shut, and prints each reply as one
line of JSON until the last has come. Ends with 1 when the connection was closed before.
"""
import argparse
import array
import json
import os
import socket
import sys

PATH = "/run/deployd/io.deployd"
TIMEOUT_SEC = 30


class Closed(Exception):
    """The other side has closed the connection; what came before it is in args."""


class Connection:
    def __init__(self, path=PATH, timeout=TIMEOUT_SEC):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.buffer = b""

    def send_bytes(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        sent = self.socket.sendmsg([data], rights if fds else [])
        self.socket.sendall(data[sent:])

    def send(self, method, parameters=None, fds=(), **flags):
        self.send_bytes(encode(method, parameters, **flags), fds)

    def shut(self):
        """Nothing more will be sent; replies still come."""
        self.socket.shutdown(socket.SHUT_WR)

    def receive(self):
        while b"\0" not in self.buffer:
            chunk = self.socket.recv(1 << 20)
            if not chunk:
                raise Closed(self.buffer)
            self.buffer += chunk
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def replies(self):
        """Those of one call: all but the last say that they continue."""
        while True:
            reply = self.receive()
            yield reply
            if not reply.get("continues"):
                return

    def close(self):
        self.socket.close()


def encode(method, parameters=None, **flags):
    call = {"method": method, "parameters": parameters or {}, **flags}
    return json.dumps(call).encode() + b"\0"


def call(method, parameters=None, fds=(), **flags):
    """The last reply of one call over a connection of its own."""
    connection = Connection()
    try:
        connection.send(method, parameters, fds, **flags)
        return list(connection.replies())[-1]
    finally:
        connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--fd", action="append", default=[])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--shut", action="store_true")
    parser.add_argument("method")
    parser.add_argument("parameters", nargs="?", default="{}", type=json.loads)
    options = parser.parse_args()
    flags = {"more": True} if options.more else {}
    fds = [os.open(path, os.O_RDWR) for path in options.fd]
    connection = Connection()
    data = encode(options.method, options.parameters, **flags)
    if fds:
        for _ in range(options.times):
            connection.send_bytes(data, fds)
    else:
        connection.send_bytes(data * options.times)
    if options.shut:
        connection.shut()
    try:
        for _ in range(options.times):
            for reply in connection.replies():
                print(json.dumps(reply), flush=True)
    except Closed as closed:
        print(f"closed after {len(closed.args[0])} bytes of a reply", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
