# shellcheck shell=bash
# Counts entries, including those that deployd merged.

# Like as() but without PAM, which blocks when journald does not read.
quietly_as() { # USER COMMAND...
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --init-groups env HOME="/home/$user" "$@"
}

# Waits until matching and merged lines add up to COUNT and prints the number of entries:
# told CURSOR COUNT MESSAGE-REGEX MERGED-WORD USER-REGEX
told() {
	timeout 60 python3 -c '
import json, re, subprocess, sys
since, wanted, line, word, user = sys.argv[1:]
command = ["journalctl", "-f", "-n", "all", "-o", "json", "--since", since, "-t", "deployd"]
total = entries = 0
with subprocess.Popen(command, stdout=subprocess.PIPE) as journal:
    for text in journal.stdout:
        entry = json.loads(text)
        message = entry["MESSAGE"]
        merged = re.match(rf"{word} ([0-9,]+) more .* of {user} in the last", message)
        if merged:
            assert merged[1].replace(",", "") == entry["DEPLOY_COUNT"], entry
            total += int(entry["DEPLOY_COUNT"])
        elif re.search(line, message):
            total += 1
        else:
            continue
        entries += 1
        if total >= int(wanted):
            journal.kill()
            break
assert total == int(wanted), f"{total}, not {wanted}"
print(entries)' "$@" || fail "the journal does not tell of $2 times '$3'"
}
