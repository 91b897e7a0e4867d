package call

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// A Kind is a kind of resource, with the words EC2 has for it.
type Kind struct {
	Name      string // resource type, as in DescribeTags
	prefix    string // of its IDs
	param     string // the parameter that names it
	noun      string // in messages
	notFound  string
	malformed string
}

// The codes are EC2's, with its uneven spelling of "ID"
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
var (
	KindVPC = Kind{"vpc", "vpc-", "VpcId", "vpc ID", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed"}
	KindSub = Kind{"subnet", "subnet-", "SubnetId", "subnet ID", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed"}
	KindSG  = Kind{"security-group", "sg-", "GroupId", "security group", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"}
	KindSGR = Kind{
		"security-group-rule", "sgr-", "SecurityGroupRuleId", "security group rule ID",
		"InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed",
	}
	KindACL  = Kind{"network-acl", "acl-", "NetworkAclId", "networkAcl ID", "InvalidNetworkAclID.NotFound", "InvalidNetworkAclId.Malformed"}
	KindInst = Kind{"instance", "i-", "InstanceId", "instance ID", "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"}
	KindENI  = Kind{
		"network-interface", "eni-", "NetworkInterfaceId", "networkInterface ID",
		"InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.Malformed",
	}
)

// The kinds of what is not of the network.
var (
	KindVol  = Kind{"volume", "vol-", "VolumeId", "volume ID", "InvalidVolume.NotFound", "InvalidVolumeID.Malformed"}
	KindSnap = Kind{"snapshot", "snap-", "SnapshotId", "snapshot ID", "InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed"}
	KindFL   = Kind{"vpc-flow-log", "fl-", "FlowLogId", "flow log ID", "InvalidFlowLogId.NotFound", "InvalidFlowLogId.Malformed"}
	KindIIP  = Kind{
		"iam-instance-profile-association", "iip-assoc-", "AssociationId", "association ID",
		"InvalidAssociationID.NotFound", "InvalidAssociationID.Malformed",
	}
	KindIGW = Kind{
		"internet-gateway", "igw-", "InternetGatewayId", "internetGateway ID", "InvalidInternetGatewayID.NotFound", "InvalidInternetGatewayId.Malformed",
	}
	KindRTB = Kind{"route-table", "rtb-", "RouteTableId", "routeTable ID", "InvalidRouteTableID.NotFound", "InvalidRouteTableId.Malformed"}
	KindEIP = Kind{
		"elastic-ip", "eipalloc-", "AllocationId", "allocation ID", "InvalidAllocationID.NotFound", "InvalidAllocationID.Malformed",
	}
)

// Missing is the refusal when a call names resources that are not there.
func (k Kind) Missing(ids ...string) *wire.Error {
	if len(ids) > 1 {
		return Fail(k.notFound, "The %ss '%s' do not exist", k.noun, strings.Join(ids, ", "))
	}
	return Fail(k.notFound, "The %s '%s' does not exist", k.noun, ids[0])
}

// Check refuses an ID that isn't one of this kind.
func (k Kind) Check(id string) error {
	if !world.ValidID(id, k.prefix) {
		return Fail(k.malformed, "Invalid id: \"%s\" (expecting \"%s...\")", id, k.prefix)
	}
	return nil
}

// One finds the resource that a call names by ID.
func One[T any](k Kind, id string, find func(id string) *T) (*T, error) {
	if id == "" {
		return nil, Fail("MissingParameter", "The request must contain the parameter %s", k.param)
	}
	if err := k.Check(id); err != nil {
		return nil, err
	}
	if x := find(id); x != nil {
		return x, nil
	}
	return nil, k.Missing(id)
}

// Group is the security group that a call names.
func (r *Request) Group() (*world.SecurityGroup, error) {
	return One(KindSG, r.Params.Str("GroupId"), r.World.Group)
}

// ACL is the network ACL that a call names.
func (r *Request) ACL() (*world.NetworkACL, error) {
	return One(KindACL, r.Params.Str("NetworkAclId"), r.World.ACL)
}

// NetworkInterface is the interface that a call names.
func (r *Request) NetworkInterface() (*world.Interface, error) {
	return One(KindENI, r.Params.Str("NetworkInterfaceId"), r.World.Interface)
}

// exists reports whether any resource has that ID.
func exists(w *world.World, id string) bool {
	return w.VPC(id) != nil || slices.ContainsFunc(allTagged(w), func(t tagged) bool { return t.ID == id })
}

// A Catalogue is how one kind of resource is described: how to name it, tag it
// and filter it.
type Catalogue[T any] struct {
	Kind   Kind
	IDs    string // the list parameter of IDs, "" when there is none
	ID     func(T) string
	Tags   func(T) world.Tags
	Fields map[string]func(*world.World, T) []string // by filter name
	Max    int                                       // the largest MaxResults, 0 meaning 1000
	Alone  bool                                      // IDs and MaxResults exclude each other
	Hidden func(*world.World, T) bool                // what a service operates; nil when none can be
}

// Describe picks the resources a Describe… asks for, and the token of the next page.
func (c Catalogue[T]) Describe(r *Request, all []T) ([]T, string, error) {
	filters, err := r.filters()
	if err != nil {
		return nil, "", err
	}
	for _, f := range filters {
		if c.Fields[f.name] == nil && !f.onTags(c.Tags != nil) {
			return nil, "", Fail("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
	}
	if all, err = c.Named(r, all); err != nil {
		return nil, "", err
	}
	hide, err := c.hides(r)
	if err != nil {
		return nil, "", err
	}
	var found []T
	for _, x := range all {
		if hide && c.Hidden(r.World, x) {
			continue
		}
		if c.matches(r.World, x, filters) {
			found = append(found, x)
		}
	}
	return c.page(r, found)
}

// hides reports whether a call doesn't get to see what AWS services operate: it
// neither names resources by ID nor asks for them
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/amazon-ec2-managed-instances.html).
func (c Catalogue[T]) hides(r *Request) (bool, error) {
	asked, err := r.Params.Boolean("IncludeManagedResources", r.World.ShowManaged)
	return c.Hidden != nil && !asked && len(r.Params.List(c.IDs)) == 0, err
}

// Named keeps the resources that the call names by ID, all of which must exist.
func (c Catalogue[T]) Named(r *Request, all []T) ([]T, error) {
	var ids []string
	if c.IDs != "" {
		ids = r.Params.List(c.IDs)
	}
	if len(ids) == 0 {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, id := range ids {
		if err := c.Kind.Check(id); err != nil {
			return nil, err
		}
		wanted[id] = true
	}
	var found []T
	for _, x := range all {
		if wanted[c.ID(x)] {
			found = append(found, x)
			delete(wanted, c.ID(x))
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
		return nil, c.Kind.Missing(missing...)
	}
	return found, nil
}

// pageSize is the most items that a call may be answered at once.
func (c Catalogue[T]) pageSize(r *Request) (int, error) {
	size := cmp.Or(c.Max, 1000)
	if r.State.pageSize > 0 {
		size = min(size, r.State.pageSize)
	}
	limit, given, err := r.Params.Integer("MaxResults")
	switch {
	case err != nil || !given:
		return size, err
	case limit < 5:
		return 0, Fail("InvalidParameterValue",
			"Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.", limit)
	case c.Alone && len(r.Params.List(c.IDs)) > 0:
		return 0, Fail("InvalidParameterCombination",
			"The parameter %s cannot be used with the parameter maxResults", c.IDs)
	}
	return min(size, limit), nil
}

// page cuts one page out of what was found. A token names the last ID of the
// page before, so that a page is right even when the world changes between.
func (c Catalogue[T]) page(r *Request, found []T) ([]T, string, error) {
	size, err := c.pageSize(r)
	if err != nil {
		return nil, "", err
	}
	if token := r.Params.Str("NextToken"); token != "" {
		text, err := base64.URLEncoding.DecodeString(token)
		last, ok := strings.CutPrefix(string(text), r.Op+" ")
		if err != nil || !ok {
			return nil, "", Fail("InvalidPaginationToken", "The token '%s' is invalid", token)
		}
		for len(found) > 0 && c.ID(found[0]) <= last {
			found = found[1:]
		}
	}
	if len(found) <= size {
		return found, "", nil
	}
	found = found[:size]
	return found, base64.URLEncoding.EncodeToString([]byte(r.Op + " " + c.ID(found[size-1]))), nil
}
