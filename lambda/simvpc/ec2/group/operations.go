// Package group is the part of a simulated EC2 that is about security groups and their
// rules.
package group

import "tourniquet/lambda/simvpc/ec2/call"

const permissions = "GroupId IpPermissions IpProtocol FromPort ToPort CidrIp "

// Operations are the actions on security groups.
var Operations = map[string]call.Operation{
	"DescribeSecurityGroups":                     call.Reads(call.Paged+"GroupId GroupName", describeGroups),
	"DescribeSecurityGroupRules":                 call.Reads(call.Paged+"SecurityGroupRuleId", describeGroupRules),
	"CreateSecurityGroup":                        call.Changes("GroupName GroupDescription VpcId TagSpecification", createGroup),
	"DeleteSecurityGroup":                        call.Changes("GroupId", deleteGroup),
	"AuthorizeSecurityGroupIngress":              call.Changes(permissions, authorizeIngress),
	"AuthorizeSecurityGroupEgress":               call.Changes(permissions, authorizeEgress),
	"UpdateSecurityGroupRuleDescriptionsIngress": call.Changes(permissions, describeIngress),
	"UpdateSecurityGroupRuleDescriptionsEgress":  call.Changes(permissions, describeEgress),
	"RevokeSecurityGroupIngress":                 call.Changes(permissions+"SecurityGroupRuleId", revokeIngress),
	"RevokeSecurityGroupEgress":                  call.Changes(permissions+"SecurityGroupRuleId", revokeEgress),
}
