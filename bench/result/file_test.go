package result

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
)

// measured is the result of a real run.
func measured(t *testing.T) *File {
	t.Helper()
	r, err := bench.Run(t.Context(), bench.Config{Mode: "event", Count: 200})
	require.NoError(t, err)
	h := bench.NewHist()
	for i := range int64(12000) {
		h.Record(1000 + i)
	}
	r.Histograms = map[string]*bench.Hist{"service": h, "empty": bench.NewHist()}
	return &File{
		Schema: Schema, Command: "lat", Version: "v1.2.3", Start: time.Unix(1_700_000_000, 0).UTC(),
		Settings: map[string]string{"mode": "event"}, Reps: []*bench.Report{r}, Warnings: []string{},
	}
}

func TestRoundTrip(t *testing.T) {
	f := measured(t)
	var b, again bytes.Buffer
	require.NoError(t, f.JSON(&b))
	back, err := Read(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	require.NoError(t, back.JSON(&again))
	assert.Equal(t, b.String(), again.String())
	assert.Equal(t, f.Settings, back.Settings)
	assert.Equal(t, f.Reps[0].Config, back.Reps[0].Config)
	assert.True(t, back.OK())
	assert.Equal(t, f.Reps[0].Histograms["service"].Summary(), back.Reps[0].Histograms["service"].Summary())
}

func TestRefused(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, measured(t).JSON(&b))
	dir := t.TempDir()
	for name, x := range map[string]struct {
		text []byte
		want error
		says string
	}{
		"empty":     {nil, ErrFormat, "ends after 0 bytes"},
		"truncated": {b.Bytes()[:b.Len()/2], ErrFormat, "in the middle of something"},
		"other":     {[]byte("BenchmarkX 1 2 ns/op\n"), ErrFormat, "invalid character"},
		"list":      {[]byte("[1]"), ErrFormat, "array"},
		"no schema": {[]byte(`{"reps":[]}`), ErrFormat, "no schema"},
		"null":      {[]byte(`{"schema":2,"reps":[null]}`), ErrFormat, "is null"},
		"null hist": {[]byte(`{"schema":2,"reps":[{"histograms":{"service":null}}]}`), ErrFormat, "is null"},
		"null cell": {[]byte(`{"schema":2,"cells":[{"reps":[]},{"reps":[null]}]}`), ErrFormat, "is null"},
		"compared":  {[]byte(`{"compare_schema":1}`), ErrFormat, "it is one of compare, doctor, cqs or check"},
		"doctor":    {[]byte(`{"schema":1,"findings":[]}`), ErrFormat, "it is one of compare, doctor, cqs or check"},
		"old":       {[]byte(`{"schema":1}`), ErrSchema, "its schema is 1, and this evdbench reads 2"},
		"future":    {[]byte(`{"schema":3,"reps":7}`), ErrSchema, "its schema is 3"},
		"histogram": {bytes.Replace(b.Bytes(), []byte(`"hdr": "`), []byte(`"hdr": "AAAA`), 1), ErrFormat, "histogram"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "f")
			require.NoError(t, os.WriteFile(path, x.text, 0o644))
			_, err := Load(path)
			require.ErrorIs(t, err, x.want)
			assert.Contains(t, err.Error(), x.says)
			assert.Contains(t, err.Error(), path)
		})
	}
	_, err := Load(filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
}
