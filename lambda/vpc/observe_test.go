package vpc_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/network"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/vpc"
)

const victim = "i-0aaaaaaaaaaaaaaa1"

// start is a client of a simulated EC2.
func start(t *testing.T, world string) *vpc.Client {
	t.Helper()
	w, err := simvpc.ParseWorld(world)
	if err != nil {
		t.Fatal(err)
	}
	server := simvpc.Start(t, w, simvpc.Options{})
	return clientOf(server)
}

// clientOf is a client of a simulated EC2 that remembers nothing yet.
func clientOf(server *simvpc.Server) *vpc.Client {
	return vpc.New(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), HTTPClient: vpc.NewHTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	})
}

// A record may name more than the 200 values that the filters of one call take.
func TestObserveManyRecorded(t *testing.T) {
	t.Parallel()
	const many = 450
	var b strings.Builder
	b.WriteString("account 111122223333\nregion eu-central-1\nvpc vpc-1 10.0.0.0/16\nsubnet subnet-1 vpc-1 10.0.0.0/20\n")
	b.WriteString("group sg-web vpc-1\ninstance " + victim + "\n")
	target := network.Target{Instance: victim}
	for n := range many {
		fmt.Fprintf(&b, "group sg-%d vpc-1\nacl acl-%d vpc-1\n", n, n)
		fmt.Fprintf(&b, "interface eni-%d - subnet-1 10.0.%d.%d groups sg-web\n", n, 1+n/200, 10+n%200)
		target.Interfaces = append(target.Interfaces, fmt.Sprintf("eni-%d", n))
		target.Groups = append(target.Groups, fmt.Sprintf("sg-%d", n))
		target.ACLs = append(target.ACLs, fmt.Sprintf("acl-%d", n))
	}
	b.WriteString("interface eni-own " + victim + " subnet-1 10.0.0.10 groups sg-web\n")
	client := start(t, b.String())
	seen, err := client.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Detached) != many || len(seen.Groups) != many || len(seen.Elsewhere) != many {
		t.Errorf("%d interfaces, %d groups and %d ACLs are seen, want %d of each", len(seen.Detached), len(seen.Groups), len(seen.Elsewhere), many)
	}
}

// An instance may be in more subnets than one filter takes.
func TestObserveManySubnets(t *testing.T) {
	t.Parallel()
	const many = 250
	var b strings.Builder
	b.WriteString("account 111122223333\nregion eu-central-1\nvpc vpc-1 10.0.0.0/16\ngroup sg-web vpc-1\ninstance " + victim + "\n")
	target := network.Target{Instance: victim}
	for n := range many {
		fmt.Fprintf(&b, "subnet subnet-%d vpc-1 10.0.%d.0/24\nacl acl-%d vpc-1 subnets subnet-%d\n", n, n, n, n)
		fmt.Fprintf(&b, "interface eni-%d %s subnet-%d 10.0.%d.10 groups sg-web\n", n, victim, n, n)
		if n < 20 {
			target.Subnets = append(target.Subnets, fmt.Sprintf("subnet-%d", n))
		}
	}
	client := start(t, b.String())
	seen, err := client.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen.Interfaces) != many || len(seen.Subnets) != many || len(seen.ACLs) != many {
		t.Errorf("%d interfaces, %d subnets and %d ACLs are seen, want %d of each", len(seen.Interfaces), len(seen.Subnets), len(seen.ACLs), many)
	}
}

// While EC2 throttles, the second look goes by the description of the instance. That
// shows no pod's interface, and says nothing of services and further subnets: what the
// first look has shown of them stays.
func TestSecondLookWhileEC2Throttles(t *testing.T) {
	t.Parallel()
	w, err := simvpc.ParseWorld(`account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
subnet subnet-2 vpc-1 10.0.2.0/24
group sg-web vpc-1
instance ` + victim + `
interface eni-1 ` + victim + ` subnet-1 10.0.1.10 groups sg-web type trunk associated subnet-2 tags tourniquet:original-groups=sg-old
interface eni-2 ` + victim + ` subnet-1 10.0.1.11 groups sg-web managed amazon-something
interface eni-pod - subnet-1 10.0.1.30 groups sg-web type branch tags vpcresources.k8s.aws/trunk-eni-id=eni-1
`)
	if err != nil {
		t.Fatal(err)
	}
	server := simvpc.Start(t, w, simvpc.Options{})
	server.Inject(simvpc.Fault{Op: "DescribeVpcs", Kind: simvpc.Throttle})
	client := clientOf(server)
	first, err := client.Observe(t.Context(), network.Target{Instance: victim})
	if err != nil {
		t.Fatal(err)
	}
	if !client.Scarce() || len(first.Interfaces) != 3 {
		t.Fatalf("scarce %t, interfaces %+v", client.Scarce(), first.Interfaces)
	}
	for _, look := range []network.Look{network.Again, network.AgainInterfaces} {
		again, err := client.Observe(t.Context(), network.Target{Instance: victim, Subnets: []string{"subnet-1", "subnet-2"}, Look: look, Since: &first})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(first, again, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("look %d (-first +again):\n%s", look, d)
		}
	}
}
