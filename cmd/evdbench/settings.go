package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench/presets"
)

// Settings are what the flags of commands that measure are set to. They come from
// the command line, the environment, a file and a preset: the first one that has a
// flag decides. All is generic: a flag takes part because it exists, and a command
// because it has --config.

// envPrefix begins the names of the variables that stand for flags.
const envPrefix = "EVDBENCH_"

// fromKey is the annotation of a flag that says where its value is from, if not from
// the command line.
const fromKey = "evdbench_from"

// given tells whether a flag is on the command line: what other sources say of it may be
// meant for other commands.
func given(f *pflag.FlagSet, name string) bool {
	x := f.Lookup(name)
	return x != nil && x.Changed && len(x.Annotations[fromKey]) == 0
}

// configFlags say where settings come from, and are none themselves.
var configFlags = []string{"config", "preset", "dump-config", "dry-run", "help"}

// setting is what a source wants a flag to be.
type setting struct {
	name   string
	values []string // one, or all of a flag that may be repeated
	from   string
}

// config is the part of a command's flags that is about the others.
type config struct {
	file, preset string
	dump, dry    bool
}

func (c *config) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(text{&c.preset, "name"}, "preset", "start from a saved set of flags: "+strings.Join(presets.Names(), ", "))
	f.Var(text{&c.file, "file"}, "config", "read flags from this TOML file, or from a result (JSON): the run is repeated")
	f.BoolVar(&c.dump, "dump-config", false, "write all settings as TOML, for --config, and run nothing")
	f.BoolVar(&c.dry, "dry-run", false, "say what would be run, and run nothing")
	_ = cmd.RegisterFlagCompletionFunc("preset", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, name := range presets.Names() {
			all = append(all, name+"\t"+presets.About(name))
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	})
}

// configurable tells whether settings of c come from elsewhere than its command line.
func configurable(c *cobra.Command) bool { return c.Flags().Lookup("config") != nil }

// configured makes c, if it is one, read its settings before it runs.
func configured(c *cobra.Command) {
	run := c.RunE
	if run == nil || !configurable(c) {
		return
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Context().Value(onlyKey{}) != nil {
			return run(cmd, args)
		}
		if err := configure(cmd, os.Environ()); err != nil {
			return err
		}
		if on, _ := cmd.Flags().GetBool("dump-config"); on && !inTurns() {
			return failed(dump(cmd.OutOrStdout(), cmd))
		}
		return run(cmd, args)
	}
}

type onlyKey struct{}

// commandLineOnly is for a run inside another one, which has settled all settings.
func commandLineOnly(ctx context.Context) context.Context {
	return context.WithValue(ctx, onlyKey{}, true)
}

// configure sets the flags that the command line has left alone.
func configure(cmd *cobra.Command, environ []string) error {
	f := cmd.Flags()
	env, err := fromEnvironment(cmd, environ)
	if err != nil {
		return err
	}
	if err := apply(cmd, env); err != nil {
		return err
	}
	if file := f.Lookup("config"); file.Changed {
		name := file.Value.String()
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("--config = %q: %w", name, err)
		}
		s, err := fromFile(cmd, name, b)
		if err != nil {
			return err
		}
		if err := apply(cmd, s); err != nil {
			return err
		}
	}
	if preset := f.Lookup("preset"); preset.Changed {
		name := preset.Value.String()
		b, err := presets.Read(name)
		if err != nil {
			return errors.New("--" + err.Error() + alike(name, presets.Names(), ""))
		}
		s, err := fromFile(cmd, "preset "+name, b)
		if err != nil {
			return err
		}
		return apply(cmd, s)
	}
	return nil
}

// apply sets those flags that nothing has set before.
func apply(cmd *cobra.Command, settings []setting) error {
	f := cmd.Flags()
	var errs []error
	for _, s := range settings {
		flag := f.Lookup(s.name)
		if flag == nil || flag.Changed {
			continue
		}
		for _, v := range s.values {
			if err := f.Set(s.name, v); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", s.from, flagError(cmd, err)))
				break
			}
		}
		_ = f.SetAnnotation(s.name, fromKey, []string{s.from})
	}
	return errors.Join(errs...)
}

// fromEnvironment reads the variables. One that stands for no flag of any such
// command is a mistake; an empty one is as good as none.
func fromEnvironment(cmd *cobra.Command, environ []string) ([]setting, error) {
	flags := everySetting(cmd.Root())
	byVar := map[string]string{}
	for _, name := range flags {
		byVar[variable(name)] = name
	}
	var all []setting
	var errs []error
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(key, envPrefix) || value == "" {
			continue
		}
		name, ok := byVar[key]
		if !ok {
			vars := make([]string, len(flags))
			for i, n := range flags {
				vars[i] = variable(n)
			}
			errs = append(errs, fmt.Errorf("environment: %s stands for no flag%s", key, alike(key, vars, "")))
			continue
		}
		values := []string{value}
		if flag := cmd.Flags().Lookup(name); flag != nil && repeatable(flag) {
			values = strings.Split(value, "\n")
		}
		all = append(all, setting{name, values, "environment, " + key})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all, errors.Join(errs...)
}

// variable is the name of the variable for a flag.
func variable(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// everyFlag lists the flags of c and all commands below it, sorted.
func everyFlag(c *cobra.Command) []string {
	return flagsOf(c, func(*cobra.Command) bool { return true })
}

// everySetting lists those of commands whose settings come from elsewhere too.
func everySetting(c *cobra.Command) []string { return flagsOf(c, configurable) }

func flagsOf(c *cobra.Command, which func(*cobra.Command) bool) []string {
	var names []string
	each(c, func(c *cobra.Command) {
		if c.Name() == "completion" || c.HasParent() && c.Parent().Name() == "completion" || c.Name() == "help" || !which(c) {
			return
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !f.Hidden {
				names = append(names, f.Name)
			}
		})
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// repeatable tells whether each use of a flag adds to it.
func repeatable(f *pflag.Flag) bool {
	_, ok := f.Value.(pflag.SliceValue)
	return ok
}

// settings are the flags that were given, wherever, and that the measurement
// depends on: not where its result goes, what it must pass, or what is profiled beside it. Values of
// a repeatable flag are one a line.
func settings(f *pflag.FlagSet) map[string]string {
	m := map[string]string{}
	f.Visit(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		switch groupOf(f) {
		case groupOutput, groupConfig, groupProfile, groupGate:
			return
		}
		m[f.Name] = strings.Join(valuesOf(f), "\n")
	})
	return m
}

func valuesOf(f *pflag.Flag) []string {
	if s, ok := f.Value.(pflag.SliceValue); ok {
		return s.GetSlice()
	}
	return []string{f.Value.String()}
}
