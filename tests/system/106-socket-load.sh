#!/bin/bash
# A socket-activated app under load: the listening socket stays with systemd, so that deploys
# and rollbacks lose no request.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly rounds=$((50 * ${DEPLOYD_TEST_SCALE:-1}))
cat > /etc/systemd/system/hello.socket <<EOT
[Socket]
ListenStream=127.0.0.1:$hello_port
Backlog=512
[Install]
WantedBy=sockets.target
EOT
setup_hello '[release]' 'keep = 5'
expect 0 ctl deploy hello hello-1.tar.gz
systemctl stop hello
systemctl start hello.socket
expect 0 ctl restart hello
serves 1

python3 "$repo/tests/lib/load.py" "$hello_port" 4 /tmp/load.json &
load=$!
for ((i = 0; i < rounds; i++)); do
	expect 0 ctl deploy hello hello-2.tar.gz
	expect 0 ctl rollback hello
done
kill -TERM $load
wait $load
note "$(cat /tmp/load.json)"
assert_equal "$(jq .failed /tmp/load.json)" 0 "failed requests: $(cat /tmp/load.json)"
[ "$(jq .requests /tmp/load.json)" -ge 1000 ] || fail "there was hardly any load"
assert_equal "$(jq -r '.versions | keys | join(" ")' /tmp/load.json)" "1 2"
assert_equal "$(systemctl show -P ActiveState hello.socket)" active

note "a release that crashes: systemd gives up its socket, deployd brings it back"
python3 "$repo/tests/lib/load.py" "$hello_port" 2 /tmp/load.json &
load=$!
sed -i 's/^min_healthy_sec = .*/min_healthy_sec = 1/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
pack_hello crash.tar.gz 3 start=crash
expect 13 ctl deploy hello crash.tar.gz
kill -TERM $load
wait $load
note "$(cat /tmp/load.json)"
assert_equal "$(systemctl show -P ActiveState hello.socket)" active
assert_equal "$(systemctl show -P ActiveState hello.service)" active
serves 1
expect 0 ctl deploy hello hello-2.tar.gz
assert_equal "$(systemctl show -P ActiveState hello.socket)" active
serves 2
