#!/bin/bash
# Who asks: uids that /etc/subuid lends to a user, uids without a name, and a name service
# in trouble. A denial cannot be shed in a user namespace, nobody takes more places than one
# user's, and who is allowed is never denied because nobody could be asked.
# fresh boot: yes
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
mkdir -p /etc/deployd
printf '[deployd]\nconnections_max = 40\nrequest_timeout_sec = 120\n' > /etc/deployd/deployd.conf
setup_hello
systemctl restart deployd
add_user alice --groups deployd
add_user bob --groups deployd
expect 0 ctl deploy hello hello-1.tar.gz
cat > /etc/deployd/policy.d/team.conf <<'EOT'
[rule the team restarts]
allow = restart status
group = deployd
app = hello
[rule not alice]
deny = restart
user = alice
app = hello
EOT
expect 0 systemctl reload deployd
stranger() { python3 "$repo/tests/lib/stranger.py" "$@"; }
first=$(sed -n 's/^alice:\([0-9]*\):.*/\1/p' /etc/subuid)
[ -n "$first" ] || fail "useradd has lent alice no uids"
cannot="no app 'hello'"

note "a denial holds for its user, and in a user namespace of hers"
expect 0 as bob deployctl restart hello
expect 4 as alice deployctl restart hello
expect 0 as alice deployctl status hello
cursor=$(journal_cursor)
expect 0 stranger call alice "$first" io.deployd.Restart '{"app": "hello"}'
assert_contains "$out" io.deployd.Denied
assert_contains "$err$out" "$cannot"

note "the journal says whose uid it is"
line=$(journal_since "$cursor" -o json -t deployd | jq -sc 'map(select(.DEPLOY_USER))[0]')
assert_equal "$(jq -r .DEPLOY_USER <<< "$line")" "uid:$first (subordinate to alice)"
assert_equal "$(jq -r .DEPLOY_UID <<< "$line")" "$first"
assert_contains "$(jq -r .DEPLOY_RULE <<< "$line")" "denied by rule 'not alice'"

note "groups give it no right"
expect 0 stranger call alice $((first + 1)) io.deployd.Status '{"app": "hello"}'
assert_contains "$out" io.deployd.Denied
expect 4 deployctl can status hello --user "uid:$((first + 1))"
assert_contains "$out$err" "subordinate to user alice"
expect 4 deployctl can restart hello --user "uid:$((first + 1))"
assert_contains "$out$err" "rule 'not alice'"

note "twenty of them take the places of one user"
coproc holder { stranger hold alice "$first" 20 3 2>&1; }
# bash forgets all of these when the coprocess ends.
# shellcheck disable=SC2154 # coproc sets it
held_by=$holder_PID
exec 7<&"${holder[0]}"
in=0 out_of=0
for ((done = 0; done < 20;)); do
	read -r -t "$WAIT_SEC" -u 7 line || fail "the strangers do not answer"
	case $line in
	in) in=$((in + 1)) ;;
	done) done=$((done + 1)) ;;
	"too many connections of the user this uid is subordinate to"*) out_of=$((out_of + 1)) ;;
	*) fail "the strangers are told: $line" ;;
	esac
done
assert_equal "$in" 16 "connections of alice's uids"
assert_equal "$out_of" 44 "refused connections of alice's uids"
expect 0 as bob deployctl status hello
expect 0 deployctl status hello
expect 11 as alice deployctl status hello
assert_contains "$err" "too many connections of this user and its subordinate uids"
exec 7<&-
kill "$held_by"
wait "$held_by" || true
until as alice deployctl status hello > /dev/null 2>&1; do :; done

note "a rule may name such a uid, and no other has its rights"
printf '[rule one of them]\nallow = status restart stop start\nuser = uid:%s\napp = hello\n' $((first + 2)) \
	> /etc/deployd/policy.d/one.conf
expect 0 systemctl reload deployd
expect 0 stranger call alice $((first + 2)) io.deployd.Status '{"app": "hello"}'
assert_lacks "$out" error
expect 0 stranger call alice $((first + 3)) io.deployd.Status '{"app": "hello"}'
assert_contains "$out" io.deployd.Denied
expect 0 stranger call alice $((first + 2)) io.deployd.Restart '{"app": "hello"}'
assert_contains "$out" "rule 'not alice'"
expect 0 deployctl can status hello --user "uid:$((first + 2))"

note "the history says whose uid it was"
expect 0 stranger call alice $((first + 2)) io.deployd.Stop '{"app": "hello"}'
assert_lacks "$out" error
expect 0 stranger call alice $((first + 2)) io.deployd.Start '{"app": "hello"}'
assert_lacks "$out" error
expect 0 deployctl history hello --json
assert_contains "$out" "uid:$((first + 2)) (subordinate to alice)"
expect 0 deployctl policy list
assert_contains "$out" "user uid:$((first + 2))"

note "root is no number in a rule"
printf '[rule root]\nallow = status\nuser = uid:0\napp = hello\n' > /etc/deployd/policy.d/zero.conf
expect 6 deployctl policy check
assert_contains "$out$err" "/etc/deployd/policy.d/zero.conf:3: 'uid:0' cannot be in a rule"
rm /etc/deployd/policy.d/zero.conf

note "a uid without a name has no rights but those of its number"
cursor=$(journal_cursor)
expect 0 stranger call bob 4242 io.deployd.Status '{"app": "hello"}'
assert_contains "$out" io.deployd.Denied
line=$(journal_since "$cursor" -o json -t deployd | jq -sc 'map(select(.DEPLOY_USER))[0]')
assert_equal "$(jq -r .DEPLOY_USER <<< "$line")" "uid:4242"
expect 4 deployctl can status hello --user uid:4242
assert_contains "$out$err" "uid 4242 has no name"
sed -i 's/^user = .*/& uid:4242/' /etc/deployd/policy.d/one.conf
expect 0 systemctl reload deployd
expect 0 stranger call bob 4242 io.deployd.Status '{"app": "hello"}'
assert_lacks "$out" error
expect 0 deployctl can status hello --user uid:4242

note "a user who was removed while deployd runs has no rights"
add_user gone --groups deployd
gone=$(id -u gone)
expect 0 as gone deployctl status hello
userdel gone
until_denied() {
	until [[ $(stranger call bob "$gone" io.deployd.Status '{"app": "hello"}') = *io.deployd.Denied* ]]; do :; done
}
export -f until_denied stranger
export repo gone
timeout "$WAIT_SEC" bash -c until_denied || fail "deployd still knows the user"

note "what is written in /etc/subuid counts from then on"
usermod --add-subuids 700000-700009 bob
until_bobs() {
	until [[ $(deployctl can status hello --user uid:700005 2>&1) = *"subordinate to user bob"* ]]; do :; done
}
export -f until_bobs
timeout "$WAIT_SEC" bash -c until_bobs || fail "deployd has not seen the new range"
cursor=$(journal_cursor)
lines=$(wc -l < /etc/subuid)
echo 'bob:many:1' >> /etc/subuid
wait_journal "$cursor" "/etc/subuid:$((lines + 1)): its first uid is not a uid; the line is skipped" -t deployd > /dev/null
usermod --del-subuids 700000-700009 bob
until_nobodys() {
	until [[ $(deployctl can status hello --user uid:700005 2>&1) = *"has no name"* ]]; do :; done
}
export -f until_nobodys
timeout "$WAIT_SEC" bash -c until_nobodys || fail "deployd has not seen that the range is gone"

note "a name service that hangs or fails denies nobody and holds up nobody"
libc=$(ldconfig -p | sed -n 's/.*libc\.so\.6 .*=> //p' | head -n 1)
cp "$build/tests/users/libnss_trouble.so.2" "$(dirname "$libc")/"
sed -i 's/^passwd:.*/passwd: trouble [TRYAGAIN=return] files/' /etc/nsswitch.conf
echo hang > /run/nss-trouble
systemctl restart deployd
cursor=$(journal_cursor)
start /tmp/hung as bob deployctl status hello
until helper=$(pgrep --oldest --uid deployd-users); do :; done
helper_is=$(cat "/proc/$helper/status" "/proc/$helper/limits")
expect 0 deployctl status hello
expect 0 deployctl restart hello
ended
assert_equal "$status" 1 "status of a user who cannot be looked up: $(cat /tmp/hung)"
assert_contains "$(cat /tmp/hung)" "cannot look up the user of uid $(id -u bob): deployd-users was ended: it took longer than 5 s; try again"
assert_lacks "$(journal_since "$cursor" -o cat -t deployd)" denied
expect 1 deployctl can status hello --user bob
assert_contains "$err" "cannot look up the user 'bob'"

note "what hangs there can do nothing"
for field in 'CapEff:.0000000000000000' 'CapPrm:.0000000000000000' 'NoNewPrivs:.1' 'Seccomp:.2' \
	'Groups:. *$' 'Max file size  *0  *0 ' 'Max processes  *0  *0 '; do
	grep -q "^$field" <<< "$helper_is" || fail "deployd-users is not '$field': $helper_is"
done
# It has the filter of deployd's unit, and one of its own.
filters() { sed -n 's/^Seccomp_filters:[[:space:]]*//p' "$@"; }
[ "$(filters <<< "$helper_is")" -gt "$(filters "/proc/$(systemctl show -P MainPID deployd)/status")" ] ||
	fail "deployd-users has no filter of its own: $helper_is"

note "deployd stops while a look-up hangs"
start /tmp/hung as bob deployctl status hello
expect 0 systemctl restart deployd
ended

echo fail > /run/nss-trouble
until_failed() {
	until [[ $(as bob deployctl status hello 2>&1) = *"cannot look up the user of uid"*"the name service does not answer"* ]]; do :; done
}
export -f until_failed as
timeout "$WAIT_SEC" bash -c until_failed || fail "bob is told something else"
expect 1 as bob deployctl status hello

note "and it is asked again"
rm /run/nss-trouble
expect 0 as bob deployctl status hello
expect 4 as alice deployctl restart hello

note "an nscd that never answers denies nobody"
# Asked before, since each question of this script's own would be held up, too.
as_bob=(setpriv --reuid="$(id -u bob)" --regid="$(id -g bob)" --groups="$(id -G bob | tr ' ' ,)")
mkdir -p /run/nscd
python3 -c '
import socket
s = socket.socket(socket.AF_UNIX); s.bind("/run/nscd/socket"); s.listen(64)
open("/run/nscd/up", "w").close()
while True: s.accept()[0].detach()' &
nscd=$!
until [ -e /run/nscd/up ]; do :; done
chmod 0666 /run/nscd/socket
touch /etc/passwd
status=0
text=$("${as_bob[@]}" deployctl status hello 2>&1) || status=$?
[[ $status = 0 || ($status = 1 && $text = *"cannot look up the user"*) ]] ||
	fail "status $status: $text"
note "status $status"
expect 0 deployctl status hello
kill $nscd
rm -r /run/nscd
expect 0 as bob deployctl status hello
