package main

import (
	"os"
	"strings"
	"testing"
)

// The README's transcript is what the drill prints, with parts left out.
func TestREADMEShowsTheDrill(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(readme), "$ go run ./lambda/tourniquet drill\n")
	transcript, _, ended := strings.Cut(rest, "```")
	code, out, errs := runCommand(t, "drill")
	if !begun || !ended || code != 0 {
		t.Fatalf("transcript found: %v; exit status %d: %s", begun && ended, code, errs)
	}
	printed := map[string]bool{"…": true}
	for line := range strings.Lines(out) {
		printed[strings.TrimRight(line, " \n")] = true
	}
	for line := range strings.Lines(transcript) {
		if !printed[strings.TrimRight(line, " \n")] {
			t.Errorf("the drill doesn't print %q", line)
		}
	}
}
