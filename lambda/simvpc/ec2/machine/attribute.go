package machine

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

// instanceAttributes are what ModifyInstanceAttribute can change here, one at a
// time (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html).
var instanceAttributes = map[string]func(*call.Request, *world.Instance) error{
	"GroupId":                           setInstanceGroups,
	"DisableApiTermination":             setProtected,
	"InstanceInitiatedShutdownBehavior": setShutdown,
	"BlockDeviceMapping":                setBlockDevices,
}

func modifyInstance(r *call.Request) (call.Answer, error) {
	i, err := call.One(call.KindInst, r.Params.Str("InstanceId"), r.World.Instance)
	if err != nil {
		return nil, err
	}
	if i.Operator != "" {
		return nil, nic.ErrOperated(i.ID, i.Operator)
	}
	if i.State == "terminated" || i.State == "shutting-down" {
		return nil, call.Fail("IncorrectInstanceState", "The instance '%s' is not in a state in which it can be modified.", i.ID)
	}
	r.Params = named(r.Params)
	var given []string
	for name := range maps.Keys(instanceAttributes) {
		if r.Params.Has(name) {
			given = append(given, name)
		}
	}
	switch len(given) {
	case 0:
		return nil, call.Fail("InvalidParameterCombination", "No attributes specified.")
	case 1:
	default:
		return nil, call.Fail("InvalidParameterCombination", "Fields for multiple attribute types specified.")
	}
	return call.Done(instanceAttributes[given[0]](r, i))
}

// named is a call in the form that has the attribute as its own parameter: some
// clients send its name and its value instead.
func named(p call.Params) call.Params {
	attribute := p.Str("Attribute")
	if attribute == "" {
		return p
	}
	values := maps.Clone(p.Values)
	values.Del("Attribute")
	values.Set(strings.ToUpper(attribute[:1])+attribute[1:]+".Value", p.Str("Value"))
	return call.Params{Values: values}
}

// setInstanceGroups changes the groups of an instance's only interface.
func setInstanceGroups(r *call.Request, i *world.Instance) error {
	attached := r.World.InterfacesOf(i.ID)
	switch len(attached) {
	case 0:
		return call.Fail("IncorrectInstanceState", "The instance '%s' has no network interface.", i.ID)
	case 1:
	default:
		return call.Fail("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. "+
			"Please specify an interface ID for the operation instead.", i.ID)
	}
	n := attached[0]
	if err := nic.Changeable(r, n); err != nil {
		return err
	}
	ids, err := nic.GroupsFor(r, r.Params.List("GroupId"), n.Subnet, "InvalidGroup.NotFound")
	if err == nil {
		n.Groups = ids
	}
	return err
}

func setProtected(r *call.Request, i *world.Instance) error {
	protect, err := r.Params.Boolean("DisableApiTermination.Value", false)
	if err != nil {
		return err
	}
	if i.Spot { // as seen in https://github.com/cloud-custodian/cloud-custodian/issues/2083
		return call.Fail("UnsupportedOperation", "Modifying 'disableApiTermination' is not supported for spot instances.")
	}
	i.Protected = protect
	return nil
}

func setShutdown(r *call.Request, i *world.Instance) error {
	behavior := r.Params.Str("InstanceInitiatedShutdownBehavior.Value")
	if behavior != "stop" && behavior != "terminate" {
		return call.Fail("InvalidParameterValue", "Value (%s) for parameter instanceInitiatedShutdownBehavior is invalid.", behavior)
	}
	i.Shutdown = behavior
	return nil
}

// setBlockDevices sets what becomes of volumes when the instance is terminated:
// of all that a call names, or of none.
func setBlockDevices(r *call.Request, i *world.Instance) error {
	mapped := r.World.VolumesOf(i.ID)
	keep := map[*world.Volume]bool{}
	for _, m := range r.Params.Structs("BlockDeviceMapping") {
		at := slices.IndexFunc(mapped, func(v *world.Volume) bool { return v.Device == m.Str("DeviceName") })
		if at < 0 {
			return call.Fail("InvalidInstanceAttributeValue", "No device is currently mapped at %s", m.Str("DeviceName"))
		}
		remove, err := m.Boolean("Ebs.DeleteOnTermination", !mapped[at].Keep)
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

func blockDevices(w *world.World, i *world.Instance) call.Set[blockDevice] {
	return call.SetOf(w.VolumesOf(i.ID), func(v *world.Volume) blockDevice {
		return blockDevice{v.Device, ebsShape{v.ID, "attached", call.Epoch, !v.Keep}}
	})
}

// instanceAttribute is the answer of DescribeInstanceAttribute, which has the one
// attribute that was asked for.
type instanceAttribute struct {
	call.Reply
	Instance  string                    `xml:"instanceId"`
	Protected *call.TextValue           `xml:"disableApiTermination"`
	Shutdown  *call.TextValue           `xml:"instanceInitiatedShutdownBehavior"`
	Devices   *call.Set[blockDevice]    `xml:"blockDeviceMapping"`
	Groups    *call.Set[call.GroupName] `xml:"groupSet"`
	Type      *call.TextValue           `xml:"instanceType"`
}

func describeInstanceAttribute(r *call.Request) (call.Answer, error) {
	i, err := call.One(call.KindInst, r.Params.Str("InstanceId"), r.World.Instance)
	if err != nil {
		return nil, err
	}
	a := &instanceAttribute{Instance: i.ID}
	switch name := r.Params.Str("Attribute"); name {
	case "disableApiTermination":
		a.Protected = &call.TextValue{Value: strconv.FormatBool(i.Protected)}
	case "instanceInitiatedShutdownBehavior":
		a.Shutdown = &call.TextValue{Value: i.Shutdown}
	case "blockDeviceMapping":
		devices := blockDevices(r.World, i)
		a.Devices = &devices
	case "groupSet":
		var groups call.Set[call.GroupName]
		if attached := r.World.InterfacesOf(i.ID); len(attached) > 0 {
			groups = call.GroupNames(r.World, attached[0].Groups)
		}
		a.Groups = &groups
	case "instanceType":
		a.Type = &call.TextValue{Value: i.Type}
	default:
		return nil, call.Fail("InvalidParameterValue", "Value (%s) for parameter attribute is invalid. Unknown attribute.", name)
	}
	return a, nil
}
