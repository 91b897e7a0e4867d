package autoscaling

import (
	"fmt"
	"slices"

	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// mostDescribed is the most instances that one call may ask for
// (https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingInstances.html).
const mostDescribed = 50

type member struct {
	ID        string `xml:"InstanceId"`
	Group     string `xml:"AutoScalingGroupName,omitempty"` // in DescribeAutoScalingInstances
	Type      string `xml:"InstanceType"`
	Zone      string `xml:"AvailabilityZone"`
	Lifecycle string `xml:"LifecycleState"`
	Health    string `xml:"HealthStatus"`
	Protected bool   `xml:"ProtectedFromScaleIn"`
}

func (s *Service) shape(w *world.World, i *world.Instance) member {
	m := member{
		ID: i.ID, Type: i.Type, Zone: w.Region + "a", Lifecycle: i.Lifecycle, Health: "HEALTHY", Protected: i.Pinned,
	}
	if _, failing := s.failing[i.ID]; failing {
		m.Health = "UNHEALTHY"
	}
	return m
}

// instances lists the members of groups; those that are in none are left out.
func (s *Service) instances(r *wire.Request) (any, error) {
	if err := known(r.Params, "InstanceIds MaxRecords NextToken"); err != nil {
		return nil, err
	}
	ids := list(r.Params, "InstanceIds")
	if len(ids) > mostDescribed {
		return nil, invalid("at most %d instances, not %d", mostDescribed, len(ids))
	}
	var found struct {
		Members []member `xml:"AutoScalingInstances>member"`
	}
	for _, i := range r.World.Instances {
		if i.AutoScaling == "" || i.State == "terminated" || len(ids) > 0 && !slices.Contains(ids, i.ID) {
			continue
		}
		m := s.shape(r.World, i)
		m.Group = i.AutoScaling
		found.Members = append(found.Members, m)
	}
	return found, nil
}

type group struct {
	Name    string   `xml:"AutoScalingGroupName"`
	ARN     string   `xml:"AutoScalingGroupARN"`
	Min     int      `xml:"MinSize"`
	Max     int      `xml:"MaxSize"`
	Desired int      `xml:"DesiredCapacity"`
	Health  string   `xml:"HealthCheckType"`
	Status  string   `xml:"Status,omitempty"`
	Members []member `xml:"Instances>member"`
}

func (s *Service) groups(r *wire.Request) (any, error) {
	if err := known(r.Params, "AutoScalingGroupNames IncludeInstances MaxRecords NextToken"); err != nil {
		return nil, err
	}
	names := list(r.Params, "AutoScalingGroupNames")
	var found struct {
		Groups []group `xml:"AutoScalingGroups>member"`
	}
	for _, g := range r.World.AutoScaling {
		if len(names) > 0 && !slices.Contains(names, g.Name) {
			continue
		}
		shape := group{
			Name: g.Name, Min: g.Min, Max: g.Max, Desired: g.Desired, Health: g.Health,
			ARN: fmt.Sprintf("arn:aws:autoscaling:%s:%s:autoScalingGroup:00000000-0000-4000-a000-000000000000:autoScalingGroupName/%s",
				r.World.Region, r.World.Account, g.Name),
		}
		if g.Deleting {
			shape.Status = "Delete in progress"
		}
		for _, i := range r.World.Instances {
			if i.AutoScaling == g.Name && i.State != "terminated" {
				shape.Members = append(shape.Members, s.shape(r.World, i))
			}
		}
		found.Groups = append(found.Groups, shape)
	}
	return found, nil
}
