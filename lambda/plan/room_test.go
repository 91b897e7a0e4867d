package plan

import (
	"net/netip"
	"testing"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// TestACLRoom: what the plan leaves is told before an ACL is full, of the direction
// and family that has least, in the ACL that has least.
func TestACLRoom(t *testing.T) {
	t.Parallel()
	const peer = "198.51.100.7"
	filled := func(n int) []network.Entry {
		var entries []network.Entry
		for i := range n {
			entries = append(entries, allow(200+i, network.Out, "192.0.2.0/24"))
		}
		return entries
	}
	foreign := ordinary()
	acl := foreign.ACLs["acl-1"]
	acl.Account = "999999999999"
	foreign.ACLs["acl-1"] = acl
	second := withEntries(ordinary(), filled(3)...)
	other := ordinary().ACLs["acl-1"]
	other.ID = "acl-2"
	second.ACLs["acl-2"] = other
	refused := ordinary()
	refused.Refused = map[string]network.Refusal{"denial/acl-1/in/" + peer + "/32": {Reason: "limit", Full: true}}
	tests := map[string]struct {
		in    Incident
		seen  network.Network
		known record.Known
		want  int // -1: none
	}{
		"default entries, nothing to deny":    {incident(), ordinary(), record.Known{}, 18},
		"one peer":                            {incident(peer), ordinary(), record.Known{}, 17},
		"one peer in each family":             {incident(peer, "2001:db8:ffff::7"), ordinary(), record.Known{}, 17},
		"the fuller direction counts":         {incident(peer), withEntries(ordinary(), filled(10)...), record.Known{}, 7},
		"full":                                {incident(peer), withEntries(ordinary(), filled(18)...), record.Known{}, 0},
		"fuller than the quota":               {incident(peer), withEntries(ordinary(), filled(25)...), record.Known{}, 0},
		"the fullest ACL counts":              {incident(), second, record.Known{}, 15},
		"EC2 says full, whatever we think":    {incident(peer), refused, record.Known{}, 0},
		"another account's ACL is not ours":   {incident(peer), foreign, record.Known{}, -1},
		"a reservation counts as an entry":    {incident(), ordinary(), record.Known{Slots: []record.Slot{{SlotKey: record.SlotKey{VPC: "vpc-1", ACL: "acl-1", Direction: network.In, Number: 1}, Prefix: network.Host(netip.MustParseAddr("192.0.2.9"))}}}, 17},
		"IPv6 counts for itself, from 18 too": {incident("2001:db8:ffff::7", "2001:db8:ffff::8"), ordinary(), record.Known{}, 16},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := -1
			if room := NewPlan(tc.in, tc.seen, tc.known, rules).ACLRoom; room != nil {
				got = *room
			}
			if got != tc.want {
				t.Errorf("room for %d entries, want %d", got, tc.want)
			}
		})
	}
}
