package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// FromContext reads the settings from the context of cdk.json and of "cdk -c". Its
// error lists every problem, by key. What the stack makes is not known yet: the
// fields without a key stay empty.
func FromContext(context map[string]any) (Settings, error) {
	s := Settings{given: map[string]string{}}
	for _, row := range All {
		if row.Key == "" || row.Default == "" {
			continue
		}
		if err := row.set(&s, row.Default); err != nil {
			return Settings{}, fmt.Errorf("the default of %s%s: %w", Prefix, row.Key, err)
		}
	}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(context)) {
		name, ours := strings.CutPrefix(key, Prefix)
		if !ours {
			continue
		}
		if err := s.take(name, context[key]); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", key, err))
		}
	}
	if len(problems) > 0 {
		return Settings{}, errors.Join(problems...)
	}
	return s, nil
}

// take sets the setting of a key.
func (s *Settings) take(key string, from any) error {
	value, err := asText(from)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(All, func(row Setting) bool { return row.Key == key && key != "" })
	if at < 0 {
		return fmt.Errorf("unknown key; the keys are %s%s", Prefix, strings.Join(contextKeys(), ", "+Prefix))
	}
	row := All[at]
	if value == "" && !row.Empty {
		return nil // not set
	}
	if err := row.set(s, value); err != nil {
		return err
	}
	if row.Variable != "" {
		s.given[row.Variable] = value
	}
	return nil
}

// contextKeys are the keys of all settings, sorted.
func contextKeys() []string {
	var all []string
	for _, row := range All {
		if row.Key != "" {
			all = append(all, row.Key)
		}
	}
	slices.Sort(all)
	return all
}

// asText is a value as the command line would give it. cdk.json may have lists,
// numbers and booleans as JSON; "cdk -c" gives everything as text.
func asText(value any) (string, error) {
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
			s, err := asText(item)
			if err != nil {
				return "", err
			}
			items = append(items, s)
		}
		return strings.Join(items, ","), nil
	default:
		return "", errors.New("got a JSON object; want text, a number, true or false, or a list")
	}
}
