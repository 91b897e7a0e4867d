package drill

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/world"
)

// A releaseReport shows how the containment is undone: released after an hour, and
// its denials expired when no flow can be tracked any more.
type releaseReport struct {
	Answer  answer.Answer  `json:"answer"`
	Expired answer.Answer  `json:"expired"`
	Flows   []releasedFlow `json:"flows"`
	Left    []string       `json:"left"` // what the world has that it had not before
	// Grown are the Auto Scaling groups that want one instance more: while theirs was on
	// standby, EC2 launched another, and a return from standby takes none away.
	Grown []string `json:"grown,omitempty"`
}

// A releasedFlow says whether a flow passes once the instance is released, and
// once its denials have expired. An old connection is then one that its ends have
// given up, or that EC2 has forgotten and the groups don't let through.
type releasedFlow struct {
	Flow     string `json:"flow"`
	Peer     bool   `json:"peer"`
	Released bool   `json:"released"`
	Expired  bool   `json:"expired"`
	Why      string `json:"why"` // of Expired
}

// When the drill releases, and when it lets denials expire: after the longest time
// that EC2 tracks an idle flow.
const (
	releasedAfter = time.Hour
	expiredAfter  = network.DefaultTracking
)

// release undoes the containment as the release function would.
func (d *rehearsal) release(ctx context.Context, book *ledger.Memory) error {
	now := time.Now().Add(releasedAfter)
	releaser := d.main.releaser(book, func() time.Time { return now })
	d.main.pass(releasedAfter)
	out, err := releaser.Release(ctx, containment.Ask{Instance: d.in.Instance, Reason: "released by the drill", Request: "drill"})
	if err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	r := &d.report.Release
	for i, f := range d.flows {
		v := d.main.judge(ctx, f)
		d.report.Flows[i].Released = v.passes
		r.Flows = append(r.Flows, releasedFlow{Flow: f.String(), Peer: d.report.Flows[i].Peer, Released: v.passes})
	}
	now = now.Add(expiredAfter)
	d.main.pass(expiredAfter)
	expired, err := releaser.Expire(ctx, "drill")
	if err != nil {
		return fmt.Errorf("expiring: %w", err)
	}
	r.Answer, r.Expired = answer.NewAnswer([]containment.Outcome{out}), answer.NewAnswer(expired)
	for i, f := range d.flows {
		v := d.main.judge(ctx, f)
		r.Flows[i].Expired, r.Flows[i].Why = v.passes, v.why
	}
	r.Left = []string{}
	then, after := d.before.Clone(), d.main.server.World()
	then.Flows, after.Flows = nil, nil // time has passed for them
	r.Grown = grown(then, after)
	for line := range strings.Lines(world.Diff(then, after)) {
		r.Left = append(r.Left, strings.TrimSpace(line))
	}
	return nil
}

// grown finds the groups that want more instances than before, and takes that
// difference out of the world before.
func grown(then, after *world.World) []string {
	var names []string
	for _, g := range then.AutoScaling {
		if now := after.AutoScalingGroup(g.Name); now != nil && now.Desired == g.Desired+1 {
			g.Desired = now.Desired
			names = append(names, g.Name)
		}
	}
	return names
}

func (r releaseReport) print(show *screen) {
	show.title("Released after an hour; the denials expired %d days later, when EC2 tracks none of the old connections any more", expiredAfter/(24*time.Hour))
	for _, i := range r.Answer.Incidents {
		show.line("%s", tally(i.Steps))
	}
	for _, i := range r.Expired.Incidents {
		show.line("then expire: %s", tally(i.Steps))
	}
	for _, f := range r.Flows {
		if f.Peer && f.Expired {
			show.line("%s passes again: %s", f.Flow, f.Why)
		}
	}
	if len(r.Left) == 0 {
		show.line("every group and ACL entry is as it was before")
	}
	for _, name := range r.Grown {
		show.line("the Auto Scaling group %s wants one instance more: back from standby, it is one too many until the group scales in", name)
	}
	for _, line := range r.Left {
		show.line("differs from before: %s", line)
	}
}

// tally counts steps by their state.
func tally(steps []answer.StepAnswer) string {
	counts := map[record.State]int{}
	var order []record.State
	for _, s := range steps {
		if counts[s.State] == 0 {
			order = append(order, s.State)
		}
		counts[s.State]++
	}
	var parts []string
	for _, s := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
	}
	return strings.Join(parts, ", ")
}
