package operate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
	"tourniquet/lambda/tourniquet/console"
)

// printJSON prints one document.
func printJSON(w io.Writer, doc any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("printing the document: %w", err)
	}
	return nil
}

// PrintFailure prints a failure as the one document that --json promises, where none was
// printed before it.
func PrintFailure(c *console.Console, f *Failure) error {
	if c.Printed() {
		return nil
	}
	kinds := map[int]string{ExitPart: "part", ExitRefused: "refused", ExitReach: "unreachable"}
	return printJSON(c.Out, map[string]map[string]string{
		"error": {"type": cmp.Or(f.Type, kinds[f.Code]), "message": f.Error()},
	})
}

// styleOf is how a status looks: contained is good, what needs a person is not.
func styleOf(s record.Status) lipgloss.Style {
	switch s {
	case record.Contained, record.Released:
		return console.Good
	case record.PartiallyContained:
		return console.Bad
	case record.Containing, record.Releasing:
		return console.Warn
	default:
		return console.Faint
	}
}

// printAnswer prints what a function says of one instance, for people.
func (s *session) printAnswer(w io.Writer, a answer.Answer) {
	for _, i := range a.Incidents {
		s.printIncident(w, i)
	}
	if len(a.Incidents) == 0 {
		fmt.Fprintln(w, s.console.Wrap(clean(a.Reason), "", ""))
	}
}

// printAll prints what a function says of all instances: of each one line or two, and
// more with show.
func (s *session) printAll(w io.Writer, a answer.Answer) {
	fmt.Fprintln(w, s.console.Wrap(clean(a.Reason), "", ""))
	for _, i := range a.Incidents {
		fmt.Fprintf(w, "%s  %s\n", console.Strong.Render(clean(i.Instance)), headline(i))
		s.item(w, clean(i.Reason))
		for _, warning := range i.Warnings {
			s.item(w, console.Warn.Render("warning: ")+clean(warning))
		}
	}
}

func (s *session) printIncident(w io.Writer, i answer.IncidentAnswer) {
	fmt.Fprintf(w, "%s  %s\n", console.Strong.Render(clean(i.Instance)), headline(i))
	s.item(w, clean(i.Reason))
	if i.Unrecorded {
		s.item(w, console.Bad.Render("NOT in the ledger: only the interfaces' tags hold the original groups."))
	}
	s.printSteps(w, i.Steps)
	s.printExposure(w, i.Exposure)
	for _, warning := range i.Warnings {
		s.item(w, console.Warn.Render("warning: ")+clean(warning))
	}
}

// item prints a text that is indented, and wrapped where it is too long.
func (s *session) item(w io.Writer, text string) {
	fmt.Fprintln(w, s.console.Wrap(text, "  ", "    "))
}

// headline says how an incident stands, or why nothing was done.
func headline(i answer.IncidentAnswer) string {
	if i.Verdict == record.ObservedOnly {
		return console.Warn.Render("plan only, nothing is changed")
	}
	if i.Status != "" {
		return styleOf(i.Status).Render(plain.Status(i.Status))
	}
	return console.Warn.Render(clean(string(i.Verdict)))
}

func (s *session) printSteps(w io.Writer, steps []answer.StepAnswer) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprintln(w, heading("Steps"))
	var rows [][]console.Cell
	for _, step := range steps {
		rows = append(rows, []console.Cell{
			console.Plain(" "), {Text: string(step.State), Style: styleOfStep(step.State)}, console.Plain(s.stepText(step)),
		})
	}
	fmt.Fprint(w, withoutHeader(s.console.Table([]string{"", "", ""}, rows)))
}

// stepText is what a step does, and what else there is to know of it.
func (s *session) stepText(step answer.StepAnswer) string {
	text := plain.Step(step)
	if step.State == record.Restored {
		text += ": " + clean(strings.Join(step.Before, " ")) + " again"
	}
	if step.Note != "" && step.State != record.Lingering { // why it lingers is the same for all
		text += ": " + clean(step.Note)
	}
	if step.Until != "" {
		text += ", until " + s.when(step.Until)
	}
	return text
}

func styleOfStep(state record.State) lipgloss.Style {
	switch state {
	case record.Applied, record.Restored, record.Removed:
		return console.Good
	case record.Failed, record.ChangedElsewhere:
		return console.Bad
	case record.Pending, record.Lingering:
		return console.Warn
	default:
		return console.Faint
	}
}

func (s *session) printExposure(w io.Writer, exposure []answer.ExposureAnswer) {
	if len(exposure) == 0 {
		return
	}
	fmt.Fprintln(w, heading("What may still flow"))
	for _, e := range exposure {
		s.item(w, console.Warn.Render(plain.Exposure(e.Kind))+": "+clean(e.Detail))
	}
}

func heading(text string) string { return console.Strong.Render(text) }

// withoutHeader is a table without its first line.
func withoutHeader(table string) string {
	_, rows, _ := strings.Cut(table, "\n")
	return rows
}
