#!/bin/bash
# deployd is killed at 50 random moments of a deploy: current is always complete, the next
# start recovers, and the client is told.
# fresh boot: yes
# timeout: 400
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly kills=$((50 * ${DEPLOYD_TEST_SCALE:-1}))
readonly seed=${DEPLOYD_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
note "DEPLOYD_TEST_SEED=$seed"
RANDOM=$((seed % 32768))

mkdir -p /etc/systemd/system/deployd.service.d
printf '[Service]\nRestartSec=20ms\n' > /etc/systemd/system/deployd.service.d/soon.conf
setup_hello
pack_hello hello-1.tar.gz 1 padding=2000000
pack_hello hello-2.tar.gz 2 padding=2000000
expect 0 ctl deploy hello hello-1.tar.gz
began=${EPOCHREALTIME/./}
expect 0 ctl deploy hello hello-2.tar.gz
readonly usual_us=$((${EPOCHREALTIME/./} - began))
note "a deploy takes $usual_us us"

declare -A ended=()
switched=0
for ((i = 0; i < kills; i++)); do
	before=$(current_id)
	pid=$(systemctl show -P MainPID deployd)
	after_us=$((usual_us * 11 / 10 * RANDOM / 32768))
	as deploy deployctl deploy hello hello-$((i % 2 + 1)).tar.gz > /tmp/out 2>&1 &
	client=$!
	# The moment is random on purpose: nothing is waited for here.
	timeout "$((after_us / 1000000)).$(printf %06d $((after_us % 1000000)))" tail -f /dev/null || true
	kill -KILL "$pid"
	status=0
	wait $client || status=$?
	case $status in
	0 | 1 | 7) ended[$status]=$((${ended[$status]:-0} + 1)) ;;
	*) fail "kill $i after $after_us us: the client ended with $status: $(cat /tmp/out)" ;;
	esac
	[ $status = 0 ] || [ -s /tmp/out ] || fail "kill $i: the client said nothing"

	# Whatever happened, current is a whole release, before and after the recovery.
	now=$(current_id)
	version=$(sed -n 's/^version=//p' "/srv/hello/releases/$now/etc/hello.conf")
	complete_release "/srv/hello/releases/$now" "hello-$version.tar.gz"
	[ "$now" = "$before" ] || switched=$((switched + 1))
	expect 0 ctl status --json hello
	assert_equal "$(jq -r .state <<< "$out")" live "kill $i after $after_us us: state"
	assert_equal "$(jq -r .release <<< "$out")" "$(current_id)"
	[ -z "$(ls -A /srv/hello/releases/.staging)" ] ||
		fail "kill $i after $after_us us: something is left in .staging"
	for release in /srv/hello/releases/2*; do
		version=$(sed -n 's/^version=//p' "$release/etc/hello.conf")
		complete_release "$release" "hello-$version.tar.gz"
	done
	# The service runs what is current: a restart that was due is made good.
	expect 0 timeout 20 bash -c 'until [ "$(readlink /proc/$(systemctl show -P MainPID hello)/exe)" \
		= "$(readlink -f /srv/hello/current)/bin/hello" ]; do
		deployctl jobs > /dev/null; done'
done
note "clients ended with: $(for s in "${!ended[@]}"; do echo -n "$s: ${ended[$s]}, "; done)$switched switched"
[ $((${ended[1]:-0} + ${ended[7]:-0})) -gt 0 ] || fail "no kill hit a deploy"
[ $switched -gt 0 ] && [ $switched -lt "$kills" ] || fail "every kill hit the same half of a deploy"
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
