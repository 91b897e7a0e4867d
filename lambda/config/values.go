package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tourniquet/lambda/plan"
)

// OperatingMode is enforce or observe.
type OperatingMode string

// The modes.
const (
	Enforce OperatingMode = "enforce"
	Observe OperatingMode = "observe"
)

// Credentials says what becomes of the credentials of a contained instance.
type Credentials string

// What becomes of credentials.
const (
	KeepCredentials Credentials = "keep"
	DenyCredentials Credentials = "deny"
)

func parseCredentials(s string) (Credentials, error) {
	return oneOf(s, "value", KeepCredentials, DenyCredentials)
}

// parseProfileARN reads the ARN of an instance profile.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
func parseProfileARN(s string) (string, error) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "iam" || !strings.HasPrefix(parts[5], "instance-profile/") {
		return "", fmt.Errorf("invalid instance profile %q: want an ARN such as arn:aws:iam::111122223333:instance-profile/tourniquet-deny", s)
	}
	return s, nil
}

// Tag is a tag of an instance; an empty value stands for any.
type Tag struct{ Key, Value string }

// Prefixes are CIDRs.
type Prefixes []netip.Prefix

func parseMode(s string) (OperatingMode, error) { return oneOf(s, "mode", Enforce, Observe) }

func parseSurvivors(s string) (plan.Survivors, error) {
	return oneOf(s, "value", plan.SurvivorsOff, plan.SurvivorsReport, plan.SurvivorsDeny)
}

func parseIsolate(s string) (plan.Isolate, error) {
	return oneOf(s, "value", plan.IsolateOff, plan.IsolateTagged)
}

func parseOnHost(s string) (plan.OnHost, error) {
	return oneOf(s, "value", plan.OnHostOff, plan.OnHostAuto, plan.OnHostAlways)
}

// oneOf reads one of some words.
func oneOf[T ~string](s, what string, words ...T) (T, error) {
	var want []string
	for _, w := range words {
		if s == string(w) {
			return w, nil
		}
		want = append(want, string(w))
	}
	return "", fmt.Errorf("invalid %s %q: want %s", what, s, strings.Join(want, " or "))
}

func text(s string) (string, error) { return s, nil }

// parseSeverity reads a GuardDuty severity.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html
func parseSeverity(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 1 && f <= 10) {
		return 0, fmt.Errorf("invalid severity %q: want a number from 1 to 10, such as 7.0", s)
	}
	return f, nil
}

func parseSwitch(s string) (bool, error) {
	if s != "true" && s != "false" {
		return false, fmt.Errorf("invalid value %q: want true or false", s)
	}
	return s == "true", nil
}

// parseTag reads key, or key=value.
func parseTag(s string) (Tag, error) {
	key, value, _ := strings.Cut(s, "=")
	if key == "" {
		return Tag{}, fmt.Errorf("invalid tag %q: want key or key=value", s)
	}
	return Tag{Key: key, Value: value}, nil
}

func parsePrefixes(s string) (Prefixes, error) {
	var all Prefixes
	for _, item := range list(s) {
		prefix, err := netip.ParsePrefix(item)
		if err != nil {
			return nil, fmt.Errorf("invalid CIDR %q: want one such as 203.0.113.0/24 or 2001:db8::/32", item)
		}
		if prefix != prefix.Masked() {
			return nil, fmt.Errorf("invalid CIDR %q: it has bits set behind its length; did you mean %s?", item, prefix.Masked())
		}
		all = append(all, prefix)
	}
	return all, nil
}

// whole reads whole numbers within bounds.
func whole(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("invalid number %q: want a whole number from %d to %d", s, least, most)
		}
		return n, nil
	}
}

// wholeFrom reads whole numbers that have no upper bound.
func wholeFrom(least int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err != nil || n < least {
			return 0, fmt.Errorf("invalid number %q: want a whole number, %d or more", s, least)
		}
		return n, nil
	}
}

// parseDuration reads a duration as Go writes it, above zero.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("invalid duration %q: want one above 0, such as 3s", s)
	}
	return d, nil
}

func parseTopicARN(s string) (string, error) {
	parts := strings.Split(s, ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[5] == "" {
		return "", fmt.Errorf("invalid topic %q: want an ARN such as arn:aws:sns:eu-central-1:111122223333:tourniquet", s)
	}
	return s, nil
}

func parseEndpoint(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("invalid URL %q: want one such as http://127.0.0.1:4566", s)
	}
	return s, nil
}

// list separates a list at its commas.
func list(s string) []string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
