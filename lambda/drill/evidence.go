package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"tourniquet/lambda/simvpc/world"
)

// A deletionReport says what came of the attempt to delete a group of the instance, as
// some advise in the place of a swap.
type deletionReport struct {
	Group   string `json:"group"`
	Refused string `json:"refused"` // EC2's error code; empty: the group is gone
}

// deleteGroups tries to delete the groups of an instance while it has them.
func (s *stage) deleteGroups(ctx context.Context, instance string) []deletionReport {
	client := ec2.NewFromConfig(s.config)
	all := []deletionReport{}
	for _, group := range groupsOf(s.server.World(), instance) {
		_, err := client.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: aws.String(group)})
		r := deletionReport{Group: group}
		if refusal, ok := errors.AsType[smithy.APIError](err); ok {
			r.Refused = refusal.ErrorCode()
		} else if err != nil {
			r.Refused = err.Error()
		}
		all = append(all, r)
	}
	return all
}

// groupsOf are the groups of an instance's interfaces, each once.
func groupsOf(w *world.World, instance string) []string {
	var all []string
	for _, n := range w.InterfacesOf(instance) {
		for _, group := range n.Groups {
			if !slices.Contains(all, group) {
				all = append(all, group)
			}
		}
	}
	return all
}

// untilReplaced is longer than an Auto Scaling group waits before it terminates a member
// that fails its checks.
const untilReplaced = 10 * time.Minute

// An evidenceReport says what has become of an instance in an Auto Scaling group, and of
// its volumes, ten minutes after the cut.
type evidenceReport struct {
	Group   string `json:"group"`
	Volumes int    `json:"volumes"` // before
	Alone   fate   `json:"afterGroupSwapAlone"`
	Kept    fate   `json:"afterTourniquet"`
}

// A fate is what has become of an instance.
type fate struct {
	State   string `json:"state"`               // EC2's, such as running or terminated
	Member  string `json:"lifecycle,omitempty"` // its state in its Auto Scaling group
	Volumes int    `json:"volumes"`             // of its own that there still are
}

func (f fate) String() string {
	state := f.State
	if f.Member != "" {
		state += " (" + f.Member + ")"
	}
	switch f.Volumes {
	case 0:
		return state + ", no volume left"
	case 1:
		return state + ", with its volume"
	default:
		return fmt.Sprintf("%s, with %d volumes", state, f.Volumes)
	}
}

// fateOf is what has become of an instance, given its volumes before.
func (s *stage) fateOf(instance string, volumes []*world.Volume) fate {
	w := s.server.World()
	var f fate
	if i := w.Instance(instance); i != nil {
		f.State, f.Member = i.State, i.Lifecycle
	}
	for _, v := range volumes {
		if w.Volume(v.ID) != nil {
			f.Volumes++
		}
	}
	return f
}

// scaled is the Auto Scaling group of the instance that is contained; empty when it has
// none.
func (d *rehearsal) scaled() string {
	if i := d.before.Instance(d.in.Instance); i != nil {
		return i.AutoScaling
	}
	return ""
}

// lost waits for the Auto Scaling group after the swap of the groups alone.
func (d *rehearsal) lost(s *stage) {
	group := d.scaled()
	if group == "" {
		return
	}
	volumes := d.before.VolumesOf(d.in.Instance)
	s.pass(untilReplaced)
	e := &evidenceReport{Group: group, Volumes: len(volumes), Alone: s.fateOf(d.in.Instance, volumes)}
	d.report.Evidence = e
	d.show.line("ten minutes later, as its Auto Scaling group %s sees it: %s", group, e.Alone)
}

// kept waits for the Auto Scaling group after the containment.
func (d *rehearsal) kept() {
	e := d.report.Evidence
	if e == nil {
		return
	}
	d.main.pass(untilReplaced)
	e.Kept = d.main.fateOf(d.in.Instance, d.before.VolumesOf(d.in.Instance))
	d.show.line("ten minutes later, in the Auto Scaling group %s: %s; %s with the group swap alone", e.Group, e.Kept, e.Alone)
}

// deletion tells what came of deleting the groups.
func (r *report) deletion() string {
	var parts []string
	for _, g := range r.Deletion {
		if g.Refused == "" {
			parts = append(parts, g.Group+" is gone")
			continue
		}
		parts = append(parts, g.Group+": "+g.Refused)
	}
	return strings.Join(parts, ", ")
}
