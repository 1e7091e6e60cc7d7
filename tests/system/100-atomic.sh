#!/bin/bash
# A loop that opens current/bin/hello never fails while hundreds of deploys and rollbacks
# run, with tests/run --long more than a thousand. Every tenth restarts the service.
# fresh boot: yes
# timeout: 400
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[restart]' 'activate_method = none'
readonly operations=$((240 * ${DEPLOYD_TEST_SCALE:-1}))

expect 0 ctl deploy hello hello-1.tar.gz
expect 0 ctl deploy hello hello-2.tar.gz
expect 0 ctl restart hello
as hello python3 "$repo/tests/lib/opener.py" /srv/hello/current/bin/hello \
	/srv/hello/current/etc/hello.conf > /tmp/opener 2>&1 &
began=$SECONDS
done_so_far=0
while [ $done_so_far -lt "$operations" ]; do
	case $((done_so_far % 4)) in
	0) expect 0 ctl deploy -q --redeploy hello hello-1.tar.gz ;;
	2) expect 0 ctl deploy -q --redeploy hello hello-2.tar.gz ;;
	*) expect 0 ctl rollback -q hello ;;
	esac
	done_so_far=$((done_so_far + 1))
	[ $((done_so_far % 10)) != 0 ] || expect 0 ctl restart -q hello
done
note "$operations operations in $((SECONDS - began)) s"
pkill -TERM -u hello -f opener.py
status=0
wait $! || status=$?
tail -n 3 /tmp/opener
assert_equal "$status" 0 "status of the opener"
opened=$(sed -n 's/ rounds, 0 failures$//p' /tmp/opener)
[ "${opened:-0}" -ge "$operations" ] || fail "the opener hardly ran: $(cat /tmp/opener)"
[ "$(ls /srv/hello/releases | wc -l)" -le 10 ] || fail "releases pile up"
[ -z "$(ls -A /srv/hello/releases/.staging)" ] || fail "something is left in .staging"
systemctl restart hello
out=$(http $hello_port)
assert_contains "$out" "release=$(current_id)"
