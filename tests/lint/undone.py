#!/usr/bin/env python3
"""An option of an app is carried out, or lib/config/app_table.c says that it is not.

usage: undone.py SOURCE_DIR

An option counts as carried out when a source other than the table and the parser names it,
or the field that it is stored in. Fails for an option that nothing uses and that is not
marked, and for one that is marked although something uses it.
"""
import pathlib
import re
import sys

ROW = re.compile(r'\{"(\w+)",\s*"(\w+)",(.*?)\},\s*$', re.S | re.M)
STORED = re.compile(r'config->([\w.]+) =\s*(?:\([^)]*\))?\s*option_\w+\(set, "(\w+)"\)')
# Named for what follows from them alone, by {expansion} of the file itself.
EXPANDED = re.compile(r"\{(\w+)\}")


def strip_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def main():
    source = pathlib.Path(sys.argv[1])
    table = strip_comments((source / "lib/config/app_table.c").read_text())
    table_only = table.split("const struct option_spec app_options[] = {")[1].split("\n};")[0]
    rows = {m[2]: (m[1], ".undone" in m[3]) for m in ROW.finditer(table_only + "\n")}
    users = [p for top in ("lib", "ctl", "daemon") for p in (source / top).rglob("*.c")
             if p.name not in ("app_table.c", "app_undone.c")]
    text = "\n".join(strip_comments(p.read_text()) for p in users)
    expanded = set(EXPANDED.findall(table))
    faults = []
    for name, (section, undone) in sorted(rows.items()):
        used = (re.search(rf'"{name}"', text) or re.search(rf"->(?:\w+\.)*{name}\b", text)
                or name in expanded)
        # As words of other things: results, verbs.
        if undone and re.search(rf'(?:text|bool|number|option|slot|value|known)\((?!json|view)\w[^"()]*"{name}"',
                                text):
            faults.append(f"[{section}] {name} is used, but marked as not carried out")
        elif not undone and not used:
            faults.append(f"[{section}] {name} is used nowhere: mark it .undone, or do it")
    for fault in faults:
        print(fault)
    print(f"{len(rows)} options, {sum(u for _, u in rows.values())} not carried out, "
          f"{len(faults)} faults")
    return 1 if faults or len(rows) < 80 else 0


sys.exit(main())
