#!/bin/bash
# Commands in transient units, health checks and verification, each by itself on a
# real systemd: tests/health/test_live.c has the cases.
# build: dev
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly live_build=${DEPLOYD_TEST_LIVE:-$repo/build/dev}
readonly new=20261124T101500Z-0002 old=20261123T101500Z-0001

add_user hello --system --groups games
add_user deploy
mkdir -p /run/live
mkfifo -m 0666 /run/live/fifo /run/live/hog
for id in "$old" "$new"; do
	install -D "$live_build/tests/apps/hello/hello" "/srv/hello/releases/$id/bin/hello"
done
ln -s "releases/$new" /srv/hello/current
echo 'FROM_FILE=file' > /etc/live.env

unit() { # NAME LINES...
	local name=$1
	shift
	printf '%s\n' '[Service]' "$@" > "/run/systemd/system/$name.service"
}
hello=('Type=notify' 'User=hello' 'WorkingDirectory=/srv/hello/current' 'UMask=0037'
	'ExecStart=/srv/hello/current/bin/hello' 'Environment=FROM_UNIT=unit'
	'EnvironmentFile=-/etc/missing' 'EnvironmentFile=/etc/live.env' 'LimitNOFILE=777')
unit hello "${hello[@]}" 'SupplementaryGroups=games'
unit hello-private "${hello[@]}" 'Environment=HELLO_PORT=8081' 'PrivateNetwork=yes' \
	'PrivateTmp=yes' 'AmbientCapabilities=CAP_NET_BIND_SERVICE'
unit live-watch 'User=hello' 'ExecStart=/bin/sleep infinity'
unit live-oom 'User=hello' 'OOMPolicy=continue' 'MemoryMax=40M' 'MemorySwapMax=0' \
	"ExecStart=/bin/sh -c 'while :; do read -r x < /run/live/hog; tail /dev/zero; done'"
systemctl daemon-reload
systemctl start hello.service hello-private.service

expect 0 "$live_build/tests/health/test_live"
echo "$out$err"
assert_equal "$(systemctl list-units --all --plain --no-legend 'deployd-live-*' \
	'deployd-check-*' 'deployd-verification-*')" "" "no unit is left behind"
note "PID 1 has nothing to say about checks and verifications: they would fill the journal"
expect 1 journalctl -q -o cat _PID=1 --grep 'deployd-(check|verification)-'
