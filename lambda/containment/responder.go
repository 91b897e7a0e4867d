package containment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/guardduty"
)

// EC2 is what a containment needs of Amazon EC2.
type EC2 interface {
	// Observe reads the instance and all that decides its traffic. An instance
	// that does not exist is no error: see Network.Exists.
	Observe(ctx context.Context, t Target) (Network, error)

	// Prepare sees to it that each VPC of the interfaces has a quarantine group
	// without rules, and returns the groups by VPC. It changes nothing that is in
	// use by anybody but us.
	Prepare(ctx context.Context, seen Network) (map[string][]Quarantined, error)

	// Tag sets tags, by resource. It sets as many as it can and joins the errors.
	Tag(ctx context.Context, tags map[string]map[string]string) error

	// Apply makes all changes side by side, and returns an error for each that EC2
	// did not take, in the steps' order. A Refusal is for good; after any other
	// error, and after none, only an observation tells what became of the step.
	Apply(ctx context.Context, steps []Step) []error
}

// Ledger is the durable account of containments.
type Ledger interface {
	// Load reads the latest containment of an instance and the slots of some
	// VPCs, as of one moment after every change that Commit has reported done.
	// ErrNewerRecord when a later version of this program wrote them.
	Load(ctx context.Context, instance string, vpcs []string) (Known, error)

	// Commit writes a change, all of it or none. ErrConflict when the ledger has
	// moved on since the change was planned; ErrGuard when the change would exceed its limit.
	Commit(ctx context.Context, c Change) error

	// Note adds a line to an instance's history. The same line twice is one.
	Note(ctx context.Context, e Event) error
}

// What a Ledger's errors say to its caller.
var (
	ErrConflict    = errors.New("the ledger has moved on")
	ErrGuard       = errors.New("the blast-radius guard is reached")
	ErrNewerRecord = errors.New("the record was written by a newer version of tourniquet")
)

// The tags that Tourniquet sets, and the one by which it finds its groups.
const (
	StatusTag    = "tourniquet:status"          // on a contained instance
	PeersTag     = "tourniquet:peers"           // on one contained without the ledger: addresses, separated by spaces
	OriginalsTag = "tourniquet:original-groups" // on its interfaces: group ids, separated by spaces
	RoleTag      = "tourniquet:role"            // on quarantine groups
	RoleValue    = "quarantine"
	GroupName    = "tourniquet-quarantine"
)

// Responder contains instances.
type Responder struct {
	EC2    EC2
	Fleet  Fleet
	Ledger Ledger
	Policy Policy
	Rules  Rules
	Log    *slog.Logger
	Now    func() time.Time

	// LedgerWait bounds each call of the ledger; past it the containment goes on
	// without.
	LedgerWait time.Duration
}

// maxRounds bounds how often one invocation looks, plans and acts. Two are enough
// when nobody interferes: one to act, one to see that it worked.
const maxRounds = 12

// Contain carries out the containment of an incident: look, plan, record, apply,
// and the same again until a look shows nothing left to do. Calling it again for
// the same incident, as GuardDuty's repeats and Lambda's retries both do, makes
// only the changes still missing.
func (r *Responder) Contain(ctx context.Context, in Incident) (Outcome, error) {
	run := run{Responder: r, in: in, refused: map[string]Refusal{}, taken: taken{}}
	for round := range maxRounds {
		if err := run.look(ctx); err != nil {
			return run.stopped(fmt.Errorf("observing %s: %w", in.Instance, err))
		}
		if d := run.admit(round); d.Verdict != Contain {
			return r.decline(ctx, in, d), nil
		}
		if err := run.prepare(ctx); err != nil {
			return run.stopped(fmt.Errorf("preparing the quarantine group for %s: %w", in.Instance, err))
		}
		plan := NewPlan(in, run.seen, run.known, r.Rules)
		switch err := run.record(ctx, plan); {
		case errors.Is(err, ErrConflict): // somebody else acts on it too: look again
		case errors.Is(err, ErrGuard):
			return r.decline(ctx, in, r.held(in)), nil
		case err != nil:
			return run.stopped(fmt.Errorf("recording the plan for %s: %w", in.Instance, err))
		case len(run.pending) == 0 && !run.sure():
			continue
		case len(run.pending) == 0:
			return run.settled()
		default:
			run.apply(ctx)
		}
		if err := run.pause(ctx); err != nil {
			break
		}
	}
	return run.stopped(nil)
}

// admit judges the first look wholly; a later one may show that the instance has
// been released meanwhile.
func (c *run) admit(round int) Decision {
	if round == 0 {
		return c.Policy.Admit(c.in, c.seen, c.known)
	}
	return c.Policy.yield(c.in, c.known)
}

// sure reports whether the plan can be believed. Network and ledger are not read in
// the same instant: an entry that seems to be somebody else's may be one of ours,
// removed and given up in between. Two looks in a row tell.
func (c *run) sure() bool {
	before := c.relied
	c.relied = c.plan.Relies
	return !c.plan.Relies || before
}

// settled ends a run that has nothing left to do, unless a release that this
// containment has overtaken may still be under way: its last calls could open
// what this run has seen shut. Then a retry looks once more.
func (c *run) settled() (Outcome, error) {
	over := c.plan.Record.Released.Add(MaxInvocation)
	if !c.plan.Record.Released.IsZero() && c.Now().Before(over) {
		return c.stopped(fmt.Errorf("the release that it has overtaken may be under way until %s", clock(over)))
	}
	v := Contain
	if c.in.Repair || c.in.Adopt {
		v = Reconcile
	}
	return c.outcome(v, c.in.Reason), nil
}

// Preview plans the containment of an incident, records the plan as observed, and
// changes nothing.
func (r *Responder) Preview(ctx context.Context, in Incident) (Outcome, error) {
	run := run{Responder: r, in: in}
	for {
		if err := run.look(ctx); err != nil {
			return Outcome{}, fmt.Errorf("observing %s: %w", in.Instance, err)
		}
		if d := r.Policy.Admit(in, run.seen, run.known); d.Verdict != Contain {
			return r.decline(ctx, in, d), nil
		}
		plan := NewPlan(in, run.seen, run.known, r.Rules).observed(run.known)
		if err := run.record(ctx, plan); !errors.Is(err, ErrConflict) {
			return run.outcome(ObservedOnly, in.Reason), err
		}
		if err := run.pause(ctx); err != nil {
			return Outcome{}, err
		}
	}
}

// decline ends an incident without acting, and notes why.
func (r *Responder) decline(ctx context.Context, in Incident, d Decision) Outcome {
	out := Outcome{Instance: in.Instance, Verdict: d.Verdict, Reason: d.Reason}
	if err := r.Decline(ctx, in, d); err != nil {
		out.Warnings = append(out.Warnings, err.Error())
	}
	return out
}

// Decline notes in the ledger why an incident is not acted on.
func (r *Responder) Decline(ctx context.Context, in Incident, d Decision) error {
	ctx, cancel := context.WithTimeout(ctx, r.LedgerWait)
	defer cancel()
	e := Event{
		Instance: in.Instance, Time: r.Now(), ID: in.Request, Verdict: d.Verdict, Reason: d.Reason, Request: in.Request,
	}
	if len(in.Findings) > 0 {
		// One line for a finding as it was last seen, however often it is delivered.
		e.Finding, e.ID = in.Findings[0].ID, in.Findings[0].ID
		if seen := in.seen(); !seen.IsZero() {
			e.Time = seen
		}
	}
	if err := r.Ledger.Note(ctx, e); err != nil {
		return fmt.Errorf("noting the verdict on %s: %w", in.Instance, err)
	}
	return nil
}

func (r *Responder) held(in Incident) Decision {
	return Decision{Held, fmt.Sprintf("%s: already %d instances are contained by events; contain this one by hand if it must be",
		in.Reason, r.Policy.MaxContained)}
}

// A run is one invocation's work on one incident.
type run struct {
	*Responder
	in Incident

	seen  Network
	known Known
	plan  Plan

	looked []netip.Addr // the peers whose owners are known, or known to be nobody here
	owners map[netip.Addr]Owner

	pending    []Step
	taken      taken
	refused    map[string]Refusal
	causes     map[string]error // why a step is missing
	relied     bool             // the last plan relied on somebody else's entry
	rounds     int
	unrecorded bool
	counted    bool // the guard has let it pass without the ledger
	contained  time.Time
	applied    []string
	warnings   []string
}

// look reads network and ledger side by side. What the ledger knows may ask for
// more: other VPCs than the finding says, earlier peers.
func (c *run) look(ctx context.Context) error {
	target, vpcs := c.in.Target(c.peers()), c.in.VPCs
	if c.rounds > 0 { // the last look knows better than the finding
		vpcs = c.seen.VPCs()
		target.VPCs = vpcs
		target.Subnets = slices.Sorted(maps.Keys(c.seen.Subnets))
	}
	for {
		target.Peers = c.unknown(target.Peers)
		g, gctx := errgroup.WithContext(ctx)
		g.Go(func() (err error) {
			c.seen, err = c.EC2.Observe(gctx, target)
			return err
		})
		g.Go(func() error { return c.load(gctx, vpcs) })
		if err := g.Wait(); err != nil {
			return err
		}
		c.seen.Refused = c.refused
		c.seen.Owners = c.own(target.Peers, c.seen.Owners)
		all, seenVPCs := c.in.Target(c.peers()), c.seen.VPCs()
		if len(c.unknown(all.Peers)) == 0 && subset(seenVPCs, vpcs) {
			return nil
		}
		target.Peers, vpcs = all.Peers, seenVPCs
	}
}

// unknown are the peers whose owners this run has not looked for yet. Once is
// enough: a third of a look's calls is for them, and EC2 allows so many a second.
func (c *run) unknown(peers []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(peers), func(a netip.Addr) bool { return slices.Contains(c.looked, a) })
}

// own adds the owners of peers to those that this run has found.
func (c *run) own(peers []netip.Addr, found map[netip.Addr]Owner) map[netip.Addr]Owner {
	c.looked = append(c.looked, peers...)
	owners := maps.Clone(c.owners)
	if owners == nil {
		owners = map[netip.Addr]Owner{}
	}
	maps.Copy(owners, found)
	c.owners = owners
	return owners
}

// peers are those that the ledger has recorded.
func (c *run) peers() []guardduty.Peer {
	if open := c.known.open(); open != nil {
		return open.Peers
	}
	return nil
}

// load reads the ledger, unless an earlier call of this run failed: then the run
// itself remembers.
func (c *run) load(ctx context.Context, vpcs []string) error {
	if c.unrecorded {
		return nil
	}
	lctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	known, err := c.Ledger.Load(lctx, c.in.Instance, vpcs)
	switch {
	case errors.Is(err, ErrNewerRecord):
		return err
	case err != nil && (ctx.Err() != nil || c.in.Repair || c.in.Adopt):
		return err
	case err != nil:
		c.withoutLedger(fmt.Errorf("reading the ledger: %w", err))
		return nil
	}
	c.known = known
	return nil
}

// withoutLedger goes on without the ledger: a host that stays connected is worse
// than a record that has to be made up for later.
func (c *run) withoutLedger(err error) {
	c.unrecorded = true
	c.warnings = append(c.warnings, err.Error())
	c.Log.Error("ledger unavailable, going on without", "instance", c.in.Instance, "err", err)
}

// prepare makes the quarantine groups ready. On the usual path they are.
func (c *run) prepare(ctx context.Context) error {
	for _, vpc := range c.seen.VPCs() {
		if c.seen.ready(vpc) == "" || !c.seen.allEmpty(vpc) {
			groups, err := c.EC2.Prepare(ctx, c.seen)
			if err != nil {
				return err
			}
			c.seen.Quarantine = groups
			return nil
		}
	}
	return nil
}

// record writes the plan down, in the ledger and beside it in tags, before any of
// it is applied. One of the two must hold the originals.
func (c *run) record(ctx context.Context, plan Plan) error {
	c.plan, c.pending = plan, plan.Record.Pending()
	if err := c.count(ctx, plan); err != nil {
		return err
	}
	change := c.change(plan)
	err, tagErr := c.write(ctx, change, plan)
	if tagErr != nil {
		c.warn(fmt.Errorf("tagging: %w", tagErr))
	}
	switch {
	case decided(err):
		return err
	case c.unrecorded && tagErr != nil && len(c.pending) > 0:
		return fmt.Errorf("neither the ledger nor tags hold the originals: %w", tagErr)
	case err != nil:
		if err := c.tagsAlone(ctx, plan, err, tagErr); err != nil {
			return err
		}
	}
	if plan.Changed {
		c.known = c.known.after(change)
	}
	return nil
}

// decided reports whether an error is the ledger's own answer, not a failure to
// reach it.
func decided(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrGuard) || errors.Is(err, ErrNewerRecord)
}

// write writes to the ledger and the tags side by side. Once the ledger has the
// plan, its second copy must not hold up the cut for long.
func (c *run) write(ctx context.Context, change Change, plan Plan) (err, tagErr error) {
	tags := plan.tags(c.seen, c.unrecorded)
	tagged := make(chan error, 1)
	tctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { tagged <- c.EC2.Tag(tctx, tags) }()
	err = c.commit(ctx, change, plan.Changed)
	if err == nil && !c.unrecorded {
		defer time.AfterFunc(c.LedgerWait, stop).Stop()
	}
	return err, <-tagged
}

// tagsAlone goes on after the ledger has failed to take a plan, if the tags hold its
// originals. Reconciling doesn't: it is there to bring the ledger up to date.
func (c *run) tagsAlone(ctx context.Context, plan Plan, cause, tagErr error) error {
	if tagErr != nil || c.in.Repair || c.in.Adopt {
		return errors.Join(cause, tagErr)
	}
	c.withoutLedger(fmt.Errorf("writing the ledger: %w", cause))
	if err := c.count(ctx, plan); err != nil {
		return err
	}
	if err := c.EC2.Tag(ctx, plan.tags(c.seen, true)); err != nil {
		c.warn(fmt.Errorf("tagging: %w", err))
	}
	return nil
}

func (c *run) commit(ctx context.Context, change Change, needed bool) error {
	if !needed || c.unrecorded {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.LedgerWait)
	defer cancel()
	return c.Ledger.Commit(ctx, change)
}

func (c *run) warn(err error) {
	c.warnings = append(c.warnings, err.Error())
	c.Log.Warn("beside the containment", "instance", c.in.Instance, "err", err)
}

// apply makes the pending changes, except those that EC2 has taken and may be slow
// to show.
func (c *run) apply(ctx context.Context) {
	todo, late := c.taken.due(c.pending)
	c.causes = late
	act, stop := c.timeToAct(ctx)
	defer stop()
	for i, err := range c.EC2.Apply(act, todo) {
		id := todo[i].ID()
		refusal, refused := errors.AsType[Refusal](err)
		switch {
		case err == nil:
			c.taken[attempt(todo[i])] = 1
			c.applied = append(c.applied, id)
			if _, beside := todo[i].(Tracking); !beside {
				c.contained = c.Now()
			}
			c.Log.InfoContext(ctx, "step applied", "instance", c.in.Instance, "step", id)
		case refused:
			c.refused[id] = refusal
			c.Log.WarnContext(ctx, "step refused", "instance", c.in.Instance, "step", id, "err", err)
		default:
			c.causes[id] = err
			c.Log.WarnContext(ctx, "step failed", "instance", c.in.Instance, "step", id, "err", err)
		}
	}
}

// timeToAct ends some time before the run does, so that what has been done can
// still be read back and marked when EC2 throttles the rest.
func (c *run) timeToAct(ctx context.Context) (context.Context, context.CancelFunc) {
	const most = 10 * time.Second
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(most, time.Until(deadline)/4)))
}

// taken are the changes that EC2 took and has not been seen to show, by attempt,
// each with the rounds since.
type taken map[string]int

// due splits off the changes to make now: not those that EC2 has taken and may be
// slow to show. It says of each why it is missing.
func (t taken) due(steps []Step) (now []Step, late map[string]error) {
	const showsLate = 3 // rounds to wait before a change is made once more
	late = map[string]error{}
	for _, s := range steps {
		if n := t[attempt(s)]; n > 0 && n <= showsLate {
			t[attempt(s)]++
			late[s.ID()] = fmt.Errorf("%s: EC2 took it and does not show it", s.ID())
			continue
		}
		now = append(now, s)
	}
	return now, late
}

// attempt tells a denial that moved to another number from its first try.
func attempt(s Step) string {
	if d, ok := s.(Denial); ok {
		return fmt.Sprintf("%s at %d", d.ID(), d.Number)
	}
	return s.ID()
}

// pause waits before the next look; not before the first one after acting, and
// then longer each time, at random, so that two who got in each other's way don't again.
func (c *run) pause(ctx context.Context) error {
	c.rounds++
	if c.rounds == 1 && len(c.causes) == 0 && c.contained != (time.Time{}) {
		return ctx.Err()
	}
	return backOff(ctx, c.rounds)
}

// backOff waits before a round, longer each time, and nobody for quite as long as
// the next: what spreads them is the clock's last digits.
func backOff(ctx context.Context, round int) error {
	const least, most = 20 * time.Millisecond, 2 * time.Second
	d := min(least<<min(round, 10), most)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d/2 + time.Duration(time.Now().UnixNano()*7919%int64(d))):
		return nil
	}
}

// stopped ends a run whose work is not complete.
func (c *run) stopped(cause error) (Outcome, error) {
	e := &PartialError{Doing: "containing", Instance: c.in.Instance}
	for _, s := range c.pending {
		e.Missing = append(e.Missing, s.ID())
		if err := c.causes[s.ID()]; err != nil {
			e.Causes = append(e.Causes, err)
		}
	}
	if cause != nil {
		e.Causes = append(e.Causes, cause)
	}
	return c.outcome(Contain, c.in.Reason), e
}

func (c *run) outcome(v Verdict, reason string) Outcome {
	return Outcome{
		Instance: c.in.Instance, Verdict: v, Reason: reason, Record: c.plan.Record,
		Unrecorded: c.unrecorded, Applied: c.applied, Contained: c.contained, Warnings: c.warnings, ACLRoom: c.plan.ACLRoom,
	}
}
