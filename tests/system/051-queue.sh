#!/bin/bash
# One operation an app at a time, in order of rank; other apps go on; a full queue says busy.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
printf '[deployd]\nqueue_max = 2\n' > /etc/deployd/deployd.conf
setup_hello
sed -e 's/hello/other/g' -e 's|^ExecStart=.*|ExecStart=/srv/other/current/bin/hello|' \
	/etc/systemd/system/hello.service > /etc/systemd/system/other.service
add_user other --system
app_file other other
policy_file other
mkdir -p /etc/other
echo HELLO_PORT=8081 > /etc/other/environment
systemctl daemon-reload
expect 0 systemctl reload deployd
expect 0 ctl deploy hello hello-1.tar.gz

note "an upload that does not end holds the app"
mkfifo fifo
chown deploy fifo
exec 5<> fifo
big_hello big.tar.gz hello-2.tar.gz
cursor=$(journal_cursor)
start /tmp/first ctl deploy hello fifo
head -c "$big_enough" big.tar.gz >&5
wait_journal "$cursor" 'deploy by deploy begins' -t deployd > /dev/null

note "another app does not wait for it"
expect 0 ctl deploy other hello-1.tar.gz
http 8081 | grep -q 'version=1' || fail "other does not serve"

note "one of two places is for one user, the next is told so; a restart has its own"
expect 0 ctl stage --no-block hello hello-1.tar.gz
expect 11 ctl stage hello hello-1.tar.gz
assert_contains "$err" 'deploy already has half of the places'
expect 0 ctl restart --no-block hello
expect 0 ctl restart --no-block hello
expect 0 ctl jobs --json
assert_equal "$(jq 'map(select(.app == "hello" and .result == null)) | length' <<< "$out")" 3
waiting=$(jq -r '.[] | select(.app == "hello" and .phase == "queued") | .id' <<< "$out")

note "status answers meanwhile, and says what is going on"
expect 0 ctl status --json hello
assert_equal "$(jq -r .job.kind <<< "$out")" deploy
serves 1

note "the upload ends: everything is done, the restart before the stage"
tail -c "+$big_rest" big.tar.gz >&5
exec 5>&-
ended
assert_equal "$status" 0 "$(cat /tmp/first)"
for job in $waiting; do
	expect 0 ctl attach "$job"
done
serves 2
expect 0 ctl history hello --json
assert_equal "$(jq -r '.[:3] | map(.kind) | join(" ")' <<< "$out")" "stage restart deploy"

note "--timeout: the client leaves, the job goes on"
pack_hello slow.tar.gz 3 start_delay_ms=2500
expect 16 ctl deploy --timeout=1 hello slow.tar.gz
expect 0 ctl restart hello
serves 3
