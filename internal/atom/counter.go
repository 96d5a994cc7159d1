package atom

import "sync/atomic"

// Counter is a statistics counter. It publishes nothing and decides nothing,
// so the explorer does not make its accesses scheduling points, in any build.
type Counter = atomic.Uint64
