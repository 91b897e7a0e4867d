package containment_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

// latencyFor is far above what a busy machine needs to send so many calls at once,
// so that calls which could have been one round trip are seen as one.
func latencyFor(calls int) time.Duration {
	return 100*time.Millisecond + time.Duration(calls)*5*time.Millisecond
}

// slow is a ledger whose calls take as long as EC2's, and are logged beside them.
type slow struct {
	containment.Ledger
	log     *simvpc.Log
	latency time.Duration
}

func (s slow) call(op string, mutating bool) func() {
	end := s.log.Begin(op, mutating)
	time.Sleep(s.latency)
	return func() { end("") }
}

func (s slow) Load(ctx context.Context, instance string, vpcs []string) (record.Known, error) {
	defer s.call("Load", false)()
	return s.Ledger.Load(ctx, instance, vpcs)
}

func (s slow) Commit(ctx context.Context, c record.Change) error {
	defer s.call("Commit", true)()
	return s.Ledger.Commit(ctx, c)
}

// wide is a world with an instance of so many interfaces behind so many ACLs, each
// ACL serving one subnet.
func wide(t *testing.T, interfaces, acls int, quarantine bool) *world.World {
	t.Helper()
	var b strings.Builder
	b.WriteString("account 111122223333\nregion eu-central-1\nvpc vpc-1 10.0.0.0/16 2001:db8:1::/56\ngroup sg-web vpc-1\n  out all 0.0.0.0/0\n")
	if quarantine {
		b.WriteString("group sg-q vpc-1 name tourniquet-quarantine tags tourniquet:role=quarantine\n")
	}
	for n := range acls {
		fmt.Fprintf(&b, "subnet subnet-%d vpc-1 10.0.%d.0/24\n", n, n)
		fmt.Fprintf(&b, "acl acl-%d vpc-1 subnets subnet-%d\n  100 in allow all 0.0.0.0/0\n  100 out allow all 0.0.0.0/0\n", n, n)
	}
	fmt.Fprintf(&b, "instance %s\n", victim)
	for n := range interfaces {
		fmt.Fprintf(&b, "interface eni-%d %s subnet-%d 10.0.%d.%d groups sg-web\n", n, victim, n%acls, n%acls, 10+n)
	}
	w, err := simvpc.ParseWorld(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

const victim = "i-0aaaaaaaaaaaaaaa1"

func incidentOf(w *world.World, peers int) plan.Incident {
	in := plan.Incident{
		Instance: victim, VPCs: []string{"vpc-1"}, Reason: "test",
		Findings: []record.FindingRef{{ID: "f1", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8}},
	}
	for _, s := range w.Subnets {
		in.Subnets = append(in.Subnets, s.ID)
	}
	for n := range peers {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.AddrFrom4([4]byte{198, 51, 100, byte(n + 1)})})
	}
	return in
}

// responder is the real one, on a simulated EC2.
func responder(server *simvpc.Server, l containment.Ledger) *containment.Responder {
	cfg := aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), HTTPClient: vpc.NewHTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	}
	ec2, keeping := vpc.New(cfg), keep.New(cfg)
	return &containment.Responder{
		EC2: ec2, Fleet: ec2, Keeping: keeping, Beside: keptBy(keeping),
		Ledger: l, Policy: policy.Policy{MaxContained: 1000}, Rules: plan.Rules{ACLQuota: network.DefaultACLQuota},
		Log: slog.New(slog.DiscardHandler), Now: time.Now, LedgerWait: 10 * time.Second,
	}
}

// From event to contained there are three dependent round trips, whatever the
// number of interfaces, peers and ACLs: look, record, apply. Among 16 peers is one that may
// be the VPC's resolver, which takes a read of the VPC.
//
// It is not parallel: what it measures is which calls overlap.
func TestRoundTrips(t *testing.T) {
	tests := []struct {
		interfaces, acls, peers int
		quarantine, stale       bool
		depth, contained, calls int // calls up to contained, and in all
	}{
		{interfaces: 1, acls: 1, peers: 1, quarantine: true, depth: 3, contained: 13, calls: 17},
		{interfaces: 8, acls: 1, peers: 1, quarantine: true, depth: 3, contained: 20, calls: 24},
		{interfaces: 1, acls: 1, peers: 16, quarantine: true, depth: 3, contained: 44, calls: 48},
		{interfaces: 8, acls: 4, peers: 1, quarantine: true, depth: 3, contained: 26, calls: 30},
		{interfaces: 8, acls: 4, peers: 16, quarantine: true, depth: 3, contained: 147, calls: 151},
		{interfaces: 1, acls: 1, peers: 1, quarantine: true, stale: true, depth: 4, contained: 15, calls: 19},
		{interfaces: 1, acls: 1, peers: 1, depth: 5, contained: 17, calls: 21},
	}
	for _, tc := range tests {
		name := fmt.Sprintf("%d interfaces, %d ACLs, %d peers, quarantine %t, stale %t", tc.interfaces, tc.acls, tc.peers, tc.quarantine, tc.stale)
		t.Run(name, func(t *testing.T) {
			latency := latencyFor(tc.contained)
			w := wide(t, tc.interfaces, tc.acls, tc.quarantine)
			log := &simvpc.Log{}
			server := simvpc.Start(t, w, simvpc.Options{Latency: latency, Log: log})
			in := incidentOf(w, tc.peers)
			if tc.stale {
				in.Subnets = []string{"subnet-old"}
			}
			out, err := responder(server, slow{&ledger.Memory{}, log, latency}).Contain(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if out.Record.Status != record.Contained {
				t.Errorf("status %s", out.Record.Status)
			}
			critical := untilContained(log.Calls())
			if got := simvpc.Depth(critical); got != tc.depth {
				t.Errorf("%d dependent round trips, want %d", got, tc.depth)
			}
			if len(critical) != tc.contained || len(log.Calls()) != tc.calls {
				t.Errorf("%d calls until contained and %d in all, want %d and %d", len(critical), len(log.Calls()), tc.contained, tc.calls)
			}
		})
	}
}

// untilContained are the calls up to the last change of the network.
func untilContained(calls []simvpc.Call) []simvpc.Call {
	last := 0
	for i, c := range calls {
		if c.Op == "ModifyNetworkInterfaceAttribute" || c.Op == "CreateNetworkAclEntry" {
			last = i
		}
	}
	return calls[:last+1]
}
