package operate

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/network"
	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
	"tourniquet/lambda/report"
	"tourniquet/lambda/tourniquet/console"
	"tourniquet/lambda/vpc"
)

// ShowCmd shows one containment.
type ShowCmd struct {
	Flags
	Target
	Generation int `help:"An earlier containment of the instance: 1 is its first. The latest when left out." placeholder:"N"`
}

// Run reads the ledger and EC2, and prints what is known.
func (cmd *ShowCmd) Run(ctx context.Context, c *console.Console) error {
	s, st, err := ready(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	d, err := s.document(ctx, st, cmd.Instance, cmd.Generation)
	if err != nil {
		return err
	}
	if cmd.JSON {
		return printJSON(c.Out, d)
	}
	s.printDocument(c.Out, d)
	return nil
}

// document is all that the ledger and EC2 show of one containment.
func (s *session) document(ctx context.Context, st stack, instance string, generation int) (report.Document, error) {
	rec, history, err := s.recorded(ctx, st, instance, generation)
	if err != nil {
		return report.Document{}, err
	}
	d := report.New(rec, history, s.console.Now())
	d.Region, d.Stack = s.aws.Region, s.flags.Stack
	s.observe(ctx, rec, &d)
	return d, nil
}

// recorded reads a containment and the instance's history side by side.
func (s *session) recorded(ctx context.Context, st stack, instance string, generation int) (record.Record, []record.Event, error) {
	book := s.ledger(st)
	var rec *record.Record
	var history []record.Event
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if generation > 0 {
			rec, err = book.Containment(gctx, instance, generation)
			return err
		}
		known, err := book.Load(gctx, instance, nil)
		rec = known.Record
		return err
	})
	g.Go(func() (err error) { history, err = book.History(gctx, instance); return err })
	if err := g.Wait(); err != nil {
		return record.Record{}, nil, s.explain("reading the ledger", err)
	}
	switch {
	case rec != nil:
		return *rec, history, nil
	case generation > 0:
		return record.Record{}, nil, refused("%s has no containment %d on record in %s", "Its latest: "+s.line("show", instance), instance, generation, s.aws.Region)
	case len(history) > 0:
		last := history[len(history)-1]
		return record.Record{}, nil, refused("%s has never been contained in %s; its history ends with: %s, %s (%s)", "",
			instance, s.aws.Region, string(last.Verdict), clean(last.Reason), plain.Ago(last.Time, s.console.Now()))
	default:
		return record.Record{}, nil, refused("%s is unknown to the ledger in %s", "Is it in another Region or account? See what is contained with: "+s.line("list", ""), instance, s.aws.Region)
	}
}

// observe adds what EC2 shows, as far as the caller may read it.
func (s *session) observe(ctx context.Context, rec record.Record, d *report.Document) {
	var seen network.Network
	var failed error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		t := rec.Target()
		t.Groups = nil // they are looked at more closely beside this
		seen, failed = vpc.New(s.aws).Observe(gctx, t)
		return nil
	})
	g.Go(func() error {
		d.Originals = s.originals(gctx, rec)
		return nil
	})
	_ = g.Wait() // neither fails: what can't be read is said
	if failed != nil {
		d.Unread = append(d.Unread, s.explain("reading the instance's network in EC2", failed).Error())
		return
	}
	d.Observe(seen)
	if !seen.Exists() {
		d.Unread = append(d.Unread, fmt.Sprintf("EC2 does not know %s any more", rec.Instance))
	}
}

// when is a moment in words, with its date where it is further away than a day.
func (s *session) when(rfc string) string {
	t, err := time.Parse(time.RFC3339, rfc)
	if err != nil {
		return clean(rfc)
	}
	return s.moment(t)
}

func (s *session) moment(t time.Time) string {
	now := s.console.Now()
	words := plain.Ago(t, now)
	if d := now.Sub(t); d.Abs() >= 24*time.Hour {
		return t.UTC().Format("2006-01-02 15:04 UTC") + " (" + words + ")"
	}
	return words
}

// printDocument prints a containment for people.
func (s *session) printDocument(w io.Writer, d report.Document) {
	i := d.Incident
	fmt.Fprintf(w, "%s  %s  %s\n", console.Strong.Render(i.Instance), plain.Line(d.Name, 64), styleOf(i.Status).Render(plain.Status(i.Status)))
	s.printFacts(w, d)
	s.printCut(w, d)
	s.printExposure(w, i.Exposure)
	s.printSteps(w, i.Steps)
	s.printOriginals(w, d)
	s.printPeers(w, d)
	s.printHistory(w, d)
	for _, u := range d.Unread {
		s.item(w, console.Warn.Render("not shown: ")+u)
	}
	s.printNext(w, d)
}

func (s *session) printFacts(w io.Writer, d report.Document) {
	facts := []string{fmt.Sprintf("containment %d, opened %s by %s", d.Incident.Generation, s.moment(d.Times.Opened), opener(d))}
	if !d.Times.Contained.IsZero() {
		facts = append(facts, "complete after "+plain.Brief(d.Times.Contained.Sub(d.Times.Opened)))
	}
	if !d.Times.QuietSince.IsZero() {
		facts = append(facts, "quiet by the flow logs since "+s.moment(d.Times.QuietSince))
	}
	if !d.Times.Released.IsZero() {
		facts = append(facts, "release asked for "+s.moment(d.Times.Released))
	}
	fmt.Fprintln(w, s.console.Wrap(strings.Join(facts, ", "), "  ", "  "))
	if d.Incident.Reason != "" {
		fmt.Fprintln(w, s.console.Wrap(clean(d.Incident.Reason), "  ", "  "))
	}
	for _, f := range d.Findings {
		fmt.Fprintln(w, s.console.Wrap(fmt.Sprintf("finding %s: %s, severity %.1f, last seen %s", clean(f.ID), clean(f.Type), f.Severity, plain.Ago(f.Seen, s.console.Now())), "  ", "  "))
	}
}

func opener(d report.Document) string {
	if d.ByPerson {
		return "a person"
	}
	return "an event"
}

func (s *session) printCut(w io.Writer, d report.Document) {
	lines := plain.Cut(d.Incident.Steps)
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(w, heading("What is cut"))
	for _, line := range lines {
		s.item(w, line)
	}
}

func (s *session) printOriginals(w io.Writer, d report.Document) {
	if len(d.Originals) == 0 {
		return
	}
	fmt.Fprintln(w, heading("Original groups, for the release"))
	for _, g := range d.Originals {
		s.item(w, originalText(g))
	}
}

// originalText says of a group who else uses it, and what it opens to the world.
func originalText(g report.Group) string {
	name := clean(g.ID)
	if g.Name != "" {
		name += " (" + plain.Line(g.Name, 64) + ")"
	}
	switch {
	case g.Unread != "":
		return name + ": " + g.Unread
	case g.Gone:
		return name + ": does not exist any more, so that a release leaves it out"
	}
	text := name + ": used by nobody else"
	if len(g.UsedBy) > 0 {
		text = fmt.Sprintf("%s: also used by %s", name, plain.Some(g.UsedBy, 4))
	}
	if len(g.OpenToWorld) > 0 {
		return text + "; " + console.Warn.Render("open to the world: "+plain.Some(g.OpenToWorld, 6))
	}
	return text + "; open to nobody in the whole world"
}

func (s *session) printPeers(w io.Writer, d report.Document) {
	if len(d.Peers) == 0 {
		return
	}
	fmt.Fprintln(w, heading("Peers"))
	var rows [][]console.Cell
	for _, p := range d.Peers {
		state := console.Cell{Text: "not denied", Style: console.Warn}
		if p.Denied {
			state = console.Cell{Text: "denied", Style: console.Good}
		}
		rows = append(rows, []console.Cell{console.Plain(" "), console.Plain(clean(p.Address)), state, console.Plain(peerText(p))})
	}
	fmt.Fprint(w, withoutHeader(s.console.Table([]string{"", "", "", ""}, rows)))
}

func peerText(p report.Peer) string {
	var words []string
	for _, word := range []string{strings.ToLower(p.Direction), p.Protocol} {
		if word != "" {
			words = append(words, clean(word))
		}
	}
	if p.RemotePort > 0 {
		words = append(words, fmt.Sprintf("remote port %d", p.RemotePort))
	}
	if p.LocalPort > 0 {
		words = append(words, fmt.Sprintf("local port %d", p.LocalPort))
	}
	return strings.Join(words, " ")
}

// maxHistory is how many lines of the history are shown; --json has all.
const maxHistory = 20

func (s *session) printHistory(w io.Writer, d report.Document) {
	if len(d.History) == 0 {
		return
	}
	fmt.Fprintln(w, heading("History"))
	shown := d.History
	if len(shown) > maxHistory {
		fmt.Fprintf(w, "  %d earlier lines are in --json\n", len(shown)-maxHistory)
		shown = shown[len(shown)-maxHistory:]
	}
	var rows [][]console.Cell
	for _, e := range shown {
		text := clean(e.Reason)
		if len(e.Changes) > 0 {
			text += " (" + plain.Count(len(e.Changes), "change", "changes") + ")"
		}
		rows = append(rows, []console.Cell{
			console.Plain(" "), {Text: plain.Ago(e.Time, s.console.Now()), Style: console.Faint}, console.Plain(clean(e.Verdict)), console.Plain(text),
		})
	}
	fmt.Fprint(w, withoutHeader(s.console.Table([]string{"", "", "", ""}, rows)))
}

func (s *session) printNext(w io.Writer, d report.Document) {
	if d.Incident.Status.Open() {
		fmt.Fprintf(w, "%s\n  %s\n", heading("Release it"), s.line("release", d.Incident.Instance, "--reason", "REASON"))
	}
	fmt.Fprintf(w, "%s\n  %s\n", heading("Write it down"), s.line("report", d.Incident.Instance))
}
