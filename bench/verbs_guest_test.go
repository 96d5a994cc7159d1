package bench

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/verbs"
)

// needVerbs is needRXE for the driver that goes through libibverbs. The guest's
// tests are built with it.
func needVerbs(t *testing.T) {
	t.Helper()
	needRXE(t)
	if !verbs.Available {
		t.Skip("built without libibverbs (-tags verbs)")
	}
}

func TestVerbsPingPong(t *testing.T) {
	needVerbs(t)
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.CQ, cfg.Count, cfg.Warmup, cfg.Stall = CQVerbs, 60, Span{Count: 20}, patience
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		assert.EqualValues(t, 60, r.Results.Latency.Samples)
		assert.EqualValues(t, 80, r.Conservation.Producers[0].Accepted, "pings")
		assert.Zero(t, r.CQ.Overruns)
	})
}

func TestVerbsThroughput(t *testing.T) {
	needVerbs(t)
	for _, mode := range []string{"event", "spin"} {
		t.Run(mode, func(t *testing.T) {
			cfg := Config{CQ: CQVerbs, Workload: BW, Mode: mode, Outstanding: 200, Count: 4000, Warmup: Span{Count: 100}, Stall: patience}
			r := runTest(t, cfg, workloadFor(cfg))
			require.Empty(t, r.Conservation.Violations)
			assert.GreaterOrEqual(t, r.Conservation.Accepted, uint64(4000))
		})
	}
}

// The two drivers as each other's peers.
func TestVerbsPeers(t *testing.T) {
	needVerbs(t)
	for _, side := range [][2]string{{CQVerbs, CQRXE}, {CQRXE, CQVerbs}} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := ln.Addr().String()
		require.NoError(t, ln.Close())
		server := Config{CQ: side[0], Mode: "event", PeerListen: addr, Count: 100, Stall: patience}
		client := Config{CQ: side[1], Mode: "event", Peer: addr, Count: 100, Stall: patience}
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
			assert.EqualValues(t, 100, r.Conservation.Producers[0].Accepted, "sends")
		}
	}
}

// A build without libibverbs says how to get one that has it.
func TestVerbsNotBuilt(t *testing.T) {
	if verbs.Available {
		return // this is the build that has it
	}
	_, err := Run(t.Context(), Config{CQ: CQVerbs})
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	require.ErrorContains(t, err, "-tags verbs")
}
