package nic

import (
	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/world"
)

func attachInterface(r *call.Request) (call.Answer, error) {
	n, err := r.NetworkInterface()
	if err != nil {
		return nil, err
	}
	i, err := call.One(call.KindInst, r.Params.Str("InstanceId"), r.World.Instance)
	if err != nil {
		return nil, err
	}
	device, given, err := r.Params.Integer("DeviceIndex")
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, call.Fail("MissingParameter", "The request must contain the parameter deviceIndex")
	}
	if err := Changeable(r, n); err != nil {
		return nil, err
	}
	if err := Attachable(r, n, i, device); err != nil {
		return nil, err
	}
	n.Instance, n.Device, n.Keep = i.ID, device, true // DeleteOnTermination is false for later attachments
	return &struct {
		call.Reply
		ID   string `xml:"attachmentId"`
		Card int    `xml:"networkCardIndex"`
	}{ID: attachmentID(n)}, nil
}

// Attachable reports whether an interface can become that device of an instance.
func Attachable(r *call.Request, n *world.Interface, i *world.Instance, device int) error {
	if statusOf(n) != "available" {
		return call.Fail("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.ID)
	}
	if i.State != "running" && i.State != "stopped" {
		return call.Fail("IncorrectInstanceState", "Instance '%s' is not 'running' or 'stopped'.", i.ID)
	}
	for _, other := range r.World.InterfacesOf(i.ID) {
		if other.Device == device {
			return call.Fail("InvalidParameterValue", "Instance '%s' already has an interface attached at device index '%d'.", i.ID, device)
		}
		a, b := r.World.Subnet(other.Subnet), r.World.Subnet(n.Subnet)
		if a != nil && b != nil && a.Zone != b.Zone {
			return call.Fail("InvalidParameterCombination", "You may not attach a network interface to an instance if they are not in the same availability zone")
		}
	}
	return nil
}

func detachInterface(r *call.Request) (call.Answer, error) {
	id, err := r.Params.Required("AttachmentId")
	if err != nil {
		return nil, err
	}
	n := world.Find(r.World.Interfaces, func(n *world.Interface) bool { return shapeOfAttachment(n) != nil && attachmentID(n) == id })
	if n == nil {
		return nil, call.Fail("InvalidAttachmentID.NotFound", "The attachment '%s' does not exist", id)
	}
	if err := Changeable(r, n); err != nil {
		return nil, err
	}
	if n.Device == 0 {
		return nil, call.Fail("OperationNotPermitted", "The network interface at device index 0 cannot be detached.")
	}
	r.World.Forget(n)
	n.Instance, n.Device = "", 0
	return call.Done(nil)
}

func deleteInterface(r *call.Request) (call.Answer, error) {
	n, err := r.NetworkInterface()
	if err != nil {
		return nil, err
	}
	if err := Changeable(r, n); err != nil {
		return nil, err
	}
	if statusOf(n) != "available" {
		return nil, call.Fail("InvalidParameterValue", "Network interface '%s' is currently in use.", n.ID)
	}
	r.World.Remove(n)
	return call.Done(nil)
}
