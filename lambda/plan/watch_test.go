package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

var cut = time.Date(2026, 11, 23, 12, 0, 20, 0, time.UTC)

// watched is the record of an instance in quarantine, whose flow log is read.
func watched(survivors Survivors) (network.Network, record.Record, Rules) {
	seen := ordinary()
	seen.Interfaces[0].Groups = []string{"sg-q"}
	seen.Interfaces[0].Addresses = []netip.Addr{netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("203.0.113.10")}
	seen.Ranges = map[string][]netip.Prefix{"vpc-1": {netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("198.18.0.0/24")}}
	r := rules
	r.Survivors = survivors
	seen.Made = map[string][]string{record.FlowLogOf("eni-1").ID(): {"fl-1"}}
	p := NewPlan(incident(), seen, record.Known{}, r)
	c := record.NewChange(nil, p.Record, nil, cut, record.Event{})
	return seen, *record.Known{}.After(c).Record, r
}

// read is what a plan makes of records that were read so long after the cut.
func read(t *testing.T, survivors Survivors, after time.Duration, records ...network.FlowRecord) record.Record {
	t.Helper()
	seen, rec, r := watched(survivors)
	in := Incident{Instance: me, Trigger: ByRepair, Flows: network.FlowReading{Read: cut.Add(after), Records: records}}
	return NewPlan(in, seen, record.Known{Record: &rec}, r).Record
}

// minute is a window of a minute, so many after the cut.
func minute(n int, status network.FlowStatus) network.FlowRecord {
	start := cut.Truncate(time.Minute).Add(time.Duration(n) * time.Minute)
	return network.FlowRecord{Interface: "eni-1", Start: start, End: start.Add(time.Minute), Status: status}
}

// passed is a packet in such a window.
func passed(n int, far string) network.FlowRecord {
	r := minute(n, network.FlowOK)
	r.From, r.To = netip.MustParseAddrPort("10.0.1.10:44321"), netip.MustParseAddrPort(far)
	r.Protocol, r.Egress, r.Accepted, r.Bytes = 6, true, true, 100
	return r
}

func noData(from, to int) (all []network.FlowRecord) {
	for n := from; n <= to; n++ {
		all = append(all, minute(n, network.FlowNoData))
	}
	return all
}

func exposes(r record.Record, kind record.ExposureKind) bool {
	return slices.ContainsFunc(r.Exposure, func(e record.Exposure) bool { return e.Kind == kind })
}

func TestQuiet(t *testing.T) {
	t.Parallel()
	const shell = "198.51.100.7:443"
	refused := passed(15, shell)
	refused.Accepted = false
	opened := passed(20, shell)
	opened.Opens = true
	for name, tc := range map[string]struct {
		records  []network.FlowRecord
		quiet    bool
		survivor bool
		leaks    bool
	}{
		"an empty log proves nothing":        {nil, false, false, false},
		"every minute has a record":          {noData(0, 25), true, false, false},
		"the last ten minutes may be late":   {noData(0, 20), true, false, false},
		"eleven are too many":                {noData(0, 18), false, false, false},
		"a minute is missing":                {slices.Concat(noData(0, 11), noData(14, 25)), false, false, false},
		"the first minute is missing":        {noData(3, 25), false, false, false},
		"records were lost":                  {append(noData(0, 25), minute(12, network.FlowSkipData)), false, false, false},
		"something passed lately":            {append(noData(0, 25), passed(20, shell)), false, true, false},
		"something passed long ago":          {append(noData(0, 25), passed(5, shell)), true, false, false},
		"what is refused is quiet":           {append(noData(0, 25), refused), true, false, false},
		"a window that spans the cut":        {append(noData(0, 25), passed(0, shell)), true, false, false},
		"a window within a minute after it":  {append(noData(0, 25), passed(1, shell)), true, false, false},
		"the instance's own address":         {append(noData(0, 25), passed(20, "203.0.113.10:443")), false, false, false},
		"a connection was begun":             {append(noData(0, 25), opened), false, true, true},
		"another interface's records":        {[]network.FlowRecord{{Interface: "eni-9", Start: cut, End: cut.Add(time.Hour)}}, false, false, false},
		"out of order and twice":             {slices.Concat(noData(10, 25), noData(0, 12)), true, false, false},
		"a record of an hour is not of each": {[]network.FlowRecord{{Interface: "eni-1", Start: cut, End: cut.Add(time.Hour), Status: network.FlowNoData}}, false, false, false},
	} {
		r := read(t, SurvivorsReport, 30*time.Minute, tc.records...)
		if got := !r.QuietSince.IsZero(); got != tc.quiet || exposes(r, record.UnknownPeers) == tc.quiet {
			t.Errorf("%s: quiet is %v, unknown peers are exposed: %v; want quiet %v", name, got, exposes(r, record.UnknownPeers), tc.quiet)
		}
		if exposes(r, record.SurvivingPeer) != tc.survivor || exposes(r, record.QuarantineLeaks) != tc.leaks {
			t.Errorf("%s: %v, want a survivor: %v, a leak: %v", name, r.Exposure, tc.survivor, tc.leaks)
		}
	}
}

// A late record brings back what was taken as gone, and so does a quarantine that was
// applied again.
func TestQuietIsTakenBack(t *testing.T) {
	t.Parallel()
	seen, rec, r := watched(SurvivorsReport)
	next := func(at time.Duration, seen network.Network, records ...network.FlowRecord) record.Record {
		in := Incident{Instance: me, Trigger: ByRepair}
		if records != nil {
			in.Flows = network.FlowReading{Read: cut.Add(at), Records: records}
		}
		p := NewPlan(in, seen, record.Known{Record: &rec}, r)
		c := record.NewChange(&rec, p.Record, nil, cut.Add(at), record.Event{})
		rec = *record.Known{}.After(c).Record
		return rec
	}
	if next(30*time.Minute, seen, noData(0, 25)...).QuietSince.IsZero() {
		t.Fatal("it is not quiet")
	}
	if next(31*time.Minute, seen).QuietSince.IsZero() {
		t.Error("a look without a reading has taken the proof back")
	}
	if !next(35*time.Minute, seen, passed(24, "198.51.100.7:443")).QuietSince.IsZero() || !exposes(rec, record.UnknownPeers) {
		t.Errorf("a late record has not brought back the exposure: %v", rec.Exposure)
	}
	if next(60*time.Minute, seen, noData(20, 55)...).QuietSince.IsZero() {
		t.Fatal("it is not quiet again")
	}
	open := seen
	open.Interfaces = slices.Clone(seen.Interfaces)
	open.Interfaces[0].Groups = []string{"sg-web"}
	if !next(61*time.Minute, open).QuietSince.IsZero() {
		t.Error("the interface is open, and said to be quiet")
	}
	if got := next(62*time.Minute, seen); !got.QuietSince.IsZero() || !got.WatchOf("eni-1").Cut.Equal(cut.Add(62*time.Minute)) {
		t.Errorf("the quarantine was applied again: quiet since %s, cut %s", got.QuietSince, got.WatchOf("eni-1").Cut)
	}
}

// Who becomes a peer: public addresses, five a reading, whichever round plans them.
func TestSurvivorsBecomePeers(t *testing.T) {
	t.Parallel()
	for far, want := range map[string]bool{
		"198.51.100.7:443": true, "[2001:db8:ffff::7]:443": true,
		"10.0.9.9:443": false, "192.168.1.1:443": false, "172.16.0.1:443": false, "100.64.0.1:443": false, "[fd00::1]:443": false,
		"198.18.0.9:443": false, "169.254.169.254:80": false, "224.0.0.1:80": false, "203.0.113.10:443": false,
	} {
		r := read(t, SurvivorsDeny, 30*time.Minute, passed(20, far))
		if got := len(r.Peers) == 1; got != want {
			t.Errorf("%s: a peer: %v, want %v", far, got, want)
		}
		if want && (r.Peers[0].From != guardduty.FromFlowLog || r.Peers[0].RemotePort != 443) {
			t.Errorf("the record does not say where it comes from: %+v", r.Peers[0])
		}
		if got := read(t, SurvivorsReport, 30*time.Minute, passed(20, far)); len(got.Peers) != 0 {
			t.Errorf("report makes peers: %v", got.Peers)
		}
	}
	var many []network.FlowRecord
	for n := range 12 {
		many = append(many, passed(20, fmt.Sprintf("198.51.100.%d:443", n+1)))
	}
	seen, rec, r := watched(SurvivorsDeny)
	in := Incident{Instance: me, Trigger: ByRepair, Flows: network.FlowReading{Read: cut.Add(30 * time.Minute), Records: many}}
	for round, want := range []int{5, 5, 10, 12} {
		if round == 2 || round == 3 {
			in.Flows.Read = in.Flows.Read.Add(time.Minute)
		}
		rec = NewPlan(in, seen, record.Known{Record: &rec}, r).Record
		if len(rec.Peers) != want {
			t.Errorf("round %d: %d peers, want %d", round, len(rec.Peers), want)
		}
	}
}

// Whatever the records are, none of the cut changes while survivors are only reported,
// what is recorded is bounded, and a second plan says the same.
func TestRecordsOfFlowsAreBounded(t *testing.T) {
	t.Parallel()
	records := rapid.Custom(func(t *rapid.T) network.FlowRecord {
		r := passed(rapid.IntRange(-5, 40).Draw(t, "minute"), fmt.Sprintf("198.51.%d.%d:%d",
			rapid.IntRange(0, 3).Draw(t, "c"), rapid.IntRange(0, 255).Draw(t, "d"), rapid.IntRange(0, 65535).Draw(t, "port")))
		r.Accepted, r.Opens = rapid.Bool().Draw(t, "accepted"), rapid.Bool().Draw(t, "opens")
		r.Status = rapid.SampledFrom([]network.FlowStatus{network.FlowOK, network.FlowNoData, network.FlowSkipData}).Draw(t, "status")
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		seen, rec, r := watched(SurvivorsReport)
		in := Incident{Instance: me, Trigger: ByRepair, Flows: network.FlowReading{
			Read: cut.Add(30 * time.Minute), Records: rapid.SliceOfN(records, 0, 300).Draw(t, "records"),
		}}
		first := NewPlan(in, seen, record.Known{Record: &rec}, r)
		if len(first.Record.Survivors) > maxSurvivors || len(first.Record.Peers) != 0 || len(first.Slots) != 0 {
			t.Fatalf("%d survivors, %d peers, %d slots", len(first.Record.Survivors), len(first.Record.Peers), len(first.Slots))
		}
		again := NewPlan(in, seen, record.Known{Record: &first.Record}, r)
		if !again.Record.Says(first.Record) || again.Changed {
			t.Fatal("a second plan of the same reading says otherwise")
		}
		if !TellsNothing(first.Record, in.Flows, r) {
			t.Fatal("the same reading is news")
		}
	})
}
