package main

import (
	"fmt"
	"slices"
	"strings"
)

// goal is what one of ours must reach beside a rival of the same run.
type goal struct {
	name  string
	ours  id
	rival id
	also  id      // its time is added to the rival's, if it has a shape
	need  float64 // how many times the rival's time is ours; or, with limit, at most how many times ours is the rival's
	limit bool
	p10   bool    // of the 10th percentiles, not of the medians
	fixed float64 // ns; instead of a rival
	lacks string  // why the rival is not to be had
}

// Verdicts.
const (
	ok     = "ok"
	short  = "short"
	void   = "void"   // the rival is worse here than it should be: nothing is proved
	absent = "absent" // one of the two did not run
)

// verdict is how it came out.
type verdict struct {
	Name     string  `json:"name"`
	Ours     string  `json:"ours"`
	Rival    string  `json:"rival"`
	OursNS   float64 `json:"ours_ns"`
	RivalNS  float64 `json:"rival_ns"`
	Ratio    float64 `json:"ratio"`
	RatioP10 float64 `json:"ratio_p10"`
	Need     float64 `json:"need"`
	Limit    bool    `json:"limit"`               // need is the most the ratio may be, not the least
	QueuedNS float64 `json:"queued_ns,omitempty"` // where ours is Inline: the same Queued
	FencedNS float64 `json:"fenced_ns,omitempty"` // where ours is published by CommitRelease: the same by Commit
	Verdict  string  `json:"verdict"`
	Why      string  `json:"why,omitempty"`
}

func faster(name string, ours, rival id, need float64) goal {
	return goal{name: name, ours: ours, rival: rival, need: need}
}

func within(name string, ours, rival id, need float64) goal {
	return goal{name: name, ours: ours, rival: rival, need: need, limit: true}
}

// lacking is faster, of a rival that this program cannot have.
func lacking(name string, ours id, rival string, need float64, why string) goal {
	g := faster(name, ours, ours.of(rival), need)
	g.lacks = why
	return g
}

const (
	noModule  = "bench/rivals does not require its module"
	noPackage = "Debian has no package of it"
)

// of is the same cell for another implementation.
func (c id) of(impl string) id {
	c.Impl = impl
	return c
}

// goals are those of the design that this program can measure.
func goals() []goal {
	var (
		atomics = id{Shape: "LIMIT", Impl: "cas+xchg"}
		line    = id{Shape: "ANCHOR", Impl: "line"}
		// From here on ours publishes for a consumer who polls, as the rivals in C++ do.
		u64       = id{Shape: "U1", Impl: "evd-release", Event: 64}
		u64all    = u64.of("evd-release-all") // the rivals in C++ write their events whole
		ub16      = id{Shape: "UB", Impl: "evd-release-all", Event: 16, Batch: batch}
		ub64      = id{Shape: "UB", Impl: "evd-release-all", Event: 64, Batch: batch}
		stream16  = id{Shape: "LIMIT", Impl: "stream", Event: 16, Batch: batch}
		pairB     = id{Shape: "1P1Cb", Impl: "evd-release-all", Event: 16, Batch: batch}
		pairOne   = id{Shape: "1P1C", Impl: "evd-release", Event: 16}
		lat       = id{Shape: "LAT", Impl: "evd-release", Event: 16}
		idle      = id{Shape: "EVD1", Impl: "evd-inline"}
		idleBurst = id{Shape: "EVD32", Impl: "evd-inline", Batch: batch}
		two       = id{Shape: "EVD2P", Impl: "evd-inline"}
		wake      = id{Shape: "WAKE", Impl: "evd-spinning", Gap: 2}
		empty     = id{Shape: "POLL", Impl: "evd-rxe"}
		out       []goal
	)
	for _, event := range []int{16, 32} {
		u := id{Shape: "U1", Impl: "evd-try", Event: event}
		g := func(what string) string { return fmt.Sprintf("G1-u1-%d-%s", event, what) }
		out = append(out, within(g("limit"), u, atomics, 1.15),
			faster(g("xsync"), u, u.of("xsync-mpmc"), 2), faster(g("rte"), u, u.of("rte-mp"), 2))
	}
	out = append(out,
		faster("G2-u1-64-xsync", u64, u64.of("xsync-mpmc"), 3.5),
		lacking("G2-u1-64-lfq", u64, "lfq-mpsc", 3, noModule),
		faster("G2-u1-64-rte", u64all, u64.of("rte-mp"), 1.8),
		within("G2-u1-64-c++", u64, u64.of("run"), 1.2),
		within("G2-u1-64-c++-all", u64all, u64.of("run-all"), 1.2),

		within("G3-batch-16-rte", ub16, ub16.of("rte-mp"), 1.3),
		faster("G3-batch-64-rte", ub64, ub64.of("rte-mp"), 2.5),
		faster("G3-batch-16-moodycamel", ub16, ub16.of("moodycamel"), 1.8),
		faster("G3-batch-64-moodycamel", ub64, ub64.of("moodycamel"), 1.8),

		within("G4-1p1c-batch-limit", pairB, stream16, 1.2),
		faster("G4-1p1c-batch-rte", pairB, pairB.of("rte-mp"), 1.2),
		lacking("G4-1p1c-batch-disruptor", pairB, "go-disruptor", 5, noModule),

		faster("G5-1p1c-xsync", pairOne, pairOne.of("xsync-mpmc"), 1.25),
		lacking("G5-1p1c-rigtorp", pairOne, "rigtorp-mpmc", 0.95, noPackage),
		faster("G5-lane-xsync", pairOne.of("evd-lane"), pairOne.of("xsync-mpmc"), 1.5),

		goal{name: "G6-latency-limit", ours: lat, rival: line, need: 1.25, limit: true, p10: true},
		faster("G6-latency-xsync", lat, lat.of("xsync-mpmc"), 1.3),
		faster("G6-latency-chan", lat, lat.of("chan"), 2),
	)
	for _, p := range []string{"2P1C", "4P1C"} {
		c := id{Shape: p, Impl: "evd-release", Event: 16}
		b := id{Shape: p + "b", Impl: "evd-release-all", Event: 16, Batch: batch}
		out = append(out, faster("G7-"+p+"-xsync", c, c.of("xsync-mpmc"), 1.5), faster("G7-"+p+"-chan", c, c.of("chan"), 4),
			lacking("G7-"+p+"-batch-disruptor", b, "go-disruptor", 3, noModule))
	}
	return append(out,
		goal{name: "G8-post-upcall+cas", ours: idle, rival: idle.of("bare"), also: id{Shape: "LIMIT", Impl: "cas"}, need: 1, limit: true},
		faster("G8-post-mutex-queue", idle, idle.of("mutex-queue"), 2.3),
		faster("G8-post-mutex-direct", idle, idle.of("mutex-direct"), 1.8),
		faster("G8-post-spin-queue", idle, idle.of("spin-queue"), 2.5),
		faster("G8-2posters-mutex-direct", two, two.of("mutex-direct"), 1.5),
		faster("G8-burst-mutex-queue", idleBurst, idleBurst.of("mutex-queue"), 1.7),
		faster("G8-burst-mutex-direct", idleBurst, idleBurst.of("mutex-direct"), 1),

		within("G9-wake-limit", wake, line, 4),

		within("G10-gc-marking", id{Shape: "U1-GC", Impl: "evd-try", Event: 16}, id{Shape: "U1", Impl: "evd-try", Event: 16}, 2.2),

		goal{name: "poll-empty", ours: empty, fixed: 2, need: 1, limit: true},
		faster("poll-empty-c", empty, empty.of("cpoll"), 5),
	)
}

// results finds a cell's.
type results map[id]result

func byID(rs []result) results {
	m := results{}
	for _, r := range rs {
		if r.Samples > 0 {
			m[r.id] = r
		}
	}
	return m
}

// judge says how a goal came out.
func (rs results) judge(g goal) verdict {
	v := verdict{Name: g.name, Ours: g.ours.Impl, Rival: g.rival.Impl, Need: g.need, Limit: g.limit, Verdict: absent, Why: g.lacks}
	if g.lacks != "" {
		return v
	}
	mine, there := rs[g.ours]
	if !there {
		v.Why = "no " + g.ours.String()
		return v
	}
	him := result{quantiles: quantiles{Median: g.fixed, P10: g.fixed}}
	if g.fixed != 0 {
		v.Rival = "limit"
	} else if g.rival.Shape == "ANCHOR" {
		him = result{id: g.rival, quantiles: mine.Anchor} // measured just before each of the samples
	} else if him, there = rs[g.rival]; !there {
		v.Why = "no " + g.rival.String()
		return v
	}
	if g.also.Shape != "" {
		more, there := rs[g.also]
		if !there {
			v.Why = "no " + g.also.String()
			return v
		}
		v.Rival += "+" + g.also.Impl
		him.Median += more.Median
		him.P10 += more.P10
	}
	v.OursNS, v.RivalNS = mine.Median, him.Median
	if g.p10 {
		v.OursNS, v.RivalNS = mine.P10, him.P10
	}
	v.Ratio, v.RatioP10 = v.RivalNS/v.OursNS, him.P10/mine.P10
	if g.limit {
		v.Ratio, v.RatioP10 = 1/v.Ratio, 1/v.RatioP10
	}
	if g.ours.Impl == "evd-inline" {
		v.QueuedNS = rs[g.ours.of("evd-queued")].Median
	}
	if fenced, is := strings.CutPrefix(g.ours.Impl, "evd-release"); is {
		twin := rs[g.ours.of("evd-inplace"+fenced)]
		v.FencedNS = twin.Median
		if g.p10 {
			v.FencedNS = twin.P10
		}
	}
	v.Verdict = short
	if g.limit && v.Ratio <= g.need || !g.limit && v.Ratio >= g.need {
		v.Verdict = ok
	}
	var notes []string
	if mine.Far != him.Far && mine.Anchor.Median > 0 && him.Anchor.Median > 0 {
		v.Verdict = void // another distance: nothing to compare
	}
	if worse, is := rs.handicap(g.rival); is && worse > 1.3 {
		v.Verdict = void
		notes = append(notes, fmt.Sprintf("%s is %.2fx what it was, in bare mutexes", g.rival.Impl, worse))
	}
	for _, r := range []result{mine, him} {
		if r.Noisy {
			notes = append(notes, r.Impl+" disturbed")
		}
		if r.Far {
			notes = append(notes, r.Impl+" far apart")
		}
		if 0 < r.Samples && r.Samples < few {
			notes = append(notes, fmt.Sprintf("%s by %d samples", r.Impl, r.Samples))
		}
	}
	v.Why = strings.Join(notes, ", ")
	return v
}

// honest is what the baselines of dispatch took, in mutexes locked and unlocked, where
// they were measured first: medians of one run on a Zen 3, of events of 32 bytes, one
// upcall for each queue. A baseline that has got slower than that proves nothing.
var honest = map[string]map[string]float64{
	"EVD1":   {"mutex-queue": 4.1, "mutex-direct": 3.1, "spin-queue": 5.1},
	"EVD32":  {"mutex-queue": 1.36, "mutex-direct": 0.75, "spin-queue": 1.43},
	"EVD2P":  {"mutex-queue": 2.5, "mutex-direct": 1.74, "spin-queue": 3.1},
	"EVD2Pb": {"mutex-queue": 0.81, "mutex-direct": 0.46, "spin-queue": 0.88},
}

// inMutexes is a baseline's time as a multiple of a bare mutex's.
func (rs results) inMutexes(c id) (ratio float64, is bool) {
	mutex, there := rs[id{Shape: "LIMIT", Impl: "mutex"}]
	r, also := rs[c]
	return r.Median / mutex.Median, there && also
}

// handicap is how many times slower a baseline of dispatch is than it may be.
func (rs results) handicap(c id) (worse float64, is bool) {
	may := honest[c.Shape][c.Impl]
	ratio, is := rs.inMutexes(c)
	return ratio / may, is && may != 0
}

// baselines are the lines about the baselines of dispatch.
func (rs results) baselines() (out []string) {
	for _, r := range rs {
		if may := honest[r.Shape][r.Impl]; may != 0 {
			if ratio, is := rs.inMutexes(r.id); is {
				out = append(out, fmt.Sprintf("baseline %s/%s=%.2f ratio=%.2f bare mutexes, at most %.2f", r.Shape, r.Impl, r.Median, ratio, 1.3*may))
			}
		}
	}
	slices.Sort(out)
	return out
}

func (v verdict) String() string {
	sign, why := ">=", v.Why
	if v.Limit {
		sign = "<="
	}
	if why != "" {
		why = " (" + why + ")"
	}
	if v.Verdict == absent {
		return fmt.Sprintf("goal %s ours=%s rival=%s ratio=- need=%s%.2f absent%s", v.Name, v.Ours, v.Rival, sign, v.Need, why)
	}
	if v.FencedNS != 0 {
		why = fmt.Sprintf(" fenced=%.2f", v.FencedNS) + why
	}
	if v.QueuedNS != 0 {
		why = fmt.Sprintf(" queued=%.2f", v.QueuedNS) + why
	}
	return fmt.Sprintf("goal %s ours=%.2f rival=%s:%.2f ratio=%.2f need=%s%.2f %s%s", v.Name, v.OursNS, v.Rival, v.RivalNS, v.Ratio, sign, v.Need, v.Verdict, why)
}
