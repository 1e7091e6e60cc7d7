#!/bin/bash
# Health checks of every type: http with status, body and header, tcp, exec in a clone of
# the unit; in the app's own network.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
plain=$(< /etc/deployd/apps.d/hello.conf)
readonly plain

# checked STATUS LINES...: a deploy with these checks ends so
checked() {
	local wanted=$1
	shift
	printf '%s\n' "$plain" 'healthy_deadline_sec = 3' "$@" > /etc/deployd/apps.d/hello.conf
	expect 0 systemctl reload deployd
	expect "$wanted" ctl deploy --force hello hello-2.tar.gz
	said=$err$out
	printf '%s\n' "$plain" > /etc/deployd/apps.d/hello.conf
	expect 0 systemctl reload deployd
	[ "$wanted" = 0 ] || return 0
	serves 2
	expect 0 ctl rollback hello
}
url=http://127.0.0.1:$hello_port/

checked 0 '[health_check web]' 'type = http' "url = $url" 'body = version=2' 'successes = 2' \
	'interval_sec = 1'
checked 13 '[health_check web]' 'type = http' "url = $url" 'body = version=1'
assert_contains "$said" 'version=1'
serves 1
checked 0 '[health_check web]' 'type = http' "url = $url" 'status = 200-204 301'
checked 0 '[health_check web]' 'type = http' "url = $url" 'header = Content-Type: text/plain'
checked 14 '[health_check web]' 'type = http' "url = $url" 'header = Content-Type: text/html'
assert_contains "$said" 'text/html'
# What the release of before cannot pass either ends in 14.
checked 14 '[health_check web]' 'type = http' "url = $url" 'status = 404'
assert_contains "$said" 404
checked 0 '[health_check port]' 'type = tcp' "address = 127.0.0.1:$hello_port"
checked 14 '[health_check port]' 'type = tcp' 'address = 127.0.0.1:1'
assert_contains "$said" 'refused'

note "exec runs as the app, with its environment"
mkdir -p /etc/hello
echo 'GREETING=good day' > /etc/hello/environment
cat > /usr/local/bin/hello-check <<'EOT'
#!/bin/sh
[ "$(id -un)" = hello ] || { echo "I am $(id -un)"; exit 1; }
[ "$GREETING" = 'good day' ] || { echo "GREETING is '$GREETING'"; exit 1; }
[ "$(pwd -P)" = "$(readlink -f /srv/hello/current)" ] || { echo "in $(pwd)"; exit 1; }
[ "$1" = '$HOME %n' ] || { echo "the argument is '$1'"; exit 1; }
EOT
chmod 0755 /usr/local/bin/hello-check
checked 0 '[health_check self]' 'type = exec' "command = /usr/local/bin/hello-check '\$HOME %n'"
checked 14 '[health_check self]' 'type = exec' 'command = /usr/local/bin/hello-check wrong'
assert_contains "$said" "the argument is 'wrong'"

note "all must pass, and one that hangs is not waited for"
checked 14 '[health_check web]' 'type = http' "url = $url" '[health_check hangs]' 'type = exec' \
	'command = /usr/bin/tail -f /dev/null' 'timeout_sec = 1'
serves 1

note "the app's own network"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Service]\nPrivateNetwork=yes\n' > /etc/systemd/system/hello.service.d/net.conf
systemctl daemon-reload
expect 0 ctl restart hello
! http $hello_port > /dev/null 2>&1 || fail "it is not private"
printf '%s\n' "$plain" '[health_check web]' 'type = http' "url = $url" 'body = version=2' \
	> /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
expect 0 ctl deploy --force hello hello-2.tar.gz
