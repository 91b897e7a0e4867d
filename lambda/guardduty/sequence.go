package guardduty

import (
	"fmt"
	"slices"
	"strings"
)

// sequence is the body of an attack sequence finding, which correlates signals
// about several resources. https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Sequence.html
type sequence struct {
	Endpoints list[object[endpoint]]         `json:"endpoints"`
	Signals   list[object[signal]]           `json:"signals"`
	Resources list[object[sequenceResource]] `json:"resources"`
}

type sequenceResource struct {
	UID          scalar               `json:"uid"`
	Name         scalar               `json:"name"`
	ResourceType scalar               `json:"resourceType"`
	Data         object[resourceData] `json:"data"`
}

// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_ResourceData.html
type resourceData struct {
	EC2Instance         object[sequenceInstance] `json:"ec2Instance"`
	EC2NetworkInterface object[wireInterface]    `json:"ec2NetworkInterface"`

	AutoScalingGroup object[instanceGroup] `json:"autoscalingAutoScalingGroup"`
	Stack            object[instanceGroup] `json:"cloudformationStack"`
	Image            object[instanceGroup] `json:"ec2Image"`
	LaunchTemplate   object[instanceGroup] `json:"ec2LaunchTemplate"`
	VPC              object[instanceGroup] `json:"ec2Vpc"`
	ECSCluster       object[instanceGroup] `json:"ecsCluster"`
	EKSCluster       object[instanceGroup] `json:"eksCluster"`
	InstanceProfile  object[instanceGroup] `json:"iamInstanceProfile"`
}

type sequenceInstance struct {
	InstanceType         scalar       `json:"instanceType"`
	NetworkInterfaceUIDs list[scalar] `json:"ec2NetworkInterfaceUids"`
}

// instanceGroup is what several instances have in common. It lists the
// compromised ones alone, 25 at most, not all of the group.
// https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Ec2Vpc.html
type instanceGroup struct {
	InstanceUIDs list[scalar] `json:"ec2InstanceUids"`
}

// A keyedGroup is a group with its key in the data of a resource.
type keyedGroup struct {
	key string
	object[instanceGroup]
}

func (d resourceData) groups() []keyedGroup {
	return []keyedGroup{
		{"autoscalingAutoScalingGroup", d.AutoScalingGroup},
		{"cloudformationStack", d.Stack},
		{"ec2Image", d.Image},
		{"ec2LaunchTemplate", d.LaunchTemplate},
		{"ec2Vpc", d.VPC},
		{"ecsCluster", d.ECSCluster},
		{"eksCluster", d.EKSCluster},
		{"iamInstanceProfile", d.InstanceProfile},
	}
}

// isInstance goes by the resource's type. When there is none, it goes by what else says
// that the resource is an instance.
func (r sequenceResource) isInstance() bool {
	if r.ResourceType.s == "" {
		return r.Data.V.EC2Instance.given || validInstanceID(lastPart(r.UID))
	}
	return strings.EqualFold(r.ResourceType.s, "EC2_INSTANCE")
}

func (r sequenceResource) isInterface() bool {
	return strings.EqualFold(r.ResourceType.s, "EC2_NETWORK_INTERFACE")
}

// A member is an instance in a sequence, with all that signals may call it: itself, its
// interfaces, and the groups that list it.
type member struct {
	Instance
	names []string
}

// members collects the instances of a sequence, each once.
type members struct {
	all  []member
	byID map[string]int
}

func (m *members) add(i Instance, alias scalar) {
	n, known := m.byID[i.ID]
	if !known {
		if n = len(m.all); n == maxList {
			return
		}
		m.byID[i.ID] = n
		m.all = append(m.all, member{Instance: i, names: []string{i.ID}})
		for _, eni := range i.Interfaces {
			m.all[n].names = append(m.all[n].names, eni.ID)
		}
	}
	m.all[n].names = append(m.all[n].names, resourceName(alias))
}

// instances lists the instances in the sequence: first those described, then
// those that only a group names. What it can't read of them are the problems; what it
// can't read of the rest it adds to unread. The place of the sequence is at in the event,
// and here in the finding.
func (s sequence) instances(at, here string, unread *notes) ([]Instance, []error) {
	found := members{byID: make(map[string]int)}
	problems := slices.Concat(s.unreadLists(at), s.addDescribed(&found, at), s.addGrouped(&found, at))
	ties := s.tie(here, unread)
	var instances []Instance
	for _, m := range found.all {
		instances = append(instances, m.with(ties.peers(m.names)))
	}
	ties.noteUntied(here, unread)
	return instances, problems
}

func (s sequence) addDescribed(found *members, at string) (problems []error) {
	interfaces := s.interfaces()
	for n, r := range s.Resources.Items {
		switch {
		case r.unreadable():
			problems = append(problems, malformed(resourceAt(at, n), "%s, want a resource", r.wrong.got()))
		case r.V.isInstance():
			i := r.V.instance(interfaces)
			if !validInstanceID(i.ID) {
				problems = append(problems, malformed(within(resourceAt(at, n), "uid"), "%s, want %s or its ARN", r.V.UID.got(), wantInstanceID))
				continue
			}
			found.add(i, r.V.UID)
		case r.V.ResourceType.unreadable():
			problems = append(problems, malformed(within(resourceAt(at, n), "resourceType"), "%s, want what the resource is", r.V.ResourceType.got()))
		}
	}
	return problems
}

func (s sequence) addGrouped(found *members, at string) (problems []error) {
	for n, r := range s.Resources.Items {
		data := within(resourceAt(at, n), "data")
		if r.V.Data.unreadable() && !r.V.isInstance() && !r.V.isInterface() {
			problems = append(problems, malformed(data, "%s, want an object that describes the resource", r.V.Data.wrong.got()))
		}
		for _, g := range r.V.Data.V.groups() {
			uids, place := g.V.InstanceUIDs, within(data, g.key)
			if g.unreadable() {
				problems = append(problems, malformed(place, "%s, want the instances of the group", g.wrong.got()))
			}
			if uids.wrong != expected {
				problems = append(problems, malformed(within(place, "ec2InstanceUids"), "%s, want the instances of the group", uids.wrong.got()))
			}
			for k, uid := range uids.Items {
				id := lastPart(uid)
				if !validInstanceID(id) {
					problems = append(problems, malformed(fmt.Sprintf("%s.ec2InstanceUids[%d]", place, k), "%s, want %s or its ARN", uid.got(), wantInstanceID))
					continue
				}
				found.add(Instance{ID: id}, r.V.UID)
			}
		}
	}
	return problems
}

func (r sequenceResource) instance(interfaces map[string]Interface) Instance {
	d := r.Data.V.EC2Instance.V
	i := Instance{ID: lastPart(r.UID), Type: d.InstanceType.clean(maxWord)}
	if !validInstanceID(i.ID) {
		i.ID = lastPart(r.Name)
	}
	for _, uid := range d.NetworkInterfaceUIDs.Items {
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
	for _, r := range s.Resources.Items {
		if r.V.isInterface() {
			n := r.V.Data.V.EC2NetworkInterface.V.networkInterface()
			n.ID = Clean(lastPart(r.V.UID), maxWord)
			found[lastPart(r.V.UID)] = n
		}
	}
	return found
}

// unreadLists says which of the sequence's lists were not read to their end.
func (s sequence) unreadLists(at string) []error {
	var problems []error
	if wrong := s.Resources.wrong; wrong != expected {
		problems = append(problems, malformed(within(at, "resources"), "%s, want %s", wrong.got(), wantResources))
	}
	for _, l := range []struct {
		field string
		total int
	}{{"endpoints", s.Endpoints.total}, {"signals", s.Signals.total}, {"resources", s.Resources.total}} {
		if l.total > maxList {
			problems = append(problems, malformed(within(at, l.field), "got %d, want at most %d", l.total, maxList))
		}
	}
	return problems
}

// lastPart is the id of a resource that is named by its id or its ARN.
func lastPart(uid scalar) string {
	return uid.s[strings.LastIndexByte(uid.s, '/')+1:]
}

// resourceName is what a resource is called, whether by its id or its ARN. Only the ids
// of instances and interfaces are unique without the rest of the ARN.
func resourceName(uid scalar) string {
	if id := lastPart(uid); strings.HasPrefix(id, "i-") || strings.HasPrefix(id, "eni-") {
		return id
	}
	return uid.s
}

func resourceAt(at string, n int) string { return fmt.Sprintf("%s.resources[%d]", at, n) }
