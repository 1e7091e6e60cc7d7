#!/bin/bash
# restart_method = touch: the app watches the flag and stops itself, deployd sees to it that
# it comes back. Nobody else's touch makes deployd restart anything.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[restart]' 'restart_method = touch' 'touch_timeout_sec = 5'
mkdir -p /etc/systemd/system/hello.service.d /etc/hello
printf '[Service]\nRestart=always\nRestartSec=50ms\n' \
	> /etc/systemd/system/hello.service.d/restart.conf
echo HELLO_FLAG=/srv/hello/flags/restart.flag > /etc/hello/environment
systemctl daemon-reload

expect 0 ctl deploy hello hello-1.tar.gz
serves 1
assert_equal "$(stat -c '%U %a' /srv/hello/flags)" 'deploy 775'

note "a restart is a touch: no job of systemd's, the app does it itself"
restarts=$(systemctl show -P NRestarts hello)
expect 0 ctl restart hello
[ "$(systemctl show -P NRestarts hello)" -gt "$restarts" ] || fail "it was restarted by a job"
[ ! -e /srv/hello/flags/restart.flag ] || fail "the app left the flag"
serves 1

note "so is a deploy"
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
expect 0 ctl rollback hello
serves 1

note "an app that does not watch: told within the deadline, and gone back from by a job"
good=$(current_id)
pack_hello deaf.tar.gz 3
echo > /etc/hello/environment
systemctl restart hello
expect 13 ctl deploy hello deaf.tar.gz
assert_contains "$err$out" touch_timeout_sec
assert_equal "$(current_id)" "$good"
serves 1

note "an app that stays down is started"
echo HELLO_FLAG=/srv/hello/flags/restart.flag > /etc/hello/environment
printf '[Service]\nRestart=no\n' > /etc/systemd/system/hello.service.d/restart.conf
systemctl daemon-reload
systemctl restart hello
rm -f /srv/hello/flags/restart.flag
expect 0 ctl restart hello
serves 1

note "a touch by somebody else: the app's own business"
cursor=$(journal_cursor)
as deploy touch /srv/hello/flags/restart.flag
wait_journal "$cursor" 'Deactivated successfully' -u hello > /dev/null
expect 0 ctl jobs --json
assert_equal "$(jq 'map(select(.result == null)) | length' <<< "$out")" 0
assert_equal "$(systemctl show -P ActiveState hello)" inactive
