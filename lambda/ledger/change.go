package ledger

import (
	"errors"
	"fmt"
	"slices"

	"tourniquet/lambda/record"
)

var ops = []record.SlotOp{record.Reserve, record.Hold, record.Settle, record.Remove, record.GiveUp}

// maxOwed is how much one change can owe: it has to fit into one transaction with the
// record.
const maxOwed = 50

// check refuses a change that makes no sense whatever the ledger holds. DynamoDB
// would refuse most of them too, in words that name no slot and no instance.
func check(c record.Change) error {
	r := c.Record
	switch {
	case r.Instance == "" || r.Generation < 1 || r.Version < 0:
		return fmt.Errorf("no containment's record: instance %q, generation %d, version %d", r.Instance, r.Generation, r.Version)
	case c.Event.Instance != r.Instance:
		return fmt.Errorf("the event is of instance %q, the record of %q", c.Event.Instance, r.Instance)
	case c.Count < -1 || c.Count > 1:
		return fmt.Errorf("one containment can't count as %d", c.Count)
	case len(c.Owed) > maxOwed:
		return fmt.Errorf("%d entries are owed at once, more than %d", len(c.Owed), maxOwed)
	}
	if err := checkOwed(c.Owed, r.Instance); err != nil {
		return err
	}
	return checkSlots(c.Slots, r.Holder())
}

func checkSlots(changes []record.SlotChange, holder record.Holder) error {
	seen := map[record.SlotKey]bool{}
	for _, s := range changes {
		k := slotKey(s.Slot.SlotKey)
		switch {
		case seen[s.Slot.SlotKey]:
			return fmt.Errorf("two changes to slot %s", k)
		case !s.Slot.Prefix.IsValid():
			return fmt.Errorf("slot %s has no valid prefix", k)
		case !slices.Contains(ops, s.Op):
			return fmt.Errorf("slot %s: unknown change %q", k, s.Op)
		case s.Op == record.GiveUp && !s.Slot.HeldBy(holder):
			return fmt.Errorf("%s can't give up slot %s, which it doesn't hold", holder, k)
		}
		seen[s.Slot.SlotKey] = true
	}
	return nil
}

// follows is why a containment can't take the place of the one that is stored,
// or nil. Nothing stored is the zero item.
func (i containmentItem) follows(stored containmentItem) error {
	if err := stored.check(); err != nil {
		return err
	}
	if i.Version != stored.Version+1 {
		return conflict(i.key)
	}
	for eni, groups := range i.Originals {
		if recorded, ok := stored.Originals[eni]; ok && recorded != groups {
			return fmt.Errorf("item %s: the groups of %s to restore are recorded as [%s] and can't become [%s]",
				i.key, eni, recorded, groups)
		}
	}
	return nil
}

// pointer is the item that says that the instance's containment is open.
func pointer(i containmentItem) pointerItem {
	return pointerItem{header{pointerKey(i.Instance), schemaFirst}, i.Instance, i.Generation}
}

func conflict(k key) error { return fmt.Errorf("item %s: %w", k, record.ErrConflict) }

// worst is the error that says most about what to do next: with a newer record
// nothing helps; after a conflict a new look does; after one that isn't decided, the
// same again; and the guard's word counts only when nothing else moved.
func worst(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	return slices.MinFunc(errs, func(a, b error) int { return rank(a) - rank(b) })
}

func rank(err error) int {
	switch {
	case errors.Is(err, record.ErrNewerRecord):
		return 0
	case errors.Is(err, errOngoing):
		return 2
	case errors.Is(err, record.ErrConflict):
		return 1
	case errors.Is(err, record.ErrGuard):
		return 3
	default:
		return 4
	}
}
