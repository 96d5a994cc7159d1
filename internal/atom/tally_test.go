package atom_test

import (
	"sync"
	"testing"

	"github.com/evdengine/evd/internal/atom"
)

// One writer at a time, handed on by a mutex; a reader beside sees it only grow, and
// everything once the writers are over.
func TestTally(t *testing.T) {
	const writers, turns = 3, 2000
	var n atom.Tally
	var m sync.Mutex
	var wg, reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() {
		for last := uint64(0); ; {
			v := n.Load()
			if v < last {
				t.Errorf("%d after %d", v, last)
			}
			last = v
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range writers {
		wg.Go(func() {
			for range turns {
				m.Lock()
				n.Add(2)
				m.Unlock()
			}
		})
	}
	wg.Wait()
	close(stop)
	reader.Wait()
	if n.Load() != 2*writers*turns {
		t.Fatal(n.Load())
	}
}
