// Package ec2 is the EC2 API of a simulated VPC: what it answers, what it changes
// and what it refuses, with EC2's own codes.
package ec2

import (
	"time"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/group"
	"tourniquet/lambda/simvpc/ec2/machine"
	"tourniquet/lambda/simvpc/ec2/network"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/ec2/route"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// Options says how an EC2 behaves; the zero Options are one on a good day.
type Options struct {
	// PageSize is the most items a Describe… answers at once, asked for or not;
	// 0 means EC2's limit.
	PageSize int
	// GroupLag delays how soon a new security group can be used by the calls
	// that put it on an interface: InvalidGroup.NotFound until then.
	GroupLag wire.Lag
	// Throttle turns on EC2's documented request buckets.
	Throttle bool
}

// A Service is the EC2 API. It is called by one at a time.
type Service struct {
	state    *call.State
	throttle bool
	buckets  map[string]*bucket
}

// New returns an EC2 of which nothing has been asked yet.
func New(opts Options) *Service {
	return &Service{call.NewState(opts.PageSize, opts.GroupLag), opts.Throttle, map[string]*bucket{}}
}

// Protocol is EC2's query protocol.
func (s *Service) Protocol() *wire.Protocol { return wire.EC2Query }

// Pass completes snapshots, and ends the suppression of checks that has an end.
func (s *Service) Pass(w *world.World, now time.Time) bool { return machine.Pass(s.state, w, now) }

// Operation finds an action of the API.
func (s *Service) Operation(name string) (wire.Operation, bool) {
	for _, part := range []map[string]call.Operation{call.Operations, network.Operations, group.Operations, nic.Operations, machine.Operations, route.Operations} {
		if op, ok := part[name]; ok {
			return wire.Operation{Mutating: op.Mutating, Lagged: !op.Mutating, Run: func(r *wire.Request) (any, error) {
				if s.throttle && !s.admit(r.Op, call.Params{Values: r.Params}, r.Now) {
					return nil, wire.EC2Query.Throttled
				}
				return s.state.Perform(op, r)
			}}, true
		}
	}
	return wire.Operation{}, false
}
