"""Reads PATH again and again, and whatever is in the directory it leads to; ends with 1 at
the first time it cannot. SIGTERM: says how often it could.

usage: reader.py PATH"""

import os
import signal
import sys

path = sys.argv[1]
going = True


def stop(*_):
    global going
    going = False


signal.signal(signal.SIGTERM, stop)
n = 0
while going:
    try:
        with open(path, "rb") as f:
            whole = f.read(64)
        os.listdir(os.path.dirname(os.path.dirname(path)))
    except OSError as e:
        print(f"read {n} failed: {e}")
        sys.exit(1)
    if len(whole) != 64:
        print(f"read {n} was short")
        sys.exit(1)
    n += 1
    if n == 1:
        print("reading", flush=True)
print(f"{n} reads")
