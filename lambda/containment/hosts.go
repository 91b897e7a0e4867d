package containment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
)

// Hosts tells what has become of commands to hosts.
type Hosts interface {
	// Report is what is known of a command to an instance by now. A command that is not
	// known yet is awaited, and no error.
	Report(ctx context.Context, command, instance string) (network.HostReport, error)
}

// reportWait bounds how long an invocation waits to hear of a command.
const reportWait = 5 * time.Second

// hearing is what one invocation has heard of a command to a host. It asks once.
type hearing struct {
	asked bool
	said  network.HostReport
}

// of asks what has become of a command, unless the record says so already. What can't
// be learned now is asked by the next invocation.
func (h *hearing) of(ctx context.Context, hosts Hosts, instance string, was network.HostReport) (network.HostReport, error) {
	if h.asked || hosts == nil || was.Command == "" || was.Ended() {
		return h.said, nil
	}
	h.asked = true
	ctx, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	said, err := hosts.Report(ctx, was.Command, instance)
	if err != nil {
		return h.said, fmt.Errorf("asking what has become of the command to %s: %w", instance, err)
	}
	h.said = said
	return said, nil
}

// hear asks what has become of the command to the host. Only a reconcile does: a
// containment has better things to do.
func (c *containing) hear(ctx context.Context, seen *network.Network, known record.Known) {
	open := known.Open()
	if open == nil || !c.in.Trigger.Reconciles() {
		return
	}
	said, err := c.heard.of(ctx, c.r.Hosts, c.in.Instance, open.Host)
	if err != nil {
		c.rounds.warn(ctx, err)
	}
	seen.Host = said
}

// hear asks what has become of the command that takes the host's rules away, and adds
// what this invocation has sent itself.
func (c *releasing) hear(ctx context.Context, seen *network.Network, known record.Known) {
	seen.Made, seen.Refused = c.made, c.refused
	if known.Record == nil {
		return
	}
	said, err := c.heard.of(ctx, c.r.Hosts, c.ask.Instance, known.Record.Restore)
	if err != nil {
		c.rounds.warn(ctx, err)
	}
	seen.Restore = said
}

// takeDown undoes what was made beside the cut, once: it asks the host to take its own
// rules away, and deletes flow logs. Nothing waits for the host's answer: an expiry
// fetches it, and asks again where none has come.
func (c *releasing) takeDown(ctx context.Context, asks []record.Step) bool {
	if c.tookDown || len(asks) == 0 {
		return false
	}
	c.tookDown = true
	if c.isFollowed(ctx) {
		c.earlier = true
		return true
	}
	c.made, c.refused = map[string][]string{}, map[string]network.Refusal{}
	of := map[record.Kind][]record.Step{}
	for _, s := range asks {
		of[s.Kind()] = append(of[s.Kind()], s)
	}
	for kind, steps := range of {
		m := c.r.Beside[kind]
		if m == nil {
			for _, s := range steps {
				c.refused[s.ID()] = network.Refusal{Reason: "this deployment can't undo it (any more)"}
			}
			continue
		}
		for i, result := range m.Take(ctx, steps) {
			c.tookDownStep(ctx, steps[i], result)
		}
	}
	return true
}

// isFollowed reports whether another containment has followed this one, or that can't be
// read. What was made beside the cut belongs to that one then.
func (c *releasing) isFollowed(ctx context.Context) bool {
	known, err := lastOf(ctx, c.r.Ledger, c.r.LedgerWait, c.ask.Instance)
	if err != nil {
		c.rounds.warn(ctx, fmt.Errorf("looking for a newer containment of %s: %w", c.ask.Instance, err))
		return true
	}
	return known.Record != nil && known.Record.Generation > c.generation
}

func (c *releasing) tookDownStep(ctx context.Context, s record.Step, result Result) {
	if result.Err == nil {
		c.made[s.ID()] = result.Made
		return
	}
	refusal, refused := errors.AsType[network.Refusal](result.Err)
	if !refused {
		c.rounds.warn(ctx, result.Err) // a record with its request id would say something new each time
		refusal.Reason = "could not be asked"
	}
	c.refused[s.ID()] = refusal
}
