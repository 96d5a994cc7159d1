package ring

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/evdengine/evd/internal/atom"
)

// linearRound has producers, a consumer, an observer and perhaps a closer use a
// ring at the same time, in ways that the seed decides, and returns the
// history.
func linearRound(r linear, capacity int, seed uint64, closing bool) []porcupine.Operation {
	return linearRoundWith(r, capacity, seed, closing, nil)
}

// linearRoundWith has one more do something else, four times.
func linearRoundWith(r linear, capacity int, seed uint64, closing bool, other func(c *client)) []porcupine.Operation {
	var clock atom.Uint64
	var clients []*client
	var wg sync.WaitGroup
	start := make(chan struct{})
	launch := func(fn func(c *client, g *rand.Rand)) {
		id := len(clients)
		g := rand.New(rand.NewPCG(seed, uint64(id)))
		c := &client{
			id: id, r: r, next: byte(24 * id), // at most 16 values each
			tick: func() int64 { return int64(clock.Add(1)) },
			between: func() {
				if g.IntN(3) == 0 {
					runtime.Gosched()
				}
			},
		}
		clients = append(clients, c)
		wg.Go(func() {
			<-start
			fn(c, g)
		})
	}
	for range 3 {
		launch(func(c *client, g *rand.Rand) {
			for range 4 {
				n := 1 + g.IntN(min(3, capacity))
				switch g.IntN(5) {
				case 0:
					c.push()
				case 4:
					c.tryPush()
				case 1:
					c.pushN(n)
				case 2:
					c.inPlace(opReserve, n)
				case 3:
					c.inPlace(opUpTo, n+1)
				}
			}
		})
	}
	launch(func(c *client, g *rand.Rand) {
		for range 10 {
			switch g.IntN(5) {
			case 0, 1:
				c.pop()
			case 4:
				c.tryPop()
			case 2:
				c.popN(1 + g.IntN(4))
			case 3:
				c.look()
			}
		}
	})
	launch(func(c *client, _ *rand.Rand) {
		c.idle()
		c.accepted()
		if closing {
			c.close()
		}
		c.idle()
	})
	if other != nil {
		launch(func(c *client, _ *rand.Rand) {
			for range 4 {
				other(c)
			}
		})
	}
	close(start)
	wg.Wait()
	last := clients[3] // the consumer goes on
	last.drain()
	last.accepted()
	var ops []porcupine.Operation
	for _, c := range clients {
		ops = append(ops, c.ops...)
	}
	return ops
}

// What goroutines see of a ring on real processors is what they could have seen
// of a sequential one.
func TestLinear(t *testing.T) {
	const rounds = 60
	for _, capacity := range []int{1, 2, 3, 8} {
		for _, closing := range []bool{false, true} {
			t.Run(fmt.Sprintf("capacity=%d/closing=%v", capacity, closing), func(t *testing.T) {
				for seed := range uint64(rounds) {
					r := newAt[byte](t, capacity, 0)
					ops := linearRound(r, capacity, seed, closing)
					if !porcupine.CheckOperations(linModel(capacity, int(r.size)), ops) {
						t.Fatalf("seed %d: not linearizable:%s", seed, describe(ops))
					}
				}
			})
		}
	}
}

// The histories of real runs show a ring that loses events, whatever the
// processors do.
func TestLinearFindsLoss(t *testing.T) {
	for seed := range uint64(20) {
		r := newAt[byte](t, 8, 0)
		ops := linearRound(&dropsEvent{linear: r}, 8, seed, false)
		if !porcupine.CheckOperations(linModel(8, int(r.size)), ops) {
			return
		}
	}
	t.Fatal("a ring that drops every third event passes")
}
