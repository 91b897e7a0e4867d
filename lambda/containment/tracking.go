package containment

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Timeouts are the idle timeouts of connection tracking that an interface has set;
// zero means that it has none set, and EC2's default holds.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecificationRequest.html
type Timeouts struct {
	TCP       time.Duration // of an established TCP connection
	UDPStream time.Duration // of a UDP flow of more than one request and response
	UDP       time.Duration // of any other UDP flow
}

// ShortestTimeouts are the least that EC2 allows.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ConnectionTrackingSpecificationRequest.html
var ShortestTimeouts = Timeouts{TCP: 60 * time.Second, UDPStream: 60 * time.Second, UDP: 30 * time.Second}

// A Tracking lowers the connection-tracking timeouts of one network interface.
// Where no peer is known there is nobody to deny: what stays connected then lives
// only as long as it isn't idle for a minute, instead of five days. It comes after
// the cut, and can fail without lessening it.
type Tracking struct {
	Interface string   // the network interface's id
	Before    Timeouts // as they were set; restored on release
	After     Timeouts
}

// ID is "tracking/" and the interface.
func (t Tracking) ID() string { return "tracking/" + t.Interface }

func (Tracking) step() {}

// nitroV6 are the families on Nitro v6, which track idle TCP connections for 350 s.
// https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html
var nitroV6 = strings.Fields(`c8a c8gb c8gn c8i c8i-flex c8ib c8in g7e hpc8a m8a m8azn m8gb m8gn m8i m8i-flex
	m8ib m8in p6-b200 p6-b300 r8a r8gb r8gn r8i r8i-flex r8ib r8in x8aedz x8i`)

// DefaultTimeouts are those that EC2 uses for an instance type where none are set.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#connection-tracking-timeouts
func DefaultTimeouts(instanceType string) Timeouts {
	t := Timeouts{TCP: DefaultTracking, UDPStream: 180 * time.Second, UDP: 30 * time.Second}
	if family, _, _ := strings.Cut(instanceType, "."); slices.Contains(nitroV6, family) {
		t.TCP = 350 * time.Second
	}
	return t
}

// or fills in what is not set: EC2 takes a value back, not the absence of one.
func (t Timeouts) or(defaults Timeouts) Timeouts {
	for _, f := range []struct{ is, otherwise *time.Duration }{
		{&t.TCP, &defaults.TCP}, {&t.UDPStream, &defaults.UDPStream}, {&t.UDP, &defaults.UDP},
	} {
		if *f.is == 0 {
			*f.is = *f.otherwise
		}
	}
	return t
}

// Texts writes the timeouts that are set, as answers and records have them.
func (t Timeouts) Texts() []string {
	var texts []string
	for _, f := range t.fields() {
		if *f.value != 0 {
			texts = append(texts, f.name+"="+f.value.String())
		}
	}
	return texts
}

// ParseTimeouts reads what Texts writes. Its error names the text that is wrong.
func ParseTimeouts(texts []string) (Timeouts, error) {
	var t Timeouts
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		d, err := time.ParseDuration(value)
		fields := t.fields()
		i := slices.IndexFunc(fields, func(f timeoutField) bool { return f.name == name })
		if err != nil || i < 0 {
			return Timeouts{}, fmt.Errorf("%q is no timeout of connection tracking", text)
		}
		*fields[i].value = d
	}
	return t, nil
}

type timeoutField struct {
	name  string
	value *time.Duration
}

func (t *Timeouts) fields() []timeoutField {
	return []timeoutField{{"tcp", &t.TCP}, {"udp-stream", &t.UDPStream}, {"udp", &t.UDP}}
}

// shorten plans lower timeouts, once an interface is in quarantine, where no peer is
// known. What EC2 has refused once, it is not asked again.
func (p *planner) shorten() {
	if len(p.record.Peers) > 0 {
		return
	}
	for _, i := range p.seen.Interfaces {
		t := Tracking{Interface: i.ID, Before: i.Timeouts, After: ShortestTimeouts}
		was, recorded := p.recorded(t.ID())
		if recorded {
			t.Before = was.Step.(Tracking).Before
		}
		refusal := p.seen.Refused[t.ID()]
		switch {
		case !p.seen.quarantined(i) || !recorded && i.Timeouts == t.After:
		case recorded && was.State == Failed:
			p.add(t, Failed, was.Note)
		case i.Timeouts == t.After:
			p.add(t, Applied, "")
		case refusal.Reason != "":
			p.add(t, Failed, refusal.Reason)
		default:
			p.add(t, Pending, "")
		}
	}
}

// lengthen plans the return of an interface's timeouts: to what was set, or to what
// EC2 does where nothing is.
func (p *releaser) lengthen(s StepState, t Tracking) {
	i, found := p.seen.find(t.Interface)
	before := t.Before.or(DefaultTimeouts(p.seen.Instance.Type))
	switch {
	case s.State.final():
		p.steps = append(p.steps, s)
	case !found:
		p.add(s, Gone, "the interface does not exist any more")
	case i.Timeouts == before || i.Timeouts == t.Before:
		p.settled(s, Restored, "")
	case i.Timeouts == t.After:
		t.Before = before
		p.reverts = append(p.reverts, t)
		p.steps = append(p.steps, s)
	default:
		p.add(s, ChangedElsewhere, fmt.Sprintf("somebody has set %s since: left as it is", strings.Join(i.Timeouts.Texts(), ", ")))
	}
}

// tracking is how long EC2 may go on to track a flow from before the containment:
// as long as the interface's timeout was then. That a lower one holds for flows
// that are tracked already is not documented.
func (p *releaser) tracking() time.Duration {
	longest := p.seen.tracking()
	for _, s := range p.was.Steps {
		if t, ok := s.Step.(Tracking); ok {
			longest = max(longest, t.Before.or(DefaultTimeouts(p.seen.Instance.Type)).TCP)
		}
	}
	return longest
}
