#!/bin/bash
# A TCP socket whose last close waits for an hour, pushed by a member of group deployd
# without any right: also where nobody ever takes it out of the connection.
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

note "a whole request, half a one, several, and more than may be"
for how in '' --part '--times 25' '--fds 9' '--fds 200' '--pad 2000000'; do
	# shellcheck disable=SC2086
	linger_attack eve $how "$socket" "$get_info"
	tell "$attack" leave
	deployd_works 1
done

note "in a connection that is turned away, and not read"
linger_attack mallory --connections 20 --part "$socket" "$get_info"
deployd_works 1
tell "$attack" leave
deployd_works 1

note "behind a request that is still being answered: nobody reads it"
follow='{"method":"io.deployd.Logs","more":true,"parameters":{"app":"hello","follow":true}}'
linger_attack deploy --times 3 --unread "$socket" "$follow"
deployd_works 1
tell "$attack" leave
deployd_works 1

note "in the queue of a deployd that comes back"
linger_attack eve --part "$socket" "$get_info"
expect 0 timeout "$WAIT_SEC" systemctl restart deployd
deployd_works 1
tell "$attack" finish
deployd_works 1
assert_equal "$(systemctl show -P NRestarts deployd)" 0
[ "$(systemctl show -P MainPID deployd)" != "$deployd_pid" ] || fail "not restarted"

note "in the backlog of deployd.socket, while no deployd runs"
expect 0 timeout "$WAIT_SEC" systemctl stop deployd.service
linger_attack eve --part "$socket" "$get_info"
tell "$attack" leave
expect 0 timeout "$WAIT_SEC" systemctl start deployd.service
deploy_works 2
