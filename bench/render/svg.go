package render

import (
	"fmt"
	"strings"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

// drawn is a chart of a page.
type drawn struct {
	kind string
	o    chart.Options
	wide bool   // over the whole page
	says string // how to read it
}

// figureData is a chart as the template shows it: drawn twice, for a wide window
// and a narrow one, so that letters keep their size.
type figureData struct {
	ID, Title, Says string
	Wide            bool
	Legend          []legendEntry
	SVGs            []svgData
	Hover           hover
}

type legendEntry struct {
	Class, Name string
	Dot         bool
}

// svgData are the places of everything, in pixels.
type svgData struct {
	Class               string
	W, H                float64
	Left, Top, InW, InH float64 // the area of the curves
	XTicks, YTicks      []svgTick
	XLabel, YLabel      string
	XLabelAt, YLabelAt  svgPoint
	Series              []svgSeries
}

type svgTick struct {
	At   float64
	Text string // "": no room for it
}

type svgPoint struct{ X, Y float64 }

type svgSeries struct {
	Class string
	Path  string
	Dots  []svgPoint
}

// hover are the points that the script names: places as shares of the area, and
// their texts.
type hover struct {
	Series []hoverSeries `json:"series"`
}

type hoverSeries struct {
	Name   string       `json:"name"`
	Class  string       `json:"class"`
	Points []hoverPoint `json:"points"`
}

type hoverPoint struct {
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
	Text string  `json:"text"`
}

// figures draws what can be drawn of the results; what they have not got is left
// out.
func figures(id string, files []*result.File, kinds []drawn) []figureData {
	var can []drawn
	var charts []*chart.Chart
	halves := 0
	for _, k := range kinds {
		c, err := chart.New(k.kind, k.o, files...)
		if err != nil {
			continue
		}
		can, charts = append(can, k), append(charts, c)
		if !k.wide {
			halves++
		}
	}
	if halves%2 == 1 {
		can[len(can)-1].wide = true // there is nothing to put beside it
	}
	var all []figureData
	for i, k := range can {
		c := charts[i]
		f := figureData{ID: fmt.Sprintf("%s-chart-%d", id, i+1), Title: c.Title, Says: k.says, Wide: k.wide}
		classes := colours(c)
		for n, s := range c.Series {
			if !c.Follows(n) {
				f.Legend = append(f.Legend, legendEntry{classes[n], s.Name, s.Style == chart.Dots})
			}
		}
		large := svgOf(c, classes, 520, 300)
		if k.wide {
			large = svgOf(c, classes, 1060, 360)
		}
		large.Class = "large"
		small := svgOf(c, classes, 348, 280)
		small.Class = "small"
		f.SVGs = []svgData{large, small}
		f.Hover = hoverOf(c, classes)
		all = append(all, f)
	}
	return all
}

// colours are the classes of the series: a maximum has the colour of its curve.
func colours(c *chart.Chart) []string {
	classes := make([]string, len(c.Series))
	n := -1
	for i := range c.Series {
		if !c.Follows(i) {
			n++
		}
		classes[i] = fmt.Sprintf("c%d", n%7)
	}
	return classes
}

// Margins of an SVG and the size of its letters, in pixels.
const (
	marginTop, marginRight, marginBottom = 28, 14, 44
	letter                               = 6.3 // width of one, on average
)

func svgOf(c *chart.Chart, classes []string, w, h float64) svgData {
	x, y := c.Range()
	yTicks := c.Y.Ticks(y)
	longest := 0
	for _, t := range yTicks {
		longest = max(longest, len([]rune(t.Label)))
	}
	s := svgData{W: w, H: h, Left: 14 + letter*float64(longest), Top: marginTop, XLabel: c.X.Label, YLabel: c.Y.Label}
	s.InW, s.InH = w-s.Left-marginRight, h-marginTop-marginBottom
	px := func(v float64) float64 { return round(s.Left + s.InW*c.X.Place(v, x)) }
	py := func(v float64) float64 { return round(s.Top + s.InH*(1-min(max(c.Y.Place(v, y), 0), 1))) }
	s.XLabelAt, s.YLabelAt = svgPoint{round(s.Left + s.InW/2), h - 6}, svgPoint{4, 12}
	end := -1e9 // of the last text
	for _, t := range c.X.Ticks(x) {
		tick := svgTick{At: px(t.At)}
		half := letter * float64(len([]rune(t.Label))) / 2
		if tick.At-half > end+10 && tick.At+half < w+2 {
			tick.Text, end = t.Label, tick.At+half
		}
		s.XTicks = append(s.XTicks, tick)
	}
	for _, t := range yTicks {
		s.YTicks = append(s.YTicks, svgTick{py(t.At), t.Label})
	}
	for i, series := range c.Series {
		d := svgSeries{Class: classes[i]}
		var path strings.Builder
		for k, p := range series.Points {
			at := svgPoint{px(p.X), py(p.Y)}
			switch {
			case series.Style == chart.Dots:
				d.Dots = append(d.Dots, at)
				continue
			case k == 0:
				fmt.Fprintf(&path, "M%g %g", at.X, at.Y)
			case series.Style == chart.Step:
				fmt.Fprintf(&path, "H%gV%g", at.X, at.Y)
			default:
				fmt.Fprintf(&path, "L%g %g", at.X, at.Y)
			}
			if c.X.Scale == chart.Names {
				d.Dots = append(d.Dots, at)
			}
		}
		d.Path = path.String()
		s.Series = append(s.Series, d)
	}
	return s
}

// round leaves a tenth of a pixel.
func round(v float64) float64 { return float64(int(v*10+0.5)) / 10 }

func hoverOf(c *chart.Chart, classes []string) hover {
	x, y := c.Range()
	var h hover
	for i, s := range c.Series {
		d := hoverSeries{Name: s.Name, Class: classes[i]}
		for _, p := range s.Points {
			d.Points = append(d.Points, hoverPoint{
				X: thousandth(c.X.Place(p.X, x)), Y: thousandth(1 - c.Y.Place(p.Y, y)),
				Text: at(&c.X, p.X) + ": " + c.Y.Format(p.Y),
			})
		}
		h.Series = append(h.Series, d)
	}
	return h
}

// at writes a place on the axis along the bottom.
func at(a *chart.Axis, v float64) string {
	if a.Scale == chart.Names {
		return a.Label + " " + a.Names[int(v)]
	}
	return a.Format(v)
}

func thousandth(v float64) float64 { return float64(int(v*1000+0.5)) / 1000 }
