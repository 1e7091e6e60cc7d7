#!/usr/bin/env python3
"""deployd.archive(7) gives every reason to refuse an archive that the code has, and no other.

usage: archive.py SOURCE_DIR [--print]

The code's reasons are the texts in the sources of deployd-unpack, but for failures of the
machine; the page's are the lines of its literal blocks below REFUSED. What printf() fills
in is "..." in both. --print writes the code's reasons.
"""
import pathlib
import re
import sys

SOURCES = ("unpack/unpack.c", "unpack/tree.c", "unpack/header.c", "unpack/stream.c",
           "unpack/gunzip.c", "unpack/limits.c", "unpack/kind.c", "util/entryname.c")
PAGE = "man/deployd.archive.7.scd"
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|\'(?:[^\'\\]|\\.)*\'|\S')
# Frames that other texts are put in, and what is no refusal.
NO_REASONS = {"entry '...' ...",
              "entry '...' is a ... to '...': the target ...", "the name of entry '...' ...", "is fine",
              "; the last good entry is '...'", "the archive is ",
              "the archive is ...: ...", "the archive is not a tar: it ...",
              " can't be converted from UTF-8 to current locale", "memory usage",
              "requires too much memory", "libarchive does not say why",
              "a text for every verdict", "bad data", "hard link", "symbolic link",
              "truncated or damaged", "not a tar", "version https://git-lfs"}


def tokens(path):
    text = re.sub(r"/\*.*?\*/", " ", path.read_text(), flags=re.S)
    return TOKEN.findall(re.sub(r"^#[^\n]*$", "", text, flags=re.M))


def texts(path):
    """(text, function it is an argument of, the tokens before it), neighbours joined."""
    calls, last, joined = [], "", None
    arguments = []
    for token in tokens(path):
        if token.startswith('"'):
            joined = (joined or "") + token[1:-1]
            continue
        if joined is not None:
            yield joined, calls[-1] if calls else "", arguments
            joined = None
        if token == "(":
            calls.append(last)
            arguments = []
        elif token == ")" and calls:
            calls.pop()
        elif token == ";":
            arguments = []
        arguments = [*arguments, token]
        last = token


def code_reasons(root):
    found = set()
    for source in SOURCES:
        for text, call, arguments in texts(root / "daemon" / source):
            text = re.sub(r"%[a-z0-9.]+", "...", text).replace("\\n", "")
            if (call == "errinfo_set" or "RESULT_FAILED" in arguments or "\\x" in text
                    or not re.search(r"[a-z.'] [a-z.'(]", text) or text in NO_REASONS
                    or call == "begins_text"):
                continue
            found.add(text)
    return found


def page_reasons(root):
    section = re.search(r"^# REFUSED$(.*?)^# ", (root / PAGE).read_text(), re.M | re.S)
    blocks = re.findall(r"^```\n(.*?)^```$", section[1], re.M | re.S) if section else []
    return {line for block in blocks for line in block.splitlines() if line}


def main():
    root = pathlib.Path(sys.argv[1])
    code = code_reasons(root)
    if "--print" in sys.argv:
        print(*sorted(code), sep="\n")
        return 0
    page = page_reasons(root)
    faults = [f"{PAGE} does not have: {reason}" for reason in sorted(code - page)]
    faults += [f"{PAGE} has what no code says: {reason}" for reason in sorted(page - code)]
    if len(code) < 50:
        faults.append("hardly any reason was found: the search is broken")
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
