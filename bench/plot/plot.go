// Package plot draws charts of results: as SVG and PNG, and with characters for a
// terminal.
//
// The package neither prints nor exits.
package plot

import (
	"fmt"
	"image/color"
	"io"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/internal/param"
)

// Forms that a chart can be drawn in.
const (
	SVG  = "svg"
	PNG  = "png"
	Term = "term"
)

// Forms lists them.
func Forms() []string { return []string{SVG, PNG, Term} }

// Size of a drawn chart: of a PNG, 96 points an inch.
const (
	width  = 9 * vg.Inch
	height = 5 * vg.Inch
	margin = vg.Length(10)
)

// Write draws c in the form of that name, one of Forms; columns are those of the
// terminal, 0: 80.
func Write(w io.Writer, form string, c *chart.Chart, columns int) error {
	switch form {
	case Term:
		_, err := io.WriteString(w, terminal(c, columns))
		return err
	case SVG, PNG:
		p, err := drawing(c)
		if err != nil {
			return err
		}
		canvas, err := draw.NewFormattedCanvas(width, height, form)
		if err != nil {
			return fmt.Errorf("plot: %w", err)
		}
		dc := draw.New(canvas)
		dc.SetColor(color.White)
		dc.Fill(dc.Rectangle.Path())
		p.Draw(draw.Crop(dc, margin, -margin, margin, -margin))
		_, err = canvas.WriteTo(w)
		return err
	}
	return param.Invalid("plot: Write", "form", fmt.Sprintf("%q", form), "one of "+strings.Join(Forms(), ", "))
}

// palette can be told apart by those who do not see all colours (Okabe and Ito).
var palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff},
	{0xd5, 0x5e, 0x00, 0xff},
	{0x00, 0x9e, 0x73, 0xff},
	{0xcc, 0x79, 0xa7, 0xff},
	{0x56, 0xb4, 0xe9, 0xff},
	{0xe6, 0x9f, 0x00, 0xff},
	{0x55, 0x55, 0x55, 0xff},
}

var dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(2), vg.Points(2)}}

func drawing(c *chart.Chart) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X.Label, c.Y.Label
	p.Legend.Top = true
	p.Legend.Left = c.Kind == chart.Percentiles || c.Kind == chart.CDF
	style(p)
	x, y := c.Range()
	if c.Kind == chart.Timeline || c.Kind == chart.Sweep || c.Kind == chart.Repetitions {
		// These have no corner that is free of curves: room for the legend.
		y[1] = c.Y.Value(1/(1-0.045*float64(len(c.Series))), y)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = x[0], x[1], y[0], y[1]
	p.X.Scale, p.Y.Scale = scale{&c.X}, scale{&c.Y}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{&c.X}, ticks{&c.Y}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe4}, color.Gray{0xe4}
	p.Add(grid)
	colour := -1
	for i, s := range c.Series {
		points := make(plotter.XYs, len(s.Points))
		for k, q := range s.Points {
			points[k] = plotter.XY(q)
		}
		if s.Style == chart.Dots {
			dots, err := plotter.NewScatter(points)
			if err != nil {
				return nil, fmt.Errorf("plot: %s: %w", s.Name, err)
			}
			// A maximum has the colour of its curve.
			own := !c.Follows(i)
			if own {
				colour++
			}
			dots.Color, dots.Shape, dots.Radius = palette[colour%len(palette)], draw.CircleGlyph{}, vg.Points(3)
			if own {
				p.Legend.Add(s.Name, dots)
			}
			p.Add(dots)
			continue
		}
		colour++
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, fmt.Errorf("plot: %s: %w", s.Name, err)
		}
		line.Color, line.Width = palette[colour%len(palette)], vg.Points(1.5)
		line.Dashes = dashes[colour/len(palette)%len(dashes)]
		if s.Style == chart.Step {
			line.StepStyle = plotter.PostStep
		}
		p.Add(line)
		p.Legend.Add(s.Name, line)
		if c.X.Scale == chart.Names {
			dots, err := plotter.NewScatter(points)
			if err != nil {
				return nil, fmt.Errorf("plot: %s: %w", s.Name, err)
			}
			dots.Color, dots.Shape, dots.Radius = line.Color, draw.CircleGlyph{}, vg.Points(3)
			p.Add(dots)
		}
	}
	return p, nil
}

// style replaces the serifs, and gives the text room.
func style(p *plot.Plot) {
	sans := func(s *text.Style, size float64) {
		s.Font = font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, vg.Points(size))
	}
	sans(&p.Title.TextStyle, 13)
	sans(&p.X.Label.TextStyle, 11)
	sans(&p.Y.Label.TextStyle, 11)
	sans(&p.X.Tick.Label, 10)
	sans(&p.Y.Tick.Label, 10)
	sans(&p.Legend.TextStyle, 10)
	p.Title.Padding, p.X.Padding, p.Y.Padding = vg.Points(8), 0, 0
	p.X.Label.Padding, p.Y.Label.Padding = vg.Points(4), vg.Points(4)
	p.Legend.ThumbnailWidth, p.Legend.Padding, p.Legend.YOffs = vg.Points(24), vg.Points(2), vg.Points(-2)
	p.Legend.XOffs = vg.Points(-6)
	if p.Legend.Left {
		p.Legend.XOffs = vg.Points(6)
	}
	p.BackgroundColor = color.White
}

// scale and ticks are those of the chart.
type scale struct{ a *chart.Axis }

func (s scale) Normalize(low, high, x float64) float64 { return s.a.Place(x, [2]float64{low, high}) }

type ticks struct{ a *chart.Axis }

func (t ticks) Ticks(low, high float64) []plot.Tick {
	var all []plot.Tick
	for _, x := range t.a.Ticks([2]float64{low, high}) {
		all = append(all, plot.Tick{Value: x.At, Label: x.Label})
	}
	return all
}
