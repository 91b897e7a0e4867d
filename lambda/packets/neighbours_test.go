package packets_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/host"
	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// A neighbour's long download from another address goes on through a containment and
// the minute after: no byte is lost or changed.
func TestNeighboursDownloadGoesOn(t *testing.T) {
	t.Parallel()
	for name, flow := range map[string]string{
		"out":       "tcp 10.0.1.20:45000 -> 192.0.2.25:443",
		"in":        "tcp 192.0.2.25:45000 -> 10.0.1.20:443",
		"over IPv6": "tcp [2001:db8:1:1::20]:45000 -> [2001:db8:25::1]:443",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size, rate = 4 << 20, 4 << 20 / 30 // half a minute
			l := newLab(t, place)
			shell := l.shell(shells["reverse shell"])
			download, err := l.vpc.Download(l.ctx(), l.flow(flow), size, rate)
			if err != nil {
				t.Fatal(err)
			}
			l.vpc.Clock.Pass(5 * time.Second)
			if got := download.Received(); got == 0 || got == size {
				t.Fatalf("%d of %d bytes before the containment, want some", got, size)
			}
			l.contain(peer, peer6)
			l.silent(shell, time.Minute)
			if err := download.Wait(l.ctx()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A denial is for the whole subnet: what a neighbour has with the peer is cut too.
func TestNeighbourLosesThePeerToo(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	neighbours := l.shell("tcp 10.0.1.20:44321 -> 198.51.100.7:443")
	l.contain(peer)
	if ok, reason := neighbours.Alive(); ok || reason.Hop != fabric.ACL {
		t.Errorf("alive %t (%s), want it denied by an ACL", ok, reason)
	}
	l.silent(neighbours, time.Minute)
}

// Inside a subnet no ACL counts: a connection with a peer there survives, and the
// containment says so.
func TestLateralConnectionSurvives(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	lateral := l.shell("tcp 10.0.1.10:47000 -> 10.0.1.20:5432")
	out := l.contain(peer, "10.0.1.20")
	l.alive(lateral)
	if !slices.ContainsFunc(out.Record.Exposure, func(e record.Exposure) bool { return e.Kind == record.SameSubnetPeer }) {
		t.Errorf("the exposure doesn't have it: %+v", out.Record.Exposure)
	}
	if _, err := l.vpc.Talk(l.ctx(), l.flow("tcp 10.0.1.10:47001 -> 10.0.1.20:5432"), nil); err == nil {
		t.Error("a new lateral connection comes about")
	}
}

// Without a peer to deny the shell survives the quarantine. The host's own rules, for
// which Systems Manager is asked, cut it, and keep the agent that lifts them again.
func TestOnTheHost(t *testing.T) {
	t.Parallel()
	const agent = "tcp 10.0.1.10:48000 -> 192.0.2.53:443"
	l := newLab(t, strings.Replace(place, "instance "+victim, "instance "+victim+" ssm", 1)+"flow "+agent+" agent\n")
	shell, ssm := l.shell(shells["reverse shell"]), l.shell(agent)
	sender := &host.Client{Config: l.config, Isolate: host.IsolateName, Restore: host.RestoreName}
	isolate := func() {
		if sent, err := sender.SendIsolate(l.ctx(), victim); err != nil || sent.NotManaged {
			t.Fatal(sent, err)
		}
	}
	restore := func() {
		if sent, err := sender.SendRestore(l.ctx(), victim); err != nil || sent.NotManaged {
			t.Fatal(sent, err)
		}
	}
	ping := l.shell(shells["ICMP tunnel"])
	l.contain()
	l.alive(shell)
	l.alive(ssm)
	isolate()
	l.dead(ping, fabric.Reason{Hop: fabric.HostOwn, At: victim, Out: true})
	l.silent(shell, 30*time.Second)
	l.alive(ssm)
	restore()
	l.vpc.Clock.Pass(30 * time.Second)
	l.alive(ssm)
	l.alive(shell) // which is why nothing lifts them but a person

	isolate()
	for range 3 { // the agent is never silent for a minute
		l.vpc.Clock.Pass(30 * time.Second)
		l.alive(ssm)
	}
	restore()
	l.dead(shell, fabric.Reason{Hop: fabric.Groups, At: "eni-front"}) // forgotten after the lowered timeout
	l.silent(shell, time.Minute)
}

// So with a finding that names no peer: the responder has the host isolate itself, and
// the shell that no denial could name dies.
func TestWithoutAPeerTheHostIsolatesItself(t *testing.T) {
	t.Parallel()
	const agent = "tcp 10.0.1.10:48000 -> 192.0.2.53:443"
	l := newLab(t, strings.Replace(place, "instance "+victim, "instance "+victim+" ssm", 1)+"flow "+agent+" agent\n")
	shell, ssm := l.shell(shells["reverse shell"]), l.shell(agent)
	hosts := &host.Client{Config: l.config, Isolate: host.IsolateName}
	r := l.responder()
	r.Rules.OnHost, r.Hosts = plan.OnHostAuto, hosts
	r.Beside = map[record.Kind]containment.Measures{record.KindHost: host.Isolating{Client: hosts}}
	l.containBy(r)
	if ok, reason := shell.Alive(); ok || reason.Hop != fabric.HostOwn {
		t.Errorf("alive %t (%s), want it dropped by the host's own rules", ok, reason)
	}
	l.silent(shell, 30*time.Second)
	l.alive(ssm)
	l.silent(shell, 30*time.Second)
	l.alive(ssm)
}

// Put behind an ACL that denies all, a subnet exchanges nothing with anybody outside
// it, whoever the peer is; inside it all goes on.
func TestSubnetsIsolation(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	shell, lateral := l.shell(shells["reverse shell"]), l.shell("tcp 10.0.1.10:47000 -> 10.0.1.20:5432")
	behindNAT := l.shell(shells["through a NAT gateway"])
	l.contain()
	found, err := l.ec2.DescribeNetworkAcls(l.ctx(), &ec2.DescribeNetworkAclsInput{NetworkAclIds: []string{"acl-front"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.ec2.ReplaceNetworkAclAssociation(l.ctx(), &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: found.NetworkAcls[0].Associations[0].NetworkAclAssociationId, NetworkAclId: aws.String("acl-none"),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.dead(shell, fabric.Reason{Hop: fabric.ACL, At: "acl-none"})
	l.silent(shell, 30*time.Second)
	l.alive(lateral)
	// The NAT gateway is in that subnet, and serves others: they are cut as well.
	if ok, reason := behindNAT.Alive(); ok || reason.At != "acl-none" {
		t.Errorf("behind the NAT gateway: alive %t (%s), want it denied by acl-none", ok, reason)
	}
}
