package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"

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

	// ToGroups are groups to release to, in the place of the original ones.
	ToGroups []string `json:"toGroups"`

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
		if errors.Is(err, containment.ErrGroup) {
			return work{}, &guardduty.EventError{Field: "toGroups", Err: err}
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
	if err := decodeCommand(raw, &cmd, "command, instanceId, reason, requestedBy, force, dryRun, toGroups, groups, onHost"); err != nil {
		return cmd, err
	}
	return cmd, cmd.check()
}

func (c releaseCommand) check() error {
	switch {
	case c.Command == expire && !c.isBare():
		return &guardduty.EventError{Field: "command", Err: errors.New("expire takes no other field")}
	case c.Command == expire:
		return nil
	case c.Command == reconcile || c.Command == watch || c.Command == "contain":
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
	if err := checkInstance(c.InstanceID); err != nil {
		return err
	}
	return c.checkGroups()
}

func (c releaseCommand) checkAdmission() error {
	switch {
	case c.Force || len(c.ToGroups) > 0:
		return &guardduty.EventError{Field: "command", Err: errors.New("force and toGroups are for release")}
	case c.Groups == nil:
		return &guardduty.EventError{Field: "groups", Err: errors.New("is missing: want the groups to admit, or an empty list to take them away")}
	case len(*c.Groups) >= maxGroups:
		return &guardduty.EventError{Field: "groups", Err: fmt.Errorf("%d are more than an interface can have beside the quarantine group", len(*c.Groups))}
	}
	for _, g := range *c.Groups {
		if !groupID().MatchString(g) {
			return &guardduty.EventError{Field: "groups", Err: fmt.Errorf("invalid group %q: want an id such as sg-0123456789abcdef0", guardduty.Clean(g, 64))}
		}
	}
	return checkInstance(c.InstanceID)
}

// isBare reports whether a command has no field but its name.
func (c releaseCommand) isBare() bool {
	return c.InstanceID == "" && c.Reason == "" && c.RequestedBy == "" && !c.Force && !c.DryRun && len(c.ToGroups) == 0 && c.Groups == nil && !c.OnHost
}

// groupID is the shape of a security group's id.
var groupID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^sg-[0-9a-zA-Z-]{1,32}$`) })

// maxGroups is the most groups that an interface can have.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-security-groups
const maxGroups = 16

func (c releaseCommand) checkGroups() error {
	if len(c.ToGroups) > maxGroups {
		return &guardduty.EventError{Field: "toGroups", Err: fmt.Errorf("%d groups: an interface can have %d", len(c.ToGroups), maxGroups)}
	}
	for i, id := range c.ToGroups {
		if !groupID().MatchString(id) {
			return &guardduty.EventError{Field: fmt.Sprintf("toGroups[%d]", i), Err: fmt.Errorf("%q is not a group's id", guardduty.Clean(id, 64))}
		}
	}
	return nil
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
	return containment.Ask{Instance: c.InstanceID, Reason: reason, Request: request, Force: c.Force, DryRun: c.DryRun, ToGroups: c.ToGroups}
}
