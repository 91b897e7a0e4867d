package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// onTerminal runs a drill on a pseudo-terminal.
func onTerminal(t *testing.T, c Command, colours bool) (out string, took time.Duration, err error) {
	t.Helper()
	screen, terminal, err := pty.Open()
	if err != nil {
		t.Skipf("no pseudo-terminal: %s", err)
	}
	var b bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&b, screen) // ends with an error when the terminal is closed
	}()
	start := time.Now()
	err = c.Run(t.Context(), io.Discard, Terminal{terminal, colours})
	took = time.Since(start)
	_ = terminal.Close()
	<-read
	_ = screen.Close()
	return b.String(), took, err
}

var colour = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// On a terminal the drill is live: coloured, typed letter by letter, with the
// neighbour's progress while no answer comes.
func TestOnATerminal(t *testing.T) {
	t.Parallel()
	for _, colours := range []bool{true, false} {
		out, took, err := onTerminal(t, Command{Speed: 20}, colours)
		if err != nil {
			t.Fatal(err)
		}
		if took > 15*time.Second {
			t.Errorf("took %v, want at most 15 s", took)
		}
		if got := strings.Contains(out, "\x1b["); got != colours {
			t.Errorf("colours %t: coloured %t", colours, got)
		}
		for _, want := range []string{"\r   ..", "downloads on", "no answer: denied by acl-front entry 1", "Contained."} {
			if !strings.Contains(colour.ReplaceAllString(out, ""), want) {
				t.Errorf("colours %t: lacks %q:\n%s", colours, want, out)
			}
		}
	}
}

// Piped, the drill is plain lines.
func TestPiped(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := (&Command{Speed: 1}).Run(t.Context(), &b, Terminal{}); err != nil {
		t.Fatal(err)
	}
	for _, control := range []string{"\x1b", "\r"} {
		if strings.Contains(b.String(), control) {
			t.Errorf("%q in what is piped", control)
		}
	}
}

// At the speed of people, the whole drill fits into 15 seconds.
func TestTakesLessThanFifteenSeconds(t *testing.T) {
	if testing.Short() {
		t.Skip("it is slow because people are")
	}
	t.Parallel()
	if _, took, err := onTerminal(t, Command{Speed: 1}, true); err != nil || took > 15*time.Second {
		t.Errorf("took %v, %v; want at most 15 s", took, err)
	}
}

// Interrupted, a drill ends at once, however slowly it is shown.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	start := time.Now()
	err := (&Command{Speed: 0.01}).Run(ctx, io.Discard, Terminal{io.Discard, true})
	if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 10*time.Second {
		t.Errorf("%v after %v, want it to end with the second", err, took)
	}
}

// --naive stops after the group swap: the intruder is still there.
func TestNaive(t *testing.T) {
	t.Parallel()
	code, out, _ := runCommand(t, "drill", "--naive")
	if code != exitOpen || !strings.Contains(out, "198.51.100.7 $ whoami\n   root") || !strings.Contains(out, "NOT contained") || strings.Contains(out, "CreateNetworkAclEntry") {
		t.Errorf("exit status %d:\n%s", code, out)
	}
	code, out, _ = runCommand(t, "drill", "--naive", "--json")
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOpen {
		t.Fatalf("exit status %d: %v", code, err)
	}
	alive := 0
	for _, f := range r.Flows {
		if f.Peer && f.Naive && f.Packets {
			alive++
		}
	}
	if alive != 3 {
		t.Errorf("%d of the peers' connections alive, want 3", alive)
	}
}

// A drill that is too slow to be shown, or runs backwards, is refused.
func TestSpeed(t *testing.T) {
	t.Parallel()
	for _, speed := range []string{"0", "-1"} {
		if code, _, errs := runCommand(t, "drill", "--speed="+speed); code != 2 || !strings.Contains(errs, "speed") {
			t.Errorf("speed %s: exit status %d, %s", speed, code, errs)
		}
	}
}
