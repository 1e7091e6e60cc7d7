#!/bin/bash
# A reload swaps the whole configuration or nothing, and says everything that is wrong.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz

note "three faults in two files, all told with file and line"
printf '%s\n' '[users]' 'app_user = hello' 'deploy_user = deploy' '[restart]' \
	'restart_metod = touch' > /etc/deployd/apps.d/broken.conf
printf '%s\n' '[rule one]' 'allow = deploi' 'user = no-such-user' 'app = hello' \
	> /etc/deployd/policy.d/broken.conf
expect 6 deployctl reload
assert_contains "$err" "/etc/deployd/apps.d/broken.conf:5:"
assert_contains "$err" "/etc/deployd/policy.d/broken.conf:2:"
assert_contains "$err" "/etc/deployd/policy.d/broken.conf:3:"
expect 6 deployd --check
expect 1 systemctl reload deployd

note "meanwhile the old one is in force"
expect 0 ctl status hello
expect 0 ctl restart hello
serves 1

note "a restart with a broken configuration: deployd says so and does not run half of it"
cursor=$(journal_cursor)
systemctl stop deployd.socket deployd.service
expect 1 systemctl start deployd.service
assert_equal "$(systemctl show -P ExecMainStatus deployd)" 78
assert_contains "$(journal_since "$cursor" -u deployd)" "/etc/deployd/apps.d/broken.conf:5:"
assert_equal "$(systemctl show -P NRestarts deployd)" 0
systemctl stop deployd.socket
expect 7 ctl status hello
assert_contains "$err" deployd
serves 1
rm /etc/deployd/apps.d/broken.conf /etc/deployd/policy.d/broken.conf
systemctl start deployd.socket deployd.service
expect 0 ctl status hello

note "a file that others can write is none of ours"
chmod 0666 /etc/deployd/policy.d/hello.conf
expect 6 deployctl reload
chmod 0644 /etc/deployd/policy.d/hello.conf
expect 0 deployctl reload

note "who is not root does not reload"
expect 4 ctl reload

note "a right that is gone is gone at once"
rm /etc/deployd/policy.d/hello.conf
expect 0 deployctl reload
status=0
ctl restart hello 2> /dev/null || status=$?
[[ $status = 4 || $status = 5 ]] || fail "status $status"
