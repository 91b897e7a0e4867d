package ec2

import (
	"maps"
	"slices"
	"strconv"

	"tourniquet/lambda/simvpc/world"
)

// instanceAttributes are what ModifyInstanceAttribute can change here, one at a
// time (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html).
var instanceAttributes = map[string]func(*request, *world.Instance) error{
	"GroupId":                           (*request).setInstanceGroups,
	"DisableApiTermination":             (*request).setProtected,
	"InstanceInitiatedShutdownBehavior": (*request).setShutdown,
	"BlockDeviceMapping":                (*request).setBlockDevices,
}

func modifyInstance(r *request) (answer, error) {
	i, err := one(kindInst, r.p.str("InstanceId"), r.w.Instance)
	if err != nil {
		return nil, err
	}
	if i.Operator != "" {
		return nil, errOperated(i.ID, i.Operator)
	}
	if i.State == "terminated" || i.State == "shutting-down" {
		return nil, fail("IncorrectInstanceState", "The instance '%s' is not in a state in which it can be modified.", i.ID)
	}
	var given []string
	for name := range maps.Keys(instanceAttributes) {
		if r.p.has(name) {
			given = append(given, name)
		}
	}
	switch len(given) {
	case 0:
		return nil, fail("InvalidParameterCombination", "No attributes specified.")
	case 1:
	default:
		return nil, fail("InvalidParameterCombination", "Fields for multiple attribute types specified.")
	}
	return done(instanceAttributes[given[0]](r, i))
}

// setInstanceGroups changes the groups of an instance's only interface.
func (r *request) setInstanceGroups(i *world.Instance) error {
	attached := r.w.InterfacesOf(i.ID)
	switch len(attached) {
	case 0:
		return fail("IncorrectInstanceState", "The instance '%s' has no network interface.", i.ID)
	case 1:
	default:
		return fail("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. "+
			"Please specify an interface ID for the operation instead.", i.ID)
	}
	n := attached[0]
	if err := r.changeable(n); err != nil {
		return err
	}
	ids, err := r.groupsFor(r.p.list("GroupId"), n.Subnet, "InvalidGroup.NotFound")
	if err == nil {
		n.Groups = ids
	}
	return err
}

func (r *request) setProtected(i *world.Instance) error {
	protect, err := r.p.boolean("DisableApiTermination.Value", false)
	if err != nil {
		return err
	}
	if i.Spot {
		return fail("UnsupportedOperation", "The attribute disableApiTermination can't be modified for the spot instance '%s'.", i.ID)
	}
	i.Protected = protect
	return nil
}

func (r *request) setShutdown(i *world.Instance) error {
	behavior := r.p.str("InstanceInitiatedShutdownBehavior.Value")
	if behavior != "stop" && behavior != "terminate" {
		return fail("InvalidParameterValue", "Value (%s) for parameter instanceInitiatedShutdownBehavior is invalid.", behavior)
	}
	i.Shutdown = behavior
	return nil
}

// setBlockDevices sets what becomes of volumes when the instance is terminated:
// of all that a call names, or of none.
func (r *request) setBlockDevices(i *world.Instance) error {
	mapped := r.w.VolumesOf(i.ID)
	keep := map[*world.Volume]bool{}
	for _, m := range r.p.structs("BlockDeviceMapping") {
		at := slices.IndexFunc(mapped, func(v *world.Volume) bool { return v.Device == m.str("DeviceName") })
		if at < 0 {
			return fail("InvalidInstanceAttributeValue", "No device is currently mapped at %s", m.str("DeviceName"))
		}
		remove, err := m.boolean("Ebs.DeleteOnTermination", !mapped[at].Keep)
		if err != nil {
			return err
		}
		keep[mapped[at]] = !remove
	}
	for v, kept := range keep {
		v.Keep = kept
	}
	return nil
}

type blockDevice struct {
	Device string   `xml:"deviceName"`
	EBS    ebsShape `xml:"ebs"`
}

type ebsShape struct {
	Volume string `xml:"volumeId"`
	Status string `xml:"status"`
	Time   string `xml:"attachTime"`
	Delete bool   `xml:"deleteOnTermination"`
}

func blockDevices(w *world.World, i *world.Instance) set[blockDevice] {
	return setOf(w.VolumesOf(i.ID), func(v *world.Volume) blockDevice {
		return blockDevice{v.Device, ebsShape{v.ID, "attached", epoch, !v.Keep}}
	})
}

// instanceAttribute is the answer of DescribeInstanceAttribute, which has the one
// attribute that was asked for.
type instanceAttribute struct {
	reply
	Instance  string            `xml:"instanceId"`
	Protected *textValue        `xml:"disableApiTermination"`
	Shutdown  *textValue        `xml:"instanceInitiatedShutdownBehavior"`
	Devices   *set[blockDevice] `xml:"blockDeviceMapping"`
	Groups    *set[groupName]   `xml:"groupSet"`
	Type      *textValue        `xml:"instanceType"`
}

func describeInstanceAttribute(r *request) (answer, error) {
	i, err := one(kindInst, r.p.str("InstanceId"), r.w.Instance)
	if err != nil {
		return nil, err
	}
	a := &instanceAttribute{Instance: i.ID}
	switch name := r.p.str("Attribute"); name {
	case "disableApiTermination":
		a.Protected = &textValue{strconv.FormatBool(i.Protected)}
	case "instanceInitiatedShutdownBehavior":
		a.Shutdown = &textValue{i.Shutdown}
	case "blockDeviceMapping":
		devices := blockDevices(r.w, i)
		a.Devices = &devices
	case "groupSet":
		var groups set[groupName]
		if attached := r.w.InterfacesOf(i.ID); len(attached) > 0 {
			groups = groupNames(r.w, attached[0].Groups)
		}
		a.Groups = &groups
	case "instanceType":
		a.Type = &textValue{i.Type}
	default:
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
	}
	return a, nil
}
