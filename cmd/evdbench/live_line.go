package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
)

// cell is a column of the live view. All of them take 79 letters.
type cell struct {
	head  string
	width int
	value string
}

// liveCells are the columns of a step: what was measured in the last interval, not since
// the beginning.
func liveCells(rep [2]int, p bench.Progress) []cell {
	v := &p.Interval
	at := p.Phase
	if p.Phase == "measure" {
		at = shortTime(p.Elapsed)
	}
	if rep[1] > 1 {
		at = fmt.Sprintf("%d/%d %s", rep[0], rep[1], at)
	}
	open := v.Offered > 0
	highest := v.Max
	if open {
		highest = v.RespMax
	}
	done, cpu, wakes := "-", "-", "-"
	if p.Phase != "warm-up" {
		done, wakes = shortCount(v.Rate), "0"
		if v.Rate > 0 && v.Operations > 0 {
			wakes = shortCount(float64(v.Wakeups) * v.Rate / float64(v.Operations))
		}
		cpu = fmt.Sprintf("%.0f%%", v.CPU)
	}
	return []cell{
		{"t", 8, at},
		{"offered", 8, some(open, shortCount(v.Offered))},
		{"done/s", 7, done},
		{"lag", 7, some(open, shortNanos(v.LagMax))},
		{"svc p50", 8, shortNanos(v.P50)},
		{"p99", 7, shortNanos(v.P99)},
		{"p99.9", 7, shortNanos(v.P999)},
		{"resp p99", 9, some(open, shortNanos(v.RespP99))},
		{"max", 7, shortNanos(highest)},
		{"cpu", 5, cpu},
		{"wakes", 6, wakes},
	}
}

func some(there bool, s string) string {
	if !there {
		return "-"
	}
	return s
}

func liveHead(cells []cell, most int) string {
	return row(cells, most, func(c cell) string { return c.head })
}

func liveRow(cells []cell, most int) string {
	return row(cells, most, func(c cell) string { return c.value })
}

// row writes as many columns as there is room for.
func row(cells []cell, most int, what func(cell) string) string {
	var b strings.Builder
	for _, c := range cells {
		width := max(c.width, 1+len(c.value))
		if b.Len() == 0 {
			width = max(c.width, len(c.value))
		}
		if b.Len()+width > most {
			break
		}
		fmt.Fprintf(&b, "%*s", width, what(c))
	}
	return b.String()
}

// shortCount is a number of at most 5 letters below a million million.
func shortCount(f float64) string {
	unit := ""
	for _, u := range []string{"k", "M", "G"} {
		if f < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	return threeDigits(f) + unit
}

// shortNanos is a time of at most 6 letters below a thousand seconds; "-" for none.
func shortNanos(ns int64) string {
	if ns <= 0 {
		return "-"
	}
	f, unit := float64(ns), "ns"
	for _, u := range []string{"us", "ms", "s"} {
		if f < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	return threeDigits(f) + unit
}

func threeDigits(f float64) string {
	digits := 0
	switch {
	case f < 9.995 && f != float64(int(f)):
		digits = 2
	case f < 99.95 && f != float64(int(f)):
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64)
}

// shortTime is how long a run has taken, in at most 6 letters up to a hundred hours.
func shortTime(d time.Duration) string {
	switch s := int(d.Round(time.Second) / time.Second); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case s < 100:
		return fmt.Sprintf("%ds", s)
	case s < 6000:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
}
