//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/config"
	"tourniquet/lambda/emulator"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// The real binary, on two emulators that others have written: an instance with two
// interfaces in two subnets behind two ACLs, and a peer of each family.
func TestBinaryOnEmulators(t *testing.T) {
	e := environment{
		account: "123456789012", region: "us-east-1", table: "ledger",
		ec2: emulator.MotoEC2(t, emulator.Moto(t)), dynamo: emulator.MiniStack(t),
	}
	db := e.createTable(t)
	v := launch(t, ec2.NewFromConfig(e.aws(e.ec2)))
	event := v.finding(t)
	// moto takes a volume's attribute and never shows it, so that the step stays under way.
	f := e.start(t, config.Protect+"=false")

	answer := invoke(t, f, event)
	if len(answer.Incidents) != 1 || answer.Incidents[0].Status != record.Contained || answer.Incidents[0].Unrecorded {
		t.Fatalf("not contained and recorded: %+v", answer)
	}
	v.checkGroups(t)
	v.checkDenials(t)
	checkItems(t, v.named(t, e.dump(t, db)))

	before := e.dump(t, db)
	if again := invoke(t, f, event); again.ContainedMillis != 0 || again.Incidents[0].Status != record.Contained {
		t.Errorf("the same finding again: %+v", again)
	}
	if d := cmp.Diff(before, e.dump(t, db)); d != "" {
		t.Errorf("the same finding again changed the table:\n%s", d)
	}
	v.checkGroups(t)
	v.checkDenials(t)
}

// The peers of the finding.
const peer4, peer6 = "198.51.100.7", "2001:db8:ffff::7"

// A victim is an instance in moto, and what its groups and ACLs were.
type victim struct {
	ec2      *ec2.Client
	instance string
	vpc      string
	enis     []string
	subnets  []string
	acls     []string
	group    string
}

// launch makes the instance. The interfaces come first: moto would show groups
// that were given to the launch even after a swap.
func launch(t *testing.T, c *ec2.Client) *victim {
	t.Helper()
	v := &victim{ec2: c}
	vpc := must(c.CreateVpc(t.Context(), &ec2.CreateVpcInput{
		CidrBlock: aws.String("10.0.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true),
	}))(t).Vpc
	v.vpc = *vpc.VpcId
	v6 := netip.MustParsePrefix(*vpc.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock).Addr().As16()
	v.group = *must(c.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("web"), Description: aws.String("web"), VpcId: &v.vpc,
	}))(t).GroupId
	for n := range 2 {
		v6[7] = byte(n)
		v.addInterface(t, n, netip.PrefixFrom(netip.AddrFrom16(v6), 64))
	}
	in := &ec2.RunInstancesInput{ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1)}
	for n, eni := range v.enis {
		in.NetworkInterfaces = append(in.NetworkInterfaces, types.InstanceNetworkInterfaceSpecification{
			DeviceIndex: aws.Int32(int32(n)), NetworkInterfaceId: aws.String(eni),
		})
	}
	v.instance = *must(c.RunInstances(t.Context(), in))(t).Instances[0].InstanceId
	return v
}

// addInterface makes a subnet, an ACL that allows everything, and an interface.
func (v *victim) addInterface(t *testing.T, n int, v6 netip.Prefix) {
	t.Helper()
	subnet := *must(v.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
		VpcId: &v.vpc, CidrBlock: aws.String(fmt.Sprintf("10.0.%d.0/24", n)), Ipv6CidrBlock: aws.String(v6.String()),
	}))(t).Subnet.SubnetId
	acl := *must(v.ec2.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: &v.vpc}))(t).NetworkAcl.NetworkAclId
	for _, egress := range []bool{false, true} {
		v.allow(t, acl, 100, egress, "0.0.0.0/0", "")
		v.allow(t, acl, 101, egress, "", "::/0")
	}
	v.associate(t, subnet, acl)
	eni := *must(v.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{
		SubnetId: &subnet, Groups: []string{v.group}, Ipv6AddressCount: aws.Int32(1),
	}))(t).NetworkInterface.NetworkInterfaceId
	v.subnets, v.acls, v.enis = append(v.subnets, subnet), append(v.acls, acl), append(v.enis, eni)
}

func (v *victim) allow(t *testing.T, acl string, number int32, egress bool, v4, v6 string) {
	t.Helper()
	in := &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: &acl, RuleNumber: &number, Egress: &egress, Protocol: aws.String("-1"), RuleAction: types.RuleActionAllow,
	}
	if v4 != "" {
		in.CidrBlock = &v4
	} else {
		in.Ipv6CidrBlock = &v6
	}
	must(v.ec2.CreateNetworkAclEntry(t.Context(), in))(t)
}

// associate puts a subnet behind an ACL instead of the VPC's default one.
func (v *victim) associate(t *testing.T, subnet, acl string) {
	t.Helper()
	for _, a := range v.describeACLs(t, "association.subnet-id", subnet)[0].Associations {
		if *a.SubnetId == subnet {
			must(v.ec2.ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
				AssociationId: a.NetworkAclAssociationId, NetworkAclId: &acl,
			}))(t)
		}
	}
}

func (v *victim) describeACLs(t *testing.T, filter string, values ...string) []types.NetworkAcl {
	t.Helper()
	return must(v.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{
		Filters: []types.Filter{{Name: &filter, Values: values}},
	}))(t).NetworkAcls
}

// must is the value of a call that must not fail.
func must[T any](value T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return value
	}
}

// finding names the instance, with both peers.
func (v *victim) finding(t *testing.T) []byte {
	t.Helper()
	var interfaces []map[string]any
	for n := range v.enis {
		interfaces = append(interfaces, map[string]any{"networkInterfaceId": v.enis[n], "subnetId": v.subnets[n], "vpcId": v.vpc})
	}
	event, err := json.Marshal(map[string]any{
		"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "account": "123456789012", "region": "us-east-1",
		"detail": map[string]any{
			"schemaVersion": "2.0", "accountId": "123456789012", "region": "us-east-1", "id": "f1",
			"type": "Backdoor:EC2/C&CActivity.B", "severity": 8,
			"resource": map[string]any{"resourceType": "Instance", "instanceDetails": map[string]any{
				"instanceId": v.instance, "networkInterfaces": interfaces,
			}},
			"service": map[string]any{
				"resourceRole": "ACTOR", "count": 1, "archived": false, "eventLastSeen": "2026-11-23T09:58:00Z",
				"action": map[string]any{"actionType": "NETWORK_CONNECTION", "networkConnectionAction": map[string]any{
					"connectionDirection": "OUTBOUND", "protocol": "TCP", "remotePortDetails": map[string]any{"port": 443},
					"remoteIpDetails": map[string]any{"ipAddressV4": peer4, "ipAddressV6": peer6},
				}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

// quarantineGroup is the VPC's group with our tag.
func (v *victim) quarantineGroup(t *testing.T) types.SecurityGroup {
	t.Helper()
	groups := must(v.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{
			{Name: aws.String("tag:" + network.RoleTag), Values: []string{network.RoleValue}},
			{Name: aws.String("vpc-id"), Values: []string{v.vpc}},
		},
	}))(t).SecurityGroups
	if len(groups) != 1 {
		t.Fatalf("%d quarantine groups in %s, want 1", len(groups), v.vpc)
	}
	return groups[0]
}

// checkGroups: each interface has the quarantine group alone, and that has no rule.
func (v *victim) checkGroups(t *testing.T) {
	t.Helper()
	q := v.quarantineGroup(t)
	if len(q.IpPermissions)+len(q.IpPermissionsEgress) > 0 {
		t.Errorf("the quarantine group has rules: %+v %+v", q.IpPermissions, q.IpPermissionsEgress)
	}
	for _, i := range must(v.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: v.enis}))(t).NetworkInterfaces {
		if len(i.Groups) != 1 || *i.Groups[0].GroupId != *q.GroupId {
			t.Errorf("%s has the groups %+v, want %s", *i.NetworkInterfaceId, i.Groups, *q.GroupId)
		}
		tags := map[string]string{}
		for _, tag := range i.TagSet {
			tags[*tag.Key] = *tag.Value
		}
		if got := network.Originals(tags); !slices.Equal(got, []string{v.group}) {
			t.Errorf("%s: its tag says that it had %v, want %s", *i.NetworkInterfaceId, got, v.group)
		}
	}
}

// checkDenials: each ACL has the entries it had, and in each direction a denial of
// each peer, and nothing else, below the first entry that allows the peer.
func (v *victim) checkDenials(t *testing.T) {
	t.Helper()
	want := []string{
		"in allow 0.0.0.0/0 at 100", "in allow ::/0 at 101", "in deny " + peer4 + "/32", "in deny " + peer6 + "/128",
		"out allow 0.0.0.0/0 at 100", "out allow ::/0 at 101", "out deny " + peer4 + "/32", "out deny " + peer6 + "/128",
	}
	for _, acl := range v.describeACLs(t, "association.subnet-id", v.subnets...) {
		var got []string
		for _, e := range acl.Entries {
			line := fmt.Sprintf("%s %s %s", map[bool]string{false: "in", true: "out"}[*e.Egress], e.RuleAction, aws.ToString(e.CidrBlock)+aws.ToString(e.Ipv6CidrBlock))
			switch {
			case *e.RuleNumber == 32767: // the ACL's own "*"
				continue
			case e.RuleAction == types.RuleActionAllow:
				line += fmt.Sprintf(" at %d", *e.RuleNumber)
			case *e.RuleNumber >= 100 || *e.Protocol != "-1":
				line += fmt.Sprintf(" at %d, protocol %s", *e.RuleNumber, *e.Protocol)
			}
			got = append(got, line)
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", *acl.NetworkAclId, d)
		}
	}
}

// moments are times as the table has them: alone, or in a history item's key.
var moments = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)

const lastSeen = "2026-11-23T09:58:00Z" // of the finding, and the only time that is known beforehand

// dump is the table as text, in the order of the keys.
func (e environment) dump(t *testing.T, db *dynamodb.Client) string {
	t.Helper()
	var all []string
	for _, i := range e.items(t, db) {
		var plain map[string]any
		if err := attributevalue.UnmarshalMap(i, &plain); err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(plain, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s\n%s\n", plain["pk"], plain["sk"], text))
	}
	slices.Sort(all)
	return moments.ReplaceAllStringFunc(strings.Join(all, ""), func(m string) string {
		if m == lastSeen {
			return m
		}
		return "TIME"
	})
}

// named puts names in the place of the ids that moto made up, in the ids' order: so
// the table is in the same order whatever they were.
func (v *victim) named(t *testing.T, text string) string {
	t.Helper()
	names := map[string]string{v.instance: "i-victim", v.vpc: "vpc-1", v.group: "sg-web", *v.quarantineGroup(t).GroupId: "sg-quarantine"}
	for n, eni := range slices.Sorted(slices.Values(v.enis)) {
		names[eni] = fmt.Sprintf("eni-%d", n)
	}
	for n, acl := range slices.Sorted(slices.Values(v.acls)) {
		names[acl] = fmt.Sprintf("acl-%d", n)
	}
	for _, id := range slices.Sorted(maps.Keys(names)) {
		text = strings.ReplaceAll(text, id, names[id])
	}
	return text
}

// checkItems compares the table with what it should hold.
func checkItems(t *testing.T, got string) {
	t.Helper()
	const file = "testdata/table.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the table's items (-want +got):\n%s", d)
	}
}
