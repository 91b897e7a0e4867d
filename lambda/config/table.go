package config

import (
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
)

// The names of the variables.
const (
	Table        = "TOURNIQUET_TABLE"
	Mode         = "TOURNIQUET_MODE"
	MinSeverity  = "TOURNIQUET_MIN_SEVERITY"
	FindingTypes = "TOURNIQUET_FINDING_TYPES"
	ContainHosts = "TOURNIQUET_CONTAIN_HOSTS"
	ExemptTag    = "TOURNIQUET_EXEMPT_TAG"
	NeverDeny    = "TOURNIQUET_NEVER_DENY"
	MaxContained = "TOURNIQUET_MAX_CONTAINED"
	ACLQuota     = "TOURNIQUET_ACL_QUOTA"
	CoverIPv4    = "TOURNIQUET_COVER_IPV4"
	CoverIPv6    = "TOURNIQUET_COVER_IPV6"
	KeepAlive    = "TOURNIQUET_KEEP_ALIVE"
	Protect      = "TOURNIQUET_PROTECT"
	Snapshots    = "TOURNIQUET_SNAPSHOTS"
	Keys         = "TOURNIQUET_CREDENTIALS"
	DenyProfile  = "TOURNIQUET_DENY_PROFILE_ARN"
	LedgerWait   = "TOURNIQUET_LEDGER_WAIT"
	DenialTTL    = "TOURNIQUET_DENIAL_TTL"
	TopicARN     = "TOURNIQUET_TOPIC_ARN"
	HubNote      = "TOURNIQUET_SECURITY_HUB_NOTE"

	Survivors    = "TOURNIQUET_SURVIVORS"
	FlowLogGroup = "TOURNIQUET_FLOW_LOG_GROUP"
	FlowLogRole  = "TOURNIQUET_FLOW_LOG_ROLE_ARN"

	IsolateSubnets = "TOURNIQUET_ISOLATE_SUBNETS"

	OnHost          = "TOURNIQUET_ON_HOST"
	IsolateDocument = "TOURNIQUET_ISOLATE_DOCUMENT"
	RestoreDocument = "TOURNIQUET_RESTORE_DOCUMENT"

	// The SDK reads these two itself.
	// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
	Endpoint    = "AWS_ENDPOINT_URL"
	EndpointEC2 = "AWS_ENDPOINT_URL_EC2"
)

// All are the settings, in the order of the documentation.
var All = []Setting{
	{
		Key: "mode", Variable: Mode, For: onlyContain, Default: string(Enforce),
		Meaning: "`enforce`, or `observe`: plan, record and report, and change nothing",
		value:   in(func(s *Settings) *OperatingMode { return &s.Mode }, parseMode),
	},
	{
		Key: "minSeverity", Variable: MinSeverity, For: onlyContain, Default: "7.0",
		Meaning: "lowest GuardDuty severity to act on, 1 to 10",
		value:   in(func(s *Settings) *float64 { return &s.MinSeverity }, parseSeverity),
	},
	{
		Key: "findingTypes", Variable: FindingTypes, For: onlyContain,
		Meaning: "finding types to add (`Trojan:EC2/DropPoint`) or to take out (`-UnauthorizedAccess:EC2/TorClient`). " +
			"`Trojan:EC2/*` or `Trojan:EC2/DropPoint*` stands for the known types that begin so, except those that are never contained. " +
			"A type that is taken out stays out",
		value: in(func(s *Settings) *Types { return &s.FindingTypes }, parseFindingTypes),
	},
	{
		Key: "containHosts", Variable: ContainHosts, For: onlyContain, Default: "false",
		Meaning: "`true`: a finding on a container, an ECS task or a pod contains its host, which other workloads may share",
		value:   in(func(s *Settings) *bool { return &s.ContainHosts }, parseSwitch),
	},
	{
		Key: "exemptTag", Variable: ExemptTag, For: onlyContain, Default: "tourniquet:exempt",
		Meaning: "instances with this tag are left alone: `key` or `key=value`",
		value:   in(func(s *Settings) *Tag { return &s.ExemptTag }, parseTag),
	},
	{
		Key: "neverDeny", Variable: NeverDeny, For: onlyContain,
		Meaning: "CIDRs that are never denied",
		value:   in(func(s *Settings) *Prefixes { return &s.NeverDeny }, parsePrefixes),
	},
	{
		Key: "maxContained", Variable: MaxContained, For: onlyContain, Default: "25",
		Meaning: "how many instances events may have contained at once; above it a finding is `held`",
		value:   in(func(s *Settings) *int { return &s.MaxContained }, wholeFrom(1)),
	},
	{
		Key: "aclQuota", Variable: ACLQuota, For: onlyContain, Default: "20",
		Meaning: "the account's quota of rules per network ACL, 20 to 40",
		value:   in(func(s *Settings) *int { return &s.ACLQuota }, whole(leastACLQuota, mostACLQuota)),
	},
	{
		Key: "coverIpv4", Variable: CoverIPv4, For: onlyContain, Default: "32",
		Meaning: "shortest prefix, in bits (16 to 32), that may cover several neighbouring peers where an ACL has no room for each. " +
			"It never covers an exempt, private or own address, nor one that an ACL entry allows by itself. `32`: single addresses only",
		value: in(func(s *Settings) *int { return &s.CoverIPv4 }, whole(16, 32)), // a shorter one would deny whole providers
	},
	{
		Key: "coverIpv6", Variable: CoverIPv6, For: onlyContain, Default: "128",
		Meaning: "the same for IPv6, 48 to 128",
		value:   in(func(s *Settings) *int { return &s.CoverIPv6 }, whole(48, 128)), // a site has 48
	},
	{
		Key: "keepAlive", Variable: KeepAlive, For: onlyContain, Default: "true",
		Meaning: "`true`: the Auto Scaling group of a contained instance has it on standby, so that it is not terminated for failing its checks",
		Rung: &Rung{
			Does: "an instance in an Auto Scaling group goes on standby there, without a smaller desired capacity, and its application status checks are suppressed",
			Undo: "back into service, and the checks too, once the groups of all interfaces are back",
			Fails: "a group that is being deleted, an instance that is not in service, a change of the group under way; Karpenter, EKS and Spot are not stopped: " +
				"exposure `may-be-terminated`, and an alarm",
		},
		value: in(func(s *Settings) *bool { return &s.KeepAlive }, parseSwitch),
	},
	{
		Key: "protect", Variable: Protect, For: onlyContain, Default: "true",
		Meaning: "`true`: a contained instance can't be terminated by the API or from inside, and its volumes outlive it",
		Rung: &Rung{
			Does:  "termination protection on, shutdown behaviour `stop`, EBS volumes kept on termination",
			Undo:  "each to its value from before, if it is still ours",
			Fails: "Spot Instances have no termination protection, instance stores can't be kept; an Auto Scaling group terminates in spite of it",
		},
		value: in(func(s *Settings) *bool { return &s.Protect }, parseSwitch),
	},
	{
		Key: "snapshots", Variable: Snapshots, For: onlyContain, Default: "false",
		Meaning: "`true`: the volumes of a contained instance are copied, one set of snapshots a containment",
		Rung: &Rung{
			Does:  "one set of snapshots of all EBS volumes, of one moment, with the tags `tourniquet:incident` and `tourniquet:finding`",
			Undo:  "none: they stay, and cost, until you delete them",
			Fails: "a volume that is being modified, a key whose policy does not let the function use it, more volumes than a call takes: the step is `failed`, and tried again",
		},
		value: in(func(s *Settings) *bool { return &s.Snapshots }, parseSwitch),
	},
	{
		Key: "credentials", Variable: Keys, For: onlyContain, Default: string(KeepCredentials), Off: string(KeepCredentials), Needs: []string{DenyProfile},
		Meaning: "`keep`, or `deny`: the instance profile of a contained instance is replaced by one that denies everything, and its metadata endpoint is switched off",
		Rung: &Rung{
			Does: "`deny`: the instance profile is replaced by one that denies everything; then, last, the metadata endpoint is switched off",
			Undo: "profile and endpoint as before, if they are still ours",
			Fails: "credentials that were issued before live on for about 6 hours: exposure `imds-credentials` says until when, and how to revoke them. " +
				"The SSM agent loses its credentials too",
		},
		value: in(func(s *Settings) *Credentials { return &s.Credentials }, parseCredentials),
	},
	{
		Variable: DenyProfile, For: onlyContain, Unset: "`credentials` is `keep`", Meaning: "ARN of the instance profile that denies everything",
		value: in(func(s *Settings) *string { return &s.DenyProfile }, parseProfileARN),
	},
	{
		Key: "ledgerWait", Variable: LedgerWait, For: both, Default: "3s",
		Meaning: "how long one call to the ledger may take before containment goes on without it",
		value:   in(func(s *Settings) *time.Duration { return &s.LedgerWait }, parseDuration),
	},
	{
		Key: "denialTtl", Variable: DenialTTL, For: onlyRelease, Unset: "never",
		Meaning: "age at which the denials of a contained instance expire, to make room in ACLs, such as `168h`. A denial stays while a connection " +
			"that it cuts may still be tracked, and while an interface of the instance is not in quarantine",
		value: in(func(s *Settings) *time.Duration { return &s.DenialTTL }, parseDuration),
	},
	{
		Key: "onHost", Variable: OnHost, For: onlyContain, Default: string(plan.OnHostAuto), Off: string(plan.OnHostOff), Needs: []string{IsolateDocument},
		Meaning: "isolate the host itself, through Systems Manager: `auto` where a peer is not cut by a denial, `always`, or `off`. " +
			"A person's command with `\"onHost\":true` isolates it too, unless this is `off`",
		Rung: &Rung{
			Does: "Systems Manager tells the host to let nothing pass but its own agent, and to close its connections; what it prints is kept as evidence",
			Undo: "the host is told to take its rules away once the groups are back, and told again until it confirms",
			Fails: "an instance that Systems Manager does not manage: exposure `host-not-managed`; a command that is not delivered or not answered: `host-unconfirmed`. " +
				"A reboot clears the rules, and root can: what the host says proves nothing",
		},
		value: in(func(s *Settings) *plan.OnHost { return &s.OnHost }, parseOnHost),
	},
	{
		Key: "isolateSubnets", Variable: IsolateSubnets, For: onlyContain, Default: string(plan.IsolateOff),
		Meaning: "`tagged`: cut off the whole subnet where it carries the tag `" + network.IsolateTag + "=" + network.IsolateValue +
			"` and the instance is alone in it. `off`: no subnet",
		Rung: &Rung{
			Does: "the subnet's association moves to a network ACL without any entry",
			Undo: "the association moves back, if it is still ours; what may revive then is named (`may-revive`)",
			Fails: "a subnet without its owner's tag, or with an interface of somebody else, where a person asked for it: exposure `isolation-not-allowed`; " +
				"somebody who comes later: `subnet-shared`. A subnet of another account can't be moved",
		},
		value: in(func(s *Settings) *plan.Isolate { return &s.Isolate }, parseIsolate),
	},
	{
		Key: "survivors", Variable: Survivors, For: onlyContain, Default: string(plan.SurvivorsReport), Off: string(plan.SurvivorsOff),
		Needs: []string{FlowLogGroup, FlowLogRole},
		Meaning: "look in flow logs for addresses that still exchange packets with a contained instance: `report` them, " +
			"`deny` the public ones too, or `off`",
		Rung: &Rung{
			Does: "a flow log for each interface once it is in quarantine, read every 5 minutes for who still exchanges packets (exposure `survivor`), and as the proof that nobody does",
			Undo: "the flow logs are deleted; the log group stays",
			Fails: "records come minutes late, and lost ones (`SKIPDATA`) prove nothing; traffic with the VPC's resolver, the metadata service and the time service " +
				"is never recorded; a quota on flow logs: the step is tried again",
		},
		value: in(func(s *Settings) *plan.Survivors { return &s.Survivors }, parseSurvivors),
	},
	{
		Variable: FlowLogGroup, For: both, Unset: "no flow log is made", Meaning: "name of the log group of the flow logs",
		value: in(func(s *Settings) *string { return &s.FlowLogGroup }, text),
	},
	{
		Variable: FlowLogRole, For: onlyContain, Unset: "no flow log is made", Meaning: "ARN of the role that delivers the flow logs",
		value: in(func(s *Settings) *string { return &s.FlowLogRole }, text),
	},
	{
		Variable: IsolateDocument, For: onlyContain, Unset: "no host is isolated", Meaning: "name of the SSM document that isolates a host",
		value: in(func(s *Settings) *string { return &s.IsolateDocument }, text),
	},
	{
		Variable: RestoreDocument, For: onlyRelease, Unset: "no host is restored", Meaning: "name of the SSM document that takes a host's rules away",
		value: in(func(s *Settings) *string { return &s.RestoreDocument }, text),
	},
	{
		Variable: Table, For: both, Required: true, Meaning: "name of the ledger's DynamoDB table",
		value: in(func(s *Settings) *string { return &s.Table }, text),
	},
	{
		Variable: TopicARN, For: both, Unset: "nobody is told", Meaning: "ARN of the SNS topic to notify",
		value: in(func(s *Settings) *string { return &s.TopicARN }, parseTopicARN),
	},
	{
		Key: "email", Meaning: "email addresses to tell of incidents and alarms",
		value: in(func(s *Settings) *[]string { return &s.Emails }, parseEmails),
	},
	{
		Key: "schedules", Default: "true", Meaning: "run `reconcile` and `expire`, each every 15 minutes",
		value: in(func(s *Settings) *bool { return &s.Schedules }, parseSwitch),
	},
	{
		Key: "securityHubAction", Default: "Tourniquet", Empty: true,
		Meaning: "id of the Security Hub custom action that contains; empty: no rule",
		value:   in(func(s *Settings) *string { return &s.CustomAction }, parseCustomAction),
	},
	{
		Key: "securityHubNote", Variable: HubNote, For: onlyContain, Default: "false",
		Meaning: "`true`: a finding that an analyst sent with the custom action gets the workflow status `NOTIFIED` and a note in Security Hub",
		value:   in(func(s *Settings) *bool { return &s.SecurityHubNote }, parseSwitch),
	},
	{
		Key: "centralBus", Unset: "off",
		Meaning: "ARN of an event bus, of any account and Region, that the outcome events are passed on to",
		value:   in(func(s *Settings) *string { return &s.CentralBus }, parseCentralBus),
	},
	{
		Key: "createDetector", Default: "false",
		Meaning: "turn GuardDuty on, with updated findings published every 15 minutes; fails where GuardDuty is on already",
		value:   in(func(s *Settings) *bool { return &s.Detector }, parseSwitch),
	},
	{
		Key: "regions", Unset: "the CLI's", Meaning: "Regions to deploy to, a stack in each; deploy with `--all`",
		value: in(func(s *Settings) *[]string { return &s.Regions }, parseRegions),
	},
	{
		Key: "architecture", Default: string(ARM64), Meaning: "processor of the functions, `arm64` or `x86_64`",
		value: in(func(s *Settings) *Architecture { return &s.Architecture }, parseArchitecture),
	},
	{
		Key: "concurrency", Default: "0",
		Meaning: "concurrent executions to reserve for the contain function, out of the account's quota; `0`: none",
		value:   in(func(s *Settings) *int { return &s.Concurrency }, whole(0, 100)),
	},
	{
		Key: "maxEventAge", Default: "1h", Meaning: "how old an event may get before it is given up, 5 minutes to 3 hours",
		value: in(func(s *Settings) *time.Duration { return &s.MaxEventAge }, parseEventAge),
	},
	{
		Key: "encryption", Default: string(AWSOwned), Meaning: "key that encrypts the ledger, `aws-owned` or `customer-managed`",
		value: in(func(s *Settings) *Encryption { return &s.Encryption }, parseEncryption),
	},
	{
		Key: "logRetentionDays", Default: "365", Meaning: "how long logs are kept",
		value: in(func(s *Settings) *int { return &s.LogDays }, parseLogDays),
	},
	{
		Key: "endpointUrl", Variable: Endpoint, For: both, Unset: "AWS", Meaning: "endpoint of AWS, for tests against emulators",
		value: in(func(s *Settings) *string { return &s.Endpoint }, parseEndpoint),
	},
	{
		Key: "endpointUrlEc2", Variable: EndpointEC2, For: both, Unset: "AWS", Meaning: "endpoint of EC2, likewise",
		value: in(func(s *Settings) *string { return &s.EndpointEC2 }, parseEndpoint),
	},
}
