#!/usr/bin/env python3
"""deployd.app(5) and deployd.conf(5) have every option of the tables, each in its section
and with its default, and no other; etc/deployd.conf shows every default. The examples of
deployd.app(5) and of etc/examples parse.

usage: manual.py LIST_OPTIONS CONFIG_DUMP SOURCE_DIR
"""
import pathlib
import re
import subprocess
import sys
import tempfile

TERM = re.compile(r"^\*(\w+)\* = (.*?)(?:\+\+)?$")
HEADING = re.compile(r"^# \[(\w+)(?: NAME)?\] SECTION$")


def documented(text):
    found, section = {}, None
    for line in text.splitlines():
        if line.startswith("# "):
            heading = HEADING.match(line)
            section = heading[1] if heading else None
        term = TERM.match(line)
        if term and section:
            found[(section, term[1])] = term[2].replace("\\", "")
    return found


def main(list_options, dump, root):
    root = pathlib.Path(root)
    faults = []
    table = {"deployd.app": {}, "deployd.conf": {}}
    for line in subprocess.run([list_options], check=True, capture_output=True,
                               text=True).stdout.splitlines():
        page, section, name, default = line.split("\t")
        table[page][(section, name)] = default
    assert len(table["deployd.app"]) > 100 and len(table["deployd.conf"]) > 5

    for page, options in table.items():
        text = (root / "man" / f"{page}.5.scd").read_text()
        told = documented(text)
        for key in sorted(options.keys() | told.keys()):
            where = f"{page}(5): [{key[0]}] {key[1]}"
            if key not in told:
                faults.append(f"{where} is not explained")
            elif key not in options:
                faults.append(f"{where} is no option")
            elif options[key] == "-":
                if not told[key].startswith("("):
                    faults.append(f"{where} has no default, the page says {told[key]}")
            elif told[key] != options[key]:
                faults.append(f"{where} is {options[key]} by default, the page says {told[key]}")

    shown = dict(re.findall(r"^#(\w+) = (.*)$", (root / "etc/deployd.conf").read_text(), re.M))
    wanted = {name: default for (_, name), default in table["deployd.conf"].items()}
    if shown != wanted:
        faults.append(f"etc/deployd.conf: {set(shown.items()) ^ set(wanted.items())}")

    blocks = re.findall(r"^```\n(.*?)^```$", (root / "man/deployd.app.5.scd").read_text(),
                        re.M | re.S)
    whole = [block for block in blocks if "[users]" in block]
    assert len(whole) >= 2
    examples = [path.read_text() for path in sorted((root / "etc/examples").glob("*.app.conf"))]
    assert examples
    for number, block in enumerate(whole + examples):
        with tempfile.NamedTemporaryFile("w", suffix=".cases") as case:
            case.write(f"== example {number}\n{block}--\nno such line\n")
            case.flush()
            result = subprocess.run([dump, case.name], capture_output=True, text=True)
        came = result.stdout.split("--- came\n")[-1]
        # Messages begin with the file; values with their section.
        faults += [f"example {number}: {line}" for line in came.splitlines()
                   if line.startswith("a.conf:")]
        if "deploy_user = deploy" not in came:
            faults.append(f"example {number} is not taken: {result.stdout}{result.stderr}")

    print(f"{sum(map(len, table.values()))} options, {len(whole + examples)} examples")
    for fault in faults:
        print(fault)
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
