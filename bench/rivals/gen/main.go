// Command gen writes kernels_gen.go: for every queue the same loops, with the calls of
// that queue written out in them. Through an interface or a function value the compiler
// would inline none of them, and an inlined fast path is what some of them are about.
package main

import (
	"bytes"
	_ "embed"
	"go/format"
	"log"
	"os"
	"text/template"
)

// queue is an implementation and how it is called. The snippets have r, the queue; i,
// the number to be sent; in and out, events to be copied; vs, a batch of them. They set
// ok, and x to the number that came.
type queue struct {
	Type  string // of the kernel
	R     string // type of r
	New   string // a new r, for size slots
	Push  string
	Pop   string
	PushN string // "" if it has no batches; sets ok
	PopN  string // sets k to how many came, adds them to sum
	Boxes bool   // takes pointers: boxes are events to be pointed at, in turn
}

//go:embed kernels.tmpl
var text string

func main() {
	log.SetFlags(0)
	b, err := generate()
	if err == nil {
		err = os.WriteFile("kernels_gen.go", b, 0o644)
	}
	if err != nil {
		log.Fatal("gen: ", err)
	}
}

func generate() ([]byte, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, queues); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}
