package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"regexp"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
)

// A command is what a person, or a schedule, asks of the function.
type command struct {
	Command    string   `json:"command"`
	InstanceID string   `json:"instanceId"`
	Peers      []string `json:"peers"`
	Reason     string   `json:"reason"`
	DryRun     bool     `json:"dryRun"`
}

// The shapes of an instance id.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// maxReason bounds, in runes, the reason that is recorded.
const maxReason = 512

// parseCommand reads a command, and reports whether the event is one: an object
// with the key "command". Its errors name the field.
func parseCommand(raw []byte) (cmd command, ok bool, err error) {
	var shape struct{ Command json.RawMessage }
	_ = json.Unmarshal(raw, &shape) // what is no object is no command; the findings' parser says what is wrong with it
	if shape.Command == nil {
		return cmd, false, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cmd); err != nil {
		return cmd, true, commandError(err)
	}
	return cmd, true, cmd.check()
}

func commandError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &guardduty.EventError{Field: wrong.Field, Err: fmt.Errorf("got a JSON %s, want a %s", wrong.Value, wrong.Type)}
	}
	return &guardduty.EventError{Field: "command", Err: fmt.Errorf(
		"%w; want the fields command, instanceId, peers, reason, dryRun", err)}
}

func (c command) check() error {
	switch {
	case c.Command == "reconcile":
		return &guardduty.EventError{Field: "command", Err: errors.New("this version can't reconcile yet")}
	case c.Command == "release" || c.Command == "expire":
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf("%q is not for the function that contains", c.Command)}
	case c.Command != "contain":
		return &guardduty.EventError{Field: "command", Err: fmt.Errorf("%q is no command; want contain", guardduty.Clean(c.Command, 64))}
	case !instanceID.MatchString(c.InstanceID):
		return &guardduty.EventError{Field: "instanceId", Err: fmt.Errorf(
			"%q is no instance id; want one such as i-0123456789abcdef0", guardduty.Clean(c.InstanceID, 64))}
	}
	_, err := c.peers()
	return err
}

// peers are the addresses to deny. A prefix is refused: a person who means a whole
// network means more than this containment.
func (c command) peers() ([]guardduty.Peer, error) {
	var peers []guardduty.Peer
	for i, s := range c.Peers {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return nil, &guardduty.EventError{Field: fmt.Sprintf("peers[%d]", i), Err: fmt.Errorf(
				"%q is no IP address; want one such as 198.51.100.7, without prefix length or zone", guardduty.Clean(s, 64))}
		}
		peers = append(peers, guardduty.Peer{Addr: a.Unmap()})
	}
	return peers, nil
}

// incident is what the command asks to contain.
func (c command) incident(request string) (containment.Incident, error) {
	peers, err := c.peers()
	if err != nil {
		return containment.Incident{}, err
	}
	reason := "contained by command"
	if c.Reason != "" {
		reason += ": " + guardduty.Clean(c.Reason, maxReason)
	}
	return containment.Incident{
		Instance: c.InstanceID, Peers: peers, ByPerson: true, Reason: reason, Request: request,
	}, nil
}
