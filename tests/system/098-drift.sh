#!/bin/bash
# What the result of a deploy says is what runs: verified, or the process that is not, and
# where that fails the deploy (require_verified) it goes back and blames no release.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
readonly drop_in=/etc/systemd/system/hello.service.d
mkdir -p $drop_in

# require WORD: require_verified from here on
require() {
	app_file hello hello '[restart]' "require_verified = $1"
	expect 0 systemctl reload deployd
}

# result KEY...: of the last result
result() { tail -n 1 <<< "$out" | jq -r "$1 | tostring"; }

# is_staged ID: nothing speaks against it
is_staged() {
	expect 0 ctl releases --json hello
	assert_equal "$(jq -r --arg id "$1" '.[] | select(.id == $id).state' <<< "$out")" staged
}

note "what runs is what the result names"
expect 0 ctl deploy hello hello-1.tar.gz
assert_contains "$out" 'live, verified'
assert_lacks "$err" warning
first=$(current_id)
expect 0 ctl deploy --json hello hello-2.tar.gz
assert_equal "$(result .verified) $(result .drift)" 'true null'
second=$(current_id)
expect 0 ctl rollback --json hello
assert_equal "$(result .verified) $(result .drift)" 'true null'
expect 0 ctl activate --json "hello@$second"
assert_equal "$(result .verified) $(result .drift)" 'true null'
expect 0 ctl restart --json hello
assert_equal "$(result .verified) $(result .drift)" 'null null'

# A helper that each start of the unit leaves in the first release.
printf '[Service]\nExecStartPost=/bin/sh -c "cd /srv/hello/releases/%s && tail -f /dev/null > /dev/null 2>&1 &"\n' \
	"$first" > $drop_in/helper.conf
systemctl daemon-reload

note "where systemd ends all processes in a restart, another release's fails the deploy"
expect 13 ctl deploy --json hello hello-1.tar.gz
assert_equal "$(result .result)" rolled-back
assert_contains "$(result .message)" "/srv/hello/releases/$first"
assert_contains "$(result .message)" require_verified
# The same helper runs beside the one gone back to.
assert_equal "$(result .verified)" false
assert_contains "$(result .drift)" "/srv/hello/releases/$first"
assert_equal "$(current_id)" "$second"
serves 2
is_staged "$(result .release)"

note "require_verified = no: a warning, and it stays"
require no
expect 0 ctl deploy hello hello-1.tar.gz
assert_contains "$out" ' live'
assert_lacks "$out" verified
assert_contains "$err" 'warning: '
assert_contains "$err" "/srv/hello/releases/$first"
third=$(current_id)

note "so it is by default where systemd leaves processes behind, unless yes is said"
printf '[Service]\nKillMode=process\n' > $drop_in/kill.conf
systemctl daemon-reload
require auto
expect 0 ctl deploy --json hello hello-2.tar.gz
assert_equal "$(result .verified)" false
assert_contains "$err" 'warning: '
fourth=$(current_id)
[ "$fourth" != "$third" ] || fail "not deployed"
require yes
expect 13 ctl deploy hello hello-1.tar.gz
assert_contains "$err" "/srv/hello/releases/$first"
assert_equal "$(current_id)" "$fourth"

note "the same archive is welcome once the helper is gone"
rm $drop_in/*.conf
systemctl daemon-reload
expect 0 ctl stop hello
expect 0 ctl deploy --json hello hello-1.tar.gz
assert_equal "$(result .verified) $(result .drift)" 'true null'
