package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

func withHost(when OnHost) Rules {
	r := rules
	r.OnHost = when
	return r
}

func hasHost(p Plan) bool {
	_, has := p.Record.Step(record.HostOf(me).ID())
	return has
}

// auto isolates the host where some peer is not cut by a denial, always always does.
func TestWhenTheHostIsIsolated(t *testing.T) {
	t.Parallel()
	full := ordinary()
	for _, direction := range []network.Direction{network.In, network.Out} {
		for n := 200; n < 218; n++ {
			full = withEntries(full, allow(n, direction, fmt.Sprintf("192.0.2.%d/32", n)))
		}
	}
	foreign := ordinary()
	acl := foreign.ACLs["acl-1"]
	acl.Account = "444455556666"
	foreign.ACLs = map[string]network.ACL{"acl-1": acl}
	unreadable := incident("198.51.100.7")
	unreadable.Unreadable = []string{"somewhere"}
	person := incident("198.51.100.7")
	person.OnHost, person.Trigger = true, ByPerson
	for name, tc := range map[string]struct {
		in   Incident
		seen network.Network
		want string // off, auto, always: yes or no
	}{
		"no peer":           {incident(), ordinary(), "no yes yes"},
		"a denied peer":     {incident("198.51.100.7"), ordinary(), "no no yes"},
		"in the subnet":     {incident("10.0.1.77"), ordinary(), "no yes yes"},
		"no room":           {incident("198.51.100.7"), full, "no yes yes"},
		"a foreign ACL":     {incident("198.51.100.7"), foreign, "no yes yes"},
		"an unreadable one": {unreadable, ordinary(), "no yes yes"},
		"a person asks":     {person, ordinary(), "yes yes yes"},
	} {
		var got []string
		for _, when := range []OnHost{OnHostOff, OnHostAuto, OnHostAlways} {
			got = append(got, map[bool]string{true: "yes", false: "no"}[hasHost(NewPlan(tc.in, tc.seen, record.Known{}, withHost(when)))])
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: off, auto, always: got %v, want %s", name, got, tc.want)
		}
	}
}

// Whatever the host says, and however the command fares, no other step, no slot and no
// exposure but those of the host's own changes.
func TestTheHostChangesNothingElse(t *testing.T) {
	t.Parallel()
	id := record.HostOf(me).ID()
	words := rapid.StringN(0, 8, 20)
	rapid.Check(t, func(t *rapid.T) {
		var peers []string
		for n := range rapid.IntRange(0, 4).Draw(t, "peers") {
			peers = append(peers, fmt.Sprintf("198.51.100.%d", n+1))
		}
		in, seen := incident(peers...), ordinary()
		without := NewPlan(in, seen, record.Known{}, withHost(OnHostOff))

		first := NewPlan(in, seen, record.Known{}, withHost(OnHostAlways))
		known := record.Known{Record: &first.Record}
		seen.Made = map[string][]string{}
		seen.Refused = map[string]network.Refusal{}
		switch rapid.IntRange(0, 3).Draw(t, "fate") {
		case 0:
			seen.Made[id] = []string{"c1"}
		case 1:
			seen.Refused[id] = network.Refusal{Reason: "no", Unmanaged: rapid.Bool().Draw(t, "unmanaged")}
		case 2:
			known.Record.Host = network.HostReport{Command: "c1", State: network.HostAwaited}
			seen.Host = network.HostReport{
				Command: rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "command"),
				State: rapid.SampledFrom([]network.HostState{
					network.HostAwaited, network.HostSucceeded, network.HostFailed, network.HostStopped, network.HostUndelivered,
				}).Draw(t, "state"),
				Rules: words.Draw(t, "rules"), Left: rapid.IntRange(0, 9).Draw(t, "left"), Error: words.Draw(t, "error"),
				Connections: rapid.SliceOfN(words, 0, 4).Draw(t, "connections"),
			}
		}
		in.Trigger = ByRepair
		with := NewPlan(in, seen, known, withHost(OnHostAlways))
		if got, want := othersOf(with.Record), othersOf(without.Record); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if len(with.Slots) != len(without.Slots) || with.Record.Status != without.Record.Status {
			t.Fatalf("%s with %d changes of slots, want %s with %d", with.Record.Status, len(with.Slots), without.Record.Status, len(without.Slots))
		}
		again := NewPlan(in, seen, record.Known{Record: &with.Record}, withHost(OnHostAlways))
		if !again.Record.Says(with.Record) {
			t.Fatalf("a second plan says otherwise: %+v, %+v", again.Record, with.Record)
		}
	})
}

// othersOf is a record without what is about the host.
func othersOf(r record.Record) string {
	r.Steps = slices.DeleteFunc(slices.Clone(r.Steps), func(s record.StepState) bool { return s.Step.Kind() == record.KindHost })
	r.Exposure = slices.DeleteFunc(slices.Clone(r.Exposure), func(e record.Exposure) bool { return strings.HasPrefix(string(e.Kind), "host-") })
	return fmt.Sprintf("%+v %+v %+v", r.Steps, r.Exposure, r.Peers)
}
