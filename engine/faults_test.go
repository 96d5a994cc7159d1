package engine_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// What the engine makes of hardware that goes wrong, as tests that do not know
// what kind of CQ they run on, like the semantic ones. Each kind declares the
// faults that it can be made to produce; all of those are tested.

// faultBed is a CQ whose hardware can be made to go wrong in one way.
type faultBed interface {
	semBed

	// Strike is Complete with the fault on top; some kinds of fault happen
	// to some of the completions only, by chance. It returns which of these
	// are on the CQ, or will be: all but those that found no room.
	Strike(t *testing.T, wrids ...uint64) (stored []uint64)

	// Struck is how often the fault has happened.
	Struck() uint64
}

// faultKind is a kind of CQ: for each fault that it can produce, what makes a
// bed with it.
type faultKind map[string]func(t *testing.T) faultBed

// faultTest is the test of one fault.
type faultTest struct {
	hows []semHow
	test func(t *testing.T, k *faultKit)
}

// faultKit is what it works with.
type faultKit struct {
	semKit
	bed faultBed
}

// faultTests has the test of every fault that any kind declares.
func faultTests() map[string]faultTest {
	// A poller that only polls neither arms nor waits.
	var waiting []semHow
	for _, h := range semEvery {
		if h.mode != engine.ModeSpin {
			waiting = append(waiting, h)
		}
	}
	tests := map[string]faultTest{
		"lose":      {waiting, faultLose},
		"duplicate": {waiting, faultHarmless},
		"delay":     {waiting, faultHarmless},
		"spurious":  {waiting, faultHarmless},
		"early":     {waiting, faultEarly},
		"armerror":  {waiting, faultArm},
		"overrun":   {semInline, faultOverrun}, // where what nobody takes stays on the CQ
		"fatal":     {waiting, faultEnd(engine.CQOverrun, hwcq.ErrOverrun)},
		"remove":    {waiting, faultEnd(engine.DeviceRemoved, hwcq.ErrRemoved)},
		"flush":     {semEvery, faultFlush},
	}
	for _, s := range faultStatuses() {
		tests[s.String()] = faultTest{semEvery, faultStatus(s)}
	}
	return tests
}

// faultStatuses are those of work requests that failed and break a connection.
func faultStatuses() (all []hwcq.Status) {
	for s := hwcq.StatusSuccess + 1; s <= hwcq.StatusGeneralErr; s++ {
		if s != hwcq.StatusWRFlushErr {
			all = append(all, s)
		}
	}
	return all
}

// faults runs the tests of what kind declares.
func faults(t *testing.T, kind faultKind) {
	tests := faultTests()
	for _, name := range slices.Sorted(maps.Keys(kind)) {
		c, ok := tests[name]
		require.True(t, ok, "the fault %q has no test", name)
		t.Run(name, func(t *testing.T) {
			for _, how := range c.hows {
				t.Run(how.String(), func(t *testing.T) {
					bed := kind[name](t)
					c.test(t, &faultKit{*newSemKit(t, bed, how), bed})
				})
			}
		})
	}
}

// watched gives k an engine with a watchdog.
func (k *faultKit) watched(t *testing.T) {
	t.Helper()
	var err error
	k.eng, err = engine.New(engine.Config{Watchdog: 2 * time.Millisecond, SpinBudget: 10 * time.Microsecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.eng.Close()) })
}

// strikes has completions come a few at a time, each when those before were
// delivered, so that the poller comes to rest between them, until the fault has
// struck some times and enough says so. All come once and in order.
func (k *faultKit) strikes(t *testing.T, enough func() bool) {
	t.Helper()
	var ids []uint64
	semUntil(t, func() bool {
		n := uint64(len(ids))
		next := semSeq(n+1, n+1+n%3)
		require.Equal(t, next, k.bed.Strike(t, next...))
		ids = append(ids, next...)
		require.Equal(t, ids, k.logged(t, len(ids)))
		return k.bed.Struck() >= 3 && enough()
	})
}

// told takes the async events that are there, and returns how many of each
// number they stand for.
func (k *faultKit) told(t *testing.T) map[engine.EventNumber]int {
	t.Helper()
	told := map[engine.EventNumber]int{}
	buf := make([]engine.Event, 8)
	for {
		n, err := k.eng.Async().Dequeue(buf)
		if err != nil {
			require.ErrorIs(t, err, engine.ErrBusy)
			continue
		}
		for i := range n {
			told[buf[i].Number] += buf[i].Count()
		}
		if n == 0 {
			return told
		}
	}
}

// An interrupt is lost: the watchdog is what helps, and it tells.
func faultLose(t *testing.T, k *faultKit) {
	k.watched(t)
	d := k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
	k.strikes(t, func() bool { return d.Stats().LostInterrupts > 0 })
	semUntil(t, func() bool { return k.told(t)[engine.LostInterrupt] > 0 })
}

// It comes twice, late, or for nothing: nothing and nobody is needed.
func faultHarmless(t *testing.T, k *faultKit) {
	k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
	k.strikes(t, func() bool { return true })
	require.Empty(t, k.told(t))
}

// It overtakes its completion: that is found, if need be by the watchdog.
func faultEarly(t *testing.T, k *faultKit) {
	k.watched(t)
	k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
	k.strikes(t, func() bool { return true })
}

// The CQ cannot be armed now and then: it is told, and nothing stays behind.
func faultArm(t *testing.T, k *faultKit) {
	k.watched(t)
	k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
	told := 0
	k.strikes(t, func() bool {
		told += k.told(t)[engine.ArmFailure]
		return told >= 3
	})
}

// A CQ that is too small, and nobody who takes from it: what found no room is
// lost, which is told; what was stored comes out; and the CQ goes on.
func faultOverrun(t *testing.T, k *faultKit) {
	k.watched(t)
	d := k.evd(t, engine.EVDConfig{Policy: engine.Disable})
	depth := k.bed.CQ().Capabilities().Depth
	const lost = 13
	stored := k.bed.Strike(t, semSeq(1, uint64(depth+lost))...)
	require.Len(t, stored, depth)
	semUntil(t, func() bool { return k.bed.Struck() == lost })
	semUntil(t, func() bool { return k.told(t)[engine.CQOverrun] > 0 })
	require.NoError(t, d.ModifyUpcallAny(engine.SingleInstance, engine.Same))
	require.Equal(t, stored, k.logged(t, depth))
	k.bed.Complete(t, 99)
	require.EqualValues(t, 99, k.logged(t, depth+1)[depth])
	require.EqualValues(t, lost, k.bed.Struck())
}

// A CQ that is in error afterwards: what was stored is delivered, the end is told
// once, and so is a waiter for whom nothing can come.
func faultEnd(number engine.EventNumber, cause error) func(t *testing.T, k *faultKit) {
	return func(t *testing.T, k *faultKit) {
		d := k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance})
		k.bed.Complete(t, 1)
		require.Equal(t, []uint64{1}, k.logged(t, 1))
		stored := k.bed.Strike(t, semSeq(2, 40)...)
		require.NotEmpty(t, stored)
		require.Less(t, len(stored), 39)
		require.NotZero(t, k.bed.Struck())
		require.Equal(t, append([]uint64{1}, stored...), k.logged(t, 1+len(stored)))
		told := k.dequeue(t, k.eng.Async(), 1)
		require.Equal(t, number, told[0].Number)
		require.Equal(t, d.ID(), told[0].Source())
		require.Equal(t, 1, told[0].Count())
		require.NoError(t, d.Teardown(semLimit(t)))
		n, _, err := d.Wait(semLimit(t), 1, make([]engine.Event, 1))
		require.Zero(t, n)
		require.ErrorIs(t, err, cause)
		require.Empty(t, k.told(t), "once")
	}
}

// connected makes the EVD under test, and an endpoint that is established on it;
// conns is where its connection events go.
func (k *faultKit) connected(t *testing.T) (ep *engine.Endpoint, conns *engine.EVD) {
	t.Helper()
	conns, err := k.eng.NewEVD(engine.EVDConfig{Streams: engine.Connection})
	require.NoError(t, err)
	d := k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance, Streams: engine.DTO})
	ep, err = k.eng.NewEndpoint(engine.EndpointConfig{QPNum: k.bed.QPNum(), Recv: d, Request: d, Connect: conns})
	require.NoError(t, err)
	require.True(t, ep.Established())
	require.Equal(t, engine.Established, k.dequeue(t, conns, 1)[0].Number)
	return ep, conns
}

// A work request that fails with status: the completion is delivered as it is,
// the connection breaks once, and what is flushed behind it comes too.
func faultStatus(status hwcq.Status) func(t *testing.T, k *faultKit) {
	return func(t *testing.T, k *faultKit) {
		ep, conns := k.connected(t)
		require.Equal(t, []uint64{1}, k.bed.Strike(t, 1))
		k.bed.Complete(t, 2) // flushed
		require.Equal(t, []uint64{1, 2}, k.logged(t, 2))
		evs := k.log.all()
		require.Equal(t, status, evs[0].Status)
		require.Equal(t, hwcq.StatusWRFlushErr, evs[1].Status)
		require.Equal(t, engine.Broken, k.dequeue(t, conns, 1)[0].Number)
		require.False(t, ep.Connected())
		semEmpty(t, conns) // broken once
	}
}

// Work requests that are flushed say nothing about the connection: whoever had
// them flushed knows.
func faultFlush(t *testing.T, k *faultKit) {
	ep, conns := k.connected(t)
	require.Equal(t, []uint64{1}, k.bed.Strike(t, 1))
	k.bed.Complete(t, 2)
	require.Equal(t, []uint64{1, 2}, k.logged(t, 2))
	for _, ev := range k.log.all() {
		require.Equal(t, hwcq.StatusWRFlushErr, ev.Status)
	}
	require.True(t, ep.Connected())
	semEmpty(t, conns)
}

// TestFaultsMock: the mock can produce every fault.
func TestFaultsMock(t *testing.T) {
	kind := faultKind{
		"lose": mockFault(mock.Config{Faults: mock.Faults{LoseEvent: mock.Rule{Prob: 0.5}}},
			func(s mock.Stats) uint64 { return s.EventsLost }),
		"duplicate": mockFault(mock.Config{Faults: mock.Faults{DuplicateEvent: mock.Rule{Prob: 0.5}}},
			func(s mock.Stats) uint64 { return s.EventsDuplicated }),
		"delay": mockFault(mock.Config{Faults: mock.Faults{DelayEvent: mock.Rule{Prob: 0.5}, Delay: time.Millisecond}},
			func(s mock.Stats) uint64 { return s.EventsDelayed }),
		"spurious": mockFault(mock.Config{Faults: mock.Faults{SpuriousEvent: mock.Rule{Prob: 0.5}}},
			func(s mock.Stats) uint64 { return s.EventsSpurious }),
		"early": mockFault(mock.Config{Faults: mock.Faults{EarlyEvent: mock.Rule{Prob: 0.5}}},
			func(s mock.Stats) uint64 { return s.EventsEarly }),
		"armerror": mockFault(mock.Config{Faults: mock.Faults{ArmError: mock.Rule{Prob: 0.5}}},
			func(s mock.Stats) uint64 { return s.ArmErrors }),
		"overrun": mockFault(mock.Config{Depth: 8},
			func(s mock.Stats) uint64 { return s.Overruns }),
		"fatal": mockFault(mock.Config{FatalOverrun: true, Faults: mock.Faults{Overrun: mock.Once(20)}},
			func(s mock.Stats) uint64 { return s.Overruns }),
		"remove": mockFault(mock.Config{Faults: mock.Faults{Remove: mock.Once(20)}},
			func(s mock.Stats) uint64 { return s.Removals }),
		"flush": mockFailure(hwcq.StatusWRFlushErr),
	}
	for _, s := range faultStatuses() {
		kind[s.String()] = mockFailure(s)
	}
	for name := range faultTests() {
		require.Contains(t, kind, name, "a test that nobody runs")
	}
	faults(t, kind)
}

// mockFaultBed is a mock CQ with a fault script.
type mockFaultBed struct {
	mockBed
	struck func(s mock.Stats) uint64
	fails  bool // whether the fault puts the queue pair in error
}

func mockFault(cfg mock.Config, struck func(s mock.Stats) uint64) func(t *testing.T) faultBed {
	return func(t *testing.T) faultBed {
		t.Helper()
		cq, err := mock.New(cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cq.Close()) })
		return &mockFaultBed{mockBed: mockBed{cq: cq}, struck: struck}
	}
}

// mockFailure fails the first completion with status.
func mockFailure(status hwcq.Status) func(t *testing.T) faultBed {
	open := mockFault(mock.Config{Faults: mock.Faults{ErrorWC: mock.Once(1), ErrorStatus: status}},
		func(s mock.Stats) uint64 { return s.ErrorWCs })
	return func(t *testing.T) faultBed {
		b := open(t).(*mockFaultBed)
		b.fails = true
		return b
	}
}

func (b *mockFaultBed) Strike(t *testing.T, wrids ...uint64) (stored []uint64) {
	t.Helper()
	for _, id := range wrids {
		wc := hwcq.WC{WRID: id, Opcode: hwcq.OpRDMAWrite, QPNum: b.QPNum()}
		ok, err := b.cq.Complete(wc, false)
		if err != nil {
			require.ErrorIs(t, err, hwcq.ErrRemoved)
		}
		if ok {
			stored = append(stored, id)
		}
	}
	b.broken = b.broken || b.fails
	return stored
}

func (b *mockFaultBed) Struck() uint64 { return b.struck(b.cq.Stats()) }
