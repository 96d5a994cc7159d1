package plot

import (
	"bytes"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
	"github.com/evdengine/evd/internal/param"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), string(got))
}

// charts are one of each kind, and overlays.
func charts(t *testing.T) map[string]*chart.Chart {
	t.Helper()
	a, b := resulttest.Lat(), resulttest.Slower()
	a.Name, b.Name = "a.json", "b.json"
	all := map[string]*chart.Chart{}
	for name, x := range map[string]struct {
		kind  string
		files []*result.File
	}{
		"percentiles": {chart.Percentiles, []*result.File{resulttest.Lat()}},
		"timeline":    {chart.Timeline, []*result.File{resulttest.Lat()}},
		"rate":        {chart.Timeline, []*result.File{resulttest.BW()}},
		"histogram":   {chart.Histogram, []*result.File{resulttest.Lat()}},
		"cdf":         {chart.CDF, []*result.File{resulttest.Lat()}},
		"repetitions": {chart.Repetitions, []*result.File{resulttest.Lat()}},
		"sweep":       {chart.Sweep, []*result.File{resulttest.Sweep()}},
		"overlay":     {chart.Percentiles, []*result.File{a, b}},
	} {
		c, err := chart.New(x.kind, chart.Options{}, x.files...)
		require.NoError(t, err)
		all[name] = c
	}
	return all
}

func TestGolden(t *testing.T) {
	for name, c := range charts(t) {
		for _, form := range []string{SVG, Term} {
			t.Run(name+"."+form, func(t *testing.T) {
				var b bytes.Buffer
				require.NoError(t, Write(&b, form, c, 0))
				golden(t, name+"."+form, b.Bytes())
			})
		}
	}
}

func TestPNG(t *testing.T) {
	for name, c := range charts(t) {
		var b bytes.Buffer
		require.NoError(t, Write(&b, PNG, c, 0))
		img, err := png.Decode(&b)
		require.NoError(t, err, name)
		assert.Equal(t, 864, img.Bounds().Dx())
		assert.Equal(t, 480, img.Bounds().Dy())
		colours := map[any]bool{}
		for x := 0; x < img.Bounds().Dx(); x += 4 {
			for y := 0; y < img.Bounds().Dy(); y += 4 {
				colours[img.At(x, y)] = true
			}
		}
		assert.Greater(t, len(colours), 8, "%s: curves, letters and a grid", name)
	}
}

// No line of a terminal is wider than it, down to a width where nothing is
// readable any more.
func TestWidth(t *testing.T) {
	for name, c := range charts(t) {
		for columns, most := range map[int]int{0: 80, 80: 80, 120: 120, 60: 60, 40: 40, 5: 40} {
			var b bytes.Buffer
			require.NoError(t, Write(&b, Term, c, columns))
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); strings.ContainsAny(line, "┤┼┬") {
					assert.LessOrEqual(t, n, most, "%s at %d: %s", name, columns, line)
				}
			}
			assert.NotContains(t, b.String(), "\x1b", "no colours")
		}
	}
}

func TestUnknownForm(t *testing.T) {
	err := Write(io.Discard, "gif", &chart.Chart{}, 0)
	require.ErrorIs(t, err, param.ErrInvalid)
	assert.Contains(t, err.Error(), `form = "gif": must be one of svg, png, term`)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriterFails(t *testing.T) {
	c := charts(t)["percentiles"]
	for _, form := range Forms() {
		assert.ErrorIs(t, Write(full{}, form, c, 0), os.ErrClosed, form)
	}
}
