package ec2

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// A kind is a kind of resource, with the words EC2 has for it.
type kind struct {
	name      string // resource type, as in DescribeTags
	prefix    string // of its IDs
	param     string // the parameter that names it
	noun      string // in messages
	notFound  string
	malformed string
}

// The codes are EC2's, with its uneven spelling of "ID"
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
var (
	kindVPC = kind{"vpc", "vpc-", "VpcId", "vpc ID", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed"}
	kindSub = kind{"subnet", "subnet-", "SubnetId", "subnet ID", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"}
	kindSG  = kind{"security-group", "sg-", "GroupId", "security group", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"}
	kindSGR = kind{
		"security-group-rule", "sgr-", "SecurityGroupRuleId", "security group rule ID",
		"InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed",
	}
	kindACL  = kind{"network-acl", "acl-", "NetworkAclId", "networkAcl ID", "InvalidNetworkAclID.NotFound", "InvalidNetworkAclId.Malformed"}
	kindInst = kind{"instance", "i-", "InstanceId", "instance ID", "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"}
	kindENI  = kind{
		"network-interface", "eni-", "NetworkInterfaceId", "networkInterface ID",
		"InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.Malformed",
	}
)

var (
	kindVol  = kind{"volume", "vol-", "VolumeId", "volume ID", "InvalidVolume.NotFound", "InvalidVolumeID.Malformed"}
	kindSnap = kind{"snapshot", "snap-", "SnapshotId", "snapshot ID", "InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed"}
	kindFL   = kind{"vpc-flow-log", "fl-", "FlowLogId", "flow log ID", "InvalidFlowLogId.NotFound", "InvalidFlowLogId.Malformed"}
	kindIIP  = kind{
		"iam-instance-profile-association", "iip-assoc-", "AssociationId", "association ID",
		"InvalidAssociationID.NotFound", "InvalidAssociationID.Malformed",
	}
)

var kindEIP = kind{
	"elastic-ip", "eipalloc-", "AllocationId", "allocation ID", "InvalidAllocationID.NotFound", "InvalidAllocationID.Malformed",
}

func (k kind) missing(ids ...string) *wire.Error {
	if len(ids) > 1 {
		return fail(k.notFound, "The %ss '%s' do not exist", k.noun, strings.Join(ids, ", "))
	}
	return fail(k.notFound, "The %s '%s' does not exist", k.noun, ids[0])
}

// check refuses an ID that isn't one of this kind.
func (k kind) check(id string) error {
	if !world.ValidID(id, k.prefix) {
		return fail(k.malformed, "Invalid id: \"%s\" (expecting \"%s...\")", id, k.prefix)
	}
	return nil
}

// one finds the resource that a call names by ID.
func one[T any](k kind, id string, find func(id string) *T) (*T, error) {
	if id == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter %s", k.param)
	}
	if err := k.check(id); err != nil {
		return nil, err
	}
	if x := find(id); x != nil {
		return x, nil
	}
	return nil, k.missing(id)
}

func (r *request) group() (*world.SecurityGroup, error) {
	return one(kindSG, r.p.str("GroupId"), r.w.Group)
}

func (r *request) acl() (*world.NetworkACL, error) {
	return one(kindACL, r.p.str("NetworkAclId"), r.w.ACL)
}

func (r *request) networkInterface() (*world.Interface, error) {
	return one(kindENI, r.p.str("NetworkInterfaceId"), r.w.Interface)
}

// exists reports whether any resource has that ID.
func exists(w *world.World, id string) bool {
	return w.VPC(id) != nil || slices.ContainsFunc(allTagged(w), func(t tagged) bool { return t.id == id })
}

// A catalogue is how one kind of resource is described: how to name it, tag it
// and filter it.
type catalogue[T any] struct {
	kind   kind
	ids    string // the list parameter of IDs, "" when there is none
	id     func(T) string
	tags   func(T) world.Tags
	fields map[string]func(*world.World, T) []string // by filter name
	max    int                                       // the largest MaxResults, 0 meaning 1000
	alone  bool                                      // IDs and MaxResults exclude each other
	hidden func(*world.World, T) bool                // what a service operates; nil when none can be
}

// describe picks the resources a Describe… asks for, and the token of the next page.
func (c catalogue[T]) describe(r *request, all []T) ([]T, string, error) {
	filters, err := r.filters()
	if err != nil {
		return nil, "", err
	}
	for _, f := range filters {
		if c.fields[f.name] == nil && !f.onTags(c.tags != nil) {
			return nil, "", fail("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
	}
	if all, err = c.named(r, all); err != nil {
		return nil, "", err
	}
	hide, err := c.hides(r)
	if err != nil {
		return nil, "", err
	}
	var found []T
	for _, x := range all {
		if hide && c.hidden(r.w, x) {
			continue
		}
		if c.matches(r.w, x, filters) {
			found = append(found, x)
		}
	}
	return c.page(r, found)
}

// hides reports whether a call doesn't get to see what AWS services operate: it
// neither names resources by ID nor asks for them
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html).
func (c catalogue[T]) hides(r *request) (bool, error) {
	asked, err := r.p.boolean("IncludeManagedResources", r.w.ShowManaged)
	return c.hidden != nil && !asked && len(r.p.list(c.ids)) == 0, err
}

// named keeps the resources that the call names by ID, all of which must exist.
func (c catalogue[T]) named(r *request, all []T) ([]T, error) {
	var ids []string
	if c.ids != "" {
		ids = r.p.list(c.ids)
	}
	if len(ids) == 0 {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		if err := c.kind.check(id); err != nil {
			return nil, err
		}
		wanted[id] = true
	}
	var found []T
	for _, x := range all {
		if wanted[c.id(x)] {
			found = append(found, x)
			delete(wanted, c.id(x))
		}
	}
	var missing []string
	for _, id := range ids {
		if wanted[id] {
			missing = append(missing, id)
			delete(wanted, id)
		}
	}
	if len(missing) > 0 {
		return nil, c.kind.missing(missing...)
	}
	return found, nil
}

// pageSize is the most items that a call may be answered at once.
func (c catalogue[T]) pageSize(r *request) (int, error) {
	size := cmp.Or(c.max, 1000)
	if r.s.pageSize > 0 {
		size = min(size, r.s.pageSize)
	}
	limit, given, err := r.p.integer("MaxResults")
	switch {
	case err != nil || !given:
		return size, err
	case limit < 5:
		return 0, fail("InvalidParameterValue",
			"Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.", limit)
	case c.alone && len(r.p.list(c.ids)) > 0:
		return 0, fail("InvalidParameterCombination",
			"The parameter %s cannot be used with the parameter maxResults", c.ids)
	}
	return min(size, limit), nil
}

// page cuts one page out of what was found. A token names the last ID of the
// page before, so that a page is right even when the world changes between.
func (c catalogue[T]) page(r *request, found []T) ([]T, string, error) {
	size, err := c.pageSize(r)
	if err != nil {
		return nil, "", err
	}
	if token := r.p.str("NextToken"); token != "" {
		text, err := base64.URLEncoding.DecodeString(token)
		last, ok := strings.CutPrefix(string(text), r.op+" ")
		if err != nil || !ok {
			return nil, "", fail("InvalidPaginationToken", "The token '%s' is invalid", token)
		}
		for len(found) > 0 && c.id(found[0]) <= last {
			found = found[1:]
		}
	}
	if len(found) <= size {
		return found, "", nil
	}
	found = found[:size]
	return found, base64.URLEncoding.EncodeToString([]byte(r.op + " " + c.id(found[size-1]))), nil
}
