#!/bin/bash
# What can be known to fail is refused before the switch: the release that is live keeps
# running, the new one stays staged, and the message says which path, why, and what to do.
# timeout: 240
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
unit=/etc/systemd/system/hello.service
drop_in=$unit.d/test.conf
mkdir -p $unit.d
expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
pid=$(systemctl show -P MainPID hello)
work=$(mktemp -d)

# archive COMMAND: hello-2.tar.gz, changed by a command that runs in it, as bad.tar.gz
archive() {
	rm -rf "$work/release"
	mkdir "$work/release"
	tar xzf hello-2.tar.gz -C "$work/release"
	(cd "$work/release" && eval "$1")
	tar czf /home/deploy/bad.tar.gz -C "$work/release" .
	chown deploy: /home/deploy/bad.tar.gz
}

settings() { # LINES...: of [Service]; none = the unit as it was
	rm -f $drop_in
	[ $# -eq 0 ] || printf '%s\n' '[Service]' "$@" > $drop_in
	systemctl daemon-reload
}

untouched() {
	assert_equal "$(current_id)" "$first"
	assert_equal "$(systemctl show -P MainPID hello)" "$pid"
	assert_equal "$(systemctl show -P ActiveState hello)" active
}

# refused STATUS ARCHIVE TEXT...: before the switch, with these words
refused() {
	local status=$1 archive=$2 text
	shift 2
	expect "$status" ctl deploy hello "$archive"
	for text; do
		assert_contains "$err" "$text"
	done
	untouched
	expect 0 ctl releases --json hello
	assert_equal "$(jq -r '.[0].state' <<< "$out")" staged
	expect 0 ctl history --json hello
	assert_equal "$(jq -r '.[0].result' <<< "$out")" \
		"$([ "$status" = 10 ] && echo rejected || echo failed)"
}

note "the archive is at fault: a program is missing, or cannot be executed"
archive 'rm bin/hello'
refused 10 bad.tar.gz "hello.service could not start: '/srv/hello/current/bin/hello' does not exist in the release; add 'bin/hello' to the archive"
archive 'chmod -x bin/hello'
refused 10 bad.tar.gz "'/srv/hello/current/bin/hello' is not executable; run \`chmod +x bin/hello\`"
archive 'printf "#!/bin/sh\r\nexec true\r\n" > bin/hello'
refused 10 bad.tar.gz "first line of '/srv/hello/current/bin/hello' ends in CR LF"
archive 'printf "#!/opt/ruby/bin/ruby\n" > bin/hello'
refused 10 bad.tar.gz "'/srv/hello/current/bin/hello' needs '/opt/ruby/bin/ruby', which does not exist"
archive 'printf "\xb7\0" | dd of=bin/hello bs=1 seek=18 conv=notrunc status=none'
[ "$(uname -m)" != x86_64 ] || refused 10 bad.tar.gz 'a program for another machine (ARM64)'
archive 'echo hello > bin/hello'
refused 10 bad.tar.gz 'neither a program nor a script'
archive ': > bin/hello'
refused 10 bad.tar.gz "'/srv/hello/current/bin/hello' cannot be executed: it is empty"
archive 'mkdir hello-2.0; mv bin hello-2.0/; find . -mindepth 1 -maxdepth 1 ! -name hello-2.0 -exec mv {} hello-2.0/ \;'
refused 10 bad.tar.gz "a directory 'hello-2.0'" "set strip_components = 1 in the app's file (or deploy with --strip-components=1)" 'tar -xf ARCHIVE -C new --strip-components=1'

note "the loader of a program, by the path in its header"
archive "sed -i 's#/lib64/ld-linux-x86-64#/lib64/xx-linux-x86-64#; s#/lib/ld-linux-aarch64#/lib/xx-linux-aarch64#' bin/hello"
if grep -q xx-linux "$work/release/bin/hello"; then
	refused 10 bad.tar.gz 'xx-linux-'
fi

note "the machine is at fault"
settings "EnvironmentFile=/srv/hello/etc/absent"
refused 1 hello-2.tar.gz "environment file '/srv/hello/etc/absent' does not exist; create it" 'EnvironmentFile=-/srv/hello/etc/absent'
settings "WorkingDirectory=/srv/absent"
refused 1 hello-2.tar.gz "working directory '/srv/absent' does not exist"
settings "ExecStartPre=/usr/local/bin/absent"
refused 1 hello-2.tar.gz "'/usr/local/bin/absent' does not exist on this machine" 'ExecStartPre='
settings "User=ghost"
refused 1 hello-2.tar.gz 'User=ghost does not exist' 'app_user = hello'
settings "Group=ghosts"
refused 1 hello-2.tar.gz 'Group=ghosts' 'does not exist'
settings "SupplementaryGroups=ghosts"
refused 1 hello-2.tar.gz 'SupplementaryGroups=' 'does not exist'
add_user stranger --system
settings "User=stranger" "Group=stranger"
refused 1 hello-2.tar.gz "its user 'stranger' may not enter or read" 'SupplementaryGroups=hello'
settings "User=stranger" "Group=stranger" "SupplementaryGroups=hello"
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
settings
expect 0 ctl rollback hello
first=$(current_id)
pid=$(systemctl show -P MainPID hello)

note "a file system without exec"
mount --bind /srv/hello/releases /srv/hello/releases
mount -o remount,bind,noexec /srv/hello/releases
refused 1 hello-2.tar.gz 'mounted with noexec' 'base_dir='
umount /srv/hello/releases

note "a unit file that systemd has not read"
echo '# changed' >> $unit
refused 1 hello-2.tar.gz 'the unit file of hello.service has changed' 'systemctl daemon-reload' 'daemon_reload = yes'
systemctl daemon-reload

note "what cannot be known is not refused"
runs() { # LINES...: with them the unit starts, and it is deployed
	settings "$@"
	expect 0 ctl deploy hello hello-2.tar.gz
	serves 2
}
runs "ExecStartPre=-/usr/local/bin/absent" "EnvironmentFile=-/srv/hello/etc/absent" \
	"WorkingDirectory=-/srv/absent"
runs "RuntimeDirectory=hello-run" "WorkingDirectory=/run/hello-run"
runs "TemporaryFileSystem=/srv/made" "WorkingDirectory=/srv/made"
runs "BindReadOnlyPaths=/usr/bin/true:/usr/local/bin/bound" "ExecStartPre=/usr/local/bin/bound"
runs "User=root"
printf '%s\n' '[Service]' 'Type=oneshot' 'ExecStart=/usr/bin/touch /run/made.env' \
	> /etc/systemd/system/maker.service
settings "EnvironmentFile=/run/made.env"
printf '%s\n' '[Unit]' 'Requires=maker.service' 'After=maker.service' >> $drop_in
systemctl daemon-reload
expect 0 ctl deploy hello hello-1.tar.gz

note "nor where the unit is what it is elsewhere: it fails as it would have"
version=10
for line in 'DynamicUser=yes' 'RootDirectory=/srv/hello/current'; do
	cursor=$(journal_cursor)
	pack_hello new.tar.gz $((++version))
	settings "$line" 'ExecStartPre=/usr/local/bin/absent'
	expect 1 ctl deploy hello new.tar.gz # it fails for both releases
	assert_contains "$(journal_since "$cursor" -t deployd)" \
		"hello.service was not examined before the switch: it has ${line%%=*}="
done

note "a unit of root: what the files are still counts"
settings "User=root" "Group=root"
expect 0 ctl restart hello
first=$(current_id)
pid=$(systemctl show -P MainPID hello)
archive 'rm bin/hello'
refused 10 bad.tar.gz "'/srv/hello/current/bin/hello' does not exist in the release"
staged=$(jq -r '.[0].to' <<< "$out")

note "activate and rollback are refused, too, unless forced"
expect 10 ctl activate "hello@$staged"
assert_contains "$err" 'does not exist in the release'
assert_contains "$err" 'nothing was switched'
untouched
settings "EnvironmentFile=/srv/hello/etc/absent"
expect 1 ctl rollback hello
assert_contains "$err" "environment file '/srv/hello/etc/absent' does not exist"
untouched
cursor=$(journal_cursor)
expect 1 ctl rollback --force hello # what was live does not start either
assert_contains "$(journal_since "$cursor" -t deployd)" 'going on anyway (--force): hello.service could not start'
settings
expect 0 ctl restart hello
first=$(current_id)
expect 13 ctl activate --force "hello@$staged"
serves 1
expect 13 ctl deploy --force hello bad.tar.gz
assert_equal "$(current_id)" "$first"

note "a rollback that deployd does by itself is never refused"
pack_hello dies.tar.gz 3 start_delay_ms=1500 exit_after_sec=1
printf '%s\n' '[health]' 'bake_sec = 5' >> /etc/deployd/apps.d/hello.conf
sed -i '/^bake_sec = 0/d; 0,/^\[health\]$/b; /^\[health\]$/d' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello dies.tar.gz
wait_journal "$cursor" 'current is now' -t deployd > /dev/null
echo '# changed' >> $unit
ended
assert_equal "$status" 13 "$(cat /tmp/out)"
assert_equal "$(current_id)" "$first"

note "a directory behind a link is refused at --check and reload, with the way out"
cp /etc/deployd/apps.d/hello.conf /root/hello.conf
mkdir -p /opt/real
ln -s /opt/real /opt/linked
printf '%s\n' '[directories]' 'base_dir = /opt/linked' >> /etc/deployd/apps.d/hello.conf
expect 6 deployd --check
assert_contains "$out$err" "base_dir: '/opt/linked' is or lies behind a symbolic link, which deployd does not follow; write base_dir = /opt/real"
expect 6 deployctl reload
assert_contains "$err" 'write base_dir = /opt/real'
sed -i 's#/opt/linked#/opt/real#' /etc/deployd/apps.d/hello.conf
expect 0 deployd --check
ln -s /srv/hello /opt/real/hello
expect 6 deployd --check
assert_contains "$out$err" "deploy_dir: '/opt/real/hello' is or lies behind a symbolic link"
cp /root/hello.conf /etc/deployd/apps.d/hello.conf
expect 0 deployd --check
