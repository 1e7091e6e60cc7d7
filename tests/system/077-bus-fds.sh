#!/bin/bash
# Anybody may send a signal to deployd's connection on the bus, with fds in it. None is
# delivered: what deployd would have to close last could hang it.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/attack.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
pid=$(systemctl show -P MainPID deployd)
name=$(busctl list --no-legend | awk -v pid="$pid" '$2 == pid { print $1; exit }')
[ -n "$name" ] || fail "deployd has no connection to the bus"

note "a user without any right sends fds"
strace -q -e trace=recvmsg -s 300 -o /tmp/received -p "$pid" &
tracer=$!
# shellcheck disable=SC2016
timeout "$WAIT_SEC" bash -c 'until grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$1/status"; do :; done' - "$pid"
expect 0 setpriv --reuid eve --regid eve --init-groups -- "$attacks/busfd" 50 "$name" TheLast
# Signals arrive in order: with this one, all before it have come or never will.
# shellcheck disable=SC2016
timeout "$WAIT_SEC" bash -c 'until grep -q TheLast /tmp/received; do :; done' ||
	fail "a signal without an fd does not arrive"
kill "$tracer"
! grep SCM_RIGHTS /tmp/received || fail "deployd was sent an fd"
! grep WithFd /tmp/received || fail "deployd was sent a message that had an fd"
deployd_works 1

note "what commands write still comes back: checks, logs, the last lines of a failure"
expect 0 as deploy deployctl logs hello
assert_contains "$out" "hello"
pack_hello crash.tar.gz 9 start=crash
expect 13 ctl deploy hello crash.tar.gz
assert_equal "$(find /run/deployd-output -mindepth 1)" "" "outputs that are left"
