package oracle

import (
	"net/netip"

	"tourniquet/lambda/simvpc/world"
)

// A Crossing is what of a flow is seen at one interface, in one direction.
type Crossing struct {
	Interface     *world.Interface
	Egress        bool           // leaves the interface
	Initiator     bool           // sent by the side that opened the flow
	Local, Remote netip.AddrPort // as seen at the interface
	Accepted      bool           // by the groups of the interface and the ACL of its subnet
}

// Crossings says what each interface sees of a flow whose ends both try to send:
// what leaves an interface, and what arrives at it, passed or not. What the sender
// can't send, or what is dropped on the way before the interface, it doesn't see.
// Traffic with the addresses that AWS serves itself is seen nowhere
// (https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-limitations.html).
func Crossings(w *world.World, f world.Flow) []Crossing {
	p := pathOf(w, f)
	for _, e := range p.ends() {
		if unfiltered(w, e) != "" {
			return nil
		}
	}
	var all []Crossing
	for _, forward := range []bool{true, false} {
		sender, receiver := p.from, p.to
		if !forward {
			sender, receiver = p.to, p.from
		}
		sent := true
		if sender != nil {
			if !sends(w, sender, f) {
				continue
			}
			passes, _ := groupsPass(w, p, sender)
			if passes {
				passes, _ = aclPasses(w, p, sender, true, forward)
			}
			sent = passes
			all = append(all, newCrossing(p, sender, true, forward, passes))
		}
		if receiver != nil && sent && running(w, receiver) {
			passes, _ := aclPasses(w, p, receiver, false, forward)
			if passes {
				passes, _ = groupsPass(w, p, receiver)
			}
			all = append(all, newCrossing(p, receiver, false, forward, passes))
		}
	}
	return all
}

func newCrossing(p path, e *end, egress, forward, accepted bool) Crossing {
	local := p.From
	if e == p.to {
		local = p.To
	}
	if local.Addr() == e.Public {
		local = netip.AddrPortFrom(e.Private[0], local.Port()) // a public address is nowhere but at the gateway
	}
	return Crossing{e.Interface, egress, forward, local, e.remote, accepted}
}

// sends reports whether the host at one end sends packets of a flow at all.
func sends(w *world.World, e *end, f world.Flow) bool {
	return running(w, e) && hostBlocks(w, e.Instance, f) == ""
}

func running(w *world.World, e *end) bool {
	i := w.Instance(e.Instance)
	return i == nil || i.State == "running"
}
