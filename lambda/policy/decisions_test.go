package policy_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/policy"
)

var update = flag.Bool("update", false, "rewrite testdata/decisions.txt")

const (
	decisions       = "testdata/decisions.txt"
	decisionsHeader = `# What each finding of lambda/guardduty/testdata leads to, in account 111122223333, Region eu-central-1.
#
# Per finding: the verdict as configured by default, and (in brackets) with hosts of
# workloads and all types configured, where it differs; type and severity; the file. Below: each
# instance with its peers; then the reason.
#
# Rewritten by: go test ./lambda/policy -run Decisions -update
`
)

// TestDecisions compares the decision on every finding of the corpus, and the peers
// that it yields, with one table that a security engineer can review.
func TestDecisions(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"*.json", "families/*.json"} {
		some, err := filepath.Glob(filepath.Join("../guardduty/testdata", pattern))
		if err != nil || len(some) < 20 {
			t.Fatalf("%s: %d files, %v", pattern, len(some), err)
		}
		files = append(files, some...)
	}
	var b strings.Builder
	b.WriteString(decisionsHeader)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("\n" + decisionsOn(filepath.Base(file), raw))
	}
	got := b.String()
	if *update {
		if err := os.WriteFile(decisions, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(decisions)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("decisions (-want +got):\n%s", d)
	}
}

// byDefault and allConfigured are the two ends of what an operator can configure.
func byDefault() policy.Policy {
	return policy.Policy{Account: "111122223333", Region: "eu-central-1", MinSeverity: policy.DefaultMinSeverity}
}

func allConfigured() policy.Policy {
	p := byDefault()
	p.ContainHosts, p.MinSeverity = true, 1
	for _, typ := range guardduty.Types() {
		if typ.Response != guardduty.Never {
			p.Types.Add = append(p.Types.Add, typ.Name)
		}
	}
	return p
}

func decisionsOn(file string, raw []byte) string {
	var b strings.Builder
	findings, err := guardduty.ParseEvent(raw)
	var bad *guardduty.EventError
	if err != nil && !errors.As(err, &bad) {
		return "ERROR " + err.Error()
	}
	for _, f := range findings {
		d, all := byDefault().Decide(f), allConfigured().Decide(f)
		verdict := string(d.Verdict)
		if all.Verdict != d.Verdict {
			verdict += " [" + string(all.Verdict) + "]"
		}
		fmt.Fprintf(&b, "%-26s %s %.1f  (%s)\n", verdict, f.Type, f.Severity, file)
		for _, i := range f.Instances {
			fmt.Fprintf(&b, "    %s: %s\n", i.ID, peersText(i))
		}
		why := strings.TrimLeft(strings.TrimPrefix(d.Reason, fmt.Sprintf("%s, severity %.1f", f.Type, f.Severity)), ":, ")
		fmt.Fprintf(&b, "    %s\n", orElse(why, "the type is contained"))
	}
	if err != nil {
		fmt.Fprintf(&b, "%-26s %v  (%s)\n", "malformed", err, file)
	}
	return b.String()
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func peersText(i guardduty.Instance) string {
	var peers []string
	for _, p := range i.Peers {
		s := p.Addr.String()
		if p.Direction != guardduty.UnknownDirection {
			s = p.Direction.String() + " " + s
		}
		peers = append(peers, s)
	}
	for _, u := range i.UnreadablePeers {
		peers = append(peers, fmt.Sprintf("unreadable %q", u))
	}
	slices.Sort(peers)
	if len(peers) == 0 {
		return "no peers"
	}
	return strings.Join(slices.Compact(peers), ", ")
}
