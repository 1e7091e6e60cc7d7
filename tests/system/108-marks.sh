#!/bin/bash
# mark-good, mark-bad, pin and unpin: what they change, who may, and that the history tells.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'keep = 2'
sed -i 's/^allow = /allow = mark /' /etc/deployd/policy.d/hello.conf
printf '%s\n' '[rule eve pins]' 'allow = pin status' 'user = eve' 'app = hello' \
	> /etc/deployd/policy.d/eve.conf
systemctl reload deployd
as_eve() { as eve deployctl "$@"; }
release() { # ID JQ
	expect 0 ctl show --json "hello@$1"
	jq -r "$2 | tostring" <<< "$out"
}
last_entry() { # JQ
	expect 0 ctl history --json hello
	jq -r ".[0] | $1" <<< "$out"
}

expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
expect 0 ctl deploy hello hello-2.tar.gz
second=$(current_id)
pid=$(systemctl show -P MainPID hello)
cursor=$(date +%F\ %T)

note "bad: no rollback goes there, its archive is refused"
expect 0 ctl mark-bad "hello@$first" -m 'it leaks'
assert_equal "$(release "$first" '.state + " " + .evidence.reason')" 'bad it leaks'
assert_equal "$(last_entry '.kind + " " + .result + " " + .to + " " + .message + " " + .by.user')" \
	"mark-bad ok $first it leaks deploy"
expect 5 ctl rollback hello
expect 10 ctl deploy hello hello-1.tar.gz
assert_contains "$err" 'it leaks'

note "good: it does again"
expect 0 ctl mark-good hello "$first"
assert_equal "$(release "$first" '.state, .evidence')" $'good\nnull'
expect 0 ctl status --json hello
assert_equal "$(jq -r .previous <<< "$out")" "$first"

note "a current one that is bad makes the app degraded, and is not touched"
expect 0 ctl mark-bad "hello@$second"
assert_equal "$(current_id) $(systemctl show -P MainPID hello)" "$second $pid"
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" degraded
assert_equal "$(release "$second" .evidence.reason)" 'marked bad by deploy'
expect 0 ctl mark-good "hello@$second"

note "pinned: it stays, until it is unpinned"
expect 0 as_eve pin "hello@$first"
expect 0 as_eve releases hello
assert_contains "$out" 'good,pinned'
for version in 1 2 1 2; do expect 0 ctl deploy hello hello-$version.tar.gz; done
[ -d "/srv/hello/releases/$first" ] || fail "a pinned release was pruned"
[ ! -e "/srv/hello/releases/$second" ] || fail "nothing was pruned"
expect 0 as_eve unpin "hello@$first"
assert_equal "$(last_entry '.kind + " " + .result + " " + .to + " " + .by.user')" \
	"unpin ok $first eve"
expect 0 ctl deploy hello hello-1.tar.gz
[ ! -e "/srv/hello/releases/$first" ] || fail "it is still there"

note "each needs its right, and a release that exists"
expect 4 ctl pin "hello@$(current_id)"
expect 4 ctl unpin "hello@$(current_id)"
expect 4 as_eve mark-bad "hello@$(current_id)"
expect 4 as_eve mark-good "hello@$(current_id)"
expect 5 ctl mark-bad "hello@$first"
expect 2 ctl mark-good hello
expect 0 ctl can mark-bad hello
expect 4 ctl can unpin hello
wait_journal "$cursor" 'hello: mark-bad by deploy begins' > /dev/null
