package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"tourniquet/lambda/host"
)

const (
	managed   = "i-0aaaaaaaaaaaaaaa1"
	unmanaged = "i-0bbbbbbbbbbbbbbb2"
)

// A manager answers as Systems Manager does, for the two calls of this package.
type manager struct {
	mu       sync.Mutex
	commands []map[string]any                 // that were accepted, in order
	steps    map[string]func() map[string]any // what GetCommandInvocation says of a step; an unknown one does not exist
	fault    func(operation string, call int) (status int, kind string)
	delay    time.Duration
	calls    map[string]int
}

func (m *manager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSSM.")
	m.calls[operation]++
	answer := func(status int, body map[string]any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body) //nolint:errcheck // the client sees it
	}
	refuse := func(status int, kind string) { answer(status, map[string]any{"__type": kind, "message": "because"}) }
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(http.StatusBadRequest, "SerializationException")
		return
	}
	select {
	case <-time.After(m.delay):
	case <-r.Context().Done():
		return
	}
	if m.fault != nil {
		if status, kind := m.fault(operation, m.calls[operation]); status != 0 {
			refuse(status, kind)
			return
		}
	}
	switch operation {
	case "SendCommand":
		for _, id := range in["InstanceIds"].([]any) {
			if id != managed {
				refuse(http.StatusBadRequest, "InvalidInstanceId")
				return
			}
		}
		m.commands = append(m.commands, in)
		answer(http.StatusOK, map[string]any{"Command": map[string]any{"CommandId": fmt.Sprintf("command-%d", len(m.commands))}})
	case "GetCommandInvocation":
		step := m.steps[fmt.Sprint(in["PluginName"])]
		if step == nil || in["InstanceId"] != managed || in["CommandId"] != "command-1" {
			refuse(http.StatusBadRequest, "InvocationDoesNotExist")
			return
		}
		answer(http.StatusOK, step())
	default:
		refuse(http.StatusBadRequest, "UnknownOperationException")
	}
}

func (m *manager) client(t *testing.T) *host.Client {
	t.Helper()
	m.calls = map[string]int{}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return &host.Client{
		Config: aws.Config{
			Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), HTTPClient: server.Client(),
			Credentials: credentials.NewStaticCredentialsProvider("000000000000", "none", ""),
		},
		Isolate: "tourniquet-isolate", Restore: "tourniquet-restore",
	}
}

func TestSend(t *testing.T) {
	t.Parallel()
	m := &manager{}
	c := m.client(t)
	for _, send := range []func(context.Context, string) (host.Sent, error){c.SendIsolate, c.SendRestore} {
		if sent, err := send(t.Context(), managed); err != nil || sent.NotManaged || sent.Command == "" {
			t.Errorf("%+v, %v", sent, err)
		}
	}
	want := []map[string]any{
		{"DocumentName": "tourniquet-isolate", "InstanceIds": []any{managed}, "TimeoutSeconds": 120.0},
		{"DocumentName": "tourniquet-restore", "InstanceIds": []any{managed}, "TimeoutSeconds": 120.0},
	}
	if d := cmp.Diff(want, m.commands); d != "" {
		t.Errorf("commands (-want +got):\n%s", d)
	}
}

func TestSendToAnInstanceThatIsNotManaged(t *testing.T) {
	t.Parallel()
	m := &manager{}
	sent, err := m.client(t).SendIsolate(t.Context(), unmanaged)
	if err != nil || !sent.NotManaged || sent.Command != "" {
		t.Errorf("%+v, %v", sent, err)
	}
	if n := m.calls["SendCommand"]; n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestSendWithoutADocument(t *testing.T) {
	t.Parallel()
	m := &manager{}
	c := m.client(t)
	c.Restore = ""
	if sent, err := c.SendRestore(t.Context(), managed); err == nil || sent.Command != "" {
		t.Errorf("%+v, %v", sent, err)
	}
	if len(m.calls) != 0 {
		t.Errorf("calls: %v", m.calls)
	}
}

// A send is tried twice at most, whatever SSM says, and is never taken for a host that
// is not managed.
func TestSendFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		kind   string
		calls  int
	}{
		"throttled":     {http.StatusBadRequest, "ThrottlingException", 2},
		"denied":        {http.StatusBadRequest, "AccessDeniedException", 1},
		"no document":   {http.StatusBadRequest, "InvalidDocument", 1},
		"out of order":  {http.StatusInternalServerError, "InternalServerError", 2},
		"not available": {http.StatusServiceUnavailable, "ServiceUnavailable", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &manager{fault: func(string, int) (int, string) { return c.status, c.kind }}
			sent, err := m.client(t).SendIsolate(t.Context(), managed)
			if err == nil || !strings.Contains(err.Error(), c.kind) || !strings.Contains(err.Error(), managed) || sent != (host.Sent{}) {
				t.Errorf("%+v, %v", sent, err)
			}
			if m.calls["SendCommand"] != c.calls {
				t.Errorf("%d calls, want %d", m.calls["SendCommand"], c.calls)
			}
		})
	}
}

func TestSendAfterOneFault(t *testing.T) {
	t.Parallel()
	m := &manager{fault: func(_ string, call int) (int, string) {
		if call == 1 {
			return http.StatusBadRequest, "ThrottlingException"
		}
		return 0, ""
	}}
	if sent, err := m.client(t).SendIsolate(t.Context(), managed); err != nil || sent.Command != "command-1" {
		t.Errorf("%+v, %v", sent, err)
	}
}

// An SSM that does not answer holds nobody up for more than a few seconds.
func TestSendIsBounded(t *testing.T) {
	t.Parallel()
	m := &manager{delay: time.Minute}
	began := time.Now()
	if sent, err := m.client(t).SendIsolate(t.Context(), managed); err == nil {
		t.Errorf("%+v", sent)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("took %v", took)
	}
}

// step is the answer of GetCommandInvocation for one step.
func step(status, details string, code int, stdout string) func() map[string]any {
	return func() map[string]any {
		return map[string]any{"Status": status, "StatusDetails": details, "ResponseCode": code, "StandardOutputContent": stdout}
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	skipped := step("Success", "Success", 0, "")
	nft := host.Result{Rules: "nft", Closed: 3}
	unread := host.Result{Error: "the output has no result: the last line is not its JSON"}
	for name, c := range map[string]struct {
		linux, windows func() map[string]any
		want           host.Invocation
	}{
		"not there yet":       {nil, nil, host.Invocation{State: host.Awaited}},
		"pending":             {step("Pending", "Pending", -1, ""), step("Pending", "Pending", -1, ""), host.Invocation{State: host.Awaited, Detail: "Pending"}},
		"delayed":             {step("Delayed", "Delayed", -1, ""), nil, host.Invocation{State: host.Awaited, Detail: "Delayed"}},
		"in progress":         {step("InProgress", "InProgress", -1, ""), nil, host.Invocation{State: host.Awaited, Detail: "InProgress"}},
		"cancelling":          {step("Cancelling", "Cancelling", -1, ""), nil, host.Invocation{State: host.Awaited, Detail: "Cancelling"}},
		"a state of tomorrow": {step("Pondering", "Pondering", 0, done), nil, host.Invocation{State: host.Awaited, Detail: "Pondering"}},
		"Linux":               {step("Success", "Success", 0, done), skipped, host.Invocation{State: host.Succeeded, Detail: "Success", Result: nft}},
		"Windows":             {skipped, step("Success", "Success", 0, strings.Replace(done, "nft", "windows", 1)), host.Invocation{State: host.Succeeded, Detail: "Success", Result: host.Result{Rules: "windows", Closed: 3}}},
		"Windows, still running": {
			skipped, step("InProgress", "In Progress", -1, ""), host.Invocation{State: host.Awaited, Detail: "In Progress"},
		},
		"Windows, second step not shown": {skipped, nil, host.Invocation{State: host.Awaited}},
		"first step not shown":           {nil, step("Success", "Success", 0, done), host.Invocation{State: host.Succeeded, Detail: "Success", Result: nft}},
		"success that says nothing":      {step("Success", "Success", 0, "\x1b[2Jall is well"), skipped, host.Invocation{State: host.Succeeded, Detail: "Success", Result: unread}},
		"no rule": {
			step("Failed", "Failed", 1, strings.Replace(done, "nft", "none", 1)), skipped,
			host.Invocation{State: host.Failed, Detail: "Failed", Result: host.Result{Rules: "none", Closed: 3}},
		},
		"killed":              {step("Failed", "Failed", 137, ""), skipped, host.Invocation{State: host.Failed, Detail: "Failed", Result: unread}},
		"undeliverable":       {step("Failed", "Undeliverable", -1, ""), nil, host.Invocation{State: host.Undelivered, Detail: "Undeliverable"}},
		"terminated":          {step("Failed", "Terminated", -1, ""), nil, host.Invocation{State: host.Undelivered, Detail: "Terminated"}},
		"access denied":       {step("Failed", "Access Denied", -1, ""), nil, host.Invocation{State: host.Undelivered, Detail: "Access Denied"}},
		"delivery timed out":  {step("TimedOut", "Delivery Timed Out", -1, ""), nil, host.Invocation{State: host.Undelivered, Detail: "Delivery Timed Out"}},
		"delivery, one word":  {step("TimedOut", "DeliveryTimedOut", -1, ""), nil, host.Invocation{State: host.Undelivered, Detail: "DeliveryTimedOut"}},
		"execution timed out": {step("TimedOut", "Execution Timed Out", 1, "tcp"), nil, host.Invocation{State: host.Stopped, Detail: "Execution Timed Out", Result: unread}},
		"cancelled early":     {step("Cancelled", "Cancelled", -1, ""), nil, host.Invocation{State: host.Undelivered, Detail: "Cancelled"}},
		"cancelled late":      {step("Cancelled", "Cancelled", 1, ""), nil, host.Invocation{State: host.Stopped, Detail: "Cancelled", Result: unread}},
		"hostile details":     {step("Success", "\x1b[2J"+strings.Repeat("x", 200), 0, done), skipped, host.Invocation{State: host.Succeeded, Detail: "?[2J" + strings.Repeat("x", 76), Result: nft}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &manager{steps: map[string]func() map[string]any{"linux": c.linux, "windows": c.windows}}
			for k, s := range m.steps {
				if s == nil {
					delete(m.steps, k)
				}
			}
			got, err := m.client(t).Fetch(t.Context(), "command-1", managed)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got, compareEndpoints); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.State.Ended() != (c.want.State != host.Awaited) {
				t.Errorf("ended is %v", got.State.Ended())
			}
		})
	}
}

// SSM is eventually consistent: what is not there at first is there later, and another
// command never is.
func TestFetchBecomesConsistent(t *testing.T) {
	t.Parallel()
	m := &manager{fault: func(_ string, call int) (int, string) {
		if call <= 2 {
			return http.StatusBadRequest, "InvocationDoesNotExist"
		}
		return 0, ""
	}, steps: map[string]func() map[string]any{"linux": step("Success", "Success", 0, done)}}
	c := m.client(t)
	for _, want := range []host.State{host.Awaited, host.Succeeded} {
		if got, err := c.Fetch(t.Context(), "command-1", managed); err != nil || got.State != want {
			t.Errorf("%+v, %v; want %s", got, err, want)
		}
	}
	if got, err := c.Fetch(t.Context(), "command-2", managed); err != nil || got.State != host.Awaited {
		t.Errorf("another command: %+v, %v", got, err)
	}
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"AccessDeniedException", "ThrottlingException", "InvalidCommandId"} {
		m := &manager{fault: func(string, int) (int, string) { return http.StatusBadRequest, kind }}
		if got, err := m.client(t).Fetch(t.Context(), "command-1", managed); err == nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
	}
}
