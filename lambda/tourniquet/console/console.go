// Package console is the operator's terminal, or what stands in for it: its width and
// colours, tables, progress, questions.
package console

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
)

// DefaultWidth is how wide texts are where nobody says otherwise, in columns.
const DefaultWidth = 80

// A Console is where a command reads and writes.
type Console struct {
	Out io.Writer // results
	Err io.Writer // progress, plans, questions, errors

	// Width is that of the terminal, in columns.
	Width int

	// CanAsk says that a person is there to answer.
	CanAsk bool

	// Now is the clock.
	Now func() time.Time

	in     *bufio.Reader
	out    *counted
	screen io.Writer // where progress can be drawn over; nil where it can't
}

// New is the console of a process. Colours are for terminals, and for none with
// NO_COLOR (https://no-color.org).
func New(in io.Reader, out, err io.Writer, environment []string) *Console {
	results := &counted{w: coloured(out, environment)}
	c := &Console{
		Out: results, out: results, Err: coloured(err, environment), Width: width(out, err, environment),
		CanAsk: isTerminal(in) && isTerminal(err), Now: time.Now, in: bufio.NewReader(in),
	}
	if isTerminal(err) {
		c.screen = err
	}
	return c
}

// counted is a writer that knows whether something was written.
type counted struct {
	w       io.Writer
	written bool
}

func (c *counted) Write(p []byte) (int, error) {
	c.written = c.written || len(p) > 0
	return c.w.Write(p)
}

// Printed reports whether a result was printed.
func (c *Console) Printed() bool { return c.out.written }

// coloured is a writer that takes out the colours that its terminal does not show.
func coloured(w io.Writer, environment []string) io.Writer {
	p := colorprofile.Detect(w, environment)
	if !isTerminal(w) || lookup(environment, "NO_COLOR") != "" {
		p = colorprofile.NoTTY
	}
	return &colorprofile.Writer{Forward: w, Profile: p}
}

// Terminal is the terminal that results go to, as it is, and whether it shows colours.
// It is nil where they go elsewhere.
func (c *Console) Terminal() (out io.Writer, colours bool) {
	w, ok := c.out.w.(*colorprofile.Writer)
	if !ok || !isTerminal(w.Forward) {
		return nil, false
	}
	return w.Forward, w.Profile > colorprofile.ASCII
}

func lookup(environment []string, name string) string {
	value := ""
	for _, e := range environment {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(f.Fd())
}

// width is that of the first stream that is a terminal, else COLUMNS, else the default.
func width(out, err io.Writer, environment []string) int {
	for _, w := range []io.Writer{out, err} {
		if f, ok := w.(*os.File); ok && isTerminal(w) {
			if columns, _, failed := term.GetSize(f.Fd()); failed == nil && columns > 0 {
				return columns
			}
		}
	}
	if n, failed := strconv.Atoi(lookup(environment, "COLUMNS")); failed == nil && n > 0 {
		return n
	}
	return DefaultWidth
}

// The styles of texts. What is written in them is plain where colours are off.
var (
	Strong = lipgloss.NewStyle().Bold(true)
	Faint  = lipgloss.NewStyle().Faint(true)
	Good   = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	Warn   = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	Bad    = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
)

// ErrNoTerminal says that nobody is there to answer a question.
var ErrNoTerminal = errors.New("there is no terminal to ask on: look with plan or show, then give --yes")

// Ask asks a yes-or-no question on standard error; only "y" and "yes" are a yes.
func (c *Console) Ask(ctx context.Context, question string) (bool, error) {
	if !c.CanAsk {
		return false, ErrNoTerminal
	}
	fmt.Fprintf(c.Err, "%s [y/N] ", Strong.Render(question))
	type reply struct {
		text string
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		text, err := c.in.ReadString('\n')
		replies <- reply{text, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(c.Err)
		return false, ctx.Err()
	case r := <-replies:
		if r.err != nil {
			fmt.Fprintln(c.Err)
			return false, nil //nolint:nilerr // the end of the input is not a yes
		}
		answer := strings.ToLower(strings.TrimSpace(r.text))
		return answer == "y" || answer == "yes", nil
	}
}

// beat is how often progress is drawn again.
const beat = 100 * time.Millisecond

// During says on standard error what goes on while something works, with the time
// that it has taken; on a terminal the line moves, and is gone afterwards.
func (c *Console) During(what string, work func()) {
	if c.screen == nil {
		fmt.Fprintln(c.Err, what+" …")
		work()
		return
	}
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.animate(what, done)
	}()
	work()
	close(done)
	<-stopped
}

func (c *Console) animate(what string, done <-chan struct{}) {
	start := time.Now()
	tick := time.NewTicker(beat)
	defer tick.Stop()
	frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	for n := 0; ; n++ {
		line := fmt.Sprintf("%c %s … %d s", frames[n%len(frames)], what, int(time.Since(start).Seconds()))
		fmt.Fprint(c.screen, "\r\x1b[K"+lipgloss.NewStyle().MaxWidth(max(c.Width-1, 1)).Render(line))
		select {
		case <-done:
			fmt.Fprint(c.screen, "\r\x1b[K")
			return
		case <-tick.C:
		}
	}
}
