package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
)

// report is everything that came out.
type report struct {
	Env     env       `json:"env"`
	Rounds  int       `json:"rounds"`
	Skipped []string  `json:"skipped,omitempty"` // what could not be measured here, and what it takes
	Goals   []verdict `json:"goals"`
	Results []result  `json:"results"`
}

func (r *report) writeJSON(path string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// elsewhere says where the rest of the goals are measured.
const elsewhere = `
goals of what needs more than this process:
  soft-RoCE beside C and uDAPL    make rxe-rivals
  io_uring beside liburing, net   make uring-rivals
  100,000 idle EVDs               make scale

`

// print writes a table for each event size, then the goals, then where that was.
func (r *report) print(w io.Writer) {
	var groups []string
	for _, x := range r.Results {
		if g := group(x.id); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	fmt.Fprintf(w, "ns per event, median (p10), %d rounds; ~ disturbed samples, ^ cores far apart\n", r.Rounds)
	for _, g := range groups {
		r.table(w, g)
	}
	rs := byID(r.Results)
	for _, line := range rs.baselines() {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	for _, v := range r.Goals {
		fmt.Fprintln(w, v)
	}
	fmt.Fprint(w, elsewhere)
	for _, s := range r.Skipped {
		fmt.Fprintln(w, "skipped:", s)
	}
	fmt.Fprint(w, r.Env)
}

// group is the table that a cell stands in.
func group(c id) string {
	switch {
	case c.curve() != "":
		return "growth with " + c.curve()
	case c.Shape == "LIMIT" || c.Shape == "ANCHOR":
		return "limits"
	case c.Event != 0:
		return fmt.Sprintf("events of %d bytes", c.Event)
	case c.Gap != 0:
		return "wake-ups"
	case c.Shape == "POLL":
		return "polls of an empty CQ"
	}
	return "posts to an EVD"
}

// column is where in the table; what all of the group have in common is left out.
func column(c id) string {
	switch {
	case c.curve() != "":
		_, x := c.point()
		return fmt.Sprintf("%s %d", c.Shape, x)
	case c.Shape == "LIMIT" && c.Event != 0:
		return fmt.Sprintf("%d bytes", c.Event)
	case c.Gap != 0:
		return fmt.Sprintf("%d us", c.Gap)
	}
	return c.Shape
}

func (r *report) table(w io.Writer, g string) {
	var columns, rows []string
	cells := map[[2]string]string{}
	for _, x := range r.Results {
		if group(x.id) != g || x.Samples == 0 {
			continue
		}
		c := column(x.id)
		if !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
		if !slices.Contains(rows, x.Impl) {
			rows = append(rows, x.Impl)
		}
		cells[[2]string{x.Impl, c}] = x.text()
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\n%s", g)
	for _, c := range columns {
		fmt.Fprintf(t, "\t%s", c)
	}
	fmt.Fprintln(t)
	for _, row := range rows {
		fmt.Fprint(t, row)
		for _, c := range columns {
			fmt.Fprintf(t, "\t%s", cells[[2]string{row, c}])
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
}

func (r result) text() string {
	s := fmt.Sprintf("%.3g (%.3g)", r.Median, r.P10)
	if r.Median >= 1000 {
		s = fmt.Sprintf("%.0f (%.0f)", r.Median, r.P10)
	}
	if r.Noisy {
		s += "~"
	}
	if r.Far {
		s += "^"
	}
	return s
}
