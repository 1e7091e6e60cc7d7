#!/bin/bash
# A session process that was taken over says what it likes: deployd ends it, serves everybody
# else, and is neither hung nor killed by it.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
readonly program=/usr/libexec/deployd/deployd-session
pid=$(systemctl show -P MainPID deployd)
cp -a "$program" /tmp/deployd-session
install -m 0755 "$repo/tests/lib/hostile-session.py" /tmp/hostile-session

# The sessions that wait are of the program that is there now.
use() { # PROGRAM
	rm -f "$program"
	cp -a "$1" "$program"
	systemctl restart deployd-sessions.service
}

# What a client of such a session sees is its own affair, but it comes to an end: when the
# journal says REGEX, or after a while.
attack() { # HOW [USER REGEX]
	local client
	echo "$1" > /run/hostile
	chmod 0644 /run/hostile
	use /tmp/hostile-session
	cursor=$(journal_cursor)
	setpriv --reuid "${2:-deploy}" --regid "${2:-deploy}" --init-groups \
		timeout "$([ -n "${3:-}" ] && echo "$WAIT_SEC" || echo 3)" \
		deployctl list > /tmp/out 2> /tmp/err < /dev/null &
	client=$!
	if [ -n "${3:-}" ]; then
		wait_journal "$cursor" "$3" -u deployd > /dev/null
		kill "$client" 2> /dev/null || true
	fi
	wait "$client" || true
	use /tmp/deployd-session
	expect 0 as deploy timeout "$WAIT_SEC" deployctl status hello
	assert_equal "$(systemctl show -P MainPID deployd)" "$pid" "$1: deployd is another"
}

begin=$(journal_cursor)
for how in silent version early idle-request twice-ready not-taken garbage no-object no-type \
	unknown two-requests number no-call many-fds fds archive deep long pongs gone; do
	note "$how"
	attack "$how"
done

# Else nothing was attacked. (What came through clients of deploy is merged.)
for why in 'from a newer version' 'out of turn'; do
	wait_journal "$begin" "ending session .*$why" -u deployd > /dev/null
done

note "fds only go down"
# It says nonsense once the kernel has refused, and nothing when it has not. (eve: deploy's
# lines are merged by now.)
attack fd-up eve 'not a JSON object'

note "an archive that is said to be here, and never comes"
attack lost-archive deploy 'deploy by deploy failed.*(incomplete|empty)'
serves 1
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
assert_equal "$(systemctl show -P NRestarts deployd)" 0
