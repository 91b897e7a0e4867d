// Package ledger keeps containment's ledger in DynamoDB (Table), and in memory for
// tests, drills and dry runs (Memory).
//
// All items are in one table and are found by key alone, with consistent reads:
// an index would lag behind, and the plan that is made from a stale read takes a
// slot that is not free. What is read is not one snapshot. It need not be, since
// every write is conditional on what the plan relied on: the version of the
// containment, the holders and prefix of each slot, the count of the guard. A
// race is lost with containment.ErrConflict and nothing written, except that the
// slots of a plan with more than 100 items may stay reserved.
//
// The groups to restore on release are held twice in a containment's item: with
// the steps, and in a map of their own that the program can add to and never
// change. There the first writer wins, whatever a later plan says.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

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
	var slots []slotItem
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		items, err := t.query(ctx, pkInstance+instance, skContainment)
		if err == nil {
			latest, err = newest(items)
		}
		return err
	})
	g.Go(func() (err error) { slots, err = t.slots(ctx, vpcs); return err })
	if err := g.Wait(); err != nil {
		return record.Known{}, fmt.Errorf("loading %s: %w", instance, err)
	}
	return known(latest, slots)
}

// slots reads VPCs' slots side by side.
func (t *Table) slots(ctx context.Context, vpcs []string) ([]slotItem, error) {
	vpcs = set(vpcs)
	slots := make([][]slotItem, len(vpcs))
	g, ctx := errgroup.WithContext(ctx)
	for n, vpc := range vpcs {
		g.Go(func() error {
			items, err := t.query(ctx, pkVPC+vpc, skSlot)
			if err == nil {
				slots[n], err = convert(items, decode[slotItem])
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(slots...), nil
}

// Slots implements containment.Book.
func (t *Table) Slots(ctx context.Context, vpcs []string) ([]record.Slot, error) {
	items, err := t.slots(ctx, vpcs)
	if err != nil {
		return nil, fmt.Errorf("loading slots: %w", err)
	}
	k, err := known(containmentItem{}, items)
	return k.Slots, err
}

// Containment implements containment.Book.
func (t *Table) Containment(ctx context.Context, instance string, generation int) (*record.Record, error) {
	k := containmentKey(instance, generation)
	out, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.Name, Key: k.attributes(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", k, err)
	}
	if len(out.Item) == 0 {
		return nil, nil
	}
	item, err := decode[containmentItem](out.Item)
	if err != nil {
		return nil, err
	}
	found, err := known(item, nil)
	return found.Record, err
}

// newest is the containment with the highest generation, or the zero item.
func newest(items []attributes) (containmentItem, error) {
	var latest attributes
	highest := 0
	for _, i := range items {
		k, err := keyOf(i)
		if err != nil {
			return containmentItem{}, err
		}
		n, err := k.generation()
		if err != nil {
			return containmentItem{}, err
		}
		if n > highest {
			latest, highest = i, n
		}
	}
	if highest == 0 {
		return containmentItem{}, nil
	}
	return decode[containmentItem](latest)
}

// Note implements containment.Ledger.
func (t *Table) Note(ctx context.Context, e record.Event) error {
	d := draft{table: &t.Name}
	put := d.put(eventKey(e), fromEvent(e), absent).Put
	if d.err != nil {
		return fmt.Errorf("noting an event of %s: %w", e.Instance, d.err)
	}
	_, err := t.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
		ExpressionAttributeNames: put.ExpressionAttributeNames, ExpressionAttributeValues: put.ExpressionAttributeValues,
	})
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return nil
	}
	if err != nil {
		return fmt.Errorf("noting an event of %s: %w", e.Instance, err)
	}
	return nil
}

// Open names the instances with an open containment, sorted.
func (t *Table) Open(ctx context.Context) ([]string, error) {
	pointers, err := all[pointerItem](ctx, t, pkOpen, "")
	if err != nil {
		return nil, fmt.Errorf("listing open containments: %w", err)
	}
	return openInstances(pointers), nil
}

// History is what has been noted of an instance, in order of time.
func (t *Table) History(ctx context.Context, instance string) ([]record.Event, error) {
	found, err := all[eventItem](ctx, t, pkInstance+instance, skEvent)
	if err != nil {
		return nil, fmt.Errorf("reading the history of %s: %w", instance, err)
	}
	return history(found), nil
}

// GuardCount is how many instances events have contained, as the blast-radius
// guard counts them.
func (t *Table) GuardCount(ctx context.Context) (int, error) {
	found, err := all[guardItem](ctx, t, pkGuard, skContained)
	if err != nil {
		return 0, fmt.Errorf("reading the guard: %w", err)
	}
	n := 0
	for _, g := range found {
		n += g.Count
	}
	return n, nil
}

func all[T any](ctx context.Context, t *Table, pk, prefix string) ([]T, error) {
	items, err := t.query(ctx, pk, prefix)
	if err != nil {
		return nil, err
	}
	return convert(items, decode[T])
}

// query reads every item under a partition key whose sort key has a prefix.
func (t *Table) query(ctx context.Context, pk, prefix string) ([]attributes, error) {
	cond := expression.Key(PartitionKey).Equal(expression.Value(pk))
	if prefix != "" {
		cond = cond.And(expression.Key(SortKey).BeginsWith(prefix))
	}
	expr, err := expression.NewBuilder().WithKeyCondition(cond).Build()
	if err != nil {
		return nil, fmt.Errorf("querying %s %s: %w", pk, prefix, err)
	}
	pages := dynamodb.NewQueryPaginator(t.Client, &dynamodb.QueryInput{
		TableName: &t.Name, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:   expr.KeyCondition(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values(),
	})
	var items []attributes
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("querying %s %s: %w", pk, prefix, err)
		}
		items = append(items, page.Items...)
	}
	return items, nil
}

// attributes are an item as DynamoDB has it.
type attributes = map[string]types.AttributeValue

// decode reads an item. Its schema comes first: of a newer one, not even the
// attributes' types are known.
func decode[T any](i attributes) (T, error) {
	var item T
	var h header
	if err := attributevalue.UnmarshalMap(i, &h); err != nil {
		return item, fmt.Errorf("an item's key and schema: %w", err)
	}
	if err := h.check(); err != nil {
		return item, err
	}
	if err := attributevalue.UnmarshalMap(i, &item); err != nil {
		return item, fmt.Errorf("item %s: %w", h.key, err)
	}
	return item, nil
}

func keyOf(i attributes) (key, error) {
	var k key
	if err := attributevalue.UnmarshalMap(i, &k); err != nil {
		return k, fmt.Errorf("an item's key: %w", err)
	}
	return k, nil
}
