package guardduty

import (
	"slices"
	"strings"
)

// A Response says what a finding of a type should lead to, by itself.
type Response string

// The responses to a finding.
const (
	Contain   Response = "contain"    // strong enough to contain the instance unasked
	OnRequest Response = "on-request" // contain only when the operator listed the type
	Never     Response = "never"      // never contain on an event
)

// A Type is a finding type that may name an EC2 instance.
type Type struct {
	Name      string
	Response  Response
	ActorOnly bool   // Response holds only when the finding's Role is "ACTOR"
	Peers     string // where in the finding the peers come from, or why there are none
	Why       string // the reason for Response
}

// LookUp finds a finding type by its full name.
func LookUp(name string) (Type, bool) {
	i, found := slices.BinarySearchFunc(allTypes[:], name, func(t Type, name string) int {
		return strings.Compare(t.Name, name)
	})
	if !found {
		return Type{}, false
	}
	return allTypes[i], true
}

// Types lists the known finding types by name.
func Types() []Type { return slices.Clone(allTypes[:]) }

// Where the peers of a finding come from.
const (
	fromConnection = "the remote address of the network connection"
	fromProbes     = "the remote addresses of the port probes"
	fromEndpoints  = "the endpoints that a signal ties to the instance"
	ifConnected    = "the remote address of the network connection, where GuardDuty gives one"
	noneDNS        = "none: a DNS request names a domain"
	noneScan       = "none: found on a volume"
	noneCaller     = "none: the remote address is an API caller's"
	noneAPI        = "none: an API call"
)

// Why a type has its response, where several types share the reason.
const (
	whyAPICall         = "an API call about an instance, which a response may itself make; it says nothing about the state of the instance"
	whyAbusedDomain    = "the domain is abused but also has honest uses"
	whyAdministrators  = "administrators do it too"
	whyAnyone          = "anyone can cause it from outside"
	whyAtRest          = "found at rest: there is no running instance behind it"
	whyBaseline        = "deviates from a baseline, which is not a known threat"
	whyBlackhole       = "talks to an address that no longer answers"
	whyBlackholeDomain = "looks up a domain that no longer answers"
	whyBruteForce      = "attacks others as ACTOR; as TARGET anyone can cause it from outside"
	whyC2              = "talks to a command and control server"
	whyC2Domain        = "looks up a command and control server"
	whyDebuggers       = "debuggers, profilers and security agents do it too"
	whyDeployments     = "deployments do it too"
	whyDriveBy         = "looks up a source of drive-by downloads"
	whyDropPoint       = "talks to a host that holds stolen data"
	whyDropPointDomain = "looks up a host that holds stolen data"
	whyEscape          = "a sign of container escape; some container tools do it too (retired by GuardDuty)"
	whyFlood           = "floods a victim, which is the peer"
	whyGenerated       = "looks up generated domains, as malware does"
	whyKeys            = "the keys work elsewhere until they are revoked, and the instance may only have been tricked into giving them away"
	whyMaliciousDomain = "looks up a known malicious domain"
	whyOwnList         = "on a list of your own: only you know what it means"
	whyPhishing        = "often a person who followed a link"
	whyPool            = "talks to a mining pool"
	whyPoolDomain      = "looks up a mining pool"
	whyRebind          = "a rebinding attempt, which may have failed"
	whyStored          = "the file may be stored without running"
	whySuspected       = "the domain is only suspected"
	whyTor             = "connects to the Tor network"
	whyTorRelay        = "relays for the Tor network"
)

// allTypes is sorted by name. Each type is named in full. A pattern such as "*:EC2/*"
// would include what our own calls cause (the types of custom detection rules) and
// whatever GuardDuty adds next.
//
// The names and what they mean:
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-ec2.html
// https://docs.aws.amazon.com/guardduty/latest/ug/findings-runtime-monitoring.html
// https://docs.aws.amazon.com/guardduty/latest/ug/findings-malware-protection.html
// https://docs.aws.amazon.com/guardduty/latest/ug/findings-malware-protection-backup.html
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-iam.html
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty-attack-sequence-finding-types.html
// https://docs.aws.amazon.com/guardduty/latest/ug/findings-custom-detection-rules.html
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-types-retired.html
//
// GuardDuty defines the resource role for the brute force types. For those from DNS
// logs it is ACTOR in some findings and TARGET in others, so it is ignored there.
var allTypes = [...]Type{
	{"AttackSequence:EC2/CompromisedInstanceGroup", Contain, false, fromEndpoints, "several signals tie these instances to one attack"},
	{"AttackSequence:ECS/CompromisedCluster", OnRequest, false, fromEndpoints, "an instance of a cluster runs other tasks too"},
	{"AttackSequence:EKS/CompromisedCluster", OnRequest, false, fromEndpoints, "an instance of a cluster runs other pods too"},
	{"AttackSequence:IAM/CompromisedCredentials", Never, false, fromEndpoints, "on credentials: an instance is named for context"},
	{"AttackSequence:S3/CompromisedData", Never, false, fromEndpoints, "on data: an instance is named for context"},
	{"Backdoor:EC2/C&CActivity.B", Contain, false, fromConnection, whyC2},
	{"Backdoor:EC2/C&CActivity.B!DNS", Contain, false, noneDNS, whyC2Domain},
	{"Backdoor:EC2/DenialOfService.Dns", Contain, false, fromConnection, whyFlood},
	{"Backdoor:EC2/DenialOfService.Tcp", Contain, false, fromConnection, whyFlood},
	{"Backdoor:EC2/DenialOfService.Udp", Contain, false, fromConnection, whyFlood},
	{"Backdoor:EC2/DenialOfService.UdpOnTcpPorts", Contain, false, fromConnection, whyFlood},
	{"Backdoor:EC2/DenialOfService.UnusualProtocol", Contain, false, fromConnection, whyFlood},
	{"Backdoor:EC2/Spambot", OnRequest, false, fromConnection, "sends mail; so do mail servers"},
	{"Backdoor:Runtime/C&CActivity.B", Contain, false, ifConnected, whyC2},
	{"Backdoor:Runtime/C&CActivity.B!DNS", Contain, false, noneDNS, whyC2Domain},
	{"Behavior:EC2/NetworkPortUnusual", OnRequest, false, fromConnection, whyBaseline},
	{"Behavior:EC2/TrafficVolumeUnusual", OnRequest, false, fromConnection, whyBaseline},
	{"CredentialAccess:EC2/UnsecuredCredentials", Never, false, noneAPI, whyAPICall},
	{"CryptoCurrency:EC2/BitcoinTool.B", Contain, false, fromConnection, whyPool},
	{"CryptoCurrency:EC2/BitcoinTool.B!DNS", Contain, false, noneDNS, whyPoolDomain},
	{"CryptoCurrency:Runtime/BitcoinTool.B", Contain, false, ifConnected, whyPool},
	{"CryptoCurrency:Runtime/BitcoinTool.B!DNS", Contain, false, noneDNS, whyPoolDomain},
	{"DefenseEvasion:EC2/UnusualDNSResolver", OnRequest, false, fromConnection, whyBaseline},
	{"DefenseEvasion:EC2/UnusualDoHActivity", OnRequest, false, fromConnection, whyBaseline},
	{"DefenseEvasion:EC2/UnusualDoTActivity", OnRequest, false, fromConnection, whyBaseline},
	{"DefenseEvasion:Runtime/FilelessExecution", OnRequest, false, ifConnected, "some runtimes run from memory too"},
	{"DefenseEvasion:Runtime/KernelModuleLoaded", OnRequest, false, ifConnected, "drivers and security agents do it too"},
	{"DefenseEvasion:Runtime/ProcessInjection.Proc", OnRequest, false, ifConnected, whyDebuggers},
	{"DefenseEvasion:Runtime/ProcessInjection.Ptrace", OnRequest, false, ifConnected, whyDebuggers},
	{"DefenseEvasion:Runtime/ProcessInjection.VirtualMemoryWrite", OnRequest, false, ifConnected, whyDebuggers},
	{"DefenseEvasion:Runtime/PtraceAntiDebugging", OnRequest, false, ifConnected, whyDebuggers},
	{"DefenseEvasion:Runtime/SensitiveFileModified", OnRequest, false, ifConnected, whyAdministrators},
	{"DefenseEvasion:Runtime/SuspiciousCommand", OnRequest, false, ifConnected, whyAdministrators},
	{"DefenseImpairment:EC2/DisableOrModifyTools", Never, false, noneAPI, whyAPICall},
	{"Discovery:Runtime/SuspiciousCommand", OnRequest, false, ifConnected, whyAdministrators},
	{"Execution:Container/MaliciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:Container/SuspiciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:EC2/MaliciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:EC2/MaliciousFile!AMI", Never, false, noneScan, whyAtRest},
	{"Execution:EC2/MaliciousFile!RecoveryPoint", Never, false, noneScan, whyAtRest},
	{"Execution:EC2/MaliciousFile!Snapshot", Never, false, noneScan, whyAtRest},
	{"Execution:EC2/SuspiciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:ECS/MaliciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:ECS/SuspiciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:Kubernetes/MaliciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:Kubernetes/SuspiciousFile", OnRequest, false, noneScan, whyStored},
	{"Execution:Runtime/MaliciousFileExecuted", Contain, false, ifConnected, "runs known malware"},
	{"Execution:Runtime/MaliciousFileExecuted.Custom", OnRequest, false, ifConnected, whyOwnList},
	{"Execution:Runtime/NewBinaryExecuted", OnRequest, false, ifConnected, whyDeployments},
	{"Execution:Runtime/NewLibraryLoaded", OnRequest, false, ifConnected, whyDeployments},
	{"Execution:Runtime/ReverseShell", Contain, false, ifConnected, "a shell is in an attacker's hands"},
	{"Execution:Runtime/SuspiciousCommand", OnRequest, false, ifConnected, whyAdministrators},
	{"Execution:Runtime/SuspiciousShellCreated", OnRequest, false, ifConnected, whyAdministrators},
	{"Execution:Runtime/SuspiciousTool", OnRequest, false, ifConnected, whyAdministrators},
	{"Exfiltration:EC2/TransferDataToCloudAccount", Never, false, noneAPI, whyAPICall},
	{"Impact:EC2/AbusedDomainRequest.Reputation", OnRequest, false, noneDNS, whyAbusedDomain},
	{"Impact:EC2/BitcoinDomainRequest.Reputation", Contain, false, noneDNS, whyPoolDomain},
	{"Impact:EC2/MaliciousDomainRequest.Custom", OnRequest, false, noneDNS, whyOwnList},
	{"Impact:EC2/MaliciousDomainRequest.Reputation", Contain, false, noneDNS, whyMaliciousDomain},
	{"Impact:EC2/PortSweep", OnRequest, false, fromConnection, "sweeps other hosts; so do scanners and monitoring"},
	{"Impact:EC2/SuspiciousDomainRequest.Reputation", OnRequest, false, noneDNS, whySuspected},
	{"Impact:EC2/WinRMBruteForce", Contain, true, fromConnection, whyBruteForce},
	{"Impact:Runtime/AbusedDomainRequest.Reputation", OnRequest, false, noneDNS, whyAbusedDomain},
	{"Impact:Runtime/BitcoinDomainRequest.Reputation", Contain, false, noneDNS, whyPoolDomain},
	{"Impact:Runtime/CryptoMinerExecuted", Contain, false, ifConnected, "runs a miner"},
	{"Impact:Runtime/MaliciousDomainRequest.Reputation", Contain, false, noneDNS, whyMaliciousDomain},
	{"Impact:Runtime/SuspiciousDomainRequest.Reputation", OnRequest, false, noneDNS, whySuspected},
	{"LateralMovement:EC2/RemoteServices", Never, false, noneAPI, whyAPICall},
	{"Persistence:EC2/BootOrLogonInitializationScripts", Never, false, noneAPI, whyAPICall},
	{"Persistence:EC2/ExternalRemoteServices", Never, false, noneAPI, whyAPICall},
	{"Persistence:Runtime/SensitiveFileModified", OnRequest, false, ifConnected, whyAdministrators},
	{"Persistence:Runtime/SuspiciousCommand", OnRequest, false, ifConnected, whyAdministrators},
	{"PrivilegeEscalation:Runtime/CGroupsReleaseAgentModified", OnRequest, false, ifConnected, whyEscape},
	{"PrivilegeEscalation:Runtime/ContainerMountsHostDirectory", OnRequest, false, ifConnected, whyEscape},
	{"PrivilegeEscalation:Runtime/DockerSocketAccessed", OnRequest, false, ifConnected, whyEscape},
	{"PrivilegeEscalation:Runtime/ElevationToRoot", OnRequest, false, ifConnected, "administrators do it too (retired by GuardDuty)"},
	{"PrivilegeEscalation:Runtime/RuncContainerEscape", OnRequest, false, ifConnected, whyEscape},
	{"PrivilegeEscalation:Runtime/SensitiveFileModified", OnRequest, false, ifConnected, whyAdministrators},
	{"PrivilegeEscalation:Runtime/SuspiciousCommand", OnRequest, false, ifConnected, whyAdministrators},
	{"PrivilegeEscalation:Runtime/UserfaultfdUsage", OnRequest, false, ifConnected, "some runtimes do it too (retired by GuardDuty)"},
	{"Recon:EC2/PortProbeEMRUnprotectedPort", Never, false, fromProbes, whyAnyone},
	{"Recon:EC2/PortProbeUnprotectedPort", Never, false, fromProbes, whyAnyone},
	{"Recon:EC2/Portscan", OnRequest, false, fromConnection, "scans another host; so do scanners and monitoring"},
	{"Trojan:EC2/BlackholeTraffic", OnRequest, false, fromConnection, whyBlackhole},
	{"Trojan:EC2/BlackholeTraffic!DNS", OnRequest, false, noneDNS, whyBlackholeDomain},
	{"Trojan:EC2/DGADomainRequest.B", Contain, false, noneDNS, whyGenerated},
	{"Trojan:EC2/DGADomainRequest.C!DNS", Contain, false, noneDNS, whyGenerated},
	{"Trojan:EC2/DNSDataExfiltration", Contain, false, noneDNS, "sends data out in DNS queries, which pass through the resolver despite groups and ACLs"},
	{"Trojan:EC2/DriveBySourceTraffic!DNS", Contain, false, noneDNS, whyDriveBy},
	{"Trojan:EC2/DropPoint", OnRequest, false, fromConnection, whyDropPoint},
	{"Trojan:EC2/DropPoint!DNS", OnRequest, false, noneDNS, whyDropPointDomain},
	{"Trojan:EC2/PhishingDomainRequest!DNS", OnRequest, false, noneDNS, whyPhishing},
	{"Trojan:Runtime/BlackholeTraffic", OnRequest, false, ifConnected, whyBlackhole},
	{"Trojan:Runtime/BlackholeTraffic!DNS", OnRequest, false, noneDNS, whyBlackholeDomain},
	{"Trojan:Runtime/DGADomainRequest.C!DNS", Contain, false, noneDNS, whyGenerated},
	{"Trojan:Runtime/DriveBySourceTraffic!DNS", Contain, false, noneDNS, whyDriveBy},
	{"Trojan:Runtime/DropPoint", OnRequest, false, ifConnected, whyDropPoint},
	{"Trojan:Runtime/DropPoint!DNS", OnRequest, false, noneDNS, whyDropPointDomain},
	{"Trojan:Runtime/PhishingDomainRequest!DNS", OnRequest, false, noneDNS, whyPhishing},
	{"UnauthorizedAccess:EC2/MaliciousIPCaller.Custom", OnRequest, false, fromConnection, "on a list of your own; may be an inbound attempt"},
	{"UnauthorizedAccess:EC2/MetadataDNSRebind", OnRequest, false, noneDNS, whyRebind},
	{"UnauthorizedAccess:EC2/RDPBruteForce", Contain, true, fromConnection, whyBruteForce},
	{"UnauthorizedAccess:EC2/SSHBruteForce", Contain, true, fromConnection, whyBruteForce},
	{"UnauthorizedAccess:EC2/TorClient", Contain, false, fromConnection, whyTor},
	{"UnauthorizedAccess:EC2/TorRelay", Contain, false, fromConnection, whyTorRelay},
	{"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.InsideAWS", OnRequest, false, noneCaller, whyKeys},
	{"UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", OnRequest, false, noneCaller, whyKeys},
	{"UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.InsideAWS", OnRequest, false, noneCaller, whyKeys},
	{"UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.OutsideAWS", OnRequest, false, noneCaller, whyKeys},
	{"UnauthorizedAccess:Runtime/MetadataDNSRebind", OnRequest, false, noneDNS, whyRebind},
	{"UnauthorizedAccess:Runtime/TorClient", Contain, false, ifConnected, whyTor},
	{"UnauthorizedAccess:Runtime/TorRelay", Contain, false, ifConnected, whyTorRelay},
}
