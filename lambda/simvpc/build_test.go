package simvpc_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

func newVPC(cidr string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(cidr)}))
	}
}

func newSubnet(vpc, cidr string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.CreateSubnet(ctx, &ec2.CreateSubnetInput{VpcId: aws.String(vpc), CidrBlock: aws.String(cidr)}))
	}
}

func launch(in *ec2.RunInstancesInput) call {
	in.MinCount, in.MaxCount = aws.Int32(1), aws.Int32(1)
	in.ImageId = aws.String("ami-0123456789abcdef0")
	return func(ctx context.Context, c *ec2.Client) error { return ignore(c.RunInstances(ctx, in)) }
}

// From an empty world to an instance that the outside reaches, by calls alone.
func TestBuildFromNothing(t *testing.T) {
	t.Parallel()
	s, c := start(t, "", simvpc.Options{})
	ctx := t.Context()
	vpc, err := c.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.1.2.3/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)})
	permit(t, err)
	if *vpc.Vpc.CidrBlock != "10.1.0.0/16" || len(vpc.Vpc.Ipv6CidrBlockAssociationSet) != 1 {
		t.Errorf("VPC %+v", vpc.Vpc)
	}
	subnet, err := c.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.1.1.0/24"), Ipv6CidrBlock: aws.String("2001:db8:a01::/64"), AvailabilityZone: aws.String("eu-central-1b"),
	})
	permit(t, err)
	id := subnet.Subnet.SubnetId
	_, err = c.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{SubnetId: id, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
	permit(t, err)
	group, err := c.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{GroupName: aws.String("web"), Description: aws.String("web"), VpcId: vpc.Vpc.VpcId})
	permit(t, err)
	permit(t, ingress(*group.GroupId, permission("tcp", 443, 443, "0.0.0.0/0"))(ctx, c))
	run, err := c.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: aws.String("ami-0123456789abcdef0"), InstanceType: types.InstanceTypeM5Large, MinCount: aws.Int32(1), MaxCount: aws.Int32(2),
		SubnetId: id, SecurityGroupIds: []string{*group.GroupId}, Ipv6AddressCount: aws.Int32(2), ClientToken: aws.String("once"), KeyName: aws.String("key"),
		IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: aws.String("web-role")},
		BlockDeviceMappings: []types.BlockDeviceMapping{{
			DeviceName: aws.String("/dev/xvdb"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(50), DeleteOnTermination: aws.Bool(false)},
		}},
		TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeInstance, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("web")}}},
			{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: aws.String("of"), Value: aws.String("web")}}},
		},
	})
	permit(t, err)
	if len(run.Instances) != 2 {
		t.Fatalf("%d instances, want 2", len(run.Instances))
	}
	i := run.Instances[0]
	if i.State.Name != "running" || *i.ImageId != "ami-0123456789abcdef0" || i.PublicIpAddress == nil || len(i.BlockDeviceMappings) != 2 ||
		*i.SecurityGroups[0].GroupName != "web" || *i.Placement.AvailabilityZone != "eu-central-1b" || *i.Tags[0].Value != "web" {
		t.Errorf("instance %+v", i)
	}
	w := s.World()
	if got := w.InterfacesOf(*i.InstanceId)[0].IPv6; len(got) != 2 || got[0].String() != "2001:db8:a01::4" {
		t.Errorf("IPv6 addresses %v", got)
	}
	f, err := world.ParseFlow("tcp 192.0.2.80:40000 -> " + *i.PublicIpAddress + ":443")
	permit(t, err)
	if v := oracle.Connects(w, f); !v.Passes {
		t.Errorf("from outside: %s", v.Why)
	}
	if v := w.VolumesOf(*i.InstanceId); len(v) != 2 || !v[1].Keep || v[1].Size != 50 || v[0].Tags["of"] != "web" {
		t.Errorf("volumes %+v", v)
	}
	if _, err := simvpc.ParseWorld(w.String()); err != nil {
		t.Errorf("the world that was built: %s\n%s", err, w)
	}
	status, err := c.DescribeInstanceStatus(ctx, &ec2.DescribeInstanceStatusInput{InstanceIds: []string{*i.InstanceId}})
	permit(t, err)
	if len(status.InstanceStatuses) != 1 || status.InstanceStatuses[0].InstanceStatus.Status != "ok" {
		t.Errorf("status %+v", status.InstanceStatuses)
	}
}

func TestElasticAddresses(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	ctx := t.Context()
	e, err := c.AllocateAddress(ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
	permit(t, err)
	a, err := c.AssociateAddress(ctx, &ec2.AssociateAddressInput{AllocationId: e.AllocationId, NetworkInterfaceId: aws.String("eni-2")})
	permit(t, err)
	if got := s.World().Interface("eni-2").Public.String(); got != *e.PublicIp {
		t.Errorf("eni-2 has %s, want %s", got, *e.PublicIp)
	}
	found, err := c.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{Filters: []types.Filter{filter("network-interface-id", "eni-2")}})
	permit(t, err)
	if len(found.Addresses) != 1 || *found.Addresses[0].AssociationId != *a.AssociationId || *found.Addresses[0].PrivateIpAddress != "10.0.2.10" {
		t.Errorf("%+v", found.Addresses)
	}
	release := func() error {
		return ignore(c.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: e.AllocationId}))
	}
	if err := release(); code(err) != "InvalidIPAddress.InUse" {
		t.Errorf("release of an address in use: %v", err)
	}
	permit(t, ignore(c.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: a.AssociationId})))
	permit(t, release())
	if w := s.World(); len(w.Addresses) != 0 || w.Interface("eni-2").Public.IsValid() {
		t.Errorf("left: %v, %v", w.Addresses, w.Interface("eni-2").Public)
	}
}

func TestVPCAttributes(t *testing.T) {
	t.Parallel()
	_, c := start(t, web, simvpc.Options{})
	ctx := t.Context()
	_, err := c.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{VpcId: aws.String("vpc-1"), EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
	permit(t, err)
	names, err := c.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: aws.String("vpc-1"), Attribute: types.VpcAttributeNameEnableDnsHostnames})
	permit(t, err)
	support, err := c.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{VpcId: aws.String("vpc-1"), Attribute: types.VpcAttributeNameEnableDnsSupport})
	permit(t, err)
	if !*names.EnableDnsHostnames.Value || !*support.EnableDnsSupport.Value {
		t.Errorf("names %t, support %t", *names.EnableDnsHostnames.Value, *support.EnableDnsSupport.Value)
	}
	zones, err := c.DescribeAvailabilityZones(ctx, &ec2.DescribeAvailabilityZonesInput{})
	permit(t, err)
	if len(zones.AvailabilityZones) != 3 || *zones.AvailabilityZones[2].ZoneName != "eu-central-1c" {
		t.Errorf("%+v", zones.AvailabilityZones)
	}
}

func TestRefusalsOfNetworks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call call
		want string
	}{
		"a VPC too large":        {newVPC("10.0.0.0/8"), "InvalidVpc.Range"},
		"a VPC too small":        {newVPC("10.0.0.0/29"), "InvalidVpc.Range"},
		"no CIDR":                {newVPC("ten"), "InvalidParameterValue"},
		"a subnet outside":       {newSubnet("vpc-1", "10.2.0.0/24"), "InvalidSubnet.Range"},
		"a subnet too small":     {newSubnet("vpc-1", "10.0.9.0/29"), "InvalidSubnet.Range"},
		"a subnet that overlaps": {newSubnet("vpc-1", "10.0.1.128/25"), "InvalidSubnet.Conflict"},
		"a subnet of no VPC":     {newSubnet("vpc-9", "10.0.9.0/24"), "InvalidVpcID.NotFound"},
		"delete a VPC in use": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: aws.String("vpc-1")}))
		}, "DependencyViolation"},
		"delete a subnet in use": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: aws.String("subnet-1")}))
		}, "DependencyViolation"},
		"the router's address": {newInterface(&ec2.CreateNetworkInterfaceInput{
			SubnetId: aws.String("subnet-1"), PrivateIpAddress: aws.String("10.0.1.1"),
		}), "InvalidParameterValue"},
		"the last address": {newInterface(&ec2.CreateNetworkInterfaceInput{
			SubnetId: aws.String("subnet-1"), PrivateIpAddress: aws.String("10.0.1.255"),
		}), "InvalidParameterValue"},
		"launch into nothing":         {launch(&ec2.RunInstancesInput{}), "VPCIdNotSpecified"},
		"launch with a foreign group": {launch(&ec2.RunInstancesInput{SubnetId: aws.String("subnet-1"), SecurityGroupIds: []string{"sg-other"}}), "InvalidParameter"},
		"launch an unknown type":      {launch(&ec2.RunInstancesInput{SubnetId: aws.String("subnet-1"), InstanceType: "x99.huge"}), "InvalidParameterValue"},
		"launch on a used interface": {launch(&ec2.RunInstancesInput{
			NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{DeviceIndex: aws.Int32(0), NetworkInterfaceId: aws.String("eni-1")}},
		}), "InvalidNetworkInterface.InUse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t, web, simvpc.Options{})
			before := s.World()
			if err := test.call(t.Context(), c); code(err) != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
			unchanged(t, before, s)
		})
	}
}

func TestDeleteWhatIsEmpty(t *testing.T) {
	t.Parallel()
	s, c := start(t, "vpc vpc-1 10.0.0.0/16\nsubnet subnet-1 vpc-1 10.0.1.0/24\n", simvpc.Options{})
	permit(t, ignore(c.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: aws.String("subnet-1")})))
	permit(t, ignore(c.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: aws.String("vpc-1")})))
	if got := s.World().String(); got != "account 111122223333\nregion eu-central-1\n" {
		t.Errorf("left:\n%s", got)
	}
}

func TestSecondaryAddresses(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	ctx := t.Context()
	before := s.World()
	v4, err := c.AssignPrivateIpAddresses(ctx, &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: aws.String("eni-1"), SecondaryPrivateIpAddressCount: aws.Int32(2)})
	permit(t, err)
	v6, err := c.AssignIpv6Addresses(ctx, &ec2.AssignIpv6AddressesInput{NetworkInterfaceId: aws.String("eni-1"), Ipv6Addresses: []string{"2001:db8:1:1::77"}})
	permit(t, err)
	if n := s.World().Interface("eni-1"); len(v4.AssignedPrivateIpAddresses) != 2 || len(n.Private) != 3 || len(n.IPv6) != 2 || v6.AssignedIpv6Addresses[0] != "2001:db8:1:1::77" {
		t.Errorf("assigned %+v, %+v: %+v", v4, v6, n)
	}
	primary := &ec2.UnassignPrivateIpAddressesInput{NetworkInterfaceId: aws.String("eni-1"), PrivateIpAddresses: []string{"10.0.1.10"}}
	if _, err := c.UnassignPrivateIpAddresses(ctx, primary); code(err) != "InvalidParameterValue" {
		t.Errorf("the primary address: %v", err)
	}
	taken := &ec2.AssignPrivateIpAddressesInput{NetworkInterfaceId: aws.String("eni-1"), PrivateIpAddresses: []string{"10.0.1.30"}}
	if _, err := c.AssignPrivateIpAddresses(ctx, taken); code(err) != "InvalidIPAddress.InUse" {
		t.Errorf("an address of another interface: %v", err)
	}
	var gone []string
	for _, a := range v4.AssignedPrivateIpAddresses {
		gone = append(gone, *a.PrivateIpAddress)
	}
	permit(t, ignore(c.UnassignPrivateIpAddresses(ctx, &ec2.UnassignPrivateIpAddressesInput{NetworkInterfaceId: aws.String("eni-1"), PrivateIpAddresses: gone})))
	permit(t, ignore(c.UnassignIpv6Addresses(ctx, &ec2.UnassignIpv6AddressesInput{NetworkInterfaceId: aws.String("eni-1"), Ipv6Addresses: []string{"2001:db8:1:1::77"}})))
	unchanged(t, before, s)
}

func TestDescriptionsOfRules(t *testing.T) {
	t.Parallel()
	s, c := start(t, web, simvpc.Options{})
	describe := func(p types.IpPermission) error {
		p.IpRanges[0].Description = aws.String("everybody")
		return ignore(c.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
			GroupId: aws.String("sg-web"), IpPermissions: []types.IpPermission{p},
		}))
	}
	permit(t, describe(permission("tcp", 443, 443, "0.0.0.0/0")))
	if err := describe(permission("tcp", 444, 444, "0.0.0.0/0")); code(err) != "InvalidPermission.NotFound" {
		t.Errorf("a rule that is not there: %v", err)
	}
	described := false
	for _, r := range s.World().Group("sg-web").In {
		described = described || r.Ports.From == 443 && r.Description == "everybody"
	}
	if !described {
		t.Errorf("rules %v", s.World().Group("sg-web").In)
	}
}
