#!/bin/bash
# Who has no right gets nothing, learns nothing, and is written down.
# fresh boot: yes
# asan: yes
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
setup_hello
expect 0 ctl deploy hello hello-1.tar.gz
id=$(current_id)
cp hello-2.tar.gz /tmp/hello-2.tar.gz
chmod 0644 /tmp/hello-2.tar.gz

state() { find /srv/hello -printf '%p %T@ %s\n' | sort; systemctl show -P MainPID hello; }
before=$(state)

note "every verb is refused, exactly as for an app that does not exist"
strip() { sed -e "s/$1/APP/g" -e 's/20[0-9TZ-]*/TIME/g' <<< "$2"; }
for verb in deploy stage activate rollback restart reload start stop enable disable \
	status releases show history; do
	file=()
	case $verb in
	deploy | stage) file=(/tmp/hello-2.tar.gz) ;;
	activate) file=("$id") ;;
	esac
	told=()
	for app in hello ghost; do
		status=0
		text=$(as eve deployctl "$verb" "$app" "${file[@]}" 2>&1) || status=$?
		told+=("$status $(strip "$app" "$text")")
		[[ $status = 4 || $status = 5 ]] || fail "$verb $app: status $status: $text"
	done
	assert_equal "${told[0]}" "${told[1]}" "$verb of an app without right"
done
assert_equal "$(state)" "$before" "the app's tree"
serves 1
expect 0 as eve deployctl list --json
assert_equal "$(jq -c . <<< "$out")" "[]"

note "a deploy without right: exit 4, and the journal says why"
cursor=$(journal_cursor)
expect 4 as eve deployctl deploy hello /tmp/hello-2.tar.gz
line=$(journal_since "$cursor" -o json SYSLOG_IDENTIFIER=deployd | jq -sc 'map(select(.DEPLOY_USER == "eve"))[0]')
assert_equal "$(jq -r '.DEPLOY_APP' <<< "$line")" hello
assert_equal "$(jq -r '.DEPLOY_UID' <<< "$line")" "$(id -u eve)"
assert_contains "$(jq -r .MESSAGE <<< "$line")" denied

note "who is not in the group cannot connect at all"
expect 4 as nobody deployctl deploy hello /tmp/hello-2.tar.gz
expect 4 as nobody deployctl status hello

note "a deny wins, and the journal names its rule"
cat > /etc/deployd/policy.d/freeze.conf <<'EOT'
[rule nobody restarts today]
deny = restart
user = deploy
app = *
EOT
expect 0 systemctl reload deployd
cursor=$(journal_cursor)
expect 4 ctl restart hello
assert_contains "$(journal_since "$cursor" -o json -t deployd)" freeze.conf:
expect 0 ctl status hello
expect 4 ctl can restart hello
assert_contains "$out$err" freeze.conf:
expect 0 ctl can status hello

note "can, about an app that is not there: root is told, others are told nothing"
expect 5 deployctl can restart no-such-app
assert_contains "$err" "no app 'no-such-app'"
expect 5 deployctl can restart no-such-app --user deploy
expect 0 deployctl can restart hello
expect 4 as eve deployctl can restart hello
there=$out$err
expect 4 as eve deployctl can restart no-such-app
assert_equal "$out$err" "$there"
expect 4 ctl can status no-such-app

note "a right that no verb uses yet: nobody has it, and a rule about it is an error"
expect 4 deployctl can exec hello
assert_contains "$out" "no verb of this version of deployd uses the right 'exec'"
cat > /etc/deployd/policy.d/later.conf <<'EOT'
[rule later]
allow = status exec run:migrate
user = deploy
app = hello
EOT
expect 6 deployctl policy check
expect 6 deployctl reload
assert_contains "$err" "later.conf:2: no verb of this version of deployd uses the right 'exec'"
assert_contains "$err" "the right 'run:migrate': remove it from allow"
rm /etc/deployd/policy.d/later.conf

note "the decision that allows is written down too"
cursor=$(journal_cursor)
expect 0 ctl stop hello
line=$(journal_since "$cursor" -o json -t deployd | jq -sc 'map(select(.DEPLOY_RULE))[0]')
assert_contains "$(jq -r .DEPLOY_RULE <<< "$line")" hello.conf:

note "root needs no rule"
expect 0 deployctl start hello
expect 0 deployctl policy check
