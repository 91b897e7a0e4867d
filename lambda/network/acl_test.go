package network

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func allow(n int, dir Direction, prefix string) Entry {
	return Entry{Number: n, Direction: dir, Prefix: netip.MustParsePrefix(prefix), Allow: true, AllTraffic: true}
}

func denyAll(n int, prefix string) Entry {
	return Entry{Number: n, Direction: In, Prefix: netip.MustParsePrefix(prefix), AllTraffic: true}
}

// some makes an entry one for a part of the traffic only: a protocol or a port.
func some(e Entry) Entry {
	e.AllTraffic = false
	return e
}

func TestDecide(t *testing.T) {
	t.Parallel()
	const peer = "198.51.100.7/32"
	tests := map[string]struct {
		entries []Entry
		number  int
		shut    bool
	}{
		"no entry: the ACL's own deny":         {nil, 0, true},
		"allowed by everything":                {[]Entry{allow(100, In, "0.0.0.0/0")}, 100, false},
		"allowed in the other direction only":  {[]Entry{allow(100, Out, "0.0.0.0/0")}, 0, true},
		"allowed in the other family only":     {[]Entry{allow(101, In, "::/0")}, 0, true},
		"denied exactly":                       {[]Entry{allow(100, In, "0.0.0.0/0"), denyAll(9, peer)}, 9, true},
		"denied by a covering prefix":          {[]Entry{allow(100, In, "0.0.0.0/0"), denyAll(9, "198.51.100.0/24")}, 9, true},
		"denied behind the allow":              {[]Entry{allow(100, In, "0.0.0.0/0"), denyAll(101, peer)}, 100, false},
		"a part denied":                        {[]Entry{allow(100, In, "0.0.0.0/0"), some(denyAll(9, peer))}, 100, false},
		"a part allowed before the deny":       {[]Entry{some(allow(8, In, peer)), denyAll(9, peer)}, 8, false},
		"an allow for others before the deny":  {[]Entry{allow(8, In, "203.0.113.0/24"), denyAll(9, peer)}, 9, true},
		"lowest number first, whatever order":  {[]Entry{denyAll(50, peer), allow(20, In, "0.0.0.0/0"), allow(100, In, "0.0.0.0/0")}, 20, false},
		"the deny at the end counts as a deny": {[]Entry{denyAll(32767, "0.0.0.0/0")}, 32767, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ACL{Entries: tc.entries}.Decide(In, netip.MustParsePrefix(peer))
			if got.Entry.Number != tc.number || got.Shut != tc.shut {
				t.Errorf("got entry %d, shut %t; want entry %d, shut %t", got.Entry.Number, got.Shut, tc.number, tc.shut)
			}
		})
	}
}

func TestDecidePrefixPartlyAllowed(t *testing.T) {
	t.Parallel()
	acl := ACL{Entries: []Entry{allow(5, In, "198.51.100.7/32"), denyAll(9, "198.51.100.0/24"), allow(100, In, "0.0.0.0/0")}}
	if acl.Shuts(In, netip.MustParsePrefix("198.51.100.0/24")) {
		t.Error("a prefix counts as shut although one of its addresses is allowed first")
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	acl := ACL{Entries: []Entry{denyAll(1, "192.0.2.1/32"), denyAll(3, "2001:db8::1/128"), allow(2, Out, "0.0.0.0/0")}}
	tests := map[string]struct {
		limit, want int
		ok          bool
	}{
		"the lowest that neither family has": {100, 2, true},
		"below the limit only":               {2, 0, false},
		"behind the taken ones":              {5, 2, true},
		"nothing below one":                  {1, 0, false},
	}
	for name, tc := range tests {
		if got, ok := acl.Free(In, tc.limit); got != tc.want || ok != tc.ok {
			t.Errorf("%s: got %d, %t; want %d, %t", name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestRoomCountsTheDefaultEntry(t *testing.T) {
	t.Parallel()
	acl := ACL{Entries: []Entry{allow(100, In, "0.0.0.0/0"), denyAll(32767, "0.0.0.0/0"), allow(101, In, "::/0")}}
	if got := acl.Room(In, false, DefaultACLQuota); got != 18 {
		t.Errorf("IPv4: got room for %d, want 18", got)
	}
	if got := acl.Room(In, true, DefaultACLQuota); got != 19 {
		t.Errorf("IPv6: got room for %d, want 19", got)
	}
	if got := acl.Room(In, false, 1); got != 0 {
		t.Errorf("over the quota: got room for %d, want 0", got)
	}
}

// A denial at the number that free gives below the deciding allow shuts its peer
// out and changes the decision on no other address.
func TestDenialIsEffectiveAndPrecise(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		acl := ACL{Entries: drawEntries(t)}
		peer := Host(drawAddr(t, "peer"))
		before := acl.Decide(In, peer)
		n, ok := acl.Free(In, before.Entry.Number)
		if before.Shut || !ok {
			t.Skip("nothing to deny, or no place")
		}
		after := acl.With(Entry{Number: n, Direction: In, Prefix: peer, AllTraffic: true})
		if !after.Shuts(In, peer) {
			t.Fatalf("denial of %s at %d does not shut it out of %v", peer, n, acl.Entries)
		}
		other := Host(drawAddr(t, "other"))
		if other != peer && after.Decide(In, other) != acl.Decide(In, other) {
			t.Fatalf("denial of %s at %d changes the decision on %s", peer, n, other)
		}
	})
}

func drawAddr(t *rapid.T, label string) netip.Addr {
	if rapid.Bool().Draw(t, label+" is v6") {
		a := netip.MustParseAddr("2001:db8::").As16()
		a[15] = rapid.Byte().Draw(t, label)
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{198, 51, 100, rapid.Byte().Draw(t, label)})
}

func drawEntries(t *rapid.T) []Entry {
	numbers := rapid.SliceOfNDistinct(rapid.IntRange(1, 12), 0, 8, rapid.ID[int]).Draw(t, "numbers")
	var entries []Entry
	for _, n := range numbers {
		a := drawAddr(t, "entry")
		bits := rapid.IntRange(0, a.BitLen()).Draw(t, "bits")
		entries = append(entries, Entry{
			Number: n, Direction: In, Prefix: netip.PrefixFrom(a, bits).Masked(),
			Allow: rapid.Bool().Draw(t, "allow"), AllTraffic: rapid.Bool().Draw(t, "all traffic"),
		})
	}
	return entries
}

// What EC2 shows without a prefix may match anything: a denial belongs below it when
// it allows, and it denies nothing that one could rely on.
func TestEntryWithoutPrefix(t *testing.T) {
	t.Parallel()
	peer := Host(netip.MustParseAddr("198.51.100.7"))
	acl := ACL{Entries: []Entry{
		{Number: 5, Direction: In, AllTraffic: true},
		{Number: 10, Direction: In, Allow: true},
		{Number: 100, Direction: In, Allow: true, AllTraffic: true, Prefix: netip.MustParsePrefix("0.0.0.0/0")},
	}}
	if d := acl.Decide(In, peer); d.Shut || d.Entry.Number != 10 {
		t.Errorf("entry %d decides (shut %t), want 10, which lets the peer in", d.Entry.Number, d.Shut)
	}
	if !acl.With(Entry{Number: 7, Direction: In, Prefix: peer, AllTraffic: true}).Shuts(In, peer) {
		t.Error("a denial below the entry without a prefix does not shut the peer out")
	}
	if got := acl.FreeNumbers(In, 11, 20); slices.Contains(got, 5) || slices.Contains(got, 10) {
		t.Errorf("free numbers %v contain a number that is taken", got)
	}
}
