#!/usr/bin/env python3
"""A right is used exactly when a method of deployd asks for it.

usage: rights.py SOURCE_DIR

Compares the table of lib/right.c with the rights that daemon/ asks service_authorize() and
policy_check() about, in both directions, and with the verbs of deployd.policy(5).
"""
import pathlib
import re
import sys

TABLE = re.compile(r'\[(RIGHT_[A-Z_]+)\] = \{"([a-z-]+)", (true|false)\}')
ENUM = re.compile(r"enum right \{(.*?)\}", re.S)
# What names a right without asking for it: the answer of `can`, and the policy itself.
NO_REQUESTS = {"right = RIGHT_RUN;"}
ELSEWHERE = {"policy.c", "policy_list.c", "policy_parse.c", "policy_rule.h", "policy_values.c"}


def strip_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def main():
    source = pathlib.Path(sys.argv[1])
    table = {m[1]: (m[2], m[3] == "true")
             for m in TABLE.finditer((source / "lib/right.c").read_text())}
    header = strip_comments((source / "include/deploy/right.h").read_text())
    known = set(re.findall(r"RIGHT_[A-Z_]+", ENUM.search(header)[1])) - {"RIGHT_COUNT"}
    asked = {}
    for path in sorted((source / "daemon").rglob("*.[ch]")):
        if path.name in ELSEWHERE:
            continue
        for number, line in enumerate(strip_comments(path.read_text()).splitlines(), 1):
            if line.strip() in NO_REQUESTS:
                continue
            for right in re.findall(r"\bRIGHT_[A-Z_]+\b", line):
                if right != "RIGHT_COUNT":
                    asked.setdefault(right, f"{path.relative_to(source)}:{number}")

    faults = []
    if set(table) != known:
        faults.append(f"lib/right.c and right.h differ: {sorted(set(table) ^ known)}")
    manual = (source / "man/deployd.policy.5.scd").read_text()
    verbs = manual.split("# VERBS")[1].split("\n# ")[0]
    for right, (name, used) in table.items():
        if used and right not in asked:
            faults.append(f"lib/right.c says that '{name}' is used: no method asks for it")
        if not used and right in asked:
            faults.append(f"{asked[right]}: asks for '{name}', which lib/right.c says is unused")
        if f"*{name}*" not in verbs:
            faults.append(f"man/deployd.policy.5.scd: '{name}' is missing in VERBS")
    for fault in faults:
        print(fault)
    print(f"{len(table)} rights, {len(asked)} asked for, {len(faults)} faults")
    return 1 if faults or len(table) < 20 else 0


sys.exit(main())
