//go:build linux

package host_test

import (
	"os"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	w := newWorld(t)
	w.talk("shell", flow{in: w.host, user: nobody, target: "tcp " + peer4 + ":4444"})
	w.talk("shell6", flow{in: w.host, user: nobody, target: "tcp [" + peer6 + "]:4444"})
	w.talk("udp", flow{in: w.host, user: nobody, target: "udp " + peer4 + ":5000"})
	w.talk("container", flow{in: w.container, target: "tcp " + peer4 + ":4444"})
	w.talk("inbound", flow{in: w.peer, target: "tcp " + host4 + ":2222"})
	w.talk("loopback", flow{in: w.host, target: "tcp 127.0.0.1:8080"})
	w.talk("agent", flow{in: w.host, program: agentFile, target: "tcp " + peer4 + ":443"})
	all := []string{"shell", "shell6", "udp", "container", "inbound", "loopback", "agent"}
	t.Log(w.passing(200*time.Millisecond, all...))
	t.Log(w.arrived())
	s, _ := os.ReadFile("isolate.sh")
	r := w.run(string(s))
	t.Log(r.output)
	w.arrived()
	t.Log(w.passing(300*time.Millisecond, all...))
	t.Log(w.arrived())
	t.Log(w.sh(w.host, "nft list ruleset; ss -tunap"))
}
