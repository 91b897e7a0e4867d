package packets_test

import (
	"strings"
	"testing"
	"time"

	"tourniquet/lambda/packets/fabric"
)

// Through a load balancer that keeps the client's address, a client is denied at the
// target's subnet by that address; the load balancer's other clients go on.
func TestClientBehindALoadBalancer(t *testing.T) {
	t.Parallel()
	const client, other = "tcp 198.51.100.7:50022 -> 10.0.2.10:8443 via nlb", "tcp 192.0.2.80:50023 -> 10.0.2.10:8443 via nlb"
	text := strings.Replace(place, "flow tcp 10.0.2.10:40022 -> 198.51.100.7:4444 via nat", "flow "+client, 1)
	text = strings.Replace(text, "group sg-back vpc-1\n", "group sg-back vpc-1\n  in tcp 8443 0.0.0.0/0\n", 1)
	l := newLab(t, text+"interface eni-lb - subnet-front 10.0.1.250 public 203.0.113.250 type network_load_balancer managed amazon-elb\n")
	intruder, customer := l.shell(client), l.shell(other)
	if got := intruder.Responder.RemoteAddr().String(); got != "198.51.100.7:50022" {
		t.Errorf("the target sees %s, want the client's own address", got)
	}
	l.swap("sg-empty") // everything through a load balancer is tracked
	l.alive(intruder)
	l.contain(peer)
	if ok, reason := intruder.Alive(); ok || reason.Hop != fabric.ACL {
		t.Errorf("alive %t (%s), want it denied by an ACL", ok, reason)
	}
	l.silent(intruder, time.Minute)
	l.alive(customer)
}
