//go:build amd64 || arm64

package rxe

import (
	"fmt"

	"github.com/evdengine/evd/internal/param"
)

// path is the way to a peer, as far as c says.
func (c *ConnectConfig) path(remote GID) pathAttr {
	return pathAttr{remote: remote, sgid: uint8(c.SGID.Index), tclass: c.TrafficClass, flow: c.FlowLabel}
}

// checkPath completes c and checks it against the device's and the port's
// limits.
func (d *Device) checkPath(c *ConnectConfig) (err error) {
	if c.SGID, err = d.sgid(c.SGID); err != nil {
		return err
	}
	port, err := d.QueryPort()
	if err != nil {
		return err
	}
	if c.MTU > port.ActiveMTU {
		return param.Invalid("rxe: Connect", "MTU", c.MTU, fmt.Sprintf("at most %d, the active MTU of %s (its interface %s has a smaller MTU)", port.ActiveMTU, d.info.Name, d.info.NetDev))
	}
	if c.MaxRDAtomic <= 1 && c.MaxDestRDAtomic <= 1 {
		return nil
	}
	a, err := d.QueryDevice()
	if err != nil {
		return err
	}
	// rxe holds both against this one.
	for _, l := range []struct {
		name     string
		v, limit int
	}{{"MaxRDAtomic", c.MaxRDAtomic, min(a.MaxQPInitRDAtomic, a.MaxQPRDAtomic)}, {"MaxDestRDAtomic", c.MaxDestRDAtomic, a.MaxQPRDAtomic}} {
		if l.v > l.limit {
			return param.Invalid("rxe: Connect", l.name, l.v, fmt.Sprintf("at most %d, the limit of %s", l.limit, d.info.Name))
		}
	}
	return nil
}

// sgid is the entry of the GID table that g names by its index and GID, or by
// its index alone, or the default GID if g is zero.
func (d *Device) sgid(g GIDEntry) (GIDEntry, error) { return d.sgidOf("rxe: Connect", g) }
