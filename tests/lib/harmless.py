#!/usr/bin/env python3
"""Fails when a text does something to a terminal or shows something that it is not.

usage: harmless.py WHAT < TEXT

Allowed are newlines, and UTF-8 without control characters (C0, C1, DEL), without what turns
the order of a line around or breaks it, and without what cannot be seen.
"""
import sys
import unicodedata

data = sys.stdin.buffer.read()
for number, line in enumerate(data.split(b"\n"), 1):
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        sys.exit(f"{sys.argv[1]}: line {number} is not UTF-8: {error}: {line[:300]}")
    for c in text:
        if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
            sys.exit(f"{sys.argv[1]}: line {number} has U+{ord(c):04X}: {line[:300]}")
