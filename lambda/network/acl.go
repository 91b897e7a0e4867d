package network

import (
	"net/netip"
	"slices"
)

// Direction is the side of a network ACL: packets entering the subnet, or
// leaving it.
type Direction string

// The two directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Directions are both directions, in the order in which plans are made.
var Directions = [...]Direction{In, Out}

// Opposite is the other direction.
func (d Direction) Opposite() Direction {
	if d == In {
		return Out
	}
	return In
}

const (
	// MinRuleNumber is the lowest number that an entry can have.
	// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNetworkAclEntry.html
	MinRuleNumber = 1
	// MaxRuleNumber is the highest; those above, up to 65535, are reserved for AWS.
	MaxRuleNumber = 32766

	// DefaultACLQuota is how many entries a network ACL may hold per direction
	// and address family, the default "*" entry among them; AWS raises it to
	// 40 on request.
	// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-nacls
	DefaultACLQuota = 20
)

// An Entry is one rule of a network ACL. EC2 evaluates a direction's entries
// from the lowest number up, and the first that matches decides.
// https://docs.aws.amazon.com/vpc/latest/userguide/nacl-rules.html
type Entry struct {
	Number     int
	Direction  Direction
	Prefix     netip.Prefix // masked; not valid when EC2 shows none
	Allow      bool
	AllTraffic bool // every protocol and port: protocol "-1"
}

// An ACL is a network ACL as observed.
type ACL struct {
	ID      string
	VPC     string
	Account string // the owner; in a shared VPC another account than the instance's
	Entries []Entry
}

// A Ruling is what settles a prefix in one direction of an ACL.
type Ruling struct {
	Entry Entry // the first entry that decides traffic of the prefix
	Shut  bool  // the entry shuts out all of it; otherwise it lets some of it pass
}

// Decide finds the first entry that settles prefix in a direction: one that
// denies all of its traffic, or one that allows any. Entries that deny a part
// settle nothing. An entry whose prefix EC2 doesn't show may match any address: it
// counts when it allows. With no entry left, the ACL's own "*" entry denies; the
// result then has number 0.
func (a ACL) Decide(dir Direction, prefix netip.Prefix) Ruling {
	first := Ruling{Shut: true}
	for _, e := range a.Entries {
		if e.Direction != dir || e.Prefix.IsValid() && !e.Prefix.Overlaps(prefix) {
			continue
		}
		shuts := !e.Allow && e.AllTraffic && e.Prefix.IsValid() && covers(e.Prefix, prefix)
		if !shuts && !e.Allow {
			continue
		}
		if first.Entry.Number == 0 || e.Number < first.Entry.Number {
			first = Ruling{Entry: e, Shut: shuts}
		}
	}
	return first
}

// Shuts reports whether the ACL denies every packet of prefix in a direction.
func (a ACL) Shuts(dir Direction, prefix netip.Prefix) bool {
	return a.Decide(dir, prefix).Shut
}

// Cuts reports whether the ACL breaks every connection with an address: it denies
// one of the directions at least.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html
func (a ACL) Cuts(peer netip.Addr) bool {
	return a.Shuts(In, Host(peer)) || a.Shuts(Out, Host(peer))
}

// At is the entry with a number in a direction.
func (a ACL) At(dir Direction, number int) (Entry, bool) {
	i := slices.IndexFunc(a.Entries, func(e Entry) bool { return e.Direction == dir && e.Number == number })
	if i < 0 {
		return Entry{}, false
	}
	return a.Entries[i], true
}

// With is the ACL with one more entry.
func (a ACL) With(e Entry) ACL {
	a.Entries = append(slices.Clip(a.Entries), e)
	return a
}

// Without is the ACL without the entry of a number in a direction.
func (a ACL) Without(dir Direction, number int) ACL {
	a.Entries = slices.DeleteFunc(slices.Clone(a.Entries), func(e Entry) bool { return e.Direction == dir && e.Number == number })
	return a
}

// Room is how many more entries a direction takes for an address family. An ACL
// that holds more entries than the quota has had its quota raised; how far is not
// to be seen, so that it counts as full.
func (a ACL) Room(dir Direction, v6 bool, quota int) int {
	for _, e := range a.Entries {
		if e.Direction == dir && e.Prefix.IsValid() && e.Prefix.Addr().Is6() == v6 {
			quota--
		}
	}
	return max(quota, 0)
}

// Free is the lowest number below limit that no entry of the direction has; both
// address families share the numbers. The lowest, because a number at the top
// stays in front of the rules that people add later.
func (a ACL) Free(dir Direction, limit int) (int, bool) {
	numbers := a.FreeNumbers(dir, limit, 1)
	if len(numbers) == 0 {
		return 0, false
	}
	return numbers[0], true
}

// FreeNumbers are the lowest free numbers below limit, as many as are asked for.
func (a ACL) FreeNumbers(dir Direction, limit, most int) []int {
	taken := map[int]bool{}
	for _, e := range a.Entries {
		if e.Direction == dir {
			taken[e.Number] = true
		}
	}
	var numbers []int
	for n := MinRuleNumber; n < min(limit, MaxRuleNumber+1) && len(numbers) < most; n++ {
		if !taken[n] {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// covers reports whether every address of inner is in outer.
func covers(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// Host is the prefix of one address.
func Host(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
