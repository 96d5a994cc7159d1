//go:build linux && (amd64 || arm64) && !race

package uring

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// The race detector's instrumentation allocates, hence the build tag.

func TestMakingRequestsDoesNotAllocate(t *testing.T) {
	r := open(t, Config{})
	b := newBuffers(t, r, BuffersConfig{Count: 1, Size: 1})
	buf, err := r.Alloc(16)
	require.NoError(t, err)
	var reqs [1]Request
	wc := hwcq.WC{Status: hwcq.StatusRNRRetryExcErr, VendorErr: 105}
	for name, f := range map[string]func(){
		"nop":    func() { reqs[0] = Nop() },
		"read":   func() { reqs[0] = Read(0, buf, 0) },
		"write":  func() { reqs[0] = Write(0, buf, 0) },
		"send":   func() { reqs[0] = Send(0, buf, 0) },
		"recv":   func() { reqs[0] = Recv(0, buf, 0) },
		"multi":  func() { reqs[0] = RecvMulti(0, b, 0) },
		"accept": func() { reqs[0] = AcceptMulti(0, 0) },
		"poll":   func() { reqs[0] = PollAdd(0, 1) },
		"cancel": func() { reqs[0] = Cancel(1) },
		"bytes":  func() { sink = b.Bytes(0, 1) },
		"result": func() { _, errSink = Result(wc) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

var (
	sink    []byte
	errSink error
)

// A receive into a provided buffer, from Submit to Return.
func TestProvidedBuffersDoNotAllocate(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		b := newBuffers(t, r, BuffersConfig{Count: 2, Size: 8})
		in, out := socketPair(t, unix.SOCK_STREAM)
		reqs, wcs, data := []Request{RecvMulti(in, b, 0)}, make([]hwcq.WC, 4), []byte("x")
		n, err := r.Submit(reqs)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		bad := 0
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if _, err := unix.Write(out, data); err != nil {
				bad++
			}
			for n = 0; n == 0; n = r.Poll(wcs) {
			}
			if sink = b.Bytes(wcs[0].Imm, int(wcs[0].ByteLen)); len(sink) != 1 || sink[0] != 'x' {
				bad++
			}
			if b.Return(wcs[0].Imm) != nil {
				bad++
			}
		}))
		require.Zero(t, bad)
	})
}
