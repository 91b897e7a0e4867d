// Package config holds the settings of a deployment in one table, [All]. The table
// makes the functions' environment variables, the keys of cdk.json's context, the
// checks of their values, and the tables of the documentation.
//
// To add a setting, add a field to [Config] or [Stack] and a row to [All].
package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/plan"
)

// Config is what the functions read at start-up, from the environment.
type Config struct {
	// Table is the name of the ledger's DynamoDB table.
	Table string
	// Mode is enforce, or observe: plan, record and report, and change nothing.
	Mode OperatingMode
	// MinSeverity is the least GuardDuty severity to act on, from 1 to 10.
	MinSeverity float64
	// FindingTypes changes the types that are contained.
	FindingTypes Types
	// ContainHosts is whether a finding on a container, an ECS task or a pod
	// contains the host, which other workloads may share.
	ContainHosts bool
	// ExemptTag is the tag of instances that are never contained.
	ExemptTag Tag
	// NeverDeny are prefixes whose addresses are never denied.
	NeverDeny Prefixes
	// MaxContained is how many instances events may have contained at once.
	MaxContained int
	// ACLQuota is the account's quota of rules per network ACL, direction and
	// family, from 20 to 40.
	ACLQuota int
	// CoverIPv4 and CoverIPv6 are how short, in bits, a prefix may be that covers
	// several peers where an ACL has no room for each: 16 to 32, and 48 to 128. At
	// the full length of an address, each peer is denied by itself.
	CoverIPv4, CoverIPv6 int
	// KeepAlive, Protect and Snapshots are whether a contained instance is kept in its Auto
	// Scaling group, protected against termination, and copied.
	KeepAlive, Protect, Snapshots bool
	// Credentials says what becomes of the instance's, and DenyProfile is the ARN of the
	// instance profile that denies them everything.
	Credentials Credentials
	DenyProfile string
	// LedgerWait is how long one call of the ledger may take before containment
	// goes on without it.
	LedgerWait time.Duration
	// DenialTTL is the age at which a denial of a contained instance expires, once
	// no flow that it is there for can be tracked any more; zero: none expires.
	DenialTTL time.Duration
	// TopicARN is the SNS topic for notifications; empty: none are sent.
	TopicARN string
	// SecurityHubNote is whether a finding that came from Security Hub gets a note there.
	SecurityHubNote bool
	// Isolate says which subnets may be isolated.
	Isolate plan.Isolate
	// Survivors is what becomes of addresses that still exchange packets with a contained
	// instance.
	Survivors plan.Survivors
	// FlowLogGroup is the log group of the flow logs, FlowLogRole the ARN of the role that
	// delivers them.
	FlowLogGroup, FlowLogRole string
	// OnHost is when a containment isolates the host itself.
	OnHost plan.OnHost
	// IsolateDocument and RestoreDocument are the names of the SSM documents that do so
	// and undo it. Each function has one of them.
	IsolateDocument, RestoreDocument string
	// Endpoint and EndpointEC2 are where the SDK finds AWS, for tests against
	// emulators; empty: AWS itself.
	Endpoint, EndpointEC2 string
}

// Settings are the values of all settings.
type Settings struct {
	Config
	Stack
	given map[string]string // variables that the operator set in the context
}

// Load reads the configuration of a function from the process's environment.
func Load() (Config, error) {
	vars := map[string]string{}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	return Parse(vars)
}

// Parse reads the configuration of a function from variables. An empty variable is
// one that is not set. The error lists every problem, by the variable's name.
func Parse(vars map[string]string) (Config, error) { return parseRows(All, vars) }

func parseRows(rows []Setting, vars map[string]string) (Config, error) {
	var s Settings
	var problems []string
	for _, row := range rows {
		if row.Variable == "" {
			continue
		}
		if err := row.read(&s, vars); err != nil {
			problems = append(problems, row.Variable+": "+err.Error())
		}
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return Config{}, errors.New("configuration: " + strings.Join(problems, "; "))
	}
	return s.Config, nil
}

// read sets the row's field from the variables.
func (row Setting) read(s *Settings, vars map[string]string) error {
	value := strings.TrimSpace(vars[row.Variable])
	missing := row.missing(vars)
	switch {
	case value == "" && row.Required:
		return errors.New("is not set: " + row.Meaning)
	case (value == "" || value == row.Default) && len(missing) > 0:
		value = row.Off // what the default needs was not deployed
	case value == "":
		value = row.Default
	case value != row.Off && len(missing) > 0:
		return fmt.Errorf("%q needs %s, which the stack sets", value, strings.Join(missing, " and "))
	}
	if value == "" {
		return nil
	}
	return row.set(s, value)
}

// missing are the variables that the setting needs, and that are not set.
func (row Setting) missing(vars map[string]string) []string {
	return slices.DeleteFunc(slices.Clone(row.Needs), func(name string) bool { return strings.TrimSpace(vars[name]) != "" })
}

// Variables are a function's environment variables as far as the operator set them
// in the context.
func (s Settings) Variables(f Function) map[string]string {
	vars := maps.Clone(s.given)
	maps.DeleteFunc(vars, func(name, _ string) bool { return !f.Reads(name) })
	return vars
}
