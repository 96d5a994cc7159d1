package plot

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"

	"github.com/evdengine/evd/bench/chart"
)

// Size of a chart in characters.
const (
	defaultColumns = 80
	leastColumns   = 40
	rows           = 16
)

// marks tell the curves apart without colours; the first is a line.
var marks = []string{"", "*", "o", "+", "x", "#", "~"}

// terminal draws with characters. Both axes are mapped to 0..1 first, since what
// draws knows linear axes only.
func terminal(c *chart.Chart, columns int) string {
	if columns == 0 {
		columns = defaultColumns
	}
	x, y := c.Range()
	if c.X.Scale == chart.Nines {
		x[1] = math.Pow(10, math.Ceil(math.Log10(x[1])-0.1)) // so that ticks are at whole nines
	}
	label := 0
	yText := func(place float64) string { return c.Y.Format(c.Y.Value(place, y)) }
	for i := range rows + 1 {
		label = max(label, utf8.RuneCountInString(yText(float64(i)/rows)))
	}
	width := max(columns, leastColumns) - label - 5
	var data [][]float64
	var chars []asciigraph.CharSet
	var legend []string
	var remarks []string
	for i, s := range c.Series {
		if c.Follows(i) {
			for _, p := range s.Points {
				remarks = append(remarks, fmt.Sprintf("%s %s", s.Name, c.Y.Format(p.Y)))
			}
			continue
		}
		data = append(data, resample(c, s, x, y, width))
		mark := marks[(len(data)-1)%len(marks)]
		if mark == "" {
			chars = append(chars, asciigraph.DefaultCharSet)
			mark = "─"
		} else {
			chars = append(chars, asciigraph.CreateCharSet(mark))
		}
		legend = append(legend, mark+" "+s.Name)
	}
	options := []asciigraph.Option{
		asciigraph.Height(rows), asciigraph.LowerBound(0), asciigraph.UpperBound(1),
		asciigraph.YAxisValueFormatter(yText), asciigraph.SeriesChars(chars...),
	}
	if c.X.Scale != chart.Names {
		ticks := 5
		if c.X.Scale == chart.Nines {
			ticks = int(math.Round(math.Log10(x[1]))) + 1
		}
		options = append(options, asciigraph.XAxisRange(0, 1), asciigraph.XAxisTickCount(ticks),
			asciigraph.XAxisValueFormatter(func(place float64) string { return c.X.Format(c.X.Value(place, x)) }))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", c.Title, asciigraph.PlotMany(data, options...))
	if c.X.Scale == chart.Names {
		fmt.Fprintf(&b, "%s\n", names(c.X.Names, width, label+4))
	}
	fmt.Fprintf(&b, "\n%s: %s\n", c.X.Label, strings.Join(legend, "   "))
	if len(remarks) > 0 {
		fmt.Fprintf(&b, "%s\n", strings.Join(remarks, ", "))
	}
	return b.String()
}

// resample takes a value for each of the columns; NaN where the series has none.
func resample(c *chart.Chart, s chart.Series, x, y [2]float64, width int) []float64 {
	out := make([]float64, width)
	k := 0
	place := func(i int) (float64, float64) {
		return c.X.Place(s.Points[i].X, x), min(max(c.Y.Place(s.Points[i].Y, y), 0), 1)
	}
	half := 0.5 / float64(width-1)
	last := len(s.Points) - 1
	for i := range out {
		at := float64(i) / float64(width-1)
		for k < last {
			if next, _ := place(k + 1); next > at {
				break
			}
			k++
		}
		px, py := place(k)
		switch {
		case at < px-half, k == last && at > px+half:
			out[i] = math.NaN()
		case k == last || s.Style == chart.Step || at <= px:
			out[i] = py
		default:
			nx, ny := place(k + 1)
			out[i] = py + (ny-py)*(at-px)/(nx-px)
		}
	}
	return out
}

// names writes the names of places under the middle of each.
func names(all []string, width, left int) string {
	line := []rune(strings.Repeat(" ", left+width))
	for i, n := range all {
		r := []rune(n)
		at := left + (2*i+1)*width/(2*len(all)) - len(r)/2
		for k, c := range r {
			if at+k >= 0 && at+k < len(line) {
				line[at+k] = c
			}
		}
	}
	return strings.TrimRight(string(line), " ")
}
