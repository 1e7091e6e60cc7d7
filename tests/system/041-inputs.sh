#!/bin/bash
# Where archives come from: pipes, files, files that cannot be read, nothing, and a lot.
# fresh boot: yes
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
id() { current_id; }

note "a slow pipe, a FIFO, a socket, a file opened half way"
slowly() {
	head -c 3000 hello-1.tar.gz
	inotifywait -qq -t 1 /root || true
	tail -c +3001 hello-1.tar.gz
}
expect 0 ctl deploy hello - < <(slowly)
serves 1
mkfifo fifo
chown deploy fifo
cat hello-2.tar.gz > fifo &
expect 0 ctl deploy hello fifo
serves 2
python3 - <<-'EOT'
	import socket, subprocess, sys
	ours, theirs = socket.socketpair()
	client = subprocess.Popen(["runuser", "-u", "deploy", "--", "deployctl", "deploy",
	    "hello", "-"], stdin=theirs)
	theirs.close()
	ours.sendall(open("hello-1.tar.gz", "rb").read())
	ours.close()
	sys.exit(client.wait())
EOT
serves 1
{ printf 'not part of it' && cat hello-2.tar.gz; } > shifted
{ head -c 14 > /dev/null; expect 0 ctl deploy hello -; } < shifted
serves 2

note "a file that only root can read: the client says so"
install -m 0600 -o root hello-1.tar.gz secret.tar.gz
before=$(id)
expect 1 ctl deploy hello secret.tar.gz
assert_contains "$err" secret.tar.gz
assert_contains "$err" "ermission denied"
expect 1 ctl deploy hello missing.tar.gz
assert_contains "$err" missing.tar.gz
note "but an open descriptor is good enough"
expect 0 ctl deploy hello - < secret.tar.gz
serves 1

note "nothing, a directory, a device, not an archive, half an archive"
before=$(id)
: > empty
expect 10 ctl deploy hello empty
assert_contains "$err" empty
expect 10 ctl deploy hello - < /dev/null
expect 10 ctl deploy hello - < <(:)
status=0
ctl deploy hello /tmp 2> /tmp/err || status=$?
[ "$status" != 0 ] || fail "a directory was taken"
assert_contains "$(cat /tmp/err)" directory
echo "hello, I am a text" > text
expect 10 ctl deploy hello text
head -c 5000 hello-1.tar.gz > half.tar.gz
expect 10 ctl deploy hello half.tar.gz
gzip -dc hello-1.tar.gz > hello-1.tar
head -c 10000 hello-1.tar > half.tar
expect 10 ctl deploy hello half.tar
assert_equal "$(id)" "$before"
serves 1

note "2 GiB"
mkdir -p big/bin big/etc big/priv
cp "$build/tests/apps/hello/hello" big/bin/
echo version=big > big/etc/hello.conf
truncate -s 2G big/priv/data
dd if=/dev/urandom of=big/priv/data bs=1M count=8 seek=1000 conv=notrunc status=none
tar -cf big.tar -C big bin etc priv
[ "$(stat -c %s big.tar)" -gt 2147483648 ]
chmod 0644 big.tar
expect 0 ctl deploy hello big.tar
serves big
cmp big/priv/data /srv/hello/current/priv/data
