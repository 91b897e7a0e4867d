package packets

import (
	"net/netip"
	"slices"

	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc/world"
)

// routes are what a world's text doesn't tell of the ways out of it. They follow from
// its interfaces and flows once, when packets begin to move.
type routes struct {
	nats      map[string]*fabric.NAT // by subnet
	devices   map[string][]fabric.Device
	balancers []fabric.Balancer
	gateways  map[string]bool // interfaces that are gateways, not hosts
}

// What gateways are called that a flow goes through.
const (
	viaNAT      = "nat"
	viaBalancer = "nlb"
)

// Gateways that a world doesn't list have addresses of a range for benchmarks, which
// nobody else uses (https://www.rfc-editor.org/rfc/rfc2544).
var (
	someNAT      = netip.MustParseAddr("198.18.0.1")
	someBalancer = netip.MustParseAddr("198.18.1.1")
)

// routesOf finds the gateways. A subnet with a flow via nat is behind a NAT gateway:
// the VPC's, if the world has an interface of the type nat_gateway, else one of its
// own whose subnet isn't modelled. An interface that serves flows via nlb is a target
// of a load balancer, likewise. Any other via is a device that makes connections
// tracked and changes nothing else.
func routesOf(w *world.World) routes {
	r := routes{nats: map[string]*fabric.NAT{}, devices: map[string][]fabric.Device{}, gateways: map[string]bool{}}
	for _, n := range w.Interfaces {
		if n.Type == "nat_gateway" || n.Type == "network_load_balancer" {
			r.gateways[n.ID] = true
		}
	}
	for _, f := range w.Flows {
		r.add(w, *f)
	}
	return r
}

// add finds the gateway of one flow.
func (r *routes) add(w *world.World, f world.Flow) {
	from, to := w.Holder(f.From.Addr()), w.Holder(f.To.Addr())
	switch {
	case f.Via == "":
	case f.Via == viaNAT && from != nil:
		if r.nats[from.Subnet] == nil {
			r.nats[from.Subnet] = r.nat(w, from.Subnet)
		}
	case f.Via == viaBalancer && to != nil:
		r.balance(w, to, f.To)
	case from != nil && to == nil:
		r.devices[from.Subnet] = append(r.devices[from.Subnet], fabric.Device{Name: f.Via, Remote: single(f.To.Addr())})
	case to != nil && from == nil:
		r.devices[to.Subnet] = append(r.devices[to.Subnet], fabric.Device{Name: f.Via, Remote: single(f.From.Addr())})
	}
}

func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// nat is the NAT gateway of a subnet's VPC.
func (r *routes) nat(w *world.World, subnet string) *fabric.NAT {
	for _, n := range w.Interfaces {
		if n.Type == "nat_gateway" && n.Public.IsValid() && len(n.Private) > 0 && w.Subnet(n.Subnet).VPC == w.Subnet(subnet).VPC {
			return &fabric.NAT{Public: n.Public, Private: n.Private[0], Subnet: n.Subnet}
		}
	}
	return &fabric.NAT{Public: someNAT}
}

// balance makes an interface the target of a load balancer, at a port.
func (r *routes) balance(w *world.World, target *world.Interface, at netip.AddrPort) {
	at = netip.AddrPortFrom(w.PrivateOf(at.Addr()), at.Port())
	address := someBalancer
	for _, b := range r.balancers {
		if slices.Contains(b.Targets, at) {
			return
		}
		if b.Address.Compare(address) >= 0 && b.Subnet == "" {
			address = b.Address.Next()
		}
	}
	b := fabric.Balancer{ID: "the load balancer", Address: address, Port: at.Port(), Targets: []netip.AddrPort{at}, KeepClient: true}
	for _, n := range w.Interfaces {
		if n.Type == "network_load_balancer" && n.Public.IsValid() && len(n.Private) > 0 && w.Subnet(n.Subnet).VPC == w.Subnet(target.Subnet).VPC {
			b.ID, b.Address, b.Private, b.Subnet = n.ID, n.Public, n.Private[0], n.Subnet
			break
		}
	}
	r.balancers = append(r.balancers, b)
}

// frontOf is where a client speaks to a target behind a load balancer.
func (r *routes) frontOf(target netip.AddrPort) (netip.AddrPort, bool) {
	for _, b := range r.balancers {
		if slices.Contains(b.Targets, target) {
			return netip.AddrPortFrom(b.Address, b.Port), true
		}
	}
	return netip.AddrPort{}, false
}
