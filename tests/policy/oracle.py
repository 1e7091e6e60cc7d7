#!/usr/bin/env python3
"""Compares policy_eval with an evaluator of its own on random policies and requests.

usage: oracle.py POLICY_EVAL [SEED]
DEPLOYD_TEST_SCALE multiplies the 100,000 requests.
"""
import os
import random
import re
import subprocess
import sys

USERS = {"root": 0, "deploy": 1001, "alice": 1002, "bob": 1003, "carol": 1004, "hello": 1101,
         "world": 1102, "big": 3000000000, "nobody": 65534, "ghost": 4294967295}
GROUPS = {"root": 0, "deploy": 1001, "hello": 1101, "ops": 2001, "dev": 2002,
          "everyone": 2003, "nogroup": 65534}
VERBS = ("deploy stage activate rollback confirm restart reload start stop enable exec run "
         "console status history logs hold pin remove cancel mark no-hooks").split()
NOBODY = {65534, 4294967295}
SUDO = [{"deny": False, "numbers": set(), "verbs": {"start", "stop", "restart", "status"}, "uids": {uid},
         "gids": set(), "apps": {"world"}, "sha": False, "hours": None}
        for uid in (1001, 1102)]
POLICIES, CHECKS = 5000, 20


# --- the evaluator -------------------------------------------------------------------

def ids(words, table, prefix):
    found = set()
    for word in words:
        if re.fullmatch(prefix + ":(0|[1-9][0-9]*)", word):
            if int(word[4:]) == 0 and prefix == "uid":
                raise ValueError("root by number")
            found.add(int(word[4:]))
        else:
            found.add(table[word])
    if any(i in NOBODY or i > 4294967295 for i in found):
        raise ValueError("nobody")
    return found


def rule_of(lines):
    keys = dict(lines)
    if len(keys) != len(lines) or set(keys) - {"allow", "deny", "user", "group", "app",
                                               "require_sha256", "hours"}:
        raise ValueError("keys")
    if ("allow" in keys) == ("deny" in keys) or "app" not in keys:
        raise ValueError("verbs or app")
    if any(not keys[k].split() for k in keys):
        raise ValueError("empty")
    verbs = {"enable" if v == "disable" else v
             for v in keys.get("allow", keys.get("deny")).split()}
    if any(v not in VERBS and not re.fullmatch("run:[a-z0-9][a-z0-9_-]{0,62}", v)
           for v in verbs):
        raise ValueError("verb")
    apps = set(keys["app"].split())
    if apps != {"*"} and any(not re.fullmatch("[a-z0-9][a-z0-9_-]{0,62}", a) for a in apps):
        raise ValueError("app")
    rule = {"deny": "deny" in keys, "verbs": verbs, "apps": apps, "hours": None,
            "numbers": ids([w for w in keys.get("user", "").split() if w[:4] == "uid:"], {}, "uid"),
            "uids": ids(keys.get("user", "").split(), USERS, "uid"),
            "gids": ids(keys.get("group", "").split(), GROUPS, "gid"),
            "sha": {"yes": True, "no": False}[keys.get("require_sha256", "no")]}
    if not rule["uids"] | rule["gids"] and "user" not in keys and "group" not in keys:
        raise ValueError("nobody is named")
    if rule["deny"] and (rule["sha"] or 0 in rule["uids"]):
        raise ValueError("deny")
    if "hours" in keys:
        h1, m1, h2, m2 = map(int, re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)",
                                               keys["hours"]).groups())
        start, end = h1 * 60 + m1, h2 * 60 + m2
        if m1 > 59 or m2 > 59 or start >= 1440 or end > 1440 or start == end:
            raise ValueError("hours")
        rule["hours"] = {(start + i) % 1440 for i in range((end - start) % 1440 or 1440)}
    return rule


def load(text):
    """The rules; None when the policy is refused."""
    sections = {}
    try:
        for line in text.splitlines():
            if line.startswith("["):
                if line in sections:
                    return None
                lines = sections[line] = []
            else:
                key, value = line.split("=", 1)
                lines.append((key.strip(), value.strip()))
        return [rule_of(lines) for lines in sections.values()] + SUDO
    except (KeyError, ValueError, AttributeError):
        return None


def is_about(rule, who):
    uid, gids, named, owner = who
    if rule["deny"]:
        return bool({uid, owner} & rule["uids"] or gids & rule["gids"])
    if not named:
        return uid in rule["numbers"]
    return bool(uid in rule["uids"] or gids & rule["gids"])


def decide(rules, who, verb, app, minute):
    kind, uid = verb.split(":")[0], who[0]
    hits = [r for r in rules
            if is_about(r, who)
            and ("*" in r["apps"] or app in r["apps"])
            and verb_in(r["verbs"], kind, verb) and in_hours(r, minute)]
    allows = [r for r in hits if not r["deny"]]
    may = uid == 0 or (uid not in NOBODY and len(allows) > 0 and len(allows) == len(hits))
    return may, uid != 0 and all(r["sha"] for r in allows)


def verb_in(verbs, kind, verb):
    return kind in verbs or verb in verbs


def in_hours(rule, minute):
    if rule["hours"] is None:
        return True
    return minute in rule["hours"] if minute < 1440 else rule["deny"]


def knows(rules, who, app, minute):
    named = {v for r in rules for v in r["verbs"]} | {"run:some-other-name"}
    return any(decide(rules, who, v, app, minute)[0] for v in named if v != "run")


# --- random input --------------------------------------------------------------------

def some(rng, words, most=3):
    return " ".join(rng.sample(words, rng.randint(1, min(most, len(words)))))


def random_rule(rng, number):
    verbs = ["deploy", "status", "stop", "start", "run", "disable", "enable", "run:migrate",
             "run:seed", "logs"]
    users = [u for u in USERS if u not in ("nobody", "ghost")] + ["uid:77", "uid:1002", "uid:78"]
    lines = [(rng.choice(["allow", "allow", "deny"]), some(rng, verbs))]
    if rng.random() < 0.7:
        lines.append(("user", some(rng, users)))
    if rng.random() < 0.5 or len(lines) == 1:
        lines.append(("group", some(rng, ["ops", "dev", "everyone", "deploy", "gid:77"])))
    lines.append(("app", rng.choice(["*", some(rng, ["hello", "world", "foo-bar", "x"])])))
    if rng.random() < 0.2 and lines[0][0] == "allow":
        lines.append(("require_sha256", rng.choice(["yes", "yes", "no"])))
    if rng.random() < 0.25:
        lines.append(("hours", "%02d:%02d-%02d:%02d" % (
            rng.randrange(24), rng.choice([0, 1, 30, 59]),
            rng.randrange(25), rng.choice([0, 0, 1, 30]))))
    if lines[0][0] == "deny":
        lines = [(k, re.sub(r"\broot\b", "bob", v)) if k == "user" else (k, v)
                 for k, v in lines]
    if rng.random() < 0.02:
        spoil(rng, lines)
    rng.shuffle(lines)
    name = number if rng.random() > 0.01 else 0
    return "[rule r%d]\n" % name + "".join("%s = %s\n" % line for line in lines)


def spoil(rng, lines):
    at = rng.randrange(len(lines))
    key, value = lines[at]
    fault = rng.choice(["drop", "twice", "empty", "word", "key", "nobody"])
    if fault == "drop":
        del lines[at]
    elif fault == "twice":
        lines.append((key, value))
    elif fault == "key":
        lines[at] = (key + "s", value)
    elif fault == "nobody":
        lines[at] = (key, rng.choice(["nobody", "uid:-1", "uid:65534", "ghost", "1001",
                                       "uid:0"]))
    else:
        lines[at] = (key, "" if fault == "empty" else value + " nothing.at-all")


def random_check(rng):
    user = rng.choice(list(USERS) + ["uid:77", "uid:78", "uid:4294967295", "uid:1003",
                                     "uid:77/alice", "uid:78/bob", "uid:77/deploy",
                                     "uid:78/root", "uid:1003/carol", "gone:1002"])
    groups = rng.sample(list(GROUPS) + ["gid:77", "gid:78"], rng.choice([0, 0, 1, 2, 4]))
    verb = rng.choice(["deploy", "status", "stop", "start", "run", "enable", "run:migrate",
                       "run:seed", "run:else", "logs", "remove", "restart"])
    app = rng.choice(["hello", "world", "foo-bar", "x", "y", "*"])
    minute = rng.choice([rng.randrange(1440), rng.randrange(24) * 60, 0, 1439, 1440,
                         4294967295])
    return user, groups, verb, app, minute


def id_of(word, table):
    return int(word.split(":")[1]) if ":" in word else table[word]


def who_is(user, groups):
    """(uid, gids, has a name, owner or None)"""
    word, _, owner = user.partition("/")
    uid = id_of(word, USERS)
    named = not owner and not word.startswith("gone:") and uid in USERS.values()
    return uid, {id_of(g, GROUPS) for g in groups}, named, USERS[owner] if owner else None


def expected(rules, check):
    user, groups, verb, app, minute = check
    who = who_is(user, groups)
    uid = who[0]
    may, sha = decide(rules, who, verb, app, minute)
    # require_sha256 is asked about rights, which have no command's name
    if verb.startswith("run:"):
        sha = decide(rules, who, "run", app, minute)[1]
    known = uid == 0 or (uid not in NOBODY and knows(rules, who, app, minute))
    return " ".join(["allow" if may else "deny", "known" if known else "-",
                     "sha256" if sha else "-"])


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 32)
    scale = float(os.environ.get("DEPLOYD_TEST_SCALE") or 1)
    rng = random.Random(seed)
    print("seed", seed, flush=True)
    asked, want = [], []
    refused = decisions = 0
    while decisions < POLICIES * CHECKS * scale:
        text = "".join(random_rule(rng, i + 1) for i in range(rng.randint(0, 6)))
        rules = load(text)
        asked.append("policy\n%s.\n" % text)
        want.append((text, "ok" if rules is not None else "bad"))
        if rules is None:
            refused += 1
            continue
        for check in (random_check(rng) for _ in range(CHECKS)):
            user, groups, verb, app, minute = check
            line = "check %s %s %s %d\n" % ("+".join([user] + groups), verb, app, minute)
            asked.append(line)
            want.append((text + line, expected(rules, check)))
            decisions += 1
    got = subprocess.run([sys.argv[1]], input="".join(asked), capture_output=True, text=True,
                         check=False)
    answers = got.stdout.splitlines()
    if got.returncode != 0 or len(answers) != len(want):
        sys.exit("policy_eval: status %d, %d answers of %d\n%s"
                 % (got.returncode, len(answers), len(want), got.stderr))
    for (what, expect), answer in zip(want, answers):
        if expect != answer:
            sys.exit("%s\npolicy.c says: %s\nthe oracle: %s" % (what, answer, expect))
    verdicts = [a.split()[0] for a in answers]
    print("%d decisions (%d allowed, %d denied), %d policies refused: no difference"
          % (decisions, verdicts.count("allow"), verdicts.count("deny"), refused))


main()
