#!/bin/bash
# The mistakes of a newcomer, one after the other: each ends with its status and says what
# is wrong, where, and what to do. What is printed is in the log of this test.
# timeout: 180
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
n_mistakes=0

# mistake USER STATUS COMMAND WORDS...: typed by USER; all WORDS are in what it prints
mistake() {
	local user=$1 wanted=$2 command=$3 status=0 printed words
	shift 3
	n_mistakes=$((n_mistakes + 1))
	if [ "$user" = root ]; then
		printed=$(bash -c "$command" 2>&1) || status=$?
	else
		printed=$(as "$user" bash -c "$command" 2>&1) || status=$?
	fi
	printf '\n%s$ %s\n%s\n[%s]\n' "$user" "$command" "$printed" "$status"
	assert_equal "$status" "$wanted" "status of $command"
	for words; do
		assert_contains "$printed" "$words"
	done
	# Said once.
	words=$(grep -c '^deployctl: ' <<< "$printed" || true)
	[ "$words" -le 1 ] || fail "$words messages"
}

# changed COMMAND: hello-2.tar.gz, changed by a command that runs in it, as bad.tar.gz
changed() {
	local dir
	dir=$(mktemp -d)
	tar xzf hello-2.tar.gz -C "$dir"
	(cd "$dir" && eval "$1")
	tar czf bad.tar.gz -C "$dir" .
	chmod 644 bad.tar.gz
	rm -r "$dir"
}

unit() { # LINES...: of [Service], in a drop-in; none = the unit as it was
	rm -rf /etc/systemd/system/hello.service.d
	mkdir /etc/systemd/system/hello.service.d
	[ $# -eq 0 ] || printf '%s\n' '[Service]' "$@" \
		> /etc/systemd/system/hello.service.d/test.conf
	systemctl daemon-reload
}

conf() { # LINES...: more of the app's file
	app_file hello hello "$@"
}

policy() { # SED SCRIPT
	policy_file hello
	sed -i "$1" $policy
}

readonly app_conf=/etc/deployd/apps.d/hello.conf policy=/etc/deployd/policy.d/hello.conf
deploy() { mistake deploy "$1" "deployctl deploy hello $2" "${@:3}"; }


note "set-up steps are missing"
add_people
cp "$archives"/hello-*.tar.gz /home/deploy/
cd /home/deploy
mistake root 5 'deployctl doctor' "no app is configured; write /etc/deployd/apps.d/APP.conf"
mistake root 5 'deployctl init hello' "there is no app 'hello'; write /etc/deployd/apps.d/hello.conf"
mistake root 5 'deployctl generate hello' "there is no app 'hello'" "--app-file"
conf
mistake root 6 'deployd --check' "$app_conf:2: app_user: there is no user 'hello'; create it, or name another"
expect 6 deployd --check
assert_lacks "$err" "app_group"
add_user hello --system
usermod --append --groups hello deploy
policy_file hello
mistake root 5 'deployctl status hello' "no app 'hello'; its file would be $app_conf, and \`systemctl reload deployd\` loads it"
deploy 4 hello-1.tar.gz "no app 'hello', or user 'deploy' has no rights on it; root sees which: \`deployctl can deploy hello --user deploy\`"
systemctl reload deployd
deploy 1 hello-1.tar.gz "unit hello.service does not exist; install it below /etc/systemd/system and run \`systemctl daemon-reload\`"
mistake root 1 'deployctl doctor' "there is no unit hello.service" "  fix: "
cp "$repo/tests/apps/hello/hello.service" /etc/systemd/system/
systemctl daemon-reload
mistake deploy 5 'deployctl show hello' "nothing is deployed of hello; \`deployctl releases hello\` lists what is staged"
mistake deploy 1 'deployctl restart hello' "nothing is deployed of hello yet: \`deployctl deploy hello FILE\`"
mistake deploy 5 'deployctl rollback hello' "there is no earlier good release to roll back to"
expect 0 ctl deploy hello hello-1.tar.gz

note "users without rights"
add_user stranger
mistake stranger 4 'deployctl list' "only members of the group 'deployd' may; root adds you with \`usermod -aG deployd USER\`, and you log in again"
mistake stranger 4 'deployctl --json list 2> /dev/null' '"result":"denied"' '"exit":4' "usermod -aG deployd USER"
mistake eve 4 'deployctl status hello' "no app 'hello', or user 'eve' has no rights on it"
mistake stranger 1 'touch /srv/hello/flags/restart.flag' "Permission denied"
mistake deploy 4 'deployctl hold hello -m x' "user 'deploy' has no right 'hold' on hello: no rule allows it; root can allow it in /etc/deployd/policy.d"
mistake deploy 4 'deployctl doctor' "sudo deployctl doctor"
mistake deploy 4 'deployctl init hello' "run it as root: sudo deployctl init hello"
policy 's/ logs / /'
systemctl reload deployd
mistake deploy 4 'deployctl logs hello' "user 'deploy' has no right 'logs' on hello"
mistake root 4 'deployctl can logs hello --user deploy' "no rule allows it"
mistake root 5 'deployctl can logs hello --user deplyo' "no user 'deplyo'"
policy '$ a require_sha256 = yes'
systemctl reload deployd
deploy 4 hello-2.tar.gz 'the policy wants the archive'"'"'s sha256: add --sha256=$(sha256sum FILE | cut -c1-64)'
minute=$((10#$(date +%H) * 60 + 10#$(date +%M)))
hours=$([ $minute -lt 720 ] && echo 13:00-23:00 || echo 01:00-11:00)
policy "\$ a hours = $hours"
systemctl reload deployd
deploy 4 hello-2.tar.gz "user 'deploy' has no right 'deploy' on hello: rule 'deployers ship hello' ($policy:1) allows it only from ${hours%-*} to ${hours#*-}"
policy 's/^allow = /allow = hold pin mark confirm /'
systemctl reload deployd

note "typed wrong"
mistake deploy 2 'deployctl depoly hello hello-2.tar.gz' "no verb 'depoly'; did you mean 'deploy'?"
mistake deploy 2 'deployctl deploy hello hello-2.tar.gz --forse' "unknown option --forse; did you mean --force?"
mistake deploy 4 'deployctl deploy helo hello-2.tar.gz' "did you mean 'hello'?"
mistake deploy 2 'deployctl deploy hello-2.tar.gz hello' "the app comes first: deployctl deploy hello hello-2.tar.gz"
mistake deploy 2 'deployctl restart hello.service' "'hello.service' is not the name of an app; did you mean 'hello'?"
mistake deploy 2 'deployctl status /srv/Hello/' "'/srv/Hello/' is not the name of an app; did you mean 'hello'?"
mistake deploy 2 'deployctl status hello@1' "\`status\` takes an app, not one of its releases: deployctl status hello"
mistake deploy 2 'deployctl show hello@' "no release after the '@' of 'hello@'; \`deployctl releases hello\` lists them"
mistake deploy 2 'deployctl deploy hello-2.tar.gz' "usage: deployctl deploy APP FILE|-"
mistake deploy 2 'deployctl deploy hello hello-1.tar.gz hello-2.tar.gz' "'hello-2.tar.gz' is one argument too many; usage: deployctl deploy APP FILE|-"
mistake deploy 2 'deployctl deploy hello hello-2.tar.gz --confirm 5m' "'5m' is one argument too many; if it is the value of --confirm, write --confirm=5m"
mistake deploy 2 'deployctl deploy hello hello-2.tar.gz --timeout soon' "--timeout takes seconds, 0 to 604800; 'soon' is not that"
mistake deploy 2 'deployctl hold hello -m x --until tomorrow' "--until takes a span such as 2h, or a time such as 2026-11-23T10:15:00Z; 'tomorrow' is not that"
mistake deploy 2 'deployctl --json history hello -n many' '{"schema":1,"type":"result","result":"usage","exit":2,"message":"--lines takes a number, 0 to 1000000; '"'many'"' is not that"}'
mistake deploy 2 'deployctl deploy hello hello-2.tar.gz --confirm=30d' "the time to confirm must be 1 to 604800 seconds"
mistake deploy 2 'deployctl status hello --force' "\`status\` takes no --force; see \`deployctl help status\`"
mistake deploy 2 'deployctl activate hello' "which release? \`deployctl releases hello\` lists them, then \`deployctl activate hello@RELEASE\`"
first=$(current_id)
mistake deploy 5 "deployctl activate hello@${first%?}9" "no release ${first%?}9; \`deployctl releases hello\` lists them; did you mean '$first'?"
mistake deploy 5 'deployctl rollback hello@1.2' "'1.2' is not a release id; \`deployctl releases hello\` lists them"
mistake deploy 2 "deployctl activate hello@$first" "$first is current already; \`deployctl restart hello\` restarts it"
mistake deploy 2 'deployctl hold hello' "a hold needs a reason, which the next user to deploy reads: \`deployctl hold hello -m REASON\`"
mistake deploy 5 'deployctl cancel hello' "no such job of hello is running or waiting; see \`deployctl jobs\`"
mistake deploy 5 'deployctl attach 123' "no job 123; \`deployctl jobs\` lists those deployd remembers"
mistake deploy 5 'deployctl confirm hello' "no release of hello awaits its confirmation"
mistake deploy 17 'deployctl deploy hello hello-2.tar.gz --if-current none' "the current release is $first, not none; nothing was changed"
mistake deploy 7 'deployctl -H nohost.invalid status hello' "cannot reach nohost.invalid with ssh; try \`ssh nohost.invalid true\`"
mistake deploy 1 'deployctl list > /dev/full' "cannot write the output: No space left on device"
mistake deploy 0 'deployctl history hello | head -n 1' "TIME"
mistake root 5 'deployctl enable helo' "there is no app 'helo'; did you mean 'hello'?"
mistake root 2 'deployd --check /etc/deployd' "unexpected argument '/etc/deployd'"

note "what is no archive of a release"
mkdir -p dir
mistake deploy 1 'deployctl deploy hello dir' "dir is a directory; send what is in it: tar -cz -C 'dir' . | deployctl deploy hello -"
mistake deploy 2 "script -qec 'deployctl deploy hello -' /dev/null" "stdin is a terminal; give the archive as \`< FILE\` or through a pipe"
mistake deploy 1 'deployctl deploy hello hello-9.tar.gz' "cannot open hello-9.tar.gz: No such file or directory"
install -m 600 hello-2.tar.gz secret.tar.gz
mistake deploy 1 'deployctl deploy hello secret.tar.gz' "cannot open secret.tar.gz: Permission denied"
python3 -c 'import zipfile; zipfile.ZipFile("a.zip", "w").writestr("bin/hello", "x")'
deploy 10 a.zip "the archive is not a tar: it is a zip file"
printf '\004\042\115\030dpdxxxx' > a.tar.lz4
deploy 10 a.tar.lz4 "compressed with lz4; tar, tar.gz, tar.bz2, tar.xz and tar.zst are taken"
echo '<!DOCTYPE html><html>404</html>' > page.tar.gz
deploy 10 page.tar.gz "it is an HTML page; a download that needs a login gives one"
: > empty.tar.gz
deploy 10 empty.tar.gz "the archive is empty (0 bytes): what makes or sends it wrote nothing"
mistake deploy 10 'cat absent 2> /dev/null | deployctl deploy hello -' "the archive is empty (0 bytes): what makes or sends it wrote nothing"
head -c 5000 hello-2.tar.gz > half.tar.gz
deploy 10 half.tar.gz "the archive is truncated: its compressed data end early; the last good entry is"
head -c 20000 /dev/urandom > noise
deploy 10 noise "the archive is not a tar: neither its format nor its compression is known; tar, tar.gz, tar.bz2, tar.xz and tar.zst are taken"
mistake deploy 10 "deployctl deploy hello hello-2.tar.gz --sha256=$(printf '0%.0s' {1..64})" "it is not the file you meant, or it was damaged on the way"
changed 'mkdir hello-2; mv bin etc priv hello-2'
deploy 10 bad.tar.gz "the archive has everything in a directory 'hello-2'" "--strip-components=1" "nothing was switched"
changed 'chmod -x bin/hello'
deploy 10 bad.tar.gz "'/srv/hello/current/bin/hello' is not executable; run \`chmod +x bin/hello\` before you pack the archive"
changed 'printf "#!/bin/sh\r\nexec true\r\n" > bin/hello'
deploy 10 bad.tar.gz "ends in CR LF, as on Windows" "sed -i"
changed 'printf "#!/usr/bin/bsah\n" > bin/hello'
deploy 10 bad.tar.gz "needs '/usr/bin/bsah', which does not exist; install it, or build the release for this machine"
changed 'printf "\xff\xfe" | dd of=bin/hello bs=1 seek=18 conv=notrunc status=none'
deploy 10 bad.tar.gz "is a program for another machine"
changed 'ln -s /etc/hello/secret etc/secret'
deploy 10 bad.tar.gz "entry 'etc/secret' is a symbolic link to '/etc/hello/secret': the target is absolute and not below one of link_targets; add its directory to that option of the app's file, or make the link relative"
changed 'mkfifo etc/pipe'
deploy 10 bad.tar.gz "entry 'etc/pipe' is a FIFO; a release has files, directories and links: leave it out"
tar czPf absolute.tar.gz /etc/hostname
deploy 10 absolute.tar.gz "the name of entry '/etc/hostname' is absolute; pack with \`tar -C DIRECTORY .\`"
chmod 755 ./*.tar.gz
assert_equal "$(current_id)" "$first"

note "the unit"
unit 'EnvironmentFile=/etc/hello/absent'
deploy 1 hello-2.tar.gz "its environment file '/etc/hello/absent' does not exist; create it, or write EnvironmentFile=-/etc/hello/absent"
unit 'User=helo'
deploy 1 hello-2.tar.gz "User=helo does not exist; create that user, or change User= in the unit"
unit 'WorkingDirectory=/srv/helo'
deploy 1 hello-2.tar.gz "its working directory '/srv/helo' does not exist; create it, or change WorkingDirectory="
unit 'ExecStart=' 'ExecStart=/srv/hello/current/bin/helo'
deploy 10 hello-2.tar.gz "'/srv/hello/current/bin/helo' does not exist in the release; add 'bin/helo' to the archive, or change ExecStart="
unit 'ExecStart=' 'ExecStart=bin/hello'
deploy 1 hello-2.tar.gz "unit hello.service cannot be loaded; this shows why: \`systemd-analyze verify hello.service\`"
unit
echo '# changed' >> /etc/systemd/system/hello.service
deploy 1 hello-2.tar.gz "the unit file of hello.service has changed since systemd read it" "systemctl daemon-reload"
systemctl daemon-reload
mv /etc/systemd/system/hello.service /root/
systemctl mask --quiet hello.service
deploy 1 hello-2.tar.gz "unit hello.service is masked; root unmasks it: \`systemctl unmask hello.service\`; nothing was changed"
mistake deploy 1 'deployctl restart hello' "hello.service is masked: an administrator must run \`systemctl unmask hello.service\`"
systemctl unmask --quiet hello.service
mv /root/hello.service /etc/systemd/system/
unit 'Type=forking' 'PIDFile=/run/hello/pid' 'TimeoutStartSec=1'
deploy 14 hello-2.tar.gz "it exceeded a time limit of its unit: it was not ready within TimeoutStartSec= (see its Type=)" "the rollback to $first failed in the same way"
mistake deploy 0 'deployctl status hello' "degraded" "in the same way"
unit
expect 0 ctl deploy --force hello hello-2.tar.gz
first=$(current_id)
pack_hello crash.tar.gz 4 start=crash exit_code=3
deploy 13 crash.tar.gz "its main process exited with status 3" "rolled back to $first" "told to crash at start"
deploy 10 crash.tar.gz "which is bad (hello.service could not start: its main process exited with status 3" "--force deploys it anyway"
pack_hello taken.tar.gz 5 port=22222
python3 -c 'import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 22222))
s.listen()
sys.stdin.read()' < <(exec sleep infinity) &
taker=$!
timeout 20 bash -c 'until ss -ltn | grep -q :22222; do :; done'
deploy 13 taken.tar.gz "Address already in use" "rolled back to $first"
kill $taker
mistake deploy 1 'deployctl reload hello' "hello.service does not support reload: add ExecReload= to its unit"

note "the health check"
conf '[health]' 'min_healthy_sec = 0' 'bake_sec = 0' 'healthy_deadline_sec = 1' \
	'[health_check web]' 'type = http' 'url = http://127.0.0.1:8888/'
systemctl reload deployd
pack_hello hello-6.tar.gz 6
deploy 14 hello-6.tar.gz "health check 'web' did not pass within 1 s: GET http://127.0.0.1:8888/: cannot connect: Connection refused, wanted 200" "failed in the same way"
conf
systemctl reload deployd
expect 0 ctl deploy --force hello hello-1.tar.gz

note "holds, other jobs, other apps"
expect 0 ctl hold hello -m 'the fair'
deploy 11 hello-2.tar.gz "hello is held by deploy: the fair; \`deployctl unhold hello\` lifts that"
expect 0 ctl unhold hello
expect 0 ctl deploy hello hello-2.tar.gz --redeploy --confirm=1h
deploy 11 hello-1.tar.gz "awaits its confirmation: \`deployctl confirm hello\` keeps it, \`deployctl rollback hello\` goes back"
expect 0 ctl confirm hello
first=$(current_id)
mkfifo fifo
chown deploy fifo
exec 7<> fifo
mistake deploy 16 'deployctl deploy hello fifo --timeout=1' "stopped waiting after 1 s; job " " goes on if its archive is complete; \`deployctl attach "
exec 7>&-
expect 0 ctl rollback hello
add_user other --system
app_file other other
policy_file other
systemctl reload deployd
mistake deploy 5 "deployctl activate other@$first" "no release $first; \`deployctl releases other\` lists them"

note "the configuration"
wrong_conf() { # WORDS LINES...
	local words=$1
	shift
	conf "$@"
	mistake root 6 'deployd --check' "$app_conf:$words"
	expect 6 deployd --check
	assert_lacks "$err" "there is no app"
}
wrong_conf "7: there is no option 'keeep'; did you mean 'keep'?" 'keeep = 3'
wrong_conf "7: there is no section [helth]; did you mean [health]?" '[helth]' 'bake_sec = 3'
wrong_conf "8: [health_check web]: url: 'localhost:80' must be a URL" '[health_check web]' \
	'url = localhost:80' 'type = http'
wrong_conf "8: restart_method: 'flag' must be one of: systemctl systemd_flag touch" '[restart]' \
	'restart_method = flag'
mistake root 6 'deployctl reload' "$app_conf:8: restart_method" "the configuration has errors; the old one stays"
conf
cp $app_conf /etc/deployd/apps.d/third
mistake root 0 'deployd --check' "/etc/deployd/apps.d: warning: 'third' is not read: the name of a file must end in .conf"
rm /etc/deployd/apps.d/third
chmod 666 $app_conf
mistake root 6 'deployd --check' "chown root:root '$app_conf' && chmod go-w '$app_conf'"
expect 6 deployd --check
assert_lacks "$err" "there is no app"
chmod 644 $app_conf
wrong_policy() { # SED SCRIPT, WORDS
	policy "$1"
	mistake root 6 'deployd --check' "$policy:$2"
}
wrong_policy 's/deploy stage/depoly stage/' "2: unknown verb 'depoly', did you mean 'deploy'?"
wrong_policy 's/^allow = .*/allow = ALL/' "2: unknown verb 'ALL'; a rule names each verb: deploy stage "
wrong_policy 's/^user = .*/user = deplyo/' "3: unknown user 'deplyo'; create it, or correct the name"
wrong_policy 's/^user = .*/user = %deploy/' "3: unknown user '%deploy': a group is named by group =, without '%'"
wrong_policy '/^user/d' "1: rule 'deployers ship hello' has neither user nor group; add one of them"
wrong_policy 's/^app = .*//' "1: rule 'deployers ship hello' has no app; app = * is every app"
policy 's/^app = hello/app = helo/'
mistake root 0 'deployd --check' "$policy:4: warning: there is no app 'helo', did you mean 'hello'?"
policy_file hello

conf '[copy_file unit]' 'src = _build/hello.service' 'dst = /etc/systemd/system/hello.service'
mistake root 1 'cd /root && deployctl init hello' "copy-files: [copy_file unit]: cannot read '_build/hello.service' (a relative path starts at the current directory)" "correct that and run init again (what was done stays)"
conf

note "deployd itself"
mistake root 1 'deployd' "not starting: another deployd, or systemd for it, listens on /run/deployd/io.deployd"
mistake deploy 0 'deployctl status hello' "State: live"
systemctl disable --quiet deployd.socket deployd.service
mistake root 1 'deployctl doctor hello' "deployd.service is disabled" "systemctl enable deployd.socket deployd.service"
systemctl enable --quiet deployd.socket deployd.service
systemctl stop deployd.socket deployd.service
deploy 7 hello-1.tar.gz "deployd is not running; root starts it with \`systemctl start deployd.socket deployd\`"
mistake root 1 'deployctl doctor hello' "deployd.service is stopped" "systemctl start deployd.socket deployd.service"
systemctl start deployd.socket deployd.service

note "the disk is full"
mount -t tmpfs -o size=64k,mode=755 tmpfs /srv/hello/releases
deploy 18 hello-2.tar.gz "'/srv/hello/releases' has 0 MiB free, 64 MiB are wanted: free 64 MiB, or lower reserve_bytes"
umount /srv/hello/releases

note "$n_mistakes mistakes"
[ $n_mistakes -ge 100 ] || fail "only $n_mistakes"
