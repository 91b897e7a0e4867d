package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
)

// Handler answers the events of the contain function.
type Handler struct {
	Responder *containment.Responder
	Mode      config.OperatingMode
	Notifier  *Notifier    // nil: nobody is notified
	Calls     func() int64 // how many AWS requests have been made so far
	Log       *slog.Logger
}

const (
	// reportTime is kept back from Lambda's deadline, to log and return what is missing.
	reportTime = time.Second

	// maxIncidents bounds the instances of one event that are contained at once.
	maxIncidents = 8
)

// Contain handles one event: findings in any accepted form, or a command. Its
// error is a *guardduty.EventError when the event is malformed, and a
// *containment.PartialError when steps are missing that a retry may apply.
func (h *Handler) Contain(ctx context.Context, raw json.RawMessage) (*containment.Answer, error) {
	start, calls := time.Now(), h.Calls()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reportTime))
		defer cancel()
	}
	outcomes, err := h.handle(ctx, raw)
	answer := containment.NewAnswer(outcomes)
	answer.Calls = h.Calls() - calls
	answer.ContainedMillis = containedMillis(outcomes, start)
	h.notify(ctx, outcomes, &answer)
	h.report(ctx, answer, err)
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

func (h *Handler) handle(ctx context.Context, raw json.RawMessage) ([]containment.Outcome, error) {
	cmd, ok, err := parseCommand(raw)
	switch {
	case err != nil:
		return nil, err
	case ok:
		in, err := cmd.incident(requestID(ctx))
		if err != nil {
			return nil, err
		}
		return h.containAll(ctx, []containment.Incident{in}, cmd.DryRun)
	}
	findings, malformed := guardduty.ParseEvent(raw)
	outcomes, err := h.findings(ctx, findings)
	return outcomes, oneError(err, malformed)
}

// findings decides on each finding, and contains what is to be contained.
func (h *Handler) findings(ctx context.Context, findings []guardduty.Finding) ([]containment.Outcome, error) {
	policy := h.policy(ctx)
	var act []guardduty.Finding
	var outcomes []containment.Outcome
	why := map[string]string{}
	for _, f := range findings {
		d := policy.Decide(f)
		if d.Verdict != containment.Contain {
			outcomes = append(outcomes, h.decline(ctx, f, d)...)
			continue
		}
		act = append(act, f)
		for _, i := range f.Instances {
			if why[i.ID] == "" {
				why[i.ID] = d.Reason
			}
		}
	}
	incidents := containment.NewIncidents(act)
	for i := range incidents {
		incidents[i].Reason, incidents[i].Request = why[incidents[i].Instance], requestID(ctx)
	}
	done, err := h.containAll(ctx, incidents, false)
	return append(outcomes, done...), err
}

// policy is the configured one, bound to the account and Region that the function
// runs in.
func (h *Handler) policy(ctx context.Context) containment.Policy {
	p := h.Responder.Policy
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		// arn:aws:lambda:REGION:ACCOUNT:function:NAME
		if parts := strings.Split(lc.InvokedFunctionArn, ":"); len(parts) > 5 {
			p.Region, p.Account = parts[3], parts[4]
		}
	}
	return p
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// decline gives each instance of a finding that is not acted on its entry, and
// notes it in the instance's history.
func (h *Handler) decline(ctx context.Context, f guardduty.Finding, d containment.Decision) []containment.Outcome {
	if len(f.Instances) == 0 {
		return []containment.Outcome{{Verdict: d.Verdict, Reason: d.Reason}}
	}
	var outcomes []containment.Outcome
	for _, in := range containment.NewIncidents([]guardduty.Finding{f}) {
		in.Request = requestID(ctx)
		o := containment.Outcome{Instance: in.Instance, Verdict: d.Verdict, Reason: d.Reason}
		if err := h.Responder.Decline(ctx, in, d); err != nil {
			o.Warnings = append(o.Warnings, err.Error())
			h.Log.WarnContext(ctx, "verdict not recorded", "instance", in.Instance, "err", err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// containAll contains the instances of an event side by side; each is an incident
// of its own, and one's failure stops no other.
func (h *Handler) containAll(ctx context.Context, incidents []containment.Incident, dryRun bool) ([]containment.Outcome, error) {
	act := h.Responder.Contain
	if dryRun || h.Mode == config.Observe {
		act = h.Responder.Preview
	}
	outcomes := make([]containment.Outcome, len(incidents))
	errs := make([]error, len(incidents))
	var g errgroup.Group
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

// oneError makes of several errors the one to return: Lambda reports the type of
// the value itself, so it must be one of ours and not a wrapper. Missing steps
// come before malformed findings, since a retry can help the former.
func oneError(errs ...error) error {
	all := errors.Join(errs...)
	if all == nil {
		return nil
	}
	if first, ok := errors.AsType[*containment.PartialError](all); ok {
		if all.Error() == first.Error() {
			return first
		}
		return &containment.PartialError{Instance: first.Instance, Missing: first.Missing, Causes: []error{all}}
	}
	if first, ok := errors.AsType[*guardduty.EventError](all); ok {
		if all.Error() == first.Error() {
			return first
		}
		return &guardduty.EventError{Field: "event", Err: all}
	}
	return all
}

// containedMillis is the time from the event's arrival to the last change made.
func containedMillis(outcomes []containment.Outcome, start time.Time) int64 {
	var last time.Time
	for _, o := range outcomes {
		if o.Contained.After(last) {
			last = o.Contained
		}
	}
	if last.IsZero() {
		return 0
	}
	return last.Sub(start).Milliseconds()
}

func (h *Handler) notify(ctx context.Context, outcomes []containment.Outcome, answer *containment.Answer) {
	if h.Notifier == nil {
		return
	}
	for i, o := range outcomes {
		if !worthTelling(o) {
			continue
		}
		if err := h.Notifier.Notify(ctx, o); err != nil {
			// What is contained stays contained, whether people hear of it or not.
			err = fmt.Errorf("notifying: %w", err)
			h.Log.ErrorContext(ctx, "notification failed", "instance", o.Instance, "err", err)
			answer.Warn(outcomes[i].Instance, err.Error())
		}
	}
}

// report is the one line of an invocation that an operator searches for.
func (h *Handler) report(ctx context.Context, a containment.Answer, err error) {
	for _, i := range a.Incidents {
		attrs := []any{
			"instance", i.Instance, "verdict", i.Verdict, "reason", i.Reason, "status", i.Status, "generation", i.Generation,
			"steps", len(i.Steps), "exposures", len(i.Exposure), "unrecorded", i.Unrecorded,
		}
		if i.ACLRoom != nil {
			attrs = append(attrs, "aclRoom", *i.ACLRoom)
		}
		h.Log.InfoContext(ctx, "incident handled", attrs...)
	}
	attrs := []any{"verdict", a.Verdict, "reason", a.Reason, "incidents", len(a.Incidents), "calls", a.Calls, "containedMillis", a.ContainedMillis}
	if err != nil {
		h.Log.ErrorContext(ctx, "invocation failed", append(attrs, "err", err)...)
		return
	}
	h.Log.InfoContext(ctx, "invocation done", attrs...)
}
