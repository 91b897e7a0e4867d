// Package draw draws random worlds and flows for property tests, and has a fixed world
// for tests of single rules.
package draw

import (
	"fmt"
	"net/netip"
	"time"

	"pgregory.net/rapid"

	"tourniquet/lambda/simvpc/world"
)

// World draws a small world, any field of which may be set.
func World(t *rapid.T) *world.World {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab =\"#\\,'é\t\n☃")), 0, 5, -1)
	some := rapid.StringOfN(rapid.RuneFrom([]rune("ab =\"#\\,'é\t☃")), 1, 5, -1)
	tags := rapid.MapOfN(some, text, 0, 2)
	w := &world.World{Account: "444455556666", Region: "us-east-1", GroupsPerInterface: rapid.SampledFrom([]int{0, 16}).Draw(t, "quota")}
	for v := range rapid.IntRange(1, 2).Draw(t, "vpcs") {
		vpc := &world.VPC{
			ID: fmt.Sprintf("vpc-%d", v), Tags: tags.Draw(t, "tags"),
			CIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/16", v))},
		}
		if rapid.Bool().Draw(t, "v6") {
			vpc.CIDRs = append(vpc.CIDRs, netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::/56", v)))
		}
		w.VPCs = append(w.VPCs, vpc)
		for s := range 2 {
			w.Subnets = append(w.Subnets, &world.Subnet{
				ID: fmt.Sprintf("subnet-%d%d", v, s), VPC: vpc.ID, Zone: rapid.SampledFrom([]string{"", "us-east-1b"}).Draw(t, "zone"),
				CIDRs: []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.0/24", v, s))},
			})
		}
		someRules(t, w, v, some)
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "instances") {
		w.Instances = append(w.Instances, &world.Instance{
			ID: fmt.Sprintf("i-%d", i), Tags: tags.Draw(t, "tags"),
			Type: rapid.SampledFrom([]string{"", "m8i.large", "t2.micro"}).Draw(t, "type"),
		})
		for n := range rapid.IntRange(0, 2).Draw(t, "interfaces") {
			if rapid.Bool().Draw(t, "operated") {
				w.Instances[i].Operator = some.Draw(t, "operator")
			}
			w.Interfaces = append(w.Interfaces, someInterface(t, i, n, some, tags))
		}
	}
	drawMachines(t, w, some, tags)
	return w
}

// drawMachines draws what instances have beside their network.
func drawMachines(t *rapid.T, w *world.World, some *rapid.Generator[string], tags *rapid.Generator[map[string]string]) {
	w.Gateways = []*world.InternetGateway{{ID: "igw-0", VPC: rapid.SampledFrom([]string{"", "vpc-0"}).Draw(t, "attached")}}
	if rapid.Bool().Draw(t, "routes") {
		w.RouteTables = []*world.RouteTable{{
			ID: "rtb-0", VPC: "vpc-0", Main: rapid.Bool().Draw(t, "main"), Subnets: rapid.SampledFrom([][]string{nil, {"subnet-00"}}).Draw(t, "served"),
			Routes: []world.Route{{CIDR: world.AnyIPv4, Target: "igw-0"}, {CIDR: world.AnyIPv6, Target: "eni-9"}}, Tags: tags.Draw(t, "tags"),
		}}
	}
	w.AutoScaling = []*world.AutoScalingGroup{{Name: some.Draw(t, "group"), Max: 3, Desired: 2, Health: "ELB"}}
	w.LogGroups = rapid.SliceOfNDistinct(some, 0, 2, rapid.ID[string]).Draw(t, "log groups")
	for n, i := range w.Instances {
		if rapid.Bool().Draw(t, "in a group") {
			i.AutoScaling = w.AutoScaling[0].Name
			i.Lifecycle = rapid.SampledFrom([]string{"", world.InService, world.Standby}).Draw(t, "lifecycle")
		}
		i.Profile = rapid.OneOf(rapid.Just(""), some).Draw(t, "profile")
		i.Shutdown = rapid.SampledFrom([]string{"", "stop", "terminate"}).Draw(t, "shutdown")
		i.HealthPort = rapid.IntRange(0, 65535).Draw(t, "port")
		for _, flag := range []*bool{
			&i.Spot, &i.Protected, &i.ProfileChanging, &i.MetadataOff, &i.Managed, &i.Windows, &i.Isolated, &i.Pinned, &i.Checked, &i.Suppressed,
		} {
			*flag = rapid.Bool().Draw(t, "flag")
		}
		v := &world.Volume{
			ID: fmt.Sprintf("vol-%d", n), Instance: rapid.SampledFrom([]string{"", i.ID}).Draw(t, "attached"), Device: some.Draw(t, "device"),
			Root: rapid.Bool().Draw(t, "root"), Keep: rapid.Bool().Draw(t, "keep"), Size: rapid.IntRange(0, 9).Draw(t, "size"), Tags: tags.Draw(t, "tags"),
		}
		w.Volumes = append(w.Volumes, v)
		w.Snapshots = append(w.Snapshots, &world.Snapshot{ID: fmt.Sprintf("snap-%d", n), Volume: v.ID, Description: some.Draw(t, "description"), State: "pending"})
	}
	for n, i := range w.Interfaces {
		w.FlowLogs = append(w.FlowLogs, &world.FlowLog{
			ID: fmt.Sprintf("fl-%d", n), Resource: i.ID, LogGroup: some.Draw(t, "log group"), Interval: rapid.SampledFrom([]int{0, 60}).Draw(t, "interval"),
			Format: rapid.OneOf(rapid.Just(""), some).Draw(t, "format"), Role: rapid.OneOf(rapid.Just(""), some).Draw(t, "role"), Tags: tags.Draw(t, "tags"),
		})
	}
}

func someInterface(t *rapid.T, i, n int, some *rapid.Generator[string], tags *rapid.Generator[map[string]string]) *world.Interface {
	return &world.Interface{
		ID: fmt.Sprintf("eni-%d%d", 9-i, 9-n), Instance: fmt.Sprintf("i-%d", i), Device: n,
		Subnet: "subnet-0" + fmt.Sprint(n%2), Private: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(n % 2), byte(10 + i)})}, //nolint:gosec // small
		Groups: rapid.SampledFrom([][]string{nil, {"sg-0a"}, {"sg-0b", "sg-0a"}}).Draw(t, "groups"),
		Tags:   tags.Draw(t, "tags"), Description: rapid.OneOf(rapid.Just(""), some).Draw(t, "description"),
		Unchangeable: rapid.Bool().Draw(t, "unchangeable"), Keep: rapid.Bool().Draw(t, "keep"),
		RequesterID: rapid.OneOf(rapid.Just(""), some).Draw(t, "requester"),
		TCPTimeout:  time.Duration(rapid.SampledFrom([]int{0, 60, 432000}).Draw(t, "timeout")) * time.Second,
	}
}

func someRules(t *rapid.T, w *world.World, v int, some *rapid.Generator[string]) {
	cidrs := rapid.SampledFrom([]string{"0.0.0.0/0", "::/0", "198.51.100.7/32", "10.0.0.0/8", "2001:db8::/32"})
	protocol := rapid.SampledFrom([]world.Protocol{world.All, world.TCP, world.UDP, world.ICMP, 47})
	ports := func(p world.Protocol) world.Ports {
		switch p {
		case world.TCP, world.UDP:
			from := rapid.IntRange(0, 65535).Draw(t, "from")
			return world.Ports{From: from, To: rapid.IntRange(from, 65535).Draw(t, "to")}
		case world.ICMP:
			return rapid.SampledFrom([]world.Ports{{From: -1, To: -1}, {From: 8, To: -1}, {From: 3, To: 4}}).Draw(t, "type")
		default:
			return world.Ports{}
		}
	}
	for _, name := range []string{"a", "b"} {
		g := &world.SecurityGroup{ID: fmt.Sprintf("sg-%d%s", v, name), VPC: w.VPCs[v].ID, Name: name + some.Draw(t, "name")}
		for port := range rapid.IntRange(0, 3).Draw(t, "rules") {
			r := world.Rule{Protocol: world.TCP, Ports: world.Ports{From: port, To: port}, CIDR: netip.MustParsePrefix(cidrs.Draw(t, "cidr"))}
			if rapid.Bool().Draw(t, "of group") {
				r.CIDR, r.Group = netip.Prefix{}, g.ID
			}
			g.In = append(g.In, r)
		}
		if p := protocol.Draw(t, "protocol"); rapid.Bool().Draw(t, "egress") {
			g.Out = []world.Rule{{Protocol: p, Ports: ports(p), CIDR: netip.MustParsePrefix(cidrs.Draw(t, "cidr"))}}
		}
		w.Groups = append(w.Groups, g)
	}
	a := &world.NetworkACL{ID: fmt.Sprintf("acl-%d", v), VPC: w.VPCs[v].ID, Default: rapid.Bool().Draw(t, "default")}
	for number := range rapid.IntRange(0, 4).Draw(t, "entries") {
		p := protocol.Draw(t, "protocol")
		a.Entries = append(a.Entries, world.Entry{
			Number: 100 - number, Egress: rapid.Bool().Draw(t, "egress"), Allow: rapid.Bool().Draw(t, "allow"),
			Protocol: p, Ports: ports(p), CIDR: netip.MustParsePrefix(cidrs.Draw(t, "cidr")),
		})
	}
	w.ACLs = append(w.ACLs, a)
	if rapid.Bool().Draw(t, "serves") {
		w.Subnets[len(w.Subnets)-1].ACL = a.ID
	}
}

// Flow draws a flow between interfaces, or one of them and the outside.
func Flow(t *rapid.T, w *world.World) world.Flow {
	ends := []string{"198.51.100.7", "198.51.100.8", "10.7.0.1"}
	for _, n := range w.Interfaces {
		ends = append(ends, n.Private[0].String())
	}
	f := world.Flow{Protocol: rapid.SampledFrom([]world.Protocol{world.TCP, world.UDP, world.ICMP, 47}).Draw(t, "protocol")}
	port := rapid.SampledFrom([]uint16{0, 1, 2, 443, 50000})
	end := func() netip.AddrPort {
		a := netip.MustParseAddr(rapid.SampledFrom(ends).Draw(t, "end"))
		if f.Protocol != world.TCP && f.Protocol != world.UDP {
			return netip.AddrPortFrom(a, 0)
		}
		return netip.AddrPortFrom(a, port.Draw(t, "port"))
	}
	f.From, f.To = end(), end()
	f.Via = rapid.SampledFrom([]string{"", "", "nat"}).Draw(t, "via")
	return f
}
