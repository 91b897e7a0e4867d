package config

import (
	"fmt"
	"strings"

	"tourniquet/lambda/guardduty"
)

// Types are finding types to add to those that are contained, and to take out.
type Types struct{ Add, Remove []string }

// parseFindingTypes reads exact types and families of known ones: "Type" or "+Type" adds,
// "-Type" takes out. A family ends with "*", as in "Trojan:EC2/*".
func parseFindingTypes(s string) (Types, error) {
	var t Types
	for _, item := range list(s) {
		name, remove := strings.CutPrefix(item, "-")
		name = strings.TrimPrefix(name, "+")
		names, err := typeNames(name, remove)
		switch {
		case err != nil:
			return Types{}, err
		case remove:
			t.Remove = append(t.Remove, names...)
		default:
			t.Add = append(t.Add, names...)
		}
	}
	return t, nil
}

// typeNames are the types that one item stands for. A type that is never contained
// can't be added by name, and a family leaves it out.
func typeNames(name string, remove bool) ([]string, error) {
	if !strings.ContainsAny(name, "*?") {
		if !strings.Contains(name, ":") || !strings.Contains(name, "/") {
			return nil, fmt.Errorf("invalid finding type %q: want one such as Trojan:EC2/DropPoint", name)
		}
		if known, ok := guardduty.LookUp(name); ok && !remove && known.Response == guardduty.Never {
			return nil, fmt.Errorf("%q is never contained on an event: %s", name, known.Why)
		}
		return []string{name}, nil
	}
	family, err := guardduty.Family(name)
	if err != nil {
		return nil, fmt.Errorf("invalid family of finding types %q: %w", name, err)
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
