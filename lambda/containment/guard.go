package containment

import (
	"context"
	"fmt"
	"slices"

	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
)

// count is the blast-radius guard while the ledger, which counts exactly, is not
// there: it goes by the instances that EC2 shows in quarantine. Those that a person
// had contained count too then, and of several invocations at once each may find
// the last place free. ErrGuard when there is no place left.
func (c *run) count(ctx context.Context, plan plan.Plan) error {
	switch {
	case !c.unrecorded || c.counted || plan.Record.Status == record.Observed:
		return nil
	case c.in.ByPerson || c.in.Repair || c.in.Adopt || c.known.Open() != nil:
		return nil // not counted, or counted already
	}
	quarantined, err := c.Fleet.Quarantined(ctx)
	if err != nil {
		return fmt.Errorf("counting the instances in quarantine: %w", err)
	}
	c.counted = true
	if len(quarantined) >= c.Policy.MaxContained && !slices.Contains(quarantined, c.in.Instance) {
		return record.ErrGuard
	}
	return nil
}
