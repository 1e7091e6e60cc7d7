#!/bin/bash
# A switch of which nobody heard whether it was made, and a crash whose rest cannot be
# looked up at once: what is live is looked at, never guessed, and nothing is forgotten.
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[health]' 'min_healthy_sec = 0' 'bake_sec = 0' 'healthy_deadline_sec = 5' \
	'[health_check web]' 'type = http' "url = http://127.0.0.1:$hello_port/"

readonly store=/usr/libexec/deployd/deployd-store
# What stands in for deployd-store while /run/deployd-store-* says so: the real one, which
# dies when its work is done, or does not come to it.
mv "$store" "$store.real"
cat > "$store" <<-EOT
	#!/bin/bash
	IFS= read -r -d '' request
	verb=\$(grep -o '"verb":"[a-z]*"' <<< "\$request" | cut -d'"' -f4)
	# A finish has the kind of its job in its history.
	[ "\$verb" != switch ] || kind=\$(grep -o '"kind":"[a-z]*"' <<< "\$request" | cut -d'"' -f4)
	[ ! -e /run/deployd-store-cannot-\$verb ] || exit 1
	if [ -e "/run/deployd-store-dies-\${kind-}" ]; then
		printf %s "\$request" | "$store.real" 3> /dev/null
		kill -KILL \$\$
	fi
	printf %s "\$request" | exec "$store.real"
EOT
chmod 755 "$store"

expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
readonly first
serves 1

note "the switch was made, and what made it died: the deploy goes on"
touch /run/deployd-store-dies-deploy
expect 0 ctl deploy hello hello-2.tar.gz
second=$(current_id)
readonly second
[ "$second" != "$first" ] || fail "it was not switched"
serves 2
expect 0 ctl status --json hello
assert_equal "$(jq -r '.state + " " + .release' <<< "$out")" "live $second"

note "so with a sick release: it is gone back from"
pack_hello sick.tar.gz 666 answer_status=500
expect 13 ctl deploy hello sick.tar.gz
assert_equal "$(current_id)" "$second"
serves 2
rm /run/deployd-store-dies-deploy

note "so with the way back"
touch /run/deployd-store-dies-revert
expect 13 ctl deploy --force hello sick.tar.gz
assert_equal "$(current_id)" "$second"
serves 2
rm /run/deployd-store-dies-revert

note "a switch that was not made is a failure, and the old release stays"
touch /run/deployd-store-cannot-switch
expect 1 ctl deploy hello hello-1.tar.gz
assert_equal "$(current_id)" "$second"
serves 2
rm /run/deployd-store-cannot-switch

note "what was done but could not be recorded is not called undone"
touch /run/deployd-store-cannot-finish /run/deployd-store-cannot-record
expect 1 ctl rollback hello
assert_contains "$err" "$first is live and healthy, but that could not be recorded"
assert_equal "$(current_id)" "$first"
serves 1
expect 1 ctl restart hello
assert_contains "$err" 'restart is done, but'
rm /run/deployd-store-cannot-finish /run/deployd-store-cannot-record
expect 0 ctl activate hello@"$second"
serves 2

note "a crash with a sick release, and a start at which the disk cannot be read"
pack_hello late.tar.gz 667 answer_status=500
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello late.tar.gz
wait_journal "$cursor" 'current is now' -t deployd > /dev/null
touch /run/deployd-store-cannot-recover
systemctl kill --kill-whom=main --signal=KILL deployd
ended
wait_journal "$cursor" 'cannot recover' -t deployd > /dev/null
expect 0 ctl status --json hello
assert_equal "$(jq -r .state <<< "$out")" degraded
expect 1 ctl deploy hello hello-1.tar.gz
assert_contains "$err" 'nothing was changed'
expect 0 ctl restart --no-block hello # a unit's job needs no disk

note "once it can be read, what was left undone comes first"
rm /run/deployd-store-cannot-recover
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
expect 0 ctl history --json hello
assert_equal "$(jq -r '[.[] | select(.kind == "recover" or .kind == "deploy")][0:2] |
	map(.kind + " " + .result + " " + .from) | join(", ")' <<< "$out")" \
	"deploy ok $second, recover rolled-back $second"
