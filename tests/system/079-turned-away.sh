#!/bin/bash
# Connections that are turned away, each with a socket in it whose last close waits for
# an hour: the sessions that say so must end at once, or they take everybody's places.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/attack.sh"
trap end_attacks EXIT
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
add_user mallory --groups deployd
deployd_pid=$(systemctl show -P MainPID deployd)
readonly get_info='{"method":"org.varlink.service.GetInfo","parameters":{}}'
readonly n_refused=24

# Until no more are there than hold their clients, those that wait, and the spawner.
readonly n_left=22

note "all places of one user, and $n_refused connections more"
# They lie in the backlog, with what is in them, before anybody accepts them.
cursor=$(journal_cursor)
kill -STOP "$deployd_pid"
linger_attack mallory --connections 16 --part "$socket" "$get_info"
for ((i = 0; i < n_refused; i++)); do
	linger_attack mallory --part "$socket" "$get_info"
done
for ((i = 1; i <= n_refused; i++)); do
	tell "$i" leave
done
kill -CONT "$deployd_pid"
# shellcheck disable=SC2016
timeout "$WAIT_SEC" bash -c 'until [ "$(journalctl --since="$2" -u deployd |
	grep -c "turning away uid")" -ge "$1" ]; do :; done' - "$n_refused" "$cursor" ||
	fail "not $n_refused were turned away"
deployd_works 1
# shellcheck disable=SC2016
timeout "$WAIT_SEC" bash -c 'until [ "$(wc -l < "$1")" -le "$2" ]; do :; done' - \
	/sys/fs/cgroup/system.slice/deployd-sessions.service/cgroup.procs "$n_left" ||
	fail "sessions do not end"
# Of the others all have the same file: the last one hangs when its client's time is up.
n_hung=$(journal_since "$cursor" -u deployd -o cat | grep -c 'hangs: a file or socket' || true)
[ "$n_hung" -le 1 ] || fail "$n_hung sessions that turned a client away hung"
assert_equal "$(systemctl show -P NRestarts deployd)" 0
