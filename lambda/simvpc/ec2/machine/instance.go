package machine

import (
	"slices"

	"tourniquet/lambda/simvpc/ec2/call"
	"tourniquet/lambda/simvpc/ec2/nic"
	"tourniquet/lambda/simvpc/world"
)

type stateChange struct {
	ID     string     `xml:"instanceId"`
	Now    stateShape `xml:"currentState"`
	Before stateShape `xml:"previousState"`
}

// transition takes instances from one of some states to another. The answer
// shows the state EC2 passes through; the world is at its end at once.
func transition(r *call.Request, from []string, shown, to string, then func(*world.Instance)) (call.Answer, error) {
	ids := r.Params.List("InstanceId")
	if len(ids) == 0 {
		return nil, call.Fail("MissingParameter", "The request must contain the parameter InstanceId")
	}
	all, err := instances.Named(r, r.World.Instances)
	if err != nil {
		return nil, err
	}
	var changes call.Set[stateChange]
	for _, i := range all {
		if i.Operator != "" {
			return nil, nic.ErrOperated(i.ID, i.Operator)
		}
		if i.State != to && !slices.Contains(from, i.State) {
			return nil, call.Fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s.", i.ID, to)
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
		call.Reply
		Instances call.Set[stateChange] `xml:"instancesSet"`
	}{Instances: changes}, nil
}

func stopInstances(r *call.Request) (call.Answer, error) {
	return transition(r, []string{"pending", "running", "stopping"}, "stopping", "stopped", r.World.Restart)
}

func startInstances(r *call.Request) (call.Answer, error) {
	return transition(r, []string{"stopped"}, "pending", "running", func(*world.Instance) {})
}

// rebootInstances restarts instances: what is not on a disk is gone.
func rebootInstances(r *call.Request) (call.Answer, error) {
	if len(r.Params.List("InstanceId")) == 0 {
		return nil, call.Fail("MissingParameter", "The request must contain the parameter InstanceId")
	}
	all, err := instances.Named(r, r.World.Instances)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.State != "running" {
			return nil, call.Fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be rebooted.", i.ID)
		}
	}
	for _, i := range all {
		r.World.Restart(i)
	}
	return call.Done(nil)
}

func terminateInstances(r *call.Request) (call.Answer, error) {
	for _, id := range r.Params.List("InstanceId") {
		if i := r.World.Instance(id); i != nil && i.Protected && i.State != "terminated" {
			return nil, call.Fail("OperationNotPermitted", "The instance '%s' may not be terminated. "+
				"Modify its 'disableApiTermination' instance attribute and try again.", id)
		}
	}
	from := []string{"pending", "running", "stopping", "stopped", "shutting-down"}
	return transition(r, from, "shutting-down", "terminated", r.World.Terminate)
}
