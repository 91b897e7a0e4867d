package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tourniquet/lambda/pause"
	"tourniquet/lambda/record"
)

// Memory is a ledger in memory, with the semantics of Table: both pass the same
// tests. The zero value is empty and ready. What goes in and what comes out are
// copies.
type Memory struct {
	// Takes is how long the transaction of a Commit takes. Of two that have an item
	// in common, the one that comes while the other is under way is turned away and
	// tried again, as in DynamoDB. Zero: a transaction takes no time, and meets no other.
	Takes time.Duration

	mu           sync.Mutex
	busy         map[key]bool // by transactions under way
	containments map[key]containmentItem
	slots        map[key]slotItem
	events       map[key]eventItem
	pointers     map[key]pointerItem
	asked        map[key]askedItem
	guard        guardItem
}

// lock gives one caller the ledger, and makes its maps.
func (m *Memory) lock() (unlock func()) {
	m.mu.Lock()
	if m.containments == nil {
		m.containments, m.slots = map[key]containmentItem{}, map[key]slotItem{}
		m.events, m.pointers, m.asked = map[key]eventItem{}, map[key]pointerItem{}, map[key]askedItem{}
		m.busy = map[key]bool{}
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
	k, err := known(latest, slots)
	if err == nil {
		k.Contained, err = m.guard.Count, m.guard.check()
	}
	return k, err
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

// Commit implements containment.Ledger, in the same parts as Table's.
func (m *Memory) Commit(ctx context.Context, c record.Change) error {
	next, err := prepare(ctx, c)
	if err != nil {
		return err
	}
	event := fromEvent(c.Event)
	items := []itemChange{
		{next.key, func(m *Memory) (func(), error) { return m.containment(next) }},
		{event.key, func(m *Memory) (func(), error) { return m.event(event) }},
	}
	if record.Status(next.Status).Open() || next.Version > 1 {
		items = append(items, itemChange{pointerKey(next.Instance), func(m *Memory) (func(), error) { return m.point(next) }})
	}
	if c.Count != 0 {
		items = append(items, itemChange{guardKey, func(m *Memory) (func(), error) { return m.count(c) }})
	}
	for _, s := range c.Slots {
		items = append(items, itemChange{slotKey(s.Slot.SlotKey), func(m *Memory) (func(), error) { return m.slot(s, c.Record.Holder()) }})
	}
	if err := inParts(items, func(part []itemChange) error { return m.transact(ctx, part) }); err != nil {
		return fmt.Errorf("committing containment %s: %w", c.Record.Holder(), err)
	}
	return nil
}

// An itemChange is one item of a transaction in memory.
type itemChange struct {
	key key

	// plan tests the conditions, and returns what then writes the item. The
	// ledger's caller has it for both.
	plan func(m *Memory) (write func(), err error)
}

// transact makes all changes or none. It tries again when it meets another transaction.
func (m *Memory) transact(ctx context.Context, items []itemChange) error {
	return again(ctx, func() error {
		if m.Takes == 0 {
			return m.carryOut(items)
		}
		if err := m.begin(items); err != nil {
			return err
		}
		defer m.end(items)
		if err := pause.For(ctx, m.Takes); err != nil {
			return err
		}
		return m.carryOut(items)
	})
}

// begin has the items taken by a transaction, unless another one has one of them.
func (m *Memory) begin(items []itemChange) error {
	defer m.lock()()
	for _, i := range items {
		if m.busy[i.key] {
			return fmt.Errorf("item %s: %w", i.key, errOngoing)
		}
	}
	for _, i := range items {
		m.busy[i.key] = true
	}
	return nil
}

func (m *Memory) end(items []itemChange) {
	defer m.lock()()
	for _, i := range items {
		delete(m.busy, i.key)
	}
}

// carryOut makes all changes, at one moment, or none.
func (m *Memory) carryOut(items []itemChange) error {
	defer m.lock()()
	var writes []func()
	var errs []error
	for _, i := range items {
		write, err := i.plan(m)
		if err != nil {
			errs = append(errs, err)
		}
		writes = append(writes, write)
	}
	if err := worst(errs); err != nil {
		return err
	}
	for _, write := range writes {
		write()
	}
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

func (m *Memory) containment(next containmentItem) (func(), error) {
	stored := m.containments[next.key]
	next.Originals = maps.Clone(next.Originals)
	return func() {
		maps.Insert(next.Originals, maps.All(stored.Originals))
		m.containments[next.key] = next
	}, next.follows(stored)
}

func (m *Memory) event(e eventItem) (func(), error) {
	var err error
	if _, there := m.events[e.key]; there {
		err = conflict(e.key)
	}
	return func() { m.events[e.key] = e }, err
}

// point has the instance's pointer follow the containment.
func (m *Memory) point(next containmentItem) (func(), error) {
	stored, there := m.pointers[pointerKey(next.Instance)]
	open := record.Status(next.Status).Open()
	if there {
		if err := stored.check(); err != nil {
			return nil, err
		}
		if open && stored.Generation != next.Generation {
			return nil, conflict(stored.key)
		}
	}
	return func() {
		if p := pointer(next); open {
			m.pointers[p.key] = p
		} else if stored.Generation == next.Generation {
			delete(m.pointers, p.key)
		}
	}, nil
}

// count has the guard count the change. A count that is zero already stays there.
func (m *Memory) count(c record.Change) (func(), error) {
	if err := m.guard.check(); err != nil {
		return nil, err
	}
	n := m.guard.Count + c.Count
	if c.Count > 0 && n > c.Limit {
		return nil, record.ErrGuard
	}
	return func() {
		if n >= 0 {
			m.guard = guardItem{header{guardKey, schemaVersion}, n}
		}
	}, nil
}

func (m *Memory) slot(c record.SlotChange, by record.Holder) (func(), error) {
	next, err := changed(m.slots[slotKey(c.Slot.SlotKey)], c, by)
	return func() {
		if m.slots[next.key] = next; len(next.Holders) == 0 {
			delete(m.slots, next.key)
		}
	}, err
}

// changed is a slot after a change to it by a holder; without holders, it is free.
func changed(stored slotItem, c record.SlotChange, by record.Holder) (slotItem, error) {
	next, holder := fromSlot(c.Slot), by.String()
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
		stored.Holders = slices.DeleteFunc(texts(next.Holders), func(h string) bool { return h == holder })
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
