#!/bin/bash
# deployd comes and goes; releases, history and rollback stay. Also over a reboot.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"

watchdog_of() { # SECONDS
	mkdir -p /etc/systemd/system/deployd.service.d
	printf '[Service]\nWatchdogSec=%s\n' "$1" > /etc/systemd/system/deployd.service.d/watchdog.conf
	systemctl daemon-reload
	systemctl restart deployd.service
}

if [ "$MACHINE_BOOT" = 1 ]; then
	setup_hello
	expect 0 ctl deploy hello hello-1.tar.gz
	expect 0 ctl deploy hello hello-2.tar.gz

	note "a client that comes while deployd restarts waits, it is not refused"
	for _ in 1 2 3 4 5; do
		systemctl restart --no-block deployd.service
		expect 0 ctl status hello
	done

	note "a stop waits for the deploy that runs"
	pack_hello slow.tar.gz 3 start_delay_ms=1500
	cursor=$(journal_cursor)
	as deploy deployctl deploy hello slow.tar.gz > /dev/null 2>&1 &
	wait_journal "$cursor" 'Starting hello.service|Starting Hello' -u hello > /dev/null
	systemctl stop deployd.service 2> /dev/null
	assert_equal "$(systemctl show -P Result deployd)" success
	wait $! || true
	systemctl start deployd.service
	expect 0 ctl status hello --json
	assert_equal "$(jq -r .state <<< "$out")" live

	note "a deployd that is killed is replaced"
	pid=$(systemctl show -P MainPID deployd)
	kill -KILL "$pid"
	expect 0 ctl status hello
	[ "$(systemctl show -P MainPID deployd)" != "$pid" ] || fail "the same process"

	note "the watchdog is fed"
	assert_equal "$(systemctl show -P WatchdogUSec deployd)" 30s
	watchdog_of 5
	pid=$(systemctl show -P MainPID deployd)
	fed=$(systemctl show -P WatchdogTimestampMonotonic deployd)
	# shellcheck disable=SC2016
	timeout "$WAIT_SEC" bash -c 'until [ "$(systemctl show -P WatchdogTimestampMonotonic \
		deployd)" != "$1" ]; do :; done' - "$fed" || fail "deployd does not feed the watchdog"
	assert_equal "$(systemctl show -P MainPID deployd)" "$pid" "the process that feeds it"

	note "a deployd that hangs is ended by the watchdog and replaced; the app runs on"
	replaced=$(systemctl show -P NRestarts deployd)
	runs=$(systemctl show -P InvocationID,MainPID hello)
	cursor=$(journal_cursor)
	kill -STOP "$pid"
	wait_journal "$cursor" 'Watchdog timeout' -u deployd > /dev/null
	expect 0 ctl status --json hello
	assert_equal "$(jq -r .state <<< "$out")" live
	[ "$(systemctl show -P MainPID deployd)" != "$pid" ] || fail "the same process"
	[ ! -e "/proc/$pid" ] || fail "the process that hung is still there"
	assert_equal "$(systemctl show -P NRestarts deployd)" $((replaced + 1)) "restarts of deployd"
	assert_equal "$(systemctl show -P InvocationID,MainPID hello)" "$runs" "how hello runs"
	serves 3
	watchdog_of 30
	expect 0 ctl enable hello
	serves 3
	exit 94
fi

note "after a reboot"
cd /home/deploy
expect 0 ctl status hello --json
assert_equal "$(jq -r .state <<< "$out")" live
systemctl is-active hello > /dev/null || systemctl start hello
serves 3
expect 0 ctl rollback hello
serves 2
expect 0 ctl rollback hello
serves 1
expect 5 ctl rollback hello
