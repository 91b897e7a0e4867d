package main

import (
	"flag"
	"os"
	"testing"

	"tourniquet/lambda/internal/readme"
)

var update = flag.Bool("update", false, "rewrite the golden files and the README's transcript")

// README.md has the transcript of the incident that the integration test goes through.
func TestREADMEHasTheTranscript(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/incident.txt")
	if err != nil {
		t.Fatal(err)
	}
	readme.Check(t, "../README.md", "incident", "lambda/tourniquet", "```\n"+string(text)+"```\n", *update)
}
