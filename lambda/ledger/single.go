package ledger

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// putIf writes one item on a condition. When the condition fails, it returns the item
// that is there.
func (t *Table) putIf(ctx context.Context, k key, item any, cond expression) (there Item, refused bool, err error) {
	d := draft{table: &t.Name}
	put := d.put(k, item, cond).Put
	if d.err != nil {
		return nil, false, d.err
	}
	_, err = t.Client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
		ExpressionAttributeNames: put.ExpressionAttributeNames, ExpressionAttributeValues: put.ExpressionAttributeValues,
		ReturnValuesOnConditionCheckFailure: put.ReturnValuesOnConditionCheckFailure,
	})
	return orRefused(err)
}

// deleteIf deletes one item, unless its condition fails.
func (t *Table) deleteIf(ctx context.Context, k key, cond expression) error {
	d := draft{table: &t.Name}
	remove := d.remove(k, cond).Delete
	if d.err != nil {
		return d.err
	}
	_, err := t.Client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: remove.TableName, Key: remove.Key, ConditionExpression: remove.ConditionExpression,
		ExpressionAttributeNames: remove.ExpressionAttributeNames, ExpressionAttributeValues: remove.ExpressionAttributeValues,
	})
	_, _, err = orRefused(err)
	return err
}

func orRefused(err error) (Item, bool, error) {
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return failed.Item, true, nil
	}
	return nil, false, err
}
