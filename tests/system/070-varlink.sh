#!/bin/bash
# Clients that are not ours: Debian's Go library, its certification, and plain socat.
# fresh boot: yes
# build: dev
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly socket=/run/deployd/io.deployd
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
for text in 'x' '{' '[]' '{"method":1}' '{"method":"io.deployd.List","parameters":[]}' \
	"$(head -c 300000 /dev/zero | tr '\0' '[')"; do
	ask "$text" > /dev/null || true
done
head -c 2000000 /dev/zero | tr '\0' 'a' | timeout 10 socat -t 5 - "UNIX-CONNECT:$socket" > /dev/null 2>&1 || true
serves 1
expect 0 ctl status hello

note "a user has 16 connections, and another user is not disturbed"
held=()
for ((i = 0; i < 20; i++)); do
	as deploy bash -c "exec tail -f /dev/null | socat - UNIX-CONNECT:$socket" > /dev/null 2>&1 &
	held+=($!)
done
expect 0 deployctl status hello
for pid in "${held[@]}"; do pkill -P "$pid" || true; done
pkill -u deploy socat || true
pkill -u deploy -x tail || true
wait
expect 0 ctl status hello
assert_equal "$(systemctl show -P NRestarts deployd)" 0
