package drill

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw the README's pictures anew")

// The README's pictures are what the command draws of a drill today:
//
//	go run ./lambda/tourniquet drill --svg light > lambda/drill/drill-light.svg
//	go run ./lambda/tourniquet drill --svg dark > lambda/drill/drill-dark.svg
func TestPicturesAreCurrent(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"light", "dark"} {
		code, got, errs := runCommand(t, "drill", "--svg", page)
		if code != 0 {
			t.Fatalf("exit status %d: %s", code, errs)
		}
		file := "drill-" + page + ".svg"
		if *update {
			write(t, file, got)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != got {
			t.Errorf("%s is not what the drill is today: go test ./lambda/drill -run Pictures -update", file)
		}
		wellFormed(t, file, got)
		if !strings.Contains(string(readme), "lambda/drill/"+file) {
			t.Errorf("the README doesn't show %s", file)
		}
	}
}

func wellFormed(t *testing.T, file, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %s", file, err)
		}
	}
}

// What comes from a finding or a host can't get out of the text of a picture.
func TestPictureEscapes(t *testing.T) {
	t.Parallel()
	r := report{Prompts: []promptReport{{When: whenBefore, From: "198.51.100.7", Command: `</text><script>`, Answer: "\x1b[31m&"}}}
	r.Finding.Type = `"><b>`
	got := r.picture(true)
	wellFormed(t, "picture", got)
	if strings.Contains(got, "<script>") || strings.Contains(got, "\x1b") || strings.Contains(got, "<b>") {
		t.Errorf("not escaped: %s", got)
	}
}
