# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154	# set by lib.sh and who sources this
#
# What the tests of gates share: rig/test-gates, test-builds, test-runs. Source it
# after lib.sh, with the names of gates that the user wants in $want and a directory
# for what they say in $tmp. It gives:
#
#	copy_repo DIR                 this repository as it is in the work tree, committed
#	wanted GATE                   did the user name it, or none?
#	judge GATE RC TEXT [ALSO]     a gate ended with RC and said $tmp/out: it has to
#				      fail, with a line that matches TEXT and, if given,
#				      one that matches ALSO: the error itself, or that
#				      what is not broken passes
#	judged                        the end: one line, or exit 1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=rig GIT_AUTHOR_EMAIL=rig@invalid
export GIT_COMMITTER_NAME=rig GIT_COMMITTER_EMAIL=rig@invalid

copy_repo() {
	rm -rf "${1:?}"
	mkdir -p "$1"
	(cd "$repo" && git ls-files -co --exclude-standard --deduplicate -z |
		xargs -0 ls -d 2>/dev/null | tar -c -T -) | tar -x -C "$1"
	git init -q "$1"
	git -C "$1" add -A -f
	git -C "$1" commit -qm copy
}

wanted() { ((${#want[@]} == 0)) || [[ " ${want[*]} " == *" $1 "* ]]; }

broken_n=0 broken_bad=0
judge() {
	local gate=$1 rc=$2 text=$3 also=${4:-}

	broken_n=$((broken_n + 1))
	if ((rc == 0)); then
		echo "FAIL  $gate: does not notice what should be: $text"
	elif ! grep -qE -- "$text" "$tmp/out"; then
		echo "FAIL  $gate: fails, but does not say: $text"
	elif [[ $also ]] && ! grep -qE -- "$also" "$tmp/out"; then
		echo "FAIL  $gate: fails, but not of what is broken, or not of that alone: no $also"
	else
		echo "ok    $gate: $(grep -m 1 -E -- "$text" "$tmp/out" | sed 's/^ *//' | cut -c1-90)"
		return
	fi
	broken_bad=$((broken_bad + 1))
	tail -n 40 "$tmp/out" | sed 's/^/          /'
}

judged() {
	((broken_n)) || die "no such gate among: ${want[*]}" "see the top of $0"
	((broken_bad == 0)) || die "$broken_bad of $broken_n"
	echo "$broken_n broken things, all noticed"
}
