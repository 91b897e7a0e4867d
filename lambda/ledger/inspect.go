package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"

	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

// History is that of Table.
func (m *Memory) History(ctx context.Context, instance string) ([]record.Event, error) {
	defer m.lock()()
	found := m.history(pkInstance + instance)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return found.good, found.err()
}

// history is what has been noted under a key, or under all keys.
func (m *Memory) history(pk string) reading[record.Event] {
	var r reading[record.Event]
	of := func(k key) bool { return pk == "" || k.PK == pk }
	for _, k := range slices.SortedFunc(maps.Keys(m.events), byKey) {
		if i := m.events[k]; of(k) {
			e, err := i.event()
			r.add(k, e, errors.Join(i.check(), err))
		}
	}
	for k, i := range m.damaged {
		if strings.HasPrefix(k.SK, skEvent) && of(k) {
			_, e, err := decodeAs(i, eventItem.event)
			r.add(k, e, err)
		}
	}
	return r
}

// GuardCount is how many instances events have contained, as the blast-radius
// guard counts them.
func (m *Memory) GuardCount(ctx context.Context) (int, error) {
	defer m.lock()()
	return m.guard.Count, ctx.Err()
}

// Records are all containments, sorted by instance and generation.
func (m *Memory) Records() []record.Record {
	defer m.lock()()
	var records []record.Record
	for _, i := range m.containments {
		r, _ := i.record() // it was a record when it came in
		records = append(records, r)
	}
	order.Sort(records, func(a, b record.Record) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Generation, b.Generation))
	})
	return records
}

// AllSlots are the slots of all VPCs, sorted by VPC, ACL, direction and number.
func (m *Memory) AllSlots() []record.Slot {
	defer m.lock()()
	var all []record.Slot
	for _, i := range m.slots {
		s, _ := i.slot() // it was a slot when it came in
		all = append(all, s)
	}
	order.Sort(all, bySlotKey)
	return all
}

// Events are the histories of all instances, one after the other.
func (m *Memory) Events() []record.Event {
	defer m.lock()()
	return m.history("").good
}

// String is all of the content as text: the same for the same content.
func (m *Memory) String() string {
	defer m.lock()()
	all := m.all()
	var b strings.Builder
	for _, k := range slices.SortedFunc(maps.Keys(all), byKey) {
		fmt.Fprintf(&b, "%s %s\n", k, shown(all[k]))
	}
	return b.String()
}

// all are the items by key.
func (m *Memory) all() map[key]any {
	all := map[key]any{}
	for k, i := range m.containments {
		all[k] = i
	}
	for k, i := range m.slots {
		all[k] = i
	}
	for k, i := range m.events {
		all[k] = i
	}
	for k, i := range m.asked {
		all[k] = i
	}
	for k, i := range m.vpcs {
		all[k] = i
	}
	for k, i := range m.owed {
		all[k] = i
	}
	for k, i := range m.leases {
		all[k] = i
	}
	for k, i := range m.pointers {
		all[k] = i
	}
	if m.guard != (guardItem{}) {
		all[guardKey] = m.guard
	}
	return all
}

// shown is an item under the names that its attributes have in the table.
func shown(item any) string {
	var named map[string]any
	values, err := attributevalue.MarshalMap(item)
	if err == nil {
		err = attributevalue.UnmarshalMap(values, &named)
	}
	delete(named, PartitionKey)
	delete(named, SortKey)
	text, jsonErr := json.MarshalIndent(named, "", "  ") // which sorts the names
	if err = cmp.Or(err, jsonErr); err != nil {
		return err.Error()
	}
	return string(text)
}

func byKey(a, b key) int { return cmp.Or(cmp.Compare(a.PK, b.PK), cmp.Compare(a.SK, b.SK)) }
