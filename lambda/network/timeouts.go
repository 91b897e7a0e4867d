package network

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

// Or fills in what is not set. A timeout can be set in EC2, and not be unset.
func (t Timeouts) Or(defaults Timeouts) Timeouts {
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
			return Timeouts{}, fmt.Errorf("invalid timeout of connection tracking %q", text)
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

// DefaultTracking is how long EC2 tracks an idle established TCP flow of an
// interface without a setting of its own. Nitro v6 types keep it for only 350 s. Which
// types these are changes with each launch, so the longer time is used for all.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html#connection-tracking-timeouts
const DefaultTracking = 432_000 * time.Second
