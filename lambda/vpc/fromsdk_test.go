package vpc

import (
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/network"
)

// An entry whose prefix can't be read still has its number, which EC2 would refuse to
// give away once more.
func TestEntryWithoutPrefixKeepsItsNumber(t *testing.T) {
	t.Parallel()
	acl := fromSDKACL(types.NetworkAcl{NetworkAclId: aws.String("acl-1"), Entries: []types.NetworkAclEntry{
		{RuleNumber: aws.Int32(1), Egress: aws.Bool(false), RuleAction: types.RuleActionDeny, Protocol: aws.String("-1")},
		{RuleNumber: aws.Int32(2), Egress: aws.Bool(true), RuleAction: types.RuleActionAllow, Protocol: aws.String("6"), CidrBlock: aws.String("a prefix to come")},
		{RuleNumber: aws.Int32(3), Egress: aws.Bool(false), RuleAction: types.RuleActionAllow, Protocol: aws.String("-1"), Ipv6CidrBlock: aws.String("2001:db8::1/32")},
	}})
	want := []network.Entry{
		{Number: 1, Direction: network.In, AllTraffic: true},
		{Number: 2, Direction: network.Out, Allow: true},
		{Number: 3, Direction: network.In, Allow: true, AllTraffic: true, Prefix: netip.MustParsePrefix("2001:db8::/32")},
	}
	if d := cmp.Diff(want, acl.Entries, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("entries (-want +got):\n%s", d)
	}
	if n, ok := acl.Free(network.In, 100); !ok || n != 2 {
		t.Errorf("the lowest free number in is %d (%t), want 2", n, ok)
	}
	if n, ok := acl.Free(network.Out, 100); !ok || n != 1 {
		t.Errorf("the lowest free number out is %d (%t), want 1", n, ok)
	}
}

// A service may manage an interface as its requester, or operate it with its instance.
func TestWhoManagesAnInterface(t *testing.T) {
	t.Parallel()
	eks := &types.OperatorResponse{Managed: aws.Bool(true), Principal: aws.String("eks.amazonaws.com"), HiddenByDefault: aws.Bool(true)}
	node := &types.NetworkInterfaceAttachment{InstanceId: aws.String("i-1")}
	service := &types.NetworkInterfaceAttachment{InstanceOwnerId: aws.String("amazon-aws")}
	for name, tc := range map[string]struct {
		sdk              types.NetworkInterface
		managed, service string // by whom; whose shared infrastructure
	}{
		"ordinary":            {types.NetworkInterface{Attachment: node}, "", ""},
		"load balancer":       {types.NetworkInterface{RequesterManaged: aws.Bool(true), RequesterId: aws.String("amazon-elb")}, "amazon-elb", "amazon-elb"},
		"NAT gateway":         {types.NetworkInterface{RequesterManaged: aws.Bool(true), InterfaceType: types.NetworkInterfaceTypeNatGateway}, "another AWS service", "natGateway"},
		"operated node":       {types.NetworkInterface{Operator: eks, Attachment: node}, "eks.amazonaws.com", ""},
		"operated, no node":   {types.NetworkInterface{Operator: eks, Attachment: service}, "eks.amazonaws.com", "eks.amazonaws.com"},
		"operator unnamed":    {types.NetworkInterface{Operator: &types.OperatorResponse{Managed: aws.Bool(true)}}, "another AWS service", "another AWS service"},
		"operator, unmanaged": {types.NetworkInterface{Operator: &types.OperatorResponse{Managed: aws.Bool(false)}, Attachment: node}, "", ""},
	} {
		if got := fromSDKInterface(tc.sdk).ManagedBy; got != tc.managed {
			t.Errorf("%s: managed by %q, want %q", name, got, tc.managed)
		}
		if got := fromSDKOwner(tc.sdk).Service; got != tc.service {
			t.Errorf("%s: shared infrastructure of %q, want %q", name, got, tc.service)
		}
	}
}

func TestSecondaryInterfaces(t *testing.T) {
	t.Parallel()
	i := fromSDKInstance(types.Instance{InstanceId: aws.String("i-1"), SecondaryInterfaces: []types.InstanceSecondaryInterface{
		{SecondaryInterfaceId: aws.String("sni-2")}, {SecondaryInterfaceId: aws.String("sni-1")},
	}}, "111122223333")
	if d := cmp.Diff([]string{"sni-1", "sni-2"}, i.Secondary); d != "" {
		t.Errorf("secondary interfaces (-want +got):\n%s", d)
	}
}
