#!/usr/bin/env bash
# explore.sh: runs every test under the build tag explore and prints what
# `go test -json` would. A process explores one scenario at a time, so the
# engine's are dealt out to as many processes as there are processors.
# EVD_EXPLORE asks for another search, for the engine's scenarios only.
set -uo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
shards=${SHARDS:-$(nproc)}
timeout=${TIMEOUT:-20m}
scenarios='^TestExplore'
search=${EVD_EXPLORE:-}
unset EVD_EXPLORE
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$go" test -c -tags explore -o "$dir/engine.test" ./engine || exit 1
mapfile -t names < <(cd engine && "$dir/engine.test" -test.list "$scenarios")
[ "${#names[@]}" -ge "$shards" ] || {
	echo "explore.sh: only ${#names[@]} scenarios found" >&2
	exit 1
}
for ((i = 0; i < shards; i++)); do
	list=""
	for ((n = i; n < ${#names[@]}; n += shards)); do list+="${list:+|}${names[n]}"; done
	(cd engine && EVD_EXPLORE=$search "$go" tool test2json -t -p "engine, share $((i + 1)) of $shards of the scenarios" \
		"$dir/engine.test" -test.v=test2json -test.timeout "$timeout" -test.run "^($list)\$") &
done
if [ -z "$search" ]; then
	"$go" test -json -p 1 -tags explore -skip "$scenarios" -count=1 ./...
fi
wait
