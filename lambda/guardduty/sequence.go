package guardduty

import (
	"fmt"
	"slices"
	"strings"
)

// sequence is the body of an attack sequence finding, which correlates signals
// about several resources. https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Sequence.html
type sequence struct {
	Endpoints []endpoint         `json:"endpoints"`
	Signals   []signal           `json:"signals"`
	Resources []sequenceResource `json:"resources"`
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
	Type         scalar   `json:"type"`
	ResourceUIDs []scalar `json:"resourceUids"`
	ResourceIDs  []scalar `json:"resourceIds"`
	EndpointIDs  []scalar `json:"endpointIds"`
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
	UID          scalar       `json:"uid"`
	Name         scalar       `json:"name"`
	ResourceType scalar       `json:"resourceType"`
	Tags         []wireTag    `json:"tags"`
	Data         resourceData `json:"data"`
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
	InstanceType         scalar   `json:"instanceType"`
	AvailabilityZone     scalar   `json:"availabilityZone"`
	InstanceState        scalar   `json:"instanceState"`
	NetworkInterfaceUIDs []scalar `json:"ec2NetworkInterfaceUids"`
}

// instanceGroup is what several instances have in common. It lists the
// compromised ones alone, 25 at most, not all of the group.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Ec2Vpc.html
type instanceGroup struct {
	InstanceUIDs []scalar `json:"ec2InstanceUids"`
}

func (d resourceData) grouped() []scalar {
	var all []scalar
	for _, g := range []instanceGroup{
		d.AutoScalingGroup, d.Stack, d.Image, d.LaunchTemplate, d.VPC, d.ECSCluster, d.EKSCluster, d.InstanceProfile,
	} {
		all = append(all, g.InstanceUIDs...)
	}
	return all
}

// instances lists the instances in the sequence: first those described, then
// those that only a group names.
func (s sequence) instances(at string) ([]Instance, []error) {
	s, problems := s.limited(at)
	var instances []Instance
	seen := make(map[string]bool)
	interfaces := s.interfaces()
	peers := s.peersOf()
	add := func(i Instance) {
		if seen[i.ID] {
			return
		}
		seen[i.ID] = true
		i.Peers, i.UnreadablePeers = peers(i)
		instances = append(instances, i)
	}
	for n, r := range s.Resources {
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
	for n, r := range s.Resources {
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
		Tags:             tagMap(r.Tags),
	}
	if !validInstanceID(i.ID) {
		i.ID = lastPart(r.Name)
	}
	for _, uid := range d.NetworkInterfaceUIDs {
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
	for _, r := range s.Resources {
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
func (s sequence) peersOf() func(Instance) ([]Peer, []string) {
	endpoints := make(map[string]endpoint)
	for _, e := range s.Endpoints {
		endpoints[e.ID.s] = e
	}
	signals := make(map[string][]signal) // by resource
	for _, sig := range s.Signals {
		if sig.aboutCalls() {
			continue
		}
		for _, uid := range slices.Concat(sig.ResourceUIDs, sig.ResourceIDs) {
			signals[lastPart(uid)] = append(signals[lastPart(uid)], sig)
		}
	}
	return func(i Instance) ([]Peer, []string) {
		set := new(peerSet)
		tied := signals[i.ID]
		for _, n := range i.Interfaces {
			tied = slices.Concat(tied, signals[n.ID])
		}
		for _, sig := range tied {
			for _, id := range sig.EndpointIDs {
				e := endpoints[id.s]
				if d := direction(e.Connection.Direction); d != UnknownDirection {
					set.add(e.IP, Peer{Direction: d, RemotePort: e.Port.integer(maxPort)})
				}
			}
		}
		return set.peers, set.unreadable
	}
}

// maxSequence bounds each list of a sequence, since every instance may have every
// endpoint as peer. GuardDuty gives at most 400 resources, 400 endpoints and 100
// signals. https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Sequence.html
const maxSequence = 1000

// limited cuts off what is too much, and says so.
func (s sequence) limited(at string) (sequence, []error) {
	var problems []error
	s.Endpoints = atMost(s.Endpoints, within(at, "endpoints"), &problems)
	s.Signals = atMost(s.Signals, within(at, "signals"), &problems)
	s.Resources = atMost(s.Resources, within(at, "resources"), &problems)
	return s, problems
}

func atMost[T any](all []T, at string, problems *[]error) []T {
	if len(all) <= maxSequence {
		return all
	}
	*problems = append(*problems, malformed(at, "got %d, want at most %d", len(all), maxSequence))
	return all[:maxSequence]
}

// lastPart is the id of a resource that is named by its id or its ARN.
func lastPart(uid scalar) string {
	return uid.s[strings.LastIndexByte(uid.s, '/')+1:]
}

func resourceAt(at string, n int, field string) string {
	return fmt.Sprintf("%s.resources[%d].%s", at, n, field)
}
