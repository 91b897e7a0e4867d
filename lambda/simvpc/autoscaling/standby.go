package autoscaling

import (
	"fmt"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// mostInstances is the most instances that one call moves
// (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_EnterStandby.html).
const mostInstances = 20

// An activity is what a group has done, or begun to do.
type activity struct {
	ID       string `xml:"ActivityId"`
	Group    string `xml:"AutoScalingGroupName"`
	Cause    string `xml:"Cause"`
	Text     string `xml:"Description"`
	Started  string `xml:"StartTime"`
	Status   string `xml:"StatusCode"`
	Progress int    `xml:"Progress"`
}

type activities struct {
	Activities []activity `xml:"Activities>member"`
}

// enter puts instances on standby: the group neither checks nor terminates them.
func (s *Service) enter(r *wire.Request) (any, error) {
	if err := known(r.Params, "AutoScalingGroupName InstanceIds ShouldDecrementDesiredCapacity"); err != nil {
		return nil, err
	}
	g, all, err := members(r, world.InService)
	if err != nil {
		return nil, err
	}
	switch decrement := r.Params.Get("ShouldDecrementDesiredCapacity"); decrement {
	case "true":
		if g.Desired-len(all) < g.Min {
			return nil, invalid("AutoScalingGroup %s has min-size=%d, max-size=%d, and desired-size=%d. To place into standby %d instance, "+
				"please update the AutoScalingGroup sizes appropriately.", g.Name, g.Min, g.Max, g.Desired, len(all))
		}
		g.Desired -= len(all)
	case "false":
	default:
		return nil, invalid("ShouldDecrementDesiredCapacity must be given")
	}
	return s.move(r, g, all, world.Standby, "Moving EC2 instance to Standby: "), nil
}

// exit puts instances back into service, which raises the desired size.
func (s *Service) exit(r *wire.Request) (any, error) {
	if err := known(r.Params, "AutoScalingGroupName InstanceIds"); err != nil {
		return nil, err
	}
	g, all, err := members(r, world.Standby)
	if err != nil {
		return nil, err
	}
	if g.Desired+len(all) > g.Max {
		return nil, invalid("AutoScalingGroup %s has min-size=%d, max-size=%d, and desired-size=%d. To exit-standby %d instances, "+
			"please update the AutoScalingGroup sizes appropriately.", g.Name, g.Min, g.Max, g.Desired, len(all))
	}
	g.Desired += len(all)
	return s.move(r, g, all, world.InService, "Moving EC2 instance out of Standby: "), nil
}

// members are the instances that a call names, all of them in the group and in one
// state.
func members(r *wire.Request, state string) (*world.AutoScalingGroup, []*world.Instance, error) {
	name := r.Params.Get("AutoScalingGroupName")
	g := r.World.AutoScalingGroup(name)
	switch {
	case g == nil:
		return nil, nil, invalid("AutoScalingGroup name not found - %s", name)
	case g.Deleting:
		return nil, nil, invalid("AutoScalingGroup %s is pending delete", name)
	}
	ids := list(r.Params, "InstanceIds")
	if len(ids) == 0 || len(ids) > mostInstances {
		return nil, nil, invalid("want 1 to %d instances, not %d", mostInstances, len(ids))
	}
	var all []*world.Instance
	for _, id := range ids {
		i := r.World.Instance(id)
		switch {
		case i == nil || i.AutoScaling != name:
			return nil, nil, invalid("The instance %s is not part of Auto Scaling group %s.", id, name)
		case i.Lifecycle != state:
			return nil, nil, invalid("The instance %s is not in %s.", id, state)
		}
		all = append(all, i)
	}
	return g, all, nil
}

// move changes the state of instances in their group. The answer says that it has
// begun; here it is done at once.
func (s *Service) move(r *wire.Request, g *world.AutoScalingGroup, all []*world.Instance, to, text string) activities {
	var done activities
	for _, i := range all {
		i.Lifecycle = to
		delete(s.failing, i.ID)
		s.activity++
		done.Activities = append(done.Activities, activity{
			ID: fmt.Sprintf("00000000-0000-4000-9000-%012x", s.activity), Group: g.Name, Text: text + i.ID, Cause: "at the request of a user",
			Started: r.Now.UTC().Format("2006-01-02T15:04:05Z"), Status: "InProgress", Progress: 50,
		})
	}
	return done
}
