//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
)

// served is pair for a server that listens on no TCP port, but says when it is ready,
// and that ends when it is told to by another client. It returns what the client printed.
func served(ctx context.Context, server []string, ready string, client, quit []string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, turnLimit)
	defer cancel()
	said := &watched{word: ready, found: make(chan struct{})}
	cmd := exec.CommandContext(ctx, "stdbuf", append([]string{"-oL"}, server...)...) // or it would say so in the end
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		return "", failure(ctx, err, server, "")
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-said.found:
	case err := <-ended:
		return "", failure(ctx, fmt.Errorf("it has ended before it was ready: %v", err), server, said.String())
	case <-ctx.Done():
		<-ended
		return "", failure(ctx, fmt.Errorf("never said %q", ready), server, said.String())
	}
	text, err := command(ctx, client...)
	if _, qerr := command(ctx, quit...); qerr != nil {
		err = errors.Join(err, qerr)
		cancel()
	}
	if serr := <-ended; serr != nil {
		err = errors.Join(err, failure(ctx, serr, server, said.String()))
	}
	return text, err
}

// watched keeps what a program prints, and tells when a word is in it. For any goroutine.
type watched struct {
	word  string
	found chan struct{} // closed then

	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
	seen bool         // guarded by mu
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	if !w.seen && strings.Contains(w.text.String(), w.word) {
		w.seen = true
		close(w.found)
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
