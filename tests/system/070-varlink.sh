#!/bin/bash
# Clients that are not ours: Debian's Go library, its certification, and plain socat.
# fresh boot: yes
# build: dev
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly socket=/run/deployd/io.deployd
# Longer than this test waits for anything: who is hung up on has said something wrong.
printf '[deployd]\nrequest_timeout_sec = 300\n' > /etc/deployd/deployd.conf
systemctl restart deployd
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
cd "$repo/tests/varlink"
./go build -o /tmp/client client.go
./go build -o /tmp/certification github.com/varlink/go/cmd/varlink-go-certification
chmod 0755 /tmp/client /tmp/certification

note "the Go library"
expect 0 as deploy /tmp/client talk "unix:$socket" hello
expect 0 /tmp/client talk "unix:$socket" hello

note "the certification"
expect 0 /tmp/certification -client -varlink "unix:$socket"
assert_contains "$out$err" "End: 'true'"

note "socat"
ask() { # TEXT... (each gets its NUL)
	printf '%s\0' "$@" | timeout 10 socat -t 5 - "UNIX-CONNECT:$socket" | tr '\0' '\n'
}
answer=$(ask '{"method":"org.varlink.service.GetInfo"}')
assert_equal "$(jq -r '.parameters.interfaces | index("io.deployd") != null' <<< "$answer")" true
answer=$(ask '{"method":"io.deployd.List","parameters":{}}' '{"method":"io.deployd.List","parameters":null}' \
	'{"method":"io.deployd.Status","parameters":{"app":"hello"}}')
assert_equal "$(wc -l <<< "$answer")" 3 "pipelined calls are answered in order"
assert_equal "$(tail -n 1 <<< "$answer" | jq -r .parameters.status.state)" live
expect 0 as deploy bash -c "$(declare -f ask); socket=$socket; ask '{\"method\":\"io.deployd.Restart\",\"more\":true,\"parameters\":{\"app\":\"hello\"}}'"
assert_equal "$(tail -n 1 <<< "$out" | jq -r '.parameters.outcome.result, .continues')" $'ok\nnull'

note "nonsense closes the connection and nothing else"
# It goes on waiting, so that only deployd can end it.
readonly until_closed='
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(float(sys.argv[2]))
    s.connect(sys.argv[1])
    try:
        s.sendall(sys.stdin.buffer.read())
        while s.recv(65536):
            pass
    except (BrokenPipeError, ConnectionResetError):
        pass'
closes() { # TEXT
	expect 0 python3 -c "$until_closed" $socket "$WAIT_SEC" < <(printf '%s\0' "$1")
}
for text in 'x' '{' '[]' '{"method":1}' '{"method":"io.deployd.List","parameters":[]}' \
	"$(head -c 300000 /dev/zero | tr '\0' '[')" "$(head -c 2000000 /dev/zero | tr '\0' a)"; do
	closes "$text"
done
serves 1
expect 0 ctl status hello

note "a user has 16 connections: the next is told so, and another user gets in"
add_user bob --groups deployd
mkfifo /tmp/end
exec 7<> /tmp/end
as deploy python3 "$repo/tests/lib/requests.py" keep 17 < /tmp/end > /tmp/kept 2>&1 7>&- &
keeper=$!
# shellcheck disable=SC2016
timeout "$WAIT_SEC" bash -c 'grep -m 17 -c "" < <(exec tail -n +1 -f /tmp/kept)' > /tmp/answers ||
	fail "only some are answered: $(cat /tmp/kept)"
assert_equal "$(head -n 16 /tmp/kept | sort | uniq -c | xargs)" "16 ok"
readonly refused="too many connections of this user"
assert_contains "$(sed -n 17p /tmp/kept)" "$refused"
expect 11 ctl status hello
assert_contains "$err" "$refused"
expect 0 as bob deployctl list
expect 0 deployctl status hello

note "when they are closed there is room again"
exec 7>&-
wait "$keeper"
export -f as ctl
timeout "$WAIT_SEC" bash -c 'until ctl status hello > /dev/null 2>&1; do :; done' ||
	fail "the places do not come back"
assert_equal "$(systemctl show -P NRestarts deployd)" 0
