#!/bin/bash
# A member of group deployd without any right pushes files whose server never answers when
# they are closed, read or looked at. Only the session that holds one waits for it.
# timeout: 400
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/attack.sh"
needs_fuse
trap end_attacks EXIT
setup_hello
add_user mallory --groups deployd
expect 0 ctl deploy hello hello-1.tar.gz
deployd_pid=$(systemctl show -P MainPID deployd)
readonly get_info='{"method":"org.varlink.service.GetInfo","parameters":{}}'
cursor=$(journal_cursor)

note "a call with such an fd, whoever may make it"
calls=(
	"$get_info"
	'{"method":"io.deployd.List","parameters":{}}'
	'{"method":"io.deployd.NoSuchMethod","parameters":{}}'
	'{"method":"io.deployd.Deploy","parameters":{"app":"hello","archiveFileDescriptor":0}}'
	'{"method":"io.deployd.Logs","parameters":{"app":"hello"}}'
)
for call in "${calls[@]}"; do
	fuse_attack eve "$socket" "$call"
	wait_line "$attack" '^reply '
	tell "$attack" leave
	wait_line "$attack" '^flush .* hangs'
	deployd_works 1
done
deploy_works 2

note "half a request, and the client goes"
fuse_attack eve --part "$socket" "$get_info"
tell "$attack" leave
wait_line "$attack" '^flush .* hangs'
deployd_works 2

note "many at once, and behind one another"
fuse_attack eve --times 25 "$socket" "$get_info"
wait_line "$attack" '^reply '
tell "$attack" leave
wait_line "$attack" '^flush .* hangs'
deployd_works 2

note "over a limit: fds, bytes, nonsense"
for over in '--fds 9' '--fds 300' '--pad 2000000'; do
	# shellcheck disable=SC2086
	fuse_attack eve $over "$socket" "$get_info"
	wait_line "$attack" '^closed|^flush .* hangs'
	deployd_works 2
done
fuse_attack eve "$socket" '{"method":1'
wait_line "$attack" '^flush .* hangs'
deployd_works 2

note "what hangs is said, counted for its user, and not waited for"
wait_journal "$cursor" 'session.*(hung|hangs|does not answer)' -u deployd > /dev/null
timeout "$WAIT_SEC" bash -c 'until deployctl status --daemon --json | jq -e "
	[.sessions[] | select(.state == \"hung\" and .user == \"eve\")] | length >= 5"; do
	read -r -t 0.2 _ <> <(:) || true; done' > /dev/null 2>&1 ||
	fail "not every hung session is reported: $(deployctl status --daemon --json)"

note "too many connections: those that are turned away push fds as well"
fuse_attack eve --connections 20 --part "$socket" "$get_info"
expect 11 as eve timeout "$WAIT_SEC" deployctl list
assert_contains "$err" "too many connections of this user"
fuse_attack mallory --connections 20 "$socket" "$get_info"
deployd_works 2
tell "$attack" leave
wait_line "$attack" '^flush .* hangs'
expect 11 as eve timeout "$WAIT_SEC" deployctl list
deploy_works 1

note "what hung is over: the places are free again"
for ((i = 0; i < ${#attack_pids[@]}; i++)); do
	tell $i answer
	tell $i leave
done
as eve timeout "$WAIT_SEC" bash -c 'until deployctl list > /dev/null 2>&1; do :; done' ||
	fail "eve's places never come back"
end_attacks
attack_pids=()
rm -f /tmp/attack.* /tmp/commands.*

note "a session is killed while it holds one"
fuse_attack eve --part "$socket" "$get_info"
session=$(sessions_with_file)
[ -n "$session" ] || fail "no session holds the file"
kill -KILL $session
wait_line "$attack" "^flush $session .* hangs"
deployd_works 1

note "no session is idle: those who come wait, nobody else does"
spawner=$(systemctl show -P MainPID deployd-sessions)
kill -STOP "$spawner"
fuse_attack mallory --connections 12 "$socket" "$get_info"
nobody_waits
systemctl kill --signal CONT --kill-whom main deployd-sessions
wait_line "$attack" '^reply '
tell "$attack" leave
wait_line "$attack" '^flush .* hangs'
deployd_works 1

note "an archive that cannot be looked at, one that cannot be read"
deploy_call='{"method":"io.deployd.Deploy","more":true,"parameters":{"app":"hello","archiveFileDescriptor":0}}'
root_fuse_attack deploy --hang getattr,flush "$socket" "$deploy_call"
wait_line "$attack" '^getattr .* hangs'
deployd_works 1
root_fuse_attack deploy --hang read,flush "$socket" "$deploy_call"
wait_line "$attack" '^read .* hangs'
deployd_works 1
tell "$attack" leave
deploy_works 2

note "reload, restart, stop and start of deployd meanwhile"
expect 0 timeout "$WAIT_SEC" systemctl reload deployd
assert_equal "$(systemctl show -P MainPID deployd)" "$deployd_pid"
assert_equal "$(systemctl show -P NRestarts deployd)" 0
expect 0 timeout "$WAIT_SEC" systemctl restart deployd
deployd_works 2
fuse_attack eve "$socket" "$get_info"
wait_line "$attack" '^flush .* hangs'
expect 0 timeout "$WAIT_SEC" systemctl stop deployd
assert_equal "$(systemctl show -P ActiveState deployd)" inactive
assert_equal "$(service_pids deployd.service)" "" "processes that are left"
expect 0 timeout "$WAIT_SEC" systemctl start deployd
deploy_works 1

note "the sessions' own unit does not hold anybody up"
timeout "$WAIT_SEC" systemctl restart deployd-sessions || true
expect 0 timeout "$WAIT_SEC" systemctl start deployd-sessions
deploy_works 2

only_sessions_asked
journal_since "$cursor" -u deployd -p warning -g 'watchdog|timed out' -q | grep . &&
	fail "deployd was ended"
exit 0
