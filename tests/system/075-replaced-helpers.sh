#!/bin/bash
# Helpers that an attacker has taken over, in the sandbox they made for themselves: no
# attempt to get at anything else succeeds. First each by itself, then started by the
# installed deployd, with its fds and in its unit.
# timeout: 600
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly attacks=$build/tests/attacks libexec=/usr/libexec/deployd
mkdir -p /srv/other/releases/1
ln -s releases/1 /srv/other/current
install -m 0640 /dev/stdin /srv/other/releases/1/secret <<< "another app's"

note "each by itself"
python3 -B "$repo/tests/attacks/helpers.py" "$build" || fail "a helper got out"

setup_hello '[release]' 'max_file_bytes = 4M'
expect 0 ctl deploy hello hello-1.tar.gz
id=$(current_id)
mkdir /tmp/genuine
cp -p $libexec/deployd-* /tmp/genuine/

# What deployd starts has no environment: the attempt's name comes from a file.
attempt() { # HELPER ATTEMPT: how it was blocked, in $how
	local command=(stage hello hello-2.tar.gz)
	[ "$1" != touch ] || command=(restart hello)
	echo "$2" > /run/deployd-attack
	if ctl "${command[@]}" > /tmp/said 2>&1; then
		fail "$1 did its work instead of: $2"
	fi
	how=$(sed -nE "s/.*deployd-$1 died: signal 31 .*/SIGSYS/p; s/.*($2|exec): ([A-Za-z]+).*/\2/p" \
		/tmp/said | head -n 1)
	[ -n "$how" ] || fail "$1, $2: $(cat /tmp/said)"
	[ "$how" != succeeded ] || fail "$1, $2: $how"
}

attack() { # HELPER WHAT
	local name blocked=()
	install -m 0755 "$attacks/attack-$1" "$libexec/deployd-$1"
	for name in "${attempts[@]}"; do
		attempt "$1" "$name"
		blocked+=("$how")
	done
	cp -p "/tmp/genuine/deployd-$1" $libexec/
	note "$1, $2: ${#blocked[@]} attempts, blocked by $(printf '%s\n' "${blocked[@]}" |
		sort | uniq -c | sort -rn | xargs)"
	assert_equal "$(current_id)" "$id"
	assert_equal "$(ls -A /srv/hello/releases/.staging)" "" "what is left in .staging"
	assert_equal "$(systemctl show -P NRestarts deployd)" 0
}

mapfile -t attempts < <(DEPLOYD_ATTACK=list "$attacks/attack-unpack")
[ "${#attempts[@]}" -ge 30 ] || fail "only ${#attempts[@]} attempts"
attack unpack "by deployd"
attack intake "by deployd"

note "on a kernel without Landlock"
mkdir -p /etc/systemd/system/deployd.service.d
printf '[Service]\nSystemCallFilter=~landlock_create_ruleset\n' \
	> /etc/systemd/system/deployd.service.d/no-landlock.conf
systemctl daemon-reload
systemctl restart deployd
attack unpack "without Landlock"
attack intake "without Landlock"
rm /etc/systemd/system/deployd.service.d/no-landlock.conf
systemctl daemon-reload
systemctl restart deployd

app_file hello hello '[restart]' 'restart_method = touch'
systemctl reload deployd
attack touch "by deployd"

note "the genuine ones still do their work"
app_file hello hello
systemctl reload deployd
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
