package world

import (
	"fmt"
	"slices"
	"strings"
)

// Diff says how two worlds differ, one line a difference: "-" what only a has,
// "+" what only b has. Rules, entries and the like are named with what they
// belong to. It is empty when the worlds are the same.
func Diff(a, b *World) string {
	before, after := a.facts(), b.facts()
	var diff strings.Builder
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case j == len(after) || i < len(before) && before[i] < after[j]:
			fmt.Fprintf(&diff, "- %s\n", before[i])
			i++
		case i == len(before) || after[j] < before[i]:
			fmt.Fprintf(&diff, "+ %s\n", after[j])
			j++
		default:
			i, j = i+1, j+1
		}
	}
	return diff.String()
}

// facts are the lines of the full text, sorted, the indented ones preceded by
// the ID of what they belong to.
func (w *World) facts() []string {
	var facts []string
	var owner string
	for text := range strings.Lines(w.text(true)) {
		fact := strings.TrimSpace(text)
		if strings.HasPrefix(text, " ") {
			facts = append(facts, owner+": "+fact)
			continue
		}
		owner = strings.Fields(fact)[1]
		facts = append(facts, fact)
	}
	slices.Sort(facts)
	return facts
}
