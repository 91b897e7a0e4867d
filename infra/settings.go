package main

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tourniquet/infra/bundle"
	"tourniquet/lambda/config"
)

// Prefix begins each of our keys in cdk.json's context.
const Prefix = "tourniquet:"

// Settings are what an operator decides about a deployment.
type Settings struct {
	Regions      []string // none: the one that the CDK's CLI is set to
	Architecture string
	Function     config.Config     // what the function makes of Variables
	Variables    map[string]string // the function's, as far as they are set
	Encryption   Encryption
	Emails       []string
	LogDays      int
	MaxEventAge  time.Duration
	Concurrency  int    // reserved for the contain function; 0: none
	CustomAction string // Security Hub's; empty: none
	Detector     bool
	Schedules    bool   // reconcile and expire run by themselves
	Endpoint     string // instead of AWS's; for tests against emulators
	EndpointEC2  string
}

// Encryption says whose key encrypts the ledger.
type Encryption string

// The ways to encrypt the ledger.
const (
	AWSOwned        Encryption = "aws-owned"
	CustomerManaged Encryption = "customer-managed"
)

// variables are the keys that become a variable of the function. The function's
// own parser judges their values.
var variables = map[string]string{
	"mode":         config.Mode,
	"minSeverity":  config.MinSeverity,
	"findingTypes": config.FindingTypes,
	"containHosts": config.ContainHosts,
	"coverIpv4":    config.CoverIPv4,
	"coverIpv6":    config.CoverIPv6,
	"denialTtl":    config.DenialTTL,
	"exemptTag":    config.ExemptTag,
	"neverDeny":    config.NeverDeny,
	"maxContained": config.MaxContained,
	"aclQuota":     config.ACLQuota,
	"ledgerWait":   config.LedgerWait,
}

// settings are the other keys.
var settings = map[string]func(*Settings, string) error{
	"regions":           func(s *Settings, v string) error { return s.setRegions(v) },
	"architecture":      func(s *Settings, v string) error { return s.setArchitecture(v) },
	"encryption":        func(s *Settings, v string) error { return s.setEncryption(v) },
	"email":             func(s *Settings, v string) error { return s.setEmails(v) },
	"logRetentionDays":  func(s *Settings, v string) error { return s.setLogDays(v) },
	"maxEventAge":       func(s *Settings, v string) error { return s.setMaxEventAge(v) },
	"concurrency":       func(s *Settings, v string) error { return s.setConcurrency(v) },
	"securityHubAction": func(s *Settings, v string) error { return s.setCustomAction(v) },
	"createDetector":    func(s *Settings, v string) error { return setSwitch(&s.Detector, v) },
	"schedules":         func(s *Settings, v string) error { return setSwitch(&s.Schedules, v) },
	"endpointUrl":       func(s *Settings, v string) error { return setURL(&s.Endpoint, v) },
	"endpointUrlEc2":    func(s *Settings, v string) error { return setURL(&s.EndpointEC2, v) },
}

// NewSettings reads the settings from the context. Its error lists every problem,
// by key.
func NewSettings(context map[string]any) (Settings, error) {
	s := Settings{
		Architecture: "arm64", Variables: map[string]string{}, Encryption: AWSOwned,
		LogDays: 365, MaxEventAge: time.Hour, Concurrency: 10, CustomAction: "Tourniquet", Schedules: true,
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(context)) {
		name, ours := strings.CutPrefix(key, Prefix)
		if !ours {
			continue
		}
		value, err := text(context[key])
		if err == nil {
			err = s.set(name, value)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	if len(problems) > 0 {
		return Settings{}, errors.Join(problems...)
	}
	var err error
	if s.Function, err = parse(s.Variables); err != nil {
		return Settings{}, err
	}
	if n := len(pattern(s.Function)); n > maxPattern {
		return Settings{}, fmt.Errorf("%sfindingTypes: the rule's pattern has %d characters; EventBridge takes %d: add fewer families of types",
			Prefix, n, maxPattern)
	}
	return s, nil
}

func (s *Settings) set(name, value string) error {
	variable, isVariable := variables[name]
	read, isSetting := settings[name]
	switch {
	case !isVariable && !isSetting:
		known := slices.Sorted(maps.Keys(variables))
		known = slices.Sorted(slices.Values(slices.AppendSeq(known, maps.Keys(settings))))
		return fmt.Errorf("is no key; the keys are %s%s", Prefix, strings.Join(known, ", "+Prefix))
	case value == "" && name != "securityHubAction":
		return nil // not set
	case isSetting:
		return read(s, value)
	}
	if _, err := parse(map[string]string{variable: value}); err != nil {
		// The parser speaks of the variable, the operator knows the key.
		msg := strings.TrimPrefix(err.Error(), "configuration: ")
		return errors.New(strings.TrimPrefix(msg, variable+": "))
	}
	s.Variables[variable] = value
	return nil
}

// parse reads variables as the function will. The stack sets the table itself.
func parse(vars map[string]string) (config.Config, error) {
	vars = maps.Clone(vars)
	vars[config.Table] = "the stack's"
	return config.Parse(vars)
}

// text is a value as the command line would give it. cdk.json may have lists,
// numbers and booleans as JSON; "cdk -c" gives everything as text.
func text(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case []any:
		var items []string
		for _, item := range v {
			s, err := text(item)
			if err != nil {
				return "", err
			}
			items = append(items, s)
		}
		return strings.Join(items, ","), nil
	default:
		return "", fmt.Errorf("got a JSON object; want text, a number, true or false, or a list")
	}
}

func list(v string) []string {
	var items []string
	for s := range strings.SplitSeq(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			items = append(items, s)
		}
	}
	return items
}

var region = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)

func (s *Settings) setRegions(v string) error {
	s.Regions = list(v)
	for i, r := range s.Regions {
		if !region.MatchString(r) {
			return fmt.Errorf("%q is no Region; want one such as eu-central-1", r)
		}
		if slices.Contains(s.Regions[:i], r) {
			return fmt.Errorf("%q is there twice", r)
		}
	}
	return nil
}

func (s *Settings) setArchitecture(v string) error {
	if _, ok := bundle.Architectures[v]; !ok {
		return fmt.Errorf("%q is no architecture; want arm64 or x86_64", v)
	}
	s.Architecture = v
	return nil
}

func (s *Settings) setEncryption(v string) error {
	if s.Encryption = Encryption(v); s.Encryption != AWSOwned && s.Encryption != CustomerManaged {
		return fmt.Errorf("%q is no encryption; want %s or %s", v, AWSOwned, CustomerManaged)
	}
	return nil
}

func (s *Settings) setEmails(v string) error {
	for _, address := range list(v) {
		if a, err := mail.ParseAddress(address); err != nil || a.Address != address {
			return fmt.Errorf("%q is no address; want one such as security@example.com", address)
		}
		s.Emails = append(s.Emails, address)
	}
	return nil
}

// retentions are the days that CloudWatch Logs can keep logs for.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
var retentions = []int{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

func (s *Settings) setLogDays(v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || !slices.Contains(retentions, n) {
		return fmt.Errorf("%q is no retention; CloudWatch Logs has %s", v, strings.Trim(fmt.Sprint(retentions), "[]"))
	}
	s.LogDays = n
	return nil
}

// setMaxEventAge allows less than Lambda does (60 s to 6 h): an old event contains
// what may since have been released.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
func (s *Settings) setMaxEventAge(v string) error {
	const least, most = 5 * time.Minute, 3 * time.Hour
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most || d != d.Truncate(time.Second) {
		return fmt.Errorf("%q is no age of events; want a duration from %v to %v in whole seconds, such as 1h", v, least, most)
	}
	s.MaxEventAge = d
	return nil
}

func (s *Settings) setConcurrency(v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 || n > 100 {
		return fmt.Errorf("%q is no concurrency; want a whole number from 0 (nothing reserved) to 100", v)
	}
	s.Concurrency = n
	return nil
}

// The id of a custom action.
// https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_CreateActionTarget.html
var customAction = regexp.MustCompile(`^[A-Za-z0-9]{1,20}$`)

func (s *Settings) setCustomAction(v string) error {
	if v != "" && !customAction.MatchString(v) {
		return fmt.Errorf("%q is no id of a custom action; want at most 20 letters and digits, or nothing for no rule", v)
	}
	s.CustomAction = v
	return nil
}

func setSwitch(to *bool, v string) error {
	switch v {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return fmt.Errorf("%q is no switch; want true or false", v)
	}
	return nil
}

func setURL(to *string, v string) error {
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no URL; want one such as http://127.0.0.1:4566", v)
	}
	*to = v
	return nil
}
