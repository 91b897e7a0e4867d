package simvpc

import (
	"net/url"
	"slices"
	"sync"
	"time"
)

// ConnectionLost is the code of a call that got no answer: the connection was
// closed before or after it did its work.
const ConnectionLost = "ConnectionLost"

// A Call is one call as the service saw it. Retries are calls of their own.
type Call struct {
	Seq        int // from 1, in order of arrival
	Op         string
	Mutating   bool
	Start, End time.Time // End is zero while the call is under way
	Code       string    // error code, empty on success
	RequestID  string
	Params     url.Values // of a JSON call: the members of its input, in the names of the query protocol
	Input      []byte     // of a JSON call
}

// A Log lists calls in order of arrival. One log may serve several services:
// give it to a Server in Options.Log, and Begin other calls by hand. The zero
// Log is ready for use.
type Log struct {
	mu    sync.Mutex
	calls []*Call
}

// Begin notes that a call began, and returns the function that ends it with its
// error code, empty on success.
func (l *Log) Begin(op string, mutating bool) func(code string) {
	c := l.begin(Call{Op: op, Mutating: mutating})
	return func(code string) { l.end(c, code) }
}

func (l *Log) begin(c Call) *Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Seq = len(l.calls) + 1
	c.Start = time.Now()
	l.calls = append(l.calls, &c)
	return &c
}

func (l *Log) end(c *Call, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Code, c.End = code, time.Now()
}

// Calls returns all calls so far, those under way included.
func (l *Log) Calls() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := make([]Call, len(l.calls))
	for i, c := range l.calls {
		calls[i] = *c
	}
	return calls
}

// Mutations returns the calls of operations that change something, refused ones
// and dry runs included.
func (l *Log) Mutations() []Call {
	return slices.DeleteFunc(l.Calls(), func(c Call) bool { return !c.Mutating })
}

// ClearLog forgets the calls so far; sequence numbers start again from 1.
func (l *Log) ClearLog() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = nil
}

// Depth is the number of dependent round trips: the length of the longest chain
// of calls each of which began after the one before had ended. It means most
// with Options.Latency set. Calls under way are left out.
func Depth(calls []Call) int {
	ended := slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return c.End.IsZero() })
	slices.SortFunc(ended, func(a, b Call) int { return a.End.Compare(b.End) })
	// Greedy: of all calls that may follow, the one that ends first leaves most
	// room for others.
	var depth int
	var last time.Time
	for _, c := range ended {
		if depth == 0 || !c.Start.Before(last) {
			depth, last = depth+1, c.End
		}
	}
	return depth
}
