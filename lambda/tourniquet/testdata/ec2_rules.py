"""Checks EC2's network rules, as AWS documents them, against an endpoint.

    python ec2_rules.py URL

Prints a line for each check, and how many passed. Any server that speaks EC2's API can be
checked. Each check names the page that its rule comes from. Where the documentation names
no error code, or several, all of them are accepted."""
import sys
from contextlib import contextmanager

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

API = "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/"
VPC = "https://docs.aws.amazon.com/vpc/latest/userguide/"
ERRORS = API + "errors-overview.html"

ec2 = boto3.client("ec2", region_name="eu-central-1", endpoint_url=sys.argv[1],
                   aws_access_key_id="test", aws_secret_access_key="test", config=Config(retries={"total_max_attempts": 1}))
checks = []


def check(page):
    """Registers a check; its name is what its function is called."""
    def register(f):
        checks.append((f.__name__.replace("_", " "), page, f))
        return f
    return register


class Wrong(Exception):
    """A rule that does not hold."""


def refused(codes, call):
    """The call is refused with one of these codes."""
    try:
        call()
    except ClientError as e:
        if e.response["Error"]["Code"] not in codes.split():
            raise Wrong(f"refused with {e.response['Error']['Code']}, documented is {codes}") from e
        return
    raise Wrong(f"accepted, documented is {codes}")


def equal(got, want):
    if got != want:
        raise Wrong(f"got {got}, want {want}")


serial = 0


def name(prefix="check"):
    global serial
    serial += 1
    return f"{prefix}-{serial}"


def vpc(cidr="10.0.0.0/16", **more):
    return ec2.create_vpc(CidrBlock=cidr, **more)["Vpc"]["VpcId"]


@contextmanager
def room(cidr, **more):
    """A VPC of its own, which goes with what is in it: an account has five."""
    of = vpc(cidr, **more)
    try:
        yield of
    finally:
        inside = by("vpc-id", of)
        for s in ec2.describe_subnets(Filters=inside)["Subnets"]:
            tidy(ec2.delete_subnet, SubnetId=s["SubnetId"])
        for g in ec2.describe_security_groups(Filters=inside)["SecurityGroups"]:
            if g["GroupName"] != "default":
                tidy(ec2.delete_security_group, GroupId=g["GroupId"])
        for a in ec2.describe_network_acls(Filters=inside)["NetworkAcls"]:
            if not a["IsDefault"]:
                tidy(ec2.delete_network_acl, NetworkAclId=a["NetworkAclId"])
        tidy(ec2.delete_vpc, VpcId=of)


def tidy(delete, **what):
    try:
        delete(**what)
    except ClientError:
        pass  # a check has deleted it, or the server keeps it: no check is about that


def subnet(of, cidr):
    return ec2.create_subnet(VpcId=of, CidrBlock=cidr)["Subnet"]["SubnetId"]


def group(of, called=None):
    return ec2.create_security_group(VpcId=of, GroupName=called or name(), Description="a check")["GroupId"]


def acl(of):
    return ec2.create_network_acl(VpcId=of)["NetworkAcl"]["NetworkAclId"]


def interface(in_subnet, **more):
    return ec2.create_network_interface(SubnetId=in_subnet, **more)["NetworkInterface"]["NetworkInterfaceId"]


def by(key, *values):
    return [{"Name": key, "Values": list(values)}]


def groups_of(eni):
    found = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Groups"]
    return sorted(g["GroupId"] for g in found)


def described(id):
    return ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]


def default_group(of):
    return ec2.describe_security_groups(Filters=by("vpc-id", of) + by("group-name", "default"))["SecurityGroups"][0]


def default_acl(of):
    return ec2.describe_network_acls(Filters=by("vpc-id", of) + by("default", "true"))["NetworkAcls"][0]


def acl_of(in_subnet):
    return ec2.describe_network_acls(Filters=by("association.subnet-id", in_subnet))["NetworkAcls"][0]


def entries(id):
    return ec2.describe_network_acls(NetworkAclIds=[id])["NetworkAcls"][0]["Entries"]


def entry(id, number, egress=False, action="deny", protocol="-1", **cidr):
    return ec2.create_network_acl_entry(NetworkAclId=id, RuleNumber=number, Egress=egress, RuleAction=action, Protocol=protocol, **cidr)


def tcp(port, **ends):
    return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **ends}]


def anybody(port):
    return tcp(port, IpRanges=[{"CidrIp": "0.0.0.0/0"}])


def run(in_subnet, **more):
    return ec2.run_instances(ImageId="ami-12345678", InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=in_subnet, **more)["Instances"][0]["InstanceId"]


def interfaces_of(instance):
    found = ec2.describe_network_interfaces(Filters=by("attachment.instance-id", instance))["NetworkInterfaces"]
    return sorted(found, key=lambda i: i["Attachment"]["DeviceIndex"])


# The network that most checks share. What a check changes is its own.
here, elsewhere = vpc("10.0.0.0/16"), vpc("10.1.0.0/16")
front, back, far = subnet(here, "10.0.1.0/24"), subnet(here, "10.0.2.0/24"), subnet(elsewhere, "10.1.1.0/24")
missing = "0123456789abcdef0"


# Security groups

@check(VPC + "security-group-rules.html")
def a_new_group_lets_everything_out():
    rules = described(group(here))["IpPermissionsEgress"]
    equal([(r["IpProtocol"], [c["CidrIp"] for c in r["IpRanges"]]) for r in rules], [("-1", ["0.0.0.0/0"])])


@check(VPC + "security-group-rules.html")
def a_new_group_lets_IPv6_out_where_the_VPC_has_IPv6():
    with room("10.2.0.0/16", AmazonProvidedIpv6CidrBlock=True) as of:
        rules = described(group(of))["IpPermissionsEgress"]
        equal(sorted(c["CidrIpv6"] for r in rules for c in r["Ipv6Ranges"]), ["::/0"])


@check(VPC + "security-group-rules.html")
def a_new_group_lets_nothing_in():
    equal(described(group(here))["IpPermissions"], [])


@check(API + "API_CreateSecurityGroup.html")
def two_groups_of_a_VPC_have_different_names():
    called = name()
    group(here, called)
    refused("InvalidGroup.Duplicate", lambda: group(here, called))


@check(API + "API_CreateSecurityGroup.html")
def groups_of_two_VPCs_may_have_the_same_name():
    called = name()
    group(here, called)
    group(elsewhere, called)


@check(ERRORS)
def no_group_is_called_default():
    refused("InvalidGroup.Reserved InvalidParameterValue", lambda: group(here, "default"))


@check(API + "API_CreateSecurityGroup.html")
def no_group_name_begins_with_sg():
    refused("InvalidParameterValue", lambda: group(here, "sg-mine"))


@check(API + "API_CreateSecurityGroup.html")
def a_group_is_of_a_VPC_that_there_is():
    refused("InvalidVpcID.NotFound", lambda: group("vpc-" + missing))


@check(VPC + "default-security-group.html")
def each_VPC_has_a_default_group():
    equal(default_group(here)["GroupName"], "default")


@check(VPC + "default-security-group.html")
def the_default_group_lets_its_own_members_in():
    g = default_group(here)
    equal([[p["GroupId"] for p in r["UserIdGroupPairs"]] for r in g["IpPermissions"]], [[g["GroupId"]]])


@check(ERRORS)
def the_default_group_stays():
    refused("CannotDelete", lambda: ec2.delete_security_group(GroupId=default_group(here)["GroupId"]))


@check(API + "API_DeleteSecurityGroup.html")
def a_group_in_use_stays():
    used = group(here)
    interface(back, Groups=[used])
    refused("DependencyViolation", lambda: ec2.delete_security_group(GroupId=used))


@check(API + "API_DeleteSecurityGroup.html")
def a_group_that_a_rule_names_stays():
    named, other = group(here), group(here)
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=tcp(22, UserIdGroupPairs=[{"GroupId": named}]))
    refused("DependencyViolation", lambda: ec2.delete_security_group(GroupId=named))


@check(API + "API_DeleteSecurityGroup.html")
def a_group_that_names_itself_goes():
    own = group(here)
    ec2.authorize_security_group_ingress(GroupId=own, IpPermissions=tcp(22, UserIdGroupPairs=[{"GroupId": own}]))
    ec2.delete_security_group(GroupId=own)
    refused("InvalidGroup.NotFound", lambda: described(own))


@check(ERRORS)
def a_missing_group_is_not_found():
    refused("InvalidGroup.NotFound", lambda: ec2.delete_security_group(GroupId="sg-" + missing))


@check(ERRORS)
def a_group_id_has_its_form():
    refused("InvalidGroupId.Malformed", lambda: ec2.describe_security_groups(GroupIds=["web"]))


@check(ERRORS)
def a_rule_is_there_once():
    of = group(here)
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=anybody(443))
    refused("InvalidPermission.Duplicate", lambda: ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=anybody(443)))


@check(ERRORS)
def a_rule_out_is_there_once():
    refused("InvalidPermission.Duplicate", lambda: ec2.authorize_security_group_egress(
        GroupId=group(here), IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]))


@check(API + "API_RevokeSecurityGroupIngress.html")
def a_rule_that_is_not_there_is_not_revoked():
    refused("InvalidPermission.NotFound", lambda: ec2.revoke_security_group_ingress(GroupId=group(here), IpPermissions=anybody(443)))


@check(ERRORS)
def a_rule_has_a_range_of_addresses():
    refused("InvalidParameterValue", lambda: ec2.authorize_security_group_ingress(
        GroupId=group(here), IpPermissions=tcp(22, IpRanges=[{"CidrIp": "10.0.0.0/33"}])))


@check(API + "API_IpPermission.html")
def a_rule_begins_with_its_lower_port():
    refused("InvalidParameterValue", lambda: ec2.authorize_security_group_ingress(GroupId=group(here), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]))


@check(API + "API_IpPermission.html")
def a_rule_has_ports_that_there_are():
    refused("InvalidParameterValue", lambda: ec2.authorize_security_group_ingress(GroupId=group(here), IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 65536, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]))


@check(ERRORS)
def a_rule_names_a_group_of_its_VPC():
    refused("InvalidGroup.NotFound", lambda: ec2.authorize_security_group_ingress(
        GroupId=group(here), IpPermissions=tcp(22, UserIdGroupPairs=[{"GroupId": group(elsewhere)}])))


@check(ERRORS)
def a_rule_names_a_group_that_there_is():
    refused("InvalidGroup.NotFound", lambda: ec2.authorize_security_group_ingress(
        GroupId=group(here), IpPermissions=tcp(22, UserIdGroupPairs=[{"GroupId": "sg-" + missing}])))


@check(VPC + "amazon-vpc-limits.html")
def a_group_has_sixty_rules_in():
    of = group(here)
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": f"192.0.2.{n}/32"} for n in range(60)]}])
    refused("RulesPerSecurityGroupLimitExceeded", lambda: ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=anybody(443)))


@check(VPC + "amazon-vpc-limits.html")
def a_group_has_sixty_rules_of_each_family():
    of = group(here)
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=tcp(22, IpRanges=[{"CidrIp": f"192.0.2.{n}/32"} for n in range(60)]))
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=tcp(22, Ipv6Ranges=[{"CidrIpv6": f"2001:db8::{n:x}/128"} for n in range(60)]))
    refused("RulesPerSecurityGroupLimitExceeded",
            lambda: ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=tcp(22, Ipv6Ranges=[{"CidrIpv6": "2001:db8:1::/48"}])))


@check(VPC + "security-group-rules.html#security-group-size")
def a_rule_that_names_a_group_counts_for_both_families():
    of = group(here)
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=tcp(22, Ipv6Ranges=[{"CidrIpv6": f"2001:db8::{n:x}/128"} for n in range(60)]))
    refused("RulesPerSecurityGroupLimitExceeded",
            lambda: ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=tcp(22, UserIdGroupPairs=[{"GroupId": group(here)}])))


@check(API + "API_IpRange.html")
def a_rule_has_a_canonical_range():
    of = group(here)
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=tcp(22, IpRanges=[{"CidrIp": "100.68.0.18/18"}]))
    equal([c["CidrIp"] for r in described(of)["IpPermissions"] for c in r["IpRanges"]], ["100.68.0.0/18"])


@check(ERRORS)
def a_rule_names_a_prefix_list_that_there_is():
    refused("InvalidPrefixListID.NotFound InvalidPrefixListId.NotFound", lambda: ec2.authorize_security_group_ingress(
        GroupId=group(here), IpPermissions=tcp(22, PrefixListIds=[{"PrefixListId": "pl-" + missing}])))


@check(API + "API_DescribeSecurityGroupRules.html")
def each_rule_has_an_id():
    of = group(here)
    ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=anybody(443) + anybody(80))
    rules = ec2.describe_security_group_rules(Filters=by("group-id", of))["SecurityGroupRules"]
    equal(sorted((r["IsEgress"], r["FromPort"]) for r in rules), [(False, 80), (False, 443), (True, -1)])
    equal(len({r["SecurityGroupRuleId"] for r in rules}), 3)


@check(API + "API_RevokeSecurityGroupIngress.html")
def a_rule_is_revoked_by_its_id():
    of = group(here)
    made = ec2.authorize_security_group_ingress(GroupId=of, IpPermissions=anybody(443))["SecurityGroupRules"]
    ec2.revoke_security_group_ingress(GroupId=of, SecurityGroupRuleIds=[made[0]["SecurityGroupRuleId"]])
    equal(described(of)["IpPermissions"], [])


# Interfaces

@check(API + "API_ModifyNetworkInterfaceAttribute.html")
def new_groups_replace_all_groups():
    one, two, three = sorted([group(here), group(here), group(here)])
    eni = interface(back, Groups=[one, two])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[three])
    equal(groups_of(eni), [three])


@check(API + "API_ModifyNetworkInterfaceAttribute.html")
def an_interface_has_a_group():
    eni = interface(back)
    refused("InvalidParameterValue InvalidParameterCombination MissingParameter",
            lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[]))


@check(ERRORS)
def an_interface_has_groups_that_there_are():
    eni = interface(back)
    refused("InvalidGroup.NotFound", lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=["sg-" + missing]))


@check(ERRORS)
def an_interface_has_groups_of_its_VPC():
    eni = interface(back)
    refused("InvalidGroup.NotFound", lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[group(elsewhere)]))


@check(ERRORS)
def an_interface_has_five_groups():
    eni = interface(back)
    refused("SecurityGroupsPerInterfaceLimitExceeded",
            lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[group(here) for _ in range(6)]))


@check(API + "API_CreateNetworkInterface.html")
def an_interface_without_groups_has_the_default_group():
    equal(groups_of(interface(back)), [default_group(here)["GroupId"]])


@check(ERRORS)
def an_interface_in_use_stays():
    eni = interfaces_of(run(front))[0]["NetworkInterfaceId"]
    refused("InvalidNetworkInterface.InUse InvalidParameterValue OperationNotPermitted", lambda: ec2.delete_network_interface(NetworkInterfaceId=eni))


@check(ERRORS)
def a_missing_interface_is_not_found():
    refused("InvalidNetworkInterfaceID.NotFound", lambda: ec2.delete_network_interface(NetworkInterfaceId="eni-" + missing))


@check(ERRORS)
def an_interface_id_has_its_form():
    refused("InvalidNetworkInterfaceId.Malformed InvalidNetworkInterfaceID.Malformed",
            lambda: ec2.describe_network_interfaces(NetworkInterfaceIds=["web"]))


@check(API + "API_CreateNetworkInterface.html")
def an_interface_has_an_address_of_its_subnet():
    refused("InvalidParameterValue", lambda: interface(back, PrivateIpAddress="10.0.9.9"))


@check(ERRORS)
def an_address_is_had_once():
    interface(back, PrivateIpAddress="10.0.2.77")
    refused("InvalidIPAddress.InUse", lambda: interface(back, PrivateIpAddress="10.0.2.77"))


@check(VPC + "subnet-sizing.html")
def the_first_four_addresses_are_kept():
    refused("InvalidParameterValue", lambda: interface(back, PrivateIpAddress="10.0.2.3"))


@check(VPC + "subnet-sizing.html")
def the_last_address_is_kept():
    refused("InvalidParameterValue", lambda: interface(back, PrivateIpAddress="10.0.2.255"))


@check(API + "API_DetachNetworkInterface.html")
def the_primary_interface_stays():
    attachment = interfaces_of(run(front))[0]["Attachment"]["AttachmentId"]
    refused("OperationNotPermitted", lambda: ec2.detach_network_interface(AttachmentId=attachment))


@check(ERRORS)
def an_interface_is_attached_once():
    eni = interface(front)
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=run(front), DeviceIndex=1)
    refused("InvalidNetworkInterface.InUse", lambda: ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=run(front), DeviceIndex=1))


@check(API + "API_AttachNetworkInterface.html")
def a_device_index_is_used_once():
    instance = run(front)
    refused("InvalidParameterValue", lambda: ec2.attach_network_interface(NetworkInterfaceId=interface(front), InstanceId=instance, DeviceIndex=0))


@check(API + "API_ModifyInstanceAttribute.html")
def the_groups_of_an_instance_with_one_interface_change():
    instance, other = run(front), group(here)
    ec2.modify_instance_attribute(InstanceId=instance, Groups=[other])
    equal(groups_of(interfaces_of(instance)[0]["NetworkInterfaceId"]), [other])


@check(API + "API_ModifyInstanceAttribute.html")
def the_groups_of_an_instance_with_two_interfaces_do_not():
    instance = run(front)
    ec2.attach_network_interface(NetworkInterfaceId=interface(front), InstanceId=instance, DeviceIndex=1)
    refused("InvalidInstanceID InvalidParameterCombination OperationNotPermitted",
            lambda: ec2.modify_instance_attribute(InstanceId=instance, Groups=[group(here)]))


@check(API + "API_ModifyNetworkInterfaceAttribute.html")
def a_dry_run_changes_no_groups():
    eni, other = interface(back), group(here)
    old = groups_of(eni)
    refused("DryRunOperation", lambda: ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Groups=[other], DryRun=True))
    equal(groups_of(eni), old)


@check(API + "API_UnassignPrivateIpAddresses.html")
def the_primary_address_stays():
    eni = interface(back)
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1)
    first, second = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["PrivateIpAddresses"]
    refused("InvalidParameterValue", lambda: ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[first["PrivateIpAddress"]]))
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=[second["PrivateIpAddress"]])


@check(API + "API_TerminateInstances.html")
def an_interface_that_was_attached_later_outlives_the_instance():
    instance, eni = run(front), interface(front)
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)
    ec2.terminate_instances(InstanceIds=[instance])
    equal(ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Status"], "available")


@check(ERRORS)
def a_terminated_instance_does_not_start():
    instance = run(front)
    ec2.terminate_instances(InstanceIds=[instance])
    refused("IncorrectInstanceState", lambda: ec2.start_instances(InstanceIds=[instance]))


@check(API + "API_RunInstances.html")
def an_instance_has_the_groups_that_it_was_launched_with():
    mine = group(here)
    equal(groups_of(interfaces_of(run(front, SecurityGroupIds=[mine]))[0]["NetworkInterfaceId"]), [mine])


@check(API + "API_RunInstances.html")
def an_instance_is_launched_with_groups_of_its_VPC():
    refused("InvalidGroup.NotFound InvalidParameter InvalidParameterCombination", lambda: run(front, SecurityGroupIds=[group(elsewhere)]))


@check(API + "API_TerminateInstances.html")
def the_primary_interface_goes_with_its_instance():
    instance = run(front)
    eni = interfaces_of(instance)[0]["NetworkInterfaceId"]
    ec2.terminate_instances(InstanceIds=[instance])
    refused("InvalidNetworkInterfaceID.NotFound", lambda: groups_of(eni))


@check(ERRORS)
def a_protected_instance_is_not_terminated():
    instance = run(front)
    ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": True})
    refused("OperationNotPermitted", lambda: ec2.terminate_instances(InstanceIds=[instance]))


# Network ACLs

@check(VPC + "default-network-acl.html")
def the_default_ACL_lets_everything_pass():
    kept = [(e["Egress"], e["RuleNumber"], e["RuleAction"]) for e in default_acl(here)["Entries"] if e.get("CidrBlock") == "0.0.0.0/0"]
    equal(sorted(kept), [(False, 100, "allow"), (False, 32767, "deny"), (True, 100, "allow"), (True, 32767, "deny")])


@check(VPC + "default-network-acl.html")
def the_default_ACL_lets_IPv6_pass_where_the_VPC_has_it():
    with room("10.3.0.0/16", AmazonProvidedIpv6CidrBlock=True) as of:
        kept = [(e["Egress"], e["RuleNumber"], e["RuleAction"]) for e in default_acl(of)["Entries"] if e.get("Ipv6CidrBlock") == "::/0"]
        equal(sorted(kept), [(False, 101, "allow"), (False, 32768, "deny"), (True, 101, "allow"), (True, 32768, "deny")])


@check(VPC + "custom-network-acl.html")
def a_new_ACL_lets_nothing_pass():
    equal({e["RuleAction"] for e in entries(acl(here))}, {"deny"})


@check(API + "API_CreateNetworkAclEntry.html")
def the_numbers_begin_at_one():
    refused("InvalidParameterValue", lambda: entry(acl(here), 0, CidrBlock="192.0.2.1/32"))


@check(API + "API_CreateNetworkAclEntry.html")
def the_numbers_end_at_32766():
    of = acl(here)
    entry(of, 32766, CidrBlock="192.0.2.1/32")
    refused("InvalidParameterValue", lambda: entry(of, 32767, CidrBlock="192.0.2.1/32"))


@check(ERRORS)
def a_number_is_used_once():
    of = acl(here)
    entry(of, 100, CidrBlock="192.0.2.1/32")
    refused("NetworkAclEntryAlreadyExists", lambda: entry(of, 100, CidrBlock="192.0.2.2/32"))


@check(ERRORS)
def a_number_is_used_once_for_both_families():
    of = acl(here)
    entry(of, 100, CidrBlock="192.0.2.1/32")
    refused("NetworkAclEntryAlreadyExists", lambda: entry(of, 100, Ipv6CidrBlock="2001:db8::/32"))


@check(API + "API_CreateNetworkAclEntry.html")
def a_number_is_used_in_each_direction():
    of = acl(here)
    entry(of, 100, CidrBlock="192.0.2.1/32")
    entry(of, 100, egress=True, CidrBlock="192.0.2.1/32")


@check(API + "API_CreateNetworkAclEntry.html")
def an_entry_has_a_CIDR():
    refused("MissingParameter InvalidParameterValue InvalidParameterCombination", lambda: entry(acl(here), 100))


@check(API + "API_CreateNetworkAclEntry.html")
def an_entry_has_one_family():
    refused("MissingParameter InvalidParameterValue InvalidParameterCombination",
            lambda: entry(acl(here), 100, CidrBlock="192.0.2.1/32", Ipv6CidrBlock="2001:db8::/32"))


@check(ERRORS)
def an_entry_has_a_CIDR_that_can_be_read():
    refused("InvalidParameterValue", lambda: entry(acl(here), 100, CidrBlock="192.0.2.300/32"))


@check(API + "API_CreateNetworkAclEntry.html")
def a_CIDR_is_kept_in_its_canonical_form():
    of = acl(here)
    entry(of, 100, CidrBlock="100.68.0.18/18")
    equal([e["CidrBlock"] for e in entries(of) if e["RuleNumber"] == 100], ["100.68.0.0/18"])


@check(API + "API_CreateNetworkAclEntry.html")
def an_entry_for_TCP_has_ports():
    refused("MissingParameter InvalidParameterValue", lambda: entry(acl(here), 100, protocol="6", CidrBlock="192.0.2.1/32"))


@check(API + "API_PortRange.html")
def an_entry_begins_with_its_lower_port():
    refused("InvalidParameterValue InvalidParameterCombination",
            lambda: entry(acl(here), 100, protocol="6", CidrBlock="192.0.2.1/32", PortRange={"From": 443, "To": 80}))


@check(API + "API_CreateNetworkAclEntry.html")
def an_entry_for_ICMP_has_a_type():
    refused("MissingParameter InvalidParameterValue", lambda: entry(acl(here), 100, protocol="1", CidrBlock="192.0.2.1/32"))


@check(API + "API_CreateNetworkAclEntry.html")
def an_entry_for_all_protocols_is_for_all_ports():
    of = acl(here)
    entry(of, 100, CidrBlock="192.0.2.1/32", PortRange={"From": 22, "To": 22})
    equal([e.get("PortRange") for e in entries(of) if e["RuleNumber"] == 100], [None])


@check(API + "API_CreateNetworkAclEntry.html")
def an_entry_has_a_protocol_that_there_is():
    refused("InvalidParameterValue", lambda: entry(acl(here), 100, protocol="300", CidrBlock="192.0.2.1/32"))


@check(VPC + "amazon-vpc-limits.html")
def an_ACL_has_twenty_entries_in_a_direction():
    of = acl(here)
    for number in range(1, 20):  # the one that denies the rest counts
        entry(of, number, CidrBlock="192.0.2.1/32")
    refused("NetworkAclEntryLimitExceeded", lambda: entry(of, 20, CidrBlock="192.0.2.1/32"))
    entry(of, 20, egress=True, CidrBlock="192.0.2.1/32")


@check(VPC + "amazon-vpc-limits.html")
def an_ACL_has_twenty_entries_of_each_family():
    of = acl(here)
    for number in range(1, 20):  # the one that denies the rest of the family counts
        entry(of, number, CidrBlock="192.0.2.1/32")
        entry(of, 100 + number, Ipv6CidrBlock="2001:db8::/32")
    refused("NetworkAclEntryLimitExceeded", lambda: entry(of, 200, Ipv6CidrBlock="2001:db8::/32"))


@check(ERRORS)
def a_missing_entry_is_not_replaced():
    refused("InvalidNetworkAclEntry.NotFound", lambda: ec2.replace_network_acl_entry(
        NetworkAclId=acl(here), RuleNumber=7, Egress=True, Protocol="-1", RuleAction="deny", CidrBlock="192.0.2.2/32"))


@check(ERRORS)
def a_missing_entry_is_not_deleted():
    refused("InvalidNetworkAclEntry.NotFound", lambda: ec2.delete_network_acl_entry(NetworkAclId=acl(here), RuleNumber=7, Egress=True))


@check(VPC + "nacl-rules.html")
def the_entry_that_denies_the_rest_stays():
    refused("InvalidParameterValue InvalidNetworkAclEntry.NotFound OperationNotPermitted",
            lambda: ec2.delete_network_acl_entry(NetworkAclId=acl(here), RuleNumber=32767, Egress=True))


@check(API + "API_DeleteNetworkAcl.html")
def the_default_ACL_stays():
    with room("10.4.0.0/16") as of:
        refused("InvalidParameterValue DependencyViolation OperationNotPermitted CannotDelete",
                lambda: ec2.delete_network_acl(NetworkAclId=default_acl(of)["NetworkAclId"]))


def associate(in_subnet, with_acl):
    old = [a["NetworkAclAssociationId"] for a in acl_of(in_subnet)["Associations"] if a["SubnetId"] == in_subnet][0]
    return old, ec2.replace_network_acl_association(AssociationId=old, NetworkAclId=with_acl)["NewAssociationId"]


@check(API + "API_DeleteNetworkAcl.html")
def an_ACL_in_use_stays():
    with room("10.5.0.0/16") as of:
        used = acl(of)
        associate(subnet(of, "10.5.1.0/24"), used)
        refused("DependencyViolation", lambda: ec2.delete_network_acl(NetworkAclId=used))


@check(API + "API_CreateSubnet.html")
def a_new_subnet_is_behind_the_default_ACL():
    with room("10.6.0.0/16") as of:
        equal(acl_of(subnet(of, "10.6.1.0/24"))["NetworkAclId"], default_acl(of)["NetworkAclId"])


@check(API + "API_ReplaceNetworkAclAssociation.html")
def a_subnet_has_one_ACL_and_a_new_association_each_time():
    with room("10.7.0.0/16") as of:
        inside, other = subnet(of, "10.7.1.0/24"), acl(of)
        old, new = associate(inside, other)
        if old == new:
            raise Wrong("the association has the same id")
        equal(acl_of(inside)["NetworkAclId"], other)
        refused("InvalidAssociationID.NotFound", lambda: ec2.replace_network_acl_association(AssociationId=old, NetworkAclId=other))


@check(API + "API_ReplaceNetworkAclAssociation.html")
def a_subnet_is_behind_an_ACL_of_its_VPC():
    inside = subnet(here, "10.0.3.0/24")
    refused("InvalidParameterValue InvalidNetworkAclID.NotFound InvalidParameterCombination", lambda: associate(inside, acl(elsewhere)))


@check(ERRORS)
def a_missing_ACL_is_not_found():
    refused("InvalidNetworkAclID.NotFound", lambda: entry("acl-" + missing, 100, CidrBlock="192.0.2.1/32"))


# VPCs and subnets

@check(VPC + "vpc-cidr-blocks.html")
def a_VPC_is_not_larger_than_a_16():
    refused("InvalidVpc.Range InvalidParameterValue", lambda: vpc("10.0.0.0/15"))


@check(VPC + "vpc-cidr-blocks.html")
def a_VPC_is_not_smaller_than_a_28():
    refused("InvalidVpc.Range InvalidParameterValue", lambda: vpc("10.0.0.0/29"))


@check(API + "API_CreateVpc.html")
def a_VPC_has_its_canonical_range():
    with room("100.68.0.18/18") as of:
        equal(ec2.describe_vpcs(VpcIds=[of])["Vpcs"][0]["CidrBlock"], "100.68.0.0/18")


@check(ERRORS)
def a_subnet_is_inside_its_VPC():
    refused("InvalidSubnet.Range", lambda: subnet(here, "10.9.1.0/24"))


@check(ERRORS)
def two_subnets_do_not_overlap():
    refused("InvalidSubnet.Conflict", lambda: subnet(here, "10.0.1.128/25"))


@check(VPC + "subnet-sizing.html")
def a_subnet_is_not_smaller_than_a_28():
    refused("InvalidSubnet.Range InvalidParameterValue", lambda: subnet(here, "10.0.200.0/29"))


@check(VPC + "subnet-sizing.html")
def five_addresses_of_a_subnet_are_kept():
    inside = subnet(here, "10.0.201.0/28")
    equal(ec2.describe_subnets(SubnetIds=[inside])["Subnets"][0]["AvailableIpAddressCount"], 11)


@check(API + "API_DeleteSubnet.html")
def a_subnet_in_use_stays():
    inside = subnet(here, "10.0.202.0/24")
    interface(inside)
    refused("DependencyViolation", lambda: ec2.delete_subnet(SubnetId=inside))


@check(API + "API_DeleteVpc.html")
def a_VPC_in_use_stays():
    with room("10.8.0.0/16") as of:
        subnet(of, "10.8.1.0/24")
        refused("DependencyViolation", lambda: ec2.delete_vpc(VpcId=of))


@check(VPC + "amazon-vpc-limits.html")
def an_account_has_five_VPCs_in_a_Region():
    made = []
    try:
        for n in range(5 - len(ec2.describe_vpcs()["Vpcs"])):
            made.append(vpc(f"10.{100 + n}.0.0/16"))
        refused("VpcLimitExceeded", lambda: made.append(vpc("10.200.0.0/16")))
    finally:
        for of in made:
            ec2.delete_vpc(VpcId=of)


@check(API + "API_DeleteVpc.html")
def the_default_group_and_ACL_go_with_their_VPC():
    with room("10.9.0.0/16") as of:
        g, a = default_group(of)["GroupId"], default_acl(of)["NetworkAclId"]
        ec2.delete_vpc(VpcId=of)
        refused("InvalidGroup.NotFound", lambda: described(g))
        refused("InvalidNetworkAclID.NotFound", lambda: entries(a))


# Reading, trying, tagging

@check(API + "API_DescribeInstances.html")
def a_missing_instance_is_an_error_by_id_and_nothing_by_filter():
    refused("InvalidInstanceID.NotFound", lambda: ec2.describe_instances(InstanceIds=["i-" + missing]))
    equal(ec2.describe_instances(Filters=by("instance-id", "i-" + missing))["Reservations"], [])


@check(ERRORS)
def an_instance_id_has_its_form():
    refused("InvalidInstanceID.Malformed", lambda: ec2.describe_instances(InstanceIds=["web-1"]))


@check(ERRORS)
def a_filter_has_a_name_that_there_is():
    refused("InvalidParameterValue", lambda: ec2.describe_network_interfaces(Filters=by("colour", "blue")))


@check(ERRORS)
def a_filter_has_two_hundred_values():
    refused("FilterLimitExceeded", lambda: ec2.describe_network_interfaces(Filters=by("group-id", *[f"sg-{n:017x}" for n in range(201)])))


@check(API + "API_DescribeNetworkInterfaces.html")
def pages_hold_everything_once():
    whole = sorted(i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"])
    pages = [p["NetworkInterfaces"] for p in ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5})]
    equal(sorted(i["NetworkInterfaceId"] for p in pages for i in p), whole)
    if max(len(p) for p in pages) > 5:
        raise Wrong("a page has more than was asked for")


@check(ERRORS)
def a_page_has_a_token_that_was_given():
    refused("InvalidParameterValue InvalidNextToken InvalidPaginationToken", lambda: ec2.describe_network_interfaces(NextToken="nonsense", MaxResults=5))


@check(API + "API_DescribeNetworkInterfaces.html")
def ids_are_not_read_page_by_page():
    refused("InvalidParameterCombination", lambda: ec2.describe_network_interfaces(NetworkInterfaceIds=[interface(back)], MaxResults=5))


@check(API + "API_DescribeNetworkInterfaces.html")
def a_filter_takes_wildcards():
    eni = interface(back, TagSpecifications=[{"ResourceType": "network-interface", "Tags": [{"Key": "Name", "Value": "wild-card-7"}]}])
    equal([i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces(Filters=by("tag:Name", "wild-*-?"))["NetworkInterfaces"]], [eni])


@check(API + "API_CreateSecurityGroup.html")
def a_dry_run_says_so_and_changes_nothing():
    called = name("dry")
    refused("DryRunOperation", lambda: ec2.create_security_group(VpcId=here, GroupName=called, Description="x", DryRun=True))
    equal(ec2.describe_security_groups(Filters=by("group-name", called))["SecurityGroups"], [])


@check(API + "API_DeleteNetworkAclEntry.html")
def a_dry_run_deletes_nothing():
    of = acl(here)
    entry(of, 100, CidrBlock="192.0.2.1/32")
    refused("DryRunOperation", lambda: ec2.delete_network_acl_entry(NetworkAclId=of, RuleNumber=100, Egress=False, DryRun=True))
    equal([e["RuleNumber"] for e in entries(of) if not e["Egress"] and e["RuleNumber"] < 32767], [100])


@check("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html")
def a_tag_of_AWS_is_not_for_users():
    refused("InvalidParameterValue", lambda: ec2.create_tags(Resources=[interface(back)], Tags=[{"Key": "aws:mine", "Value": "x"}]))


@check("https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html")
def a_resource_has_fifty_tags():
    eni = interface(back)
    ec2.create_tags(Resources=[eni], Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    refused("TagLimitExceeded", lambda: ec2.create_tags(Resources=[eni], Tags=[{"Key": "one-more", "Value": ""}]))


@check(API + "API_CreateTags.html")
def a_tag_is_overwritten():
    eni = interface(back)
    for value in "first", "second":
        ec2.create_tags(Resources=[eni], Tags=[{"Key": "k", "Value": value}])
    equal([t["Value"] for t in ec2.describe_tags(Filters=by("resource-id", eni))["Tags"]], ["second"])


@check(API + "API_CreateTags.html")
def a_missing_resource_has_no_tags():
    refused("InvalidNetworkInterfaceID.NotFound", lambda: ec2.create_tags(Resources=["eni-" + missing], Tags=[{"Key": "k", "Value": ""}]))


# Flow logs

def flow_log(*enis):
    return ec2.create_flow_logs(ResourceType="NetworkInterface", ResourceIds=list(enis), TrafficType="ALL", LogDestinationType="cloud-watch-logs",
                                LogGroupName="flows", DeliverLogsPermissionArn="arn:aws:iam::111122223333:role/deliver")


@check(API + "API_CreateFlowLogs.html")
def a_flow_log_of_a_missing_interface_is_unsuccessful():
    eni = interface(back)
    got = flow_log(eni, "eni-" + missing)
    equal((len(got["FlowLogIds"]), [u["ResourceId"] for u in got["Unsuccessful"]]), (1, ["eni-" + missing]))


@check(ERRORS)
def a_flow_log_is_made_once():
    eni = interface(back)
    flow_log(eni)
    try:
        again = flow_log(eni)["Unsuccessful"]
        equal([u["Error"]["Code"] for u in again], ["FlowLogAlreadyExists"])
    except ClientError as e:
        equal(e.response["Error"]["Code"], "FlowLogAlreadyExists")


passed = 0
for what, page, f in checks:
    try:
        f()
        passed += 1
        print(f"ok    {what}")
    except Wrong as e:
        print(f"WRONG {what}: {e} ({page})")
    except Exception as e:  # a server may fail in any way
        print(f"FAILS {what}: {type(e).__name__}: {str(e)[:160]} ({page})")
print(f"{passed} of {len(checks)}")
