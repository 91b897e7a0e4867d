# Drives `tourniquet simulate` with boto3, an EC2 client that nobody here wrote, and
# prints what each call gave: its error code, or the part of the answer that matters.
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1],
                   config=Config(retries={"total_max_attempts": 1}))


def show(what, call, pick=lambda answer: "done"):
    try:
        print(f"{what}: {pick(call())}")
    except ClientError as e:
        print(f"{what}: {e.response['Error']['Code']}")


def by(name, *values):
    return [{"Name": name, "Values": list(values)}]


def ids(key, name):
    return lambda answer: " ".join(sorted(i[name] for i in answer[key]))


def instances(answer):
    return " ".join(i["InstanceId"] + " " + i["State"]["Name"] for r in answer["Reservations"] for i in r["Instances"])


# looking
show("instance", lambda: ec2.describe_instances(InstanceIds=["i-0bad0bad0bad0bad0"]), instances)
show("instances by filter", lambda: ec2.describe_instances(Filters=by("tag:Name", "web-2")), instances)
show("missing instance", lambda: ec2.describe_instances(InstanceIds=["i-0123456789abcdef0"]))
show("missing instance by filter", lambda: ec2.describe_instances(Filters=by("instance-id", "i-0123456789abcdef0")), instances)
show("malformed instance", lambda: ec2.describe_instances(InstanceIds=["web-1"]))
show("vpc", lambda: ec2.describe_vpcs(VpcIds=["vpc-1"]), lambda a: [(v["CidrBlock"], v["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]) for v in a["Vpcs"]])
show("subnets", lambda: ec2.describe_subnets(Filters=by("vpc-id", "vpc-1")), ids("Subnets", "SubnetId"))
show("interfaces", lambda: ec2.describe_network_interfaces(Filters=by("attachment.instance-id", "i-0bad0bad0bad0bad0")),
     lambda a: [(i["NetworkInterfaceId"], i["Attachment"]["DeviceIndex"], [g["GroupId"] for g in i["Groups"]],
                 [x["Ipv6Address"] for x in i["Ipv6Addresses"]]) for i in a["NetworkInterfaces"]])
show("owner of a public address", lambda: ec2.describe_network_interfaces(Filters=by("association.public-ip", "203.0.113.20")),
     ids("NetworkInterfaces", "NetworkInterfaceId"))
show("page by page", lambda: [p["NetworkInterfaces"] for p in ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5})],
     lambda pages: " ".join(sorted(i["NetworkInterfaceId"] for p in pages for i in p)))
show("ACL", lambda: ec2.describe_network_acls(Filters=by("association.subnet-id", "subnet-back")),
     lambda a: sorted((e["Egress"], e["RuleNumber"], e["RuleAction"], e.get("CidrBlock") or e["Ipv6CidrBlock"]) for e in a["NetworkAcls"][0]["Entries"]))
show("quarantine group", lambda: ec2.describe_security_groups(Filters=by("tag:tourniquet:role", "quarantine")),
     lambda a: [(g["GroupId"], g["IpPermissions"], g["IpPermissionsEgress"]) for g in a["SecurityGroups"]])
show("unknown filter", lambda: ec2.describe_subnets(Filters=by("colour", "blue")))
show("unknown operation", lambda: ec2.describe_key_pairs())

# groups
show("same name again", lambda: ec2.create_security_group(GroupName="web", Description="x", VpcId="vpc-1"))
show("new group", lambda: ec2.create_security_group(GroupName="new", Description="x", VpcId="vpc-1"), lambda a: a["GroupId"][:3])
new = ec2.describe_security_groups(Filters=by("group-name", "new"))["SecurityGroups"][0]
show("its rules", lambda: new, lambda g: [[r["CidrIp"] for r in p["IpRanges"]] + [r["CidrIpv6"] for r in p["Ipv6Ranges"]] for p in g["IpPermissionsEgress"]])
show("revoke them", lambda: ec2.revoke_security_group_egress(GroupId=new["GroupId"], IpPermissions=new["IpPermissionsEgress"]))
show("revoke them again", lambda: ec2.revoke_security_group_egress(GroupId=new["GroupId"], IpPermissions=new["IpPermissionsEgress"]))
show("delete a group in use", lambda: ec2.delete_security_group(GroupId="sg-web"))
show("delete an unused group", lambda: ec2.delete_security_group(GroupId=new["GroupId"]))

# swapping
swap = lambda eni, *groups: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=list(groups))
show("swap", lambda: swap("eni-front", "sg-quarantine"))
show("swap to a missing group", lambda: swap("eni-back", "sg-0123456789abcdef0"))
show("swap to a group of another VPC", lambda: swap("eni-back", "sg-elsewhere"))
show("swap to no group", lambda: swap("eni-back"))
show("swap a load balancer's interface", lambda: swap("eni-lb", "sg-quarantine"))
show("swap a missing interface", lambda: swap("eni-0123456789abcdef0", "sg-quarantine"))
show("swap by instance, several interfaces", lambda: ec2.modify_instance_attribute(InstanceId="i-0bad0bad0bad0bad0", Groups=["sg-quarantine"]))
show("dry run", lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId="eni-back", Groups=["sg-quarantine"], DryRun=True))


# entries
def deny(number, egress=True, acl="acl-back", **cidr):
    return ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=egress, Protocol="-1", RuleAction="deny", **cidr)


show("deny", lambda: deny(1, CidrBlock="198.51.100.7/32"))
show("the same number", lambda: deny(1, CidrBlock="192.0.2.1/32"))
show("the same number, other family", lambda: deny(1, Ipv6CidrBlock="2001:db8::/32"))
show("the same number, other direction", lambda: deny(1, egress=False, CidrBlock="198.51.100.7/32"))
show("number 0", lambda: deny(0, CidrBlock="192.0.2.1/32"))
show("number 32767", lambda: deny(32767, CidrBlock="192.0.2.1/32"))
show("no CIDR", lambda: deny(2))
show("two CIDRs", lambda: deny(2, CidrBlock="192.0.2.1/32", Ipv6CidrBlock="2001:db8::/32"))
show("no address", lambda: deny(2, CidrBlock="198.51.100.0"))
show("bits behind the prefix", lambda: deny(2, CidrBlock="100.68.0.18/18"))
show("as EC2 keeps it", lambda: ec2.describe_network_acls(NetworkAclIds=["acl-back"]),
     lambda a: [e["CidrBlock"] for e in a["NetworkAcls"][0]["Entries"] if e["RuleNumber"] == 2])
show("missing ACL", lambda: deny(1, acl="acl-0123456789abcdef0", CidrBlock="192.0.2.1/32"))
show("replace", lambda: ec2.replace_network_acl_entry(NetworkAclId="acl-back", RuleNumber=2, Egress=True, Protocol="-1",
                                                      RuleAction="deny", CidrBlock="192.0.2.2/32"))
show("replace what is not there", lambda: ec2.replace_network_acl_entry(NetworkAclId="acl-back", RuleNumber=3, Egress=True, Protocol="-1",
                                                                        RuleAction="deny", CidrBlock="192.0.2.2/32"))
show("delete", lambda: ec2.delete_network_acl_entry(NetworkAclId="acl-back", RuleNumber=2, Egress=True))
show("delete what is not there", lambda: ec2.delete_network_acl_entry(NetworkAclId="acl-back", RuleNumber=2, Egress=True))
show("as many as fit", lambda: [deny(n, CidrBlock=f"192.0.2.{n}/32") for n in range(2, 19)], len)
show("one more", lambda: deny(19, CidrBlock="192.0.2.19/32"))

# tags
show("tag", lambda: ec2.create_tags(Resources=["eni-front"], Tags=[{"Key": "tourniquet:original-groups", "Value": "sg-web"}]))
show("tags", lambda: ec2.describe_tags(Filters=by("resource-id", "eni-front")), lambda a: [(t["Key"], t["Value"]) for t in a["Tags"]])
show("tag a missing instance", lambda: ec2.create_tags(Resources=["i-0123456789abcdef0"], Tags=[{"Key": "k", "Value": "v"}]))
