package drill

import (
	"context"
	_ "embed"
	"fmt"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
)

// unnamedFinding is on the instance of the built-in world, and names no peer.
//
//go:embed unnamed.json
var unnamedFinding []byte

// An unnamedReport shows the second act: the same intruder, and a finding that names
// nobody whom an ACL could deny.
type unnamedReport struct {
	Finding findingReport `json:"finding"`
	Answer  answer.Answer `json:"answer"`
}

// When the intruder types in the second act.
const (
	whenUnnamedSwapped   = "no peer named, groups swapped"
	whenUnnamedContained = "no peer named, contained"
)

// unnamed rehearses the built-in finding without a peer, on worlds of its own: the swap
// alone, and the swap with the rules that the host then has.
func (d *rehearsal) unnamed(ctx context.Context, decides policy.Policy, rules plan.Rules) error {
	findings, err := guardduty.ParseEvent(unnamedFinding)
	if err != nil {
		return fmt.Errorf("the built-in finding without a peer: %w", err)
	}
	in := plan.NewIncidents(findings)[0]
	in.Reason = decides.Decide(findings[0]).Reason
	r := &unnamedReport{Finding: summarize(findings[0], in)}
	d.report.Unnamed = r
	d.show.title("Another day, a finding that names no peer: %s", r.Finding.Type)
	if err := d.swapUnnamed(ctx, in.Instance); err != nil {
		return err
	}
	var started scope
	defer started.end()
	s := newStage(ctx, &started, d.before, 1)
	done, err := s.responder(rules, decides, &ledger.Memory{}).Contain(ctx, in)
	if err != nil {
		return fmt.Errorf("containing without a peer: %w", err)
	}
	r.Answer = answer.NewAnswer([]containment.Outcome{done})
	d.show.line("with the groups swapped, and the host told through Systems Manager to let nothing pass:")
	if shell := d.shellOn(s); shell != nil {
		d.types(shell, whenUnnamedContained, "whoami")
	}
	for i, f := range d.flows {
		v := s.judge(ctx, f)
		d.report.Flows[i].Unnamed, d.report.Flows[i].UnnamedWhy = v.passes, v.why
		d.check("with no peer named", s, i, v)
	}
	return nil
}

// swapUnnamed shows that the intruder outlasts the swap alone.
func (d *rehearsal) swapUnnamed(ctx context.Context, instance string) error {
	var started scope
	defer started.end()
	s := newStage(ctx, &started, d.before, 1)
	if err := s.swapGroups(ctx, instance); err != nil {
		return fmt.Errorf("swapping the groups: %w", err)
	}
	d.show.line("there is nobody to deny. With the groups swapped alone:")
	if shell := d.shellOn(s); shell != nil {
		d.types(shell, whenUnnamedSwapped, "whoami")
	}
	return nil
}
