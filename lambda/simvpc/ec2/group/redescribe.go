package group

import (
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

func describeIngress(r *call.Request) (call.Answer, error) { return redescribe(r, false) }
func describeEgress(r *call.Request) (call.Answer, error)  { return redescribe(r, true) }

// redescribe changes the descriptions of rules that are there
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UpdateSecurityGroupRuleDescriptionsIngress.html).
func redescribe(r *call.Request, egress bool) (call.Answer, error) {
	g, err := ownGroup(r)
	if err != nil {
		return nil, err
	}
	named, err := permissionsIn(r)
	if err != nil {
		return nil, err
	}
	rules := directionOf(g, egress)
	for _, rule := range named {
		if !slices.ContainsFunc(*rules, rule.Same) {
			return nil, call.Fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	for i, has := range *rules {
		for _, rule := range named {
			if rule.Same(has) {
				(*rules)[i].Description = rule.Description
			}
		}
	}
	slices.SortFunc(*rules, world.CompareRules)
	return call.Done(nil)
}
