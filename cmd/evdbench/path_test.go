//go:build !race && !invariants

package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The README's way from a clone to a picture: each of its commands ends well and
// prints what stands there, but for the figures. Not with the race detector, under
// which the ends of one comparison are too seldom clear.
func TestReadmePath(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "<!-- path: cmd/evdbench/path_test.go -->")
	require.True(t, ok)
	section, _, ok := strings.Cut(rest, "<!-- end of path -->")
	require.True(t, ok)
	type step struct{ command, output string }
	var steps []step
	for _, m := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for _, s := range strings.Split("\n"+m[1], "\n$ ")[1:] {
			command, output, _ := strings.Cut(s, "\n")
			steps = append(steps, step{command, output})
		}
	}
	require.Len(t, steps, 5, "five commands from clone to plot")

	// The first one clones and builds: what it builds is what runs here.
	require.Equal(t, "git clone -q https://github.com/evdengine/evd && cd evd && make build", steps[0].command)
	require.Empty(t, strings.TrimSpace(steps[0].output))
	makefile, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(makefile), "\nbuild: bin/evdbench ")

	t.Chdir(t.TempDir())
	for _, s := range steps[1:] {
		args := strings.Fields(s.command)
		require.Equal(t, "bin/evdbench", args[0])
		status, stdout, stderr := evdbench(t.Context(), args[1:]...)
		require.Zero(t, status, "%s\n%s", s.command, stderr)
		assert.Equal(t, shape(s.output), shape(stdout), "%s: the README says\n%s\nand this is\n%s", s.command, s.output, stdout)
	}

	picture, err := os.ReadFile("latency.svg")
	require.NoError(t, err)
	assert.NoError(t, wellFormed(picture))
	shown := regexp.MustCompile(`!\[[^]]*\]\((docs/[^)]*\.svg)\)`).FindStringSubmatch(section)
	require.NotNil(t, shown, "the picture is shown")
	picture, err = os.ReadFile(filepath.Join(repository, shown[1]))
	require.NoError(t, err)
	assert.NoError(t, wellFormed(picture))
}

// repository is where the README is. Found before anybody changes the folder.
var repository = func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return dir
}()

func wellFormed(svg []byte) error {
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

var (
	figureRE  = regexp.MustCompile(`[-+]?[0-9][0-9. ]*[0-9]|[-+]?[0-9]|n/a|inf`)
	unitRE    = regexp.MustCompile(`# ?(ns|us|µs|ms|s|k|M|G|k/s|M/s|/s|%)\b`)
	versionRE = regexp.MustCompile(`^([AB] +)\S+ +`)
	judgeRE   = regexp.MustCompile(`(same|unclear|BETTER|WORSE) \(`)
	spaceRE   = regexp.MustCompile(`\s+`)
)

// shape is a text without its figures, and without what differs between hosts: what
// the clock and the host are, remarks on this host, how many samples would be needed.
func shape(text string) []string {
	var lines []string
	skip := false
	for line := range strings.Lines(text) {
		label := strings.Fields(line + " -")[0]
		switch continued := strings.HasPrefix(line, "             "); {
		case continued && skip:
			continue
		case label == "n/a:" || label == "warning" || strings.Contains(line, " needs "):
			skip = true
			continue
		case label == "host" || label == "clock" || label == "jitter":
			lines = append(lines, label)
			skip = true
			continue
		}
		skip = false
		line = figureRE.ReplaceAllString(line, "#")
		line = unitRE.ReplaceAllString(line, "#")
		line = judgeRE.ReplaceAllString(line, "JUDGED (") // of the metrics that decide nothing too
		line = versionRE.ReplaceAllString(line, "${1}VERSION ")
		words := strings.TrimSpace(spaceRE.ReplaceAllString(line, " "))
		switch {
		case words == "":
		case strings.HasPrefix(line, "             ") && len(lines) > 0 && !strings.HasPrefix(words, "#"):
			lines[len(lines)-1] += " " + words // where a line ends depends on its figures
		default:
			lines = append(lines, words)
		}
	}
	return lines
}
