#!/bin/bash
# Releases that are sick in every way: each is gone back from, the old one serves, and what
# spoke against it is kept.
# timeout: 240
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[restart]' 'job_timeout_sec = 30' '[health]' 'min_healthy_sec = 1' \
	'healthy_deadline_sec = 4' 'bake_sec = 3' '[health_check web]' 'type = http' \
	"url = http://127.0.0.1:$hello_port/" 'interval_sec = 1' 'timeout_sec = 1'
mkdir -p /etc/systemd/system/hello.service.d
printf '[Service]\nTimeoutStartSec=3\nTimeoutStopSec=2\nRestart=on-failure\nRestartSec=100ms\n' \
	> /etc/systemd/system/hello.service.d/times.conf
systemctl daemon-reload
expect 0 ctl deploy hello hello-1.tar.gz
good=$(current_id)
readonly good
serves 1

# sick NAME WORDS [KEY=VALUE...]: a release that must be gone back from, with these words
sick() {
	local name=$1 words=$2 bad entry
	shift 2
	pack_hello "$name.tar.gz" 666 "$@"
	expect 13 ctl deploy --json hello "$name.tar.gz"
	bad=$(tail -n 1 <<< "$out")
	assert_equal "$(jq -r '.type + " " + .result + " " + (.exit | tostring)' <<< "$bad")" \
		"result rolled-back 13"
	bad=$(jq -r .release <<< "$bad")
	assert_equal "$(current_id)" "$good" "$name: current"
	serves 1

	expect 0 ctl show --json "hello@$bad"
	assert_equal "$(jq -r '.release.state // .state' <<< "$out")" bad "$name: state"
	entry=$(jq -c '.release.evidence // .evidence' <<< "$out")
	jq -e --arg words "$words" '.reason | test($words)' <<< "$entry" > /dev/null ||
		fail "$name: the reason is not '$words': $entry"
	jq -e '.journal | length > 0 and length <= 20' <<< "$entry" > /dev/null ||
		fail "$name: no journal lines: $entry"
	expect 0 ctl history --json hello
	entry=$(jq -c '.[0]' <<< "$out")
	assert_equal "$(jq -r '.kind + " " + .result + " " + .from + " " + .to' <<< "$entry")" \
		"deploy rolled-back $good $bad" "$name: history"
	note "$name: $(jq -r .message <<< "$entry")"
}

sick crash 'exited with status 3' start=crash exit_code=3
sick hang 'exceeded a time limit .*TimeoutStartSec=' start=hang
sick never-ready 'exceeded a time limit .*TimeoutStartSec=' start=never-ready
sick answers-500 "'web' did not pass .*: 500 " answer_status=500
sick answers-late "'web' did not pass .*: timed out" answer_delay_ms=3000
sick ends-in-the-check 'process (ended|exited) with' exit_after_sec=0
sick ends-in-the-bake 'process (ended|exited) with' exit_after_sec=3

note "it shows in words what a person needs, and exits with 13"
pack_hello words.tar.gz 667 start=crash exit_code=3
expect 13 ctl deploy hello words.tar.gz
assert_contains "$err$out" "rolled back to $good"
assert_contains "$err$out" 'told to crash at start'

note "the same archive is refused, without a restart, unless it is forced"
pid=$(systemctl show -P MainPID hello)
expect 10 ctl deploy hello words.tar.gz
assert_contains "$err" '--force'
assert_equal "$(systemctl show -P MainPID hello)" "$pid" "MainPID"
expect 10 ctl deploy --sha256="$(sha256sum words.tar.gz | cut -c1-64)" hello words.tar.gz
expect 13 ctl deploy --force hello words.tar.gz

note "a watchdog that runs out"
printf '[Service]\nWatchdogSec=1\n' > /etc/systemd/system/hello.service.d/limits.conf
systemctl daemon-reload
sick no-watchdog 'watchdog' watchdog=stop

note "memory without end"
printf '[Service]\nMemoryMax=64M\nMemorySwapMax=0\n' \
	> /etc/systemd/system/hello.service.d/limits.conf
systemctl daemon-reload
if grep -qw memory /sys/fs/cgroup/cgroup.controllers; then
	sick takes-memory 'oom|memory' eat_after_sec=2
else
	note "this machine limits no memory"
fi

note "auto_rollback = no: it stays, and status says what is wrong"
sed -i 's/^bake_sec = .*/&\nauto_rollback = no/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
pack_hello stays.tar.gz 668 answer_status=500
expect 1 ctl deploy hello stays.tar.gz
[ "$(current_id)" != "$good" ] || fail "it went back"
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" degraded
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$good"
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" live
