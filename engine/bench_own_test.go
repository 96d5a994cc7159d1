package engine

import (
	"fmt"
	"testing"

	"github.com/evdengine/evd/hwcq"
)

// endless is a CQ that has always so many completions: what is left of a completion's
// cost is the engine's.
type endless struct {
	hwcq.CQ
	n    int
	over chan struct{} // closed: no more
	src  nobody
}

type nobody struct{ over chan struct{} }

func (s *nobody) Wait() (bool, error)    { <-s.over; return false, hwcq.ErrClosed }
func (s *nobody) TryWait() (bool, error) { return false, nil }
func (s *nobody) Wake()                  {}

func (c *endless) Poll(dst []hwcq.WC) int {
	n := min(c.n, len(dst))
	for i := range n {
		dst[i] = hwcq.WC{WRID: uint64(i)}
	}
	return n
}
func (c *endless) Pending() bool            { return true }
func (c *endless) Arm(bool) (bool, error)   { return true, nil }
func (c *endless) Events() hwcq.EventSource { return &c.src }
func (c *endless) Capabilities() hwcq.Capabilities {
	return hwcq.Capabilities{Depth: c.n, ArmIdempotent: true}
}

// What a completion costs the engine, from poll to upcall, exclusive or not.
func BenchmarkOwn(b *testing.B) {
	for _, batch := range []int{1, 32, 128} {
		for _, own := range []bool{false, true} {
			b.Run(fmt.Sprintf("batch=%d/exclusive=%v", batch, own), func(b *testing.B) {
				e, err := New(Config{})
				if err != nil {
					b.Fatal(err)
				}
				over := make(chan struct{})
				sum, left := uint64(0), b.N
				d, err := e.NewEVD(EVDConfig{
					CQs: []hwcq.CQ{&endless{n: batch, over: over, src: nobody{over}}}, Mode: ModeSpin, Dispatch: DispatchInline, Exclusive: own,
					Batch: 128, Budget: 1024, Policy: Disable,
					Upcall: func(u *Upcall) {
						evs := u.Events()
						for i := range evs {
							sum += evs[i].WRID
						}
						if left -= len(evs); left <= 0 {
							_ = u.ModifyUpcall(Disable, Same)
							close(over)
						}
					},
				})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				if err := d.ModifyUpcallAny(SingleInstance, Same); err != nil {
					b.Fatal(err)
				}
				<-over
				b.StopTimer()
				if err := e.Close(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
