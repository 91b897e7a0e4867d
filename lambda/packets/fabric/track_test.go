package fabric_test

import (
	"testing"
	"time"

	"tourniquet/lambda/packets/fabric"
)

func (l *lab) swap(group string) {
	for i := range l.rules.Interfaces {
		l.rules.Interfaces[i].Groups = []string{group}
	}
}

func groupsStop(at string, out bool) fabric.Reason {
	return fabric.Reason{Hop: fabric.Groups, At: at, Out: out}
}

// A tracked connection survives every change of groups, and dies with its entry.
func TestTrackedSurvives(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":44321", shell+":443")
	l.swap("empty")
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK))
	l.passes(tcp(shell+":443", webPub+":44321", fabric.ACK))
	l.stops(tcp(web+":44322", shell+":443", fabric.SYN), groupsStop("eni-web", true))
	l.now = l.now.Add(fabric.DefaultTCP - time.Second)
	l.passes(tcp(shell+":443", webPub+":44321", fabric.ACK))
	l.now = l.now.Add(fabric.DefaultTCP)
	l.stops(tcp(shell+":443", webPub+":44321", fabric.ACK), groupsStop("eni-web", false))
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), groupsStop("eni-web", true))
}

// An untracked connection ends with the rule that let it begin, even where another
// rule lets its answers out.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#untracked-connections
func TestUntrackedIsCut(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.swap("open")
	l.connect(client+":60000", webPub+":22")
	l.swap("web") // ssh is closed, everything is let out
	l.stops(tcp(client+":60000", webPub+":22", fabric.ACK), groupsStop("eni-web", false))
	l.stops(tcp(web+":22", client+":60000", fabric.ACK), groupsStop("eni-web", true))
}

// An entry goes, or is made, when the initiator sends what today's rules let begin.
func TestTrackingFollowsTheRules(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":44321", shell+":443") // tracked
	l.swap("open")
	l.passes(tcp(shell+":443", webPub+":44321", fabric.ACK)) // an answer changes nothing
	l.swap("empty")
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK))
	l.swap("open")
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK)) // now it is untracked
	l.swap("empty")
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), groupsStop("eni-web", true))
	l.swap("web")
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK)) // and tracked again
	l.swap("empty")
	l.passes(tcp(shell+":443", webPub+":44321", fabric.ACK))
}

// Through a NAT gateway everything is tracked, and so is ICMP.
func TestAlwaysTracked(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.swap("open")
	l.connect(worker+":40022", shell+":4444")
	ping := fabric.Probe{Protocol: fabric.ICMP, From: at(web + ":0"), To: at(shell + ":0"), Kind: 8, Echo: 77}
	l.passes(ping)
	l.swap("empty")
	l.passes(tcp(worker+":40022", shell+":4444", fabric.ACK))
	l.passes(l.answer(fabric.ACK))
	l.passes(ping)
	l.passes(fabric.Probe{Protocol: fabric.ICMP, From: at(shell + ":0"), To: at(webPub + ":0"), Kind: 0, Echo: 77})
	l.stops(fabric.Probe{Protocol: fabric.ICMP, From: at(shell + ":0"), To: at(webPub + ":0"), Kind: 8, Echo: 77}, groupsStop("eni-web", false))
	other := ping
	other.Echo = 78
	l.stops(other, groupsStop("eni-web", true))
	l.now = l.now.Add(10 * time.Minute)
	l.stops(ping, groupsStop("eni-web", true))
}

// So is what takes a device's way, in both directions.
func TestDevicesTrack(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	front := l.rules.Subnets["front"]
	front.Devices = []fabric.Device{{Name: "network-firewall", Remote: prefix(shell + "/32")}}
	l.rules.Subnets["front"] = front
	l.swap("open")
	l.connect(web+":44321", shell+":443")
	l.connect(shell+":60000", webPub+":22")
	l.connect(client+":60000", webPub+":22")
	const behind = "64:ff9b::c633:6407" // 198.51.100.7, through NAT64
	if _, err := l.fabric.Attach(func([]byte) {}, ip(behind)); err != nil {
		t.Fatal(err)
	}
	both := l.rules.Groups["open"]
	both.In, both.Out = append(both.In, all("::/0")), append(both.Out, all("::/0"))
	l.rules.Groups["open"] = both
	v6 := tcp("["+web6+"]:1", "["+behind+"]:443", fabric.SYN)
	l.passes(v6)
	l.swap("empty")
	l.passes(v6)
	l.passes(tcp(web+":44321", shell+":443", fabric.ACK))
	l.passes(tcp(shell+":60000", webPub+":22", fabric.ACK))
	l.stops(tcp(client+":60000", webPub+":22", fabric.ACK), groupsStop("eni-web", false))
}

// IPv4 and IPv6 are judged apart: open for IPv4, a connection over IPv6 is tracked.
func TestFamiliesAreJudgedApart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	half := l.rules.Groups["open"]
	half.Out = append(half.Out, all("::/0"))
	l.rules.Groups["half"] = half
	l.swap("half")
	v6 := fabric.Probe{Protocol: fabric.TCP, From: at("[" + web6 + "]:51000"), To: at("[" + shell6 + "]:8443"), Flags: fabric.SYN}
	l.passes(v6)
	l.passes(l.answer(fabric.SYN | fabric.ACK))
	l.connect(web+":44321", shell+":443")
	l.swap("empty")
	v6.Flags = fabric.ACK
	l.passes(v6)
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), groupsStop("eni-web", true))
}

// UDP is forgotten after 30 seconds, and after 180 once it is a stream; an interface
// may say otherwise, and every packet begins the time anew.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		exchanges int
		idle      fabric.Idle
		lives     time.Duration
	}{
		"one request and its answer": {1, fabric.Idle{}, 30 * time.Second},
		"a stream":                   {2, fabric.Idle{}, 180 * time.Second},
		"one request, set":           {1, fabric.Idle{UDP: 45 * time.Second}, 45 * time.Second},
		"a stream, set":              {3, fabric.Idle{UDPStream: time.Minute}, time.Minute},
	} {
		l := newLab(t)
		l.rules.Interfaces[0].Idle = test.idle
		ask := udp(web+":5000", shell+":53")
		exchange := func() {
			l.passes(ask)
			l.passes(l.answer(0))
		}
		for range test.exchanges {
			exchange()
		}
		l.swap("empty")
		l.now = l.now.Add(test.lives - time.Second)
		if test.exchanges > 1 {
			exchange()
			l.now = l.now.Add(test.lives - time.Second)
		}
		l.passes(udp(shell+":53", webPub+":5000"))
		l.now = l.now.Add(test.lives * 7)
		if l.send(ask); l.last.Arrived {
			t.Errorf("%s: still remembered after %v", name, test.lives*7)
		}
	}
}

// A reset ends the entry, a close by both sides soon after.
func TestClosing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":44321", shell+":443")
	l.connect(web+":44322", shell+":443")
	l.passes(tcp(shell+":443", webPub+":44321", fabric.RST))
	l.passes(tcp(web+":44322", shell+":443", fabric.FIN|fabric.ACK))
	l.passes(l.answer(fabric.FIN | fabric.ACK))
	l.swap("empty")
	l.stops(tcp(web+":44321", shell+":443", fabric.ACK), groupsStop("eni-web", true))
	l.passes(tcp(web+":44322", shell+":443", fabric.ACK))
	l.now = l.now.Add(time.Minute)
	l.stops(tcp(web+":44322", shell+":443", fabric.ACK), groupsStop("eni-web", true))
}

// A group as the other end means its members, seen at their private addresses.
func TestGroupAsTheOtherEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":5000", worker+":5432")
	l.rules.Interfaces[0].Groups = []string{"open"}
	l.stops(tcp(web+":5001", worker+":5432", fabric.SYN), groupsStop("eni-worker", false))
}

// An interface that remembers too much forgets what has been idle longest.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.connect(web+":1", shell+":443")
	for port := range 1 << 16 {
		l.now = l.now.Add(time.Millisecond)
		b := udp(web+":9", shell+":9")
		b.To = at(shell + ":9")
		b.From = at(web + ":9")
		b.To = netipPort(b.To, port)
		l.send(b)
	}
	l.swap("empty")
	last := udp(web+":9", shell+":65535")
	l.passes(last)
	l.stops(tcp(web+":1", shell+":443", fabric.ACK), groupsStop("eni-web", true))
}
