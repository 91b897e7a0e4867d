package packets

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tourniquet/lambda/packets/fabric"
	"tourniquet/lambda/simvpc/world"
)

// A Talk is a connection over which one end asks and the other answers, line by line:
// a shell, when the one who asks is an intruder.
type Talk struct {
	*Connection

	asks    io.Writer
	answers chan string
	ended   chan struct{} // closed when the end that asks has given up, or was closed
	number  int
}

// A Program answers a line.
type Program func(line string) string

// Talk opens a connection on which the end outside the VPC asks and the program
// answers; where both ends are inside, or none, the initiator asks. Of a ping the
// initiator always asks, and the host answers with what was asked.
func (v *VPC) Talk(ctx context.Context, f world.Flow, program Program) (*Talk, error) {
	c, err := v.Connect(ctx, f)
	if err != nil {
		return nil, err
	}
	t := &Talk{Connection: c, answers: make(chan string, 1024), ended: make(chan struct{})}
	switch {
	case c.Responder == nil:
		t.asks = c.Initiator
		v.running.Go(func() { t.hear(c.Initiator) })
	case v.outside(f.To.Addr()) && !v.outside(f.From.Addr()):
		t.asks = c.Responder
		v.running.Go(func() { t.hear(c.replies) })
		v.running.Go(func() { answer(c.Initiator, c.Initiator, program) })
	default:
		t.asks = c.Initiator
		v.running.Go(func() { t.hear(c.Initiator) })
		v.running.Go(func() { answer(c.replies, c.Responder, program) })
	}
	return t, nil
}

// hear collects answers until the connection ends.
func (t *Talk) hear(r io.Reader) {
	defer close(t.ended)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		select {
		case t.answers <- lines.Text():
		default: // nobody listens
		}
	}
}

// answer runs a program until the connection ends.
func answer(r io.Reader, w io.Writer, program Program) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if _, err := io.WriteString(w, program(lines.Text())+"\n"); err != nil {
			return
		}
	}
}

// Say sends a line to the end that answers.
func (t *Talk) Say(line string) error {
	_, err := io.WriteString(t.asks, line+"\n")
	return err
}

// Heard is the next answer, if one has arrived.
func (t *Talk) Heard() (line string, ok bool) {
	select {
	case line := <-t.answers:
		return line, true
	default:
		return "", false
	}
}

// Why a question has no answer though none of its packets was stopped.
var (
	ErrSilent = errors.New("no answer")
	ErrEnded  = errors.New("the connection has ended")
)

// patience is how long Ask waits for an answer that nothing stops, in real time.
const patience = 10 * time.Second

// A TCP connection of which packets were stopped before waits for its next repetition
// with whatever it is to send, longer each time, and at most two minutes. So that nobody
// waits with it, time passes when nothing has happened for a while in real time, in steps
// that grow like those waits, up to a bound. The bound is less than the 350 seconds after
// which a NAT gateway forgets an idle connection.
const (
	idle      = 20 * time.Millisecond
	firstStep = 200 * time.Millisecond
	mostIdle  = 3 * time.Minute
)

// Ask sends a question and waits for its answer. It gives up with a StoppedError as
// soon as a packet of the connection is stopped; TCP goes on trying all the same.
func (t *Talk) Ask(question string) (string, error) {
	t.trace.forget()
	if err := t.Say(question); err != nil {
		return "", fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return t.await()
}

// await waits for an answer, for a packet to be stopped, or for the end that asks to give
// up.
func (t *Talk) await() (string, error) {
	timeout, wait := time.NewTimer(patience), time.NewTicker(idle)
	defer timeout.Stop()
	defer wait.Stop()
	passed, step := time.Duration(0), firstStep
	for {
		select {
		case line := <-t.answers:
			return line, nil
		case reason := <-t.trace.stopped:
			return "", &StoppedError{reason}
		case <-t.ended:
			return t.late()
		case <-timeout.C:
			return "", ErrSilent
		case <-wait.C:
			if t.Flow.Protocol == world.TCP && passed < mostIdle {
				t.vpc.Clock.Pass(step)
				passed += step
				step *= 2
			}
		}
	}
}

// late is an answer that came just before the end, if one did.
func (t *Talk) late() (string, error) {
	if line, ok := t.Heard(); ok {
		return line, nil
	}
	return "", ErrEnded
}

// Alive asks something that was never asked before, and reports whether the answer to
// just that arrives, with what stopped it if not. Answers to earlier questions, which
// TCP may deliver late, don't count.
func (t *Talk) Alive() (bool, fabric.Reason) {
	t.number++
	want := fmt.Sprint(t.number)
	line, err := t.Ask("echo " + want)
	for err == nil {
		if strings.TrimPrefix(line, "echo ") == want { // a ping comes back whole
			return true, fabric.Reason{}
		}
		line, err = t.await()
	}
	var stopped *StoppedError
	if errors.As(err, &stopped) {
		return false, stopped.Reason
	}
	return false, fabric.Reason{Hop: fabric.Unsent, At: err.Error()}
}

// Shell is a program that answers as a shell on an instance would.
func Shell(hostname string) Program {
	return func(line string) string {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "echo":
			return rest
		case "id":
			return "uid=0(root) gid=0(root) groups=0(root)"
		case "hostname":
			return hostname
		case "whoami":
			return "root"
		case "cat":
			return "cat: " + rest + ": 1 line of " + hostname
		default:
			return "sh: " + word + ": not found"
		}
	}
}
