package plain

import (
	"fmt"
	"strings"
	"time"

	"tourniquet/lambda/guardduty"
)

// maxWord bounds, in bytes, a kind or state that a later version may have written.
const maxWord = 64

// Line makes one bounded, visible line of a text that a finding, a host or a tag may
// have supplied: control, line-breaking, bidirectional and invisible characters
// become U+FFFD, and an address with a scheme is broken up, so that no mail client
// or chat makes a link of it. The result has at most limit bytes.
func Line(s string, limit int) string {
	return guardduty.Clean(strings.ReplaceAll(s, "://", ": //"), limit)
}

// Address is a prefix as people write it: a single address without its length.
func Address(prefix string) string {
	address, bits, ok := strings.Cut(prefix, "/")
	if ok && (bits == "128" || bits == "32" && !strings.Contains(address, ":")) {
		return address
	}
	return prefix
}

// List joins words as a sentence does: "a", "a and b", "a, b and c".
func List(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// Some joins the first words, and counts the rest.
func Some(words []string, limit int) string {
	if len(words) <= limit {
		return List(words)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:limit], ", "), len(words)-limit)
}

// Count is a number with its noun, singular or plural.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Ago says how long before now a moment was, or how far ahead it is; "never" for no
// moment.
func Ago(t, now time.Time) string {
	switch {
	case t.IsZero():
		return "never"
	case t.After(now.Add(time.Second)):
		return "in " + Span(t.Sub(now))
	case now.Sub(t) < time.Second:
		return "just now"
	default:
		return Span(now.Sub(t)) + " ago"
	}
}

// Span is a duration in its largest unit, rounded down: "3 minutes", "2 days".
func Span(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= unit.length {
			return Count(int(d/unit.length), unit.name, unit.name+"s")
		}
	}
	return Count(max(int(d/time.Second), 1), "second", "seconds")
}

// Brief is a short duration with its digits, such as the time to contain: "143 ms",
// "2.5 s"; longer ones are spans.
func Brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", max(d.Milliseconds(), 1))
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return Span(d)
	}
}
