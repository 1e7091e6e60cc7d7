#!/bin/bash
# What systemd can do to a deploy: a masked or missing unit, the start limit, a bus that
# restarts and a systemd that re-executes itself in the middle of it.
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
good=$(current_id)
readonly good

note "a masked unit: said before anything is switched"
mv /etc/systemd/system/hello.service /root/
ln -s /dev/null /etc/systemd/system/hello.service
systemctl daemon-reload
expect 1 ctl deploy hello hello-2.tar.gz
assert_contains "$err" masked
assert_contains "$err" unmask
assert_equal "$(current_id)" "$good"

note "a missing unit, too; staging needs none"
rm /etc/systemd/system/hello.service
systemctl stop hello
systemctl daemon-reload
expect 1 ctl deploy hello hello-2.tar.gz
assert_contains "$err" 'does not exist'
assert_equal "$(current_id)" "$good"
expect 0 ctl stage hello hello-2.tar.gz
mv /root/hello.service /etc/systemd/system/
systemctl daemon-reload
expect 0 ctl start hello
serves 1

note "a unit in start-limit-hit is reset by an explicit request"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Unit]\nStartLimitIntervalSec=600\nStartLimitBurst=3\n' \
	> /etc/systemd/system/hello.service.d/limit.conf
systemctl daemon-reload
for _ in 1 2 3 4 5; do systemctl restart hello 2> /dev/null || true; done
assert_equal "$(systemctl show -P Result hello)" start-limit-hit
expect 0 ctl restart hello
serves 1
for _ in 1 2 3 4 5; do systemctl restart hello 2> /dev/null || true; done
assert_equal "$(systemctl show -P Result hello)" start-limit-hit
expect 0 ctl deploy hello hello-2.tar.gz
serves 2

# The job takes long enough for something to happen in the middle of it.
pack_hello slow.tar.gz 3 start_delay_ms=3000

# during WORDS COMMAND...: a deploy, with the command run while the unit's job runs
during() {
	local name=$1 cursor
	shift
	cursor=$(journal_cursor)
	start /tmp/out ctl deploy hello slow.tar.gz
	wait_journal "$cursor" 'Starting hello.service|Starting Hello' -u hello > /dev/null
	"$@"
	ended
	assert_equal "$status" 0 "$name: $(cat /tmp/out)"
	serves 3
	expect 0 ctl status --json hello
	assert_equal "$(jq -r '.state + " " + .unit_state' <<< "$out")" "live active" "$name"
	expect 0 ctl rollback hello
	serves 2
}

note "systemd re-executes itself in the middle of a deploy"
during daemon-reexec systemctl daemon-reexec

note "systemd reloads in the middle of a deploy"
during daemon-reload systemctl daemon-reload

restart_bus() {
	systemctl kill --signal=KILL dbus.service
	systemctl start dbus.service
}
note "the bus restarts in the middle of a deploy"
during bus restart_bus

note "an operator stops the unit in the middle of a deploy: it is told as it is"
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello slow.tar.gz
wait_journal "$cursor" 'Starting hello.service|Starting Hello' -u hello > /dev/null
systemctl stop hello
ended
assert_equal "$status" 13 "$(cat /tmp/out)"
serves 2
