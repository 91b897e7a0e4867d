package console

import (
	"strings"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// A Cell is a text of a table and how it looks.
type Cell struct {
	Text  string
	Style lipgloss.Style
}

// Plain is a cell in no style.
func Plain(text string) Cell { return Cell{Text: text} }

// gap is the room between columns, and least the room that the last one needs.
const gap, least = 2, 8

// Table sets rows under headers. The last column takes the room that the others leave,
// and goes on below where it is too long for it; where there is next to none, all
// columns give way.
func (c *Console) Table(headers []string, rows [][]Cell) string {
	texts, widths := measure(headers, rows)
	last, taken := len(headers)-1, 0
	for _, w := range widths[:last] {
		taken += w + gap
	}
	fits := taken+least <= c.Width
	widths[last] = min(widths[last], c.Width-taken)
	t := table.New().
		Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).BorderRow(false).Wrap(true).
		Headers(headers...).Rows(texts...).
		StyleFunc(func(row, col int) lipgloss.Style {
			style, room := Faint, 0
			if row != table.HeaderRow {
				style = rows[row][col].Style
			}
			if col < last {
				room = gap
			}
			style = style.PaddingRight(room)
			if fits {
				style = style.Width(widths[col] + room)
			}
			return style
		})
	if !fits {
		t = t.Width(c.Width)
	}
	return trimmed(loose(t.Render()))
}

// The library ends lines at hyphens, and not at this one, which is as wide. One that a text
// has itself is shown as a hyphen.
const hyphen, held = "-", "\u2011"

// hold keeps a text's hyphens from ending a line: an id or a date that goes over two
// lines can't be copied, nor searched for.
func hold(text string) string { return strings.ReplaceAll(text, hyphen, held) }

func loose(text string) string { return strings.ReplaceAll(text, held, hyphen) }

// measure takes the texts out of rows, and the width of each column.
func measure(headers []string, rows [][]Cell) (texts [][]string, widths []int) {
	for _, h := range headers {
		widths = append(widths, lipgloss.Width(h))
	}
	for _, row := range rows {
		var line []string
		for n, cell := range row {
			line = append(line, hold(cell.Text))
			widths[n] = max(widths[n], lipgloss.Width(cell.Text))
		}
		texts = append(texts, line)
	}
	return texts, widths
}

// trimmed is a text without blanks at the ends of its lines.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// Wrap breaks a text into lines that fit the width behind what they begin with: the
// first with one text, the others with another.
func (c *Console) Wrap(text, first, others string) string {
	width := max(c.Width-max(lipgloss.Width(first), lipgloss.Width(others)), least)
	lines := strings.Split(loose(lipgloss.NewStyle().Width(width).Render(hold(text))), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return first + strings.Join(lines, "\n"+others)
}
