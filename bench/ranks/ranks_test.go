package ranks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// patience is for what must happen on a busy machine.
const patience = time.Minute

// tcp is a short run. In mode event: several that spin in one process take its
// processors from the sockets.
func tcp() bench.Config {
	return bench.Config{CQ: bench.CQTCP, Mode: "event", Count: 50, Warmup: bench.Span{Count: 5}, AckTimeout: patience, Stall: patience}
}

// outcome is what a rank says in the end.
type outcome struct {
	rank   int
	report *bench.Report
	nodes  []result.Node
	err    error
}

// group runs the ranks of a job as goroutines. cfg may differ between them.
func group(t *testing.T, size int, meet meeting, cfg func(rank int) Config) []outcome {
	t.Helper()
	outs := make(chan outcome, size)
	for rank := range size {
		go func() {
			outs <- oneRank(t.Context(), Place{Rank: rank, Size: size, Local: rank, job: "job", meet: meet}, cfg(rank))
		}()
	}
	all := make([]outcome, size)
	for range size {
		o := <-outs
		all[o.rank] = o
	}
	return all
}

func oneRank(ctx context.Context, p Place, c Config) (o outcome) {
	o.rank = p.Rank
	g, err := Join(ctx, p, c)
	if err != nil {
		o.err = err
		return o
	}
	if p.Rank > 0 {
		o.err = g.Follow(ctx)
	} else {
		o.report, o.nodes, o.err = g.Measure(ctx)
	}
	o.err = errors.Join(o.err, g.Close())
	return o
}

func file(t *testing.T) fileMeeting { return fileMeeting{filepath.Join(t.TempDir(), "here")} }

func same(c Config) func(int) Config { return func(int) Config { return c } }

// Every pattern, with both workloads: all messages come, and the whole is the sum of
// its parts.
func TestGroup(t *testing.T) {
	for _, x := range []struct {
		workload, pattern string
		size, flows       int
	}{
		{bench.Lat, Pairs, 4, 2},
		{bench.Lat, Ring, 3, 3},
		{bench.Lat, Incast, 4, 3},
		{bench.Lat, AllToAll, 3, 6},
		{bench.BW, Pairs, 2, 1},
		{bench.BW, Ring, 2, 2},
		{bench.BW, Incast, 3, 2},
		{bench.BW, AllToAll, 3, 6},
	} {
		t.Run(x.workload+" "+x.pattern, func(t *testing.T) {
			c := Config{Bench: tcp(), Pattern: x.pattern, Wait: patience}
			c.Bench.Workload = x.workload
			m := file(t)
			all := group(t, x.size, m, same(c))
			for _, o := range all {
				require.NoError(t, o.err, "rank %d", o.rank)
			}
			_, err := os.Stat(m.path)
			require.ErrorIs(t, err, os.ErrNotExist, "rank 0 has taken its file away")
			r, nodes := all[0].report, all[0].nodes
			require.Empty(t, r.Conservation.Violations)
			require.True(t, r.OK())
			n := uint64(x.flows)
			sent := 55 * n
			if x.workload == bench.Lat {
				sent *= 2
			} else {
				assert.Contains(t, r.Measures, "acknowledgement")
			}
			assert.Equal(t, bench.Connection{Established: 2 * n, Disconnected: 2 * n, Sent: sent, Received: sent}, *r.Connection)
			assert.Equal(t, r.Conservation.Attempted, r.Conservation.Accepted+r.Conservation.Rejected)
			assert.Equal(t, r.Conservation.Accepted, r.Conservation.Delivered+r.Conservation.LeftOver+r.Conservation.Dequeued)
			assert.Equal(t, r.Engine.Upcalls, sumOf(r.Engine.Batches[:]))
			assert.Contains(t, r.Measures, fmt.Sprintf("%s among %d ranks, %d flows at once", x.pattern, x.size, x.flows))

			require.Len(t, nodes, x.size)
			whole := bench.NewHist()
			var gotSent, gotReceived, ops uint64
			for i, node := range nodes {
				assert.Equal(t, i, node.Rank)
				assert.Empty(t, node.Lost)
				assert.NotEmpty(t, node.Host)
				gotSent, gotReceived = gotSent+node.Sent, gotReceived+node.Received
				if node.Role == "server" {
					assert.Nil(t, node.Latency)
					continue
				}
				ops += node.Operations
				require.NotNil(t, node.Latency)
				assert.Positive(t, node.Rate)
				whole.Merge(node.Histogram)
			}
			assert.Equal(t, []uint64{sent, sent}, []uint64{gotSent, gotReceived})
			assert.Equal(t, r.Results.Operations, ops)
			if x.workload == bench.Lat {
				assert.Equal(t, 50*n, r.Results.Latency.Samples)
			}
			assert.Equal(t, whole.Summary(), *r.Results.Latency, "merged exactly")
			assert.Equal(t, whole.Summary(), r.Histograms["service"].Summary())
		})
	}
}

func sumOf(all []uint64) (n uint64) {
	for _, x := range all {
		n += x
	}
	return n
}

// Several measurements, one after the other, by the same ranks.
func TestRepeated(t *testing.T) {
	m := file(t)
	c := Config{Bench: tcp(), Wait: patience}
	followed := make(chan outcome)
	go func() { followed <- oneRank(t.Context(), Place{Rank: 1, Size: 2, job: "job", meet: m}, c) }()
	g, err := Join(t.Context(), Place{Size: 2, job: "job", meet: m}, c)
	require.NoError(t, err)
	for range 3 {
		r, nodes, err := g.Measure(t.Context())
		require.NoError(t, err)
		require.True(t, r.OK())
		require.Len(t, nodes, 2)
	}
	require.NoError(t, g.Close())
	require.NoError(t, (<-followed).err)
}

// Ranks that do not come are named.
func TestMissing(t *testing.T) {
	p := Place{Size: 5, job: "job", meet: file(t)}
	c := Config{Bench: tcp(), Pattern: Ring, Wait: 300 * time.Millisecond}
	come := make(chan outcome)
	for _, rank := range []int{1, 3} {
		q := p
		q.Rank = rank
		go func() { come <- oneRank(t.Context(), q, c) }()
	}
	_, err := Join(t.Context(), p, c)
	var missing *MissingError
	require.ErrorAs(t, err, &missing)
	require.Subset(t, missing.Ranks, []int{2, 4})
	require.NotContains(t, missing.Ranks, 0)
	require.Contains(t, err.Error(), "4 did not come within 300ms")
	for range 2 {
		require.Error(t, (<-come).err)
	}
}

// Without a rank 0 the others give up.
func TestNoRankZero(t *testing.T) {
	for name, m := range map[string]meeting{"file": file(t), "port": portMeeting{hosts: []string{"127.0.0.1"}, ports: []int{1}}} {
		t.Run(name, func(t *testing.T) {
			_, err := Join(t.Context(), Place{Rank: 1, Size: 2, job: "job", meet: m}, Config{Bench: tcp(), Wait: 50 * time.Millisecond})
			var lost *LostError
			require.ErrorAs(t, err, &lost)
			require.Zero(t, lost.Rank)
			require.ErrorContains(t, err, "it was not found within 50ms at "+m.String())
		})
	}
}

func TestMixedSettings(t *testing.T) {
	all := group(t, 2, file(t), func(rank int) Config {
		c := Config{Bench: tcp(), Wait: patience}
		c.Bench.Size = 64 + rank
		return c
	})
	require.ErrorContains(t, all[0].err, "rank 1 on ")
	require.ErrorContains(t, all[0].err, "has size = 65, and rank 0 has 64: all ranks must be given the same")
	require.ErrorIs(t, all[0].err, engine.ErrInvalid)
	require.ErrorIs(t, all[1].err, ErrTold)

	all = group(t, 2, file(t), func(rank int) Config {
		return Config{Bench: tcp(), Wait: patience, Pattern: []string{Pairs, Ring}[rank]}
	})
	require.ErrorContains(t, all[0].err, `has pattern = "ring", and rank 0 has "pairs"`)
}

// What says hello as a rank that does not fit is refused, and named.
func TestHelloRefused(t *testing.T) {
	c := Config{Bench: tcp(), Wait: patience}
	good := hello{Protocol: protocol, Job: "job", Rank: 1, Size: 2, Version: bench.Version(), Host: "other", Settings: c.withDefaults().settings()}
	for name, x := range map[string]struct {
		change func(*hello)
		says   string
	}{
		"version":  {func(h *hello) { h.Version = "v0" }, "rank 1 on other is evdbench v0 (protocol 1), and rank 0 is " + bench.Version()},
		"protocol": {func(h *hello) { h.Protocol = 2 }, "(protocol 2), and rank 0 is"},
		"size":     {func(h *hello) { h.Size = 3 }, "rank 1 on other is one of 3, and rank 0 of 2"},
		"rank":     {func(h *hello) { h.Rank = 2 }, "rank 2 on other is none of 1..1"},
		"negative": {func(h *hello) { h.Rank = -1 }, "rank -1 on other is none of 1..1"},
		"missing":  {func(h *hello) { h.Settings = map[string]json.RawMessage{} }, "rank 1 on other has ack_timeout = , and rank 0 has"},
	} {
		t.Run(name, func(t *testing.T) {
			m := file(t)
			joined := make(chan error)
			go func() {
				_, err := Join(t.Context(), Place{Size: 2, job: "job", meet: m}, c)
				joined <- err
			}()
			h := good
			x.change(&h)
			_, _, err := seek(t.Context(), m, h, time.Now().Add(patience))
			require.ErrorContains(t, err, x.says)
			require.ErrorIs(t, err, engine.ErrInvalid)
			require.ErrorContains(t, <-joined, x.says)
		})
	}
}

// Whoever is not of the job does not disturb those who are, and nobody takes another
// job's rank 0 for his own.
func TestStrangers(t *testing.T) {
	// Somebody else has the job's first port; some speak nonsense to the second.
	other, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer other.Close()
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 welcome\n"))
			_ = conn.Close()
		}
	}()
	free, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	m := portMeeting{hosts: []string{"127.0.0.1"}, ports: []int{port(other), port(free)}}
	require.NoError(t, free.Close())

	c := Config{Bench: tcp(), Wait: patience}
	first := make(chan outcome)
	go func() { first <- oneRank(t.Context(), Place{Size: 2, job: "job", meet: m}, c) }()
	at := net.JoinHostPort("127.0.0.1", fmt.Sprint(m.ports[1]))
	for _, line := range []string{"", "GET / HTTP/1.0\r\n\r\n", `{"kind":"hello"}` + "\n", `{"kind":"hello","hello":{"job":"x","rank":1}}` + "\n"} {
		var conn net.Conn
		require.Eventually(t, func() bool { conn, err = net.Dial("tcp", at); return err == nil }, patience, time.Millisecond)
		_, err := conn.Write([]byte(line))
		require.NoError(t, err)
		if line == "" {
			defer conn.Close() // says nothing, and stays
			continue
		}
		require.NoError(t, conn.Close())
	}
	_, err = Join(t.Context(), Place{Rank: 1, Size: 2, job: "another", meet: m}, Config{Bench: tcp(), Wait: 100 * time.Millisecond})
	require.ErrorContains(t, err, errStranger.Error())
	require.NoError(t, oneRank(t.Context(), Place{Rank: 1, Size: 2, job: "job", meet: m}, c).err)
	o := <-first
	require.NoError(t, o.err)
	require.True(t, o.report.OK())
}

// A file that an earlier job has left leads nowhere, until rank 0 has written it.
func TestStaleFile(t *testing.T) {
	m := file(t)
	for _, text := range []string{"", "{", `{"host":"x","addrs":["127.0.0.1"],"port":1,"job":"old"}`} {
		require.NoError(t, os.WriteFile(m.path, []byte(text), 0o600))
		second := make(chan outcome)
		c := Config{Bench: tcp(), Wait: patience}
		go func() { second <- oneRank(t.Context(), Place{Rank: 1, Size: 2, meet: m}, c) }()
		time.Sleep(10 * time.Millisecond) // likely to have looked by then
		o := oneRank(t.Context(), Place{Size: 2, meet: m}, c)
		require.NoError(t, o.err)
		require.NoError(t, (<-second).err)
	}
}

// What keeps a rank from taking part is said by rank 0, as what it is.
func TestRankFails(t *testing.T) {
	all := group(t, 2, file(t), func(int) Config {
		c := Config{Bench: tcp(), Wait: patience, Devs: []string{"none0", "none1"}}
		c.Bench.CQ = bench.CQRXE
		return c
	})
	require.ErrorContains(t, all[0].err, "rank ")
	require.True(t, errors.Is(all[0].err, hwcq.ErrUnavailable) || errors.Is(all[0].err, hwcq.ErrNotSupported), "%v; %v", all[0].err, all[1].err)
	require.ErrorIs(t, all[1].err, ErrTold)
}

// An interrupt at any rank ends the run at all, in order.
func TestInterrupted(t *testing.T) {
	for who := range 3 {
		t.Run(fmt.Sprint("rank ", who), func(t *testing.T) {
			m := file(t)
			c := Config{Bench: tcp(), Wait: patience, Pattern: AllToAll}
			c.Bench.Count, c.Bench.Duration, c.Bench.Warmup = 0, time.Hour, bench.Span{Off: true}
			stop, cancel := context.WithCancel(t.Context())
			defer cancel()
			ctx := func(rank int) context.Context {
				if rank == who {
					return stop
				}
				return t.Context()
			}
			outs := make(chan outcome, 2)
			for rank := 1; rank < 3; rank++ {
				go func() { outs <- oneRank(ctx(rank), Place{Rank: rank, Size: 3, job: "job", meet: m}, c) }()
			}
			g, err := Join(t.Context(), Place{Size: 3, job: "job", meet: m}, c)
			require.NoError(t, err)
			time.AfterFunc(100*time.Millisecond, cancel)
			r, nodes, err := g.Measure(ctx(0))
			if errors.Is(err, context.Canceled) { // before it began
				require.NoError(t, g.Close())
				return
			}
			require.NoError(t, err)
			require.True(t, r.Interrupted)
			require.Empty(t, r.Conservation.Violations)
			require.Len(t, nodes, 3)
			require.NoError(t, g.Close())
			for range 2 {
				require.NoError(t, (<-outs).err)
			}
		})
	}
}

func TestRefusedConfigurations(t *testing.T) {
	for name, x := range map[string]struct {
		size   int
		change func(*Config)
		says   string
	}{
		"alone":      {1, func(*Config) {}, "n = 1: must be 2 or more"},
		"odd":        {3, func(*Config) {}, "pattern = pairs: must be another with 3 ranks"},
		"pattern":    {2, func(c *Config) { c.Pattern = "star" }, `pattern = "star": must be pairs, ring, incast, all-to-all`},
		"wait":       {2, func(c *Config) { c.Wait = -1 }, "wait = -1ns"},
		"mock":       {2, func(c *Config) { c.Bench.CQ = bench.CQMock }, "which no other node can reach"},
		"size":       {2, func(c *Config) { c.Bench.Size = -1 }, "size = -1"},
		"dev":        {2, func(c *Config) { c.Devs = []string{"a"} }, "dev = a"},
		"rendezvous": {2, func(c *Config) { c.Rendezvous = "x" }, `rendezvous = "x": must be HOST:PORT`},
		"two":        {2, func(c *Config) { c.Rendezvous, c.RendezvousFile = "h:1", "f" }, "rendezvous-file = f: must be left out with rendezvous"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Config{Bench: tcp()}
			x.change(&c)
			_, err := Join(t.Context(), Place{Size: x.size}, c)
			require.ErrorContains(t, err, x.says)
			require.ErrorIs(t, err, engine.ErrInvalid)
		})
	}
}
