#!/bin/bash
# A stopped journald does not stop deployd: its decisions go to the audit file, and lost
# entries are counted.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/journal.sh"
readonly audit=/var/lib/deployd/audit.log
setup_hello
pack_hello crash.tar.gz 3 start=crash
expect 0 ctl deploy hello hello-1.tar.gz
[ ! -e $audit ] || fail "$audit is there though the journal works"
quiet_ctl() { quietly_as deploy deployctl "$@"; }
audited() { jq -r '[.kind, .app, .user] | join(" ")' $audit; }
pid=$(systemctl show -P MainPID deployd)

note "journald is stopped, and its socket is full"
journald=$(systemctl show -P MainPID systemd-journald)
cursor=$(journal_cursor)
kill -STOP "$journald"
trap 'kill -CONT "$journald"' EXIT
# Each sender has a limit of its own, so use as many as it takes.
fill_socket() {
	python3 -c '
import socket
senders, n = [], 0
while True:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.connect("/run/systemd/journal/socket")
    s.setblocking(False)
    senders.append(s)
    before = n
    try:
        while True:
            s.send(b"MESSAGE=fills the socket\nPRIORITY=7\n")
            n += 1
    except BlockingIOError:
        pass
    if n == before:
        break
print(n, "entries fill it")'
}
fill_socket

note "hundreds of denials are answered"
out=$(timeout 30 setpriv --reuid eve --regid eve --init-groups python3 \
	"$repo/tests/lib/requests.py" call io.deployd.Restart '{"app":"hello"}' 600)
assert_equal "$(jq -c . <<< "$out")" '{"io.deployd.Denied":600}'

note "permitted changes are made and are in the audit file"
expect 0 quiet_ctl status hello
expect 0 quiet_ctl deploy hello hello-2.tar.gz
assert_equal "$(audited)" "deploy hello deploy"
serves 2
expect 0 quiet_ctl rollback hello
assert_equal "$(audited)" $'deploy hello deploy\nrollback hello deploy'
serves 1
line=$(tail -n 1 $audit)
assert_equal "$(jq -r .decision <<< "$line")" allowed
assert_contains "$(jq -r .rule <<< "$line")" hello.conf:
assert_equal "$(jq -r .uid <<< "$line")" "$(id -u deploy)"
assert_equal "$(stat -c '%a %u %g' $audit)" "600 0 0"

note "an automatic rollback waits for nothing"
expect 13 quiet_ctl deploy hello crash.tar.gz
serves 1
assert_equal "$(audited | wc -l)" 3

note "neither journal nor file: nothing is done"
mv $audit /root/audit
mkdir $audit
before=$(systemctl show -P InvocationID hello)
expect 1 quiet_ctl restart hello
assert_contains "$err" "$audit"
assert_contains "$err" "try again"
assert_equal "$(systemctl show -P InvocationID hello)" "$before"
expect 0 quiet_ctl status hello
rmdir $audit
mv /root/audit $audit
expect 0 quiet_ctl restart hello
[ "$(systemctl show -P InvocationID hello)" != "$before" ] || fail "not restarted"

note "a client that hangs up meanwhile loses the reply, not the restart"
restarts() { deployctl history hello --json | jq '[.[] | select(.kind == "restart")] | length'; }
before=$(restarts)
quietly_as deploy python3 "$repo/tests/lib/requests.py" leave io.deployd.Restart '{"app":"hello"}'
expect 0 quiet_ctl restart hello
assert_equal "$(restarts)" $((before + 2))

note "more lines than may wait: 100 faults at each reload"
{
	echo '[rule faulty]'
	for ((i = 0; i < 120; i++)); do echo "fault$i = x"; done
} > /etc/deployd/policy.d/faulty.conf
for ((i = 0; i < 11; i++)); do
	expect 6 deployctl reload
done
rm /etc/deployd/policy.d/faulty.conf
expect 0 deployctl reload
assert_contains "$(audited)" "reload deployd root"

note "journald continues and is told how many entries were lost"
trap - EXIT
kill -CONT "$journald"
line=$(wait_journal "$cursor" 'journal entries from deployd were lost' -o json \
	MESSAGE_ID=63351029ce6a4c9a8007ecf07741d4b6)
[ "$(jq -r .DEPLOY_COUNT <<< "$line")" -ge 100 ] || fail "$line"
wait_journal "$cursor" 'deploy hello for deploy .*: allowed by rule' -t deployd > /dev/null
wait_journal "$cursor" "recorded in $audit" -t deployd > /dev/null
wait_journal "$cursor" 'denied [0-9,]+ more requests of eve' -t deployd > /dev/null
assert_equal "$(systemctl show -P MainPID,NRestarts --value deployd)" "$pid"$'\n'0

note "from then on the audit file is not used"
lines=$(wc -l < $audit)
expect 0 ctl restart hello
assert_equal "$(wc -l < $audit)" "$lines"
assert_contains "$(journal_since "$cursor" -u hello)" "restart hello for deploy"

note "a journald that is restarted is found again; without one the file takes over at once"
cursor=$(journal_cursor)
systemctl restart systemd-journald
expect 0 ctl restart hello
wait_journal "$cursor" 'restart hello for deploy' -t deployd > /dev/null
systemctl stop systemd-journald-dev-log.socket systemd-journald.socket systemd-journald.service
expect 0 quiet_ctl restart hello
assert_equal "$(wc -l < $audit)" "$((lines + 1))"
systemctl start systemd-journald-dev-log.socket systemd-journald.socket systemd-journald.service
expect 0 ctl restart hello
wait_journal "$cursor" "restart hello for deploy" -t deployd > /dev/null
assert_equal "$(wc -l < $audit)" "$((lines + 1))"
assert_equal "$(systemctl show -P MainPID,NRestarts --value deployd)" "$pid"$'\n'0
