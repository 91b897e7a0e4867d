package world

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// String is the world's canonical text: what Parse reads back as the same
// world. A default group or default ACL that is still as EC2 made it is left
// out, and so is everything else that would be derived; a flow always says where
// it is tracked.
func (w *World) String() string { return w.text(false) }

// text is the canonical text; a full one leaves nothing out, so that a default
// ACL's first change shows as that change and not as a new ACL.
func (w *World) text(full bool) string {
	w = w.Clone()
	w.Sort()
	var b strings.Builder
	fmt.Fprintf(&b, "account %s\nregion %s\n", w.Account, w.Region)
	printLine(&b, option("groups-per-interface", fmt.Sprint(w.GroupsPerInterface), fmt.Sprint(DefaultGroupsPerInterface)))
	if w.ShowManaged {
		printLine(&b, "managed-resources visible")
	}
	w.printNetwork(&b, full)
	for _, i := range w.Instances {
		printFields(&b, []string{"instance", i.ID}, i.fields())
	}
	devices := &World{} // the interfaces printed so far
	for _, n := range w.Interfaces {
		w.printInterface(&b, n, devices.freeDevice(n.Instance))
		devices.Interfaces = append(devices.Interfaces, n)
	}
	for _, n := range w.Secondary {
		printLine(&b, "secondary", n.ID, n.Instance, join(n.Private))
	}
	w.printMachines(&b)
	for _, f := range w.Flows {
		printFlow(&b, f)
	}
	return b.String()
}

// printNetwork writes VPCs, and what is in them but interfaces; in full, what is
// as derived too.
func (w *World) printNetwork(b *strings.Builder, full bool) {
	for _, v := range w.VPCs {
		w.printVPC(b, v)
	}
	for _, s := range w.Subnets {
		w.printSubnet(b, s)
	}
	for _, g := range w.Groups {
		if full || !w.asDerivedGroup(g) {
			w.printGroup(b, g)
		}
	}
	for _, a := range w.ACLs {
		if full || !w.asDerivedACL(a) {
			w.printACL(b, a)
		}
	}
	w.printRoutes(b, full)
}

// printMachines writes what instances have beside their network.
func (w *World) printMachines(b *strings.Builder) {
	for _, e := range w.Addresses {
		printLine(b, "elastic-ip", e.ID, e.Address.String(), e.Tags.text())
	}
	for _, v := range w.Volumes {
		instance := v.Instance
		if instance == "" {
			instance = "-"
		}
		printFields(b, []string{"volume", v.ID, instance, quote(v.Device)}, v.fields())
	}
	for _, s := range w.Snapshots {
		printFields(b, []string{"snapshot", s.ID, s.Volume}, s.fields())
	}
	for _, g := range w.AutoScaling {
		printFields(b, []string{"autoscaling-group", quote(g.Name)}, g.fields())
	}
	for _, name := range w.LogGroups {
		printLine(b, "log-group", quote(name))
	}
	for _, f := range w.FlowLogs {
		printFields(b, []string{"flow-log", f.ID, f.Resource}, f.fields())
	}
}

// printLine writes the words that are not empty, and no line when all are.
func printLine(b *strings.Builder, words ...string) {
	words = slices.DeleteFunc(words, func(s string) bool { return s == "" })
	if len(words) == 0 {
		return
	}
	b.WriteString(strings.Join(words, " "))
	b.WriteByte('\n')
}

// option is a keyword with its value, or nothing when the value is as derived.
func option(keyword, value, derived string) string {
	if value == derived {
		return ""
	}
	return keyword + " " + quote(value)
}

func flag(keyword string, set bool) string {
	if set {
		return keyword
	}
	return ""
}

func join[T fmt.Stringer](all []T) string {
	words := make([]string, len(all))
	for i, x := range all {
		words[i] = x.String()
	}
	return strings.Join(words, " ")
}

func (t Tags) text() string {
	if len(t) == 0 {
		return ""
	}
	words := []string{"tags"}
	for _, key := range slices.Sorted(maps.Keys(t)) {
		value := ""
		if t[key] != "" {
			value = quote(t[key])
		}
		words = append(words, quote(key)+"="+value)
	}
	return strings.Join(words, " ")
}

func (w *World) printVPC(b *strings.Builder, v *VPC) {
	printLine(b, "vpc", v.ID, join(v.CIDRs), option("owner", v.Owner, w.Account), flag("no-dns", v.NoDNSSupport),
		flag("dns-names", v.DNSHostnames), v.Tags.text())
}

func (w *World) printSubnet(b *strings.Builder, s *Subnet) {
	printLine(b, "subnet", s.ID, s.VPC, join(s.CIDRs), option("zone", s.Zone, w.Region+"a"), flag("dns64", s.DNS64), flag("map-public", s.MapPublic), s.Tags.text())
}

func (w *World) printGroup(b *strings.Builder, g *SecurityGroup) {
	name, description := strings.TrimPrefix(g.ID, "sg-"), g.Name
	if g.Default {
		name, description = "default", "default VPC security group"
	}
	printLine(b, "group", g.ID, g.VPC, option("name", g.Name, name), option("description", g.Description, description),
		option("owner", g.Owner, w.Account), flag("default", g.Default), g.Tags.text())
	for _, r := range g.In {
		printLine(b, "  in ", r.String())
	}
	for _, r := range g.Out {
		printLine(b, "  out", r.String())
	}
}

// String is the rule as worlds write it, without its direction.
func (r Rule) String() string {
	words := []string{r.Protocol.String(), r.Ports.text(r.Protocol), r.Source(), option("desc", r.Description, "")}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// Source is the CIDR or group the rule is about.
func (r Rule) Source() string {
	if r.Group != "" {
		return r.Group
	}
	return r.CIDR.String()
}

func (w *World) printACL(b *strings.Builder, a *NetworkACL) {
	var subnets, owner string
	for _, s := range w.Subnets {
		if s.ACL == a.ID {
			subnets += " " + s.ID
		}
	}
	if subnets != "" {
		subnets = "subnets" + subnets
	}
	if v := w.VPC(a.VPC); v != nil {
		owner = v.Owner
	}
	printLine(b, "acl", a.ID, a.VPC, flag("default", a.Default), subnets,
		option("quota", fmt.Sprint(a.Quota), fmt.Sprint(DefaultACLQuota)), option("owner", a.Owner, owner), a.Tags.text())
	for _, e := range a.Entries {
		action := "deny "
		if e.Allow {
			action = "allow"
		}
		printLine(b, fmt.Sprintf("  %5d %-3s %s", e.Number, Direction(e.Egress), action),
			e.Protocol.String(), e.Ports.text(e.Protocol), e.CIDR.String())
	}
}

func (w *World) printInterface(b *strings.Builder, n *Interface, device int) {
	instance, public, associated, timeouts := n.Instance, "", "", ""
	if instance == "" {
		instance = "-"
	}
	if n.Public.IsValid() {
		public = "public " + n.Public.String()
	}
	if len(n.Associated) > 0 {
		associated = "associated " + strings.Join(n.Associated, " ")
	}
	if n.TCPTimeout != 0 {
		timeouts += fmt.Sprintf(" timeout %.0fs", n.TCPTimeout.Seconds())
	}
	if n.UDPTimeout != 0 {
		timeouts += fmt.Sprintf(" udp-timeout %.0fs", n.UDPTimeout.Seconds())
	}
	if n.UDPStreamTimeout != 0 {
		timeouts += fmt.Sprintf(" udp-stream-timeout %.0fs", n.UDPStreamTimeout.Seconds())
	}
	printLine(b, "interface", n.ID, instance, n.Subnet, join(n.addresses()), public, associated,
		"groups "+strings.Join(n.Groups, " "), option("device", fmt.Sprint(n.Device), fmt.Sprint(device)),
		option("type", n.Type, "interface"), option("managed", n.RequesterID, ""), option("operator", n.Operator, ""),
		option("owner", n.Owner, w.Account), flag("unchangeable", n.Unchangeable), flag("nocheck", n.NoSourceDestCheck),
		flag("keep", n.Keep), strings.TrimPrefix(timeouts, " "), option("description", n.Description, ""), n.Tags.text())
}

func printFlow(b *strings.Builder, f *Flow) {
	tracked, idle := "untracked", ""
	if len(f.Tracked) > 0 {
		tracked = "tracked " + strings.Join(f.Tracked, " ")
	}
	if f.Idle != 0 {
		idle = "idle " + f.Idle.String()
	}
	printLine(b, f.text(), flag("agent", f.Agent), flag("quiet", f.Quiet), tracked, idle)
}

// text is the flow without its state, as worlds write it.
func (f *Flow) text() string {
	words := []string{"flow", f.Protocol.String(), endText(f.Protocol, f.From), "->", endText(f.Protocol, f.To)}
	if f.Via != "" {
		words = append(words, "via", f.Via)
	}
	return strings.Join(words, " ")
}

// String is the flow as worlds write it, without its tracking state.
func (f Flow) String() string { return strings.TrimPrefix(f.text(), "flow ") }

func endText(p Protocol, end netip.AddrPort) string {
	if p.HasPorts() {
		return end.String()
	}
	return end.Addr().String()
}

func (w *World) asDerivedGroup(g *SecurityGroup) bool {
	v := w.VPC(g.VPC)
	return v != nil && g.Default && reflect.DeepEqual(g, w.derivedGroup(v))
}

func (w *World) asDerivedACL(a *NetworkACL) bool {
	v := w.VPC(a.VPC)
	return v != nil && a.Default && reflect.DeepEqual(a, w.derivedACL(v))
}
