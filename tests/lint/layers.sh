#!/bin/bash
# What each directory may include (ARCHITECTURE.md): its own layer and those below it, and
# the libraries that its program may link. usage: layers.sh SOURCE_DIR
set -euo pipefail
cd "$1"
faults=0

# layer DIRECTORY "OWN PREFIXES" "LIBRARY HEADERS (regular expression)"
layer() {
	local dir=$1 own=${2// /|} libraries=$3 file line header
	while IFS=: read -r file line header; do
		header=${header#*[<\"]}
		header=${header%%[>\"]*}
		case $header in
		build_config.h | generated/*) continue ;;
		esac
		if [[ $header =~ ^($own)/ ]] && [ -z "${header##*/*}" ]; then
			continue
		elif [ "$dir" = ctl ] && [ -e "ctl/$header" ]; then
			continue # ctl is the root of its own headers
		elif [ -e "include/$header" ] || [ -e "daemon/$header" ] ||
			[ -e "ctl/$header" ] || [ -e "$header" ]; then
			echo "$file:$line: $dir must not include $header"
		elif [[ $header =~ ^(uv|archive|archive_entry|ini|jansson|seccomp|zstd|lzma|zlib|bzlib)\.h$ ||
			$header =~ ^(systemd|openssl|curl)/ || $header = sys/capability.h ]] &&
			! [[ $header =~ ^($libraries)$ ]]; then
			echo "$file:$line: $dir must not use the library of $header"
		else
			continue
		fi
		faults=1
	done < <(find "$dir" -name '*.[ch]' -exec grep -nHE '^ *# *include' {} +)
}

layer include/deploy "deploy" 'jansson\.h|ini\.h'
layer lib "deploy" 'jansson\.h|ini\.h'
layer daemon/util "util deploy" 'jansson\.h|seccomp\.h'
layer daemon/core "core deploy" 'none'
layer daemon/base "base core util deploy" 'uv\.h|systemd/.*|jansson\.h'
layer daemon/bus "bus base core util deploy" 'uv\.h|systemd/.*|jansson\.h'
layer daemon/health "health bus base core util deploy" 'uv\.h|jansson\.h'
layer daemon/flag "flag bus base core util deploy" 'uv\.h|jansson\.h'
layer daemon/job "job health flag bus base core util deploy" 'uv\.h|jansson\.h'
layer daemon/server "server job health flag bus base core util deploy" 'uv\.h|jansson\.h'
layer daemon/session "session util deploy" 'jansson\.h|seccomp\.h'
layer daemon/sessions "sessions util deploy" 'none'
layer daemon/intake "intake util deploy" 'jansson\.h|openssl/.*|seccomp\.h'
layer daemon/unpack "unpack util deploy" 'jansson\.h|archive\.h|archive_entry\.h|zlib\.h|seccomp\.h'
layer daemon/store "store core util deploy" 'jansson\.h|zlib\.h|seccomp\.h|sys/capability\.h'
layer daemon/touch "touch util deploy" 'jansson\.h|seccomp\.h'
layer daemon/users "users util deploy" 'jansson\.h|seccomp\.h'
layer daemon/probe "probe util deploy" 'jansson\.h|curl/.*|seccomp\.h'
layer daemon/proc "proc util deploy" 'jansson\.h|seccomp\.h'
layer ctl "ctl util deploy" 'jansson\.h'

# Words that are wrong anywhere: a shell out of C, a synchronous bus call on the loop.
banned() {
	local what=$1
	shift
	if grep -nE "\b($what) *\(" -r "$@" --include='*.[ch]' | grep -v '^[^:]*:[0-9]*: *\*'; then
		echo "must not be used: $what"
		faults=1
	fi
}
banned 'system|popen|strcat|sprintf|gets|mktemp|tmpnam|alloca' lib daemon ctl
banned 'sd_bus_call|sleep|usleep' daemon/{core,base,bus,health,flag,job,server}

# A test waits for an event, never for a time.
if grep -nE '(^|[;&|({ ]|do |then )u?sleep +[0-9."$]' -r tests --include='*.sh' --include='*.c'; then
	echo "a test must not sleep"
	faults=1
fi
exit $faults
