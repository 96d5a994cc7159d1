package engine

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq/mock"
)

func newTestEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func newTestCQ(t testing.TB, cfg mock.Config) *mock.CQ {
	t.Helper()
	cq, err := mock.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cq.Close()) })
	return cq
}

// waitFor waits for something that must come. The limit only turns a hang into
// a failure.
func waitFor(t testing.TB, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			require.FailNow(t, "waited a minute in vain")
		}
	}
}

// testLogger writes to w, without times, for one goroutine at a time.
// limit is the context of what must come. That it ends fails the test: a Wait
// whose wake-up was lost finds its event when ctx ends, and returns no error.
func limit(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(func() {
		require.NoError(t, ctx.Err(), "waited a minute in vain")
		cancel()
	})
	return ctx
}

func testLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}
