package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
)

// profiler is the profile command of one workload.
type profiler struct {
	workload func() *cobra.Command
	dir      string
	kinds    []string
	top      int

	stderr io.Writer
	quiet  bool
	plain  *result.File
	again  *result.File // the same at the end: what differs is noise
	taken  []taken
}

// taken is a run with a profile.
type taken struct {
	kind kind
	file *result.File
}

// kind is a kind of profile.
type kind struct {
	name, file, flag string
	extra            []string // further flags of its run
}

// A trace is for looking at single events, and is megabytes a second.
var kinds = []kind{
	{"cpu", "cpu.pb.gz", "cpuprofile", nil},
	{"heap", "heap.pb.gz", "memprofile", nil},
	{"mutex", "mutex.pb.gz", "mutexprofile", nil},
	{"block", "block.pb.gz", "blockprofile", nil},
	{"goroutine", "goroutine.pb.gz", "goroutineprofile", nil},
	{"trace", "trace.out", "trace", []string{"--duration=100ms"}},
}

// Flags of the workloads that profile refuses.
var (
	ownFlags  = slices.Concat(profileFlags, []string{"pprof-addr", "flight", "trace-breach"})
	gateFlags = []string{"fail-if", "save", "baseline", "store"}
)

const defaultProfileDir = "evdbench-profiles"

func newProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "Profile a workload, and say what each profile cost",
		Long: `profile runs a workload several times: once plainly, for the figures, and once for
each kind of profile, so that no profile contains the cost of another and no figure
that of a profile. The workload's flags are those of lat, bw and wake.

The profiles go to --out as cpu.pb.gz, heap.pb.gz, mutex.pb.gz, block.pb.gz,
goroutine.pb.gz and trace.out. The report of the plain run is printed, then how much
slower each profile made the run, and the functions that took the most time by stage.

Goroutines are labelled: evd=poller, worker, producer or device, name= whose it is,
phase=warm-up, measure or stop, and rep=. So

  go tool pprof -tagfocus evd=poller -tagfocus phase=measure DIR/cpu.pb.gz

looks at the pollers, once the warm-up is over. (CPU and goroutine profiles have labels,
the others do not: the runtime keeps none there.)`,
		Example: `  evdbench profile lat --mode event
  evdbench profile bw --posters 2 --out profiles --kinds cpu,mutex`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return noCommand(cmd) },
	}
	for _, workload := range []func() *cobra.Command{newLat, newBW, newWake} {
		cmd.AddCommand(newProfiler(workload))
	}
	return cmd
}

// newProfiler makes the command that profiles a workload out of that which runs it.
func newProfiler(workload func() *cobra.Command) *cobra.Command {
	p := &profiler{workload: workload}
	cmd := workload()
	f := cmd.Flags()
	for _, name := range slices.Concat(ownFlags, gateFlags) {
		if x := f.Lookup(name); x != nil {
			x.Hidden = true // refused
		}
	}
	f.Lookup("out").Usage = "write the profiles into this folder, which is made (default " + defaultProfileDir + ")"
	p.top = 5
	grouped(f, groupProfile, func() {
		f.Var(profileKinds{&p.kinds}, "kinds", "which profiles, of "+kindNames()+" (default all)")
		f.Var(natural{&p.top, 1, 1000}, "top", "how many functions to list of each stage (default 5)")
	})
	cmd.Example = "  evdbench profile " + cmd.Name()
	cmd.Short = "Profile " + cmd.Name() + ", and say what each profile cost"
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.run(cmd) }
	return cmd
}

func kindNames() string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return strings.Join(names, ",")
}

// profileKinds is a list of kinds.
type profileKinds struct{ v *[]string }

func (k profileKinds) String() string {
	if k.v == nil {
		return ""
	}
	return strings.Join(*k.v, ",")
}
func (k profileKinds) Type() string { return "list" }

func (k profileKinds) Set(s string) error {
	var got []string
	for _, name := range strings.Split(s, ",") {
		if !slices.ContainsFunc(kinds, func(k kind) bool { return k.name == name }) {
			return errors.New("must be one or more of " + kindNames())
		}
		got = append(got, name)
	}
	*k.v = got
	return nil
}

func (p *profiler) run(cmd *cobra.Command) error {
	f := cmd.Flags()
	const itself = "which takes profiles itself"
	for _, x := range []struct {
		names []string
		why   string
	}{{ownFlags, itself}, {gateFlags, "whose figures are no measure"}} {
		for _, name := range x.names {
			if f.Changed(name) && (x.why == itself || given(f, name)) {
				return fmt.Errorf("--%s = %v: must be left out with profile, %s", name, f.Lookup(name).Value, x.why)
			}
		}
	}
	p.stderr = cmd.ErrOrStderr()
	if dry := f.Lookup("dry-run"); dry.Changed {
		return p.once(cmd.Context(), cmd.OutOrStdout(), append(p.args(cmd), "--dry-run"))
	}
	if p.dir = f.Lookup("out").Value.String(); p.dir == "" {
		p.dir = defaultProfileDir
	}
	if err := os.MkdirAll(p.dir, 0o777); err != nil {
		return &statusError{exitUnavailable, fmt.Errorf("--out = %q: %w", p.dir, err)}
	}
	p.quiet, _ = f.GetBool("quiet")
	args := append(p.args(cmd), "--quiet", "--output=json")
	var err error
	if p.plain, err = p.result(cmd.Context(), "plain", args); p.plain != nil {
		// The report comes, whatever becomes of the profiles.
		if werr := render.Write(cmd.OutOrStdout(), p.output(f), p.plain); err == nil {
			err = failed(werr)
		}
	}
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if p.kinds != nil && !slices.Contains(p.kinds, k.name) {
			continue
		}
		more := []string{"--" + k.flag + "=" + filepath.Join(p.dir, k.file)}
		if !f.Changed("peer") && !f.Changed("peer-listen") { // with a peer both sides have the same count
			more = append(more, k.extra...)
		}
		file, err := p.result(cmd.Context(), k.name, slices.Concat(args, more))
		if err != nil {
			return err
		}
		p.taken = append(p.taken, taken{k, file})
	}
	if p.again, err = p.result(cmd.Context(), "plain again", args); err != nil {
		return err
	}
	if p.output(f) != "text" {
		return nil
	}
	return failed(p.write(cmd.OutOrStdout()))
}

func (p *profiler) output(f *pflag.FlagSet) string { return f.Lookup("output").Value.String() }

// args are those of each run: the flags that say what is run.
func (p *profiler) args(cmd *cobra.Command) (args []string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch groupOf(f) {
		case groupOutput, groupConfig, groupProfile, groupGate:
			return
		}
		for _, v := range valuesOf(f) {
			args = append(args, "--"+f.Name+"="+v)
		}
	})
	return args
}

// result runs the workload once. There may be a result beside an error.
func (p *profiler) result(ctx context.Context, what string, args []string) (*result.File, error) {
	if !p.quiet {
		fmt.Fprintf(p.stderr, "evdbench: profile: %s\n", what)
	}
	var out bytes.Buffer
	err := p.once(ctx, &out, args)
	if out.Len() == 0 {
		return nil, err
	}
	file, rerr := result.Read(&out)
	if err == nil {
		err = failed(rerr)
	}
	return file, err
}

// once runs the workload's own command, whose settings are known by now.
func (p *profiler) once(ctx context.Context, out io.Writer, args []string) error {
	cmd := p.workload()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(p.stderr)
	return cmd.ExecuteContext(ctx)
}

// pace is the figure that a profile's cost is judged by: the median of the latency, or
// the time an event takes; the middle one of the repetitions.
func pace(f *result.File) (ns float64) {
	var all []float64
	for _, r := range f.Reps {
		ns := r.Results.PerOp
		if l := r.Results.Latency; l != nil {
			ns = l.Mean
			for _, q := range l.Percentiles {
				if q.P == 50 && q.Nanos != nil {
					ns = float64(*q.Nanos)
				}
			}
		}
		all = append(all, ns)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// unit is what pace is of.
func unit(f *result.File) string {
	if f.Reps[0].Config.Workload == bench.BW {
		return "ns an event"
	}
	return "ns, median"
}
