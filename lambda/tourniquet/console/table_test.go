package console_test

import (
	"strings"
	"testing"

	"charm.land/lipgloss/v2"

	"tourniquet/lambda/tourniquet/console"
)

// Ids and dates stay in one piece wherever a line ends.
func TestWordsAreNotBroken(t *testing.T) {
	t.Parallel()
	const text = "contained on 2026-11-27: i-0123456789abcdef0 left sg-0123456789abcdef0, and acl-0123456789abcdef0 denies 2001:db8::/32"
	for width := 40; width <= len(text)+40; width++ {
		c := &console.Console{Width: width}
		for name, got := range map[string]string{
			"Table": c.Table([]string{"a", "b"}, [][]console.Cell{{console.Plain("x-y"), console.Plain(text)}}),
			"Wrap":  c.Wrap(text, "  ", "    "),
		} {
			words := strings.Fields(got)
			for _, want := range strings.Fields(text) {
				if !strings.Contains(" "+strings.Join(words, " ")+" ", " "+want+" ") {
					t.Errorf("%s at width %d breaks %s:\n%s", name, width, want, got)
				}
			}
			for line := range strings.Lines(got) {
				if n := lipgloss.Width(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%s at width %d has a line of %d:\n%s", name, width, n, got)
				}
			}
		}
	}
}
