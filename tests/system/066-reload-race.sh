#!/bin/bash
# timeout: 300
# The policy flips between allow and deny while many clients ask: every decision is made by
# one whole configuration (the clients check it), and whatever line of it is in the journal,
# where reads and many denials are merged, names the rule that made it.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
readonly reloads=$((200 * ${DEPLOYD_TEST_SCALE:-1}))

# Every line counts here.
mkdir -p /etc/systemd/system/deployd.service.d
printf '[Service]\nLogRateLimitIntervalSec=0\n' > /etc/systemd/system/deployd.service.d/log.conf
systemctl daemon-reload
systemctl restart deployd
# Who has another right on the app is told the rule.
sed -i 's/^allow = .*/allow = history/' /etc/deployd/policy.d/hello.conf
expect 0 deployctl reload
cursor=$(journal_cursor)

expect 0 "$repo/tests/lib/reload-race.py" "$reloads" 8
read -r allowed denied <<< "$out"
echo "   $reloads reloads, $allowed allowed, $denied denied"
[ "$allowed" -ge "$reloads" ] && [ "$denied" -ge "$reloads" ] || fail "hardly anybody asked"

journal_since "$cursor" -t deployd -o json |
	jq -r 'select(.DEPLOY_OPERATION == "status" and .DEPLOY_USER == "deploy" and .DEPLOY_RULE) |
		"\(.DEPLOY_RULE)\t\(.MESSAGE)"' > /run/decisions
python3 - /run/decisions "$allowed" "$denied" << 'END'
import re, sys
counts, last = {"allow": 0, "deny": 0}, 0
for line in open(sys.argv[1]):
    rule, message = line.rstrip("\n").split("\t", 1)
    match = re.fullmatch(r"(allowed|denied) by rule '(allow|deny) (\d+)' \(/etc/deployd/policy\.d/"
                         r"([az])\.conf:1\)", rule)
    if not match:
        sys.exit(f"by which rule? {rule}")
    verdict, kind, n, file = match[1], match[2], int(match[3]), match[4]
    if (kind, file) != (("deny", "z") if n % 2 == 0 else ("allow", "a")):
        sys.exit(f"half of configuration {n}: {rule}")
    if not message.endswith(rule):
        sys.exit(f"{message} is not what {rule} says")
    if n < last:
        sys.exit(f"configuration {n} after {last}")
    last = n
    counts[kind] += 1
if not (0 < counts["allow"] <= int(sys.argv[2]) and 0 < counts["deny"] <= int(sys.argv[3])):
    sys.exit(f"the journal has {counts}, the clients were told {sys.argv[2:]}")
END
