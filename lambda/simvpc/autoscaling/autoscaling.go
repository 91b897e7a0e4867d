// Package autoscaling is the part of Amazon EC2 Auto Scaling that keeps or
// terminates the instances of a simulated VPC.
package autoscaling

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// A Service is Auto Scaling. It is called by one at a time.
type Service struct {
	failing  map[string]time.Time // since when an instance has failed its checks
	until    time.Time            // how far time has passed
	activity int
}

// New returns a service that has seen no instance fail.
func New() *Service { return &Service{failing: map[string]time.Time{}} }

// Protocol is the query protocol.
func (s *Service) Protocol() *wire.Protocol { return protocol }

var protocol = wire.Query("http://autoscaling.amazonaws.com/doc/2011-01-01/")

// Operation finds an action of the API.
func (s *Service) Operation(name string) (wire.Operation, bool) {
	op, ok := map[string]wire.Operation{
		"EnterStandby":                 {Mutating: true, Run: s.enter},
		"ExitStandby":                  {Mutating: true, Run: s.exit},
		"DescribeAutoScalingInstances": {Run: s.instances},
		"DescribeAutoScalingGroups":    {Run: s.groups},
	}[name]
	return op, ok
}

// Patience is how long an instance fails its checks before its group terminates
// it. From the first failure to the replacement, 5 minutes and 10 seconds were
// measured with application status checks.
const Patience = 5 * time.Minute

// Pass terminates the instances that have failed their checks for too long. Groups
// here don't launch others in their place.
func (s *Service) Pass(w *world.World, now time.Time) bool {
	changed := false
	from := s.until
	if from.IsZero() {
		from = now
	}
	s.until = now
	for _, i := range w.Instances {
		if healthy(w, i) {
			delete(s.failing, i.ID)
			continue
		}
		since, known := s.failing[i.ID]
		if !known { // the world is as it was since the last time
			since = from
			s.failing[i.ID] = since
		}
		if now.Sub(since) >= Patience {
			w.Terminate(i)
			delete(s.failing, i.ID)
			changed = true
		}
	}
	return changed
}

// healthy reports whether its group leaves an instance alone. Only what is in
// service is judged; the checks of a load balancer count where the group says so,
// application status checks everywhere unless they are suppressed
// (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html).
func healthy(w *world.World, i *world.Instance) bool {
	g := w.AutoScalingGroup(i.AutoScaling)
	if g == nil || i.Lifecycle != world.InService || i.State == "terminated" {
		return true
	}
	if i.State != "running" && i.State != "pending" {
		return false
	}
	passes, _ := oracle.Healthy(w, i)
	return passes || g.Health != "ELB" && (!i.Checked || i.Suppressed)
}

// list reads a list parameter of the query protocol.
func list(p url.Values, name string) []string {
	var all []string
	for n := 1; p.Has(fmt.Sprintf("%s.member.%d", name, n)); n++ {
		all = append(all, p.Get(fmt.Sprintf("%s.member.%d", name, n)))
	}
	return all
}

func invalid(format string, args ...any) *wire.Error {
	return wire.Fail("ValidationError", format, args...)
}

// known refuses parameters that an operation doesn't know.
func known(p url.Values, words string) error {
	for key := range p {
		name, _, _ := strings.Cut(key, ".")
		if !strings.Contains(" Action Version "+words+" ", " "+name+" ") {
			return invalid("simvpc doesn't know the parameter %s", name)
		}
	}
	return nil
}
