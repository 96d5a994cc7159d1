package rxe

import "github.com/evdengine/evd/hwcq"

// ErrCorrupt is returned when the kernel answered with something that cannot
// be, or when the memory shared with it holds something that cannot be: an
// index outside its ring, an index of this side that is not what it stored
// last, a ring that does not fit its mapping. It matches [hwcq.ErrCorrupt].
// The object is unusable and should be closed.
//
// What is read from shared memory is checked once and used from the copy:
// nothing there can make the driver read or write outside a queue. What a
// completion says cannot be checked; it is handed out as it is.
var ErrCorrupt error = corrupt{}

type corrupt struct{}

func (corrupt) Error() string        { return "rxe: corrupt queue, or answer of the kernel" }
func (corrupt) Is(target error) bool { return target == hwcq.ErrCorrupt }
