package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/pause"
	"tourniquet/lambda/record"
)

// maxItems is how many items a transaction can have.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const maxItems = 100

// Commit implements containment.Ledger. A change of more than 100 items goes as
// several transactions, each all or nothing. The first one has everything but the
// rest of the slots, and must be taken before the others go, side by side: so a
// change that is refused, by the guard for one, leaves nothing behind. When one of
// the others is refused, or never comes, the record is there all the same, and the
// change is reported as refused, so that nothing of it is applied. The next look
// finds an open record some of whose slots are still to be reserved, or given up.
func (t *Table) Commit(ctx context.Context, c record.Change) error {
	next, err := prepare(ctx, c)
	if err != nil {
		return err
	}
	writes, err := t.writes(c, next)
	if err == nil {
		err = inParts(writes, func(part []write) error { return t.transact(ctx, part) })
	}
	if err != nil {
		return fmt.Errorf("committing containment %s: %w", c.Record.Holder(), err)
	}
	return nil
}

// inParts writes as many items as a transaction can have, and once that is done the
// others, side by side.
func inParts[T any](items []T, transact func([]T) error) error {
	first := min(len(items), maxItems)
	if err := transact(items[:first]); err != nil {
		return err
	}
	var errs []error
	var mu sync.Mutex
	var g sync.WaitGroup
	for part := range slices.Chunk(items[first:], maxItems) {
		g.Go(func() {
			if err := transact(part); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	g.Wait()
	if err := worst(errs); err != nil {
		if !record.Decided(err) {
			err = fmt.Errorf("%w: only a part is written: %w", record.ErrConflict, err)
		}
		return err
	}
	return nil
}

// errOngoing is a conflict with a transaction that is under way at the same time.
// Nothing is decided: the same transaction may pass a moment later.
var errOngoing = fmt.Errorf("a transaction is under way: %w", record.ErrConflict)

// A transaction that meets another one is tried again after a wait that grows. All
// waits together are some 1.3 s on average, in which thirty transactions of 20 ms pass
// one after the other. Then the caller looks again.
const (
	maxTries  = 12
	leastWait = 10 * time.Millisecond
	mostWait  = 160 * time.Millisecond
)

// again tries something until it meets no other transaction.
func again(ctx context.Context, try func() error) error {
	for n := 0; ; n++ {
		err := try()
		if !errors.Is(err, errOngoing) || n == maxTries-1 {
			return err
		}
		if pause.Backoff(ctx, n, leastWait, mostWait) != nil {
			return err
		}
	}
}

// A write is one item of a transaction.
type write struct {
	types.TransactWriteItem
	key key

	// refused says why the condition failed, given the item as it is stored. It returns
	// nil when there is another write for that. Without it a race was lost, unless there
	// is another write.
	refused func(stored Item) error

	// instead makes what takes the write's place when its condition fails.
	instead func() (write, error)
}

// transact writes all items or none. It tries again when it meets another
// transaction.
func (t *Table) transact(ctx context.Context, writes []write) error {
	return again(ctx, func() error { return t.try(ctx, writes) })
}

// try writes all items or none. When a condition fails for which there is another
// write, it tries once more with that.
//
// The SDK gives each call a token, so that a call that it repeats because the
// answer was lost is not done twice, and is reported as done.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
func (t *Table) try(ctx context.Context, writes []write) error {
	items := make([]types.TransactWriteItem, len(writes))
	for n, w := range writes {
		items[n] = w.TransactWriteItem
	}
	_, err := t.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if _, busy := errors.AsType[*types.TransactionInProgressException](err); busy {
		return fmt.Errorf("%w: %w", errOngoing, err)
	}
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok || len(canceled.CancellationReasons) != len(writes) {
		return err
	}
	if writes, err = resolve(writes, canceled); err != nil {
		return err
	}
	return t.try(ctx, writes)
}

// The codes of a cancellation's reasons. Every other one but "None" is an error.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	nothingWrong    = "None"
	conditionFailed = "ConditionalCheckFailed"
	ongoing         = "TransactionConflict"
)

// resolve goes through the reasons for which a transaction was cancelled. It
// returns the transaction to try in its place, or why there is none.
func resolve(writes []write, canceled *types.TransactionCanceledException) ([]write, error) {
	next := slices.Clone(writes)
	refusals := []error{}
	replaced := false
	for n, reason := range canceled.CancellationReasons {
		w := writes[n]
		switch code := aws.ToString(reason.Code); code {
		case nothingWrong:
		case conditionFailed:
			if err := w.refusal(reason.Item); err != nil {
				refusals = append(refusals, err)
				continue
			}
			other, err := w.instead()
			if err != nil {
				return nil, err
			}
			next[n], replaced = other, true
		case ongoing:
			refusals = append(refusals, fmt.Errorf("item %s: %w", w.key, errOngoing))
		default:
			refusals = append(refusals, fmt.Errorf("item %s: %s %s: %w", w.key, code, aws.ToString(reason.Message), canceled))
		}
	}
	if len(refusals) == 0 && !replaced {
		return nil, canceled
	}
	return next, worst(refusals)
}

// refusal is why a write's condition failed, or nil when there is another write.
func (w write) refusal(stored Item) error {
	var h header
	if err := attributevalue.UnmarshalMap(stored, &h); err != nil {
		return fmt.Errorf("item %s: %w", w.key, err)
	}
	switch err := h.check(); {
	case err != nil:
		return err
	case w.refused != nil:
		return w.refused(stored)
	case w.instead != nil:
		return nil
	default:
		return conflict(w.key)
	}
}
