package completion

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type grammar struct {
	Show struct {
		Instance string `arg:""`
		Region   string `help:"Region."`
		JSON     bool   `name:"json"`
	} `cmd:"" help:"Show one, with its 'history'."`
	Shell struct {
		Kind string `arg:"" enum:"bash,zsh"`
	} `cmd:""`
	Secret struct{} `cmd:"" hidden:""`
}

func commands(t *testing.T) []Command {
	t.Helper()
	k, err := kong.New(&grammar{})
	if err != nil {
		t.Fatal(err)
	}
	return commandsOf(k.Model)
}

func TestCommands(t *testing.T) {
	t.Parallel()
	got := commands(t)
	if len(got) != 2 || got[0].Name != "shell" || got[1].Name != "show" {
		t.Fatalf("got %+v, want shell and show", got)
	}
	if want := []string{"--help", "bash", "zsh"}; !slices.Equal(got[0].Words, want) {
		t.Errorf("shell completes with %q, want %q", got[0].Words, want)
	}
	if want := []string{"--help", "--json", "--region"}; !slices.Equal(got[1].Words, want) {
		t.Errorf("show completes with %q, want %q", got[1].Words, want)
	}
}

// In a real bash, the script completes subcommands, then their flags and words.
func TestInBash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	for line, want := range map[string]string{
		"":            "shell show --help --version",
		"sh":          "shell show",
		"show --r":    "--region",
		"shell ":      "--help bash zsh",
		"nonsense --": "",
	} {
		words := strings.Split("tourniquet "+line, " ")
		script := Script("bash", commands(t)) + "\nCOMP_WORDS=(" + quotedAll(words) + ") COMP_CWORD=" + itoa(len(words)-1) +
			"\n_tourniquet\necho \"${COMPREPLY[@]}\"\n"
		out, err := exec.Command(bash, "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("%q completes to %q, want %q", line, got, want)
		}
	}
}

func quotedAll(words []string) string {
	var all []string
	for _, w := range words {
		all = append(all, quoted(w))
	}
	return strings.Join(all, " ")
}

func itoa(n int) string { return string(rune('0' + n)) }

// The scripts of the other shells are what these shells read, where they are installed.
func TestOtherShells(t *testing.T) {
	t.Parallel()
	for shell, check := range map[string][]string{"zsh": {"-n"}, "fish": {"--no-execute"}} {
		script := Script(shell, commands(t))
		if !strings.Contains(script, "show") || strings.Contains(script, "secret") {
			t.Errorf("%s: got\n%s", shell, script)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		cmd := exec.Command(path, check...)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}
