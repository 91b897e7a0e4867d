package drill

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"unicode/utf8"

	"tourniquet/lambda/record"
)

// A palette is the colours of a picture, by what they mean.
type palette struct{ page, frame, text, dim, bad, good, bold string }

var (
	lightPage = palette{"#ffffff", "#d0d7de", "#1f2328", "#59636e", "#c01c28", "#116329", "#0a3069"}
	darkPage  = palette{"#0d1117", "#30363d", "#e6edf3", "#9198a1", "#ff7b72", "#56d364", "#79c0ff"}
)

// A span is text of one colour.
type span struct{ colour, text string }

// Sizes of a picture, in pixels.
const (
	charWidth  = 7.8 // of a monospace font at this size
	lineHeight = 18
	fontSize   = 13
	margin     = 16
)

// picture is an SVG of the drill: what the intruder typed, and what still passes. It
// has what is the same in every drill only, so no times and no counts of packets.
func (r *report) picture(dark bool) string {
	p := lightPage
	if dark {
		p = darkPage
	}
	lines := r.pictureLines(p)
	longest := 0
	for _, l := range lines {
		n := 0
		for _, s := range l {
			n += utf8.RuneCountInString(s.text)
		}
		longest = max(longest, n)
	}
	width, height := int(float64(longest)*charWidth)+2*margin, len(lines)*lineHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title">
<title id="title">%s</title>
<rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="%s" stroke="%s"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="%d">
`, width, height, width, height, html.EscapeString(r.verdict()), width-1, height-1, p.page, p.frame, fontSize)
	for i, l := range lines {
		column := 0
		for _, s := range l {
			if strings.TrimSpace(s.text) != "" {
				fmt.Fprintf(&b, `<text xml:space="preserve" x="%.1f" y="%d" fill="%s" textLength="%.1f">%s</text>`+"\n",
					margin+float64(column)*charWidth, margin+fontSize+i*lineHeight, s.colour,
					float64(utf8.RuneCountInString(s.text))*charWidth, html.EscapeString(s.text))
			}
			column += utf8.RuneCountInString(s.text)
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

func (r *report) pictureLines(p palette) [][]span {
	var lines [][]span
	line := func(spans ...span) { lines = append(lines, spans) }
	title := func(text string) {
		if len(lines) > 0 {
			line()
		}
		line(span{p.bold, text})
	}
	typed := func(when string) {
		for _, q := range r.Prompts {
			if q.When != when {
				continue
			}
			line(span{p.bad, "  " + q.From + " $ "}, span{p.text, clean(q.Command)})
			if q.Answer != "" {
				line(span{p.bad, "  " + clean(q.Answer)})
				continue
			}
			why := strings.TrimSuffix(strings.TrimSuffix(q.Silence, " in"), " out") // either comes first
			why = strings.TrimSuffix(why, ",")
			line(span{p.good, "  no answer: " + clean(why)})
		}
	}
	title("An intruder has a shell on " + r.Finding.Instance)
	typed(whenBefore)
	title(fmt.Sprintf("GuardDuty: %s, severity %.1f", clean(r.Finding.Type), r.Finding.Severity))
	title("What most responders do: swap the security groups, and nothing else")
	typed(whenSwapped)
	if e := r.Evidence; e != nil {
		line(span{p.bad, fmt.Sprintf("  ten minutes later, as its Auto Scaling group sees it: %s", e.Alone)})
	}
	title("Tourniquet")
	for _, s := range r.pictureSteps() {
		line(span{p.dim, "  " + s})
	}
	typed(whenContained)
	title("A minute later")
	line(span{p.good, fmt.Sprintf("  the cut connections go on sending: %d of their packets arrive", r.Minute.Arrived)})
	if r.Minute.Neighbour != "" {
		line(span{p.good, "  " + clean(r.Minute.Neighbour)})
	}
	if e := r.Evidence; e != nil {
		line(span{p.good, fmt.Sprintf("  ten minutes later, in its Auto Scaling group: %s", e.Kept)})
	}
	if u := r.Unnamed; u != nil {
		title("A finding that names no peer: " + clean(u.Finding.Type) + "; the groups are swapped")
		typed(whenUnnamedSwapped)
		line(span{p.dim, "  and Tourniquet has the host let nothing pass"})
		typed(whenUnnamedContained)
	}
	line()
	lines = append(lines, r.pictureTable(p)...)
	line()
	line(span{p.bold, r.verdict()})
	return lines
}

// pictureSteps are the steps of the containment, in words.
func (r *report) pictureSteps() []string {
	var interfaces, denials []string
	for _, i := range r.Answer.Incidents {
		for _, s := range i.Steps {
			switch {
			case s.Kind == record.KindQuarantine:
				interfaces = append(interfaces, s.Resource)
			case s.Kind == record.KindDenial && !slices.Contains(denials, s.Prefix+" in "+s.Resource):
				denials = append(denials, s.Prefix+" in "+s.Resource)
			}
		}
	}
	slices.Sort(interfaces)
	slices.Sort(denials)
	lines := []string{"quarantine " + strings.Join(slices.Compact(interfaces), " ")}
	for _, d := range denials {
		lines = append(lines, "deny "+d+", both ways")
	}
	return lines
}

// pictureTable is the table of flows, without the reasons.
func (r *report) pictureTable(p palette) [][]span {
	words := map[string]string{red: p.bad, green: p.good, "": p.text}
	columns := r.columns()
	longest := 0
	for _, f := range r.Flows {
		longest = max(longest, utf8.RuneCountInString(f.Flow))
	}
	pad := func(text string, n int) string {
		return text + strings.Repeat(" ", max(1, n-utf8.RuneCountInString(text)))
	}
	head := []span{{p.dim, pad("", longest+4)}}
	for _, c := range columns {
		head = append(head, span{p.dim, pad(c.head, c.width)})
	}
	lines := [][]span{head}
	for _, f := range r.Flows {
		row := []span{{p.text, pad(f.mark()+f.Flow, longest+4)}}
		for _, c := range columns {
			word := c.cell(f)
			row = append(row, span{words[word.colour], pad(word.text, c.width)})
		}
		lines = append(lines, row)
	}
	return append(lines, []span{{p.dim, "! with the finding's peer; ~ a neighbour's, with that peer: a denial is for the whole subnet"}})
}
