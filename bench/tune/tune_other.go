//go:build !linux

package tune

import (
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq"
)

func unsupported() (func(), error) {
	return nil, fmt.Errorf("%w: it is for Linux", hwcq.ErrNotSupported)
}

func limitDMA(time.Duration) (func(), error) { return unsupported() }

func lockMemory() (func(), error) { return unsupported() }

func (p Prio) apply() (func(), error) { return unsupported() }
