package bench

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// These tests need an rxe device. Without one they are skipped, unless
// EVD_RXE_REQUIRED=1 says that there must be one: then its absence fails
// them.
func needRXE(t *testing.T) {
	t.Helper()
	d, err := rxe.Open(rxe.Config{})
	if err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs an rxe device: %v", err)
	}
	require.NoError(t, d.Close())
}

// patience: a guest without hardware virtualisation on a busy host is slow.
const patience = 60 * time.Second

func TestRXEPingPong(t *testing.T) {
	needRXE(t)
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.CQ, cfg.Count, cfg.Warmup, cfg.Stall = CQRXE, 100, Span{Count: 20}, patience
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		assert.EqualValues(t, 100, r.Results.Latency.Samples)
		require.Len(t, r.Conservation.Producers, 4)
		assert.EqualValues(t, 120, r.Conservation.Producers[0].Accepted, "pings")
		assert.EqualValues(t, 120, r.Conservation.Producers[2].Accepted, "pongs")
		assert.EqualValues(t, 2*rxeRecvs-1, r.Conservation.Flushed, "the receives that wait for a message; the last is not posted again")
		assert.Zero(t, r.CQ.Overruns)
	})
}

func TestRXEOneWay(t *testing.T) {
	needRXE(t)
	cfg := Config{CQ: CQRXE, OneWay: true, Mode: "event", Count: 200, Warmup: Span{Off: true}, Stall: patience, Size: 4000}
	r := runTest(t, cfg, workloadFor(cfg))
	require.Empty(t, r.Conservation.Violations)
	assert.EqualValues(t, 200, r.Results.Latency.Samples)
	assert.EqualValues(t, 200, r.Conservation.Producers[0].Accepted)
	assert.Zero(t, r.Conservation.Producers[2].Accepted, "nobody answers")
}

// The shallowest CQ that is allowed: nothing overruns it.
func TestRXEShallowCQ(t *testing.T) {
	needRXE(t)
	cfg := Config{CQ: CQRXE, Depth: 8, Mode: "event", Count: 200, Stall: patience}
	r := runTest(t, cfg, workloadFor(cfg))
	require.Empty(t, r.Conservation.Violations)
}

func TestRXEThroughput(t *testing.T) {
	needRXE(t)
	for _, x := range []Config{
		{Mode: "event"},
		{Mode: "spin", Dispatch: "queued", Outstanding: 511},
		{Mode: "adaptive", Posters: 2, Capacity: 64},
		{Mode: "event", Posters: 1, Flip: 5, Outstanding: 1},
	} {
		t.Run(fmt.Sprintf("%s/posters=%d", x.Mode, x.Posters), func(t *testing.T) {
			x.CQ, x.Workload, x.Count, x.Warmup, x.Stall = CQRXE, BW, 4000, Span{Count: 100}, patience
			r := runTest(t, x, workloadFor(x))
			require.Empty(t, r.Conservation.Violations)
			assert.GreaterOrEqual(t, r.Conservation.Accepted, uint64(4000))
			assert.Zero(t, r.CQ.Overruns)
		})
	}
}

// Two runs of this package as each other's peers.
func TestRXEPeers(t *testing.T) {
	needRXE(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	for _, count := range []uint64{1, 300} {
		server := Config{CQ: CQRXE, Mode: "event", PeerListen: addr, Count: count, Stall: patience}
		client := Config{CQ: CQRXE, Mode: "event", Peer: addr, Count: count, Stall: patience}
		reports := make(chan *Report, 1)
		go func() {
			defer close(reports)
			r, err := run(t.Context(), server.WithDefaults(), workloadFor(server), testClock(), Watch{})
			if err != nil {
				t.Error(err)
				return
			}
			reports <- r
		}()
		c := runTest(t, client, workloadFor(client))
		s := <-reports
		require.NotNil(t, s)
		for _, r := range []*Report{c, s} {
			require.Empty(t, r.Conservation.Violations)
			assert.Equal(t, count, r.Conservation.Producers[0].Accepted, "sends")
		}
		warm := client.WithDefaults().Warmup.Count
		assert.Equal(t, count-warm, c.Results.Latency.Samples)
		assert.Equal(t, count-warm-1, s.Results.Latency.Samples, "the peer's first message answers none of ours")
	}
}

func TestRXEUnknownDevice(t *testing.T) {
	_, err := Run(t.Context(), Config{CQ: CQRXE, Dev: "no-such-device"})
	require.Error(t, err)
	assert.True(t, errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported), "%v", err)
}
