#!/bin/bash
# What each folder may include (ARCHITECTURE.md): itself and those below it, and the
# libraries that its program may link. First it finds includes that it plants itself, since
# a test that finds nothing may be blind. usage: layers.sh SOURCE_DIR
set -euo pipefail
self=$(readlink -f "$0")
cd "$1"
faults=0
covered=" "

# layer FOLDER "FOLDERS" "LIBRARY HEADERS (regular expression)" ["FORBIDDEN HEADERS"]
# FOLDERS are those whose headers it may include; options.h and verb.h, plain data, are any
# folder's of ctl.
layer() {
	local dir=$1 own=${2// /|} libraries=$3 forbidden=${4:-} file line header
	covered+="$dir "
	while IFS=: read -r file line header; do
		header=${header#*[<\"]}
		header=${header%%[>\"]*}
		case $header in
		build_config.h | generated/*) continue ;;
		*..* | *.c)
			echo "$file:$line: $header is no header of a folder"
			faults=1
			continue
			;;
		esac
		if [ -n "$forbidden" ] && [[ $header =~ ^($forbidden)$ ]]; then
			echo "$file:$line: $dir must not include $header"
		elif [[ $header =~ ^($own)/ ]]; then
			continue
		elif [[ $dir =~ ^ctl(/|$) && $header =~ ^(options|verb)\.h$ ]] ||
			{ [[ $dir =~ ^(lib/.*|ctl|daemon)$ && $header != */* ]] &&
				[ -e "$dir/$header" ]; }; then
			continue
		elif [ -e "include/$header" ] || [ -e "daemon/$header" ] ||
			[ -e "ctl/$header" ] || [ -e "lib/$header" ] || [ -e "$header" ]; then
			echo "$file:$line: $dir must not include $header"
		elif [[ $header =~ ^(uv|archive|archive_entry|ini|jansson|seccomp|zstd|lzma|zlib|bzlib)\.h$ ||
			$header =~ ^(systemd|openssl|curl)/ || $header = sys/capability.h ]] &&
			! [[ $header =~ ^($libraries)$ ]]; then
			echo "$file:$line: $dir must not use the library of $header"
		else
			continue
		fi
		faults=1
	done < <(find "$dir" -maxdepth 1 -name '*.[ch]' \
		-exec grep -nHE '^ *# *include' {} + || true)
}

readonly config='deploy/(app_config|daemon_config|ini)\.h' varlink='deploy/varlink\.h'
layer include/deploy "deploy" 'jansson\.h'
layer lib "deploy" 'none' "$config|$varlink"
layer lib/config "deploy" 'ini\.h' "$varlink"
layer lib/varlink "deploy" 'jansson\.h' "$config"

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
layer daemon/fetch "fetch util deploy" 'openssl/.*'
layer daemon/proc "proc util deploy" 'jansson\.h|seccomp\.h'
layer daemon/preflight "preflight core util deploy" 'jansson\.h|seccomp\.h'
layer daemon "server job health flag bus base core util deploy" 'uv\.h|systemd/.*|jansson\.h'

# process <- output <- {client, command}; client <- setup <- {generate, doctor, scripts}; the verbs
# know all of them.
layer ctl/process "process util deploy" 'none'
layer ctl/output "output process deploy" 'jansson\.h'
layer ctl/client "client output process deploy" 'jansson\.h'
layer ctl/command "command output deploy" 'none'
layer ctl/setup "setup client output process util deploy" 'jansson\.h'
layer ctl/generate "generate setup output process util deploy" 'jansson\.h'
layer ctl/doctor "doctor setup output process util deploy" 'jansson\.h'
layer ctl/scripts "scripts command setup client output process util deploy" 'jansson\.h'
layer ctl "scripts doctor generate setup command client output deploy" 'jansson\.h'

while read -r dir; do
	[[ $covered == *" $dir "* ]] || { echo "$dir has no line in $self"; faults=1; }
done < <(find include lib daemon ctl -name '*.[ch]' -printf '%h\n' | sort -u)
[ "${2:-}" != planted ] || exit $faults

# Each of these, in a copy of the headers, must be found.
plant() {
	planted=$((planted + 1))
	mkdir -p "$scratch/$1"
	echo "#include $2" > "$scratch/$1/planted_$planted.c"
	wanted+=("$1/planted_$planted.c:1:")
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
planted=0 wanted=()
find include lib daemon ctl -type d -printf "$scratch/%p\0" | xargs -0 mkdir -p
find include lib daemon ctl -name '*.h' -exec cp --parents -t "$scratch" {} +
plant lib '"deploy/ini.h"'
plant lib '"deploy/varlink.h"'
plant lib '<jansson.h>'
plant lib/config '"deploy/varlink.h"'
plant lib/config '"util/args.h"'
plant lib/varlink '"deploy/app_config.h"'
plant lib/varlink '"../config/option.h"'
plant daemon/core '"util/args.h"'
plant daemon/util '"core/policy.h"'
plant ctl/process '"output/terminal.h"'
plant ctl/output '"client/call.h"'
plant ctl/output '"verbs.h"'
plant ctl/client '"command/parse.h"'
plant ctl/client '"setup/place.h"'
plant ctl/command '"client/call.h"'
plant ctl/setup '"generate/generate.h"'
plant ctl/setup '"scripts/scripts.h"'
plant ctl/setup '"verbs.h"'
plant ctl/generate '"scripts/bundle.h"'
plant ctl/doctor '"generate/generate.h"'
plant ctl/scripts '"generate/generate.h"'
plant ctl/scripts '<uv.h>'
plant ctl '"util/args.h"'
plant ctl/planted '"options.h"'
found=$("$self" "$scratch" planted || true)
for name in "${wanted[@]::${#wanted[@]}-1}" 'ctl/planted has no line'; do
	[[ $found == *"$name"* ]] ||
		{ echo "a planted include is not found: $name"; faults=1; }
done

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
