package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/hub"
	"tourniquet/lambda/parallel"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
)

// Handler answers the events of the contain function.
type Handler struct {
	Responder *containment.Responder

	// Patient is the responder of reconcile, which leaves EC2's buckets to containments.
	// It is built when it is first needed.
	Patient func() *containment.Responder

	Book containment.Book
	Mode config.OperatingMode
	Hub  *hub.Hub // nil: Security Hub gets no notes

	Flows containment.Flows // nil: there are no flow logs
	Front
}

// maxIncidents bounds the instances of one event that are contained at once.
const maxIncidents = 8

// Contain handles one event: findings in any accepted form, or a command. Its
// error is a *guardduty.EventError when the event is malformed, and a
// *containment.PartialError when steps are missing that a retry may apply.
func (h *Handler) Contain(ctx context.Context, raw json.RawMessage) (*answer.Answer, error) {
	return h.answer(ctx, func(ctx context.Context) (work, error) {
		if isCommand(raw) {
			return h.command(ctx, raw)
		}
		findings, malformed := guardduty.ParseEvent(raw)
		outcomes, err := h.findings(ctx, findings)
		h.note(ctx, raw, outcomes)
		return work{outcomes: outcomes}, oneError(err, malformed)
	})
}

func (h *Handler) command(ctx context.Context, raw json.RawMessage) (work, error) {
	cmd, err := parseCommand(raw)
	if err != nil {
		return work{}, err
	}
	if cmd.Command == reconcile {
		return h.reconcile(ctx)
	}
	if cmd.Command == watch {
		return h.watch(ctx)
	}
	if cmd.OnHost && h.Responder.Beside[record.KindHost] == nil {
		return work{}, &guardduty.EventError{Field: "onHost", Err: errors.New("this deployment can't isolate hosts: tourniquet:onHost is off")}
	}
	if cmd.Isolate && h.Responder.Rules.Isolate != plan.IsolateTagged {
		return work{}, &guardduty.EventError{Field: "isolateSubnet", Err: errors.New("this deployment can't isolate subnets: tourniquet:isolateSubnets is off")}
	}
	in, err := cmd.incident(requestID(ctx), h.Responder.Now())
	if err != nil {
		return work{}, err
	}
	outcomes, err := h.containAll(ctx, []plan.Incident{in}, cmd.DryRun)
	return work{outcomes: outcomes}, err
}

// reconcile compares all open containments with the world. In observe mode nothing
// is changed, so there is nothing to keep up.
func (h *Handler) reconcile(ctx context.Context) (work, error) {
	if h.Mode == config.Observe {
		return work{overall: policy.Decision{Verdict: record.ObservedOnly, Reason: "in observe mode nothing is reconciled"}}, nil
	}
	r := &containment.Reconciler{Responder: h.Patient(), Book: h.Book}
	outcomes, err := r.Reconcile(ctx, requestID(ctx))
	changed := 0
	for _, o := range outcomes {
		if len(o.Applied) > 0 || o.Record.Status == record.Closed {
			changed++
		}
	}
	w := work{outcomes: outcomes, overall: policy.Decision{
		Verdict: record.Reconcile, Reason: fmt.Sprintf("containments compared with the world: %d, brought up to date: %d", len(outcomes), changed),
	}}
	h.Log.InfoContext(ctx, "account reconciled", "open", len(outcomes), "changed", changed)
	return w, unfinished("reconciling", err)
}

// watch reads the flow logs of contained instances.
func (h *Handler) watch(ctx context.Context) (work, error) {
	if h.Mode == config.Observe {
		return work{overall: policy.Decision{Verdict: record.ObservedOnly, Reason: "in observe mode nothing is watched"}}, nil
	}
	w := &containment.Watcher{Responder: h.Patient(), Book: h.Book, Flows: h.Flows}
	outcomes, err := w.Watch(ctx, requestID(ctx))
	return work{outcomes: outcomes, overall: policy.Decision{
		Verdict: record.Watched, Reason: fmt.Sprintf("instances of which there is something new: %d", len(outcomes)),
	}}, unfinished("watching", err)
}

// findings decides on each finding, and contains what is to be contained.
func (h *Handler) findings(ctx context.Context, findings []guardduty.Finding) ([]containment.Outcome, error) {
	if len(findings) == 0 {
		return nil, nil
	}
	policy, err := h.policy(ctx)
	if err != nil {
		return nil, err
	}
	var act []guardduty.Finding
	var outcomes []containment.Outcome
	why, worst := map[string]string{}, map[string]float64{}
	for _, f := range findings {
		f = f.SeenBy(h.Responder.Now())
		if len(f.Instances) > 0 && f.Origin == guardduty.GuardDuty && !policy.Types.Knows(f.Type) {
			// The stack counts these lines: message and keys are a contract.
			h.Log.WarnContext(ctx, "unknown finding type", "type", f.Type, "finding", f.ID)
		}
		d := policy.Decide(f)
		if d.Verdict != record.Contain {
			outcomes = append(outcomes, h.decline(ctx, f, d)...)
			continue
		}
		act = append(act, f)
		for _, i := range f.Instances {
			if f.Severity > worst[i.ID] {
				why[i.ID], worst[i.ID] = d.Reason, f.Severity
			}
		}
	}
	incidents := plan.NewIncidents(act)
	for i := range incidents {
		incidents[i].Reason, incidents[i].Request = why[incidents[i].Instance], requestID(ctx)
	}
	done, err := h.containAll(ctx, incidents, false)
	return append(outcomes, done...), err
}

// policy is the configured one, bound to the account and Region that the function
// runs in.
//
// Its error says that Lambda does not tell them. Then a finding of any account would
// pass, so that none is acted on.
func (h *Handler) policy(ctx context.Context) (policy.Policy, error) {
	p := h.Responder.Policy
	lc, _ := lambdacontext.FromContext(ctx)
	if lc == nil {
		lc = &lambdacontext.LambdaContext{}
	}
	// arn:aws:lambda:REGION:ACCOUNT:function:NAME
	parts := strings.Split(lc.InvokedFunctionArn, ":")
	if len(parts) < 6 || parts[3] == "" || parts[4] == "" {
		return p, &guardduty.EventError{Field: "the function's ARN", Err: fmt.Errorf(
			"%q does not tell the account and Region that this function acts in, so that no finding is acted on; invoke it as a Lambda function", guardduty.Clean(lc.InvokedFunctionArn, 128))}
	}
	p.Region, p.Account = parts[3], parts[4]
	return p, nil
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// decline gives each instance of a finding that is not acted on its entry, and
// notes it in the instance's history.
func (h *Handler) decline(ctx context.Context, f guardduty.Finding, d policy.Decision) []containment.Outcome {
	if len(f.Instances) == 0 {
		return []containment.Outcome{{Verdict: d.Verdict, Reason: d.Reason}}
	}
	var outcomes []containment.Outcome
	for _, in := range plan.NewIncidents([]guardduty.Finding{f}) {
		in.Request = requestID(ctx)
		o := containment.Outcome{Instance: in.Instance, Verdict: d.Verdict, Reason: d.Reason}
		if err := h.Responder.NoteVerdict(ctx, in, d); err != nil {
			o.Warnings = append(o.Warnings, err.Error())
			h.Log.WarnContext(ctx, "verdict not recorded", "instance", in.Instance, "err", err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// containAll contains the instances of an event side by side; each is an incident
// of its own, and one's failure stops no other.
func (h *Handler) containAll(ctx context.Context, incidents []plan.Incident, dryRun bool) ([]containment.Outcome, error) {
	act := h.Responder.Contain
	if dryRun || h.Mode == config.Observe {
		act = h.Responder.Preview
	}
	outcomes := make([]containment.Outcome, len(incidents))
	errs := make([]error, len(incidents))
	g := parallel.New()
	g.SetLimit(maxIncidents)
	for i, in := range incidents {
		g.Go(func() error {
			outcomes[i], errs[i] = act(ctx, in)
			return nil
		})
	}
	_ = g.Wait()
	return outcomes, oneError(errs...)
}

// note tells Security Hub, about the findings that came from there, what became of
// their instances. A failure is a warning: what is contained stays contained.
func (h *Handler) note(ctx context.Context, raw []byte, outcomes []containment.Outcome) {
	if h.Hub == nil || h.Mode == config.Observe {
		return
	}
	var became []string
	for _, o := range outcomes {
		if o.Verdict == record.Contain && o.Record.Status != "" {
			became = append(became, fmt.Sprintf("%s is %s", o.Instance, o.Record.Status))
		}
	}
	from := hub.FromEvent(raw)
	if len(became) == 0 || len(from) == 0 {
		return
	}
	if err := h.Hub.Note(ctx, from, "Tourniquet: "+strings.Join(became, ", ")+". See: tourniquet show"); err != nil {
		h.Log.WarnContext(ctx, "no note in Security Hub", "err", err)
		for i := range outcomes {
			outcomes[i].Warnings = append(outcomes[i].Warnings, err.Error())
		}
	}
}
