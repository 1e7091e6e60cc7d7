#!/bin/bash
# 1,000 touches at random times, some while the unit restarts and some while deployd is
# down, stopped or killed: each is followed by a restart that began after it, and never is
# more than one under way.
# fresh boot: yes
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/flags.sh"
readonly touches=$((1000 * ${DEPLOYD_TEST_SCALE:-1}))
readonly seed=${DEPLOYD_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
note "DEPLOYD_TEST_SEED=$seed"
RANDOM=$((seed % 32768))

mkdir -p /etc/systemd/system/deployd.service.d
printf '[Service]\nRestartSec=100ms\n' > /etc/systemd/system/deployd.service.d/soon.conf
setup_flags 'flag_debounce_ms = 10' 'flag_burst = 100' 'flag_interval_sec = 1'
began=$(date +%s)

# The deploy user's: "TIME after the touch" a line. Moments are random on purpose. Now and
# then he touches once more, maybe while the unit restarts, and waits: no later touch is
# there to help the last one.
cat > /tmp/toucher <<'EOT'
RANDOM=$2
mkfifo never
exec 5<> never
cd /srv/hello/flags
rest() { # MILLISECONDS
	read -rt "0.$(printf %03d "$1")" -u 5
}
wait_for_restart() {
	# Not the time now: on a busy machine a restart may have begun since the touch.
	local touched until=$((SECONDS + 20))
	touched=$(stat -c %.6Z restart.flag)
	: > ~/waiting
	until [[ $(grep ^stop "$1" | tail -n 1) > "stop $touched" ]]; do
		[ $SECONDS -lt $until ] || { echo "no restart after $touched" >&2; exit 1; }
		rest 10
	done
	rm ~/waiting
}
for ((i = 0; i < $1; i++)); do
	case $((RANDOM % 6)) in
	0) touch restart.flag ;;
	1) echo $i > restart.flag ;;
	2) : > .new; mv .new restart.flag ;;
	3) rm -f restart.flag; : > restart.flag ;;
	4) : >> restart.flag; touch -d 2001-01-01 restart.flag ;;
	5) touch restart.flag; touch restart.flag ;;
	esac
	echo "$EPOCHREALTIME"
	rest $((RANDOM % 4 ? RANDOM % 30 : RANDOM % 60))
	if ((RANDOM % 20 == 0)); then
		touch restart.flag
		wait_for_restart "$3"
	fi
done
exit 0
EOT
as deploy bash /tmp/toucher $touches $((seed / 7 % 32768)) $starts_file > /tmp/touches &
toucher=$!

mkfifo /tmp/never
exec 6<> /tmp/never
: > /tmp/downs
while kill -0 $toucher 2> /dev/null; do
	read -rt "$((1 + RANDOM % 3)).$((RANDOM % 10))" -u 6 || true
	# A start of deployd looks at the flag, too, and would hide what was lost.
	[ ! -e /home/deploy/waiting ] || continue
	echo "down $EPOCHREALTIME" >> /tmp/downs
	if ((RANDOM % 2)); then
		systemctl kill -s KILL deployd.service
	else
		systemctl stop deployd.service 2> /dev/null
	fi
	read -rt "0.$((RANDOM % 4))" -u 6 || true
	systemctl start deployd.service
	echo "up $EPOCHREALTIME" >> /tmp/downs
done
wait $toucher || fail "a touch is lost"

last=$(tail -1 /tmp/touches)
expect 0 timeout "$WAIT_SEC" bash -c 'until [[ $(grep ^stop "$1" | tail -1) > "stop $2" ]]; do
	deployctl jobs > /dev/null; done' - $starts_file "$last"
wait_started "$(restarts)"
note "$touches touches, $(restarts) restarts in $(($(date +%s) - began)) s"

cat > /tmp/judge.py <<'EOT'
import bisect, sys
def lines(name):
    return [line.split() for line in open(name)]
touches = [float(words[0]) for words in lines("/tmp/touches")]
events = lines(sys.argv[1])
stops = sorted(float(time) for what, time in events if what == "stop")
faults = [t for t in touches if bisect.bisect_right(stops, t) == len(stops)]
during = down = 0
state = list(zip(events, events[1:]))
spans = [(float(a[1]), float(b[1])) for a, b in state if (a[0], b[0]) == ("stop", "start")]
downs = lines("/tmp/downs")
outages = [(float(a[1]), float(b[1])) for a, b in zip(downs, downs[1:]) if a[0] == "down"]
for t in touches:
    during += any(a < t < b for a, b in spans)
    down += any(a < t < b for a, b in outages)
print(f"{len(touches)} touches: {during} while the unit restarted, {down} while deployd was "
      f"down ({len(outages)} times); {len(faults)} without a restart after them")
twice = [b[1] for a, b in state if (a[0], b[0]) == ("stop", "stop")]
if twice:
    print("two restarts under way at", twice)
sys.exit(bool(faults or twice or during < 20 or down < 10 or len(stops) >= len(touches)))
EOT
python3 /tmp/judge.py $starts_file || fail "see above"

note "in deployd's own words: one ends before the next begins"
journalctl --sync
journalctl --no-pager -o cat -t deployd |
	grep -oE 'hello: flag by deploy (begins|done|failed)|deployd [^ ]+ is ready' |
	awk '/is ready/ {busy = 0} /begins/ {if (busy) exit 1; busy = 1} /done|failed/ {busy = 0}' ||
	fail "two restarts by touch at once"
