package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the Markdown files of the repository, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*.md", ".github/*.md", "infra/*.md", "lambda/*.md", "lambda/*/*.md"} {
		paths, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel("..", path)
			texts[name] = string(b)
		}
	}
	return texts
}

// TestREADMEIsShort: who reads only one page reads this one.
func TestREADMEIsShort(t *testing.T) {
	if n := strings.Count(documents(t)["README.md"], "\n"); n == 0 || n > 120 {
		t.Errorf("README.md has %d lines, want at most 120", n)
	}
}

// link is a Markdown link to a file or a heading, heading a line of headings.
var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
)

// TestLinks: each link within the repository has a file and a heading at its end.
func TestLinks(t *testing.T) {
	all := documents(t)
	seen := 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") {
				continue
			}
			seen++
			path, anchor, _ := strings.Cut(target, "#")
			to := name
			if path != "" {
				to = filepath.Join(filepath.Dir(name), path)
			}
			if _, err := os.Stat(filepath.Join("..", to)); err != nil {
				t.Errorf("%s: nothing is at the end of %s", name, target)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(all[to]), anchor) {
				t.Errorf("%s: %s has no heading #%s", name, to, anchor)
			}
		}
	}
	if seen < 10 {
		t.Errorf("found only %d links within the repository", seen)
	}
}

// anchors are what GitHub calls the headings of a text.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				b.WriteRune(r)
			}
		}
		all = append(all, b.String())
	}
	return all
}

// invocation is a command line, over several lines, that invokes a function.
var invocation = regexp.MustCompile(`(?m)^.*aws lambda invoke\b(?:.*\\\n)*.*$`)

// TestInvocationsRunOnce: the AWS CLI waits 60 s for an answer and then sends the
// command again, while a function may take 120 s. So no command that we document may
// go without a longer wait and with a second attempt.
// https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-options.html
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
func TestInvocationsRunOnce(t *testing.T) {
	seen := 0
	for name, text := range documents(t) {
		for _, block := range codeBlocks(text) {
			for _, command := range invocation.FindAllString(block, -1) {
				seen++
				if !strings.Contains(command, "AWS_MAX_ATTEMPTS=1 aws") || !strings.Contains(command, "--cli-read-timeout 180") {
					t.Errorf("%s: may run twice:\n%s", name, command)
				}
			}
		}
	}
	if seen == 0 { // most of what was documented so is done by the command tourniquet now
		t.Error("found no command")
	}
	if runsTwice := "aws lambda invoke --function-name f \\\n  --payload '{}' /dev/stdout"; invocation.FindString(runsTwice) != runsTwice {
		t.Errorf("doesn't see all of %q", runsTwice)
	}
}

// codeBlocks are the parts of a text between fences.
func codeBlocks(text string) []string {
	var blocks []string
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 {
			blocks = append(blocks, part)
		}
	}
	return blocks
}

// TestRunbook: each alarm has a section that says what to do, and there is none of
// an alarm that is gone.
func TestRunbook(t *testing.T) {
	var names []string
	for _, a := range plain(t).of("AWS::CloudWatch::Alarm") {
		names = append(names, fmt.Sprint(a.Properties["AlarmName"]))
	}
	slices.Sort(names)
	var sections []string
	for _, m := range regexp.MustCompile("(?m)^### `(tourniquet-[a-z-]+)`$").FindAllStringSubmatch(documents(t)["lambda/README.md"], -1) {
		sections = append(sections, m[1])
	}
	slices.Sort(sections)
	if !slices.Equal(names, sections) {
		t.Errorf("the stack has the alarms %v\nlambda/README.md has sections on %v", names, sections)
	}
}

// TestDeploymentPermissions: infra/README.md names each service in which the stack
// makes something, and no other.
func TestDeploymentPermissions(t *testing.T) {
	services := map[string]bool{}
	for _, stack := range []stackUnderTest{plain(t), withOptions(t)} {
		for _, r := range stack.Resources {
			services[strings.Join(strings.Split(r.Type, "::")[:2], "::")] = true
		}
	}
	want := slices.Sorted(maps.Keys(services))
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(AWS::[A-Za-z]+)` \\|").FindAllStringSubmatch(documents(t)["infra/README.md"], -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("infra/README.md names %v\nthe stack makes resources of %v", got, want)
	}
}
