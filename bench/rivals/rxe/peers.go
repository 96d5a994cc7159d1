//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// turnLimit is how long a turn may take: the longest takes a few seconds. Set by -limit.
var turnLimit = 10 * time.Minute

// command runs a program to its end and returns what it printed, which is also in the
// error.
func command(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", failure(ctx, err, args, stdout.String()+stderr.String())
	}
	return stdout.String(), nil
}

func failure(ctx context.Context, err error, args []string, output string) error {
	if ctx.Err() != nil {
		err = errors.Join(err, ctx.Err())
	}
	return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(output))
}

// pair runs a server, a client when the server listens on the TCP port, and both to
// their end. It returns what the client printed.
func pair(ctx context.Context, port int, server, client []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, server[0], server[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", failure(ctx, err, server, "")
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := awaitListener(ctx, port, ended); err != nil {
		cancel()
		return "", failure(ctx, fmt.Errorf("does not listen on port %d: %w", port, err), server, out.String())
	}
	text, err := command(ctx, client...)
	if err != nil {
		cancel() // the server may wait for a client that is no more
	}
	if serr := <-ended; serr != nil {
		err = errors.Join(err, failure(ctx, serr, server, out.String()))
	}
	return text, err
}

// awaitListener returns when somebody listens on the port, or the server has ended, whose
// end is left in ended.
func awaitListener(ctx context.Context, port int, ended chan error) error {
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if listens(port) {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			return fmt.Errorf("it has ended: %v", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listens looks in the kernel's tables for a socket in state 0A, LISTEN.
func listens(port int) bool {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		b, _ := os.ReadFile(table) // without IPv6 the second is not there
		if hasListener(string(b), port) {
			return true
		}
	}
	return false
}

func hasListener(table string, port int) bool {
	end := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(table) {
		f := strings.Fields(line) // sl, local_address, rem_address, st
		if len(f) > 3 && strings.HasSuffix(f[1], end) && f[3] == "0A" {
			return true
		}
	}
	return false
}
