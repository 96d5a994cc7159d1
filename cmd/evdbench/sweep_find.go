package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/stats"
	"github.com/evdengine/evd/bench/sweep"
)

// goal are the conditions that a rate must keep.
type goal []stats.Condition

const goalForm = "must be 'rate where CONDITION', with more of them after 'and', such as 'rate where resp.p99<20us'"

func parseGoal(s string) (g goal, err error) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "max ")
	rest, ok := strings.CutPrefix(s, "rate where ")
	if !ok {
		return nil, errors.New(goalForm)
	}
	for _, word := range strings.Split(rest, " and ") {
		c, err := stats.ParseCondition(strings.TrimSpace(word))
		if err != nil {
			return nil, fmt.Errorf("%w; it %s", err, goalForm)
		}
		g = append(g, c)
	}
	return g, nil
}

// errCell is about a cell that cannot be measured at any rate.
var errCell = errors.New("")

// judge tells whether a run keeps the goal, and what it had of its metrics.
func (g goal) judge(f *result.File) (kept bool, why string, err error) {
	if len(f.Reps) == 0 {
		return false, "", fmt.Errorf("%w%s", errCell, strings.Join(f.Warnings, "; "))
	}
	var reps [][]stats.Metric
	for _, r := range f.Reps {
		if !r.OK() {
			return false, "invalid: " + strings.Join(append(r.Conservation.Violations, r.Invalid...), "; "), nil
		}
		reps = append(reps, stats.Metrics(r))
	}
	var says []string
	kept = true
	for _, c := range g {
		values, why, ok := stats.Sample(reps, c.Metric)
		if !ok {
			return false, "", fmt.Errorf("%w%s: a longer --duration helps where samples are few", errCell, why)
		}
		slices.Sort(values)
		v := values[len(values)/2]
		says = append(says, c.Metric+" "+stats.Short(v, stats.Unit(c.Metric)))
		kept = kept && c.Holds(v)
	}
	return kept, strings.Join(says, ", "), nil
}

// seek finds the highest rate of a cell. The cell that it returns is the last run at that
// rate that kept the goal.
func (s *sweeper) seek(ctx context.Context, c sweep.Cell) *result.File {
	best := map[float64]*result.File{}
	var last *result.File
	search := s.search
	search.Measure = func(ctx context.Context, rate float64) (sweep.Probe, error) {
		f := s.cell(ctx, append(c[:len(c):len(c)], sweep.Setting{Name: "rate", Value: strconv.FormatFloat(rate, 'f', -1, 64)}))
		if err := ctx.Err(); err != nil {
			return sweep.Probe{}, err
		}
		last = f
		kept, why, err := s.wants.judge(f)
		if kept {
			best[rate] = f
		}
		if err == nil {
			fmt.Fprintf(s.says, "evdbench: sweep: %s: kept %v (%s)\n", stats.Short(rate, stats.PerSecond), kept, why)
		}
		return sweep.Probe{Rate: rate, Kept: kept, Why: why}, err
	}
	found, err := search.Run(ctx)
	f := best[found.Kept]
	if f == nil {
		if f = last; f == nil {
			return nil // interrupted before anything was measured
		}
	}
	f.Tags["cell"] = c.String()
	f.Tags["found"] = describe(found)
	f.Warnings = append(f.Warnings, s.find+": "+f.Tags["found"])
	if errors.Is(err, errCell) {
		f.Warnings = append(f.Warnings, err.Error())
	}
	return f
}

// describe says what was found, in words.
func describe(f sweep.Found) string {
	per := func(rate float64) string { return stats.Short(rate, stats.PerSecond) }
	early := ""
	if !f.Done {
		early = " (the search was ended early)"
	}
	n := len(f.Probes)
	switch {
	case f.Kept == 0 && f.Failed == 0:
		return "nothing" + early
	case f.Kept == 0:
		return fmt.Sprintf("no rate, %s is too much: %s; %d runs%s", per(f.Failed), f.Why, n, early)
	case f.Failed == 0:
		return fmt.Sprintf("%s, the highest tried; %d runs%s", per(f.Kept), n, early)
	}
	return fmt.Sprintf("%s; %s is too much: %s; %d runs%s", per(f.Kept), per(f.Failed), f.Why, n, early)
}
