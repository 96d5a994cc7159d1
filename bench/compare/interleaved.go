package compare

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/evdengine/evd/bench/stats"
	"github.com/evdengine/evd/bench/turns"
	"github.com/evdengine/evd/internal/param"
)

// Options of a comparison. The zero value of a field means its default.
type Options struct {
	Metric     string  // the one that decides; "": see Primary
	Effect     float64 // a relative difference that matters; 0: see stats.Effect
	Confidence float64 // of the verdict; 0: 0.99

	// Of interleaved comparisons.
	MaxReps int           // blocks at most; 0: 60
	MaxTime time.Duration // no block begins after; 0: 10 minutes
	Rounds  int           // turns of each process in a block; 0: 6
	Turn    time.Duration // measured time of a turn; 0: 25 ms
	Warmup  time.Duration // of a turn; 0: 5 ms
	Seed    uint64        // of the order; 0: any
	Told    func(Progress)
}

// Defaults.
const (
	DefaultConfidence = 0.99
	DefaultMaxReps    = 60
	DefaultMaxTime    = 10 * time.Minute
	DefaultRounds     = 6
	DefaultTurn       = 25 * time.Millisecond
	DefaultWarmup     = 5 * time.Millisecond
	mostReps          = 1000
)

// Progress of an interleaved comparison, after each block.
type Progress struct {
	Blocks, Most int
	Elapsed      time.Duration
	Looked       []stats.Judgement // of the primary metric, by side; nil: no look was due
}

func (o Options) withDefaults() Options {
	def(&o.Confidence, DefaultConfidence)
	def(&o.MaxReps, DefaultMaxReps)
	def(&o.MaxTime, DefaultMaxTime)
	def(&o.Rounds, DefaultRounds)
	def(&o.Turn, DefaultTurn)
	def(&o.Warmup, DefaultWarmup)
	for o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if o.Told == nil {
		o.Told = func(Progress) {}
	}
	return o
}

func def[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate returns what is wrong with the options. The parameters are named as
// evdbench's flags.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	bad := func(name string, value any, allowed string) {
		errs = append(errs, param.Invalid("compare", name, value, allowed))
	}
	if o.Metric != "" {
		if err := stats.Check(o.Metric); err != nil {
			bad("metric", o.Metric, err.Error()[len("must be "):])
		}
	}
	if !(o.Effect >= 0 && o.Effect <= 10) {
		bad("effect", fmt.Sprintf("%g %%", 100*o.Effect), "more than 0 and at most 1000 %")
	}
	if !(o.Confidence >= 0.5 && o.Confidence <= 0.9999) {
		bad("confidence", fmt.Sprintf("%g %%", 100*o.Confidence), "50 to 99.99 %")
	} else if _, err := stats.NewPlan(o.Confidence, o.MaxReps); err != nil {
		bad("max-reps", o.MaxReps, err.Error()[len("must be "):])
	} else if o.MaxReps > mostReps {
		bad("max-reps", o.MaxReps, fmt.Sprintf("at most %d", mostReps))
	}
	if o.Rounds < 1 || o.Rounds > 1000 {
		bad("rounds", o.Rounds, "1..1000")
	}
	if o.Turn < time.Millisecond || o.Turn > time.Hour {
		bad("turn", o.Turn, "1ms to 1h")
	}
	if o.Warmup < 0 || o.Warmup > time.Hour {
		bad("turn-warmup", o.Warmup, "at most 1h")
	}
	return errors.Join(errs...)
}

// tooInvalid is the share of invalid turns with which nothing can be said.
const tooInvalid = 0.2

// ErrInvalid is matched by errors about runs whose figures must not be used.
var ErrInvalid = errors.New("invalid run")

// Interleaved lets the arms take turns until the primary metric has a verdict for
// each, or until o says to stop. A result comes beside the error of ctx too, with what
// there was until then; it is nil if that was nothing.
func Interleaved(ctx context.Context, arms []turns.Arm, o Options) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	plan, err := stats.NewPlan(o.Confidence, o.MaxReps)
	if err != nil {
		return nil, err
	}
	d := &duel{
		o: o, plan: plan, began: time.Now(),
		s: &turns.Session{Config: turns.Config{
			Arms: arms, Rounds: o.Rounds, Measure: o.Turn, Warmup: o.Warmup,
			Rand: rand.New(rand.NewPCG(o.Seed, 0)),
		}},
	}
	ended, err := d.run(ctx)
	if len(d.blocks) == 0 {
		return nil, err
	}
	return d.result(ended), err
}

// duel is an interleaved comparison.
type duel struct {
	o      Options
	plan   stats.Plan
	s      *turns.Session
	began  time.Time
	blocks []turns.Block
}

func (d *duel) run(ctx context.Context) (ended string, err error) {
	for {
		b, err := d.s.Block(ctx)
		if err != nil {
			return Interrupted, err
		}
		if len(d.blocks) == 0 {
			if err := d.first(ctx, &b); err != nil {
				return Interrupted, err
			}
		}
		d.blocks = append(d.blocks, b)
		if d.s.Turns > 100 && float64(d.s.Invalid) > tooInvalid*float64(d.s.Turns) {
			return Interrupted, fmt.Errorf("%w: %d of %d turns: %s", ErrInvalid, d.s.Invalid, d.s.Turns, d.s.Why)
		}
		n := len(d.blocks)
		p := Progress{Blocks: n, Most: d.plan.Most(), Elapsed: time.Since(d.began)}
		if d.plan.Due(n) {
			p.Looked = d.primary()
		}
		d.o.Told(p)
		switch {
		case p.Looked != nil && decided(p.Looked):
			return Decided, nil
		case n >= d.plan.Most():
			return OutOfReps, nil
		case p.Elapsed >= d.o.MaxTime:
			return OutOfTime, nil
		}
	}
}

func decided(js []stats.Judgement) bool {
	for _, j := range js {
		if j.Verdict == stats.Inconclusive {
			return false
		}
	}
	return true
}

// longestTurn is how long a turn is made where a metric needs many samples.
const longestTurn = 2 * time.Second

// first looks at the first block: is there the metric at all? A percentile may need
// longer turns than were asked for; the block is made again then.
func (d *duel) first(ctx context.Context, b *turns.Block) error {
	if d.o.Metric == "" {
		d.o.Metric = Primary(d.s.Hellos[0].Config.Workload)
	}
	d.o.Metric = stats.Canonical(d.o.Metric)
	for {
		m, ok := stats.Find(b.Metrics(), d.o.Metric)
		if !ok && len(b.Metrics()) == 0 && d.s.Invalid > 0 {
			return fmt.Errorf("%w: every turn of the first block: %s", ErrInvalid, d.s.Why)
		}
		if !ok {
			return param.Invalid("compare", "metric", d.o.Metric, "one that both sides measure here: "+names(b.Metrics()))
		}
		if b.Complete(m.Name) {
			return nil
		}
		if d.s.Measure *= 2; d.s.Measure > longestTurn {
			return param.Invalid("compare", "turn", d.o.Turn, fmt.Sprintf("longer: %s needs %d samples in each", m.Name, m.Needs))
		}
		var err error
		if *b, err = d.s.Block(ctx); err != nil {
			return err
		}
	}
}

func names(ms []stats.Metric) string {
	s := ""
	for i, m := range ms {
		if i > 0 {
			s += ", "
		}
		s += m.Name
	}
	return s
}

// primary judges the primary metric, for each side.
func (d *duel) primary() []stats.Judgement {
	m, _ := stats.Find(d.blocks[0].Metrics(), d.o.Metric)
	var js []stats.Judgement
	for arm := 1; arm < len(d.s.Arms); arm++ {
		js = append(js, d.judge(m, arm))
	}
	return js
}

func (d *duel) judge(m stats.Metric, arm int) stats.Judgement {
	blocks := make([]stats.Block, len(d.blocks))
	for i, b := range d.blocks {
		blocks[i] = b.Metric(m.Name)
	}
	return stats.Blocks(m, blocks, arm, d.plan.At(), stats.Effect(m.Name, d.o.Effect))
}

func (d *duel) result(ended string) *Result {
	r := &Result{
		Schema: Schema, Start: d.began.UTC(), Command: d.s.Hellos[0].Config.Workload,
		Primary: d.o.Metric, Confidence: d.plan.Confidence, Interval: d.plan.At(),
		Differences: []string{}, Warnings: []string{},
		Interleaved: &Course{
			Plan: d.plan, Blocks: len(d.blocks), Rounds: d.s.Rounds, Turn: d.s.Measure, Warmup: d.s.Warmup,
			Turns: d.s.Turns, Invalid: d.s.Invalid, Elapsed: time.Since(d.began), Seed: d.o.Seed, Ended: ended,
			Values: d.blocks,
		},
	}
	for i, a := range d.s.Arms {
		h := d.s.Hellos[i]
		r.Sides = append(r.Sides, Side{
			Name: a.Name, Source: a.Path, Args: a.Args, Version: h.Version,
			Reps: len(d.blocks), Config: h.Config, Env: h.Env,
		})
	}
	r.Differences = append(r.Differences, sideDifferences(r.Sides)...)
	metrics := d.blocks[0].Metrics()
	for arm := 1; arm < len(d.s.Arms); arm++ {
		c := Comparison{Side: d.s.Arms[arm].Name}
		for _, m := range metrics {
			c.Judgements = append(c.Judgements, d.judge(m, arm))
		}
		r.Comparisons = append(r.Comparisons, c)
	}
	if n := d.s.Invalid; n > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d of %d turns were invalid and are not used: %s", n, d.s.Turns, d.s.Why))
	}
	return r
}
