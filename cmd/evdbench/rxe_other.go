//go:build !linux

package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/evdengine/evd/hwcq"
)

func (l *link) validate() error { return nil }

func (l *link) up(io.Writer) error { return unsupported() }

func (l *link) down(io.Writer) error { return unsupported() }

func unsupported() error {
	return fmt.Errorf("rxe: soft-RoCE exists on Linux only, this is %s: %w", runtime.GOOS, hwcq.ErrNotSupported)
}
