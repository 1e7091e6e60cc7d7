# shellcheck shell=bash
# Clients that push what hangs, and what must be so while they do. After hello.sh.

# shellcheck disable=SC2154 # build comes from hello.sh
readonly attacks=$build/tests/attacks
# shellcheck disable=SC2034 # for those that source this
readonly socket=/run/deployd/io.deployd

needs_fuse() {
	[ -c /dev/fuse ] && grep -q '[[:space:]]fuse$' /proc/filesystems ||
		skip "this kernel or container has no FUSE"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		unshare -Urm true 2> /dev/null || skip "users may make no user namespace here"
}

# Attackers: $attack_log of each has a line for every thing that happens, and it takes
# commands (tell). They are known by a number.
attack_pids=()

_attack() { # COMMAND...
	attack=${#attack_pids[@]}
	attack_log=/tmp/attack.$attack attack_commands=/tmp/commands.$attack
	mkfifo -m 0666 "$attack_commands"
	: > "$attack_log"
	(
		trap - ERR
		exec "$@" <> "$attack_commands" > "$attack_log" 2>&1
	) &
	attack_pids+=($!)
	wait_line "$attack" '^sent'
}

# As USER without any right of root's, in a user namespace of its own.
fuse_attack() { # USER FUSEFILE-ARGS...
	local user=$1
	shift
	_attack setpriv --reuid "$user" --regid "$user" --init-groups -- \
		unshare -Urm "$attacks/fusefile" "$@"
}

# The file system is one that root has mounted for all, so that stat() asks its server.
root_fuse_attack() { # USER FUSEFILE-ARGS...
	local user=$1
	shift
	_attack "$attacks/fusefile" --user "$user" "$@"
}

linger_attack() { # USER LINGERFD-ARGS...
	local user=$1
	shift
	_attack setpriv --reuid "$user" --regid "$user" --init-groups -- \
		"$attacks/lingerfd" "$@"
}

tell() { # ATTACK COMMAND
	echo "$2" > "/tmp/commands.$1"
}

# Waits until the attacker has said it.
wait_line() { # ATTACK REGEX
	# shellcheck disable=SC2016
	timeout "$WAIT_SEC" bash -c 'grep -m 1 -q -E -- "$1" < <(
		exec tail -n +1 -F "$2" 2> /dev/null)' - "$2" "/tmp/attack.$1" ||
		fail "attacker $1 never said '$2': $(cat "/tmp/attack.$1")"
}

# Every attacker ends, and with it what hangs.
end_attacks() {
	local pid
	for pid in "${attack_pids[@]}"; do
		kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
}

# --- what must be so meanwhile --------------------------------------------------------

service_pids() { # UNIT
	cat "/sys/fs/cgroup/system.slice/$1/cgroup.procs" 2> /dev/null || true
}

# Processes that matter never wait for a client's file, whatever it is of.
nobody_waits() {
	local pid at
	for pid in 1 $(service_pids deployd.service) $(service_pids dbus.service) \
		$(service_pids systemd-journald.service); do
		at=$(cat "/proc/$pid/wchan" 2> /dev/null) || continue
		case $at in
		request_wait_answer | *fuse* | *stream_wait_close*)
			fail "$(cat "/proc/$pid/comm") ($pid) waits in $at" ;;
		esac
	done
}

# None of them has ever asked a client's file server for anything: every request that an
# attacker saw is of a session, which is not the spawner either.
only_sessions_asked() {
	local file op pid comm answer spawner
	spawner=$(systemctl show -P MainPID deployd-sessions.service)
	for file in /tmp/attack.*; do
		while read -r op pid comm answer; do
			[ "$comm" = deployd-session ] && [ "$pid" != "$spawner" ] ||
				fail "$comm ($pid) did $op: $answer"
		done < <(grep -E '^(flush|read|getattr) .* hangs$' "$file")
	done
}

# deployd as its users know it, with time to spare but with an end to it.
deployd_works() { # VERSION
	nobody_waits
	expect 0 as deploy timeout "$WAIT_SEC" deployctl status hello
	expect 0 as deploy timeout "$WAIT_SEC" deployctl restart hello
	expect 0 timeout "$WAIT_SEC" systemctl show -P ActiveState hello.service
	assert_equal "$out" active "to PID 1, hello.service"
	serves "$1"
	nobody_waits
}

# What runs through helpers, too.
deploy_works() { # VERSION
	expect 0 as deploy timeout "$WAIT_SEC" deployctl deploy hello "hello-$1.tar.gz"
	deployd_works "$1"
}

# Sessions that hold the attacker's file, by their fds.
sessions_with_file() {
	local pid
	for pid in $(service_pids deployd-sessions.service); do
		find "/proc/$pid/fd" -lname '*/fusefile.*' 2> /dev/null
	done | cut -d / -f 3 | sort -u
}
