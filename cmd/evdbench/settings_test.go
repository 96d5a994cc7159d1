package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/presets"
)

// command is one that may be configured, with its flags parsed.
func command(t testing.TB, name string, args ...string) *cobra.Command {
	t.Helper()
	cmd, _, err := newRoot(io.Discard, io.Discard).Find(strings.Fields(name))
	require.NoError(t, err)
	require.NoError(t, cmd.ParseFlags(args))
	return cmd
}

// Every preset is for lat and bw, and says something about both.
func TestPresets(t *testing.T) {
	for _, name := range presets.Names() {
		b, err := presets.Read(name)
		require.NoError(t, err)
		assert.NotEmpty(t, presets.About(name), name)
		assert.LessOrEqual(t, len(presets.About(name)), 90, name)
		for _, c := range []string{"lat", "bw"} {
			s, err := fromFile(command(t, c), name, b)
			require.NoError(t, err)
			assert.NotEmpty(t, s, "%s of %s", name, c)
		}
	}
	_, err := presets.Read("none")
	assert.ErrorContains(t, err, `preset = "none": must be one of ci-quick, `)
}

// Each flag of each command that has settings can be set by a file and by a
// variable as by the command line, and its value is taken back as it is said.
func TestEveryFlagRoundTrips(t *testing.T) {
	// What flags take that the words of their kind do not tell.
	samples := map[string]string{
		"time": "123ms", "time|n": "17", "n": "3", "bool": "true", "file": "x", "folder": "x", "device": "rxe0", "HOST:PORT": "h:1",
		"[HOST]:PORT": ":1", "distribution": "const:5us", "key=value": "a=b", "name": "ci-quick", "list": "cpu", "condition": "p99>5us",
		"n/s": "200k", "p,p,..": "50,99.9", "form": "const", "script": "lose=3", "handler": "noop", "policy": "fifo:1", "p": "0.01", "cpus": "0-1", "setting": "off", "who=cpus,..": "poller=0",
	}
	everyCommand(func(c *cobra.Command) {
		if !configurable(c) {
			return
		}
		_, path, _ := strings.Cut(c.CommandPath(), " ")
		line, env, again := command(t, path), command(t, path), command(t, path)
		var vars, names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if groupOf(f) == groupConfig || f.Hidden {
				return
			}
			value, ok := samples[f.Value.Type()]
			if !ok {
				value, _, _ = strings.Cut(f.Value.Type(), "|")
			}
			if assert.NoError(t, line.Flags().Set(f.Name, value), "--%s %s: give its kind %q a sample", f.Name, value, f.Value.Type()) {
				vars = append(vars, variable(f.Name)+"="+value)
				names = append(names, f.Name)
			}
		})
		require.NoError(t, configure(env, vars))
		var b strings.Builder
		require.NoError(t, dump(&b, line))
		s, err := fromFile(again, "dump", []byte(b.String()))
		require.NoError(t, err, b.String())
		require.NoError(t, apply(again, s))
		assert.Equal(t, settings(line.Flags()), settings(env.Flags()), path)
		assert.Equal(t, settings(line.Flags()), settings(again.Flags()), path)
		for _, name := range names { // those that are no settings of a result, too
			want := valuesOf(line.Flags().Lookup(name))
			assert.Equal(t, want, valuesOf(env.Flags().Lookup(name)), "%s --%s", path, name)
			assert.Equal(t, want, valuesOf(again.Flags().Lookup(name)), "%s --%s", path, name)
		}
	})
}

func TestVariables(t *testing.T) {
	assert.Equal(t, "EVDBENCH_MAX_LAG", variable("max-lag"))
	cmd := command(t, "lat")
	require.NoError(t, configure(cmd, []string{"EVDBENCH_FLIP=3", "EVDBENCH_SEED=", "HOME=/"}), "of another command, empty, or not ours")
	assert.Empty(t, settings(cmd.Flags()))
	assert.ErrorContains(t, configure(cmd, []string{"EVDBENCH_NETDEV=x"}), "EVDBENCH_NETDEV stands for no flag", "of no command that measures")
}

// FuzzConfig gives evdbench any file: it understands it, or says what is wrong where.
func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		"", "mode = 'spin'", "batch = 3\n[bw]\noutstanding = 7", "[lat", "x = 1", "[rxe.up]\ndev = 'a'", "[rxe]\ndev = 'a'", "a.b.c = 1", "bw.outstanding = 2",
		"tag = ['a=b', 'c=d']", "tag = [1, [2]]", "spin = 1.5", "[[bw]]\nbatch = 1", "bw = {outstanding = 3}", "mode = inf", "seed = 0x10", "\"mode\" = 'spin'", "{", `{"schema": 2, "settings": {"seed": "3"}}`,
		"batch = 1\nbatch = 2", "''=1", "mode = 2020-01-01", "help = true", "\xff",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cmd := command(t, "bw")
		s, err := fromFile(cmd, "FILE", []byte(text))
		if err == nil {
			err = apply(cmd, s)
		}
		if err == nil {
			var b strings.Builder
			if err := dump(&b, cmd); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for line := range strings.Lines(err.Error()) {
			if strings.HasPrefix(line, "FILE") {
				return
			}
		}
		t.Fatalf("%q: %v", text, err)
	})
}
