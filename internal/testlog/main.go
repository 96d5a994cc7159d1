// Command testlog reads what `go test -json` prints and tells a person what
// matters: one line a package, the output of what failed, every test that was
// skipped and why, and the count. It exits with status 1 if anything failed,
// did not finish, or nothing was tested at all.
//
//	go test -json ./... | go run ./internal/testlog [-noskip] [-show text]
//
// With -noskip a skipped test is a failure, and so is a package with tests none
// of which was run: for runs that provide all that any test may ask for. With
// -show the output lines of tests that passed are printed too, those that
// contain the text.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	noskip := flag.Bool("noskip", false, "a skipped test is a failure, and a package where none is run")
	show := flag.String("show", "", "also print the output lines of tests that passed with this `text` in them")
	flag.Parse()
	s, err := summarize(os.Stdin, os.Stdout, *noskip, *show)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
	}
	if err != nil || !s.ok() {
		os.Exit(1)
	}
}
