package fabric_test

import (
	"net/netip"
	"testing"
	"time"

	"tourniquet/lambda/packets/fabric"
)

func netipPort(a netip.AddrPort, port int) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), uint16(port))
}

func aclStops(at string, number int, out bool) fabric.Reason {
	return fabric.Reason{Hop: fabric.ACL, At: at, Number: number, Out: out}
}

// An ACL cuts an established connection in either direction, by the lowest number
// that matches, and lets it revive when the entry goes.
func TestACLCutsAndRevives(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":44321", shell+":443")
	l.rules.ACLs["acl-front"] = append(open(), entry(90, true, false, shell+"/32"))
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), aclStops("acl-front", 90, true))
	l.passes(tcp(shell+":443", webPub+":44321", fabric.ACK)) // stateless: in is still open
	l.rules.ACLs["acl-front"] = append(open(), entry(90, false, false, shell+"/32"), entry(95, false, true, shell+"/32"))
	l.stops(tcp(shell+":443", webPub+":44321", fabric.ACK), aclStops("acl-front", 90, false))
	l.rules.ACLs["acl-front"] = nil
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), aclStops("acl-front", 0, true))
	l.rules.ACLs["acl-front"] = open()
	l.swap("empty")
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK))
}

// No ACL is asked between two hosts of one subnet; between subnets both are.
func TestACLIsTheSubnetsEdge(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.rules.ACLs["acl-front"] = nil
	l.connect(web+":5000", next+":443")
	l.rules.ACLs["acl-front"], l.rules.ACLs["acl-back"] = open(), []fabric.Entry{entry(1, false, false, web+"/32"), everything(), entry(1, true, true, "0.0.0.0/0")}
	l.stops(tcp(web+":5000", worker+":5432", fabric.SYN), aclStops("acl-back", 1, false))
}

// An interface in several subnets is cut off where all their ACLs deny.
func TestInterfaceInSeveralSubnets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.rules.Interfaces[0].Associated = []string{"back"}
	l.connect(web+":44321", shell+":443")
	l.rules.ACLs["acl-front"] = append(open(), entry(90, true, false, shell+"/32"))
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK))
	l.rules.ACLs["acl-back"] = append(open(), entry(80, true, false, shell+"/32"))
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), aclStops("acl-back", 80, true))
}

// The internet gateway maps the first private address of an interface to its public
// one, and another host of the VPC is seen there by its own public address.
func TestPublicAddress(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.passes(tcp(web+":5000", shell+":443", fabric.SYN))
	if got := l.last.SeenFrom; got != at(webPub+":5000") {
		t.Errorf("seen outside as %s, want %s:5000", got, webPub)
	}
	l.connect(client+":60000", webPub+":443")
	if got := l.last.SeenTo; got != at(web+":443") {
		t.Errorf("arrives at %s, want %s:443", got, web)
	}
	l.stops(tcp(client+":60000", web+":443", fabric.SYN), fabric.Reason{Hop: fabric.Gateway, At: "the internet gateway"})

	l.rules.Interfaces[1].Public = ip("203.0.113.20")
	l.connect(next+":5000", webPub+":443")
	if got := l.last.SeenFrom; got != at("203.0.113.20:5000") {
		t.Errorf("a neighbour is seen as %s, want its public address", got)
	}
}

// A NAT gateway gives each connection a port of its own, forgets it when it is idle,
// and answers what it has forgotten with a reset.
func TestNATGateway(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(worker+":40022", shell+":4444")
	first := l.last.SeenFrom
	if first.Addr() != ip(natPub) || first.Port() < 1024 {
		t.Errorf("seen outside as %s, want %s with a port from 1024 up", first, natPub)
	}
	l.connect(worker+":40023", shell+":4444")
	if l.last.SeenFrom == first {
		t.Error("two connections have one port")
	}
	ping := fabric.Probe{Protocol: fabric.ICMP, From: at(worker + ":0"), To: at(shell + ":0"), Kind: 8, Echo: 5}
	l.passes(ping)
	id := uint16(l.got[0][24])<<8 + uint16(l.got[0][25])
	l.passes(fabric.Probe{Protocol: fabric.ICMP, From: at(shell + ":0"), To: at(natPub + ":0"), Kind: 0, Echo: id})
	if got := uint16(l.got[0][24])<<8 + uint16(l.got[0][25]); got != 5 {
		t.Errorf("the echo comes back as %d, want 5", got)
	}
	l.stops(tcp(client+":1", natPub+":9999", fabric.SYN), fabric.Reason{Hop: fabric.Gateway, At: "the NAT gateway"})

	l.now = l.now.Add(350 * time.Second)
	l.ports[ip(worker)].Send(tcp(worker+":40022", shell+":4444", fabric.ACK).Packet())
	if len(l.got) == 0 || l.got[len(l.got)-1][33]&fabric.RST == 0 || !l.last.Arrived || l.last.SeenTo != at(worker+":40022") {
		t.Errorf("a forgotten connection isn't reset: %+v", l.last)
	}
}

// Denied in the worker's own subnet, a peer is cut by its real address; denied in the
// NAT gateway's subnet it is, too, for all who use it.
func TestNATGatewayAndACLs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(worker+":40022", shell+":4444")
	seen := l.last.SeenFrom
	l.rules.ACLs["acl-back"] = append(open(), entry(90, false, false, shell+"/32"))
	l.stops(fabric.Probe{Protocol: fabric.TCP, From: at(shell + ":4444"), To: seen, Flags: fabric.ACK}, aclStops("acl-back", 90, false))
	l.rules.ACLs["acl-back"], l.rules.ACLs["acl-front"] = open(), append(open(), entry(90, true, false, shell+"/32"))
	l.stops(tcp(worker+":40022", shell+":4444", fabric.ACK), aclStops("acl-front", 90, true))
}

// What comes in over a VPN is answered without the NAT gateway.
func TestDirectAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.swap("open")
	l.connect(client+":60000", worker+":22")
	l.passes(tcp(worker+":22", client+":60000", fabric.ACK))
	if l.last.SeenFrom != at(worker+":22") {
		t.Errorf("answers come from %s, want %s:22", l.last.SeenFrom, worker)
	}
}

// A load balancer keeps the client's address, or shows its own; what goes through it
// is always tracked, for 350 idle seconds.
func TestLoadBalancer(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		l := newLab(t)
		l.swap("open")
		l.rules.Balancers = []fabric.Balancer{{
			ID: "nlb", Address: ip(balancer), Private: ip("10.0.1.250"), Subnet: "front", Port: 443,
			Targets: []netip.AddrPort{at(worker + ":8443")}, KeepClient: keep,
		}}
		l.passes(tcp(client+":60000", balancer+":443", fabric.SYN))
		want := ip(client)
		if !keep {
			want = ip("10.0.1.250")
		}
		if l.last.SeenFrom.Addr() != want || l.last.SeenTo != at(worker+":8443") {
			t.Errorf("the target sees %s -> %s, want from %s", l.last.SeenFrom, l.last.SeenTo, want)
		}
		back := l.answer(fabric.SYN | fabric.ACK)
		l.passes(back)
		if l.last.SeenFrom != at(balancer+":443") || l.last.SeenTo != at(client+":60000") {
			t.Errorf("the client sees %s -> %s, want from %s:443", l.last.SeenFrom, l.last.SeenTo, balancer)
		}
		back.Flags = fabric.ACK
		l.swap("empty")
		l.passes(back) // tracked, though everything was open
		l.rules.ACLs["acl-back"] = append(open(), entry(90, false, false, client+"/32"))
		cut := aclStops("acl-back", 90, false)
		if keep {
			l.stops(tcp(client+":60000", balancer+":443", fabric.ACK), cut)
		} else {
			l.passes(tcp(client+":60000", balancer+":443", fabric.ACK))
		}
		l.rules.ACLs["acl-back"] = open()
		l.now = l.now.Add(350 * time.Second)
		if l.send(tcp(client+":60000", balancer+":443", fabric.ACK)); l.last.Arrived {
			t.Error("still remembered after 350 s")
		}
	}
}

// A host that is isolated by its own rules exchanges packets with nobody but those
// it keeps, whatever is tracked.
func TestHostsOwnRules(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":44321", shell+":443")
	l.connect(web+":50000", client+":443")
	l.rules.Hosts["i-web"] = fabric.HostRules{Isolated: true, Keep: []fabric.Kept{{Protocol: fabric.TCP, Remote: prefix(client + "/32"), Port: 443}}}
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), fabric.Reason{Hop: fabric.HostOwn, At: "i-web", Out: true})
	l.stops(tcp(shell+":443", webPub+":44321", fabric.ACK), fabric.Reason{Hop: fabric.HostOwn, At: "i-web"})
	l.passes(tcp(web+":50000", client+":443", fabric.ACK))
	l.passes(l.answer(fabric.ACK))
	l.stops(tcp(next+":1", web+":443", fabric.SYN), fabric.Reason{Hop: fabric.HostOwn, At: "i-web"})
	l.passes(tcp(web+":44322", web+":443", fabric.SYN)) // to itself, over loopback
}

// What AWS never filters passes an empty group and an empty ACL.
func TestServicesAreNotFiltered(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.swap("empty")
	l.rules.ACLs["acl-front"] = nil
	l.passes(tcp(web+":5000", "169.254.169.254:80", fabric.SYN))
	l.passes(l.answer(fabric.SYN | fabric.ACK))
	l.passes(udp(web+":5000", "10.0.0.2:53"))
	l.stops(udp(web+":5000", "10.0.1.2:53"), groupsStop("eni-web", true))
}

// A stopped instance neither sends nor receives; nobody sends with another's address.
func TestNobodyElse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.rules.Interfaces[0].Down = true
	l.stops(tcp(web+":1", shell+":443", fabric.SYN), fabric.Reason{Hop: fabric.Stopped, At: "i-web", Out: true})
	l.stops(tcp(client+":1", webPub+":443", fabric.SYN), fabric.Reason{Hop: fabric.Stopped, At: "i-web"})
	l.ports[ip(client)].Send(tcp(shell+":1", webPub+":443", fabric.SYN).Packet())
	if want := (fabric.Reason{Hop: fabric.Spoofed, At: shell}); l.last.Reason != want {
		t.Errorf("%s, want %s", l.last.Reason, want)
	}
	if _, err := l.fabric.Attach(nil, ip(web)); err == nil {
		t.Error("two hosts have one address")
	}
	l.ports[ip(shell)].Detach()
	l.stops(tcp(next+":1", shell+":443", fabric.SYN), fabric.Reason{Hop: fabric.Nobody, At: shell})
}

// No bytes make the fabric fall over.
func FuzzSend(f *testing.F) {
	f.Add(tcp(web+":1", shell+":443", fabric.SYN).Packet())
	f.Add(udp(worker+":1", shell+":443").Packet())
	f.Add(fabric.Probe{Protocol: fabric.ICMP, From: at(worker + ":0"), To: at(shell + ":0"), Kind: 8}.Packet())
	f.Add(fabric.Probe{Protocol: fabric.TCP, From: at("[" + web6 + "]:1"), To: at("[" + shell6 + "]:8443")}.Packet())
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := newLab(t)
		for _, a := range []string{web, web6, worker, shell} {
			l.ports[ip(a)].Send(append([]byte(nil), raw...))
		}
	})
}
