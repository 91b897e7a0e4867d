package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tourniquet/lambda/pause"
	"tourniquet/lambda/record"
)

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
	if record.Status(next.Status).Open() || next.Version > 1 && !next.unsettled() {
		items = append(items, itemChange{pointerKey(next.Instance), func(m *Memory) (func(), error) { return m.point(next) }})
	}
	if c.Count != 0 {
		items = append(items, itemChange{guardKey, func(m *Memory) (func(), error) { return m.count(c) }})
	}
	for _, o := range c.Owed {
		items = append(items, itemChange{owedKey(o), func(m *Memory) (func(), error) {
			return func() { m.owed[owedKey(o)] = fromOwed(o) }, m.owed[owedKey(o)].check()
		}})
	}
	for _, vpc := range next.keeps() {
		items = append(items, itemChange{vpcKey(vpc), func(m *Memory) (func(), error) {
			return func() { m.vpcs[vpcKey(vpc)] = vpcOf(vpc) }, nil
		}})
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
		if _, damaged := m.damaged[i.key]; damaged {
			err = conflict(i.key)
		}
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
		if open && stored.Generation > next.Generation {
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
			m.guard = guardItem{header{guardKey, schemaFirst}, n}
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
