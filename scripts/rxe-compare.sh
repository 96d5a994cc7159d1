#!/bin/bash
# rxe-compare.sh EVDBENCH [ROUNDS [COUNT [MODES]]]: ping-pong over soft-RoCE, this
# project against the C reference (ibv_rc_pingpong of ibverbs-utils), spinning
# and event-driven, 64 bytes, in alternating rounds. Meant for a guest with
# rxe0 and 10.99.0.1. Prints microseconds per round trip.
set -u
bench=$1 rounds=${2:-5} count=${3:-500} modes=${4:-spin event}
dev=${EVD_RXE_DEV:-rxe0} addr=10.99.0.1 port=18515
work=$(mktemp -d)

listening() { grep -qi ":$(printf %04X $port) [0-9A-F:]* 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null; }

# pair SERVER-COMMAND CLIENT-COMMAND: runs both, the client when the server
# listens; their output goes to $work/server and $work/client.
pair() {
	bash -c "$1" >"$work/server" 2>&1 &
	local server=$! n=0
	until listening; do
		n=$((n + 1))
		if [ $n -gt 600 ] || ! kill -0 $server 2>/dev/null; then
			echo "the server does not listen: $1" >&2
			cat "$work/server" >&2
			return 1
		fi
		sleep 0.1
	done
	bash -c "$2" >"$work/client" 2>&1
	local status=$?
	wait $server && [ $status = 0 ] || {
		echo "failed: $1 / $2" >&2
		cat "$work/server" "$work/client" >&2
		return 1
	}
}

# ibv [-e]: one run of the C program; it averages over all its round trips.
ibv() {
	local c="ibv_rc_pingpong -d $dev -g 1 -s 64 -n $count -p $port $*"
	pair "exec $c" "exec $c $addr" || return
	sed -nE 's/.* = ([0-9.]+) usec\/iter$/\1/p' "$work/client"
}

# evd MODE: one run of evdbench, also two processes, also without warm-up.
evd() {
	local c="$bench lat --cq rxe --dev $dev --mode $1 --size 64 --count $count --warmup 0 -q -o json"
	pair "exec $c --peer-listen :$port" "exec $c --peer $addr:$port" || return
	sed -nE 's/.*"ns_per_operation": *([0-9.]+).*/\1/p' "$work/client" | awk '{ printf "%.2f\n", $1 / 1000 }'
}

run() {
	case $1 in
	c-spin) ibv ;;
	c-event) ibv -e ;;
	evd-*) evd "${1#evd-}" ;;
	esac
}

echo "linux $(uname -r), $(nproc) CPUs, $dev, 64 B, $count round trips a run, $rounds rounds; us per round trip"
for ((r = 1; r <= rounds; r++)); do
	order=
	for m in $modes; do
		# Turn about, so that neither side always comes first.
		if ((r % 2)); then order+=" c-$m evd-$m"; else order+=" evd-$m c-$m"; fi
	done
	line="round $r:"
	for v in $order; do
		us=$(run $v)
		[ -n "$us" ] || {
			echo "$v gave no figure" >&2
			exit 1
		}
		echo "$us" >>"$work/$v.us"
		line+="  $v $us"
	done
	echo "$line"
done

# Both sides of a round make a pair, so that what slows the whole machine for
# a while slows both. The interval is that of order statistics (sign test):
# it assumes nothing of the distribution, and needs 6 pairs to exist.
echo
printf '%-6s %28s %28s   %s\n' mode "ibv_rc_pingpong (min..max)" "evdbench (min..max)" "ratio of pairs: median, 95 % interval"
for mode in $modes; do
	paste "$work/c-$mode.us" "$work/evd-$mode.us" | awk -v mode="$mode" '
	function sort(a, n,  i, j, x) { for (i = 2; i <= n; i++) { x = a[i]; for (j = i - 1; j > 0 && a[j] > x; j--) a[j + 1] = a[j]; a[j + 1] = x } }
	function median(a, n) { return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2 }
	{ n++; c[n] = $1; e[n] = $2; q[n] = $2 / $1 }
	END {
		sort(c, n); sort(e, n); sort(q, n)
		p = 1; for (i = 0; i < n; i++) p /= 2
		sum = k = 0 # k: how many extreme ratios at each end stay outside
		while ((sum += p) <= 0.025) { k++; p *= (n - k + 1) / k }
		interval = k > 0 ? sprintf("%.2f..%.2f", q[k], q[n + 1 - k]) : "too few rounds"
		printf "%-6s %28s %28s   %.2f, %s\n", mode, sprintf("%.1f (%.1f..%.1f)", median(c, n), c[1], c[n]),
			sprintf("%.1f (%.1f..%.1f)", median(e, n), e[1], e[n]), median(q, n), interval
	}'
done
