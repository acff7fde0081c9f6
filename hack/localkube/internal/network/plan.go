// Package network gives the cluster a network namespace of its own and joins it to the machine by one
// pair of virtual interfaces. All components and Pods are behind that pair, so no port, bridge or rule of
// theirs can meet one of the machine's. cluster calls it.
//
// What always holds: on the machine itself there is only the interface Device with its address and
// routes, firewall rules that carry Comment, and kernel settings whose former values are on record;
// Remove takes all of it away.
package network

import (
	"fmt"
	"net/netip"
	"slices"
)

// DefaultPrefix is the network that is used unless the user names another.
const DefaultPrefix = "10.213.0.0/16"

// Plan is the addresses of a cluster: one IPv4 /16, cut always in the same way.
type Plan struct {
	Prefix   netip.Prefix // the whole: x.y.0.0/16
	Host     netip.Addr   // the machine's end of the link: x.y.0.1
	Node     netip.Addr   // the cluster's end, where all components listen: x.y.0.2
	Services netip.Prefix // x.y.16.0/20
	API      netip.Addr   // the Service `kubernetes`, always the first: x.y.16.1
	DNS      netip.Addr   // the Service `kube-dns`: x.y.16.10
	Pods     netip.Prefix // x.y.64.0/18
}

// NewPlan cuts a network, written like "10.213.0.0/16", into the cluster's ranges.
func NewPlan(prefix string) (Plan, error) {
	p, err := netip.ParsePrefix(prefix)
	if err != nil || !p.Addr().Is4() || p.Bits() != 16 || p != p.Masked() {
		return Plan{}, fmt.Errorf("network %q: want an IPv4 network of 16 bits like %s", prefix, DefaultPrefix)
	}
	base := p.Addr().As4()
	at := func(c, d byte) netip.Addr { return netip.AddrFrom4([4]byte{base[0], base[1], c, d}) }
	return Plan{
		Prefix:   p,
		Host:     at(0, 1),
		Node:     at(0, 2),
		Services: netip.PrefixFrom(at(16, 0), 20),
		API:      at(16, 1),
		DNS:      at(16, 10),
		Pods:     netip.PrefixFrom(at(64, 0), 18),
	}, nil
}

// Use is a network or address that the machine uses already, and where.
type Use struct {
	Prefix netip.Prefix
	Where  string
}

// Clash tells in one line what of the machine's the plan would hide; nil when nothing.
func (p Plan) Clash(uses []Use) error {
	i := slices.IndexFunc(uses, func(u Use) bool {
		return u.Prefix.Bits() > 0 && u.Prefix.Overlaps(p.Prefix) // a default route leads everywhere and hides nothing
	})
	if i < 0 {
		return nil
	}
	return fmt.Errorf("the cluster's network %s would hide %s (%s): choose another with `up --network A.B.0.0/16`", p.Prefix, uses[i].Prefix, uses[i].Where)
}
