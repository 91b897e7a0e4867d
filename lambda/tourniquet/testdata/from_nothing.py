# Builds a world from nothing against `tourniquet simulate`, as the set-up of an EC2
# test suite does, with boto3 and its waiters, and takes it down again.
import sys

import boto3
from botocore.config import Config

ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1],
                   config=Config(retries={"total_max_attempts": 1}))

print("VPCs at first:", len(ec2.describe_vpcs()["Vpcs"]))
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
ec2.get_waiter("vpc_available").wait(VpcIds=[vpc])
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]]
gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
subnets = []
for n, zone in enumerate(zones[:2]):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n + 1}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
    subnets.append(subnet)
ec2.get_waiter("subnet_available").wait(SubnetIds=subnets)
ec2.modify_subnet_attribute(SubnetId=subnets[0], MapPublicIpOnLaunch={"Value": True})
table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])["AssociationId"]
group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
    {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
run = ec2.run_instances(ImageId="ami-0123456789abcdef0", InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnets[0],
                        SecurityGroupIds=[group], TagSpecifications=[
                            {"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web"}]}])
instance = run["Instances"][0]["InstanceId"]
ec2.get_waiter("instance_running").wait(InstanceIds=[instance])
ec2.get_waiter("instance_status_ok").wait(InstanceIds=[instance])
eni = ec2.create_network_interface(SubnetId=subnets[0], Groups=[group])["NetworkInterface"]["NetworkInterfaceId"]
ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[eni])
attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
address = ec2.allocate_address(Domain="vpc")
bond = ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=eni)["AssociationId"]
found = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
print("interfaces:", [(n["Attachment"]["DeviceIndex"], n["Association"]["PublicIp"]) for n in found["NetworkInterfaces"]])
print("routes:", [(r["DestinationCidrBlock"], r["State"]) for r in ec2.describe_route_tables(
    RouteTableIds=[table])["RouteTables"][0]["Routes"] if "DestinationCidrBlock" in r])

ec2.disassociate_address(AssociationId=bond)
ec2.release_address(AllocationId=address["AllocationId"])
ec2.detach_network_interface(AttachmentId=attachment)
ec2.delete_network_interface(NetworkInterfaceId=eni)
ec2.terminate_instances(InstanceIds=[instance])
ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance])
ec2.disassociate_route_table(AssociationId=association)
ec2.delete_route_table(RouteTableId=table)
ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
ec2.delete_internet_gateway(InternetGatewayId=gateway)
for subnet in subnets:
    ec2.delete_subnet(SubnetId=subnet)
ec2.delete_security_group(GroupId=group)
ec2.delete_vpc(VpcId=vpc)
print("VPCs in the end:", len(ec2.describe_vpcs()["Vpcs"]))
