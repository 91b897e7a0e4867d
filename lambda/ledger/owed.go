package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tourniquet/lambda/order"
	"tourniquet/lambda/record"
)

type owedItem struct {
	header
	Time       *time.Time `dynamodbav:"time"`
	Instance   string     `dynamodbav:"instance"`
	ID         string     `dynamodbav:"id"`
	To         string     `dynamodbav:"to"`
	Generation int        `dynamodbav:"generation,omitempty"`
	Verdict    string     `dynamodbav:"verdict"`
	Was        string     `dynamodbav:"was,omitempty"`
	Status     string     `dynamodbav:"status,omitempty"`
	Reason     string     `dynamodbav:"reason"`
	Finding    string     `dynamodbav:"finding,omitempty"`
	Request    string     `dynamodbav:"request,omitempty"`
	Applied    []string   `dynamodbav:"applied,omitempty"`
}

func owedKey(o record.Owed) key {
	return key{pkOwed, fmt.Sprintf("%s#%s#%s#%s", o.Time.UTC().Format(time.RFC3339), o.Instance, o.ID, o.To)}
}

func fromOwed(o record.Owed) owedItem {
	o = o.Bounded()
	return owedItem{
		header: header{owedKey(o), schemaFirst},
		Time:   stamp(o.Time), Instance: o.Instance, ID: o.ID, To: string(o.To), Generation: o.Generation, Verdict: string(o.Verdict),
		Was: string(o.Was), Status: string(o.Status), Reason: o.Reason, Finding: o.Finding, Request: o.Request, Applied: texts(o.Applied),
	}
}

func (i owedItem) owed() (record.Owed, error) {
	o := record.Owed{
		Time: moment(i.Time), Instance: i.Instance, ID: i.ID, To: record.Channel(i.To), Generation: i.Generation,
		Verdict: record.Verdict(i.Verdict), Was: record.Status(i.Was), Status: record.Status(i.Status), Reason: i.Reason,
		Finding: i.Finding, Request: i.Request, Applied: texts(i.Applied),
	}
	if err := o.Check(); err != nil {
		return o, fmt.Errorf("item %s: %w", i.key, err)
	}
	if owedKey(o) != i.key {
		return o, fmt.Errorf("item %s says that it is %s", i.key, owedKey(o))
	}
	return o, nil
}

func checkOwed(owed []record.Owed, instance string) error {
	seen := map[key]bool{}
	for _, o := range owed {
		switch err := o.Check(); {
		case err != nil:
			return err
		case o.Instance != instance:
			return fmt.Errorf("what is owed is of instance %q, the event of %q", o.Instance, instance)
		case seen[owedKey(o)]:
			return fmt.Errorf("%s is owed twice", owedKey(o))
		}
		seen[owedKey(o)] = true
	}
	return nil
}

// Owed is what is still to be told, the oldest first. When some can't be read, the
// others come with an error that record.Unreadable takes apart.
func (t *Table) Owed(ctx context.Context) ([]record.Owed, error) {
	items, err := t.query(ctx, pkOwed, "")
	if err != nil {
		return nil, fmt.Errorf("reading what is owed: %w", err)
	}
	owed := decodeAll(items, owedItem.owed)
	return owed.good, owed.err()
}

// Delivered removes entries that have been told, in one call where nothing speaks against
// it. One that is gone already is no error, and one that a later version has written stays.
func (t *Table) Delivered(ctx context.Context, told ...record.Owed) error {
	if len(told) > 1 {
		if err := t.deliveredAtOnce(ctx, told); !record.Decided(err) {
			return removing(err)
		}
	}
	for _, o := range told {
		if err := t.deleteIf(ctx, owedKey(o), ifWritable); err != nil {
			return removing(err)
		}
	}
	return nil
}

func (t *Table) deliveredAtOnce(ctx context.Context, told []record.Owed) error {
	d := draft{table: &t.Name}
	var writes []write
	for _, o := range told {
		writes = append(writes, d.remove(owedKey(o), ifWritable))
	}
	if d.err != nil {
		return d.err
	}
	return inParts(writes, func(part []write) error { return t.transact(ctx, part) })
}

func removing(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("removing what was owed: %w", err)
}

var errNoted = errors.New("it is noted already")

// noteOwing notes an event and what is owed for it in one transaction, unless the event
// is noted already: then what is owed was written with it.
func (t *Table) noteOwing(ctx context.Context, e record.Event, owed []record.Owed) error {
	d := draft{table: &t.Name}
	event := d.put(eventKey(e), fromEvent(e), ifAbsent)
	event.refused = func(Item) error { return errNoted }
	writes := []write{event}
	for _, o := range owed {
		writes = append(writes, d.put(owedKey(o), fromOwed(o), ifWritable))
	}
	if d.err != nil {
		return d.err
	}
	if err := t.transact(ctx, writes); !errors.Is(err, errNoted) {
		return err
	}
	return nil
}

// Owed is that of Table.
func (m *Memory) Owed(ctx context.Context) ([]record.Owed, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer m.lock()()
	var r reading[owedItem]
	for k, i := range m.owed {
		_, err := i.owed()
		r.add(k, i, errors.Join(i.check(), err))
	}
	for k, i := range m.damaged {
		if k.PK == pkOwed {
			_, _, err := decodeAs(i, owedItem.owed)
			r.add(k, owedItem{}, err)
		}
	}
	order.Sort(r.good, func(a, b owedItem) int { return byKey(a.key, b.key) })
	owed, err := convert(r.good, owedItem.owed)
	return owed, errors.Join(err, r.err())
}

// Delivered is that of Table.
func (m *Memory) Delivered(ctx context.Context, told ...record.Owed) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	defer m.lock()()
	for _, o := range told {
		if k := owedKey(o); m.owed[k].check() == nil {
			delete(m.owed, k)
		}
	}
	return nil
}
