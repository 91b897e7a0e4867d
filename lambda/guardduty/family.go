package guardduty

import (
	"errors"
	"fmt"
	"strings"
)

// Family lists the known finding types that a pattern stands for: all of a purpose
// and resource ("Trojan:EC2/*"), or those whose name goes on in some way
// ("Backdoor:EC2/DenialOfService.*"). A pattern never stands for a type that this
// version doesn't know: what GuardDuty names like this tomorrow may be about
// hardening calls such as our own.
func Family(pattern string) ([]Type, error) {
	prefix, ok := strings.CutSuffix(pattern, "*")
	if !ok || !validType(prefix+"x") {
		return nil, errors.New("want purpose and resource in full and one * at the end, as in Trojan:EC2/*; " +
			"a wider pattern would take in findings about hardening calls such as our own")
	}
	var family []Type
	for _, t := range types {
		if strings.HasPrefix(t.Name, prefix) {
			family = append(family, t)
		}
	}
	if len(family) == 0 {
		return nil, fmt.Errorf("no known finding type begins with %s", prefix)
	}
	return family, nil
}
