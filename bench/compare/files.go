package compare

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/stats"
	"github.com/evdengine/evd/internal/param"
)

// Named are the result files of one side.
type Named struct {
	Name  string
	Files []*result.File
}

// reps are the repetitions of all files.
func (n Named) reps() ([]*bench.Report, error) {
	var all []*bench.Report
	for _, f := range n.Files {
		if len(f.Cells) > 0 {
			return nil, fmt.Errorf("%w: %s is a sweep: save its cells one by one", ErrWorkloads, n.Name)
		}
		for _, r := range f.Reps {
			if !r.OK() {
				return nil, fmt.Errorf("%w: %s: %s", ErrInvalid, n.Name, why(r))
			}
			if !r.Interrupted {
				all = append(all, r)
			}
		}
	}
	return all, nil
}

func why(r *bench.Report) string {
	if !r.Conservation.OK() {
		return r.Conservation.Violations[0]
	}
	return r.Invalid[0]
}

// ErrHosts is matched by errors about results of different hosts.
var ErrHosts = errors.New("they are of different hosts, and a difference would be the hosts'")

// ErrReps is matched by errors about results of too few repetitions.
var ErrReps = errors.New("too few repetitions")

// ErrWorkloads is matched by errors about results of different workloads.
var ErrWorkloads = errors.New("they did not measure the same")

// FilesConfidence is that of a comparison of files unless another is asked for: it is
// looked at once only.
const FilesConfidence = 0.95

// Files compares the repetitions in result files. Those of different hosts are refused
// unless force.
func Files(a, b Named, o Options, force bool) (*Result, error) {
	def(&o.Confidence, FilesConfidence)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	sides := []Named{a, b}
	reps := make([][]*bench.Report, len(sides))
	for i, s := range sides {
		var err error
		if reps[i], err = s.reps(); err != nil {
			return nil, err
		}
		if n := LeastReps(o.Confidence); len(reps[i]) < n {
			return nil, fmt.Errorf("%w: %s: %d complete repetitions: an interval of %g %% takes %d on each side (--reps %d, or several files)",
				ErrReps, s.Name, len(reps[i]), 100*o.Confidence, n, n)
		}
	}
	ra, rb := reps[0][0], reps[1][0]
	if ra.Config.Workload != rb.Config.Workload {
		return nil, fmt.Errorf("%w: %s is of %s, and %s of %s", ErrWorkloads, a.Name, ra.Config.Workload, b.Name, rb.Config.Workload)
	}
	r := &Result{
		Schema: Schema, Start: a.Files[0].Start, Command: ra.Config.Workload,
		Primary: stats.Canonical(o.Metric), Confidence: o.Confidence, Interval: o.Confidence,
		Warnings: []string{},
	}
	if o.Metric == "" {
		r.Primary = Primary(r.Command)
	}
	if hosts := hostDifferences(&ra.Env, &rb.Env); len(hosts) > 0 {
		if !force {
			return nil, fmt.Errorf("%w: %s (--force compares them all the same)", ErrHosts, strings.Join(hosts, ", "))
		}
		r.Warnings = append(r.Warnings, "different hosts: "+strings.Join(hosts, ", "))
	}
	for i, s := range sides {
		r.Sides = append(r.Sides, Side{
			Name: string(rune('A' + i)), Source: s.Name, Version: s.Files[0].Version,
			Reps: len(reps[i]), Config: reps[i][0].Config, Env: reps[i][0].Env,
		})
	}
	r.Differences = sideDifferences(r.Sides)
	c := Comparison{Side: "B"}
	for _, m := range common(reps) {
		c.Judgements = append(c.Judgements, stats.Runs(m, values(reps[0], m.Name), values(reps[1], m.Name),
			o.Confidence, stats.Effect(m.Name, o.Effect)))
	}
	r.Comparisons = []Comparison{c}
	if _, ok := c.Judgement(r.Primary); !ok {
		return nil, param.Invalid("compare", "metric", r.Primary, "one that both have measured: "+names(common(reps)))
	}
	r.Warnings = append(r.Warnings, "not interleaved: what changed on the machine between the two is in the difference, and not in the floor")
	return r, nil
}

// LeastReps is how many repetitions there must be on each side for an interval of the
// median.
func LeastReps(confidence float64) int {
	v := []float64{}
	for {
		v = append(v, float64(len(v)))
		if stats.Median(v, confidence).Known() && stats.Shift(v, v, confidence).Known() {
			return len(v)
		}
	}
}

// common are the metrics that every repetition has a figure for.
func common(reps [][]*bench.Report) []stats.Metric {
	var all []stats.Metric
	for _, m := range stats.Metrics(reps[0][0]) {
		everywhere := true
		for _, rs := range reps {
			everywhere = everywhere && len(values(rs, m.Name)) == len(rs)
		}
		if everywhere {
			all = append(all, m)
		}
	}
	return all
}

func values(reps []*bench.Report, name string) []float64 {
	var out []float64
	for _, r := range reps {
		if m, ok := stats.Find(stats.Metrics(r), name); ok && m.Known() {
			out = append(out, m.Value)
		}
	}
	return out
}

// hostDifferences says in which respects these are not the same host.
func hostDifferences(a, b *bench.Env) []string {
	var out []string
	diff := func(name string, x, y any) {
		if x != y {
			out = append(out, fmt.Sprintf("%s %v and %v", name, x, y))
		}
	}
	diff("CPU", a.CPU, b.CPU)
	diff("CPUs", a.CPUs, b.CPUs)
	diff("OS", a.OS+"/"+a.Arch, b.OS+"/"+b.Arch)
	return out
}

// sideDifferences are those of the sides that are not the measurement's: kernel, Go,
// and every setting.
func sideDifferences(sides []Side) []string {
	out := []string{}
	a := &sides[0]
	for i := range sides[1:] {
		b := &sides[i+1]
		var d []string
		for _, x := range []struct{ name, a, b string }{
			{"kernel", a.Env.Kernel, b.Env.Kernel},
			{"go", a.Env.Go, b.Env.Go},
			{"gomaxprocs", fmt.Sprint(a.Env.GOMAXPROCS), fmt.Sprint(b.Env.GOMAXPROCS)},
			{"clock", string(a.Env.Clock.Source), string(b.Env.Clock.Source)},
		} {
			if x.a != x.b {
				d = append(d, fmt.Sprintf("%s: %s -> %s", x.name, x.a, x.b))
			}
		}
		d = append(d, settings(a.Config, b.Config)...)
		for _, text := range d {
			if len(sides) > 2 {
				text = b.Name + ": " + text
			}
			out = append(out, text)
		}
	}
	return out
}

// settings are the differences of two configurations, by the names of the flags.
func settings(a, b bench.Config) []string {
	var out []string
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		f := va.Type().Field(i)
		if !f.IsExported() || reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_ns"), "_per_second")
		out = append(out, fmt.Sprintf("%s: %s -> %s", strings.ReplaceAll(name, "_", "-"), show(va.Field(i)), show(vb.Field(i))))
	}
	return out
}

func show(v reflect.Value) string {
	if v.IsZero() {
		return "default"
	}
	return fmt.Sprint(v.Interface())
}
