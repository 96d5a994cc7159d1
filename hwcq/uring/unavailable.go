//go:build linux && (amd64 || arm64)

package uring

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// setupFailed says why io_uring_setup failed and what to do about it.
func setupFailed(e unix.Errno, c Config) error {
	return fmt.Errorf("uring: open: %w", os.NewSyscallError("io_uring_setup", e))
}
