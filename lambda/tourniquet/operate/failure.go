package operate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
)

// The exit statuses.
const (
	ExitDone    = 0
	ExitPart    = 1 // done in part
	ExitRefused = 2 // wrong use, or refused
	ExitReach   = 3 // no credentials, no such stack, AWS or a function that can't be reached
)

// A Failure is an error that says what to do.
type Failure struct {
	Code int    // the exit status
	What string // what is wrong
	Hint string // what to do about it
	Type string // of the error that a function returned; empty for others
	Err  error  // the cause, nil where What says it all
}

func (f *Failure) Error() string {
	text := f.What
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	if f.Hint != "" {
		text += "\n" + f.Hint
	}
	return text
}

// Unwrap is the cause.
func (f *Failure) Unwrap() error { return f.Err }

// ExitCode is the exit status that an error stands for.
func ExitCode(err error) int {
	if err == nil {
		return ExitDone
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Code
	}
	return ExitRefused
}

func refused(what, hint string, args ...any) *Failure {
	return &Failure{Code: ExitRefused, What: fmt.Sprintf(what, args...), Hint: hint}
}

// actions are the IAM actions of calls whose action is not named like the call.
var actions = map[string]string{
	"lambda:Invoke": "lambda:InvokeFunction",
}

// action is the IAM action that a call needs.
func action(o *smithy.OperationError) string {
	name := strings.ToLower(strings.ReplaceAll(o.Service(), " ", "")) + ":" + o.Operation()
	if a, ok := actions[name]; ok {
		return a
	}
	return name
}

// Error codes by what a person has to do about them.
// https://docs.aws.amazon.com/awssupport/latest/user/common-errors.html
var (
	deniedCodes  = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
	expiredCodes = []string{
		"ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidClientTokenId", "UnrecognizedClientException",
		"InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "IncompleteSignature", "MissingAuthenticationToken",
	}
)

// explain makes a failure of an error of AWS's: what was not possible, and what to do.
func (s *session) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, done := errors.AsType[*Failure](err); done {
		return err
	}
	op, _ := errors.AsType[*smithy.OperationError](err)
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch code := api.ErrorCode(); {
		case contains(deniedCodes, code) && op != nil:
			return &Failure{
				Code: ExitReach, What: fmt.Sprintf("%s: not allowed to call %s as %s", doing, action(op), s.who()),
				Hint: "Ask for this action, or use another profile with --profile.", Err: briefly(api),
			}
		case contains(expiredCodes, code):
			return &Failure{Code: ExitReach, What: doing + ": AWS does not accept the credentials", Hint: s.signIn(), Err: briefly(api)}
		}
		return &Failure{Code: ExitReach, What: doing, Err: briefly(api)}
	}
	if errors.Is(err, context.Canceled) {
		return &Failure{Code: ExitRefused, What: doing + ": interrupted"}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return &Failure{
			Code: ExitReach, What: fmt.Sprintf("%s: AWS can't be reached in %s", doing, s.aws.Region),
			Hint: "Check the network, and that the Region exists.", Err: rootOf(err),
		}
	}
	if strings.Contains(err.Error(), "get identity") || strings.Contains(err.Error(), "get credentials") {
		return s.noCredentials(err)
	}
	return &Failure{Code: ExitReach, What: doing, Err: err}
}

// briefly is what AWS says, without the request around it.
func briefly(api smithy.APIError) error {
	return fmt.Errorf("%s: %s", api.ErrorCode(), clean(api.ErrorMessage()))
}

// rootOf is the innermost error.
func rootOf(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func (s *session) noCredentials(err error) error {
	return &Failure{Code: ExitReach, What: "no AWS credentials", Hint: s.signIn(), Err: rootOf(err)}
}

// signIn says how to get credentials.
func (s *session) signIn() string {
	if s.flags.Profile != "" {
		return fmt.Sprintf("Sign in, for example with: aws sso login --profile %s", s.flags.Profile)
	}
	return "Sign in, for example with: aws sso login; or choose another profile with --profile."
}

// badProfile explains a configuration that can't be read.
func badProfile(profile string, err error) error {
	if _, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return refused("no profile %q in the AWS configuration", "See which there are with: aws configure list-profiles", profile)
	}
	return &Failure{Code: ExitRefused, What: "reading the AWS configuration", Err: err}
}
