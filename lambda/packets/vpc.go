package packets

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"tourniquet/lambda/packets/clock"
	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/packets/host"
	"tourniquet/lambda/simvpc/world"
)

// A VPC is a world in which packets move. Make one with New, and close it.
type VPC struct {
	Clock  *clock.Clock
	Fabric *fabric.Fabric

	live *live

	mu      sync.Mutex
	hosts   map[netip.Addr]*host.Host
	all     []*host.Host
	closers []io.Closer // connections and listeners
	doors   map[door]*doorkeeper
	lastID  int
	closed  bool
	running sync.WaitGroup

	traces traces
}

// How long packets must have rested for Pass to go on, in real time, and how long it
// waits for that at most while there is traffic that never rests.
const (
	still    = time.Millisecond
	restless = 4 * time.Millisecond
)

// New plugs a host in for every instance of the source's world, and for every other
// interface. Peers outside get one when they are first spoken of. The VPC owns the
// clock.
func New(source Source, c *clock.Clock) (*VPC, error) {
	w := source.World()
	v := &VPC{
		Clock: c, live: &live{source: source, routes: routesOf(w)},
		hosts: map[netip.Addr]*host.Host{}, doors: map[door]*doorkeeper{},
	}
	v.Fabric = fabric.New(v.live.Rules, c.Now)
	v.Fabric.Watch(v.traces.note)
	c.SetQuiet(func() { v.Fabric.Quiet(still, restless) })
	cards := map[string][][]netip.Addr{}
	var names []string
	for _, n := range w.Interfaces {
		if v.live.routes.gateways[n.ID] {
			continue
		}
		name := hostName(n)
		if cards[name] == nil {
			names = append(names, name)
		}
		cards[name] = append(cards[name], slices.Concat(n.Private, n.IPv6))
	}
	for _, name := range names {
		if err := v.plug(name, cards[name]...); err != nil {
			v.Close()
			return nil, err
		}
	}
	return v, nil
}

// plug adds a host.
func (v *VPC) plug(name string, cards ...[]netip.Addr) error {
	h, err := host.New(v.Fabric, v.Clock, name, cards...)
	if err != nil {
		return err
	}
	v.all = append(v.all, h)
	for _, addrs := range cards {
		for _, a := range addrs {
			v.hosts[a] = h
		}
	}
	return nil
}

var broadcast = netip.MustParseAddr("255.255.255.255")

// Host is the host that has an address: an interface's, or any outside the VPC, where
// one is plugged in when there is none yet.
func (v *VPC) Host(a netip.Addr) (*host.Host, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if h := v.hosts[a]; h != nil {
		return h, nil
	}
	if v.closed {
		return nil, fmt.Errorf("plugging in %s: the VPC is closed", a)
	}
	if a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a == broadcast || a.Is6() && a.IsLinkLocalUnicast() {
		return nil, fmt.Errorf("no host outside can have the address %s", a)
	}
	if err := v.plug(a.String(), []netip.Addr{a}); err != nil {
		return nil, err
	}
	return v.hosts[a], nil
}

// Close ends all traffic, unplugs the hosts and stops the clock.
func (v *VPC) Close() {
	v.mu.Lock()
	v.closed = true
	closers := v.closers
	v.mu.Unlock()
	for _, c := range closers {
		_ = c.Close() // nobody is left to be told
	}
	for _, h := range v.all {
		h.Close()
	}
	v.running.Wait()
	v.Clock.Stop()
}

// closing has something closed when the VPC is, at once if it is by now.
func (v *VPC) closing(c io.Closer) {
	v.mu.Lock()
	closed := v.closed
	if !closed {
		v.closers = append(v.closers, c)
	}
	v.mu.Unlock()
	if closed {
		_ = c.Close()
	}
}

// ends are where a flow's initiator sends from and to, and where its responder listens.
func (v *VPC) ends(f world.Flow) (from, to, listen netip.AddrPort) {
	w := v.live.source.World()
	from = netip.AddrPortFrom(w.PrivateOf(f.From.Addr()), f.From.Port())
	listen = netip.AddrPortFrom(w.PrivateOf(f.To.Addr()), f.To.Port())
	to = f.To
	if f.Via == viaBalancer {
		if front, ok := v.live.routes.frontOf(listen); ok {
			return from, front, listen
		}
	}
	inside := w.Holder(f.From.Addr()) != nil
	if n := w.Holder(to.Addr()); n != nil && !inside && n.Public.IsValid() && len(n.Private) > 0 && n.Private[0] == to.Addr() {
		to = netip.AddrPortFrom(n.Public, to.Port())
	}
	return from, to, listen
}
