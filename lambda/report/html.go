package report

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
)

//go:embed page.html style.css
var files embed.FS

// page escapes every text by where it stands; nothing in this package is marked as safe
// but the style sheet, which is this program's own.
var page = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"exposure": plain.Exposure, "advice": plain.Advice, "status": plain.Status, "step": stepText, "address": plain.Address,
	"exact": exact, "iso": iso, "clean": cleaned, "list": plain.List, "some": some,
}).ParseFS(files, "page.html"))

// A view is what the page shows.
type view struct {
	Document
	Style     template.CSS
	Sentence  string
	Tone      string // "good", "warn" or "bad": how the headline looks
	Facts     []fact
	Cut       []string
	Pictures  []picture
	Timeline  []moment
	Command   string
	Undo      string // what a release does, or why there is nothing to release
	Contained string // how long it took
}

type fact struct{ Name, Value string }

// Write writes the report of a document: one HTML file without scripts that loads
// nothing from anywhere.
func Write(w io.Writer, d Document) error {
	style, err := files.ReadFile("style.css")
	if err != nil {
		return fmt.Errorf("reading the style: %w", err)
	}
	v := newView(d)
	v.Style = template.CSS(style) //nolint:gosec // the program's own file
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("writing the report of %s: %w", d.Incident.Instance, err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("writing the report of %s: %w", d.Incident.Instance, err)
	}
	return nil
}

func newView(d Document) view {
	s := sceneOf(d)
	v := view{
		Document: d, Sentence: sentence(d), Tone: tone(d.Incident.Status), Cut: plain.Cut(d.Incident.Steps),
		Pictures: []picture{wide(d, s), narrow(d, s)}, Timeline: timeline(d), Undo: undo(d),
	}
	v.Facts = facts(d)
	v.Command = "tourniquet release " + d.Incident.Instance
	if d.Region != "" {
		v.Command += " --region " + cleaned(d.Region)
	}
	if d.Stack != "" && d.Stack != "Tourniquet" {
		v.Command += " --stack " + cleaned(d.Stack)
	}
	v.Command += " --reason REASON"
	return v
}

// sentence is the report in one sentence.
func sentence(d Document) string {
	i := d.Incident
	peers := plain.Count(plain.Denied(i.Steps), "remote address is", "remote addresses are") + " denied"
	left := plain.Count(len(i.Exposure), "way is", "ways are") + " left by which traffic may still flow"
	switch i.Status {
	case record.Contained:
		return fmt.Sprintf("The instance is contained: its interfaces are in quarantine and %s; %s.", peers, left)
	case record.PartiallyContained:
		return fmt.Sprintf("The instance is contained in part only. %s. See what is not done, and close it by hand.", upper(left))
	case record.Containing:
		return "The instance is being contained: some steps are not done yet."
	case record.Releasing:
		return "The instance is being released: some steps are not undone yet."
	case record.Released:
		if len(plain.Lingering(i.Steps)) > 0 {
			return "The instance is released. Some addresses stay denied until their connections cannot revive."
		}
		return "The instance is released, and what the containment did is undone."
	case record.Closed:
		return "The instance is gone, and its containment is closed."
	default:
		return "The containment was planned only: nothing was changed."
	}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func tone(s record.Status) string {
	switch s {
	case record.Contained, record.Released:
		return "good"
	case record.PartiallyContained:
		return "bad"
	default:
		return "warn"
	}
}

func facts(d Document) []fact {
	var all []fact
	add := func(name, value string) {
		if value != "" {
			all = append(all, fact{name, cleaned(value)})
		}
	}
	add("Account", d.Account)
	add("Region", d.Region)
	add("Containment", fmt.Sprintf("no. %d of this instance", d.Incident.Generation))
	if !d.Times.Opened.IsZero() {
		add("Opened", exact(d.Times.Opened))
	}
	if t := d.Times; !t.Contained.IsZero() && !t.Opened.IsZero() {
		add("Complete after", plain.Brief(t.Contained.Sub(t.Opened)))
	}
	if t := d.Times; !t.Watched.IsZero() {
		add("Flow logs", map[bool]string{true: "not quiet, or not proven yet", false: "quiet"}[t.QuietSince.IsZero()]+", read "+exact(t.Watched))
	}
	if d.ByPerson {
		add("Asked for by", "a person")
	} else {
		add("Asked for by", "an event")
	}
	return all
}

// A moment is one entry of the timeline.
type moment struct {
	Time    time.Time
	Title   string
	Text    string
	Finding string
	Changes []string
}

// verdicts say what an event of the history was.
var verdicts = map[string]string{
	string(record.Contain): "Containment", string(record.Release): "Release", string(record.Reconcile): "Reconciled",
	string(record.Expire): "Denials expired", string(record.Held): "Held back", string(record.Exempt): "Exempt",
	string(record.Sample): "Sample finding", string(record.NotActionable): "Not acted on", string(record.OtherAccount): "Not acted on",
	string(record.ObservedOnly): "Observed only", "watch": "Watched", "admit": "Forensic access",
}

// maxMoments bounds the timeline; what is left out is said.
const maxMoments = 200

// timeline is what happened, in order of time: the findings, then each decision with
// the steps and the state that a look at the network showed them in.
func timeline(d Document) []moment {
	var all []moment
	for _, f := range d.Findings {
		if !f.Seen.IsZero() {
			all = append(all, moment{Time: f.Seen, Title: "Activity seen", Text: fmt.Sprintf("%s, severity %.1f", cleaned(f.Type), f.Severity), Finding: cleaned(f.ID)})
		}
	}
	for _, e := range d.History {
		title, ok := verdicts[e.Verdict]
		if !ok {
			title = cleaned(e.Verdict)
		}
		m := moment{Time: e.Time, Title: title, Text: cleaned(e.Reason), Finding: cleaned(e.Finding)}
		for _, c := range e.Changes {
			m.Changes = append(m.Changes, change(d.Incident.Steps, c))
		}
		all = append(all, m)
	}
	if !d.Times.Contained.IsZero() {
		all = append(all, moment{Time: d.Times.Contained, Title: "Complete", Text: "A look at the network showed every step that a complete containment needs."})
	}
	if t := d.Times; !t.QuietSince.IsZero() {
		all = append(all, moment{Time: t.QuietSince, Title: "Quiet", Text: "The flow logs prove that nobody has exchanged packets with the instance since then, up to " + exact(t.Watched) + "."})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return a.Time.Compare(b.Time) })
	if n := len(all) - maxMoments; n > 0 {
		all = append(all[:1], all[n+1:]...)
		all[0].Text += fmt.Sprintf(" (%d entries after this one are left out)", n)
	}
	return all
}

// change puts a line of the history, a step's id and its state, into words.
func change(steps []answer.StepAnswer, c string) string {
	at := strings.LastIndex(c, " ")
	for _, s := range steps {
		if at > 0 && s.ID == c[:at] {
			return cleaned(c[at+1:]) + ": " + plain.Step(s)
		}
	}
	return cleaned(c)
}

// undo says what a release does.
func undo(d Document) string {
	switch d.Incident.Status {
	case record.Released:
		return "The instance is released already. With --force, the denials that linger are removed now, and their connections may revive."
	case record.Closed:
		return "The instance is gone: there is nothing to release. Its denials are removed once no connection can revive."
	case record.Observed:
		return "Nothing was changed, so that there is nothing to release."
	default:
		return "Each interface gets back exactly the groups that it had. Denials that nobody else needs stay until their connections cannot revive, and are removed then."
	}
}

// stepText is a step in words, with its note and until when it lingers.
func stepText(s answer.StepAnswer) string {
	text := plain.Step(s)
	if s.Until != "" {
		text += ", until " + cleaned(s.Until)
	}
	return text
}

// exact is a moment to the second.
func exact(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2 Jan 2006 15:04:05 UTC")
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// maxText bounds what the page repeats of others' texts, in bytes.
const maxText = 1024

// cleaned makes a text of others visible and bounded; the template escapes it.
func cleaned(s string) string { return plain.Line(s, maxText) }

func some(words []string) string { return plain.Some(words, 12) }
