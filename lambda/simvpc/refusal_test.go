package simvpc_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// More of the world of the refusals: a shared VPC, a Xen instance, full tags.
const refusalWorld = web + `
vpc vpc-3 10.3.0.0/16 owner 999988887777
subnet subnet-3 vpc-3 10.3.1.0/24
group sg-3 vpc-3
acl acl-3 vpc-3 subnets subnet-3
group sg-1 vpc-1
group sg-2 vpc-1
group sg-4 vpc-1
group sg-5 vpc-1
instance i-9
interface eni-9 i-9 subnet-1 10.0.1.99 groups sg-1 operator eks.amazonaws.com
interface eni-8 - subnet-3 owner 999988887777
`

func TestRaisedQuotaOfGroups(t *testing.T) {
	t.Parallel()
	s, c := start(t, "groups-per-interface 6\n"+web+"group sg-1 vpc-1\ngroup sg-2 vpc-1\ngroup sg-4 vpc-1\ngroup sg-5 vpc-1\n", simvpc.Options{})
	six := []string{"sg-1", "sg-2", "sg-4", "sg-5", "sg-db", "sg-web"}
	permit(t, swap("eni-1", six...)(t.Context(), c))
	if got := s.World().Interface("eni-1").Groups; !slices.Equal(got, six) {
		t.Errorf("groups %v, want %v", got, six)
	}
	if err := swap("eni-1", append(six, "sg-quarantine")...)(t.Context(), c); code(err) != "SecurityGroupsPerInterfaceLimitExceeded" {
		t.Errorf("seven groups: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("k", 129), strings.Repeat("v", 257)
	any4 := permission("-1", -1, -1, "0.0.0.0/0")
	for _, test := range []struct {
		name string
		call call
		want string
	}{
		{"swap to unknown group", swap("eni-1", "sg-nobody"), "InvalidGroup.NotFound"},
		{"swap to one unknown group", swap("eni-1", "sg-web", "sg-nobody"), "InvalidGroup.NotFound"},
		{"swap to group of other VPC", swap("eni-1", "sg-other"), "InvalidGroup.NotFound"},
		{"a rule for a group of another VPC", ingress("sg-web", types.IpPermission{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String("sg-other")}},
		}), "InvalidGroup.NotFound"},
		{"swap to malformed group", swap("eni-1", "web"), "InvalidGroupId.Malformed"},
		{"swap to nothing", swap("eni-1"), "InvalidParameterCombination"},
		{"swap to six groups", swap("eni-1", "sg-web", "sg-db", "sg-1", "sg-2", "sg-4", "sg-5"), "SecurityGroupsPerInterfaceLimitExceeded"},
		{"swap of unknown interface", swap("eni-nobody", "sg-web"), "InvalidNetworkInterfaceID.NotFound"},
		{"swap of malformed interface", swap("i-1", "sg-web"), "InvalidNetworkInterfaceId.Malformed"},
		{"swap of managed interface", swap("eni-lb", "sg-quarantine"), "OperationNotPermitted"},
		{"swap of operator's interface", swap("eni-9", "sg-quarantine"), "OperationNotPermitted"},
		{"swap of task's interface", swap("eni-ecs", "sg-quarantine"), "AuthFailure"},
		{"swap of others' interface", swap("eni-8", "sg-3"), "AuthFailure"},
		{"two attributes", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
				NetworkInterfaceId: aws.String("eni-1"), Groups: []string{"sg-web"},
				Description: &types.AttributeValue{Value: aws.String("x")},
			}))
		}, "InvalidParameterCombination"},
		{"timeout too short", tcpTimeout("eni-1", 59), "InvalidParameterValue"},
		{"timeout too long", tcpTimeout("eni-1", 432001), "InvalidParameterValue"},
		{"timeout on Xen", tcpTimeout("eni-3", 60), "UnsupportedOperation"},
		{"instance of two interfaces", swapInstance("i-0aaaaaaaaaaaaaaa1", "sg-web"), "InvalidInstanceID"},
		{"instance without interface", swapInstance("i-0aaaaaaaaaaaaaaa3", "sg-web"), "IncorrectInstanceState"},
		{"unknown instance", swapInstance("i-nobody", "sg-web"), "InvalidInstanceID.NotFound"},
		{"malformed instance", swapInstance("I-1", "sg-web"), "InvalidInstanceID.Malformed"},

		{"group of taken name", newGroup("vpc-1", "web", "x"), "InvalidGroup.Duplicate"},
		{"group named default", newGroup("vpc-1", "default", "x"), "InvalidGroup.Reserved"},
		{"group named like an ID", newGroup("vpc-1", "sg-x", "x"), "InvalidParameterValue"},
		{"group with odd name", newGroup("vpc-1", "wéb", "x"), "InvalidParameterValue"},
		{"group in unknown VPC", newGroup("vpc-9", "x", "x"), "InvalidVpcID.NotFound"},
		{"group in malformed VPC", newGroup("x", "x", "x"), "InvalidVpcID.Malformed"},
		{"group in no VPC", newGroup("", "x", "x"), "VPCIdNotSpecified"},
		{"drop unknown group", dropGroup("sg-nobody"), "InvalidGroup.NotFound"},
		{"drop group of an interface", dropGroup("sg-db"), "DependencyViolation"},
		{"drop referenced group", dropGroup("sg-web"), "DependencyViolation"},
		{"drop default group", dropGroup("sg-default-1"), "CannotDelete"},
		{"drop others' group", dropGroup("sg-default-3"), "UnauthorizedOperation"},
		{"rule twice", ingress("sg-web", permission("tcp", 443, 443, "0.0.0.0/0")), "InvalidPermission.Duplicate"},
		{"rule twice, host bits aside", ingress("sg-web", permission("tcp", 22, 22, "10.9.9.9/8")), "InvalidPermission.Duplicate"},
		{"rule twice in one call", ingress("sg-1", any4, any4), "InvalidParameterValue"},
		{"rule for unknown group", ingress("sg-1", permission("tcp", 1, 1, "sg-nobody")), "InvalidGroup.NotFound"},
		{"rule of bad CIDR", ingress("sg-1", permission("tcp", 1, 1, "10.0.0.0/33")), "InvalidParameterValue"},
		{"rule of bad ports", ingress("sg-1", permission("tcp", 2, 1, "0.0.0.0/0")), "InvalidParameterValue"},
		{"rule of bad protocol", ingress("sg-1", permission("tpc", 1, 1, "0.0.0.0/0")), "InvalidParameterValue"},
		{"rule without source", ingress("sg-1", types.IpPermission{IpProtocol: aws.String("-1")}), "InvalidParameterValue"},
		{"rule of prefix list", ingress("sg-1", types.IpPermission{
			IpProtocol: aws.String("-1"), PrefixListIds: []types.PrefixListId{{PrefixListId: aws.String("pl-1")}},
		}), "InvalidPrefixListID.NotFound"},
		{"rule of unknown group", ingress("sg-nobody", any4), "InvalidGroup.NotFound"},
		{"no rule", ingress("sg-1"), "MissingParameter"},
		{"revoke missing rule", revokeIn("sg-web", permission("tcp", 80, 80, "0.0.0.0/0")), "InvalidPermission.NotFound"},
		{"revoke in wrong direction", revokeOut("sg-web", permission("tcp", 443, 443, "0.0.0.0/0")), "InvalidPermission.NotFound"},
		{"revoke unknown rule ID", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: aws.String("sg-web"), SecurityGroupRuleIds: []string{"sgr-0123"},
			}))
		}, "InvalidSecurityGroupRuleId.NotFound"},
		{"describe unknown group", describeGroup("sg-nobody"), "InvalidGroup.NotFound"},
		{"describe malformed group", describeGroup("web"), "InvalidGroupId.Malformed"},

		{"entry number taken", addEntry(entry("acl-1", 100, false, "deny", "-1", "198.51.100.7/32")), "NetworkAclEntryAlreadyExists"},
		{"entry number taken by other family", addEntry(entry("acl-1", 100, false, "deny", "-1", "2001:db8::/32")), "NetworkAclEntryAlreadyExists"},
		{"entry number 0", addEntry(entry("acl-1", 0, false, "deny", "-1", "198.51.100.7/32")), "InvalidParameterValue"},
		{"entry number reserved", addEntry(entry("acl-1", 32767, false, "deny", "-1", "198.51.100.7/32")), "InvalidParameterValue"},
		{"entry of bad CIDR", addEntry(entry("acl-1", 1, false, "deny", "-1", "198.51.100.7")), "InvalidParameterValue"},
		{"entry of two CIDRs", func(ctx context.Context, c *ec2.Client) error {
			in := entry("acl-1", 1, false, "deny", "-1", "198.51.100.7/32")
			in.Ipv6CidrBlock = aws.String("::/0")
			return ignore(c.CreateNetworkAclEntry(ctx, in))
		}, "InvalidParameterCombination"},
		{"entry of no CIDR", func(ctx context.Context, c *ec2.Client) error {
			in := entry("acl-1", 1, false, "deny", "-1", "")
			in.CidrBlock = nil
			return ignore(c.CreateNetworkAclEntry(ctx, in))
		}, "MissingParameter"},
		{"entry of IPv6 as IPv4", func(ctx context.Context, c *ec2.Client) error {
			in := entry("acl-1", 1, false, "deny", "-1", "")
			in.CidrBlock = aws.String("::/0")
			return ignore(c.CreateNetworkAclEntry(ctx, in))
		}, "InvalidParameterValue"},
		{"entry of named protocol", addEntry(entry("acl-1", 1, false, "deny", "tcp", "198.51.100.7/32")), "InvalidParameterValue"},
		{"entry of TCP without ports", addEntry(entry("acl-1", 1, false, "deny", "6", "198.51.100.7/32")), "MissingParameter"},
		{"entry of ICMP without type", addEntry(entry("acl-1", 1, false, "deny", "1", "198.51.100.7/32")), "MissingParameter"},
		{"entry of bad action", addEntry(entry("acl-1", 1, false, "block", "-1", "198.51.100.7/32")), "InvalidParameterValue"},
		{"entry in unknown ACL", addEntry(entry("acl-9", 1, false, "deny", "-1", "198.51.100.7/32")), "InvalidNetworkAclID.NotFound"},
		{"entry in malformed ACL", addEntry(entry("nacl-1", 1, false, "deny", "-1", "198.51.100.7/32")), "InvalidNetworkAclId.Malformed"},
		{"entry in others' ACL", addEntry(entry("acl-3", 1, false, "deny", "-1", "198.51.100.7/32")), "UnauthorizedOperation"},
		{"drop missing entry", dropEntry("acl-1", 1, false), "InvalidNetworkAclEntry.NotFound"},
		{"drop entry in wrong direction", dropEntry("acl-default-1", 102, true), "InvalidNetworkAclEntry.NotFound"},
		{"drop the * entry", dropEntry("acl-1", 32767, false), "InvalidParameterValue"},
		{"replace missing entry", putEntry(entry("acl-1", 1, false, "deny", "-1", "198.51.100.7/32")), "InvalidNetworkAclEntry.NotFound"},
		{"drop default ACL", dropACL("acl-default-1"), "InvalidParameterValue"},
		{"drop used ACL", dropACL("acl-1"), "DependencyViolation"},
		{"unknown association", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{
				AssociationId: aws.String("aclassoc-1"), NetworkAclId: aws.String("acl-1"),
			}))
		}, "InvalidAssociationID.NotFound"},

		{"tag of AWS", tag("eni-1", "aws:x", "y"), "InvalidParameterValue"},
		{"empty tag key", tag("eni-1", "", "y"), "InvalidParameterValue"},
		{"long tag key", tag("eni-1", long, "y"), "InvalidParameterValue"},
		{"long tag value", tag("eni-1", "x", longer), "InvalidParameterValue"},
		{"tag on unknown", tag("eni-nobody", "x", "y"), "InvalidNetworkInterfaceID.NotFound"},
		{"tag on unknown kind", tag("volume-1", "x", "y"), "InvalidID"},
		{"51 tags", tag("eni-1", manyTags(51)...), "TagLimitExceeded"},

		{"attach held interface", attach("eni-1", "i-9", 1), "InvalidNetworkInterface.InUse"},
		{"attach at taken index", attach("eni-free", "i-0aaaaaaaaaaaaaaa1", 1), "InvalidParameterValue"},
		{"attach to terminated", attach("eni-free", "i-0aaaaaaaaaaaaaaa3", 0), "IncorrectInstanceState"},
		{"drop held interface", dropInterface("eni-1"), "InvalidParameterValue"},
		{"detach unknown", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DetachNetworkInterface(ctx, &ec2.DetachNetworkInterfaceInput{AttachmentId: aws.String("eni-attach-1")}))
		}, "InvalidAttachmentID.NotFound"},
		{"interface with group of other VPC", newInterface(&ec2.CreateNetworkInterfaceInput{
			SubnetId: aws.String("subnet-1"), Groups: []string{"sg-other"},
		}), "InvalidParameter"},
		{"interface in unknown subnet", newInterface(&ec2.CreateNetworkInterfaceInput{SubnetId: aws.String("subnet-7")}), "InvalidSubnetID.NotFound"},
		{"interface with taken address", newInterface(&ec2.CreateNetworkInterfaceInput{
			SubnetId: aws.String("subnet-1"), PrivateIpAddress: aws.String("10.0.1.10"),
		}), "InvalidIPAddress.InUse"},
		{"interface with foreign address", newInterface(&ec2.CreateNetworkInterfaceInput{
			SubnetId: aws.String("subnet-1"), PrivateIpAddress: aws.String("10.0.2.10"),
		}), "InvalidParameterValue"},
		{"interface with forgotten parameter", newInterface(&ec2.CreateNetworkInterfaceInput{
			SubnetId: aws.String("subnet-1"), Ipv4PrefixCount: aws.Int32(2),
		}), "UnknownParameter"},
		{"start terminated", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: []string{"i-0aaaaaaaaaaaaaaa3"}}))
		}, "IncorrectInstanceState"},
		{"stop unknown", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{"i-nobody"}}))
		}, "InvalidInstanceID.NotFound"},
		{"unknown type", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"m99.large"}}))
		}, "InvalidInstanceType"},
		{"unknown operation", func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DescribeRegions(ctx, &ec2.DescribeRegionsInput{}))
		}, "InvalidAction"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t, refusalWorld, simvpc.Options{})
			before := s.World()
			if got := code(test.call(t.Context(), c)); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if diff := world.Diff(before, s.World()); diff != "" {
				t.Errorf("a refused call changed the world:\n%s", diff)
			}
			if calls := s.Calls(); len(calls) != 1 || calls[0].Code != test.want {
				t.Errorf("log %+v", calls)
			}
		})
	}
}

func manyTags(n int) []string {
	var pairs []string
	for i := range n {
		pairs = append(pairs, fmt.Sprint("k", i), "v")
	}
	return pairs
}

func TestUnknownOperationIsNamed(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	_, err := c.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{})
	if err == nil || !strings.Contains(err.Error(), "DescribeRegions is not valid") {
		t.Errorf("%v", err)
	}
}
