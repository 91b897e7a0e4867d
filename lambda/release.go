package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
)

// ReleaseHandler answers the events of the release function: a person's command to
// release an instance, and the schedule's to expire denials.
type ReleaseHandler struct {
	Releaser *containment.Releaser

	// Patient is the releaser of expire, which leaves EC2's buckets to containments. It is
	// built when it is first needed.
	Patient func() *containment.Releaser

	Front
}

// A releaseCommand is what a person, or the schedule, asks of the function that
// releases.
type releaseCommand struct {
	Command     string `json:"command"`
	InstanceID  string `json:"instanceId"`
	Reason      string `json:"reason"`
	RequestedBy string `json:"requestedBy"`
	Force       bool   `json:"force"`
	DryRun      bool   `json:"dryRun"`

	// For admit only. An empty list takes away what is admitted; none is an error.
	Groups *[]string `json:"groups"`
	OnHost bool      `json:"onHost"`
}

const (
	release = "release"
	expire  = "expire"
	admit   = "admit"
)

// Release handles one command. Its error is a *guardduty.EventError when the
// command is malformed or there is nothing to release, and a
// *containment.PartialError when something is left that a retry may do.
func (h *ReleaseHandler) Release(ctx context.Context, raw json.RawMessage) (*answer.Answer, error) {
	return h.answer(ctx, func(ctx context.Context) (work, error) {
		cmd, err := parseRelease(raw)
		switch {
		case err != nil:
			return work{}, err
		case cmd.Command == expire:
			return h.expire(ctx)
		}
		if cmd.Command == admit {
			return h.admit(ctx, cmd)
		}
		out, err := h.Releaser.Release(ctx, cmd.ask(requestID(ctx)))
		if errors.Is(err, containment.ErrNotContained) {
			return work{}, &guardduty.EventError{Field: "instanceId", Err: err}
		}
		return work{outcomes: []containment.Outcome{out}}, err
	})
}

// admit lets forensics in.
func (h *ReleaseHandler) admit(ctx context.Context, cmd releaseCommand) (work, error) {
	ask := cmd.ask(requestID(ctx))
	out, err := h.Releaser.Admit(ctx, containment.Admission{
		Instance: ask.Instance, Groups: *cmd.Groups, Reason: ask.Reason, Request: ask.Request, OnHost: cmd.OnHost, DryRun: ask.DryRun,
	})
	if refused, ok := errors.AsType[*containment.AdmissionError](err); ok {
		return work{}, &guardduty.EventError{Field: refused.Field, Err: refused.Err}
	}
	return work{outcomes: []containment.Outcome{out}}, err
}

func (h *ReleaseHandler) expire(ctx context.Context) (work, error) {
	outcomes, err := h.Patient().Expire(ctx, requestID(ctx))
	return work{outcomes: outcomes, overall: policy.Decision{
		Verdict: record.Expire, Reason: fmt.Sprintf("containments with something to finish or to expire: %d", len(outcomes)),
	}}, unfinished("expiring denials of", err)
}

func parseRelease(raw []byte) (releaseCommand, error) {
	var cmd releaseCommand
	if !isCommand(raw) {
		return cmd, &guardduty.EventError{Field: "command", Err: errors.New(
			"is missing: this function releases by command only, and takes no findings; want release, admit or expire")}
	}
	if err := decodeCommand(raw, &cmd, "command, instanceId, reason, requestedBy, force, dryRun, groups, onHost"); err != nil {
		return cmd, err
	}
	return cmd, cmd.check()
}

func (c releaseCommand) check() error {
	switch {
	case c.Command == expire && c != releaseCommand{Command: expire}:
		return &guardduty.EventError{Field: "command", Err: errors.New("expire takes no other field")}
	case c.Command == expire:
		return nil
	case c.Command == reconcile || c.Command == "contain":
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf(
			"%q is not for the function that releases; invoke the one that contains", c.Command)}
	case c.Command == admit:
		return c.checkAdmission()
	case c.Command != release:
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf("invalid command %q; want release, admit or expire", guardduty.Clean(c.Command, 64))}
	}
	if c.Groups != nil || c.OnHost {
		return &guardduty.EventError{Field: "command", Err: errors.New("groups and onHost are for admit")}
	}
	return checkInstance(c.InstanceID)
}

// groupID is the form of a security group's id.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
var groupID = regexp.MustCompile(`^sg-[0-9a-z-]{1,40}$`)

func (c releaseCommand) checkAdmission() error {
	switch {
	case c.Force:
		return &guardduty.EventError{Field: "force", Err: errors.New("is for release")}
	case c.Groups == nil:
		return &guardduty.EventError{Field: "groups", Err: errors.New("is missing: want the groups to admit, or an empty list to take them away")}
	case len(*c.Groups) >= record.MaxGroups:
		return &guardduty.EventError{Field: "groups", Err: fmt.Errorf("%d are more than an interface can have beside the quarantine group", len(*c.Groups))}
	}
	for _, g := range *c.Groups {
		if !groupID.MatchString(g) {
			return &guardduty.EventError{Field: "groups", Err: fmt.Errorf("invalid group %q: want an id such as sg-0123456789abcdef0", guardduty.Clean(g, 64))}
		}
	}
	return checkInstance(c.InstanceID)
}

// ask is what the command asks to release.
func (c releaseCommand) ask(request string) containment.Ask {
	const maxName = 128
	did := "released"
	if c.Command == admit {
		did = "forensic access changed"
	}
	reason := did + " by command"
	if c.RequestedBy != "" {
		reason = did + " by " + guardduty.Clean(c.RequestedBy, maxName)
	}
	if c.Reason != "" {
		reason += ": " + guardduty.Clean(c.Reason, maxReason)
	}
	return containment.Ask{Instance: c.InstanceID, Reason: reason, Request: request, Force: c.Force, DryRun: c.DryRun}
}
