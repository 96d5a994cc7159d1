//go:build linux && (amd64 || arm64)

package uring

import (
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// statusOf is the status of a request that failed with an errno.
func statusOf(op Op, e unix.Errno) hwcq.Status {
	switch e {
	case unix.ECANCELED:
		return hwcq.StatusWRFlushErr
	}
	return hwcq.StatusGeneralErr
}
