//go:build integration

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
)

// peerAddress is the remote peer of the findings here.
const peerAddress = "198.51.100.7"

// A world is what moto's EC2 has: a subnet with two instances, one of two
// interfaces and one that is left alone.
type world struct {
	vpc, subnet, acl  string
	groups            []string // of each interface
	compromised       string
	other             string
	compromisedBefore map[string][]string
	otherBefore       map[string][]string
}

func newWorld(t *testing.T, d *deployment) *world {
	t.Helper()
	ctx := t.Context()
	vpc, err := d.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	must(t, err)
	w := &world{vpc: *vpc.Vpc.VpcId}
	subnet, err := d.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: &w.vpc, CidrBlock: aws.String("10.0.1.0/24")})
	must(t, err)
	w.subnet = *subnet.Subnet.SubnetId
	for _, name := range []string{"ssh", "web"} {
		g, err := d.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{VpcId: &w.vpc, GroupName: &name, Description: &name})
		must(t, err)
		w.groups = append(w.groups, *g.GroupId)
	}
	slices.Sort(w.groups)
	w.compromised = w.launch(t, d, 2)
	w.other = w.launch(t, d, 1)
	w.compromisedBefore, w.otherBefore = d.groupsOf(t, w.compromised), d.groupsOf(t, w.other)
	acls, err := d.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{
		Filters: []ec2types.Filter{{Name: aws.String("association.subnet-id"), Values: []string{w.subnet}}},
	})
	must(t, err)
	w.acl = *acls.NetworkAcls[0].NetworkAclId
	// An empty inbox, subscribed before anything happens.
	inbox, err := d.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("inbox")})
	must(t, err)
	d.inbox = *inbox.QueueUrl
	_, err = d.sns.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &d.outputs.TopicArn, Protocol: aws.String("sqs"),
		Endpoint: aws.String("arn:aws:sqs:" + emulatedRegion + ":" + emulatedAccount + ":inbox"),
	})
	must(t, err)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// launch makes the interfaces first and the instance with them: moto gives other
// interfaces back old and new groups after a swap.
func (w *world) launch(t *testing.T, d *deployment, interfaces int) string {
	t.Helper()
	run := &ec2.RunInstancesInput{
		ImageId: aws.String("ami-12c6146b"), MinCount: aws.Int32(1), MaxCount: aws.Int32(1), InstanceType: ec2types.InstanceTypeM5Large,
	}
	for i := range interfaces {
		n, err := d.ec2.CreateNetworkInterface(t.Context(), &ec2.CreateNetworkInterfaceInput{SubnetId: &w.subnet, Groups: w.groups})
		must(t, err)
		run.NetworkInterfaces = append(run.NetworkInterfaces, ec2types.InstanceNetworkInterfaceSpecification{
			DeviceIndex: aws.Int32(int32(i)), NetworkInterfaceId: n.NetworkInterface.NetworkInterfaceId,
		})
	}
	out, err := d.ec2.RunInstances(t.Context(), run)
	must(t, err)
	return *out.Instances[0].InstanceId
}

// groupsOf are the groups of each interface of an instance, sorted.
func (d *deployment) groupsOf(t *testing.T, instance string) map[string][]string {
	t.Helper()
	out, err := d.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: aws.String("attachment.instance-id"), Values: []string{instance}}},
	})
	must(t, err)
	all := map[string][]string{}
	for _, n := range out.NetworkInterfaces {
		var ids []string
		for _, g := range n.Groups {
			ids = append(ids, *g.GroupId)
		}
		slices.Sort(ids)
		all[*n.NetworkInterfaceId] = ids
	}
	return all
}

// quarantined reports whether each interface of an instance is in a quarantine group and no other.
func (d *deployment) quarantined(t *testing.T, instance string) bool {
	t.Helper()
	interfaces := d.groupsOf(t, instance)
	for _, groups := range interfaces {
		if len(groups) != 1 {
			return false
		}
		out, err := d.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: groups})
		must(t, err)
		g := out.SecurityGroups[0]
		tagged := slices.ContainsFunc(g.Tags, func(tag ec2types.Tag) bool {
			return *tag.Key == network.RoleTag && *tag.Value == network.RoleValue
		})
		if !tagged || len(g.IpPermissions)+len(g.IpPermissionsEgress) > 0 {
			return false
		}
	}
	return len(interfaces) > 0
}

// denials are the deny entries of the world's ACL, the "*" entry left out.
func (d *deployment) denials(t *testing.T, w *world) []string {
	t.Helper()
	out, err := d.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{w.acl}})
	must(t, err)
	var all []string
	for _, e := range out.NetworkAcls[0].Entries {
		if e.RuleAction == ec2types.RuleActionDeny && *e.RuleNumber <= network.MaxRuleNumber {
			all = append(all, fmt.Sprintf("%d egress=%v %s", *e.RuleNumber, *e.Egress, *e.CidrBlock))
		}
	}
	slices.Sort(all)
	return all
}

// items are what the ledger has under a partition key, by sort key.
func (d *deployment) items(t *testing.T, partition string) map[string]map[string]ddbtypes.AttributeValue {
	t.Helper()
	out, err := d.dynamodb.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &d.outputs.TableName, KeyConditionExpression: aws.String("#pk = :pk"),
		ExpressionAttributeNames:  map[string]string{"#pk": ledger.PartitionKey},
		ExpressionAttributeValues: map[string]ddbtypes.AttributeValue{":pk": &ddbtypes.AttributeValueMemberS{Value: partition}},
	})
	must(t, err)
	all := map[string]map[string]ddbtypes.AttributeValue{}
	for _, item := range out.Items {
		all[item[ledger.SortKey].(*ddbtypes.AttributeValueMemberS).Value] = item
	}
	return all
}

// finding is what GuardDuty sends about an instance.
func (w *world) finding(instance string, severity any, changes ...object) object {
	event := finding(c2, severity, append([]object{{
		"accountId": emulatedAccount, "region": emulatedRegion, "id": fmt.Sprintf("%032x", len(instance)) + instance,
		"resource": object{"resourceType": "Instance", "instanceDetails": object{
			"instanceId":        instance,
			"networkInterfaces": []any{object{"subnetId": w.subnet, "vpcId": w.vpc}},
		}},
	}}, changes...)...)
	return event["detail"].(object)
}

// publish puts a finding onto the event bus, as GuardDuty does.
func (d *deployment) publish(t *testing.T, detail object) {
	t.Helper()
	d.put(t, guardduty.SourceGuardDuty, guardduty.DetailTypeGuardDuty, marshal(detail))
}

func (d *deployment) put(t *testing.T, source, detailType, detail string, resources ...string) {
	t.Helper()
	out, err := d.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{
		Source: &source, DetailType: &detailType, Detail: &detail, Resources: resources,
	}}})
	must(t, err)
	if out.FailedEntryCount > 0 {
		t.Fatalf("PutEvents: %v", out.Entries)
	}
}

// attributes are an item's values as JSON would have them.
func attributes(item map[string]ddbtypes.AttributeValue) any {
	b, _ := json.Marshal(item) // for people to read
	return string(b)
}

// log is what the contain function has logged.
func (d *deployment) log(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, group := range d.logGroups(t) {
		if !strings.Contains(group, "ContainLog") {
			continue
		}
		streams, err := d.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group})
		must(t, err)
		for _, s := range streams.LogStreams {
			out, err := d.logs.GetLogEvents(t.Context(), &cloudwatchlogs.GetLogEventsInput{
				LogGroupName: &group, LogStreamName: s.LogStreamName, StartFromHead: aws.Bool(true),
			})
			must(t, err)
			for _, e := range out.Events {
				lines = append(lines, strings.Split(*e.Message, "\n")...)
			}
		}
	}
	return lines
}

func (d *deployment) logGroups(t *testing.T) []string {
	t.Helper()
	out, err := d.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{})
	must(t, err)
	var names []string
	for _, g := range out.LogGroups {
		names = append(names, *g.LogGroupName)
	}
	return names
}

// receive takes what is in a queue.
func (d *deployment) receive(t *testing.T, queue string) []string {
	t.Helper()
	out, err := d.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
	must(t, err)
	var bodies []string
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}
