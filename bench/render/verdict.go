package render

import (
	"fmt"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

// verdict says in plain words what was measured, whether it can be used, and what
// came out.
func verdict(f *result.File) []string {
	if len(f.Cells) > 0 {
		return sweepVerdict(f)
	}
	if len(f.Reps) == 0 {
		return []string{"Nothing was measured."}
	}
	first := f.Reps[0]
	said := []string{subject(f)}
	bad, cut := 0, 0
	for _, r := range f.Reps {
		if !r.OK() {
			bad++
		}
		if r.Interrupted {
			cut++
		}
	}
	switch {
	case bad > 0:
		said = append(said, fmt.Sprintf("Do not use these figures: %s not valid (%s).", of(bad, len(f.Reps), "is", "are"), reason(f.Reps)))
	case cut > 0:
		said = append(said, "It was interrupted: these are the figures until then. No event was lost.")
	default:
		said = append(said, "The measurement is valid: no event was lost, doubled or out of order.")
	}
	return append(said, findings(f, first)...)
}

func of(n, all int, one, many string) string {
	switch {
	case all == 1:
		return "it " + one
	case n == all:
		return fmt.Sprintf("all %d repetitions %s", all, many)
	case n == 1:
		return fmt.Sprintf("1 of %d repetitions %s", all, one)
	}
	return fmt.Sprintf("%d of %d repetitions %s", n, all, many)
}

func reason(reps []*bench.Report) string {
	for _, r := range reps {
		if len(r.Conservation.Violations) > 0 {
			return r.Conservation.Violations[0]
		}
		if len(r.Invalid) > 0 {
			return r.Invalid[0]
		}
	}
	return ""
}

// subject is the sentence that says what was measured.
func subject(f *result.File) string {
	r := f.Reps[0]
	cq := map[string]string{bench.CQMock: "a simulated device", bench.CQRXE: "soft-RoCE", bench.CQVerbs: "an RDMA device", bench.CQTCP: "TCP sockets"}[r.Config.CQ]
	if cq == "" {
		cq = r.Config.CQ
	}
	what := map[string]string{
		bench.Lat: "latency with one request in flight", bench.BW: "throughput with many requests in flight",
		bench.WakeUp: "the cost of sleeping and being woken", bench.Jitter: "how much this host itself disturbs a program",
	}[r.Config.Workload]
	if r.Load != nil {
		what = "latency under a load of " + count(r.Load.Offered) + " requests a second"
	}
	if what == "" {
		what = r.Config.Workload
	}
	times := "once"
	if n := len(f.Reps); n > 1 {
		times = fmt.Sprintf("%d times", n)
	}
	if r.Config.Workload == bench.Jitter {
		return fmt.Sprintf("This measured %s, %s.", what, times)
	}
	return fmt.Sprintf("This measured %s, over %s (%s), %s.", what, cq, r.Config.CQ, times)
}

// findings are sentences about what came out.
func findings(f *result.File, first *bench.Report) []string {
	var said []string
	get := func(name string) (float64, bool) {
		m, _ := result.MetricNamed(name)
		v, _, _, ok := m.Median(f.Reps)
		return v, ok
	}
	kind, name := "service", "Serving a request"
	if first.Results.Response != nil {
		kind, name = "response", "Counted from when a request was due, it"
	}
	if p50, ok := get(kind + "_p50_ns"); ok {
		s := fmt.Sprintf("%s took %s in the median", name, span(p50))
		if p99, ok := get(kind + "_p99_ns"); ok {
			s += fmt.Sprintf(", at most %s for 99 of 100", span(p99))
		}
		worst, _ := result.MetricNamed(kind + "_max_ns")
		if _, _, most, ok := worst.Median(f.Reps); ok { // of all repetitions
			s += fmt.Sprintf(", and %s at worst", span(most))
		}
		said = append(said, s+".")
	}
	if rate, ok := get("per_second"); ok && rate > 0 && first.Load == nil && first.Config.Workload != bench.Jitter {
		said = append(said, fmt.Sprintf("It did %s operations a second.", count(rate)))
	}
	if cpu, ok := get("cpu_percent"); ok {
		said = append(said, fmt.Sprintf("The process used %.0f %% of one CPU.", cpu))
	}
	if m, _ := result.MetricNamed(kind + "_p99_ns"); len(f.Reps) > 1 {
		if v, least, most, ok := m.Median(f.Reps); ok && v > 0 {
			said = append(said, fmt.Sprintf("Between repetitions the 99th percentile differed by %.1f %%.", 100*(most-least)/v))
		}
	}
	return said
}

func sweepVerdict(f *result.File) []string {
	bad := 0
	for _, c := range f.Cells {
		if !c.OK() {
			bad++
		}
	}
	said := []string{fmt.Sprintf("This measured %d combinations of %s.", len(f.Cells), strings.Join(chart.Varied(f.Cells), " and "))}
	if bad > 0 {
		return append(said, fmt.Sprintf("Do not use those that are marked: %d of %d are not valid.", bad, len(f.Cells)))
	}
	return append(said, "All of them are valid: no event was lost, doubled or out of order.")
}
