package group

import (
	"fmt"
	"slices"
	"strconv"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

type rangeShape struct {
	IPv4        string `xml:"cidrIp,omitempty"`
	IPv6        string `xml:"cidrIpv6,omitempty"`
	Description string `xml:"description,omitempty"`
}

type pairShape struct {
	Group       string `xml:"groupId"`
	User        string `xml:"userId"`
	Description string `xml:"description,omitempty"`
}

type permissionShape struct {
	Protocol    string               `xml:"ipProtocol"`
	From        *int                 `xml:"fromPort"`
	To          *int                 `xml:"toPort"`
	Groups      call.Set[pairShape]  `xml:"groups"`
	IPv4        call.Set[rangeShape] `xml:"ipRanges"`
	IPv6        call.Set[rangeShape] `xml:"ipv6Ranges"`
	PrefixLists call.Set[string]     `xml:"prefixListIds"`
}

type groupShape struct {
	Owner       string                    `xml:"ownerId"`
	ID          string                    `xml:"groupId"`
	Name        string                    `xml:"groupName"`
	ARN         string                    `xml:"securityGroupArn"`
	Description string                    `xml:"groupDescription"`
	VPC         string                    `xml:"vpcId"`
	In          call.Set[permissionShape] `xml:"ipPermissions"`
	Out         call.Set[permissionShape] `xml:"ipPermissionsEgress"`
	Tags        call.Set[call.TagShape]   `xml:"tagSet"`
}

// wireProtocol is a protocol as EC2 writes it in security groups.
func wireProtocol(p world.Protocol) string {
	if p == world.All {
		return "-1"
	}
	return p.String()
}

// wirePorts are a rule's ports as EC2 answers them: none for protocols without.
func wirePorts(r world.Rule) (from, to *int) {
	if !r.Protocol.HasPorts() && !r.Protocol.IsICMP() {
		return nil, nil
	}
	return &r.Ports.From, &r.Ports.To
}

// permissionsOf gathers rules of one protocol and ports, as EC2 answers them.
func permissionsOf(w *world.World, rules []world.Rule) call.Set[permissionShape] {
	var all []permissionShape
	for i, r := range rules {
		if i == 0 || rules[i-1].Protocol != r.Protocol || rules[i-1].Ports != r.Ports {
			from, to := wirePorts(r)
			all = append(all, permissionShape{Protocol: wireProtocol(r.Protocol), From: from, To: to})
		}
		p := &all[len(all)-1]
		switch {
		case r.Group != "":
			p.Groups.Items = append(p.Groups.Items, pairShape{r.Group, groupOwner(w, r.Group), r.Description})
		case r.CIDR.Addr().Is4():
			p.IPv4.Items = append(p.IPv4.Items, rangeShape{IPv4: r.CIDR.String(), Description: r.Description})
		default:
			p.IPv6.Items = append(p.IPv6.Items, rangeShape{IPv6: r.CIDR.String(), Description: r.Description})
		}
	}
	return call.Set[permissionShape]{Items: all}
}

func groupOwner(w *world.World, id string) string {
	if g := w.Group(id); g != nil {
		return g.Owner
	}
	return w.Account
}

func shapeOfGroup(w *world.World, g *world.SecurityGroup) groupShape {
	return groupShape{
		Owner: g.Owner, ID: g.ID, Name: g.Name, Description: g.Description, VPC: g.VPC, ARN: groupARN(w, g),
		In: permissionsOf(w, g.In), Out: permissionsOf(w, g.Out), Tags: call.ShapeOfTags(g.Tags),
	}
}

func groupARN(w *world.World, g *world.SecurityGroup) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:security-group/%s", w.Region, g.Owner, g.ID)
}

// ruleField makes a filter on a property of a group's rules in one direction.
func ruleField(egress bool, property func(world.Rule) string) func(*world.World, *world.SecurityGroup) []string {
	return func(_ *world.World, g *world.SecurityGroup) []string {
		var all []string
		for _, r := range g.Rules(egress) {
			all = append(all, call.Given(property(r))...)
		}
		return all
	}
}

func ruleCIDR(v4 bool) func(world.Rule) string {
	return func(r world.Rule) string {
		if !r.CIDR.IsValid() {
			return ""
		}
		return call.OfFamily(r.CIDR, v4)
	}
}

func rulePort(end func(world.Ports) int) func(world.Rule) string {
	return func(r world.Rule) string {
		if from, _ := wirePorts(r); from == nil {
			return ""
		}
		return strconv.Itoa(end(r.Ports))
	}
}

func fromPort(p world.Ports) int { return p.From }
func toPort(p world.Ports) int   { return p.To }

var groups = call.Catalogue[*world.SecurityGroup]{
	Kind: call.KindSG, IDs: "GroupId",
	ID:   func(g *world.SecurityGroup) string { return g.ID },
	Tags: func(g *world.SecurityGroup) world.Tags { return g.Tags },
	Fields: map[string]func(*world.World, *world.SecurityGroup) []string{
		"group-id":                       func(_ *world.World, g *world.SecurityGroup) []string { return []string{g.ID} },
		"group-name":                     func(_ *world.World, g *world.SecurityGroup) []string { return []string{g.Name} },
		"description":                    func(_ *world.World, g *world.SecurityGroup) []string { return []string{g.Description} },
		"vpc-id":                         func(_ *world.World, g *world.SecurityGroup) []string { return []string{g.VPC} },
		"owner-id":                       func(_ *world.World, g *world.SecurityGroup) []string { return []string{g.Owner} },
		"ip-permission.cidr":             ruleField(false, ruleCIDR(true)),
		"ip-permission.ipv6-cidr":        ruleField(false, ruleCIDR(false)),
		"ip-permission.group-id":         ruleField(false, func(r world.Rule) string { return r.Group }),
		"ip-permission.protocol":         ruleField(false, func(r world.Rule) string { return wireProtocol(r.Protocol) }),
		"ip-permission.from-port":        ruleField(false, rulePort(fromPort)),
		"ip-permission.to-port":          ruleField(false, rulePort(toPort)),
		"egress.ip-permission.cidr":      ruleField(true, ruleCIDR(true)),
		"egress.ip-permission.ipv6-cidr": ruleField(true, ruleCIDR(false)),
		"egress.ip-permission.group-id":  ruleField(true, func(r world.Rule) string { return r.Group }),
		"egress.ip-permission.protocol":  ruleField(true, func(r world.Rule) string { return wireProtocol(r.Protocol) }),
		"egress.ip-permission.from-port": ruleField(true, rulePort(fromPort)),
		"egress.ip-permission.to-port":   ruleField(true, rulePort(toPort)),
	},
}

func describeGroups(r *call.Request) (call.Answer, error) {
	// Names are looked up in the default VPC only, and no VPC here is one
	// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html).
	if names := r.Params.List("GroupName"); len(names) > 0 {
		return nil, call.Fail("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC", names[0])
	}
	found, next, err := groups.Describe(r, r.World.Groups)
	return &struct {
		call.Reply
		Groups call.Set[groupShape] `xml:"securityGroupInfo"`
		Next   string               `xml:"nextToken,omitempty"`
	}{Groups: call.SetOf(found, func(x *world.SecurityGroup) groupShape { return shapeOfGroup(r.World, x) }), Next: next}, err
}

// A groupRule is one rule with where it stands.
type groupRule struct {
	ID     string
	group  *world.SecurityGroup
	egress bool
	world.Rule
}

// ruleID follows from the rule, so that worlds needn't write it.
func ruleID(group string, egress bool, r world.Rule) string {
	return call.HashID("sgr-", group, egress, r.Protocol, r.Ports, r.Source())
}

func allGroupRules(w *world.World) []groupRule {
	var all []groupRule
	for _, g := range w.Groups {
		for _, egress := range []bool{false, true} {
			for _, r := range g.Rules(egress) {
				all = append(all, groupRule{ruleID(g.ID, egress, r), g, egress, r})
			}
		}
	}
	slices.SortFunc(all, func(a, b groupRule) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all
}

type referencedGroup struct {
	Group string `xml:"groupId"`
	User  string `xml:"userId"`
}

type ruleShape struct {
	ID          string                  `xml:"securityGroupRuleId"`
	Group       string                  `xml:"groupId"`
	Owner       string                  `xml:"groupOwnerId"`
	Egress      bool                    `xml:"isEgress"`
	Protocol    string                  `xml:"ipProtocol"`
	From        int                     `xml:"fromPort"`
	To          int                     `xml:"toPort"`
	IPv4        string                  `xml:"cidrIpv4,omitempty"`
	IPv6        string                  `xml:"cidrIpv6,omitempty"`
	Referenced  *referencedGroup        `xml:"referencedGroupInfo"`
	Description string                  `xml:"description,omitempty"`
	Tags        call.Set[call.TagShape] `xml:"tagSet"`
}

func shapeOfRule(w *world.World, r groupRule) ruleShape {
	shape := ruleShape{
		ID: r.ID, Group: r.group.ID, Owner: r.group.Owner, Egress: r.egress,
		Protocol: wireProtocol(r.Protocol), From: -1, To: -1, Description: r.Description,
		IPv4: ruleCIDR(true)(r.Rule), IPv6: ruleCIDR(false)(r.Rule),
	}
	if from, to := wirePorts(r.Rule); from != nil {
		shape.From, shape.To = *from, *to
	}
	if r.Group != "" {
		shape.Referenced = &referencedGroup{r.Group, groupOwner(w, r.Group)}
	}
	return shape
}

var groupRules = call.Catalogue[groupRule]{
	Kind: call.KindSGR, IDs: "SecurityGroupRuleId",
	ID:   func(r groupRule) string { return r.ID },
	Tags: func(groupRule) world.Tags { return nil },
	Fields: map[string]func(*world.World, groupRule) []string{
		"group-id":               func(_ *world.World, r groupRule) []string { return []string{r.group.ID} },
		"security-group-rule-id": func(_ *world.World, r groupRule) []string { return []string{r.ID} },
	},
}

func describeGroupRules(r *call.Request) (call.Answer, error) {
	found, next, err := groupRules.Describe(r, allGroupRules(r.World))
	return &struct {
		call.Reply
		Rules call.Set[ruleShape] `xml:"securityGroupRuleSet"`
		Next  string              `xml:"nextToken,omitempty"`
	}{Rules: call.SetOf(found, func(x groupRule) ruleShape { return shapeOfRule(r.World, x) }), Next: next}, err
}
