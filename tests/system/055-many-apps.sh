#!/bin/bash
# More apps than the bus takes calls at once: each is known, and a restart works meanwhile.
# fresh boot: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly apps=200 # the bus breaks a connection's 129th call without a reply
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz

note "$apps more apps, each with a unit that runs"
for ((i = 1; i <= apps; i++)); do
	app_file "many$i" hello
	printf '%s\n' '[Service]' 'Type=oneshot' 'RemainAfterExit=yes' 'ExecStart=/bin/true' \
		> "/etc/systemd/system/many$i.service"
done
printf '%s\n' '[rule all]' 'allow = status' 'user = deploy' 'app = *' \
	> /etc/deployd/policy.d/all.conf
systemctl daemon-reload
units=()
for ((i = 1; i <= apps; i++)); do units+=("many$i.service"); done
systemctl start "${units[@]}"
since=$(journal_cursor)
expect 0 systemctl reload deployd

note "all of them are listed, with the state of each unit"
expect 0 ctl list --json
assert_equal "$(jq length <<< "$out")" "$((apps + 1))"
assert_equal "$(jq -c 'map(.unit_state) | unique' <<< "$out")" '["active"]'

note "eight lists at once, and a restart among them"
for i in 1 2 3 4 5 6 7 8; do
	start "/tmp/list.$i" ctl list --json
done
expect 0 ctl restart hello
wait
for i in 1 2 3 4 5 6 7 8; do
	assert_equal "$(jq -c 'map(select(.app != "hello").unit_state) | unique' \
		"/tmp/list.$i")" '["active"]'
done

note "nothing broke: not the connection, not a call"
said=$(journal_since "$since" -o cat -u deployd -u dbus)
[[ $said != *'No buffer space'* && $said != *'connected to systemd again'* &&
	$said != *'maximum number of'* ]] || fail "$said"
