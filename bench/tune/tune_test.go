package tune

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/param"
)

func TestParseGC(t *testing.T) {
	for s, want := range map[string]GC{
		"off":                     {Off: true},
		"percent=400":             {Percent: 400},
		"off,limit=2GiB":          {Off: true, Limit: 2 << 30},
		"percent=50,limit=512MiB": {Percent: 50, Limit: 512 << 20},
		"limit=1048577B":          {Limit: 1<<20 + 1},
		"limit=1025KiB":           {Limit: 1025 << 10},
	} {
		g, err := ParseGC(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, g)
		assert.Equal(t, s, g.String())
	}
	for _, bad := range []string{
		"", "on", "off,off", "off,percent=5", "percent=5,off", "percent=0", "percent=x", "percent=100001", "limit=", "limit=1KiB",
		"limit=99999999999999GiB", "limit=-1GiB", "limit=2GB", "limit=2GiB,limit=2GiB", "off,", "off=1,", "offlimit",
	} {
		_, err := ParseGC(bad)
		assert.ErrorIs(t, err, param.ErrInvalid, bad)
	}
	assert.Empty(t, GC{}.String())
	g, err := ParseGC("limit=3145728")
	require.NoError(t, err)
	assert.Equal(t, "limit=3MiB", g.String())
}

func TestParsePrio(t *testing.T) {
	for _, s := range []string{"fifo:1", "rr:99"} {
		p, err := ParsePrio(s)
		require.NoError(t, err)
		assert.Equal(t, s, p.String())
	}
	for _, bad := range []string{"", "fifo", "fifo:", "fifo:0", "fifo:100", "other:1", "rr:1:2"} {
		_, err := ParsePrio(bad)
		assert.ErrorIs(t, err, param.ErrInvalid, bad)
	}
	assert.Empty(t, Prio{}.String())
}

func collector() (percent, limit uint64) {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64(), s[1].Value.Uint64()
}

func TestGC(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	for s, want := range map[string][2]uint64{
		"off": {math.MaxUint64, math.MaxInt64}, "percent=30,limit=1TiB": {30, 1 << 40}, "limit=1TiB": {70, 1 << 40},
	} {
		g, err := ParseGC(s)
		require.NoError(t, err)
		restore, err := Settings{GC: g}.Apply()
		require.NoError(t, err)
		percent, limit := collector()
		assert.Equal(t, want, [2]uint64{percent, limit}, s)
		restore()
		percent, limit = collector()
		assert.Equal(t, [2]uint64{70, math.MaxInt64}, [2]uint64{percent, limit}, s)
	}
	restore, err := Settings{}.Apply()
	require.NoError(t, err)
	restore()
}
