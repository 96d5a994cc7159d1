package bench

import (
	"time"

	"github.com/evdengine/evd/engine"
)

// economy is what sleeping and waking cost in a run that took cpu of the CPUs.
func economy(r *Report, cpu time.Duration) *Wake {
	w := &Wake{Wakeups: r.Engine.Events, Spins: r.CQ.Vain, Cost: engine.WakeCost()}
	if r.Config.other() {
		w.Spins += r.CQ.EmptyPolls // what stands in for the engine looks by polling
	}
	if n := r.Conservation.Delivered + r.Conservation.Dequeued; n > 0 {
		w.PerCompletion = float64(w.Wakeups) / float64(n)
		w.CPUPerMillion = cpu.Seconds() / float64(n) * 1e6
	}
	// Measured where it was asked for, otherwise as the engine has measured it: with
	// a goroutine that sleeps, not with this CQ.
	if h := r.Histograms[stagePrefix+partNames[partWake]]; h != nil && r.Config.Workload == WakeUp {
		w.Cost, w.Measured = time.Duration(h.quantile(50)), true
	}
	w.Recommended = significant(w.Cost)
	return w
}

// significant rounds d to three digits: nobody wants --spin 12.345678us.
func significant(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}
