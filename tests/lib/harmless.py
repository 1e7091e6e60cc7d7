#!/usr/bin/env python3
"""Fails when a text does something to a terminal or shows something that it is not.

usage: harmless.py WHAT < TEXT	(a line that begins with "== " says what the next ones are)

Allowed are newlines, and UTF-8 without control characters (C0, C1, DEL), without what turns
the order of a line around or breaks it, and without what cannot be seen.
"""
import sys
import unicodedata

data = sys.stdin.buffer.read()
what = sys.argv[1]
for number, line in enumerate(data.split(b"\n"), 1):
    if line.startswith(b"== "):
        what = f"{sys.argv[1]}, {ascii(line)}"
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        sys.exit(f"{what}: line {number} is not UTF-8: {error}: {line[:300]}")
    for c in text:
        if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
            sys.exit(f"{what}: line {number} has U+{ord(c):04X}: {line[:300]}")
