# shellcheck shell=bash
# Installations as mix_deploy's own scripts make them, step by step, with their faults:
# create-dirs, deploy-release, deploy-rollback, deploy-extract-release. Source it after
# hello.sh. DEPLOY_USER and so on have the values that the scripts would be generated with.

readonly mix_dir=/srv/hello mix_deploy_user=deploy mix_app_user=hello

mix_create_dirs() {
	local dir
	for dir in "$mix_dir" "$mix_dir"/{releases,bin,etc,flags}; do
		[ -e "$dir" ] || mkdir -v -p "$dir"
		chown "$mix_deploy_user:$mix_app_user" "$dir"
		chmod 750 "$dir"
	done
	printf '#!/bin/sh\n/bin/systemctl restart hello\n' > "$mix_dir/bin/deploy-restart"
	echo 'HELLO_NOTE=old' > "$mix_dir/etc/environment"
	chown "$mix_deploy_user:$mix_app_user" "$mix_dir"/{bin,etc}/*
	chmod 750 "$mix_dir/bin/deploy-restart"
	chmod 640 "$mix_dir/etc/environment"
}

# deploy-release: mix_release ARCHIVE TIMESTAMP (of `date +%Y%m%d%H%M%S`, or Ansible's)
mix_release() {
	local dir=$mix_dir/releases/$2
	mkdir -p "$dir"
	tar -C "$dir" -xf "$1" || return # bug 6: what was unpacked stays, root's
	chown -R "$mix_deploy_user:$mix_app_user" "$dir"
	[ ! -L "$mix_dir/current" ] || rm "$mix_dir/current"
	ln -s "$dir" "$mix_dir/current"
	chown -R "$mix_deploy_user:$mix_app_user" "$mix_dir/current"
	find -H "$mix_dir/current" -executable -type f -exec chmod g+x {} \;
}

# deploy-rollback, which goes to the second newest name whatever is current
mix_rollback() {
	local previous
	previous=$(find -H "$mix_dir/releases" -maxdepth 1 | sort | tail -2 | head -1)
	rm "$mix_dir/current"
	ln -s "$mix_dir/releases/$(basename "$previous")" "$mix_dir/current"
}

# A deploy whose archive was cut: a directory that counts as the newest (bug 3).
mix_failed_release() { # ARCHIVE TIMESTAMP
	head -c 3000 "$1" > /run/cut.tar.gz
	mix_release /run/cut.tar.gz "$2" 2> /dev/null || true
	rm -f "$mix_dir/releases/$2/bin/hello"
}

# deploy-extract-release, for CodeDeploy: current is a directory.
mix_extract_release() { # ARCHIVE
	rm -rf "$mix_dir/current"
	mkdir -p "$mix_dir/current"
	tar -C "$mix_dir/current" -xzf "$1"
	chown -R "$mix_deploy_user:$mix_app_user" "$mix_dir/current"
}
