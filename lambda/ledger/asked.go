package ledger

import (
	"context"
	"fmt"
	"time"
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
	return askedItem{header{key{pkInstance + instance, skAsked + request}, schemaFirst}, instance, request, stamp(now)}
}

// Asked implements containment.Ledger.
func (t *Table) Asked(ctx context.Context, instance, request string, now time.Time) (time.Time, error) {
	item := asked(instance, request, now)
	there, refused, err := t.putIf(ctx, item.key, item, ifAbsent)
	if err == nil && refused {
		item, err = decode[askedItem](there)
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
