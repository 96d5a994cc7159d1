package main

import (
	"fmt"
	"os"
)

func main() {
	cells := append(limitCells(), dispatchCells()...)
	cells = append(cells, shapes[event16]()...)
	rs, err := run(cells, 3, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rivals:", err)
		os.Exit(1)
	}
	for _, r := range rs {
		fmt.Printf("%-50s %8.2f (%8.2f) n=%d drop=%d noisy=%v far=%v\n", r.id, r.Median, r.P10, r.Samples, r.Dropped, r.Noisy, r.Far)
	}
}
