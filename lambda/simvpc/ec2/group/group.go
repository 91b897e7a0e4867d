package group

import (
	"regexp"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

// Quotas of security groups
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
const (
	groupsPerRegion = 2500
	rulesPerGroup   = 60 // in each direction and family
)

// groupText is what names and descriptions of groups may hold
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html).
var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

type createGroupAnswer struct {
	call.Reply
	ID   string                  `xml:"groupId"`
	ARN  string                  `xml:"securityGroupArn"`
	Tags call.Set[call.TagShape] `xml:"tagSet"`
}

func createGroup(r *call.Request) (call.Answer, error) {
	g, err := newGroup(r)
	if err != nil {
		return nil, err
	}
	r.World.Groups = append(r.World.Groups, g)
	if !r.Dry && !r.State.GroupLag.None() {
		r.State.Young[g.ID] = r.State.GroupLag.Begin(r.Now)
	}
	return &createGroupAnswer{ID: g.ID, ARN: groupARN(r.World, g), Tags: call.ShapeOfTags(g.Tags)}, nil
}

// newGroup is the group a call asks for, if EC2 would make it.
func newGroup(r *call.Request) (*world.SecurityGroup, error) {
	name, err := r.Params.Required("GroupName")
	if err != nil {
		return nil, err
	}
	description, err := r.Params.Required("GroupDescription")
	if err != nil {
		return nil, err
	}
	if r.Params.Str("VpcId") == "" {
		return nil, call.Fail("VPCIdNotSpecified", "No default VPC for this user")
	}
	v, err := call.One(call.KindVPC, r.Params.Str("VpcId"), r.World.VPC)
	if err != nil {
		return nil, err
	}
	switch {
	case name == "default":
		return nil, call.Fail("InvalidGroup.Reserved", "The security group 'default' is reserved")
	case !groupText.MatchString(name):
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid.", name)
	case strings.HasPrefix(name, "sg-"):
		return nil, call.Fail("InvalidParameterValue", "Group names may not be in the format sg-*.")
	case !groupText.MatchString(description):
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter GroupDescription is invalid.", description)
	case r.World.GroupNamed(v.ID, name) != nil:
		return nil, call.Fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.ID)
	case len(r.World.Groups) >= groupsPerRegion:
		return nil, call.Fail("SecurityGroupLimitExceeded", "The maximum number of security groups has been reached.")
	}
	tags, err := r.Params.TagsFor(call.KindSG.Name)
	if err != nil {
		return nil, err
	}
	return &world.SecurityGroup{
		ID: r.NewID("sg-"), VPC: v.ID, Name: name, Description: description, Owner: r.World.Account,
		Out: world.OpenEgress(v), Tags: tags,
	}, nil
}

// ownGroup is the group that a call wants to change, which must be the account's.
func ownGroup(r *call.Request) (*world.SecurityGroup, error) {
	g, err := r.Group()
	if err != nil {
		return nil, err
	}
	if g.Owner != r.World.Account {
		return nil, call.Fail("UnauthorizedOperation", "You are not authorized to perform this operation.")
	}
	return g, nil
}

func deleteGroup(r *call.Request) (call.Answer, error) {
	g, err := ownGroup(r)
	if err != nil {
		return nil, err
	}
	if g.Default {
		return nil, call.Fail("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.ID)
	}
	if groupInUse(r.World, g.ID) {
		return nil, call.Fail("DependencyViolation", "resource %s has a dependent object", g.ID)
	}
	r.World.Groups = slices.DeleteFunc(r.World.Groups, func(other *world.SecurityGroup) bool { return other == g })
	return &struct {
		call.Reply
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
