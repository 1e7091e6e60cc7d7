#!/bin/bash
# Deployments by AWS CodeDeploy, by a stand-in of its agent (tests/lib/codedeploy-local):
# a real Elixir release from a machine without the app, the next one over it, one that
# fails; appspec.yml as generated, as mix_deploy's README has it, and one file for all.
# timeout: 300
source "$(dirname "$0")/../lib/assert.sh"
source "$(dirname "$0")/../lib/hello.sh"
agent=$repo/tests/lib/codedeploy-local
deployctl=$(readlink -f "$(command -v deployctl)")
before=$(stat -c '%a %U %s %Y' "$deployctl")

# Nothing that a hook started is still there.
nothing_left() {
	! pgrep -l deployctl || fail "a deployctl is left behind"
}

bundle() { # DIR APP ARCHIVE
	rm -rf "${1:?}"
	(
		cd /home/builder/project
		as builder deployctl stage-files "$2" "$3" --to "$1" \
			--app-file "/home/builder/$2.conf" > /dev/null
	)
}

add_user builder
mkdir /home/builder/project
cp "$archives"/*.tar.gz /home/builder/
cat > /home/builder/hello_ex.conf <<-'END'
	[users]
	deploy_user = deploy
	[restart]
	service_type = notify
	[environment]
	env_vars = PORT=4000
	env_vars = RELEASE_TMP={runtime_dir}
	env_vars = HOME={runtime_dir}
	[health]
	min_healthy_sec = 0
	bake_sec = 0
END
chown -R builder: /home/builder
chmod 755 /home/builder
cd /

note "the agent itself: what it gives a hook, and what it takes for failed"
# try STATUS TIMEOUT COMMANDS...: a bundle of one hook
try() {
	local status=$1 timeout=$2
	mkdir -p /root/try/bin
	printf 'version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: bin/hook\n      timeout: %s\n' \
		"$timeout" > /root/try/appspec.yml
	printf '#!/bin/bash\nset -e\n' > /root/try/bin/hook
	printf '%s\n' "${@:3}" >> /root/try/bin/hook
	expect "$status" "$agent" --root /root/tried /root/try
}
# shellcheck disable=SC2016
try 0 60 '[ $# = 0 ]' '[ ! -e /proc/$$/fd/0 ]' '[ "$PWD" = /root/tried ]' \
	'[ "$LIFECYCLE_EVENT" = AfterInstall ]' '[[ $DEPLOYMENT_ID == d-* ]]' \
	'[[ $0 == /root/tried/*/deployment-archive/bin/hook ]]'
try 1 60 'exit 3'
assert_contains "$out" "failed with exit code 3"
try 1 60 'sleep 1000 &' 'echo $! > /root/left'
assert_contains "$out" "failed to close STDOUT"
kill "$(cat /root/left)"
# shellcheck disable=SC2016
try 1 1 'sleep 1000 &' 'echo $! > /root/left' 'wait'
assert_contains "$out" "timed out"
wait_exit "$(cat /root/left)"

note "the bundle of a build machine: nothing of it is set up there"
bundle /home/builder/files hello_ex /home/builder/hello_ex-1.tar.gz
for path in appspec.yml hello_ex.tar.gz apps.d/hello_ex.conf systemd/hello-ex.service \
	bin/deploy-stop bin/deploy-extract-release; do
	[ -e /home/builder/files/$path ] || fail "no $path in the bundle"
done
! id hello-ex 2> /dev/null || fail "the app's user is there"
[ ! -e /etc/deployd/apps.d/hello_ex.conf ] || fail "the app is configured"

note "a whole deployment, from nothing"
expect 0 "$agent" /home/builder/files
assert_lacks "$out" "ApplicationStop"
assert_contains "$out" "BeforeInstall: bin/deploy-create-users"
assert_contains "$out" "AfterInstall: bin/deploy-extract-release"
serves 1.0.0 $hello_ex_port hello-ex
first=$(current_id hello-ex)
nothing_left
assert_equal "$(systemctl is-enabled hello-ex)" enabled
assert_equal "$(systemctl show -P User hello-ex)" hello-ex
assert_equal "$(stat -c '%U:%G %a' /srv/hello-ex)" "root:hello-ex 750"
assert_equal "$(deployctl history hello_ex --json | jq -r '.[0].by.user')" root
[[ $(deployctl show hello_ex --json | jq -r .message) == "CodeDeploy d-"* ]] ||
	fail "the history does not name the deployment"

note "the next one: stopped by the old bundle's hook, the old release stays to go back to"
bundle /home/builder/files hello_ex /home/builder/hello_ex-2.tar.gz
echo 'no hook of this bundle may run for ApplicationStop' > /home/builder/files/bin/deploy-stop
cursor=$(journal_cursor)
expect 0 "$agent" /home/builder/files
assert_contains "$out" "ApplicationStop: bin/deploy-stop"
serves 2.0.0 $hello_ex_port hello-ex
wait_journal "$cursor" 'Stopped hello-ex.service' -u hello-ex > /dev/null
nothing_left
expect 0 deployctl rollback hello_ex
serves 1.0.0 $hello_ex_port hello-ex
assert_equal "$(current_id hello-ex)" "$first"

note "the scripts that came with the bundle work where CodeDeploy put them"
expect 0 /srv/hello-ex/bin/deploy-restart
serves 1.0.0 $hello_ex_port hello-ex
systemctl stop hello-ex

# --- the other app: quick, and sick when told to --------------------------------------

cat > /home/builder/hello.conf <<-'END'
	[users]
	deploy_user = deploy
	[restart]
	service_type = notify
	job_timeout_sec = 10
	[unit]
	exec_start = {current_dir}/bin/hello
	[environment]
	env_vars = PORT=8080
	[health]
	min_healthy_sec = 0
	bake_sec = 0
	healthy_deadline_sec = 20
END
expect 0 deployctl create-users hello --app-file /home/builder/hello.conf
expect 0 deployctl create-dirs hello --app-file /home/builder/hello.conf
expect 0 deployctl link-scripts hello --app-file /home/builder/hello.conf
[ -L /srv/hello/bin/deploy-restart ] || fail "no links to begin with"

note "appspec.yml as mix_deploy's README has it; links of init are not written through"
bundle /home/builder/own hello /home/builder/hello-1.tar.gz
printf '#!/usr/bin/env -S deployctl hook\n' > /home/builder/own/bin/validate-service
cat > /home/builder/own/appspec.yml <<-'END'
	version: 0.0
	os: linux
	files:
	  - source: bin
	    destination: /srv/hello/bin
	  - source: systemd
	    destination: /lib/systemd/system
	  - source: etc
	    destination: /srv/hello/etc
	file_exists_behavior: OVERWRITE
	hooks:
	  ApplicationStop:
	    - location: bin/deploy-stop
	      timeout: 300
	  BeforeInstall:
	    - location: bin/deploy-create-users
	    - location: bin/deploy-create-dirs
	  AfterInstall:
	    - location: bin/deploy-extract-release
	    - location: bin/deploy-set-perms
	    - location: bin/deploy-enable
	  ApplicationStart:
	    - location: bin/deploy-start
	      timeout: 3600
	  ValidateService:
	    - location: bin/validate-service
	      timeout: 300
END
expect 0 "$agent" --group own --application hello /home/builder/own
assert_contains "$out" "remove /srv/hello/bin/deploy-restart: a link"
assert_contains "$out" "install /etc/deployd/apps.d/hello.conf"
assert_contains "$out" "hello is healthy: release"
serves 1
nothing_left
[ ! -L /srv/hello/bin/deploy-restart ] || fail "the link is still there"
assert_equal "$(stat -c '%a %U %s %Y' "$deployctl")" "$before" "deployctl itself"
good=$(current_id)

note "a bad archive fails the deployment; what was live comes back by the next one"
cp -r /home/builder/own /home/builder/bad
head -c 2000 /home/builder/hello-2.tar.gz > /home/builder/bad/hello.tar.gz
expect 1 "$agent" --group own --application hello /home/builder/bad
assert_contains "$out" "AfterInstall: bin/deploy-extract-release failed with exit code 10"
assert_equal "$(current_id)" "$good"
nothing_left

note "a release that does not come up is rolled back, and the deployment fails"
"$repo/tests/apps/hello/pack" "$build/tests/apps/hello/hello" /home/builder/bad/hello.tar.gz \
	3 start=crash
expect 1 "$agent" --group own --application hello /home/builder/bad
assert_contains "$out" "failed with exit code 13"
serves 1
assert_equal "$(current_id)" "$good"

note "a time limit ends the hook, not the job in deployd"
"$repo/tests/apps/hello/pack" "$build/tests/apps/hello/hello" /home/builder/bad/hello.tar.gz \
	4 start=never-ready
sed -i 's|location: bin/deploy-extract-release|&\n      timeout: 2|' \
	/home/builder/bad/appspec.yml
expect 1 "$agent" --group own --application hello /home/builder/bad
assert_contains "$out" "AfterInstall: bin/deploy-extract-release timed out"
nothing_left
job=$(deployctl jobs --json | jq -r 'map(select(.app == "hello"))[0].id')
expect 13 deployctl attach "$job"
serves 1

note "one file for every event"
bundle /home/builder/one hello /home/builder/hello-2.tar.gz
rm /home/builder/one/bin/*
printf '#!/usr/bin/env -S deployctl hook\n' > /home/builder/one/bin/lifecycle
{
	printf 'version: 0.0\nos: linux\nfiles:\n'
	printf '  - source: systemd\n    destination: /lib/systemd/system\n'
	printf 'file_exists_behavior: OVERWRITE\nhooks:\n'
	for event in ApplicationStop BeforeInstall AfterInstall ApplicationStart \
		ValidateService; do
		printf '  %s:\n    - location: bin/lifecycle\n' $event
	done
} > /home/builder/one/appspec.yml
chmod -x /home/builder/one/bin/lifecycle
expect 0 "$agent" --group one --application hello /home/builder/one
serves 2
expect 0 "$agent" --group one --application hello /home/builder/one
assert_contains "$out" "ApplicationStop: bin/lifecycle"
assert_contains "$out" "hello is healthy: release"
serves 2
nothing_left

note "ValidateService fails where nothing runs; events without anything to do say so"
systemctl stop hello
sed -i 's/^healthy_deadline_sec = 20/healthy_deadline_sec = 2/' /etc/deployd/apps.d/hello.conf
expect 1 env LIFECYCLE_EVENT=ValidateService APPLICATION_NAME=hello deployctl hook
assert_contains "$err" "hello is not healthy: stopped"
expect 0 env LIFECYCLE_EVENT=ApplicationStart APPLICATION_NAME=hello deployctl hook
expect 0 env LIFECYCLE_EVENT=ValidateService APPLICATION_NAME=hello deployctl hook
expect 2 env LIFECYCLE_EVENT=BeforeAllowTraffic APPLICATION_NAME=hello deployctl hook
assert_contains "$err" "BeforeAllowTraffic"
expect 2 deployctl hook
expect 2 env LIFECYCLE_EVENT=ApplicationStop APPLICATION_NAME=no deployctl hook
assert_contains "$err" "hello hello_ex"
expect 2 env LIFECYCLE_EVENT=ApplicationStop deployctl hook /home/builder/one/bin/deploy-nothing

note "one release only: current is a directory, extract-release exchanges it"
expect 0 deployctl remove-app hello --yes
expect 0 deployctl create-dirs hello --app-file /home/builder/hello.conf
cd /home/builder/one
expect 0 deployctl extract-release hello hello.tar.gz --app-file /home/builder/hello.conf
[ -d /srv/hello/current ] && [ ! -L /srv/hello/current ] || fail "current is no directory"
inode=$(stat -c %i /srv/hello/current)
cd /
expect 0 env LIFECYCLE_EVENT=AfterInstall deployctl hook /home/builder/one/bin/lifecycle
[ ! -L /srv/hello/current ] || fail "current became a link"
[ "$(stat -c %i /srv/hello/current)" != "$inode" ] || fail "the release was not exchanged"
