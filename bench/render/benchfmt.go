package render

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// goBench writes one line a repetition. What two runs to be compared may differ in,
// such as version and time, is no key: benchstat would not compare them.
func goBench(w io.Writer, _ Options, files []*result.File) error {
	b := benchfmt.NewWriter(w)
	for _, m := range result.Metrics() {
		better, ok := map[result.Better]string{result.Lower: "lower", result.Higher: "higher"}[m.Better]
		if !ok {
			continue
		}
		_, unit := benchunit.Tidy(1, benchUnit(m))
		err := b.Write(&benchfmt.UnitMetadata{
			UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: "better"}, OrigUnit: benchUnit(m), Value: better,
		})
		if err != nil {
			return err
		}
	}
	for _, f := range flat(files) {
		for _, r := range f.Reps {
			res := &benchfmt.Result{
				Config: benchKeys(f, r), Name: benchfmt.Name(benchName(f, r)), Iters: max(int(r.Results.Operations), 1),
			}
			for _, m := range result.Metrics() {
				if v, ok := m.Of(r); ok && m.Better != result.Neither {
					res.Values = append(res.Values, benchfmt.Value{Value: v, Unit: benchUnit(m)})
				}
			}
			if err := b.Write(res); err != nil {
				return err
			}
		}
	}
	return nil
}

// benchUnit is the unit of a metric: as Go's own benchmarks call it, if they do.
func benchUnit(m result.Metric) string {
	switch m.Name {
	case "per_operation_ns":
		return "ns/op"
	case "per_second":
		return "op/s"
	}
	return strings.ReplaceAll(m.Name, "_", "-")
}

// benchName is Lat/cq=mock/mode=spin/batch=4-8.
func benchName(f *result.File, r *bench.Report) string {
	c := &r.Config
	b := strings.ToUpper(c.Workload[:min(1, len(c.Workload))]) + c.Workload[min(1, len(c.Workload)):]
	b = word(b) + "/cq=" + word(c.CQ) + "/mode=" + word(c.Mode)
	for _, k := range keys(f.Settings) {
		if scenario[k] {
			b += "/" + k + "=" + word(f.Settings[k])
		}
	}
	return fmt.Sprintf("%s-%d", b, r.Env.GOMAXPROCS)
}

// scenario are the settings that say what was measured. For how long, and how it is
// reported, is none of it.
var scenario = func() map[string]bool {
	m := map[string]bool{}
	t := reflect.TypeFor[bench.Config]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_ns"), "_per_second")
		m[strings.ReplaceAll(name, "_", "-")] = true
	}
	for _, k := range []string{"workload", "cq", "mode", "count", "duration", "warmup", "interval", "percentiles", "stall", "max-lag", ""} {
		delete(m, k)
	}
	return m
}()

// word keeps a value from being read as more than one part of a name.
func word(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
}

// benchKeys are the environment, and the user's tags.
func benchKeys(f *result.File, r *bench.Report) []benchfmt.Config {
	var all []benchfmt.Config
	add := func(key, value string) {
		if value = strings.Join(strings.Fields(value), " "); value != "" {
			all = append(all, benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	e := &r.Env
	add("goos", e.OS)
	add("goarch", e.Arch)
	add("cpu", e.CPU)
	add("cpus", fmt.Sprint(e.CPUs))
	add("kernel", e.Kernel)
	add("go", e.Go)
	add("clock", string(e.Clock.Source))
	for _, k := range keys(f.Tags) {
		// A key begins with a small letter, and has neither spaces, capitals nor colons.
		key := strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || r == ':' || !unicode.IsPrint(r) {
				return '_'
			}
			return unicode.ToLower(r)
		}, k)
		add("tag-"+key, f.Tags[k])
	}
	return all
}
