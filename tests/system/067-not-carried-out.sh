#!/bin/bash
# What an app's file asks for and this version does not do: an error at --check and reload;
# at start that app alone refuses deploys.
# timeout: 120
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
expect 0 ctl deploy hello hello-2.tar.gz
second=$(current_id)
readonly second

cp /etc/deployd/apps.d/hello.conf /run/hello.conf
printf '[hooks]\npre_activate = bin/migrate\n' >> /etc/deployd/apps.d/hello.conf
line=$(grep -n pre_activate /etc/deployd/apps.d/hello.conf | cut -d: -f1)
readonly line
readonly said="/etc/deployd/apps.d/hello.conf:$line: [hooks] pre_activate is not carried out by this version"

note "an error at --check and at reload, which changes nothing"
expect 6 deployd --check
assert_contains "$err" "$said"
assert_contains "$err" "ExecStartPre="
expect 1 systemctl reload deployd
expect 0 ctl deploy hello hello-1.tar.gz
expect 0 ctl rollback hello
serves 2

note "at start the app refuses deploys, by the line; the rest works"
systemctl restart deployd
assert_contains "$(journalctl -u deployd -o cat)" "nothing can be deployed"
expect 6 ctl deploy hello hello-1.tar.gz
assert_contains "$err" "$said"
expect 6 ctl stage hello hello-1.tar.gz
expect 6 ctl activate "hello@$second"
expect 0 ctl status hello
expect 0 ctl restart hello
expect 0 ctl rollback hello
serves 1
expect 0 ctl stop hello
expect 0 ctl start hello

note "without the line it deploys again"
cp /run/hello.conf /etc/deployd/apps.d/hello.conf
systemctl reload deployd
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
