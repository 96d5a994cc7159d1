package chart

import (
	"math"
	"strconv"
	"strings"
)

// Tick is a mark on an axis.
type Tick struct {
	At    float64
	Label string
}

// Range returns the ends of both axes: what all points need, a little more where
// it looks better.
func (c *Chart) Range() (x, y [2]float64) {
	x, y = [2]float64{math.Inf(1), math.Inf(-1)}, [2]float64{math.Inf(1), math.Inf(-1)}
	for _, s := range c.Series {
		for _, p := range s.Points {
			x[0], x[1] = min(x[0], p.X), max(x[1], p.X)
			y[0], y[1] = min(y[0], p.Y), max(y[1], p.Y)
		}
	}
	return c.X.widen(x), c.Y.widen(y)
}

// widen makes a range that can be drawn: of some length, and from zero where
// lengths are compared.
func (a *Axis) widen(r [2]float64) [2]float64 {
	switch a.Scale {
	case Log:
		if r[1] < 2*r[0] {
			r[0], r[1] = r[0]/1.5, r[1]*1.5
		}
		return [2]float64{r[0] / 1.05, r[1] * 1.05}
	case Nines:
		return [2]float64{1, max(r[1]*1.2, 10)}
	case Names:
		return [2]float64{-0.5, float64(len(a.Names)) - 0.5}
	}
	r[0] = min(r[0], 0)
	if r[1] <= r[0] {
		r[1] = r[0] + 1
	}
	if a.Unit == Seconds {
		return r
	}
	if a.Unit == Share && r[1] > 0.95 {
		return [2]float64{0, 1}
	}
	r[1] += (r[1] - r[0]) * 0.05
	return r
}

// Place returns where v lies on the axis that goes over r: 0 at its beginning, 1
// at its end.
func (a *Axis) Place(v float64, r [2]float64) float64 {
	if a.Scale == Log || a.Scale == Nines {
		return math.Log(v/r[0]) / math.Log(r[1]/r[0])
	}
	return (v - r[0]) / (r[1] - r[0])
}

// Ticks returns the marks for the range r, some five of them.
func (a *Axis) Ticks(r [2]float64) []Tick {
	switch a.Scale {
	case Nines:
		return nines(r)
	case Log:
		return a.decades(r)
	case Names:
		var t []Tick
		for i, n := range a.Names {
			t = append(t, Tick{float64(i), n})
		}
		return t
	}
	return a.steps(r)
}

// nines are 0 %, 50 %, 90 %, 99 %, ..
func nines(r [2]float64) []Tick {
	t := []Tick{{1, "0 %"}, {2, "50 %"}}
	for k, v := 1, 10.0; v <= r[1]; k, v = k+1, v*10 {
		digits := max(k-2, 0)
		t = append(t, Tick{v, strconv.FormatFloat(100*(1-1/v), 'f', digits, 64) + " %"})
	}
	return t
}

// decades are powers of ten, and 2 and 5 times them if there are few.
func (a *Axis) decades(r [2]float64) []Tick {
	factors := []float64{1}
	switch d := math.Log10(r[1] / r[0]); {
	case d < 1:
		factors = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case d < 3:
		factors = []float64{1, 2, 5}
	}
	var t []Tick
	for e := math.Floor(math.Log10(r[0])); ; e++ {
		for _, f := range factors {
			v := f * math.Pow(10, e)
			if v > r[1]*(1+1e-9) {
				return t
			}
			if v >= r[0]*(1-1e-9) {
				t = append(t, Tick{v, a.Format(v)})
			}
		}
	}
}

// steps are multiples of 1, 2 or 5 times a power of ten.
func (a *Axis) steps(r [2]float64) []Tick {
	step := math.Pow(10, math.Floor(math.Log10((r[1]-r[0])/4)))
	for _, f := range []float64{1, 2, 5, 10} {
		if (r[1]-r[0])/(step*f) <= 6 {
			step *= f
			break
		}
	}
	var t []Tick
	for k := math.Ceil(r[0]/step - 1e-9); k*step <= r[1]+step*1e-9; k++ {
		t = append(t, Tick{k * step, a.Format(k * step)})
	}
	return t
}

// Format writes a value of the axis with its unit.
func (a *Axis) Format(v float64) string {
	switch a.Unit {
	case Nanos:
		return scaled(v, 1000, []string{" ns", " µs", " ms", " s"})
	case Seconds:
		return trim(v) + " s"
	case Share:
		return trim(100*v) + " %"
	case PerSec:
		return scaled(v, 1000, []string{"/s", "k/s", "M/s", "G/s"})
	}
	if a.Scale == Nines {
		digits := max(int(math.Ceil(math.Log10(v)-1e-6))-2, 0)
		return strconv.FormatFloat(100*(1-1/v), 'f', digits, 64) + " %"
	}
	return scaled(v, 1000, []string{"", "k", "M", "G"})
}

func scaled(v, by float64, units []string) string {
	i := 0
	for ; math.Abs(v) >= by*(1-1e-9) && i < len(units)-1; i++ {
		v /= by
	}
	return trim(v) + units[i]
}

// trim writes at most three digits that count, and no zeros behind the point.
func trim(v float64) string {
	if math.Abs(v) < 1e-9 {
		return "0" // and not -0
	}
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	s := strconv.FormatFloat(v, 'f', 3-max(int(math.Floor(math.Log10(max(math.Abs(v), 1e-2))))+1, 0), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Value is the inverse of Place.
func (a *Axis) Value(place float64, r [2]float64) float64 {
	if a.Scale == Log || a.Scale == Nines {
		return r[0] * math.Pow(r[1]/r[0], place)
	}
	return r[0] + place*(r[1]-r[0])
}
