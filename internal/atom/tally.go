package atom

import "sync/atomic"

// Tally is a Counter that has one writer at a time, each after the one before by
// some other synchronisation: whoever holds a slot, for example. Its Add is then no
// locked operation but an ordinary one, see add. Load is for anybody; who is ordered
// after an Add sees it.
type Tally struct{ v atomic.Uint64 }

// Add adds n. For the one writer.
func (t *Tally) Add(n uint64) { t.add(n) }

// Load returns the count.
func (t *Tally) Load() uint64 { return t.v.Load() }
