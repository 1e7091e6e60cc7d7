#!/usr/bin/env python3
"""docs/limits.md lists every limit, wait and queue, with the value that the code has.

usage: limits.py SOURCE_DIR [--update]

Collects the constants whose name says that they limit something, the numeric options of
deployd.conf and of the app's sections that are in force, and the limits of the units. What
each limits is said by a line of tests/lint/limits.txt, or else by the comment on the
constant's own line. Fails where that is missing, where a line of limits.txt is about
nothing, and where the page differs; --update writes the page.
"""
import difflib
import pathlib
import re
import sys

LIMITING = re.compile(
    r"(?:^|_)(?:BESIDE|DEPTH|EXTEND|FREE|GRACE|KEPT|LIMIT|LINES|MAX|MEMORY|MIN|MS|MSEC|"
    r"NSEC|PENDING|POLL|RESERVE|SEC|STACK|TIMEOUT|USEC|WAIT|WANTED)(?:_|$)")
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Z][A-Z0-9_]*)[ \t]+(.+)$", re.M)
COMMENTED = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Z][A-Z0-9_]*)[ \t](?:\\\n|[^\n])*?"
                       r"/\*[ \t]*([^\n]*?)[ \t]*\*/[ \t]*$", re.M)
OPTION = re.compile(r'\{"(deployd|release|restart|health|health_check)",\s*"([a-z_]+)",\s*"([^"]*)",'
                    r"\s*\.type = OPTION_TYPE_(INT|BYTES|SECONDS|SEC_MS|MS)\b")
UNIT_LIMIT = re.compile(r"^((?:Memory|Tasks)Max|Limit[A-Z]+|\w+Sec|Backlog)=(\w+)$", re.M)
SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
TIMES = {"µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
         "days": 86400 * 10**9}
SUFFIXES = {"K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB"}

HEADINGS = {
    "lib/config/daemon_config.c": "Options of deployd.conf(5)",
    "lib/config/app_table.c": "Options of an app, deployd.app(5)",
    "units": "Units",
    "include/deploy": "Names, configuration and wire",
    "lib": "Text",
    "lib/config": "Reading the configuration",
    "daemon": "deployd: start and stop",
    "daemon/base": "deployd: configuration, journal, helpers",
    "daemon/bus": "deployd: systemd",
    "daemon/core": "deployd: decisions",
    "daemon/flag": "deployd: flags",
    "daemon/health": "deployd: health checks and verification",
    "daemon/job": "deployd: jobs",
    "daemon/server": "deployd: clients",
    "daemon/intake": "deployd-intake",
    "daemon/probe": "deployd-probe",
    "daemon/fetch": "Requests to the cloud",
    "daemon/proc": "deployd-proc",
    "daemon/preflight": "deployd-preflight",
    "daemon/session": "deployd-session",
    "daemon/sessions": "deployd-sessions",
    "daemon/store": "deployd-store",
    "daemon/touch": "deployd-touch",
    "daemon/unpack": "deployd-unpack",
    "daemon/users": "deployd-users",
    "daemon/util": "What the programs share",
    "ctl": "deployctl",
}
INTRODUCTION = """\
<!-- Written by tests/lint/limits.py from the code: change it there. -->

# Limits, waits and queues

Every limit of deployd and its programs, with the value in the code. Lower-case names are
options with their defaults, which you can set; the manual page in the heading describes
them. Capitalized names are constants of the code, or settings of the units that deployd
installs.
"""


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    return text.replace("\\\n", " ")


def evaluate(expression, known):
    """The number that a constant expression of C stands for; None when it is none."""
    text = re.sub(r"\bU?INT(?:32|64)_C\(([^)]*)\)", r"\1", expression)
    text = re.sub(r"\((?:u?int(?:32|64)_t|size_t)\)", "", text)
    for _ in range(4):
        text = re.sub(r"\b[A-Z][A-Z0-9_]+\b", lambda m: known.get(m[0], m[0]), text)
    text = re.sub(r"\b(0x[0-9a-fA-F]+|\d+)[uUlL]+", r"\1", text)
    if not re.fullmatch(r"[\s0-9a-fA-FxX()+*/<>-]+", text) or not re.search(r"\d", text):
        return None
    return int(eval(text.replace("/", "//")))  # pylint: disable=eval-used


def unit_of(name):
    for word, unit in {"MSEC": "ms", "MS": "ms", "USEC": "µs", "NSEC": "ns", "SEC": "s"}.items():
        if word in name.split("_"):
            return unit
    return ""


def shown_time(value, unit):
    """A span as people say it; units are as large as they can be without a fraction."""
    nanoseconds = value * TIMES.get(unit, 1)
    if not nanoseconds:
        return f"0 {unit}"
    for name in reversed(TIMES):
        if nanoseconds % TIMES[name] == 0 and (name != "min" or nanoseconds > 2 * TIMES[name]):
            return f"{nanoseconds // TIMES[name]:,} {name}"
    return f"{value} {unit}"


def shown(value, unit, is_size):
    if unit in SIZES:
        return f"{value:,} {unit}"
    if unit:
        return shown_time(value, unit)
    for name in reversed(SIZES) if is_size else ():
        if value >= SIZES[name] and value % SIZES[name] == 0:
            return f"{value // SIZES[name]:,} {name}"
    return f"{value:,}"


def measure(text):
    """The number of an option's default or of a unit's setting, and its unit."""
    number, suffix = re.fullmatch(r"(\d+)(\w*)", text).groups()
    return int(number), SUFFIXES.get(suffix, suffix)


def constants(root):
    for folder in ("include", "lib", "daemon", "ctl"):
        for file in sorted((root / folder).rglob("*.[ch]")):
            text = file.read_text()
            defines = DEFINE.findall(strip_comments(text))
            comments = dict(COMMENTED.findall(text))
            known = {name: f"({value.strip()})" for name, value in defines}
            for name, value in defines:
                number = evaluate(value, known)
                if "_PER_" in name or not LIMITING.search(name):
                    continue  # NSEC_PER_SEC converts, it limits nothing
                if number is not None:
                    yield (name, file.relative_to(root), number, unit_of(name),
                           comments.get(name, ""))


def options(root):
    for file in ("lib/config/daemon_config.c", "lib/config/app_table.c"):
        for _, name, value, kind in OPTION.findall((root / file).read_text()):
            number, unit = measure(value)
            if kind in ("SECONDS", "SEC_MS", "MS") and not unit:
                unit = "ms" if kind == "MS" else "s"
            yield name, pathlib.Path(file), number, unit, ""


def units(root):
    for file in sorted((root / "units").iterdir()):
        if ".service" in file.name or ".socket" in file.name:
            for name, value in UNIT_LIMIT.findall(file.read_text()):
                number, unit = measure(value)
                yield (name, file.relative_to(root), number,
                       unit or ("s" if name.endswith("Sec") else ""), "")


def section_of(file):
    """The heading's key: the options have a heading each, the rest one for each folder."""
    return str(file) if str(file) in HEADINGS else str(file.parent)


def heading(section):
    own = HEADINGS.get(section)
    if not own and "/" in section:
        parent, _, name = section.rpartition("/")
        own = f"{HEADINGS.get(parent, parent)}: {name}"
    return f"{own or section} (`{section}`)"


def meanings(file):
    """limits.txt: a name, or a folder and a name, to what it limits."""
    found, faults = {}, []
    for line in file.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        key, colon, meaning = line.partition(": ")
        if not colon or not meaning or key in found:
            faults.append(f"limits.txt: twice, or not 'NAME: meaning': {line}")
        found[key] = meaning
    return found, faults


def collect(root, said, faults):
    """Section to rows (name, meaning, value) to the files that have it."""
    sections, used = {section: {} for section in HEADINGS}, {}
    for source in (options, units, constants):
        count = 0
        for name, file, number, unit, comment in source(root):
            count += 1
            folder = file if file.parts[0] == "units" else file.parent
            key = next((key for key in (f"{folder}/{name}", f"*/{name}", name) if key in said),
                       None)
            if key == name and used.get(key, folder) != folder:
                faults.append(f"limits.txt: {name} is of {used[key]} and of {folder}: say of "
                              f"which, or */{name}")
            used[key] = folder
            meaning = said[key] if key else comment
            if not meaning:
                faults.append(f"say in a comment on its line what {name} of {file} limits, "
                              f"or in tests/lint/limits.txt")
            is_size = bool(re.search(r"(?:^|_)(BYTES|MEMORY)(?:_|$)", name)
                           or meaning.startswith("bytes "))
            row = (name, meaning, shown(number, unit, is_size))
            sections.setdefault(section_of(file), {}).setdefault(row, []).append(file.name)
        if not count:
            faults.append(f"{source.__name__}: nothing found, the search is broken")
    faults += [f"limits.txt: nothing has this name: {key}" for key in said if key not in used]
    return {section: rows for section, rows in sections.items() if rows}


def page(sections):
    text = [INTRODUCTION]
    for section, rows in sections.items():
        of_one_file = section in ("lib/config/daemon_config.c", "lib/config/app_table.c")
        text.append(f"\n## {heading(section)}\n\n")
        text.append("| limit | value | of what |" + ("" if of_one_file else " file |") + "\n")
        text.append("|---|---|---|" + ("" if of_one_file else "---|") + "\n")
        for (name, meaning, value), files in rows.items():
            where = ", ".join(f"`{file}`" for file in files)
            text.append(f"| `{name}` | {value} | {meaning} |"
                        + ("" if of_one_file else f" {where} |") + "\n")
    return "".join(text)


def main():
    root = pathlib.Path(sys.argv[1])
    is_update = sys.argv[2:] == ["--update"]
    file = root / "docs/limits.md"
    said, faults = meanings(root / "tests/lint/limits.txt")
    text = page(collect(root, said, faults))
    if is_update and not faults:
        file.write_text(text)
    elif not faults and (not file.exists() or file.read_text() != text):
        old = file.read_text().splitlines() if file.exists() else []
        faults += difflib.unified_diff(old, text.splitlines(), "docs/limits.md", "the code",
                                       n=0, lineterm="")
        faults.append(f"run: {sys.argv[0]} {root} --update")
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
