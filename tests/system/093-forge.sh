#!/bin/bash
# What an app cannot forge: the check of its health, the verification of its release, and by that
# what is pruned. Processes of others count, too, and by what they have open, not by what
# it is called.
# timeout: 240
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly forger=/usr/local/bin/forger libexec=/usr/libexec/deployd
install -m 0755 "$build/tests/apps/forger/forger" $forger
setup_hello '[release]' 'keep = 2' '[health_check web]' 'type = http' "url = http://127.0.0.1:$hello_port/" \
	'[health_check port]' 'type = tcp' "address = 127.0.0.1:$hello_port"
expect 0 ctl deploy hello hello-1.tar.gz
first=$(current_id)
log=$(mktemp) state=
declare -a attackers

# attackers_run BAD GOOD: the app's user and the programs' own users, who are nearer still
attackers_run() {
	local user
	: > "$log"
	attackers=()
	for user in hello deployd-probe deployd-proc; do
		id $user > /dev/null || continue
		setpriv --reuid $user --regid $user --clear-groups \
			$forger "$1" "$2" deployd-probe deployd-proc >> "$log" < /dev/null 5>&- &
		attackers+=($!)
	done
}

attackers_end() {
	kill "${attackers[@]}"
	wait "${attackers[@]}" || true
}

uid_of() { id -u "$1" 2> /dev/null || echo none; }

# What each program ends up as, seen from outside: in its real unit.
locked_down() {
	local none=0000000000000000 ptrace=0000000000080000
	grep -qE "^deployd-probe [0-9]+: uid $(uid_of deployd-probe) owner 0 nnp 1 seccomp 2 files 64 effective $none bounding $none" "$log" &&
		grep -qE "^deployd-proc [0-9]+: uid $(uid_of deployd-proc) owner 0 nnp 1 seccomp 2 files 192 effective $ptrace bounding $ptrace" "$log"
}

# Deploys until both programs have been seen, locked down, by the attackers.
deploy_under_attack() {
	local version
	for version in 2 1 2 1 2 1 2 1 2 1; do
		expect 0 ctl deploy hello hello-$version.tar.gz
		expect 0 ctl status --json hello
		state=$out
		! locked_down || return 0
	done
	sort "$log" | uniq -c | sort -rn | head -n 40 >&2
	fail "the programs were not seen locked down"
}

note "a process in the old release is told, whatever the app does"
mkdir -p /etc/systemd/system/hello.service.d
printf '[Service]\nKillMode=process\n' > /etc/systemd/system/hello.service.d/kill.conf
systemctl daemon-reload
cgroup=$(systemctl show -P ControlGroup hello)
# shellcheck disable=SC2016
setsid bash -c 'echo $$ > "/sys/fs/cgroup$1/cgroup.procs" && cd "$2" && exec setpriv \
	--reuid hello --regid hello --clear-groups tail -f /dev/null' - "$cgroup" \
	"/srv/hello/releases/$first" < /dev/null &
behind=$!
timeout 20 bash -c 'until [ "$(cat /proc/$0/comm)" = tail ]; do :; done' $behind
expect 0 ctl deploy hello hello-2.tar.gz
# What the report says of the old release becomes the new one.
attackers_run "$first" "$(current_id)"
deploy_under_attack
assert_equal "$(jq -r .verified <<< "$state")" false
assert_contains "$(jq -r .drift <<< "$state")" "pid $behind"
[ -x "/srv/hello/releases/$first/bin/hello" ] || fail "a release in use was pruned"
attackers_end
assert_lacks "$(< "$log")" GOT

note "nor with programs that can be read: then they see to it themselves"
for program in deployd-probe deployd-proc; do
	assert_equal "$(stat -c %a $libexec/$program)" 711 "mode of $program"
	chmod 0755 $libexec/$program
done
attackers_run "$first" "$(current_id)"
deploy_under_attack
attackers_end
assert_lacks "$(grep -E "^deployd-proc .* GOT" "$log" || true)" GOT
chmod 0711 $libexec/deployd-pro[bc]*
kill $behind
wait $behind || true
rm /etc/systemd/system/hello.service.d/kill.conf
systemctl daemon-reload

# --- what is in use, on the whole machine --------------------------------------------
deploy_some() {
	local version
	for version in 2 1 2 1; do expect 0 ctl deploy hello hello-$version.tar.gz; done
}

as_app() { exec setpriv --reuid hello --regid hello --clear-groups "$@"; }

pids=()
# is_up COMMAND...: in the background; it says when it is there
is_up() {
	local ready
	ready=$(mktemp -u)
	mkfifo -m 0622 "$ready"
	READY=$ready "$@" < /dev/null 5>&- &
	pids+=($!)
	timeout $WAIT_SEC cat "$ready" > /dev/null || fail "not started: $*"
	rm "$ready"
}

# kept ID WHAT / gone ID WHAT
kept() { [ -e "/srv/hello/releases/$1/bin/hello" ] || fail "pruned under $2"; }
gone() { [ ! -e "/srv/hello/releases/$1" ] || fail "kept for $2"; }

sit() { # DIR: as the app's user
	cd "$1" && as_app bash -c 'echo > "$READY"; exec tail -f /dev/null'
}
run_program() { # RELEASE: its program, from elsewhere
	cd / && HELLO_PORT=8099 as_app bash -c 'echo > "$READY"; exec "/srv/hello/releases/$0/bin/hello"' "$1"
}
map_file() { # RELEASE
	cd / && as_app python3 -c '
import mmap, os, signal, sys
with open(sys.argv[1], "rb") as f:
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
open(os.environ["READY"], "w").close()
signal.pause()' "/srv/hello/releases/$1/bin/hello"
}
# shellcheck disable=SC2016
sit_in_mount() { # RELEASE: in a mount namespace where it is called otherwise
	exec unshare --mount --propagation private bash -c '
		mount --bind "/srv/hello/releases/$0" /mnt && mount -t tmpfs none /srv/hello &&
		cd /mnt/bin && setpriv --reuid hello --regid hello --clear-groups \
			bash -c "echo > \$READY; exec tail -f /dev/null"' "$1"
}
# shellcheck disable=SC2016
pretend() { # RELEASE: in a namespace of her own eve has a directory of that name
	as eve unshare --user --map-root-user --mount bash -c '
		mount -t tmpfs none /srv/hello && mkdir -p "/srv/hello/releases/$0" &&
		cd "/srv/hello/releases/$0" && echo > "$READY" && exec tail -f /dev/null' "$1"
}

ids=()
for version in 2 1 2 1 2; do
	expect 0 ctl deploy hello hello-$version.tar.gz
	ids+=("$(current_id)")
	case ${#ids[@]} in
	1) is_up sit "/srv/hello/releases/${ids[-1]}/bin" ;;
	2)
		is_up run_program "${ids[-1]}"
		timeout $WAIT_SEC bash -c 'until curl -s 127.0.0.1:8099 > /dev/null; do :; done'
		;;
	3) is_up map_file "${ids[-1]}" ;;
	4) is_up sit_in_mount "${ids[-1]}" ;;
	5) is_up pretend "${ids[-1]}" ;;
	esac
done
deploy_some
kept "${ids[0]}" "a working directory"
kept "${ids[1]}" "its program"
kept "${ids[2]}" "a mapping"
kept "${ids[3]}" "a process of another mount namespace"
gone "${ids[4]}" "a name that somebody made up"
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" true

note "and no longer when they have ended"
for pid in "${pids[@]}"; do
	pkill -P "$pid" || true
	kill "$pid" 2> /dev/null || true
	wait "$pid" || true
done
deploy_some
for id in "${ids[@]}"; do gone "$id" "nobody"; done

note "also while the unit is stopped"
old=$(current_id)
is_up sit "/srv/hello/releases/$old"
expect 0 ctl stop hello
expect 0 ctl status --json hello
assert_equal "$(jq -r .verified <<< "$out")" null
deploy_some
kept "$old" "a shell"
