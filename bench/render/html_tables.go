package render

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

// stagesData is the split of a latency.
type stagesData struct {
	Note  string
	Parts []stageData
}

type stageData struct {
	Name, Mean, P99 string
	Percent         float64 // of the whole
	Share           string
	Class           string
}

func stagesOf(reps []*bench.Report) *stagesData {
	s := reps[0].Stages
	if s == nil || s.Whole <= 0 {
		return nil
	}
	share := 100 * s.Sum / s.Whole
	d := &stagesData{Note: fmt.Sprintf("Mean times of the parts of a request, over all of them. They add up to %s of %s (%.1f %%)", span(s.Sum), span(s.Whole), share)}
	if math.Abs(share-100) > stagesOff {
		d.Note += ": a part is missing, or counted twice"
	}
	d.Note += "."
	if len(reps) > 1 {
		d.Note += " Of the first repetition."
	}
	for i, p := range s.Parts {
		percent := 100 * p.PerOp / s.Whole
		share := fmt.Sprintf("%.1f %%", percent)
		if p.Apart {
			percent, share = 0, "before"
		}
		p99 := "n/a"
		if v, ok := result.AtPercentile(&p.Time, 99); ok {
			p99 = span(v)
		}
		d.Parts = append(d.Parts, stageData{
			Name: p.Name, Mean: span(p.PerOp), P99: p99, Percent: min(round(percent), 100),
			Share: share, Class: fmt.Sprintf("c%d", i%7),
		})
	}
	return d
}

// details are the tables for engineers.
func details(f *result.File, reps []*bench.Report) []table {
	var all []table
	add := func(title, note string, rows [][]string) {
		if len(rows) > 1 {
			all = append(all, table{title, note, rows})
		}
	}
	if len(reps) == 0 {
		return nil
	}
	first := reps[0]
	settings := [][]string{{"setting", "value"}}
	for _, k := range keys(f.Settings) {
		settings = append(settings, []string{k, f.Settings[k]})
	}
	for _, k := range keys(f.Tags) {
		settings = append(settings, []string{"tag " + k, f.Tags[k]})
	}
	add("Settings given", "All others are at their defaults; see the configuration.", settings)
	add("Environment", "Where it ran.", fieldTable(first, func(r *bench.Report) any { return r.Env }))
	add("Configuration", "Complete: defaults are filled in. Times in their units, 0 where a setting is not used.",
		fieldTable(first, func(r *bench.Report) any { return r.Config }))
	add("Percentiles", "Over all repetitions together, in nanoseconds. n/a: fewer than ten samples lie above it.", percentileTable(f))
	each := func(of func(*bench.Report) any) [][]string { return repTable(reps, of) }
	add("Results", "", each(func(r *bench.Report) any {
		x := r.Results
		x.Latency, x.Response = nil, nil
		return x
	}))
	add("Load", "What the generator offered, and how late it was.", each(func(r *bench.Report) any { return r.Load }))
	add("Wake-ups", "The economy of sleeping.", each(func(r *bench.Report) any { return r.Wake }))
	add("Engine counters", "Of the whole run, warm-up included.", each(func(r *bench.Report) any { return r.Engine }))
	add("Completion queue", "", each(func(r *bench.Report) any { return r.CQ }))
	add("Connection", "", each(func(r *bench.Report) any { return r.Connection }))
	add("Conservation", "attempted = accepted + rejected; accepted = delivered + dequeued + left over.",
		each(func(r *bench.Report) any { return r.Conservation }))
	return all
}

// fieldTable has the fields of one repetition.
func fieldTable(r *bench.Report, of func(*bench.Report) any) [][]string {
	rows := [][]string{{"name", "value"}}
	for _, x := range fieldsOf("", reflect.ValueOf(of(r))) {
		rows = append(rows, []string{x[0], x[1]})
	}
	return rows
}

// mostColumns is how many repetitions have a column of their own.
const mostColumns = 8

// repTable has a column for each repetition.
func repTable(reps []*bench.Report, of func(*bench.Report) any) [][]string {
	head := []string{"name"}
	var rows [][]string
	index := map[string]int{}
	for i, r := range reps[:min(len(reps), mostColumns)] {
		head = append(head, "repetition "+strconv.Itoa(i+1))
		for _, x := range fieldsOf("", reflect.ValueOf(of(r))) {
			k, ok := index[x[0]]
			if !ok {
				k = len(rows)
				index[x[0]] = k
				rows = append(rows, append([]string{x[0]}, make([]string, min(len(reps), mostColumns))...))
			}
			rows[k][i+1] = x[1]
		}
	}
	return append([][]string{head}, rows...)
}

// fieldsOf lists the fields of a value with their names in JSON, or as they are:
// so what is added to a report is in the page by itself.
func fieldsOf(name string, v reflect.Value) [][2]string {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return nil
	}
	one := func(s string) [][2]string { return [][2]string{{name, s}} }
	if d, ok := v.Interface().(time.Duration); ok {
		return one(d.String())
	}
	switch v.Kind() {
	case reflect.Struct:
		if s, ok := v.Interface().(fmt.Stringer); ok {
			return one(s.String())
		}
		var all [][2]string
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() {
				continue
			}
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case key == "-":
				continue
			case key == "" && !f.Anonymous:
				key = f.Name
			}
			if f.Type == reflect.TypeFor[time.Duration]() {
				key = strings.TrimSuffix(key, "_ns")
			}
			all = append(all, fieldsOf(strings.TrimPrefix(name+"."+key, "."), v.Field(i))...)
		}
		return all
	case reflect.Slice, reflect.Array:
		var texts []string
		var all [][2]string
		for i := range v.Len() {
			e := v.Index(i)
			if e.Kind() == reflect.Struct {
				all = append(all, fieldsOf(name+"."+strconv.Itoa(i), e)...)
				continue
			}
			texts = append(texts, fmt.Sprint(e.Interface()))
		}
		if all != nil {
			return all
		}
		return one(strings.Join(texts, ", "))
	case reflect.Map:
		return nil // histograms
	case reflect.Int, reflect.Int64, reflect.Int32:
		return one(group(v.Int()))
	case reflect.Uint64, reflect.Uint32, reflect.Uint:
		return one(groupU(v.Uint()))
	case reflect.Float64:
		return one(strconv.FormatFloat(v.Float(), 'g', 6, 64))
	}
	return one(fmt.Sprint(v.Interface()))
}

// percentileTable has the whole distribution, of all histograms.
func percentileTable(f *result.File) [][]string {
	names := chart.Histograms(f)
	rows := [][]string{append([]string{"percentile"}, names...)}
	if len(names) == 0 {
		return nil
	}
	var hists []*bench.Hist
	samples := []string{"samples"}
	for _, n := range names {
		h := chart.Merged(f, n)
		hists = append(hists, h)
		samples = append(samples, groupU(h.Count()))
	}
	for _, p := range []float64{0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 99.9999, 100} {
		row := []string{strconv.FormatFloat(p, 'f', -1, 64) + " %"}
		some := false
		for _, h := range hists {
			if above := float64(h.Count()) * (100 - p) / 100; p < 100 && above < samplesAbove-1e-6 {
				row = append(row, "n/a")
				continue
			}
			some = true
			row = append(row, group(h.At(p)))
		}
		if some {
			rows = append(rows, row)
		}
	}
	return append(rows, samples)
}
