package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/version"
)

// Front is what both functions do around their work: keep an eye on the deadline,
// count calls, tell people, log the last line.
type Front struct {
	Outbox *Outbox      // nil: nobody is told
	Calls  func() int64 // how many AWS requests have been made so far
	Log    *slog.Logger
}

// reportTime is kept back from Lambda's deadline, to log and return what is missing.
const reportTime = time.Second

// work is what an invocation has done.
type work struct {
	outcomes []containment.Outcome
	overall  policy.Decision // zero: that of the outcome that matters most
}

// answer does the work of one invocation, and makes its answer.
func (f Front) answer(ctx context.Context, do func(context.Context) (work, error)) (*answer.Answer, error) {
	start, calls := time.Now(), f.Calls()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reportTime))
		defer cancel()
	}
	w, err := do(ctx)
	answer := answer.NewAnswer(w.outcomes)
	if w.overall.Verdict != "" {
		answer.Verdict, answer.Reason = w.overall.Verdict, w.overall.Reason
	}
	answer.Calls, answer.Version = f.Calls()-calls, version.String()
	answer.ContainedMillis = containedMillis(w.outcomes, start)
	f.deliver(ctx, w, &answer)
	f.report(ctx, answer, err)
	if err != nil {
		return nil, err
	}
	return &answer, nil
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
		return &containment.PartialError{Doing: first.Doing, Instance: first.Instance, Missing: first.Missing, Causes: []error{all}}
	}
	if first, ok := errors.AsType[*guardduty.EventError](all); ok {
		if all.Error() == first.Error() {
			return first
		}
		return &guardduty.EventError{Field: "event", Err: all}
	}
	return all
}

// unfinished is the error of work on all instances that some of it could not be
// done, by a type of ours.
func unfinished(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, typed := errors.AsType[*containment.PartialError](err); typed {
		return oneError(err)
	}
	return &containment.PartialError{Doing: doing, Instance: "the account's instances", Causes: []error{err}}
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

// report is the one line of an invocation that an operator searches for.
func (f Front) report(ctx context.Context, a answer.Answer, err error) {
	for _, i := range a.Incidents {
		attrs := []any{
			"instance", i.Instance, "verdict", i.Verdict, "reason", i.Reason, "status", i.Status, "generation", i.Generation,
			"steps", len(i.Steps), "exposures", len(i.Exposure), "survivors", survivors(i), "unrecorded", i.Unrecorded,
		}
		if slices.ContainsFunc(i.Exposure, func(e answer.ExposureAnswer) bool { return e.Kind == record.MayBeTerminated }) {
			attrs = append(attrs, "mayBeTerminated", true)
		}
		if i.Leaks {
			attrs = append(attrs, "leaks", true)
		}
		if i.ACLRoom != nil {
			attrs = append(attrs, "aclRoom", *i.ACLRoom)
		}
		f.Log.InfoContext(ctx, "incident handled", attrs...)
	}
	attrs := []any{"verdict", a.Verdict, "reason", a.Reason, "incidents", len(a.Incidents), "calls", a.Calls, "containedMillis", a.ContainedMillis}
	if err != nil {
		f.Log.ErrorContext(ctx, "invocation failed", append(attrs, "err", err)...)
		return
	}
	f.Log.InfoContext(ctx, "invocation done", attrs...)
}

// survivors counts the addresses that still exchange packets with an instance.
func survivors(i answer.IncidentAnswer) int {
	n := 0
	for _, e := range i.Exposure {
		if e.Kind == record.SurvivingPeer {
			n++
		}
	}
	return n
}
