package ledger

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/record"
)

var (
	absent   = expression.Name(PartitionKey).AttributeNotExists()
	readable = expression.Name("schema").LessThanEqual(expression.Value(schemaVersion)) // and there
)

// A condition of a write, as it is sent.
type condition func() (expression.Expression, error)

// Most writes have one of these two, which are built once.
var (
	ifAbsent   condition = sync.OnceValues(when(absent))
	ifWritable condition = sync.OnceValues(when(absent.Or(readable)))
)

func when(c expression.ConditionBuilder) condition {
	return expression.NewBuilder().WithCondition(c).Build
}

// writes are all that a change writes, the containment first and the slots last.
func (t *Table) writes(c record.Change, next containmentItem) ([]write, error) {
	d := &draft{table: &t.Name}
	all := []write{d.containment(next)}
	event := fromEvent(c.Event)
	all = append(all, d.put(event.key, event, ifAbsent))
	all = append(all, d.pointer(next)...)
	all = append(all, d.guard(c)...)
	for _, o := range c.Owed {
		all = append(all, d.put(owedKey(o), fromOwed(o), ifWritable))
	}
	for _, vpc := range next.keeps() {
		all = append(all, d.put(vpcKey(vpc), vpcOf(vpc), ifWritable))
	}
	for _, s := range c.Slots {
		all = append(all, d.slot(s, c.Record.Holder()))
	}
	return all, d.err
}

// containment writes the record. Its first version is put. Later ones are updates,
// since what a put leaves out is gone, and originals must not go.
func (d *draft) containment(next containmentItem) write {
	var w write
	if next.Version == 1 {
		w = d.put(next.key, next, ifAbsent)
	} else {
		var kept []expression.ConditionBuilder
		update := d.set(next, "originals")
		for _, eni := range slices.Sorted(maps.Keys(next.Originals)) {
			original := expression.Name("originals").AppendName(expression.NameNoDotSplit(eni))
			groups := expression.Value(next.Originals[eni])
			kept = append(kept, original.AttributeNotExists().Or(original.Equal(groups)))
			update = update.Set(original, groups)
		}
		w = d.update(next.key, update, readable.And(is("version", next.Version-1), kept...))
	}
	w.refused = func(stored Item) error {
		item, err := decode[containmentItem](stored)
		return cmp.Or(err, next.follows(item), conflict(next.key))
	}
	return w
}

// pointer keeps the list of open containments in step, and of those that are released
// and whose hosts are still to be asked. An instance's pointer is of one generation;
// when an earlier one is written once more, a later one's stays.
func (d *draft) pointer(next containmentItem) []write {
	p := pointer(next)
	mine := readable.And(is("generation", next.Generation))
	mineOrEarlier := readable.And(expression.Name("generation").LessThanEqual(expression.Value(next.Generation)))
	switch {
	case record.Status(next.Status).Open():
		return []write{d.put(p.key, p, when(absent.Or(mineOrEarlier)))}
	case next.Version == 1: // it was not open before
		return nil
	case next.unsettled(): // it stays, unless a later generation has taken it
		return nil
	default:
		w := d.remove(p.key, when(absent.Or(mine)))
		w.instead = d.later(func(d *draft) write {
			return d.assert(p.key, when(readable.And(is("generation", next.Generation).Not())))
		})
		return []write{w}
	}
}

// guard counts. A count that is zero already, since it was lost or the
// containment was never counted, stays there.
func (d *draft) guard(c record.Change) []write {
	count := expression.Name("count")
	update := expression.Add(count, expression.Value(c.Count)).Set(expression.Name("schema"), expression.Value(schemaFirst))
	switch {
	case c.Count > 0:
		room := readable.And(count.LessThanEqual(expression.Value(c.Limit - c.Count)))
		if c.Count <= c.Limit {
			room = absent.Or(room)
		}
		w := d.update(guardKey, update, room)
		w.refused = func(Item) error { return record.ErrGuard }
		return []write{w}
	case c.Count < 0:
		counted := count.GreaterThanEqual(expression.Value(-c.Count))
		w := d.update(guardKey, update, readable.And(counted))
		w.instead = d.later(func(d *draft) write { return d.assert(guardKey, when(absent.Or(readable.And(counted.Not())))) })
		return []write{w}
	default:
		return nil
	}
}

// slot writes one change to a slot, under the conditions that Memory tests in
// the function changed. A slot that is reserved is mostly nobody's: a put says so in a
// third of what an update takes.
func (d *draft) slot(c record.SlotChange, holder record.Holder) write {
	next := fromSlot(c.Slot)
	if c.Op != record.Reserve {
		return d.slotUpdate(next, c.Op, holder)
	}
	mine := next
	mine.Holders = []string{holder.String()}
	w := d.put(next.key, mine, ifAbsent)
	w.refused = func(stored Item) error {
		if item, err := decode[slotItem](stored); err == nil && slices.Contains(item.Holders, holder.String()) {
			return nil // an earlier plan of the same containment reserved it
		}
		return conflict(next.key)
	}
	w.instead = d.later(func(d *draft) write { return d.slotUpdate(next, c.Op, holder) })
	return w
}

func (d *draft) slotUpdate(next slotItem, op record.SlotOp, holder record.Holder) write {
	holders, me := expression.Name("holders"), stringSet(holder.String())
	same := readable.And(is("prefix", next.Prefix))
	if op == record.GiveUp {
		asSeen := same.And(holders.Equal(stringSet(next.Holders...)))
		if len(next.Holders) == 1 {
			return d.remove(next.key, when(asSeen))
		}
		return d.update(next.key, expression.Delete(holders, me), asSeen)
	}
	staying := same.And(expression.Name("state").NotEqual(expression.Value(string(record.SlotRemoving))))
	held := staying.And(holders.Contains(holder.String()))
	cond := map[record.SlotOp]expression.ConditionBuilder{
		record.Reserve: held,
		record.Hold:    staying,
		record.Settle:  held,
		record.Remove:  same.And(holders.Equal(me)),
	}[op]
	return d.update(next.key, d.set(next, "holders").Add(holders, me), cond)
}

// A draft makes the writes of a transaction, and keeps the first error.
type draft struct {
	table *string
	err   error
}

// later makes a write when it is needed, which is seldom.
func (d *draft) later(make func(*draft) write) func() (write, error) {
	return func() (write, error) {
		later := &draft{table: d.table}
		w := make(later)
		return w, later.err
	}
}

func (d *draft) put(k key, item any, cond condition) write {
	values, err := attributevalue.MarshalMap(item)
	d.fail(err)
	e := d.built(cond)
	return write{key: k, TransactWriteItem: types.TransactWriteItem{Put: &types.Put{
		TableName: d.table, Item: values, ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

func (d *draft) update(k key, update expression.UpdateBuilder, cond expression.ConditionBuilder) write {
	e := d.built(expression.NewBuilder().WithUpdate(update).WithCondition(cond).Build)
	return write{key: k, TransactWriteItem: types.TransactWriteItem{Update: &types.Update{
		TableName: d.table, Key: k.attributes(), UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

func (d *draft) remove(k key, cond condition) write {
	e := d.built(cond)
	return write{key: k, TransactWriteItem: types.TransactWriteItem{Delete: &types.Delete{
		TableName: d.table, Key: k.attributes(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// assert writes nothing, and cancels the transaction unless a condition holds.
func (d *draft) assert(k key, cond condition) write {
	e := d.built(cond)
	return write{key: k, TransactWriteItem: types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: d.table, Key: k.attributes(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// set updates all attributes of an item but its key and some others.
func (d *draft) set(item any, except ...string) expression.UpdateBuilder {
	values, err := attributevalue.MarshalMap(item)
	d.fail(err)
	var update expression.UpdateBuilder
	for _, n := range slices.Sorted(maps.Keys(values)) {
		if n != PartitionKey && n != SortKey && !slices.Contains(except, n) {
			update = update.Set(expression.Name(n), expression.Value(values[n]))
		}
	}
	return update
}

func (d *draft) built(cond condition) expression.Expression {
	e, err := cond()
	d.fail(err)
	return e
}

func (d *draft) fail(err error) { d.err = cmp.Or(d.err, err) }

func is(name string, value any) expression.ConditionBuilder {
	return expression.Name(name).Equal(expression.Value(value))
}

func stringSet(members ...string) expression.ValueBuilder {
	return expression.Value(&types.AttributeValueMemberSS{Value: members})
}
