package packets_test

import (
	"errors"
	"testing"
	"time"

	"tourniquet/lambda/packets"
	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/record"
)

// The claim that this product rests on: with its groups swapped for an empty one, a
// compromised instance goes on talking with the intruder.
func TestGroupSwapAloneLeavesShellsAlive(t *testing.T) {
	t.Parallel()
	for name, flow := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, place)
			shell := l.shell(flow)
			l.swap("sg-empty")
			for range 5 {
				l.alive(shell)
			}
			if _, err := l.vpc.Talk(l.ctx(), l.flow("tcp 10.0.1.10:50000 -> 198.51.100.7:443"), nil); err == nil {
				t.Error("a new connection gets out of an empty group")
			}
		})
	}
}

// Where a service is open to everybody and everything is let out, EC2 doesn't track,
// and the swap cuts: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#untracked-connections
func TestGroupSwapCutsUntrackedShells(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	shell := l.shell("tcp 198.51.100.7:50022 -> 10.0.1.10:443")
	l.swap("sg-empty")
	l.dead(shell, fabric.Reason{Hop: fabric.Groups, At: "eni-front"})
	l.silent(shell, time.Minute)
}

// Tourniquet cuts each of them within a second of the denial: not a byte passes any
// more in either direction, though both ends go on trying for a minute.
func TestTourniquetCutsShells(t *testing.T) {
	t.Parallel()
	for name, flow := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, place)
			shell := l.shell(flow)
			out := l.contain(peer, peer6)
			if out.Record.Status != record.Contained {
				t.Errorf("%s, want contained", out.Record.Status)
			}
			if ok, reason := shell.Alive(); ok || reason.Hop != fabric.ACL {
				t.Errorf("alive %t (%s), want it denied by an ACL", ok, reason)
			}
			l.silent(shell, time.Minute)
		})
	}
}

// A shell that chatters without end falls silent within a second after EC2 has taken
// the denials.
func TestCutWithinASecond(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	shell := l.shell(shells["reverse shell"])
	last := make(chan time.Time, 1)
	go func() {
		var at time.Time
		for {
			if ok, _ := shell.Alive(); !ok {
				last <- at
				return
			}
			at = time.Now()
		}
	}()
	l.contain(peer)
	cut := time.Time{}
	for _, c := range l.server.Mutations() {
		if c.Op == "CreateNetworkAclEntry" && c.End.After(cut) {
			cut = c.End
		}
	}
	select {
	case at := <-last:
		if at.IsZero() || at.Sub(cut) > time.Second {
			t.Errorf("the last answer came %v after the denials, want at most a second", at.Sub(cut))
		}
	case <-time.After(20 * time.Second):
		t.Error("the shell goes on and on")
	}
}

// Removed while the connection is still tracked, a denial lets it revive, what was
// said meanwhile included: so denials linger.
func TestRemovedTooEarlyItRevives(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"reverse shell", "bind shell", "through a NAT gateway", "over IPv6"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, place)
			shell := l.shell(shells[name])
			l.contain(peer, peer6)
			if ok, _ := shell.Alive(); ok {
				t.Fatal("not cut")
			}
			l.vpc.Clock.Pass(time.Minute)
			l.undeny()
			l.vpc.Clock.Pass(2 * time.Minute) // until the next repetition
			l.alive(shell)
		})
	}
}

// Removed after EC2 has forgotten the connection, a denial lets nothing revive.
func TestRemovedLateItStaysDead(t *testing.T) {
	t.Parallel()
	forgotten := fabric.Reason{Hop: fabric.Groups, At: "eni-front"}
	for name, test := range map[string]struct {
		flow  string
		world string
		wait  time.Duration
		want  fabric.Reason
	}{
		"by default, after five days": {shells["reverse shell"], place, 5*24*time.Hour + time.Second, forgotten},
		"lowered to a minute":         {shells["reverse shell"], place + "# lowered", time.Minute + time.Second, forgotten},
		"UDP, after three minutes":    {shells["UDP"], place, 3*time.Minute + time.Second, forgotten},
		"through a NAT gateway, which forgets first": {
			shells["through a NAT gateway"], place, 351 * time.Second, fabric.Reason{Hop: fabric.Gateway, At: "the NAT gateway"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, test.world)
			if test.world != place {
				l.lowerTimeouts(60)
			}
			shell := l.shell(test.flow)
			l.contain(peer)
			l.vpc.Clock.Pass(test.wait)
			l.undeny()
			l.dead(shell, test.want)
			l.silent(shell, time.Minute)
		})
	}
}

// A second before that, the connection would still be there.
func TestTrackedToTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	shell := l.shell(shells["reverse shell"])
	l.contain(peer)
	l.vpc.Clock.Pass(5*24*time.Hour - time.Minute)
	l.undeny()
	l.alive(shell)
}

// When both ends have given up, hours after the cut, nobody waits for a packet that is
// never sent: a question is answered at once, with the end.
func TestEndsThatHaveGivenUp(t *testing.T) {
	t.Parallel()
	l := newLab(t, place)
	shell := l.shell(shells["reverse shell"])
	l.contain(peer)
	_, _ = shell.Alive() // it has something to repeat
	for range 60 {
		l.vpc.Clock.Pass(time.Minute)
	}
	for range 2 {
		if ok, reason := shell.Alive(); ok || reason.Hop != fabric.Unsent {
			t.Errorf("alive %t (%s), want that nothing was sent", ok, reason)
		}
	}
	if _, err := shell.Ask("id"); !errors.Is(err, packets.ErrEnded) {
		t.Errorf("got %v, want %v", err, packets.ErrEnded)
	}
}
