package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/evdengine/evd/bench"
)

// live shows how a run goes, on standard error: on a terminal a head and a line under it
// that is written again and again, and goes away in the end; elsewhere plain lines, if
// they were asked for. It has no colours.
//
// While it is shown, everything else that goes to standard error passes Write.
//
// Concurrency: all methods but Set and begin from any goroutine.
// Zero value: usable, auto.
type live struct {
	mode  liveMode
	every time.Duration // of liveEvery

	mu    sync.Mutex
	w     io.Writer  // nil: nothing is shown. The rest is guarded by mu
	width func() int // columns of the terminal; nil: it is none
	rep   [2]int     // the one that runs, and how many
	shown string     // what stands on the terminal
	lines int        // plain lines since the last head
	head  string
}

type liveMode int

const (
	liveAuto liveMode = iota
	liveOff
	liveEvery
)

const (
	leastEvery   = 100 * time.Millisecond
	defaultEvery = time.Second
	headEvery    = 20 // plain lines
)

// begin shows what w is told of a run, on stderr. quiet: only if asked for.
func (l *live) begin(stderr io.Writer, quiet bool, w *bench.Watch) {
	width := terminal(stderr)
	if l.mode == liveOff || l.mode == liveAuto && (quiet || width == nil) {
		return
	}
	l.w, l.width = stderr, width
	w.Every, w.Progress = l.every, l.progress
	if l.mode == liveAuto {
		w.Every = defaultEvery
	}
}

// watched shows the run, and has everything else on standard error go through live.
func (o *options) watched(cmd *cobra.Command) {
	stderr := cmd.ErrOrStderr()
	if o.live.begin(stderr, o.quiet, &o.watch); o.live.w != nil {
		cmd.SetErr(&o.live)
	}
}

// terminal returns what tells the columns of the terminal that w is; nil if it is none,
// or one that cannot write over a line.
func terminal(w io.Writer) func() int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		n, _, err := term.GetSize(int(f.Fd()))
		if err != nil || n <= 0 {
			return 80
		}
		return n
	}
}

// next says that repetition i of n begins.
func (l *live) next(i, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rep = [2]int{i, n}
}

// end takes away what is shown.
func (l *live) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clear()
}

// Write writes a message in between.
func (l *live) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := l.shown
	l.clear()
	n, err := l.w.Write(b)
	if again != "" && err == nil && len(b) > 0 && b[len(b)-1] == '\n' {
		l.show(again)
	}
	return n, err
}

// progress shows a step. What cannot be written is not worth ending a run for.
func (l *live) progress(p bench.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	cells := liveCells(l.rep, p)
	if l.width != nil {
		// Not into the last column: some terminals go on to the next line then.
		most := l.width() - 1
		l.clear()
		l.show(liveHead(cells, most) + "\n" + liveRow(cells, most))
		return
	}
	head := liveHead(cells, plainWidth)
	if head != l.head || l.lines == headEvery {
		l.head, l.lines = head, 0
		_, _ = io.WriteString(l.w, head+"\n")
	}
	l.lines++
	_, _ = io.WriteString(l.w, liveRow(cells, plainWidth)+"\n")
}

// plainWidth is how wide lines are that go to no terminal.
const plainWidth = 79

// Control sequences: back to the first column, up a line, and wipe what is behind.
const (
	wipe = "\r\x1b[K"
	up   = "\x1b[1A"
)

func (l *live) show(s string) {
	_, _ = io.WriteString(l.w, s)
	l.shown = s
}

func (l *live) clear() {
	if l.shown != "" {
		_, _ = io.WriteString(l.w, wipe+up+wipe)
		l.shown = ""
	}
}
