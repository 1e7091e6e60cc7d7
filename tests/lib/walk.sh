# shellcheck shell=bash
# Runs the commands of docs/from-mix_deploy.md as they stand there. A block is named by the
# line in front of it: <!-- KIND: NAME -->.

# shellcheck disable=SC2154 # of hello.sh, which comes first
readonly walk_document=$repo/docs/from-mix_deploy.md

walk_names() { # KIND
	sed -n "s/^<!-- $1: \(.*\) -->\$/\1/p" "$walk_document"
}

walk_block() { # KIND NAME
	awk -v mark="<!-- $1: $2 -->" '
		$0 == mark { found = 1; next }
		found && /^```/ { if (inside) exit; inside = 1; next }
		inside' "$walk_document"
}

# A project like the reader's: tests/apps/hello_ex under the name of foo.
walk_project() { # USER
	local dir=/home/$1/foo file
	mkdir -p "$dir"
	cp -r "$repo"/tests/apps/hello_ex/{mix.exs,lib,config} "$dir"
	mv "$dir/lib/hello_ex" "$dir/lib/foo"
	while read -r file; do
		sed -i 's/hello_ex/foo/g; s/HelloEx/Foo/g;
			s/System.get_env("HELLO_EX_VERSION", \("[0-9.]*"\))/\1/' "$file"
	done < <(find "$dir" -name '*.ex*')
	sed -i 's/System.get_env("FOO_VERSION", \("[0-9.]*"\))/\1/' "$dir/mix.exs"
	grep -q 'version: "1.0.0"' "$dir/mix.exs" || fail "the project has no version"
	for file in $(walk_names file); do
		walk_block file "$file" > "$dir/$file"
		[ -s "$dir/$file" ] || fail "no $file in the document"
	done
	chown -R "$1:" "$dir"
}

# In a new session, as one who has logged in; both outputs are in $out.
walk_run() { # USER DIR KIND NAME
	local commands status=0
	commands=$(walk_block "$3" "$4")
	[ -n "$commands" ] || fail "no block $4 in the document"
	note "$1: ${commands//$'\n'/; }"
	out=$(runuser -l "$1" -c "cd $2 && export LANG=C.UTF-8 && exec bash -euo pipefail -c \"\$(cat)\"" \
		<<< "$commands" 2>&1) || status=$?
	[ "$status" = 0 ] || {
		echo "$out" >&2
		fail "status $status: block $4"
	}
}

walk_serves() { # VERSION
	local answer
	answer=$(http 8080)
	assert_contains "$answer" "foo version=$1 "
	assert_contains "$answer" " release=$(current_id foo) "
}

walk_user() { # USER: may use sudo without a password
	add_user "$1"
	printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$1" > "/etc/sudoers.d/$1"
	chmod 440 "/etc/sudoers.d/$1"
}
