//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq/rxe"
)

// TestRXEEcho: some clients at once, with texts of all sizes.
func TestRXEEcho(t *testing.T) {
	d, err := rxe.Open(rxe.Config{})
	if err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs an rxe device: %v", err)
	}
	g, err := d.DefaultGID()
	require.NoError(t, err)
	require.NoError(t, d.Close())
	s, err := Listen(g.GID.Addr().String()+":0", t.Logf)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for _, text := range []string{"", "hello", strings.Repeat("evd", 1365)} {
		wg.Go(func() {
			for range 5 {
				back, err := Echo(ctx, s.Addr(), text)
				if err != nil || back != text {
					t.Errorf("%q of %q: %v", back, text, err)
				}
			}
		})
	}
	wg.Wait()
	_, err = Echo(ctx, s.Addr(), strings.Repeat("x", messageSize+1))
	require.ErrorContains(t, err, "at most 4096")
}
