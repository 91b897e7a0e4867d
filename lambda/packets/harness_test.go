package packets_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"go.uber.org/goleak"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/packets"
	"tourniquet/lambda/packets/clock"
	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	victim = "i-0bad0bad0bad0bad0"
	peer   = "198.51.100.7"
	peer6  = "2001:db8:ffff::7"
)

// place is a compromised web server with an interface in front and one behind a NAT
// gateway, and a neighbour in the front subnet.
const place = `
account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
subnet subnet-front vpc-1 10.0.1.0/24 2001:db8:1:1::/64
subnet subnet-back vpc-1 10.0.2.0/24
group sg-web vpc-1
  in tcp 22 198.51.100.0/24
  in tcp 443 0.0.0.0/0
  in tcp 5432 sg-web
  in udp 443 198.51.100.0/24
  in icmp 0.0.0.0/0
  out all 0.0.0.0/0
  out all ::/0
group sg-back vpc-1
  out all 0.0.0.0/0
group sg-empty vpc-1
acl acl-front vpc-1 subnets subnet-front
  100 in allow all 0.0.0.0/0
  101 in allow all ::/0
  100 out allow all 0.0.0.0/0
  101 out allow all ::/0
acl acl-back vpc-1 subnets subnet-back
  100 in allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
acl acl-none vpc-1
instance i-0bad0bad0bad0bad0
interface eni-front i-0bad0bad0bad0bad0 subnet-front 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-web
interface eni-back i-0bad0bad0bad0bad0 subnet-back 10.0.2.10 groups sg-back
instance i-0000000000000600d
interface eni-next i-0000000000000600d subnet-front 10.0.1.20 2001:db8:1:1::20 public 203.0.113.20 groups sg-web
interface eni-nat - subnet-front 10.0.1.200 public 203.0.113.200 type nat_gateway managed amazon-nat
flow tcp 10.0.2.10:40022 -> 198.51.100.7:4444 via nat
`

// shells are the ways in which an intruder outside may be connected.
var shells = map[string]string{
	"reverse shell":             "tcp 10.0.1.10:44321 -> 198.51.100.7:443",
	"bind shell":                "tcp 198.51.100.7:50022 -> 10.0.1.10:22",
	"through a NAT gateway":     "tcp 10.0.2.10:40022 -> 198.51.100.7:4444 via nat",
	"over IPv6":                 "tcp [2001:db8:1:1::10]:51000 -> [2001:db8:ffff::7]:8443",
	"UDP":                       "udp 10.0.1.10:44000 -> 198.51.100.7:53",
	"UDP inbound":               "udp 198.51.100.7:44001 -> 10.0.1.10:443",
	"UDP through a NAT gateway": "udp 10.0.2.10:44002 -> 198.51.100.7:53 via nat",
	"ICMP tunnel":               "icmp 10.0.1.10 -> 198.51.100.7",
	"ICMP tunnel inbound":       "icmp 198.51.100.7 -> 10.0.1.10",
}

// A lab is a VPC with traffic, its EC2, and who contains.
type lab struct {
	*testing.T
	server *simvpc.Server
	vpc    *packets.VPC
	config aws.Config
	ec2    *ec2.Client
	adapt  *vpc.Client
	book   *ledger.Memory
}

func newLab(t *testing.T, text string) *lab {
	t.Helper()
	w, err := simvpc.ParseWorld(text)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, server: simvpc.Start(t, w, simvpc.Options{}), book: &ledger.Memory{}}
	config := aws.Config{
		Region: w.Region, BaseEndpoint: aws.String(l.server.URL), HTTPClient: vpc.NewHTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	l.config = config
	l.ec2, l.adapt = ec2.NewFromConfig(config), vpc.New(config)
	if l.vpc, err = packets.New(l.server, clock.New(time.Now(), 1)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.vpc.Close)
	return l
}

func (l *lab) flow(text string) world.Flow {
	l.Helper()
	f, err := world.ParseFlow(text)
	if err != nil {
		l.Fatal(err)
	}
	return f
}

func (l *lab) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	l.Cleanup(cancel)
	return ctx
}

// shell opens a shell and exchanges something over it.
func (l *lab) shell(text string) *packets.Talk {
	l.Helper()
	talk, err := l.vpc.Talk(l.ctx(), l.flow(text), packets.Shell("web-1"))
	if err != nil {
		l.Fatal(err)
	}
	for range 3 {
		l.alive(talk)
	}
	return talk
}

func (l *lab) alive(talk *packets.Talk) {
	l.Helper()
	if ok, reason := talk.Alive(); !ok {
		l.Errorf("%s is dead (%s), want it alive", talk.Flow, reason)
	}
}

func (l *lab) dead(talk *packets.Talk, want fabric.Reason) {
	l.Helper()
	if ok, reason := talk.Alive(); ok || reason != want {
		l.Errorf("%s: alive %t (%s), want it dead: %s", talk.Flow, ok, reason, want)
	}
}

// silent fails if anything of a connection arrives while time passes, though both
// ends have something to send.
func (l *lab) silent(talk *packets.Talk, d time.Duration) {
	l.Helper()
	before := talk.Count()
	_ = talk.Say("echo for nothing") // may have given up
	for _, end := range []interface{ Write([]byte) (int, error) }{talk.Initiator, talk.Responder} {
		if end != nil {
			_, _ = end.Write([]byte("anybody there?\n"))
		}
	}
	l.vpc.Clock.Pass(d)
	after := talk.Count()
	if after.Bytes != before.Bytes || after.Packets != before.Packets {
		l.Errorf("%s: %d packets with %d bytes passed", talk.Flow, after.Packets-before.Packets, after.Bytes-before.Bytes)
	}
	if after.Stopped == before.Stopped {
		l.Errorf("%s: nobody tried to send", talk.Flow)
	}
}

// swap replaces the groups of the victim's interfaces, as many responders do, and
// does nothing else.
func (l *lab) swap(group string) {
	l.Helper()
	for _, eni := range []string{"eni-front", "eni-back"} {
		_, err := l.ec2.ModifyNetworkInterfaceAttribute(l.ctx(), &ec2.ModifyNetworkInterfaceAttributeInput{
			NetworkInterfaceId: aws.String(eni), Groups: []string{group},
		})
		if err != nil {
			l.Fatal(err)
		}
	}
}

// contain has Tourniquet contain the victim.
func (l *lab) contain(peers ...string) containment.Outcome {
	l.Helper()
	return l.containBy(l.responder(), peers...)
}

func (l *lab) containBy(r *containment.Responder, peers ...string) containment.Outcome {
	l.Helper()
	in := plan.Incident{Instance: victim, Reason: "a test", Trigger: plan.ByPerson}
	for _, p := range peers {
		in.Peers = append(in.Peers, guardduty.Peer{Addr: netip.MustParseAddr(p)})
	}
	out, err := r.Contain(l.ctx(), in)
	if err != nil {
		l.Fatal(err)
	}
	return out
}

func (l *lab) responder() *containment.Responder {
	return &containment.Responder{
		EC2: l.adapt, Fleet: l.adapt, Ledger: l.book, Log: slog.New(slog.DiscardHandler), Now: l.vpc.Clock.Now, LedgerWait: time.Second,
		Policy: policy.Policy{Account: "111122223333", Region: "eu-central-1", MaxContained: 1},
		Rules:  plan.Rules{ACLQuota: network.DefaultACLQuota},
	}
}

// undeny removes the entries that deny, as somebody in a hurry may.
func (l *lab) undeny() {
	l.Helper()
	for _, a := range l.server.World().ACLs {
		for _, e := range a.Entries {
			if e.Allow {
				continue
			}
			_, err := l.ec2.DeleteNetworkAclEntry(l.ctx(), &ec2.DeleteNetworkAclEntryInput{
				NetworkAclId: aws.String(a.ID), RuleNumber: aws.Int32(int32(e.Number)), Egress: aws.Bool(e.Egress),
			})
			if err != nil {
				l.Fatal(err)
			}
		}
	}
}

// lowerTimeouts sets the front interface's timeout of established TCP connections.
func (l *lab) lowerTimeouts(seconds int32) {
	l.Helper()
	_, err := l.ec2.ModifyNetworkInterfaceAttribute(l.ctx(), &ec2.ModifyNetworkInterfaceAttributeInput{
		NetworkInterfaceId:              aws.String("eni-front"),
		ConnectionTrackingSpecification: &types.ConnectionTrackingSpecificationRequest{TcpEstablishedTimeout: aws.Int32(seconds)},
	})
	if err != nil {
		l.Fatal(err)
	}
}
