package guardduty

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// sequence is the body of an attack sequence finding, which correlates signals
// about several resources. https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Sequence.html
type sequence struct {
	Endpoints list[endpoint]         `json:"endpoints"`
	Signals   list[signal]           `json:"signals"`
	Resources list[sequenceResource] `json:"resources"`
}

// endpoint is an address seen in the sequence. It may be an API client's: those
// have no connection.
type endpoint struct {
	ID         scalar `json:"id"`
	IP         scalar `json:"ip"`
	Port       scalar `json:"port"`
	Connection struct {
		Direction scalar `json:"direction"`
	} `json:"connection"`
}

// signal is one observation. Security Hub names its resources "ResourceIds".
type signal struct {
	Type         scalar       `json:"type"`
	ResourceUIDs list[scalar] `json:"resourceUids"`
	ResourceIDs  list[scalar] `json:"resourceIds"`
	EndpointIDs  list[scalar] `json:"endpointIds"`
}

// aboutCalls reports whether the signal comes from logs of API calls, whose
// endpoints are clients of AWS and not of an instance.
func (s signal) aboutCalls() bool {
	switch strings.ToUpper(s.Type.s) {
	case "CLOUD_TRAIL", "S3_DATA_EVENTS", "EKS_AUDIT_LOGS":
		return true
	default:
		return false
	}
}

type sequenceResource struct {
	UID          scalar        `json:"uid"`
	Name         scalar        `json:"name"`
	ResourceType scalar        `json:"resourceType"`
	Tags         list[wireTag] `json:"tags"`
	Data         resourceData  `json:"data"`
}

// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_ResourceData.html
type resourceData struct {
	EC2Instance         sequenceInstance `json:"ec2Instance"`
	EC2NetworkInterface wireInterface    `json:"ec2NetworkInterface"`

	AutoScalingGroup instanceGroup `json:"autoscalingAutoScalingGroup"`
	Stack            instanceGroup `json:"cloudformationStack"`
	Image            instanceGroup `json:"ec2Image"`
	LaunchTemplate   instanceGroup `json:"ec2LaunchTemplate"`
	VPC              instanceGroup `json:"ec2Vpc"`
	ECSCluster       instanceGroup `json:"ecsCluster"`
	EKSCluster       instanceGroup `json:"eksCluster"`
	InstanceProfile  instanceGroup `json:"iamInstanceProfile"`
}

type sequenceInstance struct {
	InstanceType         scalar       `json:"instanceType"`
	AvailabilityZone     scalar       `json:"availabilityZone"`
	InstanceState        scalar       `json:"instanceState"`
	NetworkInterfaceUIDs list[scalar] `json:"ec2NetworkInterfaceUids"`
}

// instanceGroup is what several instances have in common. It lists the
// compromised ones alone, 25 at most, not all of the group.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Ec2Vpc.html
type instanceGroup struct {
	InstanceUIDs list[scalar] `json:"ec2InstanceUids"`
}

func (d resourceData) grouped() []scalar {
	var all []scalar
	for _, g := range []instanceGroup{
		d.AutoScalingGroup, d.Stack, d.Image, d.LaunchTemplate, d.VPC, d.ECSCluster, d.EKSCluster, d.InstanceProfile,
	} {
		all = append(all, g.InstanceUIDs.items...)
	}
	return all
}

// instances lists the instances in the sequence: first those described, then
// those that only a group names.
func (s sequence) instances(at string) ([]Instance, []error) {
	problems := s.tooMuch(at)
	var instances []Instance
	seen := make(map[string]bool)
	interfaces := s.interfaces()
	peers := s.peersOf()
	add := func(i Instance) {
		if !seen[i.ID] && len(instances) < maxList {
			seen[i.ID] = true
			instances = append(instances, i.with(peers(i)))
		}
	}
	for n, r := range s.Resources.items {
		if !strings.EqualFold(r.ResourceType.s, "EC2_INSTANCE") {
			continue
		}
		i := r.instance(interfaces)
		if !validInstanceID(i.ID) {
			problems = append(problems, malformed(resourceAt(at, n, "uid"), "%s, want %s or its ARN", r.UID.got(), wantInstanceID))
			continue
		}
		add(i)
	}
	for n, r := range s.Resources.items {
		for _, uid := range r.Data.grouped() {
			i := Instance{ID: lastPart(uid)}
			if !validInstanceID(i.ID) {
				problems = append(problems, malformed(resourceAt(at, n, "data"), "instance %s, want %s or its ARN", uid.got(), wantInstanceID))
				continue
			}
			add(i)
		}
	}
	return instances, problems
}

func (r sequenceResource) instance(interfaces map[string]Interface) Instance {
	d := r.Data.EC2Instance
	i := Instance{
		ID:               lastPart(r.UID),
		Type:             d.InstanceType.clean(maxWord),
		AvailabilityZone: d.AvailabilityZone.clean(maxWord),
		State:            d.InstanceState.clean(maxWord),
		Tags:             tagMap(r.Tags.items),
	}
	if !validInstanceID(i.ID) {
		i.ID = lastPart(r.Name)
	}
	for _, uid := range d.NetworkInterfaceUIDs.items {
		n, described := interfaces[lastPart(uid)]
		if !described {
			n.ID = Clean(lastPart(uid), maxWord)
		}
		if n.ID != "" {
			i.Interfaces = append(i.Interfaces, n)
		}
	}
	return i
}

// interfaces lists the sequence's network interfaces by id.
func (s sequence) interfaces() map[string]Interface {
	found := make(map[string]Interface)
	for _, r := range s.Resources.items {
		if strings.EqualFold(r.ResourceType.s, "EC2_NETWORK_INTERFACE") {
			n := r.Data.EC2NetworkInterface.networkInterface()
			n.ID = Clean(lastPart(r.UID), maxWord)
			found[lastPart(r.UID)] = n
		}
	}
	return found
}

// peersOf returns a function that lists an instance's peers: the endpoints of a
// network connection that a signal ties to the instance or to its interfaces.
func (s sequence) peersOf() func(Instance) *peerSet {
	remotes, named := s.remotes()
	tied := s.tied(named)
	return func(i Instance) *peerSet {
		of := tied[i.ID]
		for _, n := range i.Interfaces {
			of = of.or(tied[n.ID])
		}
		set := &peerSet{peers: slices.Grow([]Peer(nil), of.size())}
		for n, r := range remotes {
			if of.has(n) {
				set.join(r)
			}
		}
		return set
	}
}

// remotes are the endpoints of network connections, each once, as sets of one peer;
// and which of them an endpoint's id names.
func (s sequence) remotes() (remotes []peerSet, named map[string]endpoints) {
	named = make(map[string]endpoints)
	place := make(map[string]int)
	for _, e := range s.Endpoints.items {
		d := direction(e.Connection.Direction)
		var one peerSet
		one.add(e.IP, Peer{Direction: d, RemotePort: e.Port.integer(maxPort)})
		if d == UnknownDirection || one.empty() {
			continue
		}
		what := fmt.Sprint(one.peers, one.unreadable)
		n, known := place[what]
		if !known {
			n = len(remotes)
			place[what] = n
			remotes = append(remotes, one)
		}
		named[e.ID.s] = named[e.ID.s].with(n)
	}
	return remotes, named
}

// tied says which endpoints the signals tie to which resource.
func (s sequence) tied(named map[string]endpoints) map[string]endpoints {
	tied := make(map[string]endpoints)
	for _, sig := range s.Signals.items {
		if sig.aboutCalls() {
			continue
		}
		var of endpoints
		for _, id := range sig.EndpointIDs.items {
			of = of.or(named[id.s])
		}
		for _, uid := range slices.Concat(sig.ResourceUIDs.items, sig.ResourceIDs.items) {
			tied[lastPart(uid)] = tied[lastPart(uid)].or(of)
		}
	}
	return tied
}

// endpoints is a set of endpoints by their place in the sequence. Signals may tie
// every endpoint to every resource, again and again.
type endpoints [maxList/64 + 1]uint64

func (e endpoints) with(n int) endpoints {
	e[n/64] |= 1 << (n % 64)
	return e
}

func (e endpoints) or(more endpoints) endpoints {
	for i := range e {
		e[i] |= more[i]
	}
	return e
}

func (e endpoints) has(n int) bool { return e[n/64]&(1<<(n%64)) != 0 }

func (e endpoints) size() int {
	n := 0
	for _, word := range e {
		n += bits.OnesCount64(word)
	}
	return n
}

// tooMuch says which of the sequence's lists were cut off.
func (s sequence) tooMuch(at string) []error {
	var problems []error
	for _, l := range []struct {
		field string
		given int
	}{{"endpoints", s.Endpoints.given}, {"signals", s.Signals.given}, {"resources", s.Resources.given}} {
		if l.given > maxList {
			problems = append(problems, malformed(within(at, l.field), "got %d, want at most %d", l.given, maxList))
		}
	}
	return problems
}

// lastPart is the id of a resource that is named by its id or its ARN.
func lastPart(uid scalar) string {
	return uid.s[strings.LastIndexByte(uid.s, '/')+1:]
}

func resourceAt(at string, n int, field string) string {
	return fmt.Sprintf("%s.resources[%d].%s", at, n, field)
}
