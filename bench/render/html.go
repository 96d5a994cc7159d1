package render

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"strconv"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/style.css
	pageCSS string
	//go:embed page/script.js
	pageJS string

	page = template.Must(template.New("page").Funcs(template.FuncMap{
		"css": func() template.CSS { return template.CSS(pageCSS) },
		"js":  func() template.JS { return template.JS(pageJS) },
	}).Parse(pageHTML))
)

// pageData is what the template shows.
type pageData struct {
	Title    string
	Overview *overview // of several results
	Files    []fileData
}

// overview holds several results side by side.
type overview struct {
	Charts []figureData
	Table  [][]string
}

// fileData is one result.
type fileData struct {
	ID, Name, Command string
	When, Version     string
	State, StateText  string // ok, bad or partial
	Verdict           string
	Cards             []card
	Charts            []figureData
	Stages            *stagesData
	Tables            []table // for everybody
	Details           []table // for engineers, folded
	Warnings          []string
}

// card is a headline figure.
type card struct{ Label, Value, Note string }

// table has a head in its first row.
type table struct {
	Title, Note string
	Rows        [][]string
}

// htmlPage writes one page that needs nothing else: no address of another place is in
// it, and a policy in it keeps a browser from asking for one.
func htmlPage(w io.Writer, _ Options, files []*result.File) error {
	p := pageData{Title: "evdbench"}
	var names []string
	for i, f := range files {
		p.Files = append(p.Files, fileSection(f, i))
		names = append(names, chart.Label(f))
	}
	if len(files) > 0 {
		p.Title += " " + strings.Join(names, ", ")
	}
	if len(files) > 1 {
		p.Overview = overviewOf(files)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, p); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func fileSection(f *result.File, i int) fileData {
	d := fileData{
		ID: "result-" + strconv.Itoa(i+1), Name: f.Name, Command: f.Command,
		When: f.Start.UTC().Format("2006-01-02 15:04:05 MST"), Version: f.Version,
		Verdict: strings.Join(verdict(f), " "), Warnings: remarks(f),
	}
	d.State, d.StateText = state(f)
	if len(f.Cells) > 0 {
		d.Charts = figures(d.ID, []*result.File{f}, []drawn{
			{kind: chart.Sweep, o: chart.Options{Metric: "per_second"}, wide: true},
			{kind: chart.Sweep, o: chart.Options{Metric: "service_p99_ns"}},
			{kind: chart.Sweep, o: chart.Options{Metric: "cpu_percent"}},
		})
		d.Tables = []table{{Title: "All combinations", Note: "Medians over the repetitions of each.", Rows: sweepTable(f)}}
		d.Details = details(f, f.Cells[0].Reps)
		return d
	}
	if len(f.Reps) == 0 {
		return d
	}
	d.Cards = cards(f.Reps)
	kinds := []drawn{
		{kind: chart.Percentiles, wide: true, says: "Read it from the left: so large a share of all requests took at most that long. The curve ends where fewer than ten samples lie above it; the dot is the longest of all."},
		{kind: chart.Histogram, says: "How many requests took how long. Two humps are two ways through the system."},
		{kind: chart.Timeline, says: "Level lines are a steady run. Repetitions follow one another."},
	}
	if len(f.Reps) > 1 {
		kinds = append(kinds, drawn{kind: chart.Repetitions, says: "The same figures for each repetition: how far apart they are is how far a figure can be trusted."})
	}
	d.Charts = figures(d.ID, []*result.File{f}, kinds)
	d.Stages = stagesOf(f.Reps)
	if f.Reps[0].Results.Latency != nil {
		d.Tables = append(d.Tables, table{
			Title: "Latency", Note: "In nanoseconds, medians over repetitions. n/a: fewer than ten samples lie above it.", Rows: latencyTable(f.Reps),
		})
	}
	d.Tables = append(d.Tables, table{Title: "Figures", Rows: figureTable(f.Reps)})
	for i, all := range nodesOf(f) {
		t := table{Title: "Nodes", Rows: nodeRows(all)}
		if len(f.Reps) > 1 {
			t.Title += " of repetition " + strconv.Itoa(i+1)
		}
		for _, n := range nodeNotes(all) {
			t.Note += strings.ToUpper(n[0][:1]) + n[0][1:] + ": " + n[1] + ". "
		}
		d.Tables = append(d.Tables, t)
	}
	d.Details = details(f, f.Reps)
	return d
}

// remarks are all warnings and faults, with the repetition that they are of.
func remarks(f *result.File) []string {
	var all []string
	for i, r := range f.Reps {
		of := ""
		if len(f.Reps) > 1 {
			of = "repetition " + strconv.Itoa(i+1) + ": "
		}
		for _, texts := range [][]string{r.Conservation.Violations, r.Invalid, r.Warnings} {
			for _, s := range texts {
				all = append(all, of+s)
			}
		}
	}
	for i, c := range f.Cells {
		for _, s := range remarks(c) {
			all = append(all, "cell "+strconv.Itoa(i+1)+": "+s)
		}
	}
	return append(all, f.Warnings...)
}

// state is the badge.
func state(f *result.File) (class, words string) {
	switch {
	case len(f.Reps)+len(f.Cells) == 0:
		return "bad", "nothing measured"
	case !f.OK():
		return "bad", "not valid"
	}
	for _, r := range f.Reps {
		switch {
		case r.Connection != nil && r.Connection.Lost != "":
			return "partial", "peer lost"
		case r.Interrupted:
			return "partial", "interrupted"
		}
	}
	return "ok", "valid"
}

// cards are at most six figures, those that one looks at first.
func cards(reps []*bench.Report) []card {
	var all []card
	for _, name := range []string{
		"per_second", "response_p50_ns", "response_p99_ns", "response_max_ns",
		"service_p50_ns", "service_p99_ns", "service_max_ns", "per_operation_ns", "cpu_percent", "wakeups_per_completion",
	} {
		m, _ := result.MetricNamed(name)
		v, least, most, ok := m.Median(reps)
		if !ok || len(all) == 6 || most == 0 && name == "per_second" {
			continue
		}
		if name == "per_operation_ns" && reps[0].Results.Latency != nil {
			continue
		}
		c := card{Label: m.Label, Value: figure(m, v)}
		if len(reps) > 1 {
			c.Note = figure(m, least) + " to " + figure(m, most)
			if figure(m, least) == figure(m, most) {
				c.Note = "the same each time"
			}
		}
		all = append(all, c)
	}
	return all
}

func overviewOf(files []*result.File) *overview {
	o := &overview{Charts: figures("overview", files, []drawn{
		{kind: chart.Percentiles, wide: true, says: "Lower is better."},
		{kind: chart.Timeline},
		{kind: chart.Repetitions},
		{kind: chart.Sweep, wide: true},
	})}
	head := []string{"figure"}
	for _, f := range files {
		head = append(head, chart.Label(f))
	}
	o.Table = [][]string{head}
	for _, name := range headline {
		m, _ := result.MetricNamed(name)
		row, some := []string{m.Label}, false
		for _, f := range files {
			cell := "n/a"
			if v, _, _, ok := m.Median(f.Reps); ok {
				cell, some = figure(m, v), true
			}
			row = append(row, cell)
		}
		if some {
			o.Table = append(o.Table, row)
		}
	}
	return o
}
