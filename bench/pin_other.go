//go:build !linux

package bench

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq"
)

var errNoCPU = errors.New("no such CPU for this process")

func pinThread(...int) (func(), error) {
	return nil, fmt.Errorf("%w: threads are pinned on Linux only", hwcq.ErrNotSupported)
}

func pinProcess([]int) (func(), error) { return pinThread() }

var nanosleep func(time.Duration) // not measured here
