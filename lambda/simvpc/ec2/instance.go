package ec2

import (
	"slices"

	"tourniquet/lambda/simvpc/world"
)

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
		if i.Operator != "" {
			return nil, errOperated(i.ID, i.Operator)
		}
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
	return r.transition([]string{"pending", "running", "stopping"}, "stopping", "stopped", r.w.Restart)
}

func startInstances(r *request) (answer, error) {
	return r.transition([]string{"stopped"}, "pending", "running", func(*world.Instance) {})
}

// rebootInstances restarts instances: what is not on a disk is gone.
func rebootInstances(r *request) (answer, error) {
	if len(r.p.list("InstanceId")) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter InstanceId")
	}
	all, err := instances.named(r, r.w.Instances)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.State != "running" {
			return nil, fail("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be rebooted.", i.ID)
		}
	}
	for _, i := range all {
		r.w.Restart(i)
	}
	return done(nil)
}

func terminateInstances(r *request) (answer, error) {
	for _, id := range r.p.list("InstanceId") {
		if i := r.w.Instance(id); i != nil && i.Protected && i.State != "terminated" {
			return nil, fail("OperationNotPermitted", "The instance '%s' may not be terminated. "+
				"Modify its 'disableApiTermination' instance attribute and try again.", id)
		}
	}
	from := []string{"pending", "running", "stopping", "stopped", "shutting-down"}
	return r.transition(from, "shutting-down", "terminated", r.w.Terminate)
}
