package fabric

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A Fabric joins hosts. Make one with New.
type Fabric struct {
	rules func() *Rules
	now   func() time.Time

	ports sync.Map // *Port by netip.Addr

	mu        sync.Mutex // for what the fabric remembers
	tables    map[string]table
	nats      map[netip.Addr]*translations
	balancers map[netip.AddrPort]*balancing

	carried  atomic.Uint64
	watchers atomic.Pointer[[]func(Event)]
}

// New returns a fabric that asks for its rules, which must be indexed, once for each
// packet, and reads time from now.
func New(rules func() *Rules, now func() time.Time) *Fabric {
	return &Fabric{
		rules: rules, now: now,
		tables: map[string]table{}, nats: map[netip.Addr]*translations{}, balancers: map[netip.AddrPort]*balancing{},
	}
}

// A Port is where a host is plugged in.
type Port struct {
	fabric  *Fabric
	deliver func(packet []byte)
	addrs   []netip.Addr
}

// Attach plugs a host in at addresses: those of interfaces, which the rules know, or
// any others, which are outside. It is an error when somebody has one already.
// deliver gets each packet that arrives, and owns it; it must not block.
func (f *Fabric) Attach(deliver func(packet []byte), addrs ...netip.Addr) (*Port, error) {
	p := &Port{f, deliver, nil}
	for _, a := range addrs {
		if _, taken := f.ports.LoadOrStore(a, p); taken {
			p.Detach()
			return nil, fmt.Errorf("attaching a host: somebody has the address %s", a)
		}
		p.addrs = append(p.addrs, a)
	}
	return p, nil
}

// Detach unplugs the host.
func (p *Port) Detach() {
	for _, a := range p.addrs {
		p.fabric.ports.CompareAndDelete(a, p)
	}
}

func (f *Fabric) port(a netip.Addr) *Port {
	if p, ok := f.ports.Load(a); ok {
		return p.(*Port)
	}
	return nil
}

// Carried is how many packets hosts have sent so far.
func (f *Fabric) Carried() uint64 { return f.carried.Load() }

// Watch calls f with the fate of every packet from now on, in no fixed order. It must
// not block, and must not send.
func (f *Fabric) Watch(watch func(Event)) {
	for {
		old := f.watchers.Load()
		watchers := []func(Event){watch}
		if old != nil {
			watchers = append(watchers, *old...)
		}
		if f.watchers.CompareAndSwap(old, &watchers) {
			return
		}
	}
}

// An Event is the fate of one packet.
type Event struct {
	At       time.Time
	Protocol int
	From, To netip.AddrPort // as the sender wrote them
	// SeenFrom and SeenTo are what the receiver reads. They differ where a gateway
	// has rewritten them, and say nothing when the packet did not arrive.
	SeenFrom, SeenTo netip.AddrPort
	Payload          int    // bytes of the application
	Echo             uint16 // the identifier of an ICMP echo, as the receiver reads it
	Arrived          bool
	Reason           Reason // why it did not arrive
}

// Send carries a packet from the host at this port, and owns it.
func (p *Port) Send(raw []byte) {
	f := p.fabric
	f.carried.Add(1)
	packet, err := parse(raw)
	t := &trip{f: f, r: f.rules(), p: &packet, now: f.now()}
	t.from, t.to = packet.from, packet.to
	switch {
	case err != nil:
		t.stop(Reason{Hop: Malformed, At: err.Error()})
	case f.port(packet.from.Addr()) != p:
		t.stop(Reason{Hop: Spoofed, At: packet.from.Addr().String()})
	default:
		f.mu.Lock()
		t.travel()
		f.mu.Unlock()
	}
	t.end()
}

// A trip is the way of one packet.
type trip struct {
	f        *Fabric
	r        *Rules
	p        *packet
	now      time.Time
	from, to netip.AddrPort // as sent
	arrived  *Port
	reason   Reason
	back     *trip // what a gateway answers
}

// stop ends the trip. It reports false, for the walk to return.
func (t *trip) stop(r Reason) bool {
	t.reason = r
	return false
}

// end delivers what arrived, and tells those who watch.
func (t *trip) end() {
	if watchers := t.f.watchers.Load(); watchers != nil {
		e := Event{
			At: t.now, Protocol: t.p.protocol, From: t.from, To: t.to, SeenFrom: t.p.from, SeenTo: t.p.to,
			Payload: t.p.payload, Echo: t.p.echo, Arrived: t.arrived != nil, Reason: t.reason,
		}
		for _, watch := range *watchers {
			watch(e)
		}
	}
	if t.arrived != nil {
		t.arrived.deliver(t.p.raw)
	}
	if t.back != nil {
		t.back.end()
	}
}

// arrive hands the packet to whoever has its destination.
func (t *trip) arrive() bool {
	port := t.f.port(t.p.to.Addr())
	if port == nil {
		return t.stop(Reason{Hop: Nobody, At: t.p.to.Addr().String()})
	}
	t.arrived = port
	return true
}

// A Hop is a kind of place on the way of a packet.
type Hop int

// The places where a packet may be stopped.
const (
	Arrived   Hop = iota
	Malformed     // it is not a packet that can be carried
	Spoofed       // the sender doesn't have the source address
	Stopped       // the instance isn't running
	HostOwn       // the host's own rules
	Groups        // the security groups of an interface
	ACL           // a network ACL
	Gateway       // a gateway knows nothing of it
	Nobody        // nobody has the destination
	Unsent        // the ends have given up, so that there was no packet to stop
)

// A Reason says what stopped a packet.
type Reason struct {
	Hop    Hop
	At     string // the interface, ACL, host or gateway
	Out    bool   // on the way out of it
	Number int    // the ACL's entry, 0 for the last one, which denies all
}

// sayings are the reasons that need nothing but the place.
var sayings = map[Hop]string{
	Malformed: "malformed: %s",
	Spoofed:   "the sender doesn't have the address %s",
	Stopped:   "%s isn't running",
	Gateway:   "%s knows no such connection",
	Nobody:    "nobody has the address %s",
	Unsent:    "no packet was sent: %s",
}

func (r Reason) String() string {
	way := "in"
	if r.Out {
		way = "out"
	}
	if saying := sayings[r.Hop]; saying != "" {
		return fmt.Sprintf(saying, r.At)
	}
	switch r.Hop {
	case Arrived:
		return "arrived"
	case HostOwn:
		return fmt.Sprintf("dropped by the own rules of %s, %s", r.At, way)
	case Groups:
		return fmt.Sprintf("no rule of its groups and no tracking entry lets it %s at %s", way, r.At)
	case ACL:
		if r.Number == 0 {
			return fmt.Sprintf("denied by %s entry * %s", r.At, way)
		}
		return fmt.Sprintf("denied by %s entry %d %s", r.At, r.Number, way)
	default:
		return fmt.Sprintf("hop %d", r.Hop)
	}
}

// Quiet waits until no packet has been sent for some time, in real time, or until
// limit has passed.
func (f *Fabric) Quiet(still, limit time.Duration) {
	end := time.Now().Add(limit)
	last, since := f.Carried(), time.Now()
	for time.Now().Before(end) {
		time.Sleep(still / 8)
		if now := f.Carried(); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) >= still {
			return
		}
	}
}
