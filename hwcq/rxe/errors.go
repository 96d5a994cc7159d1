package rxe

import "errors"

// ErrCorrupt is returned when the kernel answered with something that cannot
// be: an index outside its ring, a ring that does not fit its mapping. The
// object is unusable and should be closed.
var ErrCorrupt = errors.New("rxe: corrupt answer from the kernel")
