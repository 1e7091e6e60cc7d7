#!/bin/bash
# A user can use up only that user's own inotify: the kernel counts instances and watches by user,
# deployd's are root's. When root's are used up, deployd says so in status and journal, looks
# at the flags from time to time, and goes back to events when it can.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[restart]' 'restart_method = systemd_flag' 'flag_interval_sec = 1'
expect 0 ctl deploy hello hello-1.tar.gz
readonly flag=/srv/hello/flags/restart.flag

flag_trouble() { ctl status hello --json | jq -r '.flag_trouble // ""'; }

# The app runs in another process after a touch of the flag.
touch_restarts() {
	local before now
	before=$(systemctl show -P MainPID hello)
	as deploy touch "$flag"
	for ((now = SECONDS; SECONDS - now < 4 * WAIT_SEC; )); do
		[ "$(systemctl show -P MainPID hello)" = "$before" ] || break
	done
	[ "$(systemctl show -P MainPID hello)" != "$before" ] || fail "nothing was restarted"
	timeout "$WAIT_SEC" bash -c 'until systemctl -q is-active hello; do :; done'
}

note "the deploy user and the app take all the instances and watches that they can"
cat > /run/exhaust.py << 'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fds, watches = [], 0
while len(fds) < 4096:
    fd = libc.inotify_init1(0)
    if fd < 0:
        break
    fds.append(fd)
instances = ctypes.get_errno()
os.makedirs(sys.argv[1], exist_ok=True)
os.chdir(sys.argv[1])
while watches < int(sys.argv[2]):
    name = b"d%d" % watches
    os.mkdir(name)
    if libc.inotify_add_watch(fds[0], name, 0xfff) < 0:
        break
    watches += 1
libc.inotify_add_watch(fds[0], b"/srv/hello/flags", 0xfff)
print(len(fds), os.strerror(instances), watches, "held", flush=True)
os.read(0, 1)
END
rm -f /run/hold
mkfifo -m 666 /run/hold
for user in deploy hello; do
	runuser -u "$user" -- python3 /run/exhaust.py "/tmp/watched-$user" 20000 \
		< /run/hold > "/run/$user.out" 2>&1 &
done
exec 8> /run/hold
for user in deploy hello; do
	timeout "$WAIT_SEC" bash -c "until grep -qs held /run/$user.out; do :; done" ||
		fail "$user: $(cat "/run/$user.out")"
	echo "   $user: $(cat "/run/$user.out")"
done
assert_equal "$(flag_trouble)" ""
touch_restarts

note "a flood of events in the flags directory: touches are seen all the same"
start /run/flood.out runuser -u deploy -- bash -c 'cd /srv/hello/flags
	for ((i = 0; i < 50000; i++)); do : > x.$((i % 50)); done; rm -f x.*'
touch_restarts
ended
expect 0 systemctl is-active deployd
exec 8>&-
wait

# deployd is told by the kernel what it would be told with none left: by a filter of its unit.
refuse() { # SYSTEM_CALL:ERROR
	mkdir -p /etc/systemd/system/deployd.service.d
	printf '%s\n' '[Service]' 'SystemCallFilter=' "SystemCallFilter=~$1" \
		> /etc/systemd/system/deployd.service.d/refuse.conf
	systemctl daemon-reload
	cursor=$(journal_cursor)
	systemctl restart deployd
}

for refused in inotify_init1:EMFILE inotify_add_watch:ENOSPC; do
	note "$refused: status and journal say so, and a touch is seen later"
	refuse "$refused"
	case $refused in
	*EMFILE) words="no inotify instance is left" ;;
	*) words="no inotify watch is left" ;;
	esac
	wait_journal "$cursor" "$words; raise fs.inotify.max_user_" -t deployd > /dev/null
	assert_contains "$(flag_trouble)" "$words"
	expect 0 ctl status hello
	assert_contains "$out" "$words"
	touch_restarts
	expect 0 ctl deploy hello hello-2.tar.gz
	expect 0 ctl rollback hello
done

note "with all of them back there is no trouble"
rm /etc/systemd/system/deployd.service.d/refuse.conf
systemctl daemon-reload
systemctl restart deployd
assert_equal "$(flag_trouble)" ""
touch_restarts
