#!/bin/bash
# An unprivileged user ships the C service: every verb, and what it leaves behind.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello

note "never deployed"
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" none
assert_equal "$(jq -r .release <<< "$out")" null
expect 5 ctl rollback hello
expect 0 ctl releases hello --json
assert_equal "$(jq -c . <<< "$out")" "[]"

note "the first deploy"
expect 0 ctl deploy hello hello-1.tar.gz
assert_contains "$out$err" "live"
serves 1
first=$(current_id)
[[ $first =~ ^[0-9]{8}T[0-9]{6}Z-[0-9]{4}$ ]] || fail "odd id $first"
assert_equal "$(readlink /srv/hello/current)" "releases/$first"
complete_release "/srv/hello/releases/$first" "$archives/hello-1.tar.gz"

note "owners and modes"
release=/srv/hello/releases/$first
assert_equal "$(stat -c '%a %U:%G' "$release")" "750 root:hello"
assert_equal "$(stat -c '%a %U:%G' "$release/bin/hello")" "750 root:hello"
assert_equal "$(stat -c '%a %U:%G' "$release/etc/hello.conf")" "640 root:hello"
assert_equal "$(stat -c '%a %U:%G' /srv/hello/releases/.staging)" "700 root:root"
assert_equal "$(stat -c '%a %U:%G' /srv/hello/flags)" "755 deploy:hello"
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "something is left in .staging"

note "the app cannot write its release, nor can the deploy user"
for user in hello deploy; do
	expect 1 as "$user" bash -c "echo x >> $release/bin/hello"
	expect 1 as "$user" bash -c "touch $release/new"
	expect 1 as "$user" bash -c "touch /srv/hello/releases/new"
	expect 1 as "$user" bash -c "ln -sfn releases/x /srv/hello/current"
done

note "the second one through a pipe, with what is known about it"
out=$(ctl deploy --version 2.0 --revision abc123 -m 'a fix' --json hello - \
	< hello-2.tar.gz | tail -n 1)
assert_equal "$(jq -r .type <<< "$out")" result
assert_equal "$(jq -r .result <<< "$out")" ok
assert_equal "$(jq -r .exit <<< "$out")" 0
serves 2
second=$(current_id)
assert_equal "$(jq -r .release <<< "$out")" "$second"

note "status"
expect 0 ctl status hello
assert_contains "$out" "$second"
assert_contains "$out" hello.service
expect 0 ctl status --json hello
assert_equal "$(jq -r .schema <<< "$out")" 1
assert_equal "$(jq -r .state <<< "$out")" live
assert_equal "$(jq -r .release <<< "$out")" "$second"
assert_equal "$(jq -r .previous <<< "$out")" "$first"
assert_equal "$(jq -r .unit_state <<< "$out")" active
assert_equal "$(jq -r .main_pid <<< "$out")" "$(systemctl show -P MainPID hello)"
assert_equal "$(jq -r .deployed_by.user <<< "$out")" deploy
date -d "$(jq -r .deployed_at <<< "$out")" > /dev/null

note "releases, show, history, list, jobs"
expect 0 ctl releases hello --json
assert_equal "$(jq -r '.[].id' <<< "$out" | paste -sd ' ')" "$second $first"
assert_equal "$(jq -r '.[].state' <<< "$out" | paste -sd ' ')" "current good"
assert_equal "$(jq -r '.[0].sha256' <<< "$out")" "$(sha256sum < hello-2.tar.gz | cut -d' ' -f1)"
assert_equal "$(jq -r '.[0] | .version, .revision, .message // empty' <<< "$out" |
	paste -sd ,)" "2.0,abc123,a fix"
expect 0 ctl show hello
assert_contains "$out" abc123
expect 0 ctl show "hello@$first"
expect 0 ctl history hello --json
assert_equal "$(jq -r '.[0] | .kind, .from, .to, .result, .by.user' <<< "$out" |
	paste -sd ' ')" "deploy $first $second ok deploy"
expect 0 ctl list
assert_contains "$out" hello
expect 0 ctl
assert_contains "$out" hello
expect 0 ctl jobs

note "rollback goes back, and there is an end to it"
expect 0 ctl rollback hello
serves 1
assert_equal "$(current_id)" "$first"
expect 5 ctl rollback hello
assert_equal "$(current_id)" "$first"
serves 1

note "stage and activate"
expect 0 ctl stage hello hello-2.tar.gz
serves 1
staged=$(ctl releases hello --json | jq -r '.[] | select(.state == "staged") | .id')
expect 0 ctl activate "hello@$staged"
serves 2
expect 5 ctl activate hello@20200101T000000Z-0001
serves 2

note "--if-current"
expect 17 ctl deploy --if-current="$first" hello hello-1.tar.gz
expect 0 ctl deploy --if-current="$staged" hello hello-1.tar.gz
serves 1

note "restart, stop, start, reload, enable, disable"
pid=$(systemctl show -P MainPID hello)
expect 0 ctl restart hello
[ "$(systemctl show -P MainPID hello)" != "$pid" ] || fail "not restarted"
serves 1
expect 0 ctl stop hello
expect 3 systemctl is-active hello
expect 0 ctl start hello
serves 1
expect 0 ctl enable hello
expect 0 systemctl is-enabled hello
expect 0 ctl disable hello
expect 1 systemctl is-enabled hello

note "the journal of the unit shows who deployed"
journalctl --sync
out=$(journalctl -u hello --no-pager)
assert_contains "$out" "$second"
assert_contains "$out" "deploy hello for deploy"

note "a release that does not start is gone back from, with its last words"
pack_hello crash.tar.gz 3 start=crash
good=$(current_id)
expect 13 ctl deploy hello crash.tar.gz
assert_contains "$err" "told to crash at start"
assert_equal "$(current_id)" "$good"
serves 1
