#!/bin/bash
# run.sh [-slow] [ID...]: checks the cases of cases.txt with spin, nproc at a
# time, and prints one line each: verdict, states, depth, seconds, what it is or
# which assertion the mutant violates. A case that does not end as it must (a
# scenario fails, a mutant passes or fails otherwise than by an assertion or a
# cycle, the search is cut short) is a SURPRISE, and the exit status is 1.
# Traces: EVD_MODEL_TRAIL=FILE run.sh ID writes the counterexample of one case.
set -u
case ${EVD_MODEL_TRAIL:=} in # as the caller meant it: cases run in folders of their own
'' | /*) ;;
*) EVD_MODEL_TRAIL=$PWD/$EVD_MODEL_TRAIL ;;
esac
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
slow=0
[ "${1:-}" = -slow ] && slow=1 && shift
export work EVD_MODEL_TRAIL

one() {
	local id file mode want defs what dir run flags cc line verdict states depth seconds why
	IFS='|' read -r id file mode want defs what <<<"$1"
	id=${id// /} file=${file// /} mode=${mode// /} want=${want// /}
	dir=$work/$id
	mkdir "$dir" && cp ./*.pml "$dir" && cd "$dir" || exit 1
	# A fast hash, and no compression: time is scarcer than memory, at most 3 GB a case.
	# The optimizer takes longer than what it saves, below some 4 million states.
	cc='-O0 -DSAFETY -DSFH' run=
	case $mode in
	big) cc='-O1 -DSAFETY -DSFH' ;;
	np) cc='-O0 -DNP -DNOFAIR -DCOLLAPSE' run=-l ;;
	esac
	local t0=$EPOCHREALTIME
	# shellcheck disable=SC2086
	if ! spin $defs -a "$file" >spin.out 2>&1 || ! gcc -w $cc -DMEMLIM=6000 -DVECTORSZ=2048 -o pan pan.c >gcc.out 2>&1; then
		printf '%-34s %-9s %s\n' "$id" SURPRISE "does not compile: $(cat spin.out gcc.out 2>/dev/null | grep -m1 -i error)"
		return
	fi
	timeout 600 ./pan -E $run -m400000 -w24 >out 2>&1
	seconds=$(awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	states=$(awk '/states, stored/ { print $1; exit }' out)
	depth=$(sed -nE 's/.*depth reached ([0-9]+).*/\1/p' out | head -1)
	why=$(grep -m1 '^pan:1:' out | sed -E 's/^pan:1: //; s/ \(at depth.*//' | cut -c1-90)
	verdict=cut
	grep -q 'errors: 0' out && verdict=pass
	grep -qE 'max search depth too small|reached -DMEMLIM|search not completed|out of memory' out && verdict=cut
	grep -qE 'errors: [1-9]' out && verdict=fail
	case $verdict:$why in
	fail:assertion* | fail:non-progress*) ;;
	fail:*) verdict=odd ;;
	esac
	if [ "$verdict" = "$want" ]; then
		[ "$want" = pass ] && line=holds || line=refuted
	else
		line=SURPRISE what="is $verdict, must $want: $what"
	fi
	printf '%-34s %-9s %9s states %5s deep %6ss  %s%s\n' "$id" "$line" "${states:-0}" "${depth:-0}" "$seconds" "${what# }" "${why:+  [$why]}"
	if [ -n "$EVD_MODEL_TRAIL" ] && [ "$verdict" = fail ]; then
		# shellcheck disable=SC2086
		spin $defs -t -p -g "$file" >"$EVD_MODEL_TRAIL" 2>&1
	fi
	cd "$OLDPWD" && rm -rf "$dir"
}
export -f one

pick() {
	if [ $# -gt 0 ]; then
		for id in "$@"; do grep -E "^$id *\|" cases.txt || echo "$id | missing"; done
	elif [ $slow = 1 ]; then
		grep -vE '^(#|$)' cases.txt | sed 's/^slow-//'
	else
		grep -vE '^(#|$|slow-)' cases.txt
	fi
}

began=$SECONDS
pick "$@" | tr '\n' '\0' | xargs -0 -P "${JOBS:-$(nproc)}" -I{} bash -c 'one "$1"' _ {} | tee "$work/results"
surprises=$(grep -c SURPRISE "$work/results")
printf '%d scenarios hold, %d mutants are refuted, %d surprises, %d s\n' \
	"$(grep -c ' holds ' "$work/results")" "$(grep -c ' refuted ' "$work/results")" "$surprises" $((SECONDS - began))
[ "$surprises" = 0 ] && [ -s "$work/results" ]
