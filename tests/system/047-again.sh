#!/bin/bash
# The same archive again, and the same request again: nothing is restarted, and the way back is
# not lost.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'keep = 2'
sha_1=$(sha256sum hello-1.tar.gz | cut -c1-64)
sha_2=$(sha256sum hello-2.tar.gz | cut -c1-64)
readonly sha_1 sha_2

pid_of() { systemctl show --property MainPID --value hello; }
result() { tail -n 1 <<< "$out"; } # of expect N ctl ... --json
releases() { as deploy deployctl releases hello --json | jq length; }

expect 0 ctl deploy hello hello-1.tar.gz --json
assert_equal "$(result | jq -r .changed)" true
first=$(current_id)
expect 0 ctl deploy hello hello-2.tar.gz
second=$(current_id)
pid=$(pid_of)

note "what is live is left alone: with the hash before it is read, without it afterwards"
for args in '' "--sha256=$sha_2" '--idempotency-key=again'; do
	# shellcheck disable=SC2086
	expect 0 ctl deploy hello hello-2.tar.gz $args
	assert_contains "$out" "$second already live"
	# shellcheck disable=SC2086
	expect 0 ctl deploy hello hello-2.tar.gz --json $args
	assert_equal "$(result | jq -r '[.result, .changed, .release, .previous] | map(tostring) | join(" ")')" \
		"ok false $second null"
	assert_equal "$(pid_of)" "$pid" "the process"
	assert_equal "$(releases)" 2 "releases"
done
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "left in staging"

note "three runs of a pipeline that insists do not cost the way back"
for _ in 1 2 3; do
	expect 0 ctl deploy hello hello-2.tar.gz --redeploy --json
	assert_equal "$(result | jq -r .changed)" true
	[ "$(pid_of)" != "$pid" ] || fail "not restarted"
	pid=$(pid_of)
done
assert_equal "$(releases)" 3 "releases"
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$first"
serves 1

note "one that does not run is deployed"
expect 0 ctl stop hello
expect 0 ctl deploy hello hello-1.tar.gz "--sha256=$sha_1"
serves 1
[ "$(current_id)" != "$first" ] || fail "no new release"
first=$(current_id)

note "refused before the switch: nothing was changed"
expect 10 ctl deploy hello hello-1.tar.gz "--sha256=$sha_2" --json
assert_equal "$(result | jq -r .changed)" false

note "a key gets the first result, whatever has happened since"
expect 0 ctl deploy hello hello-2.tar.gz --idempotency-key=run-1 --json
job=$(result | jq -r .job) second=$(current_id)
expect 0 ctl deploy hello hello-1.tar.gz --idempotency-key=run-2
pid=$(pid_of)
expect 0 ctl deploy hello hello-2.tar.gz --idempotency-key=run-1 --json
assert_equal "$(result | jq -r '.job + " " + .release + " " + (.changed | tostring)')" \
	"$job $second true"
assert_contains "$(result | jq -r .message)" "nothing was done again"
assert_equal "$(pid_of)" "$pid" "the process"
expect 2 ctl deploy hello hello-1.tar.gz --idempotency-key=run-1 "--sha256=$sha_1"
assert_contains "$err" "belongs to another archive"
expect 2 ctl stage hello hello-2.tar.gz --idempotency-key=run-1
assert_contains "$err" "belongs to another verb"
expect 2 ctl deploy hello hello-2.tar.gz --idempotency-key='a b'

note "without a key the hash is one, until another job has ended"
expect 0 ctl deploy hello hello-2.tar.gz "--sha256=$sha_2" "--if-current=$(current_id)" --json
job=$(result | jq -r .job)
before=$(result | jq -r .previous)
expect 0 ctl deploy hello hello-2.tar.gz "--sha256=$sha_2" "--if-current=$before" --json
assert_equal "$(result | jq -r .job)" "$job"
expect 0 ctl stage hello hello-1.tar.gz "--sha256=$sha_1" --json
staged=$(result | jq -r .release)
expect 0 ctl stage hello hello-1.tar.gz "--sha256=$sha_1" --json
assert_equal "$(result | jq -r .release)" "$staged"
expect 17 ctl deploy hello hello-2.tar.gz "--sha256=$sha_2" "--if-current=$before"

note "a failure is an answer only to its key"
pack_hello bad.tar.gz 9 start=crash
expect 13 ctl deploy hello bad.tar.gz --idempotency-key=run-3 --json
job=$(result | jq -r .job)
expect 13 ctl deploy hello bad.tar.gz --idempotency-key=run-3 --json
assert_equal "$(result | jq -r .job)" "$job"
assert_contains "$(result | jq -r .message)" "rolled back to"
expect 10 ctl deploy hello bad.tar.gz
serves 2

note "unpacked in another way it is another release"
mkdir top
tar -xzf hello-1.tar.gz -C top
tar -czf top.tar.gz top
expect 0 ctl deploy hello top.tar.gz --strip-components=1
serves 1
[ ! -e /srv/hello/current/top ] || fail "the top directory is there"
expect 0 ctl deploy hello top.tar.gz --strip-components=1
assert_contains "$out" "already live"
expect 0 ctl stage hello top.tar.gz --strip-components=0 --json
[ -e "/srv/hello/releases/$(result | jq -r .release)/top" ] || fail "no top directory"
sed -i '/^keep = 2/a strip_components = 1' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
expect 0 ctl deploy hello top.tar.gz
assert_contains "$out" "already live"
expect 10 ctl stage hello top.tar.gz --strip-components=8
assert_contains "$err" "deeper than strip_components (8)"
expect 2 ctl stage hello top.tar.gz --strip-components=9
sed -i '/^strip_components/d' /etc/deployd/apps.d/hello.conf

note "deployd is killed behind the switch: the same command gets what became of it"
pack_hello slow.tar.gz 3
sed -i 's/^min_healthy_sec = 0/min_healthy_sec = 3/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
cursor=$(journal_cursor)
start /tmp/slow ctl deploy hello slow.tar.gz --idempotency-key=run-4 --json
wait_journal "$cursor" 'current is now' -t deployd > /dev/null
systemctl kill --kill-whom=main --signal=KILL deployd
expect 0 ctl deploy hello slow.tar.gz --idempotency-key=run-4 --json
assert_equal "$(result | jq -r '.kind + " " + (.changed | tostring)')" "deploy true"
assert_contains "$(result | jq -r .message)" "nothing was done again"
assert_equal "$(result | jq -r .release)" "$(current_id)"
serves 3
