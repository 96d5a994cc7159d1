//go:build linux && (amd64 || arm64)

package uring

import (
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// socketPair is two connected sockets.
func socketPair(t testing.TB, kind int) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	closeLater(t, p[0], p[1])
	return p[0], p[1]
}

func socket(t testing.TB, family int) int {
	t.Helper()
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	closeLater(t, fd)
	return fd
}

// listen is a listening socket at a free address of its family.
func listen(t testing.TB, at unix.Sockaddr) (fd int) {
	t.Helper()
	f := unix.AF_UNIX
	switch at.(type) {
	case *unix.SockaddrInet4:
		f = unix.AF_INET
	case *unix.SockaddrInet6:
		f = unix.AF_INET6
	}
	fd = socket(t, f)
	require.NoError(t, unix.Bind(fd, at))
	require.NoError(t, unix.Listen(fd, 16))
	return fd
}

// localhost is a listening TCP socket and its address.
func localhost(t testing.TB) (fd int, addr netip.AddrPort) {
	t.Helper()
	fd = listen(t, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	return fd, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*unix.SockaddrInet4).Port))
}

func connecting(t testing.TB, fd int, addr netip.AddrPort) Request {
	t.Helper()
	q, err := Connect(fd, addr)
	require.NoError(t, err)
	return q
}

func TestSendRecv(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		a, b := socketPair(t, unix.SOCK_STREAM)
		buf := make([]byte, 16)
		require.Equal(t, 5, succeeds(t, r, with(1, Send(a, []byte("hello"), 0))))
		require.Equal(t, 5, succeeds(t, r, with(2, Recv(b, buf, unix.MSG_PEEK))))
		clear(buf)
		require.Equal(t, 5, succeeds(t, r, with(3, Recv(b, buf, 0))))
		require.Equal(t, "hello", string(buf[:5]))
		fails(t, r, Recv(b, buf, unix.MSG_DONTWAIT), unix.EAGAIN, hwcq.StatusGeneralErr)

		submit(t, r, with(4, Recv(b, buf, 0)))
		require.Equal(t, 3, succeedsBeside(t, r, with(5, Send(a, []byte("abc"), 0)), 4))

		submit(t, r, with(6, Recv(b, buf, 0)))
		require.Equal(t, 0, succeedsBeside(t, r, with(7, Shutdown(a, ShutWrite)), 6), "the end")
		require.Equal(t, 0, succeeds(t, r, Shutdown(b, ShutBoth)))
		fails(t, r, Send(a, buf, 0), unix.EPIPE, hwcq.StatusRemOpErr) // and no signal
	})
}

func TestNetErrors(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		buf := make([]byte, 1<<20)
		a, b := socketPair(t, unix.SOCK_DGRAM)
		fails(t, r, Send(a, buf, 0), unix.EMSGSIZE, hwcq.StatusLocLenErr)
		fails(t, r, Send(a, buf[:1], unix.MSG_OOB), unix.EOPNOTSUPP, hwcq.StatusLocQPOpErr)
		fails(t, r, Accept(b, 0), unix.EOPNOTSUPP, hwcq.StatusLocQPOpErr)
		fails(t, r, Accept(socket(t, unix.AF_INET), 0), unix.EINVAL, hwcq.StatusLocQPOpErr) // it does not listen
		fails(t, r, Accept(b, 1), unix.EINVAL, hwcq.StatusLocQPOpErr)                       // no such flag
		fails(t, r, Recv(socket(t, unix.AF_INET), buf, 0), unix.ENOTCONN, hwcq.StatusRemOpErr)
		fails(t, r, Shutdown(socket(t, unix.AF_INET), ShutRead), unix.ENOTCONN, hwcq.StatusRemOpErr)

		listener, addr := localhost(t)
		require.NoError(t, unix.Close(listener))
		fails(t, r, connecting(t, socket(t, unix.AF_INET), addr), unix.ECONNREFUSED, hwcq.StatusRemOpErr)
		q, err := ConnectUnix(socket(t, unix.AF_UNIX), filepath.Join(t.TempDir(), "nobody"))
		require.NoError(t, err)
		fails(t, r, q, unix.ENOENT, hwcq.StatusGeneralErr)
	})
}

func TestReset(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		listener, addr := localhost(t)
		client := socket(t, unix.AF_INET)
		require.Equal(t, 0, succeeds(t, r, connecting(t, client, addr)))
		server := succeeds(t, r, Accept(listener, unix.SOCK_CLOEXEC))
		closeLater(t, server)
		submit(t, r, with(1, Recv(server, make([]byte, 1), 0)))
		require.NoError(t, unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
		require.NoError(t, unix.Close(client))
		isFailure(t, collect(t, r, 1)[0], unix.ECONNRESET, hwcq.StatusRemOpErr)
	})
}

func TestConnectAndAccept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	abstract := "@" + path
	toTCP := func(f func(netip.Addr) netip.Addr) func(*testing.T, int, unix.Sockaddr) (Request, error) {
		return func(t *testing.T, fd int, name unix.Sockaddr) (Request, error) {
			switch a := name.(type) {
			case *unix.SockaddrInet4:
				return Connect(fd, netip.AddrPortFrom(f(netip.AddrFrom4(a.Addr)), uint16(a.Port)))
			case *unix.SockaddrInet6:
				return Connect(fd, netip.AddrPortFrom(f(netip.AddrFrom16(a.Addr)), uint16(a.Port)))
			}
			t.Fatalf("bound to %T", name)
			return Request{}, nil
		}
	}
	to := func(path string) func(*testing.T, int, unix.Sockaddr) (Request, error) {
		return func(_ *testing.T, fd int, _ unix.Sockaddr) (Request, error) { return ConnectUnix(fd, path) }
	}
	same := func(a netip.Addr) netip.Addr { return a }
	v4 := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	v6 := &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}
	for name, c := range map[string]struct {
		at      unix.Sockaddr
		family  int
		connect func(*testing.T, int, unix.Sockaddr) (Request, error)
	}{
		"IPv4":          {v4, unix.AF_INET, toTCP(same)},
		"IPv6":          {v6, unix.AF_INET6, toTCP(same)},
		"IPv6 zone":     {v6, unix.AF_INET6, toTCP(func(a netip.Addr) netip.Addr { return a.WithZone("lo") })},
		"IPv4-mapped":   {v4, unix.AF_INET6, toTCP(func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) })},
		"Unix":          {&unix.SockaddrUnix{Name: path}, unix.AF_UNIX, to(path)},
		"Unix abstract": {&unix.SockaddrUnix{Name: abstract}, unix.AF_UNIX, to(abstract)},
	} {
		t.Run(name, func(t *testing.T) {
			shapes(t, Config{}, func(t *testing.T, r *Ring) {
				_ = unix.Unlink(path)
				listener := listen(t, c.at)
				defer func() { require.NoError(t, unix.Close(listener)) }()
				bound, err := unix.Getsockname(listener)
				require.NoError(t, err)
				client := socket(t, c.family)
				q, err := c.connect(t, client, bound)
				require.NoError(t, err)
				submit(t, r, with(1, Accept(listener, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)), with(2, q))
				m := byWRID(t, r, 2)
				require.Equal(t, hwcq.WC{WRID: 2, Opcode: OpConnect.Opcode()}, m[2])
				server, err := Result(m[1])
				require.NoError(t, err)
				closeLater(t, server)
				flags, err := unix.FcntlInt(uintptr(server), unix.F_GETFL, 0)
				require.NoError(t, err)
				require.NotZero(t, flags&unix.O_NONBLOCK)

				buf := make([]byte, 4)
				require.Equal(t, 4, succeeds(t, r, Send(client, []byte("ping"), 0)))
				require.Equal(t, 4, succeeds(t, r, Recv(server, buf, 0)))
				require.Equal(t, "ping", string(buf))
			})
		})
	}
}

func TestAcceptMulti(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		listener, addr := localhost(t)
		submit(t, r, with(1, AcceptMulti(listener, unix.SOCK_CLOEXEC)))
		for range 3 {
			c, err := net.Dial("tcp", addr.String())
			require.NoError(t, err)
			wc := collect(t, r, 1)[0]
			require.EqualValues(t, 1, wc.WRID)
			require.Equal(t, FlagMore, wc.Flags)
			fd, err := Result(wc)
			require.NoError(t, err)
			_, err = c.Write([]byte("x"))
			require.NoError(t, err)
			var buf [1]byte
			_, err = unix.Read(fd, buf[:])
			require.NoError(t, err)
			require.Equal(t, "x", string(buf[:]))
			require.NoError(t, unix.Close(fd))
			require.NoError(t, c.Close())
			require.Equal(t, 1, r.Stats().InFlight, "it goes on")
		}
		submit(t, r, with(2, CancelFD(listener)))
		m := byWRID(t, r, 2)
		require.EqualValues(t, 1, m[2].ByteLen)
		isFailure(t, m[1], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.Zero(t, m[1].Flags)
		require.Zero(t, r.Stats().InFlight)
	})
}

func TestPoll(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		in, out := pipe(t)
		write := func() {
			_, err := unix.Write(out, []byte("x"))
			require.NoError(t, err)
		}
		require.Equal(t, unix.POLLOUT, succeeds(t, r, PollAdd(out, unix.POLLOUT|unix.POLLIN)))
		submit(t, r, with(1, PollAdd(in, unix.POLLIN)))
		require.Zero(t, r.Poll(make([]hwcq.WC, 1)))
		write()
		require.Equal(t, hwcq.WC{WRID: 1, Opcode: OpPollAdd.Opcode(), ByteLen: unix.POLLIN}, collect(t, r, 1)[0])

		submit(t, r, with(2, PollMulti(in, unix.POLLIN)))
		for i := range 3 {
			if i > 0 { // the first byte is there
				write()
			}
			wc := collect(t, r, 1)[0]
			require.EqualValues(t, 2, wc.WRID)
			require.Equal(t, FlagMore, wc.Flags)
			require.EqualValues(t, unix.POLLIN, wc.ByteLen)
		}
		submit(t, r, with(3, Cancel(2)))
		m := byWRID(t, r, 2)
		isFailure(t, m[2], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.Zero(t, m[2].Flags)
		require.Equal(t, hwcq.StatusSuccess, m[3].Status)
	})
}
