#!/bin/bash
# The client is only a client: killed after the upload, the deploy finishes.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
serves 1

note "killed while the service starts"
pack_hello slow.tar.gz 2 start_delay_ms=2000
cursor=$(journal_cursor)
as deploy deployctl deploy hello slow.tar.gz 2> progress &
wait_journal "$cursor" 'Starting hello.service|Starting Hello' -u hello > /dev/null
pkill -KILL -u deploy -x deployctl
wait $! 2> /dev/null || true
wait_journal "$cursor" 'version 2 listens' -u hello > /dev/null
expect 0 ctl jobs --json
job=$(jq -r 'map(select(.kind == "deploy"))[0].id' <<< "$out")
expect 0 ctl attach "$job"
serves 2
expect 0 ctl history hello --json
assert_equal "$(jq -r '.[0].result' <<< "$out")" ok

note "and its session ends with the job"
others() { # how many sessions have a client, but for that of the one who asks
	expect 0 deployctl status --daemon --json
	jq '[.sessions[] | select(.state != "idle")] | length - 1' <<< "$out"
}
for _ in $(seq 50); do
	[ "$(others)" != 0 ] || break
	ctl list > /dev/null # something to wait for
done
assert_equal "$(others)" 0 "$out"

note "--no-block returns at once, attach waits"
pack_hello slow3.tar.gz 3 start_delay_ms=1000
expect 0 ctl deploy --no-block hello slow3.tar.gz
job=$(ctl jobs --json | jq -r 'map(select(.result == null))[0].id')
expect 0 ctl attach "$job"
serves 3

note "an upload that ends half way: nothing happened"
before=$(current_id)
mkfifo fifo
chown deploy fifo
exec 5<> fifo
head -c 2000 hello-1.tar.gz >&5
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello fifo
wait_journal "$cursor" 'deploy hello for deploy .*: allowed by rule' -t deployd > /dev/null
exec 5>&-
ended
assert_equal "$status" 10 "$(cat /tmp/out)"
assert_equal "$(current_id)" "$before"
serves 3

note "^C says that the job goes on"
pack_hello slow4.tar.gz 4 start_delay_ms=2000
cursor=$(journal_cursor)
as deploy deployctl deploy hello slow4.tar.gz > /dev/null 2> progress &
wait_journal "$cursor" 'Starting hello.service|Starting Hello' -u hello > /dev/null
pkill -INT -u deploy -x deployctl
status=0
wait $! || status=$?
assert_contains "$(cat progress)" "goes on"
wait_journal "$cursor" 'version 4 listens' -u hello > /dev/null
