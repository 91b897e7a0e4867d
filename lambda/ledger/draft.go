package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"tourniquet/lambda/record"
)

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
		update := d.set(next, "originals")
		cond := expression{readable + " AND #version = :before", Item{":before": numberOf(next.Version - 1)}, map[string]string{"#o": "originals"}}
		update.names = cond.names
		for n, eni := range slices.Sorted(maps.Keys(next.Originals)) { // by number: an expression has 4 KB
			cond.text += fmt.Sprintf(" AND (attribute_not_exists(#o.#%d) OR #o.#%d = :%d)", n, n, n)
			update.text += fmt.Sprintf(", #o.#%d = :%d", n, n)
			cond.names[fmt.Sprintf("#%d", n)] = eni
			cond.values[fmt.Sprintf(":%d", n)] = textOf(next.Originals[eni])
		}
		maps.Copy(update.values, cond.values)
		w = d.update(next.key, update, cond)
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
	when := func(text string) expression {
		return expression{text: text, values: Item{":generation": numberOf(next.Generation)}}
	}
	switch {
	case record.Status(next.Status).Open():
		return []write{d.put(p.key, p, when(orAbsent(readable+" AND #generation <= :generation")))}
	case next.Version == 1: // it was not open before
		return nil
	case next.unsettled(): // it stays, unless a later generation has taken it
		return nil
	default:
		w := d.remove(p.key, when(orAbsent(readable+" AND #generation = :generation")))
		w.instead = d.later(func(d *draft) write {
			return d.assert(p.key, when(readable+" AND NOT (#generation = :generation)"))
		})
		return []write{w}
	}
}

// guard counts. A count that is zero already, since it was lost or the
// containment was never counted, stays there.
func (d *draft) guard(c record.Change) []write {
	update := expression{
		text:   "ADD #count :change SET #schema = :schema",
		values: Item{":change": numberOf(c.Count), ":schema": numberOf(schemaFirst)},
	}
	switch {
	case c.Count > 0:
		room := expression{text: readable + " AND #count <= :most", values: Item{":most": numberOf(c.Limit - c.Count)}}
		if c.Count <= c.Limit {
			room.text = orAbsent(room.text)
		}
		w := d.update(guardKey, update, room)
		w.refused = func(Item) error { return record.ErrGuard }
		return []write{w}
	case c.Count < 0:
		least := Item{":least": numberOf(-c.Count)}
		w := d.update(guardKey, update, expression{text: readable + " AND #count >= :least", values: least})
		w.instead = d.later(func(d *draft) write {
			return d.assert(guardKey, expression{text: orAbsent(readable + " AND NOT (#count >= :least)"), values: least})
		})
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
	const (
		same    = readable + " AND #prefix = :samePrefix"
		staying = same + " AND #state <> :removing"
		held    = staying + " AND contains(#holders, :holder)"
	)
	me := setOf(holder.String())
	values := Item{
		":samePrefix": textOf(next.Prefix), ":removing": textOf(string(record.SlotRemoving)), ":holder": textOf(holder.String()),
		":alone": me,
	}
	if op == record.GiveUp {
		values[":asSeen"] = setOf(next.Holders...)
		asSeen := expression{text: same + " AND #holders = :asSeen", values: values}
		if len(next.Holders) == 1 {
			return d.remove(next.key, asSeen)
		}
		return d.update(next.key, expression{text: "DELETE #holders :me", values: Item{":me": me}}, asSeen)
	}
	cond := expression{values: values, text: map[record.SlotOp]string{
		record.Reserve: held,
		record.Hold:    staying,
		record.Settle:  held,
		record.Remove:  same + " AND #holders = :alone",
	}[op]}
	update := d.set(next, "holders")
	update.text = "ADD #holders :me " + update.text
	update.values[":me"] = me
	return d.update(next.key, update, cond)
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

func (d *draft) put(k key, item any, cond expression) write {
	values, err := attributevalue.MarshalMap(item)
	d.fail(err)
	r := d.request(cond, expression{})
	return write{key: k, TransactWriteItem: types.TransactWriteItem{Put: &types.Put{
		TableName: d.table, Item: values, ConditionExpression: r.condition,
		ExpressionAttributeNames: r.names, ExpressionAttributeValues: r.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

func (d *draft) update(k key, update, cond expression) write {
	r := d.request(cond, update)
	return write{key: k, TransactWriteItem: types.TransactWriteItem{Update: &types.Update{
		TableName: d.table, Key: k.attributes(), UpdateExpression: r.update, ConditionExpression: r.condition,
		ExpressionAttributeNames: r.names, ExpressionAttributeValues: r.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

func (d *draft) remove(k key, cond expression) write {
	r := d.request(cond, expression{})
	return write{key: k, TransactWriteItem: types.TransactWriteItem{Delete: &types.Delete{
		TableName: d.table, Key: k.attributes(), ConditionExpression: r.condition,
		ExpressionAttributeNames: r.names, ExpressionAttributeValues: r.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// assert writes nothing, and cancels the transaction unless a condition holds.
func (d *draft) assert(k key, cond expression) write {
	r := d.request(cond, expression{})
	return write{key: k, TransactWriteItem: types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: d.table, Key: k.attributes(), ConditionExpression: r.condition,
		ExpressionAttributeNames: r.names, ExpressionAttributeValues: r.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}}
}

// set updates all attributes of an item but its key and some others.
func (d *draft) set(item any, except ...string) expression {
	attributes, err := attributevalue.MarshalMap(item)
	d.fail(err)
	values := Item{}
	var sets []string
	for _, n := range slices.Sorted(maps.Keys(attributes)) {
		if n != PartitionKey && n != SortKey && !slices.Contains(except, n) {
			sets = append(sets, "#"+n+" = :"+n)
			values[":"+n] = attributes[n]
		}
	}
	return expression{text: "SET " + strings.Join(sets, ", "), values: values}
}

func (d *draft) request(cond, update expression) request {
	r, err := requestOf(cond, update)
	d.fail(err)
	return r
}

func (d *draft) fail(err error) { d.err = cmp.Or(d.err, err) }
