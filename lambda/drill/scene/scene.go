// Package scene makes a world to rehearse in from what a finding says.
package scene

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// Of makes a world from what a finding says of its first instance: its
// interfaces in their subnets, each subnet with an ACL as AWS makes them, groups
// that let the seen connections come about, and those connections established.
//
// A finding says less than a world needs, and may say what no VPC can hold: a
// sample repeats groups and addresses across VPCs, a test event has placeholders
// for IDs. The notes name each field that the world has otherwise than the
// finding. Prefix lengths are guesses: findings don't give them.
func Of(f guardduty.Finding) (w *world.World, notes []string, err error) {
	i := f.Instances[0]
	b := newBuilder(f)
	if more := len(f.Instances) - 1; more > 0 {
		b.note("the finding names %d more instances; a drill is on the first, %s", more, i.ID)
	}
	b.w.Instances = []*world.Instance{{ID: i.ID, Type: b.instanceType(i.Type), State: "running", Managed: true}}
	b.scale(i.Scaled)
	nics := i.Interfaces
	if len(nics) == 0 {
		nics = []guardduty.Interface{{}}
	}
	for _, n := range nics {
		b.nic(i.ID, n)
	}
	b.place()
	b.ipv6For(i.Peers)
	b.rules(i.Peers)
	b.w.Normalize()
	b.flows(i.Peers)
	if len(i.Peers) == 0 {
		b.standIn()
	}
	if w, err = simvpc.ParseWorld(b.w.String()); err != nil {
		return nil, nil, fmt.Errorf("a world can't be made from the finding (%w): write one and give it with --world", err)
	}
	return w, b.notes, nil
}

// A builder makes a world from a finding, bit by bit.
type builder struct {
	w     *world.World
	notes []string
	nics  []*nic
	ids   map[string]string       // given to what the finding names, by kind and name
	used  map[string]bool         // the ids given so far
	taken map[netip.Addr]string   // addresses, with the interface that has them
	peers map[netip.Addr]struct{} // of the finding
}

// A nic is an interface with the addresses that the finding gives it, and the
// name that the finding has for it.
type nic struct {
	*world.Interface
	name   string
	public netip.Addr
}

func newBuilder(f guardduty.Finding) *builder {
	b := &builder{
		w:   &world.World{Account: f.AccountID, GroupsPerInterface: world.DefaultGroupsPerInterface},
		ids: map[string]string{}, used: map[string]bool{},
		taken: map[netip.Addr]string{}, peers: map[netip.Addr]struct{}{},
	}
	if region.MatchString(f.Region) {
		b.w.Region = f.Region
	} else if f.Region != "" {
		b.note("the Region %q is not one; the rehearsal is in eu-central-1", f.Region)
	}
	for _, p := range f.Instances[0].Peers {
		b.peers[p.Addr] = struct{}{}
	}
	return b
}

// scale puts the instance into an Auto Scaling group, where its tags name one. What that
// group checks, no finding says.
func (b *builder) scale(scaled bool) {
	if !scaled {
		return
	}
	const name = "drill"
	b.w.AutoScaling = []*world.AutoScalingGroup{{Name: name, Min: 1, Max: 2, Desired: 1}}
	b.w.Instances[0].AutoScaling = name
}

// standIn establishes a connection with somebody outside, for a finding that names
// nobody.
func (b *builder) standIn() {
	p := guardduty.Peer{Addr: netip.AddrFrom4([4]byte{198, 51, 100, 66})}
	if b.taken[p.Addr] != "" {
		p.Addr = netip.AddrFrom4([4]byte{203, 0, 113, 66})
	}
	f := world.Flow{Protocol: world.TCP, From: netip.AddrPortFrom(b.local(p), 40000), To: netip.AddrPortFrom(p.Addr, 443)}
	if v := oracle.Establish(b.w, f); !v.Passes {
		b.note("the finding names no peer, and a connection with %s in its place can't be rehearsed: %s", p.Addr, v.Why)
		return
	}
	b.note("the finding names no peer; a connection with %s stands in for the one that it can't name, and the instance is managed by Systems Manager", p.Addr)
}

// note keeps what the world has otherwise than the finding.
func (b *builder) note(format string, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(format, args...))
}

func (b *builder) instanceType(name string) string {
	if name == "" || world.KnownType(name) {
		return name
	}
	b.note("instanceType %q is not a known one; rehearsed on an m5.large", name)
	return ""
}

// nic adds an interface, with its VPC, its subnet and its groups. Its addresses
// are checked when all interfaces are known.
func (b *builder) nic(instance string, n guardduty.Interface) {
	at := len(b.nics)
	vpc := b.id("vpc-", cmp.Or(n.VPC, "vpc-drill"), "")
	if b.w.VPC(vpc) == nil {
		b.w.VPCs = append(b.w.VPCs, &world.VPC{ID: vpc})
	}
	subnet := b.id("subnet-", cmp.Or(n.Subnet, fmt.Sprintf("subnet-drill%d", at)), vpc)
	if b.w.Subnet(subnet) == nil {
		b.w.Subnets = append(b.w.Subnets, &world.Subnet{ID: subnet, VPC: vpc})
	}
	name := cmp.Or(n.ID, fmt.Sprintf("eni-drill%d", at))
	id := b.id("eni-", name, "")
	if b.w.Interface(id) != nil { // another one of that name
		id = b.id("eni-", name, fmt.Sprint(at))
	}
	added := &nic{
		Interface: &world.Interface{
			ID: id, Instance: instance, Device: at, Subnet: subnet, Private: slices.Clone(n.PrivateIPs), IPv6: slices.Clone(n.IPv6),
			Groups: b.groups(n.Groups, vpc, id),
		},
		name: n.ID, public: n.PublicIP,
	}
	b.nics = append(b.nics, added)
	b.w.Interfaces = append(b.w.Interfaces, added.Interface)
}

// groups are the groups of an interface, each made once in each VPC.
func (b *builder) groups(names []string, vpc, eni string) []string {
	var ids []string
	for _, name := range names {
		id := b.id("sg-", name, vpc)
		if slices.Contains(ids, id) {
			continue
		}
		if len(ids) == world.MostGroupsPerInterface {
			b.note("securityGroups of %s: %d, of which EC2 allows %d at most; the others are left out", eni, len(names), len(ids))
			break
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		ids = []string{b.id("sg-", "sg-drill", vpc)}
	}
	for _, id := range ids {
		if b.w.Group(id) == nil {
			b.w.Groups = append(b.w.Groups, &world.SecurityGroup{ID: id, VPC: vpc})
		}
	}
	b.w.GroupsPerInterface = max(b.w.GroupsPerInterface, len(ids))
	return ids
}

// rules lets every group pass what the finding saw: everything out, and each
// peer's protocols in, so that the seen connections come about and are tracked.
func (b *builder) rules(peers []guardduty.Peer) {
	for _, g := range b.w.Groups {
		g.Out = []world.Rule{{Protocol: world.All, CIDR: world.AnyIPv4}, {Protocol: world.All, CIDR: world.AnyIPv6}}
		for _, p := range peers {
			proto, _ := protocol(p)
			r := world.Rule{Protocol: proto, Ports: world.AnyPorts(proto), CIDR: netip.PrefixFrom(p.Addr, p.Addr.BitLen())}
			if !slices.ContainsFunc(g.In, r.Same) {
				g.In = append(g.In, r)
			}
		}
	}
}

// flows establishes the connections that the finding saw.
func (b *builder) flows(peers []guardduty.Peer) {
	for k, p := range peers {
		if eni := b.taken[p.Addr]; eni != "" {
			b.note("the peer %s is an address of the instance's own %s: there is no connection between the two to rehearse", p.Addr, eni)
			continue
		}
		if !usable(p.Addr) {
			b.note("the peer %s is not an address that traffic from outside can have: there is no connection with it to rehearse", p.Addr)
			continue
		}
		proto, known := protocol(p)
		if !known {
			b.note("the protocol %q with %s is not known here; rehearsed as %s", p.Protocol, p.Addr, proto)
		}
		f := world.Flow{Protocol: proto, From: netip.AddrPortFrom(b.local(p), 0), To: netip.AddrPortFrom(p.Addr, 0)}
		if proto.HasPorts() {
			f.From = netip.AddrPortFrom(f.From.Addr(), port(p.LocalPort, 40000+k))
			f.To = netip.AddrPortFrom(f.To.Addr(), port(p.RemotePort, 443))
		}
		if p.Direction == guardduty.Inbound {
			f.From, f.To = f.To, f.From
		}
		if v := oracle.Establish(b.w, f); !v.Passes {
			b.note("the connection %s can't be rehearsed: %s", f, v.Why)
		}
	}
}

// local is the address at which the instance has a connection: of the interface
// that the finding names, or of the first one, in the peer's family.
func (b *builder) local(p guardduty.Peer) netip.Addr {
	var first netip.Addr
	for _, n := range b.nics {
		addrs := n.Private
		if p.Addr.Is6() {
			addrs = n.IPv6
		}
		if len(addrs) > 0 && p.Interface != "" && p.Interface == n.name {
			return addrs[0]
		}
		if len(addrs) > 0 && !first.IsValid() {
			first = addrs[0]
		}
	}
	return first // place and ipv6For saw to it that there is one
}

// protocol is the protocol of a connection, TCP where the finding gives none, or
// one that can't be read.
func protocol(p guardduty.Peer) (proto world.Protocol, known bool) {
	proto, known = named(p.Protocol)
	if proto == world.ICMP && p.Addr.Is6() {
		proto = world.ICMPv6
	}
	return proto, known
}

func port(n, otherwise int) uint16 {
	if n <= 0 || n > 65535 {
		n = otherwise % 65536
	}
	return uint16(n) //nolint:gosec // bounded above
}
