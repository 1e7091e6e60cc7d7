#!/bin/bash
# Names and texts of strangers in everything that is printed: escape sequences, newlines,
# C1 controls, what is not UTF-8, what turns a line around, and very long ones.
# timeout: 400
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
readonly check=$repo/tests/lib/harmless.py

setup_hello '[release]' 'keep = 100' '[health]' 'healthy_deadline_sec = 3' 'bake_sec = 0' \
	'min_healthy_sec = 0'
# No rights on anything but the texts: root's rights would hide a denial.
sed -i 's/^allow = .*/& hold/' /etc/deployd/policy.d/hello.conf
expect 0 deployctl reload
begin=$(journal_cursor)

# Whatever the status: neither output does anything to a terminal. $out and $err are left;
# all_harmless judges what was said since it was called last.
readonly said=/run/said its_errors=/run/errors
: > $said
harmless() { # WHAT COMMAND...
	local what=$1
	shift
	out=$("$@" 2> $its_errors) || true
	err=$(cat $its_errors)
	{
		printf '%s\n' "== $what: stdout" "$out" "== $what: stderr"
		cat $its_errors
	} >> $said
}

all_harmless() {
	[ -s $said ] || fail "nothing was said"
	"$check" "what was said" < $said || fail "see above"
	: > $said
}

python3 - /tmp/names << 'END'
import io, os, sys, tarfile
os.makedirs(sys.argv[1])
NAMES = {
    "esc": b"a\x1b[2J\x1b]0;owned\x07b", "newline": b"ok\ndeployctl: hello 9 is live",
    "return": b"bad\rgood", "c1": "x\u009b31m\u0085y".encode(), "latin": b"\xff\xfe\xe4",
    "cut": b"half \xe2\x80", "surrogate": b"\xed\xa0\x80", "overlong": b"\xc0\xaf\xc1\x9b",
    "bidi": "img\u202egpj.exe".encode(), "isolate": "\u2066a\u2069\u200f".encode(),
    "separator": "a\u2028b\u2029c".encode(), "unseen": "a\u200b\ufeff\u00ad\U000e0041".encode(),
    "del": b"\x7f\x08\x08", "long": b"n" * 255, "toolong": b"\x1b" * 300,
    "path": b"/".join([b"\xc2\x9bdir"] * 40), "percent": b"%s%n%1$s {name} $(id) `id`",
}
def tar(path, entries):
    with open(path, "wb") as out:
        for name, kind, link in [(b"bin/hello", tarfile.REGTYPE, b"")] + entries:
            info = tarfile.TarInfo(os.fsdecode(name))
            info.type, info.linkname, info.mode = kind, os.fsdecode(link), 0o755
            info.size = 2 if kind == tarfile.REGTYPE else 0
            out.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))
            if info.size:
                out.write(b"x\n" + bytes(510))
        out.write(bytes(10240))
for key, name in NAMES.items():
    for shape, entries in {
        "plain": [(name, tarfile.REGTYPE, b"")],
        "outside": [(b"../" + name, tarfile.REGTYPE, b"")],
        "absolute": [(b"/etc/" + name, tarfile.REGTYPE, b"")],
        "twice": [(name, tarfile.REGTYPE, b""), (name, tarfile.DIRTYPE, b"")],
        "link": [(b"l", tarfile.SYMTYPE, b"/etc/" + name)],
        "linkname": [(name, tarfile.SYMTYPE, b"../../../" + name)],
        "hard": [(b"h", tarfile.LNKTYPE, b"../" + name)],
        "fifo": [(name, tarfile.FIFOTYPE, b"")],
        "device": [(b"d/" + name, tarfile.CHRTYPE, b"")],
        "below": [(b"bin/hello/" + name, tarfile.REGTYPE, b"")],
    }.items():
        tar(f"{sys.argv[1]}/{key}.{shape}.tar", entries)
END
chmod -R a+rX /tmp/names

note "names and targets in archives: why an archive is refused, and what is staged"
refused=0 staged=0
for archive in /tmp/names/*.tar; do
	harmless "$archive" ctl stage hello "$archive"
	if [[ $out = "hello 20"*" staged" ]]; then
		staged=$((staged + 1))
	else
		refused=$((refused + 1))
	fi
	case $archive in
	*/*.outside.tar | */*.absolute.tar | */*.fifo.tar | */*.device.tar)
		[[ $out != *staged* ]] || fail "$archive is staged" ;;
	esac
done
echo "   $refused refused, $staged staged"
[ "$refused" -ge 60 ] || fail "only $refused were refused"
all_harmless

note "version, revision, message, and why a hold"
texts=($'a\e[2J\e]0;owned\ab' $'ok\nhello 9 is live' $'bad\rgood' $'x\xc2\x9b31m' $'\xff\xfe'
	$'img\u202egpj.exe' $'\u2066a\u2069' $'a\u2028b' $'a\u200b\ufeff' $'\x7f\b'
	'%s%n {app_name} $(id)' "$(printf 'm%.0s' {1..200})")
given=0
for text in "${texts[@]}"; do
	pack_hello given.tar.gz 1 padding=16
	harmless deploy ctl deploy hello given.tar.gz --version "$text" --revision "$text" \
		-m "$text"
	[[ $out != "hello 20"*" live"* ]] || given=$((given + 1))
	harmless hold ctl hold hello -m "$text"
	harmless held ctl deploy hello hello-2.tar.gz
	harmless status ctl status hello
	harmless list ctl list
	harmless unhold ctl unhold hello
done
[ "$given" -ge 4 ] || fail "only $given of the texts were taken, what is there to be shown?"
all_harmless

note "names in requests: apps, releases, jobs, users, verbs, paths"
for text in "${texts[@]}"; do
	harmless argument ctl status "$text"
	harmless argument ctl "$text" hello
	harmless argument ctl deploy hello "/tmp/$text.tar"
	harmless argument ctl activate "hello@$text"
	harmless argument ctl rollback "hello@$text"
	harmless argument ctl cancel hello "$text"
	harmless argument ctl attach "$text"
	harmless argument ctl can "$text" hello
	harmless argument deployctl can restart hello --user "$text"
	harmless argument ctl deploy hello hello-1.tar.gz --sha256 "$text"
	harmless argument ctl deploy hello hello-1.tar.gz --if-current "$text"
	harmless argument ctl completion "$text"
	harmless argument ctl "--$text"
	harmless argument ctl list --socket "/tmp/$text"
done
all_harmless

note "everything that shows them, for people and as JSON"
# JSON is data: what is not for a terminal keeps its characters, so it is shown on one.
shown_on_terminal() {
	local verb
	for verb in list "status hello" "releases hello" "history hello" "show hello"; do
		script -qec "runuser -u deploy -- timeout 30 env TERM=dumb NO_COLOR=1 deployctl $verb --json --no-pager" /dev/null < /dev/null |
			tr -d '\r' > /run/on-terminal
		"$check" "$verb --json on a terminal" < /run/on-terminal || fail "$verb"
		[ -s /run/on-terminal ] || fail "nothing from $verb"
	done
}
for verb in list "status hello" "releases hello" "history hello" jobs "show hello"; do
	# shellcheck disable=SC2086
	harmless "$verb" ctl $verb --no-pager
done
for release in /srv/hello/releases/*/; do
	harmless show ctl show "hello@$(basename "$release")"
done
shown_on_terminal
expect 0 ctl releases hello --json
jq -e 'map(.message // "") | any(contains("\u202e") or contains("%s%n"))' <<< "$out" > /dev/null ||
	fail "no message is in the JSON as it was given"
harmless doctor deployctl doctor hello
harmless completion bash -c "source <(deployctl completion bash)
	COMP_WORDS=(deployctl rollback hello@) COMP_CWORD=2
	complete -p deployctl > /dev/null
	_deployctl; printf '%s\n' \"\${COMPREPLY[@]}\""
all_harmless

note "the output of a broken app and its check"
printf '#!/bin/sh\nprintf "\\033[2Jcheck\\302\\233\\342\\200\\256\\377\\r says"\nexit 1\n' \
	> /usr/local/bin/says
chmod 755 /usr/local/bin/says
printf '%s\n' '[health_check says]' 'type = exec' 'command = /usr/local/bin/says' \
	>> /etc/deployd/apps.d/hello.conf
expect 0 deployctl reload
pack_hello sick.tar "$(printf 's\033[2J\302\233\342\200\256')" answer_status=500
harmless sick ctl deploy hello sick.tar
assert_contains "$err" "The check said"
pack_hello crash.tar "$(printf 's\033[2J\302\233\342\200\256')" start=crash
harmless crash ctl deploy hello crash.tar
for verb in "status hello" "history hello" "show hello"; do
	# shellcheck disable=SC2086
	harmless "$verb" ctl $verb --no-pager
done
all_harmless

note "deployd's own lines in the journal"
journal_since "$begin" -t deployd -o json --all | jq -r '.MESSAGE |
	if type == "array" then "not a text: \(.)" else . end' > /run/messages
[ "$(wc -l < /run/messages)" -ge 100 ] || fail "there are only few lines"
if grep -m 3 "^not a text" /run/messages; then fail "a line is not printable"; fi
"$check" journal < /run/messages || fail "the journal"
