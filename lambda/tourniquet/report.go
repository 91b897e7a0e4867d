package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// A report is what a drill shows.
type report struct {
	Finding  findingReport   `json:"finding"`
	Differs  []string        `json:"differs,omitempty"` // what the world has otherwise than the finding
	Decision policy.Decision `json:"decision"`
	Observed []string        `json:"observed"`
	Plan     answer.Answer   `json:"plan"`
	Calls    []callReport    `json:"changes"`
	Answer   answer.Answer   `json:"answer"`
	Flows    []flowReport    `json:"flows"`
	Release  releaseReport   `json:"release"`
}

type findingReport struct {
	Type     string   `json:"type"`
	Severity float64  `json:"severity"`
	Instance string   `json:"instance"`
	Peers    []string `json:"peers"`
}

// A callReport is one change made through the API.
type callReport struct {
	Millis float64 `json:"millis"` // since the event arrived
	Call   string  `json:"call"`
	Error  string  `json:"error,omitempty"`
}

// A flowReport says whether a flow passes before, after a swap of the groups
// alone, and after Tourniquet.
type flowReport struct {
	Flow   string `json:"flow"`
	Peer   bool   `json:"peer"` // with a peer of the finding
	New    bool   `json:"new"`  // a connection still to be made
	Before bool   `json:"before"`
	Naive  bool   `json:"afterGroupSwapAlone"`
	After  bool   `json:"afterTourniquet"`
	Why    string `json:"why"`
}

func summarize(f guardduty.Finding, in plan.Incident) findingReport {
	r := findingReport{Type: f.Type, Severity: f.Severity, Instance: in.Instance, Peers: []string{}}
	for _, a := range in.Target(nil).Peers {
		r.Peers = append(r.Peers, a.String())
	}
	return r
}

func observed(n network.Network) []string {
	var lines []string
	for _, i := range n.Interfaces {
		subnet := n.Subnets[i.Subnet]
		lines = append(lines, fmt.Sprintf("%s in %s behind %s, groups %s", i.ID, subnet.ID, subnet.ACL, strings.Join(i.Groups, " ")))
	}
	return lines
}

func calls(log []simvpc.Call, start time.Time) []callReport {
	var changes []callReport
	for _, c := range log {
		if !c.Mutating {
			continue
		}
		what := []string{c.Op}
		for _, p := range []string{"NetworkInterfaceId", "NetworkAclId", "RuleNumber", "CidrBlock", "Ipv6CidrBlock", "SecurityGroupId.1", "ResourceId.1", "GroupName"} {
			if v := c.Params.Get(p); v != "" {
				what = append(what, v)
			}
		}
		if e := c.Params.Get("Egress"); e != "" {
			what = append(what, map[string]string{"true": "out", "false": "in"}[e])
		}
		changes = append(changes, callReport{
			Millis: float64(c.End.Sub(start).Microseconds()) / 1000, Call: strings.Join(what, " "), Error: c.Code,
		})
	}
	return changes
}

// compare judges every flow of the world, and new connections with each peer.
func compare(in plan.Incident, before, after *world.World) []flowReport {
	naive := swapped(before, in.Instance)
	peers := in.Target(nil).Peers
	var flows []flowReport
	for _, f := range before.Flows {
		v := oracle.Passes(after, *f)
		flows = append(flows, flowReport{
			Flow: f.String(), Peer: concerns(before, *f, in.Instance, peers),
			Before: oracle.Passes(before, *f).Passes, Naive: oracle.Passes(naive, *f).Passes, After: v.Passes, Why: v.Why,
		})
	}
	for _, f := range attempts(before, in.Instance, peers) {
		v := oracle.Connects(after, f)
		flows = append(flows, flowReport{
			Flow: "new " + f.String(), Peer: true, New: true,
			Before: oracle.Connects(before, f).Passes, Naive: oracle.Connects(naive, f).Passes, After: v.Passes, Why: v.Why,
		})
	}
	return flows
}

// swapped is the world after the usual isolation: every group of the instance's
// interfaces replaced by one without rules, and nothing else.
func swapped(w *world.World, instance string) *world.World {
	naive := w.Clone()
	for _, i := range naive.Interfaces {
		if i.Instance != instance {
			continue
		}
		vpc := naive.Subnet(i.Subnet).VPC
		id := "sg-empty-" + vpc
		if naive.Group(id) == nil {
			naive.Groups = append(naive.Groups, &world.SecurityGroup{ID: id, VPC: vpc, Name: id, Owner: w.Account})
		}
		i.Groups = []string{id}
	}
	return naive
}

// concerns reports whether a flow is between the instance and one of the peers.
func concerns(w *world.World, f world.Flow, instance string, peers []netip.Addr) bool {
	mine := addressesOf(w, instance)
	from, to := f.From.Addr(), f.To.Addr()
	return slices.Contains(mine, from) && slices.Contains(peers, to) || slices.Contains(mine, to) && slices.Contains(peers, from)
}

func addressesOf(w *world.World, instance string) []netip.Addr {
	var addrs []netip.Addr
	for _, i := range w.Interfaces {
		if i.Instance == instance {
			addrs = append(append(addrs, i.Private...), i.IPv6...)
		}
	}
	return addrs
}

// attempts are new connections to each peer, from each address of its family.
func attempts(w *world.World, instance string, peers []netip.Addr) []world.Flow {
	const somePort, https = 50555, 443
	var flows []world.Flow
	for _, peer := range peers {
		for _, a := range addressesOf(w, instance) {
			if a.Is6() == peer.Is6() {
				flows = append(flows, world.Flow{
					Protocol: world.TCP, From: netip.AddrPortFrom(a, somePort), To: netip.AddrPortFrom(peer, https),
				})
			}
		}
	}
	return flows
}

// open reports whether a flow with a peer still passes.
func (r *report) open() bool {
	return slices.ContainsFunc(r.Flows, func(f flowReport) bool { return f.Peer && f.After })
}

func (r *report) print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "1. The finding\n   %s, severity %.1f, on %s\n   remote peers: %s\n   decision: %s (%s)\n",
		r.Finding.Type, r.Finding.Severity, r.Finding.Instance, orNone(r.Finding.Peers), r.Decision.Verdict, r.Decision.Reason)
	if r.Decision.Verdict != record.Contain {
		b.WriteString("   an event would change nothing; the drill goes on as if a person had asked\n")
	}
	for _, d := range r.Differs {
		fmt.Fprintf(&b, "   not as in the finding: %s\n", d)
	}
	b.WriteString("\n2. What was observed\n")
	for _, o := range r.Observed {
		fmt.Fprintf(&b, "   %s\n", o)
	}
	b.WriteString("\n3. The plan, recorded with the original groups before the first change\n")
	for _, i := range r.Plan.Incidents {
		for _, s := range i.Steps {
			fmt.Fprintf(&b, "   %s\n", planned(s))
		}
	}
	b.WriteString("\n4. What was done (milliseconds after the event)\n")
	for _, c := range r.Calls {
		fmt.Fprintf(&b, "   %7.1f  %s %s\n", c.Millis, c.Call, c.Error)
	}
	for _, i := range r.Answer.Incidents {
		fmt.Fprintf(&b, "   read back: %s, %d steps\n", i.Status, len(i.Steps))
	}
	b.WriteString("\n5. What still passes\n")
	r.printFlows(&b)
	b.WriteString("\n6. What may still flow, and why\n")
	for _, i := range r.Answer.Incidents {
		for _, e := range i.Exposure {
			fmt.Fprintf(&b, "   %s: %s\n", e.Kind, e.Detail)
		}
	}
	r.Release.print(&b)
	b.WriteString("\n" + r.verdict() + "\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *report) printFlows(b *strings.Builder) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "   \tbefore\tgroup swap alone\tTourniquet\t")
	for _, f := range r.Flows {
		mark := " "
		if f.Peer {
			mark = "!"
		}
		fmt.Fprintf(w, " %s %s\t%s\t%s\t%s\t%s\n", mark, f.Flow, passes(f.Before), passes(f.Naive), passes(f.After), f.Why)
	}
	_ = w.Flush() // a strings.Builder takes everything
	b.WriteString("   ! with a peer of the finding\n")
}

func (r *report) verdict() string {
	naive, peers := 0, 0
	for _, f := range r.Flows {
		if f.Peer {
			peers++
		}
		if f.Peer && f.Naive {
			naive++
		}
	}
	if r.open() {
		return "NOT contained: a flow with a peer still passes."
	}
	if peers == 0 {
		return "Quarantined. The finding names no peer, so that no connection was rehearsed, and none was denied."
	}
	return fmt.Sprintf("Contained. The group swap alone would have left %d of the peers' connections alive.", naive)
}

func planned(s answer.StepAnswer) string {
	switch s.Kind {
	case record.KindQuarantine:
		return fmt.Sprintf("quarantine %s: %s -> %s", s.Resource, strings.Join(s.Before, " "), orNone(s.After))
	case record.KindTracking:
		return fmt.Sprintf("track idle connections of %s for less time: %s", s.Resource, strings.Join(s.After, " "))
	}
	return fmt.Sprintf("deny %s in %s, %s rule %d", s.Prefix, s.Resource, s.Direction, s.Number)
}

func passes(yes bool) string {
	if yes {
		return "passes"
	}
	return "cut"
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, " ")
}
