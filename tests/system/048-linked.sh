#!/bin/bash
# linked_dirs and linked_files: what releases share, in shared/.
# fresh boot: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello '[release]' 'linked_dirs = log tmp/pids' 'linked_files = config/key'

facts() { stat -c '%U:%G %a' "$@" | paste -sd ' '; }

note "a linked file must be there: nothing is switched, what is above it is made"
expect 6 ctl deploy hello hello-1.tar.gz
assert_contains "$err" "'/srv/hello/shared/config/key' does not exist"
[ ! -e /srv/hello/current ] || fail "switched"
echo secret > /srv/hello/shared/config/key
chgrp hello /srv/hello/shared/config/key
chmod 640 /srv/hello/shared/config/key
expect 0 ctl deploy hello hello-1.tar.gz
serves 1

note "only the leaves are the app's, and every release has them"
cd /srv/hello/shared || fail "no shared/"
assert_equal "$(facts . tmp config)" 'root:hello 750 root:hello 750 root:hello 750'
assert_equal "$(facts log tmp/pids)" 'hello:hello 750 hello:hello 750'
cd /home/deploy || fail "no home"
as hello touch /srv/hello/current/log/first /srv/hello/current/tmp/pids/pid
as hello cat /srv/hello/current/config/key > /dev/null
expect 1 as hello touch /srv/hello/shared/x
expect 1 as hello touch /srv/hello/current/config/other
expect 0 ctl deploy hello hello-2.tar.gz
serves 2
[ -e /srv/hello/current/log/first ] || fail "the log is gone"
expect 0 ctl rollback hello
[ -e /srv/hello/current/log/first ] || fail "the log is gone"

note "an archive that has something there is refused, one with a .keep is not"
for file in .keep other; do
	mkdir -p with/log
	tar -xzf hello-2.tar.gz -C with
	touch "with/log/$file"
	tar -czf "with$file.tar.gz" -C with .
done
expect 0 ctl deploy hello with.keep.tar.gz
[ -L /srv/hello/current/log ] || fail "no link"
expect 10 ctl deploy hello withother.tar.gz
assert_contains "$err" "linked_dirs takes 'log' from shared/"

note "with other links it is another release, and what was shared stays"
sed -i 's/^linked_dirs = .*/linked_dirs = log/' /etc/deployd/apps.d/hello.conf
expect 0 systemctl reload deployd
expect 0 ctl deploy hello with.keep.tar.gz
assert_lacks "$out" "already live"
[ ! -e /srv/hello/current/tmp ] || fail "still linked"
[ -e /srv/hello/shared/tmp/pids/pid ] || fail "what was shared is gone"

note "paths that lie in each other are errors"
sed -i 's/^linked_dirs = .*/linked_dirs = log log\/web/' /etc/deployd/apps.d/hello.conf
expect 6 deployd --check
assert_contains "$err" "'log/web' and 'log' of linked_dirs are the same, or one is below the other"
