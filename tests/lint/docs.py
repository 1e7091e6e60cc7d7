#!/usr/bin/env python3
"""What README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/ say is so.

usage: docs.py SOURCE_DIR

- A code block below <!-- as in: FILE --> says nothing that FILE does not; for
  tests/lib/try-session.sh it has every deployctl command of it, too.
- README's exit statuses are those of lib/result.c.
- Every `deployctl VERB` is a verb, every `path` of ours and every link exists.
- These pages and the manual use the one word that we have for a thing.
"""
import pathlib
import re
import sys

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/from-mix_deploy.md",
             "docs/limits.md", "tests/README.md", "units/deployd.catalog")
# Identifiers of the code, in `quotes`, are free to use others.
WORDS = {"operation": "job", "operations": "jobs", "proven": "verified", "proof": "verification",
         "sick": "failed", "he": "they, or the user", "his": "their", "himself": "oneself"}
SESSION = "tests/lib/try-session.sh"
MARKED = re.compile(r"<!-- as in: (\S+) -->\n```\w*\n(.*?)```", re.S)
OURS = re.compile(r"`((?:\.ci|cmake|ctl|daemon|etc|include|lib|man|tests|units)(?:/[\w./{},-]*)?)"
                  r"(?: [^`]*)?`")


class Lint:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.checked = 0

    def text(self, path):
        return (self.root / path).read_text()

    def fault(self, message):
        self.faults.append(message)

    def expect(self, condition, message):
        self.checked += 1
        if not condition:
            self.fault(message)

    def marked_blocks(self, document):
        for source, block in MARKED.findall(self.text(document)):
            if source == SESSION:
                self.session(document, block)
                continue
            wanted = self.text(source)
            for line in filter(None, block.splitlines()):
                command = line.removeprefix("sudo ")
                self.expect(command in wanted, f"{document}: not in {source}: {line}")

    def session(self, document, block):
        """Both ways: (user, command), where ';' separates commands."""
        def split(user, line):
            return {(user, part.strip()) for part in line.split(";")}

        ran, told = set(), set()
        for user, _, line in re.findall(r"\bat (\w+) (\d+) '([^']*)'", self.text(SESSION)):
            ran |= split(user, line)
        for user, line in re.findall(r"^(\w+)@host\$ (.*)$", block, re.M):
            told |= split(user, line)
        self.expect(ran, f"no command found in {SESSION}: the search is broken")
        for user, command in sorted(told - ran):
            self.fault(f"{document}: {SESSION} does not run, as {user}: {command}")
        for user, command in sorted(ran - told):
            self.fault(f"{document}: not shown, but run as {user}: {command}")

    def exit_statuses(self):
        code = dict(re.findall(r'\{"([a-z-]+)",\s*(?:NULL|"[\w.]+"),\s*(\d+)\}',
                               self.text("lib/result.c")))
        told = {name: status for status, name in
                re.findall(r"^\| (\d+) \| ([a-z-]+) \|", self.text("README.md"), re.M)}
        self.expect(len(code) > 10, "no results found in lib/result.c: the search is broken")
        for name in sorted(code.keys() | told.keys()):
            self.expect(code.get(name) == told.get(name),
                        f"README.md: {name} is {told.get(name)}, "
                        f"in lib/result.c it is {code.get(name)}")

    def verbs(self, document):
        known = set(re.findall(r'^\t\{"([a-z-]+)", [A-Z]+,', self.text("ctl/verbs.c"), re.M))
        self.expect("deploy" in known, "no verbs found in ctl/verbs.c: the search is broken")
        for verb in re.findall(r"(?:`|\$ |; |\n)deployctl ([a-z][a-z-]*)", self.text(document)):
            self.expect(verb in known, f"{document}: there is no verb '{verb}'")

    def paths(self, document):
        text = self.text(document)
        for path in OURS.findall(text):
            if "{" not in path and "NNN" not in path:
                self.expect((self.root / path).exists(), f"{document}: no such file: {path}")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            self.expect((self.root / target).exists(), f"{document}: no such file: {target}")


    def words(self, document):
        for number, line in enumerate(self.text(document).splitlines(), 1):
            for word in re.findall(r"(?<![`\w/.-])[A-Za-z]+\b(?![`_])", line):
                better = WORDS.get(word.lower())
                self.expect(not better, f"{document}:{number}: '{word}', better: {better}")


def main():
    lint = Lint(pathlib.Path(sys.argv[1]))
    for document in DOCUMENTS:
        lint.marked_blocks(document)
        lint.verbs(document)
        lint.paths(document)
        lint.words(document)
    manuals = sorted((lint.root / "man").glob("*.scd"))
    lint.expect(len(manuals) > 5, "hardly a manual page was found: the search is broken")
    for page in [*manuals, lint.root / "lib/varlink/io.deployd.varlink"]:
        lint.words(page.relative_to(lint.root))
    lint.exit_statuses()
    lint.expect(SESSION in "".join(MARKED.findall(lint.text("README.md"))[0]),
                "README.md: the first marked block is no longer that of " + SESSION)
    lint.expect(lint.checked > 50, "hardly anything was checked: the search is broken")
    print(*lint.faults, sep="\n", end="\n" if lint.faults else "")
    return 1 if lint.faults else 0


if __name__ == "__main__":
    sys.exit(main())
