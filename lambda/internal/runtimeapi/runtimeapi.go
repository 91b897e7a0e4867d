// Package runtimeapi runs a Lambda function's real binary outside of Lambda: it
// serves the Runtime API to it, hands it events and takes its answers. For tests
// and benchmarks.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
package runtimeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A Function is a running binary.
type Function struct {
	arn     string
	server  *httptest.Server
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	failure error         // how, once it has
	polled  chan struct{} // closed by the first poll
	started time.Time
	ready   time.Duration

	next    chan invocation
	answers chan Answer
}

type invocation struct {
	id       string
	event    []byte
	deadline time.Time
}

// An Answer is what the function made of an event.
type Answer struct {
	Body      []byte // its JSON
	ErrorType string // the type of the error, when it returned one
	Message   string // the error's text
}

// An Error is a failed invocation as Lambda reports it.
type Error struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

// Start runs a binary with the environment given, and waits until it asks for its
// first event. The function's ARN is what it sees of account and Region. Whoever
// starts it must Stop it.
func Start(ctx context.Context, binary, arn string, env []string, log io.Writer) (*Function, error) {
	f := &Function{
		arn: arn, exited: make(chan struct{}), polled: make(chan struct{}),
		next: make(chan invocation), answers: make(chan Answer, 1),
	}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	f.cmd = exec.CommandContext(ctx, binary)
	f.cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(f.server.URL, "http://")}, env...)
	f.cmd.Stdout, f.cmd.Stderr = log, log
	f.started = time.Now()
	if err := f.cmd.Start(); err != nil {
		f.server.Close()
		return nil, fmt.Errorf("starting the function: %w", err)
	}
	go func() {
		f.failure = f.cmd.Wait()
		close(f.exited)
	}()
	select {
	case <-f.polled:
		return f, nil
	case <-f.exited:
		f.server.Close()
		return nil, fmt.Errorf("the function ended before its first poll: %w", errors.Join(f.failure, ctx.Err()))
	}
}

// Ready is the time from the start of the process to its first poll.
func (f *Function) Ready() time.Duration { return f.ready }

// CPU is the processor time that the process has used: after Stop to the microsecond;
// before, on Linux only, what the kernel has accounted to its threads.
func (f *Function) CPU() time.Duration {
	if s := f.cmd.ProcessState; s != nil {
		return s.UserTime() + s.SystemTime()
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", f.PID()))
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, t := range threads {
		// https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat: the first
		// field is the time on the processor, in nanoseconds.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", f.PID(), t.Name()))
		if err != nil {
			continue // the thread has ended
		}
		first, _, _ := strings.Cut(string(stat), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}

// Memory is the most memory that the process has had resident, in bytes; on Linux only.
func (f *Function) Memory() int64 {
	// https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.PID()))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kB int64
	if _, err := fmt.Sscan(after, &kB); err != nil {
		return 0
	}
	return kB << 10
}

// PID is the process's id.
func (f *Function) PID() int { return f.cmd.Process.Pid }

// Invoke hands the function an event and waits for its answer.
func (f *Function) Invoke(ctx context.Context, id string, event []byte, timeout time.Duration) (Answer, error) {
	in := invocation{id: id, event: event, deadline: time.Now().Add(timeout)}
	select {
	case f.next <- in:
	case <-f.exited:
		return Answer{}, fmt.Errorf("the function ended: %w", errors.Join(f.failure, errors.New("before it took the event")))
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	select {
	case a := <-f.answers:
		return a, nil
	case <-f.exited:
		return Answer{}, fmt.Errorf("the function ended: %w", errors.Join(f.failure, errors.New("before it answered")))
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// Kill ends the process at once, as if its host had gone.
func (f *Function) Kill() error { return f.cmd.Process.Kill() }

// Stop ends the process.
func (f *Function) Stop() {
	_ = f.cmd.Process.Kill() // it may have ended by itself
	f.server.CloseClientConnections()
	select {
	case <-f.exited:
	case <-time.After(5 * time.Second):
	}
	f.server.Close()
}

func (f *Function) serve(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/2018-06-01/runtime/")
	switch {
	case !ok:
		http.NotFound(w, r)
	case path == "invocation/next":
		f.hand(w, r)
	case path == "init/error":
		w.WriteHeader(http.StatusAccepted)
	default:
		f.take(w, r)
	}
}

func (f *Function) hand(w http.ResponseWriter, r *http.Request) {
	select {
	case <-f.polled:
	default:
		f.ready = time.Since(f.started)
		close(f.polled)
	}
	select {
	case in := <-f.next:
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", in.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(in.deadline.UnixMilli()))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", f.arn)
		_, _ = w.Write(in.event) // a function that hangs up shows as ended
	case <-r.Context().Done():
	}
}

func (f *Function) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := Answer{Body: body}
	if strings.HasSuffix(r.URL.Path, "/error") {
		var e Error
		if err := json.Unmarshal(body, &e); err != nil {
			e = Error{Type: "unreadable", Message: string(body)}
		}
		a.ErrorType, a.Message = e.Type, e.Message
	}
	w.WriteHeader(http.StatusAccepted)
	f.answers <- a
}
