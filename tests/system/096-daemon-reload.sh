#!/bin/bash
# daemon_reload: deployd makes systemd read a changed unit file when the app's file says so,
# and never otherwise, since that reads what others have not finished editing, too.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
unit=/etc/systemd/system/hello.service

change_unit() { # TEXT: a line of [Service]
	cat "$repo/tests/apps/hello/hello.service" - <<< "[Service]
$1" > "$unit"
	assert_equal "$(systemctl show -P NeedDaemonReload hello)" yes
}

# Somebody's unit that is not to be read yet.
half_edited() {
	printf '%s\n' '[Service]' 'RemainAfterExit=yes' 'ExecStart=/bin/true' > /etc/systemd/system/other.service
	systemctl daemon-reload
	systemctl start other.service
	printf '%s\n' '[Service]' "Environment=HALF=$1" 'ExecStart=/bin/true' \
		> /etc/systemd/system/other.service
}

note "daemon_reload = no: a switch is refused, a restart is as systemd knows it, and both say so"
half_edited 1
expect 0 ctl deploy hello hello-2.tar.gz
change_unit 'Environment=CHANGED=1'
for verb in "1 deploy hello hello-1.tar.gz" "0 restart hello" "1 rollback hello" \
	"0 rollback --force hello" "0 deploy --force hello hello-2.tar.gz" "0 rollback hello --force"; do
	# shellcheck disable=SC2086
	expect ${verb%% *} ctl ${verb#* }
	assert_contains "$out$err" "systemctl daemon-reload"
	assert_equal "$(systemctl show -P NeedDaemonReload hello)" yes
	assert_equal "$(systemctl show -P NeedDaemonReload other)" yes
done
assert_lacks "$(systemctl show -P Environment hello)" CHANGED

note "daemon_reload = yes: read before a restart, once"
printf '%s\n' '[restart]' 'daemon_reload = yes' >> /etc/deployd/apps.d/hello.conf
expect 0 deployctl reload
cursor=$(journal_cursor)
expect 0 ctl restart hello
assert_lacks "$out$err" daemon-reload
assert_equal "$(systemctl show -P NeedDaemonReload hello)" no
assert_contains "$(systemctl show -P Environment hello)" CHANGED=1
assert_contains "$(journal_since "$cursor" -t deployd)" "the unit file of hello.service has changed"
cursor=$(journal_cursor)
expect 0 ctl restart hello
assert_lacks "$(journal_since "$cursor" -t deployd)" "has changed"

note "... and before a deploy and a rollback switch"
n=2
for verb in "deploy hello hello-2.tar.gz" "rollback hello"; do
	change_unit "Environment=CHANGED=$n"
	# shellcheck disable=SC2086
	expect 0 ctl $verb
	assert_contains "$(tr '\0' '\n' < "/proc/$(systemctl show -P MainPID hello)/environ")" \
		"CHANGED=$n"
	n=$((n + 1))
done

note "a unit file that is broken by then: nothing was changed"
before=$(current_id)
printf '%s\n' '[Service]' 'Type=oneshot-and-a-half' > "$unit"
expect 1 ctl deploy hello hello-2.tar.gz
assert_contains "$err" "nothing was changed"
assert_equal "$(current_id)" "$before"
serves 1
cp "$repo/tests/apps/hello/hello.service" "$unit"
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
