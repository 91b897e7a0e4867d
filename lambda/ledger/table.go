// Package ledger keeps containment's ledger in DynamoDB (Table), and in memory for
// tests, drills and dry runs (Memory).
//
// All items are in one table and are found by key alone, with consistent reads:
// an index would lag behind, and the plan that is made from a stale read takes a
// slot that is not free. What is read is not one snapshot. It need not be, since
// every write is conditional on what the plan relied on: the version of the
// containment, the holders and prefix of each slot, the count of the guard. A
// race is lost with record.ErrConflict and nothing written, except that of a plan with
// more than 100 items the record and some slots may be there: then the next look goes
// on from them.
//
// An item that can't be read, since a later version wrote it or it is damaged, is
// reported by its key and hides no other. It is never written over.
//
// The groups to restore on release are held twice in a containment's item: with
// the steps, and in a map of their own that the program can add to and never
// change. There the first writer wins, whatever a later plan says.
package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"tourniquet/lambda/order"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/record"
)

// Table is the ledger in a DynamoDB table with the keys PartitionKey and SortKey.
type Table struct {
	Client *dynamodb.Client
	Name   string
}

// Load implements containment.Ledger.
func (t *Table) Load(ctx context.Context, instance string, vpcs []string) (record.Known, error) {
	var latest containmentItem
	var slots reading[record.Slot]
	var contained int
	g, ctx := parallel.WithContext(ctx)
	g.Go(func() (err error) { latest, err = t.latest(ctx, instance); return err })
	g.Go(func() (err error) { slots, err = t.slots(ctx, vpcs); return err })
	g.Go(func() (err error) { contained, err = t.GuardCount(ctx); return err })
	if err := g.Wait(); err != nil {
		return record.Known{}, fmt.Errorf("loading %s: %w", instance, err)
	}
	k, err := known(latest, slots)
	k.Contained = contained
	return k, err
}

// slots reads VPCs' slots side by side, sorted.
func (t *Table) slots(ctx context.Context, vpcs []string) (reading[record.Slot], error) {
	vpcs = set(vpcs)
	found := make([][]Item, len(vpcs))
	g, ctx := parallel.WithContext(ctx)
	for n, vpc := range vpcs {
		g.Go(func() (err error) { found[n], err = t.query(ctx, pkVPC+vpc, skSlot); return err })
	}
	if err := g.Wait(); err != nil {
		return reading[record.Slot]{}, err
	}
	slots := decodeAll(slices.Concat(found...), slotItem.slot)
	order.Sort(slots.good, bySlotKey)
	return slots, nil
}

// Slots implements containment.Book.
func (t *Table) Slots(ctx context.Context, vpcs []string) ([]record.Slot, error) {
	slots, err := t.slots(ctx, vpcs)
	if err != nil {
		return nil, fmt.Errorf("loading slots: %w", err)
	}
	return slots.good, slots.err()
}

// Containment implements containment.Book.
func (t *Table) Containment(ctx context.Context, instance string, generation int) (*record.Record, error) {
	item, err := get[containmentItem](ctx, t, containmentKey(instance, generation))
	if err != nil {
		return nil, err
	}
	return item.known()
}

// latest reads the containment with the highest generation; it is the zero item when
// there is none. The numbers in keys are not padded, so that the last key is not
// always that of the highest one: 9 comes after 10. But generations have no gaps, and
// there is a 10 only if there is a 9. So any last key that is not all nines is the
// highest one's, and that item alone is read. After 9, or 99, the keys are read too.
func (t *Table) latest(ctx context.Context, instance string) (containmentItem, error) {
	pk := pkInstance + instance
	last, err := t.last(ctx, pk, skContainment)
	if err != nil || last == nil {
		return containmentItem{}, err
	}
	k, err := keyOf(last)
	if err != nil {
		return containmentItem{}, err
	}
	n, err := k.generation()
	if err != nil {
		return containmentItem{}, err
	}
	if strings.Trim(strconv.Itoa(n), "9") != "" {
		return decode[containmentItem](last)
	}
	keys, err := t.query(ctx, pk, skContainment, PartitionKey, SortKey)
	if err != nil {
		return containmentItem{}, err
	}
	highest, err := newest(keys)
	if err != nil {
		return containmentItem{}, err
	}
	if highest <= n {
		return decode[containmentItem](last)
	}
	return get[containmentItem](ctx, t, containmentKey(instance, highest))
}

// newest is the highest generation among containments.
func newest(items []Item) (int, error) {
	highest := 0
	for _, i := range items {
		k, err := keyOf(i)
		if err != nil {
			return 0, err
		}
		n, err := k.generation()
		if err != nil {
			return 0, err
		}
		highest = max(highest, n)
	}
	return highest, nil
}

// Note implements containment.Ledger.
func (t *Table) Note(ctx context.Context, e record.Event, owed ...record.Owed) error {
	err := checkOwed(owed, e.Instance)
	switch {
	case err != nil:
	case len(owed) > 0:
		err = t.noteOwing(ctx, e, owed)
	default:
		_, _, err = t.putIf(ctx, eventKey(e), fromEvent(e), ifAbsent)
	}
	if err != nil {
		return fmt.Errorf("noting an event of %s: %w", e.Instance, err)
	}
	return nil
}

// Open implements containment.Book.
func (t *Table) Open(ctx context.Context) ([]string, error) {
	items, err := t.query(ctx, pkOpen, "")
	if err != nil {
		return nil, fmt.Errorf("listing open containments: %w", err)
	}
	open := decodeAll(items, pointerItem.open)
	slices.Sort(open.good)
	return open.good, open.err()
}

// History is what has been noted of an instance, in order of time. When some lines
// can't be read, the others come with an error that record.Unreadable takes apart.
func (t *Table) History(ctx context.Context, instance string) ([]record.Event, error) {
	items, err := t.query(ctx, pkInstance+instance, skEvent)
	if err != nil {
		return nil, fmt.Errorf("reading the history of %s: %w", instance, err)
	}
	history := decodeAll(items, eventItem.event) // in the order of keys
	return history.good, history.err()
}

// GuardCount is how many instances events have contained, as the blast-radius
// guard counts them.
func (t *Table) GuardCount(ctx context.Context) (int, error) {
	guard, err := get[guardItem](ctx, t, guardKey)
	return guard.Count, err
}
