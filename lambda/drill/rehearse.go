package drill

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/packets"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
)

// A rehearsal is one drill under way.
type rehearsal struct {
	show   *screen
	before *world.World
	in     plan.Incident
	peers  []netip.Addr
	flows  []rehearsed
	main   *stage // where Tourniquet acts
	report *report

	shell     *packets.Talk     // what the intruder types on; nil when nothing stands
	neighbour *packets.Download // what must not notice; nil when there is nobody
	started   scope
}

// rehearse contains the script's instance in a simulated VPC, through the real AWS SDK,
// and releases it. With naive it swaps the groups instead, and stops.
func rehearse(ctx context.Context, p script, show *screen, naive bool) (*report, error) {
	f, before := p.finding, p.world
	decides := policy.Policy{
		Account: before.Account, Region: before.Region, MinSeverity: policy.DefaultMinSeverity, MaxContained: 1,
	}
	rules, err := defaults()
	if err != nil {
		return nil, err
	}
	decision := decides.Decide(f)
	in := plan.NewIncidents([]guardduty.Finding{f})[0]
	in.Reason = decision.Reason
	if decision.Verdict != record.Contain {
		in.Trigger = plan.ByPerson
	}
	d := &rehearsal{show: show, before: before, in: in, peers: in.Target(nil).Peers}
	defer d.started.end()
	d.report = &report{Finding: summarize(f, in), Differs: p.notes, Decision: decision, Naive: naive, Observed: []string{}, Calls: []callReport{}, Prompts: []promptReport{}}
	if len(d.peers) == 0 {
		d.peers = strangers(before, in.Instance)
		d.report.NoPeer = true
	}
	d.flows = rehearsedFlows(before, in.Instance, d.peers)
	d.open(ctx)
	show.finding(d.report)
	if d.naive(ctx); naive || ctx.Err() != nil {
		return d.report, ctx.Err()
	}
	book := &ledger.Memory{}
	if err := d.contain(ctx, decides, rules, book); err != nil {
		return nil, err
	}
	if d.minute(ctx); ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := d.forensics(ctx, book); err != nil {
		return nil, err
	}
	if p.builtin {
		if err := d.unnamed(ctx, decides, rules); err != nil {
			return nil, err
		}
	}
	return d.report, d.release(ctx, book)
}

// open opens the world's connections, and lets the intruder type on one of them.
func (d *rehearsal) open(ctx context.Context) {
	d.main = newStage(ctx, &d.started, d.before, d.show.speed)
	if d.main.net != nil {
		d.show.pass = d.main.net.Clock.Pass
	}
	d.report.ByOracle = d.main.notes
	for _, f := range d.flows {
		v := d.main.judge(ctx, f)
		d.report.Flows = append(d.report.Flows, flowReport{
			Flow: f.String(), Peer: f.attempt || concerns(d.before, f.Flow, d.in.Instance, d.peers), New: f.attempt,
			Before: v.passes, Packets: v.packet, Collateral: d.collateral(f),
		})
	}
	d.shell = d.shellOn(d.main)
	d.neighbour = d.download(ctx)
	if d.shell == nil {
		return
	}
	d.show.title("An intruder at %s has a shell on %s (%s)", d.intruder(), hostname(d.before, d.shell.Flow), d.in.Instance)
	for _, command := range []string{"id", "hostname"} {
		d.types(d.shell, whenBefore, command)
	}
	d.show.progress(d.neighbourName(), d.neighbour)
}

// collateral reports whether a flow is between a peer and somebody else.
func (d *rehearsal) collateral(f rehearsed) bool {
	peer := slices.Contains(d.peers, oracle.Behind(f.From.Addr())) || slices.Contains(d.peers, oracle.Behind(f.To.Addr()))
	return peer && !f.attempt && !concerns(d.before, f.Flow, d.in.Instance, d.peers)
}

// shellOn is the connection that the intruder types on: a peer's, over TCP if any is.
func (d *rehearsal) shellOn(s *stage) *packets.Talk {
	var any *packets.Talk
	for i, f := range d.report.Flows {
		talk := s.talks[f.Flow]
		if talk == nil || !f.Peer || !f.Before {
			continue
		}
		if d.flows[i].Protocol == world.TCP {
			return talk
		}
		if any == nil {
			any = talk
		}
	}
	return any
}

// intruder is the address at the other end of the shell.
func (d *rehearsal) intruder() netip.Addr {
	if d.before.Holder(d.shell.Flow.From.Addr()) != nil {
		return d.shell.Flow.To.Addr()
	}
	return d.shell.Flow.From.Addr()
}

// When the intruder types.
const (
	whenBefore    = "before"
	whenSwapped   = "groups swapped"
	whenContained = "contained"
)

// types has the intruder type a command.
func (d *rehearsal) types(shell *packets.Talk, when, command string) {
	p := promptReport{When: when, From: d.intruder().String(), Command: command}
	name, neighbour := d.neighbourName(), d.neighbour
	if shell != d.shell {
		name, neighbour = "", nil // the neighbour downloads in another world
	}
	d.show.prompt(p.From, command)
	answer, err := shell.Ask(command)
	if p.Answer = answer; err == nil {
		d.show.answer(answer)
	} else {
		p.Silence = err.Error()
		var stopped *packets.StoppedError
		if errors.As(err, &stopped) {
			p.Silence = stopped.Reason.String()
		}
		d.show.silence(name, neighbour, p.Silence)
	}
	d.report.Prompts = append(d.report.Prompts, p)
}

// Of the neighbour's download, some is left when the instance has been contained.
const (
	downloadBytes = 3 << 20
	downloadRate  = downloadBytes / 40 // bytes a second
)

// download starts a download of a neighbour, beside a connection that the neighbour
// has with somebody who is no peer.
func (d *rehearsal) download(ctx context.Context) *packets.Download {
	if d.main.net == nil {
		return nil
	}
	for i, f := range d.flows {
		if !d.undisturbed(i) {
			continue
		}
		more := f.Flow
		more.From = netip.AddrPortFrom(f.From.Addr(), f.From.Port()^1)
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if download, err := d.main.net.Download(ctx, more, downloadBytes, downloadRate); err == nil {
			return download
		}
		return nil
	}
	return nil
}

// undisturbed reports whether a flow is a TCP connection that somebody else in the VPC
// has opened with somebody outside who is no peer.
func (d *rehearsal) undisturbed(i int) bool {
	f, known := d.flows[i], d.report.Flows[i]
	if known.Peer || known.Collateral || !known.Before || !known.Packets || f.Protocol != world.TCP {
		return false
	}
	inside := d.before.Holder(f.From.Addr())
	return inside != nil && inside.Instance != d.in.Instance && d.before.Holder(f.To.Addr()) == nil
}

func (d *rehearsal) neighbourName() string {
	if d.neighbour == nil {
		return ""
	}
	return hostname(d.before, d.neighbour.Flow)
}

// naive swaps the groups in a copy of the world, and shows what that leaves.
func (d *rehearsal) naive(ctx context.Context) {
	var started scope
	defer started.end()
	s := newStage(ctx, &started, d.before, 1)
	d.report.Deletion = s.deleteGroups(ctx, d.in.Instance)
	if err := s.swapGroups(ctx, d.in.Instance); err != nil {
		d.report.Differs = append(d.report.Differs, fmt.Sprintf("the group swap alone fails: %s", err))
	}
	d.show.title("What most responders do: swap the security groups, and nothing else")
	d.show.line("deleting the groups instead, which EC2 refuses while they are in use: %s", d.report.deletion())
	if shell := d.shellOn(s); shell != nil {
		d.types(shell, whenSwapped, "whoami")
	}
	for i, f := range d.flows {
		v := s.judge(ctx, f)
		d.report.Flows[i].Naive = v.passes
		if d.report.Naive {
			d.report.Flows[i].Why = v.why
		}
		d.check("after the group swap alone", s, i, v)
	}
	d.lost(s)
}

// check notes where packets and oracle disagree, which would be a fault of one of them.
func (d *rehearsal) check(when string, s *stage, i int, v verdict) {
	w, f := s.server.World(), d.flows[i]
	known := oracle.Passes(w, f.Flow)
	if f.attempt {
		known = oracle.Connects(w, f.Flow)
	}
	if v.packet && known.Passes != v.passes {
		d.report.disagreements = append(d.report.disagreements,
			fmt.Sprintf("%s %s: packets %t (%s), oracle %t (%s)", f, when, v.passes, v.why, known.Passes, known.Why))
	}
}

// contain has Tourniquet answer the finding.
func (d *rehearsal) contain(ctx context.Context, decides policy.Policy, rules plan.Rules, book *ledger.Memory) error {
	responder := d.main.responder(rules, decides, &ledger.Memory{})
	seen, err := d.main.client.Observe(ctx, d.in.Target(nil))
	if err != nil {
		return fmt.Errorf("observing: %w", err)
	}
	planned, err := responder.Preview(ctx, d.in)
	if err != nil {
		return fmt.Errorf("planning: %w", err)
	}
	d.main.server.ClearLog()
	responder.Ledger = book
	start := time.Now()
	done, err := responder.Contain(ctx, d.in)
	if err != nil {
		return err
	}
	r := d.report
	r.Observed = observed(seen)
	r.Plan = answer.NewAnswer([]containment.Outcome{planned})
	r.Answer = answer.NewAnswer([]containment.Outcome{done})
	r.Calls = calls(d.main.server.Calls(), start)
	d.show.title("Tourniquet")
	d.show.changes(r)
	if d.shell != nil {
		d.types(d.shell, whenContained, "whoami")
	}
	for i, f := range d.flows {
		v := d.main.judge(ctx, f)
		r.Flows[i].After, r.Flows[i].Why = v.passes, v.why
		d.check("after Tourniquet", d.main, i, v)
	}
	return nil
}

// minute lets both ends of the peers' connections try for a minute.
func (d *rehearsal) minute(ctx context.Context) {
	if d.main.net == nil {
		return
	}
	m := &d.report.Minute
	var cut []*packets.Talk
	var before packets.Count
	for _, f := range d.report.Flows {
		if talk := d.main.talks[f.Flow]; talk != nil && f.Peer && !f.After {
			cut = append(cut, talk)
			_ = talk.Say("echo anybody there?") // a closed connection says nothing
			before = sum(before, talk.Count())
		}
	}
	d.main.net.Clock.Pass(time.Minute)
	after := packets.Count{}
	for _, talk := range cut {
		after = sum(after, talk.Count())
	}
	m.Connections, m.Arrived, m.Stopped = len(cut), after.Packets-before.Packets, after.Stopped-before.Stopped
	if d.neighbour != nil {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if err := d.neighbour.Wait(ctx); err != nil {
			m.Neighbour = fmt.Sprintf("%s lost its download: %s", d.neighbourName(), err)
		} else {
			m.Neighbour = fmt.Sprintf("%s, in the same subnet, has downloaded %d bytes, every one as it was sent", d.neighbourName(), d.neighbour.Size)
		}
	}
	d.show.minute(*m)
	d.kept()
}

func sum(a, b packets.Count) packets.Count {
	return packets.Count{Packets: a.Packets + b.Packets, Bytes: a.Bytes + b.Bytes, Stopped: a.Stopped + b.Stopped}
}
