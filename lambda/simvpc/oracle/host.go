package oracle

import (
	"fmt"
	"net/netip"

	"tourniquet/lambda/simvpc/world"
)

// hostBlocks says why the rules of a host let nothing of a flow pass, if they
// don't. A host that isolated itself speaks by loopback, to the metadata service
// and for DHCP, and lets its Systems Manager agent go on.
func hostBlocks(w *world.World, instance string, f world.Flow) string {
	i := w.Instance(instance)
	if i == nil || !i.Isolated || f.Agent || own(w, i, f) || onLink(f) {
		return ""
	}
	return i.ID + " lets nothing pass by rules of its own"
}

// own reports whether a flow stays on the instance.
func own(w *world.World, i *world.Instance, f world.Flow) bool {
	from, to := w.Holder(f.From.Addr()), w.Holder(f.To.Addr())
	return from != nil && to != nil && from.Instance == i.ID && to.Instance == i.ID
}

// onLink reports whether a flow is with the metadata service, or DHCP.
func onLink(f world.Flow) bool {
	metadata := services[f.To.Addr()] == metadataService && f.Protocol == world.TCP && f.To.Port() == 80
	dhcp := f.Protocol == world.UDP && (f.From.Port() == 68 && f.To.Port() == 67 || f.From.Port() == 546 && f.To.Port() == 547)
	return metadata || dhcp
}

// Healthy says whether health checks reach an instance at its port: from within
// its subnet, as a load balancer's node or the probe of an application status
// check does. An instance that nothing checks is healthy as long as it runs.
func Healthy(w *world.World, i *world.Instance) (healthy bool, why string) {
	attached := w.InterfacesOf(i.ID)
	switch {
	case i.State != "running":
		return false, fmt.Sprintf("%s is %s", i.ID, i.State)
	case i.HealthPort == 0 || len(attached) == 0 || len(attached[0].Private) == 0:
		return true, ""
	}
	to := attached[0].Private[0]
	v := Connects(w, world.Flow{
		Protocol: world.TCP, From: netip.AddrPortFrom(probe(w, attached[0]), 50000),
		To: netip.AddrPortFrom(to, uint16(i.HealthPort)), //nolint:gosec // checked where a world is read
	})
	return v.Passes, v.Why
}

// probe is an address in the subnet of an interface that nobody has.
func probe(w *world.World, n *world.Interface) netip.Addr {
	if s := w.Subnet(n.Subnet); s != nil {
		if a := w.FreeAddress(s, false); a.IsValid() {
			return a
		}
	}
	return n.Private[0].Next()
}
