package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tourniquet/lambda/record"
)

type leaseItem struct {
	header
	Name   string `dynamodbav:"name"`
	Holder string `dynamodbav:"holder"`
	Until  int64  `dynamodbav:"until"` // Unix milliseconds, which compare as numbers
}

func lease(name, holder string, until time.Time) leaseItem {
	return leaseItem{header{key{pkLease, name}, schemaFirst}, name, holder, until.UnixMilli()}
}

// refuses is the error for who wants the lease and isn't its holder.
func (i leaseItem) refuses() error {
	return &record.LeasedError{Name: i.Name, Holder: i.Holder, Until: time.UnixMilli(i.Until).UTC()}
}

func checkLease(name, holder string, now, until time.Time) error {
	if name == "" || holder == "" || !until.After(now) {
		return fmt.Errorf("not a valid lease: of %q by %q, from %s until %s", name, holder, now, until)
	}
	return nil
}

// Lease takes a lease or renews the holder's own. Nobody else gets it until it ends,
// or until is over; then anybody can take it. A *record.LeasedError says who has it.
// Times count to the millisecond.
func (t *Table) Lease(ctx context.Context, name, holder string, now, until time.Time) error {
	if err := checkLease(name, holder, now, until); err != nil {
		return err
	}
	i := lease(name, holder, until)
	there, refused, err := t.putIf(ctx, i.key, i, expression{
		text:   orAbsent(readable + " AND (#holder = :holder OR #until <= :now)"),
		values: Item{":holder": textOf(holder), ":now": numberOf(now.UnixMilli())},
	})
	if err == nil && refused {
		var held leaseItem
		if held, err = decode[leaseItem](there); err == nil {
			err = held.refuses()
		}
	}
	if err != nil {
		return fmt.Errorf("leasing %s: %w", name, err)
	}
	return nil
}

// EndLease gives a lease back. One that is over, and may be somebody else's by now, is
// left as it is.
func (t *Table) EndLease(ctx context.Context, name, holder string) error {
	his := expression{text: readable + " AND #holder = :holder", values: Item{":holder": textOf(holder)}}
	if err := t.deleteIf(ctx, key{pkLease, name}, his); err != nil {
		return fmt.Errorf("ending the lease of %s: %w", name, err)
	}
	return nil
}

// Lease is that of Table.
func (m *Memory) Lease(ctx context.Context, name, holder string, now, until time.Time) error {
	if err := errors.Join(ctx.Err(), checkLease(name, holder, now, until)); err != nil {
		return err
	}
	defer m.lock()()
	i := lease(name, holder, until)
	held, there := m.leases[i.key]
	switch err := held.check(); {
	case err != nil:
		return fmt.Errorf("leasing %s: %w", name, err)
	case there && held.Holder != holder && held.Until > now.UnixMilli():
		return fmt.Errorf("leasing %s: %w", name, held.refuses())
	}
	m.leases[i.key] = i
	return nil
}

// EndLease is that of Table.
func (m *Memory) EndLease(ctx context.Context, name, holder string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer m.lock()()
	if k := (key{pkLease, name}); m.leases[k].Holder == holder {
		delete(m.leases, k)
	}
	return nil
}
