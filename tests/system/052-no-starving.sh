#!/bin/bash
# Uploads that never end hold up nobody else: rollbacks and restarts overtake them, one user
# has half of the places and slots, and a sender must keep up a minimum rate.
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly slow_apps='slow1 slow2 slow3 slow4'
printf '%s\n' '[deployd]' 'intake_idle_sec = 1h' > /etc/deployd/deployd.conf
setup_hello
add_user mallory --groups deployd
add_user bob --groups deployd
add_user carol --groups deployd
port=8081
for app in other $slow_apps; do
	sed -e "s/hello/$app/g" -e "s|^ExecStart=.*|ExecStart=/srv/$app/current/bin/hello|" \
		/etc/systemd/system/hello.service > "/etc/systemd/system/$app.service"
	add_user "$app" --system
	app_file "$app" "$app"
	policy_file "$app"
	mkdir -p "/etc/$app"
	echo "HELLO_PORT=$((port++))" > "/etc/$app/environment"
done
cat > /etc/deployd/policy.d/people.conf << RULES
[rule mallory ships]
allow = deploy stage restart status history
user = mallory
app = hello $slow_apps

[rule bob goes back]
allow = rollback status history
user = bob
app = hello other

[rule carol ships]
allow = deploy stage status
user = carol
app = hello other
RULES
systemctl daemon-reload
expect 0 systemctl reload deployd
for app in hello other; do
	expect 0 ctl deploy "$app" hello-1.tar.gz
	expect 0 ctl deploy "$app" hello-2.tar.gz
done

# Enough for a turn, and never all: endless USER VERB APP [BYTES] leaves $deployctl_status, $said.
big_hello big.tar.gz hello-2.tar.gz
pipes=0
endless() {
	local pipe=/tmp/pipe$((pipes++)) keep
	mkfifo -m 0666 "$pipe"
	exec {keep}<> "$pipe"
	head -c "${4:-$big_enough}" big.tar.gz >&"$keep" &
	deployctl_status=0
	said=$(as "$1" deployctl "$2" --no-block "$3" "$pipe" 2>&1) || deployctl_status=$?
}

jobs_of() { # APP JQ-FILTER
	expect 0 deployctl jobs --json
	jq -r --arg app "$1" "[.[] | select(.app == \$app and .result == null)] | $2" <<< "$out"
}

note "five stages from pipes that never end: one runs, and half of the places are taken"
cursor=$(journal_cursor)
endless mallory stage hello
wait_journal "$cursor" 'hello: stage by mallory begins' -t deployd > /dev/null
for i in 2 3 4 5; do
	endless mallory stage hello
	[ "$i" != 4 ] || fourth="$deployctl_status $said"
done

note "a deploy with too little of its archive gets no turn, and holds up nobody"
endless carol stage other 100
assert_equal "$(jobs_of other '.[0].waits_for')" 'its archive'
cursor=$(journal_cursor)
expect 0 ctl deploy other hello-2.tar.gz
expect 0 deployctl restart other
assert_equal "$(jobs_of other 'map(.waits_for) | join(" ")')" 'its archive'

note "and deploys from such pipes to four other apps"
for app in $slow_apps; do
	endless mallory deploy "$app"
	assert_equal "$deployctl_status" 0 "$said"
done
wait_journal "$cursor" 'slow.: deploy by mallory begins' -t deployd > /dev/null

note "root's restart and a user's, of the same app, wait together for what runs"
start /tmp/restart1 deployctl restart hello
restart1=$client
timeout "$WAIT_SEC" grep -m 1 -q 'waits for job' < <(exec tail -n +1 -f /tmp/restart1) ||
	fail "it does not wait: $(cat /tmp/restart1)"
cursor=$(journal_cursor)
start /tmp/restart2 ctl restart hello
restart2=$client
wait_journal "$cursor" 'the restart of deploy joins that of root' -t deployd > /dev/null
assert_equal "$(jobs_of hello 'map(select(.kind == "restart")) | length')" 1
stage=$(jobs_of hello 'map(select(.phase != "queued"))[0].id')
assert_equal "$(jobs_of hello 'map(select(.kind == "restart"))[0].waits_for')" \
	"job $stage of mallory (stage)"
expect 0 deployctl jobs
assert_contains "$out" "waits for job $stage of mallory (stage)"

note "a rollback that will be refused ends nothing"
expect 0 as bob deployctl rollback --no-block hello@20200101T000000Z-0001
assert_equal "$(jobs_of hello 'map(select(.phase != "queued"))[0].id')" "$stage"
refused=$(jobs_of hello 'map(select(.kind == "rollback"))[0].id')
expect 0 deployctl cancel hello "$refused"

note "a rollback of another user ends what runs, and goes before all that wait"
serves 2
expect 0 as bob deployctl rollback hello
assert_contains "$out" "cancelled the stage of mallory (job $stage)"
expect 15 as mallory deployctl attach "$stage"
assert_contains "$err" "mallory's stage was cancelled by a rollback of bob; nothing was switched"
wait_journal "$cursor" "stage by mallory failed \(cancelled\): .* by a rollback of bob" \
	-t deployd > /dev/null
for client in $restart1 $restart2; do
	ended
	assert_equal "$status" 0 "$(cat /tmp/restart1 /tmp/restart2)"
done
serves 1
expect 0 deployctl history hello --json
assert_equal "$(jq -r '.[:3] | map(.kind) | join(" ")' <<< "$out")" \
	"restart rollback stage"
assert_contains "$(jq -r '.[1].message' <<< "$out")" "cancelled the stage of mallory"
assert_contains "$(jq -r '.[2].message' <<< "$out")" "by a rollback of bob"

note "mallory had one running and two that waited; the fourth stage was refused"
assert_contains "$fourth" '11 '
assert_contains "$fourth" 'mallory already has half of the places for waiting deploys (queue_max = 4): 2 of mallory'

note "the other half is for others, and when all is full it is said whose it is"
assert_equal "$(jobs_of hello 'map(select(.by.user == "mallory")) | length')" 2
endless mallory stage hello
assert_equal "$deployctl_status" 11 "$said"
cursor=$(journal_cursor)
endless deploy stage hello # has its turn: mallory's slots are taken
wait_journal "$cursor" 'hello: stage by deploy begins' -t deployd > /dev/null
endless deploy stage hello
endless deploy stage hello
assert_equal "$deployctl_status" 0 "$said"
endless carol stage hello
assert_equal "$deployctl_status" 11 "$said"
assert_contains "$said" 'there is no room for more waiting deploys (queue_max = 4): 2 of mallory, 2 of deploy'

note "of four slots mallory has two: other users' deploys, rollbacks, and root go on"
assert_equal "$(jq '[.[] | select(.by.user == "mallory" and .result == null and
	.phase != "queued")] | length' <<< "$(deployctl jobs --json)")" 2
assert_contains "$(deployctl jobs)" 'waits for jobs of other apps'
expect 0 ctl deploy other hello-1.tar.gz
serves 1 8081 other
expect 0 as bob deployctl rollback other
serves 2 8081 other
expect 0 deployctl restart other
for app in $slow_apps; do
	expect 0 as mallory deployctl status --json "$app"
done

note "nothing of what never came is left"
for app in hello other $slow_apps; do
	for job in $(jobs_of "$app" 'map(.id) | reverse[]'); do
		expect 0 deployctl cancel "$app" "$job"
	done
done
expect 0 deployctl restart hello
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "something is left in .staging"

note "bytes that drip are no upload"
printf '%s\n' '[deployd]' 'intake_idle_sec = 3' 'intake_min_bytes_per_sec = 1M' \
	> /etc/deployd/deployd.conf
expect 0 systemctl reload deployd
mkfifo -m 0666 /tmp/drip
exec 5<> /tmp/drip 6< big.tar.gz
start /tmp/out as mallory deployctl stage hello /tmp/drip
head -c "$big_enough" <&6 >&5 # for its turn
# Each byte after an answer of deployd: never idle, and never fast.
while kill -0 "$client" 2> /dev/null; do
	head -c 1 <&6 >&5
	deployctl list > /dev/null
done
ended
assert_equal "$status" 1 "$(cat /tmp/out)"
assert_contains "$(cat /tmp/out)" 'the archive arrived too slowly: '
assert_contains "$(cat /tmp/out)" 'bytes in 3 s, and intake_min_bytes_per_sec is 1048576'
expect 0 ctl stage hello hello-2.tar.gz
