package host_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/host"
)

// Whoever may send a document can run its script and nothing else: there is nothing to
// fill in, neither as a parameter nor by SSM's own braces.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]struct {
		content map[string]any
		shell   string
		power   string
	}{
		host.IsolateName: {host.IsolateDocument(), "isolate.sh", "isolate.ps1"},
		host.RestoreName: {host.RestoreDocument(), "restore.sh", "restore.ps1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(d.content)
			if err != nil {
				t.Fatal(err)
			}
			// https://docs.aws.amazon.com/general/latest/gr/ssm.html
			const most = 64 << 10
			if len(text) > most {
				t.Errorf("%d bytes, SSM takes %d", len(text), most)
			}
			t.Logf("%d bytes", len(text))
			if strings.Contains(string(text), "{{") {
				t.Error("has {{, which SSM replaces")
			}
			type step struct {
				Name, Action string
				Precondition map[string][]string
				Inputs       struct {
					TimeoutSeconds string
					RunCommand     []string
				}
			}
			var got struct {
				SchemaVersion, Description string
				MainSteps                  []step
			}
			strict := json.NewDecoder(strings.NewReader(string(text)))
			strict.DisallowUnknownFields() // such as parameters
			if err := strict.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.SchemaVersion != "2.2" || got.Description == "" || len(got.MainSteps) != 2 {
				t.Fatalf("schema %q, description %q, %d steps", got.SchemaVersion, got.Description, len(got.MainSteps))
			}
			for i, want := range []struct{ name, action, platform, file string }{
				{"linux", "aws:runShellScript", "Linux", d.shell},
				{"windows", "aws:runPowerShellScript", "Windows", d.power},
			} {
				s := got.MainSteps[i]
				if s.Name != want.name || s.Action != want.action {
					t.Errorf("step %d is %s of %s", i, s.Name, s.Action)
				}
				if diff := cmp.Diff(map[string][]string{"StringEquals": {"platformType", want.platform}}, s.Precondition); diff != "" {
					t.Errorf("precondition of %s (-want +got):\n%s", s.Name, diff)
				}
				if s.Inputs.TimeoutSeconds != "60" {
					t.Errorf("%s may run for %q s", s.Name, s.Inputs.TimeoutSeconds)
				}
				file, err := os.ReadFile(want.file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(file), strings.Join(s.Inputs.RunCommand, "\n")+"\n"); diff != "" {
					t.Errorf("%s does not run %s (-file +step):\n%s", s.Name, want.file, diff)
				}
			}
		})
	}
}

// The scripts are plain ASCII without carriage returns: SSM and shells of all ages
// read them alike.
func TestScriptsArePlainText(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"isolate.sh", "restore.sh", "isolate.ps1", "restore.ps1"} {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range script {
			if b != '\n' && b != '\t' && (b < ' ' || b > '~') {
				t.Errorf("%s: byte %d is %#x", name, i, b)
			}
		}
	}
}

func TestShellcheck(t *testing.T) {
	t.Parallel()
	tool := inCI(t, "shellcheck")
	out, err := exec.Command(tool, "--shell=sh", "--severity=style", "isolate.sh", "restore.sh").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Every shell that is /bin/sh somewhere reads the scripts.
func TestShellsReadTheScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		tool := inCI(t, shell[0])
		for _, script := range []string{"isolate.sh", "restore.sh"} {
			args := append(shell[1:len(shell):len(shell)], "-n", script)
			if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
				t.Errorf("%s %s: %v\n%s", shell[0], script, err, out)
			}
		}
	}
}

// inCI finds a tool. CI must have it; elsewhere the test is skipped without.
func inCI(t *testing.T, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatalf("no %s: CI has Debian's package", name)
	case err != nil:
		t.Skipf("no %s: install Debian's package to run this test", name)
	}
	return file
}
