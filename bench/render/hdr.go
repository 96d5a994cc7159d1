package render

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

// hdrLog writes every histogram of every repetition as an interval of a log, tagged
// with its name.
func hdrLog(w io.Writer, _ Options, files []*result.File) error {
	files = flat(files)
	l := hdr.NewHistogramLogWriter(w)
	if err := l.OutputComment("[evdbench; times in nanoseconds, Interval_Max in milliseconds]"); err != nil {
		return err
	}
	if err := l.OutputLogFormatVersion(); err != nil {
		return err
	}
	if len(files) > 0 {
		base := files[0].Start.Truncate(time.Second)
		for _, f := range files {
			if f.Start.Before(base) {
				base = f.Start.Truncate(time.Second)
			}
		}
		l.SetBaseTime(base.UnixMilli())
		if err := l.OutputStartTime(base.UnixMilli()); err != nil {
			return err
		}
		if err := l.OutputBaseTime(base.UnixMilli()); err != nil {
			return err
		}
	}
	if err := l.OutputLegend(); err != nil {
		return err
	}
	for _, f := range files {
		if err := logFile(l, f, len(files) > 1); err != nil {
			return err
		}
	}
	return nil
}

// logFile stamps repetitions as if they had followed one another without a gap:
// when each began is not recorded.
func logFile(l *hdr.HistogramLogWriter, f *result.File, named bool) error {
	names := chart.Histograms(f)
	if len(names) == 0 {
		return l.OutputComment(fmt.Sprintf("[%s has no histogram]", oneLine(chart.Label(f))))
	}
	begin := f.Start.UnixMilli()
	for _, r := range f.Reps {
		end := begin + r.Results.Elapsed/int64(time.Millisecond)
		for _, n := range names {
			h := r.Histograms[n]
			if h == nil || h.Count() == 0 {
				continue
			}
			x := h.HDR()
			if named {
				n = chart.Label(f) + ":" + n
			}
			x.SetTag(tag(n))
			x.SetStartTimeMs(begin)
			x.SetEndTimeMs(end)
			if err := l.OutputIntervalHistogram(x); err != nil {
				return err
			}
		}
		begin = end
	}
	return nil
}

// tag keeps a name in one field of the log.
func tag(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ',' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, s)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// hdrText writes the percentiles of one histogram of each result, in microseconds.
func hdrText(w io.Writer, o Options, files []*result.File) error {
	for _, f := range flat(files) {
		names, err := chart.Pick(f, o.Histogram)
		if err != nil {
			return fmt.Errorf("render: %w", err)
		}
		h := chart.Merged(f, names[0])
		if _, err := fmt.Fprintf(w, "# %s: %s, microseconds\n", oneLine(chart.Label(f)), names[0]); err != nil {
			return err
		}
		if _, err := h.HDR().PercentilesPrint(w, 5, 1000); err != nil {
			return err
		}
	}
	return nil
}
