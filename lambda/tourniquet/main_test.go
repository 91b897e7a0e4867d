package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tourniquet/lambda/drill"
	"tourniquet/lambda/version"
)

func runCommand(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The exit status says what became of the peers: 0 all cut, 1 one still passes.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		want int
		says string
	}{
		{[]string{"drill"}, 0, "Contained."},
		{[]string{"drill", "--naive"}, exitOpen, "NOT contained"},
	} {
		code, out, errs := runCommand(t, test.args...)
		if code != test.want || !strings.Contains(out, test.says) {
			t.Errorf("%v: exit status %d, want %d and %q: %s\n%s", test.args, code, test.want, test.says, errs, out)
		}
	}
}

func TestBadUse(t *testing.T) {
	t.Parallel()
	bad := filepath.Join(t.TempDir(), "bad.json")
	write(t, bad, `{"detail-type":"GuardDuty Finding","source":"aws.guardduty","detail":{"id":1}}`)
	broken := filepath.Join(t.TempDir(), "world.txt")
	write(t, broken, "subnet subnet-1 vpc-9 10.0.0.0/24\n")
	tests := map[string]struct {
		args []string
		says string
	}{
		"no such file":      {[]string{"drill", "nowhere.json"}, "nowhere.json"},
		"malformed finding": {[]string{"drill", bad}, "detail"},
		"malformed world":   {[]string{"drill", "--world", broken}, "line 1"},
		"no such command":   {[]string{"undo"}, "undo"},
		"a public address":  {[]string{"simulate", "--listen", "0.0.0.0:0", broken}, "line 1"},
	}
	for name, tc := range tests {
		code, _, errs := runCommand(t, tc.args...)
		if code != exitUsage || !strings.Contains(errs, tc.says) {
			t.Errorf("%s: exit status %d, %q; want %d, …%s…", name, code, errs, exitUsage, tc.says)
		}
	}
	if code, out, _ := runCommand(t, "--help"); code != 0 || !strings.Contains(out, "drill") {
		t.Errorf("--help: exit status %d, %q", code, out)
	}
}

func TestSimulateRefusesPublicAddresses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "world.txt")
	write(t, file, drill.BuiltinWorld)
	code, _, errs := runCommand(t, "simulate", file, "--listen", "0.0.0.0:4510")
	if code != exitUsage || !strings.Contains(errs, "loopback") {
		t.Errorf("exit status %d, %q; want %d and why", code, errs, exitUsage)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, errs := runCommand(t, "--version")
	if want := "tourniquet " + version.String() + "\n"; code != 0 || out != want {
		t.Errorf("exit status %d, %q (%s), want %q", code, out, errs, want)
	}
}
