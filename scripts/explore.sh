#!/usr/bin/env bash
# explore.sh: runs the tests that the build tag explore concerns and prints what
# `go test -json` would. A process explores one scenario at a time, so the
# engine's are handed out, one after the other, to as many processes as there
# are processors. The threads of a scenario are coroutines, so a second processor
# would only have the collector run beside them: a quarter more time in all.
# EVD_EXPLORE asks for another search, for the engine's scenarios only.
set -uo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
shards=${SHARDS:-$(nproc)}
timeout=${TIMEOUT:-20m}
pattern='^TestExplore'
status=0
search=${EVD_EXPLORE:-}
unset EVD_EXPLORE
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$go" test -c -tags explore -o "$dir/engine.test" ./engine || exit 1
mapfile -t names < <(cd engine && "$dir/engine.test" -test.list "$pattern")
[ "${#names[@]}" -ge "$shards" ] || {
	echo "explore.sh: only ${#names[@]} scenarios found" >&2
	exit 1
}
one() {
	cd engine && EVD_EXPLORE=$search GOMAXPROCS=1 "$go" tool test2json -t -p "engine $1" \
		"$dir/engine.test" -test.v=test2json -test.timeout "$timeout" -test.run "^$1\$"
}
export -f one
export go dir search timeout
printf '%s\n' "${names[@]}" | xargs -P "$shards" -I{} bash -c 'one "$1"' _ {} &
scenarios=$!
if [ -z "$search" ]; then
	"$go" test -json -tags explore -skip "$pattern" -count=1 ./engine || status=1
	# Elsewhere the tag changes nothing but where a package has files for it; of
	# drivers of real hardware only what it adds is run.
	mapfile -t others < <(grep -rlE '^//go:build.*\<explore\>' --include='*.go' . | xargs -n1 dirname | sort -u | grep -vxE './engine|./hwcq/uring')
	"$go" test -json -p 1 -tags explore -count=1 "${others[@]}" ./internal/explore || status=1
	"$go" test -json -tags explore -run "$pattern" -count=1 ./hwcq/uring || status=1
fi
wait "$scenarios" || status=1
exit "$status"
