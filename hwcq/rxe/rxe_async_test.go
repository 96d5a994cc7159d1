//go:build linux && (amd64 || arm64)

package rxe

import (
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// shell runs commands as root of the guest.
func shell(t testing.TB, script string) {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	require.NoError(t, err, "%s: %s", script, out)
}

// ownRXE makes an rxe device for a test that spoils it. The others use the one that is
// there always.
func ownRXE(t testing.TB, onAsync func(AsyncEvent)) *Device {
	t.Helper()
	needRXE(t)
	shell(t, "ip link add evdown0 type dummy; ip link set evdown0 up; rdma link add rxeown0 type rxe netdev evdown0")
	t.Cleanup(func() {
		// Some tests have removed them already. Never wait for ever: an open device
		// keeps a removal from ending.
		_ = exec.Command("sh", "-c", "rdma link del rxeown0 & ip link del evdown0 & sleep 1").Run()
	})
	d, err := Open(Config{Device: "rxeown0", OnAsync: onAsync})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func newEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.New(engine.Config{Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

// asyncs collects async errors until cond is content with them.
func asyncs(t testing.TB, e *engine.Engine, cond func(got map[engine.EventNumber]int) bool) (last engine.Event) {
	t.Helper()
	got := map[engine.EventNumber]int{}
	buf := make([]engine.Event, 8)
	for end := time.Now().Add(patience); !cond(got); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(end), "only %v", got)
		n, err := e.Async().Dequeue(buf)
		if err != nil {
			require.ErrorIs(t, err, engine.ErrBusy)
		}
		for _, ev := range buf[:n] {
			got[ev.Number] += ev.Count()
			last = ev
		}
	}
	return last
}

// The port goes down and up with its interface: every EVD of the device is told, and
// OnAsync, which sees the port's number and no object.
func TestRXEPortEvents(t *testing.T) {
	var mu sync.Mutex
	var raw []AsyncEvent
	d := ownRXE(t, func(e AsyncEvent) {
		mu.Lock()
		defer mu.Unlock()
		raw = append(raw, e)
	})
	e := newEngine(t)
	ch, err := d.OpenChannel()
	require.NoError(t, err)
	evds := map[uint32]bool{}
	for _, c := range []CQConfig{{}, {Wait: WaitPoll}, {Channel: ch}} {
		cq, err := d.OpenCQ(c)
		require.NoError(t, err)
		evd, err := e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{cq}})
		require.NoError(t, err)
		evds[evd.ID()] = true
	}
	for range 2 {
		shell(t, "ip link set evdown0 down")
		asyncs(t, e, func(got map[engine.EventNumber]int) bool { return got[engine.PortDown] == len(evds) })
		shell(t, "ip link set evdown0 up")
		last := asyncs(t, e, func(got map[engine.EventNumber]int) bool { return got[engine.PortUp] == len(evds) })
		require.True(t, evds[last.Source()])
	}
	require.NoError(t, e.Close()) // before the CQs
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []AsyncType{AsyncPortErr, AsyncPortActive} {
		n := 0
		for _, ev := range raw {
			if ev.Type == want {
				n++
				require.Equal(t, AsyncEvent{Type: want, Port: 1}, ev)
			}
		}
		require.Equal(t, 2, n)
	}
}

// The device is removed under its users: every Wait and Arm says so, what has completed
// can still be polled, the engine is told, and the removal goes through when the device
// is closed.
func TestRXERemoval(t *testing.T) {
	for _, how := range []string{"rdma link del rxeown0", "ip link del evdown0"} {
		t.Run(how, func(t *testing.T) {
			var fatal int
			d := ownRXE(t, func(e AsyncEvent) {
				if e.Type == AsyncDeviceFatal {
					fatal++
				}
			})
			ch, err := d.OpenChannel()
			require.NoError(t, err)
			res := make(chan error, 10)
			var cqs []*CQ
			for _, c := range []CQConfig{{Wait: WaitRead}, {Wait: WaitPoll}, {Wait: WaitRuntime}, {Channel: ch}} {
				cq, err := d.OpenCQ(c)
				require.NoError(t, err)
				cqs = append(cqs, cq)
				go func() {
					for {
						if ev, err := cq.Events().Wait(); !ev {
							res <- err
							return
						}
					}
				}()
			}
			full := newEnd(t, d, endConfig{})
			for i := range 3 {
				full.recv(t, uint64(i), 16)
			}
			require.NoError(t, full.qp.SetError())
			full.untilPending(t)

			e := newEngine(t)
			given := newEnd(t, d, endConfig{})
			evd, err := e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{given.cq}, Mode: engine.ModeEvent, Streams: engine.DTO})
			require.NoError(t, err)

			removing := exec.Command("sh", "-c", how)
			require.NoError(t, removing.Start())
			for range cqs {
				require.ErrorIs(t, <-res, hwcq.ErrRemoved)
			}
			last := asyncs(t, e, func(got map[engine.EventNumber]int) bool { return got[engine.DeviceRemoved] > 0 })
			require.Equal(t, evd.ID(), last.Source())
			for _, cq := range append(cqs, full.cq) {
				_, err := cq.Arm(false)
				require.ErrorIs(t, err, hwcq.ErrRemoved)
				_, err = cq.Events().TryWait()
				require.ErrorIs(t, err, hwcq.ErrRemoved)
				_, err = cq.Events().Wait()
				require.ErrorIs(t, err, hwcq.ErrRemoved)
			}
			require.Len(t, full.expect(t, 3), 3)
			// Who comes late is told as well.
			late, err := d.OpenCQ(CQConfig{Wait: WaitPoll})
			require.NoError(t, err)
			_, err = late.Events().Wait()
			require.ErrorIs(t, err, hwcq.ErrRemoved)
			require.NoError(t, evd.Close())
			require.NoError(t, d.Close())
			require.NoError(t, removing.Wait())
			require.Equal(t, 1, fatal)
			require.Zero(t, full.cq.Poll(make([]hwcq.WC, 4)), "closed, and no fault")
			require.False(t, full.cq.Pending())
		})
	}
}

// An overrun reaches the engine at once, with the EVD's number: no watchdog is at work.
func TestRXEOverrunIsTold(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{cq: CQConfig{Depth: 4}}, ConnectConfig{})
	e := newEngine(t)
	evd, err := e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{a.cq}, Streams: engine.DTO, Mode: engine.ModeEvent})
	require.NoError(t, err)
	const sends = 9 // 7 fit
	for i := range sends {
		b.recv(t, uint64(i), 16)
		if i%3 == 2 { // its own CQ must not run over
			b.cq.Poll(make([]hwcq.WC, 8))
		}
	}
	for i := range sends {
		a.send(t, uint64(i), 16, Signaled)
		b.expect(t, 1)
	}
	last := asyncs(t, e, func(got map[engine.EventNumber]int) bool { return got[engine.CQOverrun] >= sends-7 })
	require.Equal(t, evd.ID(), last.Source())
	require.EqualValues(t, sends-7, a.cq.Overruns())
	require.NoError(t, e.Close())
}

// An error of a queue pair breaks its endpoint, once, and is told of to the EVDs of its
// CQs. rxe raises none: the test does.
func TestRXEQPErrorIsTold(t *testing.T) {
	d := needRXE(t)
	a, _ := newPair(t, d, endConfig{}, ConnectConfig{})
	e := newEngine(t)
	evd, err := e.NewEVD(engine.EVDConfig{CQs: []hwcq.CQ{a.cq}, Streams: engine.DTO})
	require.NoError(t, err)
	conn, err := e.NewEVD(engine.EVDConfig{Streams: engine.Connection})
	require.NoError(t, err)
	ep, err := e.NewEndpoint(engine.EndpointConfig{QPNum: a.qp.Num(), Recv: evd, Connect: conn})
	require.NoError(t, err)
	ep.Established()
	for _, kind := range []AsyncType{AsyncSQDrained, AsyncLastWQE, AsyncQPFatal, AsyncQPReqErr, AsyncQPAccessErr} {
		d.dispatch(asyncDesc{kind: kind, element: a.qp.id})
	}
	d.dispatch(asyncDesc{kind: AsyncQPFatal, element: 1 << 60}) // nobody's
	last := asyncs(t, e, func(got map[engine.EventNumber]int) bool { return got[engine.EndpointBroken] == 3 })
	require.Equal(t, a.qp.Num(), last.QPNum)
	require.Equal(t, evd.ID(), last.Source())
	require.False(t, ep.Connected())
	buf := make([]engine.Event, 4)
	n, err := conn.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, engine.Established, buf[0].Number)
	require.Equal(t, engine.Broken, buf[1].Number)
	require.NoError(t, e.Close())
}
