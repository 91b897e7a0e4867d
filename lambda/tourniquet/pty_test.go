package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"tourniquet/lambda/record"
	"tourniquet/lambda/tourniquet/internal/account"
)

// built is the command, built once for the tests that need a process of it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "tourniquet")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "tourniquet")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// A session is the command in a pseudo-terminal.
type session struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	mu   sync.Mutex
	seen bytes.Buffer
	read chan struct{} // closed when the terminal is
}

// inTerminal starts the command in a terminal of a width.
func inTerminal(t *testing.T, columns uint16, env []string, args ...string) *session {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = append(append([]string{"TERM=xterm-256color", "HOME=" + t.TempDir()}, env...), "PATH="+os.Getenv("PATH"))
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: columns})
	if err != nil {
		t.Skipf("no pseudo-terminal here: %v", err)
	}
	s := &session{t: t, tty: tty, cmd: cmd, read: make(chan struct{})}
	go func() {
		defer close(s.read)
		buffer := make([]byte, 4096)
		for {
			n, err := tty.Read(buffer)
			s.mu.Lock()
			s.seen.Write(buffer[:n])
			s.mu.Unlock()
			if err != nil {
				return // Linux: EIO once the process has ended
			}
		}
	}()
	t.Cleanup(func() { _ = tty.Close() })
	return s
}

func (s *session) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// await waits until the terminal shows a text.
func (s *session) await(text string) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if strings.Contains(s.text(), text) {
			return
		}
		select {
		case <-s.read:
			if strings.Contains(s.text(), text) {
				return
			}
			s.t.Fatalf("the command ended without %q:\n%s", text, s.text())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("the terminal never showed %q:\n%s", text, s.text())
		}
	}
}

func (s *session) say(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, text); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the command and gives what was shown and the exit status.
func (s *session) end() (string, int) {
	s.t.Helper()
	<-s.read
	_ = s.cmd.Wait() // the status says it
	return s.text(), s.cmd.ProcessState.ExitCode()
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// On a terminal the list has colours and uses its width; with NO_COLOR it has none.
func TestTerminalWidthAndColour(t *testing.T) {
	a := account.Start(t)
	fill(t, a, aRecord(victim))
	env := a.Environment(simulated(t).URL)
	narrow, code := inTerminal(t, 80, env, "list").end()
	if code != 0 || !colour.MatchString(narrow) {
		t.Errorf("exit status %d, without a colour:\n%q", code, narrow)
	}
	checkWidth(t, colour.ReplaceAllString(strings.ReplaceAll(narrow, "\r", ""), ""), 80)
	if strings.Contains(narrow, "resolver-dns") {
		t.Errorf("80 columns have no room for the kinds:\n%s", narrow)
	}
	wide, _ := inTerminal(t, 140, env, "list").end()
	if !strings.Contains(wide, "resolver-dns") {
		t.Errorf("140 columns have room for the kinds:\n%s", wide)
	}
	tiny, _ := inTerminal(t, 40, env, "show", victim).end()
	checkTiny(t, tiny)
	plain, _ := inTerminal(t, 80, append(env, "NO_COLOR=1"), "show", victim).end()
	if strings.Contains(plain, "\x1b") {
		t.Errorf("NO_COLOR, and yet: %q", plain)
	}
}

// checkTiny wants 40 columns to be enough for all but the lines that are to be copied.
func checkTiny(t *testing.T, text string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(colour.ReplaceAllString(strings.ReplaceAll(text, "\r", ""), "")) {
		if !strings.Contains(line, "tourniquet re") {
			lines = append(lines, line)
		}
	}
	checkWidth(t, strings.Join(lines, ""), 40)
}

// A person sees the plan and is asked; only yes makes a change, and only one.
func TestTerminalAsks(t *testing.T) {
	dry := func(function string) string {
		if function == account.Release {
			return containedAnswer(record.ObservedOnly, record.Released)
		}
		return containedAnswer(record.ObservedOnly, record.Observed)
	}
	for name, c := range map[string]struct {
		verb, answer string
		code         int
		changes      int
	}{
		"yes":                {"contain", "y\n", 0, 1},
		"yes in full":        {"contain", "Yes\n", 0, 1},
		"no":                 {"contain", "n\n", 2, 0},
		"nothing":            {"contain", "\n", 2, 0},
		"end of input":       {"contain", "\x04", 2, 0},
		"interrupted":        {"contain", "\x03", 2, 0},
		"release":            {"release", "y\n", 0, 1},
		"release not wanted": {"release", "no\n", 2, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := account.Start(t)
			a.Invoke = func(function string, payload []byte) account.Reply {
				switch {
				case bytes.Contains(payload, []byte(`"dryRun":true`)):
					return account.Reply{Body: dry(function)}
				case function == account.Release:
					return account.Reply{Body: containedAnswer(record.Release, record.Released)}
				default:
					return account.Reply{Body: containedAnswer(record.Contain, record.Contained)}
				}
			}
			s := inTerminal(t, 80, a.Environment(a.URL), c.verb, victim, "--reason", "drill")
			s.await("[y/N]")
			if !strings.Contains(s.text(), "eni-front") {
				t.Errorf("the plan was not shown:\n%s", s.text())
			}
			s.say(c.answer)
			text, code := s.end()
			changes := 0
			for _, i := range a.Invocations() {
				if !strings.Contains(i.Payload, "dryRun") {
					changes++
				}
			}
			if code != c.code || changes != c.changes || len(a.Invocations()) > 2 {
				t.Errorf("exit status %d with %d changes of %d invocations, want %d with %d\n%s", code, changes, len(a.Invocations()), c.code, c.changes, text)
			}
			if c.changes == 0 && !strings.Contains(text, "nothing was done") {
				t.Errorf("it does not say that nothing was done:\n%s", text)
			}
		})
	}
}

// While a function works the terminal shows it, and nothing of it stays; when a person
// gives up waiting, the command says that the function goes on.
func TestTerminalProgress(t *testing.T) {
	a := account.Start(t)
	first, second := make(chan struct{}), make(chan struct{})
	a.Invoke = func(string, []byte) account.Reply {
		hang := first
		if len(a.Invocations()) > 1 {
			hang = second
		}
		return account.Reply{Hang: hang, Body: containedAnswer(record.Contain, record.Contained)}
	}
	args := []string{"contain", victim, "--reason", "drill", "--yes"}
	s := inTerminal(t, 80, a.Environment(a.URL), args...)
	s.await("containing " + victim + " … 1 s")
	close(first)
	if text, code := s.end(); code != 0 || !strings.Contains(text, "\r\x1b[K") {
		t.Errorf("exit status %d:\n%q", code, text)
	}
	defer close(second)
	s = inTerminal(t, 80, a.Environment(a.URL), args...)
	s.await("containing " + victim)
	for len(a.Invocations()) < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	s.say("\x03")
	text, code := s.end()
	if code != 1 || !strings.Contains(text, "tourniquet show "+victim) {
		t.Errorf("interrupted: exit status %d:\n%s", code, text)
	}
	if n := len(a.Invocations()); n != 2 {
		t.Errorf("%d invocations for two commands", n)
	}
}

// On a terminal the drill is live, with colours; NO_COLOR takes those away.
func TestTerminalDrill(t *testing.T) {
	t.Parallel()
	for _, noColour := range []bool{false, true} {
		var env []string
		if noColour {
			env = []string{"NO_COLOR=1"}
		}
		out, code := inTerminal(t, 120, env, "drill", "--speed", "20").end()
		if code != 0 || colour.MatchString(out) == noColour || !strings.Contains(colour.ReplaceAllString(out, ""), "\r   ..") {
			t.Errorf("NO_COLOR %t: exit status %d, coloured %t:\n%q", noColour, code, colour.MatchString(out), out)
		}
	}
}
