package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"tourniquet/lambda/record"
)

// Memory is a ledger in memory, with the semantics of Table: both pass the same
// tests. The zero value is empty and ready. What goes in and what comes out are
// copies.
type Memory struct {
	mu           sync.Mutex
	containments map[key]containmentItem
	slots        map[key]slotItem
	events       map[key]eventItem
	pointers     map[key]pointerItem
	guard        guardItem
}

// lock gives one caller the ledger, and makes its maps.
func (m *Memory) lock() (unlock func()) {
	m.mu.Lock()
	if m.containments == nil {
		m.containments, m.slots = map[key]containmentItem{}, map[key]slotItem{}
		m.events, m.pointers = map[key]eventItem{}, map[key]pointerItem{}
	}
	return m.mu.Unlock
}

// Load implements containment.Ledger.
func (m *Memory) Load(ctx context.Context, instance string, vpcs []string) (record.Known, error) {
	if err := ctx.Err(); err != nil {
		return record.Known{}, err
	}
	defer m.lock()()
	var latest containmentItem
	for _, i := range m.containments {
		if i.Instance == instance && i.Generation > latest.Generation {
			latest = i
		}
	}
	var slots []slotItem
	for _, i := range m.slots {
		if slices.Contains(vpcs, i.VPC) {
			slots = append(slots, i)
		}
	}
	return known(latest, slots)
}

// Slots implements containment.Book.
func (m *Memory) Slots(ctx context.Context, vpcs []string) ([]record.Slot, error) {
	k, err := m.Load(ctx, "", vpcs)
	return k.Slots, err
}

// Containment implements containment.Book.
func (m *Memory) Containment(ctx context.Context, instance string, generation int) (*record.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.lock()()
	item, there := m.containments[containmentKey(instance, generation)]
	if !there {
		return nil, nil
	}
	k, err := known(item, nil)
	return k.Record, err
}

// Commit implements containment.Ledger.
func (m *Memory) Commit(ctx context.Context, c record.Change) error {
	next, err := prepare(ctx, c)
	if err != nil {
		return err
	}
	defer m.lock()()
	event := fromEvent(c.Event)
	slots := map[key]slotItem{}
	errs := []error{next.follows(m.containments[next.key]), m.point(next), m.count(c)}
	if _, there := m.events[event.key]; there {
		errs = append(errs, conflict(event.key))
	}
	for _, s := range c.Slots {
		slot, err := changed(m.slots[slotKey(s.Slot.SlotKey)], s, c.Record.Holder())
		slots[slot.key] = slot
		errs = append(errs, err)
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if err := worst(errs); err != nil {
		return fmt.Errorf("committing containment %s: %w", c.Record.Holder(), err)
	}
	m.write(next, event, slots, c.Count)
	return nil
}

// prepare is a change's containment as it is to be stored.
func prepare(ctx context.Context, c record.Change) (containmentItem, error) {
	if err := ctx.Err(); err != nil {
		return containmentItem{}, err
	}
	if err := check(c); err != nil {
		return containmentItem{}, fmt.Errorf("committing containment %s: %w", c.Record.Holder(), err)
	}
	return toItem(c.Record)
}

// point is why the instance's pointer can't follow the containment, or nil.
func (m *Memory) point(next containmentItem) error {
	stored, there := m.pointers[pointerKey(next.Instance)]
	open := record.Status(next.Status).Open()
	if !there || !open && next.Version == 1 {
		return nil
	}
	if err := stored.check(); err != nil {
		return err
	}
	if open && stored.Generation != next.Generation {
		return conflict(stored.key)
	}
	return nil
}

// count is why the guard can't count the change, or nil.
func (m *Memory) count(c record.Change) error {
	if c.Count == 0 {
		return nil
	}
	if err := m.guard.check(); err != nil {
		return err
	}
	if c.Count > 0 && m.guard.Count+c.Count > c.Limit {
		return record.ErrGuard
	}
	return nil
}

// changed is a slot after a change to it by a holder; without holders, it is free.
func changed(stored slotItem, c record.SlotChange, holder string) (slotItem, error) {
	next := fromSlot(c.Slot)
	if err := stored.check(); err != nil {
		return next, err
	}
	taken := len(stored.Holders) > 0
	same := taken && stored.Prefix == next.Prefix
	held := slices.Contains(stored.Holders, holder)
	if c.Op == record.GiveUp {
		if !same || !slices.Equal(stored.Holders, next.Holders) {
			return next, conflict(next.key)
		}
		stored.Holders = without(next.Holders, holder)
		return stored, nil
	}
	staying := same && stored.State != string(record.SlotRemoving)
	fits := map[record.SlotOp]bool{
		record.Reserve: !taken || staying && held,
		record.Hold:    staying,
		record.Settle:  staying && held,
		record.Remove:  same && slices.Equal(stored.Holders, []string{holder}),
	}
	if !fits[c.Op] {
		return next, conflict(next.key)
	}
	next.Holders = set(append(texts(stored.Holders), holder))
	return next, nil
}

// write takes in what has been found to fit.
func (m *Memory) write(next containmentItem, event eventItem, slots map[key]slotItem, count int) {
	maps.Insert(next.Originals, maps.All(m.containments[next.key].Originals))
	m.containments[next.key] = next
	m.events[event.key] = event
	for k, s := range slots {
		if m.slots[k] = s; len(s.Holders) == 0 {
			delete(m.slots, k)
		}
	}
	p := pointer(next)
	if record.Status(next.Status).Open() {
		m.pointers[p.key] = p
	} else if m.pointers[p.key].Generation == next.Generation {
		delete(m.pointers, p.key)
	}
	if n := m.guard.Count + count; count != 0 && n >= 0 {
		m.guard = guardItem{header{guardKey, schemaVersion}, n}
	}
}

// Note implements containment.Ledger.
func (m *Memory) Note(ctx context.Context, e record.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer m.lock()()
	i := fromEvent(e)
	if _, there := m.events[i.key]; !there {
		m.events[i.key] = i
	}
	return nil
}
