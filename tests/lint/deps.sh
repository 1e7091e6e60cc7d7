#!/bin/bash
# tests/deps: each part holds the one before it, what the build asks pkg-config for comes
# with the part `build`, names follow the release, and progress is shown. Installs
# nothing. usage: deps.sh SOURCE_DIR
set -euo pipefail
cd "$1"
deps=$PWD/tests/deps
faults=0
fault() { echo "deps: $*"; faults=1; }

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/bin"

# --- a machine with nothing installed, and a release of another clang ------------------

cat > "$tmp/bin/apt-cache" <<'EOT'
#!/bin/bash
case "$1" in
depends) printf '%s\n' clang '  Depends: clang-97' ;;
show) [ -e "$FAKE/lists" ] ;;
esac
EOT
cat > "$tmp/bin/apt-get" <<'EOT'
#!/bin/bash
case " $* " in
*" update "*) touch "$FAKE/lists" ;;
*" --print-uris "*)
	[ -e "$FAKE/lists" ] || exit 100
	printf '%s\n' "'http://x/a.deb' a.deb 1500000 SHA256:0" "'http://x/b.deb' b.deb 2500000 x"
	;;
*)
	[ -e "$FAKE/lists" ] || exit 100
	printf 'dlstatus:1:%s:file\n' 0.00 30.5 60 99 >&3
	printf 'pmstatus:gcc:%s:unpacking: gcc\n' 10 55.5 100 >&3
	printf '%s\n' "$*" > "$FAKE/installed"
	;;
esac
EOT
printf '#!/bin/sh\nexit 1\n' > "$tmp/bin/dpkg-query"
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "${FAKE_UID:-0}"\n' > "$tmp/bin/id"
chmod +x "$tmp"/bin/*
faked() { FAKE=$tmp PATH=$tmp/bin:$PATH "$@"; }

# --- the lists -------------------------------------------------------------------------

for part in build try all; do
	faked "$deps" --list $part | sort > "$tmp/$part"
done
[ -z "$(comm -23 "$tmp/build" "$tmp/try")" ] || fault "try is without some of build"
[ -z "$(comm -23 "$tmp/try" "$tmp/all")" ] || fault "all is without some of try"
[ "$(wc -l < "$tmp/build")" -le 20 ] || fault "build is more than a few"
[ "$(wc -l < "$tmp/try")" -le 30 ] || fault "try is more than a few"
[ "$(wc -l < "$tmp/all")" -ge 50 ] || fault "all is not all"
diff <(faked "$deps" --list | sort) "$tmp/all" || fault "all is not the default"
[ -z "$(uniq -d "$tmp/all")" ] || fault "twice: $(uniq -d "$tmp/all")"
grep -qx libclang-rt-97-dev "$tmp/all" || fault "not the release's clang"
! grep CLANG "$tmp/all" || fault "a name is left open"
! grep -E 'clang|cmocka|python|erlang|golang' "$tmp/try" || fault "try takes what only the suite needs"

modules=0
while read -r module; do
	modules=$((modules + 1))
	file=$(readlink -f "$(pkg-config --variable=pcfiledir "$module")/$module.pc")
	package=$(dpkg-query -S "$file" | sed 's/[:,].*//')
	grep -qx "$package" "$tmp/build" || fault "build is without $package for $module"
done < <(grep -v -i cmocka cmake/dependencies.cmake |
	sed -n 's/^pkg_check_modules(.* \([a-z0-9-]*\)\(>=[0-9.]*\)\?)$/\1/p')
[ $modules -ge 10 ] || fault "only $modules modules were found"

# --- what it says ----------------------------------------------------------------------

said=$(faked "$deps" build 2>&1 > /dev/null)
wanted="deps: fetching the lists of packages ...
deps: installing $(faked "$deps" --list build | sort | paste -sd ' ')
deps: 2 packages, 4 MB to download
deps: downloading 0%
deps: downloading 25%
deps: downloading 50%
deps: downloading 75%
deps: installing 0%
deps: installing 50%
deps: installing 100%"
[ "$said" = "$wanted" ] || { diff <(echo "$wanted") <(echo "$said"); fault "says something else"; }
grep -q -- "--no-install-recommends .*ninja-build" "$tmp/installed" || fault "installs nothing"
said=$(FAKE_UID=1000 faked "$deps" build 2>&1) && fault "installs without root"
[[ $said = *"needs root to install: "*gcc* ]] || fault "without root: $said"
said=$("$deps" sometimes 2>&1) && fault "takes a part that there is not"
[[ $said = usage:* ]] || fault "no usage: $said"
exit $faults
