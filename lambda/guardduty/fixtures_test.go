package guardduty

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var equateAddrs = cmpopts.EquateComparable(netip.Addr{})

func read(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func at(value string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		panic(err)
	}
	return t
}

func addrs(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// report is what the fixtures have in common, with the changes given.
func report(id, kind string, severity float64, changes ...func(*Finding)) Finding {
	f := Finding{
		ID:           "1ac4f3d2b8e7960514a3c2d1e0f987" + id,
		AccountID:    "111122223333",
		Region:       "eu-central-1",
		Type:         kind,
		Severity:     severity,
		UpdatedAt:    at("2026-03-02T09:12:00.25Z"),
		LastSeen:     at("2026-03-02T09:10:42Z"),
		Repeated:     true,
		Role:         "ACTOR",
		ResourceType: "Instance",
		Origin:       GuardDuty,
	}
	for _, change := range changes {
		change(&f)
	}
	return f
}

func role(role string) func(*Finding) { return func(f *Finding) { f.Role = role } }

func resource(kind string) func(*Finding) { return func(f *Finding) { f.ResourceType = kind } }

func unreadable(fields ...string) func(*Finding) {
	return func(f *Finding) { f.UnreadableFields = fields }
}

// on names instances.
func on(instances ...Instance) func(*Finding) {
	return func(f *Finding) { f.Instances = instances }
}

// connected is web1 with the peers of a network connection.
func connected(peers ...Peer) func(*Finding) {
	return func(f *Finding) {
		f.Instances = []Instance{web1(peers...)}
	}
}

func web1(peers ...Peer) Instance {
	return Instance{
		ID:         "i-0123456789abcdef0",
		Type:       "m7g.large",
		Interfaces: []Interface{eth0},
		Peers:      peers,
	}
}

var eth0 = Interface{
	ID:         "eni-0123456789abcde01",
	Subnet:     "subnet-0a1b2c3d4e5f60718",
	VPC:        "vpc-0123456789abcdef0",
	PrivateIPs: addrs("10.0.1.17"),
	PublicIP:   netip.MustParseAddr("203.0.113.17"),
	Groups:     []string{"sg-0aaaabbbbccccdddd"},
}

// outbound is a TCP connection that the instance opened from its first interface.
func outbound(addr string, port int) Peer {
	return Peer{
		Addr: netip.MustParseAddr(addr), Direction: Outbound, Protocol: "TCP",
		LocalPort: 48212, RemotePort: port, Interface: eth0.ID,
	}
}

func probe(addr string, port int) Peer {
	return Peer{Addr: netip.MustParseAddr(addr), Direction: Inbound, LocalPort: port}
}

func TestParseEventForms(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for name, want := range fixtures() {
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEvent(read(t, name))
			if msg := errorText(err); msg != want.err {
				t.Errorf("ParseEvent error:\n got %s\nwant %s", msg, want.err)
			}
			if diff := cmp.Diff(want.findings, got, equateAddrs); diff != "" {
				t.Errorf("ParseEvent (-want +got):\n%s", diff)
			}
		})
	}
	for _, file := range corpus(t) {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".json")
		if !seen[name] && !strings.Contains(name, "/") { // of the others, other tests say what they mean
			t.Errorf("%s has no expectation", file)
		}
	}
}

// A finding that was read and is written says the same when it is read again.
func TestMarshalWire(t *testing.T) {
	t.Parallel()
	written := 0
	for name, want := range fixtures() {
		var event struct{ Detail json.RawMessage }
		if err := json.Unmarshal(read(t, name), &event); err != nil || want.err != "" || len(want.findings) != 1 {
			continue
		}
		wire, ok := decode[wireFinding](event.Detail)
		if !ok || wire.ID.absent() {
			continue // Security Hub's form, and whatever is wrapped
		}
		raw, err := json.Marshal(wire)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, errs := parseFinding("", raw)
		if diff := cmp.Diff(want.findings, []Finding{*got}, equateAddrs); diff != "" || len(errs) > 0 {
			t.Errorf("%s, written and read again: %v (-want +got):\n%s", name, errs, diff)
		}
		written++
	}
	if written < 5 {
		t.Errorf("%d findings were written", written)
	}
}

// Each family of the known types, per place where its peers come from, has a
// finding as GuardDuty writes it.
func TestEveryFamilyHasAFixture(t *testing.T) {
	t.Parallel()
	type family struct{ name, peers string }
	of := func(typ Type) family {
		resource, name, _ := strings.Cut(typ.Name, "/")
		return family{resource + "/" + name[:strings.IndexAny(name+".", ".!")], typ.Peers}
	}
	missing := make(map[family]bool)
	for _, typ := range Types() {
		missing[of(typ)] = true
	}
	for _, file := range corpus(t) {
		if !strings.HasPrefix(file, "testdata/families/") {
			continue
		}
		findings, err := ParseEvent(read(t, strings.TrimSuffix(strings.TrimPrefix(file, "testdata/"), ".json")))
		if err != nil || len(findings) != 1 {
			t.Errorf("%s: %d findings, %v", file, len(findings), err)
			continue
		}
		typ, known := LookUp(findings[0].Type)
		if !known {
			t.Errorf("%s: %s is an unknown type", file, findings[0].Type)
		}
		delete(missing, of(typ))
	}
	for f := range missing {
		t.Errorf("no fixture for %s with peers from %s", f.name, f.peers)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func corpus(t testing.TB) []string {
	t.Helper()
	var files []string
	for pattern, atLeast := range map[string]int{"testdata/*.json": 20, "testdata/families/*.json": 20, "testdata/reported/*.json": 3} {
		some, err := filepath.Glob(pattern)
		if err != nil || len(some) < atLeast {
			t.Fatalf("%s: %d files, %v", pattern, len(some), err)
		}
		files = append(files, some...)
	}
	slices.Sort(files)
	return files
}
