#!/bin/bash
# After a failed deploy status and list say which one it was and why, until one succeeds;
# what is stopped is not live; deployed_at is when a release became current, everywhere.
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
sed -i 's/^allow = /allow = hold /' /etc/deployd/policy.d/hello.conf
systemctl reload deployd

status() { # JQ: of the app's status
	expect 0 ctl status --json hello
	jq -r "$1 | tostring" <<< "$out"
}
release() { # ID JQ
	expect 0 ctl releases --json hello
	jq -r --arg id "$1" '.[] | select(.id == $id) | '"$2 | tostring" <<< "$out"
}

expect 0 ctl deploy hello hello-1.tar.gz
good=$(current_id)
assert_equal "$(status '.state, .failure')" $'live\nnull'
expect 0 ctl list
assert_equal "$(wc -l <<< "$out")" 2 "list: $out"

note "after an automatic rollback the failed deploy is named, with the reason"
pack_hello crash.tar.gz 666 start=crash exit_code=3
expect 13 ctl deploy --json hello crash.tar.gz
bad=$(tail -n 1 <<< "$out" | jq -r .release)
for _ in before after; do
	assert_equal "$(status '.state, .release')" "live"$'\n'"$good"
	assert_equal "$(status '.failure | .kind, .release, .result, .by.user')" \
		"deploy"$'\n'"$bad"$'\n'"rolled-back"$'\n'"deploy"
	assert_contains "$(status .failure.message)" 'status 3'
	expect 0 ctl status hello
	assert_contains "$out" "Failed: deploy of $bad by deploy"
	assert_contains "$out" 'status 3'
	expect 0 ctl list
	assert_contains "$out" "the deploy of $bad failed: hello.service"
	expect 0 systemctl restart deployd
done

note "a hold is in the list"
expect 0 ctl hold hello -m 'the fair'
expect 0 ctl list
assert_contains "$out" 'live,held'
assert_contains "$out" 'held: the fair'
expect 0 ctl list --json
assert_equal "$(jq -r '.[0] | .hold.reason, .failure.release' <<< "$out")" $'the fair\n'"$bad"
expect 0 ctl unhold hello

note "a refused deploy changes nothing about it, a good one ends it"
expect 10 ctl deploy hello crash.tar.gz
assert_equal "$(status .failure.release)" "$bad"
expect 0 ctl deploy hello hello-2.tar.gz
assert_equal "$(status .failure)" null
second=$(current_id)

note "what is stopped is not live"
expect 0 ctl stop hello
assert_equal "$(status '.state, .health')" $'degraded\nstopped'
assert_contains "$(status .reason)" 'deployctl start'
expect 0 ctl list --json
assert_equal "$(jq -r '.[0].state' <<< "$out")" degraded
expect 0 ctl start hello
assert_equal "$(status .state)" live

note "deployed_at is when it became current"
became=$(status .deployed_at)
assert_equal "$(release "$second" .deployed_at)" "$became"
first_became=$(release "$good" .deployed_at)
timeout 20 bash -c "until [ \$(date +%s) -gt $(date -d "$became" +%s) ]; do :; done"
expect 0 ctl rollback hello
[ "$(status .deployed_at)" != "$first_became" ] || fail "of the first time"
assert_equal "$(release "$good" .deployed_at)" "$(status .deployed_at)"
assert_equal "$(release "$second" .deployed_at)" "$became"
expect 0 ctl show --json hello
assert_equal "$(jq -r .deployed_at <<< "$out")" "$(status .deployed_at)"
