//go:build linux && (amd64 || arm64)

package uring

import (
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// huge is a slice that is too long, without memory behind it.
func huge(t *testing.T) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, maxIO+1, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Munmap(b)) })
	return b
}

func TestBadArguments(t *testing.T) {
	r := open(t, Config{})
	b := newBuffers(t, r, BuffersConfig{Count: 1, Size: 1})
	buf := make([]byte, 1)
	for name, c := range map[string]struct {
		q    Request
		want string
	}{
		"read fd":             {Read(-1, buf, 0), "uring: read: fd = -1: must be"},
		"fd of 33 bits":       {Write(1<<32, buf, 0), "fd = 4294967296"},
		"read off":            {Read(0, buf, -2), "off = -2"},
		"write off":           {Write(0, buf, math.MinInt64), "off = -9223372036854775808"},
		"read len":            {Read(0, huge(t), 0), "len(buf) = 2147483648"},
		"send len":            {Send(0, huge(t), 0), "len(buf) = 2147483648: must be at most 2147483647"},
		"recv len":            {Recv(0, huge(t), 0), "len(buf)"},
		"fsync fd":            {Fsync(-5, true), "uring: fsync: fd = -5"},
		"send flags":          {Send(0, buf, 1<<40), "flags = 1099511627776"},
		"recv fd":             {Recv(-1, buf, 0), "uring: recv: fd"},
		"recv without":        {RecvBuffer(0, nil, 0), "b = nil"},
		"recv multi without":  {RecvMulti(0, nil, 0), "b = nil"},
		"recv multi wait all": {RecvMulti(0, b, 0x100), "flags = 256: must be without MSG_WAITALL"},
		"accept fd":           {Accept(-1, 0), "uring: accept: fd"},
		"accept multi flags":  {AcceptMulti(0, 1<<40), "flags"},
		"poll fd":             {PollAdd(-1, 1), "uring: poll: fd"},
		"poll multi fd":       {PollMulti(-1, 1), "uring: poll: fd"},
		"timeout":             {Timeout(-time.Nanosecond), "uring: timeout: d = -1ns: must be 0 or more"},
		"link timeout":        {LinkTimeout(-1), "uring: link timeout: d"},
		"shutdown how":        {Shutdown(0, 3), "how = 3: must be ShutRead"},
		"shutdown fd":         {Shutdown(-1, 0), "uring: shutdown: fd"},
		"close fd":            {CloseFD(-1), "uring: close: fd"},
		"cancel fd":           {CancelFD(-1), "uring: cancel: fd"},
		"the first of two":    {Read(-1, buf, -2), "fd = -1"},
	} {
		n, err := r.Submit([]Request{Nop(), c.q, Nop()})
		require.Equal(t, 1, n, "%s: the one before it", name)
		require.ErrorIs(t, err, param.ErrInvalid, name)
		require.ErrorContains(t, err, c.want, name)
		require.ErrorContains(t, err, "reqs[1]", name)
		collect(t, r, 1)

		// Of its chain nothing is taken.
		head := Nop()
		head.Link = LinkNext
		n, err = r.Submit([]Request{Nop(), head, c.q, Nop()})
		require.Equal(t, 1, n, name)
		require.ErrorContains(t, err, "reqs[2]", name)
		collect(t, r, 1)
	}
	require.Zero(t, r.Stats().InFlight)
}

func TestBadConstructors(t *testing.T) {
	r := open(t, Config{})
	good := netip.MustParseAddrPort("127.0.0.1:1")
	for name, c := range map[string]struct {
		make func() (Request, error)
		want string
	}{
		"connect fd":       {func() (Request, error) { return Connect(-1, good) }, "fd = -1"},
		"connect fd 6":     {func() (Request, error) { return Connect(-1, netip.MustParseAddrPort("[::1]:1")) }, "fd = -1"},
		"connect addr":     {func() (Request, error) { return Connect(0, netip.AddrPort{}) }, "addr = invalid AddrPort"},
		"connect zone":     {func() (Request, error) { return Connect(0, netip.MustParseAddrPort("[fe80::1%nosuch]:1")) }, "zone nosuch"},
		"unix fd":          {func() (Request, error) { return ConnectUnix(-1, "x") }, "fd = -1"},
		"unix empty":       {func() (Request, error) { return ConnectUnix(0, "") }, `path = ""`},
		"unix long":        {func() (Request, error) { return ConnectUnix(0, strings.Repeat("x", 108)) }, "1..107 bytes"},
		"unix zero byte":   {func() (Request, error) { return ConnectUnix(0, "a\x00b") }, `path = "a\x00b"`},
		"message to":       {func() (Request, error) { return MsgRing(nil, 0, 0) }, "to = nil"},
		"message wrid":     {func() (Request, error) { return MsgRing(r, 1<<63, 0) }, "wrid = 9223372036854775808: must be less than 2^63"},
		"message too long": {func() (Request, error) { return MsgRing(r, 0, 1<<31) }, "n = 2147483648"},
	} {
		_, err := c.make()
		require.ErrorIs(t, err, param.ErrInvalid, name)
		require.ErrorContains(t, err, c.want, name)
	}
	q, err := Connect(0, netip.MustParseAddrPort("[fe80::1%4000000000]:1"))
	require.NoError(t, err, "a zone by number")
	require.EqualValues(t, 4_000_000_000, (*sockaddr6)(q.buf).scope)
	_, err = ConnectUnix(0, strings.Repeat("x", 107))
	require.NoError(t, err)
}

func TestABISizes(t *testing.T) {
	require.EqualValues(t, 64, sqeSize)
	require.EqualValues(t, 16, cqeSize)
	require.EqualValues(t, 120, unsafe.Sizeof(params{}))
	require.EqualValues(t, 64, unsafe.Sizeof(syncCancel{}))
	require.EqualValues(t, 16+256*8, unsafe.Sizeof(opProbe{}))
	require.EqualValues(t, 16, unsafe.Sizeof(timespec{}))
	require.EqualValues(t, 16, unsafe.Sizeof(sockaddr4{}))
	require.EqualValues(t, 28, unsafe.Sizeof(sockaddr6{}))
	require.EqualValues(t, 110, unsafe.Sizeof(sockaddrUnix{}))
}

func TestStatusOf(t *testing.T) {
	for e, want := range map[uint32]hwcq.Status{
		125: hwcq.StatusWRFlushErr, 14: hwcq.StatusLocProtErr, 22: hwcq.StatusLocQPOpErr, 9: hwcq.StatusLocQPOpErr, 88: hwcq.StatusLocQPOpErr,
		95: hwcq.StatusLocQPOpErr, 90: hwcq.StatusLocLenErr, 105: hwcq.StatusRNRRetryExcErr, 104: hwcq.StatusRemOpErr,
		32: hwcq.StatusRemOpErr, 111: hwcq.StatusRemOpErr, 107: hwcq.StatusRemOpErr, 110: hwcq.StatusRespTimeoutErr,
		62: hwcq.StatusGeneralErr, 1: hwcq.StatusGeneralErr, 4095: hwcq.StatusGeneralErr,
	} {
		require.Equal(t, want, statusOf(OpRead, e), "errno %d", e)
	}
	require.Equal(t, hwcq.StatusSuccess, statusOf(OpTimeout, 62))
	require.Equal(t, hwcq.StatusSuccess, statusOf(OpLinkTimeout, 62))
}

func TestResultAndOpOf(t *testing.T) {
	for op := range opNames {
		require.Equal(t, op, OpOf(hwcq.WC{Opcode: op.Opcode()}))
		require.NotContains(t, op.String(), "op(")
		require.NotEqual(t, "?", op.Since())
	}
	for _, o := range []hwcq.Opcode{hwcq.OpRDMARead, 0x0ff, 0x1ff, 0x200, math.MaxUint32} {
		require.Equal(t, "op(255)", OpOf(hwcq.WC{Opcode: o}).String())
	}
	_, err := Result(hwcq.WC{Opcode: OpRead.Opcode(), Status: hwcq.StatusFatalErr})
	require.EqualError(t, err, "uring: read: fatal error")
	n, err := Result(hwcq.WC{ByteLen: math.MaxInt32})
	require.NoError(t, err)
	require.Equal(t, math.MaxInt32, n)
}
