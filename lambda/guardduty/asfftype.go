package guardduty

import "strings"

// irregularTypes are the EC2 types that Security Hub doesn't name like the rest.
// https://docs.aws.amazon.com/guardduty/latest/ug/securityhub-integration.html
var irregularTypes = map[string]string{
	"EC2:Unusual-DNS-Resolver": "DefenseEvasion:EC2/UnusualDNSResolver",
	"EC2:Unusual-DoH-Activity": "DefenseEvasion:EC2/UnusualDoHActivity",
	"EC2:Unusual-DoT-Activity": "DefenseEvasion:EC2/UnusualDoTActivity",
}

// guardDutyType is the first of the types that translates to GuardDuty's, else
// the first as it is. It is for display: a person chose the finding.
func guardDutyType(types []scalar) scalar {
	for _, t := range types {
		if own := translateType(t.s); validType(own) {
			return scalar{s: own}
		}
	}
	if len(types) == 0 {
		return scalar{}
	}
	return types[0]
}

// translateType turns "TTPs/Initial Access/UnauthorizedAccess:EC2-SSHBruteForce"
// into "UnauthorizedAccess:EC2/SSHBruteForce". Over the years Security Hub has written
// "EC2-", "EC2." and, for attack sequences, "EC2/".
func translateType(t string) string {
	colon := strings.IndexByte(t, ':')
	if colon < 0 {
		return ""
	}
	own := t[strings.LastIndexByte(t[:colon], '/')+1:]
	if regular := irregularTypes[own]; regular != "" {
		return regular
	}
	purpose, rest, _ := strings.Cut(own, ":")
	end := strings.IndexAny(rest, "-./")
	if end < 0 {
		return own
	}
	return purpose + ":" + rest[:end] + "/" + rest[end+1:]
}
