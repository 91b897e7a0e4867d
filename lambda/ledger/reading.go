package ledger

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"tourniquet/lambda/network"
	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// A reading collects what can be read of several items, and of each other one why it
// can't be.
type reading[T any] struct {
	good []T
	bad  []*record.ItemError
}

func (r *reading[T]) add(k key, v T, err error) {
	if err == nil {
		r.good = append(r.good, v)
		return
	}
	slot, _ := k.slot()
	r.bad = append(r.bad, &record.ItemError{Item: k.String(), Slot: slot, Err: err})
}

// err is nil when everything could be read.
func (r *reading[T]) err() error {
	if len(r.bad) == 0 {
		return nil
	}
	order.Sort(r.bad, func(a, b *record.ItemError) int { return cmp.Compare(a.Item, b.Item) })
	return &record.UnreadableError{Items: r.bad}
}

// decodeAll reads items, as far as they can be read.
func decodeAll[I, T any](items []Item, convert func(I) (T, error)) reading[T] {
	var r reading[T]
	for _, i := range items {
		k, v, err := decodeAs(i, convert)
		r.add(k, v, err)
	}
	return r
}

func decodeAs[I, T any](i Item, convert func(I) (T, error)) (key, T, error) {
	var none T
	k, err := keyOf(i)
	if err != nil {
		return k, none, err
	}
	item, err := decode[I](i)
	if err != nil {
		return k, none, err
	}
	v, err := convert(item)
	return k, v, err
}

// slot is the place that a slot's key names.
func (k key) slot() (record.SlotKey, bool) {
	vpc, ofVPC := strings.CutPrefix(k.PK, pkVPC)
	place, ofSlot := strings.CutPrefix(k.SK, skSlot)
	parts := strings.Split(place, "#")
	if !ofVPC || !ofSlot || len(parts) != 3 {
		return record.SlotKey{}, false
	}
	n, err := strconv.Atoi(parts[2])
	s := record.SlotKey{VPC: vpc, ACL: parts[0], Direction: network.Direction(parts[1]), Number: n}
	return s, err == nil && slotKey(s) == k
}

// known is what has been read, as the domain knows it. The latest containment must be
// readable, and where a slot isn't, its place is nobody's to use.
func known(latest containmentItem, slots reading[record.Slot]) (record.Known, error) {
	k := record.Known{Slots: slots.good}
	for _, e := range slots.bad {
		if e.Slot != (record.SlotKey{}) {
			k.Unreadable = append(k.Unreadable, e.Slot)
		}
	}
	var err error
	k.Record, err = latest.known()
	return k, err
}

// known is the containment as the domain knows it; nil when there is none.
func (i containmentItem) known() (*record.Record, error) {
	if i.key == (key{}) {
		return nil, nil
	}
	if err := i.check(); err != nil {
		return nil, err
	}
	if i.key != containmentKey(i.Instance, i.Generation) {
		return nil, fmt.Errorf("item %s says that it is generation %d of %q", i.key, i.Generation, i.Instance)
	}
	r, err := i.record()
	if err != nil {
		return nil, err
	}
	return &r, nil
}

func bySlotKey(a, b record.Slot) int {
	return cmp.Or(
		cmp.Compare(a.VPC, b.VPC), cmp.Compare(a.ACL, b.ACL),
		cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.Number, b.Number),
	)
}

// open names the instance of a pointer.
func (i pointerItem) open() (string, error) {
	if i.key != pointerKey(i.Instance) {
		return "", fmt.Errorf("item %s says that it is of %q", i.key, i.Instance)
	}
	return i.Instance, nil
}
