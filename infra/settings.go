package main

import (
	"fmt"

	"tourniquet/lambda/config"
)

// readSettings reads the settings from the context, and checks that EventBridge will
// take the rules that they make. The error lists every problem, by key.
func readSettings(context map[string]any) (config.Settings, error) {
	s, err := config.FromContext(context)
	if err != nil {
		return config.Settings{}, err
	}
	for _, p := range []string{findingsPattern(s.Config), unknownPattern(s.Config)} {
		if len(p) > maxPattern {
			return config.Settings{}, fmt.Errorf("%sfindingTypes: the rule's pattern has %d characters, and EventBridge takes %d: add fewer families of types",
				config.Prefix, len(p), maxPattern)
		}
	}
	return s, nil
}
