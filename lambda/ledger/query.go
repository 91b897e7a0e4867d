package ledger

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// get reads one item; it is the zero item when there is none.
func get[T any](ctx context.Context, t *Table, k key) (T, error) {
	var none T
	out, err := t.Client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.Name, Key: k.attributes(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return none, fmt.Errorf("reading %s: %w", k, err)
	}
	if len(out.Item) == 0 {
		return none, nil
	}
	return decode[T](out.Item)
}

// query reads every item under a partition key whose sort key has a prefix: whole, or
// only the attributes that are named.
func (t *Table) query(ctx context.Context, pk, prefix string, only ...string) ([]Item, error) {
	in := under(t.Name, pk, prefix)
	if len(only) > 0 {
		in.ProjectionExpression = aws.String(strings.Join(only, ", "))
	}
	pages := dynamodb.NewQueryPaginator(t.Client, in)
	var items []Item
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("querying %s %s: %w", pk, prefix, err)
		}
		items = append(items, page.Items...)
	}
	return items, nil
}

// last reads the item whose sort key comes last of those with a prefix; nil when
// there is none.
func (t *Table) last(ctx context.Context, pk, prefix string) (Item, error) {
	in := under(t.Name, pk, prefix)
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(1)
	out, err := t.Client.Query(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("querying %s %s: %w", pk, prefix, err)
	}
	if len(out.Items) == 0 {
		return nil, nil
	}
	return out.Items[0], nil
}

// under asks for the items under a partition key whose sort key has a prefix; all of them
// if it is empty.
func under(table, pk, prefix string) *dynamodb.QueryInput {
	cond, values := PartitionKey+" = :pk", Item{":pk": textOf(pk)}
	if prefix != "" {
		cond += " AND begins_with(" + SortKey + ", :prefix)"
		values[":prefix"] = textOf(prefix)
	}
	return &dynamodb.QueryInput{
		TableName: &table, ConsistentRead: aws.Bool(true),
		KeyConditionExpression: &cond, ExpressionAttributeValues: values,
	}
}

// An Item is an item of the table as DynamoDB has it.
type Item = map[string]types.AttributeValue

// decode reads an item. Its schema comes first: of a newer one, not even the
// attributes' types are known.
func decode[T any](i Item) (T, error) {
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

func keyOf(i Item) (key, error) {
	var k key
	if err := attributevalue.UnmarshalMap(i, &k); err != nil {
		return k, fmt.Errorf("an item's key: %w", err)
	}
	return k, nil
}
