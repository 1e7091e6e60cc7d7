#!/bin/bash
# No user can rotate the record of other users' changes out of the journal: entries that
# clients cause are merged, and reads do not show up in the app's journal.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/journal.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz

note "20,000 denied requests: few entries, and every request is counted"
cursor=$(journal_cursor)
out=$(as eve python3 "$repo/tests/lib/requests.py" call io.deployd.Restart '{"app":"hello"}' 20000)
assert_equal "$(jq -c . <<< "$out")" '{"io.deployd.Denied":20000}'
entries=$(told "$cursor" 20000 'restart hello for eve .*: denied' denied eve)
[ "$entries" -le 200 ] || fail "$entries entries"
note "$entries entries"
line=$(journal_since "$cursor" -o json MESSAGE_ID=ad78bb0711e24209a10b8b20042d7501 | head -n 1)
assert_equal "$(jq -r '.DEPLOY_USER, .DEPLOY_UID' <<< "$line")" "eve"$'\n'"$(id -u eve)"

note "another user's denial is not merged with them"
cursor=$(journal_cursor)
expect 4 ctl hold hello --message=x
wait_journal "$cursor" 'hold hello for deploy .*: denied: no rule allows it' -t deployd > /dev/null

note "bad calls, and connections over the limit"
cursor=$(journal_cursor)
as deploy python3 "$repo/tests/lib/requests.py" junk 300
entries=$(told "$cursor" 300 'closing the connection of deploy ' closed deploy)
[ "$entries" -le 100 ] || fail "$entries entries"
cursor=$(journal_cursor)
add_user mallory --groups deployd
out=$(as mallory python3 "$repo/tests/lib/requests.py" hold 120)
assert_equal "$(jq -r '."io.deployd.Busy" + .ok' <<< "$out")" 120
turned_away=$(jq -r '."io.deployd.Busy"' <<< "$out")
entries=$(told "$cursor" "$turned_away" "turning away uid $(id -u mallory)" 'turned away' \
	"(mallory|uid:$(id -u mallory)|unknown users)")
[ "$entries" -lt "$turned_away" ] || fail "$entries entries for $turned_away connections"

note "reads: one line a minute, and none in the app's journal"
cursor=$(journal_cursor)
as deploy python3 "$repo/tests/lib/requests.py" call io.deployd.Releases '{"app":"hello"}' 500
expect 0 ctl status hello
expect 0 ctl history hello
expect 0 ctl logs hello
app_lines=$(journal_since "$cursor" -u hello)
for right in status history logs; do
	assert_lacks "$out" "$right hello for"
	assert_lacks "$app_lines" "$right hello for"
done
lines=$(journal_since "$cursor" -t deployd | grep -cE '(status|history|logs) hello for deploy' || true)
[ "$lines" -le 2 ] || fail "$lines lines"

note "a change is in the journal of the app, once"
cursor=$(journal_cursor)
expect 0 ctl restart hello
app_lines=$(journal_since "$cursor" -u hello)
assert_contains "$app_lines" "restart hello for deploy"
assert_lacks "$app_lines" "allowed: allowed"
assert_equal "$(grep -c 'allowed by rule' <<< "$app_lines")" 1
assert_equal "$(systemctl show -P NRestarts deployd)" 0
