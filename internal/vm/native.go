package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// rxeDevice returns the first soft-RoCE device under root ("/" outside
// tests), "" if there is none.
func rxeDevice(root string) string {
	devs, _ := filepath.Glob(filepath.Join(root, "sys/class/infiniband/*"))
	for _, d := range devs {
		// rxe names its node "rxe" (linux drivers/infiniband/sw/rxe/rxe_verbs.c).
		desc, err := os.ReadFile(filepath.Join(d, "node_desc"))
		if err == nil && strings.TrimSpace(string(desc)) == "rxe" {
			return filepath.Base(d)
		}
	}
	return ""
}

// nativeLacks says why a job cannot run on the host; nil means that it can.
func nativeLacks(c Config, root string) error {
	if c.ICount {
		return errors.New("vm: native: instruction counting needs a guest")
	}
	if c.NoRXE {
		return nil
	}
	if rxeDevice(root) == "" {
		return errors.New("vm: native: the host has no rxe device (modprobe rdma_rxe; rdma link add rxe0 type rxe netdev ETH)")
	}
	nodes, _ := filepath.Glob(filepath.Join(root, "dev/infiniband/uverbs*"))
	var errs []error
	for _, n := range nodes {
		f, err := os.OpenFile(n, os.O_RDWR, 0)
		if err == nil {
			f.Close()
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("vm: native: no usable uverbs node: %w", errors.Join(append(errs, os.ErrNotExist)...))
}

// runNative runs j on the host, under the same limits and environment names.
func runNative(ctx context.Context, c Config, j Job) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("%w: the job ran longer than %v", ErrTimeout, c.Timeout))
	defer cancel()
	share := j.Share
	if share == "" {
		tmp, err := os.MkdirTemp("", "evdvm-share-")
		if err != nil {
			return Result{}, err
		}
		defer os.RemoveAll(tmp)
		share = tmp
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	res := Result{Native: true, Release: strings.TrimSpace(string(release))}
	cmd := exec.CommandContext(ctx, j.Args[0], j.Args[1:]...)
	cmd.Dir = j.Dir
	cmd.Env = append(os.Environ(), "EVD_VM=native", "EVD_SHARE="+share)
	if !c.NoRXE {
		cmd.Env = append(cmd.Env, "EVD_RXE_DEV="+rxeDevice("/"))
	}
	cmd.Env = append(cmd.Env, j.Env...)
	cmd.Stdout, cmd.Stderr = j.Stdout, j.Stderr
	cmd.SysProcAttr = childAttr()
	cmd.Cancel = func() error { return killGroup(cmd.Process) } // what the job started, too
	cmd.WaitDelay = 5 * time.Second
	start := time.Now()
	err := cmd.Run()
	res.Job = time.Since(start)
	if cause := context.Cause(ctx); cause != nil {
		return res, cause
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		res.ExitCode = exitStatus(exit)
		return res, nil
	}
	return res, err
}
