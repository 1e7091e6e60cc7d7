#!/bin/bash
# timeout: 400
# Health checks against servers that drip, never end, send a gigabyte, redirect for ever or
# close half: each ends by its timeout, the deploy by its deadline, memory stays bounded, and
# other apps are deployed meanwhile.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly port=9099 log=/run/slow.log memory_max=$((64 << 20))

setup_hello
plain=$(< /etc/deployd/apps.d/hello.conf)
readonly plain
add_user other --system
sed 's|/srv/hello|/srv/other|g; s/^User=.*/User=other/; s/^Group=.*/Group=other/' \
	"$repo/tests/apps/hello/hello.service" > /etc/systemd/system/other.service
systemctl daemon-reload
app_file other other
policy_file other
expect 0 deployctl reload
pack_hello other.tar.gz 1 port=8081
expect 0 ctl deploy hello hello-1.tar.gz
expect 0 ctl deploy other other.tar.gz

start /run/server.out "$repo/tests/lib/slow-server.py" $port $log
server=$client
timeout "$WAIT_SEC" bash -c 'until grep -qs listening /run/server.out; do :; done' ||
	fail "no server: $(cat /run/server.out)"

# What deployd has taken at most, in bytes.
memory_peak() {
	local kib
	kib=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$(systemctl show -P MainPID deployd)/status")
	echo $((kib << 10))
}

# suffers LINES...: a deploy with this check fails in time, whatever else goes on
suffers() {
	local took result
	printf '%s\n' "$plain" 'healthy_deadline_sec = 2' '[health_check slow]' \
		'timeout_sec = 1' 'interval_sec = 1' "$@" > /etc/deployd/apps.d/hello.conf
	expect 0 deployctl reload
	: > $log
	start /run/deploy.out ctl deploy --force hello hello-2.tar.gz
	case $2 in
	*http*) timeout "$WAIT_SEC" bash -c "until grep -qs / $log; do :; done" || fail "no check came" ;;
	esac
	expect 0 ctl status hello
	expect 0 ctl restart other
	serves 1 8081 other
	ended
	[[ $status = 13 || $status = 14 ]] || fail "$*: status $status: $(cat /run/deploy.out)"
	expect 0 ctl history hello --json
	result=$(jq -r '.[0].result' <<< "$out")
	took=$(jq -r '.[0].took_ms' <<< "$out")
	echo "   $2: $result after $took ms"
	assert_contains "$(cat /run/deploy.out)" "'slow' did not pass within 2 s"
	serves 1
}

url=http://127.0.0.1:$port
for path in silent drip-status drip-headers endless-header endless-headers hints redirect \
	half-read; do
	suffers 'type = http' "url = $url/$path"
done
note "the body counts only where it is asked for"
for path in drip-body endless-body gigabyte endless-chunks huge-chunk half-close; do
	suffers 'type = http' "url = $url/$path" 'body = never there'
done
note "an exec check that writes for ever"
suffers 'type = exec' 'command = /usr/bin/yes this goes on for ever'

peak=$(memory_peak)
echo "   deployd took $((peak >> 20)) MiB at most"
[ "$peak" -gt 0 ] && [ "$peak" -lt $memory_max ] || fail "$((peak >> 20)) MiB"
assert_equal "$(systemctl show -P NRestarts deployd)" 0
if pgrep -f deployd-probe; then fail "a probe is left"; fi
kill "$server"

note "nothing is left of it"
printf '%s\n' "$plain" > /etc/deployd/apps.d/hello.conf
expect 0 deployctl reload
expect 0 ctl deploy --force hello hello-2.tar.gz
serves 2
