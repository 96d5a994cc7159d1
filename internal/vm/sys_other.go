//go:build !linux

package vm

import (
	"context"
	"os"
	"os/exec"
	"syscall"
)

func childAttr() *syscall.SysProcAttr { return nil }

func killGroup(p *os.Process) error { return p.Kill() }

func lockFile(context.Context, string) (func(), error) { return nil, supported() }

func exitStatus(e *exec.ExitError) int { return e.ExitCode() }

func newWire() ([2]*os.File, error) { return [2]*os.File{}, supported() }
