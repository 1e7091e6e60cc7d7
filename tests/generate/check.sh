#!/bin/bash
# generate: the same bytes again, links and stale files, --dry-run, --json, MIX_ENV; --check
# against installed units; stage-files of a project. usage: check.sh DEPLOYCTL
set -euo pipefail
deployctl=$(readlink -f "$1")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
unset APP_USER APP_GROUP DEPLOY_USER DEPLOY_GROUP MIX_ENV DESTDIR OUTPUT_DIR SCRIPTS_SRC \
	RELEASE_NAME RELEASE_VSN
faults=0

fault() { echo "line ${BASH_LINENO[0]}: $*"; faults=1; }

# expect STATUS COMMAND...: leaves its output in $out and $err
expect() {
	local wanted=$1 status=0
	shift
	out=$("$@" 2> err) || status=$?
	err=$(cat err)
	[ $status = "$wanted" ] ||
		{ echo "line ${BASH_LINENO[0]}: status $status, not $wanted: $*: $out $err"; faults=1; }
}
has() { [[ $1 == *"$2"* ]] || { echo "line ${BASH_LINENO[0]}: no '$2' in: $1"; faults=1; }; }
lacks() { [[ $1 != *"$2"* ]] || { echo "line ${BASH_LINENO[0]}: '$2' in: $1"; faults=1; }; }
# shellcheck disable=SC2317
gen() { "$deployctl" generate --app-file foo.conf "$@"; }

printf '%s\n' '[users]' 'deploy_user = deploy' '[unit]' 'listen_stream = 4000' > foo.conf

# files
expect 0 gen --dry-run
has "$out" _build/prod/deploy/systemd/foo.service
[ ! -e _build ] || fault "a dry run writes"
expect 0 gen
expect 0 env MIX_ENV=staging "$deployctl" generate --app-file foo.conf
grep -q 'MIX_ENV=staging' _build/staging/deploy/systemd/foo.service || fault "no MIX_ENV"
before=$(find _build/prod -type f -printf '%i %P\n' | sort)
expect 0 gen
[ "$before" = "$(find _build/prod -type f -printf '%i %P\n' | sort)" ] || fault "written again"
expect 0 gen --to a/b/c
diff -r _build/prod/deploy a/b/c || fault "not the same"
expect 0 gen --to a/b/c --json
[ "$(jq -r '"\(.schema) \(.result) \(.exit) \(.directory) \(.dry_run)"' <<< "$out")" = \
	"1 ok 0 a/b/c false" ] || fault "$out"
[ "$(jq -r '.files[0]' <<< "$out")" = systemd/foo.service ] || fault "$out"
for hook in a/b/c/bin/*; do
	[ -x "$hook" ] || fault "$hook is not executable"
	[ "$(wc -l < "$hook")" = 2 ] || fault "$hook is long"
	[ "$(head -n 1 "$hook")" = '#!/usr/bin/env -S deployctl hook' ] || fault "$hook"
done

# A socket that is no longer asked for goes; what somebody wrote stays.
sed -i '/listen_stream/d' foo.conf
echo '# mine' > a/b/c/systemd/foo-runtime-environment.service
expect 0 gen --to a/b/c
[ ! -e a/b/c/systemd/foo.socket ] || fault "the old socket is left"
[ -e a/b/c/systemd/foo-runtime-environment.service ] || fault "somebody's file is gone"

# Nothing lands elsewhere.
mkdir elsewhere evil
ln -s ../elsewhere evil/systemd
ln -s ../elsewhere/appspec evil/appspec.yml
expect 1 gen --to evil
has "$err" "systemd"
rm evil/systemd
expect 0 gen --to evil
[ ! -L evil/appspec.yml ] || fault "written through a link"
[ -z "$(ls elsewhere)" ] || fault "written elsewhere"

# what is wrong
expect 2 gen --check --to x
expect 5 "$deployctl" generate --app-file none.conf
sed 's/deploy_user/deploy_usr/' foo.conf > bad.conf
expect 6 "$deployctl" generate --app-file bad.conf
expect 6 gen --sudoers
has "$err" "neither sudo_deploy nor sudo_app"

# --check
export DESTDIR=$tmp/root
units=$DESTDIR/etc/systemd/system
mkdir -p "$units"
expect 1 gen --check
has "$out" "foo.service: not installed"
cp a/b/c/systemd/foo.service "$units"
expect 0 gen --check
has "$out" "foo.service: as generated"
# Comments, blanks and joined lines are no difference.
sed -i -e '/^#/d' -e 's/^User=foo$/  User=foo  /' -e 's/^Type=simple$/\\\nType=simple/' \
	"$units/foo.service"
expect 0 gen --check
sed -i -e 's/User=foo/User=root/' -e '/^UMask=/d' -e '/^Group=/a SecureBits=keep-caps' \
	"$units/foo.service"
expect 1 gen --check
has "$out" $'  [Service]\n  - User=root\n'
has "$out" $'\n  + User=foo\n'
has "$out" $'\n  - SecureBits=keep-caps\n'
has "$out" $'\n  + UMask=0027'
lacks "$out" "Group=foo"
expect 1 gen --check --json
[ "$(jq -c '[.differs, .units[0].state, (.units[0].differences | length)]' <<< "$out")" = \
	'[true,"differs",4]' ] || fault "$out"
[ "$(jq -c '.units[0].differences[0]' <<< "$out")" = \
	'{"section":"[Service]","installed":"User=root","generated":null}' ] || fault "$out"
cp a/b/c/systemd/foo.service "$units"
mkdir "$units/foo.service.d"
echo > "$units/foo.service.d/50-mine.conf"
expect 0 gen --check
has "$out" "changed by $units/foo.service.d/50-mine.conf"
# One in /etc goes before one in /lib; leftovers are a difference.
mkdir -p "$DESTDIR/lib/systemd/system"
sed 's/foo/bar/' a/b/c/systemd/foo.service > "$DESTDIR/lib/systemd/system/foo.service"
expect 0 gen --check
touch "$DESTDIR/lib/systemd/system/foo-restart.path"
expect 1 gen --check
has "$out" "foo-restart.path: installed, but not generated any more"
unset DESTDIR

# stage-files
mkdir -p project/_build/prod project/bin
cd project
cp ../foo.conf .
# shellcheck disable=SC2317
stage() { "$deployctl" stage-files --app-file foo.conf "$@"; }
expect 5 stage
has "$err" "_build/prod/foo-*.tar.gz"
echo one > _build/prod/foo-1.0.tar.gz
printf '#!/bin/sh\n' > bin/validate-service
printf '#!/bin/sh\n' > bin/deploy-stop # an old one of mix_deploy
chmod +x bin/*
expect 0 stage --dry-run
[ ! -e files ] || fault "a dry run writes"
expect 0 stage
[ "$(find files | sort | grep -v 'files/bin/deploy-' | paste -sd ' ')" = "files \
files/apps.d files/apps.d/foo.conf files/appspec.yml files/bin files/bin/validate-service \
files/etc files/foo.tar.gz files/systemd files/systemd/foo.service" ] ||
	fault "staged: $(find files | sort)"
[ "$(cat files/foo.tar.gz)" = one ] || fault "another archive"
cmp -s foo.conf files/apps.d/foo.conf || fault "another app file"
cmp -s bin/validate-service files/bin/validate-service || fault "not the project's"
[ -x files/bin/validate-service ] || fault "not executable"
grep -q 'deployctl hook' files/bin/deploy-stop || fault "an old script was staged"
echo two > _build/prod/foo-2.0.tar.gz
expect 2 stage
has "$err" "there are 2 archives"
expect 0 env RELEASE_VSN=2.0 OUTPUT_DIR=out "$deployctl" stage-files --app-file foo.conf
[ "$(cat out/foo.tar.gz)" = two ] || fault "not that of RELEASE_VSN"
echo three > three.tar.gz
echo 'version: 0.0 # mine' > appspec.yml
expect 0 stage foo three.tar.gz --to files
[ "$(cat files/foo.tar.gz) $(cat files/appspec.yml)" = "three version: 0.0 # mine" ] ||
	fault "not what was named, or not the project's appspec.yml"

# extract-release is root's
if [ "$(id -u)" != 0 ]; then
	expect 4 "$deployctl" extract-release --app-file foo.conf
fi
exit $faults
