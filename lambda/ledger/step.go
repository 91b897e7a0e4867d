package ledger

import (
	"errors"
	"fmt"
	"net/netip"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// The kinds of steps.
const (
	quarantine = "quarantine"
	denial     = "denial"
	tracking   = "tracking"
)

var errNoInterface = errors.New("a quarantine of no interface")

func fromStep(s record.StepState) (stepItem, error) {
	switch step := s.Step.(type) {
	case record.Quarantine:
		if step.Interface == "" {
			return stepItem{}, errNoInterface
		}
		i := stepItem{
			ID: step.ID(), Kind: quarantine, Resource: step.Interface, State: string(s.State), Note: s.Note, Until: stamp(s.Until),
			Before: texts(step.Before),
		}
		if step.Group != "" {
			i.After = []string{step.Group}
		}
		return i, nil
	case record.Denial:
		if !step.Prefix.IsValid() {
			return stepItem{}, fmt.Errorf("step %s has no valid prefix", step.ID())
		}
		return stepItem{
			ID: step.ID(), Kind: denial, Resource: step.ACL, State: string(s.State), Note: s.Note, Until: stamp(s.Until),
			VPC: step.VPC, Direction: string(step.Direction), Number: step.Number, Prefix: step.Prefix.String(),
		}, nil
	case record.Tracking:
		return stepItem{
			ID: step.ID(), Kind: tracking, Resource: step.Interface, State: string(s.State), Note: s.Note, Until: stamp(s.Until),
			Before: step.Before.Texts(), After: step.After.Texts(),
		}, nil
	default:
		return stepItem{}, fmt.Errorf("a step of the unknown type %T", s.Step)
	}
}

func (i stepItem) step() (record.StepState, error) {
	s := record.StepState{State: record.State(i.State), Note: i.Note, Until: moment(i.Until)}
	switch i.Kind {
	case quarantine:
		if i.Resource == "" {
			return s, errNoInterface
		}
		q := record.Quarantine{Interface: i.Resource, Before: texts(i.Before)}
		switch len(i.After) {
		case 0:
		case 1:
			q.Group = i.After[0]
		default:
			return s, fmt.Errorf("step %s has %d groups after it, not one", i.ID, len(i.After))
		}
		s.Step = q
	case denial:
		prefix, err := netip.ParsePrefix(i.Prefix)
		if err != nil {
			return s, fmt.Errorf("step %s: %w", i.ID, err)
		}
		s.Step = record.Denial{
			VPC: i.VPC, ACL: i.Resource, Direction: network.Direction(i.Direction), Number: i.Number, Prefix: prefix,
		}
	case tracking:
		before, err := network.ParseTimeouts(i.Before)
		if err != nil {
			return s, fmt.Errorf("step %s: %w", i.ID, err)
		}
		after, err := network.ParseTimeouts(i.After)
		if err != nil {
			return s, fmt.Errorf("step %s: %w", i.ID, err)
		}
		s.Step = record.Tracking{Interface: i.Resource, Before: before, After: after}
	default:
		return s, fmt.Errorf("step %s is of the unknown kind %q", i.ID, i.Kind)
	}
	return s, nil
}
