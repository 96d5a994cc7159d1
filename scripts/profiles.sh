#!/bin/bash
# profiles.sh EVDBENCH DIR [TIME]: takes the profiles of the main scenarios, each kind
# in a run of its own so that none contains the cost of another. DIR/README.md says
# what they show.
set -euo pipefail
bench=$1 dir=$2 time=${3:-10s}
go=${GO:-go}
mkdir -p "$dir"

# A profile has the path of the program in it: that of a copy tells nothing of where the
# sources lie.
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cp "$bench" "$tmp/evdbench"
bench=$tmp/evdbench

# take NAME KINDS ARGUMENT...: one run of evdbench for each kind.
take() {
	local name=$1 kinds=$2 kind
	shift 2
	for kind in $kinds; do
		case $kind in
		cpu | mutex | block) "$bench" "$@" -q --duration "$time" "--${kind}profile" "$dir/$name.$kind.pb.gz" >/dev/null ;;
		# A trace is for looking at single events: a few hundred are plenty.
		trace) "$bench" "$@" -q --count 2000 --warmup 500 --trace "$dir/$name.trace" >/dev/null && gzip -9nf "$dir/$name.trace" ;;
		esac
		echo "$name: $kind"
	done
}

take lat-event "cpu block trace" lat --mode event
take lat-spin "cpu trace" lat --mode spin
take post-queued "cpu trace" lat --oneway --mode event
take bw-spin "cpu" bw --mode spin
take bw-event "cpu block" bw --mode event --service const:20us
take bw-queued-posters "cpu mutex block" bw --mode spin --dispatch queued --posters 2

# post NAME BENCHMARK: a benchmark of the engine's, whose rivals are in it too: it runs
# them in turn. -focus finds ours.
post() {
	$go test -trimpath -run '^$' -bench "$2" -benchtime 30000x -o "$tmp/test" -cpuprofile "$dir/$1.cpu.pb.gz" ./engine >"$tmp/out"
	grep -q '^Benchmark' "$tmp/out" || {
		echo "profiles.sh: no benchmark $2" >&2
		exit 1
	}
	echo "$1: cpu"
}
post post-inline 'Post$/^posters=1$'
