package config

import (
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
)

// What AWS grants: the quota of rules per network ACL.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-nacls
const (
	leastACLQuota = network.DefaultACLQuota
	mostACLQuota  = 40
)

// Policy is the configured policy, for any account and Region.
func (c Config) Policy() policy.Policy {
	return policy.Policy{
		MinSeverity: c.MinSeverity, Types: policy.TypeSet(c.FindingTypes),
		ContainHosts: c.ContainHosts, ExemptTag: policy.Tag(c.ExemptTag), MaxContained: c.MaxContained,
	}
}

// Rules are the configured bounds of plans.
func (c Config) Rules() plan.Rules {
	rules := plan.Rules{
		NeverDeny: c.NeverDeny, ACLQuota: c.ACLQuota, CoverIPv4: c.CoverIPv4, CoverIPv6: c.CoverIPv6, OnHost: c.OnHost, Survivors: c.Survivors,
		Isolate: c.Isolate, KeepAlive: c.KeepAlive, Protect: c.Protect, Snapshots: c.Snapshots,
	}
	if c.Credentials == DenyCredentials {
		rules.DenyProfile = c.DenyProfile
	}
	return rules
}
