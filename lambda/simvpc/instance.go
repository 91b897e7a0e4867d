package simvpc

import (
	"slices"

	"tourniquet/lambda/simvpc/world"
)

// modifyInstance changes the groups of an instance's only interface
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html).
func modifyInstance(r *request) (answer, error) {
	i, err := one(kindInst, r.p.str("InstanceId"), r.w.Instance)
	if err != nil {
		return nil, err
	}
	if !r.p.has("GroupId") {
		return nil, fail("InvalidParameterCombination", "No attributes specified.")
	}
	attached := r.w.InterfacesOf(i.ID)
	switch len(attached) {
	case 0:
		return nil, fail("IncorrectInstanceState", "The instance '%s' has no network interface.", i.ID)
	case 1:
	default:
		return nil, fail("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. "+
			"Please specify an interface ID for the operation instead.", i.ID)
	}
	n := attached[0]
	if err := r.changeable(n); err != nil {
		return nil, err
	}
	ids, err := r.groupsFor(r.p.list("GroupId"), n.Subnet, "InvalidGroup.NotFound")
	if err == nil {
		n.Groups = ids
	}
	return done(err)
}

type stateChange struct {
	ID     string     `xml:"instanceId"`
	Now    stateShape `xml:"currentState"`
	Before stateShape `xml:"previousState"`
}

// transition takes instances from one of some states to another. The answer
// shows the state EC2 passes through; the world is at its end at once.
func (r *request) transition(from []string, shown, to string, then func(*world.Instance)) (answer, error) {
	ids := r.p.list("InstanceId")
	if len(ids) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter InstanceId")
	}
	all, err := instances.named(r, r.w.Instances)
	if err != nil {
		return nil, err
	}
	var changes set[stateChange]
	for _, i := range all {
		if i.State != to && !slices.Contains(from, i.State) {
			return nil, fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s.", i.ID, to)
		}
	}
	for _, i := range all {
		if i.State == to {
			changes.Items = append(changes.Items, stateChange{i.ID, stateOf(to), stateOf(to)})
			continue
		}
		changes.Items = append(changes.Items, stateChange{i.ID, stateOf(shown), stateOf(i.State)})
		i.State = to
		then(i)
	}
	return &struct {
		reply
		Instances set[stateChange] `xml:"instancesSet"`
	}{Instances: changes}, nil
}

func stopInstances(r *request) (answer, error) {
	return r.transition([]string{"pending", "running", "stopping"}, "stopping", "stopped", func(i *world.Instance) {
		for _, n := range r.w.InterfacesOf(i.ID) {
			r.w.Forget(n)
		}
	})
}

func startInstances(r *request) (answer, error) {
	return r.transition([]string{"stopped"}, "pending", "running", func(*world.Instance) {})
}

func terminateInstances(r *request) (answer, error) {
	from := []string{"pending", "running", "stopping", "stopped", "shutting-down"}
	return r.transition(from, "shutting-down", "terminated", func(i *world.Instance) {
		for _, n := range r.w.InterfacesOf(i.ID) {
			if n.Keep {
				r.w.Forget(n)
				n.Instance, n.Device = "", 0
				continue
			}
			r.w.Remove(n)
		}
	})
}
