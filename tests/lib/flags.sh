# shellcheck shell=bash
# Restart by touch: hello with restart_method = systemd_flag, and when its unit stopped and
# started. Source it after hello.sh.

# shellcheck disable=SC2034 # for those that source this
readonly flag=/srv/hello/flags/restart.flag
readonly starts_file=/run/hello-starts # "stop TIME" as a restart begins, "start TIME"

setup_flags() { # [LINES OF THE APP'S FILE...]
	mkdir -p /etc/systemd/system/hello.service.d
	# A stop is the first thing that a restart does.
	cat > /etc/systemd/system/hello.service.d/note.conf <<-EOT
		[Unit]
		StartLimitIntervalSec=0
		[Service]
		ExecStop=+/bin/bash -c 'echo stop \$\$EPOCHREALTIME >> $starts_file'
		ExecStartPost=+/bin/bash -c 'echo start \$\$EPOCHREALTIME >> $starts_file'
	EOT
	setup_hello '[restart]' 'restart_method = systemd_flag' "$@"
	# As `deployctl create-users` does: else he cannot come to /srv/hello/flags.
	usermod --append --groups hello deploy
	expect 0 ctl deploy hello hello-1.tar.gz
	: > $starts_file
}

restarts() { grep -c '^stop' $starts_file || true; }

# Waits until more restarts than that have begun; prints the time of the next one.
wait_restart() { # COUNT
	local line
	line=$(timeout "$WAIT_SEC" bash -c 'grep -m "$2" ^stop < <(exec tail -n +1 -f "$1")' \
		- $starts_file $(($1 + 1)) | tail -n 1) || fail "no restart after $1"
	echo "${line#stop }"
}

# Waits until nothing is under way: what was touched before is restarted.
wait_started() { # COUNT OF RESTARTS
	timeout "$WAIT_SEC" bash -c 'until [ "$(grep -c ^start "$1")" -ge "$2" ]; do
		deployctl jobs > /dev/null; done' - $starts_file "$1" || fail "not started"
}

micros() { # SECONDS.FRACTION
	echo "${1/./}"
}
