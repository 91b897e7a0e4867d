package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"sync"
	"time"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/plan"
)

// A command is what a person, or a schedule, asks of the function that contains.
type command struct {
	Command    string   `json:"command"`
	InstanceID string   `json:"instanceId"`
	Peers      []string `json:"peers"`
	Reason     string   `json:"reason"`
	DryRun     bool     `json:"dryRun"`
	Isolate    bool     `json:"isolateSubnet"` // cut off its whole subnet, if its owner allows it
	OnHost     bool     `json:"onHost"`        // isolate the host itself too
}

// The shapes of an instance id.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
var instanceID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`) })

// maxReason bounds, in runes, the reason that is recorded.
const maxReason = 512

// isCommand reports whether an event is a command: an object with the key
// "command". Anything else is left to the findings' parser, which says what is
// wrong with it.
func isCommand(raw []byte) bool {
	var shape struct{ Command json.RawMessage }
	_ = json.Unmarshal(raw, &shape)
	return shape.Command != nil
}

// parseCommand reads a command for the function that contains. Its errors name the
// field.
func parseCommand(raw []byte) (cmd command, err error) {
	if err := decodeCommand(raw, &cmd, "command, instanceId, peers, reason, dryRun, onHost, isolateSubnet"); err != nil {
		return cmd, err
	}
	return cmd, cmd.check()
}

func decodeCommand(raw []byte, into any, fields string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &guardduty.EventError{Field: wrong.Field, Err: fmt.Errorf("got a JSON %s, want a %s", wrong.Value, wrong.Type)}
	}
	if err != nil {
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf("%w; want the fields %s", err, fields)}
	}
	return nil
}

func (c command) check() error {
	switch {
	case c.isForAll() && c.isForOne():
		return &guardduty.EventError{Field: "command", Err: errors.New(c.Command + " is for all instances, and takes no other field than reason")}
	case c.isForAll():
		return nil
	case c.Command == release || c.Command == expire || c.Command == admit:
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf(
			"%q is not for the function that contains; invoke the one that releases", c.Command)}
	case c.Command != "contain":
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf("invalid command %q; want contain, reconcile or watch", guardduty.Clean(c.Command, 64))}
	}
	if err := checkInstance(c.InstanceID); err != nil {
		return err
	}
	_, err := c.peers()
	return err
}

const (
	reconcile = "reconcile"
	watch     = "watch"
)

// isForOne reports whether the command has a field that is about one instance.
func (c command) isForOne() bool {
	return c.InstanceID != "" || len(c.Peers) > 0 || c.DryRun || c.OnHost || c.Isolate
}

func (c command) isForAll() bool { return c.Command == reconcile || c.Command == watch }

func checkInstance(id string) error {
	if instanceID().MatchString(id) {
		return nil
	}
	return &guardduty.EventError{Field: "instanceId", Err: fmt.Errorf(
		"invalid instance id %q; want one such as i-0123456789abcdef0", guardduty.Clean(id, 64))}
}

// peers are the addresses to deny. A prefix is refused: a person who means a whole
// network means more than this containment.
func (c command) peers() ([]guardduty.Peer, error) {
	var peers []guardduty.Peer
	for i, s := range c.Peers {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return nil, &guardduty.EventError{Field: fmt.Sprintf("peers[%d]", i), Err: fmt.Errorf(
				"invalid IP address %q; want one such as 198.51.100.7, without prefix length or zone", guardduty.Clean(s, 64))}
		}
		peers = append(peers, guardduty.Peer{Addr: a.Unmap()})
	}
	return peers, nil
}

// incident is what the command asks to contain.
func (c command) incident(request string, now time.Time) (plan.Incident, error) {
	peers, err := c.peers()
	if err != nil {
		return plan.Incident{}, err
	}
	reason := "contained by command"
	if c.Reason != "" {
		reason += ": " + guardduty.Clean(c.Reason, maxReason)
	}
	return plan.Incident{
		Instance: c.InstanceID, Peers: peers, Trigger: plan.ByPerson, Asked: now, Reason: reason, Request: request,
		OnHost: c.OnHost, Isolate: c.Isolate,
	}, nil
}
