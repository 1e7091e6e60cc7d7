#!/bin/bash
# Proof of release: what the unit's processes really run from, and that it is never pruned.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'keep = 2'
expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" true
expect 0 ctl status hello
assert_contains "$out" verified

note "a process that stays behind in the old release is told, with pid and path"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Service]\nKillMode=process\n' > /etc/systemd/system/hello.service.d/kill.conf
systemctl daemon-reload
# A helper of the app that runs from its release, in its control group, as its user.
cgroup=$(systemctl show -P ControlGroup hello)
# shellcheck disable=SC2016
setsid bash -c 'echo $$ > "/sys/fs/cgroup$1/cgroup.procs" &&
	cd "$2" && exec setpriv --reuid hello --regid hello --clear-groups tail -f /dev/null' - "$cgroup" \
	"/srv/hello/releases/$first" < /dev/null &
behind=$!
timeout 20 bash -c 'until [ "$(cat /proc/$0/comm)" = tail ]; do :; done' $behind
expect 0 ctl deploy hello hello-2.tar.gz
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" false
assert_contains "$(jq -r .drift <<< "$out")" "pid $behind"
assert_contains "$(jq -r .drift <<< "$out")" "/srv/hello/releases/$first"
expect 0 ctl status hello
assert_contains "$out" DRIFT

note "what it runs from is kept, whatever keep says"
for version in 1 2 1 2; do expect 0 ctl deploy hello "hello-$version.tar.gz"; done
[ -x "/srv/hello/releases/$first/bin/hello" ] || fail "a release in use was pruned"
kill $behind
wait $behind || true
expect 0 ctl deploy hello hello-1.tar.gz
[ ! -e "/srv/hello/releases/$first" ] || fail "it is still there"
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" true

note "a stopped unit proves nothing"
expect 0 ctl stop hello
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" null

note "an app that runs as root is looked at like any other"
printf '[Service]\nUser=root\n' > /etc/systemd/system/hello.service.d/kill.conf
systemctl daemon-reload
for version in 1 2 1 2 1 2; do expect 0 ctl deploy hello "hello-$version.tar.gz"; done
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" true
[ "$(ls /srv/hello/releases | wc -l)" -le 3 ] || fail "releases pile up"
