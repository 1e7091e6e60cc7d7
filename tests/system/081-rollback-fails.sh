#!/bin/bash
# A rollback that cannot succeed: exit 14, status says so; the next good deploy heals it.
# Also the first release of all, which has nothing to go back to.
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[health]' 'min_healthy_sec = 1' 'healthy_deadline_sec = 4' 'bake_sec = 0' \
	'[health_check web]' 'type = http' "url = http://127.0.0.1:$hello_port/"

note "the first release is sick: the unit is stopped"
pack_hello sick.tar.gz 666 answer_status=500
expect 14 ctl deploy hello sick.tar.gz
assert_contains "$err$out" 'no earlier release'
assert_equal "$(systemctl show -P ActiveState hello)" inactive
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" degraded
expect 0 ctl releases --json hello
assert_equal "$(jq -r '.[0] | .id' <<< "$out")" "$(current_id)"

note "a good one heals it"
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" live
good=$(current_id)
readonly good
expect 5 ctl rollback hello

note "now nothing can be healthy: what is gone back to fails the same check"
mkdir -p /etc/hello
echo HELLO_ANSWER_STATUS=503 > /etc/hello/environment
expect 14 ctl deploy hello hello-2.tar.gz
assert_contains "$err$out" 'rollback to'
assert_equal "$(current_id)" "$good" "current"
expect 0 ctl status hello
assert_contains "$out" degraded
expect 0 ctl history --json hello
assert_equal "$(jq -r '.[0].result' <<< "$out")" rollback-failed

note "the cause is gone: the same archive needs --force, another one does not"
rm /etc/hello/environment
expect 10 ctl deploy hello hello-2.tar.gz
expect 0 ctl deploy --force hello hello-2.tar.gz
serves 2
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" live
