#!/usr/bin/python3
"""Opens and reads PATHs over and over until it is told to stop by SIGTERM.

usage: opener.py PATH...; ends with one line: how often, and how often it failed."""
import os
import signal
import sys

stop = False


def on_term(_signal, _frame):
    global stop
    stop = True


def main():
    signal.signal(signal.SIGTERM, on_term)
    rounds = failures = 0
    print("opening", flush=True)
    while not stop:
        for path in sys.argv[1:]:
            try:
                fd = os.open(path, os.O_RDONLY)
                if not os.read(fd, 64):
                    raise OSError("empty")
                os.close(fd)
            except OSError as error:
                failures += 1
                print(f"{path}: {error}", flush=True)
        rounds += 1
    print(f"{rounds} rounds, {failures} failures", flush=True)
    return 1 if failures else 0


sys.exit(main())
