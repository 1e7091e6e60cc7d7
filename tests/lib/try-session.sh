#!/bin/bash
# What tests/try shows, inside the machine. Every command must end as it should.
source "$(dirname "$0")/assert.sh"
source "$(dirname "$0")/hello.sh"
began=${EPOCHREALTIME/./}
shown=0

# at USER STATUS COMMAND: types it as that user, with everything it says
at() {
	local user=$1 wanted=$2 command=$3 status=0
	printf '\n%s@host$ %s\n' "$user" "$command"
	runuser -u "$user" -- env HOME="/home/$user" bash -c "$command" 2>&1 || status=$?
	[ "$status" = "$wanted" ] || fail "ended with $status, not $wanted"
	[ "$status" = 0 ] || echo "(exit status $status)"
	shown=$((shown + 1))
}

ask() { at deploy 0 "curl -s http://127.0.0.1:$hello_port/"; }

part_ship() {
	at deploy 0 'deployctl deploy hello hello-1.tar.gz'
	ask
	at deploy 0 'deployctl status hello'
	at deploy 0 'deployctl deploy hello - < hello-2.tar.gz'
	ask
}

part_look() {
	at deploy 0 'deployctl releases hello; deployctl history hello; deployctl list'
}

# The flag, as a script would do it that knows nothing of deployd.
part_touch() {
	local cursor
	cursor=$(journal_cursor)
	at deploy 0 'touch /srv/hello/flags/restart.flag'
	printf '\nroot@host# journalctl -u hello\n'
	wait_journal "$cursor" 'restart\.flag of deploy was touched' -o cat
	wait_journal "$cursor" 'hello: flag' -o cat MESSAGE_ID=50fc8289fb8146258daedca732d1e9d3
	ask
}

# It starts, and answers 500.
part_broken() {
	pack_hello hello-3.tar.gz 3 answer_status=500
	at deploy 13 'deployctl deploy hello hello-3.tar.gz'
	ask
	serves 2
	at deploy 0 'deployctl status hello; deployctl history hello'
}

# What the unit starts is one directory too deep: refused before anything is stopped.
part_refused() {
	mkdir hello-4.0
	tar xzf hello-2.tar.gz -C hello-4.0
	tar czf hello-4.tar.gz hello-4.0
	chmod 0644 hello-4.tar.gz
	at deploy 10 'deployctl deploy hello hello-4.tar.gz'
	serves 2
}

part_back() {
	at deploy 0 'deployctl rollback hello'
	ask
	at deploy 0 'deployctl restart hello; deployctl stop hello; deployctl start hello'
	ask
}

# In the group, so that deployd hears it at all, but in no rule.
part_denied() {
	local cursor
	cursor=$(journal_cursor)
	at nobody 4 'deployctl deploy hello hello-2.tar.gz'
	printf '\nroot@host# journalctl -t deployd\n'
	journal_since "$cursor" -t deployd -o cat | grep nobody || fail "no journal line"
	serves 1
}

setup_hello '[restart]' 'restart_method = systemd_flag' \
	'[health]' 'min_healthy_sec = 1' 'healthy_deadline_sec = 3' 'bake_sec = 1' \
	'[health_check web]' 'type = http' "url = http://127.0.0.1:$hello_port/"
usermod --append --groups deployd nobody
chmod 0755 /home/deploy
chmod 0644 /home/deploy/*.tar.gz
printf '\nroot@host# cat /etc/deployd/apps.d/hello.conf /etc/deployd/policy.d/hello.conf\n'
cat /etc/deployd/apps.d/hello.conf /etc/deployd/policy.d/hello.conf

part_ship
part_look
part_touch
part_broken
part_refused
part_back
part_denied

printf '\nShown, with %s commands: a deploy from a file and from a pipe, a restart by touch, a\n' $shown
printf 'broken release that was rolled back by itself, an archive that was refused before the\n'
printf 'switch, rollback, restart, stop and start, and a denial with its journal line. No user had\n'
printf 'sudo. It took %s s.\n' \
	"$(((${EPOCHREALTIME/./} - began) / 1000000))"
