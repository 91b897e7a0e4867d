package host

import (
	"context"
	"fmt"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Isolating carries out the steps that isolate a host. It is for the function that
// faces events, which must have no means to restore one.
type Isolating struct{ *Client }

// Take sends the command of each step; see containment.Measures.
func (i Isolating) Take(ctx context.Context, steps []record.Step) []record.Result {
	return take(ctx, steps, i.SendIsolate)
}

// Restoring undoes them, for the function that a person starts.
type Restoring struct{ *Client }

// Take sends the command of each step; see containment.Measures.
func (r Restoring) Take(ctx context.Context, steps []record.Step) []record.Result {
	return take(ctx, steps, r.SendRestore)
}

// take sends one command after the other: an incident is of one host.
func take(ctx context.Context, steps []record.Step, send func(context.Context, string) (Sent, error)) []record.Result {
	results := make([]record.Result, len(steps))
	for i, s := range steps {
		step, ok := s.(record.Creation)
		if !ok || step.Of != record.KindHost {
			results[i].Err = fmt.Errorf("%s is not a command to a host", s.ID())
			continue
		}
		sent, err := send(ctx, step.Resource)
		switch {
		case err != nil:
			results[i].Err = err
		case sent.NotManaged:
			results[i].Err = network.Refusal{Reason: "Systems Manager does not manage " + step.Resource, Unmanaged: true}
		default:
			results[i].Made = []string{sent.Command}
		}
	}
	return results
}

// Report is what is known of a command by now; see containment.Hosts.
func (c *Client) Report(ctx context.Context, command, instance string) (network.HostReport, error) {
	got, err := c.Fetch(ctx, command, instance)
	if err != nil {
		return network.HostReport{}, err
	}
	r := network.HostReport{
		Command: command, State: network.HostState(got.State), Detail: got.Detail, Rules: got.Result.Rules,
		Closed: got.Result.Closed, Left: got.Result.Left, Truncated: got.Result.Truncated, Error: got.Result.Error,
	}
	for _, connection := range got.Result.Connections {
		r.Connections = append(r.Connections, connection.String())
	}
	return r, nil
}

// String is the connection as one line, in printable ASCII.
func (c Connection) String() string {
	line := fmt.Sprintf("%s %s > %s user %s process %d %s %s", c.Protocol, c.Local, c.Remote, c.User, c.Process, c.Name, c.File)
	if c.Namespace != 0 {
		line += fmt.Sprintf(" in the network namespace of %d", c.Namespace)
	}
	return line
}
