#!/bin/bash
# The lines of a log come as replies: no fd of a client goes to PID 1, the bus, or
# journalctl.
# timeout: 200
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/attack.sh"
trap end_attacks EXIT
needs_fuse
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
varlink() { as deploy timeout "$WAIT_SEC" python3 "$repo/tests/lib/varlink.py" "$@"; }

note "deployctl logs"
expect 0 as deploy timeout "$WAIT_SEC" deployctl logs hello
[ -n "$out" ] || fail "no lines"
lines=$out

note "they are the app's and systemd's, not those of deployd"
expect 0 ctl status hello
expect 0 journalctl --sync
expect 0 journalctl --no-pager -u hello
assert_contains "$out" "deploy hello for deploy"
expect 0 as deploy timeout "$WAIT_SEC" deployctl logs hello
assert_contains "$out" "systemd[1]: Started hello.service"
assert_equal "$(grep -c 'deployd\[' <<< "$out")" 0 "lines of deployd"
lines=$out

note "the same lines as replies that continue"
expect 0 varlink --more io.deployd.Logs '{"app":"hello"}'
replied=$(jq -r 'select(.continues) | .parameters.lines[]' <<< "$out")
assert_contains "$replied" "$(tail -n 1 <<< "$lines")"
assert_equal "$(tail -n 1 <<< "$out" | jq -r '.error // "none", .continues // false' |
	paste -sd ' ')" "none false"

note "an fd for the output is refused as the unknown parameter it is"
expect 0 varlink --more --fd /dev/null io.deployd.Logs '{"app":"hello","stdoutFileDescriptor":0}'
assert_equal "$(jq -r .error <<< "$out")" org.varlink.service.InvalidParameter
assert_equal "$(jq -r .parameters.parameter <<< "$out")" stdoutFileDescriptor
fuse_attack deploy "$socket" \
	'{"method":"io.deployd.Logs","more":true,"parameters":{"app":"hello","stdoutFileDescriptor":0}}'
wait_line "$attack" '^reply .*InvalidParameter'
wait_line "$attack" '^flush .* hangs'
deployd_works 1

note "one that nobody asked for goes no farther than the session"
fuse_attack deploy "$socket" \
	'{"method":"io.deployd.Logs","more":true,"parameters":{"app":"hello"}}'
wait_line "$attack" '^flush .* hangs'
deployd_works 1
expect 0 timeout "$WAIT_SEC" systemctl daemon-reload
only_sessions_asked

note "a client that follows and does not read holds up nobody"
fuse_attack deploy --unread "$socket" \
	'{"method":"io.deployd.Logs","more":true,"parameters":{"app":"hello","follow":true}}'
# Lines of the unit: by its control group the journal tells whose they are.
bash -c 'echo $$ > /sys/fs/cgroup/system.slice/hello.service/cgroup.procs; exec logger' \
	< <(head -c 3000000 /dev/zero | tr '\0' x | fold -w 1000)
journalctl --sync
deployd_works 1
end_attacks
deploy_works 2
