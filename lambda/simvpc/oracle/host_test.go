package oracle_test

import (
	"strings"
	"testing"

	"tourniquet/lambda/simvpc/oracle"
)

const isolated = `
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-open vpc-1
  in all 0.0.0.0/0
  out all 0.0.0.0/0
instance i-1 isolated health-port 8080
instance i-2 health-port 8080
interface eni-1 i-1 subnet-1 10.0.1.10 public 203.0.113.10 groups sg-open
interface eni-2 i-1 subnet-1 10.0.1.11 groups sg-open
interface eni-3 i-2 subnet-1 10.0.1.20 groups sg-open
`

// The rules of a host let pass what it says to itself, DHCP, the metadata service
// and the Systems Manager agent, and nothing else in either direction.
func TestAHostsOwnRules(t *testing.T) {
	t.Parallel()
	w := read(t, isolated)
	for text, want := range map[string]bool{
		"tcp 10.0.1.10:40000 -> 10.0.1.11:80":         true, // itself
		"udp 10.0.1.10:68 -> 10.0.1.1:67":             true,
		"tcp 10.0.1.10:40000 -> 169.254.169.254:80":   true,
		"tcp 10.0.1.10:40000 -> 192.0.2.20:443 agent": true,
		"tcp 10.0.1.10:40000 -> 169.254.169.254:443":  false,
		"udp 10.0.1.10:40000 -> 169.254.169.253:53":   false, // the resolver, which groups never stop
		"tcp 10.0.1.10:40000 -> 198.51.100.7:443":     false,
		"tcp 198.51.100.7:40000 -> 203.0.113.10:443":  false,
		"udp 198.51.100.7:40000 -> 10.0.1.10:53":      false,
		"icmp 10.0.1.20 -> 10.0.1.10":                 false,
		"tcp 10.0.1.20:40000 -> 198.51.100.7:443":     true, // the neighbour
		"tcp 10.0.1.10:40000 -> 10.0.1.20:443":        false,
	} {
		v := oracle.Connects(w, flow(t, text))
		if v.Passes != want || !want && !strings.Contains(v.Why, "rules of its own") {
			t.Errorf("%s passes: %t (%s), want %t", text, v.Passes, v.Why, want)
		}
	}
	if ok, why := oracle.Healthy(w, w.Instance("i-1")); ok || !strings.Contains(why, "rules of its own") {
		t.Errorf("a health check reaches the host: %s", why)
	}
	if ok, why := oracle.Healthy(w, w.Instance("i-2")); !ok {
		t.Errorf("the neighbour is unhealthy: %s", why)
	}
	w.Restart(w.Instance("i-1"))
	if v := oracle.Connects(w, flow(t, "tcp 10.0.1.10:40000 -> 198.51.100.7:443")); !v.Passes {
		t.Errorf("after a restart: %s", v.Why)
	}
}
