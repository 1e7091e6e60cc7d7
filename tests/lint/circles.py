#!/usr/bin/env python3
"""No circle between object files, nor between folders: who needs whom is a tree.

usage: circles.py SOURCE_DIR BUILD_DIR

Reads with nm what every object of lib/, daemon/ and ctl/ defines and needs. First it finds
a circle that it makes itself, since a test that finds nothing may be blind.
"""
import json
import os
import re
import subprocess
import sys
import tempfile


def symbols(paths):
    """{path: (defined, needed)} of object files."""
    found = {path: (set(), set()) for path in paths}
    out = subprocess.run(["nm", "-A", *paths], check=True, capture_output=True,
                         text=True).stdout
    for line in out.splitlines():
        path, _, rest = line.partition(".o:")
        *_, kind, name = rest.split()
        if kind in "Uw":
            found[path + ".o"][1].add(name)
        elif kind.isupper():
            found[path + ".o"][0].add(name)
    return found


def graph(objects):
    """{name: set of names} of {name: (path, target)}."""
    by_symbol, edges = {}, {}
    of = symbols([path for path, _ in objects.values()])
    for name, (path, target) in objects.items():
        for symbol in of[path][0]:
            by_symbol.setdefault(symbol, []).append((name, target))
    for name, (path, target) in objects.items():
        edges[name] = set()
        for symbol in of[path][1]:
            # Two programs may have a function of one name: each means its own.
            found = by_symbol.get(symbol, [])
            own = [n for n, t in found if t == target]
            edges[name].update(own or [n for n, _ in found])
        edges[name].discard(name)
    return edges


def circles(edges):
    """Tarjan: the strongly connected components of more than one."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return found


def folders(edges):
    between = {}
    for node, others in edges.items():
        here = os.path.dirname(node)
        between.setdefault(here, set())
        between[here].update({os.path.dirname(o) for o in others} - {here})
    return between


def planted():
    """A circle of three and a file beside it, compiled here."""
    sources = {
        "one/a": "void b(void); void a(void); void a(void) { b(); }",
        "one/b": "void c(void); void b(void); void b(void) { c(); }",
        "two/c": "void a(void); void c(void); void c(void) { a(); }",
        "two/d": "void a(void); void d(void); void d(void) { a(); }",
    }
    with tempfile.TemporaryDirectory() as scratch:
        objects = {}
        for name, text in sources.items():
            path = f"{scratch}/{os.path.basename(name)}.o"
            subprocess.run([os.environ.get("CC", "cc"), "-x", "c", "-c", "-o", path, "-"],
                           input=text, text=True, check=True)
            objects[name] = path, "x"
        edges = graph(objects)
    return circles(edges), circles(folders(edges))


def built(source, build):
    """{"ctl/client/call": (path, target)} of what the build has compiled of ours."""
    objects = {}
    with open(f"{build}/compile_commands.json", encoding="utf-8") as commands:
        entries = json.load(commands)
    for entry in entries:
        path = os.path.join(entry["directory"],
                            entry.get("output") or
                            re.search(r" -o (\S+)", entry["command"]).group(1))
        generated = entry["file"].startswith(build + "/")
        name = os.path.relpath(entry["file"], build if generated else source)
        target = re.search(r"CMakeFiles/(.+?)\.dir/", path).group(1)
        if not re.match(r"(lib|daemon|ctl)/", name) or "_verify_" in target:
            continue
        name = name.removesuffix(".c")
        if name in objects:
            name += f" ({target})"  # compiled for two programs
        objects[name] = path, target
    return objects


def main():
    source, build = (os.path.realpath(path) for path in sys.argv[1:3])
    if planted() != ([["one/a", "one/b", "two/c"]], [["one", "two"]]):
        sys.exit("a planted circle is not found: this test is blind")
    objects = built(source, build)
    if len(objects) < 100:
        sys.exit(f"only {len(objects)} objects in {build}: the search is broken")
    missing = [path for path, _ in objects.values() if not os.path.exists(path)]
    if missing:
        sys.exit("build first: there is no " + missing[0])
    edges = graph(objects)
    fault = False
    for what, of in (("files", edges), ("folders", folders(edges))):
        for circle in circles(of):
            fault = True
            print(f"a circle of {what}:")
            for node in circle:
                print(f"  {node} -> {' '.join(sorted(of[node] & set(circle)))}")
    sys.exit(fault)


if __name__ == "__main__":
    main()
