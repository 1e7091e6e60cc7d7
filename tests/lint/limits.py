#!/usr/bin/env python3
"""Every limit, wait and queue is in ARCHITECTURE.md's one table, with the value it has.

usage: limits.py SOURCE_DIR

Read from the sources: constants whose name says that they limit something, numeric
options of deployd.conf and of the app's sections that are in force, and the limits of
the units. Fails for each that is missing in the table, each row that is of nothing, and
each value that differs. A missing row is printed as it has to be.
"""
import pathlib
import re
import sys

LIMITING = re.compile(
    r"(?:^|_)(?:BESIDE|DEPTH|EXTEND|FREE|GRACE|KEPT|LIMIT|LINES|MAX|MEMORY|MIN|MS|MSEC|"
    r"NSEC|PENDING|POLL|RESERVE|SEC|STACK|TIMEOUT|USEC|WAIT|WANTED)(?:_|$)")
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+([A-Z][A-Z0-9_]*)[ \t]+(.+)$", re.M)
OPTION = re.compile(r'\{"(deployd|release|restart|health|health_check)",\s*"([a-z_]+)",\s*"([^"]*)",'
                    r"\s*\.type = OPTION_TYPE_(INT|BYTES|SECONDS|SEC_MS|MS)\b")
UNIT_LIMIT = re.compile(r"^((?:Memory|Tasks)Max|Limit[A-Z]+|\w+Sec|Backlog)=(\w+)$", re.M)
BEGIN, END = "<!-- limits begin -->", "<!-- limits end -->"

SIZES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
TIMES = {"µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
         "days": 86400 * 10**9, "ns": 1}
SUFFIXES = {"K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB", "": "",
            "s": "s", "ms": "ms", "min": "min"}


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


def measure(text):
    """'4 MiB' or '10 s' as (number, 'bytes'|'time'|''): what can be compared."""
    match = re.fullmatch(r"(\d+(?: \d{3})*)(?: ?(\w+))?", text)
    if not match:
        return None
    number, unit = int(match[1].replace(" ", "")), match[2] or ""
    if unit in SIZES:
        return number * SIZES[unit], ""
    if unit in TIMES:
        return number * TIMES[unit], "time"
    return (number, "") if unit in ("", "bytes") else None


def shown(value, unit):
    if unit:
        return f"{value} {unit}"
    for name in reversed(SIZES):
        if value >= SIZES[name] and value % SIZES[name] == 0 and value > 65536:
            return f"{value // SIZES[name]} {name}"
    return str(value)


def constants(root):
    for folder in ("include", "lib", "daemon", "ctl"):
        for file in sorted((root / folder).rglob("*.[ch]")):
            defines = DEFINE.findall(strip_comments(file.read_text()))
            known = {name: f"({value.strip()})" for name, value in defines}
            for name, value in defines:
                number = evaluate(value, known)
                if "_PER_" in name or not LIMITING.search(name):
                    continue  # NSEC_PER_SEC converts, it limits nothing
                if number is not None:
                    yield name, str(file.relative_to(root)), shown(number, unit_of(name))


def options(root):
    for file in ("lib/config/daemon_config.c", "lib/config/app_table.c"):
        for _, name, value, kind in OPTION.findall((root / file).read_text()):
            number, suffix = re.fullmatch(r"(\d+)(\w*)", value).groups()
            if kind in ("SECONDS", "SEC_MS", "MS") and not suffix:
                suffix = "ms" if kind == "MS" else "s"
            yield name, file, f"{number} {SUFFIXES[suffix]}".strip()


def units(root):
    for file in sorted((root / "units").iterdir()):
        if ".service" in file.name or ".socket" in file.name:
            for name, value in UNIT_LIMIT.findall(file.read_text()):
                number, suffix = re.fullmatch(r"(\d+)(\w*)", value).groups()
                if name.endswith("Sec") and not suffix:
                    suffix = "s"
                yield name, f"units/{file.name}", f"{number} {SUFFIXES[suffix]}".strip()


def rows(text):
    """The table's rows: (name, file) to the value."""
    part = text.split(BEGIN, 1)[1].split(END, 1)[0]
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[1].startswith("`"):
            yield (cells[1].strip("`"), cells[2].strip("`")), cells[3]
        elif line.strip() and not re.match(r"\| *(what|-)", line):
            yield (line, ""), "?"


def main():
    root = pathlib.Path(sys.argv[1])
    text = (root / "ARCHITECTURE.md").read_text()
    if BEGIN not in text or END not in text:
        sys.exit("ARCHITECTURE.md has no limits table between its markers")
    table, faults = {}, []
    for key, value in rows(text):
        if key in table:
            faults.append(f"twice in the table: {key[0]} of {key[1]}")
        table[key] = value
    found = {}
    for source in (constants, options, units):
        before = len(found)
        for name, file, value in source(root):
            found[name, file] = value
        if len(found) == before:
            faults.append(f"{source.__name__}: nothing found, the search is broken")
    for key, value in found.items():
        if key not in table:
            faults.append(f"not in the table: | WHAT | `{key[0]}` | `{key[1]}` | {value} |")
        elif measure(table[key]) != measure(value):
            faults.append(f"{key[0]} of {key[1]} is {value}; the table says {table[key]}")
    faults += [f"in the table, but nowhere in the code: {name} of {file}"
               for name, file in table if (name, file) not in found]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
