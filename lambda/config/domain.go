package config

import "tourniquet/lambda/containment"

// What AWS grants: the quota of rules per network ACL.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-nacls
const (
	leastACLQuota = containment.DefaultACLQuota
	mostACLQuota  = 40
)

// Policy is the configured policy, for any account and Region.
func (c Config) Policy() containment.Policy {
	return containment.Policy{
		MinSeverity: c.MinSeverity, Types: containment.TypeSet(c.FindingTypes),
		ContainHosts: c.ContainHosts, ExemptTag: containment.Tag(c.ExemptTag), MaxContained: c.MaxContained,
	}
}

// Rules are the configured bounds of plans.
func (c Config) Rules() containment.Rules {
	return containment.Rules{NeverDeny: c.NeverDeny, ACLQuota: c.ACLQuota, CoverIPv4: c.CoverIPv4, CoverIPv6: c.CoverIPv6}
}
