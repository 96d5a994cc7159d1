package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// gate is an EVD whose upcall keeps the only worker until open is called.
func gate(t *testing.T, e *Engine) (open func()) {
	t.Helper()
	in, out := make(chan struct{}), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{Name: "gate", Streams: CR | Software, Policy: SingleInstance, Upcall: func(*Upcall) { close(in); <-out }})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	<-in
	return func() { close(out) }
}

// With one worker, between two turns of one EVD that waits, another one that always
// has something to deliver delivers its Budget times its Weight, and no more.
func TestWeight(t *testing.T) {
	for _, c := range []struct{ batch, budget, weight int }{{4, 4, 1}, {4, 4, 3}, {2, 8, 2}, {1, 1, 5}} {
		e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
		open := gate(t, e)
		var turns []int // events of the flooded one between two of the other
		flooded, other, done := 0, 0, make(chan struct{})
		const each = 20
		heavy, err := e.NewEVD(EVDConfig{
			Policy: SingleInstance, Batch: c.batch, Budget: c.budget, Weight: c.weight,
			Upcall: func(u *Upcall) { flooded += len(u.Events()) },
		})
		require.NoError(t, err)
		light, err := e.NewEVD(EVDConfig{
			Policy: SingleInstance, Batch: 1, Budget: 1,
			Upcall: func(*Upcall) {
				turns = append(turns, flooded)
				flooded = 0
				if other++; other == each {
					close(done)
				}
			},
		})
		require.NoError(t, err)
		for range min(DefaultCapacity, each*c.budget*c.weight) {
			require.NoError(t, heavy.Post(Event{}))
		}
		for range each {
			require.NoError(t, light.Post(Event{}))
		}
		open()
		select {
		case <-done:
		case <-limit(t).Done():
		}
		for _, n := range turns {
			require.Equal(t, c.budget*c.weight, n, "%+v: %v", c, turns)
		}
	}
}

// Queued runs begin by class where that is asked for, and else in order.
func TestPriority(t *testing.T) {
	for _, c := range []struct {
		priority bool
		want     []string
	}{
		{true, []string{"async", "cr", "connection", "first", "second"}},
		{false, []string{"first", "cr", "second", "connection", "async"}},
	} {
		var order []string
		var n atom.Counter
		up := func(u *Upcall) {
			order = append(order, u.EVD().Name())
			n.Add(1)
		}
		e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog, Priority: c.priority, AsyncUpcall: up})
		open := gate(t, e)
		evd := func(name string, s Stream) *EVD {
			d, err := e.NewEVD(EVDConfig{Name: name, Streams: s, Policy: SingleInstance, Upcall: up})
			require.NoError(t, err)
			return d
		}
		first, cr, second, conn := evd("first", Software), evd("cr", CR), evd("second", Software), evd("connection", Connection)
		require.NoError(t, first.Post(Event{}))
		require.NoError(t, cr.PostCM(Event{Stream: CR, Number: ConnectionRequest}))
		require.NoError(t, second.Post(Event{}))
		require.NoError(t, conn.PostCM(Event{Stream: Connection, Number: PeerRejected}))
		require.NoError(t, first.ReportAsync(ProviderError))
		open()
		waitFor(t, func() bool { return n.Load() == 5 })
		require.Equal(t, c.want, order)
	}
}

// A class that waits is passed over eight times at most, whatever the others do, and
// nothing is lost or changes places within its class.
func TestClassList(t *testing.T) {
	type node struct {
		m     machine
		class uint8
		n     int
	}
	of := map[*machine]*node{}
	var l classList[*machine]
	next, last := [numClasses]int{}, [numClasses]int{}
	push := func(c uint8) {
		next[c]++
		x := &node{class: c, n: next[c]}
		of[&x.m] = x
		l.push(&x.m, c)
	}
	pop := func() uint8 {
		x := of[l.pop()]
		require.NotNil(t, x)
		last[x.class]++
		require.Equal(t, last[x.class], x.n, "class %d", x.class)
		return x.class
	}
	require.Nil(t, l.pop())
	require.True(t, l.empty())
	for c := range numClasses {
		for range 30 {
			push(c)
		}
	}
	waited := [numClasses]int{}
	for i := range 900 { // each class is kept filled, but for the first now and then
		c := pop()
		for k := range numClasses {
			if k != c {
				waited[k]++
			}
		}
		// The turns of the classes that have waited as long come between.
		require.LessOrEqual(t, waited[c], inARow+int(numClasses)-1, "class %d", c)
		waited[c] = 0
		if c != classAsync || i%100 < 50 {
			push(c)
		}
	}
	for !l.empty() {
		pop()
	}
	require.Equal(t, next, last)
	require.Nil(t, l.pop())
	// One class alone never counts anybody as passed over.
	for range 20 {
		push(classRest)
		require.Equal(t, classRest, pop())
	}
	push(classRest)
	push(classAsync)
	require.Equal(t, classAsync, pop())
	require.Equal(t, classRest, pop())
}
