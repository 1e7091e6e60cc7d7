"""Breaks deployd-store on purpose, one safety property at a time, and sees that these
tests notice. Only the files that know the break are compiled again.

usage: test_teeth.py OBJECTS LIBRARIES COMPILE_COMMANDS STOPAT [BREAK...]	(lists by colons)
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from storelib import require_root

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
NO_RECOVERY_KILLS = ["--stride", "1000000"]

# Break -> the test that must fail, and its arguments.
BREAKS = {
    "NO_SYNCFS": ("power", ["--first"]),
    "NO_FSYNC_RELEASES": ("power", ["--first"]),
    "NO_FSYNC_APP": ("power", ["--first"]),
    "FILE_WITHOUT_FSYNC": ("power", ["--first"]),
    "TOLD_BEFORE_FSYNC": ("seal", ["test_the_order_of_a_switch"]),
    "UNLINK_SYMLINK": ("kill", [*NO_RECOVERY_KILLS, "switch"]),
    "NO_INTENT": ("kill", [*NO_RECOVERY_KILLS, "switch"]),
    "REVERT_FORGOTTEN": ("verbs", ["test_going_back_ends_the_wait_only_once_it_is_done"]),
    "FILE_IN_PLACE": ("kill", [*NO_RECOVERY_KILLS, "hold"]),
    "PRUNE_IN_PLACE": ("kill", [*NO_RECOVERY_KILLS, "prune"]),
    "META_AFTER_RENAME": ("kill", [*NO_RECOVERY_KILLS, "seal"]),
    "DIRECTORY_IN_PLACE": ("kill", [*NO_RECOVERY_KILLS, "first-prepare"]),
    "SYNCFS_ERROR_IGNORED": ("fault", ["--call", "syncfs", "seal"]),
    "FSYNC_ERROR_IGNORED": ("fault", ["--call", "fsync", "switch"]),
    "FSYNC_TRIED_AGAIN": ("fault", ["--call", "fsync", "switch"]),
    "SEAL_ANY_OWNER": ("seal", ["test_a_foreign_file"]),
    "SEAL_ANY_TYPE": ("seal", ["test_a_fifo"]),
    "SEAL_SETUID": ("seal", ["test_a_setuid_file"]),
    "SEAL_XATTRS": ("seal", ["test_xattrs"]),
    "SEAL_FOREIGN_HARDLINKS": ("seal", ["test_a_hard_link_out"]),
    "SEAL_ANY_LINK": ("seal", ["test_a_link_out"]),
    "REMOVE_CROSSES_MOUNTS": ("seal", ["test_something_mounted_in_it"]),
    "ORPHANS_ALWAYS_REMOVED": ("keep",
                               ["test_records_outlive_a_disk_that_is_not_mounted"]),
    "STAGING_ALWAYS_EMPTIED": ("seal", ["test_a_full_disk_does_not_cost_an_unpacking"]),
    "AUDIT_WITHOUT_FSYNC": ("seal", ["test_the_order_of_an_audit"]),
    "NO_LOCK": ("verbs", ["test_a_second_one_waits_and_then_says_busy"]),
}
NEEDS_STOPAT = ("kill", "fault", "seal")
AT_ONCE = 2  # they wait for disks more than they work


def files_with(name):
    """The sources that know this break."""
    found = []
    for directory in ("daemon/store", "daemon/util"):
        for file in sorted(os.listdir(f"{SOURCE}/{directory}")):
            path = f"{SOURCE}/{directory}/{file}"
            if file.endswith(".c"):
                with open(path, encoding="utf-8") as f:
                    if re.search(rf"\bBREAK_{name}\b", f.read()):
                        found.append(path)
    assert found, f"nothing knows BREAK_{name}"
    return found


def build(name, directory, objects, libraries, commands):
    """The broken program."""
    broken = []
    for path in files_with(name):
        entry = next(c for c in commands if c["file"] == path)
        argv = shlex.split(entry["command"])
        # A break may leave a function without a caller.
        argv[argv.index("-o") + 1] = f"{directory}/{os.path.basename(path)}.o"
        argv += [f"-DBREAK_{name}=1", "-Wno-error", "-w"]
        subprocess.run(argv, cwd=entry["directory"], check=True)
        compiler = argv[0]
        broken.append(f"{directory}/{os.path.basename(path)}.o")
    names = {os.path.basename(o) for o in broken}
    kept = [o for o in objects if os.path.basename(o) not in names]
    program = f"{directory}/deployd-store"
    subprocess.run([compiler, "-pie", "-o", program, *broken, *kept, *libraries],
                   check=True)
    return program


def main():
    objects, libraries = (arg.split(":") for arg in sys.argv[1:3])
    compile_commands, stopat, wanted = sys.argv[3], sys.argv[4], sys.argv[5:]
    if os.geteuid() != 0:
        require_root()
    with open(compile_commands, encoding="utf-8") as f:
        commands = json.load(f)

    def bite(name):
        """How the test of this break ended, and what to print."""
        test, args = BREAKS[name]
        begun = time.monotonic()
        directory = os.path.join(os.getcwd(), "teeth", name)
        os.makedirs(directory, exist_ok=True)
        program = build(name, directory, objects, libraries, commands)
        argv = [sys.executable, "-B", f"{HERE}/test_{test}.py", program]
        argv += [stopat] if test in NEEDS_STOPAT else []
        done = subprocess.run(argv + args, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        caught = done.returncode == 1 and ("FAIL" in done.stdout or "bad" in done.stdout)
        said = next((line for line in done.stdout.splitlines()
                     if "FAIL" in line or "seed" in line and ":" in line), "")
        text = (f"{'caught' if caught else 'MISSED'} {name} by {test}, "
                f"{time.monotonic() - begun:.1f} s: {said[:100]}")
        if not caught:
            text += "\n" + done.stdout
        return caught, done.returncode == 77, text

    missed = skipped = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for caught, was_skipped, text in pool.map(
                bite, [name for name in BREAKS if not wanted or name in wanted]):
            missed += not caught and not was_skipped
            skipped += was_skipped
            print(text, flush=True)
    print(f"{missed} missed, {skipped} skipped")
    sys.exit(1 if missed else 77 if skipped == len(BREAKS) else 0)


main()
