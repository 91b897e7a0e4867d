package operate

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"tourniquet/lambda/answer"
)

// A request is a command as the functions understand it. Each function refuses
// fields that it does not know, so that none is sent without need.
type request struct {
	Command     string    `json:"command"`
	InstanceID  string    `json:"instanceId,omitempty"`
	Peers       []string  `json:"peers,omitempty"`
	Groups      *[]string `json:"groups,omitempty"` // an empty list means something
	ToGroups    []string  `json:"toGroups,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	RequestedBy string    `json:"requestedBy,omitempty"`
	OnHost      bool      `json:"onHost,omitempty"`
	Isolate     bool      `json:"isolateSubnet,omitempty"`
	Force       bool      `json:"force,omitempty"`
	DryRun      bool      `json:"dryRun,omitempty"`
}

// client is a client of Lambda that sends a request once: no retries, no limit on how
// long the function works, and a connection of its own, since Go's transport sends a
// request again that it lost on a connection which the server had closed meanwhile.
func (s *session) client() *lambda.Client {
	base, ok := s.aws.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	once := base.WithTimeout(0).WithTransportOptions(func(t *http.Transport) {
		t.DisableKeepAlives, t.ResponseHeaderTimeout = true, 0
		// HTTP/2 sends again what a server that is about to close has not taken.
		t.ForceAttemptHTTP2, t.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	})
	return lambda.NewFromConfig(s.aws, func(o *lambda.Options) { o.Retryer, o.HTTPClient = aws.NopRetryer{}, once })
}

// invoke hands a function one request, and waits as long as it works.
func (s *session) invoke(ctx context.Context, function string, r request, what string) (answer.Answer, error) {
	payload, err := json.Marshal(r)
	if err != nil {
		return answer.Answer{}, fmt.Errorf("encoding the request: %w", err)
	}
	var out *lambda.InvokeOutput
	s.console.During(what, func() {
		out, err = s.client().Invoke(ctx, &lambda.InvokeInput{
			FunctionName: &function, InvocationType: types.InvocationTypeRequestResponse, Payload: payload,
		})
	})
	if err != nil {
		return answer.Answer{}, s.notInvoked(function, r, err)
	}
	if out.FunctionError != nil {
		return answer.Answer{}, functionFailed(function, r, out.Payload)
	}
	var a answer.Answer
	if err := json.Unmarshal(out.Payload, &a); err != nil || a.Verdict == "" {
		return answer.Answer{}, &Failure{
			Code: ExitReach, What: fmt.Sprintf("%s gives an answer that is not Tourniquet's: %s", function, clean(string(out.Payload))),
			Hint: "Is the function the one of this stack, and of this version?",
		}
	}
	return a, nil
}

// notInvoked explains why there is no answer. Where the request may have arrived, it
// says so: the function then goes on.
func (s *session) notInvoked(function string, r request, err error) error {
	doing := "invoking " + function
	if _, busy := errors.AsType[*types.TooManyRequestsException](err); busy {
		return &Failure{
			Code: ExitReach, What: function + " is busy with another request: this one was not taken, and nothing was done",
			Hint: "Try again in a minute.",
		}
	}
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return &Failure{
			Code: ExitReach, What: fmt.Sprintf("no function %s in %s", function, s.aws.Region),
			Hint: "Somebody may have removed it: deploy the stack again.",
		}
	}
	if _, answered := errors.AsType[smithy.APIError](err); answered {
		return s.explain(doing, err)
	}
	if neverSent(err) {
		return s.explain(doing, err)
	}
	what, code := "the connection was lost", ExitReach
	if errors.Is(err, context.Canceled) {
		what = "interrupted"
	}
	if r.DryRun {
		return &Failure{Code: code, What: doing + ": " + what, Hint: "Nothing was changed: it was a dry run."}
	}
	hint := "The function may have the request, and then goes on. It was not sent again."
	if r.InstanceID != "" {
		hint += " Look with: " + s.line("show", r.InstanceID)
	}
	if what == "interrupted" {
		code = ExitPart
	}
	return &Failure{Code: code, What: doing + ": " + what, Hint: hint, Err: rootOf(err)}
}

// neverSent reports whether no connection was made.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// line is a command for the same stack.
func (s *session) line(verb, instance string, more ...string) string {
	words := []string{"tourniquet", verb}
	if instance != "" {
		words = append(words, instance)
	}
	if s.flags.Profile != "" {
		words = append(words, "--profile", s.flags.Profile)
	}
	words = append(words, "--region", s.aws.Region)
	if s.flags.Stack != DefaultStack {
		words = append(words, "--stack", s.flags.Stack)
	}
	return strings.Join(append(words, more...), " ")
}

// functionFailed explains the error that a function returned.
// https://docs.aws.amazon.com/lambda/latest/dg/golang-exceptions.html
func functionFailed(function string, r request, payload []byte) error {
	var e struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}
	if err := json.Unmarshal(payload, &e); err != nil {
		e.Message = string(payload)
	}
	f := &Failure{Code: ExitReach, What: function + " failed: " + clean(e.Message), Type: e.Type}
	switch {
	case e.Type == "PartialError":
		f.Code, f.What = ExitPart, "done in part: "+clean(e.Message)
		f.Hint = "What is done stands. Give the command again, or wait for the next reconcile or expire, which finish it."
	case e.Type == "EventError" && unknownCommand(e.Message):
		f.Code, f.What = ExitRefused, fmt.Sprintf("the deployed function does not know the command %s", r.Command)
		f.Hint = "Its stack is older than this program, or does not have this part. Deploy it again to use the command. It says: " + clean(e.Message)
	case e.Type == "EventError":
		f.Code, f.What = ExitRefused, "refused: "+clean(e.Message)
	case strings.Contains(e.Message, "Task timed out"):
		f.Code, f.What = ExitPart, function+" ran out of time: "+clean(e.Message)
		f.Hint = "What is done stands. Give the command again to go on."
	}
	return f
}

// unknownCommand reports whether a function's message says that it does not know the
// command, or a field of it.
func unknownCommand(message string) bool {
	return strings.HasPrefix(message, "command: ") && (strings.Contains(message, "is no command") ||
		strings.Contains(message, "invalid command") || strings.Contains(message, "unknown field"))
}
