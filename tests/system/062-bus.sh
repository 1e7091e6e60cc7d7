#!/bin/bash
# The bus goes away and comes back, systemd re-executes itself: deployd goes on.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
pid=$(systemctl show -P MainPID deployd)

note "the bus restarts"
cursor=$(journal_cursor)
systemctl kill --signal=KILL dbus.service
systemctl start dbus.service
timeout 20 bash -c 'until busctl status org.freedesktop.systemd1 > /dev/null 2>&1; do
	busctl --timeout=1 list > /dev/null 2>&1 || true; done'
for _ in 1 2 3 4 5 6 7 8 9 10; do
	status=0
	ctl restart hello 2> /tmp/err || status=$?
	[ $status != 0 ] || break
	# Until it is connected again it says so and does nothing by halves.
	assert_equal $status 1
	wait_journal "$cursor" 'connect|bus' -t deployd > /dev/null
done
assert_equal $status 0 "restart after the bus came back: $(cat /tmp/err)"
serves 1

note "systemd re-executes and reloads"
systemctl daemon-reexec
expect 0 ctl restart hello
systemctl daemon-reload
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
assert_equal "$(systemctl show -P MainPID deployd)" "$pid" "deployd's pid"
expect 0 ctl rollback hello
serves 1
