package plan_test

import (
	"fmt"
	"net/netip"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// An instance with one interface, behind an ACL that allows everything at rule 100. The
// interface comes into quarantine, and the peer is denied below rule 100, both ways.
func ExampleNewPlan() {
	everything := netip.MustParsePrefix("0.0.0.0/0")
	seen := network.Network{
		Instance: network.Instance{ID: "i-0123456789abcdef0", Account: "111122223333", State: "running"},
		Interfaces: []network.Interface{{
			ID: "eni-1", VPC: "vpc-1", Subnet: "subnet-1", Groups: []string{"sg-web"}, TrackingTimeout: network.DefaultTracking,
		}},
		Subnets: map[string]network.Subnet{"subnet-1": {
			ID: "subnet-1", VPC: "vpc-1", ACL: "acl-1", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")},
		}},
		ACLs: map[string]network.ACL{"acl-1": {ID: "acl-1", VPC: "vpc-1", Account: "111122223333", Entries: []network.Entry{
			{Number: 100, Direction: network.In, Prefix: everything, Allow: true, AllTraffic: true},
			{Number: 100, Direction: network.Out, Prefix: everything, Allow: true, AllTraffic: true},
		}}},
		Quarantine: map[string][]network.Quarantined{"vpc-1": {{Group: "sg-quarantine", Empty: true}}},
	}
	in := plan.Incident{
		Instance: seen.Instance.ID, Peers: []guardduty.Peer{{Addr: netip.MustParseAddr("198.51.100.7")}}, Reason: "severity 8.0",
	}
	p := plan.NewPlan(in, seen, record.Known{}, plan.Rules{ACLQuota: network.DefaultACLQuota})
	for _, s := range p.Record.Steps {
		fmt.Println(s.State, s.Step.ID())
	}
	// Output:
	// pending quarantine/eni-1
	// pending denial/acl-1/in/198.51.100.7/32
	// pending denial/acl-1/out/198.51.100.7/32
}
