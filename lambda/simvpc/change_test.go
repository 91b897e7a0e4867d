package simvpc_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// TestChanges checks what calls that EC2 accepts do to the world.
func TestChanges(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		calls []call
		want  string
	}{
		{"swap", []call{swap("eni-1", "sg-quarantine")}, `
- interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-web
+ interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-quarantine`},
		{"swap while stopped, order aside", []call{swap("eni-3", "sg-web", "sg-db")}, `
- interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db
+ interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db sg-web`},
		{"timeout", []call{tcpTimeout("eni-2", 60)}, `
- interface eni-2 i-0aaaaaaaaaaaaaaa1 subnet-2 10.0.2.10 10.0.2.11 groups sg-db sg-web
+ interface eni-2 i-0aaaaaaaaaaaaaaa1 subnet-2 10.0.2.10 10.0.2.11 groups sg-db sg-web timeout 60s`},
		{"other attributes", []call{
			func(ctx context.Context, c *ec2.Client) error {
				return ignore(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
					NetworkInterfaceId: aws.String("eni-3"), Description: &types.AttributeValue{Value: aws.String("a b")},
				}))
			},
			func(ctx context.Context, c *ec2.Client) error {
				return ignore(c.ModifyNetworkInterfaceAttribute(ctx, &ec2.ModifyNetworkInterfaceAttributeInput{
					NetworkInterfaceId: aws.String("eni-3"), SourceDestCheck: &types.AttributeBooleanValue{Value: aws.Bool(false)},
				}))
			},
		}, `
- interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db
+ interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db nocheck description "a b"`},
		{"new group in an IPv6 VPC", []call{newGroup("vpc-1", "q", "quarantine (Tourniquet)")}, `
+ group sg-00000000000000001 vpc-1 name q description "quarantine (Tourniquet)"
+ sg-00000000000000001: out all 0.0.0.0/0
+ sg-00000000000000001: out all ::/0`},
		{"new group in an IPv4 VPC", []call{newGroup("vpc-2", "web", "the name is free in this VPC")}, `
+ group sg-00000000000000001 vpc-2 name web description "the name is free in this VPC"
+ sg-00000000000000001: out all 0.0.0.0/0`},
		{"emptied group", []call{
			newGroup("vpc-1", "q", "q"),
			revokeOut("sg-00000000000000001", types.IpPermission{
				IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
				Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}},
			}),
		}, `
+ group sg-00000000000000001 vpc-1 name q`},
		{"dropped group", []call{dropGroup("sg-quarantine")}, `
- group sg-quarantine vpc-1 name tourniquet-quarantine`},
		{"rules", []call{
			ingress("sg-quarantine", permission("tcp", 22, 22, "10.9.9.9/8"), permission("udp", 1, 2, "2001:db8::/32"), permission("icmp", 8, -1, "sg-web")),
			revokeIn("sg-web", permission("tcp", 22, 22, "10.0.0.0/8")),
			func(ctx context.Context, c *ec2.Client) error {
				return ignore(c.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
					GroupId: aws.String("sg-quarantine"), IpPermissions: []types.IpPermission{permission("tcp", 443, 443, "sg-web")},
				}))
			},
		}, `
- sg-web: in  tcp 22 10.0.0.0/8 desc "staff only"
+ sg-quarantine: in  icmp 8 sg-web
+ sg-quarantine: in  tcp 22 10.0.0.0/8
+ sg-quarantine: in  udp 1-2 2001:db8::/32
+ sg-quarantine: out tcp 443 sg-web`},
		{"entries", []call{
			addEntry(entry("acl-1", 90, false, "deny", "-1", "198.51.100.7/24")),
			addEntry(entry("acl-1", 90, true, "deny", "47", "2001:db8::7/32")),
			putEntry(entry("acl-1", 100, true, "deny", "-1", "10.0.0.0/8")),
			dropEntry("acl-1", 100, false),
		}, `
- acl-1: 100 in  allow all 0.0.0.0/0
- acl-1: 100 out allow all 0.0.0.0/0
+ acl-1: 100 out deny  all 10.0.0.0/8
+ acl-1: 90 in  deny  all 198.51.100.0/24
+ acl-1: 90 out deny  47 2001:db8::/32`},
		{"entry on a default ACL", []call{addEntry(entry("acl-default-1", 32766, true, "deny", "-1", "198.51.100.7/32"))}, `
+ acl-default-1: 32766 out deny  all 198.51.100.7/32`},
		{"tags, on managed interfaces too", []call{tag("eni-lb", "a", "1", "b", ""), tag("eni-lb", "a", "2"), tag("eni-ecs", manyTags(50)...), untag("eni-ecs")}, `
- interface eni-lb - subnet-1 10.0.1.200 groups sg-web type network_load_balancer managed amazon-elb
+ interface eni-lb - subnet-1 10.0.1.200 groups sg-web type network_load_balancer managed amazon-elb tags a=2 b=`},
		{"untag by value", []call{
			tag("i-0aaaaaaaaaaaaaaa1", "a", "1", "b", "2"),
			untag("i-0aaaaaaaaaaaaaaa1", types.Tag{Key: aws.String("a"), Value: aws.String("other")}, types.Tag{Key: aws.String("b")}),
		}, `
- instance i-0aaaaaaaaaaaaaaa1 type m5.large state running tags Name=web
+ instance i-0aaaaaaaaaaaaaaa1 type m5.large state running tags Name=web a=1`},
		{"attach, stop, stop again", []call{attach("eni-free", "i-0aaaaaaaaaaaaaaa2", 3), stop("i-0aaaaaaaaaaaaaaa1"), stop("i-0aaaaaaaaaaaaaaa1")}, `
- instance i-0aaaaaaaaaaaaaaa1 type m5.large state running tags Name=web
- interface eni-free - subnet-2 10.0.2.4 groups sg-web
+ instance i-0aaaaaaaaaaaaaaa1 type m5.large state stopped tags Name=web
+ interface eni-free i-0aaaaaaaaaaaaaaa2 subnet-2 10.0.2.4 groups sg-web device 3 keep`},
		{"terminate", []call{attach("eni-free", "i-0aaaaaaaaaaaaaaa1", 2), terminate("i-0aaaaaaaaaaaaaaa1")}, `
- instance i-0aaaaaaaaaaaaaaa1 type m5.large state running tags Name=web
- interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-web
- interface eni-2 i-0aaaaaaaaaaaaaaa1 subnet-2 10.0.2.10 10.0.2.11 groups sg-db sg-web
- interface eni-free - subnet-2 10.0.2.4 groups sg-web
+ instance i-0aaaaaaaaaaaaaaa1 type m5.large state terminated tags Name=web
+ interface eni-free - subnet-2 10.0.2.4 groups sg-web keep`},
		{"drop interface", []call{dropInterface("eni-free")}, `
- interface eni-free - subnet-2 10.0.2.4 groups sg-web`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t, web, simvpc.Options{})
			before := s.World()
			for i, call := range test.calls {
				if err := call(t.Context(), c); err != nil {
					t.Fatalf("call %d: %s", i, err)
				}
			}
			if diff := cmp.Diff(sorted(strings.TrimPrefix(test.want, "\n")+"\n"), sorted(world.Diff(before, s.World()))); diff != "" {
				t.Error(diff)
			}
			read(t, s.World().String()) // is a world still
		})
	}
}

func TestQuotaPerDirectionAndFamily(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		quota string
		room  int32
	}{"default": {"", 19}, "raised": {" quota 40", 39}} {
		_, c := start(t, "vpc vpc-1 10.0.0.0/16\nacl acl-1 vpc-1"+test.quota, simvpc.Options{})
		for number := range test.room {
			permit(t, addEntry(entry("acl-1", number+1, false, "deny", "-1", "198.51.100.7/32"))(t.Context(), c))
		}
		full := addEntry(entry("acl-1", 1000, false, "deny", "-1", "198.51.100.7/32"))(t.Context(), c)
		if got := code(full); got != "NetworkAclEntryLimitExceeded" {
			t.Errorf("%s: entry %d: %s", name, test.room+1, got)
		}
		permit(t, addEntry(entry("acl-1", 1000, true, "deny", "-1", "198.51.100.7/32"))(t.Context(), c))
		permit(t, addEntry(entry("acl-1", 1001, false, "deny", "-1", "2001:db8::7/128"))(t.Context(), c))
		// Replacing within the family needs no room, changing to a full family does.
		permit(t, putEntry(entry("acl-1", 1, false, "allow", "-1", "198.51.100.8/32"))(t.Context(), c))
		if got := code(putEntry(entry("acl-1", 1001, false, "deny", "-1", "198.51.100.8/32"))(t.Context(), c)); got != "NetworkAclEntryLimitExceeded" {
			t.Errorf("%s: replacing into the full family: %s", name, got)
		}
	}
}

// A group may have 60 rules in a direction and family, and one that names a group counts
// in both families.
func TestQuotaOfRulesPerDirectionAndFamily(t *testing.T) {
	t.Parallel()
	s, c := start(t, "vpc vpc-1 10.0.0.0/16\ngroup sg-1 vpc-1\ngroup sg-2 vpc-1", simvpc.Options{})
	for port := range int32(59) {
		permit(t, ingress("sg-1", permission("tcp", port, port, "192.0.2.1/32"), permission("tcp", port, port, "2001:db8::1/128"))(t.Context(), c))
	}
	permit(t, ingress("sg-1", permission("tcp", 59, 59, "192.0.2.1/32"))(t.Context(), c))
	full := s.World()
	for _, source := range []string{"192.0.2.2/32", "sg-2"} {
		if got := code(ingress("sg-1", permission("tcp", 443, 443, source))(t.Context(), c)); got != "RulesPerSecurityGroupLimitExceeded" {
			t.Errorf("%s with 60 rules for IPv4: %q", source, got)
		}
	}
	unchanged(t, full, s)
	permit(t, ingress("sg-1", permission("tcp", 59, 59, "2001:db8::1/128"))(t.Context(), c))
	if got := code(ingress("sg-1", permission("tcp", 443, 443, "2001:db8::2/128"))(t.Context(), c)); got != "RulesPerSecurityGroupLimitExceeded" {
		t.Errorf("with 60 rules for IPv6: %q", got)
	}
	permit(t, ingress("sg-2", permission("tcp", 443, 443, "sg-1"))(t.Context(), c))
}

func TestAssociations(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	made, err := c.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String("vpc-1"), ClientToken: aws.String("once")})
	permit(t, err)
	again, err := c.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String("vpc-1"), ClientToken: aws.String("once")})
	permit(t, err)
	if *made.NetworkAcl.NetworkAclId != *again.NetworkAcl.NetworkAclId || len(made.NetworkAcl.Entries) != 4 {
		t.Errorf("%+v and %+v", made.NetworkAcl, again.NetworkAcl)
	}
	_, err = c.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: aws.String("vpc-2"), ClientToken: aws.String("once")})
	if code(err) != "IdempotentParameterMismatch" {
		t.Errorf("token used twice: %v", err)
	}
	found, err := c.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{filter("association.subnet-id", "subnet-1")},
	})
	permit(t, err)
	replace := &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: found.NetworkAcls[0].Associations[0].NetworkAclAssociationId, NetworkAclId: made.NetworkAcl.NetworkAclId,
	}
	replaced, err := c.ReplaceNetworkAclAssociation(t.Context(), replace)
	permit(t, err)
	if got := s.World().Subnet("subnet-1").ACL; got != *made.NetworkAcl.NetworkAclId || *replaced.NewAssociationId == *replace.AssociationId {
		t.Errorf("subnet-1 is served by %s through %s", got, *replaced.NewAssociationId)
	}
	permit(t, dropACL("acl-1")(t.Context(), c))
	if got := code(dropACL(*made.NetworkAcl.NetworkAclId)(t.Context(), c)); got != "DependencyViolation" {
		t.Errorf("dropping the ACL in use: %s", got)
	}
}

func TestInterfaceLifeCycle(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	made, err := c.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
		SubnetId: aws.String("subnet-1"), Groups: []string{"sg-web"}, Description: aws.String("forensics"),
		Ipv6Addresses: []types.InstanceIpv6Address{{Ipv6Address: aws.String("2001:db8:1:1::77")}},
		TagSpecifications: []types.TagSpecification{{
			ResourceType: types.ResourceTypeNetworkInterface, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
		}},
	})
	permit(t, err)
	id := *made.NetworkInterface.NetworkInterfaceId
	permit(t, attach(id, "i-0aaaaaaaaaaaaaaa1", 2)(t.Context(), c))
	want := "interface " + id + " i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.4 2001:db8:1:1::77 groups sg-web device 2 keep description forensics tags a=b"
	if text := s.World().String(); !strings.Contains(text, strings.Replace(want, " device 2", "", 1)) && !strings.Contains(text, want) {
		t.Errorf("got\n%s\nwant %s", text, want)
	}
	seen, err := c.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}})
	permit(t, err)
	_, err = c.DetachNetworkInterface(t.Context(), &ec2.DetachNetworkInterfaceInput{AttachmentId: seen.NetworkInterfaces[0].Attachment.AttachmentId})
	permit(t, err)
	permit(t, dropInterface(id)(t.Context(), c))
	if diff := world.Diff(read(t, web), s.World()); diff != "" {
		t.Error(diff)
	}
	seen, err = c.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-1"}})
	permit(t, err)
	_, err = c.DetachNetworkInterface(t.Context(), &ec2.DetachNetworkInterfaceInput{AttachmentId: seen.NetworkInterfaces[0].Attachment.AttachmentId})
	if code(err) != "OperationNotPermitted" {
		t.Errorf("detaching the primary interface: %v", err)
	}
}

func TestRevokeByRuleID(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	rules, err := c.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{Filters: []types.Filter{filter("group-id", "sg-web")}})
	permit(t, err)
	for _, r := range rules.SecurityGroupRules {
		ids := []string{*r.SecurityGroupRuleId}
		if *r.IsEgress {
			_, err = c.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: r.GroupId, SecurityGroupRuleIds: ids})
		} else {
			_, err = c.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: r.GroupId, SecurityGroupRuleIds: ids})
		}
		permit(t, err)
	}
	if g := s.World().Group("sg-web"); len(g.In)+len(g.Out) != 0 {
		t.Errorf("left: %v %v", g.In, g.Out)
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	before := s.World()
	in := entry("acl-1", 90, false, "deny", "-1", "198.51.100.7/32")
	in.DryRun = aws.Bool(true)
	_, err := c.CreateNetworkAclEntry(t.Context(), in)
	if code(err) != "DryRunOperation" {
		t.Errorf("got %v", err)
	}
	in.RuleNumber = aws.Int32(100)
	if _, err := c.CreateNetworkAclEntry(t.Context(), in); code(err) != "NetworkAclEntryAlreadyExists" {
		t.Errorf("got %v", err)
	}
	if _, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{DryRun: aws.Bool(true)}); code(err) != "DryRunOperation" {
		t.Errorf("got %v", err)
	}
	if diff := world.Diff(before, s.World()); diff != "" {
		t.Error(diff)
	}
}

func TestInstanceLevelSwap(t *testing.T) {
	t.Parallel()
	s, c := start(t, web+"instance i-1\ninterface eni-9 i-1 subnet-1 10.0.1.99", simvpc.Options{})
	permit(t, swapInstance("i-1", "sg-quarantine")(t.Context(), c))
	if got := s.World().Interface("eni-9").Groups; len(got) != 1 || got[0] != "sg-quarantine" {
		t.Errorf("groups %v", got)
	}
}

func TestStopEndsFlows(t *testing.T) {
	t.Parallel()
	s, c := start(t, web+"flow tcp 10.0.1.10:44321 -> 198.51.100.7:443", simvpc.Options{})
	permit(t, stop("i-0aaaaaaaaaaaaaaa1")(t.Context(), c))
	if flows := s.World().Flows; len(flows) != 0 {
		t.Errorf("flows left: %v", flows)
	}
}

func sorted(text string) map[string]bool {
	lines := map[string]bool{}
	for l := range strings.Lines(text) {
		lines[l] = true
	}
	return lines
}
