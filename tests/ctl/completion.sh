#!/bin/bash
# What bash and zsh are told completes command lines. usage: completion.sh DEPLOYCTL
set -euo pipefail
deployctl=$1
faults=0

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/bin"
# What the completion asks for names.
cat > "$tmp/bin/deployctl" <<'EOT'
#!/bin/bash
case "$1 $2" in
"list --no-legend") printf '%s\n' 'hello  live  -' 'other  none  -' ;;
"releases hello") printf '%s\n' '20261123T101500Z-0002  current' '20261122T101500Z-0001  good' ;;
"jobs --no-legend") echo 'c0ffee  hello  deploy' ;;
*) exit 2 ;;
esac
EOT
chmod +x "$tmp/bin/deployctl"
PATH=$tmp/bin:$PATH
cd "$tmp"
touch release.tar.gz

# shellcheck disable=SC1090
source <("$deployctl" completion bash)
complete -p deployctl | grep -q _deployctl

# check "WORD|WORD|..." WANTED...: the last word is the one to complete
check() {
	local line=$1 got
	shift
	IFS='|' read -ra COMP_WORDS <<< "deployctl|$line|"
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_deployctl || true # compopt is for a real completion
	got=${COMPREPLY[*]-}
	[ "$got" = "$*" ] || { echo "$line: '$got', not '$*'"; faults=1; }
}

check 'roll' rollback
check 'st' stage start stop status stage-files
check 'status|' hello other
check 'status|h' hello
check 'status|hello|'
check '-q|status|o' other
check '-H|web1|status|o' other
check '--host|=|web1|status|o' other
check '--json|=|short|status|o' other
check 'activate|hello|@|' @20261123T101500Z-0002 @20261122T101500Z-0001
check 'activate|hello|@|20261122' @20261122T101500Z-0001
check 'activate|hello|@'  @20261123T101500Z-0002 @20261122T101500Z-0001
check 'activate|hello@' hello@20261123T101500Z-0002 hello@20261122T101500Z-0001
check 'activate|hello@20261122' hello@20261122T101500Z-0001
check 'deploy|hello|--if-current|=|20261123' 20261123T101500Z-0002
check 'deploy|hello|rel' release.tar.gz
check 'stage-files|hello|rel' release.tar.gz
check 'deploy|--version|2.0|h' hello
check 'deploy|-m|a fix|h' hello
check 'attach|' c0ffee
check 'policy|' check list
check 'completion|' bash zsh
check 'can|rest' restart
check 'can|restart|h' hello
check 'status|--json|=|' pretty short off
check 'status|--json|=|p' pretty
check 'status|--js' --json
check 'status|--sha'
check 'deploy|--sha' --sha256
check 'deploy|-m|'
check 'logs|--fol' --follow
check 'logs|--js'
check '--no-' --no-pager

if command -v zsh > /dev/null; then
	"$deployctl" completion zsh > "$tmp/_deployctl"
	zsh -n "$tmp/_deployctl"
	# It loads as a completion function, and the option specs are ones that zsh takes.
	zsh -f -c 'fpath=($1 $fpath); autoload -Uz compinit; compinit -D -u -d $1/dump
		[[ $_comps[deployctl] == _deployctl ]]' zsh "$tmp" ||
		{ echo "zsh does not take it"; faults=1; }
fi
exit $faults
