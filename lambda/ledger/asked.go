package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An askedItem says when a person's command was first handled. Lambda repeats an
// asynchronous invocation under the same request id, minutes later.
type askedItem struct {
	header
	Instance string     `dynamodbav:"instance"`
	Request  string     `dynamodbav:"request"`
	Time     *time.Time `dynamodbav:"time"`
}

const skAsked = "ASKED#"

func asked(instance, request string, now time.Time) askedItem {
	return askedItem{header{key{pkInstance + instance, skAsked + request}, schemaVersion}, instance, request, stamp(now)}
}

// Asked implements containment.Ledger.
func (t *Table) Asked(ctx context.Context, instance, request string, now time.Time) (time.Time, error) {
	item := asked(instance, request, now)
	d := draft{table: &t.Name}
	put := d.put(item.key, item, absent).Put
	if d.err != nil {
		return time.Time{}, fmt.Errorf("noting when %s was asked for: %w", instance, d.err)
	}
	_, err := t.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
		ExpressionAttributeNames: put.ExpressionAttributeNames, ExpressionAttributeValues: put.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if there, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok && len(there.Item) > 0 {
		first, err := decode[askedItem](there.Item)
		return moment(first.Time), err
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("noting when %s was asked for: %w", instance, err)
	}
	return moment(item.Time), nil
}

// Asked implements containment.Ledger.
func (m *Memory) Asked(ctx context.Context, instance, request string, now time.Time) (time.Time, error) {
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	defer m.lock()()
	item := asked(instance, request, now)
	if first, there := m.asked[item.key]; there {
		return moment(first.Time), nil
	}
	m.asked[item.key] = item
	return moment(item.Time), nil
}
