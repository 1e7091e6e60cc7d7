#!/bin/bash
# Restart by touch: every usual way to touch, whose it was, what is no flag, a directory
# that goes and comes, a touch during a deploy, and over a stop of deployd.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
source "$(dirname "$0")/../lib/flags.sh"
setup_flags 'flag_burst = 100' 'flag_interval_sec = 1'

# touched WHAT COMMAND...: the command restarts the unit
touched() {
	local what=$1 before
	shift
	before=$(restarts)
	"$@"
	wait_restart "$before" > /dev/null
	note "$what"
	wait_started $((before + 1))
}

cursor=$(journal_cursor)
touched "made" as deploy touch $flag
touched "touched" as deploy touch $flag
touched "written" as deploy bash -c "echo now > $flag"
touched "moved into place" as deploy bash -c "touch $flag.tmp; mv $flag.tmp $flag"
touched "cp -p" as deploy bash -c "touch -d 2001-01-01 old; cp -p old $flag"
touched "removed and made" as deploy bash -c "rm $flag; touch $flag"
wait_journal "$cursor" 'restart.flag of deploy was touched' -t deployd > /dev/null
expect 0 journalctl --no-pager DEPLOY_USER=deploy DEPLOY_OPERATION=flag -o cat
assert_contains "$out" 'hello: restart.flag of deploy was touched'

note "history names the owner"
expect 0 ctl history hello --json
assert_equal "$(jq -r '.[0] | "\(.kind) \(.by.user) \(.result)"' <<< "$out")" \
	"flag deploy ok"

note "what is no flag is told, and is not followed"
before=$(restarts)
cursor=$(journal_cursor)
as deploy bash -c "rm $flag; ln -s /etc/shadow $flag"
wait_journal "$cursor" 'is a symbolic link and is ignored' -t deployd > /dev/null
expect 0 ctl status hello
assert_contains "$out" 'symbolic link'
as deploy rm $flag
assert_equal "$(restarts)" "$before" restarts
touched "a file again" as deploy touch $flag
expect 0 ctl status hello
assert_lacks "$out" 'symbolic link'

note "the directory is replaced, and made later"
mv /srv/hello/flags /srv/hello/flags.old
install -d -o deploy -g hello -m 0755 /srv/hello/flags
touched "in the new directory" as deploy touch $flag
rm -r /srv/hello/flags
expect 0 timeout "$WAIT_SEC" bash -c 'until deployctl status hello | grep -q "cannot open"
	do :; done'
install -d -o deploy -g hello -m 0755 /srv/hello/flags
touched "in the directory that is back" as deploy touch $flag

note "a touch during a deploy is honoured after it"
pack_hello slow.tar.gz 3 start_delay_ms=1000
before=$(restarts)
as deploy deployctl deploy hello slow.tar.gz > /dev/null &
deploy=$!
wait_restart "$before" > /dev/null
as deploy touch $flag
wait $deploy || fail "the deploy failed"
wait_restart $((before + 1)) > /dev/null
wait_started $((before + 2))
serves 3
expect 0 ctl deploy hello hello-1.tar.gz
before=$(restarts)

note "a touch while deployd is down is honoured, once"
systemctl stop deployd.service 2> /dev/null
as deploy touch $flag
assert_equal "$(restarts)" "$before" restarts
systemctl start deployd.service
wait_restart "$before" > /dev/null
wait_started $((before + 1))
cursor=$(journal_cursor)
systemctl restart deployd.service
expect 0 ctl restart hello # what a look at the flag would lead to comes before or with it
assert_equal "$(restarts)" $((before + 2)) restarts

note "flag_on_start = ignore: it is not"
echo 'flag_on_start = ignore' >> /etc/deployd/apps.d/hello.conf
systemctl stop deployd.service 2> /dev/null
as deploy touch $flag
systemctl start deployd.service
expect 0 ctl restart hello
assert_equal "$(restarts)" $((before + 3)) restarts
touched "but one after it is" as deploy touch $flag

note "a storm is held by flag_burst, and ends with a restart"
sed -i 's/^flag_burst.*/flag_burst = 2/; s/^flag_interval_sec.*/flag_interval_sec = 3/' \
	/etc/deployd/apps.d/hello.conf
systemctl restart deployd.service
before=$(restarts)
began=$(micros "$EPOCHREALTIME")
while [ $(($(micros "$EPOCHREALTIME") - began)) -lt 2000000 ]; do touch $flag; done
last=$(micros "$EPOCHREALTIME")
wait_restart $((before + 2)) > /dev/null
[ "$(micros "$(wait_restart $((before + 2)))")" -gt "$last" ] || fail "the last touch is lost"
assert_equal "$(systemctl show -P Result hello)" success
