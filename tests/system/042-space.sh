#!/bin/bash
# A full disk: exit 18, the old release stays live, and there is room again afterwards.
# fresh boot: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
printf '[deployd]\nreserve_bytes = 1M\n' > /etc/deployd/deployd.conf
systemctl stop deployd.service deployd.socket
mount -t tmpfs -o size=24M,nr_inodes=2000,mode=755 tmpfs /srv
systemctl start deployd.socket deployd.service
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
id=$(current_id)

note "more bytes than there is room for, announced and not"
pack_hello big.tar.gz 2 padding=30000000
expect 18 ctl deploy hello big.tar.gz
assert_contains "$err" "space"
expect 18 ctl deploy hello - < big.tar.gz
assert_equal "$(current_id)" "$id"
serves 1
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "something is left in .staging"

note "more files than there are inodes"
mkdir -p many/bin many/files
cp "$build/tests/apps/hello/hello" many/bin/
for ((i = 0; i < 3000; i++)); do : > "many/files/$i"; done
tar -czf many.tar.gz -C many bin files
chmod 0644 many.tar.gz
expect 18 ctl deploy hello many.tar.gz
assert_equal "$(current_id)" "$id"
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "something is left in .staging"

note "what fits is deployed, and rolled back"
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
expect 0 ctl rollback hello
serves 1
