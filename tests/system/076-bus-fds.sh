#!/bin/bash
# Anybody may send a signal to deployd's connection on the bus, with fds in it. None is
# delivered: what deployd would have to close last could hang it.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/attack.sh"
trap end_attacks EXIT
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
pid=$(systemctl show -P MainPID deployd)
name=$(busctl list --no-legend | awk -v pid="$pid" '$2 == pid { print $1; exit }')
[ -n "$name" ] || fail "deployd has no connection to the bus"

note "the bus refuses to deliver an fd to it"
expect 0 "$attacks/busfd" --call "$name"
assert_equal "$out" org.freedesktop.DBus.Error.NotSupported

note "a user without any right sends lingering sockets"
for ((i = 0; i < 5; i++)); do
	_attack setpriv --reuid eve --regid eve --init-groups -- "$attacks/busfd" 10 "$name"
	deployd_works 1
done

note "what commands write still comes back: checks, logs, the last lines of a failure"
expect 0 as deploy deployctl logs hello
assert_contains "$out" "hello"
pack_hello crash.tar.gz 9 start=crash
expect 13 ctl deploy hello crash.tar.gz
assert_equal "$(find /run/deployd-output -mindepth 1)" "" "outputs that are left"
