package bench

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
)

// stages writes the parts of the latency, and what they add up to.
func (t *texter) stages(st *Stages) {
	if st == nil {
		return
	}
	tw := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join([]string{"stages (ns)", "p50", "p90", "p99", "max", "mean", "times", "per op", "share"}, "\t")+"\t")
	apart := false
	for _, x := range st.Parts {
		s := &x.Time
		row := []string{x.Name}
		for _, p := range []float64{50, 90, 99} {
			row = append(row, s.at(p))
		}
		share := fmt.Sprintf("%.1f %%", 100*x.PerOp/st.Whole)
		if x.Apart {
			share, apart = "before", true
		}
		row = append(row, group(s.Max), mean(s.Mean), groupU(s.Samples), mean(x.PerOp), share)
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	tw.Flush()
	before := ""
	if apart {
		before = ", without what is before"
	}
	t.line("sum", "%s ns of a mean of %s ns: %.1f %%%s; clock readings: %s ns",
		mean(st.Sum), mean(st.Whole), 100*(1+st.off()), before, mean(st.Cost))
	t.b.WriteByte('\n')
}

// at is a percentile in words.
func (s *Summary) at(p float64) string {
	for _, q := range s.Percentiles {
		if q.P == p && q.Nanos != nil {
			return group(*q.Nanos)
		}
	}
	return "n/a"
}

func mean(v float64) string { return group(int64(math.Round(v))) }

// wake writes the economy of sleeping.
func (t *texter) wake(r *Report) {
	w := r.Wake
	if w == nil {
		return
	}
	cpu := ""
	if w.CPUPerMillion > 0 && r.Config.Workload != WakeUp { // there the device keeps a CPU
		cpu = fmt.Sprintf(", %.3g CPU seconds a million completions", w.CPUPerMillion)
	}
	t.line("wake", "%s wake-ups (%.3g per completion), %s looks in vain%s", groupU(w.Wakeups), w.PerCompletion, groupU(w.Spins), cpu)
	how := "what waking a goroutine takes here"
	if w.Measured {
		how = "what waking took in half of the rounds"
	}
	t.line("", "recommended --spin %v, %s: who polls that long before he sleeps never", w.Recommended, how)
	t.line("", "pays more than twice what he would if he knew when the next completion comes")
}
