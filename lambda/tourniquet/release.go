package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

// A releaseReport shows how the containment is undone: released after an hour, and
// its denials expired when no flow can be tracked any more.
type releaseReport struct {
	Answer  answer.Answer  `json:"answer"`
	Expired answer.Answer  `json:"expired"`
	Flows   []releasedFlow `json:"flows"`
	Left    []string       `json:"left"` // what the world has that it had not before
}

// A releasedFlow says whether a flow passes once the instance is released, and
// once its denials have expired.
type releasedFlow struct {
	Flow     string `json:"flow"`
	Peer     bool   `json:"peer"`
	Released bool   `json:"released"`
	Expired  bool   `json:"expired"`
	Why      string `json:"why"` // of Expired: what passes by then, the restored groups let pass
}

// When the drill releases, and when it lets denials expire: after the longest time
// that EC2 tracks an idle flow.
const (
	releasedAfter = time.Hour
	expiredAfter  = network.DefaultTracking
)

// release undoes the containment as the release function would.
func release(ctx context.Context, in plan.Incident, before *world.World, server *simvpc.Server, client *vpc.Client, book *ledger.Memory) (releaseReport, error) {
	now := time.Now().Add(releasedAfter)
	releaser := &containment.Releaser{
		EC2: &vpc.Reverter{Client: client}, Ledger: book, Book: book, Leases: book, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return now }, LedgerWait: time.Second,
	}
	server.Edit(func(w *world.World) { oracle.Advance(w, releasedAfter) })
	out, err := releaser.Release(ctx, containment.Ask{Instance: in.Instance, Reason: "released by the drill", Request: "drill"})
	if err != nil {
		return releaseReport{}, fmt.Errorf("releasing: %w", err)
	}
	released := server.World()
	now = now.Add(expiredAfter)
	server.Edit(func(w *world.World) { oracle.Advance(w, expiredAfter) })
	expired, err := releaser.Expire(ctx, "drill")
	if err != nil {
		return releaseReport{}, fmt.Errorf("expiring: %w", err)
	}
	after := server.World()
	r := releaseReport{
		Answer: answer.NewAnswer([]containment.Outcome{out}), Expired: answer.NewAnswer(expired), Left: []string{},
	}
	peers := in.Target(nil).Peers
	for _, f := range before.Flows {
		v := oracle.Passes(after, *f)
		r.Flows = append(r.Flows, releasedFlow{
			f.String(), concerns(before, *f, in.Instance, peers), oracle.Passes(released, *f).Passes, v.Passes, v.Why,
		})
	}
	for _, f := range attempts(before, in.Instance, peers) {
		v := oracle.Connects(after, f)
		r.Flows = append(r.Flows, releasedFlow{"new " + f.String(), true, oracle.Connects(released, f).Passes, v.Passes, v.Why})
	}
	then := before.Clone()
	then.Flows, after.Flows = nil, nil // time has passed for them
	for line := range strings.Lines(world.Diff(then, after)) {
		r.Left = append(r.Left, strings.TrimSpace(line))
	}
	return r, nil
}

func (r releaseReport) print(b *strings.Builder) {
	fmt.Fprintf(b, "\n7. Released after an hour; denials expired %d days later, when EC2 tracks none of the old connections any more\n",
		expiredAfter/(24*time.Hour))
	for _, i := range r.Answer.Incidents {
		for _, s := range i.Steps {
			fmt.Fprintf(b, "   %s\n", undone(s))
		}
	}
	for _, i := range r.Expired.Incidents {
		fmt.Fprintf(b, "   then expire: %s\n", tally(i.Steps))
	}
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "   \treleased\tdenials expired\t")
	for _, f := range r.Flows {
		mark := " "
		if f.Peer {
			mark = "!"
		}
		fmt.Fprintf(w, " %s %s\t%s\t%s\t%s\n", mark, f.Flow, passes(f.Released), passes(f.Expired), f.Why)
	}
	_ = w.Flush() // a strings.Builder takes everything
	if len(r.Left) == 0 {
		b.WriteString("   every group and ACL entry is as it was before\n")
	}
	for _, line := range r.Left {
		fmt.Fprintf(b, "   differs from before: %s\n", line)
	}
}

// undone is what a release has made of a step.
func undone(s answer.StepAnswer) string {
	what := fmt.Sprintf("%s %s: groups %s", s.State, s.Resource, strings.Join(s.Before, " "))
	switch s.Kind {
	case record.KindTracking:
		what = fmt.Sprintf("%s the tracking timeouts of %s", s.State, s.Resource)
	case record.KindDenial:
		what = fmt.Sprintf("%s the denial of %s in %s, %s rule %d", s.State, s.Prefix, s.Resource, s.Direction, s.Number)
	}
	if s.Until != "" {
		what += " until " + s.Until
	}
	return what
}

// tally counts steps by their state.
func tally(steps []answer.StepAnswer) string {
	counts := map[record.State]int{}
	var order []record.State
	for _, s := range steps {
		if counts[s.State] == 0 {
			order = append(order, s.State)
		}
		counts[s.State]++
	}
	var parts []string
	for _, s := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
	}
	return strings.Join(parts, ", ")
}
