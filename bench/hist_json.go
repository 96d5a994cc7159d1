package bench

import (
	"encoding/json"
	"fmt"
	"math"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// histJSON is a Hist on paper: HDR is the V2 compressed encoding in base64, which
// other tools for HDR histograms read; beside it what that rounds.
type histJSON struct {
	HDR     string `json:"hdr"`
	N       uint64 `json:"n"`
	Sum     int64  `json:"sum_ns"`
	Min     int64  `json:"min_ns"`
	Max     int64  `json:"max_ns"`
	Clamped uint64 `json:"clamped"`
}

// MarshalJSON writes the whole population: a few KiB.
func (h *Hist) MarshalJSON() ([]byte, error) {
	h.folded()
	h.fast = nil // nobody records any more, most likely; and what is read back is equal
	b, err := h.base.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	j := histJSON{HDR: string(b), N: h.n, Sum: h.sum, Clamped: h.clamped}
	if h.n > 0 {
		j.Min, j.Max = h.min, h.max
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Hist) UnmarshalJSON(b []byte) error {
	var j histJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	d, err := hdr.Decode([]byte(j.HDR))
	if err != nil {
		return fmt.Errorf("histogram: %w", err)
	}
	n := NewHist()
	if dropped := n.base.Merge(d); dropped != 0 || uint64(n.base.TotalCount()) != j.N {
		return fmt.Errorf("histogram: %d of %d values are missing", dropped, j.N)
	}
	n.n, n.sum, n.clamped = j.N, j.Sum, j.Clamped
	n.min, n.max = math.MaxInt64, math.MinInt64
	if j.N > 0 {
		n.min, n.max = j.Min, j.Max
	}
	*h = *n
	return nil
}
