# shellcheck shell=bash
# The hello app on the machine: users, unit, configuration, archives, and questions to it.

repo=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
readonly repo
readonly build=${DEPLOYD_TEST_BUILD:-$repo/build/release}
readonly archives=$build/archives
# shellcheck disable=SC2034 # for those that source this
readonly hello_port=8080 hello_ex_port=4000

add_user() { # USER [USERADD ARGS...]
	local user=$1
	shift
	id "$user" > /dev/null 2>&1 || useradd --create-home --shell /bin/bash "$@" "$user"
}

# deploy ships, nobody's friend eve may connect and do nothing.
add_people() {
	add_user deploy --groups deployd
	add_user eve --groups deployd
}

# Health is judged at once, unless the lines have a section [health] of their own.
app_file() { # APP APP_USER [LINES...]
	local app=$1 user=$2 health=('[health]' 'min_healthy_sec = 0' 'bake_sec = 0')
	shift 2
	[[ " $* " != *' [health] '* ]] || health=()
	mkdir -p /etc/deployd/apps.d
	printf '%s\n' '[users]' "app_user = $user" 'deploy_user = deploy' \
		"${health[@]}" "$@" > "/etc/deployd/apps.d/$app.conf"
}

readonly ship_rights='deploy stage activate rollback restart reload start stop enable status history logs cancel'

policy_file() { # APP
	mkdir -p /etc/deployd/policy.d
	printf '%s\n' "[rule deployers ship $1]" "allow = $ship_rights" 'user = deploy' \
		"app = $1" > "/etc/deployd/policy.d/$1.conf"
}

setup_hello() { # [APP FILE LINES...]
	add_people
	add_user hello --system
	usermod --append --groups hello deploy # as create-users has it: flags/ is in there
	cp "$repo/tests/apps/hello/hello.service" /etc/systemd/system/
	systemctl daemon-reload
	app_file hello hello "$@"
	policy_file hello
	systemctl reload deployd
	cp "$archives"/hello-*.tar.gz /home/deploy/
	chown deploy: /home/deploy/*.tar.gz
	cd /home/deploy || fail "no home"
}

setup_hello_ex() {
	add_people
	add_user hello-ex --system
	cp "$repo/tests/apps/hello_ex/hello-ex.service" /etc/systemd/system/
	systemctl daemon-reload
	app_file hello_ex hello-ex
	policy_file hello_ex
	systemctl reload deployd
	cp "$archives"/hello_ex-*.tar.gz /home/deploy/
	chown deploy: /home/deploy/*.tar.gz
	cd /home/deploy || fail "no home"
}

# An archive of the C app in deploy's home: pack_hello NAME VERSION [KEY=VALUE...]
pack_hello() {
	"$repo/tests/apps/hello/pack" "$build/tests/apps/hello/hello" "/home/deploy/$1" "${@:2}"
	chown deploy: "/home/deploy/$1"
}

# More of it than a job wants to see before it begins, in deploy's home: big_hello NAME ARCHIVE
# shellcheck disable=SC2034 # for those that source this
readonly big_enough=5M big_rest=$((5 * 1024 * 1024 + 1)) # for head -c and tail -c +
big_hello() {
	local dir
	dir=$(mktemp -d)
	tar xzf "$2" -C "$dir"
	head -c 8M /dev/urandom > "$dir/ballast"
	tar czf "/home/deploy/$1" -C "$dir" .
	chown deploy: "/home/deploy/$1"
	rm -r "$dir"
}

ctl() { as deploy deployctl "$@"; }

http() { # PORT
	curl --silent --show-error --max-time 10 "http://127.0.0.1:$1/"
}

serves() { # VERSION [PORT [APP]]
	local answer release
	answer=$(http "${2:-$hello_port}")
	release=$(basename "$(readlink "/srv/${3:-hello}/current")")
	assert_contains "$answer" " version=$1"
	assert_contains "$answer" " release=$release"
}

current_id() { # [APP]
	basename "$(readlink "/srv/${1:-hello}/current")"
}

# Every file of the release is what the archive has: complete_release DIR ARCHIVE
complete_release() {
	tar --compare --file "$2" --directory "$1" 2>&1 |
		grep -vE ': (Uid|Gid|Mode|Mod time) differs$' && fail "$1 differs from $2"
	return 0
}
