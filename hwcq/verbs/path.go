//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

const linkInfiniBand = 1 // enum of ibv_port_attr.link_layer

// path is how a queue pair gets to its peer.
type path struct {
	local  uint32 // our first packet's sequence number
	remote rxe.Dest
	global bool // by GID, which Ethernet needs
	port   int
	sgid   int
	c      rxe.ConnectConfig // without zeros
}

// path completes what was asked for with what the device says.
func (q *QP) path(remote rxe.Dest, c rxe.ConnectConfig) (p path, err error) {
	const op = "verbs: Connect"
	if err := c.Validate(); err != nil {
		return p, rename(err, op)
	}
	c = c.WithDefaults()
	attr, err := q.dev.QueryDevice()
	if err != nil {
		return p, err
	}
	port, err := q.dev.QueryPort()
	if err != nil {
		return p, err
	}
	infiniBand := port.LinkLayer == linkInfiniBand
	var errs []error
	bad := func(name string, v any, allowed string) {
		errs = append(errs, param.Invalid(op, name, v, allowed))
	}
	if remote.GID.IsZero() && !infiniBand {
		bad("remote.GID", remote.GID, "the peer's GID")
	}
	if c.MTU > port.ActiveMTU {
		bad("MTU", c.MTU, fmt.Sprintf("at most %d, the active MTU of %s", port.ActiveMTU, q.dev.info.Name))
	}
	if most := max(1, attr.MaxQPInitRDAtomic); c.MaxRDAtomic > most {
		bad("MaxRDAtomic", c.MaxRDAtomic, fmt.Sprintf("at most %d, the limit of %s", most, q.dev.info.Name))
	}
	if most := max(1, attr.MaxQPRDAtomic); c.MaxDestRDAtomic > most {
		bad("MaxDestRDAtomic", c.MaxDestRDAtomic, fmt.Sprintf("at most %d, the limit of %s", most, q.dev.info.Name))
	}
	if len(errs) > 0 {
		return p, errors.Join(errs...)
	}
	// A device without reads has no room for one.
	c.MaxRDAtomic = min(c.MaxRDAtomic, attr.MaxQPInitRDAtomic)
	c.MaxDestRDAtomic = max(0, min(c.MaxDestRDAtomic, attr.MaxQPRDAtomic))
	p = path{local: q.psn, remote: remote, global: !remote.GID.IsZero(), port: q.dev.port, c: c}
	if p.global {
		g, err := q.dev.sgid(c.SGID)
		if err != nil {
			return p, err
		}
		p.sgid = g.Index
	}
	return p, nil
}

// rename puts our operation into what package rxe says about parameters.
func rename(err error, op string) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var errs []error
		for _, e := range j.Unwrap() {
			errs = append(errs, rename(e, op))
		}
		return errors.Join(errs...)
	}
	var p *param.Error
	if !errors.As(err, &p) {
		return err
	}
	q := *p
	q.Op = op
	return &q
}

// ackUnit is the unit of the ACK timeout, IBTA 9.7.6.1.3.
const ackUnit = 4096 * time.Nanosecond

// ackCode is the smallest code n with 4.096 us * 2^n >= d.
func ackCode(d time.Duration) uint8 {
	n := uint8(1)
	for n < 31 && ackUnit<<n < d {
		n++
	}
	return n
}

// retryCount turns the -1 of a ConnectConfig into none.
func retryCount(n int) uint8 { return uint8(max(n, 0)) }

// mtuBytes is the size in bytes for an enum ibv_mtu, 0 for none.
func mtuBytes(code int) int {
	if code < 1 || code > 5 {
		return 0
	}
	return 128 << code
}

// mtuCode is the reverse; bytes is one of the sizes.
func mtuCode(bytes int) int {
	code := 1
	for code < 5 && mtuBytes(code) < bytes {
		code++
	}
	return code
}
