#!/bin/bash
# activate_method = reload: the process stays and takes up the new release, the unit is never
# restarted; one that cannot is gone back from by a restart.
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[restart]' 'activate_method = reload' '[health]' 'min_healthy_sec = 1' \
	'bake_sec = 0' 'healthy_deadline_sec = 10' '[health_check web]' 'type = http' \
	"url = http://127.0.0.1:$hello_port/"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Service]\nExecReload=/bin/kill -HUP $MAINPID\n' \
	> /etc/systemd/system/hello.service.d/reload.conf
systemctl daemon-reload

note "nothing runs yet: the first release is started"
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
pid=$(systemctl show -P MainPID hello)

note "the same process serves the next one, and is proven to"
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
assert_equal "$(systemctl show -P MainPID hello)" "$pid"
expect 0 ctl status --json hello
assert_equal "$(jq -r '(.verified | tostring) + " " + .state' <<< "$out")" "true live"
expect 0 ctl rollback hello
serves 1
assert_equal "$(systemctl show -P MainPID hello)" "$pid"

note "one that dies of the reload is gone back from"
good=$(current_id)
pack_hello crash.tar.gz 3 start=crash
expect 13 ctl deploy hello crash.tar.gz
assert_equal "$(current_id)" "$good"
serves 1

note "a unit without ExecReload: said, and gone back from"
rm /etc/systemd/system/hello.service.d/reload.conf
systemctl daemon-reload
expect 13 ctl deploy --force hello hello-2.tar.gz
assert_contains "$err$out" reload
serves 1
