#!/bin/bash
# hold and unhold, cancel, confirm: who may switch, and until when it can be undone.
# timeout: 180
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
sed -i 's/^allow = .*/& hold confirm/' /etc/deployd/policy.d/hello.conf
expect 0 systemctl reload deployd
expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)

note "a hold forbids switching, with its reason, over a restart of deployd"
expect 0 ctl hold hello -m 'the database is being moved'
systemctl restart deployd
for verb in 'deploy hello hello-2.tar.gz' "rollback hello"; do
	# shellcheck disable=SC2086
	expect 11 ctl $verb
	assert_contains "$err" 'the database is being moved'
	assert_contains "$err" unhold
done
expect 0 ctl stage hello hello-2.tar.gz
expect 0 ctl restart hello
expect 0 ctl status --json hello
assert_equal "$(jq -r '(.held | tostring) + " " + .hold.reason + " " + .hold.by.user' <<< "$out")" \
	"true the database is being moved deploy"
expect 0 ctl status hello
assert_contains "$out" 'the database is being moved'
expect 4 as eve deployctl unhold hello
expect 0 ctl unhold hello
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$first"

note "a hold with an end, and one that would have ended already"
expect 0 ctl hold hello -m 'for a while' --until=1h
expect 0 ctl status --json hello
jq -e '.hold.until | test("^20[0-9]{2}-.*Z$")' <<< "$out" > /dev/null || fail "no end: $out"
expect 2 ctl hold hello -m 'late' --until=2001-01-01T00:00:00Z
expect 0 ctl unhold hello

note "an automatic rollback works under a hold"
sed -i 's/^bake_sec = .*/bake_sec = 3/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
pack_hello dies.tar.gz 666 exit_after_sec=2
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello dies.tar.gz
wait_journal "$cursor" 'current is now' -t deployd > /dev/null
expect 0 ctl hold --no-block hello -m 'while it bakes'
ended
assert_equal "$status" 13 "$(cat /tmp/out)"
serves 1
expect 0 ctl unhold hello
sed -i 's/^bake_sec = .*/bake_sec = 0/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd

note "an operator's own restart while it bakes is no sickness"
sed -i 's/^bake_sec = .*/bake_sec = 4/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
start /tmp/out ctl deploy hello hello-2.tar.gz
timeout "$WAIT_SEC" grep -m 1 -q 'hello: baking' < <(exec tail -n +1 -f /tmp/out) ||
	fail "it does not bake: $(cat /tmp/out)"
systemctl restart hello
ended
assert_equal "$status" 0 "$(cat /tmp/out)"
serves 2
sed -i 's/^bake_sec = .*/bake_sec = 0/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
expect 0 ctl rollback hello

note "cancel: before the switch it drops what was unpacked"
mkfifo fifo
chown deploy fifo
exec 5<> fifo
big_hello big.tar.gz hello-2.tar.gz
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello fifo
head -c "$big_enough" big.tar.gz >&5
wait_journal "$cursor" 'deploy by deploy begins' -t deployd > /dev/null
expect 4 as eve deployctl cancel hello
expect 0 ctl cancel hello
ended
assert_equal "$status" 15 "$(cat /tmp/out)"
assert_contains "$(cat /tmp/out)" 'cancelled by deploy'
exec 5>&-
assert_equal "$(current_id)" "$first"
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "something is left in .staging"
expect 5 ctl cancel hello

note "after the switch it is too late"
pack_hello slow.tar.gz 3 start_delay_ms=2500
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello slow.tar.gz
wait_journal "$cursor" 'current is now' -t deployd > /dev/null
expect 11 ctl cancel hello
assert_contains "$err" rollback
ended
assert_equal "$status" 0 "$(cat /tmp/out)"
serves 3
third=$(current_id)

note "confirm: what is confirmed stays"
expect 0 ctl deploy --confirm=30s hello hello-2.tar.gz
assert_contains "$out$err" confirm
second=$(current_id)
expect 0 ctl status --json hello
jq -e '.confirm_by | test("Z$")' <<< "$out" > /dev/null || fail "no deadline: $out"
expect 11 ctl deploy hello hello-1.tar.gz
assert_contains "$err" 'awaits its confirmation'
expect 0 ctl confirm hello
expect 5 ctl confirm hello
expect 0 ctl status --json hello
assert_equal "$(jq -r .confirm_by <<< "$out")" null
expect 0 ctl releases --json hello
assert_equal "$(jq -r '.[0].state' <<< "$out")" current

note "what is not confirmed goes back by itself"
cursor=$(journal_cursor)
expect 0 ctl deploy --confirm=2s hello hello-1.tar.gz
unconfirmed=$(current_id)
wait_journal "$cursor" 'revert by .* failed|not confirmed in time' -t deployd > /dev/null
assert_equal "$(current_id)" "$second"
serves 2
expect 0 ctl history --json hello
assert_equal "$(jq -r '.[0] | .kind + " " + .result + " " + .from + " " + .to' <<< "$out")" \
	"revert rolled-back $unconfirmed $second"
expect 0 ctl status --json hello
assert_equal "$(jq -r '.state + " " + .release' <<< "$out")" "live $second"

note "a rollback is an answer, too"
expect 0 ctl deploy --confirm=30s hello slow.tar.gz
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$second"
expect 0 ctl status --json hello
assert_equal "$(jq -r .confirm_by <<< "$out")" null
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$third"
