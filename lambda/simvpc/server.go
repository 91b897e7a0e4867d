package simvpc

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"tourniquet/lambda/simvpc/autoscaling"
	"tourniquet/lambda/simvpc/ec2"
	"tourniquet/lambda/simvpc/flowlog"
	"tourniquet/lambda/simvpc/logs"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/ssm"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// Options says how a Server behaves; the zero Options are an EC2 on a good day.
type Options struct {
	// Clock is the time that everything but the call log goes by; nil means
	// time.Now. Server.Advance moves it on. The call log always uses the real clock.
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
	// SSM says how Systems Manager behaves, and what hosts print.
	SSM ssm.Options
	// Log receives the calls; nil means a log of the server's own.
	Log *Log
}

// A Server is an endpoint that serves one world: EC2 and the services around it.
// It is an http.Handler and safe for concurrent use.
type Server struct {
	*Log

	URL string // where Start listens

	opts Options

	mu       sync.Mutex
	world    *world.World
	views    views
	skew     time.Duration // by which Advance has moved the clock on
	services services
	faults   []*armed
	before   func(Call) Fault

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
	s := &Server{
		Log:  cmp.Or(opts.Log, &Log{}),
		opts: opts, world: w,
	}
	s.services = services{
		ec2:         ec2.New(ec2.Options{PageSize: opts.PageSize, GroupLag: opts.GroupLag, Throttle: opts.Throttle}),
		ssm:         ssm.New(opts.SSM),
		logs:        logs.New(w, s.now()),
		autoscaling: autoscaling.New(),
	}
	s.pass() // from here on, time counts
	return s
}

// World returns a copy of the world as it is now, lag aside.
func (s *Server) World() *world.World {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	return s.world.Clone()
}

// Edit changes the world as somebody else would, between two calls, without
// EC2's checks, and normalizes it. Lag applies to it as to every change. f must
// not call s, nor keep w.
func (s *Server) Edit(f func(w *world.World)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	s.change(func() { f(s.world) })
}

// Advance lets time pass, on the clock and for the world: tracking entries grow
// old as by oracle.Advance, and the services do what they do by themselves.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d > 0 {
		step := d
		if len(s.world.FlowLogs)+len(s.world.AutoScaling) > 0 {
			step = min(d, time.Minute) // they look at the world every minute
		}
		d -= step
		s.skew += step
		s.pass()
		s.change(func() { oracle.Advance(s.world, step) })
	}
}

// SetHost says what the instances print to whom Systems Manager gives a command from
// now on, and whether they do what they are told; nil means ssm.Honest.
func (s *Server) SetHost(h ssm.Host) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services.ssm.SetHost(h)
}

// ScriptFlowLog makes the next windows of the flow logs of an interface other than
// they would be.
func (s *Server) ScriptFlowLog(eni string, scripts ...flowlog.Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services.logs.Script(eni, scripts...)
}

// now is the time on the simulated clock.
func (s *Server) now() time.Time { return s.opts.Clock().Add(s.skew) }

// pass lets the services do what they do by themselves up to now.
func (s *Server) pass() {
	for _, service := range s.services.all() {
		s.views.prepare(s)
		if service.Pass(s.world, s.now()) {
			s.world.Normalize()
			s.views.changed(s)
			s.changes.Add(1)
		}
	}
}

// change runs f on the world, and keeps the world before for those who still see it.
func (s *Server) change(f func()) {
	s.views.prepare(s)
	f()
	s.world.Normalize()
	s.views.changed(s)
	s.changes.Add(1)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	service, call, err := s.services.read(r)
	if err != nil {
		refusal := wire.Fail("MalformedQueryString", "%s", err)
		write(w, service.Protocol(), service.Protocol().Refusal("none", refusal), http.StatusBadRequest)
		return
	}
	entry := s.begin(call)
	body, err := s.answer(r.Context(), service, *entry)
	if errors.Is(err, errLost) {
		s.end(entry, ConnectionLost)
		panic(http.ErrAbortHandler) // net/http's way to close a connection without an answer
	}
	status, code := http.StatusOK, ""
	if err != nil {
		refused, ok := errors.AsType[*wire.Error](err)
		if !ok {
			refused = &wire.Error{Code: service.Protocol().Internal.Code, Message: err.Error(), Status: http.StatusInternalServerError}
		}
		code, status = refused.Code, refused.HTTPStatus()
		body = service.Protocol().Refusal(entry.RequestID, refused)
	}
	w.Header().Set("x-amzn-requestid", entry.RequestID)
	s.end(entry, code)
	write(w, service.Protocol(), body, status)
}

var errLost = errors.New("connection lost")

// answer lets the call meet its faults, then carries it out.
func (s *Server) answer(ctx context.Context, service wire.Service, c Call) ([]byte, error) {
	fault := s.befall(c)
	if err := pause(ctx, s.opts.Latency+fault.Delay); err != nil {
		return nil, errLost // the caller has gone
	}
	if fault.Kind == LostBefore {
		return nil, errLost
	}
	if refused := fault.err(service.Protocol()); refused != nil {
		return nil, refused
	}
	result, err := s.run(service, c)
	if fault.Kind == LostAfter {
		return nil, errLost
	}
	if err != nil {
		return nil, err
	}
	return service.Protocol().Answer(c.Op, c.RequestID, result)
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
func (s *Server) run(service wire.Service, c Call) (result any, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	op, ok := service.Operation(c.Op)
	if !ok {
		return nil, service.Protocol().Unknown(c.Op)
	}
	s.pass()
	req := &wire.Request{ID: c.RequestID, Op: c.Op, Params: c.Params, Input: c.Input, World: s.world, Now: s.now()}
	switch {
	case op.Mutating:
		s.change(func() { result, err = op.Run(req) })
		return result, err
	case op.Lagged:
		req.World = s.views.seen(s)
	}
	return op.Run(req)
}

func write(w http.ResponseWriter, p *wire.Protocol, body []byte, status int) {
	w.Header().Set("Content-Type", p.ContentType)
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // XML and JSON, made by encoders; a caller that has gone doesn't matter
}
