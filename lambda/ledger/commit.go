package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/record"
)

// maxItems is how many items a transaction can have.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const maxItems = 100

// Commit implements containment.Ledger. A change of more than 100 items goes as
// several transactions side by side, the first of which has all but the rest of
// the slots. Each is all or nothing. When one is refused, what the others wrote
// stays, and the change is reported as refused, so that nothing of it is applied.
// The next look finds a record some of whose slots are still to be reserved, or
// slots that are this containment's own and can be used or given up.
func (t *Table) Commit(ctx context.Context, c record.Change) error {
	next, err := prepare(ctx, c)
	if err != nil {
		return err
	}
	writes, err := t.writes(c, next)
	if err != nil {
		return fmt.Errorf("committing containment %s: %w", c.Record.Holder(), err)
	}
	var errs []error
	var mu sync.Mutex
	var g sync.WaitGroup
	parts := slices.Collect(slices.Chunk(writes, maxItems))
	for _, part := range parts {
		g.Go(func() {
			if err := t.transact(ctx, part); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	g.Wait()
	if len(errs) == 0 {
		return nil
	}
	err = worst(errs)
	if len(errs) < len(parts) && !decided(err) {
		err = fmt.Errorf("%w: only a part is written: %w", record.ErrConflict, err)
	}
	return fmt.Errorf("committing containment %s: %w", c.Record.Holder(), err)
}

// decided reports whether an error is the ledger's own answer, not a failure to
// reach it.
func decided(err error) bool {
	return errors.Is(err, record.ErrNewerRecord) || errors.Is(err, record.ErrConflict) || errors.Is(err, record.ErrGuard)
}

// A write is one item of a transaction.
type write struct {
	types.TransactWriteItem
	key key

	// refused says why the condition failed, given the item as it is stored. Nil
	// means that a race was lost.
	refused func(stored attributes) error

	// instead takes the write's place when its condition fails.
	instead *write
}

// transact writes all items or none. When a condition fails for which there is
// another write, it tries once more with that.
//
// The SDK gives each call a token, so that a call that it repeats because the
// answer was lost is not done twice, and is reported as done.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
func (t *Table) transact(ctx context.Context, writes []write) error {
	items := make([]types.TransactWriteItem, len(writes))
	for n, w := range writes {
		items[n] = w.TransactWriteItem
	}
	_, err := t.Client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items})
	if _, busy := errors.AsType[*types.TransactionInProgressException](err); busy {
		return fmt.Errorf("%w: %w", record.ErrConflict, err)
	}
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok || len(canceled.CancellationReasons) != len(writes) {
		return err
	}
	if writes, err = resolve(writes, canceled); err != nil {
		return err
	}
	return t.transact(ctx, writes)
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
			next[n], replaced = *w.instead, true
		case ongoing:
			refusals = append(refusals, conflict(w.key))
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
func (w write) refusal(stored attributes) error {
	var h header
	if err := attributevalue.UnmarshalMap(stored, &h); err != nil {
		return fmt.Errorf("item %s: %w", w.key, err)
	}
	switch err := h.check(); {
	case err != nil:
		return err
	case w.instead != nil:
		return nil
	case w.refused != nil:
		return w.refused(stored)
	default:
		return conflict(w.key)
	}
}
