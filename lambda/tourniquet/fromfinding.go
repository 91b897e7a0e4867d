package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// worldOf makes a world from what a finding says of its first instance: its
// interfaces in their subnets, each subnet with an ACL as AWS makes them, groups
// that let the seen connections come about, and those connections established.
// Prefix lengths are guesses: findings don't give them.
func worldOf(f guardduty.Finding) (*world.World, error) {
	i := f.Instances[0]
	nics := i.Interfaces
	if len(nics) == 0 {
		nics = []guardduty.Interface{{ID: "eni-drill"}}
	}
	b := &builder{}
	b.line("account %s", f.AccountID)
	if f.Region != "" {
		b.line("region %s", f.Region)
	}
	for n := range nics {
		b.complete(&nics[n], n)
	}
	b.vpcs(nics)
	b.groups(nics, i.Peers)
	b.line("instance %s type %s state running", i.ID, orDefault(i.Type, "m5.large"))
	for _, nic := range nics {
		b.nic(i.ID, nic)
	}
	b.flows(nics, i.Peers)
	w, err := simvpc.ParseWorld(b.String())
	if err != nil {
		return nil, fmt.Errorf("a world can't be made from the finding (%w): write one and give it with --world", err)
	}
	return w, nil
}

type builder struct{ strings.Builder }

func (b *builder) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

// complete fills in what the finding leaves out of an interface.
func (b *builder) complete(n *guardduty.Interface, index int) {
	n.ID = orDefault(n.ID, fmt.Sprintf("eni-drill%d", index))
	n.VPC = orDefault(n.VPC, "vpc-drill")
	n.Subnet = orDefault(n.Subnet, fmt.Sprintf("subnet-drill%d", index))
	n.VPC, n.Subnet = shaped("vpc-", n.VPC), shaped("subnet-", n.Subnet)
	for i := range n.Groups {
		n.Groups[i] = shaped("sg-", n.Groups[i])
	}
	if len(n.PrivateIPs) == 0 {
		n.PrivateIPs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, byte(index), 10})} //nolint:gosec // an instance has at most 15 interfaces
	}
	if len(n.Groups) == 0 {
		n.Groups = []string{"sg-drill-" + n.VPC}
	}
}

// shaped gives an id the form of EC2's: sample findings have others, such as
// GeneratedFindingSubnetId0.
func shaped(prefix, id string) string {
	if strings.HasPrefix(id, prefix) {
		return id
	}
	return prefix + strings.ToLower(id)
}

func masked(a netip.Addr, bits int) string { return netip.PrefixFrom(a, bits).Masked().String() }

func (b *builder) vpcs(nics []guardduty.Interface) {
	cidrs := map[string][]string{} // of VPCs and subnets
	var vpcs, subnets []guardduty.Interface
	for _, n := range nics {
		if cidrs[n.VPC] == nil {
			vpcs = append(vpcs, n)
		}
		if cidrs[n.Subnet] == nil {
			subnets = append(subnets, n)
		}
		cidrs[n.VPC] = append(cidrs[n.VPC], masked(n.PrivateIPs[0], 16))
		cidrs[n.Subnet] = append(cidrs[n.Subnet], masked(n.PrivateIPs[0], 24))
		if len(n.IPv6) > 0 {
			cidrs[n.VPC] = append(cidrs[n.VPC], masked(n.IPv6[0], 56))
			cidrs[n.Subnet] = append(cidrs[n.Subnet], masked(n.IPv6[0], 64))
		}
	}
	for _, n := range vpcs {
		b.line("vpc %s %s", n.VPC, strings.Join(unique(cidrs[n.VPC]), " "))
	}
	for _, n := range subnets {
		b.line("subnet %s %s %s", n.Subnet, n.VPC, strings.Join(unique(cidrs[n.Subnet]), " "))
	}
}

func unique(list []string) []string {
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

func (b *builder) groups(nics []guardduty.Interface, peers []guardduty.Peer) {
	var done []string
	for _, n := range nics {
		for _, g := range n.Groups {
			if slices.Contains(done, g) {
				continue
			}
			done = append(done, g)
			b.line("group %s %s\n  out all 0.0.0.0/0\n  out all ::/0", g, n.VPC)
			for _, p := range uniqueAddrs(peers) {
				b.line("  in tcp 1-65535 %s", netip.PrefixFrom(p, p.BitLen()))
			}
		}
	}
}

func uniqueAddrs(peers []guardduty.Peer) []netip.Addr {
	var addrs []netip.Addr
	for _, p := range peers {
		if !slices.Contains(addrs, p.Addr) {
			addrs = append(addrs, p.Addr)
		}
	}
	return addrs
}

func (b *builder) nic(instance string, n guardduty.Interface) {
	words := []string{"interface", n.ID, instance, n.Subnet}
	for _, a := range n.PrivateIPs {
		words = append(words, a.String())
	}
	for _, a := range n.IPv6 {
		words = append(words, a.String())
	}
	if n.PublicIP.IsValid() {
		words = append(words, "public", n.PublicIP.String())
	}
	b.line("%s groups %s", strings.Join(words, " "), strings.Join(n.Groups, " "))
}

// flows are the connections that the finding saw, with the first interface of the
// peer's family.
func (b *builder) flows(nics []guardduty.Interface, peers []guardduty.Peer) {
	for k, p := range peers {
		local, ok := localAddr(nics, p)
		if !ok {
			continue
		}
		here := netip.AddrPortFrom(local, port(p.LocalPort, 40000+k))
		there := netip.AddrPortFrom(p.Addr, port(p.RemotePort, 443))
		if p.Direction == guardduty.Inbound {
			b.line("flow tcp %s -> %s", there, here)
		} else {
			b.line("flow tcp %s -> %s", here, there)
		}
	}
}

func localAddr(nics []guardduty.Interface, p guardduty.Peer) (netip.Addr, bool) {
	for _, n := range nics {
		addrs := n.PrivateIPs
		if p.Addr.Is6() {
			addrs = n.IPv6
		}
		if len(addrs) > 0 && (p.Interface == "" || p.Interface == n.ID) {
			return addrs[0], true
		}
	}
	return netip.Addr{}, false
}

func port(n, otherwise int) uint16 {
	if n <= 0 || n > 65535 {
		n = otherwise % 65536
	}
	return uint16(n) //nolint:gosec // bounded above
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
