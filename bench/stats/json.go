package stats

import (
	"encoding/json"
	"math"
)

// JSON has no NaN and no infinity: what is not known is null.

func known(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func or(v *float64, unknown float64) float64 {
	if v == nil {
		return unknown
	}
	return *v
}

type metricJSON struct {
	Name   string   `json:"name"`
	Unit   string   `json:"unit"`
	Better Better   `json:"better"` // -1: less is better
	Value  *float64 `json:"value"`
	Needs  uint64   `json:"needs_samples,omitempty"`
}

// MarshalJSON writes the metric; a value that is not known is null.
func (m Metric) MarshalJSON() ([]byte, error) {
	return json.Marshal(metricJSON{m.Name, m.Unit, m.Better, known(m.Value), m.Needs})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (m *Metric) UnmarshalJSON(b []byte) error {
	var j metricJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*m = Metric{j.Name, j.Unit, j.Better, or(j.Value, math.NaN()), j.Needs}
	return nil
}

type intervalJSON struct {
	Center *float64 `json:"center"`
	Lo     *float64 `json:"lo"`
	Hi     *float64 `json:"hi"`
}

// MarshalJSON writes the interval; an end that is not known is null.
func (i Interval) MarshalJSON() ([]byte, error) {
	return json.Marshal(intervalJSON{known(i.Center), known(i.Lo), known(i.Hi)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (i *Interval) UnmarshalJSON(b []byte) error {
	var j intervalJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*i = Interval{or(j.Center, math.NaN()), or(j.Lo, math.Inf(-1)), or(j.Hi, math.Inf(1))}
	return nil
}

// MarshalJSON writes the judgement; what is not known is null.
func (j Judgement) MarshalJSON() ([]byte, error) {
	type plain Judgement
	return json.Marshal(struct {
		plain
		A     *float64 `json:"a"`
		B     *float64 `json:"b"`
		Floor *float64 `json:"floor"`
	}{plain(j), known(j.A), known(j.B), known(j.Floor)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (j *Judgement) UnmarshalJSON(b []byte) error {
	type plain Judgement
	s := struct {
		*plain
		A     *float64 `json:"a"`
		B     *float64 `json:"b"`
		Floor *float64 `json:"floor"`
	}{plain: (*plain)(j)}
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	j.A, j.B, j.Floor = or(s.A, math.NaN()), or(s.B, math.NaN()), or(s.Floor, math.NaN())
	return nil
}
