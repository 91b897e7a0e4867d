package group

import (
	"cmp"
	"net/url"
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

func authorizeIngress(r *call.Request) (call.Answer, error) { return authorize(r, false) }
func authorizeEgress(r *call.Request) (call.Answer, error)  { return authorize(r, true) }
func revokeIngress(r *call.Request) (call.Answer, error)    { return revoke(r, false) }
func revokeEgress(r *call.Request) (call.Answer, error)     { return revoke(r, true) }

// directionOf is the list of rules a call is about.
func directionOf(g *world.SecurityGroup, egress bool) *[]world.Rule {
	if egress {
		return &g.Out
	}
	return &g.In
}

func authorize(r *call.Request, egress bool) (call.Answer, error) {
	g, err := ownGroup(r)
	if err != nil {
		return nil, err
	}
	add, err := permissionsIn(r)
	if err != nil {
		return nil, err
	}
	rules := directionOf(g, egress)
	all := slices.Clone(*rules)
	for _, rule := range add {
		// A group of another VPC can be named over a peering connection, of which there are
		// none here (https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-security-groups.html).
		if other := r.World.Group(rule.Group); rule.Group != "" && (other == nil || other.VPC != g.VPC) {
			return nil, call.KindSG.Missing(rule.Group)
		}
		if slices.ContainsFunc(all, rule.Same) {
			return nil, call.Fail("InvalidPermission.Duplicate",
				"the specified rule \"peer: %s, %s\" already exists", rule.Source(), rule.Protocol)
		}
		all = append(all, rule)
	}
	if usedQuota(all) > rulesPerGroup {
		return nil, call.Fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	slices.SortFunc(all, world.CompareRules)
	*rules = all
	return &struct {
		call.Reply
		Return bool                `xml:"return"`
		Rules  call.Set[ruleShape] `xml:"securityGroupRuleSet"`
	}{Return: true, Rules: call.SetOf(add, func(rule world.Rule) ruleShape {
		return shapeOfRule(r.World, groupRule{ruleID(g.ID, egress, rule), g, egress, rule})
	})}, nil
}

// usedQuota is how much of its quota a direction of a group uses in the family that has
// more rules. A rule that names a group counts in both
// (https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html#security-group-size).
func usedQuota(rules []world.Rule) int {
	var v4, v6 int
	for _, rule := range rules {
		if rule.Group != "" || rule.CIDR.Addr().Is4() {
			v4++
		}
		if rule.Group != "" || rule.CIDR.Addr().Is6() {
			v6++
		}
	}
	return max(v4, v6)
}

// revokedShape is a removed rule, which EC2 spells a little unlike a present one.
type revokedShape struct {
	ID         string `xml:"securityGroupRuleId"`
	Group      string `xml:"groupId"`
	Egress     bool   `xml:"isEgress"`
	Protocol   string `xml:"ipProtocol"`
	From       int    `xml:"fromPort"`
	To         int    `xml:"toPort"`
	IPv4       string `xml:"cidrIpv4,omitempty"`
	IPv6       string `xml:"cidrIpv6,omitempty"`
	Referenced string `xml:"referencedGroupId,omitempty"`
}

// revoke removes rules: all that the call names or, when one is missing, none
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupEgress.html).
func revoke(r *call.Request, egress bool) (call.Answer, error) {
	g, err := ownGroup(r)
	if err != nil {
		return nil, err
	}
	rules := directionOf(g, egress)
	var gone []world.Rule
	if ids := r.Params.List("SecurityGroupRuleId"); len(ids) > 0 {
		gone, err = rulesByID(g, egress, ids)
	} else {
		gone, err = permissionsIn(r)
	}
	if err != nil {
		return nil, err
	}
	for _, rule := range gone {
		if !slices.ContainsFunc(*rules, rule.Same) {
			return nil, call.Fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	*rules = slices.DeleteFunc(*rules, func(has world.Rule) bool { return slices.ContainsFunc(gone, has.Same) })
	return &struct {
		call.Reply
		Return  bool                   `xml:"return"`
		Unknown call.Set[string]       `xml:"unknownIpPermissionSet"`
		Revoked call.Set[revokedShape] `xml:"revokedSecurityGroupRuleSet"`
	}{Return: true, Revoked: call.SetOf(gone, func(rule world.Rule) revokedShape {
		s := shapeOfRule(r.World, groupRule{ruleID(g.ID, egress, rule), g, egress, rule})
		return revokedShape{s.ID, s.Group, s.Egress, s.Protocol, s.From, s.To, s.IPv4, s.IPv6, rule.Group}
	})}, nil
}

func rulesByID(g *world.SecurityGroup, egress bool, ids []string) ([]world.Rule, error) {
	var found []world.Rule
	for _, id := range ids {
		if err := call.KindSGR.Check(id); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(g.Rules(egress), func(r world.Rule) bool { return ruleID(g.ID, egress, r) == id })
		if i < 0 {
			return nil, call.KindSGR.Missing(id)
		}
		found = append(found, g.Rules(egress)[i])
	}
	return found, nil
}

// permissionsIn reads the rules of a call: IpPermissions, or the older form of one
// rule in plain parameters.
func permissionsIn(r *call.Request) ([]world.Rule, error) {
	items := r.Params.Structs("IpPermissions")
	if len(items) == 0 {
		if !r.Params.Has("IpProtocol") {
			return nil, call.Fail("MissingParameter", "The request must contain the parameter ipPermissions")
		}
		items = []call.Params{r.Params}
	}
	var all []world.Rule
	for _, item := range items {
		rules, err := rules(item)
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			if slices.ContainsFunc(all, rule.Same) {
				return nil, call.Fail("InvalidParameterValue", "The same permission must not appear multiple times")
			}
			all = append(all, rule)
		}
	}
	return all, nil
}

// rules are the rules of one IpPermission: one for each source.
func rules(p call.Params) ([]world.Rule, error) {
	if lists := p.Structs("PrefixListIds"); len(lists) > 0 { // worlds have none
		return nil, call.Fail("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", lists[0].Str("PrefixListId"))
	}
	proto, ports, err := rulePorts(p)
	if err != nil {
		return nil, err
	}
	sources := slices.Concat(p.Structs("IpRanges"), p.Structs("Ipv6Ranges"), p.Structs("Groups"))
	if p.Has("CidrIp") {
		sources = append(sources, call.Params{Values: url.Values{"CidrIp": {p.Str("CidrIp")}}})
	}
	if len(sources) == 0 {
		return nil, call.Fail("InvalidParameterValue", "Invalid value 'null' for source: a permission needs a source")
	}
	var rules []world.Rule
	for _, source := range sources {
		rule, err := sourceOf(source)
		if err != nil {
			return nil, err
		}
		rule.Protocol, rule.Ports = proto, ports
		rules = append(rules, rule)
	}
	return rules, nil
}

// sourceOf is a rule's source, without protocol and ports.
func sourceOf(p call.Params) (world.Rule, error) {
	rule := world.Rule{Description: p.Str("Description")}
	if p.Has("GroupId") {
		rule.Group = p.Str("GroupId")
		return rule, call.KindSG.Check(rule.Group)
	}
	text := cmp.Or(p.Str("CidrIp"), p.Str("CidrIpv6"))
	var err error
	if rule.CIDR, err = world.ParseCIDR(text); err != nil || rule.CIDR.Addr().Is4() != p.Has("CidrIp") {
		return rule, call.Fail("InvalidParameterValue", "CIDR block %s is malformed", text)
	}
	return rule, nil
}

// rulePorts reads protocol and ports as security groups take them: ports only
// for TCP, UDP and ICMP, all of them for any other protocol
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html).
func rulePorts(p call.Params) (world.Protocol, world.Ports, error) {
	name := p.Str("IpProtocol")
	proto, err := world.ParseProtocol(name)
	switch {
	case err != nil || name == "all":
		return 0, world.Ports{}, call.Fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", name)
	case !proto.HasPorts() && !proto.IsICMP():
		return proto, world.Ports{}, nil
	case proto == world.ICMPv6 && !p.Has("FromPort") && !p.Has("ToPort"):
		return proto, world.AnyPorts(proto), nil // all types, as EC2 documents
	}
	ports, err := p.Ports(proto, "FromPort", "ToPort")
	return proto, ports, err
}
