#!/usr/bin/env bash
# stages.sh TARGET...: makes every target in turn, each as a stage, whether or
# not the ones before it failed; ends with one line a stage and the count.
#
# A+B are two stages at the same time, for those that leave processors idle: a
# guest boots on one. What B prints follows when A is done, so that neither is cut
# up by the other. P:A+B makes P, which both need, first, and then neither of them
# makes it again; if P fails they are not tried, and count as failed.
set -uo pipefail
report=()
stages=0
failed=0
began=$SECONDS
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
make=${MAKE:-make}

# done_stage STAGE STATUS SECONDS: what the end of a stage adds to log and report.
done_stage() {
	local verdict=ok
	[ "$2" = 0 ] || verdict=FAILED failed=$((failed + 1))
	stages=$((stages + 1))
	report+=("$(printf '%-8s %-14s %4d s' "$verdict" "$1" "$3")")
	printf '=== %s: %s in %d s\n' "$1" "$verdict" "$3"
}

# timed STAGE ARG...: makes STAGE, and leaves its status and seconds in $dir.
timed() {
	local start=$SECONDS status=0
	"$make" --no-print-directory "${@:2}" "$1" || status=$?
	echo "$status $((SECONDS - start))" >"$dir/$1.end"
}

# ended STAGE: its status and seconds; a stage that left none was killed.
ended() { cat "$dir/$1.end" 2>/dev/null || echo "1 0"; }

for group in "$@"; do
	names=${group#*:} first='' skip=()
	[ "$names" = "$group" ] || first=${group%%:*} skip=(-o "$first")
	IFS=+ read -ra names <<<"$names"
	if [ -n "$first" ]; then
		printf '\n=== %s\n' "$first"
		timed "$first"
		read -r status took < <(ended "$first")
		done_stage "$first" "$status" "$took"
		if [ "$status" != 0 ]; then
			for stage in "${names[@]}"; do done_stage "$stage" 1 0; done
			continue
		fi
	fi
	for stage in "${names[@]:1}"; do timed "$stage" "${skip[@]}" >"$dir/$stage.out" 2>&1 & done
	for stage in "${names[@]}"; do
		printf '\n=== %s\n' "$stage"
		if [ "$stage" = "${names[0]}" ]; then
			timed "$stage" "${skip[@]}"
			wait
		else
			cat "$dir/$stage.out"
		fi
		read -r status took < <(ended "$stage")
		done_stage "$stage" "$status" "$took"
	done
done
printf '\n'
printf '%s\n' "${report[@]}"
printf '%-8s %-14s %4d s\n' "" "all stages" $((SECONDS - began))
printf '%d passed, %d failed\n' $((stages - failed)) "$failed"
((failed == 0))
