package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/evdengine/evd/internal/param"
)

// Addresses of the nodes. In a guest of [Config].Veth device rxe1 (on veth0)
// has VethAddr1 and rxe2 (on veth1) VethAddr2; of a pair of guests the first
// has WireAddr1 on eth0 and the second WireAddr2, and each one rxe0 on it.
const (
	VethAddr1 = "10.98.0.1"
	VethAddr2 = "10.98.0.2"
	WireAddr1 = "10.96.0.1"
	WireAddr2 = "10.96.0.2"
)

// network says what is brought up in the guest, and adds to the environment.
func network(c Config, env []string) (rxe bool, net string, modules, _ []string) {
	modules = c.Modules
	need := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(modules, n) {
				modules = append(modules[:len(modules):len(modules)], n)
			}
		}
	}
	switch {
	case c.wire != nil:
		need("virtio_net", "sch_netem")
		addrs := []string{WireAddr1, WireAddr2}
		return false, fmt.Sprintf("wire %d", c.node), modules, append(
			env, "EVD_RXE_DEV=rxe0", fmt.Sprintf("EVD_NODE=%d", c.node),
			"EVD_NODE_ADDR="+addrs[c.node-1], "EVD_PEER_ADDR="+addrs[2-c.node],
		)
	case c.Veth:
		need("veth", "sch_netem")
		return false, "veth", modules, append(env, "EVD_RXE_DEV=rxe1", "EVD_RXE_DEV2=rxe2")
	case c.NoRXE:
		return false, "", modules, env
	}
	return true, "", modules, append(env, "EVD_RXE_DEV=rxe0")
}

// Answer is how one job of a pair ended.
type Answer struct {
	Result Result
	Err    error // as that of Run
}

// RunPair runs two jobs, each in a guest of its own, with a network cable
// between the two: eth0 with 10.96.0.1 in the first, 10.96.0.2 in the second,
// and rxe0 on it. The jobs find EVD_NODE (1 or 2), EVD_NODE_ADDR and
// EVD_PEER_ADDR in their environment.
//
// The second guest is booted when the first is up, so that its job finds the
// first one running, and because a guest that boots measures its clock; if
// the first does not come up, the second is not booted.
// A guest that ends, by itself or by Job.Kill, leaves the other one alone.
//
// The error is about pairs that were not tried: bad parameters, or something
// missing on the host.
func RunPair(ctx context.Context, c Config, jobs [2]Job) (answers [2]Answer, err error) {
	if err := errors.Join(c.Validate(), jobs[0].Validate(), jobs[1].Validate(), c.pairable()); err != nil {
		return answers, err
	}
	wires, err := newWire()
	if err != nil {
		return answers, err
	}
	up := make(chan bool, 1) // the first guest is up, or never will be
	first := func(ok bool) {
		select {
		case up <- ok:
		default:
		}
	}
	var wg sync.WaitGroup
	for i := range jobs {
		n, a := c, &answers[i]
		n.node, n.wire = i+1, wires[i]
		wg.Go(func() {
			defer wires[i].Close() // the other copy was QEMU's: now the cable is cut
			switch {
			case i == 0:
				n.up = func() { first(true) }
				defer first(false)
			case !<-up:
				a.Err = errors.New("vm: not booted: the other guest did not come up")
				return
			}
			a.Result, a.Err = Run(ctx, n, jobs[i])
		})
	}
	wg.Wait()
	return answers, nil
}

// pairable refuses what makes no sense for two guests.
func (c Config) pairable() error {
	var errs []error
	none := func(name string, value any, given bool) {
		if given {
			errs = append(errs, param.Invalid("vm: RunPair", name, value, "left out: each guest has rxe0 on the cable, and both keep the host's time"))
		}
	}
	none("NoRXE", c.NoRXE, c.NoRXE)
	none("Veth", c.Veth, c.Veth)
	none("ICount", c.ICount, c.ICount)
	none("Native", c.Native, c.Native != "" && c.Native != NativeNever)
	return errors.Join(errs...)
}
