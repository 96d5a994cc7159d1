#!/usr/bin/env bash
# compare-power.sh N [WHICH]: does "evdbench compare" find what is there, and nothing else?
# Four series of N comparisons: of identical programs, in the rate of bw and in p99 of
# lat, and with a program that is slower on purpose (bench/seeded.go), by 5 % in the rate
# and by 10 % in every latency. Prints how often each verdict came, and fails if the
# right one came in fewer than 19 of 20. The comparisons are in bin/compare-power.txt.
# WHICH is a pattern of the names of series, to run only these.
# FLAGS are further ones of bw and lat; the machine should do nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
runs=${1:?usage: compare-power.sh N [WHICH]}
which=${2:-.}
flags=${FLAGS:---mode spin}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p bin
log=bin/compare-power.txt
: >"$log"
seed=github.com/evdengine/evd/bench
"$go" build -o "$dir/base" ./cmd/evdbench
cp "$dir/base" "$dir/same"
"$go" build -tags seeded -ldflags "-X $seed.seedRate=5 -X $seed.seedLatency=10" -o "$dir/slow" ./cmd/evdbench
status=0

# series WHAT WANTED OTHER WORKLOAD METRIC
series() {
	local verdicts=() right=0 began=$SECONDS
	[[ $1 =~ $which ]] || return 0
	for ((i = 0; i < runs; i++)); do
		out=$("$dir/base" compare -q --metric "$5" --binary "$dir/base" --binary "$dir/$3" -- "$4" $flags 2>>"$log") || true
		printf '== %s, %d\n%s\n' "$1" $((i + 1)) "$out" >>"$log"
		v=$(sed -n 's/^verdict  *\([a-z]*\):.*/\1/p' <<<"$out")
		verdicts+=("${v:-none}")
		[ "$v" != "$2" ] || right=$((right + 1))
	done
	printf '%-24s %3d of %d %-6s  %3d s each  (%s)\n' "$1" "$right" "$runs" "$2" $(((SECONDS - began) / runs)) \
		"$(printf '%s\n' "${verdicts[@]}" | sort | uniq -c | awk '{ printf "%s%s %d", s, $2, $1; s = ", " }')"
	[ $((right * 20)) -ge $((runs * 19)) ] || status=1
}
series 'identical, rate' same same bw rate
series 'identical, p99' same same lat p99
series '5 % slower, rate' worse slow bw rate
series '10 % slower, p99' worse slow lat p99
exit $status
