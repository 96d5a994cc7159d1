//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/examples/internal/need"
)

// contents are n random bytes.
func contents(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

func write(t *testing.T, b []byte) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "source")
	require.NoError(t, os.WriteFile(name, b, 0o600))
	return name
}

func TestCopy(t *testing.T) {
	need.Ring(t)
	for _, o := range []Options{{}, {Depth: 1, Block: 4096}, {Depth: 3, Block: 1000}, {Depth: 64, Block: 4096}} {
		for _, size := range []int{0, 1, 999, 1000, 1001, 4095, 4096, 4097, 123_457, DefaultBlock, DefaultDepth*DefaultBlock + 1, 5<<20 + 13} {
			if o.Block == 1000 && size > 1<<20 {
				continue // it is slow and shows nothing new
			}
			t.Run(strconv.Itoa(o.Depth)+"x"+strconv.Itoa(o.Block)+"/"+strconv.Itoa(size), func(t *testing.T) {
				want := contents(size)
				src, dst := write(t, want), filepath.Join(t.TempDir(), "copy")
				n, err := Copy(t.Context(), dst, src, o)
				require.NoError(t, err)
				require.EqualValues(t, size, n)
				got, err := os.ReadFile(dst)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got))
			})
		}
	}
}

// TestCopyOne has every read and write be one byte.
func TestCopyOne(t *testing.T) {
	need.Ring(t)
	want := contents(777)
	src, dst := write(t, want), filepath.Join(t.TempDir(), "copy")
	n, err := Copy(t.Context(), dst, src, Options{Depth: 5, Block: 1})
	require.NoError(t, err)
	require.EqualValues(t, len(want), n)
	got, err := os.ReadFile(dst)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestCopyReplaces: a longer file at the destination leaves nothing behind.
func TestCopyReplaces(t *testing.T) {
	need.Ring(t)
	src, dst := write(t, []byte("short")), filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.WriteFile(dst, contents(100_000), 0o600))
	_, err := Copy(t.Context(), dst, src, Options{})
	require.NoError(t, err)
	got, err := os.ReadFile(dst)
	require.NoError(t, err)
	require.Equal(t, "short", string(got))
}

func TestCopyErrors(t *testing.T) {
	need.Ring(t)
	src, dst := write(t, contents(3<<20)), filepath.Join(t.TempDir(), "copy")
	for name, c := range map[string]struct {
		dst, src string
		o        Options
		want     error
		text     string
	}{
		"no source":              {dst, src + "?", Options{}, fs.ErrNotExist, ""},
		"source is a directory":  {dst, filepath.Dir(src), Options{}, nil, "not a regular file"},
		"source is a device":     {dst, "/dev/zero", Options{}, nil, "not a regular file"},
		"no place":               {filepath.Join(dst, "x"), src, Options{}, fs.ErrNotExist, ""},
		"onto a directory":       {filepath.Dir(src), src, Options{}, unix.EISDIR, ""},
		"onto itself":            {src, src, Options{}, nil, "the same file"},
		"disk full":              {"/dev/full", src, Options{}, unix.ENOSPC, "write /dev/full"},
		"disk full, one at once": {"/dev/full", src, Options{Depth: 1}, unix.ENOSPC, "write /dev/full"},
		"depth":                  {dst, src, Options{Depth: -1}, nil, "depth -1: must be 1..1024"},
		"large depth":            {dst, src, Options{Depth: 1025}, nil, "depth 1025: must be 1..1024"},
		"block":                  {dst, src, Options{Block: -1}, nil, "block of -1 bytes: must be 1.."},
		"large block":            {dst, src, Options{Block: maxBlock + 1}, nil, "must be 1..1073741824"},
	} {
		t.Run(name, func(t *testing.T) {
			n, err := Copy(t.Context(), c.dst, c.src, c.o)
			require.Error(t, err)
			require.ErrorContains(t, err, c.text)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			require.Zero(t, n)
			require.NoFileExists(t, dst)
		})
	}
	info, err := os.Stat(src)
	require.NoError(t, err)
	require.EqualValues(t, 3<<20, info.Size(), "the source is what it was")
}

// TestCopyUnreadable: the source can be opened, and not be read.
func TestCopyUnreadable(t *testing.T) {
	need.Ring(t)
	src, dst := write(t, contents(100)), filepath.Join(t.TempDir(), "copy")
	in, err := os.OpenFile(src, os.O_WRONLY, 0)
	require.NoError(t, err)
	out, err := os.Create(dst)
	require.NoError(t, err)
	c := &copier{in: in, out: out, size: 100}
	require.ErrorIs(t, c.copy(t.Context(), Options{Depth: 4, Block: 10}), unix.EBADF)
	require.Zero(t, c.n)
	require.NoError(t, in.Close())
	require.NoError(t, out.Close())
}

// TestCopyShrinks: the source has become shorter than it was.
func TestCopyShrinks(t *testing.T) {
	need.Ring(t)
	src, dst := write(t, contents(95)), filepath.Join(t.TempDir(), "copy")
	in, err := os.Open(src)
	require.NoError(t, err)
	out, err := os.Create(dst)
	require.NoError(t, err)
	c := &copier{in: in, out: out, size: 100}
	require.ErrorIs(t, c.copy(t.Context(), Options{Depth: 1, Block: 10}), io.ErrUnexpectedEOF)
	require.EqualValues(t, 90, c.n)
	require.NoError(t, in.Close())
	require.NoError(t, out.Close())
}

// pipe is a pipe whose ends block, as io_uring wants them.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	var fds [2]int
	require.NoError(t, unix.Pipe2(fds[:], unix.O_CLOEXEC))
	return os.NewFile(uintptr(fds[0]), "pipe"), os.NewFile(uintptr(fds[1]), "pipe")
}

// TestCopyShort: reads and writes that do a part only, which pipes are good at.
func TestCopyShort(t *testing.T) {
	need.Ring(t)
	want := contents(1 << 20)
	t.Run("reads", func(t *testing.T) {
		in, w := pipe(t)
		out, err := os.Create(filepath.Join(t.TempDir(), "copy"))
		require.NoError(t, err)
		failed := make(chan error, 1)
		go func() {
			var err error
			for rest := want; len(rest) > 0 && err == nil; {
				n := min(len(rest), 1+rand.IntN(30_000))
				_, err = w.Write(rest[:n])
				rest = rest[n:]
			}
			failed <- err
		}()
		c := &copier{in: in, out: out, size: int64(len(want)), sync: true}
		require.NoError(t, c.copy(t.Context(), Options{Depth: 1, Block: 300_000}))
		require.NoError(t, <-failed)
		got, err := os.ReadFile(out.Name())
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
		require.NoError(t, errors.Join(in.Close(), w.Close(), out.Close()))
	})
	t.Run("writes", func(t *testing.T) {
		in, err := os.Open(write(t, want))
		require.NoError(t, err)
		r, out := pipe(t)
		all := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(r) // fewer if it fails
			all <- b
		}()
		c := &copier{in: in, out: out, size: int64(len(want))}
		require.NoError(t, c.copy(t.Context(), Options{Depth: 1, Block: 300_000}))
		require.NoError(t, out.Close())
		require.True(t, bytes.Equal(want, <-all))
		require.NoError(t, errors.Join(in.Close(), r.Close()))
	})
}

func TestCopyCancelled(t *testing.T) {
	need.Ring(t)
	src, dst := write(t, contents(1<<20)), filepath.Join(t.TempDir(), "copy")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := Copy(ctx, dst, src, Options{})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, n)
	require.NoFileExists(t, dst)

	// In the middle: what is written is a part of it, or all of it.
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
		n, err := Copy(ctx, dst, src, Options{Depth: 4, Block: 1024})
		if err == nil {
			require.EqualValues(t, 1<<20, n)
		} else {
			require.ErrorIs(t, err, context.Canceled)
			require.LessOrEqual(t, n, int64(1<<20))
		}
		cancel()
	}
}

// TestCopyLeaksNothing: files, rings and goroutines are gone after a copy, and after one that has
// failed.
func TestCopyLeaksNothing(t *testing.T) {
	need.Ring(t)
	src, dst := write(t, contents(1<<20)), filepath.Join(t.TempDir(), "copy")
	cycle := func() {
		_, err := Copy(t.Context(), dst, src, Options{})
		require.NoError(t, err)
		_, err = Copy(t.Context(), "/dev/full", src, Options{})
		require.Error(t, err)
		_, err = Copy(t.Context(), dst, src+"?", Options{})
		require.Error(t, err)
	}
	cycle()
	files, goroutines := open(t), runtime.NumGoroutine()
	for range 20 {
		cycle()
	}
	require.Equal(t, files, open(t))
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		require.True(t, time.Now().Before(end), "%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
	}
}

// open is how many file descriptors there are.
func open(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(list)
}
