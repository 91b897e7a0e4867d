package ledger

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

var (
	words   = rapid.StringMatching(`[a-z]{0,4}-?[0-9a-f#/ äß]{0,6}`)
	addrs4  = rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a })
	addrs6  = rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a })
	addrs   = rapid.OneOf(addrs4, addrs6)
	moments = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 3).Draw(t, "none") == 0 {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
	})
	prefixes = rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := addrs.Draw(t, "addr")
		return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits"))
	})
	directions = rapid.SampledFrom([]network.Direction{network.In, network.Out})
	ports      = rapid.IntRange(0, 65535)
	numbers    = rapid.IntRange(1, 32766)
	peers      = rapid.Custom(func(t *rapid.T) guardduty.Peer {
		return guardduty.Peer{
			Addr:      addrs.Draw(t, "addr"),
			Direction: rapid.SampledFrom([]guardduty.Direction{guardduty.UnknownDirection, guardduty.Inbound, guardduty.Outbound}).Draw(t, "direction"),
			Protocol:  words.Draw(t, "protocol"), LocalPort: ports.Draw(t, "local"), RemotePort: ports.Draw(t, "remote"),
			Interface: words.Draw(t, "interface"), Severity: rapid.Float64Range(0, 10).Draw(t, "peer's severity"),
			Seen: rapid.SampledFrom([]time.Time{{}, time.Date(2026, 11, 23, 9, 58, 0, 250e6, time.UTC)}).Draw(t, "peer seen"),
		}
	})
	findings = rapid.Custom(func(t *rapid.T) record.FindingRef {
		return record.FindingRef{
			ID: words.Draw(t, "id"), Type: words.Draw(t, "type"), Severity: rapid.Float64Range(0, 10).Draw(t, "severity"),
			Seen: moments.Draw(t, "seen"),
		}
	})
	exposures = rapid.Custom(func(t *rapid.T) record.Exposure {
		return record.Exposure{Kind: record.ExposureKind(words.Draw(t, "kind")), Detail: words.Draw(t, "detail")}
	})
	steps = rapid.Custom(func(t *rapid.T) record.StepState {
		s := record.StepState{State: record.State(words.Draw(t, "state")), Note: words.Draw(t, "note")}
		if rapid.Bool().Draw(t, "until") {
			s.Until = moments.Draw(t, "until")
		}
		if rapid.Bool().Draw(t, "tracking") {
			timeouts := func(name string) network.Timeouts {
				seconds := func(n string) time.Duration {
					return time.Duration(rapid.IntRange(0, 432000).Draw(t, name+n)) * time.Second
				}
				return network.Timeouts{TCP: seconds("tcp"), UDPStream: seconds("stream"), UDP: seconds("udp")}
			}
			s.Step = record.TrackingOf("eni-"+words.Draw(t, "interface"), timeouts("before"), timeouts("after"))
		} else if rapid.Bool().Draw(t, "creation") {
			kind := rapid.SampledFrom([]record.Kind{record.KindHost, record.KindFlowLog}).Draw(t, "kind")
			s.Step = record.Creation{Of: kind, Resource: "r-" + words.Draw(t, "resource"), Made: lists(words).Draw(t, "made")}
		} else if rapid.Bool().Draw(t, "quarantine") {
			s.Step = record.QuarantineOf("eni-"+words.Draw(t, "interface"), lists(words).Draw(t, "before"), words.Draw(t, "group"))
		} else {
			s.Step = record.Denial{
				VPC: words.Draw(t, "vpc"), ACL: words.Draw(t, "acl"), Direction: directions.Draw(t, "direction"),
				Number: numbers.Draw(t, "number"), Prefix: prefixes.Draw(t, "prefix"),
			}
		}
		return s
	})
	records = rapid.Custom(func(t *rapid.T) record.Record {
		return record.Record{
			Instance: words.Draw(t, "instance"), Generation: rapid.IntRange(1, 99).Draw(t, "generation"),
			Version: rapid.IntRange(0, 1<<40).Draw(t, "version"), Status: record.Status(words.Draw(t, "status")),
			ByPerson: rapid.Bool().Draw(t, "byPerson"), Adopted: rapid.Bool().Draw(t, "adopted"), Reason: words.Draw(t, "reason"),
			Findings: lists(findings).Draw(t, "findings"), Peers: lists(peers).Draw(t, "peers"),
			Unreadable: lists(words).Draw(t, "unreadable"), Steps: lists(steps).Draw(t, "steps"),
			Exposure: lists(exposures).Draw(t, "exposure"), Opened: moments.Draw(t, "opened"), Updated: moments.Draw(t, "updated"),
			Contained: moments.Draw(t, "contained"), Released: moments.Draw(t, "released"),
			Rungs: rapid.Bool().Draw(t, "rungs"), Host: reports.Draw(t, "host"), Restore: reports.Draw(t, "restore"),
			Asked:      rapid.IntRange(0, 9).Draw(t, "asked"),
			ReleasedTo: lists(releaseGroups).Draw(t, "releasedTo"),
			Watches:    lists(watches).Draw(t, "watches"), Watched: moments.Draw(t, "watched"),
			Survivors: lists(survivors).Draw(t, "survivors"), QuietSince: moments.Filter(func(m time.Time) bool { return !m.Equal(notQuiet) }).Draw(t, "quiet"),
		}
	})
	releaseGroups = rapid.Custom(func(t *rapid.T) record.ReleaseGroup {
		return record.ReleaseGroup{VPC: words.Draw(t, "vpc"), Group: words.Draw(t, "group")}
	})
	watches = rapid.Custom(func(t *rapid.T) record.Watch {
		return record.Watch{
			Interface: words.Draw(t, "interface"), Cut: moments.Draw(t, "cut"), Covered: moments.Draw(t, "covered"), Skipped: rapid.Bool().Draw(t, "skipped"),
			Accepted: moments.Draw(t, "accepted"), Leaked: moments.Draw(t, "leaked"),
		}
	})
	survivors = rapid.Custom(func(t *rapid.T) record.Survivor {
		return record.Survivor{
			Addr: prefixes.Draw(t, "address").Addr(), Interface: words.Draw(t, "interface"), Protocol: rapid.IntRange(0, 255).Draw(t, "protocol"),
			Ports: lists(rapid.IntRange(0, 65535)).Draw(t, "ports"), Bytes: rapid.Int64Range(0, 1<<50).Draw(t, "bytes"), Last: moments.Draw(t, "last"),
		}
	})
	reports = rapid.Custom(func(t *rapid.T) network.HostReport {
		return network.HostReport{
			Command: words.Draw(t, "command"), State: network.HostState(words.Draw(t, "state")), Detail: words.Draw(t, "detail"),
			Rules: words.Draw(t, "rules"), Closed: rapid.IntRange(0, 9).Draw(t, "closed"), Left: rapid.IntRange(0, 9).Draw(t, "left"),
			Truncated: rapid.Bool().Draw(t, "truncated"), Error: words.Draw(t, "error"), Connections: lists(words).Draw(t, "connections"),
		}
	})
)

// lists are nil when they are empty, as everything that is read is.
func lists[T any](elements *rapid.Generator[T]) *rapid.Generator[[]T] {
	return rapid.Map(rapid.SliceOfN(elements, 0, 4), func(l []T) []T {
		if len(l) == 0 {
			return nil
		}
		return l
	})
}

func TestRecordThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := records.Draw(t, "record")
		item, err := toItem(r)
		if err != nil {
			t.Fatalf("toItem: %v", err)
		}
		values, err := attributevalue.MarshalMap(item)
		if err != nil {
			t.Fatalf("MarshalMap: %v", err)
		}
		read, err := decode[containmentItem](values)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		got, err := read.record()
		if err != nil {
			t.Fatalf("record: %v", err)
		}
		r.Version++
		if diff := cmp.Diff(r, got, comparer); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		k, err := keyOf(values)
		if generation, _ := k.generation(); err != nil || generation != r.Generation {
			t.Errorf("key %s (%v), want generation %d", k, err, r.Generation)
		}
	})
}

// What an item looks like is what an operator sees in the console, and what other
// versions of this program read.
func TestItemAttributes(t *testing.T) {
	m := &Memory{}
	r := aRecord("i-1")
	r.Unreadable, r.Exposure, r.Findings, r.Peers = nil, nil, r.Findings[:1], r.Peers[:1]
	r.Contained, r.Released = time.Time{}, time.Time{}
	r.Updated = r.Updated.In(time.FixedZone("", 3600))
	c := change(r, op(record.Reserve, slot(90, "i-1#1")))
	c.Count, c.Limit = 1, 1
	if err := m.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	const want = `GUARD CONTAINED {
  "count": 1,
  "schema": 1
}
INSTANCE#i-1 CONTAINMENT#1 {
  "adopted": false,
  "byPerson": false,
  "contained": null,
  "findings": [
    {
      "id": "f-1",
      "seen": "2026-03-01T12:00:00Z",
      "severity": 8,
      "type": "Backdoor:EC2/C\u0026CActivity.B"
    }
  ],
  "generation": 1,
  "instance": "i-1",
  "opened": "2026-03-01T12:00:00.123456789Z",
  "originals": {
    "eni-1": "sg-ssh sg-web",
    "eni-2": ""
  },
  "peers": [
    {
      "address": "198.51.100.7",
      "direction": "outbound",
      "interface": "eni-1",
      "localPort": 49152,
      "protocol": "TCP",
      "remotePort": 443
    }
  ],
  "reason": "Backdoor:EC2/C\u0026CActivity.B, severity 8.0",
  "released": null,
  "residualExposure": null,
  "schema": 1,
  "status": "containing",
  "steps": [
    {
      "direction": "in",
      "id": "denial/acl-1/in/198.51.100.7/32",
      "kind": "denial",
      "number": 90,
      "prefix": "198.51.100.7/32",
      "resource": "acl-1",
      "state": "pending",
      "vpc": "vpc-1"
    },
    {
      "after": [
        "sg-quarantine"
      ],
      "before": [
        "sg-ssh",
        "sg-web"
      ],
      "id": "quarantine/eni-1",
      "kind": "quarantine",
      "resource": "eni-1",
      "state": "pending"
    },
    {
      "id": "quarantine/eni-2",
      "kind": "quarantine",
      "note": "EC2 refuses",
      "resource": "eni-2",
      "state": "failed"
    }
  ],
  "unreadablePeers": null,
  "updated": "2026-03-01T12:00:01.123456789Z",
  "version": 1
}
INSTANCE#i-1 EVENT#2026-03-01T12:00:00Z#g1-v1 {
  "changes": [
    "quarantine/eni-1 pending"
  ],
  "finding": "f-1",
  "id": "g1-v1",
  "instance": "i-1",
  "reason": "because",
  "request": "r-1",
  "schema": 1,
  "time": "2026-03-01T12:00:00.123456789Z",
  "verdict": "contain"
}
OPEN i-1 {
  "generation": 1,
  "instance": "i-1",
  "schema": 1
}
VPC#vpc-1 SLOT#acl-1#in#90 {
  "acl": "acl-1",
  "direction": "in",
  "holders": [
    "i-1#1"
  ],
  "number": 90,
  "prefix": "198.51.100.7/32",
  "schema": 1,
  "since": "2026-03-01T12:00:00.123456789Z",
  "state": "reserved",
  "vpc": "vpc-1"
}
`
	if diff := cmp.Diff(want, m.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMemoryInspected(t *testing.T) {
	m := &Memory{}
	if got := m.String(); got != "" {
		t.Errorf("an empty ledger: got %q", got)
	}
	for _, instance := range []string{"i-2", "i-1"} {
		r := aRecord(instance)
		if err := m.Commit(t.Context(), change(r, op(record.Reserve, slot(len(m.AllSlots())+1, r.Holder().String())))); err != nil {
			t.Fatal(err)
		}
	}
	first := aRecord("i-1")
	first.Version = 1
	if diff := cmp.Diff(first, m.Records()[0], comparer); diff != "" || len(m.Records()) != 2 {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]record.Slot{slot(1, "i-2#1"), slot(2, "i-1#1")}, m.AllSlots(), comparer); diff != "" {
		t.Errorf("slots (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]record.Event{event("i-1", "g1-v1"), event("i-2", "g1-v1")}, m.Events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestUnknownStepsAreErrors(t *testing.T) {
	for name, i := range map[string]stepItem{
		"kind":    {ID: "x", Kind: "exorcism"},
		"nothing": {ID: "x", Kind: string(record.KindQuarantine)},
		"groups":  {ID: "x", Kind: string(record.KindQuarantine), Resource: "eni-1", After: slices.Repeat([]string{"sg-1"}, record.MaxGroups+1)},
		"prefix":  {ID: "x", Kind: string(record.KindDenial), Prefix: "198.51.100.7"},
	} {
		if s, err := i.step(); err == nil {
			t.Errorf("%s: got %v, want an error", name, s)
		}
	}
	r := aRecord("i-1")
	r.Steps = []record.StepState{{Step: &record.Denial{}}} // a pointer is not one of the kinds
	const want = "containment i-1#1: a step of the unknown type *record.Denial"
	if _, err := toItem(r); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// attribute reads a value in DynamoDB's JSON, {"S":"…"}; anything else is nothing.
func attribute(wire map[string]any) types.AttributeValue {
	for kind, v := range wire {
		text, _ := v.(string)
		list, _ := v.([]any)
		switch kind {
		case "S":
			return &types.AttributeValueMemberS{Value: text}
		case "N":
			return &types.AttributeValueMemberN{Value: text}
		case "B":
			return &types.AttributeValueMemberB{Value: []byte(text)}
		case "BOOL":
			b, _ := v.(bool)
			return &types.AttributeValueMemberBOOL{Value: b}
		case "NULL":
			return &types.AttributeValueMemberNULL{Value: true}
		case "SS":
			ss := &types.AttributeValueMemberSS{}
			for _, e := range list {
				s, _ := e.(string)
				ss.Value = append(ss.Value, s)
			}
			return ss
		case "L":
			l := &types.AttributeValueMemberL{}
			for _, e := range list {
				m, _ := e.(map[string]any)
				l.Value = append(l.Value, attribute(m))
			}
			return l
		case "M":
			m, _ := v.(map[string]any)
			return &types.AttributeValueMemberM{Value: fromWire(m)}
		}
	}
	return nil
}

func fromWire(wire map[string]any) Item {
	values := Item{}
	for name, v := range wire {
		m, _ := v.(map[string]any)
		values[name] = attribute(m)
	}
	return values
}

// FuzzDecode feeds the decoders items that anybody could have put into the table.
// They may refuse one, and what they accept they must be able to write.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`,
		`{"pk":{"S":"INSTANCE#i-1"},"sk":{"S":"CONTAINMENT#1"},"schema":{"N":"1"},"instance":{"S":"i-1"},"generation":{"N":"1"},
		  "version":{"N":"1"},"status":{"S":"contained"},"byPerson":{"BOOL":false},"originals":{"M":{"eni-1":{"S":"sg-1"}}},
		  "findings":{"L":[{"M":{"id":{"S":"f"},"severity":{"N":"8.5"},"seen":{"S":"2026-03-01T12:00:00+01:00"}}}]},
		  "peers":{"L":[{"M":{"address":{"S":"198.51.100.7"},"direction":{"S":"outbound"}}}]},"opened":{"NULL":true},
		  "steps":{"L":[{"M":{"id":{"S":"quarantine/eni-1"},"kind":{"S":"quarantine"},"resource":{"S":"eni-1"},"before":{"L":[{"S":"sg-1"}]}}},
		    {"M":{"kind":{"S":"denial"},"resource":{"S":"acl-1"},"number":{"N":"90"},"prefix":{"S":"198.51.100.7/32"}}}]}}`,
		`{"pk":{"S":"VPC#vpc-1"},"sk":{"S":"SLOT#acl-1#in#90"},"schema":{"N":"1"},"prefix":{"S":"::/0"},"holders":{"SS":["i-b#1","i-a#2","i-b#1"]}}`,
		`{"pk":{"S":"INSTANCE#i-1"},"sk":{"S":"EVENT#2026-03-01T12:00:00Z#a"},"schema":{"N":"2"},"changes":{"L":[{"NULL":true}]}}`,
		`{"pk":{"NULL":true},"sk":{"L":[]},"schema":{"S":"x"},"steps":{"L":[{}]},"holders":{"L":[{"S":"a"}]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var wire map[string]any
		if json.Unmarshal([]byte(text), &wire) != nil {
			return
		}
		values := fromWire(wire)
		if latest, err := decode[containmentItem](values); err == nil {
			if k, err := latest.known(); err == nil && k != nil {
				if _, err := toItem(*k); err != nil {
					t.Errorf("what was read can't be written: %v", err)
				}
			}
		}
		if r := decodeAll([]Item{values}, slotItem.slot); len(r.good) > 0 {
			fromSlot(r.good[0])
		} else if r.err() == nil {
			t.Error("a slot that can't be read is left out in silence")
		}
		if i, err := decode[eventItem](values); err == nil {
			if e, err := i.event(); err == nil {
				fromEvent(e)
			}
		}
	})
}
