//go:build linux && (amd64 || arm64)

package main

import (
	"context"
	"fmt"
	"io"
)

// contest is something that several programs do. In each round everybody has a turn, so
// that what slows the whole machine for a while slows all of them, and what is compared
// are the figures of one round.
type contest struct {
	name    string
	unit    string // of the figures
	rounds  int
	parties []*party
	goals   []goal
}

// party is one who takes part.
type party struct {
	name  string
	note  string                                     // what is to be known of its figures
	run   func(ctx context.Context) (float64, error) // a turn
	turns map[int]float64                            // by round; one that failed is not there
	fails []string                                   // what is known of those
}

// mostFailures is how often a party may fail before it is left out.
const mostFailures = 3

// run is a round: a turn for each, beginning with another one each time.
func (c *contest) run(ctx context.Context, n int, progress io.Writer) error {
	line := fmt.Sprintf("%s %d:", c.name, n+1)
	for k := range c.parties {
		p := c.parties[(n+k)%len(c.parties)]
		if len(p.fails) >= mostFailures {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := p.run(ctx)
		if err != nil {
			p.fails = append(p.fails, err.Error())
			fmt.Fprintf(progress, "%s, %s, round %d FAILED: %v\n", c.name, p.name, n+1, err)
			continue
		}
		if p.turns == nil {
			p.turns = map[int]float64{}
		}
		p.turns[n] = v
		line += fmt.Sprintf("  %s %.4g", p.name, v)
	}
	fmt.Fprintln(progress, line)
	return nil
}

// figures are those of a party, in order of time.
func (c *contest) figures(p *party) (v []float64) {
	for n := range c.rounds {
		if x, there := p.turns[n]; there {
			v = append(v, x)
		}
	}
	return v
}

// ratios are a's figures divided by b's of the same round.
func (c *contest) ratios(a, b *party) (v []float64) {
	for n := range c.rounds {
		x, first := a.turns[n]
		y, second := b.turns[n]
		if first && second {
			v = append(v, x/y)
		}
	}
	return v
}

// party by name; nil if it does not take part.
func (c *contest) party(name string) *party {
	for _, p := range c.parties {
		if p.name == name {
			return p
		}
	}
	return nil
}
