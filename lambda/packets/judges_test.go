package packets

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// A judge decides what passes in a world that a test changes. Its time is its own.
type judge interface {
	// changed tells of the world as it is from now on.
	changed(w *world.World)
	// open tries to open a flow, and remembers it by name if it comes about. What is
	// hoped for decides how long a judge that can't know waits.
	open(name string, f world.Flow, hope bool) bool
	// exchange sends a packet each way, the initiator first, and says which arrive.
	exchange(name string, hope bool) (forward, backward bool)
	// wait lets time pass without a packet.
	wait(d time.Duration)
}

// still is a world that only a test changes.
type settable struct {
	mu      sync.Mutex
	world   *world.World
	changes uint64
}

func (s *settable) World() *world.World {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.Clone()
}

func (s *settable) Changes() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changes
}

func (s *settable) set(w *world.World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world = w.Clone()
	s.changes++
}

// anOracle is simvpc's oracle as a judge. It keeps its flows in a world of its own.
type anOracle struct {
	world *world.World
	flows map[string]world.Flow
}

func newOracle(w *world.World) *anOracle {
	return &anOracle{world: w.Clone(), flows: map[string]world.Flow{}}
}

func (o *anOracle) changed(w *world.World) {
	flows := o.world.Flows
	o.world = w.Clone()
	o.world.Flows = flows
}

func (o *anOracle) open(name string, f world.Flow, _ bool) bool {
	o.flows[name] = f
	return oracle.Establish(o.world, f).Passes
}

func (o *anOracle) exchange(name string, _ bool) (forward, backward bool) {
	v := oracle.Send(o.world, o.flows[name])
	return v.Forward, v.Backward
}

func (o *anOracle) wait(d time.Duration) { oracle.Advance(o.world, d) }

// aFabric is the fabric as a judge: it sends single packets, made by hand.
type aFabric struct {
	vpc   *VPC // without hosts and clock
	world settable
	now   time.Time
	ports map[netip.Addr]*fabric.Port
	last  fabric.Event
	flows map[string]*probed
}

// A probed flow is one whose packets are made by hand.
type probed struct {
	forward, backward fabric.Probe
}

func newFabric(t testing.TB, w *world.World) *aFabric {
	j := &aFabric{now: time.Unix(0, 0), ports: map[netip.Addr]*fabric.Port{}, flows: map[string]*probed{}}
	j.world.set(w)
	j.vpc = &VPC{live: &live{source: &j.world, routes: routesOf(w)}}
	j.vpc.Fabric = fabric.New(j.vpc.live.Rules, func() time.Time { return j.now })
	j.vpc.Fabric.Watch(func(e fabric.Event) { j.last = e })
	for _, n := range w.Interfaces {
		for _, a := range append(append([]netip.Addr(nil), n.Private...), n.IPv6...) {
			if !j.vpc.live.routes.gateways[n.ID] {
				j.port(t, a)
			}
		}
	}
	return j
}

func (j *aFabric) port(t testing.TB, a netip.Addr) *fabric.Port {
	if j.ports[a] == nil {
		p, err := j.vpc.Fabric.Attach(func([]byte) {}, a)
		if err != nil {
			t.Fatal(err)
		}
		j.ports[a] = p
	}
	return j.ports[a]
}

func (j *aFabric) changed(w *world.World) { j.world.set(w) }

func (j *aFabric) send(p fabric.Probe) bool {
	port := j.ports[p.From.Addr()]
	if port == nil {
		port, _ = j.vpc.Fabric.Attach(func([]byte) {}, p.From.Addr())
		j.ports[p.From.Addr()] = port
	}
	port.Send(p.Packet())
	return j.last.Arrived
}

func (j *aFabric) open(name string, f world.Flow, _ bool) bool {
	from, to, _ := j.vpc.ends(f)
	for _, a := range []netip.Addr{from.Addr(), to.Addr()} {
		if j.vpc.outside(a) && j.ports[a] == nil && to.Addr() != someBalancer {
			j.ports[a], _ = j.vpc.Fabric.Attach(func([]byte) {}, a)
		}
	}
	p := &probed{forward: fabric.Probe{Protocol: int(f.Protocol), From: from, To: to, Echo: 7}}
	p.forward.Kind = map[int]int{fabric.ICMP: 8, fabric.ICMPv6: 128}[p.forward.Protocol]
	j.flows[name] = p
	p.forward.Flags = fabric.SYN
	if !j.send(p.forward) {
		return false
	}
	p.backward = fabric.Probe{Protocol: p.forward.Protocol, From: j.last.SeenTo, To: j.last.SeenFrom, Echo: j.last.Echo}
	p.backward.Kind = map[int]int{fabric.ICMP: 0, fabric.ICMPv6: 129}[p.forward.Protocol]
	if f.Protocol != world.TCP {
		return true
	}
	p.backward.Flags = fabric.SYN | fabric.ACK
	if !j.send(p.backward) {
		return false
	}
	p.forward.Flags, p.backward.Flags = fabric.ACK, fabric.ACK
	return j.send(p.forward)
}

func (j *aFabric) exchange(name string, _ bool) (forward, backward bool) {
	p := j.flows[name]
	forward = j.send(p.forward)
	backward = j.send(p.backward)
	return forward, backward
}

func (j *aFabric) wait(d time.Duration) { j.now = j.now.Add(d) }
