package containment_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/vpc"
)

// An instance is contained in a simulated VPC through the real AWS SDK, and released.
// Its groups come back at once. The denials linger as long as EC2 may still track the
// connection that they cut.
func Example() {
	w, err := simvpc.ParseWorld(`
account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1 name web
  in tcp 443 0.0.0.0/0
acl acl-1 vpc-1 subnets subnet-1
  100 in allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
instance i-0123456789abcdef0 type m5.large state running
interface eni-1 i-0123456789abcdef0 subnet-1 10.0.1.10 groups sg-web
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(simvpc.New(w, simvpc.Options{}))
	defer server.Close()
	ec2 := vpc.New(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), HTTPClient: vpc.NewHTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	})
	book, log := &ledger.Memory{}, slog.New(slog.DiscardHandler)
	responder := &containment.Responder{
		EC2: ec2, Fleet: ec2, Ledger: book, Policy: policy.Policy{MaxContained: 25},
		Rules: plan.Rules{ACLQuota: network.DefaultACLQuota}, Log: log, Now: time.Now, LedgerWait: time.Second,
	}
	out, err := responder.Contain(context.Background(), plan.Incident{
		Instance: "i-0123456789abcdef0", Peers: []guardduty.Peer{{Addr: netip.MustParseAddr("198.51.100.7")}}, Reason: "an example",
	})
	fmt.Println(out.Record.Status, err)

	releaser := &containment.Releaser{
		EC2: &vpc.Reverter{Client: ec2}, Ledger: book, Book: book, Leases: book, Log: log, Now: time.Now, LedgerWait: time.Second,
	}
	out, err = releaser.Release(context.Background(), containment.Ask{Instance: "i-0123456789abcdef0", Reason: "reimaged"})
	fmt.Println(out.Record.Status, err)
	for _, s := range out.Record.Steps {
		fmt.Println(s.State, s.Step.ID())
	}
	// Output:
	// contained <nil>
	// released <nil>
	// restored quarantine/eni-1
	// lingering denial/acl-1/in/198.51.100.7/32
	// lingering denial/acl-1/out/198.51.100.7/32
}
