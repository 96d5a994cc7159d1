package uring

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/evdengine/evd/internal/param"
)

// Address families and socket addresses of Linux: include/linux/socket.h,
// include/uapi/linux/{in,in6,un}.h. Ports and addresses are in network byte order.
const (
	familyUnix  = 1
	familyINET  = 2
	familyINET6 = 10
)

type sockaddr4 struct {
	family uint16
	port   [2]byte
	addr   [4]byte
	_      [8]byte
}

type sockaddr6 struct {
	family uint16
	port   [2]byte
	flow   uint32
	addr   [16]byte
	scope  uint32
}

type sockaddrUnix struct {
	family uint16
	path   [maxUnixPath + 1]byte
}

// maxUnixPath is how long the path of a Unix socket can be, without the zero byte.
const maxUnixPath = 107

// Connect connects a socket (IORING_OP_CONNECT, Linux 5.5; connect(2)): one of AF_INET if
// the address is IPv4, one of AF_INET6 if it is IPv6, IPv4-mapped addresses included. It
// completes with 0 when the connection is there, or fails: ECONNREFUSED and so
// on. The error matches param.ErrInvalid: addr is not valid, or its zone is no
// interface of this host.
func Connect(fd int, addr netip.AddrPort) (Request, error) {
	q := request(OpConnect, fd)
	if !addr.IsValid() {
		q.bad("addr", addr, "a valid address and port")
		return q, q.err
	}
	ip, port := addr.Addr(), [2]byte{byte(addr.Port() >> 8), byte(addr.Port())}
	if ip.Is4() {
		useAt(&q, &sockaddr4{family: familyINET, port: port, addr: ip.As4()})
		q.sqe.off = 16
		return q, q.err
	}
	scope, err := scopeOf(ip.Zone())
	if err != nil {
		return q, err
	}
	useAt(&q, &sockaddr6{family: familyINET6, port: port, addr: ip.As16(), scope: scope})
	q.sqe.off = 28
	return q, q.err
}

// scopeOf is the number of an IPv6 zone: an interface's, or the zone itself.
func scopeOf(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, param.Invalid("uring: connect", "addr", "zone "+zone, "with the name or the number of an interface of this host")
	}
	return uint32(i.Index), nil
}

// ConnectUnix connects a socket of AF_UNIX to the socket at path, or with a path that
// begins with @ to an abstract one, as package net does (IORING_OP_CONNECT, Linux 5.5;
// unix(7)). path is 1..107 bytes, none of them zero.
func ConnectUnix(fd int, path string) (Request, error) {
	q := request(OpConnect, fd)
	if path == "" || len(path) > maxUnixPath || strings.IndexByte(path, 0) >= 0 {
		q.bad("path", strconv.Quote(path), "1..107 bytes, none of them zero")
		return q, q.err
	}
	a := &sockaddrUnix{family: familyUnix}
	n := copy(a.path[:], path)
	if path[0] == '@' {
		a.path[0] = 0 // and no zero byte at the end, which would be part of the name
	} else {
		n++
	}
	useAt(&q, a)
	q.sqe.off = uint64(2 + n)
	return q, q.err
}
