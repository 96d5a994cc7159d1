package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/pprof/profile"
)

// write prints what the profiles cost and what is in them.
func (p *profiler) write(w io.Writer) error {
	var b strings.Builder
	p.costs(&b)
	for _, t := range p.taken {
		if err := p.tops(&b, t.kind); err != nil {
			return err
		}
	}
	p.further(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// costs is a table of how much slower the profiles made the run.
func (p *profiler) costs(b *strings.Builder) {
	fmt.Fprintf(b, "\nprofiles in %s, each of a run of its own\n", p.dir)
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	base := pace(p.plain)
	fmt.Fprintf(tw, "\t%s\tslower by\tsize\t\n", unit(p.plain))
	fmt.Fprintf(tw, "plain\t%.0f\t\t\t\n", base)
	for _, t := range p.taken {
		ns, size := pace(t.file), "?"
		if st, err := os.Stat(filepath.Join(p.dir, t.kind.file)); err == nil {
			size = fmt.Sprintf("%d KiB", (st.Size()+1023)/1024)
		}
		fmt.Fprintf(tw, "%s\t%.0f\t%+.1f %%\t%s\t\n", t.kind.file, ns, 100*(ns/base-1), size)
	}
	if p.again != nil {
		ns := pace(p.again)
		fmt.Fprintf(tw, "plain again\t%.0f\t%+.1f %%\t\t\n", ns, 100*(ns/base-1))
	}
	tw.Flush()
	b.WriteString("What \"plain again\" differs by is noise.\n")
}

// tops lists the functions that have the most of a profile, by stage where it has labels.
func (p *profiler) tops(b *strings.Builder, k kind) error {
	title, value := "", ""
	outside := true // what called the runtime is of interest, not where in it
	switch k.name {
	case "cpu":
		title, value, outside = "CPU time", "cpu", false
	case "heap":
		title, value = "memory allocated", "alloc_space"
	case "mutex":
		title, value = "time that others waited for locks", "delay"
	case "block":
		title, value = "time that goroutines waited", "delay"
	default:
		return nil
	}
	f, err := os.Open(filepath.Join(p.dir, k.file))
	if err != nil {
		return err
	}
	defer f.Close()
	prof, err := profile.Parse(f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	stages, total := byStage(prof, value, outside)
	fmt.Fprintf(b, "\n%s: %s, %s\n", k.name, title, amount(total, value))
	for _, s := range stages {
		fmt.Fprintf(b, "  %-10s  %5.1f %%\n", s.name, percent(s.total, total))
		for i, fn := range s.functions {
			if i == p.top {
				break
			}
			fmt.Fprintf(b, "      %5.1f %%  %s\n", percent(fn.value, total), fn.name)
		}
	}
	return nil
}

// stage is what one role's goroutines have of a profile.
type stage struct {
	name      string
	total     int64
	functions []function
}

type function struct {
	name  string
	value int64
}

// byStage adds a profile up by its label evd and then by function. Samples of the warm-up
// and of the end of the run are left out. outside: not the functions of the runtime and of
// package sync, but what called them.
func byStage(p *profile.Profile, value string, outside bool) (stages []stage, total int64) {
	at := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == value })
	if at < 0 {
		return nil, 0
	}
	sums := map[string]map[string]int64{}
	for _, s := range p.Sample {
		if s.HasLabel("phase", "warm-up") || s.HasLabel("phase", "stop") || s.Value[at] == 0 {
			continue
		}
		name := "all"
		if value == "cpu" {
			if name = "other"; len(s.Label["evd"]) > 0 {
				name = s.Label["evd"][0]
			}
		}
		if sums[name] == nil {
			sums[name] = map[string]int64{}
		}
		sums[name][leaf(s, outside)] += s.Value[at]
		total += s.Value[at]
	}
	for name, fns := range sums {
		st := stage{name: name}
		for fn, v := range fns {
			st.functions = append(st.functions, function{fn, v})
			st.total += v
		}
		slices.SortFunc(st.functions, func(a, b function) int {
			return cmp.Or(cmp.Compare(b.value, a.value), strings.Compare(a.name, b.name))
		})
		stages = append(stages, st)
	}
	slices.SortFunc(stages, func(a, b stage) int {
		return cmp.Or(cmp.Compare(b.total, a.total), strings.Compare(a.name, b.name))
	})
	return stages, total
}

// leaf is the function that a sample is of.
func leaf(s *profile.Sample, outside bool) string {
	name := "?"
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function == nil {
				continue
			}
			if name == "?" {
				name = line.Function.Name
			}
			if !outside || !ofRuntime(line.Function.Name) {
				return short(line.Function.Name)
			}
		}
	}
	return short(name)
}

func ofRuntime(name string) bool {
	return strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "sync.") || strings.HasPrefix(name, "internal/")
}

// short leaves out where a module lies, and the types of a generic function.
func short(name string) string {
	name = strings.TrimPrefix(name, "github.com/evdengine/evd/")
	from, to := strings.IndexByte(name, '['), strings.LastIndexByte(name, ']')
	if 0 < from && from < to {
		name = name[:from] + "[..]" + name[to+1:]
	}
	return name
}

func percent(v, total int64) float64 {
	if total == 0 {
		return 0
	}
	return 100 * float64(v) / float64(total)
}

func amount(v int64, value string) string {
	if value == "alloc_space" {
		return fmt.Sprintf("%d KiB", (v+1023)/1024)
	}
	return time.Duration(v).Round(time.Millisecond).String()
}

// further says how to go on.
func (p *profiler) further(b *strings.Builder) {
	b.WriteString("\nto look further\n")
	for _, t := range p.taken {
		file := filepath.Join(p.dir, t.kind.file)
		switch t.kind.name {
		case "cpu":
			fmt.Fprintf(b, "  go tool pprof -tagfocus evd=poller -top %s\n  go tool pprof -tagfocus evd=poller -list 'EVD..runSlot' %s\n", file, file)
			fmt.Fprintf(b, "  go tool pprof -http localhost:8080 -tagroot evd %s\n", file)
		case "goroutine":
			fmt.Fprintf(b, "  go tool pprof -traces %s\n", file)
		case "trace":
			fmt.Fprintf(b, "  go tool trace %s\n", file)
		default:
			fmt.Fprintf(b, "  go tool pprof -top %s\n", file)
		}
	}
}
