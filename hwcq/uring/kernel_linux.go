//go:build amd64 || arm64

package uring

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/mapped"
)

// kernelRing is an io_uring of the kernel and its memory.
type kernelRing struct {
	rings
	fd       int
	features uint32
	ring     mapped.Pages // both rings
	entries  mapped.Pages // the submission queue's entries
}

// openKernelRing makes an io_uring by a valid configuration.
func openKernelRing(c Config) (*kernelRing, error) {
	p := params{flags: setupFlags(c), cqEntries: uint32(c.depth())}
	if c.SQPoll {
		p.sqThreadIdle = uint32(c.sqPollIdle() / time.Millisecond)
	}
	ask := p
	// One level of indirection less, where the kernel can.
	p.flags |= setupNoSQArray
	fd, e := sysRingSetup(uint32(c.entries()), &p)
	if e == unix.EINVAL {
		p = ask
		fd, e = sysRingSetup(uint32(c.entries()), &p)
	}
	if e != 0 {
		return nil, setupFailed(e, c)
	}
	k := &kernelRing{fd: fd, features: p.features}
	if err := k.open(&p); err != nil {
		return nil, errors.Join(err, k.release())
	}
	return k, nil
}

func setupFlags(c Config) uint32 {
	flags := uint32(setupCQSize | setupSubmitAll)
	switch {
	case c.Shape == Owner:
		flags |= setupSingleIssuer | setupDeferTaskrun | setupTaskrunFlag | setupRDisabled
	case c.SQPoll:
		flags |= setupSQPoll
	case c.CoopTaskrun:
		flags |= setupCoopTaskrun | setupTaskrunFlag
	}
	return flags
}

// needed are the features without which nothing here is right, and when they came.
var needed = []struct {
	bit         uint32
	name, since string
}{
	{featSingleMmap, "IORING_FEAT_SINGLE_MMAP", "5.4"},
	{featNoDrop, "IORING_FEAT_NODROP", "5.5"},
	{featSubmitStable, "IORING_FEAT_SUBMIT_STABLE", "5.5"},
	{featFastPoll, "IORING_FEAT_FAST_POLL", "5.7"},
	{featSQPollNonfixed, "IORING_FEAT_SQPOLL_NONFIXED", "5.11"},
}

func (k *kernelRing) open(p *params) error {
	for _, n := range needed {
		if p.features&n.bit == 0 {
			return fmt.Errorf("uring: open: %w: this kernel has no %s (Linux %s)", hwcq.ErrNotSupported, n.name, n.since)
		}
	}
	var err error
	if k.ring, err = mapped.Shared(k.fd, offSQRing, ringSize(p), unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("uring: open: %w: %w", hwcq.ErrUnavailable, err)
	}
	if k.entries, err = mapped.Shared(k.fd, offSQEs, sqeSize*uintptr(p.sqEntries), unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("uring: open: %w: %w", hwcq.ErrUnavailable, err)
	}
	k.rings, err = newRings(p, k.ring, k.entries)
	return err
}

// release gives everything back. Nobody may use the memory any more.
func (k *kernelRing) release() error {
	err := errors.Join(k.ring.Unmap(), k.entries.Unmap())
	if k.fd >= 0 {
		err = errors.Join(err, os.NewSyscallError("close", unix.Close(k.fd)))
		k.fd = -1
	}
	return err
}
