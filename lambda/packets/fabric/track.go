package fabric

import (
	"net/netip"
	"time"
)

// Idle timeouts where an interface sets none, and those that can't be set
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
const (
	DefaultTCP       = 432000 * time.Second // on everything before Nitro v6
	NitroV6TCP       = 350 * time.Second
	DefaultUDP       = 30 * time.Second
	DefaultUDPStream = 180 * time.Second

	otherProtocols = 600 * time.Second // AWS gives none for ICMP
	handshake      = 120 * time.Second // AWS gives none
	closing        = 10 * time.Second  // AWS gives none
	balancedTCP    = 350 * time.Second // through a Network Load Balancer, whatever the interface says
	balancedUDP    = 120 * time.Second
)

// most is how many flows an interface remembers; the longest idle go first.
const most = 1 << 16

// A flowKey names a flow as one interface sees it. TCP, UDP and echoes are told apart
// by ports and identifiers, all other protocols by addresses alone.
type flowKey struct {
	protocol      int
	local, remote netip.AddrPort
	pinged        bool // of an echo: the remote end asks
}

func (p *packet) key(outbound bool) flowKey {
	local, remote := p.from, p.to
	if !outbound {
		local, remote = p.to, p.from
	}
	request, echo := p.echoes()
	if echo {
		local = netip.AddrPortFrom(local.Addr(), p.echo)
	}
	return flowKey{p.protocol, local, remote, echo && request != outbound}
}

// A flow is what an interface remembers of one.
type flow struct {
	opening
	tracked  bool
	via      string    // what always makes it tracked: nat or nlb
	seen     time.Time // the last packet
	opened   bool      // by a SYN, not in the middle of a connection
	asked    int       // packets of the initiator
	answered int       // packets of the responder
	finished byte      // who has sent a FIN: 1 the initiator, 2 the responder
}

// timeout is for how long the flow may be idle.
func (f *flow) timeout(protocol int, idle Idle) time.Duration {
	switch protocol {
	case TCP:
		return f.timeoutTCP(idle)
	case UDP:
		return f.timeoutUDP(idle)
	default:
		return otherProtocols
	}
}

func (f *flow) timeoutTCP(idle Idle) time.Duration {
	switch {
	case f.finished == 3:
		return closing
	case f.opened && f.answered == 0:
		return handshake
	case f.via == viaBalancer:
		return balancedTCP
	default:
		return orDefault(idle.TCP, DefaultTCP)
	}
}

func (f *flow) timeoutUDP(idle Idle) time.Duration {
	switch {
	case f.via == viaBalancer:
		return balancedUDP
	case f.asked > 1 && f.answered > 1:
		return orDefault(idle.UDPStream, DefaultUDPStream)
	default:
		return orDefault(idle.UDP, DefaultUDP)
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// A table is what one interface remembers.
type table map[flowKey]*flow

// recall finds a flow that hasn't been idle for too long.
func (t table) recall(k flowKey, idle Idle, now time.Time) *flow {
	f := t[k]
	if f == nil {
		return nil
	}
	// An untracked TCP flow is in no table of EC2's, so that no timeout ends it: what
	// is remembered of it is who began.
	if (f.tracked || k.protocol != TCP) && now.Sub(f.seen) >= f.timeout(k.protocol, idle) {
		delete(t, k)
		return nil
	}
	return f
}

// remember adds a flow.
func (t table) remember(k flowKey, f *flow) {
	if len(t) >= most {
		t.forget()
	}
	t[k] = f
}

// forget makes room: the older half of a sample goes.
func (t table) forget() {
	var sum time.Duration
	var first time.Time
	n := 0
	for _, f := range t {
		if n == 0 {
			first = f.seen
		}
		sum += f.seen.Sub(first)
		if n++; n == 1024 {
			break
		}
	}
	middle := first.Add(sum / time.Duration(n))
	for k, f := range t {
		if !f.seen.After(middle) {
			delete(t, k)
		}
	}
}

// pass judges a packet at an interface by its groups and by what it remembers, and
// brings the memory up to date.
func (t table) pass(r *Rules, n *Interface, p *packet, o opening, via string, now time.Time) (bool, string) {
	k := p.key(o.outbound)
	f := t.recall(k, n.Idle, now)
	if f != nil && !f.tracked && f.outbound != o.outbound && p.begins() {
		f = nil // the ports are used again, the other way round
	}
	if f == nil {
		if !r.allows(n, p, o) {
			return false, ""
		}
		f = &flow{opening: o, tracked: via != "" || r.tracks(n, p, o), via: via, opened: p.begins()}
		t.remember(k, f)
		f.note(p, o.outbound, now)
		return true, "a rule"
	}
	if !f.passes(r, n, p, o, via) {
		return false, ""
	}
	why := "a rule"
	if f.tracked {
		why = "tracking"
	}
	f.note(p, o.outbound, now)
	if p.protocol == TCP && p.flags&flagRST != 0 {
		delete(t, k)
	}
	return true, why
}

// passes judges a further packet of a flow.
func (f *flow) passes(r *Rules, n *Interface, p *packet, o opening, via string) bool {
	if f.outbound != o.outbound { // an answer
		began := f.opening
		began.member = o.member
		return f.tracked || r.allows(n, p, began)
	}
	o.port, o.kind = f.port, f.kind
	if !r.allows(n, p, o) {
		return f.tracked
	}
	f.tracked = via != "" || r.tracks(n, p, o)
	f.via = via
	return true
}

// note takes account of a packet that has passed.
func (f *flow) note(p *packet, outbound bool, now time.Time) {
	f.seen = now
	who := byte(1)
	if outbound == f.outbound {
		f.asked++
	} else {
		f.answered++
		who = 2
	}
	if p.begins() {
		f.finished = 0 // the same ports again
	}
	if p.protocol == TCP && p.flags&flagFIN != 0 {
		f.finished |= who
	}
}
