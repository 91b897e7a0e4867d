// Package config is what an operator decides, read from the environment once, at
// cold start. The stack sets the same variables under the same names.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
)

// The names of the variables.
const (
	Table        = "TOURNIQUET_TABLE"
	Mode         = "TOURNIQUET_MODE"
	MinSeverity  = "TOURNIQUET_MIN_SEVERITY"
	FindingTypes = "TOURNIQUET_FINDING_TYPES"
	ContainHosts = "TOURNIQUET_CONTAIN_HOSTS"
	ExemptTag    = "TOURNIQUET_EXEMPT_TAG"
	NeverDeny    = "TOURNIQUET_NEVER_DENY"
	MaxContained = "TOURNIQUET_MAX_CONTAINED"
	ACLQuota     = "TOURNIQUET_ACL_QUOTA"
	CoverIPv4    = "TOURNIQUET_COVER_IPV4"
	CoverIPv6    = "TOURNIQUET_COVER_IPV6"
	LedgerWait   = "TOURNIQUET_LEDGER_WAIT"
	DenialTTL    = "TOURNIQUET_DENIAL_TTL"
	TopicARN     = "TOURNIQUET_TOPIC_ARN"
)

// Config is the operator's configuration.
type Config struct {
	// Table is the name of the ledger's DynamoDB table. It has no default.
	Table string `env:"TOURNIQUET_TABLE,required,notEmpty"`
	// Mode is enforce, or observe: plan, record and report, and change nothing.
	Mode OperatingMode `env:"TOURNIQUET_MODE" envDefault:"enforce"`
	// MinSeverity is the least GuardDuty severity to act on, from 1 to 10.
	MinSeverity Severity `env:"TOURNIQUET_MIN_SEVERITY" envDefault:"7.0"`
	// FindingTypes changes the types that are contained: "Type" or "+Type" adds
	// one, "-Type" takes one out. A family of known types ends with "*", as in
	// "Trojan:EC2/*". What is taken out stays out.
	FindingTypes Types `env:"TOURNIQUET_FINDING_TYPES"`
	// ContainHosts is whether the host of a container, an ECS task or a pod is
	// contained on a finding about these; other workloads may share it.
	ContainHosts Switch `env:"TOURNIQUET_CONTAIN_HOSTS" envDefault:"false"`
	// ExemptTag is the tag of instances that are never contained: key, or key=value.
	ExemptTag Tag `env:"TOURNIQUET_EXEMPT_TAG" envDefault:"tourniquet:exempt"`
	// NeverDeny are prefixes whose addresses are never denied.
	NeverDeny Prefixes `env:"TOURNIQUET_NEVER_DENY"`
	// MaxContained is how many instances events may have contained at once.
	MaxContained Count `env:"TOURNIQUET_MAX_CONTAINED" envDefault:"25"`
	// ACLQuota is the account's quota of rules per network ACL, direction and
	// family, from 20 to 40.
	ACLQuota Quota `env:"TOURNIQUET_ACL_QUOTA" envDefault:"20"`
	// CoverIPv4 and CoverIPv6 are how short, in bits, a prefix may be that covers
	// several peers where an ACL has no room for each: 16 to 32, and 48 to 128. As
	// long as an address: peers are denied each by itself.
	CoverIPv4 LengthIPv4 `env:"TOURNIQUET_COVER_IPV4" envDefault:"32"`
	CoverIPv6 LengthIPv6 `env:"TOURNIQUET_COVER_IPV6" envDefault:"128"`
	// LedgerWait is how long one call of the ledger may take before containment
	// goes on without it.
	LedgerWait Wait `env:"TOURNIQUET_LEDGER_WAIT" envDefault:"3s"`
	// DenialTTL is the age at which a denial of a contained instance expires, once
	// no flow that it is there for can be tracked any more; zero: none expires.
	DenialTTL Wait `env:"TOURNIQUET_DENIAL_TTL"`
	// TopicARN is the SNS topic for notifications; empty: none are sent.
	TopicARN Topic `env:"TOURNIQUET_TOPIC_ARN"`
}

// Load reads the configuration from the process's environment.
func Load() (Config, error) { return Parse(env.ToMap(os.Environ())) }

// Parse reads the configuration from variables. Its error lists every problem, by
// the variable's name.
func Parse(vars map[string]string) (Config, error) {
	set := map[string]string{}
	for k, v := range vars {
		if v = strings.TrimSpace(v); v != "" { // an empty variable is one that is not set
			set[k] = v
		}
	}
	cfg, err := env.ParseAsWithOptions[Config](env.Options{Environment: set})
	if err != nil {
		return Config{}, named(err)
	}
	return cfg, nil
}

// named restates the parser's errors, which name fields, in the names of variables.
func named(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	var msgs []string
	for _, e := range all.Errors {
		if p, ok := errors.AsType[env.ParseError](e); ok {
			msgs = append(msgs, fmt.Sprintf("%s: %v", variable(p.Name), p.Err))
			continue
		}
		if _, ok := errors.AsType[env.VarIsNotSetError](e); ok {
			msgs = append(msgs, Table+": is not set; it names the ledger's DynamoDB table")
			continue
		}
		msgs = append(msgs, e.Error())
	}
	slices.Sort(msgs)
	return errors.New("configuration: " + strings.Join(slices.Compact(msgs), "; "))
}

func variable(field string) string {
	f, ok := reflect.TypeFor[Config]().FieldByName(field)
	if !ok {
		return field
	}
	name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
	return name
}

// Policy is the configured policy, for any account and Region.
func (c Config) Policy() policy.Policy {
	return policy.Policy{
		MinSeverity: float64(c.MinSeverity), Types: policy.TypeSet(c.FindingTypes),
		ContainHosts: bool(c.ContainHosts), ExemptTag: policy.Tag(c.ExemptTag), MaxContained: int(c.MaxContained),
	}
}

// Rules are the configured bounds of plans.
func (c Config) Rules() plan.Rules {
	return plan.Rules{
		NeverDeny: c.NeverDeny, ACLQuota: int(c.ACLQuota), CoverIPv4: int(c.CoverIPv4), CoverIPv6: int(c.CoverIPv6),
	}
}

// OperatingMode is enforce or observe.
type OperatingMode string

// The modes.
const (
	Enforce OperatingMode = "enforce"
	Observe OperatingMode = "observe"
)

// UnmarshalText accepts the name of a mode.
func (m *OperatingMode) UnmarshalText(b []byte) error {
	if *m = OperatingMode(b); *m != Enforce && *m != Observe {
		return fmt.Errorf("%q is no mode; want %s or %s", b, Enforce, Observe)
	}
	return nil
}

// Severity is a GuardDuty severity.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html
type Severity float64

// UnmarshalText accepts a number from 1 to 10.
func (s *Severity) UnmarshalText(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(f >= 1 && f <= 10) {
		return fmt.Errorf("%q is no severity; want a number from 1 to 10, such as 7.0", b)
	}
	*s = Severity(f)
	return nil
}

// Types are finding types to add to those contained, and to take out.
type Types policy.TypeSet

// UnmarshalText accepts exact types and families of known ones, separated by
// commas; what begins with "-" is taken out.
func (t *Types) UnmarshalText(b []byte) error {
	for _, s := range split(b) {
		name, remove := strings.CutPrefix(s, "-")
		name = strings.TrimPrefix(name, "+")
		names, err := typeNames(name, remove)
		switch {
		case err != nil:
			return err
		case remove:
			t.Remove = append(t.Remove, names...)
		default:
			t.Add = append(t.Add, names...)
		}
	}
	return nil
}

// typeNames are the types that one item stands for. A type that is never contained
// can't be added by name, and a family leaves it out.
func typeNames(name string, remove bool) ([]string, error) {
	if !strings.ContainsAny(name, "*?") {
		if !strings.Contains(name, ":") || !strings.Contains(name, "/") {
			return nil, fmt.Errorf("%q is no finding type; want one such as Trojan:EC2/DropPoint", name)
		}
		if known, ok := guardduty.LookUp(name); ok && !remove && known.Response == guardduty.Never {
			return nil, fmt.Errorf("%q is never contained on an event: %s", name, known.Why)
		}
		return []string{name}, nil
	}
	family, err := guardduty.Family(name)
	if err != nil {
		return nil, fmt.Errorf("%q is no family of finding types: %w", name, err)
	}
	var names []string
	for _, known := range family {
		if remove || known.Response != guardduty.Never {
			names = append(names, known.Name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%q has only types that are never contained on an event: %s", name, family[0].Why)
	}
	return names, nil
}

// Switch turns something on or off.
type Switch bool

// UnmarshalText accepts true and false, and nothing else.
func (s *Switch) UnmarshalText(b []byte) error {
	switch string(b) {
	case "true", "false":
		*s = string(b) == "true"
		return nil
	default:
		return fmt.Errorf("%q is neither true nor false", b)
	}
}

// Tag is key or key=value.
type Tag policy.Tag

// UnmarshalText accepts key, or key=value.
func (t *Tag) UnmarshalText(b []byte) error {
	key, value, _ := strings.Cut(string(b), "=")
	if key == "" {
		return fmt.Errorf("%q names no tag; want key or key=value", b)
	}
	*t = Tag{Key: key, Value: value}
	return nil
}

// Prefixes are CIDRs.
type Prefixes []netip.Prefix

// UnmarshalText accepts CIDRs, separated by commas.
func (p *Prefixes) UnmarshalText(b []byte) error {
	for _, s := range split(b) {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("%q is no CIDR; want one such as 203.0.113.0/24 or 2001:db8::/32", s)
		}
		if prefix != prefix.Masked() {
			return fmt.Errorf("%q has bits set behind its length; did you mean %s?", s, prefix.Masked())
		}
		*p = append(*p, prefix)
	}
	return nil
}

// Count is a whole number above zero.
type Count int

// UnmarshalText accepts a whole number above zero.
func (c *Count) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 {
		return fmt.Errorf("%q is no count; want a whole number above 0", b)
	}
	*c = Count(n)
	return nil
}

// Quota is a quota of ACL entries.
// https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html#vpc-limits-nacls
type Quota int

// UnmarshalText accepts what AWS grants: 20 to 40.
func (q *Quota) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < network.DefaultACLQuota || n > 40 {
		return fmt.Errorf("%q is no quota of ACL rules; want a whole number from %d to 40", b, network.DefaultACLQuota)
	}
	*q = Quota(n)
	return nil
}

// LengthIPv4 is how short a covering IPv4 prefix may be.
type LengthIPv4 int

// UnmarshalText accepts 16 to 32: a shorter prefix would deny whole providers.
func (l *LengthIPv4) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 16 || n > 32 {
		return fmt.Errorf("%q is no prefix length; want a whole number from 16 to 32, where 32 denies single addresses only", b)
	}
	*l = LengthIPv4(n)
	return nil
}

// LengthIPv6 is how short a covering IPv6 prefix may be.
type LengthIPv6 int

// UnmarshalText accepts 48, what a site has, to 128.
func (l *LengthIPv6) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 48 || n > 128 {
		return fmt.Errorf("%q is no prefix length; want a whole number from 48 to 128, where 128 denies single addresses only", b)
	}
	*l = LengthIPv6(n)
	return nil
}

// Wait is a time to wait, above zero.
type Wait time.Duration

// UnmarshalText accepts a duration as Go writes it.
func (w *Wait) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no duration above 0; want one such as 3s", b)
	}
	*w = Wait(d)
	return nil
}

// Topic is the ARN of an SNS topic.
type Topic string

// UnmarshalText accepts an SNS topic's ARN.
func (t *Topic) UnmarshalText(b []byte) error {
	parts := strings.Split(string(b), ":")
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[5] == "" {
		return fmt.Errorf("%q is no topic; want an ARN such as arn:aws:sns:eu-central-1:111122223333:tourniquet", b)
	}
	*t = Topic(b)
	return nil
}

// split separates a list at its commas.
func split(b []byte) []string {
	var items []string
	for s := range strings.SplitSeq(string(b), ",") {
		if s = strings.TrimSpace(s); s != "" {
			items = append(items, s)
		}
	}
	return items
}
