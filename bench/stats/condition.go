package stats

import (
	"fmt"
	"strings"
)

// Condition is a metric compared with a value: "p99>5us", "rate<200k/s", "lost>0".
type Condition struct {
	Text   string // as it was given
	Metric string // canonical
	Op     string // >, >=, <, <=, == or !=
	Value  float64
}

// ParseCondition reads a condition. The value is in the unit of the metric, see
// [Parse]. The error says what is allowed.
func ParseCondition(text string) (Condition, error) {
	at := strings.IndexAny(text, "<>=!")
	if at < 0 {
		return Condition{}, fmt.Errorf("must be METRIC, one of > >= < <= == !=, and a value, such as p99>5us")
	}
	c := Condition{Text: text, Metric: Canonical(text[:at])}
	for _, op := range []string{">=", "<=", "==", "!=", ">", "<"} {
		if strings.HasPrefix(text[at:], op) {
			c.Op = op
			break
		}
	}
	if c.Op == "" {
		return Condition{}, fmt.Errorf("must have one of > >= < <= == != between metric and value, such as p99>5us")
	}
	if err := Check(c.Metric); err != nil {
		return Condition{}, err
	}
	v, err := Parse(text[at+len(c.Op):], Unit(c.Metric))
	if err != nil {
		return Condition{}, fmt.Errorf("the value of %s, %w", c.Metric, err)
	}
	c.Value = v
	return c, nil
}

// Holds tells whether the condition is true of a value of its metric.
func (c Condition) Holds(v float64) bool {
	switch c.Op {
	case ">":
		return v > c.Value
	case ">=":
		return v >= c.Value
	case "<":
		return v < c.Value
	case "<=":
		return v <= c.Value
	case "==":
		return v == c.Value
	}
	return v != c.Value
}

// Sample are the figures of several repetitions for one metric. ok: each has one;
// otherwise why says what is missing.
func Sample(reps [][]Metric, name string) (values []float64, why string, ok bool) {
	for _, ms := range reps {
		m, found := Find(ms, name)
		switch {
		case !found:
			return nil, Canonical(name) + " is not measured by this run", false
		case !m.Known():
			return nil, fmt.Sprintf("%s has no figure: it needs %d samples", m.Name, m.Needs), false
		}
		values = append(values, m.Value)
	}
	return values, "", len(values) > 0
}
