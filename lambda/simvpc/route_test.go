package simvpc_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

const routed = web + `
internet-gateway igw-1 vpc-1
internet-gateway igw-2 -
route-table rtb-1 vpc-1 subnets subnet-1
  to 0.0.0.0/0 igw-1
route-table rtb-2 vpc-2
`

func attachIGW(igw, vpc string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: aws.String(igw), VpcId: aws.String(vpc)}))
	}
}

func detachIGW(igw, vpc string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: aws.String(igw), VpcId: aws.String(vpc)}))
	}
}

func newRoute(table, cidr, igw string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: aws.String(table), DestinationCidrBlock: aws.String(cidr), GatewayId: aws.String(igw)}))
	}
}

func dropRoute(table, cidr string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: aws.String(table), DestinationCidrBlock: aws.String(cidr)}))
	}
}

func associateTable(table, subnet string) call {
	return func(ctx context.Context, c *ec2.Client) error {
		return ignore(c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: aws.String(table), SubnetId: aws.String(subnet)}))
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	s, c := start(t, routed, simvpc.Options{})
	ctx := t.Context()
	before := s.World()
	table, err := c.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: aws.String("vpc-2")})
	permit(t, err)
	permit(t, attachIGW("igw-2", "vpc-2")(ctx, c))
	permit(t, newRoute(*table.RouteTable.RouteTableId, "0.0.0.0/0", "igw-2")(ctx, c))
	a, err := c.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: table.RouteTable.RouteTableId, SubnetId: aws.String("subnet-9")})
	permit(t, err)
	found, err := c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("association.subnet-id", "subnet-9")}})
	permit(t, err)
	if len(found.RouteTables) != 1 || len(found.RouteTables[0].Routes) != 2 || *found.RouteTables[0].Routes[0].GatewayId != "local" || found.RouteTables[0].Routes[1].State != "active" {
		t.Errorf("%+v", found.RouteTables)
	}
	permit(t, detachIGW("igw-2", "vpc-2")(ctx, c))
	if found, err = c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{*table.RouteTable.RouteTableId}}); err != nil || found.RouteTables[0].Routes[1].State != "blackhole" {
		t.Errorf("a route to a gateway that is gone: %+v, %v", found, err)
	}
	moved, err := c.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{AssociationId: a.AssociationId, RouteTableId: aws.String("rtb-2")})
	permit(t, err)
	permit(t, ignore(c.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: moved.NewAssociationId})))
	permit(t, ignore(c.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: table.RouteTable.RouteTableId})))
	if diff := cmp.Diff("", world.Diff(before, s.World())); diff != "" {
		t.Errorf("not as before:\n%s", diff)
	}
	main, err := c.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: []types.Filter{filter("association.main", "true"), filter("vpc-id", "vpc-1")}})
	permit(t, err)
	if len(main.RouteTables) != 1 || !*main.RouteTables[0].Associations[0].Main {
		t.Errorf("the main route table: %+v", main.RouteTables)
	}
	gateways, err := c.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{Filters: []types.Filter{filter("attachment.vpc-id", "vpc-1")}})
	permit(t, err)
	if len(gateways.InternetGateways) != 1 || *gateways.InternetGateways[0].InternetGatewayId != "igw-1" {
		t.Errorf("gateways %+v", gateways.InternetGateways)
	}
}

func TestRefusalsOfRoutes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		call call
		want string
	}{
		"a second gateway":        {attachIGW("igw-2", "vpc-1"), "InvalidParameterValue"},
		"attached already":        {attachIGW("igw-1", "vpc-2"), "Resource.AlreadyAssociated"},
		"not attached":            {detachIGW("igw-2", "vpc-1"), "Gateway.NotAttached"},
		"public addresses in use": {detachIGW("igw-1", "vpc-1"), "DependencyViolation"},
		"the same route":          {newRoute("rtb-1", "0.0.0.0/0", "igw-1"), "RouteAlreadyExists"},
		"over the local one":      {newRoute("rtb-1", "10.0.0.0/16", "igw-1"), "RouteAlreadyExists"},
		"to another network":      {newRoute("rtb-2", "0.0.0.0/0", "igw-1"), "InvalidParameterValue"},
		"to nothing":              {newRoute("rtb-1", "192.0.2.0/24", "igw-9"), "InvalidInternetGatewayID.NotFound"},
		"the local route":         {dropRoute("rtb-1", "10.0.0.0/16"), "InvalidParameterValue"},
		"no such route":           {dropRoute("rtb-1", "192.0.2.0/24"), "InvalidRoute.NotFound"},
		"a subnet with a table":   {associateTable("rtb-1", "subnet-1"), "Resource.AlreadyAssociated"},
		"a foreign subnet":        {associateTable("rtb-1", "subnet-9"), "InvalidParameterValue"},
		"a table in use": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: aws.String("rtb-1")}))
		}, "DependencyViolation"},
		"a gateway in use": {func(ctx context.Context, c *ec2.Client) error {
			return ignore(c.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: aws.String("igw-1")}))
		}, "DependencyViolation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := start(t, routed, simvpc.Options{})
			before := s.World()
			if err := test.call(t.Context(), c); code(err) != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
			unchanged(t, before, s)
		})
	}
}
