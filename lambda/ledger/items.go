package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
)

// Items are everything in the ledger as a table would have it, in the order of keys.
func (m *Memory) Items() ([]Item, error) {
	defer m.lock()()
	all := m.all()
	var items []Item
	for _, k := range slices.SortedFunc(maps.Keys(all), byKey) {
		i, err := attributevalue.MarshalMap(all[k])
		if err != nil {
			return nil, fmt.Errorf("item %s: %w", k, err)
		}
		items = append(items, i)
	}
	return items, nil
}

// Put stores items as a table has them, in the place of what has their keys. It
// fails for an item that this ledger can't have.
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
		err = into(m.containments, i)
	case strings.HasPrefix(k.SK, skEvent):
		err = into(m.events, i)
	case strings.HasPrefix(k.SK, skAsked):
		err = into(m.asked, i)
	case strings.HasPrefix(k.SK, skSlot):
		err = into(m.slots, i)
	case k.PK == pkOpen:
		err = into(m.pointers, i)
	case k == guardKey:
		err = attributevalue.UnmarshalMap(i, &m.guard)
	default:
		err = fmt.Errorf("a kind of item that this program doesn't know")
	}
	if err != nil {
		return fmt.Errorf("item %s: %w", k, err)
	}
	return nil
}

func into[T any](all map[key]T, i Item) error {
	k, err := keyOf(i)
	if err != nil {
		return err
	}
	var item T
	if err := attributevalue.UnmarshalMap(i, &item); err != nil {
		return err
	}
	all[k] = item
	return nil
}
