//go:build !(linux && (amd64 || arm64))

// Command rxe measures the engine over soft-RoCE: only Linux has it.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "rxe: soft-RoCE is there on Linux only, amd64 and arm64")
	os.Exit(1)
}
