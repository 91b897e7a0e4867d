package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"tourniquet/lambda/config"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/internal/readme"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

const cutWorld = `account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
  in tcp 443 0.0.0.0/0
  out all 0.0.0.0/0
group sg-q vpc-1 name tourniquet-quarantine tags tourniquet:role=quarantine
acl acl-1 vpc-1 subnets subnet-1
  100 in allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
instance i-0aaaaaaaaaaaaaaa1 ssm
interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 public 203.0.113.10 groups sg-web
flow tcp 10.0.1.10:44321 -> 198.51.100.7:443 tracked eni-1
`

// A cut is what becomes of an intruder's established connection.
type cut struct {
	denied, host bool // what was done about it
	alive        bool // by the oracle
	left         []string
}

// cutBy contains an instance for a finding of a type, and looks what became of its
// connection with the intruder.
func cutBy(t *testing.T, name string, peer, rungs bool) cut {
	t.Helper()
	w, err := simvpc.ParseWorld(cutWorld)
	if err != nil {
		t.Fatal(err)
	}
	flow := *w.Flows[0]
	server := simvpc.Start(t, w, simvpc.Options{})
	vars := map[string]string{}
	if rungs {
		vars[config.IsolateDocument] = "tourniquet-isolate"
	}
	in := plan.Incident{
		Instance: "i-0aaaaaaaaaaaaaaa1", Subnets: []string{"subnet-1"}, VPCs: []string{"vpc-1"}, Reason: name,
		Findings: []record.FindingRef{{ID: "f1", Type: name, Severity: 8}},
	}
	if peer {
		in.Peers = []guardduty.Peer{{Addr: netip.MustParseAddr("198.51.100.7"), RemotePort: 443}}
	}
	h := newTestHandler(t, server, vars)
	out, err := h.Responder.Contain(t.Context(), in)
	if err != nil || out.Record.Status != record.Contained {
		t.Fatalf("%s: %s, %v", name, out.Record.Status, err)
	}
	now := server.World()
	_, told := out.Record.Step(record.HostOf(in.Instance).ID())
	c := cut{host: told, alive: lives(now, flow)}
	for _, s := range out.Record.Steps {
		c.denied = c.denied || s.Step.Kind() == record.KindDenial
	}
	for _, e := range out.Record.Exposure {
		c.left = append(c.left, "`"+string(e.Kind)+"`")
	}
	return c
}

// lives reports whether a connection still exchanges packets: the network passes it, and
// neither end has closed it.
func lives(w *world.World, flow world.Flow) bool {
	open := false
	for _, f := range w.Flows {
		open = open || f.From == flow.From && f.To == flow.To
	}
	return open && oracle.Passes(w, flow).Passes
}

// The README says of each finding type that is contained by default what becomes of an
// established connection with the intruder. The oracle of the simulated VPC makes the table.
//
// go test ./lambda -run README -update rewrites it.
func TestREADMEHasWhatCuts(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("| Finding type | Names a peer | The swap and denials alone | By default, on a host that SSM manages | What is left |\n|---|---|---|---|---|\n")
	types, before, after := 0, 0, 0
	for _, typ := range guardduty.Types() {
		if typ.Response != guardduty.Contain {
			continue
		}
		types++
		names := "yes"
		switch {
		case strings.HasPrefix(typ.Peers, "none"):
			names = "no"
		case strings.Contains(typ.Peers, "where GuardDuty gives one"):
			names = "not always"
		}
		without, with := cutBy(t, typ.Name, names == "yes", false), cutBy(t, typ.Name, names == "yes", true)
		if !without.alive {
			before++
		}
		if !with.alive {
			after++
		}
		if with.alive && !without.alive {
			t.Errorf("%s: the host's isolation lets a connection live that was cut without it", typ.Name)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", typ.Name, names, fate(without), fate(with), strings.Join(with.left, ", "))
	}
	fmt.Fprintf(&b, "\nOf %d types, an established connection is cut for %d by the swap and denials alone, and for %d with the host isolated. "+
		"Where a peer is not always named, the rows show a finding without one.\n", types, before, after)
	if types < 30 || after != types || before == types {
		t.Errorf("%d types, cut %d before and %d after: is the table still made as it says?", types, before, after)
	}
	readme.Check(t, "guardduty/README.md", "what cuts", "lambda", b.String(), *update)
}

// fate says what became of a connection.
func fate(c cut) string {
	switch {
	case c.alive:
		return "**lives on**"
	case c.host:
		return "cut on the host"
	case c.denied:
		return "cut by the denial"
	default:
		return "cut by the swap"
	}
}
