package containment_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"tourniquet/lambda/plan"
	"tourniquet/lambda/simvpc/world"
)

// rungJobs are jobs with measures beyond quarantine and denials.
func rungJobs(w *world.World) map[string]job {
	onHost := func(_ *testing.T, s *stage) {
		s.rungs.OnHost = plan.OnHostAuto
		s.server.Edit(func(w *world.World) { w.Instance(victim).Managed = true })
	}
	contained := func(t *testing.T, s *stage) {
		onHost(t, s)
		s.must(t, containing(w))
		time.Sleep(time.Minute)
	}
	return map[string]job{
		"rungs: contain on the host":   {before: onHost, do: containing(w)},
		"rungs: hear of the host":      {before: contained, do: reconciling},
		"rungs: release with the host": {before: contained, do: releasingWholly},
	}
}

// releasingWholly goes on until the host has confirmed that its rules are gone.
func releasingWholly(ctx context.Context, p *process) error {
	err := releasing(ctx, p)
	for range 2 {
		time.Sleep(plan.MaxInvocation)
		err = errors.Join(err, expiring(ctx, p))
	}
	return err
}
