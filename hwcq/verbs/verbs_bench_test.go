//go:build verbs && cgo && linux

package verbs

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// Both drivers over one device: what the calls into C cost. Run in a guest.

// rival is a CQ on which n sends complete, and that of their peer.
type rival struct {
	cq, peer hwcq.CQ
	send     func(n int) error
}

// rivals opens the CQs to compare, by name.
func rivals(b *testing.B) map[string]rival {
	b.Helper()
	d := needRXE(b)
	all := map[string]rival{}
	for name, c := range map[string]CQConfig{"verbs": {}, "verbs-extended": {Interface: InterfaceExtended}} {
		a, e := newPair(b, d, endConfig{cq: c}, rxe.ConnectConfig{})
		all[name] = rival{a.cq, e.cq, func(n int) error {
			_, err := e.qp.PostRecvs(make([]rxe.RecvWR, n))
			if err == nil {
				_, err = a.qp.PostSends(sends(n))
			}
			return err
		}}
	}
	soft, err := rxe.Open(rxe.Config{Device: d.Info().Name})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, soft.Close()) })
	pd, err := soft.OpenPD()
	require.NoError(b, err)
	var qps [2]*rxe.QP
	var cqs [2]*rxe.CQ
	for i := range qps {
		cqs[i], err = soft.OpenCQ(rxe.CQConfig{})
		require.NoError(b, err)
		qps[i], err = pd.OpenQP(rxe.QPConfig{SendCQ: cqs[i]})
		require.NoError(b, err)
	}
	require.NoError(b, rxe.ConnectPair(qps[0], qps[1], rxe.ConnectConfig{}))
	all["rxe"] = rival{cqs[0], cqs[1], func(n int) error {
		_, err := qps[1].PostRecvs(make([]rxe.RecvWR, n))
		if err == nil {
			_, err = qps[0].PostSends(sends(n))
		}
		return err
	}}
	return all
}

func sends(n int) []rxe.SendWR {
	wrs := make([]rxe.SendWR, n)
	for i := range wrs {
		wrs[i] = rxe.SendWR{Op: rxe.OpSend, Flags: rxe.Signaled}
	}
	return wrs
}

// BenchmarkPollEmpty is a poll that finds nothing.
func BenchmarkPollEmpty(b *testing.B) {
	for name, r := range rivals(b) {
		b.Run(name, func(b *testing.B) {
			dst := make([]hwcq.WC, 64)
			for b.Loop() {
				r.cq.Poll(dst)
			}
		})
	}
}

// BenchmarkPoll16 is a poll that brings 16 completions, which were all there.
// What comes before it is not counted.
func BenchmarkPoll16(b *testing.B) {
	for name, r := range rivals(b) {
		b.Run(name, func(b *testing.B) {
			dst := make([]hwcq.WC, 64)
			var took time.Duration
			polls := 0
			for b.Loop() {
				if err := r.send(16); err != nil {
					b.Fatal(err)
				}
				for n := 0; n < 16; n += r.peer.Poll(dst) {
					runtime.Gosched()
				}
				time.Sleep(2 * time.Millisecond) // the acknowledgement; a look would take what is there
				t0 := time.Now()
				n := r.cq.Poll(dst)
				if d := time.Since(t0); n == 16 {
					took += d
					polls++
				}
				for n < 16 {
					n += r.cq.Poll(dst)
				}
			}
			if polls == 0 {
				b.Fatal("never were 16 there in time")
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took.Nanoseconds())/float64(polls), "ns/poll16")
		})
	}
}

// BenchmarkArm is an arm of an empty CQ, with the look that follows it.
func BenchmarkArm(b *testing.B) {
	for name, r := range rivals(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.cq.Arm(false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
