// Package route is the part of a simulated EC2 that is about internet gateways and
// route tables. They are kept and answered, with EC2's refusals; where traffic goes
// doesn't depend on them.
package route

import "tourniquet/lambda/simvpc/ec2/call"

// Operations are the actions on internet gateways and route tables.
var Operations = map[string]call.Operation{
	"DescribeInternetGateways": call.Reads(call.Paged+"InternetGatewayId", describeGateways),
	"CreateInternetGateway":    call.Changes("TagSpecification", createGateway),
	"AttachInternetGateway":    call.Changes("InternetGatewayId VpcId", attachGateway),
	"DetachInternetGateway":    call.Changes("InternetGatewayId VpcId", detachGateway),
	"DeleteInternetGateway":    call.Changes("InternetGatewayId", deleteGateway),

	"DescribeRouteTables":          call.Reads(call.Paged+"RouteTableId", describeTables),
	"CreateRouteTable":             call.Changes("VpcId ClientToken TagSpecification", createTable),
	"DeleteRouteTable":             call.Changes("RouteTableId", deleteTable),
	"CreateRoute":                  call.Changes(routes, createRoute),
	"ReplaceRoute":                 call.Changes(routes, replaceRoute),
	"DeleteRoute":                  call.Changes("RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock", deleteRoute),
	"AssociateRouteTable":          call.Changes("RouteTableId SubnetId", associate),
	"DisassociateRouteTable":       call.Changes("AssociationId", disassociate),
	"ReplaceRouteTableAssociation": call.Changes("AssociationId RouteTableId", replaceAssociation),
}

const routes = "RouteTableId DestinationCidrBlock DestinationIpv6CidrBlock GatewayId NetworkInterfaceId"
