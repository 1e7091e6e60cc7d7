#!/bin/bash
# A client that has ended its writing is still answered, whole.
# timeout: 200
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/attack.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
varlink() { as deploy timeout "$WAIT_SEC" python3 "$repo/tests/lib/varlink.py" "$@"; }

# A long history: what there is, again and again.
history=/var/lib/deployd/hello/history
line=$(tail -n 1 "$history")
yes "$line" | head -n 1000 > /tmp/history || true
cat /tmp/history > "$history"
readonly ask='{"app":"hello","limit":1000}'
whole=$(varlink io.deployd.History "$ask" | jq -S .)
[ "${#whole}" -ge 200000 ] || fail "the reply is short: ${#whole} bytes"
assert_equal "$(jq '.parameters.entries | length' <<< "$whole")" 1000

note "a large reply"
for ((i = 0; i < 10; i++)); do
	expect 0 varlink --shut io.deployd.History "$ask"
	assert_equal "$(jq -S . <<< "$out" | sha256sum)" "$(sha256sum <<< "$whole")" "the reply"
done

note "the same to socat, which ends its writing at the end of its input"
call="{\"method\":\"io.deployd.History\",\"parameters\":$ask}"
printf '%s\0' "$call" | as deploy timeout "$WAIT_SEC" socat -t "$WAIT_SEC" - "UNIX-CONNECT:$socket" \
	> /tmp/reply
assert_equal "$(tr -d '\0' < /tmp/reply | jq -S . | sha256sum)" "$(sha256sum <<< "$whole")" "socat's"

note "calls behind one another"
expect 0 varlink --shut --times 25 io.deployd.Status '{"app":"hello"}'
assert_equal "$(wc -l <<< "$out")" 25 "replies"
expect 0 varlink --shut --times 10 io.deployd.History "$ask"
assert_equal "$(wc -l <<< "$out")" 10 "large replies"

note "a job whose client has ended its writing"
expect 0 varlink --shut --more io.deployd.Restart '{"app":"hello"}'
assert_equal "$(tail -n 1 <<< "$out" | jq -r .parameters.outcome.result)" ok
expect 0 varlink --shut --times 3 io.deployd.Restart '{"app":"hello"}'
assert_equal "$(jq -r .parameters.outcome.result <<< "$out" | sort | uniq -c | xargs)" "3 ok"
serves 1
