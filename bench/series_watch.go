package bench

import (
	"time"
)

// watcher is the goroutine beside a run that collects what was recorded, interval by
// interval, and tells whoever watches.
//
// Concurrency: the fields are the goroutine's, and after stop the report's.
type watcher struct {
	s      *session
	rec    *recorder // nil: the run has no latencies, and its events are counted
	series series
	step   time.Duration

	start time.Time     // of the measurement, about
	from  time.Duration // the beginning of the step that runs, after start
	last  reading       // at from
	since point         // what came since the last Progress
	told  time.Duration // when that was, after start

	quit, gone chan struct{}
}

// reading is what is read of the process at a moment.
type reading struct {
	at      time.Time
	cpu     time.Duration
	wakeups uint64
	seen    uint64
}

// step is how long the stretches of a run are: so that a whole number of them is an
// interval, and Progress can be told in time.
func (s *session) step() time.Duration {
	d := s.cfg.Interval
	if e := s.watch.Every; s.watch.Progress != nil && e > 0 && e < d {
		e = max(e, minInterval)
		d /= (d + e - 1) / e
	}
	return d
}

// recorder makes the recorder of the run. Only from open.
func (s *session) recorder() *recorder {
	s.rec = newRecorder(s.clk, s.step(), s.cfg.open(), s.watch)
	return s.rec
}

// watching starts the watcher, once the run has been started.
func (s *session) watching() *watcher {
	w := &watcher{
		s: s, rec: s.rec, step: s.step(), series: series{width: s.cfg.Interval},
		quit: make(chan struct{}), gone: make(chan struct{}),
	}
	go w.run()
	return w
}

func (w *watcher) run() {
	defer close(w.gone)
	began := w.s.began
	if w.rec != nil {
		began = w.rec.began
	}
	if !w.warmUp(began) {
		return
	}
	w.start = time.Now()
	w.last = w.read()
	for w.sleep(time.Until(w.start.Add(w.from + w.step))) {
		if !w.collect() {
			return
		}
		w.from += w.step
		w.tell()
	}
}

// warmUp waits for the measurement to begin. False: the run has ended before.
func (w *watcher) warmUp(began <-chan struct{}) bool {
	var tick <-chan time.Time
	if h := w.s.watch; h.Progress != nil && h.Every > 0 {
		t := time.NewTicker(h.Every)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-began:
			return true
		case <-w.quit:
			select {
			case <-began: // and ended, both
				return true
			default:
				return false
			}
		case <-tick:
			w.s.watch.Progress(Progress{Phase: "warm-up"})
		}
	}
}

// sleep returns false at once when the run is over.
func (w *watcher) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.quit:
		return false
	case <-t.C:
		return true
	}
}

func (w *watcher) read() reading {
	return reading{time.Now(), cpuTime(), w.s.wakeups(), w.s.seen()}
}

// wakeups is how often the poller slept and was woken.
// What stands in for an EVD tells only when it is closed.
func (s *session) wakeups() (n uint64) {
	for _, u := range s.units {
		if u.evd != nil {
			n += u.evd.Stats().Events
		}
	}
	return n
}

// collect takes in the step that has just ended. False: the run has, too.
func (w *watcher) collect() bool {
	w.host()
	if w.rec == nil {
		return true
	}
	// The recorder ends a stretch with the first event after it. Where events are rare
	// that takes a while, and the stretch is collected with a later one.
	patience := min(w.step/4, 100*time.Millisecond)
	for nap := patience / 64; ; nap *= 2 {
		if q := w.rec.full.Load(); q != nil {
			w.merge(q)
			q.reset()
			w.rec.full.Store(nil) // before the spare: turn looks the other way round
			w.rec.spare.Store(q)
			return true
		}
		if nap > patience/2 {
			return true
		}
		if !w.sleep(nap) {
			return false
		}
	}
}

// host adds what the process did in the step.
func (w *watcher) host() {
	now := w.read()
	p := point{cpu: now.cpu - w.last.cpu, wall: now.at.Sub(w.last.at), wakeups: now.wakeups - w.last.wakeups}
	if w.rec == nil {
		p.n, p.over = now.seen-w.last.seen, p.wall // the timer was late, perhaps
	}
	w.last = now
	w.add(w.from, &p)
}

// merge adds a stretch to the whole.
func (w *watcher) merge(q *stretch) {
	if q.service.n == 0 {
		return
	}
	var p point
	p.take(q)
	w.add(time.Duration(q.first)*w.step, &p)
	w.rec.total.merge(q)
}

// add adds the point of the step that began at from to the series, and to what is told.
func (w *watcher) add(from time.Duration, p *point) {
	if w.s.watch.Progress != nil {
		w.since.merge(p.clone())
	}
	// By its middle: a whole number of steps is an interval but for some ns.
	w.series.at(from + w.step/2).merge(p)
}

// tell calls Progress, if it is time for it.
func (w *watcher) tell() {
	h := w.s.watch
	if h.Progress == nil || h.Every <= 0 || w.from-w.told+w.step/2 < h.Every {
		return
	}
	p := Progress{Phase: "measure", Elapsed: w.from, Interval: w.since.interval(w.told, w.from, w.s.cfg.Rate)}
	if w.s.phase.load() >= stopping {
		p.Phase = "stop"
	}
	if w.rec != nil {
		p.Done, p.SoFar = w.rec.total.service.n, w.rec.total.service.Summary(w.s.cfg.Percentiles...)
	} else {
		p.Done = w.series.operations()
	}
	w.told, w.since = w.from, point{}
	h.Progress(p)
}

// stop ends the watcher. Nothing is told any more.
func (w *watcher) stop() {
	close(w.quit)
	<-w.gone
	if !w.start.IsZero() {
		w.host()
	}
}

// rest collects what is left when nothing is recorded any more.
func (w *watcher) rest() {
	if w.rec == nil {
		return
	}
	if q := w.rec.full.Load(); q != nil {
		w.merge(q)
	}
	w.merge(w.rec.cur)
}

// report fills in the series and the histograms.
func (w *watcher) report(r *Report) {
	r.Series = w.series.intervals(time.Duration(r.Results.Elapsed), w.s.cfg.Rate)
	if w.rec == nil {
		return
	}
	if r.Histograms == nil {
		r.Histograms = map[string]*Hist{}
	}
	r.Histograms["service"] = w.rec.total.service
	if h := w.rec.total.response; h != nil {
		r.Histograms["response"] = h
	}
}
