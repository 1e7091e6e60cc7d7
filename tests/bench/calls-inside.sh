#!/bin/bash
# The measuring itself, inside the machine; see calls.
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"

now_us() { echo "${EPOCHREALTIME/[.,]/}"; }

# measure NAME COUNT COMMAND...: the median of the whole command, in microseconds
measure() {
	local name=$1 count=$2 began i samples=()
	shift 2
	for ((i = 0; i < count; i++)); do
		began=$(now_us)
		"$@" > /dev/null 2>&1
		samples+=("$(($(now_us) - began))")
	done
	echo "figure $name $(printf '%s\n' "${samples[@]}" | sort -n | sed -n "$(((count + 1) / 2))p")"
}

setup_hello '[health]' 'min_healthy_sec = 0'
mkdir -p /etc/systemd/system/hello.service.d
printf '[Unit]\nStartLimitIntervalSec=0\n' > /etc/systemd/system/hello.service.d/limit.conf
systemctl daemon-reload
expect 0 ctl deploy hello hello-1.tar.gz
# As the user who is asked for: the shell that becomes it is not measured.
export -f now_us measure
for verb in status restart; do
	setpriv --reuid deploy --regid deploy --init-groups \
		bash -c 'measure "$1" "$2" deployctl "$1" hello' - "$verb" 60
done
