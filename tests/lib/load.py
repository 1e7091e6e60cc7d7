#!/usr/bin/env python3
"""A closed loop of HTTP requests: each of N clients asks again as soon as it is answered.

usage: load.py PORT CLIENTS RESULT-FILE
Ends at SIGTERM and writes one JSON object: requests, failed, the first failures in
words, the versions that answered, the longest answer in ms. Nothing is tried twice.
"""
import json
import re
import signal
import socket
import sys
import threading
import time

port, clients, result = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
stop = threading.Event()
lock = threading.Lock()
total = {"requests": 0, "failed": 0, "failures": [], "versions": {}, "longest_ms": 0}


def ask():
    """One request over a connection of its own; the version that answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    if not head.startswith(b"HTTP/1.1 200 ") or not length:
        raise ValueError(f"not a good answer: {answer[:80]!r}")
    if len(body) != int(length[1]):
        raise ValueError(f"cut short: {len(body)} of {int(length[1])} bytes")
    return re.search(rb"version=(\S+)", body)[1].decode()


def client():
    while not stop.is_set():
        began = time.monotonic()
        failure = version = None
        try:
            version = ask()
        except (OSError, ValueError) as error:
            failure = repr(error)
        took = int((time.monotonic() - began) * 1000)
        with lock:
            total["requests"] += 1
            total["longest_ms"] = max(total["longest_ms"], took)
            if failure:
                total["failed"] += 1
                if len(total["failures"]) < 10:
                    total["failures"].append(failure)
            else:
                total["versions"][version] = total["versions"].get(version, 0) + 1


signal.signal(signal.SIGTERM, lambda *_: stop.set())
threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
while not stop.is_set():
    signal.pause()
for thread in threads:
    thread.join()
with open(result, "w", encoding="ascii") as file:
    json.dump(total, file)
