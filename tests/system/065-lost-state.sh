#!/bin/bash
# /var/lib/deployd is deleted, or its files are damaged: what is there of releases is found
# again, deploys and rollbacks go on, and it is said. A state of a newer deployd is refused.
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[health]' 'min_healthy_sec = 0' 'bake_sec = 0' 'healthy_deadline_sec = 5' \
	'[health_check web]' 'type = http' "url = http://127.0.0.1:$hello_port/"
readonly state=/var/lib/deployd/hello

states() { ctl releases --json hello | jq -r '[.[].state] | join(" ")'; }

expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
expect 0 ctl deploy hello hello-2.tar.gz
second=$(current_id)
readonly first second

note "deleted while deployd is down: nothing is refused, and it is said"
systemctl stop deployd 2> /dev/null
rm -rf /var/lib/deployd
systemctl start deployd
expect 0 ctl status --json hello
assert_equal "$(jq -r '.state + " " + .release' <<< "$out")" "degraded $second"
assert_contains "$out" "what was known of the current release was lost"
assert_equal "$(states)" "current unknown"
assert_contains "$(journalctl -u deployd -o cat)" \
	"hello: its record was lost or damaged; it is kept, but not known to be good: $first"
serves 2

note "a rollback goes to the release before, whose health decides"
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$first"
serves 1
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" live

note "deleted again, and a restart finds out that it is well"
systemctl stop deployd 2> /dev/null
rm -rf /var/lib/deployd
systemctl start deployd
expect 0 ctl restart hello
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" live

note "a deploy that fails goes back to a release of which nothing was known"
systemctl stop deployd 2> /dev/null
rm -rf /var/lib/deployd
systemctl start deployd
pack_hello sick.tar.gz 666 answer_status=500
expect 13 ctl deploy hello sick.tar.gz
assert_equal "$(current_id)" "$first"
serves 1
expect 0 ctl deploy hello hello-2.tar.gz
serves 2

note "each of its files damaged"
for damage in 'head -c 100 /dev/urandom >' 'truncate -s 0'; do
	for file in state history "meta/$(current_id)" "meta/$first"; do
		systemctl stop deployd 2> /dev/null
		eval "$damage $state/$file"
		systemctl start deployd
		expect 0 ctl restart hello
		expect 0 ctl status --json hello
		assert_equal "$(jq -r .state <<< "$out")" live "$damage $file"
	done
done
expect 0 ctl deploy hello hello-1.tar.gz
expect 0 ctl rollback hello
serves 2

note "deleted while deployd runs: it is said what to do, and that is enough"
rm -rf /var/lib/deployd/hello
expect 0 ctl restart hello
expect 0 ctl deploy hello hello-1.tar.gz
serves 1

note "a state of a newer deployd is refused with words, and left alone"
systemctl stop deployd 2> /dev/null
sed -i 's/"schema":[0-9]*/"schema":99/' $state/state
cp $state/state /tmp/newer
systemctl start deployd
expect 1 ctl deploy hello hello-2.tar.gz
assert_contains "$out$err" "was written by a newer deployd (format 99"
cmp $state/state /tmp/newer
serves 1
