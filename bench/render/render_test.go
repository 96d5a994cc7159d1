package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
	"github.com/evdengine/evd/internal/param"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	// A checkout may have turned the ends of lines.
	assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), strings.ReplaceAll(string(got), "\r\n", "\n"))
}

// one is a result with the first repetition only.
func one(f *result.File) *result.File {
	f.Reps = f.Reps[:1]
	return f
}

// two are results to be told apart by their names.
func two() []*result.File {
	a, b := resulttest.Lat(), resulttest.Slower()
	a.Name, b.Name = "a.json", "b.json"
	return []*result.File{a, b}
}

func written(t *testing.T, format string, files ...*result.File) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Write(&b, format, files...))
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	for name, files := range map[string][]*result.File{
		"lat.txt": {resulttest.Lat()}, "one.txt": {one(resulttest.Lat())}, "bw.txt": {resulttest.BW()},
		"invalid.txt": {resulttest.Invalid()}, "sweep.txt": {resulttest.Sweep()}, "two.txt": two(),
		"lat.csv": {resulttest.Lat()}, "all.csv": {resulttest.BW(), resulttest.Invalid(), resulttest.Sweep()},
		"lat.benchfmt": {resulttest.Lat()}, "all.benchfmt": {resulttest.Invalid(), resulttest.Sweep()},
		"nodes.txt": {resulttest.Nodes()}, "nodes.md": {resulttest.Nodes()},
		"lat.hdr": {resulttest.Lat()}, "lat.md": {resulttest.Lat()}, "all.md": {one(resulttest.Lat()), resulttest.Invalid(), resulttest.Sweep()},
	} {
		t.Run(name, func(t *testing.T) {
			format := strings.TrimPrefix(filepath.Ext(name), ".")
			if format == "txt" {
				format = "text"
			}
			golden(t, name, written(t, format, files...))
		})
	}
}

// What is empty, cut short or not there is written all the same.
func TestOddResults(t *testing.T) {
	nothing := &result.File{Schema: result.Schema, Command: "lat", Start: time.Unix(0, 0).UTC()}
	bare := one(resulttest.Lat())
	r := bare.Reps[0]
	r.Histograms, r.Series, r.Stages, r.Wake, r.Load, r.Results.Response = nil, nil, nil, nil, nil, nil
	r.Results.Latency.Samples, r.Interrupted = 0, true
	for i := range r.Results.Latency.Percentiles {
		r.Results.Latency.Percentiles[i].Nanos = nil
	}
	for _, format := range Formats() {
		for name, f := range map[string]*result.File{"nothing": nothing, "bare": bare} {
			var b bytes.Buffer
			err := Write(&b, format, f)
			if format == "hdr" {
				assert.ErrorIs(t, err, chart.ErrMissing, name)
				continue
			}
			require.NoError(t, err, "%s %s", format, name)
			assert.NotEmpty(t, b.String(), "%s %s", format, name)
		}
	}
	assert.Contains(t, string(written(t, "text", nothing)), "lat: nothing was measured")
	assert.Contains(t, string(written(t, "text", bare)), "p50 needs 20 samples")
	assert.Contains(t, string(written(t, "html", bare)), "interrupted")
}

func TestUnknownFormat(t *testing.T) {
	err := Write(io.Discard, "xml")
	require.ErrorIs(t, err, param.ErrInvalid)
	assert.Contains(t, err.Error(), "must be one of text, json")
	for _, f := range Formats() {
		assert.NotEmpty(t, About(f))
	}
	assert.Empty(t, About("xml"))
}

// full takes so many bytes and no more.
type full struct{ n int }

var errFull = errors.New("disk full")

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.n {
		n := f.n
		f.n = 0
		return n, errFull
	}
	f.n -= len(b)
	return len(b), nil
}

// A writer's error comes back from every format, wherever it happens.
func TestWriterFails(t *testing.T) {
	for _, format := range Formats() {
		whole := len(written(t, format, resulttest.Lat()))
		for _, n := range []int{0, whole / 2, whole - 1} {
			assert.ErrorIs(t, Write(&full{n}, format, resulttest.Lat()), errFull, "%s after %d", format, n)
		}
		assert.NoError(t, Write(&full{whole}, format, resulttest.Lat()), format)
	}
}

func TestDocuments(t *testing.T) {
	d := json.NewDecoder(bytes.NewReader(written(t, "ndjson", two()...)))
	for range 2 {
		var f result.File
		require.NoError(t, d.Decode(&f))
		assert.Len(t, f.Reps, 3)
	}
	assert.False(t, d.More())
	assert.Equal(t, 2, bytes.Count(written(t, "ndjson", two()...), []byte("\n")))
	back, err := result.Read(bytes.NewReader(written(t, "json", resulttest.Lat())))
	require.NoError(t, err)
	assert.Equal(t, written(t, "text", resulttest.Lat()), written(t, "text", back), "what was stored reads the same")
}

// The header is that of all results, and every row has as many fields.
func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(written(t, "csv", resulttest.Lat(), resulttest.Sweep(), resulttest.Invalid()))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+3+6+2)
	assert.Equal(t, CSVHeader(), rows[0])
	col := map[string]int{}
	for i, name := range rows[0] {
		col[name] = i
	}
	assert.Len(t, col, len(rows[0]), "no name twice")
	assert.Equal(t, "1787", rows[2][col["service_p50_ns"]])
	assert.Equal(t, "2", rows[2][col["repetition"]])
	assert.Equal(t, "mode=event outstanding=8", strings.ReplaceAll(rows[8][col["settings"]], "duration=1s ", ""))
	assert.Equal(t, "", rows[4][col["service_p50_ns"]], "bw has none")
	assert.Equal(t, "false", rows[11][col["valid"]])
	var b bytes.Buffer
	require.NoError(t, Options{NoHeader: true}.Write(&b, "csv", resulttest.Lat()))
	assert.True(t, bytes.HasSuffix(written(t, "csv", resulttest.Lat()), b.Bytes()))
	assert.Equal(t, 3, strings.Count(b.String(), "\n"))
}

// Go's own reader understands every line, even with names made to confuse it.
func TestBenchfmt(t *testing.T) {
	read := func(b []byte) (results []*benchfmt.Result, units int) {
		r := benchfmt.NewReader(bytes.NewReader(b), "test")
		for r.Scan() {
			switch x := r.Result().(type) {
			case *benchfmt.Result:
				results = append(results, x.Clone())
			case *benchfmt.UnitMetadata:
				units++
			case *benchfmt.SyntaxError:
				t.Error(x)
			}
		}
		require.NoError(t, r.Err())
		return results, units
	}
	results, units := read(written(t, "benchfmt", resulttest.Lat(), resulttest.Invalid(), resulttest.Sweep()))
	require.Len(t, results, 3+2+6)
	assert.Greater(t, units, 20)
	base, parts := results[0].Name.Parts()
	assert.Equal(t, "Lat", string(base))
	assert.Equal(t, "/cq=mock", string(parts[0]))
	assert.Equal(t, "-4", string(parts[len(parts)-1]))
	assert.Equal(t, 50_000, results[0].Iters)
	p50, ok := results[0].Value("service-p50-sec")
	require.True(t, ok)
	assert.InDelta(t, 1.787e-6, p50, 1e-12)
	rate, ok := results[0].Value("op/s")
	require.True(t, ok)
	assert.Equal(t, 5000.0, rate)
	assert.Equal(t, "lab-3", results[0].GetConfig("tag-host"))
	assert.Equal(t, "A CPU of some kind", results[4].GetConfig("cpu"))
	assert.NotEqual(t, results[5].Name.String(), results[10].Name.String(), "cells have names of their own")
}

func TestHdrLog(t *testing.T) {
	f := resulttest.Lat()
	l := hdrhistogram.NewHistogramLogReader(bytes.NewReader(written(t, "hlog", f)))
	found := map[string]int{}
	for {
		h, err := l.NextIntervalHistogram()
		if h == nil {
			require.True(t, err == nil || errors.Is(err, io.EOF), err)
			break
		}
		require.NoError(t, err)
		i := found[h.Tag()]
		found[h.Tag()]++
		want := f.Reps[i].Histograms[h.Tag()]
		require.NotNil(t, want, h.Tag())
		assert.True(t, want.HDR().Equals(h), h.Tag())
		assert.Equal(t, f.Start.Add(time.Duration(10*i)*time.Second).UnixMilli(), h.StartTimeMs(), h.Tag())
		assert.Equal(t, h.StartTimeMs()+10_000, h.EndTimeMs())
	}
	assert.Equal(t, map[string]int{
		"service": 3, "response": 3, "stage/post": 3, "stage/queue": 3, "stage/arm": 3, "stage/wake": 3, "stage/poll": 3, "stage/dispatch": 3,
	}, found)

	// Of several results, tags say which; one without histograms is a remark.
	a, b, c := resulttest.Lat(), resulttest.Slower(), resulttest.BW()
	a.Name, b.Name, c.Name = "a, 1.json", "b.json", "c.json"
	text := string(written(t, "hlog", a, b, c))
	assert.Contains(t, text, "\nTag=a__1.json:service,0.000000,10.000000,")
	assert.Contains(t, text, "\nTag=b.json:service,")
	assert.Contains(t, text, "#[c.json has no histogram]")
}

func TestHdrText(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Options{Histogram: "stage/arm"}.Write(&b, "hdr", resulttest.Lat()))
	assert.Contains(t, b.String(), "# lat: stage/arm, microseconds\n")
	assert.Contains(t, b.String(), "Total count    =       150000]")
	err := Options{Histogram: "stage/none"}.Write(&b, "hdr", resulttest.Lat())
	require.ErrorIs(t, err, chart.ErrMissing)
	assert.Contains(t, err.Error(), `lat has no histogram "stage/none"`)
	assert.Contains(t, err.Error(), "it has the histograms response, service, stage/arm")
}

// Nothing that a user named is markup in Markdown.
func TestMarkdownEscapes(t *testing.T) {
	text := string(written(t, "md", resulttest.Invalid()))
	assert.NotContains(t, text, "<")
	assert.Contains(t, text, `note=`)
	f := resulttest.Lat()
	f.Command = "a|b`c*d_e[f]\ng"
	assert.Contains(t, string(written(t, "md", f)), "### evdbench a\\|b\\`c\\*d\\_e\\[f\\] g\n")
}
