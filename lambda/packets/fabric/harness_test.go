package fabric_test

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tourniquet/lambda/packets/fabric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ip(s string) netip.Addr       { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func at(s string) netip.AddrPort   { return netip.MustParseAddrPort(s) }
func everything() fabric.Entry     { return entry(100, false, true, "0.0.0.0/0") }
func all(cidr string) fabric.Rule  { return ports(fabric.All, 0, 65535, cidr) }

func ports(p, from, to int, cidr string) fabric.Rule {
	if p == fabric.ICMP || p == fabric.ICMPv6 {
		from, to = -1, -1
	}
	return fabric.Rule{Protocol: p, From: from, To: to, Prefix: prefix(cidr)}
}

func entry(number int, egress, allow bool, cidr string) fabric.Entry {
	return fabric.Entry{Number: number, Egress: egress, Allow: allow, Protocol: fabric.All, Prefix: prefix(cidr)}
}

func open() []fabric.Entry {
	return []fabric.Entry{
		entry(100, false, true, "0.0.0.0/0"), entry(100, true, true, "0.0.0.0/0"),
		entry(101, false, true, "::/0"), entry(101, true, true, "::/0"),
	}
}

// A lab is a small VPC whose rules a test may change between packets: a web server
// with a public address and a private one in the front subnet, a worker behind a NAT
// gateway in the back subnet.
type lab struct {
	*testing.T
	rules  fabric.Rules
	now    time.Time
	fabric *fabric.Fabric
	ports  map[netip.Addr]*fabric.Port
	got    [][]byte
	last   fabric.Event
}

const (
	shell    = "198.51.100.7" // outside
	client   = "192.0.2.80"   // outside
	shell6   = "2001:db8:ffff::7"
	web      = "10.0.1.10"
	web6     = "2001:db8:1:1::10"
	webPub   = "203.0.113.10"
	next     = "10.0.1.20"
	worker   = "10.0.2.10"
	natPub   = "203.0.113.254"
	balancer = "203.0.113.200"
)

func newLab(t *testing.T) *lab {
	l := &lab{T: t, now: time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC), ports: map[netip.Addr]*fabric.Port{}}
	l.rules = fabric.Rules{
		Interfaces: []fabric.Interface{
			{ID: "eni-web", Host: "i-web", Subnet: "front", Addresses: []netip.Addr{ip(web), ip(web6)}, Public: ip(webPub), Groups: []string{"web"}},
			{ID: "eni-next", Host: "i-next", Subnet: "front", Addresses: []netip.Addr{ip(next)}, Groups: []string{"web"}},
			{ID: "eni-worker", Host: "i-worker", Subnet: "back", Addresses: []netip.Addr{ip(worker)}, Groups: []string{"worker"}},
		},
		Groups: map[string]fabric.Group{
			"web": {
				In:  []fabric.Rule{ports(fabric.TCP, 443, 443, "0.0.0.0/0")},
				Out: []fabric.Rule{all("0.0.0.0/0"), all("::/0")},
			},
			"worker": {
				In:  []fabric.Rule{{Protocol: fabric.TCP, From: 5432, To: 5432, Group: "web"}},
				Out: []fabric.Rule{all("0.0.0.0/0")},
			},
			"open": {
				In:  []fabric.Rule{all("0.0.0.0/0")},
				Out: []fabric.Rule{all("0.0.0.0/0")},
			},
			"empty": {},
		},
		Subnets: map[string]fabric.Subnet{
			"front": {VPC: "vpc", ACL: "acl-front", Prefixes: []netip.Prefix{prefix("10.0.1.0/24"), prefix("2001:db8:1:1::/64")}, Resolver: ip("10.0.0.2")},
			"back": {
				VPC: "vpc", ACL: "acl-back", Prefixes: []netip.Prefix{prefix("10.0.2.0/24")}, Resolver: ip("10.0.0.2"),
				NAT: &fabric.NAT{Public: ip(natPub), Private: ip("10.0.1.200"), Subnet: "front"},
			},
		},
		ACLs:  map[string][]fabric.Entry{"acl-front": open(), "acl-back": open()},
		Hosts: map[string]fabric.HostRules{},
	}
	l.fabric = fabric.New(func() *fabric.Rules { return l.rules.Index() }, func() time.Time { return l.now })
	l.fabric.Watch(func(e fabric.Event) { l.last = e })
	for _, a := range []string{shell, client, shell6, web, web6, next, worker, "169.254.169.254", "10.0.0.2"} {
		port, err := l.fabric.Attach(func(p []byte) { l.got = append(l.got, p) }, ip(a))
		if err != nil {
			t.Fatal(err)
		}
		l.ports[ip(a)] = port
	}
	return l
}

// send sends a probe from the host that has its source.
func (l *lab) send(b fabric.Probe) {
	l.Helper()
	l.got = nil
	l.ports[b.From.Addr()].Send(b.Packet())
	for _, p := range l.got {
		l.checkSums(p)
	}
}

// passes and stops state what becomes of a probe.
func (l *lab) passes(b fabric.Probe) {
	l.Helper()
	if l.send(b); !l.last.Arrived {
		l.Errorf("%s -> %s: %s; want it to arrive", b.From, b.To, l.last.Reason)
	}
}

func (l *lab) stops(b fabric.Probe, want fabric.Reason) {
	l.Helper()
	if l.send(b); l.last.Arrived || l.last.Reason != want {
		l.Errorf("%s -> %s: %s; want: %s", b.From, b.To, l.last.Reason, want)
	}
}

// answer is the packet that the receiver of the last one sends back.
func (l *lab) answer(flags byte) fabric.Probe {
	return fabric.Probe{Protocol: l.last.Protocol, From: l.last.SeenTo, To: l.last.SeenFrom, Flags: flags, Payload: []byte("answer")}
}

func tcp(from, to string, flags byte) fabric.Probe {
	return fabric.Probe{Protocol: fabric.TCP, From: at(from), To: at(to), Flags: flags, Payload: []byte("odd")}
}

func udp(from, to string) fabric.Probe {
	return fabric.Probe{Protocol: fabric.UDP, From: at(from), To: at(to), Payload: []byte("query")}
}

// connect opens a TCP connection by three packets.
func (l *lab) connect(from, to string) {
	l.Helper()
	l.passes(tcp(from, to, fabric.SYN))
	l.passes(l.answer(fabric.SYN | fabric.ACK))
	l.passes(tcp(from, to, fabric.ACK))
}

// checkSums fails on a packet whose checksums are wrong.
func (l *lab) checkSums(p []byte) {
	l.Helper()
	transport, addresses := p[20:], p[12:20]
	protocol := p[9]
	if p[0]>>4 == 6 {
		transport, addresses, protocol = p[40:], p[8:40], p[6]
	} else if sum(p[:20], 0) != 0xffff {
		l.Errorf("the IP checksum of % x is wrong", p)
	}
	switch protocol {
	case fabric.ICMP:
		addresses = nil
	case fabric.TCP, fabric.UDP, fabric.ICMPv6:
	default:
		return
	}
	pseudo := uint32(0)
	if addresses != nil {
		pseudo = uint32(protocol) + uint32(len(transport))
	}
	if sum(append(append([]byte(nil), addresses...), transport...), pseudo) != 0xffff {
		l.Errorf("the checksum of % x is wrong", p)
	}
}

func sum(b []byte, start uint32) uint32 {
	if len(b)%2 == 1 {
		b = append(b[:len(b):len(b)], 0)
	}
	for i := 0; i < len(b); i += 2 {
		start += uint32(b[i])<<8 + uint32(b[i+1])
	}
	for start > 0xffff {
		start = start>>16 + start&0xffff
	}
	return start
}
