# shellcheck shell=bash
# Counting what the journal says, and what it says that it does not.

# As as(), without PAM, which writes to the journal and waits for it.
quietly_as() { # USER COMMAND...
	local user=$1
	shift
	setpriv --reuid "$user" --regid "$user" --init-groups env HOME="/home/$user" "$@"
}

# Waits until the lines that match and those that are merged make COUNT; says how many
# entries it took: told CURSOR COUNT MESSAGE-REGEX MERGED-WORD USER-REGEX
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
