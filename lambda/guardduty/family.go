package guardduty

import (
	"errors"
	"fmt"
	"strings"
)

// Family lists the known finding types that begin with a pattern: all of a purpose
// and resource ("Trojan:EC2/*"), or some of them ("Backdoor:EC2/DenialOfService.*").
// A pattern never includes a type that this version doesn't know. A type that GuardDuty
// adds later may be about hardening calls such as our own.
func Family(pattern string) ([]Type, error) {
	prefix, ok := strings.CutSuffix(pattern, "*")
	if !ok || !validType(prefix+"x") {
		return nil, errors.New("want purpose and resource in full and one * at the end, as in Trojan:EC2/*; " +
			"a wider pattern would include findings about hardening calls such as our own")
	}
	var family []Type
	for _, t := range allTypes {
		if strings.HasPrefix(t.Name, prefix) {
			family = append(family, t)
		}
	}
	if len(family) == 0 {
		return nil, fmt.Errorf("no known finding type begins with %s", prefix)
	}
	return family, nil
}
