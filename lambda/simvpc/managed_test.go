package simvpc_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/simvpc"
)

// A node of EKS Auto Mode, beside an instance of one's own.
const autoMode = `
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-1 vpc-1 10.0.1.0/24
subnet subnet-2 vpc-1 10.0.2.0/24 2001:db8:1:2::/64 dns64
subnet subnet-3 vpc-1 10.0.3.0/24
group sg-web vpc-1
group sg-quarantine vpc-1
instance i-own
instance i-node operator eks.amazonaws.com
interface eni-own i-own subnet-1 10.0.1.10 groups sg-web associated subnet-2
interface eni-node i-node subnet-1 10.0.1.20 groups sg-web
interface eni-probe - subnet-2 10.0.2.30 groups sg-web operator ec2.amazonaws.com
secondary si-1 i-own 10.9.0.5
`

// EC2 hides what AWS services operate from reads that name nothing by ID, unless
// the call or the account asks to see it.
func TestManagedResourcesAreHidden(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		world, by  string
		ids        bool
		include    *bool
		instances  []string
		interfaces []string
	}{
		"by filter":      {world: autoMode, instances: []string{"i-own"}, interfaces: []string{"eni-own"}},
		"asked":          {world: autoMode, include: aws.Bool(true), instances: []string{"i-node", "i-own"}, interfaces: []string{"eni-node", "eni-own", "eni-probe"}},
		"by id":          {world: autoMode, ids: true, instances: []string{"i-node"}, interfaces: []string{"eni-node", "eni-probe"}},
		"account shows":  {world: "managed-resources visible\n" + autoMode, instances: []string{"i-node", "i-own"}, interfaces: []string{"eni-node", "eni-own", "eni-probe"}},
		"call says hide": {world: "managed-resources visible\n" + autoMode, include: aws.Bool(false), instances: []string{"i-own"}, interfaces: []string{"eni-own"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, c := start(t, test.world, simvpc.Options{})
			instances := &ec2.DescribeInstancesInput{IncludeManagedResources: test.include, Filters: []types.Filter{filter("vpc-id", "vpc-1")}}
			interfaces := &ec2.DescribeNetworkInterfacesInput{IncludeManagedResources: test.include, Filters: []types.Filter{filter("vpc-id", "vpc-1")}}
			if test.ids {
				instances.InstanceIds, interfaces.NetworkInterfaceIds = []string{"i-node"}, []string{"eni-node", "eni-probe"}
			}
			gotInstances, err := c.DescribeInstances(t.Context(), instances)
			permit(t, err)
			var got []string
			for _, r := range gotInstances.Reservations {
				for _, i := range r.Instances {
					got = append(got, *i.InstanceId)
				}
			}
			if !slices.Equal(got, test.instances) {
				t.Errorf("instances %v, want %v", got, test.instances)
			}
			gotInterfaces, err := c.DescribeNetworkInterfaces(t.Context(), interfaces)
			permit(t, err)
			got = nil
			for _, n := range gotInterfaces.NetworkInterfaces {
				got = append(got, *n.NetworkInterfaceId)
			}
			if !slices.Equal(got, test.interfaces) {
				t.Errorf("interfaces %v, want %v", got, test.interfaces)
			}
		})
	}
}

func TestWhatServicesOperateCantBeChanged(t *testing.T) {
	t.Parallel()
	s, c := start(t, autoMode, simvpc.Options{})
	before := s.World()
	for name, call := range map[string]call{
		"its interface": swap("eni-node", "sg-quarantine"), "an interface": swap("eni-probe", "sg-quarantine"),
		"termination": terminate("i-node"), "stop": stop("i-node"), "its groups": swapInstance("i-node", "sg-quarantine"),
	} {
		if err := call(t.Context(), c); code(err) != "OperationNotPermitted" {
			t.Errorf("%s: %v", name, err)
		}
	}
	unchanged(t, before, s)
	permit(t, tag("i-node", "team", "blue")(t.Context(), c)) // tags may be changed
}

func TestOperatorSubnetsAndSecondaryInterfacesOnTheWire(t *testing.T) {
	t.Parallel()
	s, c := start(t, autoMode, simvpc.Options{})
	out, err := c.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{"i-node", "i-own"}})
	permit(t, err)
	node, own := out.Reservations[0].Instances[0], out.Reservations[1].Instances[0]
	if o := node.Operator; o == nil || !*o.Managed || *o.Principal != "eks.amazonaws.com" || !*o.HiddenByDefault {
		t.Errorf("operator of the node: %+v", o)
	}
	if o := node.NetworkInterfaces[0].Operator; o == nil || !*o.Managed {
		t.Errorf("operator of the node's interface: %+v", o)
	}
	if len(own.SecondaryInterfaces) != 1 || *own.SecondaryInterfaces[0].SecondaryInterfaceId != "si-1" ||
		*own.SecondaryInterfaces[0].PrivateIpAddresses[0].PrivateIpAddress != "10.9.0.5" {
		t.Errorf("secondary interfaces: %+v", own.SecondaryInterfaces)
	}
	enis, err := c.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-own"}})
	permit(t, err)
	if got := enis.NetworkInterfaces[0].AssociatedSubnets; !slices.Equal(got, []string{"subnet-2"}) {
		t.Errorf("associated subnets %v", got)
	}
	subnets, err := c.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	permit(t, err)
	for _, sub := range subnets.Subnets {
		if want := *sub.SubnetId == "subnet-2"; *sub.EnableDns64 != want {
			t.Errorf("%s: DNS64 %t", *sub.SubnetId, *sub.EnableDns64)
		}
	}
	associate := func(ids ...string) error {
		return ignore(c.ModifyNetworkInterfaceAttribute(t.Context(), &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: aws.String("eni-own"), AssociatedSubnetIds: ids,
		}))
	}
	permit(t, associate("subnet-3", "subnet-2"))
	if got := s.World().Interface("eni-own").Associated; !slices.Equal(got, []string{"subnet-2", "subnet-3"}) {
		t.Errorf("associated %v", got)
	}
	if err := associate("subnet-1"); code(err) != "InvalidParameterValue" {
		t.Errorf("its own subnet: %v", err)
	}
	permit(t, terminate("i-own")(t.Context(), c))
	if left := s.World().Secondary; len(left) != 0 {
		t.Errorf("left after the termination: %v", left)
	}
}
