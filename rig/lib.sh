# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every tool of the rig shares. Source it first:
#
#	. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# It sets $repo, $rig and $cache, turns on strict mode and gives:
#
#	die MSG [HINT]          one line, what to do next, exit 1
#	say MSG                 progress on stderr, with the time since the start
#	need_packages PKG...    install what is missing, or say what to install
#	need_space GB DIR       refuse to start what cannot end
#	apt_private CMD ARG...  apt-get or apt-cache with suites Debian 12 lacks
#	run_logged LOG CMD...   run, log, show life, show the end of a failure
#	hash_files PATH...      one key for names, modes and contents
#	lock NAME [-s]          one such job at a time (-s: any number of these
#				instead); released at exit
#	own_results		name a directory for the results of the next rig/vm, in
#				$RIG_RESULTS: results/last is whoever's came last
#	keep_newest N PATH...   remove all but the N newest of these paths
#	$sparse_flags           for make C=1
#	gate NAME CMD...        run a check, print one line, count it in $passed,
#				$failed or $skipped (exit status 4 is SKIP; 5 is
#				WARN, which passes and shows what it said)
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C.UTF-8

rig=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034	# for those who source this
repo=$(dirname "$rig")
cache=${TDISP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tdisp-bind}
mkdir -p "$cache" 2>/dev/null || {
	echo "rig: cannot create $cache: set TDISP_CACHE to a directory you can write" >&2
	exit 1
}
cache=$(cd "$cache" && pwd)
# For CF= of a kernel's make. sparse 0.6.4 of Debian 12 does not know __typeof_unqual__,
# without which Linux 7.3 leaves sparse out: for a comparison plain typeof will do. Nor does
# it know that __builtin_strlen() of a string is constant, as every MODULE_LICENSE() needs:
# an error, and after an error sparse keeps all warnings of the file to itself.
# shellcheck disable=SC2034
sparse_flags="-D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'"
me=${0##*/}
: "${RIG_T0:=$EPOCHSECONDS}"
export RIG_T0

die() {
	echo "$me: $1" >&2
	[[ -z ${2:-} ]] || echo "$me: $2" >&2
	exit 1
}

say() {
	local t=$((EPOCHSECONDS - RIG_T0))

	printf '[%3d:%02d] %s\n' $((t / 60)) $((t % 60)) "$*" >&"${RIG_SAY:-2}"
}

# Run as root: directly, or through sudo where that asks no password
as_root() {
	if ((EUID == 0)); then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

can_root() { ((EUID == 0)) || sudo -n true 2>/dev/null; }

have_package() {
	[[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

need_packages() {
	local p missing=()

	command -v dpkg-query >/dev/null ||
		die "this is no Debian system: cannot tell whether these are there: $*" \
		    "run it on Debian 12, or in a container of it"
	for p; do
		have_package "$p" || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	can_root || die "missing packages" "as root: apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	# The package lists of a fresh machine are empty or old: try, refresh, try
	run_logged "$cache/log/apt.log" as_root apt-get install -qy --no-install-recommends \
		"${missing[@]}" 2>/dev/null && return 0
	run_logged "$cache/log/apt.log" as_root apt-get update -q ||
		die "apt-get update failed" "check the network and the machine's apt sources"
	run_logged "$cache/log/apt.log" as_root apt-get install -qy --no-install-recommends \
		"${missing[@]}" ||
		die "cannot install ${missing[*]}" "install them by hand, then run this again"
}

need_space() {
	local gb=$1 dir=$2 free

	free=$(df -Pk "$dir" | awk 'NR == 2 { print int($4 / 1048576) }')
	((free >= gb)) ||
		die "$dir: $free GB free, $gb GB needed" \
		    "free some, or set TDISP_CACHE to a directory on a larger disk"
}

# Address of the Debian archive that this machine uses: known by its label, or
# before the first apt-get update by its suite
debian_uri() {
	local by uri

	for by in 'Label: Debian' 'Release: bookworm' 'Release: stable' 'Release: oldstable'; do
		# shellcheck disable=SC2016	# apt expands it
		uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "$by" |
			sed '/security/d' | sort -u | sed -n 1p)
		[[ -z $uri ]] || { echo "$uri"; return; }
	done
	return 1
}

# apt_private CMD ARG...: as apt-get or apt-cache, but seeing trixie,
# trixie-backports and bookworm-backports besides bookworm, or in their place what
# RIG_SUITES names. Sources, lists and pins are the rig's own; the machine's stay as
# they are. Nothing of a later suite is taken unless named (PACKAGE/SUITE or
# PACKAGE=VERSION).
apt_private() {
	local dir=$cache/apt${RIG_SUITES:+-other} uri suite opts
	local key=/usr/share/keyrings/debian-archive-keyring.gpg

	mkdir -p "$dir"/{lists/partial,cache/archives/partial,none} "$cache/log"
	opts=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=-
	      -o "Dir::Etc::preferences=$dir/preferences" -o "Dir::Etc::preferencesparts=$dir/none"
	      -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache"
	      -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2)
	uri=$(debian_uri) ||
		die "no Debian archive in this machine's apt configuration" \
		    "add one, or name your own sources with LINUX= and QEMU="
	for suite in ${RIG_SUITES:-bookworm bookworm-backports trixie trixie-backports}; do
		echo "deb [signed-by=$key] $uri $suite main"
		[[ $suite == bookworm* ]] || echo "deb-src [signed-by=$key] $uri $suite main"
	done >"$dir/sources.new"
	printf 'Package: *\nPin: release n=%s\nPin-Priority: %s\n\n' \
		bookworm 500 bookworm-backports 110 trixie 90 trixie-backports 80 >"$dir/preferences"
	if ! cmp -s "$dir/sources.new" "$dir/sources.list" ||
	   [[ ! -e $dir/fresh || -n $(find "$dir/fresh" -mmin +720) ]]; then
		mv "$dir/sources.new" "$dir/sources.list"
		rm -f "$dir/fresh"
		say "reading the package lists of further Debian suites"
		apt-get "${opts[@]}" -q update >"$cache/log/apt-private.log" 2>&1 ||
			die "cannot read Debian's package lists, see $cache/log/apt-private.log" \
			    "check the network, or name your own sources with LINUX= and QEMU="
		touch "$dir/fresh"
	fi
	case " $* " in
	*" install "* | *" build-dep "*)
		can_root || die "needs root: $*" "run that as root once, then this again"
		as_root "$1" "${opts[@]}" "${@:2}" ;;
	*)	"$1" "${opts[@]}" "${@:2}" ;;
	esac
}

# run_logged LOG CMD...: the output goes to LOG; a line of progress every few
# seconds on a terminal, every 30 s elsewhere. A function of several commands returns
# what fails itself: before "||" the shell does not end it.
run_logged() {
	local log=$1 pid rc=0 t0=$EPOCHSECONDS step=30 last=0 t line
	shift

	mkdir -p "$(dirname "$log")"
	[[ ! -t 2 ]] || step=5
	set -m	# a process group of its own, so that all of it can be ended
	"$@" >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	# shellcheck disable=SC2064	# this pid
	trap "kill -- -$pid 2>/dev/null; exit 130" INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		t=$((EPOCHSECONDS - t0))
		if ((t / step > last)); then
			last=$((t / step))
			line=$(tail -n 1 "$log" 2>/dev/null | tr -d '\r' | tr -s ' \t' ' ' | cut -c1-60)
			say "  $(wc -l <"$log") lines, now: $line"
		fi
		sleep 0.2
	done
	wait "$pid" || rc=$?
	trap - INT TERM HUP
	((rc)) || return 0
	{
		echo "--- ${1##*/} failed ($rc); the end of $log:"
		tail -n 25 "$log"
		! grep -qi 'no space left on device' "$log" ||
			echo "--- the disk is full: free some space, or set TDISP_CACHE"
	} >&2
	return "$rc"
}

# One key for everything below the given paths: name, mode and content. A path
# that does not exist counts as such.
hash_files() {
	local p

	for p; do
		if [[ -d $p ]]; then
			(cd "$p" && find . -type f -printf '%m %p\n' -o -type l -printf '%l %p\n' | sort &&
			 find . -type f -print0 | sort -z | xargs -0r sha256sum)
		elif [[ -e $p ]]; then
			stat -c %a "$p"
			sha256sum <"$p"
		else
			echo "no ${p##*/}"
		fi
	done | sha256sum | cut -c1-16
}

lock() {
	local fd

	exec {fd}>"$cache/$1.lock"
	flock -n ${2:+"$2"} "$fd" && return 0
	say "waiting for another $1 job in $cache"
	flock ${2:+"$2"} "$fd"
}

own_results() {
	RIG_RESULTS=$cache/results/$(date +%Y%m%d-%H%M%S).$$
	export RIG_RESULTS
}

keep_newest() {
	local n=$1 p
	shift

	for p; do
		[[ ! -e $p ]] || stat -c '%Y %n' "$p"
	done | sort -rn | tail -n +$((n + 1)) | cut -d' ' -f2- |
		while IFS= read -r p; do rm -rf "${p:?}"; done
}

gate_said() {
	head -n 15 "$1" | sed 's/^/          /'
	(($(wc -l <"$1") <= 15)) || echo "          ... all of it: $1"
}

# shellcheck disable=SC2034	# for those who source this
passed=0 failed=0 skipped=0 warned=0
gate() {
	local name=$1 log=$cache/log/gate-${1//[^a-z0-9]/-}.log rc=0 t0=$EPOCHSECONDS t
	shift

	mkdir -p "$cache/log"
	[[ ! -t 2 ]] || printf '      %s ...\r' "$name" >&2
	set +e
	# Progress still reaches the terminal
	(set -e; exec 9>&"${RIG_SAY:-2}" >"$log" 2>&1; export RIG_SAY=9; "$@")
	rc=$?
	set -e
	t=$((EPOCHSECONDS - t0))
	case $rc in
	0)	passed=$((passed + 1))
		printf 'ok    %-32s %4s s\n' "$name" "$t" ;;
	5)	passed=$((passed + 1)) warned=$((warned + 1))
		printf 'WARN  %-32s %4s s\n' "$name" "$t"
		gate_said "$log" ;;
	4)	skipped=$((skipped + 1))
		printf 'SKIP  %-32s %4s s  %s\n' "$name" "$t" "$(tail -n 1 "$log")" ;;
	*)	failed=$((failed + 1))
		printf 'FAIL  %-32s %4s s\n' "$name" "$t"
		gate_said "$log" ;;
	esac
}
