package drill

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/simvpc/world"
)

// A forensicsReport says whom an admission lets in.
type forensicsReport struct {
	Groups  []string `json:"groups"`  // of the owner's, admitted beside the quarantine group
	Opened  []string `json:"opened"`  // connections to port 22 that come about now, and did not before
	Shut    []string `json:"shut"`    // those that still don't
	Intrude []string `json:"intrude"` // the peers' flows that pass; none, if all is well
}

// forensics has a person let the owner's forensics group in, where the world has one.
func (d *rehearsal) forensics(ctx context.Context, book *ledger.Memory) error {
	groups := d.forensicsGroups()
	if len(groups) == 0 || d.main.net == nil {
		return nil
	}
	r := &forensicsReport{Groups: groups, Opened: []string{}, Shut: []string{}, Intrude: []string{}}
	var shut []world.Flow
	for _, f := range d.logins() {
		if !d.main.connects(ctx, f).passes {
			shut = append(shut, f)
		}
	}
	releaser := d.main.releaser(book, func() time.Time { return time.Now().Add(untilReplaced) })
	if _, err := releaser.Admit(ctx, containment.Admission{
		Instance: d.in.Instance, Groups: groups, Reason: "forensics, in the drill", Request: "drill-admit",
	}); err != nil {
		return fmt.Errorf("admitting %s: %w", strings.Join(groups, " "), err)
	}
	for _, f := range shut {
		if d.main.connects(ctx, f).passes {
			r.Opened = append(r.Opened, login(f))
		} else {
			r.Shut = append(r.Shut, login(f))
		}
	}
	for i, f := range d.flows {
		if d.report.Flows[i].Peer && d.main.judge(ctx, f).passes {
			r.Intrude = append(r.Intrude, f.String())
		}
	}
	d.report.Forensics = r
	d.show.title("Somebody has to look into it: tourniquet admit %s --group %s", d.in.Instance, strings.Join(groups, " --group "))
	d.show.line("port 22 is open now: %s", orNone(r.Opened))
	d.show.line("and still shut: %s; peers' flows that pass: %s", orNone(r.Shut), orNone(r.Intrude))
	return nil
}

// forensicsGroups are the groups for forensics in the VPCs of the instance.
func (d *rehearsal) forensicsGroups() []string {
	var vpcs, groups []string
	for _, n := range d.before.InterfacesOf(d.in.Instance) {
		if s := d.before.Subnet(n.Subnet); s != nil {
			vpcs = append(vpcs, s.VPC)
		}
	}
	for _, g := range d.before.Groups {
		if g.Tags[network.RoleTag] == network.ForensicsRole && slices.Contains(vpcs, g.VPC) {
			groups = append(groups, g.ID)
		}
	}
	return groups
}

// logins are connections to port 22 of the instance, at each of its interfaces, from each
// other instance.
func (d *rehearsal) logins() []world.Flow {
	const somePort, ssh = 50022, 22
	var flows []world.Flow
	for _, to := range d.before.InterfacesOf(d.in.Instance) {
		for _, from := range d.before.Interfaces {
			if from.Instance == "" || from.Instance == d.in.Instance || len(from.Private) == 0 || len(to.Private) == 0 {
				continue
			}
			flows = append(flows, world.Flow{
				Protocol: world.TCP, From: netip.AddrPortFrom(from.Private[0], somePort), To: netip.AddrPortFrom(to.Private[0], ssh),
			})
		}
	}
	return flows
}

// login is such a connection, for people.
func login(f world.Flow) string { return f.From.Addr().String() + " -> " + f.To.Addr().String() }
