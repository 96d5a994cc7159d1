package cqtest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// boundRig is a rig that belongs to a thread, and what its methods forbid.
type boundRig struct {
	*rig
	mu           sync.Mutex
	bound, owner int // thread ids; 0: none
	unbind       func()
}

func newBoundRig(t testing.TB, depth int) *boundRig {
	r := &boundRig{rig: newRig(t, mock.Config{}, depth), unbind: func() {}}
	ev := r.CQ.Events()
	r.src.wait = func() (bool, error) {
		if r.elsewhere() {
			return false, hwcq.ErrWrongThread
		}
		return ev.Wait()
	}
	r.src.try = func() (bool, error) {
		if r.elsewhere() {
			return false, hwcq.ErrWrongThread
		}
		return ev.TryWait()
	}
	r.b.CQ = r
	return r
}

func (r *boundRig) elsewhere() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return unix.Gettid() != r.owner
}

func (r *boundRig) ThreadBound() bool { return true }

func (r *boundRig) Bind() error {
	if _, err := r.CQ.Arm(true); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bound != 0 {
		return hwcq.ErrBusy
	}
	r.bound, r.owner = unix.Gettid(), unix.Gettid()
	return nil
}

func (r *boundRig) Unbind() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if unix.Gettid() != r.bound {
		return hwcq.ErrWrongThread
	}
	r.unbind()
	r.bound = 0
	return nil
}

// brokenBound are listed here, and spoiled below.
var brokenBound = []broken{
	{name: "Wait anywhere", finds: "bound/elsewhere"},
	{name: "Bind twice", finds: "bound/bind"},
	{name: "Unbind loses completions", finds: "bound/unbind"},
}

type bindTwice struct{ *boundRig }

func (bindTwice) Bind() error { return nil }

func spoilBound(name string, r *boundRig) {
	switch name {
	case "Wait anywhere":
		ev := r.CQ.Events()
		r.src.wait, r.src.try = ev.TryWait, ev.TryWait
	case "Bind twice":
		r.b.CQ = bindTwice{r}
		r.bound = -1 // so that Unbind is wrong too
	case "Unbind loses completions":
		r.unbind = func() { r.CQ.Poll(make([]hwcq.WC, 8)) }
	}
}

func TestSuitePassesSoundBoundCQ(t *testing.T) {
	Run(t, Driver{Quiet: time.Millisecond, Open: func(depth int) (*Bed, error) { return newBoundRig(t, depth).b, nil }})
}

func TestSuiteFindsBrokenBoundCQs(t *testing.T) {
	for _, b := range brokenBound {
		t.Run(b.name, func(t *testing.T) {
			failures := verify(Driver{Patience: 500 * time.Millisecond, Quiet: time.Millisecond, Open: func(depth int) (*Bed, error) {
				r := newBoundRig(t, depth)
				spoilBound(b.name, r)
				return r.b, nil
			}}, named(t, b.finds))
			require.NotEmpty(t, failures, "property %q passes", b.finds)
			t.Log(strings.Join(failures, "\n"))
		})
	}
}
