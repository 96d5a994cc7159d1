#!/usr/bin/env bash
# cover.sh OUT: statement coverage of ring and engine by their tests, the
# explorer's scenarios included (cut short: it is the lines that count here).
# Prints the share of each package, and every statement that nothing reaches;
# OUT is the merged profile.
set -euo pipefail
cd "$(dirname "$0")/.."
go=${GO:-go}
out=${1:?usage: cover.sh OUT}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
pkgs=./ring,./engine
"$go" test -count=1 -coverpkg=$pkgs -coverprofile="$dir/unit" ./ring ./engine >"$dir/log" || { cat "$dir/log"; exit 1; }
EVD_EXPLORE=executions=3000 "$go" test -count=1 -tags explore -run Explore -coverpkg=$pkgs -coverprofile="$dir/explore" ./ring ./engine >"$dir/log" || { cat "$dir/log"; exit 1; }
# A block is a range of lines, how many statements, how often.
{
	echo "mode: set"
	cat "$dir/unit" "$dir/explore" | grep -v '^mode:' | awk '{ n[$1" "$2] += $3 } END { for (b in n) print b, (n[b] > 0) }' | sort
} >"$out"
awk '/^mode:/ { next } { split($1, a, ":"); p = a[1]; sub("/[^/]*$", "", p); sub(".*/", "", p); all[p] += $2; if ($3) hit[p] += $2 }
	END { for (p in all) printf "%-8s %5.1f %% of %d statements\n", p, 100 * hit[p] / all[p], all[p] }' "$out" | sort
grep ' 0$' "$out" | sed 's/^[^ ]*\/evd\///; s/ [0-9]* 0$//' | sort -t: -k1,1 -k2n || true
