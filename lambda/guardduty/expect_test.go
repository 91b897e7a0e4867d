package guardduty

import (
	"net/netip"
	"time"
)

type expectation struct {
	findings []Finding
	err      string
}

func one(id, kind string, severity float64, changes ...func(*Finding)) expectation {
	return expectation{findings: []Finding{report(id, kind, severity, changes...)}}
}

// fixtures says what each file of testdata means.
func fixtures() map[string]expectation {
	all := map[string]expectation{
		"c2-ipv4": one("01", "Backdoor:EC2/C&CActivity.B", 8,
			titled("The EC2 instance i-0123456789abcdef0 is communicating with a known Command & Control server.",
				"EC2 instance i-0123456789abcdef0 is querying an IP address associated with a known Command & Control server."),
			connected(outbound("198.51.100.7", 443))),
		"c2-ipv4-and-ipv6": one("02", "Backdoor:EC2/C&CActivity.B", 8,
			titled("Command & Control", "Both families."),
			connected(outbound("198.51.100.7", 443), outbound("2001:db8:7::c2", 443)),
			func(f *Finding) {
				dual := eth0
				dual.IPv6 = addrs("2001:db8:1::17")
				f.Instances[0].Interfaces = []Interface{dual}
			}),
		"c2-dns": one("03", "Backdoor:EC2/C&CActivity.B!DNS", 8,
			titled("Command & Control domain", "EC2 instance i-0123456789abcdef0 is querying a domain name."),
			role("TARGET"), action("DNS_REQUEST"), on(web1())),
		"ssh-brute-force-actor": one("04", "UnauthorizedAccess:EC2/SSHBruteForce", 8,
			titled("i-0123456789abcdef0 is performing SSH brute force attacks.",
				"EC2 instance performs brute force attacks against 198.51.100.22."),
			connected(outbound("198.51.100.22", 22))),
		"ssh-brute-force-target": one("05", "UnauthorizedAccess:EC2/SSHBruteForce", 2,
			titled("198.51.100.23 is performing SSH brute force attacks.", "198.51.100.23 attacks i-0123456789abcdef0."),
			role("TARGET"),
			connected(Peer{
				Addr: netip.MustParseAddr("198.51.100.23"), Direction: Inbound, Protocol: "TCP",
				LocalPort: 22, RemotePort: 46717, Interface: eth0.ID,
			})),
		"port-probe": one("06", "Recon:EC2/PortProbeUnprotectedPort", 8,
			titled("Unprotected port 9200 is being probed.", "Probed by known malicious hosts."),
			role("TARGET"), action("PORT_PROBE"),
			on(web1(probe("198.51.100.31", 9200), probe("198.51.100.32", 9200),
				probe("198.51.100.31", 9300), probe("2001:db8:3::31", 9200)))),
		"tor-client": one("07", "UnauthorizedAccess:EC2/TorClient", 8,
			titled("Tor entry node", "The instance connects to a Tor guard node."),
			connected(outbound("203.0.113.201", 9001))),
		"bitcoin-tool": one("08", "CryptoCurrency:EC2/BitcoinTool.B", 8,
			titled("Bitcoin", "A finding without envelope, as a manual test event."),
			connected(outbound("203.0.113.44", 8333))),
		"denial-of-service": one("09", "Backdoor:EC2/DenialOfService.Udp", 8,
			titled("Denial of service", "Floods a remote host."),
			connected(Peer{
				Addr: netip.MustParseAddr("203.0.113.80"), Direction: Outbound, Protocol: "UDP",
				RemotePort: 53, Interface: eth0.ID,
			})),
		"runtime-reverse-shell": one("0a", "Execution:Runtime/ReverseShell", 8,
			titled("A reverse shell was created.", "The process bash in /tmp/\ufffdgpj.exe\ufffd[31m\ufffdopened a shell."),
			role(""), on(web1())),
		"runtime-c2-connection": one("0b", "Backdoor:Runtime/C&CActivity.B", 8,
			titled("Command & Control", "A process talks to a known host."),
			connected(Peer{
				Addr: netip.MustParseAddr("198.51.100.77"), Direction: Outbound, Protocol: "TCP",
				LocalPort: 48212, RemotePort: 4444,
			})),
		"credential-exfiltration": one("0c", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", 8,
			titled("Credentials used from an external IP address.", "Credentials of the instance role were used outside AWS."),
			role("TARGET"), action("AWS_API_CALL"), resource("AccessKey"), on(web1())),
		"container-host": one("0d", "CryptoCurrency:Runtime/BitcoinTool.B", 8,
			titled("Mining", "A container mines."),
			resource("Container"), connected(outbound("203.0.113.45", 8333))),
		"ecs-cluster": one("0e", "Execution:Runtime/NewBinaryExecuted", 5,
			titled("New binary", "On Fargate there is no instance."), resource("ECSCluster")),
		"eks-host": one("0f", "PrivilegeEscalation:Runtime/SensitiveFileModified", 5,
			titled("Sensitive file", "A pod changed a file of its host."), resource("EKSCluster"), on(web1())),
		"kubernetes-api-call": one("10", "CredentialAccess:Kubernetes/SuccessfulAnonymousAccess", 8,
			titled("Anonymous access", "The caller is not a peer."),
			role("TARGET"), action("KUBERNETES_API_CALL"), resource("EKSCluster")),
		"rds-login": one("11", "CredentialAccess:RDS/AnomalousBehavior.SuccessfulLogin", 8,
			titled("Login", "The client is not a peer."),
			role("TARGET"), action("RDS_LOGIN_ATTEMPT"), resource("RDSDBInstance")),
		"sample-old": one("12", "Trojan:EC2/DGADomainRequest.B", 8,
			titled("Sample", "A sample in the old form."), action("DNS_REQUEST"), sample()),
		"sample-new": one("13", "Backdoor:EC2/C&CActivity.B", 8,
			titled("Sample", "A sample in the new form."), action("NETWORK_CONNECTION"),
			sample(outbound("198.51.100.0", 443), outbound("2001:db8:90ab:cdef::1", 443))),
		"archived": one("14", "Impact:EC2/PortSweep", 8,
			titled("Port sweep", "Archived by a person."),
			connected(outbound("203.0.113.9", 445)), func(f *Finding) { f.Archived = true }),
		"delegated-admin": one("15", "Backdoor:EC2/C&CActivity.B", 8,
			titled("Command & Control", "The administrator's copy of a member's finding."),
			connected(outbound("198.51.100.7", 443)),
			func(f *Finding) {
				f.AccountID = "444455556666"
				f.ARN = "arn:aws:guardduty:eu-central-1:444455556666:detector/12abc34d567e8fa901bc2d34e56789f0/finding/" + f.ID
			}),
		"malware": one("19", "Execution:EC2/MaliciousFile", 8,
			titled("Malicious file", "A scan found a file."), role("TARGET"), on(web1())),
		"multiple-interfaces": one("1a", "Backdoor:EC2/C&CActivity.B", 8,
			titled("Command & Control", "From the second of two interfaces."),
			connected(outbound("198.51.100.7", 443)), twoInterfaces),
		"s3": one("1b", "Policy:S3/BucketAnonymousAccessGranted", 8,
			titled("Bucket", "Not an instance."),
			role("TARGET"), action("AWS_API_CALL"), resource("S3Bucket")),
		"attack-sequence": one("18", "AttackSequence:EC2/CompromisedInstanceGroup", 9,
			titled("Potential compromise of a group of instances.", "An attack sequence."),
			role(""), resource("AttackSequence"), on(sequenceInstances()...)),
	}
	for name, want := range oddFixtures() {
		all[name] = want
	}
	for _, want := range all {
		for _, f := range want.findings {
			f.weigh()
		}
	}
	return all
}

// oddFixtures are the files that hold several findings, come from Security Hub,
// or leave the documented shape.
func oddFixtures() map[string]expectation {
	hub := func(f *Finding) {
		f.Origin = SecurityHub
		f.Title = "From Security Hub"
		f.Description = "As Security Hub sends it."
	}
	return map[string]expectation{
		"get-findings": {
			findings: []Finding{report("16", "UnauthorizedAccess:EC2/TorRelay", 8,
				titled("Tor relay", "As the CLI prints it."),
				connected(Peer{
					Addr: netip.MustParseAddr("203.0.113.60"), Direction: Inbound, Protocol: "TCP",
					LocalPort: 9001, RemotePort: 50122, Interface: eth0.ID,
				}))},
			err: `Findings[1].resource.instanceDetails.instanceId: got "i-xyz", want an instance id such as i-0123456789abcdef0`,
		},
		"odd-peers": one("1c", "Recon:EC2/PortProbeUnprotectedPort", 2,
			titled("Odd", "Peers in forms that GuardDuty does not document."),
			role("TARGET"), action("SOMETHING_NEW"), on(oddPeers())),
		"lean": one("ff", "Backdoor:EC2/C&CActivity.B", 8.5,
			role(""), func(f *Finding) {
				f.Count = 7
				f.CreatedAt = at("2026-03-02T09:00:00.25Z")
				f.UpdatedAt, f.FirstSeen = time.Time{}, time.Time{}
				f.Instances = []Instance{{ID: "i-0123abcd", Interfaces: []Interface{{Subnet: "subnet-0123abcd"}}}}
			}),
		"securityhub-c2": one("1d", "Backdoor:EC2/C&CActivity.B", 8,
			hub, action("NETWORK_CONNECTION"), on(hubInstance(outbound("198.51.100.7", 443)))),
		"securityhub-probe-and-tor": {findings: []Finding{
			report("1f", "Recon:EC2/PortProbeUnprotectedPort", 2,
				hub, role("TARGET"), action("PORT_PROBE"),
				on(hubInstance(probe("198.51.100.31", 22), probe("198.51.100.32", 22), probe("198.51.100.33", 3389)))),
			report("1e", "UnauthorizedAccess:EC2/TorRelay", 8,
				hub, role(""), action("NETWORK_CONNECTION"), on(hubInstanceOfTwo()),
				func(f *Finding) { f.Count = 0 }),
		}},
		"securityhub-attack-sequence": one("20", "AttackSequence:EC2/CompromisedInstanceGroup", 9,
			hub, resource("AttackSequence"),
			func(f *Finding) {
				f.Sample, f.Archived = true, true
				second := hubInstance(Peer{Addr: netip.MustParseAddr("198.51.100.7"), Direction: Outbound, RemotePort: 443})
				second.ID = "i-0fedcba9876543210"
				f.Instances = []Instance{hubInstance(), second}
			}),
		"securityhub-without-instance": {findings: []Finding{
			report("21", "Software and Configuration Checks/Vulnerabilities/CVE", 7, hub, role(""), func(f *Finding) {
				f.ID = "arn:aws:inspector2:eu-central-1:111122223333:finding/abc"
				f.ARN = f.ID
				f.Count = 0
			}),
			report("22", "TTPs/Discovery/IAMUser-AnomalousBehavior", 2,
				hub, action("AWS_API_CALL"), resource("AccessKey")),
		}},
	}
}

func sample(peers ...Peer) func(*Finding) {
	return func(f *Finding) {
		f.Sample, f.Count = true, 1
		f.Instances = []Instance{{
			ID: "i-99999999", Type: "m7g.large", ImageID: "ami-99999999",
			AvailabilityZone: "GeneratedFindingInstaceAvailabilityZone", State: "running",
			Tags: map[string]string{"GeneratedFindingInstaceTag1": "GeneratedFindingInstaceValue1"},
			Interfaces: []Interface{{
				ID: "eni-abcdef00", Subnet: "GeneratedFindingSubnetId0", VPC: "vpc-generatedvpcid0",
				PrivateIPs: addrs("10.0.0.1"), PublicIP: netip.MustParseAddr("198.51.100.0"),
				Groups: []string{"GeneratedFindingSecurityId0"},
			}},
			Peers: peers,
		}}
	}
}

func twoInterfaces(f *Finding) {
	first := eth0
	first.Groups = []string{"sg-0aaaabbbbccccdddd", "sg-0eeeeffff00001111"}
	f.Instances[0].Interfaces = []Interface{first, {
		ID: "eni-0123456789abcde02", Subnet: "subnet-0f1e2d3c4b5a69788", VPC: eth0.VPC,
		PrivateIPs: addrs("10.0.2.17"), IPv6: addrs("2001:db8:2::17", "2001:db8:2::18"),
		Groups: eth0.Groups,
	}}
	f.Instances[0].Peers[0].Interface = "eni-0123456789abcde02"
}

func sequenceInstances() []Instance {
	return []Instance{
		{
			ID: "i-0123456789abcdef0", Type: "m7g.large", AvailabilityZone: "eu-central-1a", State: "running",
			Tags: map[string]string{"Name": "web-1"}, Interfaces: []Interface{eth0},
			Peers: []Peer{{Addr: netip.MustParseAddr("198.51.100.7"), Direction: Outbound, RemotePort: 443}},
		},
		{
			ID: "i-0fedcba9876543210", Type: "m7g.large", AvailabilityZone: "eu-central-1b", State: "running",
			Interfaces: []Interface{{ID: "eni-0123456789abcde02"}},
			Peers:      []Peer{{Addr: netip.MustParseAddr("2001:db8:7::c2"), Direction: Outbound, RemotePort: 4444}},
		},
		{ID: "i-0aaaaaaaaaaaaaaaa"},
	}
}

func oddPeers() Instance {
	i := web1(
		Peer{Addr: netip.MustParseAddr("203.0.113.5"), Protocol: "6"},
		probe("198.51.100.31", 22), probe("fe80::1", 22),
	)
	i.UnreadablePeers = []string{
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
		"198.51.100.0/24", "not\ufffdan\ufffdaddress", "(not a string)",
	}
	return i
}

// hubInstance is what Security Hub tells of web1.
func hubInstance(peers ...Peer) Instance {
	i := web1(peers...)
	i.AvailabilityZone, i.State = "", ""
	i.Interfaces = []Interface{{
		Subnet: eth0.Subnet, VPC: eth0.VPC, PrivateIPs: eth0.PrivateIPs, PublicIP: eth0.PublicIP,
		IPv6: addrs("2001:db8:1::17"),
	}}
	return i
}

func hubInstanceOfTwo() Instance {
	i := hubInstance(Peer{
		Addr: netip.MustParseAddr("198.51.100.40"), Direction: Inbound, Protocol: "TCP",
		LocalPort: 9001, RemotePort: 50000,
	})
	i.Interfaces = append(i.Interfaces, Interface{ID: "eni-0123456789abcde01"}, Interface{ID: "eni-0123456789abcde02"})
	return i
}
