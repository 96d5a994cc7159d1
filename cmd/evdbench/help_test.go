package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/legend"
)

// everyCommand calls f with all commands of ours.
func everyCommand(f func(*cobra.Command)) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "completion" || c.Name() == "help" {
			return
		}
		f(c)
		for _, s := range c.Commands() {
			walk(s)
		}
	}
	walk(newRoot(io.Discard, io.Discard))
}

// Every command says what it does, in 80 columns, and each of its flags too.
func TestHelpOfAllCommands(t *testing.T) {
	everyCommand(func(c *cobra.Command) {
		var b bytes.Buffer
		require.Zero(t, run(t.Context(), append(strings.Fields(c.CommandPath())[1:], "--help"), &b, io.Discard), c.CommandPath())
		for line := range strings.Lines(b.String()) {
			line = strings.TrimRight(line, "\n")
			assert.LessOrEqual(t, len([]rune(line)), helpWidth, "%s: %s", c.CommandPath(), line)
			assert.Equal(t, strings.TrimRight(line, " "), line, "%s: spaces at the end: %q", c.CommandPath(), line)
		}
		assert.NotEmpty(t, c.Short, c.CommandPath())
		c.Flags().VisitAll(func(f *pflag.Flag) {
			assert.NotEmpty(t, f.Usage, "%s --%s", c.CommandPath(), f.Name)
			assert.NotEqual(t, f.Hidden, strings.Contains(b.String(), "--"+f.Name), "%s --%s", c.CommandPath(), f.Name)
		})
	})
}

// Commands that measure list their flags by group, and each flag has one.
func TestEveryFlagHasAGroup(t *testing.T) {
	everyCommand(func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			assert.True(t, f.Hidden || groupOf(f) != groupOther, "%s --%s has no group: see members", c.CommandPath(), f.Name)
		})
	})
}

// The names in members are flags.
func TestGroupsNameFlags(t *testing.T) {
	flags := everyFlag(newRoot(io.Discard, io.Discard))
	seen := map[string]string{}
	for group, names := range members {
		for _, name := range strings.Fields(names) {
			assert.Empty(t, seen[name], "%s is in two groups", name)
			seen[name] = group
			assert.True(t, name == "help" || slices.Contains(flags, name), "no command has --%s", name)
		}
	}
}

// printed is what evdbench prints in short runs, and what other packages have as
// golden files.
func printed(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, args := range []string{
		"lat --count 200 --warmup 10 --mode adaptive -q",
		"lat --count 200 --warmup 10 --mode event --oneway -q",
		"bw --count 2k --warmup 0 --posters 2 --flip 3 -q",
		"bw --count 2k --warmup 0 --mode spin --exclusive -q",
		"lat --count 200 --warmup 0 --stages -q",
		"lat --count 100 --warmup 0 --rate 20k --max-lag 10s --reps 2 -q",
		"wake --count 20 --warmup 0 -q",
		"jitter --duration 10ms -q",
		"sweep bw --mode event,spin --count 200 --warmup 0 -q",
		"sweep lat --mode adaptive,event --spin 5us --count 200 --warmup 0 -q",
		"sweep lat --mode event --duration 20ms --warmup 0 --max-lag 1m --from 1k --to 1k -q --find rate~where~resp.max<60s",
		"doctor",
		"cqs",
		"check --cq timer --short --duration 10ms",
		"lat --duration 150ms --warmup 0 --live 100ms",
		"lat --duration 150ms --warmup 0 --live 100ms --rate 1k --max-lag 10s",
	} {
		words := strings.Fields(args)
		for i := range words {
			words[i] = strings.ReplaceAll(words[i], "~", " ")
		}
		status, out, stderr := evdbench(t.Context(), words...)
		require.Zero(t, status, "%s: %s", args, stderr)
		all[args] = out + stderr
	}
	for _, pattern := range []string{"../../bench/testdata/*.txt", "../../bench/*/testdata/*.txt", "testdata/*.txt"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range files {
			b, err := os.ReadFile(name)
			require.NoError(t, err)
			all[name] = string(b)
		}
	}
	return all
}

// Whatever is printed is explained.
func TestEveryLabelIsExplained(t *testing.T) {
	root := newRoot(io.Discard, io.Discard)
	n := 0
	for where, text := range printed(t) {
		for _, label := range legend.Labels(text) {
			n++
			words := []string{label}
			if strings.Contains(where, "--live") && legend.Lookup(label) == nil {
				words = strings.Fields(label) // its columns are close together
			}
			for _, word := range words {
				assert.NotEmpty(t, explanation(root, word), "%s: %q is not in the legend", where, word)
			}
		}
	}
	assert.Greater(t, n, 100)
}

func TestDistance(t *testing.T) {
	for _, x := range []struct {
		a, b string
		d    int
	}{{"", "", 0}, {"mode", "mode", 0}, {"mdoe", "mode", 1}, {"mod", "mode", 1}, {"mode", "mod", 1}, {"code", "mode", 1}, {"", "abc", 3}, {"spin", "size", 3}} {
		assert.Equal(t, x.d, distance(x.a, x.b), "%s %s", x.a, x.b)
	}
	assert.Empty(t, alike("zzzz", []string{"mode"}, ""))
	assert.Equal(t, "; did you mean --mode?", alike("mode-", []string{"spin", "mode"}, "--"))
}
