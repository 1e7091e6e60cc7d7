#!/bin/bash
# A service that does not stop when it is told to: its stop is not held against the release
# that comes after it, and is timed apart from the start.
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"

# restart_section LINES...: the app's file with these options in [restart]
restart_section() {
	app_file hello hello '[restart]' "$@" '[health]' 'min_healthy_sec = 0' 'bake_sec = 0'
	systemctl reload deployd
}

# unit_lines LINES...: a drop-in of the unit's [Service]
unit_lines() {
	mkdir -p /etc/systemd/system/hello.service.d
	printf '%s\n' '[Service]' "$@" > /etc/systemd/system/hello.service.d/times.conf
	systemctl daemon-reload
}

# last_entry FIELD: of the newest entry of the history
last_entry() {
	expect 0 ctl history --json hello
	jq -r ".[0].$1" <<< "$out"
}

release_state() { # ID
	expect 0 ctl releases --json hello
	jq -r --arg id "$1" '.[] | select(.id == $id) | .state' <<< "$out"
}

# A fresh app whose live release ignores SIGTERM.
stubborn_is_live() {
	systemctl kill --signal=KILL hello 2> /dev/null || true
	expect 0 ctl deploy hello "$1"
	assert_equal "$(readlink -f "/proc/$(systemctl show -P MainPID hello)/exe")" \
		"/srv/hello/releases/$(current_id)/bin/hello"
}

setup_hello
unit_lines 'TimeoutStartSec=20' 'TimeoutStopSec=3'
for version in 11 12 13 14; do
	pack_hello "stubborn-$version.tar.gz" "$version" stop=hang
done
pack_hello third.tar.gz 3
readonly killed='did not stop within [0-9]* s and was killed'

note "systemd's TimeoutStopSec and job_timeout_sec alike, as both are by default"
restart_section 'job_timeout_sec = 3'
stubborn_is_live stubborn-11.tar.gz
start /tmp/out ctl deploy --json hello hello-1.tar.gz
ended
assert_equal "$status" 0 "$(cat /tmp/out)"
serves 1
assert_contains "$(cat /tmp/out)" "the old process of hello.service did not stop within 3 s and was killed"
grep -q '"stopping the old release, [1-3] s of at most 3 s"' /tmp/out || fail "$(cat /tmp/out)"
assert_equal "$(last_entry result)" ok
assert_contains "$(last_entry message)" 'did not stop within 3 s and was killed'
assert_equal "$(release_state "$(current_id)")" current

note "a stop that takes longer than job_timeout_sec, which is for the start alone"
restart_section 'job_timeout_sec = 1'
stubborn_is_live stubborn-12.tar.gz
expect 0 ctl deploy --message 'with words' hello hello-2.tar.gz
serves 2
grep -q "^with words; .*$killed" <<< "$(last_entry message)" || fail "$(last_entry message)"

note "the way back from a release that ignores SIGTERM: its stop is its own"
restart_section 'job_timeout_sec = 20'
good=$(current_id)
pack_hello sick.tar.gz 21 stop=hang answer_status=500
app_file hello hello '[restart]' 'job_timeout_sec = 20' '[health]' 'min_healthy_sec = 0' \
	'bake_sec = 0' 'healthy_deadline_sec = 2' '[health_check web]' 'type = http' \
	"url = http://127.0.0.1:$hello_port/" 'interval_sec = 1'
systemctl reload deployd
expect 13 ctl deploy hello sick.tar.gz
assert_equal "$(current_id)" "$good"
serves 2
assert_equal "$(last_entry result)" rolled-back
assert_contains "$(last_entry message)" "the failed release's process in hello.service did not stop within 3 s and was killed"
bad=$(last_entry to)
expect 0 ctl show --json "hello@$bad"
assert_lacks "$(jq -r '(.release.evidence // .evidence).reason' <<< "$out")" 'did not stop'

note "TimeoutStopSec=infinity is bounded by stop_timeout_sec"
unit_lines 'TimeoutStartSec=20' 'TimeoutStopSec=infinity'
restart_section 'job_timeout_sec = 20' 'stop_timeout_sec = 2'
stubborn_is_live stubborn-13.tar.gz
expect 0 ctl deploy hello third.tar.gz
serves 3
grep -q "the old process of hello.service $killed" <<< "$(last_entry message)" ||
	fail "$(last_entry message)"

note "a stop that no SIGKILL ends: the machine is at fault, nothing is blamed"
# What is stopped is gone, but the next command of ExecStopPost= runs then.
stops=()
for _ in 1 2 3; do stops+=('ExecStopPost=-/bin/sleep infinity'); done
unit_lines 'TimeoutStartSec=20' 'TimeoutStopSec=infinity' "${stops[@]}"
good=$(current_id)
pack_hello next.tar.gz 31
expect 1 ctl deploy hello next.tar.gz
assert_contains "$err" 'the old process of hello.service did not stop within '
assert_contains "$err" 'SIGKILL did not end it'
assert_equal "$(current_id)" "$good"
assert_equal "$(last_entry result)" machine
assert_equal "$(release_state "$(last_entry to)")" staged
# What was live comes back once the stop is over.
unit_lines 'TimeoutStartSec=20' 'TimeoutStopSec=3'
until [ "$(systemctl show -P ActiveState hello)" = active ]; do
	[ "$(systemctl show -P SubState hello)" != stop-post ] || systemctl kill --signal=KILL hello
done
serves 3

note "the same archive is welcome afterwards"
expect 0 ctl deploy hello next.tar.gz
serves 31

note "a plain stop says so, too"
restart_section 'job_timeout_sec = 20'
stubborn_is_live stubborn-14.tar.gz
expect 0 ctl stop hello
assert_contains "$out$err" "the process of hello.service did not stop within 3 s and was killed"
