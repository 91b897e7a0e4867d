package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
	"tourniquet/lambda/tourniquet/console"
)

// PlanCmd shows what a containment would do.
type PlanCmd struct {
	Flags
	Target
	Peers  []string `name:"peer" help:"Remote address to deny; repeat for more." placeholder:"ADDRESS"`
	OnHost bool     `help:"Plan the measure on the host too."`
	Subnet bool     `name:"isolate-subnet" help:"Plan to isolate the subnet too, where it is allowed."`
}

// Run asks the function for a dry run.
func (cmd *PlanCmd) Run(ctx context.Context, c *console.Console) error {
	s, st, err := ready(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	a, err := s.invoke(ctx, st.contain, request{
		Command: "contain", InstanceID: cmd.Instance, Peers: cmd.Peers, OnHost: cmd.OnHost, Isolate: cmd.Subnet, DryRun: true,
	}, "planning on "+cmd.Instance)
	return s.finish(a, err, planned)
}

// ContainCmd contains an instance.
type ContainCmd struct {
	Flags
	Target
	Asked
	Peers  []string `name:"peer" help:"Remote address to deny; repeat for more." placeholder:"ADDRESS"`
	OnHost bool     `help:"Also cut connections on the host itself."`
	Subnet bool     `name:"isolate-subnet" help:"Also isolate the subnet, where it is allowed."`
}

// Run shows the plan, asks, and contains.
func (cmd *ContainCmd) Run(ctx context.Context, c *console.Console) error {
	s, st, err := known(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	r := request{
		Command: "contain", InstanceID: cmd.Instance, Peers: cmd.Peers, OnHost: cmd.OnHost, Isolate: cmd.Subnet,
		Reason: fmt.Sprintf("%s (asked for by %s)", cmd.Reason, s.caller),
	}
	err = s.agree(ctx, cmd.Yes, "Contain "+cmd.Instance+" now?", func() error {
		return s.preview(ctx, st.contain, r, planned)
	})
	if err != nil {
		return err
	}
	a, err := s.invoke(ctx, st.contain, r, "containing "+cmd.Instance)
	return s.finish(a, err, contained)
}

// ReleaseCmd undoes a containment.
type ReleaseCmd struct {
	Flags
	Target
	Asked
	ToGroups []string `name:"to-group" help:"Release to this group, tagged as a release target, instead of the original ones; repeat for more." placeholder:"GROUP"`
	Force    bool     `help:"Remove the denials now, though their connections may revive."`
}

// Run shows what would be undone, asks, and releases.
func (cmd *ReleaseCmd) Run(ctx context.Context, c *console.Console) error {
	s, st, err := known(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	r := request{
		Command: "release", InstanceID: cmd.Instance, ToGroups: cmd.ToGroups, Force: cmd.Force, Reason: cmd.Reason, RequestedBy: s.caller,
	}
	err = s.agree(ctx, cmd.Yes, "Release "+cmd.Instance+" now?", func() error {
		return s.preview(ctx, st.release, r, previewed)
	})
	if err != nil {
		return err
	}
	a, err := s.invoke(ctx, st.release, r, "releasing "+cmd.Instance)
	return s.finish(a, err, released)
}

// AdmitCmd lets forensics in.
type AdmitCmd struct {
	Flags
	Target
	Asked
	Groups []string `name:"group" help:"Group with the tag tourniquet:role=forensics; repeat for more. Without any, forensic access ends." placeholder:"GROUP"`
	OnHost bool     `help:"Lift the host's own rules first."`
}

// Run says what would be added, asks, and admits. The function has no dry run of
// this command, so that nothing but the words come before the question.
func (cmd *AdmitCmd) Run(ctx context.Context, c *console.Console) error {
	s, st, err := known(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	groups := cmd.Groups
	if groups == nil {
		groups = []string{}
	}
	err = s.agree(ctx, cmd.Yes, "Change forensic access to "+cmd.Instance+" now?", func() error {
		fmt.Fprintln(c.Err, c.Wrap(admission(cmd.Instance, cmd.Groups), "", ""))
		return nil
	})
	if err != nil {
		return err
	}
	a, err := s.invoke(ctx, st.release, request{
		Command: "admit", InstanceID: cmd.Instance, Groups: &groups, OnHost: cmd.OnHost,
		Reason: fmt.Sprintf("%s (asked for by %s)", cmd.Reason, s.caller),
	}, "changing forensic access to "+cmd.Instance)
	return s.finish(a, err, done)
}

// ReconcileCmd compares all open containments with the world.
type ReconcileCmd struct{ Flags }

// Run asks the function that contains to reconcile.
func (cmd *ReconcileCmd) Run(ctx context.Context, c *console.Console) error {
	return everything(ctx, c, cmd.Flags, "reconcile", "comparing all open containments with the world")
}

// WatchCmd looks for survivors.
type WatchCmd struct{ Flags }

// Run asks the function that contains to watch.
func (cmd *WatchCmd) Run(ctx context.Context, c *console.Console) error {
	return everything(ctx, c, cmd.Flags, "watch", "looking for survivors in the flow logs")
}

// ExpireCmd removes denials that nothing needs any more.
type ExpireCmd struct{ Flags }

// Run asks the function that releases to expire.
func (cmd *ExpireCmd) Run(ctx context.Context, c *console.Console) error {
	return everything(ctx, c, cmd.Flags, "expire", "removing denials whose connections cannot revive")
}

// everything gives a command that is for all instances.
func everything(ctx context.Context, c *console.Console, f Flags, command, what string) error {
	s, st, err := ready(ctx, c, f)
	if err != nil {
		return err
	}
	function := st.contain
	if command == "expire" {
		function = st.release
	}
	a, err := s.invoke(ctx, function, request{Command: command}, what)
	if err != nil || s.flags.JSON {
		return s.finish(a, err, done)
	}
	s.printAll(c.Out, a)
	return done(a)
}

// agree shows what would be done and asks, unless that is settled already.
func (s *session) agree(ctx context.Context, yes bool, question string, show func() error) error {
	if yes {
		return nil
	}
	if !s.console.CanAsk {
		return refused("%s", "", console.ErrNoTerminal.Error())
	}
	if err := show(); err != nil {
		return err
	}
	ok, err := s.console.Ask(ctx, question)
	switch {
	case errors.Is(err, context.Canceled):
		return refused("interrupted: nothing was done", "")
	case err != nil:
		return err
	case !ok:
		return refused("nothing was done", "")
	}
	return nil
}

// preview shows, on standard error, what a dry run of a request says.
func (s *session) preview(ctx context.Context, function string, r request, ended ending) error {
	r.DryRun = true
	a, err := s.invoke(ctx, function, r, "working out what would be done")
	if err != nil {
		return err
	}
	if err := ended(a); err != nil {
		s.printAnswer(s.console.Err, a)
		return err
	}
	s.printAnswer(s.console.Err, a)
	return nil
}

// An ending says whether an answer is what was asked for, as an error with the exit
// status.
type ending func(answer.Answer) error

// planned: a dry run shows a plan, or why there would be none.
func planned(a answer.Answer) error {
	switch a.Verdict {
	case record.ObservedOnly, record.Contain:
		return nil
	default:
		return refused("%s: %s", "", string(a.Verdict), clean(a.Reason))
	}
}

// contained: the instance is, wholly.
func contained(a answer.Answer) error {
	switch a.Verdict {
	case record.Contain:
	case record.ObservedOnly:
		return refused("nothing was changed: the stack is in observe mode", "Deploy it with tourniquet:mode=enforce to contain.")
	default:
		return refused("not contained, %s: %s", "", string(a.Verdict), clean(a.Reason))
	}
	return settled(a, record.Contained)
}

// released: the instance is, though denials may linger.
func released(a answer.Answer) error {
	if a.Verdict != record.Release {
		return refused("not released, %s: %s", "", string(a.Verdict), clean(a.Reason))
	}
	return settled(a, record.Released)
}

func previewed(a answer.Answer) error {
	if a.Verdict != record.Release && a.Verdict != record.ObservedOnly {
		return refused("%s: %s", "", string(a.Verdict), clean(a.Reason))
	}
	return nil
}

// settled: all incidents have come to a status.
func settled(a answer.Answer, want record.Status) error {
	i := slices.IndexFunc(a.Incidents, func(i answer.IncidentAnswer) bool { return i.Status != want })
	if i < 0 {
		return nil
	}
	return &Failure{Code: ExitPart, What: fmt.Sprintf("done in part: %s is %s, not %s", a.Incidents[i].Instance, a.Incidents[i].Status, want)}
}

// done: whatever the answer, the command was carried out, unless its verdict is not to.
func done(a answer.Answer) error {
	switch a.Verdict {
	case record.ObservedOnly, record.NotActionable, record.Exempt, record.Held, record.OtherAccount:
		return refused("%s: %s", "", string(a.Verdict), clean(a.Reason))
	default:
		return nil
	}
}

// finish prints the answer.
func (s *session) finish(a answer.Answer, err error, ended ending) error {
	if err != nil {
		return err
	}
	if s.flags.JSON {
		if err := printJSON(s.console.Out, a); err != nil {
			return err
		}
		return ended(a)
	}
	s.printAnswer(s.console.Out, a)
	return ended(a)
}

// admission says what an admit would do.
func admission(instance string, groups []string) string {
	if len(groups) == 0 {
		return fmt.Sprintf("Forensic access to %s ends: every interface has the quarantine group alone again. Its denials stay.", instance)
	}
	return fmt.Sprintf("Each interface of %s in the VPC of the groups gets %s beside the quarantine group. The rules of these groups say who "+
		"gets in, and to what. The denials stay.", instance, plain.List(groups))
}
