package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/record"
)

func TestCommitConditions(t *testing.T) {
	bare := func(version int, s record.Status) record.Record {
		return record.Record{Instance: "i-1", Generation: 1, Version: version, Status: s}
	}
	withOriginals := bare(1, record.Contained)
	withOriginals.Steps = []record.StepState{{Step: quarantineOf("eni-1", "sg-1", "sg-2")}}
	const event = "Put INSTANCE#i-1 EVENT#2026-03-01T12:00:00Z#g1-v1 if attribute_not_exists(pk)"
	for name, test := range map[string]struct {
		change record.Change
		want   []string
	}{
		"first": {
			record.Change{Record: bare(0, record.Containing), Count: 1, Limit: 25},
			[]string{
				"Put INSTANCE#i-1 CONTAINMENT#1 if attribute_not_exists(pk)", event,
				"Put OPEN i-1 if attribute_not_exists(pk) OR (schema <= 2 AND generation <= 1)",
				"Update GUARD CONTAINED if attribute_not_exists(pk) OR (schema <= 2 AND count <= 24) then ADD count 1 SET schema = 1",
			},
		},
		"no room": {
			record.Change{Record: bare(0, record.Observed), Count: 1, Limit: 0},
			[]string{
				"Put INSTANCE#i-1 CONTAINMENT#1 if attribute_not_exists(pk)", event,
				"Update GUARD CONTAINED if schema <= 2 AND count <= -1 then ADD count 1 SET schema = 1",
			},
		},
		"released": {
			record.Change{Record: bare(1, record.Released), Count: -1},
			[]string{
				"Update INSTANCE#i-1 CONTAINMENT#1 if schema <= 2 AND version = 1 then SET …", event,
				"Delete OPEN i-1 if attribute_not_exists(pk) OR (schema <= 2 AND generation = 1)",
				"Update GUARD CONTAINED if schema <= 2 AND count >= 1 then ADD count -1 SET schema = 1",
			},
		},
		"originals": {
			record.Change{Record: withOriginals},
			[]string{
				"Update INSTANCE#i-1 CONTAINMENT#1 if schema <= 2 AND version = 1 AND " +
					"(attribute_not_exists(originals.eni-1) OR originals.eni-1 = sg-1 sg-2) then SET …",
				event, "Put OPEN i-1 if attribute_not_exists(pk) OR (schema <= 2 AND generation <= 1)",
			},
		},
		"slots": {
			record.Change{Record: bare(0, record.Observed), Slots: []record.SlotChange{
				op(record.Reserve, slot(1, "i-1#1")),
				op(record.Hold, slot(2, "i-1#1", "i-2#1")),
				op(record.Settle, slot(3, "i-1#1")),
				op(record.GiveUp, slot(4, "i-1#1")),
				op(record.GiveUp, slot(5, "i-1#1", "i-2#1")),
				op(record.Remove, slot(6, "i-1#1")),
			}},
			[]string{
				"Put INSTANCE#i-1 CONTAINMENT#1 if attribute_not_exists(pk)", event,
				"Put VPC#vpc-1 SLOT#acl-1#in#1 if attribute_not_exists(pk)",
				"Update VPC#vpc-1 SLOT#acl-1#in#2 if schema <= 2 AND prefix = 198.51.100.7/32 AND state <> removing then ADD holders [i-1#1] SET …",
				"Update VPC#vpc-1 SLOT#acl-1#in#3 if schema <= 2 AND prefix = 198.51.100.7/32 AND state <> removing AND contains(holders, i-1#1) " +
					"then ADD holders [i-1#1] SET …",
				"Delete VPC#vpc-1 SLOT#acl-1#in#4 if schema <= 2 AND prefix = 198.51.100.7/32 AND holders = [i-1#1]",
				"Update VPC#vpc-1 SLOT#acl-1#in#5 if schema <= 2 AND prefix = 198.51.100.7/32 AND holders = [i-1#1 i-2#1] " +
					"then DELETE holders [i-1#1]",
				"Update VPC#vpc-1 SLOT#acl-1#in#6 if schema <= 2 AND prefix = 198.51.100.7/32 AND holders = [i-1#1] " +
					"then ADD holders [i-1#1] SET …",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table, w := newWire(t, inTurn(done))
			test.change.Event = change(bare(0, "")).Event
			if err := table.Commit(t.Context(), test.change); err != nil {
				t.Fatalf("Commit: %v", err)
			}
			got := w.said()[0].writes()
			for n, line := range got {
				if head, sets, ok := strings.Cut(line, " SET "); ok && strings.Contains(sets, ",") {
					got[n] = head + " SET …"
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, i := range w.said()[0].body["TransactItems"].([]any) {
				for what, item := range i.(map[string]any) {
					if item.(map[string]any)["ReturnValuesOnConditionCheckFailure"] != "ALL_OLD" {
						t.Errorf("%s doesn't ask for what was in the way", what)
					}
				}
			}
		})
	}
}

// An instance can have dozens of interfaces, and DynamoDB takes expressions of 4 KB
// with 300 operators and functions.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
func TestCommitFitsWithAllInterfaces(t *testing.T) {
	r := record.Record{Instance: "i-1", Generation: 1, Version: 1, Status: record.Contained}
	for n := range 64 {
		r.Steps = append(r.Steps, record.StepState{Step: quarantineOf(fmt.Sprintf("eni-%017d", n), "sg-0123456789abcdef0")})
	}
	table, w := newWire(t, inTurn(done))
	if err := table.Commit(t.Context(), change(r)); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	update := w.said()[0].body["TransactItems"].([]any)[0].(map[string]any)["Update"].(map[string]any)
	for _, name := range []string{"ConditionExpression", "UpdateExpression"} {
		text := update[name].(string)
		operators := strings.Count(text, "=") + strings.Count(text, " AND ") + strings.Count(text, " OR ") + strings.Count(text, "_not_exists")
		if len(text) > 4096 || operators > 300 {
			t.Errorf("%s: %d bytes, %d operators", name, len(text), operators)
		}
	}
}

func TestCommitRefused(t *testing.T) {
	const (
		newer  = `{"pk":{"S":"p"},"sk":{"S":"s"},"schema":{"N":"3"},"version":{"L":[]}}`
		stored = `{"pk":{"S":"p"},"sk":{"S":"s"},"schema":{"N":"1"},"version":{"N":"1"},"originals":{"M":{"eni-1":{"S":"sg-first"}}}}`
		moved  = `{"pk":{"S":"p"},"sk":{"S":"s"},"schema":{"N":"1"},"version":{"N":"2"},"originals":{"M":{"eni-1":{"S":"sg-first"}}}}`
	)
	r := record.Record{Instance: "i-1", Generation: 1, Version: 1, Status: record.Contained}
	r.Steps = []record.StepState{{Step: quarantineOf("eni-1", "sg-quarantine")}}
	c := change(r, op(record.Reserve, slot(90, "i-1#1")))
	c.Count, c.Limit = 1, 25
	no, failed := "None", "ConditionalCheckFailed"
	for name, test := range map[string]struct {
		answer reply
		want   error
		text   string
		never  []error
	}{
		"version":            {canceled(failed+" "+moved, no, no, no, no), record.ErrConflict, "INSTANCE#i-1 CONTAINMENT#1", nil},
		"gone":               {canceled(failed, no, no, no, no), record.ErrConflict, "", nil},
		"event":              {canceled(no, failed, no, no, no), record.ErrConflict, "EVENT#", nil},
		"pointer":            {canceled(no, no, failed+" "+stored, no, no), record.ErrConflict, "OPEN i-1", nil},
		"guard":              {canceled(no, no, no, failed+" "+stored, no), record.ErrGuard, "", []error{record.ErrConflict}},
		"slot":               {canceled(no, no, no, no, failed+" "+stored), record.ErrConflict, "SLOT#acl-1#in#90", nil},
		"ongoing":            {canceled(no, "TransactionConflict", no, no, no), record.ErrConflict, "", nil},
		"guard and conflict": {canceled(no, no, no, failed, "TransactionConflict"), record.ErrConflict, "", []error{record.ErrGuard}},
		"guard and throttle": {canceled("ThrottlingError", no, no, failed, no), record.ErrGuard, "", nil},
		"newer": {
			canceled("TransactionConflict", no, no, no, failed+" "+newer), record.ErrNewerRecord, "p s",
			[]error{record.ErrConflict},
		},
		"newer containment": {canceled(failed+" "+newer, no, no, no, no), record.ErrNewerRecord, "", nil},
		"originals": {
			canceled(failed+" "+stored, no, no, no, no), nil, "eni-1 to restore are recorded as [sg-first] and can't become [sg-quarantine]",
			[]error{record.ErrConflict},
		},
		"throttled":    {canceled(no, no, no, "ThrottlingError", no), nil, "GUARD CONTAINED: ThrottlingError", []error{record.ErrConflict, record.ErrGuard}},
		"in progress":  {fault("TransactionInProgressException"), record.ErrConflict, "", nil},
		"no table":     {fault("ResourceNotFoundException"), nil, "told so", []error{record.ErrConflict, record.ErrGuard}},
		"for nothing":  {canceled(no, no, no, no, no), nil, "cancelled", []error{record.ErrConflict}},
		"few reasons":  {canceled(failed), nil, "cancelled", []error{record.ErrConflict}},
		"of this call": {fault("ThrottlingException"), nil, "ThrottlingException", []error{record.ErrConflict}},
	} {
		t.Run(name, func(t *testing.T) {
			table, _ := newWire(t, inTurn(test.answer))
			err := table.Commit(t.Context(), c)
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %v with %q", err, test.want, test.text)
			}
			for _, never := range test.never {
				if errors.Is(err, never) {
					t.Errorf("got %v, which must not be %v", err, never)
				}
			}
		})
	}
}

// A pointer of a later generation, and a guard at zero, are left as they are.
func TestCommitLeavesAsItIs(t *testing.T) {
	c := change(record.Record{Instance: "i-1", Generation: 1, Version: 1, Status: record.Released})
	c.Count = -1
	no, failed := "None", "ConditionalCheckFailed"
	table, w := newWire(t, inTurn(canceled(no, no, failed, failed), done))
	if err := table.Commit(t.Context(), c); err != nil {
		t.Fatalf("Commit: %v", err)
	}
	calls := w.said()
	if len(calls) != 2 || calls[0].token() == calls[1].token() {
		t.Fatalf("got %d calls, want two with different tokens", len(calls))
	}
	want := append(slices.Clone(calls[0].writes()[:2]),
		"ConditionCheck OPEN i-1 if schema <= 2 AND NOT (generation = 1)",
		"ConditionCheck GUARD CONTAINED if attribute_not_exists(pk) OR (schema <= 2 AND NOT (count >= 1))")
	if diff := cmp.Diff(want, calls[1].writes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	table, w = newWire(t, inTurn(canceled(no, no, failed, failed)))
	if err := table.Commit(t.Context(), c); !errors.Is(err, record.ErrConflict) || len(w.said()) != 2 {
		t.Errorf("it moves all the time: got %v after %d calls, want a conflict after two", err, len(w.said()))
	}
}

// The first answer gets lost after DynamoDB has made the change.
func TestCommitAnswerLost(t *testing.T) {
	var mu sync.Mutex
	made := map[string][]string{} // the writes by token
	table, w := newWire(t, func(n int, c call) reply {
		mu.Lock()
		defer mu.Unlock()
		switch made[c.token()] {
		case nil:
			if len(made) > 0 {
				return canceled("ConditionalCheckFailed", "None", "None")
			}
			made[c.token()] = c.writes()
			return lost
		default:
			return done
		}
	})
	c := change(aRecord("i-1"))
	if err := table.Commit(t.Context(), c); err != nil {
		t.Errorf("Commit: %v", err)
	}
	calls := w.said()
	if len(calls) != 2 || calls[0].token() == "" || calls[0].token() != calls[1].token() {
		t.Fatalf("got %d calls, want two with the same token", len(calls))
	}
	if diff := cmp.Diff(calls[0].body, calls[1].body); diff != "" {
		t.Errorf("the repeat differs (-first +second):\n%s", diff)
	}
	if err := table.Commit(t.Context(), c); !errors.Is(err, record.ErrConflict) {
		t.Errorf("a second Commit: got %v, want a conflict", err)
	}
}

func TestThrottledCallsAreRepeated(t *testing.T) {
	table, w := newWire(t, inTurn(fault("ThrottlingException"), fault("TransactionInProgressException"), done))
	if err := table.Commit(t.Context(), change(aRecord("i-1"))); err != nil || len(w.said()) != 3 {
		t.Errorf("got %v after %d calls, want success after three", err, len(w.said()))
	}
	table, _ = newWire(t, inTurn(fault("ThrottlingException")))
	_, loadErr := table.Load(t.Context(), "i-1", nil)
	for name, err := range map[string]error{"Load": loadErr, "Note": table.Note(t.Context(), event("i-1", "a"))} {
		if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != "ThrottlingException" {
			t.Errorf("%s: got %v, want the throttling", name, err)
		}
	}
}

func TestDeadline(t *testing.T) {
	stop := make(chan struct{})
	table, _ := newWire(t, func(int, call) reply {
		<-stop
		return done
	})
	t.Cleanup(func() { close(stop) })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, loadErr := table.Load(ctx, "i-1", []string{"vpc-1"})
	for name, err := range map[string]error{
		"Load": loadErr, "Commit": table.Commit(ctx, change(aRecord("i-1"))), "Note": table.Note(ctx, event("i-1", "a")),
	} {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want the deadline", name, err)
		}
	}
}

// The first part decides: nothing else is written unless it is taken. What comes after
// it goes side by side.
func TestCommitInParts(t *testing.T) {
	c := change(aRecord("i-1"), manySlots("i-1#1", 1, 250, record.Reserve)...)
	c.Count, c.Limit = 1, 25
	main := func(c call) bool { return strings.Contains(c.writes()[0], "CONTAINMENT#") }
	size := func(c call) int { return len(c.writes()) }
	fail := func(c call, n int, code string) reply {
		reasons := slices.Repeat([]string{"None"}, size(c))
		reasons[n] = code
		return canceled(reasons...)
	}
	small := func(f func(c call) reply) func(call) reply {
		return func(c call) reply {
			if main(c) || size(c) == maxItems {
				return done
			}
			return f(c)
		}
	}
	for name, test := range map[string]struct {
		answer func(c call) reply
		want   error
		parts  []int
	}{
		"all done":    {func(call) reply { return done }, nil, []int{100, 54, 100}},
		"slots taken": {small(func(c call) reply { return fail(c, 0, "ConditionalCheckFailed") }), record.ErrConflict, []int{100, 54, 100}},
		"guard": {func(c call) reply {
			if main(c) {
				return fail(c, 3, "ConditionalCheckFailed")
			}
			return done
		}, record.ErrGuard, []int{100}},
		"a part unreachable": {small(func(call) reply { return fault("ResourceNotFoundException") }), record.ErrConflict, []int{100, 54, 100}},
		"all unreachable":    {func(call) reply { return fault("ResourceNotFoundException") }, nil, []int{100}},
	} {
		t.Run(name, func(t *testing.T) {
			together := meet(2)
			table, w := newWire(t, func(n int, c call) reply {
				if n > 0 && !together() {
					t.Errorf("the other parts come one after the other")
				}
				return test.answer(c)
			})
			err := table.Commit(t.Context(), c)
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if unreachable := name == "all unreachable"; test.want == nil && (err != nil) != unreachable || unreachable && record.Decided(err) {
				t.Errorf("got %v", err)
			}
			var sizes []int
			for _, c := range w.said() {
				sizes = append(sizes, size(c))
			}
			if len(sizes) > 1 {
				slices.Sort(sizes[1:])
			}
			if !slices.Equal(sizes, test.parts) || !main(w.said()[0]) {
				t.Errorf("got parts of %v items, want %v, the containment's first", sizes, test.parts)
			}
		})
	}
}

// A transaction that meets another one is tried again, with a token of its own; a
// condition that fails is not.
func TestCommitMeetsAnother(t *testing.T) {
	t.Parallel()
	c := change(aRecord("i-1"))
	c.Count, c.Limit = 1, 25
	no, failed, ongoing := "None", "ConditionalCheckFailed", "TransactionConflict"
	for name, test := range map[string]struct {
		answers []reply
		want    error
		calls   int
	}{
		"for a moment":              {[]reply{canceled(no, no, no, ongoing), canceled(no, no, no, ongoing), done}, nil, 3},
		"until the guard is full":   {[]reply{canceled(no, no, no, ongoing), canceled(no, no, no, failed)}, record.ErrGuard, 2},
		"until somebody was faster": {[]reply{canceled(ongoing, no, no, ongoing), canceled(failed, no, no, no)}, record.ErrConflict, 2},
		"beside a failed condition": {[]reply{canceled(failed, no, no, ongoing)}, record.ErrConflict, 1},
		"for ever":                  {[]reply{canceled(no, no, no, ongoing)}, record.ErrConflict, maxTries},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, w := newWire(t, inTurn(test.answers...))
			if err := table.Commit(t.Context(), c); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			tokens := map[string]bool{}
			for _, c := range w.said() {
				tokens[c.token()] = true
			}
			if len(w.said()) != test.calls || len(tokens) != test.calls {
				t.Errorf("got %d calls with %d tokens, want %d", len(w.said()), len(tokens), test.calls)
			}
		})
	}
}

// meet lets callers wait for each other, and tells whether all came.
func meet(n int) func() bool {
	var g sync.WaitGroup
	g.Add(n)
	all := make(chan struct{})
	go func() {
		g.Wait()
		close(all)
	}()
	return func() bool {
		g.Done()
		select {
		case <-all:
			return true
		case <-time.After(10 * time.Second):
			return false
		}
	}
}

func TestLoadQueries(t *testing.T) {
	together := meet(4)
	table, w := newWire(t, func(n int, c call) reply {
		if n < 4 && !together() {
			t.Errorf("the queries come one after the other")
		}
		if c.body["ConsistentRead"] != true {
			t.Errorf("a query that may be stale: %v", c.body)
		}
		if c.operation == "GetItem" {
			return done
		}
		partition := plain(c.body["ExpressionAttributeValues"].(map[string]any)[":pk"])
		if _, more := c.body["ExclusiveStartKey"]; !more && strings.HasPrefix(partition, "VPC#") {
			return reply{200, `{"Items":[` + slotText(partition, 1) + `],"LastEvaluatedKey":{"pk":{"S":"a"},"sk":{"S":"b"}}}`}
		} else if more {
			return reply{200, `{"Items":[` + slotText(partition, 2) + `]}`}
		}
		return reply{200, `{"Items":[]}`}
	})
	known, err := table.Load(t.Context(), "i-1", []string{"vpc-2", "vpc-1", "vpc-2"})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	var got []string
	for _, s := range known.Slots {
		got = append(got, fmt.Sprint(s.VPC, " ", s.Number))
	}
	if want := []string{"vpc-1 1", "vpc-1 2", "vpc-2 1", "vpc-2 2"}; !slices.Equal(got, want) {
		t.Errorf("got slots %v, want %v", got, want)
	}
	if got := len(w.said()); got != 6 {
		t.Errorf("got %d queries, want 4 (the guard among them) and 2 more pages", got)
	}
}

func slotText(partition string, number int) string {
	return fmt.Sprintf(`{"pk":{"S":%q},"sk":{"S":"SLOT#acl-1#in#%d"},"schema":{"N":"1"},"vpc":{"S":%q},"acl":{"S":"acl-1"},`+
		`"direction":{"S":"in"},"number":{"N":"%d"},"prefix":{"S":"198.51.100.7/32"},"holders":{"SS":["i-1#1"]}}`,
		partition, number, strings.TrimPrefix(partition, "VPC#"), number)
}

// generations answers as a table that has generations 1 to n of an instance, and
// fails a read of any whole item but the last key's and the latest one.
func generations(t *testing.T, n int) func(int, call) reply {
	item := func(g int) string {
		return fmt.Sprintf(`{"pk":{"S":"INSTANCE#i-1"},"sk":{"S":"CONTAINMENT#%d"},"instance":{"S":"i-1"},"generation":{"N":"%d"}}`, g, g)
	}
	var keys []string
	for g := range n {
		keys = append(keys, item(g+1))
	}
	slices.Sort(keys) // the key comes first in the text
	return func(_ int, c call) reply {
		_, onlyKeys := c.body["ProjectionExpression"]
		switch {
		case c.operation == "GetItem" && plain(c.body["Key"].(map[string]any)["pk"]) == pkGuard:
			return done
		case c.operation == "GetItem":
			if got := plain(c.body["Key"].(map[string]any)["sk"]); got != fmt.Sprint("CONTAINMENT#", n) {
				t.Errorf("%s is read", got)
			}
			return reply{200, `{"Item":` + item(n) + `}`}
		case onlyKeys:
			return reply{200, `{"Items":[` + strings.Join(keys, ",") + `]}`}
		case c.body["Limit"] != 1.0 || c.body["ScanIndexForward"] != false:
			t.Errorf("a query for more than the last item: %v", c.body)
		}
		last := slices.MaxFunc(keys, func(a, b string) int { return strings.Compare(sortKey(a), sortKey(b)) })
		return reply{200, `{"Items":[` + last + `],"LastEvaluatedKey":{"pk":{"S":"INSTANCE#i-1"},"sk":{"S":"x"}}}`}
	}
}

func sortKey(item string) string {
	_, after, _ := strings.Cut(item, `"sk":{"S":"`)
	key, _, _ := strings.Cut(after, `"`)
	return key
}

// Whatever the number of generations, one item is read, or two at 10 and more; there is
// a second and a third request only where the last key may not be the latest's.
func TestLoadTakesTheLatest(t *testing.T) {
	for n, requests := range map[int]int{
		0: 1, 1: 1, 2: 1, 8: 1, 9: 2, 10: 3, 11: 3, 19: 3, 20: 3, 89: 3, 90: 1, 91: 1, 98: 1, 99: 2, 100: 3, 101: 3, 989: 3, 990: 1, 998: 1, 999: 2, 1000: 3,
	} {
		answer := generations(t, n)
		if n == 0 {
			answer = inTurn(reply{200, `{"Items":[]}`}) // which is no item for GetItem, either
		}
		table, w := newWire(t, answer)
		known, err := table.Load(t.Context(), "i-1", nil)
		got := 0
		if known.Record != nil {
			got = known.Record.Generation
		}
		if err != nil || got != n {
			t.Errorf("of %d generations: got %d, %v", n, got, err)
		}
		if got := len(w.said()) - 1; got != requests { // one is for the guard
			t.Errorf("of %d generations: %d requests, want %d", n, got, requests)
		}
	}
}

func TestLoadOfDamagedItems(t *testing.T) {
	for name, item := range map[string]string{
		"no number":    `{"pk":{"S":"INSTANCE#i-1"},"sk":{"S":"CONTAINMENT#last"}}`,
		"no text":      `{"pk":{"S":"INSTANCE#i-1"},"sk":{"L":[]}}`,
		"unknown step": `{"pk":{"S":"INSTANCE#i-1"},"sk":{"S":"CONTAINMENT#1"},"generation":{"N":"1"},"steps":{"L":[{"M":{"kind":{"S":"exorcism"}}}]}}`,
	} {
		table, _ := newWire(t, inTurn(reply{200, `{"Items":[` + item + `]}`}))
		if k, err := table.Load(t.Context(), "i-1", nil); err == nil {
			t.Errorf("%s: got %v, want an error", name, k)
		}
	}
}

func TestNoteTwice(t *testing.T) {
	table, w := newWire(t, inTurn(fault("ConditionalCheckFailedException")))
	if err := table.Note(t.Context(), event("i-1", "a")); err != nil {
		t.Errorf("Note: %v", err)
	}
	want := "INSTANCE#i-1 EVENT#2026-03-01T12:00:00Z#a if attribute_not_exists(pk)"
	if got := spell(w.said()[0].body); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The pointer of a released containment stays while its host is to be asked, and the
// next generation takes it.
func TestPointerStaysForTheHost(t *testing.T) {
	r := aRecord("i-1")
	r.Steps = append(r.Steps, record.StepState{Step: record.HostOf("i-1"), State: record.Applied})
	m := &Memory{}
	commit := func(r record.Record) {
		t.Helper()
		if err := m.Commit(t.Context(), change(r)); err != nil {
			t.Fatal(err)
		}
	}
	open := func() bool {
		t.Helper()
		all, err := m.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all) == 1
	}
	commit(r)
	r.Version, r.Status, r.Steps[len(r.Steps)-1].State = 1, record.Released, record.Lingering
	commit(r)
	if !open() {
		t.Error("nobody finds the host that is to be asked")
	}
	next := aRecord("i-1")
	next.Generation = 2
	commit(next)
	r.Version = 2
	commit(r)
	next.Version, next.Status = 1, record.Released
	r.Version, r.Steps[len(r.Steps)-1].State = 3, record.Restored
	commit(r)
	if !open() {
		t.Error("the first generation took the pointer of the second")
	}
	commit(next)
	if open() {
		t.Error("the pointer stays after all is done")
	}
}
