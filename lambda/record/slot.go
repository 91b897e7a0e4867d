package record

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
)

// A Holder is a containment that needs a denial, by instance and generation.
type Holder struct {
	Instance   string
	Generation int
}

// String is the instance and the generation, as in "i-0123456789abcdef0#1".
func (h Holder) String() string { return h.Instance + "#" + strconv.Itoa(h.Generation) }

// ParseHolder reads what String writes. It fails for any other text.
func ParseHolder(s string) (Holder, error) {
	instance, generation, _ := strings.Cut(s, "#")
	n, err := strconv.Atoi(generation)
	h := Holder{instance, n}
	if err != nil || n < 1 || instance == "" || h.String() != s {
		return Holder{}, fmt.Errorf("%q is not a valid holder", s)
	}
	return h, nil
}

// Compare orders holders by instance, and then by generation.
func (h Holder) Compare(o Holder) int {
	return cmp.Or(cmp.Compare(h.Instance, o.Instance), cmp.Compare(h.Generation, o.Generation))
}

// With is the slot with one more holder.
func (s Slot) With(holder Holder) Slot {
	if !s.HeldBy(holder) {
		s.Holders = append(slices.Clone(s.Holders), holder)
		order.Sort(s.Holders, Holder.Compare)
	}
	return s
}

// Without is the slot with one holder less.
func (s Slot) Without(holder Holder) Slot {
	s.Holders = slices.DeleteFunc(slices.Clone(s.Holders), func(h Holder) bool { return h == holder })
	return s
}

// SlotKey is a place for one entry in a network ACL.
type SlotKey struct {
	VPC       string
	ACL       string
	Direction network.Direction
	Number    int
}

// A Slot is a place in a network ACL that is ours, and who needs the denial in it.
type Slot struct {
	SlotKey
	Prefix  netip.Prefix
	Holders []Holder // sorted
	State   SlotState
	Since   time.Time // when it came to its state
}

// SlotState says whether the slot's entry has been seen in the ACL.
type SlotState string

// The states of a slot.
const (
	SlotReserved SlotState = "reserved"
	SlotApplied  SlotState = "applied"
	SlotRemoving SlotState = "removing" // a release is about to remove the entry: nobody can come to hold it any more
)

// HeldBy reports whether a containment holds the slot.
func (s Slot) HeldBy(holder Holder) bool { return slices.Contains(s.Holders, holder) }

// Entry is the ACL entry that belongs in the slot.
func (s Slot) Entry() network.Entry {
	return s.Denial().Entry()
}

// Denial is the step that fills the slot.
func (s Slot) Denial() Denial {
	return Denial{VPC: s.VPC, ACL: s.ACL, Direction: s.Direction, Number: s.Number, Prefix: s.Prefix}
}

// A SlotChange is one change to the reservations of ACL slots.
type SlotChange struct {
	Slot Slot
	Op   SlotOp
}

// SlotOp is what happens to a slot.
type SlotOp string

// The changes to a slot. Each is conditional: when the slot has meanwhile come
// into another state than the plan saw, the whole change is refused.
const (
	Reserve SlotOp = "reserve" // take a slot that nobody has
	Hold    SlotOp = "hold"    // become one more holder of a slot with the same prefix
	Settle  SlotOp = "settle"  // its entry has been seen in the ACL
	Remove  SlotOp = "remove"  // its only holder is about to remove the entry
	GiveUp  SlotOp = "give-up" // stop holding it; with no holder left, the slot is free
)
