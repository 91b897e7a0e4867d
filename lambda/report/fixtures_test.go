package report

import (
	"fmt"
	"net/netip"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

var began = time.Date(2026, 11, 26, 3, 1, 7, 0, time.UTC)

func denial(acl, prefix string, d network.Direction, s record.State, until time.Time) record.StepState {
	return record.StepState{State: s, Until: until, Step: record.Denial{
		VPC: "vpc-0a1b2c3d4e5f60718", ACL: acl, Direction: d, Number: 90, Prefix: netip.MustParsePrefix(prefix),
	}}
}

const (
	front, back       = "eni-0a1b2c3d4e5f60718", "eni-0b2c3d4e5f6071829"
	aclFront, aclBack = "acl-0a1b2c3d4e5f60718", "acl-0b2c3d4e5f6071829"
)

// containedRecord is of an instance with two interfaces in two subnets, and three peers,
// one of which is inside the subnet.
func containedRecord() record.Record {
	var steps []record.StepState
	for _, acl := range []string{aclBack, aclFront} {
		for _, d := range network.Directions {
			steps = append(steps, denial(acl, "198.51.100.7/32", d, record.Applied, time.Time{}))
			steps = append(steps, denial(acl, "2001:db8:ffff::7/128", d, record.Applied, time.Time{}))
		}
	}
	for _, eni := range []string{front, back} {
		steps = append(steps, record.StepState{State: record.Applied, Step: record.QuarantineOf(eni, []string{"sg-0a1b2c3d4e5f60718", "sg-0b2c3d4e5f6071829"}, "sg-0c3d4e5f607182930")})
	}
	return record.Record{
		Instance: "i-0123456789abcdef0", Generation: 1, Version: 3, Status: record.Contained,
		Reason:   "Backdoor:EC2/C&CActivity.B, severity 8.0",
		Findings: []record.FindingRef{{ID: "16afba5c5c43e07c9e3e5e2e544e95df", Type: "Backdoor:EC2/C&CActivity.B", Severity: 8, Seen: began.Add(-4 * time.Minute)}},
		Peers: []guardduty.Peer{
			{Addr: netip.MustParseAddr("198.51.100.7"), Direction: guardduty.Outbound, Protocol: "TCP", LocalPort: 44321, RemotePort: 443},
			{Addr: netip.MustParseAddr("2001:db8:ffff::7"), Direction: guardduty.Outbound, Protocol: "TCP", RemotePort: 8443},
			{Addr: netip.MustParseAddr("10.0.1.99"), Direction: guardduty.Inbound, Protocol: "TCP", LocalPort: 22},
		},
		Steps: steps,
		Exposure: []record.Exposure{
			{Kind: record.SameSubnetPeer, Detail: "10.0.1.99 is inside subnet-0a1b2c3d4e5f60718, where no ACL is evaluated: established connections with it go on"},
			{Kind: record.ResolverDNS, Detail: "DNS queries to the VPC's resolver pass groups and ACLs; only Route 53 Resolver DNS Firewall stops a DNS tunnel"},
			{Kind: record.IMDSCredentials, Detail: "the instance can still fetch credentials of arn:aws:iam::111122223333:instance-profile/web from its metadata service, and credentials it has stay valid elsewhere"},
		},
		Watched: began.Add(35 * time.Minute), QuietSince: began.Add(3 * time.Minute),
		Opened: began, Updated: began.Add(time.Second), Contained: began.Add(143 * time.Millisecond),
	}
}

func containedDocument() Document {
	d := New(containedRecord(), []record.Event{
		{Instance: "i-0123456789abcdef0", Time: began, ID: "1", Verdict: record.Contain, Reason: "Backdoor:EC2/C&CActivity.B, severity 8.0", Finding: "16afba5c5c43e07c9e3e5e2e544e95df", Request: "8f5f1b7e", Changes: []string{
			"quarantine/" + front + " applied", "quarantine/" + back + " applied", "denial/" + aclFront + "/in/198.51.100.7/32 applied", "denial/" + aclFront + "/out/198.51.100.7/32 applied",
		}},
		{Instance: "i-0123456789abcdef0", Time: began.Add(15 * time.Minute), ID: "2", Verdict: record.Reconcile, Reason: "had drifted, and was contained again: quarantine/" + back, Changes: []string{"quarantine/" + back + " applied"}},
	}, began.Add(40*time.Minute))
	d.Name, d.Account, d.Region, d.Stack = "web-1", "111122223333", "eu-west-1", "Tourniquet"
	d.Interfaces = []Interface{
		{ID: front, Subnet: "subnet-0a1b2c3d4e5f60718", ACL: aclFront, Addresses: []string{"10.0.1.10"}, Groups: []string{"sg-0c3d4e5f607182930"}},
		{ID: back, Subnet: "subnet-0b2c3d4e5f6071829", ACL: aclBack, Addresses: []string{"10.0.2.10"}, Groups: []string{"sg-0c3d4e5f607182930"}},
	}
	d.Originals = []Group{
		{ID: "sg-0a1b2c3d4e5f60718", Name: "web", UsedBy: []string{"i-0fedcba9876543210", "i-0aaaaaaaaaaaaaaa1"}, OpenToWorld: []string{"tcp 443", "tcp 80"}},
		{ID: "sg-0b2c3d4e5f6071829", Name: "ssh-from-office", UsedBy: []string{}, OpenToWorld: []string{}},
	}
	return d
}

// partialDocument: one interface keeps its groups, and an ACL has no room.
func partialDocument() Document {
	rec := containedRecord()
	rec.Status, rec.Contained = record.PartiallyContained, time.Time{}
	rec.Steps = rec.Steps[:len(rec.Steps)-1]
	for i := range rec.Steps[:4] {
		rec.Steps[i].State, rec.Steps[i].Note = record.Failed, "NetworkAclEntryLimitExceeded: the ACL has 20 entries already"
	}
	rec.Steps = append(rec.Steps, record.StepState{
		State: record.Failed, Note: "OperationNotPermitted: the interface is managed by Amazon EKS",
		Step: record.QuarantineOf(back, []string{"sg-0a1b2c3d4e5f60718"}, "sg-0c3d4e5f607182930"),
	})
	rec.Exposure = append([]record.Exposure{
		{Kind: record.UnchangeableInterface, Detail: back + " is managed by Amazon EKS, which alone can change its groups"},
		{Kind: record.ACLFull, Detail: aclBack + " has no room for 198.51.100.7 and 2001:db8:ffff::7 in either direction"},
	}, rec.Exposure...)
	d := New(rec, nil, began.Add(2*time.Minute))
	shown := containedDocument()
	d.Name, d.Account, d.Region, d.Interfaces, d.Originals = shown.Name, shown.Account, shown.Region, shown.Interfaces, shown.Originals
	d.Incident.Warnings = []string{"notifying: operation error SNS: Publish, AuthorizationError"}
	return d
}

// releasedDocument: the groups are back, the denials linger.
func releasedDocument() Document {
	rec := containedRecord()
	rec.Status, rec.Released = record.Released, began.Add(6*time.Hour)
	for i := range rec.Steps {
		rec.Steps[i].State = record.Restored
		if _, ok := rec.Steps[i].Step.(record.Denial); ok {
			rec.Steps[i].State, rec.Steps[i].Until = record.Lingering, began.Add(5*24*time.Hour)
		}
	}
	rec.Exposure = nil
	d := New(rec, []record.Event{
		{Time: began, ID: "1", Verdict: record.Contain, Reason: rec.Reason, Changes: []string{"quarantine/" + front + " applied"}},
		{Time: began.Add(6 * time.Hour), ID: "2", Verdict: record.Release, Reason: "released by arn:aws:iam::111122223333:user/alice: reimaged", Changes: []string{"quarantine/" + front + " restored"}},
	}, began.Add(7*time.Hour))
	shown := containedDocument()
	d.Name, d.Account, d.Region, d.Interfaces = shown.Name, shown.Account, shown.Region, shown.Interfaces
	d.Unread = []string{"reading the original groups in EC2: not allowed to call ec2:DescribeSecurityGroups as profile audit"}
	return d
}

// crowdedDocument has more of everything than a picture shows, and an attacker's texts.
func crowdedDocument() Document {
	rec := containedRecord()
	for i := range 30 {
		a := netip.MustParseAddr(fmt.Sprintf("203.0.113.%d", i))
		rec.Peers = append(rec.Peers, guardduty.Peer{Addr: a, Protocol: "TCP", RemotePort: 4444})
		rec.Steps = append(rec.Steps, denial(fmt.Sprintf("acl-%017d", i), a.String()+"/32", network.Out, record.Applied, time.Time{}))
		rec.Steps = append(rec.Steps, record.StepState{State: record.Applied, Step: record.QuarantineOf(fmt.Sprintf("eni-%017d", i), []string{"sg-1"}, "sg-q")})
	}
	rec.Reason = hostile + " " + unbroken
	rec.Exposure = append(rec.Exposure, record.Exposure{Kind: "novel-kind", Detail: hostile + " " + unbroken})
	for _, kind := range []record.ExposureKind{record.UnknownPeers, "survivor", "quarantine-leaks"} {
		rec.Exposure = append(rec.Exposure, record.Exposure{Kind: kind, Detail: "as the picture shows"})
	}
	rec.Findings[0].Type = hostile
	d := New(rec, []record.Event{{Time: began, ID: "1", Verdict: "novel", Reason: hostile, Finding: hostile, Changes: []string{hostile, unbroken}}}, began)
	d.Name, d.Region, d.Account, d.Stack = hostile, "eu-west-1", "111122223333", hostile
	d.Originals = []Group{{ID: "sg-1", Name: hostile, UsedBy: []string{hostile}, OpenToWorld: []string{}}, {ID: "sg-2", Unread: hostile}}
	d.Unread = []string{hostile}
	d.Incident.Unrecorded = true
	return d
}

const (
	hostile  = "</style></title><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)>\" ' \x1b[31m\u202egnp.exe\u200b\x00 javascript:alert(3) {{.}}"
	unbroken = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

func documents() map[string]Document {
	unread := containedDocument()
	unread.Interfaces, unread.Originals, unread.Name = []Interface{}, []Group{}, ""
	noPeers := New(record.Record{Instance: "i-0123456789abcdef0", Generation: 2, Status: record.Closed, ByPerson: true}, nil, began)
	return map[string]Document{
		"contained": containedDocument(), "partial": partialDocument(), "released": releasedDocument(),
		"crowded": crowdedDocument(), "unread": unread, "empty": noPeers,
	}
}
