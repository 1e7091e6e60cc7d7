#!/bin/bash
# deployd is killed on a way back: the release that failed is marked bad with its evidence,
# and no other. Where there is no way back from a switch, it is not made.
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
mkdir -p /etc/systemd/system/deployd.service.d
printf '[Service]\nRestartSec=50ms\n' > /etc/systemd/system/deployd.service.d/soon.conf
setup_hello

readonly store=/usr/libexec/deployd/deployd-store
# What stands in for deployd-store: deployd is killed when the N-th way back is switched
# ("after" in /run/kill-N), or before anything of it is on the disk ("before"): then the
# release is tried again.
mv "$store" "$store.real"
cat > "$store" <<-EOT
	#!/bin/bash
	IFS= read -r -d '' request
	if grep -q '"verb":"switch"' <<< "\$request" && grep -q '"kind":"revert"' <<< "\$request"; then
		n=\$((\$(cat /run/ways 2> /dev/null || echo 0) + 1))
		echo \$n > /run/ways
		when=\$(cat /run/kill-\$n 2> /dev/null)
		rm -f /run/kill-\$n
		if [ "\$when" = before ]; then
			kill -KILL \$PPID
			exit 1
		elif [ "\$when" = after ]; then
			printf %s "\$request" | "$store.real" 3> /dev/null
			kill -KILL \$PPID
			exit 0
		fi
	fi
	printf %s "\$request" | exec "$store.real"
EOT
chmod 755 "$store"

state_of() { # ID
	expect 0 ctl releases --json hello
	jq -r --arg id "$1" '.[] | select(.id == $id).state' <<< "$out"
}
newest() {
	expect 0 ctl releases --json hello
	jq -r '.[0].id' <<< "$out"
}
# killed ARCHIVE: a deploy of it, in whose way back deployd is killed
killed() {
	local cursor
	rm -f /run/ways
	cursor=$(journal_cursor)
	start /tmp/out ctl deploy --force hello "$1"
	ended
	wait_journal "$cursor" 'hello: re(vert|cover) .* (failed|done)' -t deployd > /dev/null
	failed=$(newest)
}

expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
expect 0 ctl deploy hello hello-2.tar.gz
second=$(current_id)
pack_hello crash.tar.gz 666 start=crash exit_code=3

for when in after before; do
	note "deployd is killed just $when the switch back"
	echo $when > /run/kill-1
	killed crash.tar.gz
	assert_equal "$(current_id)" "$second"
	serves 2
	assert_equal "$(state_of "$failed")" bad
	expect 0 ctl show --json "hello@$failed"
	assert_contains "$(jq -r .evidence.reason <<< "$out")" 'exited with status 3'
	assert_contains "$(jq -r '.evidence.journal | join("\n")' <<< "$out")" 'told to crash at start'
	expect 0 ctl history --json hello
	assert_contains "$(jq -r '.[0] | .kind + " " + .result + " " + .message' <<< "$out")" \
		'rolled-back hello.service could not start'
done

note "what was live does not start either: on the second way back nobody else is blamed"
for when in after before; do
	sed -i 's/^start=.*//; $a start=crash' "/srv/hello/releases/$second/etc/hello.conf"
	echo $when > /run/kill-2
	killed crash.tar.gz
	assert_equal "$(current_id)" "$first" "$when: current"
	serves 1
	assert_equal "$(state_of "$failed")" bad
	assert_equal "$(state_of "$second")" good
	expect 0 ctl show --json "hello@$failed"
	assert_contains "$(jq -r .evidence.reason <<< "$out")" 'exited with status 3'
	sed -i '/^start=crash$/d' "/srv/hello/releases/$second/etc/hello.conf"
	expect 0 ctl activate "hello@$second"
	serves 2
done

note "what is nobody's fault stays so"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Service]\nGroup=nobody-has-it\n' > /etc/systemd/system/hello.service.d/test.conf
systemctl daemon-reload
echo after > /run/kill-1
killed hello-1.tar.gz
assert_equal "$(state_of "$failed")" staged
rm /etc/systemd/system/hello.service.d/test.conf
systemctl daemon-reload
expect 0 ctl restart hello
serves 2

note "a healthy app whose release is gone, and no other good one: the switch is refused"
mv "$store.real" "$store"
expect 0 ctl releases --json hello
mapfile -t others < <(jq -r '.[].id' <<< "$out" | grep -v -e "$second" -e "$first")
for id in "$first" "${others[@]}"; do
	rm -rf "/srv/hello/releases/$id"
done
mv "/srv/hello/releases/$second" /srv/hello/releases/away
expect 1 ctl deploy hello hello-1.tar.gz
assert_contains "$err" "hello.service runs, but its release $second is gone, and no other good one is left"
assert_contains "$err" 'there is nothing to go back to'
assert_contains "$err" "put /srv/hello/releases/$second back, or use --force"
assert_contains "$err" 'nothing was switched'
assert_equal "$(current_id)" "$second"
serves 2

note "where it does not run, it may always be deployed; and by --force"
as root systemctl stop hello
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
mv "/srv/hello/releases/$(current_id)" /srv/hello/releases/gone
expect 1 ctl deploy hello hello-2.tar.gz
assert_contains "$err" 'no other good one is left'
expect 0 ctl deploy --force hello hello-2.tar.gz
serves 2
