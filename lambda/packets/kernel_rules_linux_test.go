package packets

import (
	"fmt"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// changed writes the rules that follow from a world: an interface's groups in its
// namespace, the ACLs in the router's. What the kernel tracks, it goes on tracking.
func (k *aKernel) changed(w *world.World) {
	k.world.set(w)
	for _, n := range w.Interfaces {
		if n.Type != "nat_gateway" {
			k.nft(n.ID, groupTable(w, n))
		}
	}
	k.nft(router, aclTable(w))
}

// groupTable is the rules of an interface's groups.
func groupTable(w *world.World, n *world.Interface) string {
	var loose, accept [2]strings.Builder // in, out
	for way, egress := range []bool{false, true} {
		for _, r := range rulesOfInterface(w, n, egress) {
			for _, remote := range remotes(w, n, r) {
				fmt.Fprintf(&accept[way], "    %s %s ct state new,untracked accept\n", match(remote, way == 1, false), ports(r.Protocol, r.Ports, "dport"))
			}
		}
		for _, m := range untrackedMatches(w, n, egress) {
			fmt.Fprintf(&loose[way], "    %s notrack\n", strings.ReplaceAll(m, "PORT", "dport"))
			fmt.Fprintf(&loose[1-way], "    %s notrack\n", strings.ReplaceAll(m, "PORT", "sport"))
		}
	}
	const always = "    %s lo accept\n    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept\n    ct state established accept\n"
	return fmt.Sprintf(`table inet sg
delete table inet sg
table inet sg {
  chain raw_in {
    type filter hook prerouting priority raw;
%s  }
  chain raw_out {
    type filter hook output priority raw;
%s  }
  chain in {
    type filter hook input priority 0; policy drop;
%s%s  }
  chain out {
    type filter hook output priority 0; policy drop;
%s%s  }
}
`, loose[0].String(), loose[1].String(), fmt.Sprintf(always, "iifname"), accept[0].String(), fmt.Sprintf(always, "oifname"), accept[1].String())
}

func rulesOfInterface(w *world.World, n *world.Interface, egress bool) []world.Rule {
	var all []world.Rule
	for _, id := range n.Groups {
		if g := w.Group(id); g != nil {
			all = append(all, g.Rules(egress)...)
		}
	}
	return all
}

// remotes are the addresses that a rule stands for: a CIDR, or a group's members.
func remotes(w *world.World, n *world.Interface, r world.Rule) []string {
	if r.Group == "" {
		return []string{r.CIDR.String()}
	}
	var all []string
	for _, other := range w.Interfaces {
		if slices.Contains(other.Groups, r.Group) && other != n {
			for _, a := range slices.Concat(other.Private, other.IPv6) {
				all = append(all, a.String())
			}
		}
	}
	return all
}

// match is what nftables calls a packet with that remote end.
func match(remote string, out, swapped bool) string {
	family, end := "ip", "saddr"
	if strings.Contains(remote, ":") {
		family = "ip6"
	}
	if out != swapped {
		end = "daddr"
	}
	return fmt.Sprintf("%s %s %s", family, end, remote)
}

// ports is what nftables calls a protocol with ports, of the source or the destination.
func ports(p world.Protocol, r world.Ports, which string) string {
	switch {
	case p == world.All:
		return ""
	case p == world.TCP || p == world.UDP:
		return fmt.Sprintf("%s %s %d-%d", p, which, r.From, r.To)
	case p == world.ICMP && r.From == -1:
		return "meta l4proto icmp"
	case p == world.ICMP:
		return fmt.Sprintf("icmp type %d", r.From)
	case p == world.ICMPv6:
		return "meta l4proto ipv6-icmp"
	default:
		return fmt.Sprintf("meta l4proto %d", int(p))
	}
}

// untrackedMatches are the packets of flows that EC2 doesn't track, with PORT for the
// responder's port: let through for everybody, with answers let through to everybody.
func untrackedMatches(w *world.World, n *world.Interface, egress bool) []string {
	var all []string
	for _, r := range rulesOfInterface(w, n, egress) {
		if r.Group != "" || r.CIDR.Bits() != 0 {
			continue
		}
		for _, p := range []world.Protocol{world.TCP, world.UDP} {
			if r.Protocol != world.All && r.Protocol != p {
				continue
			}
			answers := slices.ContainsFunc(rulesOfInterface(w, n, !egress), func(o world.Rule) bool {
				return o.CIDR == r.CIDR && (o.Protocol == world.All || o.Protocol == p && o.Ports == world.Ports{From: 0, To: 65535})
			})
			if !answers {
				continue
			}
			family := map[bool]string{true: "ipv4", false: "ipv6"}[r.CIDR.Addr().Is4()]
			ports := world.Ports{From: 0, To: 65535}
			if r.Protocol == p {
				ports = r.Ports
			}
			all = append(all, fmt.Sprintf("meta nfproto %s %s PORT %d-%d", family, p, ports.From, ports.To))
		}
	}
	return all
}

// aclTable is the ACLs of all subnets, at the router, which tracks nothing. Inside a
// subnet frames go over its bridge and meet none of it.
func aclTable(w *world.World) string {
	var forward, chains strings.Builder
	for i, s := range w.Subnets {
		fmt.Fprintf(&forward, "    iifname %q oifname != %q jump out%d\n", bridge(i), bridge(i), i)
		fmt.Fprintf(&forward, "    oifname %q iifname != %q jump in%d\n", bridge(i), bridge(i), i)
		for _, egress := range []bool{false, true} {
			name := map[bool]string{false: "in", true: "out"}[egress]
			fmt.Fprintf(&chains, "  chain %s%d {\n", name, i)
			a := w.ACL(s.ACL)
			for _, e := range a.Entries { // sorted by number
				if e.Egress == egress {
					verdict := map[bool]string{true: "return", false: "drop"}[e.Allow]
					fmt.Fprintf(&chains, "    %s %s %s\n", match(e.CIDR.String(), egress, false), ports(e.Protocol, e.Ports, "dport"), verdict)
				}
			}
			fmt.Fprintf(&chains, "    drop\n  }\n")
		}
	}
	return fmt.Sprintf(`table inet acl
delete table inet acl
table inet acl {
%s  chain forward {
    type filter hook forward priority 0; policy accept;
%s  }
}
`, chains.String(), forward.String())
}
