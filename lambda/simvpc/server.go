package simvpc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tourniquet/lambda/simvpc/world"
)

// Options says how a Server behaves; the zero Options are an EC2 on a good day.
type Options struct {
	// Clock is the time that throttling and Lag go by; nil means time.Now. The
	// call log always uses the real clock.
	Clock func() time.Time
	// Latency is added to every call.
	Latency time.Duration
	// PageSize is the most items a Describe… answers at once, asked for or not;
	// 0 means EC2's limit.
	PageSize int
	// Lag delays how soon Describe… sees a change, as eventual consistency may
	// (https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html).
	Lag Lag
	// GroupLag delays how soon a new security group can be used by the calls
	// that put it on an interface: InvalidGroup.NotFound until then.
	GroupLag Lag
	// Throttle turns on EC2's documented request buckets.
	Throttle bool
	// Log receives the calls; nil means a log of the server's own.
	Log *Log
}

// A Server is an EC2 endpoint that serves one world. It is an http.Handler and
// safe for concurrent use.
type Server struct {
	*Log

	URL string // where Start listens

	opts Options

	mu      sync.Mutex
	world   *world.World
	views   views
	young   map[string]*delay // new groups not yet usable
	faults  []*armed
	before  func(Call) Fault
	buckets map[string]*bucket
	lastID  map[string]int      // by prefix
	tokens  map[string]replayed // by client token

	changes atomic.Uint64
}

// Changes counts the changes that the world may have had so far, for those who keep
// what follows from it.
func (s *Server) Changes() uint64 { return s.changes.Load() }

// New returns a server of a copy of the world, which it normalizes.
func New(w *world.World, opts Options) *Server {
	if opts.Clock == nil {
		opts.Clock = time.Now
	}
	w = w.Clone()
	w.Normalize()
	return &Server{
		Log:  cmp.Or(opts.Log, &Log{}),
		opts: opts, world: w,
		young: map[string]*delay{}, buckets: map[string]*bucket{},
		lastID: map[string]int{}, tokens: map[string]replayed{},
	}
}

// World returns a copy of the world as it is now, lag aside.
func (s *Server) World() *world.World {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.Clone()
}

// Edit changes the world as somebody else would, between two calls, without
// EC2's checks, and normalizes it. Lag applies to it as to every change. f must
// not call s, nor keep w.
func (s *Server) Edit(f func(w *world.World)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change(func() { f(s.world) })
}

// change runs f on the world, and keeps the world before for those who still see it.
func (s *Server) change(f func()) {
	s.views.prepare(s)
	f()
	s.world.Normalize()
	s.views.changed(s)
	s.changes.Add(1)
}

// An apiError is an error as EC2 answers it.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(code, format string, args ...any) *apiError {
	return &apiError{code, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one call of EC2's query protocol
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/making-api-requests.html).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		write(w, errorBody("none", fail("MalformedQueryString", "%s", err)), http.StatusBadRequest)
		return
	}
	op := r.Form.Get("Action")
	entry := s.begin(Call{
		Op: op, Mutating: operations[op].mutating, RequestID: newRequestID(), Params: r.Form,
	})
	body, err := s.answer(r.Context(), *entry)
	if errors.Is(err, errLost) {
		s.end(entry, ConnectionLost)
		panic(http.ErrAbortHandler) // net/http's way to close a connection without an answer
	}
	status, code := http.StatusOK, ""
	if err != nil {
		var refused *apiError
		if !errors.As(err, &refused) {
			refused = fail("InternalError", "%s", err)
		}
		code, status = refused.code, cmp.Or(statuses[refused.code], http.StatusBadRequest)
		body = errorBody(entry.RequestID, refused)
	}
	w.Header().Set("x-amzn-requestid", entry.RequestID)
	s.end(entry, code)
	write(w, body, status)
}

var errLost = errors.New("connection lost")

// answer lets the call meet its faults, then carries it out.
func (s *Server) answer(ctx context.Context, c Call) ([]byte, error) {
	fault := s.befall(c)
	if err := pause(ctx, s.opts.Latency+fault.Delay); err != nil {
		return nil, errLost // the caller has gone
	}
	if fault.Kind == LostBefore {
		return nil, errLost
	}
	if refused := fault.err(); refused != nil {
		return nil, refused
	}
	reply, err := s.run(c)
	if fault.Kind == LostAfter {
		return nil, errLost
	}
	if err != nil {
		return nil, err
	}
	reply.stamp(c.RequestID)
	return encode(c.Op, reply)
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run carries out one operation, alone.
func (s *Server) run(c Call) (answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op, ok := operations[c.Op]
	if !ok {
		return nil, fail("InvalidAction", "The action %s is not valid for this web service.", c.Op)
	}
	p := params{c.Params}
	if s.opts.Throttle && !s.admit(c.Op, p) {
		return nil, errThrottled
	}
	if err := p.check(op.params); err != nil {
		return nil, err
	}
	dry, err := p.boolean("DryRun", false)
	if err != nil {
		return nil, err
	}
	req := &request{s: s, op: c.Op, p: p, w: s.world, dry: dry}
	var reply answer
	switch {
	case dry:
		req.w = s.world.Clone()
		if _, err = op.run(req); err == nil {
			err = fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
		}
	case op.mutating:
		s.change(func() { reply, err = op.run(req) })
	default:
		req.w = s.views.seen(s)
		reply, err = op.run(req)
	}
	if err != nil {
		return nil, err
	}
	return reply, nil
}

// A request is one call of an operation.
type request struct {
	s   *Server
	op  string
	p   params
	w   *world.World // what the operation sees and, if it is a mutating one, changes
	dry bool         // w is a copy
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

func write(w http.ResponseWriter, body []byte, status int) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that has gone doesn't matter
}

// An answer is an operation's result in EC2's XML shape.
type answer interface{ stamp(requestID string) }

// reply is the part all answers share.
type reply struct {
	RequestID string `xml:"requestId"`
}

func (r *reply) stamp(requestID string) { r.RequestID = requestID }

// namespace is the XML namespace of EC2's API version.
const namespace = "http://ec2.amazonaws.com/doc/2016-11-15/"

func encode(op string, a answer) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	err := xml.NewEncoder(&b).EncodeElement(a, xml.StartElement{
		Name: xml.Name{Local: op + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}},
	})
	return b.Bytes(), err
}

// errorBody is EC2's error document
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
func errorBody(requestID string, e *apiError) []byte {
	type item struct {
		Code, Message string
	}
	body, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"Response"`
		Errors    []item   `xml:"Errors>Error"`
		RequestID string
	}{Errors: []item{{e.code, e.message}}, RequestID: requestID})
	if err != nil { // can't happen: strings only
		return []byte(err.Error())
	}
	return append([]byte(xml.Header), body...)
}
