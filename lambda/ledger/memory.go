package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"tourniquet/lambda/order"
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
	vpcs         map[key]vpcItem
	owed         map[key]owedItem
	leases       map[key]leaseItem
	damaged      map[key]Item // what has been put here and can't be read
}

// lock gives one caller the ledger, and makes its maps.
func (m *Memory) lock() (unlock func()) {
	m.mu.Lock()
	if m.containments == nil {
		m.containments, m.slots = map[key]containmentItem{}, map[key]slotItem{}
		m.events, m.pointers, m.asked = map[key]eventItem{}, map[key]pointerItem{}, map[key]askedItem{}
		m.owed, m.leases = map[key]owedItem{}, map[key]leaseItem{}
		m.busy, m.vpcs, m.damaged = map[key]bool{}, map[key]vpcItem{}, map[key]Item{}
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
	for k, i := range m.damaged {
		if n, err := k.generation(); k.PK == pkInstance+instance && err == nil && n > latest.Generation {
			_, _, err := decodeAs(i, containmentItem.known)
			return record.Known{}, err
		}
	}
	k, err := known(latest, m.slotsOf(vpcs))
	if err == nil {
		k.Contained, err = m.guard.Count, m.guard.check()
	}
	return k, err
}

// slotsOf are the slots of VPCs, sorted.
func (m *Memory) slotsOf(vpcs []string) reading[record.Slot] {
	var r reading[record.Slot]
	for k, i := range m.slots {
		if vpc, _ := strings.CutPrefix(k.PK, pkVPC); !slices.Contains(vpcs, vpc) {
			continue
		}
		s, err := record.Slot{}, i.check()
		if err == nil {
			s, err = i.slot()
		}
		r.add(k, s, err)
	}
	for k, i := range m.damaged {
		if vpc, of := strings.CutPrefix(k.PK, pkVPC); of && slices.Contains(vpcs, vpc) {
			_, s, err := decodeAs(i, slotItem.slot)
			r.add(k, s, err)
		}
	}
	order.Sort(r.good, bySlotKey)
	return r
}

// Slots implements containment.Book.
func (m *Memory) Slots(ctx context.Context, vpcs []string) ([]record.Slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.lock()()
	slots := m.slotsOf(vpcs)
	return slots.good, slots.err()
}

// Open implements containment.Book.
func (m *Memory) Open(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.lock()()
	var r reading[string]
	for k, i := range m.pointers {
		instance, err := i.open()
		r.add(k, instance, cmp.Or(i.check(), err))
	}
	for k, i := range m.damaged {
		if k.PK == pkOpen {
			_, instance, err := decodeAs(i, pointerItem.open)
			r.add(k, instance, err)
		}
	}
	slices.Sort(r.good)
	return r.good, r.err()
}

// Containment implements containment.Book.
func (m *Memory) Containment(ctx context.Context, instance string, generation int) (*record.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.lock()()
	k := containmentKey(instance, generation)
	if i, damaged := m.damaged[k]; damaged {
		_, r, err := decodeAs(i, containmentItem.known)
		return r, err
	}
	return m.containments[k].known()
}

// Note implements containment.Ledger.
func (m *Memory) Note(ctx context.Context, e record.Event, owed ...record.Owed) error {
	if err := errors.Join(ctx.Err(), checkOwed(owed, e.Instance)); err != nil {
		return fmt.Errorf("noting an event of %s: %w", e.Instance, err)
	}
	defer m.lock()()
	i := fromEvent(e)
	if _, there := m.events[i.key]; there {
		return nil
	}
	m.events[i.key] = i
	for _, o := range owed {
		m.owed[owedKey(o)] = fromOwed(o)
	}
	return nil
}
