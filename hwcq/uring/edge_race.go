//go:build race

package uring

import "github.com/evdengine/evd/internal/atom"

// edge tells the race detector what the kernel's memory orders: what a submitter
// wrote before it published a request, the poller of its completion may read.
type edge struct{ n atom.Uint32 }

func (e *edge) publish() { e.n.Add(1) }     // pairs with observe
func (e *edge) observe() { _ = e.n.Load() } // pairs with publish
