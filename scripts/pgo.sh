#!/bin/bash
# pgo.sh DIR [ROUNDS [TIME]]: merges the CPU profiles in DIR into bin/evdbench.pgo,
# builds evdbench without and with it, runs both in turn and prints benchstat's
# comparison: ns an operation.
set -euo pipefail
dir=$1 rounds=${2:-7} time=${3:-2s}
go=${GO:-go}
mkdir -p bin
shopt -s nullglob
profiles=("$dir"/*.cpu.pb.gz)
[ ${#profiles[@]} -gt 0 ] || {
	echo "pgo.sh: no CPU profile (*.cpu.pb.gz) in $dir; make profiles takes them" >&2
	exit 1
}
$go tool pprof -proto -output=bin/evdbench.pgo "${profiles[@]}" 2>/dev/null
CGO_ENABLED=0 $go build -trimpath -pgo=off -o bin/evdbench-plain ./cmd/evdbench
CGO_ENABLED=0 $go build -trimpath -pgo=bin/evdbench.pgo -o bin/evdbench-pgo ./cmd/evdbench

: >bin/pgo-plain.txt
: >bin/pgo-pgo.txt
# one BUILD NAME ARGUMENT...: a line as go test -bench writes it.
one() {
	local build=$1 name=$2
	shift 2
	ns=$("bin/evdbench-$build" "$@" -q -o json --duration "$time" | sed -nE 's/.*"ns_per_operation": *([0-9.]+).*/\1/p')
	echo "BenchmarkEvdbench/$name 1 $ns ns/op" >>"bin/pgo-$build.txt"
}
builds=(plain pgo)
for ((r = 0; r < rounds; r++)); do
	for ((b = 0; b < 2; b++)); do
		build=${builds[(r + b) % 2]}
		one "$build" run=lat/mode=spin lat --mode spin
		one "$build" run=lat/mode=event lat --mode event
		one "$build" run=bw/mode=spin bw --mode spin
		one "$build" run=bw/mode=spin/dispatch=queued bw --mode spin --dispatch queued
	done
done
echo "$rounds rounds of $time in turn; plain: without a profile, pgo: with ${#profiles[@]} merged ones"
$go tool -modfile=tools/go.mod benchstat -col .file plain=bin/pgo-plain.txt pgo=bin/pgo-pgo.txt
