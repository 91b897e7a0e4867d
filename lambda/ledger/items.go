package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
)

// Items are everything in the ledger as a table would have it, in the order of keys, with
// what can't be read.
func (m *Memory) Items() ([]Item, error) {
	defer m.lock()()
	found := maps.Clone(m.damaged)
	if found == nil {
		found = map[key]Item{}
	}
	for k, item := range m.all() {
		i, err := attributevalue.MarshalMap(item)
		if err != nil {
			return nil, fmt.Errorf("item %s: %w", k, err)
		}
		found[k] = i
	}
	var items []Item
	for _, k := range slices.SortedFunc(maps.Keys(found), byKey) {
		items = append(items, found[k])
	}
	return items, nil
}

// Put stores items as a table has them, in the place of what has their keys. One of
// a known kind that can't be read is stored too, and is in the way as in a table. It
// fails for an item of an unknown kind.
func (m *Memory) Put(items ...Item) error {
	defer m.lock()()
	for _, i := range items {
		if err := m.put(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *Memory) put(i Item) error {
	k, err := keyOf(i)
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(k.SK, skContainment):
		err = into(m.containments, k, i, containmentItem.known)
	case strings.HasPrefix(k.SK, skEvent):
		err = into(m.events, k, i, eventItem.event)
	case strings.HasPrefix(k.SK, skAsked):
		err = into(m.asked, k, i, whole)
	case strings.HasPrefix(k.SK, skSlot):
		err = into(m.slots, k, i, slotItem.slot)
	case k.PK == pkOpen:
		err = into(m.pointers, k, i, pointerItem.open)
	case k.PK == pkOwed:
		err = into(m.owed, k, i, owedItem.owed)
	case k.PK == pkLease:
		err = into(m.leases, k, i, whole)
	case k.PK == pkVPCs:
		err = into(m.vpcs, k, i, whole)
	case k == guardKey:
		m.guard, err = decode[guardItem](i)
	default:
		return fmt.Errorf("item %s: a kind of item that this program doesn't know", k)
	}
	delete(m.damaged, k)
	if err != nil {
		m.damaged[k] = i
	}
	return nil
}

// into puts an item among those of its kind, if it can be read.
func into[I, T any](all map[key]I, k key, i Item, read func(I) (T, error)) error {
	delete(all, k)
	item, err := decode[I](i)
	if err != nil {
		return err
	}
	if _, err := read(item); err != nil {
		return err
	}
	all[k] = item
	return nil
}

func whole[I any](i I) (I, error) { return i, nil }
