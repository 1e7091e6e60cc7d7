#!/bin/bash
# --confirm where it is not plain: the first release, a clock that is set, a line of
# operations in front, an app that leaves the configuration; and what others may see of it.
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
sed -i 's/^allow = .*/& hold confirm/' /etc/deployd/policy.d/hello.conf
add_user bob --groups deployd
printf '%s\n' '[rule bob looks]' 'allow = status' 'user = bob' 'app = hello' \
	> /etc/deployd/policy.d/bob.conf
expect 0 systemctl reload deployd
pack_hello sick.tar.gz 666 start=crash

reverted() { # CURSOR
	wait_journal "$1" 'revert by .* failed' -t deployd > /dev/null
}

note "a sick first release is stopped: nobody is asked to confirm it, the next one is taken"
expect 14 ctl deploy --confirm=1h hello sick.tar.gz
bad=$(current_id)
readonly bad
expect 0 ctl status --json hello
assert_equal "$(jq -r '.state + " " + (.confirm_by | tostring)' <<< "$out")" 'degraded null'
expect 5 ctl confirm hello
expect 0 ctl releases --json hello
assert_equal "$(jq -r '.[0].id + " " + (.[0].evidence != null | tostring)' <<< "$out")" "$bad true"
expect 0 ctl deploy hello hello-1.tar.gz
serves 1
good=$(current_id)
readonly good

note "the last lines are the app's own, however much is asked of deployd meanwhile"
for _ in {1..25}; do
	expect 0 ctl status hello
done
expect 13 ctl deploy --force hello sick.tar.gz
assert_contains "$err" 'told to crash at start'
assert_lacks "$err" 'allowed by rule'

note "who may only look sees that it failed and why, not what the app writes"
sick=$(as bob deployctl releases --json hello | jq -r '.[0].id')
expect 0 as bob deployctl show --json "hello@$sick"
assert_equal "$(jq -r '.state + " " + (.evidence.journal | length | tostring)' <<< "$out")" 'bad 0'
assert_contains "$(jq -r .evidence.reason <<< "$out")" 'exited with status 1'
expect 0 as bob deployctl releases --json hello
assert_lacks "$out" 'told to crash'
job=$(as bob deployctl jobs --json | jq -r '.[0].id')
expect 13 as bob deployctl attach "$job"
assert_lacks "$out$err" 'told to crash'
expect 0 ctl show --json "hello@$sick"
assert_contains "$out" 'told to crash'

note "an answer that is too long for a message says so"
python3 - /var/lib/deployd/hello/history <<-'EOT'
	import json, sys
	entry = json.loads(open(sys.argv[1]).readline())
	entry['message'] = 'x' * 1000
	with open(sys.argv[1], 'w') as f:
	    f.write((json.dumps(entry, separators=(',', ':')) + '\n') * 1100)
EOT
expect 1 ctl history -n 1000 hello
assert_contains "$err" 'ask for less'
expect 0 ctl history -n 500 --json hello
assert_equal "$(jq length <<< "$out")" 500

note "who hung up takes no place among those that follow a job"
pack_hello slow.tar.gz 3 start_delay_ms=4000
cursor=$(journal_cursor)
start /tmp/out ctl deploy hello slow.tar.gz
job=$(wait_journal "$cursor" 'deploy by deploy begins' -t deployd | grep -o '[0-9a-f]\{16\}')
as deploy python3 - "$job" <<-'EOT'
	import json, socket, sys
	call = {'method': 'io.deployd.Attach', 'parameters': {'job': sys.argv[1]}, 'more': True}
	for _ in range(20):
	    with socket.socket(socket.AF_UNIX) as s:
	        s.connect('/run/deployd/io.deployd')
	        s.sendall(json.dumps(call).encode() + b'\0')
	        reply = s.recv(65536)
	        assert b'"progress"' in reply, reply
EOT
expect 0 ctl attach "$job"
ended
assert_equal "$status" 0 "$(cat /tmp/out)"
expect 0 ctl rollback hello
assert_equal "$(current_id)" "$good"

note "a hold cannot end when no calendar can tell"
expect 0 as deploy python3 -c "
import json, socket
s = socket.socket(socket.AF_UNIX)
s.connect('/run/deployd/io.deployd')
s.sendall(json.dumps({'method': 'io.deployd.Hold', 'parameters':
	{'app': 'hello', 'message': '', 'untilSec': 1 << 60}}).encode() + b'\0')
print(s.recv(65536))"
assert_contains "$out" InvalidRequest

note "the clock was a year ahead at the switch: the time to confirm is what it was"
cursor=$(journal_cursor)
expect 0 ctl deploy --confirm=6s hello hello-2.tar.gz
systemctl stop deployd.service
python3 - /var/lib/deployd/hello/state <<-'EOT'
	import datetime, json, sys, zlib
	path = sys.argv[1]
	state = json.load(open(path))['state']
	state['confirm']['deadline_sec'] += 365 * 86400
	form = '%Y-%m-%dT%H:%M:%SZ'
	at = datetime.datetime.strptime(state['activated_at'], form)
	state['activated_at'] = (at + datetime.timedelta(days=365)).strftime(form)
	crc = zlib.crc32(json.dumps(state, separators=(',', ':'), sort_keys=True).encode())
	with open(path, 'w') as f:
	    json.dump({'crc32': '%08x' % crc, 'state': state}, f)
EOT
systemctl start deployd.service
reverted "$cursor"
assert_equal "$(current_id)" "$good"
serves 1

note "a line of operations that never ends keeps nothing from going back"
expect 0 ctl deploy --confirm=2s --force hello hello-2.tar.gz
cursor=$(journal_cursor)
touch /tmp/go-on
crowd() {
	while [ -e /tmp/go-on ]; do ctl restart hello > /dev/null 2>&1 || :; done
}
for _ in {1..4}; do crowd & done
reverted "$cursor"
rm /tmp/go-on
wait
assert_equal "$(current_id)" "$good"

note "an app that leaves the configuration and comes back when the time is over"
expect 0 ctl deploy --confirm=2s --force hello hello-2.tar.gz
mv /etc/deployd/apps.d/hello.conf /root/
cursor=$(journal_cursor)
expect 0 systemctl reload deployd
systemctl restart deployd
mv /root/hello.conf /etc/deployd/apps.d/
expect 0 systemctl reload deployd
reverted "$cursor"
assert_equal "$(current_id)" "$good"
serves 1
