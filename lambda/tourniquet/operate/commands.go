package operate

import (
	"context"
	"regexp"

	"tourniquet/lambda/tourniquet/console"
)

// Commands are those on a deployed stack.
type Commands struct {
	List      ListCmd      `cmd:"" group:"stack" help:"List the open containments."`
	Show      ShowCmd      `cmd:"" group:"stack" help:"Show one containment: what is cut, what may still flow, who else uses the original groups, the history."`
	Report    ReportCmd    `cmd:"" group:"stack" help:"Write one containment as an HTML file that needs nothing else."`
	Plan      PlanCmd      `cmd:"" group:"stack" help:"Show what a containment would do. Changes nothing."`
	Contain   ContainCmd   `cmd:"" group:"stack" help:"Contain an instance now. Shows the plan and asks first."`
	Admit     AdmitCmd     `cmd:"" group:"stack" help:"Let forensics in: add your groups that are tagged for it; without --group, take them away again."`
	Release   ReleaseCmd   `cmd:"" group:"stack" help:"Undo a containment. Shows the plan and asks first."`
	Reconcile ReconcileCmd `cmd:"" group:"stack" help:"Compare all open containments with the world now, and tighten what has drifted."`
	Watch     WatchCmd     `cmd:"" group:"stack" help:"Look for survivors in the flow logs now."`
	Expire    ExpireCmd    `cmd:"" group:"stack" help:"Remove the denials whose connections cannot revive any more."`
}

// instanceID is the shape of an instance id.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// Target is the instance that a command is about.
type Target struct {
	Instance string `arg:"" name:"instance" help:"Id of the instance, such as i-0123456789abcdef0."`
}

// Validate refuses what is not an instance id, before anything is asked of AWS.
func (t Target) Validate() error {
	if !instanceID.MatchString(t.Instance) {
		return refused("%q is not an instance id", "Give one such as i-0123456789abcdef0.", clean(t.Instance))
	}
	return nil
}

// Asked is what a command that changes something needs.
type Asked struct {
	Reason string `help:"Why: goes into the record." required:"" placeholder:"TEXT"`
	Yes    bool   `help:"Do not ask: needed where there is no terminal."`
}

// ready opens the session and finds the stack.
func ready(ctx context.Context, c *console.Console, f Flags) (*session, stack, error) {
	s, err := open(ctx, c, f)
	if err != nil {
		return nil, stack{}, err
	}
	st, err := s.find(ctx)
	return s, st, err
}

// known is ready, and knows the caller, for what the record says of who asked.
func known(ctx context.Context, c *console.Console, f Flags) (*session, stack, error) {
	s, st, err := ready(ctx, c, f)
	if err == nil {
		err = s.identify(ctx)
	}
	return s, st, err
}
