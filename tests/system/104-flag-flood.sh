#!/bin/bash
# 1,000,000 foreign events in flags/ and then one touch: restarted within a second of the
# touch, each time, with little of the processor; and so is another app meanwhile.
# fresh boot: yes
# timeout: 900
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/flags.sh"
readonly rounds=$((6 * ${DEPLOYD_TEST_SCALE:-1})) # 100 of them: DEPLOYD_TEST_SCALE=17
readonly events=1000000
readonly late_us=1000000
readonly cpu_percent_max=5 # it listens to a loud app no more; 17 when it does
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
ticks() { # of the daemon itself
	awk '{print $14 + $15}' "/proc/$pid/stat"
}

worst=0
busy=0
took=0
for ((i = 0; i < rounds; i++)); do
	before=$(restarts)
	used=$(ticks)
	began=$(micros "$EPOCHREALTIME")
	as deploy python3 /tmp/flood.py /srv/hello/flags $events
	busy=$((busy + $(ticks) - used))
	took=$((took + $(micros "$EPOCHREALTIME") - began))
	assert_equal "$(restarts)" "$before" "restarts by foreign events"
	now=$(micros "$EPOCHREALTIME")
	as deploy touch $flag
	ms=$((($(micros "$(wait_restart "$before")") - now) / 1000))
	[ $ms -le $worst ] || worst=$ms
	[ $((ms * 1000)) -le $late_us ] || fail "round $i: restarted $ms ms after the touch"
	wait_started $((before + 1))
done
percent=$((busy * 100 * 1000000 / $(getconf CLK_TCK) / took))
note "$rounds of $rounds times $events events, then a touch: restarted within $worst ms;" \
	"the daemon used $percent % of a processor meanwhile"
[ $percent -lt $cpu_percent_max ] || fail "too much"

note "while it goes on, too"
as deploy python3 /tmp/flood.py /srv/hello/flags 100000000 &
flood=$!
for ((i = 0; i < rounds; i++)); do
	before=$(restarts)
	now=$(micros "$EPOCHREALTIME")
	as deploy touch $flag
	ms=$((($(micros "$(wait_restart "$before")") - now) / 1000))
	[ $((ms * 1000)) -le $late_us ] || fail "round $i: restarted $ms ms after the touch"
	wait_started $((before + 1))
done
kill -0 $flood || fail "the flood is over already"
kill $flood
assert_equal "$(systemctl show -P MainPID deployd)" "$pid" "deployd's pid"
