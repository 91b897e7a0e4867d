package ec2

import "tourniquet/lambda/simvpc/world"

func attachInterface(r *request) (answer, error) {
	n, err := r.networkInterface()
	if err != nil {
		return nil, err
	}
	i, err := one(kindInst, r.p.str("InstanceId"), r.w.Instance)
	if err != nil {
		return nil, err
	}
	device, given, err := r.p.integer("DeviceIndex")
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, fail("MissingParameter", "The request must contain the parameter deviceIndex")
	}
	if err := r.changeable(n); err != nil {
		return nil, err
	}
	if err := r.attachable(n, i, device); err != nil {
		return nil, err
	}
	n.Instance, n.Device, n.Keep = i.ID, device, true // DeleteOnTermination is false for later attachments
	return &struct {
		reply
		ID   string `xml:"attachmentId"`
		Card int    `xml:"networkCardIndex"`
	}{ID: attachmentID(n)}, nil
}

// attachable reports whether an interface can become that device of an instance.
func (r *request) attachable(n *world.Interface, i *world.Instance, device int) error {
	if statusOf(n) != "available" {
		return fail("InvalidNetworkInterface.InUse", "Interface: [%s] in use.", n.ID)
	}
	if i.State != "running" && i.State != "stopped" {
		return fail("IncorrectInstanceState", "Instance '%s' is not 'running' or 'stopped'.", i.ID)
	}
	for _, other := range r.w.InterfacesOf(i.ID) {
		if other.Device == device {
			return fail("InvalidParameterValue", "Instance '%s' already has an interface attached at device index '%d'.", i.ID, device)
		}
		a, b := r.w.Subnet(other.Subnet), r.w.Subnet(n.Subnet)
		if a != nil && b != nil && a.Zone != b.Zone {
			return fail("InvalidParameterCombination", "You may not attach a network interface to an instance if they are not in the same availability zone")
		}
	}
	return nil
}

func detachInterface(r *request) (answer, error) {
	id, err := r.p.required("AttachmentId")
	if err != nil {
		return nil, err
	}
	n := world.Find(r.w.Interfaces, func(n *world.Interface) bool { return shapeOfAttachment(n) != nil && attachmentID(n) == id })
	if n == nil {
		return nil, fail("InvalidAttachmentID.NotFound", "The attachment '%s' does not exist", id)
	}
	if err := r.changeable(n); err != nil {
		return nil, err
	}
	if n.Device == 0 {
		return nil, fail("OperationNotPermitted", "The network interface at device index 0 cannot be detached.")
	}
	r.w.Forget(n)
	n.Instance, n.Device = "", 0
	return done(nil)
}

func deleteInterface(r *request) (answer, error) {
	n, err := r.networkInterface()
	if err != nil {
		return nil, err
	}
	if err := r.changeable(n); err != nil {
		return nil, err
	}
	if statusOf(n) != "available" {
		return nil, fail("InvalidParameterValue", "Network interface '%s' is currently in use.", n.ID)
	}
	r.w.Remove(n)
	return done(nil)
}
