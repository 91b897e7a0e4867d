package call

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// State is what an EC2 remembers beside its world.
type State struct {
	pageSize  int                    // the most items of an answer; 0: EC2's limit
	GroupLag  wire.Lag               // until a new group can be used
	Young     map[string]*wire.Delay // new groups not yet usable
	lastID    map[string]int         // by prefix
	tokens    map[string]replayed    // by client token
	Snapshots map[string]time.Time   // when a pending one completes
	Resume    map[string]time.Time   // when the checks of an instance do
}

// NewState returns the state of an EC2 of which nothing has been asked yet.
func NewState(pageSize int, groupLag wire.Lag) *State {
	return &State{
		pageSize: pageSize, GroupLag: groupLag, Young: map[string]*wire.Delay{}, lastID: map[string]int{},
		tokens: map[string]replayed{}, Snapshots: map[string]time.Time{}, Resume: map[string]time.Time{},
	}
}

// A Request is one call of an operation.
type Request struct {
	State  *State
	Op     string
	Params Params
	World  *world.World // what the operation sees and, if it is a mutating one, changes
	Now    time.Time
	Dry    bool // w is a copy
}

// NewID is an ID never used before in this world.
func (r *Request) NewID(prefix string) string {
	for {
		r.State.lastID[prefix]++
		id := fmt.Sprintf("%s%017x", prefix, r.State.lastID[prefix])
		if !exists(r.World, id) {
			return id
		}
	}
}

// Usable reports whether a group may be put on an interface already, and counts
// the attempt.
func (r *Request) Usable(group string) bool {
	d := r.State.Young[group]
	if d == nil || d.Over(r.Now) {
		return true
	}
	if !r.Dry {
		d.Missed()
	}
	return false
}

// Fail is a refusal with one of EC2's codes.
func Fail(code, format string, args ...any) *wire.Error { return wire.Fail(code, format, args...) }

// An Answer is an operation's result in EC2's XML shape.
type Answer interface{ stamp(requestID string) }

// Reply is the part all answers share.
type Reply struct {
	RequestID string `xml:"requestId"`
}

func (r *Reply) stamp(requestID string) { r.RequestID = requestID }

// An Operation is one action of the EC2 API.
type Operation struct {
	Mutating bool
	params   string // the parameters it takes; any other is refused
	run      func(*Request) (Answer, error)
}

// returned is the answer of an operation that only says it worked.
type returned struct {
	Reply
	Return bool `xml:"return"`
}

// Done is the answer of an operation that only says that it worked, or why not.
func Done(err error) (Answer, error) {
	if err != nil {
		return nil, err
	}
	return &returned{Return: true}, nil
}

// A replayed is what a call with a client token made, for when it is repeated.
type replayed struct{ query, ID string }

// Once makes something, unless a call with the same client token has made it
// already (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
func (r *Request) Once(create func() (id string, err error)) (string, error) {
	token := r.Params.Str("ClientToken")
	if token == "" {
		return create()
	}
	query := r.query()
	if earlier, ok := r.State.tokens[token]; ok {
		if earlier.query != query {
			return "", Fail("IdempotentParameterMismatch", "The client token was used by a different request before.")
		}
		return earlier.ID, nil
	}
	id, err := create()
	if err == nil && !r.Dry {
		r.State.tokens[token] = replayed{query, id}
	}
	return id, err
}

// query is the call without what differs between attempts of the same call.
func (r *Request) query() string {
	values := maps.Clone(r.Params.Values)
	maps.DeleteFunc(values, func(key string, _ []string) bool {
		return strings.HasPrefix(key, "X-Amz-") || key == "DryRun"
	})
	return values.Encode()
}

// Reads is an operation that changes nothing.
func Reads(params string, run func(*Request) (Answer, error)) Operation {
	return Operation{false, params, run}
}

// Changes is an operation that changes something.
func Changes(params string, run func(*Request) (Answer, error)) Operation {
	return Operation{true, params, run}
}

// Perform carries out an operation: it refuses parameters that the operation
// doesn't know, and tries what is only a dry run on a copy of the world.
func (s *State) Perform(op Operation, r *wire.Request) (any, error) {
	p := Params{r.Params}
	if err := p.check(op.params); err != nil {
		return nil, err
	}
	dry, err := p.Boolean("DryRun", false)
	if err != nil {
		return nil, err
	}
	req := &Request{State: s, Op: r.Op, Params: p, World: r.World, Now: r.Now, Dry: dry}
	if dry {
		req.World = r.World.Clone()
	}
	result, err := op.run(req)
	if err != nil {
		return nil, err
	}
	if dry {
		return nil, Fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	result.stamp(r.ID)
	return result, nil
}
