package turns

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/evdengine/evd/bench/stats"
)

// Arm is one side of a comparison: a program that takes turns with these arguments.
type Arm struct {
	Name string   `json:"name"`
	Path string   `json:"path"`
	Args []string `json:"args"`
}

// Config of a Session.
type Config struct {
	Arms    []Arm // the first is what the others are compared with
	Rounds  int   // turns of each process in a block
	Measure time.Duration
	Warmup  time.Duration
	Rand    *rand.Rand // for the order
}

// Session runs blocks.
//
// Concurrency: one goroutine at a time.
type Session struct {
	Config
	Hellos  []Hello // of each arm, once a block was run
	Turns   int     // in all
	Invalid int     // turns whose figures were not used
	Why     string  // the first of them
}

// Turn is what a process has measured in a turn; nil: nothing that may be used.
type Turn []stats.Metric

// Block is by round, arm and copy.
type Block [][][stats.Copies]Turn

// ArmError says which side an error is of.
type ArmError struct {
	Arm Arm
	Err error
}

func (e *ArmError) Error() string { return e.Arm.Name + ": " + e.Err.Error() }
func (e *ArmError) Unwrap() error { return e.Err }

// ErrLost is matched by errors about a run that lost an event, or had one twice.
var ErrLost = errors.New("conservation violated")

// Block starts fresh processes and lets them take turns. It returns the error of ctx
// when that ends.
func (s *Session) Block(ctx context.Context) (Block, error) {
	type seat struct {
		arm, copy int
		p         *process
	}
	var seats []seat
	defer func() {
		for _, x := range seats {
			_ = x.p.close()
		}
	}()
	// One after the other: two that calibrate their clocks at the same time disturb
	// each other.
	for i, a := range s.Arms {
		for c := range stats.Copies {
			p, err := start(ctx, a)
			if err != nil {
				return nil, s.explain(ctx, a, err)
			}
			seats = append(seats, seat{i, c, p})
			if len(s.Hellos) == i {
				s.Hellos = append(s.Hellos, p.hello)
			}
		}
	}
	b := make(Block, s.Rounds)
	for r := range b {
		b[r] = make([][stats.Copies]Turn, len(s.Arms))
		for _, k := range s.Rand.Perm(len(seats)) {
			x := seats[k]
			t, err := s.turn(x.p)
			if err != nil {
				return nil, s.explain(ctx, s.Arms[x.arm], err)
			}
			b[r][x.arm][x.copy] = t
		}
	}
	return b, nil
}

func (s *Session) turn(p *process) (Turn, error) {
	r, err := p.turn(Order{s.Measure, s.Warmup})
	if err != nil {
		return nil, err
	}
	s.Turns++
	switch {
	case r.Interrupted:
		return nil, context.Canceled
	case len(r.Violations) > 0:
		return nil, fmt.Errorf("%w: %s", ErrLost, r.Violations[0])
	case len(r.Invalid) > 0:
		if s.Invalid++; s.Invalid == 1 {
			s.Why = r.Invalid[0]
		}
		return nil, nil
	}
	return r.Metrics, nil
}

func (s *Session) explain(ctx context.Context, a Arm, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &ArmError{a, err}
}

// Metric are the values of one metric in a block.
func (b Block) Metric(name string) stats.Block {
	out := make(stats.Block, len(b))
	for r := range b {
		out[r] = make([][stats.Copies]float64, len(b[r]))
		for a := range b[r] {
			for c, t := range b[r][a] {
				out[r][a][c] = math.NaN()
				if m, ok := stats.Find(t, name); ok {
					out[r][a][c] = m.Value
				}
			}
		}
	}
	return out
}

// Metrics are those that every turn has, in order; their values mean nothing.
func (b Block) Metrics() []stats.Metric {
	var all []stats.Metric
	first := true
	for _, r := range b {
		for _, a := range r {
			for _, t := range a {
				if t == nil {
					continue
				}
				if first {
					all, first = append(all, t...), false
					continue
				}
				kept := all[:0]
				for _, m := range all {
					if _, ok := stats.Find(t, m.Name); ok {
						kept = append(kept, m)
					}
				}
				all = kept
			}
		}
	}
	return all
}

// Complete tells whether every turn that may be used has a figure for the metric.
func (b Block) Complete(name string) bool {
	for _, r := range b {
		for _, a := range r {
			for _, t := range a {
				if m, ok := stats.Find(t, name); t != nil && !(ok && m.Known()) {
					return false
				}
			}
		}
	}
	return true
}
