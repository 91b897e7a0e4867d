package simvpc

import (
	"cmp"
	"net/url"
	"slices"
)

func authorizeIngress(r *request) (answer, error) { return r.authorize(false) }
func authorizeEgress(r *request) (answer, error)  { return r.authorize(true) }
func revokeIngress(r *request) (answer, error)    { return r.revoke(false) }
func revokeEgress(r *request) (answer, error)     { return r.revoke(true) }

// direction is the list of rules a call is about.
func (g *SecurityGroup) direction(egress bool) *[]Rule {
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
	rules := g.direction(egress)
	all := slices.Clone(*rules)
	for _, rule := range add {
		if rule.Group != "" && r.w.Group(rule.Group) == nil {
			return nil, kindSG.missing(rule.Group)
		}
		if slices.ContainsFunc(all, rule.same) {
			return nil, fail("InvalidPermission.Duplicate",
				"the specified rule \"peer: %s, %s\" already exists", rule.source(), rule.Protocol)
		}
		all = append(all, rule)
	}
	if len(all) > rulesPerGroup {
		return nil, fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	slices.SortFunc(all, compareRules)
	*rules = all
	return &struct {
		reply
		Return bool           `xml:"return"`
		Rules  set[ruleShape] `xml:"securityGroupRuleSet"`
	}{Return: true, Rules: setOf(add, func(rule Rule) ruleShape {
		return r.w.ruleShape(groupRule{ruleID(g.ID, egress, rule), g, egress, rule})
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
	rules := g.direction(egress)
	var gone []Rule
	if ids := r.p.list("SecurityGroupRuleId"); len(ids) > 0 {
		gone, err = g.rulesByID(egress, ids)
	} else {
		gone, err = r.permissions()
	}
	if err != nil {
		return nil, err
	}
	for _, rule := range gone {
		if !slices.ContainsFunc(*rules, rule.same) {
			return nil, fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
	}
	*rules = slices.DeleteFunc(*rules, func(has Rule) bool { return slices.ContainsFunc(gone, has.same) })
	return &struct {
		reply
		Return  bool              `xml:"return"`
		Unknown set[string]       `xml:"unknownIpPermissionSet"`
		Revoked set[revokedShape] `xml:"revokedSecurityGroupRuleSet"`
	}{Return: true, Revoked: setOf(gone, func(rule Rule) revokedShape {
		s := r.w.ruleShape(groupRule{ruleID(g.ID, egress, rule), g, egress, rule})
		return revokedShape{s.ID, s.Group, s.Egress, s.Protocol, s.From, s.To, s.IPv4, s.IPv6, rule.Group}
	})}, nil
}

func (g *SecurityGroup) rulesByID(egress bool, ids []string) ([]Rule, error) {
	var found []Rule
	for _, id := range ids {
		if err := kindSGR.check(id); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(g.rules(egress), func(r Rule) bool { return ruleID(g.ID, egress, r) == id })
		if i < 0 {
			return nil, kindSGR.missing(id)
		}
		found = append(found, g.rules(egress)[i])
	}
	return found, nil
}

// permissions reads the rules of a call: IpPermissions, or the older form of one
// rule in plain parameters.
func (r *request) permissions() ([]Rule, error) {
	items := r.p.structs("IpPermissions")
	if len(items) == 0 {
		if !r.p.has("IpProtocol") {
			return nil, fail("MissingParameter", "The request must contain the parameter ipPermissions")
		}
		items = []params{r.p}
	}
	var all []Rule
	for _, item := range items {
		rules, err := item.rules()
		if err != nil {
			return nil, err
		}
		for _, rule := range rules {
			if slices.ContainsFunc(all, rule.same) {
				return nil, fail("InvalidParameterValue", "The same permission must not appear multiple times")
			}
			all = append(all, rule)
		}
	}
	return all, nil
}

// rules are the rules of one IpPermission: one for each source.
func (p params) rules() ([]Rule, error) {
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
	var rules []Rule
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
func (p params) source() (Rule, error) {
	rule := Rule{Description: p.str("Description")}
	if p.has("GroupId") {
		rule.Group = p.str("GroupId")
		return rule, kindSG.check(rule.Group)
	}
	text := cmp.Or(p.str("CidrIp"), p.str("CidrIpv6"))
	var err error
	if rule.CIDR, err = parseCIDR(text); err != nil || rule.CIDR.Addr().Is4() != p.has("CidrIp") {
		return rule, fail("InvalidParameterValue", "CIDR block %s is malformed", text)
	}
	return rule, nil
}

// rulePorts reads protocol and ports as security groups take them: ports only
// for TCP, UDP and ICMP, all of them for any other protocol
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html).
func (p params) rulePorts() (Protocol, Ports, error) {
	name := p.str("IpProtocol")
	proto, err := ParseProtocol(name)
	switch {
	case err != nil || name == "all":
		return 0, Ports{}, fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", name)
	case !proto.hasPorts() && !proto.isICMP():
		return proto, Ports{}, nil
	case proto == ICMPv6 && !p.has("FromPort") && !p.has("ToPort"):
		return proto, anyPorts(proto), nil // all types, as EC2 documents
	}
	ports, err := p.ports(proto, "FromPort", "ToPort")
	return proto, ports, err
}

// ports reads the two parameters that hold a protocol's ports, or its ICMP type and code.
func (p params) ports(proto Protocol, first, second string) (Ports, error) {
	from, hasFrom, err := p.integer(first)
	if err != nil {
		return Ports{}, err
	}
	to, hasTo, err := p.integer(second)
	if err != nil {
		return Ports{}, err
	}
	if !hasFrom || !hasTo {
		return Ports{}, fail("MissingParameter", "The request must contain the parameters %s and %s", first, second)
	}
	ports := Ports{from, to}
	if err := ports.check(proto); err != nil {
		return Ports{}, fail("InvalidParameterValue", "Invalid value for portRange: %s", err)
	}
	return ports, nil
}
