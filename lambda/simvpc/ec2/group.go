package ec2

import (
	"regexp"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/world"
)

// Quotas of security groups
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
const (
	groupsPerRegion = 2500
	rulesPerGroup   = 60 // in each direction
)

// groupText is what names and descriptions of groups may hold
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

type createGroupAnswer struct {
	reply
	ID   string        `xml:"groupId"`
	ARN  string        `xml:"securityGroupArn"`
	Tags set[tagShape] `xml:"tagSet"`
}

func createGroup(r *request) (answer, error) {
	g, err := r.newGroup()
	if err != nil {
		return nil, err
	}
	r.w.Groups = append(r.w.Groups, g)
	if !r.dry && !r.s.groupLag.None() {
		r.s.young[g.ID] = r.s.groupLag.Begin(r.now)
	}
	return &createGroupAnswer{ID: g.ID, ARN: groupARN(r.w, g), Tags: shapeOfTags(g.Tags)}, nil
}

// newGroup is the group a call asks for, if EC2 would make it.
func (r *request) newGroup() (*world.SecurityGroup, error) {
	name, err := r.p.required("GroupName")
	if err != nil {
		return nil, err
	}
	description, err := r.p.required("GroupDescription")
	if err != nil {
		return nil, err
	}
	if r.p.str("VpcId") == "" {
		return nil, fail("VPCIdNotSpecified", "No default VPC for this user")
	}
	v, err := one(kindVPC, r.p.str("VpcId"), r.w.VPC)
	if err != nil {
		return nil, err
	}
	switch {
	case name == "default":
		return nil, fail("InvalidGroup.Reserved", "The security group 'default' is reserved")
	case !groupText.MatchString(name):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid.", name)
	case strings.HasPrefix(name, "sg-"):
		return nil, fail("InvalidParameterValue", "Group names may not be in the format sg-*.")
	case !groupText.MatchString(description):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupDescription is invalid.", description)
	case r.w.GroupNamed(v.ID, name) != nil:
		return nil, fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.ID)
	case len(r.w.Groups) >= groupsPerRegion:
		return nil, fail("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
	}
	tags, err := r.p.tagsFor(kindSG.name)
	if err != nil {
		return nil, err
	}
	return &world.SecurityGroup{
		ID: r.newID("sg-"), VPC: v.ID, Name: name, Description: description, Owner: r.w.Account,
		Out: world.OpenEgress(v), Tags: tags,
	}, nil
}

// ownGroup is the group that a call wants to change, which must be the account's.
func (r *request) ownGroup() (*world.SecurityGroup, error) {
	g, err := r.group()
	if err != nil {
		return nil, err
	}
	if g.Owner != r.w.Account {
		return nil, fail("UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	return g, nil
}

func deleteGroup(r *request) (answer, error) {
	g, err := r.ownGroup()
	if err != nil {
		return nil, err
	}
	if g.Default {
		return nil, fail("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.ID)
	}
	if groupInUse(r.w, g.ID) {
		return nil, fail("DependencyViolation", "resource %s has a dependent object", g.ID)
	}
	r.w.Groups = slices.DeleteFunc(r.w.Groups, func(other *world.SecurityGroup) bool { return other == g })
	return &struct {
		reply
		Return bool   `xml:"return"`
		ID     string `xml:"groupId"`
	}{Return: true, ID: g.ID}, nil
}

// groupInUse reports whether an interface has the group, or another group's rule names it.
func groupInUse(w *world.World, id string) bool {
	for _, n := range w.Interfaces {
		if slices.Contains(n.Groups, id) {
			return true
		}
	}
	for _, g := range w.Groups {
		names := func(r world.Rule) bool { return r.Group == id }
		if g.ID != id && (slices.ContainsFunc(g.In, names) || slices.ContainsFunc(g.Out, names)) {
			return true
		}
	}
	return false
}
