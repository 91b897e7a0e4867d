package ec2

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// State is what an EC2 remembers beside its world.
type state struct {
	pageSize  int                    // the most items of an answer; 0: EC2's limit
	groupLag  wire.Lag               // until a new group can be used
	young     map[string]*wire.Delay // new groups not yet usable
	lastID    map[string]int         // by prefix
	tokens    map[string]replayed    // by client token
	snapshots map[string]time.Time   // when a pending one completes
	resume    map[string]time.Time   // when the checks of an instance do
}

// newState returns the state of an EC2 of which nothing has been asked yet.
func newState(pageSize int, groupLag wire.Lag) *state {
	return &state{
		pageSize: pageSize, groupLag: groupLag, young: map[string]*wire.Delay{}, lastID: map[string]int{},
		tokens: map[string]replayed{}, snapshots: map[string]time.Time{}, resume: map[string]time.Time{},
	}
}

// A request is one call of an operation.
type request struct {
	s   *state
	op  string
	p   params
	w   *world.World // what the operation sees and, if it is a mutating one, changes
	now time.Time
	dry bool // w is a copy
}

// newID is an ID never used before in this world.
func (r *request) newID(prefix string) string {
	for {
		r.s.lastID[prefix]++
		id := fmt.Sprintf("%s%017x", prefix, r.s.lastID[prefix])
		if !exists(r.w, id) {
			return id
		}
	}
}

// usable reports whether a group may be put on an interface already, and counts
// the attempt.
func (r *request) usable(group string) bool {
	d := r.s.young[group]
	if d == nil || d.Over(r.now) {
		return true
	}
	if !r.dry {
		d.Missed()
	}
	return false
}

func fail(code, format string, args ...any) *wire.Error { return wire.Fail(code, format, args...) }

// An answer is an operation's result in EC2's XML shape.
type answer interface{ stamp(requestID string) }

// reply is the part all answers share.
type reply struct {
	RequestID string `xml:"requestId"`
}

func (r *reply) stamp(requestID string) { r.RequestID = requestID }

// An operation is one action of the EC2 API.
type operation struct {
	mutating bool
	params   string // the parameters it takes; any other is refused
	run      func(*request) (answer, error)
}

// returned is the answer of an operation that only says it worked.
type returned struct {
	reply
	Return bool `xml:"return"`
}

func done(err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	return &returned{Return: true}, nil
}

// A replayed is what a call with a client token made, for when it is repeated.
type replayed struct{ query, id string }

// once makes something, unless a call with the same client token has made it
// already (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
func (r *request) once(create func() (id string, err error)) (string, error) {
	token := r.p.str("ClientToken")
	if token == "" {
		return create()
	}
	query := r.query()
	if earlier, ok := r.s.tokens[token]; ok {
		if earlier.query != query {
			return "", fail("IdempotentParameterMismatch", "The client token was used by a different request before.")
		}
		return earlier.id, nil
	}
	id, err := create()
	if err == nil && !r.dry {
		r.s.tokens[token] = replayed{query, id}
	}
	return id, err
}

// query is the call without what differs between attempts of the same call.
func (r *request) query() string {
	values := maps.Clone(r.p.Values)
	maps.DeleteFunc(values, func(key string, _ []string) bool {
		return strings.HasPrefix(key, "X-Amz-") || key == "DryRun"
	})
	return values.Encode()
}

// reads is an operation that changes nothing.
func reads(params string, run func(*request) (answer, error)) operation {
	return operation{false, params, run}
}

// changes is an operation that changes something.
func changes(params string, run func(*request) (answer, error)) operation {
	return operation{true, params, run}
}

// perform carries out an operation: it refuses parameters that the operation
// doesn't know, and tries what is only a dry run on a copy of the world.
func (s *state) perform(op operation, r *wire.Request) (any, error) {
	p := params{r.Params}
	if err := p.check(op.params); err != nil {
		return nil, err
	}
	dry, err := p.boolean("DryRun", false)
	if err != nil {
		return nil, err
	}
	req := &request{s: s, op: r.Op, p: p, w: r.World, now: r.Now, dry: dry}
	if dry {
		req.w = r.World.Clone()
	}
	result, err := op.run(req)
	if err != nil {
		return nil, err
	}
	if dry {
		return nil, fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	result.stamp(r.ID)
	return result, nil
}
