package explore

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// OverrideEnv is the environment variable with which Test searches otherwise
// than its caller says: see [Options.Override].
const OverrideEnv = "EVD_EXPLORE"

// Override returns o changed by a list like "search=pct,depth=5" or
// "bound=3,time=1m". The keys:
//
//	search      dfs, dpor, pct or random
//	bound       Preemptions: a number, or unbounded; it only raises o's
//	depth       Depth
//	merge       Merge: yes or no
//	executions  MaxExecutions
//	time        MaxTime, a duration
//	seed        Seed
//
// A search that ends by executions or time is accepted: AllowIncomplete is
// set. An empty list changes nothing.
func (o Options) Override(list string) (Options, error) {
	if list == "" {
		return o, nil
	}
	for _, part := range strings.Split(list, ",") {
		key, value, _ := strings.Cut(part, "=")
		bad := func(allowed string) (Options, error) {
			return o, fmt.Errorf("explore: bad %s %q at %q: allowed are %s", OverrideEnv, list, part, allowed)
		}
		n, err := strconv.Atoi(value)
		switch key {
		case "search":
			i := indexOf(searchNames[:], value)
			if i < 0 {
				return bad("search=" + strings.Join(searchNames[:], ", search="))
			}
			o.Search = Search(i)
		case "bound":
			switch {
			case value == "unbounded":
				o.Preemptions = Unbounded
			case err != nil || n < 1:
				return bad("bound=unbounded and bound=1 and more")
			default:
				if o.Preemptions == 0 {
					o.Preemptions = DefaultPreemptions
				}
				if o.Preemptions != Unbounded {
					o.Preemptions = max(o.Preemptions, n)
				}
			}
		case "merge":
			if value != "yes" && value != "no" {
				return bad("merge=yes and merge=no")
			}
			o.Merge = value == "yes"
		case "depth", "executions":
			if err != nil || n < 1 {
				return bad(key + "=1 and more")
			}
			if key == "depth" {
				o.Depth = n
			} else {
				o.MaxExecutions, o.AllowIncomplete = n, true
			}
		case "time":
			if o.MaxTime, err = time.ParseDuration(value); err != nil || o.MaxTime <= 0 {
				return bad("positive durations, like time=30s")
			}
			// The time is the limit now.
			o.MaxExecutions, o.AllowIncomplete = 1<<62, true
		case "seed":
			if o.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
				return bad("seed=0 and more")
			}
		default:
			return bad("search, bound, depth, merge, executions, time and seed")
		}
	}
	return o, nil
}

func indexOf(list []string, s string) int {
	for i := range list {
		if list[i] == s {
			return i
		}
	}
	return -1
}
