package drill

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"tourniquet/lambda/packets"
)

// A screen shows a drill as it goes on: live, at a pace that people can follow, on a
// terminal; line by line anywhere else.
type screen struct {
	out    io.Writer
	live   bool
	colour bool
	speed  float64
	done   <-chan struct{}     // closed when nobody wants to see the rest
	drawn  int                 // the length of what over has written
	pass   func(time.Duration) // lets simulated time pass where nobody waits for it
	err    error               // the first one of writing
}

// A Terminal is where a drill can be shown live. Without a writer there is none.
type Terminal struct {
	Out     io.Writer
	Colours bool
}

// newScreen shows a drill live on a terminal, or, where there is none, on a writer.
func newScreen(out io.Writer, terminal Terminal, speed float64) *screen {
	if terminal.Out == nil {
		return &screen{out: out, speed: speed}
	}
	return &screen{out: terminal.Out, live: true, colour: terminal.Colours, speed: speed}
}

// silent shows nothing.
func silent() *screen { return &screen{out: io.Discard, speed: 1} }

// The colours of ANSI terminals.
const (
	red   = "31"
	green = "32"
	bold  = "1"
	dim   = "2"
)

func (s *screen) paint(colour, text string) string {
	if !s.colour || colour == "" || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) write(text string) {
	if _, err := io.WriteString(s.out, text); err != nil && s.err == nil {
		s.err = err
	}
}

// rest waits on a terminal, so that people can read. Elsewhere time passes at once.
func (s *screen) rest(d time.Duration) {
	switch {
	case s.live:
		timer := time.NewTimer(time.Duration(float64(d) / s.speed))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-s.done:
		}
	case s.pass != nil:
		s.pass(d)
	}
}

func (s *screen) title(format string, args ...any) {
	s.rest(250 * time.Millisecond)
	s.write("\n" + s.paint(bold, fmt.Sprintf(format, args...)) + "\n")
}

func (s *screen) line(format string, args ...any) {
	s.write("   " + fmt.Sprintf(format, args...) + "\n")
}

// prompt shows what the intruder types.
func (s *screen) prompt(from, command string) {
	s.rest(300 * time.Millisecond)
	s.write("   " + s.paint(red, from+" $ "))
	for _, r := range command {
		s.write(string(r))
		if s.live {
			s.rest(40 * time.Millisecond)
		}
	}
	s.write("\n")
}

func (s *screen) answer(text string) {
	s.line("%s", s.paint(red, clean(text)))
	s.rest(350 * time.Millisecond)
}

// silence shows that no answer comes, for a while, and why.
func (s *screen) silence(name string, d *packets.Download, why string) {
	if !s.live {
		s.rest(2 * time.Second)
	}
	for waited := 0; s.live && waited < 14; waited++ {
		s.over(strings.Repeat(".", 1+waited/2) + s.download(name, d))
		s.rest(100 * time.Millisecond)
	}
	if s.live {
		s.over("")
		s.write("\r")
	}
	s.line("%s", s.paint(green, "no answer: "+why))
	s.progress(name, d)
}

// over writes a line over the one that was written so before.
func (s *screen) over(text string) {
	length := utf8.RuneCountInString(text)
	s.write("\r   " + s.paint(dim, text) + strings.Repeat(" ", max(0, s.drawn-length)))
	s.drawn = length
}

// progress shows how far a neighbour's download is.
func (s *screen) progress(name string, d *packets.Download) {
	if d != nil {
		s.line("%s", s.paint(dim, strings.TrimSpace(s.download(name, d))))
	}
}

func (s *screen) download(name string, d *packets.Download) string {
	if d == nil {
		return ""
	}
	done := d.Received() * 100 / d.Size
	return fmt.Sprintf("   %s, in the same subnet, downloads on: %d %%", name, done)
}

func (s *screen) finding(r *report) {
	s.title("The finding")
	s.line("%s, severity %.1f, on %s", clean(r.Finding.Type), r.Finding.Severity, r.Finding.Instance)
	s.line("remote peers: %s", orNone(r.Finding.Peers))
	s.line("decision: %s (%s)", r.Decision.Verdict, clean(r.Decision.Reason))
	if r.Decision.Verdict != "contain" {
		s.line("an event would change nothing; the drill goes on as if a person had asked")
	}
	for _, d := range r.Differs {
		s.line("not as in the finding: %s", clean(d))
	}
}

// changes shows what Tourniquet has changed.
func (s *screen) changes(r *report) {
	for _, o := range r.Observed {
		s.line("observed %s", o)
	}
	for _, c := range r.Calls {
		if s.live {
			s.rest(40 * time.Millisecond)
		}
		s.line("%s", strings.TrimRight(s.paint(dim, fmt.Sprintf("%7.1f ms", c.Millis))+"  "+c.Call+" "+c.Error, " "))
	}
	for _, i := range r.Answer.Incidents {
		s.line("read back: %s, %d steps", s.paint(green, string(i.Status)), len(i.Steps))
	}
}

func (s *screen) minute(m minuteReport) {
	s.title("A minute later")
	if m.Connections > 0 {
		s.line("the ends of %d cut connections have sent %d packets; %d arrived", m.Connections, m.Stopped+m.Arrived, m.Arrived)
	}
	if m.Neighbour != "" {
		s.line("%s", m.Neighbour)
	}
}

// A cell is a word of a table, with its colour.
type cell struct{ text, colour string }

// table prints rows in columns.
func (s *screen) table(rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, c := range row {
			b.WriteString(s.paint(c.colour, c.text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text)+2))
			}
		}
		s.write(" " + strings.TrimRight(b.String(), " ") + "\n")
	}
}

// clean keeps what comes from a finding or a host from steering the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}
