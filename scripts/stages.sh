#!/usr/bin/env bash
# stages.sh TARGET...: makes every target in turn, each as a stage, whether or
# not the ones before it failed; ends with one line a stage and the count.
# One at a time, though a guest leaves half a machine idle: of two guests that were
# booted side by side on a loaded machine, one had a clock that ran seven times too
# fast, and its tests timed out.
set -uo pipefail
report=()
failed=0
began=$SECONDS
for stage in "$@"; do
	printf '\n=== %s\n' "$stage"
	start=$SECONDS
	if "${MAKE:-make}" --no-print-directory "$stage"; then
		verdict=ok
	else
		verdict=FAILED
		failed=$((failed + 1))
	fi
	took=$((SECONDS - start))
	report+=("$(printf '%-8s %-14s %4d s' "$verdict" "$stage" "$took")")
	printf '=== %s: %s in %d s\n' "$stage" "$verdict" "$took"
done
printf '\n'
printf '%s\n' "${report[@]}"
printf '%-8s %-14s %4d s\n' "" "all stages" $((SECONDS - began))
printf '%d passed, %d failed\n' $(($# - failed)) "$failed"
((failed == 0))
