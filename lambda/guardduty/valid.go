package guardduty

import "strings"

// What the fields of a finding on an instance must be.
const (
	wantInstanceID = "an instance id such as i-0123456789abcdef0"
	wantType       = "a finding type such as Backdoor:EC2/C&CActivity.B"
	wantSeverity   = "a number above 0 and at most 10"
	wantAccount    = "an account id of 12 digits"
	wantID         = "a finding id of letters and digits"
	wantResources  = "the resources of the attack sequence, with the instances that it is on"
)

// required is a field without which a finding on an instance can't be acted on.
type required struct {
	field string
	valid bool
	was   scalar
	want  string
}

// firstWrong names the first field that isn't valid.
func firstWrong(at string, fields ...required) error {
	for _, f := range fields {
		if !f.valid {
			return malformed(within(at, f.field), "%s, want %s", f.was.got(), f.want)
		}
	}
	return nil
}

const (
	digits  = "0123456789"
	hex     = digits + "abcdef"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// validInstanceID accepts the current form and, for old instances, the short
// one. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/resource-ids.html
func validInstanceID(s string) bool {
	rest, ok := strings.CutPrefix(s, "i-")
	return ok && (len(rest) == 8 || len(rest) == 17) && only(hex, rest)
}

func validAccount(s string) bool { return len(s) == 12 && only(digits, s) }

func validID(s string) bool {
	return s != "" && len(s) <= maxID && only(letters+digits+":/_.-", s)
}

// validType accepts ThreatPurpose:Resource/Family.Mechanism!Artifact.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_finding-format.html
func validType(s string) bool {
	purpose, rest, hasPurpose := strings.Cut(s, ":")
	resource, family, hasFamily := strings.Cut(rest, "/")
	return hasPurpose && hasFamily && len(s) <= maxWord &&
		purpose != "" && only(letters+digits, purpose) &&
		resource != "" && only(letters+digits, resource) &&
		family != "" && only(letters+digits+"&.!-_", family)
}

// Attack sequences have a type and a resource type of their own. One on instances must
// name them; one on a cluster, on credentials or on data need not. When the type can't
// be read, the sequence may be on instances.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty-attack-sequence-finding-types.html
const (
	attackSequence = "AttackSequence"
	sequencePrefix = attackSequence + ":"
)

func onInstances(sequenceType string) bool {
	return strings.HasPrefix(sequenceType, sequencePrefix+"EC2/") || !validType(sequenceType)
}

// validSeverity accepts GuardDuty's scale.
// https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html
func validSeverity(n float64) bool { return n > 0 && n <= 10 }

func only(set, s string) bool { return strings.Trim(s, set) == "" }
