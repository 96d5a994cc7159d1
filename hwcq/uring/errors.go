package uring

import "errors"

// ErrCorrupt is returned when the memory that is shared with the kernel holds
// something that cannot be: an index outside its ring, a ring that does not fit its
// mapping. The ring is unusable and should be closed.
var ErrCorrupt = errors.New("uring: the rings hold nonsense")
