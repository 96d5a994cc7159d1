//go:build !linux

package vm

import (
	"context"
	"os/exec"
	"syscall"
)

func childAttr() *syscall.SysProcAttr { return nil }

func lockFile(context.Context, string) (func(), error) { return nil, supported() }

func exitStatus(e *exec.ExitError) int { return e.ExitCode() }
