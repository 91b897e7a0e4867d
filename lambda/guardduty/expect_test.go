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
			connected(outbound("198.51.100.7", 443))),
		"c2-ipv4-and-ipv6": one("02", "Backdoor:EC2/C&CActivity.B", 8,
			connected(outbound("198.51.100.7", 443), outbound("2001:db8:7::c2", 443)),
			func(f *Finding) {
				dual := eth0
				dual.IPv6 = addrs("2001:db8:1::17")
				f.Instances[0].Interfaces = []Interface{dual}
			}),
		"c2-dns": one("03", "Backdoor:EC2/C&CActivity.B!DNS", 8,
			role("TARGET"), on(web1())),
		"ssh-brute-force-actor": one("04", "UnauthorizedAccess:EC2/SSHBruteForce", 8,
			connected(outbound("198.51.100.22", 22))),
		"ssh-brute-force-target": one("05", "UnauthorizedAccess:EC2/SSHBruteForce", 2,
			role("TARGET"),
			connected(Peer{
				Addr: netip.MustParseAddr("198.51.100.23"), Direction: Inbound, Protocol: "TCP",
				LocalPort: 22, RemotePort: 46717, Interface: eth0.ID,
			})),
		"port-probe": one("06", "Recon:EC2/PortProbeUnprotectedPort", 8,
			role("TARGET"),
			on(web1(probe("198.51.100.31", 9200), probe("198.51.100.32", 9200),
				probe("198.51.100.31", 9300), probe("2001:db8:3::31", 9200)))),
		"tor-client": one("07", "UnauthorizedAccess:EC2/TorClient", 8,
			connected(outbound("203.0.113.201", 9001))),
		"bitcoin-tool": one("08", "CryptoCurrency:EC2/BitcoinTool.B", 8,
			connected(outbound("203.0.113.44", 8333))),
		"denial-of-service": one("09", "Backdoor:EC2/DenialOfService.Udp", 8,
			connected(Peer{
				Addr: netip.MustParseAddr("203.0.113.80"), Direction: Outbound, Protocol: "UDP",
				RemotePort: 53, Interface: eth0.ID,
			})),
		"runtime-reverse-shell": one("0a", "Execution:Runtime/ReverseShell", 8,
			role(""), on(web1())),
		"runtime-c2-connection": one("0b", "Backdoor:Runtime/C&CActivity.B", 8,
			connected(Peer{
				Addr: netip.MustParseAddr("198.51.100.77"), Direction: Outbound, Protocol: "TCP",
				LocalPort: 48212, RemotePort: 4444,
			})),
		"credential-exfiltration": one("0c", "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS", 8,
			role("TARGET"), resource("AccessKey"), on(web1())),
		"container-host": one("0d", "CryptoCurrency:Runtime/BitcoinTool.B", 8,
			resource("Container"), connected(outbound("203.0.113.45", 8333))),
		"ecs-cluster": one("0e", "Execution:Runtime/NewBinaryExecuted", 5,
			resource("ECSCluster")),
		"eks-host": one("0f", "PrivilegeEscalation:Runtime/SensitiveFileModified", 5,
			resource("EKSCluster"), on(web1())),
		"kubernetes-api-call": one("10", "CredentialAccess:Kubernetes/SuccessfulAnonymousAccess", 8,
			role("TARGET"), resource("EKSCluster")),
		"rds-login": one("11", "CredentialAccess:RDS/AnomalousBehavior.SuccessfulLogin", 8,
			role("TARGET"), resource("RDSDBInstance")),
		"sample-old": one("12", "Trojan:EC2/DGADomainRequest.B", 8, sample()),
		"sample-new": one("13", "Backdoor:EC2/C&CActivity.B", 8,
			sample(outbound("198.51.100.0", 443), outbound("2001:db8:90ab:cdef::1", 443))),
		"archived": one("14", "Impact:EC2/PortSweep", 8,
			connected(outbound("203.0.113.9", 445)), func(f *Finding) { f.Archived = true }),
		"delegated-admin": one("15", "Backdoor:EC2/C&CActivity.B", 8,
			connected(outbound("198.51.100.7", 443)),
			func(f *Finding) {
				f.AccountID = "444455556666"
			}),
		"malware": one("19", "Execution:EC2/MaliciousFile", 8,
			role("TARGET"), on(web1())),
		"multiple-interfaces": one("1a", "Backdoor:EC2/C&CActivity.B", 8,
			connected(outbound("198.51.100.7", 443)), twoInterfaces),
		"s3": one("1b", "Policy:S3/BucketAnonymousAccessGranted", 8,
			role("TARGET"), resource("S3Bucket")),
		"attack-sequence": one("18", "AttackSequence:EC2/CompromisedInstanceGroup", 9,
			role(""), resource("AttackSequence"), on(sequenceInstances()...),
			// One signal names it as the remote side, another as a caller; without a
			// connection it is not a peer.
			unreadable("service.detection.sequence.endpoints[2]")),
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
		f.Origin, f.Repeated = SecurityHub, false
	}
	return map[string]expectation{
		"get-findings": {
			findings: []Finding{report("16", "UnauthorizedAccess:EC2/TorRelay", 8,
				connected(Peer{
					Addr: netip.MustParseAddr("203.0.113.60"), Direction: Inbound, Protocol: "TCP",
					LocalPort: 9001, RemotePort: 50122, Interface: eth0.ID,
				}))},
			err: `Findings[1].resource.instanceDetails.instanceId: got "i-xyz", want an instance id such as i-0123456789abcdef0`,
		},
		"odd-peers": one("1c", "Recon:EC2/PortProbeUnprotectedPort", 2,
			role("TARGET"), on(oddPeers()),
			unreadable(
				"service.action.portProbeAction.portProbeDetails[4].remoteIpDetails.ipAddressV4",
				"service.action.portProbeAction.portProbeDetails[5].remoteIpDetails",
				"service.action.portProbeAction.portProbeDetails[7].remoteIpDetails",
				"service.action.networkConnectionAction.localPortDetails.port")),
		"lean": one("ff", "Backdoor:EC2/C&CActivity.B", 8.5,
			role(""), unreadable("updatedAt", "resource.instanceDetails.networkInterfaces[1].privateIpAddress",
				"resource.instanceDetails.networkInterfaces[1].securityGroups", "resource.instanceDetails.tags", "service.additionalInfo"),
			func(f *Finding) {
				f.UpdatedAt, f.Repeated = time.Time{}, false
				f.Instances = []Instance{{ID: "i-0123abcd", Interfaces: []Interface{{Subnet: "subnet-0123abcd"}}}}
			}),
		"securityhub-c2": one("1d", "Backdoor:EC2/C&CActivity.B", 8,
			hub, on(hubInstance(outbound("198.51.100.7", 443)))),
		"securityhub-probe-and-tor": {findings: []Finding{
			report("1f", "Recon:EC2/PortProbeUnprotectedPort", 2,
				hub, role("TARGET"),
				on(hubInstance(probe("198.51.100.31", 22), probe("198.51.100.32", 22), probe("198.51.100.33", 3389)))),
			report("1e", "UnauthorizedAccess:EC2/TorRelay", 8,
				hub, role(""), on(hubInstanceOfTwo())),
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
			}),
			report("22", "TTPs/Discovery/IAMUser-AnomalousBehavior", 2,
				hub, resource("AccessKey")),
		}},
	}
}

func sample(peers ...Peer) func(*Finding) {
	return func(f *Finding) {
		f.Sample = true
		f.Instances = []Instance{{
			ID: "i-99999999", Type: "m7g.large",
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
			ID: "i-0123456789abcdef0", Type: "m7g.large",
			Interfaces: []Interface{eth0},
			Peers:      []Peer{{Addr: netip.MustParseAddr("198.51.100.7"), Direction: Outbound, RemotePort: 443}},
		},
		{
			ID: "i-0fedcba9876543210", Type: "m7g.large",
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
