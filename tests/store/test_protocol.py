"""daemon/store/protocol.h says what deployd-store is asked and what it answers: the
program goes by it, and so do the replies (storelib checks each one in every test).

usage: test_protocol.py PROGRAM [NAME...]
"""

import glob
import os
import re
import sys

import protocol
from storelib import Store, refused, require_root, run_cases

SOURCES = os.path.join(os.path.dirname(protocol.HEADER), "*.c")


def without(fields, name):
    return {key: value for key, value in fields.items() if key != name}


def test_every_member_is_asked_for_and_has_its_type(store):
    for verb, (request, _) in protocol.VERBS.items():
        good = {name: protocol.sample(kind) for name, (kind, _) in request.items()}
        refused("failed", "bad request: it has an unknown member", store.call, verb,
                **good, more=1)
        for name, (kind, optional) in request.items():
            if not optional:
                refused("failed", f"bad request: no {name}", store.call, verb,
                        **without(good, name))
            for value in protocol.wrong(kind):
                refused("failed", "bad request: ", store.call, verb,
                        **{**good, name: value})
    assert not os.path.exists(store.state_dir), "a bad request changes nothing"


def test_every_member_of_the_app(store):
    for name, (kind, _) in protocol.OBJECTS["app"].items():
        other = Store(store.program, store.root)
        good = dict(other.settings)
        for settings in [without(good, name), {**good, "more": 1}] + [
                {**good, name: value} for value in protocol.wrong(kind)]:
            other.settings = settings
            refused("failed", "bad request: ", other.call, "inspect")
    for settings in (None, [], "x"):
        store.settings = settings
        refused("failed", "bad request: app", store.call, "inspect")


def test_the_code_reads_what_the_tables_have(_store):
    """A name that is only in the one or only in the other is misspelt."""
    read = set()
    for path in glob.glob(SOURCES):
        with open(path, encoding="utf-8") as f:
            read |= set(re.findall(r'request_(?:get|text|int|bool)\(\s*\w+,\s*"(\w+)"',
                                   f.read()))
    told = {name for request, _ in protocol.VERBS.values() for name in request}
    told |= set(protocol.OBJECTS["app"])
    assert read - {"verb", "app"} == told, read ^ told


require_root()
run_cases(globals(), sys.argv)
