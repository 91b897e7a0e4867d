package guardduty

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseEvent(f *testing.F) {
	for _, file := range corpus(f) {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(`{}`))
	f.Add([]byte(sequenceEvent(`{"resourceType":"EC2_INSTANCE","uid":"x"},{"resourceType":"EC2_INSTANCE","uid":"i-0123abcd"}`)))
	f.Add([]byte(asffWith("Severity", `{"Original":"8.0"}`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := ParseEvent(raw)
		if len(got) == 0 && err == nil {
			t.Error("neither a finding nor an error")
		}
		if err != nil {
			if bad, ok := errors.AsType[*EventError](err); !ok || bad.Field == "" || unclean(bad.Error()) != "" {
				t.Errorf("error %v names no field", err)
			}
		}
		for _, finding := range got {
			checkFinding(t, finding)
		}
		again, errAgain := ParseEvent(raw)
		if !reflect.DeepEqual(got, again) || errorText(err) != errorText(errAgain) {
			t.Errorf("parsed again: error %v, then %v (-first +second):\n%s", err, errAgain, cmp.Diff(got, again, equateAddrs))
		}
	})
}

// checkFinding checks what users of a Finding rely on.
func checkFinding(t *testing.T, f Finding) {
	t.Helper()
	checkStrings(t, reflect.ValueOf(f))
	if f.Severity < 0 || f.Severity > 10 {
		t.Errorf("severity %v", f.Severity)
	}
	if f.Role != "" && f.Role != "ACTOR" && f.Role != "TARGET" {
		t.Errorf("role %q", f.Role)
	}
	if len(f.UnreadableFields) > maxUnreadableFields+1 {
		t.Errorf("%d unreadable fields", len(f.UnreadableFields))
	}
	if len(f.Instances) == 0 {
		return
	}
	if f.Origin == GuardDuty && !validType(f.Type) || !validSeverity(f.Severity) || !validAccount(f.AccountID) || f.ID != "" && !validID(f.ID) {
		t.Errorf("accepted with type %q, severity %v, account %q, id %q", f.Type, f.Severity, f.AccountID, f.ID)
	}
	seen := make(map[string]bool)
	for _, i := range f.Instances {
		if !validInstanceID(i.ID) || seen[i.ID] {
			t.Errorf("instance %q is invalid or named twice", i.ID)
		}
		seen[i.ID] = true
		checkPeers(t, i)
	}
}

func checkPeers(t *testing.T, i Instance) {
	t.Helper()
	peers := make(map[Peer]bool)
	for _, p := range i.Peers {
		if !plain(p.Addr) || p.LocalPort < 0 || p.LocalPort > 65535 || p.RemotePort < 0 || p.RemotePort > 65535 || peers[p] {
			t.Errorf("peer %+v is invalid or listed twice", p)
		}
		peers[p] = true
	}
	unreadable := make(map[string]bool)
	for _, text := range i.UnreadablePeers {
		if text == "" || len(text) > maxUnreadable || unreadable[text] {
			t.Errorf("unreadable peer %q is empty, too long or listed twice", text)
		}
		unreadable[text] = true
	}
	for _, n := range i.Interfaces {
		all := append(append([]netip.Addr{}, n.PrivateIPs...), n.IPv6...)
		if n.PublicIP != (netip.Addr{}) {
			all = append(all, n.PublicIP)
		}
		for _, addr := range all {
			if !plain(addr) {
				t.Errorf("interface %s has address %v", n.ID, addr)
			}
		}
	}
}

func plain(a netip.Addr) bool { return a.IsValid() && !a.Is4In6() && a.Zone() == "" }

// checkStrings checks every string inside a value.
func checkStrings(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		if problem := unclean(v.String()); problem != "" || v.Len() > maxID {
			t.Errorf("string %q of %d bytes: %s", v.String(), v.Len(), problem)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				checkStrings(t, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			checkStrings(t, v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			checkStrings(t, key)
			checkStrings(t, v.MapIndex(key))
		}
	default:
	}
}

func BenchmarkParseEvent(b *testing.B) {
	for _, bench := range []struct {
		name  string
		event []byte
	}{
		{"smallest", []byte(guardDutyEvent(with("region", `"eu-central-1"`)))},
		{"typical", read(b, "c2-ipv4")},
		{"securityhub", read(b, "securityhub-c2")},
		{"sequence", read(b, "attack-sequence")},
		{"largest", largest()},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(bench.event)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseEvent(bench.event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// largest is a port probe of about 1 MiB, the most that arrives as an event.
func largest() []byte {
	const probe = `{"localPortDetails":{"port":22},"remoteIpDetails":{"ipAddressV4":"198.51.100.7","country":{"countryName":"Netherlands"}}}`
	probes := strings.TrimSuffix(strings.Repeat(probe+",", 1<<20/(len(probe)+1)-4), ",")
	return []byte(guardDutyEvent(with("service", `{"action":{"portProbeAction":{"portProbeDetails":[`+probes+`]}}}`)))
}
