package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/plot"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
)

// saved puts results into files of a folder of their own, and goes there.
func saved(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, f := range map[string]*result.File{
		"lat.json": resulttest.Lat(), "slower.json": resulttest.Slower(), "bw.json": resulttest.BW(),
		"invalid.json": resulttest.Invalid(), "sweep.json": resulttest.Sweep(),
	} {
		var b bytes.Buffer
		require.NoError(t, f.JSON(&b))
		require.NoError(t, os.WriteFile(name, b.Bytes(), 0o644))
	}
	lat, err := os.ReadFile("lat.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("cut.json", lat[:len(lat)/2], 0o644))
	require.NoError(t, os.WriteFile("other.json", []byte("pong\n"), 0o644))
	require.NoError(t, os.WriteFile("old.json", []byte(`{"schema":1}`), 0o644))
	require.NoError(t, os.WriteFile("empty.json", nil, 0o644))
}

func contents(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

func TestReport(t *testing.T) {
	saved(t)
	for _, format := range render.Formats() {
		status, stdout, stderr := evdbench(t.Context(), "report", "lat.json", "-o", format)
		require.Equal(t, exitOK, status, stderr)
		assert.Empty(t, stderr)
		f, err := result.Load("lat.json")
		require.NoError(t, err)
		var want bytes.Buffer
		require.NoError(t, render.Write(&want, format, f))
		assert.Equal(t, want.String(), stdout, format)
	}
	status, stdout, _ := evdbench(t.Context(), "report", "lat.json", "bw.json")
	assert.Equal(t, exitOK, status)
	assert.Contains(t, stdout, "== lat.json\n")
	assert.Contains(t, stdout, "\n== bw.json\n")

	// The name of the file says the form, if -o does not.
	for name, want := range map[string]string{
		"r.html": "<!doctype html>", "r.HTM": "<!doctype html>", "r.csv": "start,command", "r.md": "### evdbench", "r.txt": "evdbench      lat", "r": "evdbench      lat",
		"r.json": "{\n", "r.hgrm": "# lat.json: service",
	} {
		status, stdout, stderr := evdbench(t.Context(), "report", "lat.json", "--out", name)
		require.Equal(t, exitOK, status, stderr)
		assert.Empty(t, stdout)
		assert.True(t, strings.HasPrefix(contents(t, name), want), name)
	}
	status, _, _ = evdbench(t.Context(), "report", "lat.json", "--out", "r.csv", "-o", "md")
	assert.Equal(t, exitOK, status)
	assert.True(t, strings.HasPrefix(contents(t, "r.csv"), "### evdbench"))
	leftovers, err := filepath.Glob(".*")
	require.NoError(t, err)
	assert.Empty(t, leftovers)
}

func TestReportOfStandardInput(t *testing.T) {
	saved(t)
	for _, command := range []string{"report", "plot"} {
		root := newRoot(&bytes.Buffer{}, &bytes.Buffer{})
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetIn(strings.NewReader(contents(t, "lat.json")))
		root.SetArgs([]string{command, "-"})
		require.NoError(t, root.Execute())
		assert.NotEmpty(t, out.String())
	}
}

func TestReportAppends(t *testing.T) {
	saved(t)
	for range 2 {
		for _, in := range []string{"lat.json", "sweep.json"} {
			status, _, stderr := evdbench(t.Context(), "report", in, "-o", "csv", "--out", "all.csv", "--append")
			require.Equal(t, exitOK, status, stderr)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(contents(t, "all.csv"))).ReadAll()
	require.NoError(t, err)
	assert.Len(t, rows, 1+2*(3+6))

	for name, x := range map[string]struct{ text, want string }{
		"other":  {"a,b\n1,2\n", "its first row is not that of this evdbench's csv"},
		"no csv": {"\"\n", "its first row is not that of this evdbench's csv"},
		"cut":    {strings.TrimSuffix(contents(t, "all.csv"), "\n"), "its last row is cut off"},
	} {
		require.NoError(t, os.WriteFile("bad.csv", []byte(x.text), 0o644))
		status, _, stderr := evdbench(t.Context(), "report", "lat.json", "-o", "csv", "--out", "bad.csv", "--append")
		assert.Equal(t, exitFailed, status, name)
		assert.Contains(t, stderr, x.want)
		assert.Equal(t, x.text, contents(t, "bad.csv"), "it stays as it was")
	}
}

func TestPlot(t *testing.T) {
	saved(t)
	for _, kind := range chart.Kinds() {
		in := "lat.json"
		if kind == chart.Sweep {
			in = "sweep.json"
		}
		for _, form := range plot.Forms() {
			status, stdout, stderr := evdbench(t.Context(), "plot", in, "--kind", kind, "-o", form)
			require.Equal(t, exitOK, status, stderr)
			assert.Empty(t, stderr)
			switch form {
			case plot.SVG:
				assert.True(t, strings.HasPrefix(stdout, "<?xml"), kind)
			case plot.PNG:
				assert.True(t, strings.HasPrefix(stdout, "\x89PNG"), kind)
			case plot.Term:
				assert.Contains(t, stdout, "┤")
			}
		}
	}
	require.NoError(t, os.MkdirAll("x", 0o755))
	require.NoError(t, os.Rename("slower.json", "x/lat.json"))
	status, stdout, stderr := evdbench(t.Context(), "plot", "./lat.json", "x/lat.json")
	require.Equal(t, exitOK, status, stderr)
	assert.Contains(t, stdout, "─ ./lat.json service   * x/lat.json service", "the names tell them apart")
	for name, want := range map[string]string{"p.svg": "<?xml", "p.PNG": "\x89PNG", "p.txt": "Latency by percentile"} {
		status, stdout, stderr := evdbench(t.Context(), "plot", "lat.json", "--out", name)
		require.Equal(t, exitOK, status, stderr)
		assert.Empty(t, stdout)
		assert.True(t, strings.HasPrefix(contents(t, name), want), name)
	}
	status, stdout, _ = evdbench(t.Context(), "plot", "sweep.json", "-k", "sweep", "--metric", "cpu_percent", "--over", "mode")
	assert.Equal(t, exitOK, status)
	assert.True(t, strings.HasPrefix(stdout, "Cpu over mode\n"))
}

func TestReportUsage(t *testing.T) {
	saved(t)
	for _, x := range []struct {
		args, want string
	}{
		{"report", "which file? It must be the name of a result"},
		{"plot", "which file? It must be the name of a result"},
		{"report none.json", "open none.json: "},
		{"report cut.json", "cut.json: not a result of evdbench: it ends after"},
		{"plot cut.json", "cut.json: not a result of evdbench: it ends after"},
		{"report other.json", "other.json: not a result of evdbench: invalid character"},
		{"report empty.json", "empty.json: not a result of evdbench: it ends after 0 bytes"},
		{"report old.json", "old.json: a result of another version of evdbench: its schema is 1"},
		{"report lat.json old.json", "old.json: a result of another version"},
		{"report - -", "FILE = -: must be given once"},
		{"report lat.json -o xml", `--output = "xml": must be text, json, ndjson, csv, benchfmt, hlog, hdr, md or html`},
		{"report lat.json --out=", `--out = "": must be a file, or left out`},
		{"report lat.json --out lat.json", "--out = lat.json: must be another file than those read"},
		{"plot lat.json --out ./lat.json", "--out = ./lat.json: must be another file than those read"},
		{"report lat.json --append", "--append = true: must be left out with --output text"},
		{"report lat.json -o csv --append", "--append = true: must be left out without --out"},
		{"report lat.json --histogram service", `--histogram = "service": must be left out with --output text: it is for hdr`},
		{"report lat.json -o hdr --histogram x", `lat.json has no histogram "x": there is nothing to draw; it has the histograms response, service`},
		{"report bw.json -o hdr", "bw.json has no histogram"},
		{"plot lat.json --kind pie", `--kind = "pie": must be percentiles, timeline, histogram, cdf, repetitions or sweep`},
		{"plot lat.json -o gif", `--output = "gif": must be svg, png or term`},
		{"plot bw.json", "bw.json has no histogram: there is nothing to draw; it has a timeline"},
		{"plot lat.json -k sweep", "lat.json is no sweep"},
		{"plot lat.json --metric p99", `--metric = "p99": must be left out with --kind percentiles: it is for sweep`},
		{"plot lat.json -k timeline --histogram service", `--histogram = "service": must be left out with --kind timeline`},
		{"plot sweep.json -k sweep --metric speed", `--metric = "speed": must be one of operations,`},
		{"plot sweep.json -k sweep --over depth", `--over = "depth": must be a setting that varies: mode, outstanding`},
	} {
		t.Run(x.args, func(t *testing.T) {
			status, stdout, stderr := evdbench(t.Context(), strings.Fields(x.args)...)
			assert.Equal(t, exitUsage, status, stderr)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, x.want)
		})
	}
	status, _, stderr := evdbench(t.Context(), "report", "none.json", "cut.json")
	assert.Equal(t, exitUsage, status)
	assert.Equal(t, 3, strings.Count(stderr, "\n"), "both are said: %s", stderr)
}

// Where the report cannot be written, what was there stays.
func TestReportCannotBeWritten(t *testing.T) {
	saved(t)
	for _, command := range []string{"report", "plot"} {
		status, stdout, stderr := evdbench(t.Context(), command, "lat.json", "--out", "no/such/place")
		assert.Equal(t, exitFailed, status)
		assert.Empty(t, stdout)
		assert.Contains(t, stderr, "--out = no/such/place: cannot be written: ")
		assert.NotContains(t, stderr, ".place.", "not the name of a temporary file")
		status, _, stderr = evdbench(t.Context(), command, "lat.json", "--out", ".")
		assert.Equal(t, exitFailed, status, stderr)
	}
	if runtime.GOOS == "linux" {
		for _, command := range []string{"report", "plot"} {
			status, _, stderr := evdbench(t.Context(), command, "lat.json", "--out", "/dev/full")
			assert.Equal(t, exitFailed, status)
			assert.Contains(t, stderr, "no space left")
		}
	}
}

func TestDistinct(t *testing.T) {
	for _, x := range []struct{ paths, want []string }{
		{[]string{"a/b.json"}, []string{"b.json"}},
		{[]string{"a/x.json", "b/x.json", "c/y.json"}, []string{"a/x.json", "b/x.json", "c/y.json"}},
		{[]string{"1/a/x", "2/a/x"}, []string{"1/a/x", "2/a/x"}},
		{[]string{"x", "x"}, []string{"x", "x"}},
		{[]string{"d/a", "d/b"}, []string{"a", "b"}},
		{[]string{`d\a`, `e\a`}, []string{"d/a", "e/a"}},
	} {
		got := make([]string, len(x.paths))
		distinct(x.paths, func(i int, s string) { got[i] = s })
		assert.Equal(t, x.want, got)
	}
}
