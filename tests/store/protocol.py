"""The tables of daemon/store/protocol.h, read from there, and values held against them."""

import os
import re

HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "../../daemon/store/protocol.h")
TEXTS = r'((?:"[^"]*"\s*)+)'
PLAIN = {"text": str, "int": int, "bool": bool, "object": dict}


def _members(text):
    """{name: (type, whether it may be left out)}"""
    found = {}
    for member in "".join(re.findall(r'"([^"]*)"', text)).split(", "):
        if member:
            name, kind = member.strip().split(": ")
            found[name.rstrip("?")] = (kind, name.endswith("?"))
    return found


def _read():
    with open(HEADER, encoding="utf-8") as f:
        text = f.read()
    text = text.split("#define STORE_OBJECTS", 1)[1].split("enum store_verb", 1)[0]
    text = re.sub(r"/\*.*?\*/", "", text.replace("\\\n", "\n"), flags=re.S)
    objects = {name: _members(members) for name, members in
               re.findall(r"OBJECT\((\w+),\s*" + TEXTS + r"\)", text)}
    verbs = {name: (_members(request), _members(reply)) for name, request, reply in
             re.findall(r"VERB\((\w+),\s*" + TEXTS + r",\s*" + TEXTS + r"\)", text)}
    assert len(objects) > 5 and len(verbs) > 10, "protocol.h is not as it was"
    return objects, verbs


OBJECTS, VERBS = _read()


def check(kind, value, where):
    """The value must be of the type."""
    if kind.endswith("?"):
        if value is None:
            return
        kind = kind[:-1]
    if kind.startswith("["):
        assert isinstance(value, list), f"{where} is no array: {value!r}"
        for i, item in enumerate(value):
            check(kind[1:-1], item, f"{where}[{i}]")
    elif kind in PLAIN:
        assert type(value) is PLAIN[kind], f"{where} is no {kind}: {value!r}"
    elif kind != "any":
        check_members(OBJECTS[kind], value, where)


def check_members(members, value, where):
    assert isinstance(value, dict), f"{where} is no object: {value!r}"
    for name, (kind, optional) in members.items():
        if name in value:
            check(kind, value[name], f"{where}.{name}")
        else:
            assert optional, f"{where} has no {name}: {value!r}"
    more = set(value) - set(members)
    assert not more, f"{where} has {more}, of which protocol.h knows nothing"


def check_reply(verb, result):
    """What deployd-store answered when all went well."""
    reply = {key: value for key, value in result.items()
             if key not in ("type", "result", "message")}
    if verb == "audit":
        assert "view" not in reply
    else:
        check("view?", reply.pop("view"), f"{verb}: view")
    check_members(VERBS[verb][1], reply, verb)


def sample(kind):
    """A value of the type."""
    if kind.endswith("?"):
        return None
    if kind.startswith("["):
        return [sample(kind[1:-1])]
    if kind in PLAIN or kind == "any":
        return {"text": "x", "int": 1, "bool": True}.get(kind, {})
    return {name: sample(of) for name, (of, _) in OBJECTS[kind].items()}


def wrong(kind):
    """Values that are not of the type."""
    if kind == "any":
        return []
    found = [] if kind.endswith("?") else [None]
    kind = kind.rstrip("?")
    if kind.startswith("["):
        return found + ["x", {}] + [[value] for value in wrong(kind[1:-1])]
    if kind in PLAIN:
        return found + [value for value in ("x", 1, True, {}, [], 1.5)
                        if type(value) is not PLAIN[kind]]
    good = sample(kind)
    return found + ["x", [], {**good, "more": 1}, dict(list(good.items())[1:])]
