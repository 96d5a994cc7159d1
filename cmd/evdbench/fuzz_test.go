package main

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/engine"
)

// configOf reads the configuration of lat or bw back from their flags.
func configOf(workload string, f *pflag.FlagSet) bench.Config {
	c := bench.Config{Workload: workload}
	f.VisitAll(func(fl *pflag.Flag) {
		switch v := fl.Value.(type) {
		case choice:
			field(&c, fl.Name, *v.v)
		case text:
			field(&c, fl.Name, *v.v)
		case natural:
			field(&c, fl.Name, *v.v)
		case count:
			field(&c, fl.Name, *v.v)
		case seed:
			field(&c, fl.Name, *v.v)
		case positive:
			field(&c, fl.Name, *v.v)
		case span:
			field(&c, fl.Name, *v.v)
		default:
			if fl.Name == "oneway" {
				c.OneWay = fl.Value.String() == "true"
			}
		}
	})
	return c
}

// field sets the field of that JSON name, if there is one.
func field(c *bench.Config, name string, value any) {
	name = strings.ReplaceAll(name, "-", "_")
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("json")
		if tag == name || tag == name+"_ns" {
			v.Field(i).Set(reflect.ValueOf(value))
		}
	}
}

// idle replaces what the commands do by a check of what they would do it with.
func idle(t *testing.T, c *cobra.Command) {
	for _, sub := range c.Commands() {
		idle(t, sub)
	}
	switch c.Name() {
	case "lat", "bw":
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			return failed(configOf(cmd.Name(), cmd.Flags()).Validate())
		}
	case "up", "down":
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			l := link{addr: "10.99.0.1/24"}
			for name, v := range map[string]*string{"dev": &l.dev, "netdev": &l.netdev, "addr": &l.addr} {
				if fl := cmd.Flags().Lookup(name); fl != nil {
					*v = fl.Value.String()
				}
			}
			return failed(l.validate())
		}
	case "version", "explain":
	default: // whatever it is, it would do something
		if c.RunE != nil && !c.HasSubCommands() && (c.Parent() == nil || c.Parent().Name() != "completion") {
			c.RunE = func(*cobra.Command, []string) error { return nil }
		}
	}
}

// FuzzArguments gives evdbench any arguments, one a line: it understands them,
// or says what is wrong with which, and what is allowed.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		"", "lat", "bw", "cqs", "version", "rxe up", "rxe down --netdev dummy1", "nonsense", "lat extra", "lat --nonsense",
		"lat --depth 0", "lat --depth=5000000 --batch 16 --budget 8", "lat --count 999999999G --warmup -1s",
		"lat --spin auto --mode event", "lat --stall 1ms -o json -q", "lat --cq rxe --peer h:1 --peer-listen :1 --count 5",
		"bw --posters 2 --flip 3 --outstanding 64 --cq mock --mode spin --dispatch queued", "bw --cq rxe --outstanding 600",
		"lat --service lognormal:1us,NaN", "lat --service script:1us,5us,", "lat --pingpong --oneway", "lat --seed 18446744073709551616",
		"rxe up --dev . --addr x", "help lat", "explain p99", "explain nonsense", "man x", "lat --mdoe spin", "completion bash", "__complete lat --cq ", "--help", "-", "--", "lat -- x", "lat -qo", "lat --=", "lat --service=\xff",
	} {
		f.Add(strings.ReplaceAll(s, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, lines string) {
		var out, errs bytes.Buffer
		root := newRoot(&out, &errs)
		idle(t, root)
		args := strings.Split(lines, "\n")
		root.SetArgs(args)
		cmd, err := root.ExecuteContextC(context.Background())
		if err == nil {
			return
		}
		status := explain(&errs, cmd, err)
		said := errs.String()
		if status != exitUsage || !strings.Contains(said, "--help lists the flags") || !strings.Contains(said, "evdbench") {
			t.Fatalf("%q: status %d: %s", args, status, said)
		}
		for _, e := range split(unwrapped(err)) {
			var p *engine.ParamError
			if errors.As(e, &p) && (cmd.Flags().Lookup(p.Param) == nil || p.Allowed == "") {
				t.Fatalf("%q: no flag %q, or nothing allowed: %v", args, p.Param, e)
			}
		}
	})
}

func unwrapped(err error) error {
	var se *statusError
	if errors.As(err, &se) {
		return se.err
	}
	return err
}

// FuzzValues gives the flags' values any text: what they accept they can say,
// and what they say they accept.
func FuzzValues(f *testing.F) {
	for _, s := range []string{
		"", "0", "1", "-1", "250k", "10M", "140737488355328", "140737488355329", "999999999G", "18446744073709551615", "99999999999999999999",
		"100ms", "0s", "-1s", "1.5us", "2562047h47m16.854775807s", "auto", "spin", " 1", "+1", "0x10", "1_000", "1e3", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var n, bounded int
		var word, kind string
		var ops, number uint64
		var d, spin time.Duration
		var w bench.Span
		for name, v := range map[string]pflag.Value{
			"natural": natural{v: &n}, "bounded": natural{&bounded, 1, 1024}, "text": text{&word, "file"},
			"count": count{&ops, 1}, "seed": seed{&number}, "positive": positive{v: &d}, "spin": positive{&spin, "auto"},
			"span": span{&w}, "choice": choice{&kind, []string{"spin", "event"}},
		} {
			before := v.String()
			if v.Type() == "" {
				t.Fatalf("%s has no type", name)
			}
			if err := v.Set(s); err != nil {
				if !strings.Contains(err.Error(), "must be") || v.String() != before {
					t.Fatalf("%s %q: %v, and it is %q now", name, s, err, v)
				}
				continue
			}
			said := v.String()
			if said == "" { // a zero, which the help text leaves out
				continue
			}
			if err := v.Set(said); err != nil || v.String() != said {
				t.Fatalf("%s %q: says %q, and that is %v, %q", name, s, said, err, v)
			}
		}
		if n < 0 || bounded < 0 || bounded > 1024 || ops > maxCount || d < 0 || spin < 0 || w.Time < 0 || w.Count > maxCount {
			t.Fatalf("%q: %d %d %d %v %v %+v", s, n, bounded, ops, d, spin, w)
		}
	})
}
