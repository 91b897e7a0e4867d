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

// Table sets rows under headers in columns that fit the width; what is too long goes
// on below.
func (c *Console) Table(headers []string, rows [][]Cell) string {
	texts := make([][]string, len(rows))
	for i, row := range rows {
		for _, cell := range row {
			texts[i] = append(texts[i], cell.Text)
		}
	}
	t := table.New().
		Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).BorderRow(false).Wrap(true).
		Headers(headers...).Rows(texts...).
		StyleFunc(func(row, col int) lipgloss.Style {
			style := lipgloss.NewStyle()
			switch {
			case row == table.HeaderRow:
				style = Faint
			case row < len(rows) && col < len(rows[row]):
				style = rows[row][col].Style
			}
			if col < len(headers)-1 {
				style = style.PaddingRight(2)
			}
			return style
		})
	if text := t.Render(); lipgloss.Width(text) <= c.Width {
		return trimmed(text)
	}
	return trimmed(t.Width(c.Width).Render())
}

// trimmed is a text without blanks at the ends of its lines.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// Wrap breaks a text into lines that fit the width, each after the first indented.
func (c *Console) Wrap(text string, first, indent string) string {
	width := max(c.Width-lipgloss.Width(first), 20)
	lines := strings.Split(lipgloss.NewStyle().Width(width).Render(text), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return first + strings.Join(lines, "\n"+indent)
}
