package ledger

import (
	"errors"
	"fmt"
	"net/netip"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

func fromStep(s record.StepState) (stepItem, error) {
	if s.Step == nil {
		return stepItem{}, errors.New("a state without a step")
	}
	i := stepItem{
		ID: s.Step.ID(), Kind: string(s.Step.Kind()), State: string(s.State), Note: s.Note, Until: stamp(s.Until),
	}
	switch step := s.Step.(type) {
	case record.Replacement:
		i.Resource, i.Name, i.Before, i.After = step.Resource, step.Name, texts(step.Before), texts(step.After)
		return i, step.Check()
	case record.Creation:
		if step.Resource == "" {
			return stepItem{}, fmt.Errorf("a step of kind %s without a resource", step.Of)
		}
		i.Resource, i.After = step.Resource, texts(step.Made)
		return i, nil
	case record.Denial:
		if !step.Prefix.IsValid() {
			return stepItem{}, fmt.Errorf("step %s has no valid prefix", i.ID)
		}
		i.Resource, i.VPC, i.Direction, i.Number, i.Prefix = step.ACL, step.VPC, string(step.Direction), step.Number, step.Prefix.String()
		return i, nil
	default:
		return stepItem{}, fmt.Errorf("a step of the unknown type %T", s.Step)
	}
}

func (i stepItem) step() (record.StepState, error) {
	s := record.StepState{State: record.State(i.State), Note: i.Note, Until: moment(i.Until)}
	switch kind := record.Kind(i.Kind); {
	case kind == record.KindDenial:
		prefix, err := netip.ParsePrefix(i.Prefix)
		if err != nil {
			return s, fmt.Errorf("step %s: %w", i.ID, err)
		}
		s.Step = record.Denial{
			VPC: i.VPC, ACL: i.Resource, Direction: network.Direction(i.Direction), Number: i.Number, Prefix: prefix,
		}
		return s, nil
	case kind.Replaces():
		r := record.Replacement{Of: kind, Resource: i.Resource, Name: i.Name, Before: texts(i.Before), After: texts(i.After)}
		s.Step = r
		return s, r.Check()
	case kind.Creates():
		s.Step = record.Creation{Of: kind, Resource: i.Resource, Made: texts(i.After)}
		return s, nil
	default:
		return s, fmt.Errorf("step %s is of the unknown kind %q", i.ID, i.Kind)
	}
}
