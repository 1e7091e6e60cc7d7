#!/bin/bash
# 1,000,000 foreign events in flags/, of which deployd reads few, and then one touch: one
# restart, each time; and so while the events go on.
# fresh boot: yes
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/flags.sh"
readonly rounds=$((6 * ${DEPLOYD_TEST_SCALE:-1})) # 100 of them: DEPLOYD_TEST_SCALE=17
readonly events=1000000
readonly read_max=$((events / 20)) # to a loud app it hardly listens
setup_flags 'flag_burst = 100' 'flag_interval_sec = 1'

# Touches of two files by turns: the kernel would merge those of one.
cat > /tmp/flood.py <<'EOT'
import os, sys
os.chdir(sys.argv[1])
count = int(sys.argv[2])
a, b = (os.open(f"noise-{n}", os.O_WRONLY | os.O_CREAT, 0o644) for n in "ab")
utime = os.utime
for i in range(count // 2):
    utime(a)
    utime(b)
    if i % 5000 == 0:
        os.close(os.open("more", os.O_WRONLY | os.O_CREAT, 0o644))
        os.unlink("more")
EOT
pid=$(systemctl show -P MainPID deployd)
# What the daemon itself has read, in events: a struct inotify_event and "noise-a" padded.
readonly event_bytes=32
events_read() {
	echo $(($(sed -n 's/^rchar: //p' "/proc/$pid/io") / event_bytes))
}

all_read=0
for ((i = 0; i < rounds; i++)); do
	before=$(restarts)
	were_read=$(events_read)
	as deploy python3 /tmp/flood.py /srv/hello/flags $events
	were_read=$(($(events_read) - were_read))
	assert_equal "$(restarts)" "$before" "restarts by foreign events"
	as deploy touch $flag
	wait_restart "$before" > /dev/null
	wait_started $((before + 1))
	assert_equal "$(restarts)" $((before + 1)) "restarts by one touch"
	note "$events events, of which deployd read at most $were_read, then a touch: restarted once"
	all_read=$((all_read + were_read))
	[ $were_read -le $read_max ] || fail "it listens to a loud app"
done
# Not in each round: a fast one is over while the app is still not listened to.
[ $all_read -gt 0 ] || fail "it never listened"

note "while it goes on, too"
as deploy python3 /tmp/flood.py /srv/hello/flags 100000000 &
flood=$!
for ((i = 0; i < rounds; i++)); do
	before=$(restarts)
	as deploy touch $flag
	wait_restart "$before" > /dev/null
	wait_started $((before + 1))
	assert_equal "$(restarts)" $((before + 1)) "restarts by one touch"
done
kill -0 $flood || fail "the flood is over already"
kill $flood
assert_equal "$(systemctl show -P MainPID deployd)" "$pid" "deployd's pid"
