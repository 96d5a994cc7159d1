//go:build amd64 || arm64

package rxe

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

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

// sgid is the entry of the table that g names by its index and GID, or by its
// index alone, or the default GID if g is zero.
func (d *Device) sgid(g GIDEntry) (GIDEntry, error) {
	if g.GID.IsZero() && g.Index == 0 {
		return d.DefaultGID()
	}
	return d.pickGID("rxe: Connect", "SGID.Index", g.Index, func(e GIDEntry) bool {
		return e.Index == g.Index && (g.GID.IsZero() || e.GID == g.GID)
	})
}

// sameKind refuses a peer's GID that the kernel finds no way to: it is IPv4 and the local
// one is not, or the other way round (linux core/addr.c: rdma_resolve_ip).
func sameKind(op, name string, remote GID, local GIDEntry) error {
	if remote.IsIPv4() == local.GID.IsIPv4() || remote.Addr().IsMulticast() {
		return nil
	}
	return param.Invalid(op, name, remote, "of the kind, IPv4 or IPv6, of the local GID "+local.GID.String()+" (SGID)")
}

// GIDByIndex returns the entry at index i of the GID table.
func (d *Device) GIDByIndex(i int) (GIDEntry, error) {
	return d.pickGID("rxe: GIDByIndex", "i", i, func(g GIDEntry) bool { return g.Index == i })
}

// GIDByAddr returns the RoCE v2 entry of an IP address of this host.
func (d *Device) GIDByAddr(a netip.Addr) (GIDEntry, error) {
	return d.pickGID("rxe: GIDByAddr", "a", a, func(g GIDEntry) bool { return g.Type == GIDTypeRoCEv2 && g.GID.Addr() == a.Unmap() })
}

// GIDByInterface returns the RoCE v2 entry of a network interface: its first
// IPv4 address, or its first IPv6 address if it has no other. It is the rxe
// device's interface, or one above it such as a VLAN.
func (d *Device) GIDByInterface(name string) (GIDEntry, error) {
	const op = "rxe: GIDByInterface"
	dev, err := net.InterfaceByName(name)
	if err != nil {
		return GIDEntry{}, fmt.Errorf("%s: %s: %w", op, name, err)
	}
	v4, err := d.pickGID(op, "name", name, func(g GIDEntry) bool {
		return g.Type == GIDTypeRoCEv2 && g.IfIndex == dev.Index && g.GID.IsIPv4()
	})
	if err == nil {
		return v4, nil
	}
	return d.pickGID(op, "name", name, func(g GIDEntry) bool { return g.Type == GIDTypeRoCEv2 && g.IfIndex == dev.Index })
}

// pickGID returns the first entry that is ok; the error lists what there is.
func (d *Device) pickGID(op, name string, v any, ok func(GIDEntry) bool) (GIDEntry, error) {
	gids, err := d.GIDs()
	if err != nil {
		return GIDEntry{}, err
	}
	var have []string
	for _, g := range gids {
		if ok(g) {
			return g, nil
		}
		have = append(have, fmt.Sprintf("%d: %s %s", g.Index, g.GID, g.Type))
	}
	return GIDEntry{}, param.Invalid(op, name, v, "one of "+d.info.Name+"'s GIDs ("+strings.Join(have, ", ")+")")
}
