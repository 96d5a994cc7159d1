package uring

import "github.com/evdengine/evd/hwcq"

// ErrCorrupt is returned when the memory that is shared with the kernel holds
// something that cannot be: an index outside its ring, a ring that does not fit its
// mapping. It matches [hwcq.ErrCorrupt]. The ring is unusable and should be closed.
var ErrCorrupt error = corrupt{}

type corrupt struct{}

func (corrupt) Error() string        { return "uring: the rings hold nonsense" }
func (corrupt) Is(target error) bool { return target == hwcq.ErrCorrupt }
