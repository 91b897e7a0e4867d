package config

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Stack is what only the stack reads.
type Stack struct {
	// Regions have a stack each; empty: the Region that the CDK's CLI is set to.
	Regions      []string
	Architecture Architecture
	Encryption   Encryption
	// Emails are addresses to tell of incidents and alarms.
	Emails []string
	// LogDays is how many days logs are kept.
	LogDays int
	// MaxEventAge is how old an event may get before it is given up.
	MaxEventAge time.Duration
	// Concurrency is how many executions are reserved for the contain function;
	// zero: none.
	Concurrency int
	// CustomAction is the id of Security Hub's custom action; empty: none.
	CustomAction string
	// CentralBus is the ARN of the event bus that outcome events are passed on to;
	// empty: none.
	CentralBus string
	// Detector is whether the stack turns GuardDuty on.
	Detector bool
	// Schedules is whether reconcile and expire run by themselves.
	Schedules bool
}

// Architecture is a processor, by Lambda's name for it.
// https://docs.aws.amazon.com/lambda/latest/dg/foundation-arch.html
type Architecture string

// The processors that Lambda has.
const (
	ARM64 Architecture = "arm64"
	X8664 Architecture = "x86_64"
)

// Encryption says whose key encrypts the ledger.
type Encryption string

// The ways to encrypt the ledger.
const (
	AWSOwned        Encryption = "aws-owned"
	CustomerManaged Encryption = "customer-managed"
)

func parseArchitecture(s string) (Architecture, error) { return oneOf(s, "architecture", ARM64, X8664) }

func parseEncryption(s string) (Encryption, error) {
	return oneOf(s, "encryption", AWSOwned, CustomerManaged)
}

var region = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`) })

func parseRegions(s string) ([]string, error) {
	all := list(s)
	for i, r := range all {
		if !region().MatchString(r) {
			return nil, fmt.Errorf("invalid Region %q: want one such as eu-central-1", r)
		}
		if slices.Contains(all[:i], r) {
			return nil, fmt.Errorf("the Region %q is listed twice", r)
		}
	}
	return all, nil
}

func parseEmails(s string) ([]string, error) {
	all := list(s)
	for _, address := range all {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			return nil, fmt.Errorf("invalid email address %q: want one such as security@example.com", address)
		}
	}
	return all, nil
}

// retentions are the days that CloudWatch Logs can keep logs for.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = []int{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

func parseLogDays(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || !slices.Contains(retentions, n) {
		return 0, fmt.Errorf("invalid retention %q: CloudWatch Logs takes %s", s, strings.Trim(fmt.Sprint(retentions), "[]"))
	}
	return n, nil
}

// parseEventAge allows less than Lambda does (60 s to 6 h): an old event contains what
// may have been released since.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
func parseEventAge(s string) (time.Duration, error) {
	const least, most = 5 * time.Minute, 3 * time.Hour
	d, err := time.ParseDuration(s)
	if err != nil || d < least || d > most || d != d.Truncate(time.Second) {
		return 0, fmt.Errorf("invalid age %q: want a duration from %v to %v in whole seconds, such as 1h", s, least, most)
	}
	return d, nil
}

// actionID is the id of a custom action.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_CreateActionTarget.html
var actionID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9]{1,20}$`) })

func parseCustomAction(s string) (string, error) {
	if s != "" && !actionID().MatchString(s) {
		return "", fmt.Errorf("invalid id of a custom action %q: want at most 20 letters and digits, or nothing for no rule", s)
	}
	return s, nil
}

// busARN is the form of an event bus's ARN.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
var busARN = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^arn:aws[a-z-]*:events:[a-z]{2}(-[a-z]+)+-[0-9]:[0-9]{12}:event-bus/[A-Za-z0-9._-]{1,256}$`)
})

// parseCentralBus refuses default buses: the account that has the bus would pass its own
// events from its default bus to its default bus.
func parseCentralBus(s string) (string, error) {
	if !busARN().MatchString(s) || strings.HasSuffix(s, "/default") {
		return "", fmt.Errorf("invalid event bus %q: want the ARN of a bus that is not the default one, such as "+
			"arn:aws:events:eu-central-1:111122223333:event-bus/tourniquet", s)
	}
	return s, nil
}
