package ec2

import (
	"cmp"
	"net/url"
	"slices"

	"tourniquet/lambda/simvpc/world"
)

func authorizeIngress(r *request) (answer, error) { return r.authorize(false) }
func authorizeEgress(r *request) (answer, error)  { return r.authorize(true) }
func revokeIngress(r *request) (answer, error)    { return r.revoke(false) }
func revokeEgress(r *request) (answer, error)     { return r.revoke(true) }

// directionOf is the list of rules a call is about.
func directionOf(g *world.SecurityGroup, egress bool) *[]world.Rule {
	if egress {
		return &g.Out
	}
	return &g.In
}

func (r *request) authorize(egress bool) (answer, error) {
	g, err := r.ownGroup()
	if err != nil {
		return nil, err
	}
	add, err := r.permissions()
	if err != nil {
		return nil, err
	}
	rules := directionOf(g, egress)
	all := slices.Clone(*rules)
	for _, rule := range add {
		if rule.Group != "" && r.w.Group(rule.Group) == nil {
			return nil, kindSG.missing(rule.Group)
		}
		if slices.ContainsFunc(all, rule.Same) {
			return nil, fail("InvalidPermission.Duplicate",
				"the specified rule \"peer: %s, %s\" already exists", rule.Source(), rule.Protocol)
		}
		all = append(all, rule)
	}
	if len(all) > rulesPerGroup {
		return nil, fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	slices.SortFunc(all, world.CompareRules)
	*rules = all
	return &struct {
		reply
		Return bool           `xml:"return"`
		Rules  set[ruleShape] `xml:"securityGroupRuleSet"`
	}{Return: true, Rules: setOf(add, func(rule world.Rule) ruleShape {
		return shapeOfRule(r.w, groupRule{ruleID(g.ID, egress, rule), g, egress, rule})
	})}, nil
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
func (r *request) revoke(egress bool) (answer, error) {
	g, err := r.ownGroup()
	if err != nil {
		return nil, err
	}
	rules := directionOf(g, egress)
	var gone []world.Rule
	if ids := r.p.list("SecurityGroupRuleId"); len(ids) > 0 {
		gone, err = rulesByID(g, egress, ids)
	} else {
		gone, err = r.permissions()
	}
	if err != nil {
		return nil, err
	}
	for _, rule := range gone {
		if !slices.ContainsFunc(*rules, rule.Same) {
			return nil, fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	*rules = slices.DeleteFunc(*rules, func(has world.Rule) bool { return slices.ContainsFunc(gone, has.Same) })
	return &struct {
		reply
		Return  bool              `xml:"return"`
		Unknown set[string]       `xml:"unknownIpPermissionSet"`
		Revoked set[revokedShape] `xml:"revokedSecurityGroupRuleSet"`
	}{Return: true, Revoked: setOf(gone, func(rule world.Rule) revokedShape {
		s := shapeOfRule(r.w, groupRule{ruleID(g.ID, egress, rule), g, egress, rule})
		return revokedShape{s.ID, s.Group, s.Egress, s.Protocol, s.From, s.To, s.IPv4, s.IPv6, rule.Group}
	})}, nil
}

func rulesByID(g *world.SecurityGroup, egress bool, ids []string) ([]world.Rule, error) {
	var found []world.Rule
	for _, id := range ids {
		if err := kindSGR.check(id); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(g.Rules(egress), func(r world.Rule) bool { return ruleID(g.ID, egress, r) == id })
		if i < 0 {
			return nil, kindSGR.missing(id)
		}
		found = append(found, g.Rules(egress)[i])
	}
	return found, nil
}

// permissions reads the rules of a call: IpPermissions, or the older form of one
// rule in plain parameters.
func (r *request) permissions() ([]world.Rule, error) {
	items := r.p.structs("IpPermissions")
	if len(items) == 0 {
		if !r.p.has("IpProtocol") {
			return nil, fail("MissingParameter", "The request must contain the parameter ipPermissions")
		}
		items = []params{r.p}
	}
	var all []world.Rule
	for _, item := range items {
		rules, err := item.rules()
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			if slices.ContainsFunc(all, rule.Same) {
				return nil, fail("InvalidParameterValue", "The same permission must not appear multiple times")
			}
			all = append(all, rule)
		}
	}
	return all, nil
}

// rules are the rules of one IpPermission: one for each source.
func (p params) rules() ([]world.Rule, error) {
	if lists := p.structs("PrefixListIds"); len(lists) > 0 { // worlds have none
		return nil, fail("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", lists[0].str("PrefixListId"))
	}
	proto, ports, err := p.rulePorts()
	if err != nil {
		return nil, err
	}
	sources := slices.Concat(p.structs("IpRanges"), p.structs("Ipv6Ranges"), p.structs("Groups"))
	if p.has("CidrIp") {
		sources = append(sources, params{url.Values{"CidrIp": {p.str("CidrIp")}}})
	}
	if len(sources) == 0 {
		return nil, fail("InvalidParameterValue", "Invalid value 'null' for source: a permission needs a source")
	}
	var rules []world.Rule
	for _, source := range sources {
		rule, err := source.source()
		if err != nil {
			return nil, err
		}
		rule.Protocol, rule.Ports = proto, ports
		rules = append(rules, rule)
	}
	return rules, nil
}

// source is a rule's source, without protocol and ports.
func (p params) source() (world.Rule, error) {
	rule := world.Rule{Description: p.str("Description")}
	if p.has("GroupId") {
		rule.Group = p.str("GroupId")
		return rule, kindSG.check(rule.Group)
	}
	text := cmp.Or(p.str("CidrIp"), p.str("CidrIpv6"))
	var err error
	if rule.CIDR, err = world.ParseCIDR(text); err != nil || rule.CIDR.Addr().Is4() != p.has("CidrIp") {
		return rule, fail("InvalidParameterValue", "CIDR block %s is malformed", text)
	}
	return rule, nil
}

// rulePorts reads protocol and ports as security groups take them: ports only
// for TCP, UDP and ICMP, all of them for any other protocol
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html).
func (p params) rulePorts() (world.Protocol, world.Ports, error) {
	name := p.str("IpProtocol")
	proto, err := world.ParseProtocol(name)
	switch {
	case err != nil || name == "all":
		return 0, world.Ports{}, fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", name)
	case !proto.HasPorts() && !proto.IsICMP():
		return proto, world.Ports{}, nil
	case proto == world.ICMPv6 && !p.has("FromPort") && !p.has("ToPort"):
		return proto, world.AnyPorts(proto), nil // all types, as EC2 documents
	}
	ports, err := p.ports(proto, "FromPort", "ToPort")
	return proto, ports, err
}

// ports reads the two parameters that hold a protocol's ports, or its ICMP type and code.
func (p params) ports(proto world.Protocol, first, second string) (world.Ports, error) {
	from, hasFrom, err := p.integer(first)
	if err != nil {
		return world.Ports{}, err
	}
	to, hasTo, err := p.integer(second)
	if err != nil {
		return world.Ports{}, err
	}
	if !hasFrom || !hasTo {
		return world.Ports{}, fail("MissingParameter", "The request must contain the parameters %s and %s", first, second)
	}
	ports := world.Ports{From: from, To: to}
	if err := ports.Check(proto); err != nil {
		return world.Ports{}, fail("InvalidParameterValue", "Invalid value for portRange: %s", err)
	}
	return ports, nil
}
