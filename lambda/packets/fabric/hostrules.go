package fabric

import (
	"net/netip"
	"slices"
)

// HostRules are what an instance's own packet filter does: the on-host rung of a
// containment. They judge by addresses and ports; the processes behind them are not
// modelled.
type HostRules struct {
	Isolated bool // nothing passes but what Keep names
	Keep     []Kept
}

// Kept names the remote ends with which an isolated host still exchanges packets.
type Kept struct {
	Protocol int
	Remote   netip.Prefix
	Port     uint16 // 0: all
}

// hostPasses judges the packet by the host's own rules.
func (t *trip) hostPasses(n *Interface, outbound bool) bool {
	rules := t.r.Hosts[n.Host]
	if !rules.Isolated {
		return true
	}
	remote := t.p.to
	if !outbound {
		remote = t.p.from
	}
	if own := t.r.inside[remote.Addr()]; own != nil && own.Host == n.Host {
		return true // by loopback, which the host's rules let pass
	}
	if slices.ContainsFunc(rules.Keep, func(k Kept) bool {
		return (k.Protocol == All || k.Protocol == t.p.protocol) && k.Remote.Contains(remote.Addr()) && (k.Port == 0 || k.Port == remote.Port())
	}) {
		return true
	}
	return t.stop(Reason{Hop: HostOwn, At: n.Host, Out: outbound})
}
