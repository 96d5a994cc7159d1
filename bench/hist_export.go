package bench

import hdr "github.com/HdrHistogram/hdrhistogram-go"

// HDR returns a copy of the histogram as the library behind it has it, in
// nanoseconds: for the formats of its other tools. Times outside 0..60 s are in it
// as the nearest end.
func (h *Hist) HDR() *hdr.Histogram { return h.folded().Clone() }

// At returns the time that p percent (0..100) of the times are not above; 0 if
// there are none.
func (h *Hist) At(p float64) int64 {
	if h.n == 0 {
		return 0
	}
	return h.quantile(p)
}
