package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// plots writes the goals to path, and the curves beside it. Of what there is nothing of
// there is no file.
func (r *report) plots(path string) (written []string, err error) {
	base := strings.TrimSuffix(path, filepath.Ext(path))
	for _, p := range []struct {
		path   string
		plots  func() ([]*plot.Plot, error)
		height vg.Length
	}{
		{path, r.goalPlot, vg.Length(3+len(r.Goals)/2) * vg.Centimeter},
		{base + "-growth.svg", func() ([]*plot.Plot, error) { return r.curves(growProducers, growBatch, growSize, growEVDs) }, 24 * vg.Centimeter},
		{base + "-scale.svg", func() ([]*plot.Plot, error) { return r.curves(scaling) }, 14 * vg.Centimeter},
	} {
		plots, err := p.plots()
		if err != nil {
			return written, err
		}
		if len(plots) == 0 {
			continue
		}
		if err := writeSVG(p.path, plots, p.height); err != nil {
			return written, err
		}
		written = append(written, p.path)
	}
	return written, nil
}

// margin is how much better than needed ours is: 1 is just enough.
func (v verdict) margin() float64 {
	if v.Limit {
		return v.Need / v.Ratio
	}
	return v.Ratio / v.Need
}

var (
	green = color.RGBA{0x3a, 0x9d, 0x5d, 0xff}
	red   = color.RGBA{0xc9, 0x4f, 0x3d, 0xff}
	grey  = color.RGBA{0xa0, 0xa0, 0xa0, 0xff}
)

// goalPlot has a bar for each goal: to the right of the line it is met.
func (r *report) goalPlot() ([]*plot.Plot, error) {
	var judged []verdict
	for _, v := range r.Goals {
		if v.Verdict != absent && v.margin() > 0 {
			judged = append(judged, v)
		}
	}
	if len(judged) == 0 {
		return nil, nil
	}
	slices.Reverse(judged) // the first on top
	p := plot.New()
	p.Title.Text = "margin of each goal: measured ratio / needed ratio"
	p.X.Label.Text = "1 is just enough (log2)"
	var names []string
	for i, v := range judged {
		bar, err := plotter.NewBarChart(plotter.Values{math.Log2(v.margin())}, vg.Points(8))
		if err != nil {
			return nil, err
		}
		bar.Horizontal, bar.XMin = true, float64(i)
		switch v.Verdict {
		case ok:
			bar.Color = green
		case void:
			bar.Color = grey
		default:
			bar.Color = red
		}
		p.Add(bar)
		names = append(names, fmt.Sprintf("%s (%.2f)", v.Name, v.Ratio))
	}
	p.NominalY(names...)
	p.X.Tick.Marker = plot.TickerFunc(powersOfTwo)
	p.Add(plotter.NewGrid())
	return []*plot.Plot{p}, nil
}

// powersOfTwo labels a logarithmic axis with what it is the logarithm of.
func powersOfTwo(low, high float64) (out []plot.Tick) {
	for x := math.Ceil(low); x <= high; x++ {
		out = append(out, plot.Tick{Value: x, Label: fmt.Sprintf("%gx", math.Exp2(x))})
	}
	return out
}

// curves has a plot for each shape of which there are results.
func (r *report) curves(shapes ...string) (out []*plot.Plot, err error) {
	for _, shape := range shapes {
		p, lines := plot.New(), map[string]plotter.XYs{}
		var names []string
		for _, x := range r.Results {
			if x.Shape != shape || x.Samples == 0 {
				continue
			}
			name := x.Impl
			if shape == scaling && x.Batch > 0 {
				name += fmt.Sprintf(", batch %d", x.Batch)
			}
			if lines[name] == nil {
				names = append(names, name)
			}
			curve, at := x.point()
			p.Title.Text, p.X.Label.Text = "ns per event against "+curve, curve
			lines[name] = append(lines[name], plotter.XY{X: float64(at), Y: x.Median})
		}
		if len(names) == 0 {
			continue
		}
		p.Y.Min = 0
		p.Y.Label.Text = "ns"
		p.Legend.Top = true
		if shape != growSize && shape != scaling {
			p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
		}
		for i, name := range names {
			line, points, err := plotter.NewLinePoints(lines[name])
			if err != nil {
				return nil, err
			}
			line.Color, points.Color, points.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
			p.Add(line, points)
			p.Legend.Add(name, line, points)
		}
		p.Add(plotter.NewGrid())
		out = append(out, p)
	}
	return out, nil
}

// writeSVG draws the plots in two columns, or one alone.
func writeSVG(path string, plots []*plot.Plot, height vg.Length) error {
	columns := min(2, len(plots))
	rows := (len(plots) + columns - 1) / columns
	grid := make([][]*plot.Plot, rows)
	for i := range grid {
		grid[i] = make([]*plot.Plot, columns)
		copy(grid[i], plots[i*columns:])
	}
	canvas := vgsvg.New(30*vg.Centimeter, height)
	for i, row := range plot.Align(grid, draw.Tiles{Rows: rows, Cols: columns, PadX: vg.Centimeter, PadY: vg.Centimeter}, draw.New(canvas)) {
		for j, part := range row {
			if grid[i][j] != nil {
				grid[i][j].Draw(part)
			}
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
